/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: one file each in pipeline/stages/, one const descriptor at the end of it, listed in
 * agent/registry.c. A stage is opened once per lane, so its state needs no locks, and runs once per
 * batch over all records. Semantics follow Promtail's (see docs/reference). */
#ifndef PIPELINE_STAGE_H
#define PIPELINE_STAGE_H

#include "lib/conf.h"
#include "lib/err.h"
#include "pipeline/batch.h"

struct chain;
struct stage;

struct stage_ops {
	const char *name;    /* as in the configuration */
	const char *summary; /* one sentence */
	const char *doc;     /* Markdown below the summary on the reference page; may be NULL */
	const struct conf_table *conf;
	const char *alias; /* Promtail's other spellings, separated by commas; may be NULL */
	size_t state_size; /* zeroed, per lane */
	bool takes_raw;    /* at the beginning of a pipeline, runs before invalid UTF-8 is repaired:
			    * joins lines that were cut in the middle of a character */
	/* Builds the state (compiled patterns, interned keys); may be NULL. What a user can get wrong
	 * is the business of conf->check, so that all mistakes are reported at once with their
	 * places; a failure here is reported at the stage. May be closed half-opened. */
	int (*open)(struct stage *s, struct err *err);
	/* Works on the records of BATCH_FOR(b, r). Removes one by setting REC_DROP. May add records
	 * to the end. Never fails: what cannot be processed passes unchanged and is counted. */
	void (*run)(struct stage *s, struct batch *b);
	/* For stages that hold records: emit everything held for `source` (NULL: all sources) through
	 * chain_emit(). Called when too much is held and at the end. */
	void (*flush)(struct stage *s, struct source *source);
	void (*close)(struct stage *s);
};

struct stage {
	unsigned magic;
	const struct stage_ops *ops;
	const void *conf; /* option struct of ops->conf, filled */
	void *state;
	const struct conf_node *node; /* where it stands in the configuration; may be NULL */
	struct chain *chain;
	struct stage *next;        /* in its list */
	struct stage *parent;      /* encloses the list, or NULL */
	struct stage *opened_next; /* of its chain, in the order of the configuration */
	uint32_t entry; /* its own list is that of an input: source.entry; 0: the pipeline's */
	/* Records it was given, and of these that it removed. Written by its lane. */
	_Atomic int64_t records, removed;
};
#define STAGE_MAGIC 0x57a6eu

/* What stages may use of their chain. */
const struct chain_trace *chain_trace(const struct chain *c); /* see chain.h; mostly NULL */
struct pattern_scratch *chain_scratch(struct chain *c);       /* match data of this lane */
struct label_table *chain_labels(struct chain *c);
const char *chain_pipeline(const struct chain *c); /* name, for counters */
struct loop *chain_loop(struct chain *c);          /* for timers */

/* Sets labels of a record. Those beyond a limit, and all when the table is full, become metadata of
 * this record, flagged and counted: then false, and another record with the same labels must not just
 * be given what came of this one's. */
bool chain_set_labels(struct chain *c, struct batch *b, struct rec *r, const struct label *changes,
		      size_t n);
/* n records of b were given REC_DROP: counts them under the reason the user's configuration names. */
void stage_dropped(struct stage *s, struct batch *b, const char *reason, uint64_t n);

/* The last flush is under way: what waits for anything must go on now. */
bool chain_is_ending(const struct chain *c);

/* Holding records beyond their batch: see hold.h, which with the stage limit is the only user of these. A batch made with
 * chain_emit_batch() on (pinned) base labels goes on with the stage after `s`; its ack carries the
 * acks of what is in it. Records that became part of another one are counted with chain_joined(). */
void chain_charge(struct chain *c, int64_t bytes); /* negative gives back */
struct batch *chain_emit_batch(struct chain *c, struct source *source, const struct labels *base,
			       size_t bytes);
void chain_emit(struct stage *s, struct batch *b);
void chain_joined(struct chain *c, uint64_t n);
/* Records that were held and are not to go on: filtered, under the reason. */
void stage_removed(struct stage *s, const char *reason, uint64_t n);

/* A nested list (match): same chain, run with stages_run() by its parent. parent: the enclosing stage, NULL for the
 * pipeline's own list; what a nested stage emits later goes on behind the parent. */
int stages_open(struct chain *c, struct stage *parent, const struct conf_stages *list,
		struct stage **ret, struct err *err);
void stages_run(struct stage *parent, struct stage *list, struct batch *b);
void stages_flush(struct stage *list, struct source *source);
void stages_close(struct stage *list);

#endif
