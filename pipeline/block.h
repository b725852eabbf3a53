/* SPDX-License-Identifier: Apache-2.0 */
/* One batch as an output wants it: encoded, grouped by stream, self-contained (nothing points back
 * into the lane). For Loki the bytes are finished wire format, so that a push body is a
 * concatenation and every retry sends the same bytes. Owned by one thread at a time. */
#ifndef PIPELINE_BLOCK_H
#define PIPELINE_BLOCK_H

#include "lib/arena.h"
#include "lib/metric.h"

struct ack;
struct budget;
struct block;

/* The blocks of one output that are not freed: n from their submission; in the list, oldest first, since the
 * output took them, which is its thread's alone. */
struct held_blocks {
	_Atomic int64_t n;
	_Atomic int64_t oldest_ns; /* made_ns of the first; 0: none */
	struct block *first, *last;
};

/* How the records of one pipeline end at one output. in = delivered + filtered + joined + withdrawn
 * + dropped + held, per flow, at any quiet moment. Lives as long as the process. */
struct flow {
	struct flow *next; /* for its owner */
	char *pipeline, *output;
	struct metric *in, *delivered, *filtered, *joined, *withdrawn, *held;
	_Atomic int64_t dropped_total; /* sum over reasons, for the ledger */
	_Atomic int64_t left;          /* found in queues at the stop and left to their source; must
					* equal `held` then */
};
struct flow *flow_new(const char *pipeline, const char *output);
void flow_free(struct flow *f); /* the metrics stay */
/* Each of these also takes n off `held`. */
void flow_delivered(struct flow *f, uint64_t n);
void flow_filtered(struct flow *f, uint64_t n);
void flow_joined(struct flow *f, uint64_t n);
void flow_withdrawn(struct flow *f, uint64_t n);
void flow_dropped(struct flow *f, const char *reason, uint64_t n); /* counts by reason: rare path */

/* Records of one stream in a block. */
struct run {
	struct str labels; /* {a="b"}; in the block */
	struct str tenant; /* empty = the output's own */
	uint64_t hash;     /* of labels and tenant, for sharding and grouping */
	uint32_t off, len; /* of the bytes */
	uint32_t nrecs;
	uint32_t open_pieces; /* of an output that splits runs: parts not ended yet */
};

struct block {
	unsigned magic;
	uint32_t nrecs, nruns;
	uint32_t open_runs; /* runs not ended yet; block_end() counts down */
	struct run *runs;
	char *bytes;
	size_t nbytes;
	struct flow *flow;
	struct ack *ack; /* a reference, or NULL (drop outputs) */
	struct budget *budget;
	size_t charged_bytes;
	bool is_urgent;
	int64_t made_ns;           /* monotonic, when it was encoded */
	struct held_blocks *held;  /* of its output; NULL in tests */
	struct block *prev, *next; /* there */
	char *text_p, *text_end;   /* free part of the text area */
	struct chunk *chunk;       /* all memory of the block, this struct included */
};
#define BLOCK_MAGIC 0xb10c4u

/* A block with room for nruns runs, `text` bytes of labels and tenants (used up by
 * block_text()) and nbytes of encoded records. Uncharged; the lane charges it. */
struct block *block_new(uint32_t nruns, size_t text, size_t nbytes);
/* Copies s into the block's text area. */
struct str block_text(struct block *b, struct str s);
/* Bytes of memory, for the budget. */
size_t block_size(const struct block *b);
/* Output thread: takes a block that was submitted. */
void block_taken(struct block *b);
/* n runs have ended (delivered, dropped, withdrawn and counted by the caller). The last one puts the
 * ack, gives the credit back and frees the block: true then. */
bool block_end(struct block *b, uint32_t n);
bool block_is_withdrawn(const struct block *b);
/* At the stop: n records of a block were not delivered. Who has an ack reads or sends them again
 * (they stay `held` and are counted in flow->left); all others are dropped{shutdown}. The run is not
 * ended: use block_abandon_end() for that, which does not settle the ack. */
void block_left(struct block *b, uint64_t n);
/* As block_end(), without settling: the source keeps its place. Who does not read it again is settled,
 * as what it waits for has been counted. */
bool block_abandon_end(struct block *b, uint32_t nruns);

#endif
