/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection does with bytes. It reads into the arena of its batch and frames in place; what is
 * left of an incomplete message moves to the next arena. Without credit it is not read, and the sender's
 * TCP waits. */
#include <errno.h>
#include <sys/epoll.h>

#include "inputs/syslog/stream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define READS_MAX 4              /* of a connection, per turn */
#define LAST_READS_MAX 64        /* of a connection, when the agent stops */
#define SPARE_MIN ((size_t)1024) /* less room than this is not worth a read */
#define COMPANY 64               /* records that need not wait for more */

/* Batches, and what stays when one leaves */

/* The unframed rest leaves the arena. It is charged, but never refused: it is there already, and
 * bounded by partial_limit(). */
static void hold_tail(struct conn *c)
{
	if (!c->tail.n || c->held)
		return;
	c->held = mem_dup(c->tail.p, c->tail.n);
	c->tail.p = c->held;
	input_force(input_of(c), c->tail.n);
}

static void set_partial(struct conn *c, size_t bytes)
{
	c->tcp->partial_bytes += bytes - c->partial_bytes;
	c->partial_bytes = bytes;
}

void conn_submit(struct conn *c)
{
	struct input *in = input_of(c);

	loop_timer_del(in->loop, &c->linger);
	syslog_scribe_count(&c->scribe);
	if (!c->batch)
		return;
	hold_tail(c);
	set_partial(c, c->tail.n);
	if (c->batch->nrecs)
		conn_flight(c, c->batch);
	input_submit(in, TAKE(c->batch), c->batch_bytes);
	c->batch_bytes = 0;
}

static void add_frame(struct conn *c, const struct frame *f)
{
	if (f->is_resync) {
		input_count_error(input_of(c), "framing");
		log_warn("bytes stand where an octet count must be, taken up to the next line end",
			 KV("peer", conn_name(c)), KV("bytes", str_sub(f->bytes, 0, 24)));
	}
	syslog_scribe_add(&c->scribe, c->batch, f, &c->from);
}

static void drop_held(struct conn *c)
{
	if (!c->held)
		return;
	input_give(input_of(c), c->tail.n);
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
		 KV("peer", conn_name(c)));
	conn_close(c);
}

/* Records leave, the incomplete message behind them stays. */
static void submit_now(struct conn *c)
{
	conn_submit(c);
	if (c->tail.n && is_over_partial_limit(c, c->tail.n))
		close_partial(c);
}

static void on_linger(struct timer *t)
{
	submit_now(container_of(t, struct conn, linger));
}

/* Reading */

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
	if (!conn_may_hold(c, bytes)) {
		c->peer->is_over = true;
		metric_add(in->paused, 1);
		conn_pause(c);
		return false;
	}
	c->batch = input_batch(in, &c->source, bytes);
	if (!c->batch) {
		conn_pause(c);
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
		conn_submit(c); /* without records this only frees it */
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

/* A sender that speaks TLS to a port that does not. */
static bool is_client_hello(struct str bytes)
{
	return str_starts(bytes, STR("\x16\x03"));
}

static bool refuse(struct conn *c, const char *reason, const char *why, struct str bytes)
{
	input_count_error(input_of(c), reason);
	log_warn("closing a connection", KV_S("error", why), KV("peer", conn_name(c)),
		 KV("bytes", str_sub(bytes, 0, 24)));
	c->tail = STR_NONE;
	return false;
}

/* Over its rate: its TCP has to wait. */
static void throttle(struct conn *c, uint64_t messages)
{
	int64_t now_ns = loop_now_ns(input_of(c)->loop);
	int64_t wait_ns = peer_take(&c->tcp->peers, c->peer, messages, now_ns);

	if (!wait_ns || c->tcp->is_stopping)
		return;
	input_count_error(input_of(c), "rate_per_peer");
	log_warn("a sender is over rate_per_peer and has to wait", KV("peer", conn_name(c)),
		 KV_I("wait_ms", wait_ns / NS_PER_MS));
	conn_pause(c);
	loop_timer_in(input_of(c)->loop, &c->turn, wait_ns, conn_turn);
}

/* Cuts what was read into messages. False when the stream is beyond understanding. */
static bool take_frames(struct conn *c, size_t got)
{
	struct arena *a = &c->batch->arena;
	struct str avail = str_make(c->tail.n ? c->tail.p : a->p, c->tail.n + got);
	enum frame_result result;
	struct frame frame;
	uint64_t n = 0;

	arena_take(a, got);
	c->batch_bytes += got;
	if (!c->has_read && !c->tls && is_client_hello(avail))
		return refuse(c, "tls", "TLS on a port that is not tls://", avail);
	c->has_read = true;
	for (; (result = frame_next(&c->framer, &avail, &frame)) == FRAME_MESSAGE; n++)
		add_frame(c, &frame);
	c->tail = avail.n ? avail : STR_NONE;
	if (result == FRAME_BAD)
		return refuse(c, "framing", "no octet count where one must be", avail);
	if (!c->tail.n)
		c->since_ns = 0;
	else if (n || !c->since_ns)
		conn_set_since(c, c->read_ns);
	set_partial(c, c->batch->nrecs ? 0 : c->tail.n ? a->bytes : 0);
	throttle(c, n);
	return true;
}

enum read_result { READ_MORE, READ_DRAINED, READ_CLOSED };

/* As recv(2), negative errno. */
static ssize_t receive(struct conn *c, void *p, size_t n)
{
	ssize_t got;

	if (!c->tls) {
		got = os->recv(c->io.fd, p, n, MSG_DONTWAIT);
		return got < 0 ? -errno : got;
	}
	got = tls_read(c->tls, p, n);
	loop_io_set(input_of(c)->loop, &c->io, tls_events(c->tls));
	return got;
}

static enum read_result read_once(struct conn *c)
{
	size_t n;
	ssize_t got;

	if (!make_room(c))
		return READ_CLOSED;
	n = spare(&c->batch->arena);
	if (n > c->want)
		n = c->want;
	got = receive(c, c->batch->arena.p, n);
	if (got == -EAGAIN || got == -EINTR)
		return READ_DRAINED;
	if (got == -EPROTO && c->tls) {
		input_count_error(input_of(c), "tls");
		log_warn("closing a connection: TLS failed", KV("peer", conn_name(c)),
			 KV_S("error", tls_error(c->tls)));
	} else if (got < 0 && got != -ECONNRESET && got != -ETIMEDOUT) {
		input_count_error(input_of(c), "receive");
	}
	if (got > 0) {
		c->read_ns = loop_now_ns(input_of(c)->loop);
		syslog_scribe_now(&c->scribe);
	}
	if (got <= 0 || !take_frames(c, (size_t)got)) {
		conn_close(c);
		return READ_CLOSED;
	}
	adapt(c, n, (size_t)got);
	return c->is_paused ? READ_DRAINED : (size_t)got == n ? READ_MORE : READ_DRAINED;
}

bool conn_has_more(const struct conn *c)
{
	return c->tls && !c->is_paused && tls_has_more(c->tls);
}

void conn_readable(struct io *io, uint32_t events)
{
	struct conn *c = container_of(io, struct conn, io);
	enum read_result got = READ_MORE;

	(void)events;
	if (c->stage != CONN_OPEN) {
		switch (greet(c)) {
		case GREET_WAIT:
			return;
		case GREET_REFUSED:
			conn_close(c);
			return;
		case GREET_DONE:
			conn_set_since(c, 0);
			break;
		}
	}
	for (int i = 0; i < READS_MAX && got == READ_MORE; i++)
		got = read_once(c);
	if (got == READ_CLOSED)
		return;
	if (conn_has_more(c)) /* the others first */
		loop_timer_in(input_of(c)->loop, &c->turn, 0, conn_turn);
	if (!c->batch)
		return;
	if (c->batch->nrecs >= COMPANY)
		submit_now(c);
	else if (c->batch->nrecs && !c->linger.at_ns)
		loop_timer_in(input_of(c)->loop, &c->linger, SYSLOG_LINGER_NS, on_linger);
	else if (!c->batch->nrecs && !c->tail.n) /* an idle connection holds no credit */
		conn_submit(c);
}

void conn_turn(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, turn);

	if (c->is_paused)
		conn_resume(c);
	else
		conn_readable(&c->io, 0);
}

void conn_last_reads(struct conn *c)
{
	enum read_result got = READ_MORE;

	/* One that is over its rate is read, one without credit not. */
	if (c->is_closed || (c->is_paused && !c->turn.at_ns) || c->stage != CONN_OPEN)
		return;
	c->is_paused = false;
	for (int i = 0; i < LAST_READS_MAX && (got == READ_MORE || conn_has_more(c)); i++)
		if ((got = read_once(c)) == READ_CLOSED)
			return;
}

void conn_end(struct conn *c)
{
	add_last(c);
	drop_held(c);
	c->tail = STR_NONE;
	conn_submit(c);
}
