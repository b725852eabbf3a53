/* SPDX-License-Identifier: Apache-2.0 */
/* What moves between threads: an arena and the records that point into it, all from one source.
 * A batch has exactly one owner at a time; handing it over (input_submit, ring_push) gives it away.
 * The input charges it to a budget when it makes it; batch_free() gives the credit back. */
#ifndef PIPELINE_BATCH_H
#define PIPELINE_BATCH_H

#include <stdbool.h>

#include "lib/arena.h"
#include "pipeline/labels.h"
#include "pipeline/record.h"
#include "pipeline/uniq.h"

struct ack;
struct budget;
struct labels;
struct label;
struct input;
struct way;

/* One file, connection or socket. Order is kept within it; it belongs to one lane. Made and ended
 * by its input on the input's thread, not before all its batches are settled. */
struct source {
	unsigned magic;
	struct input *input;
	uint32_t lane;   /* index; fixed for life */
	uint32_t entry;  /* of the chain: the stages of its input in front, or 0; set by the lane */
	uint64_t series; /* the same for sources of which one goes on where another ended (a rotated
			  * file and the next of its name): what is held joins across them */
	bool keeps_times; /* they are the client's, whose retry must be the same: not made unique */
	uint32_t nlabels;
	const struct label *labels; /* base labels, sorted by name; the input owns them */
	struct labels_known known;  /* touched by the lane only */
	struct uniq uniq;           /* touched by the lane only; the input sets it before the first
				    * batch (restored state) and reads snapshots in struct ack */
};
#define SOURCE_MAGIC 0x5054ceu

struct batch {
	unsigned magic;
	uint32_t nrecs, cap;
	uint32_t
		ngone; /* of them that stages pass over, as far as they are counted: REC_PASSED_OVER */
	struct rec *recs;
	struct arena arena;
	struct source *source;
	struct ack *ack;             /* a reference: whoever frees the batch must ack_put() it */
	const struct labels *labels; /* of records without labels of their own; set by the lane */
	size_t charged_bytes;
	struct budget *budget;
	struct way *way; /* into its pipeline; set by input_submit() */
	bool is_urgent;  /* a client waits for the answer: do not linger for a full push */
};
#define BATCH_MAGIC 0xba7c4u
#define BATCH_OVERHEAD_BYTES 512 /* charged on top of the text, before it is known */
#define BATCH_RECS_MAX 4096      /* inputs start a new batch beyond this */

/* A batch with room for at least `bytes` of text in its arena, charged to `budget` (NULL: not
 * charged). With force, credit may go below zero (stages that must emit). NULL: no credit. */
struct batch *batch_new(struct budget *budget, struct source *source, size_t bytes, bool force);
void batch_free(struct batch *b); /* does not touch the ack */
/* Charges what the arena really holds now; may take the budget below zero. */
void batch_recharge(struct batch *b);
/* More than twice the room that was asked for, and a little: its records are far more than what came, as names and
 * metadata are repeated. It is to go, so that a client makes nobody keep what it has not sent. */
static inline bool batch_is_overgrown(const struct batch *b, size_t room)
{
	return b->arena.bytes > 2 * room + 16384;
}

/* Room for n more records without moving those that are there: for readers that can guess. */
void batch_reserve(struct batch *b, uint32_t n);

/* A zeroed record at the end (severity and facility NONE). Pointers to earlier records may move. */
struct rec *batch_add(struct batch *b);

/* Makes room for one more. False at 1,000 attributes of one record. */
bool rec_attrs_grow(struct batch *b, struct rec *r);

/* Adds an attribute; the value must live as long as the batch. Later ones win on look-up.
 * Beyond 1,000 attributes of one record returns NULL and adds nothing. */
static inline struct attr *rec_attr(struct batch *b, struct rec *r, uint16_t key,
				    enum attr_kind kind, enum attr_type type, struct str value)
{
	struct attr *a;

	if (__builtin_expect(r->nattrs == r->attrs_cap, 0) && !rec_attrs_grow(b, r))
		return NULL;
	a = &r->attrs[r->nattrs++];
	*a = (struct attr){ value.p, (uint32_t)value.n, key, (uint8_t)kind, (uint8_t)type };
	return a;
}

/* The first attributes of a record, written in a row: room for n of them, then how far it was used. Nothing
 * else may be taken from the arena in between. */
static inline struct attr *rec_attrs_begin(struct batch *b, size_t n)
{
	uintptr_t at = (uintptr_t)arena_room(&b->arena, (n + 1) * sizeof(struct attr));

	arena_take(&b->arena, -at & (sizeof(struct attr) - 1));
	return (struct attr *)(void *)b->arena.p;
}

static inline void rec_attrs_end(struct batch *b, struct rec *r, const struct attr *end)
{
	r->attrs = (struct attr *)(void *)b->arena.p;
	r->nattrs = r->attrs_cap = (uint16_t)(end - r->attrs);
	arena_take(&b->arena, r->nattrs * sizeof(struct attr));
}

/* Name and value, copied into the arena; for who has the attributes of its own. */
struct attr attr_inline(struct batch *b, struct str name, struct str value);
/* As rec_attr() for a name known only from data: name and value are copied into the arena. */
struct attr *rec_attr_inline(struct batch *b, struct rec *r, struct str name, enum attr_kind kind,
			     struct str value);

/* Makes `to` a copy of `from`, which is of another batch, with its text in b's arena; its labels stay
 * where they are. */
void rec_copy(struct batch *b, struct rec *to, const struct rec *from);

/* What a stage finds under a source name: the newest extracted value or metadata of that name, else
 * the label that the record entered the pipeline with (promtail.md 6.1: labels are copied into the
 * extracted map at entry). False when there is none; ATTR_NULL counts as found. */
bool rec_get(const struct batch *b, const struct rec *r, uint16_t key, struct attr *ret);
/* As rec_get() for a name that no configuration mentions: compares names. */
bool rec_find(const struct batch *b, const struct rec *r, struct str name, struct attr *ret);
/* As rec_get(), as text; false also for ATTR_NULL. */
bool rec_get_str(const struct batch *b, const struct rec *r, uint16_t key, struct str *ret);

/* Labels in force. */
static inline const struct labels *rec_labels(const struct batch *b, const struct rec *r)
{
	return r->labels ? r->labels : b->labels;
}

/* The records that a stage works on: not dropped, skipped or held. */
#define BATCH_FOR(b, r)                                                                            \
	for (struct rec *r = (b)->recs, *end_##r = (b)->recs + (b)->nrecs; r < end_##r; r++)       \
		if (!(r->flags & REC_PASSED_OVER))

#endif
