/* SPDX-License-Identifier: Apache-2.0 */
/* Tells an input when all records of a batch are settled: delivered by every blocking output,
 * filtered by a rule, or refused for good and dead-lettered. One reference count per batch; nothing
 * per record. The last ack_put(), on whatever thread, posts the ack to the input's loop. */
#ifndef PIPELINE_ACK_H
#define PIPELINE_ACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/loop.h"
#include "pipeline/uniq.h"

struct ack;
struct source;

/* What an input has on its way. Outlives its acks. */
struct ack_count {
	_Atomic int64_t open;      /* neither settled nor abandoned */
	_Atomic int64_t abandoned; /* never settle: what they stand for must be read again */
	_Atomic bool
		is_void; /* everything that is open will be read again: none settles any more */
};

#define ACK_COST ((size_t)16 << 10) /* what the smallest counts as in carried_bytes */

struct ack_link {
	struct ack *ack;
	struct ack_link *next;
};

/* Embedded in what the input keeps per batch (a file range, a request's part). */
struct ack {
	struct mail mail;
	_Atomic uint32_t refs;
	_Atomic bool is_withdrawn; /* the client is gone or was refused: what is not in a push yet
				    * is not sent (outputs look when they build a request) */
	_Atomic bool is_abandoned; /* the agent or its output stops: never settles any more */
	bool replays;              /* set by inputs that read or get again what was not settled
				    * (files, acknowledging protocols); what other sources still
				    * have in memory at the end is dropped{shutdown} */
	bool is_settled;           /* input's thread, see struct ack_line */
	struct ack_count *count;   /* of its input, which is counted down; NULL: none */
	struct loop *loop;         /* where settled() runs */
	void (*settled)(struct ack *a); /* may free it */
	struct ack_link *links; /* acks that settle with this one: held and joined records */
	struct ack *next_in_line;
	size_t bytes;           /* of the source, for the line's accounting */
	size_t carried_bytes;   /* of the source, that wait for this one: what a kill repeats */
	struct uniq uniq_after; /* the source's state behind this batch; set by the lane */
};

/* One reference, which the batch carries. settled runs on loop's thread (NULL: nobody waits). */
void ack_init(struct ack *a, struct loop *loop, void (*settled)(struct ack *));
void ack_get(struct ack *a);
void ack_put(struct ack *a); /* NULL is fine */
/* As ack_put() for records that will not be delivered by this process: the ack never settles; its
 * owner frees it when it closes. */
void ack_abandon(struct ack *a);
/* `held` (a reference is given away) settles not before `a`. Only the lane of their source, while
 * it holds a reference of a; held is older than a. */
void ack_carry(struct ack *a, struct ack *held);
/* The batch of an internal ack was stamped: those it carries, when they were the newest of their
 * source (their state is `before`), are now followed by `after`. */
void ack_stamped(struct ack *a, const struct uniq *before, const struct uniq *after);
/* What it stands for is not to be sent any more. */
bool ack_is_withdrawn(const struct ack *a);
/* Whether what this ack stands for comes again; an internal one answers for what it carries. */
bool ack_replays(const struct ack *a);
/* An ack for a batch that a stage emits by itself: frees itself, settles what it carries. */
struct ack *ack_new_internal(void);

/* The acks of one source in order. A cursor may only pass what is settled without a gap. */
struct ack_line {
	struct ack *first, *last;
	size_t outstanding; /* acks not passed yet */
	size_t ahead_bytes; /* settled beyond the first unsettled one */
};

/* Both on the input's thread. */
void ack_line_add(struct ack_line *line, struct ack *a);
/* Marks a settled; returns the first ack of the now settled prefix, chained by next_in_line up to
 * NULL, removed from the line (NULL when something older is still open). The caller advances its
 * cursor and frees them. */
struct ack *ack_line_settle(struct ack_line *line, struct ack *a);

#endif
