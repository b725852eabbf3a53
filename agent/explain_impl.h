/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by explain*.c: the way of each record, written down while it runs, hidden where something in
 * it is secret, and then shown. Everything lives in one arena until the end. */
#ifndef AGENT_EXPLAIN_IMPL_H
#define AGENT_EXPLAIN_IMPL_H

#include "agent/offline.h"
#include "agent/view.h"

enum explain_end {
	EXPLAIN_GOES_ON,
	EXPLAIN_UNSELECTED,
	EXPLAIN_DROPPED,
	EXPLAIN_HELD,
	EXPLAIN_SENT
};

struct explain_step {
	const char *stage;
	const struct conf_node *node; /* may be NULL */
	unsigned depth;               /* lists of stages around it */
	bool is_enter;                /* into the list of stages of this one */
	bool is_redact;
	enum explain_end end;
	struct str reason;        /* of a drop */
	const struct view *after; /* the same pointer as before: nothing changed */
	struct explain_step *next;
};

struct explain_trail {
	size_t line;       /* from 1; 0: made by a stage */
	const char *maker; /* that stage */
	const struct view *first, *last;
	struct explain_step *steps, **steps_end;
	const struct stage *unselected_by;
	bool is_over;
	struct explain_trail *next;
};

/* A batch under way. */
struct explain_track {
	const struct batch *b;
	struct explain_trail **trails; /* by record */
	size_t n, cap;
	struct explain_track *next;
};

/* What a redact stage found, or would find. */
struct explain_found {
	const char *detector;
	struct str secret, replacement;
	struct explain_found *next;
};

struct explain_piece {
	struct str text; /* lower case */
	const char *detector;
};

struct explain {
	const struct offline_conf *conf;
	struct arena arena;
	struct explain_trail *trails, **trails_end;
	struct explain_track *tracks;
	struct buf reasons; /* of the stage that is running */
	uint64_t series;    /* added to those that the asker is asked with */
	struct explain_found *found;
	/* explain_hide() */
	struct explain_piece *pieces;
	size_t npieces;
	bool is_withheld; /* something found cannot be traced to the input: all before is hidden */
};

/* ---- writing down ---- */

/* A probe of a record that is not over. */
void explain_follow(struct explain *e, struct explain_trail *t, enum chain_probe probe,
		    const struct stage *s, const struct batch *b, const struct rec *r);
/* Why the stage that is running dropped something. */
void explain_reason(struct explain *e, const char *reason);
void explain_found(struct explain *e, const char *detector, struct str secret,
		   struct str replacement);

/* ---- hiding ---- */

/* The redact stages of a pipeline, each in a chain of its own. ret is to be freed in any case. */
struct explain_asker;
int explain_asker_new(const struct config *c, struct offline_way way, struct explain_asker **ret,
		      struct err *err);
void explain_asker_free(struct explain_asker *asker);

/* Finds out what must not be shown. */
void explain_hide(struct explain *e, struct explain_asker *asker);
/* The text as it may be shown; is_before: a redact stage of its record is still to come, or it never
 * met one. *ret_detector: of something hidden in it, else unchanged. */
struct str explain_shown(struct explain *e, struct str text, bool is_before,
			 const char **ret_detector);

/* Writes everything. */
void explain_text(struct explain *e, bool is_coloured, struct buf *out);
void explain_json(struct explain *e, struct buf *out);
/* One state of a record. */
void explain_view_text(struct explain *e, const struct view *v, bool is_before, struct buf *out);
void explain_view_json(struct explain *e, const struct view *v, bool is_before, struct buf *out);
/* The last redact stage the record met; NULL: none. What was before it is not for everybody. */
const struct explain_step *explain_last_redact(const struct explain_trail *t);

/* ---- what a step changed ---- */

enum explain_what {
	CHANGED_LINE,
	CHANGED_TIME,
	CHANGED_FLAGS,
	CHANGED_LABEL,
	CHANGED_METADATA,
	CHANGED_EXTRACTED
};
struct explain_change {
	enum explain_what what;
	struct str name;  /* of label, metadata, extracted value */
	struct str value; /* as it is now; p == NULL: it is gone */
	bool is_new;
};
/* Calls put() for each difference. */
void explain_changes(const struct view *before, const struct view *after,
		     void (*put)(void *ctx, const struct explain_change *change), void *ctx);

#endif
