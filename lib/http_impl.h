/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server's own types.
 *
 *	http_server.c   life of the server, its connections together, counters
 *	http_conn.c     one connection: reading, requests and bodies, pauses, its end
 *	http_decode.c   bodies with a Content-Encoding
 *	http_watch.c    timeouts
 *	http_answer.c   writing
 */
#ifndef LIB_HTTP_IMPL_H
#define LIB_HTTP_IMPL_H

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http_server.h"
#include "lib/inflate.h"
#include "lib/metric.h"

#define HTTP_READ_BYTES ((size_t)64 * 1024)
/* Bytes that all connections together may keep: heads that are not complete, what handlers had no credit
 * for, and what is pipelined. Beyond it the largest heads are refused, then the request at hand. */
#define HTTP_KEPT_MAX ((size_t)4 << 20)
#define HTTP_INFLATE_BYTES ((size_t)48 * 1024) /* what decompression takes of that */
#define HTTP_LINGER_NS (5 * NS_PER_S)
#define HTTP_LINGER_BYTES ((size_t)16 << 20)
#define HTTP_CODES_MAX 32
#define HTTP_TYPE_MAX 40
#define HTTP_EVICT_MIN ((size_t)4096) /* kept by one that may have to go */

struct http_server {
	struct loop *loop;
	const char *name;
	const struct http_conf *conf;
	const struct http_ops *ops;
	void *ctx;
	struct stream_server *streams;
	struct http_auth *auth; /* NULL: everybody may */
	bool is_stopping;
	size_t kept_bytes;
	struct metric *connections, *body_bytes;
	struct {
		unsigned status;
		struct metric *count;
	} codes[HTTP_CODES_MAX];
	size_t nconns;
	char *scratch; /* HTTP_READ_BYTES; what is being parsed */
	char *plain;   /* as many; what came out of decompression */
	struct http1_event event;
};

enum http_state {
	HTTP_IDLE,   /* the head of a request, or none of it yet */
	HTTP_BODY,   /* the handler has the request, its body is coming */
	HTTP_HELD,   /* the body is complete, the handler has not answered */
	HTTP_ANSWER, /* the answer is going out */
	HTTP_LINGER, /* answered, and said that nothing follows; what still comes is thrown away */
	HTTP_DEAD,   /* to be freed */
};

struct http_conn {
	struct stream stream; /* first */
	struct http_server *server;
	enum http_state state;
	struct http1 http1;
	struct buf in;           /* read and not parsed; its first `pending` bytes are body */
	struct buf out;          /* being sent */
	struct inflate *inflate; /* NULL: the body is what it is */
	struct buf plain;        /* came out of it, and was not taken */
	uint64_t plain_bytes;    /* of this request, ever */
	bool has_more;           /* more may come out of it without more to put in */
	bool is_over;            /* what follows belongs to nothing */
	size_t pending, sent;
	struct timer watch; /* the next of the timeouts */
	struct timer turn;  /* set: goes on with what it has, without an event */
	int64_t since_ns; /* when this state began, or moved, monotonic; 0: HTTP_IDLE, nothing came */
	int64_t idle_ns;     /* when it became idle */
	int64_t paused_ns;   /* when it was paused */
	uint64_t body_bytes; /* of this request, taken by the parser */
	size_t lingered;     /* bytes */
	void *user;
	bool is_running;    /* http_conn.c is working on it */
	bool is_paused;     /* by the handler, or because it did not take all */
	bool keeps_alive;   /* the client wants that */
	bool is_head;       /* HEAD */
	bool expects;       /* 100 Continue, when its body is waited for */
	bool is_incomplete; /* the parser is within the body */
	bool wants_more;    /* what is in `in` is the beginning of something */
	bool closes;        /* behind the answer */
	uint8_t type_n;
	char type[HTTP_TYPE_MAX]; /* media type of the request, for ops->refusal() */
};

static inline struct http_conn *conn_of(struct stream *s)
{
	return (struct http_conn *)s;
}

void http_refused(void *server, const char *reason); /* counts */
struct metric *http_code(struct http_server *s, unsigned status);
/* Is what is kept within HTTP_KEPT_MAX, perhaps after those have gone that keep more than c does and are
 * no requests yet? */
bool http_make_kept_room(struct http_conn *c);

/* http_conn.c */
void http_conn_opened(struct stream *s);
void http_conn_ready(struct stream *s, uint32_t events);
/* Its request, if there is one, is gone; freed now, or when http_conn.c is done with it. */
void http_conn_close(struct http_conn *c);
/* Answers by ourselves; a handler that has the request hears on_gone(). */
void http_conn_refuse(struct http_conn *c, unsigned status, const char *why);
/* After the state was changed from outside: asks for the events it now waits for, or goes on. */
void http_conn_settle(struct http_conn *c);

/* http_decode.c */
/* At the head of a request; false: refused. */
bool http_decode_begin(struct http_conn *c, const struct http1_head *head);
/* As much as the handler takes of what comes out of the pending bytes at the front of avail. */
void http_decode_offer(struct http_conn *c, struct str *avail);
/* The body has ended. False: it should not have. */
bool http_decode_may_end(const struct http_conn *c);
void http_decode_fini(struct http_conn *c);

/* http_watch.c */
void http_watch(struct http_conn *c);

/* http_answer.c */
void http_put_answer(struct http_conn *c, const struct http_answer *a);
void http_put_continue(struct http_conn *c);
/* Sends what can be sent. False: the connection failed. */
bool http_flush(struct http_conn *c);

#endif
