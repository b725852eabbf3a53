/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline on one lane: its stages, label table and match data, and where its records go. A
 * chain is used by its lane's thread only. */
#ifndef PIPELINE_CHAIN_H
#define PIPELINE_CHAIN_H

#include "pipeline/labels.h"
#include "pipeline/stage.h"

struct chain;
struct flow;
struct block;

/* Where finished batches go: an output, seen from the pipeline. */
struct sink {
	void *ctx;
	struct flow *flow;
	bool is_blocking;
	/* Encodes the records of b; NULL only when there are none. */
	struct block *(*encode)(void *ctx, const struct batch *b, struct arena *scratch);
	/* Takes the block over (charged, with its ack). */
	void (*submit)(void *ctx, uint32_t lane, struct block *block);
	struct budget *budget; /* of a sink that drops when it is full; else NULL */
};

/* For tools that show or test a pipeline. Without one the way of the records costs a comparison a stage and batch. */
enum chain_probe {
	CHAIN_BEGIN, /* b sets out: from its input (s is NULL), or made by `s` (chain_emit()) */
	CHAIN_ENTER, /* b enters the list of stages that `s` encloses; records not selected have REC_SKIP */
	CHAIN_RAN, /* `s` ran over b, which it may have made itself (chain_emit()) */
	CHAIN_END, /* b is through; s is NULL. Once for each batch, last */
};
struct chain_trace {
	void *ctx;
	void (*probe)(void *ctx, enum chain_probe probe, const struct stage *s,
		      const struct batch *b);
	/* A stage dropped n records; comes before its CHAIN_RAN. May be NULL. */
	void (*dropped)(void *ctx, const char *reason, uint64_t n);
	/* What stood where `redact` now has the replacement; r NULL: in a label of the whole batch. May be NULL. */
	void (*redacted)(void *ctx, const struct rec *r, const char *detector, struct str secret,
			 struct str replacement);
};

struct chain_conf {
	const char *pipeline;
	const struct conf_stages *stages;
	const struct conf_stages *const
		*front; /* of inputs, in front of `stages`; source.entry - 1 */
	size_t nfront;
	struct sink *sinks; /* shared by all lanes; outlive the chain */
	size_t nsinks;
	struct budget *budget;
	struct loop *loop;
	uint32_t lane;
	size_t max_streams;
	struct label_limits label_limits;
	const struct chain_trace *trace; /* or NULL; outlives the chain */
};

/* 0, or negative with err. */
int chain_open(const struct chain_conf *conf, struct chain **ret, struct err *err);
/* Stages must have been flushed. */
void chain_close(struct chain *c);

/* The first of all its stages, nested ones behind theirs: s->opened_next. Of interest to others than its lane
 * are only what is fixed for life, and the counts. */
const struct stage *chain_first_stage(const struct chain *c);

/* Lane thread, not from within a batch: from the next one on. NULL: none. */
void chain_set_trace(struct chain *c, const struct chain_trace *trace);

/* Takes the batch through the stages to the sinks and frees it. */
void chain_run(struct chain *c, struct batch *b);
/* Makes stages emit what they hold for the source (NULL: for all, because the chain ends: what may still
 * come is run as ever, and nothing of it is held). */
void chain_flush(struct chain *c, struct source *source);
/* Instead of chain_run(), when there is no time left: what its source has again stays with it, the rest is
 * dropped{shutdown}. */
void chain_give_up(struct chain *c, struct batch *b);

#endif
