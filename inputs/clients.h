/* SPDX-License-Identifier: Apache-2.0 */
/* What inputs share whose clients bring streams of their own (labels, and a tenant) and want an answer when
 * all records of a request are settled: Loki's push API, OTLP. All of it lives on the I/O thread.
 *
 *	clients.c        streams, each a source: the order of a stream is kept
 *	client_asks.c    requests: credit, batches on their way, how long an answer may wait
 *
 * A request:
 *	ask_init(&r->ask, &set)
 *	ask_charge(&r->ask, bytes)        before its body is kept; false: later, ops->go_on()
 *	ask_stream(&r->ask, stream)       whose records follow
 *	b = ask_batch(&r->ask, ..)        for the next record; NULL: later, ops->go_on()
 *	ask_complete(&r->ask)             all are submitted: ops->accepted() when they are settled
 *	ask_withdraw(&r->ask)             or: it was refused, or its client has gone
 *
 * It ends in ops->ended(), perhaps within either of the last two. */
#ifndef INPUTS_CLIENTS_H
#define INPUTS_CLIENTS_H

#include "inputs/input.h"
#include "lib/map.h"

/* Streams */

/* All streams together; a request may have half of that. */
#define STREAMS_BYTES_MAX ((size_t)16 << 20)

/* Labels as clients send them, and their tenant. Freed when nobody has it and there are many. */
struct client_stream {
	struct map_node node;
	struct source source;
	struct str key;
	size_t nrefs; /* batches, and requests whose records are of it */
};

struct client_streams {
	struct input *input;
	const struct conf_map *labels; /* over those that come; may be NULL */
	struct map map;
	uint64_t seed;
	size_t bytes, sweep_bytes; /* at which those without references are freed */
};

void streams_init(struct client_streams *s, struct input *in, const struct conf_map *labels);
void streams_fini(struct client_streams *s);
/* What a stream takes whose labels have this text, about. */
size_t stream_size(struct str tenant, struct str text);
/* The stream of that tenant and text: the same text is the same stream. NULL: it is new. */
struct client_stream *stream_find(const struct client_streams *s, struct str tenant,
				  struct str text);
/* NULL: there are too many. Labels of an empty value, and those that choose the tenant, are passed over;
 * at most LABELS_MAX. */
struct client_stream *stream_add(struct client_streams *s, struct str tenant, struct str text,
				 const struct label *labels, size_t n);

/* Requests */

struct ask;

enum ask_refusal {
	ASK_LATE,     /* it was held for too long */
	ASK_STOPPING, /* the agent is being stopped */
};

struct ask_ops {
	/* There is credit again. */
	void (*go_on)(struct ask *a);
	/* Every record is settled: the client is told. Followed by ended(). */
	void (*accepted)(struct ask *a);
	/* To be refused so that the client sends it again; calls ask_withdraw(). */
	void (*refuse)(struct ask *a, enum ask_refusal why);
	/* The body is not needed any more. Also called before ended(). */
	void (*free_body)(struct ask *a);
	void (*ended)(struct ask *a);
};

struct asks {
	struct input *input;
	const struct ask_ops *ops;
	int64_t hold_ns;
	struct ask *first;
};

/* One batch on its way. */
struct ask_flight {
	struct ack ack;
	struct ask *ask;
	struct client_stream *stream;
	struct ask_flight *next, **link;
};

struct ask {
	struct asks *set;
	struct ask *next, **link;
	struct timer timer;
	int64_t hold_ns;              /* shorter than that of all; 0: none */
	bool waits;                   /* for credit */
	bool is_complete, is_over;    /* everything is submitted; nobody waits for the answer */
	size_t charged_bytes;         /* for what is no batch yet */
	struct client_stream *stream; /* a reference */
	struct batch *batch;          /* being filled */
	size_t batch_bytes, batch_room;
	uint64_t nbatches; /* made so far */
	struct ask_flight *flights;
};

void ask_init(struct ask *a, struct asks *set);
/* Its client has begun to wait for us. */
void ask_begin_hold(struct ask *a);
bool ask_charge(struct ask *a, size_t bytes);
void ask_uncharge(struct ask *a, size_t bytes);
/* Submits what there is of the last one. */
void ask_stream(struct ask *a, struct client_stream *s);
/* A batch that has room for one more record of so many bytes, when about `left` bytes are still to come. */
struct batch *ask_batch(struct ask *a, size_t bytes, size_t left);
void ask_complete(struct ask *a);
void ask_withdraw(struct ask *a);

void asks_resume(struct asks *set);
/* Those that are not complete are refused. */
void asks_stop(struct asks *set);
/* Nobody will settle their batches any more. */
void asks_abandon(struct asks *set);

#endif
