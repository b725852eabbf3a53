/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 server on a loop: connections, limits, timeouts, authentication, and answers that may come
 * much later than the request. What the requests mean is the handler's.
 *
 *	on_request(c, head)   the head is there (slices of it live until the return). The handler may
 *	                      http_answer() at once, http_pause() until it has credit, or go on
 *	on_body(c, bytes)     decompressed (gzip, deflate); returns how many it took; fewer pauses the connection until http_resume()
 *	on_end(c)             all of the body was taken
 *	on_gone(c)            the client went away, was too slow, or was refused by us, before it was
 *	                      answered: c is not to be used any more
 *
 * Each request ends in exactly one http_answer() by the handler or one on_gone(); after either c belongs
 * to the server again. Requests of one connection come one after the other: what is pipelined waits. An
 * answer before the body's end closes the connection behind it.
 *
 * A client that closes its side while its request is held, or not read for lack of credit, counts as gone:
 * there is no telling it from one that has closed both. */
#ifndef LIB_HTTP_SERVER_H
#define LIB_HTTP_SERVER_H

#include "lib/buf.h"
#include "lib/http1.h"
#include "lib/http_auth.h"
#include "lib/stream_server.h"

struct http_conf {
	struct stream_conf stream;
	struct http_auth_conf auth;
	int64_t header_timeout_ns, body_timeout_ns, idle_timeout_ns;
	double min_body_rate; /* bytes a second; 0: any */
	size_t max_body;
};

/* The options as rows of the table of S, whose member m is a struct http_conf. The table's check calls
 * http_conf_check(). */
#define HTTP_CONF_ROWS(S, m, default_listen, default_max_body, most_max_body)                      \
	STREAM_CONF_ROWS(S, m.stream, default_listen),                                             \
		CONF_SECTION(S, m.auth, struct http_auth_conf, &http_auth_conf_table,              \
			     "Who may send. None of it: everybody.", .key = "auth"),               \
		CONF_SIZE(S, m.max_body, default_max_body, "1KiB", most_max_body,                  \
			  "Largest body of a request, as sent and decompressed; a larger one is "  \
			  "refused with 413.",                                                     \
			  .key = "max_body"),                                                      \
		CONF_TIME(S, m.header_timeout_ns, "10s", "10ms", "10m",                            \
			  "Time for the header of a request, from its first byte.",                \
			  .key = "header_timeout", .flags = CONF_ADVANCED),                        \
		CONF_TIME(S, m.body_timeout_ns, "30s", "10ms", "1h",                               \
			  "Time for its body, and on top what `min_body_rate` allows; time in "    \
			  "which we do not read does not count. The same holds for taking an "     \
			  "answer.",                                                               \
			  .key = "body_timeout", .flags = CONF_ADVANCED),                          \
		CONF_RATE(S, m.min_body_rate, "1KiB/s", "1", NULL,                                 \
			  "Slowest body or answer, in bytes.", .key = "min_body_rate",             \
			  .flags = CONF_ADVANCED),                                                 \
		CONF_TIME(S, m.idle_timeout_ns, "5m", "1s", "24h",                                 \
			  "Close a connection without a request after this long.",                 \
			  .key = "idle_timeout")

static inline void http_conf_check(struct conf_doc *doc, const struct conf_node *node,
				   const struct http_conf *conf)
{
	stream_conf_check(doc, node, &conf->stream);
}

struct http_server;
struct http_conn;

struct http_ops {
	void (*on_request)(struct http_conn *c, const struct http1_head *head);
	size_t (*on_body)(struct http_conn *c, struct str bytes);
	void (*on_end)(struct http_conn *c);
	void (*on_gone)(struct http_conn *c);
	/* Writes what the server itself answers to a request of this media type, and returns the type of
	 * that; NULL, also without refusal(): plain text. */
	const char *(*refusal)(struct str type, unsigned status, const char *why, struct buf *ret);
	const char *own_coding; /* a Content-Encoding that the handler decodes itself; NULL: none */
};

struct http_answer {
	unsigned status;
	const char *type;       /* of the body */
	struct str body;        /* not sent to HEAD, nor with 204 */
	const char *fields;     /* further ones, each with CR LF; may be NULL */
	unsigned retry_after_s; /* 0: none */
	bool closes;
};

/* Binds; nothing is accepted yet. name (for log and metrics), conf, ops and ctx are borrowed. */
int http_server_new(struct http_server **ret, struct loop *loop, const char *name,
		    const struct http_conf *conf, const struct http_ops *ops, void *ctx,
		    struct err *err);
void http_server_start(struct http_server *s);
/* Accepts no more. Requests that are not complete are refused (503) and gone; those that are may still be
 * answered, and are the last of their connection. */
void http_server_stop(struct http_server *s);
/* Everything is answered and on its way to the client. */
bool http_server_is_idle(const struct http_server *s);
/* Requests that are not answered are gone. */
void http_server_free(struct http_server *s);

void http_answer(struct http_conn *c, const struct http_answer *a);
/* Plain text, the name of the status without one. */
void http_answer_text(struct http_conn *c, unsigned status, const char *text);
/* No on_body() before http_resume(), which may be called at any time; on_body() comes later, not within. */
void http_pause(struct http_conn *c);
void http_resume(struct http_conn *c);

void *http_ctx(const struct http_conn *c);
/* What the handler keeps for the request; NULL when it begins. */
void http_set_user(struct http_conn *c, void *user);
void *http_user(const struct http_conn *c);
int http_fd(const struct http_conn *c);               /* for what the kernel says of the peer */
struct str http_peer(const struct http_conn *c);      /* its address; lives as long as c */
struct str http_peer_name(const struct http_conn *c); /* in its certificate */

#endif
