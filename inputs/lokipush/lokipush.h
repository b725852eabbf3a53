/* SPDX-License-Identifier: Apache-2.0 */
/* The Loki push receiver's own types. All of it lives on the I/O thread.
 *
 *	lokipush.c   options, life of the instance
 *	request.c    a request: collected, unpacked, walked into batches, answered when they are settled
 *	stream.c     labels as they come, of streams that inputs/clients.h keeps
 *	push_in.h    the parsers, which do no I/O
 */
#ifndef INPUTS_LOKIPUSH_LOKIPUSH_H
#define INPUTS_LOKIPUSH_LOKIPUSH_H

#include "inputs/clients.h"
#include "inputs/lokipush/push_in.h"
#include "lib/buf.h"
#include "lib/http_server.h"

struct lokipush_conf {
	struct http_conf http;
	struct conf_map labels;
	int64_t hold_ns;
};

struct lokipush {
	struct input *input;
	const struct lokipush_conf *conf;
	struct http_server *server;
	struct asks asks;
	struct client_streams streams;
	size_t max_bytes; /* of a push, unpacked */
	bool is_stopping;
};

/* What the stream of in's newest labels takes, about. */
size_t push_stream_size(const struct push_in *in, struct str tenant);
/* The stream of in's newest labels, which have been checked. NULL: there are too many. */
struct client_stream *push_stream(struct lokipush *lp, const struct push_in *in, struct str tenant);
/* NULL, or what is wrong with the labels of in's newest stream. */
const char *stream_check(const struct lokipush *lp, const struct push_in *in);

enum push_stage {
	PUSH_COLLECT, /* the body is coming */
	PUSH_UNPACK,  /* it is complete */
	PUSH_WALK,    /* its entries become records */
};

struct request {
	struct ask ask;
	struct lokipush *lp;
	struct http_conn *conn; /* NULL: answered or gone */
	enum push_stage stage;
	bool is_json;
	struct str tenant; /* owned */
	struct buf body;   /* until it is unpacked; JSON: until it is walked */
	char *plain;
	struct push_in in;
	struct push_in_entry entry;
	enum push_in_result at; /* what `in` has given and was not worked on */
};

extern const struct http_ops lokipush_http;
extern const struct ask_ops lokipush_asks;

#endif
