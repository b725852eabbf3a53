/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets, as their four files share them. All of it lives on the I/O thread.
 *
 *	tcp.c     listeners: accepting, starting, stopping
 *	greet.c   who it is: PROXY header, TLS handshake, limits per peer
 *	conn.c    the life of a connection: batches on their way, pauses, timeouts, its end
 *	read.c    its bytes: reading, framing, filling batches
 */
#ifndef INPUTS_SYSLOG_STREAM_H
#define INPUTS_SYSLOG_STREAM_H

#include "lib/peer.h"
#include "inputs/syslog/syslog.h"
#include "lib/net.h"
#include "lib/tls.h"

struct listener {
	struct tcp *tcp;
	struct listener *next;
	struct io io;
	struct timer pause; /* running while there are no descriptors left */
	bool is_unix, is_tls;
};

struct tcp {
	struct syslog *syslog;
	struct listener *listeners;
	struct conn *conns; /* also closed ones whose records are not settled */
	size_t nconns;      /* open ones */
	uint64_t accepted;
	size_t partial_bytes; /* arenas that hold nothing but the beginning of a message */
	struct peers peers;
	struct tls_server *tls; /* NULL when no listener speaks it */
	bool is_stopping;
	struct metric *connections;
};

/* One batch on its way. */
struct flight {
	struct ack ack;
	struct conn *conn;
	size_t bytes; /* counted in peer->held_bytes */
	struct flight *next, **link;
};

enum conn_stage { CONN_PROXY, CONN_TLS, CONN_OPEN };

/* Freed when it is closed and all its batches are settled. */
struct conn {
	struct tcp *tcp;
	const struct listener *listener;
	struct conn *next, **link;
	struct io io;
	struct timer linger; /* a batch waits for company */
	struct timer watch;  /* the next of the timeouts */
	struct timer turn;   /* set: over its rate until then, or bytes wait in tls */
	enum conn_stage stage;
	struct tls *tls;
	struct peer *peer; /* NULL until it is known */
	struct source source;
	struct framer framer;
	struct syslog_scribe scribe;
	struct batch *batch;  /* being filled */
	size_t batch_bytes;   /* read into it */
	size_t partial_bytes; /* its part of tcp->partial_bytes */
	struct str tail;      /* unframed: in the batch's arena, or all of `held` without one */
	char *held;           /* before CONN_OPEN: the beginning of the PROXY header */
	size_t want;          /* bytes to ask for */
	int64_t read_ns;      /* when something came last, monotonic */
	int64_t since_ns; /* when what is not complete began: message or handshake; 0: nothing is */
	struct flight *flights;
	bool is_paused, is_closed, has_read;
	bool has_slot;           /* counted in peer->nconns */
	struct syslog_peer from; /* metadata; borrows from what follows and from tls */
	char address[NET_ADDR_TEXT], credentials[3][12];
};

static inline struct input *input_of(const struct conn *c)
{
	return c->tcp->syslog->input;
}

static inline struct str conn_name(const struct conn *c)
{
	return str_c(c->address);
}

/* Takes over the descriptor. It may be closed again at once. */
void conn_new(struct listener *l, int fd, const struct sockaddr_storage *addr);
/* Its last message becomes a record; freed now or when everything is settled. */
void conn_close(struct conn *c);
/* Reads again, unless it is over its rate. */
void conn_resume(struct conn *c);
/* What the kernel holds was acknowledged to the sender: it is read, as far as there is credit. What is
 * still on its way is lost, as TCP syslog has no other answer. */
void conn_last_reads(struct conn *c);
/* Nobody will settle its batches any more. */
void conn_abandon(struct conn *c);
/* Whether its peer may have so much more on its way: others must find credit, too. */
bool conn_may_hold(const struct conn *c, size_t bytes);
/* Makes b's ack one of c's. */
void conn_flight(struct conn *c, struct batch *b);
/* Not read until conn_resume(). */
void conn_pause(struct conn *c);
/* Something incomplete has begun, or (0) nothing is incomplete: see since_ns. */
void conn_set_since(struct conn *c, int64_t since_ns);

/* read.c */
void conn_readable(struct io *io, uint32_t events);
void conn_turn(struct timer *t);
bool conn_has_more(const struct conn *c); /* inside TLS, where no event tells */
void conn_submit(struct conn *c);
/* The last message, and all that is held. */
void conn_end(struct conn *c);

/* Those that waited for this peer's records to be settled. */
void tcp_resume_peer(struct tcp *t, const struct peer *peer);

enum greet_result { GREET_DONE, GREET_WAIT, GREET_REFUSED };
/* At its beginning, addr as accept() gave it. False: refused, counted and logged. */
bool greet_begin(struct conn *c, const struct sockaddr_storage *addr);
/* Goes on with PROXY header and handshake. Refused: counted and logged, c is to be closed. */
enum greet_result greet(struct conn *c);

#endif
