/* SPDX-License-Identifier: Apache-2.0 */
/* What waits to be sent: a feed is the queue of one tenant in one shard, or of one stream that Loki limits
 * and that was set aside so that it holds no other. Its jobs go first (a request
 * that is being retried, the parts of one that was refused); only then a new one is made of the
 * queue. So the order of each stream is kept. */
#ifndef OUTPUTS_LOKI_FEED_H
#define OUTPUTS_LOKI_FEED_H

#include "outputs/loki/job.h"

#define FEED_NEVER INT64_MAX

/* Shared by the feeds of all shards: what Loki says about a tenant holds for all of them. */
struct tenant {
	struct tenant *next;
	struct str name; /* empty = the output's own; owned */
	uint64_t hash;
	uint32_t nfeeds;
	int64_t not_before_ns; /* its circuit is open until then (429, Retry-After); monotonic */
	unsigned failures;     /* 429s in a row: while there are, one request at a time */
	unsigned in_flight;
};

struct feed {
	struct feed *next; /* in its shard */
	struct tenant *tenant;
	struct str stream;   /* its labels when it was set aside, owned; else empty */
	struct job *jobs;    /* the first is sent next, or is being sent */
	struct piece *queue; /* a ring */
	size_t head, n, cap;
	size_t cost_bytes;     /* of the queue, as in a body */
	size_t hurried;        /* pieces at the head that do not linger */
	int64_t not_before_ns; /* backing off; monotonic */
	unsigned failures;     /* in a row */
};

/* stream: copied; empty for the common feed of a tenant. */
struct feed *feed_new(struct tenant *tenant, struct str stream);
/* Queue and jobs must be empty. */
void feed_free(struct feed *f);

/* Adds a run, which becomes one piece. */
void feed_add(struct feed *f, struct block *b, uint32_t run);
/* What is queued now does not linger. */
void feed_hurry(struct feed *f);
static inline bool feed_is_empty(const struct feed *f)
{
	return !f->jobs && !f->n;
}

/* When the next request may go out, monotonic: in the past when it is due, FEED_NEVER when there is
 * none. A queue is due when it fills a request, lingered, or is hurried. */
int64_t feed_due_ns(const struct feed *f, size_t request_bytes, int64_t linger_ns);

/* Makes a job of the head of the queue, with a body of about request_bytes at most, but at least one
 * entry. What was withdrawn is ended. NULL when nothing is left. */
struct job *feed_take(struct feed *f, size_t request_bytes);

/* Moves what `from` has of to's stream into `to`, in order. */
void feed_divert(struct feed *from, struct feed *to, const struct piece *like);

/* Ends everything there is: nothing was delivered. */
void feed_leave(struct feed *f);

#endif
