/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets and their connections. A connection reads into the arena of its batch and frames in
 * place; what is left of an incomplete message moves to the next arena. Without credit it is not
 * read, and the sender's TCP waits. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "inputs/syslog/syslog.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"

#define ACCEPTS_MAX 64           /* per turn */
#define READS_MAX 4              /* of a connection, per turn */
#define LAST_READS_MAX 64        /* of a connection, when the agent stops */
#define SPARE_MIN ((size_t)1024) /* less room than this is not worth a read */
#define COMPANY 64               /* records that need not wait for more */
#define NO_FD_PAUSE_NS NS_PER_S

struct listener {
	struct tcp *tcp;
	struct listener *next;
	struct io io;
	struct timer pause; /* running while there are no descriptors left */
};

struct tcp {
	struct syslog *syslog;
	struct listener *listeners;
	struct conn *conns; /* also closed ones whose records are not settled */
	size_t nconns;      /* open ones */
	uint64_t accepted;
	size_t partial_bytes; /* arenas that hold nothing but the beginning of a message */
	bool is_stopping;
	struct metric *connections;
};

/* One batch on its way. */
struct flight {
	struct ack ack;
	struct conn *conn;
	struct flight *next, **link;
};

/* Freed when it is closed and all its batches are settled. */
struct conn {
	struct tcp *tcp;
	struct conn *next, **link;
	struct io io;
	struct timer linger, idle;
	struct source source;
	struct framer framer;
	struct syslog_scribe scribe;
	struct batch *batch;  /* being filled */
	size_t batch_bytes;   /* read into it */
	size_t partial_bytes; /* its part of tcp->partial_bytes */
	struct str tail;      /* unframed: in the batch's arena, or all of `held` without one */
	char *held;
	size_t want;     /* bytes to ask for */
	int64_t read_ns; /* when something came last, monotonic */
	struct flight *flights;
	bool is_paused, is_closed;
	size_t npeer;
	char peer[NET_ADDR_TEXT];
};

static struct input *input_of(const struct conn *c)
{
	return c->tcp->syslog->input;
}

/* Batches leaving and settled */

static void conn_free(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	source_fini(&c->source);
	mem_free(c);
}

static void flight_free(struct flight *f)
{
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	mem_free(f);
}

static void on_settled(struct ack *a)
{
	struct flight *f = container_of(a, struct flight, ack);
	struct conn *c = f->conn;

	flight_free(f);
	if (c->is_closed && !c->flights)
		conn_free(c);
}

/* The unframed rest leaves the arena. It is charged, but never refused: it is there already, and
 * bounded by partial_limit(). */
static void hold_tail(struct conn *c)
{
	if (!c->tail.n || c->held)
		return;
	c->held = mem_dup(c->tail.p, c->tail.n);
	c->tail.p = c->held;
	budget_force(input_of(c)->budget, c->tail.n);
}

static void set_partial(struct conn *c, size_t bytes)
{
	c->tcp->partial_bytes += bytes - c->partial_bytes;
	c->partial_bytes = bytes;
}

static void submit(struct conn *c)
{
	struct input *in = input_of(c);
	struct flight *f;

	loop_timer_del(in->loop, &c->linger);
	syslog_scribe_count(&c->scribe);
	if (!c->batch)
		return;
	hold_tail(c);
	set_partial(c, c->tail.n);
	if (c->batch->nrecs) {
		f = mem_zalloc(sizeof(*f));
		f->conn = c;
		f->next = c->flights;
		f->link = &c->flights;
		if (f->next)
			f->next->link = &f->next;
		c->flights = f;
		ack_init(&f->ack, in->loop, on_settled);
		c->batch->ack = &f->ack;
	}
	input_submit(in, TAKE(c->batch), c->batch_bytes);
	c->batch_bytes = 0;
}

static void add_frame(struct conn *c, const struct frame *f)
{
	if (f->is_resync)
		input_count_error(input_of(c), "framing");
	syslog_scribe_add(&c->scribe, c->batch, f, str_make(c->peer, c->npeer));
}

/* Closing */

static void drop_held(struct conn *c)
{
	if (!c->held)
		return;
	budget_give(input_of(c)->budget, c->tail.n);
	mem_free(TAKE(c->held));
}

/* What there is of an unterminated last message becomes a record of its own. */
static void add_last(struct conn *c)
{
	struct syslog *s = c->tcp->syslog;
	struct frame frame;
	struct str text;

	if (!frame_end(&c->framer, c->tail, &frame))
		return;
	if (!c->batch) /* forced: there is no later */
		c->batch = batch_new(s->input->budget, &c->source,
				     SYSLOG_ROOM_PER_BYTE * frame.bytes.n, true);
	if (c->held) {
		text = arena_dup(&c->batch->arena, frame.bytes);
		frame.bytes = text;
	}
	add_frame(c, &frame);
}

static void conn_close(struct conn *c)
{
	struct input *in = input_of(c);

	if (c->is_closed)
		return;
	add_last(c);
	drop_held(c);
	c->tail = STR_NONE;
	submit(c);
	loop_io_del(in->loop, &c->io);
	loop_timer_del(in->loop, &c->idle);
	os->close(c->io.fd);
	c->is_closed = true;
	c->tcp->nconns--;
	metric_set(c->tcp->connections, (int64_t)c->tcp->nconns);
	if (!c->flights)
		conn_free(c);
}

/* All connections together may keep half of the credit in messages that are not complete; else
 * senders that never end one could stop everybody. */
static bool is_over_partial_limit(const struct conn *c, size_t bytes)
{
	const struct budget *budget = input_of(c)->budget;

	return c->tcp->partial_bytes - c->partial_bytes + bytes > (size_t)budget->total_bytes / 2;
}

static void close_partial(struct conn *c)
{
	input_count_error(input_of(c), "too_many_partial");
	log_warn("closing a connection: too many senders with incomplete messages",
		 KV("peer", str_make(c->peer, c->npeer)));
	conn_close(c);
}

/* Records leave, the incomplete message behind them stays. */
static void submit_now(struct conn *c)
{
	submit(c);
	if (c->tail.n && is_over_partial_limit(c, c->tail.n))
		close_partial(c);
}

static void on_linger(struct timer *t)
{
	submit_now(container_of(t, struct conn, linger));
}

/* A connection without traffic is closed; one that we do not read is not to blame. */
static void on_idle(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, idle);
	struct loop *loop = input_of(c)->loop;
	int64_t timeout_ns = c->tcp->syslog->conf->idle_timeout_ns;
	int64_t quiet_ns = loop_now_ns(loop) - c->read_ns;

	if (c->is_paused)
		quiet_ns = 0;
	if (quiet_ns >= timeout_ns)
		conn_close(c);
	else
		loop_timer_in(loop, t, timeout_ns - quiet_ns, on_idle);
}

/* Reading */

/* Not read until resume(). The descriptor leaves the loop, because errors and hang-ups are reported
 * even to those who asked for nothing. */
static void pause_conn(struct conn *c)
{
	c->is_paused = true;
	loop_io_del(input_of(c)->loop, &c->io);
}

/* A fresh batch, the unframed rest at its start. False: no credit, or c is closed. */
static bool start_batch(struct conn *c)
{
	struct input *in = input_of(c);
	size_t bytes = SYSLOG_ROOM_PER_BYTE * c->want;

	if (bytes < 2 * c->tail.n + c->want)
		bytes = 2 * c->tail.n + c->want;
	if (c->tail.n && is_over_partial_limit(c, bytes)) {
		close_partial(c);
		return false;
	}
	c->batch = input_batch(in, &c->source, bytes);
	if (!c->batch) {
		pause_conn(c);
		return false;
	}
	if (c->held) {
		struct str tail = arena_dup(&c->batch->arena, c->tail);

		drop_held(c);
		c->tail = tail;
	}
	return true;
}

static size_t spare(const struct arena *a)
{
	return (size_t)(a->end - a->p);
}

/* Makes room for a read right behind the tail. */
static bool make_room(struct conn *c)
{
	struct arena *a;

	if (c->batch) {
		a = &c->batch->arena;
		if (!c->tail.n || c->tail.p + c->tail.n == a->p) {
			if (spare(a) >= SPARE_MIN)
				return true;
		} else if (spare(a) >= c->tail.n + SPARE_MIN) {
			c->tail = arena_dup(a, c->tail);
			return true;
		}
		submit(c); /* without records this only frees it */
	}
	return start_batch(c);
}

static void adapt(struct conn *c, size_t asked, size_t got)
{
	if (got == asked && c->want < SYSLOG_READ_MAX)
		c->want *= 2;
	else if (got < c->want / 4 && c->want > SYSLOG_READ_MIN)
		c->want /= 2;
}

/* Cuts what was read into messages. False when the stream is beyond understanding. */
static bool take_frames(struct conn *c, size_t got)
{
	struct arena *a = &c->batch->arena;
	struct str avail = str_make(c->tail.n ? c->tail.p : a->p, c->tail.n + got);
	enum frame_result result;
	struct frame frame;

	arena_take(a, got);
	c->batch_bytes += got;
	while ((result = frame_next(&c->framer, &avail, &frame)) == FRAME_MESSAGE)
		add_frame(c, &frame);
	c->tail = avail.n ? avail : STR_NONE;
	if (result == FRAME_BAD) {
		input_count_error(input_of(c), "framing");
		log_warn("closing a connection: no octet count where one must be",
			 KV("peer", str_make(c->peer, c->npeer)));
		c->tail = STR_NONE;
		return false;
	}
	set_partial(c, c->batch->nrecs ? 0 : c->tail.n ? a->bytes : 0);
	return true;
}

enum read_result { READ_MORE, READ_DRAINED, READ_CLOSED };

static enum read_result read_once(struct conn *c)
{
	size_t n;
	ssize_t got;

	if (!make_room(c))
		return READ_CLOSED;
	n = spare(&c->batch->arena);
	if (n > c->want)
		n = c->want;
	got = os->recv(c->io.fd, c->batch->arena.p, n, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return READ_DRAINED;
	if (got <= 0) {
		if (got < 0 && errno != ECONNRESET && errno != ETIMEDOUT)
			input_count_error(input_of(c), "receive");
		conn_close(c);
		return READ_CLOSED;
	}
	c->read_ns = loop_now_ns(input_of(c)->loop);
	syslog_scribe_now(&c->scribe);
	if (!take_frames(c, (size_t)got)) {
		conn_close(c);
		return READ_CLOSED;
	}
	adapt(c, n, (size_t)got);
	return (size_t)got == n ? READ_MORE : READ_DRAINED;
}

static void on_conn(struct io *io, uint32_t events)
{
	struct conn *c = container_of(io, struct conn, io);
	enum read_result got = READ_MORE;

	(void)events;
	for (int i = 0; i < READS_MAX && got == READ_MORE; i++)
		got = read_once(c);
	if (got == READ_CLOSED || !c->batch)
		return;
	if (c->batch->nrecs >= COMPANY)
		submit_now(c);
	else if (c->batch->nrecs && !c->linger.at_ns)
		loop_timer_in(input_of(c)->loop, &c->linger, SYSLOG_LINGER_NS, on_linger);
	else if (!c->batch->nrecs && !c->tail.n) /* an idle connection holds no credit */
		submit(c);
}

/* Accepting */

static void conn_new(struct tcp *t, int fd, const struct sockaddr_storage *addr)
{
	const struct syslog *s = t->syslog;
	struct conn *c = mem_zalloc(sizeof(*c));
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	c->tcp = t;
	c->link = &t->conns;
	c->next = t->conns;
	if (c->next)
		c->next->link = &c->next;
	t->conns = c;
	t->nconns++;
	metric_set(t->connections, (int64_t)t->nconns);
	c->want = SYSLOG_READ_MIN;
	c->read_ns = loop_now_ns(s->input->loop);
	c->npeer = net_addr_text(addr, false, c->peer);
	source_init(&c->source, s->input, t->accepted++, &s->conf->labels, NULL, 0);
	framer_init(&c->framer, (enum frame_mode)s->conf->framing, s->max_message);
	syslog_scribe_init(&c->scribe, s);
	loop_io_add(s->input->loop, &c->io, fd, EPOLLIN, on_conn);
	loop_timer_in(s->input->loop, &c->idle, s->conf->idle_timeout_ns, on_idle);
}

static void on_pause_over(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, pause);

	loop_io_set(l->tcp->syslog->input->loop, &l->io, EPOLLIN);
}

static void on_accept(struct io *io, uint32_t events)
{
	struct listener *l = container_of(io, struct listener, io);
	struct tcp *t = l->tcp;
	struct input *in = t->syslog->input;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t n = sizeof(addr);
		int fd = os->accept4(io->fd, (struct sockaddr *)&addr, &n,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			/* It stays readable: asking again at once would only burn time. */
			input_count_error(in, "accept");
			log_warn("cannot accept connections", KV_ERRNO(errno));
			loop_io_set(in->loop, io, 0);
			loop_timer_in(in->loop, &l->pause, NO_FD_PAUSE_NS, on_pause_over);
		}
		if (fd < 0)
			return;
		if (t->nconns >= t->syslog->conf->max_connections) {
			input_count_error(in, "too_many_connections");
			log_warn("refused a connection: max_connections are open");
			os->close(fd);
			continue;
		}
		conn_new(t, fd, &addr);
	}
}

/* Life */

void tcp_add(struct syslog *s, int fd)
{
	struct listener *l = mem_zalloc(sizeof(*l));

	if (!s->tcp) {
		s->tcp = mem_zalloc(sizeof(*s->tcp));
		s->tcp->syslog = s;
		s->tcp->connections =
			metric_get(METRIC_INPUT_CONNECTIONS, "input", s->input->name, NULL);
	}
	l->tcp = s->tcp;
	l->next = s->tcp->listeners;
	s->tcp->listeners = l;
	loop_io_add(s->input->loop, &l->io, fd, 0, on_accept);
}

void tcp_start(struct syslog *s)
{
	for (struct listener *l = s->tcp ? s->tcp->listeners : NULL; l; l = l->next)
		loop_io_set(s->input->loop, &l->io, EPOLLIN);
}

/* Everybody may try; who finds no credit is paused again. */
void tcp_resume(struct syslog *s)
{
	if (!s->tcp || s->tcp->is_stopping)
		return;
	for (struct conn *c = s->tcp->conns; c; c = c->next) {
		if (!c->is_paused || c->is_closed)
			continue;
		c->is_paused = false;
		loop_io_add(s->input->loop, &c->io, c->io.fd, EPOLLIN, on_conn);
	}
}

/* What the kernel holds was acknowledged to the sender: it is read, as far as there is credit. What
 * is still on its way is lost, as TCP syslog has no other answer. */
static void last_reads(struct conn *c)
{
	enum read_result got = c->is_paused ? READ_DRAINED : READ_MORE;

	for (int i = 0; i < LAST_READS_MAX && got == READ_MORE; i++)
		got = read_once(c);
}

void tcp_stop(struct syslog *s)
{
	struct conn *next;

	if (!s->tcp)
		return;
	s->tcp->is_stopping = true;
	for (struct listener *l = s->tcp->listeners; l; l = l->next) {
		loop_timer_del(s->input->loop, &l->pause);
		loop_io_del(s->input->loop, &l->io);
		os->close(l->io.fd);
		l->io.fd = -1;
	}
	for (struct conn *c = s->tcp->conns; c; c = next) {
		next = c->next;
		if (!c->is_closed)
			last_reads(c);
	}
	for (struct conn *c = s->tcp->conns; c; c = next) {
		next = c->next;
		conn_close(c);
	}
}

bool tcp_is_idle(const struct syslog *s)
{
	return !s->tcp || !s->tcp->conns;
}

void tcp_close(struct syslog *s)
{
	struct listener *l;

	if (!s->tcp)
		return;
	while ((l = s->tcp->listeners)) {
		s->tcp->listeners = l->next;
		if (l->io.fd >= 0) {
			loop_io_del(s->input->loop, &l->io);
			os->close(l->io.fd);
		}
		mem_free(l);
	}
	while (s->tcp->conns) { /* abandoned at the shutdown deadline: nobody will settle them */
		struct conn *c = s->tcp->conns;

		while (c->flights)
			flight_free(c->flights);
		conn_free(c);
	}
	mem_free(TAKE(s->tcp));
}
