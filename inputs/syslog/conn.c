/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: beginning, batches on their way, pauses, timeouts, end. */
#include <errno.h>
#include <sys/epoll.h>

#include "inputs/syslog/stream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

/* Batches leaving and settled */

static void conn_free(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	if (c->peer)
		c->peer->nrefs--;
	tls_free(c->tls);
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

/* What one peer may have on its way, so that others find credit, too. */
static size_t peer_limit(const struct conn *c)
{
	size_t most = (size_t)input_of(c)->budget->total_bytes / 4 * 3;
	size_t max = c->tcp->syslog->conf->max_peer_bytes;

	return max && max < most ? max : most;
}

bool conn_may_hold(const struct conn *c, size_t bytes)
{
	return !c->peer->held_bytes || c->peer->held_bytes + bytes <= peer_limit(c);
}

static void on_settled(struct ack *a)
{
	struct flight *f = container_of(a, struct flight, ack);
	struct conn *c = f->conn;
	struct peer *peer = c->peer;

	peer->held_bytes -= f->bytes;
	flight_free(f);
	if (peer->is_over && peer->held_bytes <= peer_limit(c) / 2) {
		peer->is_over = false;
		tcp_resume_peer(c->tcp, peer);
	}
	if (c->is_closed && !c->flights)
		conn_free(c);
}

void conn_flight(struct conn *c, struct batch *b)
{
	struct flight *f = mem_zalloc(sizeof(*f));

	f->conn = c;
	/* Not what its arena has room for: many connections with a line each would be a whole share then. */
	f->bytes = b->arena.bytes - (size_t)(b->arena.end - b->arena.p);
	c->peer->held_bytes += f->bytes;
	/* The next would have to wait for this one, which must not wait for the next. */
	b->is_urgent = !conn_may_hold(c, SYSLOG_ROOM_PER_BYTE * c->want);
	f->next = c->flights;
	f->link = &c->flights;
	if (f->next)
		f->next->link = &f->next;
	c->flights = f;
	ack_init(&f->ack, input_of(c)->loop, on_settled);
	b->ack = &f->ack;
}

/* Closing */

void conn_close(struct conn *c)
{
	struct input *in = input_of(c);

	if (c->is_closed)
		return;
	if (c->stage == CONN_OPEN) {
		conn_end(c);
	}
	mem_free(TAKE(c->held));
	loop_io_del(in->loop, &c->io);
	loop_timer_del(in->loop, &c->watch);
	loop_timer_del(in->loop, &c->turn);
	if (c->tls)
		tls_close(c->tls);
	os->close(c->io.fd);
	c->is_closed = true;
	if (c->has_slot)
		c->peer->nconns--;
	c->tcp->nconns--;
	metric_set(c->tcp->connections, (int64_t)c->tcp->nconns);
	if (!c->flights)
		conn_free(c);
}

/* Timeouts: one timer, set for whatever is due first. */

static int64_t due_ns(const struct conn *c)
{
	const struct syslog_conf *conf = c->tcp->syslog->conf;
	int64_t idle_ns = c->read_ns + conf->idle_timeout_ns;
	int64_t slow_ns = c->since_ns + conf->message_timeout_ns;

	if (c->stage != CONN_OPEN)
		return c->since_ns + conf->handshake_timeout_ns;
	return c->since_ns && slow_ns < idle_ns ? slow_ns : idle_ns;
}

static void too_slow(struct conn *c, const char *option)
{
	input_count_error(input_of(c), option);
	log_warn("closing a connection: too slow", KV("peer", conn_name(c)), KV_S("limit", option));
}

static void restart_clocks(struct conn *c)
{
	c->read_ns = loop_now_ns(input_of(c)->loop);
	if (c->since_ns)
		c->since_ns = c->read_ns;
}

/* Something came that we did not get to read, because we stood still or have many others. */
static bool is_waiting(struct conn *c)
{
	char byte;

	return os->recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void on_watch(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, watch);
	struct loop *loop = input_of(c)->loop;

	if (c->is_paused || (due_ns(c) <= loop_now_ns(loop) && is_waiting(c)))
		restart_clocks(c); /* one that we do not read is not to blame */
	if (due_ns(c) > loop_now_ns(loop)) {
		loop_timer_set(loop, t, due_ns(c), on_watch);
		return;
	}
	if (c->stage != CONN_OPEN)
		too_slow(c, "handshake_timeout");
	else if (loop_now_ns(loop) - c->read_ns < c->tcp->syslog->conf->idle_timeout_ns)
		too_slow(c, "message_timeout");
	conn_close(c);
}

void conn_set_since(struct conn *c, int64_t since_ns)
{
	c->since_ns = since_ns;
	if (!c->watch.at_ns || c->watch.at_ns > due_ns(c))
		loop_timer_set(input_of(c)->loop, &c->watch, due_ns(c), on_watch);
}

/* Pausing and resuming */

/* Not read until conn_resume(). The descriptor leaves the loop, because errors and hang-ups are reported
 * even to those who asked for nothing. */
void conn_pause(struct conn *c)
{
	c->is_paused = true;
	loop_io_del(input_of(c)->loop, &c->io);
}

void conn_resume(struct conn *c)
{
	struct loop *loop = input_of(c)->loop;

	if (!c->is_paused || c->is_closed || c->turn.at_ns)
		return;
	c->is_paused = false;
	restart_clocks(c);
	loop_io_add(loop, &c->io, c->io.fd, EPOLLIN, conn_readable);
	if (conn_has_more(c))
		loop_timer_in(loop, &c->turn, 0, conn_turn);
}

void conn_abandon(struct conn *c)
{
	while (c->flights)
		flight_free(c->flights);
	conn_free(c);
}

void conn_new(struct listener *l, int fd, const struct sockaddr_storage *addr)
{
	struct tcp *t = l->tcp;
	const struct syslog *s = t->syslog;
	struct conn *c = mem_zalloc(sizeof(*c));
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	c->tcp = t;
	c->listener = l;
	c->link = &t->conns;
	c->next = t->conns;
	if (c->next)
		c->next->link = &c->next;
	t->conns = c;
	t->nconns++;
	metric_set(t->connections, (int64_t)t->nconns);
	c->want = SYSLOG_READ_MIN;
	c->read_ns = loop_now_ns(s->input->loop);
	source_init(&c->source, s->input, t->accepted++, &s->conf->labels, NULL, 0);
	framer_init(&c->framer, (enum frame_mode)s->conf->framing, s->max_message);
	syslog_scribe_init(&c->scribe, s);
	loop_io_add(s->input->loop, &c->io, fd, EPOLLIN, conn_readable);
	if (!greet_begin(c, addr))
		conn_close(c);
	else
		conn_set_since(c, c->stage == CONN_OPEN ? 0 : c->read_ns);
}
