/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/2 server's own types.
 *
 *	h2_server.c    life of the server and its connections: reading, writing, timeouts
 *	h2_session.c   what nghttp2 calls: frames become requests; what is too much; answers
 */
#ifndef LIB_H2_IMPL_H
#define LIB_H2_IMPL_H

#include <nghttp2/nghttp2.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/h2_server.h"
#include "lib/metric.h"

#define H2_READ_BYTES ((size_t)16 * 1024)
#define H2_OUT_BYTES ((size_t)64 * 1024) /* not taken by the client: nothing more is read from it */
/* What connections keep together while there is no credit: at most two reads each. Beyond it they are
 * closed, and come again. */
#define H2_KEPT_MAX ((size_t)4 << 20)
#define H2_REQUESTS_MAX 10000                /* of all connections, that are not answered */
#define H2_HEADERS_BYTES ((size_t)16 * 1024) /* of a request: names, values, and 32 of each */
#define H2_STREAM_WINDOW ((int32_t)1 << 20)
#define H2_WINDOW ((int32_t)4 << 20)
/* Frames that carry nothing, and requests that are taken back: so many at once, so many a second. */
#define H2_IDLE_FRAMES 500
#define H2_IDLE_FRAMES_RATE 50
#define H2_REQUEST_FRAMES 10 /* that come along with a request: windows, pings */
#define H2_RESETS 100
#define H2_RESETS_RATE 10
#define H2_PING_NS (60 * NS_PER_S) /* without a byte from the client: is it there? */
#define H2_PONG_NS (20 * NS_PER_S)
#define H2_LEAVE_NS NS_PER_S /* between "leave" and the last request that is taken */

struct h2_server {
	struct loop *loop;
	const char *name;
	const struct h2_conf *conf;
	const struct h2_ops *ops;
	void *ctx;
	struct stream_server *streams;
	struct http_auth *auth;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	size_t nconns, nrequests, kept_bytes;
	bool is_stopping;
	struct metric *connections, *body_bytes;
	char *scratch; /* H2_READ_BYTES */
	struct http1_head head;
};

struct h2_bucket {
	double left;
	int64_t at_ns;
};

struct h2_conn {
	struct stream stream; /* first */
	struct h2_server *server;
	nghttp2_session *session;
	struct h2_stream *requests;
	struct buf in;   /* read, not parsed, while it is paused */
	struct buf held; /* of the body of held_id, parsed and not taken */
	int32_t held_id;
	bool is_paused;
	struct buf out;
	size_t sent;
	struct timer watch, turn;
	struct h2_bucket frames, resets;
	int64_t opened_ns, seen_ns, idle_ns, ping_ns, leave_ns;
	int64_t header_ns; /* since when a header is not complete; 0: none */
	bool is_running, is_dead, has_left;
};

struct h2_field_at {
	size_t name, name_n, value, value_n;
};

struct h2_stream {
	struct h2_conn *conn;
	struct h2_stream *next, **link;
	int32_t id;
	void *user;
	int64_t since_ns;
	uint64_t body_bytes;
	size_t header_bytes;     /* as HPACK counts them */
	struct buf text, fields; /* until the request is told; struct h2_field_at of the text */
	bool is_told, is_complete, is_answered;
	struct str message; /* of the answer, owned */
	size_t message_at;
	char code[12];
};

static inline struct h2_conn *h2_conn_of(struct stream *s)
{
	return (struct h2_conn *)s;
}

void h2_refused(void *server, const char *reason); /* counts */
/* After something was submitted from outside: sends it. Frees the connection when it is over. */
void h2_conn_settle(struct h2_conn *c);

/* h2_session.c */
void h2_session_setup(struct h2_server *s);
int h2_session_new(struct h2_conn *c);
/* Everything that is open has gone. */
void h2_session_end(struct h2_conn *c);
struct h2_stream *h2_find(struct h2_conn *c, int32_t id);
/* Gives what was held. False: it is still not taken. */
bool h2_give_held(struct h2_conn *c);
/* The server refuses it. */
void h2_refuse(struct h2_stream *s, unsigned http_status, const char *reason, const char *why);

#endif
