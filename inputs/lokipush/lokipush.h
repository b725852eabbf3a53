/* SPDX-License-Identifier: Apache-2.0 */
/* The Loki push receiver's own types. All of it lives on the I/O thread.
 *
 *	lokipush.c   options, life of the instance
 *	request.c    a request: collected, unpacked, walked into batches, answered when they are settled
 *	stream.c     the streams that clients send, each a source
 *	push_in.h    the parsers, which do no I/O
 */
#ifndef INPUTS_LOKIPUSH_LOKIPUSH_H
#define INPUTS_LOKIPUSH_LOKIPUSH_H

#include "inputs/input.h"
#include "inputs/lokipush/push_in.h"
#include "lib/buf.h"
#include "lib/http_server.h"
#include "lib/map.h"

struct lokipush_conf {
	struct http_conf http;
	struct conf_map labels;
	int64_t hold_ns;
};

struct lokipush {
	struct input *input;
	const struct lokipush_conf *conf;
	struct http_server *server;
	struct request *requests;
	size_t max_bytes; /* of a push, unpacked */
	struct map streams;
	size_t stream_bytes, sweep_bytes; /* at which those without batches are freed */
	uint64_t seed;
	bool is_stopping;
};

/* Labels as one client sends them, and its tenant. Freed when nobody has it and there are many. */
struct push_stream {
	struct map_node node;
	struct source source;
	struct str key;
	size_t nrefs; /* batches, and requests whose entries are of it */
};

/* All streams together; a push may have half of that. */
#define STREAMS_BYTES_MAX ((size_t)16 << 20)

/* What the stream of in's newest labels takes, about. */
size_t stream_size(const struct push_in *in, struct str tenant);
/* The stream of in's newest labels, which have been checked. NULL: there are too many. */
struct push_stream *stream_get(struct lokipush *lp, const struct push_in *in, struct str tenant);
void streams_fini(struct lokipush *lp);
/* NULL, or what is wrong with the labels of in's newest stream. */
const char *stream_check(const struct lokipush *lp, const struct push_in *in);

enum push_stage {
	PUSH_COLLECT, /* the body is coming */
	PUSH_UNPACK,  /* it is complete */
	PUSH_WALK,    /* its entries become records */
	PUSH_WAIT,    /* they are not all settled */
};

/* One batch on its way. */
struct push_flight {
	struct ack ack;
	struct request *request;
	struct push_stream *stream;
	struct push_flight *next, **link;
};

/* Freed when it is answered, or its client is gone, and all its batches are settled. */
struct request {
	struct lokipush *lp;
	struct http_conn *conn; /* NULL: answered or gone */
	struct request *next, **link;
	struct timer hold;
	enum push_stage stage;
	bool is_json, waits; /* for credit */
	struct str tenant;   /* owned */
	struct buf body;     /* until it is unpacked; JSON: until it is walked */
	char *plain;
	size_t charged_bytes; /* for body and plain */
	struct push_in in;
	struct push_in_entry entry;
	enum push_in_result at;     /* what `in` has given and was not worked on */
	struct push_stream *stream; /* a reference */
	struct batch *batch;        /* being filled */
	size_t batch_bytes, batch_room;
	struct push_flight *flights;
};

extern const struct http_ops lokipush_http;
/* There is credit again. */
void requests_resume(struct lokipush *lp);
/* Those that are not all submitted are refused. */
void requests_stop(struct lokipush *lp);
/* Nobody will settle their batches any more. */
void requests_abandon(struct lokipush *lp);

#endif
