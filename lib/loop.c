/* SPDX-License-Identifier: Apache-2.0 */
/* epoll, a heap of timers, a lock-free mailbox. */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"

#define IO_MAGIC 0x10e901a1u
#define EVENTS_PER_WAIT 64
#define WAKES_MAX 16 /* loops to be woken at the end of a step; more are woken at once */

struct loop {
	int epoll_fd, wake_fd;
	char name[16];
	pthread_t thread;
	bool has_thread;
	int64_t now_ns;
	struct timer **heap;
	unsigned ntimers, heap_cap;
	struct poller *pollers;
	_Atomic(struct mail *) mail; /* newest first */
	_Atomic bool is_sleeping, is_stopping;
	/* Events of the current round, so that loop_io_del() can void those not yet handled. */
	struct epoll_event *events;
	int nevents, at_event;
	struct loop *to_wake[WAKES_MAX];
	unsigned nto_wake;
};

/* The loop that this thread is in a round of. */
static _Thread_local struct loop *running;

struct loop *loop_new(const char *name)
{
	struct loop *l = mem_zalloc(sizeof(*l));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

	snprintf(l->name, sizeof(l->name), "%s", name);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(l->epoll_fd >= 0 && l->wake_fd >= 0);
	CHECK(epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &e) == 0);
	l->now_ns = clock_mono_ns();
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->epoll_fd);
	close(l->wake_fd);
	mem_free(l->heap);
	mem_free(l);
}

int64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

/* Descriptors */

void loop_io_add(struct loop *l, struct io *io, int fd, uint32_t events,
		 void (*ready)(struct io *, uint32_t))
{
	struct epoll_event e = { .events = events, .data.ptr = io };

	*io = (struct io){ IO_MAGIC, fd, events, ready, true };
	CHECK(epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0);
}

void loop_io_set(struct loop *l, struct io *io, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = io };

	CHECK_OBJ(io, IO_MAGIC);
	if (!io->is_added || io->events == events)
		return;
	io->events = events;
	CHECK(epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, io->fd, &e) == 0);
}

void loop_io_del(struct loop *l, struct io *io)
{
	if (!io->is_added)
		return;
	CHECK_OBJ(io, IO_MAGIC);
	io->is_added = false;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = l->at_event; i < l->nevents; i++)
		if (l->events[i].data.ptr == io)
			l->events[i].events = 0;
}

/* Timers: a binary heap; slot is the index + 1 so that zeroed timers are unset. */

static void heap_place(struct loop *l, unsigned i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct loop *l, unsigned i, struct timer *t)
{
	while (i && l->heap[(i - 1) / 2]->at_ns > t->at_ns) {
		heap_place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(l, i, t);
}

static void heap_down(struct loop *l, unsigned i, struct timer *t)
{
	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= l->ntimers)
			break;
		if (child + 1 < l->ntimers && l->heap[child + 1]->at_ns < l->heap[child]->at_ns)
			child++;
		if (l->heap[child]->at_ns >= t->at_ns)
			break;
		heap_place(l, i, l->heap[child]);
		i = child;
	}
	heap_place(l, i, t);
}

void loop_timer_del(struct loop *l, struct timer *t)
{
	struct timer *last;
	unsigned i;

	if (!t->slot)
		return;
	i = t->slot - 1;
	CHECK(i < l->ntimers && l->heap[i] == t);
	t->slot = 0;
	t->at_ns = 0;
	last = l->heap[--l->ntimers];
	if (last == t)
		return;
	heap_up(l, i, last);
	heap_down(l, last->slot - 1, last);
}

void loop_timer_set(struct loop *l, struct timer *t, int64_t at_ns, void (*expired)(struct timer *))
{
	loop_timer_del(l, t);
	if (l->ntimers == l->heap_cap) {
		l->heap_cap = l->heap_cap ? 2 * l->heap_cap : 16;
		l->heap = mem_realloc(l->heap, l->heap_cap * sizeof(struct timer *));
	}
	t->at_ns = at_ns;
	t->expired = expired;
	heap_up(l, l->ntimers++, t);
}

void loop_timer_in(struct loop *l, struct timer *t, int64_t delay_ns,
		   void (*expired)(struct timer *))
{
	loop_timer_set(l, t, clock_mono_ns() + delay_ns, expired);
}

static void run_timers(struct loop *l)
{
	while (l->ntimers && l->heap[0]->at_ns <= l->now_ns) {
		struct timer *t = l->heap[0];

		loop_timer_del(l, t);
		t->expired(t);
	}
}

/* Mail and pollers */

void loop_poller_add(struct loop *l, struct poller *p, bool (*poll)(struct poller *))
{
	p->poll = poll;
	p->next = l->pollers;
	l->pollers = p;
}

void loop_poller_del(struct loop *l, struct poller *p)
{
	for (struct poller **at = &l->pollers; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			return;
		}
	}
}

static void ring_bell(struct loop *l)
{
	uint64_t one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof(one));

	(void)n; /* full means that it is awake already */
}

/* TSan does not model fences; its instrumented atomics are strong enough by themselves. */
static void full_fence(void)
{
#ifndef __SANITIZE_THREAD__
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

void loop_wake_now(struct loop *l)
{
	/* Pairs with the fence in loop_once(): either we see the sleeper or it sees our work. */
	full_fence();
	if (atomic_exchange(&l->is_sleeping, false))
		ring_bell(l);
}

static void wake_others(struct loop *l)
{
	while (l->nto_wake)
		loop_wake_now(l->to_wake[--l->nto_wake]);
}

/* Woken for each of a thousand small things it is given, the other would run and sleep a thousand
 * times, on one core with two switches each. */
void loop_wake(struct loop *l)
{
	struct loop *me = running;

	if (!me || me == l || me->nto_wake == WAKES_MAX) {
		loop_wake_now(l);
		return;
	}
	for (unsigned i = 0; i < me->nto_wake; i++)
		if (me->to_wake[i] == l)
			return;
	me->to_wake[me->nto_wake++] = l;
}

void loop_post(struct loop *l, struct mail *m, void (*run)(struct mail *))
{
	struct mail *head = atomic_load_explicit(&l->mail, memory_order_relaxed);

	m->run = run;
	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&l->mail, &head, m, memory_order_release,
							memory_order_relaxed));
	loop_wake(l);
}

static bool run_mail(struct loop *l)
{
	struct mail *newest, *oldest = NULL;

	if (!atomic_load_explicit(&l->mail, memory_order_relaxed))
		return false;
	newest = atomic_exchange_explicit(&l->mail, NULL, memory_order_acquire);
	while (newest) {
		struct mail *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct mail *next = oldest->next; /* run() may free it */

		oldest->run(oldest);
		oldest = next;
	}
	return true;
}

static bool run_pollers(struct loop *l)
{
	bool did_work = false;
	struct poller *p, *next;

	for (p = l->pollers; p; p = next) {
		next = p->next;
		did_work |= p->poll(p);
	}
	return did_work;
}

static bool run_work(struct loop *l)
{
	bool had_mail = run_mail(l);

	return run_pollers(l) || had_mail;
}

/* Running */

static int sleep_ms(struct loop *l, int timeout_ms)
{
	int64_t left_ns;

	if (!l->ntimers)
		return timeout_ms;
	left_ns = l->heap[0]->at_ns - clock_mono_ns();
	if (left_ns <= 0)
		return 0;
	left_ns = (left_ns + NS_PER_MS - 1) / NS_PER_MS; /* never early: no spinning */
	if (left_ns > 86400000)
		left_ns = 86400000;
	return timeout_ms < 0 || left_ns < timeout_ms ? (int)left_ns : timeout_ms;
}

static void handle_events(struct loop *l)
{
	for (l->at_event = 0; l->at_event < l->nevents;) {
		struct epoll_event *e = &l->events[l->at_event++];
		struct io *io = e->data.ptr;
		uint64_t count;

		if (!io) {
			ssize_t n = read(l->wake_fd, &count, sizeof(count));

			(void)n;
			continue;
		}
		if (e->events)
			io->ready(io, e->events);
	}
	l->nevents = 0;
}

void loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	struct loop *outer = running;
	bool did_work;
	int n;

	running = l;
	did_work = run_work(l);
	if (did_work || atomic_load(&l->is_stopping)) {
		timeout_ms = 0;
	} else {
		atomic_store(&l->is_sleeping, true);
		full_fence();
		/* Work, or the stop, that came between the asking and the flag. */
		if (run_work(l) || atomic_load(&l->is_stopping))
			timeout_ms = 0;
		else
			timeout_ms = sleep_ms(l, timeout_ms);
	}
	wake_others(l);
	l->events = events;
	n = os->epoll_wait(l->epoll_fd, events, EVENTS_PER_WAIT, timeout_ms);
	atomic_store(&l->is_sleeping, false);
	l->now_ns = clock_mono_ns();
	l->nevents = n > 0 ? n : 0;
	handle_events(l);
	run_timers(l);
	wake_others(l);
	running = outer;
}

void loop_run(struct loop *l)
{
	while (!atomic_load(&l->is_stopping))
		loop_once(l, -1);
	/* What was posted before the stop is still run. */
	while (run_work(l))
		;
	atomic_store(&l->is_stopping, false);
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->is_stopping, true);
	loop_wake_now(l);
}

static void *thread_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

void loop_start(struct loop *l)
{
	CHECK(pthread_create(&l->thread, NULL, thread_main, l) == 0);
	pthread_setname_np(l->thread, l->name);
	l->has_thread = true;
}

void loop_join(struct loop *l)
{
	if (running)
		wake_others(running);
	if (l->has_thread)
		pthread_join(l->thread, NULL);
	l->has_thread = false;
}
