/* SPDX-License-Identifier: Apache-2.0 */
/* One event loop = one thread: descriptors (epoll), timers, mail from other threads, and pollers
 * that are asked for work before the loop sleeps (the consuming ends of rings).
 * Only loop_post(), loop_wake(), loop_wake_now() and loop_stop() may be called from other threads. */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A descriptor's registration; embedded in its owner, who keeps it until loop_io_del(). */
struct io {
	unsigned magic;
	int fd;
	uint32_t events; /* EPOLLIN ... as last set */
	void (*ready)(struct io *io, uint32_t events);
	bool is_added;
};

/* A one-shot timer; embedded in its owner. Setting it again moves it. */
struct timer {
	int64_t at_ns; /* monotonic; 0 = not set */
	unsigned slot; /* place in the loop's heap + 1 */
	void (*expired)(struct timer *t);
};

/* A message to a loop; embedded in what is sent. Owned by the receiver from post to run. */
struct mail {
	struct mail *next;
	void (*run)(struct mail *m);
};

/* Asked before each sleep; returns true when it did something (the loop then asks again). */
struct poller {
	struct poller *next;
	bool (*poll)(struct poller *p);
};

struct loop *loop_new(const char *name); /* name: of the thread, at most 15 bytes */
void loop_free(struct loop *l);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* One round: handles what is due, sleeping at most timeout_ms. For tests and dry runs. */
void loop_once(struct loop *l, int timeout_ms);
/* Starts a thread that runs the loop; loop_join() waits for its end. */
void loop_start(struct loop *l);
void loop_join(struct loop *l);
/* Monotonic time at the start of this round. */
int64_t loop_now_ns(const struct loop *l);

void loop_io_add(struct loop *l, struct io *io, int fd, uint32_t events,
		 void (*ready)(struct io *, uint32_t));
void loop_io_set(struct loop *l, struct io *io, uint32_t events);
void loop_io_del(struct loop *l, struct io *io); /* does not close; fine when never added */

void loop_timer_set(struct loop *l, struct timer *t, int64_t at_ns,
		    void (*expired)(struct timer *));
/* Expires delay_ns from now. */
void loop_timer_in(struct loop *l, struct timer *t, int64_t delay_ns,
		   void (*expired)(struct timer *));
void loop_timer_del(struct loop *l, struct timer *t);

void loop_poller_add(struct loop *l, struct poller *p, bool (*poll)(struct poller *));
void loop_poller_del(struct loop *l, struct poller *p);

/* Any thread: m->run is called on the loop's thread, in order of posting per sender. */
void loop_post(struct loop *l, struct mail *m, void (*run)(struct mail *));
/* Any thread: makes the loop ask its pollers. Costs a system call only when it sleeps. Called by a
 * loop, for another one, it is done at the end of the step (all events, mail or pollers of a round),
 * once for all calls, and so is what loop_post() does of it; who waits for the other loop before that
 * calls loop_wake_now(). */
void loop_wake(struct loop *l);
void loop_wake_now(struct loop *l);

#endif
