/* SPDX-License-Identifier: Apache-2.0 */
/* Test input: lines over TCP, answered when they are settled. See README.md. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "inputs/input.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/os.h"

#define REQUEST_MAX ((size_t)128 * 1024)

struct test_push_conf {
	struct conf_addr listen;
	int64_t hold;
};

static const struct conf_field test_push_fields[] = {
	CONF_ADDR(struct test_push_conf, listen, NULL, CONF_TCP, "Address.", .flags = CONF_REQUIRED,
		  .example = "127.0.0.1:7000"),
	CONF_TIME(struct test_push_conf, hold, "5s", "1ms", "1h",
		  "How long an answer may take before the client is told to come again."),
};
static const struct conf_table test_push_table =
	CONF_TABLE(struct test_push_conf, test_push_fields);

struct conn;

/* One request = one batch = one ack. Freed when it is settled and answered. */
struct request {
	struct ack ack;
	struct conn *conn;
	struct request *next; /* of the connection, oldest first */
	struct timer hold;
	uint32_t n;
	bool is_settled, is_answered;
};

struct conn {
	struct test_push *tp;
	struct io io;
	struct source source;
	struct request *first, *last;
	struct conn *next;
	bool is_gone, is_paused;
	size_t have;
	char in[REQUEST_MAX];
};

struct test_push {
	struct input *input;
	struct io io;
	struct conn *conns;
	uint64_t nconns_ever;
	bool is_stopping;
};

static void conn_end(struct conn *c)
{
	struct test_push *tp = c->tp;

	if (!c->is_gone) {
		loop_io_del(tp->input->loop, &c->io);
		os->close(c->io.fd);
		c->is_gone = true;
		for (struct request *r = c->first; r; r = r->next)
			atomic_store(&r->ack.is_withdrawn, true);
	}
	if (c->first)
		return; /* acks are still to come */
	for (struct conn **at = &tp->conns; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	source_fini(&c->source);
	mem_free(c);
}

/* Answers leave in the order of the requests. */
static void answer_ready(struct conn *c)
{
	struct input *in = c->tp->input;

	for (struct request *r = c->first; r && !r->is_answered && r->is_settled; r = r->next) {
		char text[32];
		int n = snprintf(text, sizeof(text), "OK %u\n", r->n);

		r->is_answered = true;
		if (!c->is_gone)
			os->send(c->io.fd, text, (size_t)n, MSG_NOSIGNAL);
	}
	while (c->first && c->first->is_settled && c->first->is_answered) {
		struct request *r = c->first;

		c->first = r->next;
		if (!c->first)
			c->last = NULL;
		loop_timer_del(in->loop, &r->hold);
		mem_free(r);
	}
	if (c->is_gone)
		conn_end(c);
}

static void on_settled(struct ack *a)
{
	struct request *r = container_of(a, struct request, ack);

	r->is_settled = true;
	answer_ready(r->conn);
}

static void on_hold(struct timer *t)
{
	struct request *r = container_of(t, struct request, hold);

	if (r->is_answered)
		return;
	r->is_answered = true;
	atomic_store(&r->ack.is_withdrawn, true);
	if (!r->conn->is_gone)
		os->send(r->conn->io.fd, "RETRY\n", 6, MSG_NOSIGNAL);
}

/* Takes one whole request off the front; false when there is none or no credit. */
static bool take_request(struct conn *c)
{
	const struct test_push_conf *conf = c->tp->input->conf;
	struct input *in = c->tp->input;
	const char *end = memmem(c->in, c->have, "\n\n", 2);
	int64_t now_ns = clock_wall_ns();
	struct request *r;
	struct batch *b;
	struct str rest;
	size_t n;

	if (!end)
		return false;
	n = (size_t)(end - c->in) + 2;
	b = input_batch(in, &c->source, n);
	if (!b) {
		c->is_paused = true;
		loop_io_set(in->loop, &c->io, 0);
		return false;
	}
	rest = arena_dup(&b->arena, str_make(c->in, n - 2));
	while (rest.p) {
		struct rec *rec = batch_add(b);

		rec->line = str_cut(&rest, '\n');
		rec->time_ns = now_ns++;
	}
	memmove(c->in, c->in + n, c->have - n);
	c->have -= n;
	r = mem_zalloc(sizeof(*r));
	r->conn = c;
	r->n = b->nrecs;
	ack_init(&r->ack, in->loop, on_settled);
	r->ack.replays = true;
	if (c->last)
		c->last->next = r;
	else
		c->first = r;
	c->last = r;
	loop_timer_in(in->loop, &r->hold, conf->hold, on_hold);
	b->ack = &r->ack;
	b->is_urgent = true;
	input_submit(in, b, n);
	return true;
}

static void on_conn(struct io *io, uint32_t events)
{
	struct conn *c = container_of(io, struct conn, io);
	ssize_t n = os->recv(io->fd, c->in + c->have, sizeof(c->in) - c->have, 0);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_end(c);
		return;
	}
	c->have += (size_t)n;
	while (take_request(c))
		;
	if (c->have == sizeof(c->in) && !c->is_paused)
		conn_end(c);
}

static void on_accept(struct io *io, uint32_t events)
{
	struct test_push *tp = container_of(io, struct test_push, io);
	int fd = os->accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	(void)events;
	if (fd < 0)
		return;
	c = mem_zalloc(sizeof(*c));
	c->tp = tp;
	c->next = tp->conns;
	tp->conns = c;
	source_init(&c->source, tp->input, tp->nconns_ever++, NULL, NULL, 0);
	loop_io_add(tp->input->loop, &c->io, fd, EPOLLIN, on_conn);
}

static int test_push_open(struct input *in, struct err *err)
{
	const struct test_push_conf *conf = in->conf;
	struct test_push *tp = in->state;
	int fd = net_listen(&conf->listen, false, err);

	tp->input = in;
	tp->io.fd = -1;
	if (fd < 0)
		return fd;
	loop_io_add(in->loop, &tp->io, fd, 0, on_accept);
	return 0;
}

static void test_push_start(struct input *in)
{
	struct test_push *tp = in->state;

	loop_io_set(in->loop, &tp->io, EPOLLIN);
}

static void test_push_resume(struct input *in)
{
	struct test_push *tp = in->state;

	for (struct conn *c = tp->conns; c; c = c->next) {
		if (!c->is_paused || c->is_gone || tp->is_stopping)
			continue;
		c->is_paused = false;
		loop_io_set(in->loop, &c->io, EPOLLIN);
		while (take_request(c))
			;
	}
}

static void test_push_stop(struct input *in)
{
	struct test_push *tp = in->state;

	tp->is_stopping = true;
	loop_io_set(in->loop, &tp->io, 0);
	for (struct conn *c = tp->conns; c; c = c->next)
		if (!c->is_gone)
			loop_io_set(in->loop, &c->io, 0);
}

static bool test_push_is_idle(struct input *in)
{
	struct test_push *tp = in->state;

	for (struct conn *c = tp->conns; c; c = c->next)
		if (c->first)
			return false;
	return true;
}

static void test_push_close(struct input *in)
{
	struct test_push *tp = in->state;

	if (tp->io.fd < 0)
		return;
	loop_io_del(in->loop, &tp->io);
	os->close(tp->io.fd);
	while (tp->conns) {
		struct conn *c = tp->conns;

		while (c->first) { /* abandoned at the shutdown deadline: nobody will settle them */
			struct request *r = c->first;

			c->first = r->next;
			loop_timer_del(in->loop, &r->hold);
			mem_free(r);
		}
		conn_end(c);
	}
}

extern const struct input_ops input_test_push;
const struct input_ops input_test_push = {
	.name = "test_push",
	.summary = "test input: lines over TCP, answered when they are settled",
	.conf = &test_push_table,
	.state_size = sizeof(struct test_push),
	.open = test_push_open,
	.start = test_push_start,
	.resume = test_push_resume,
	.stop = test_push_stop,
	.is_idle = test_push_is_idle,
	.close = test_push_close,
};
