/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: a fixed number of shards with one request under way each. A stream always goes by the same
 * shard (hash of tenant and labels), so its order is kept while streams are pushed in parallel. */
#ifndef OUTPUTS_LOKI_SHARD_H
#define OUTPUTS_LOKI_SHARD_H

#include "outputs/loki/client.h"
#include "outputs/loki/deadletter.h"
#include "pipeline/block.h"

struct loop;
struct sender;

struct sender_conf {
	const char *output; /* name, for metrics and log */
	struct loop *loop;
	struct client *client; /* borrowed */
	struct deadletter *dead;
	struct str tenant; /* of records without one of their own; may be empty */
	unsigned nshards;
	size_t request_bytes; /* of a body before compression, about */
	int64_t linger_ns;
	int64_t timeout_ns; /* of a request; 0 = not known, sizes then do not follow the answers */
	int64_t backoff_min_ns, backoff_max_ns;
	uint64_t seed; /* of the jitter */
};

/* Everything on the loop's thread, except new and free. conf is copied, what it points at borrowed. */
struct sender *sender_new(const struct sender_conf *conf);
/* After sender_stop(). */
void sender_free(struct sender *s);
/* Takes over the block and ends every run of it, some time. */
void sender_take(struct sender *s, struct block *b);
/* Sends what is there without lingering or waiting for the end of a back-off. */
void sender_flush(struct sender *s);
/* Gives up what is under way and leaves everything to its source (PIECE_LEFT). */
void sender_stop(struct sender *s);

#endif
