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
	struct explain_found *found;
	/* explain_hide() */
	struct explain_piece *pieces;
	size_t npieces;
	bool is_withheld; /* something found cannot be traced to the input: all before is hidden */
};

/* Finds out what must not be shown. Returns 0 or negative. */
int explain_hide(struct explain *e, struct err *err);
/* The text as it may be shown; is_before: a redact stage of its record is still to come, or it never
 * met one. *ret_detector: of something hidden in it, else unchanged. */
struct str explain_shown(struct explain *e, struct str text, bool is_before,
			 const char **ret_detector);

/* Writes everything. */
void explain_text(struct explain *e, bool is_coloured, struct buf *out);
void explain_json(struct explain *e, struct buf *out);

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
