/* SPDX-License-Identifier: Apache-2.0 */
/* The OTLP receiver's own types. All of it lives on the I/O thread.
 *
 *	otlp.c      options, life of the instance
 *	request.c   a request, however it came: collected, checked, walked into batches, answered when they
 *	            are settled
 *	http.c      OTLP/HTTP
 *	grpc.c      OTLP/gRPC
 *	schema.h, walk.h, json_in.h, text.h, record.h, status.h: what it means, without I/O
 */
#ifndef INPUTS_OTLP_OTLP_H
#define INPUTS_OTLP_OTLP_H

#include "inputs/clients.h"
#include "inputs/otlp/record.h"
#include "lib/h2_server.h"
#include "lib/http_server.h"

#define OTLP_RETRY_S 1 /* what clients are told to wait */

struct otlp_conf {
	struct http_conf http;
	struct conf_addrs grpc_listen;
	unsigned max_streams;
	int64_t max_age_ns;
	struct conf_list resource_labels;
	struct conf_map labels;
	int64_t hold_ns;
};

struct otlp {
	struct input *input;
	const struct otlp_conf *conf;
	struct http_server *http;
	struct h2_conf grpc_conf;
	char *grpc_name;
	struct h2_server *grpc; /* NULL: it is switched off */
	struct asks asks;
	struct client_streams streams;
	size_t max_bytes; /* of a request, decompressed */
	struct buf text;  /* of the line at hand */
	bool is_stopping;
};

enum otlp_verdict {
	OTLP_ACCEPTED,
	OTLP_MALFORMED,
	OTLP_TOO_LARGE,
	OTLP_LATER, /* to be sent again */
};

struct otlp_request;

/* How it came. */
struct otlp_transport {
	/* The client is not the request's any more. why: a sentence without a period. */
	void (*answer)(struct otlp_request *r, enum otlp_verdict verdict, const char *why);
	void (*resume)(struct otlp_request *r); /* reading its body */
	struct str (*peer)(const struct otlp_request *r);
};

enum otlp_stage {
	OTLP_COLLECT, /* the body is coming */
	OTLP_CONVERT, /* it is complete, and JSON */
	OTLP_WALK,    /* its records go to batches */
};

struct otlp_request {
	struct ask ask;
	struct otlp *otlp;
	const struct otlp_transport *transport;
	void *client; /* the transport's; NULL: answered or gone */
	enum otlp_stage stage;
	bool is_json;
	struct str tenant; /* owned */
	struct buf body;
	struct otlp_walk walk;
	enum otlp_step at;   /* what the walk has given and was not worked on */
	struct otlp_log log; /* of OTLP_RECORD */
	bool has_stream;     /* that of the newest resource is the ask's */
	uint64_t shared_in;  /* the batch that has the metadata of the scope; 0: none */
	struct rec shared;
};

/* tenant may be empty; it is copied. */
struct otlp_request *otlp_request_new(struct otlp *o, const struct otlp_transport *transport,
				      void *client, bool is_json, struct str tenant);
/* Credit for so many bytes more of the body. False: later, resume() is called. */
bool otlp_request_room(struct otlp_request *r, size_t n);
/* Of the body; how many were taken: fewer are followed by resume(). It may be refused in here. */
size_t otlp_request_bytes(struct otlp_request *r, struct str bytes);
/* The body is complete. */
void otlp_request_end(struct otlp_request *r);
void otlp_request_gone(struct otlp_request *r);
void otlp_request_refuse(struct otlp_request *r, enum otlp_verdict verdict, const char *why);

extern const struct ask_ops otlp_asks;
extern const struct http_ops otlp_http;
extern const struct h2_ops otlp_grpc;

#endif
