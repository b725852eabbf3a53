/* SPDX-License-Identifier: Apache-2.0 */
/* The Beats input's own types. All of it lives on the I/O thread.
 *
 *	beats.c     options, life of the instance
 *	session.c   the life of a connection: windows, batches on their way, acknowledgements, timeouts, end
 *	receive.c   its bytes: reading, events, filling batches, waiting for credit
 *	lumber.h    the protocol, event.h what an event becomes: both do no I/O
 */
#ifndef INPUTS_BEATS_BEATS_H
#define INPUTS_BEATS_BEATS_H

#include "inputs/beats/event.h"
#include "inputs/beats/lumber.h"
#include "inputs/input.h"
#include "lib/buf.h"
#include "lib/stream_server.h"

#define BEATS_READ_BYTES ((size_t)64 * 1024)
#define BEATS_WINDOWS_MAX 64 /* of a connection that are not acknowledged; clients have a few */

struct beats_conf {
	struct stream_conf stream;
	struct conf_map labels;
	unsigned line;
	size_t max_event;
	unsigned max_window;
	int64_t keepalive_ns, stall_timeout_ns, window_timeout_ns, idle_timeout_ns;
};
enum { BEATS_LINE_MESSAGE, BEATS_LINE_JSON };

struct beats {
	struct input *input;
	const struct beats_conf *conf;
	struct stream_server *server;
	struct session *sessions; /* also those whose connection is gone, until all is settled */
	size_t nopen;
	uint64_t accepted;
	size_t max_event;
	size_t open_bytes; /* of batches being filled: credit that waits for clients */
	bool is_crowded;   /* somebody waits for less of it */
	bool is_stopping;
	struct event_names *names;
	struct event_reader reader;
	char *scratch; /* BEATS_READ_BYTES */
	struct metric *connections;
	struct event_tally tally;
};

/* Events that want one acknowledgement. */
struct window {
	struct window *next;
	uint32_t seq;      /* of its last event */
	unsigned nflights; /* batches that are not settled */
	bool is_complete;
};

/* One batch on its way. */
struct beats_flight {
	struct ack ack;
	struct session *session;
	struct window *window; /* NULL: nobody waits for it any more */
	struct beats_flight *next, **link;
};

/* Freed when its connection is gone and all its batches are settled. */
struct session {
	struct beats *beats;
	struct stream *stream; /* NULL: gone */
	struct session *next, **link;
	struct source source;
	struct lumber lumber;
	struct window *first, *last; /* oldest and newest */
	unsigned nwindows;
	struct beats_flight *flights;
	struct batch *batch; /* being filled */
	size_t batch_bytes, batch_room;
	char *event; /* its bytes, in the batch */
	size_t event_bytes;
	struct event_equals equals; /* of the newest window */
	struct buf in;              /* received and not taken, for lack of credit or time */
	struct buf out;             /* acknowledgements not sent */
	size_t charged_bytes;       /* for decompression, equals, in */
	struct timer watch;         /* the next of the timeouts */
	struct timer keepalive;
	struct timer turn;                  /* set: goes on with what it has, without an event */
	int64_t read_ns, since_ns, sent_ns; /* something came, the window began, something went */
	bool waits;                         /* for credit */
	bool is_ending;  /* reads no more; gone when what is complete is acknowledged */
	bool is_failed;  /* of no use any more */
	bool is_running; /* not to be freed */
};

struct beats_conn {
	struct stream stream; /* first */
	struct session *session;
};

extern const struct stream_ops beats_stream;

/* session.c */
/* Sends what can be said, and ends it if it is at its end: s may be freed. */
void session_after(struct session *s);
struct window *session_window(struct session *s);
/* Gives the batch away, as a part of the newest window. */
void session_submit(struct session *s);
void session_charge(struct session *s, size_t bytes);
void session_uncharge(struct session *s, size_t bytes);
/* Credit that was kept for an open batch is free for others. */
void session_close_batch(struct session *s);
void session_watch(struct session *s);
void sessions_resume(struct beats *beats);
void sessions_stop(struct beats *beats);
void sessions_abandon(struct beats *beats);

/* receive.c */
/* Takes what came, and more if `reads`. */
void session_run(struct session *s, bool reads);
bool session_may_read(const struct session *s);

#endif
