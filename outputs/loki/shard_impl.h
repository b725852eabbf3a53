/* SPDX-License-Identifier: Apache-2.0 */
/* What shard.c (when to send what) and shard_answer.c (what an answer means for it) share. */
#ifndef OUTPUTS_LOKI_SHARD_IMPL_H
#define OUTPUTS_LOKI_SHARD_IMPL_H

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "outputs/loki/feed.h"
#include "outputs/loki/shard.h"

/* A request is not made smaller than this, however often Loki says 413. */
#define REQUEST_BYTES_MIN ((size_t)64 * 1024)

/* Memory that only grows, and whose content is not kept. */
struct room {
	char *p;
	size_t size;
};

struct shard {
	struct sender *sender;
	struct feed *feeds;  /* in turn */
	struct feed *active; /* whose first job is under way; NULL = idle */
	unsigned naside;     /* feeds of single streams */
	struct client_call call;
	const struct job *built; /* the job whose body is in `packed` */
	struct room packed;
	size_t packed_bytes, raw_bytes;
	int64_t sent_ns;
};

struct sender {
	struct sender_conf conf;
	struct shard *shards;
	struct tenant *tenants;
	struct room raw, packed; /* of whoever builds a body right now */
	size_t request_bytes;    /* conf's, or less after a 413 */
	int64_t not_before_ns;   /* nobody answers at all: everything waits */
	unsigned failures; /* of that kind, in a row: while there are, one request at a time */
	unsigned in_flight;
	uint64_t random;
	struct timer turn, trim;
	bool is_up, is_stopped;
	struct metric *up, *retries, *bytes, *raw_bytes, *wait_ms, *dead, *dead_dropped;
};

/* Sends whatever is due and sets the timer for what comes next. */
void sender_turn(struct sender *s);
void shard_on_answer(struct client_call *call, const struct answer *a);
/* Sets a stream of the feed aside, which is some shard's: what is there of it and what comes. NULL when
 * there are too many already. */
struct feed *shard_set_aside(struct shard *shard, struct feed *f, const struct piece *like);
/* Ends a feed of one stream that has nothing left: the stream is back in its tenant's. */
void shard_forget_feed(struct shard *shard, struct feed *f);
/* The next job of the queue goes before the ones that are there; false when there is none. */
bool shard_next_job_first(struct shard *shard, struct feed *f);
/* Writes the pieces down and ends them as dropped. */
void sender_bury(struct sender *s, const struct piece *pieces, size_t n, int status,
		 const char *reason, struct str text);

#endif
