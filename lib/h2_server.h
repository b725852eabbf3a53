/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/2 server on a loop (RFC 9113; nghttp2 has the frames): prior knowledge, or TLS with ALPN "h2".
 * Connections, limits, abuse and authentication are here, what requests mean is the handler's, whose answers
 * may come much later. Answers are gRPC's: a message and trailers, or trailers alone.
 *
 *	on_request(s, head)   fields of the head live until the return
 *	on_body(s, bytes)     returns how many it took; fewer: nothing more is read from the connection until
 *	                      h2_resume(), so that what a client may send is what there is credit for
 *	on_end(s)             all of the body was taken
 *	on_gone(s)            the client has reset it, or the connection ended, before it was answered
 *
 * Each request ends in exactly one h2_answer() by the handler or one on_gone(). */
#ifndef LIB_H2_SERVER_H
#define LIB_H2_SERVER_H

#include "lib/http1.h"
#include "lib/http_auth.h"
#include "lib/stream_server.h"

struct h2_conf {
	struct stream_conf stream;
	const struct http_auth_conf *auth;
	int64_t header_timeout_ns, body_timeout_ns, idle_timeout_ns;
	double min_body_rate; /* bytes a second; 0: any */
	unsigned max_streams; /* of one connection */
	int64_t max_age_ns;   /* of a connection, then it is asked to leave; 0: any */
};

struct h2_server;
struct h2_stream;

struct h2_ops {
	void (*on_request)(struct h2_stream *s, const struct http1_head *head);
	size_t (*on_body)(struct h2_stream *s, struct str bytes);
	void (*on_end)(struct h2_stream *s);
	void (*on_gone)(struct h2_stream *s);
	/* A request that the server refuses by itself, whose handler, if it had it, has heard on_gone(). */
	void (*refuse)(struct h2_stream *s, unsigned http_status, const char *why);
};

/* name, conf, ops and ctx are borrowed. Binds; nothing is accepted yet. */
int h2_server_new(struct h2_server **ret, struct loop *loop, const char *name,
		  const struct h2_conf *conf, const struct h2_ops *ops, void *ctx, struct err *err);
void h2_server_start(struct h2_server *s);
/* Accepts no more, tells clients (GOAWAY), refuses requests that are not complete. */
void h2_server_stop(struct h2_server *s);
/* Everything is answered and on its way to the client. */
bool h2_server_is_idle(const struct h2_server *s);
void h2_server_free(struct h2_server *s);

struct h2_answer {
	unsigned http_status; /* 200 for all of gRPC */
	struct str message;   /* the body; p NULL: trailers alone */
	unsigned code;        /* grpc-status */
	struct str text;      /* grpc-message; ASCII without % */
	struct str details;   /* grpc-status-details-bin, in base64 */
	struct str accept;    /* grpc-accept-encoding */
};
void h2_answer(struct h2_stream *s, const struct h2_answer *a);
/* on_body() comes again, not within. */
void h2_resume(struct h2_stream *s);

void *h2_ctx(const struct h2_stream *s);
void h2_set_user(struct h2_stream *s, void *user);
void *h2_user(const struct h2_stream *s);
struct str h2_peer(const struct h2_stream *s);

#endif
