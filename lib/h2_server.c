/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an HTTP/2 server and of its connections. */
#include <errno.h>

#include "lib/h2_impl.h"
#include "lib/log.h"
#include "lib/mem.h"

#define READS_MAX 8 /* of a connection, per turn */

static void on_turn(struct timer *t);
static void on_watch(struct timer *t);

void h2_refused(void *server, const char *reason)
{
	const struct h2_server *s = server;

	metric_add(metric_get(METRIC_HTTP_REFUSED, "server", s->name, "reason", reason, NULL), 1);
}

/* Connections */

static void keep(struct h2_conn *c, struct str rest)
{
	c->server->kept_bytes += rest.n - c->in.n;
	if (rest.n && c->in.p && rest.p >= c->in.p && rest.p < c->in.p + c->in.cap) {
		memmove(c->in.p, rest.p, rest.n);
		c->in.n = rest.n;
	} else if (rest.n) {
		buf_clear(&c->in);
		buf_str(&c->in, rest);
	} else {
		buf_fini(&c->in);
	}
}

static void conn_free(struct h2_conn *c)
{
	struct h2_server *s = c->server;

	c->is_running = true; /* who hears that it has gone must not come back */
	loop_timer_del(s->loop, &c->watch);
	loop_timer_del(s->loop, &c->turn);
	if (c->session)
		h2_session_end(c);
	keep(c, STR_NONE);
	s->kept_bytes -= c->held.n;
	buf_fini(&c->held);
	buf_fini(&c->out);
	metric_set(s->connections, (int64_t)--s->nconns);
	stream_close(&c->stream);
}

/* False: the connection failed. */
static bool send_out(struct h2_conn *c)
{
	for (;;) {
		const uint8_t *p;
		ssize_t n = 1;

		while (c->out.n < H2_OUT_BYTES && n > 0) {
			n = nghttp2_session_mem_send(c->session, &p);
			if (n > 0)
				buf_put(&c->out, p, (size_t)n);
		}
		if (n < 0)
			return false;
		if (!c->out.n)
			return true;
		n = stream_send(&c->stream, c->out.p + c->sent, c->out.n - c->sent);
		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		c->sent += (size_t)n;
		if (c->sent == c->out.n) {
			buf_fini(&c->out);
			c->sent = 0;
		}
	}
}

/* What nghttp2 takes of it; the rest is kept while it is paused. */
static void feed(struct h2_conn *c, struct str bytes)
{
	while (!c->is_paused && !c->is_dead) {
		ssize_t n = nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes.p, bytes.n);

		if (n < 0) {
			h2_refused(c->server,
				   n == NGHTTP2_ERR_FLOODED ? "idle_frames" : "malformed");
			log_warn("closing a connection: no HTTP/2", KV_S("server", c->server->name),
				 KV_S("peer", c->stream.address),
				 KV_S("error", nghttp2_strerror((int)n)));
			send_out(c);
			c->is_dead = true;
			return;
		}
		bytes = str_skip(bytes, (size_t)n);
		if (!bytes.n)
			break;
	}
	keep(c, bytes);
	if (c->server->kept_bytes > H2_KEPT_MAX) {
		h2_refused(c->server, "memory");
		c->is_dead = true;
	}
}

static bool can_read(const struct h2_conn *c)
{
	return !c->is_paused && !c->is_dead && c->out.n < H2_OUT_BYTES &&
	       nghttp2_session_want_read(c->session);
}

static void finish(struct h2_conn *c)
{
	uint32_t events = EPOLLRDHUP | (can_read(c) ? EPOLLIN : 0) | (c->out.n ? EPOLLOUT : 0);

	if (c->is_dead || (!nghttp2_session_want_read(c->session) &&
			   !nghttp2_session_want_write(c->session) && !c->out.n)) {
		conn_free(c);
		return;
	}
	stream_want(&c->stream, events);
	if (can_read(c) && stream_has_more(&c->stream))
		loop_timer_in(c->server->loop, &c->turn, 0, on_turn);
	if (!c->watch.at_ns)
		loop_timer_in(c->server->loop, &c->watch, NS_PER_S, on_watch);
}

void h2_conn_settle(struct h2_conn *c)
{
	if (c->is_running)
		return;
	/* Not at once: who answers may be about to end what we would tell it of. */
	loop_timer_in(c->server->loop, &c->turn, 0, on_turn);
}

static void ready(struct stream *stream, uint32_t events)
{
	struct h2_conn *c = h2_conn_of(stream);

	c->is_running = true;
	for (int i = 0; i < READS_MAX && can_read(c); i++) {
		ssize_t n = stream_recv(stream, c->server->scratch, H2_READ_BYTES);

		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			c->is_dead = true;
			break;
		}
		c->seen_ns = loop_now_ns(c->server->loop);
		c->ping_ns = 0;
		feed(c, str_make(c->server->scratch, (size_t)n));
		if (!send_out(c))
			c->is_dead = true;
	}
	if (events & (EPOLLHUP | EPOLLERR) || (events & EPOLLRDHUP && !can_read(c)))
		c->is_dead = true;
	if (!c->is_dead && !send_out(c))
		c->is_dead = true;
	c->is_running = false;
	finish(c);
}

static void on_turn(struct timer *t)
{
	struct h2_conn *c = container_of(t, struct h2_conn, turn);

	c->is_running = true;
	if (c->is_paused && h2_give_held(c)) {
		c->is_paused = false;
		feed(c, buf_as_str(&c->in)); /* also without any: a frame may end here */
	}
	c->is_running = false;
	ready(&c->stream, 0);
}

void h2_resume(struct h2_stream *s)
{
	loop_timer_in(s->conn->server->loop, &s->conn->turn, 0, on_turn);
}

static void opened(struct stream *stream)
{
	struct h2_conn *c = h2_conn_of(stream);

	c->server = stream_server_ctx(stream->server);
	c->opened_ns = c->seen_ns = c->idle_ns = loop_now_ns(c->server->loop);
	c->header_ns = c->opened_ns; /* of the connection: its preface */
	metric_set(c->server->connections, (int64_t)++c->server->nconns);
	if (h2_session_new(c) < 0)
		c->is_dead = true;
	ready(stream, 0);
}

/* Timeouts */

/* No further requests; those that are open may end. */
static void leave(struct h2_conn *c)
{
	int64_t now_ns = loop_now_ns(c->server->loop);

	if (!c->leave_ns) {
		c->leave_ns = now_ns;
		nghttp2_submit_shutdown_notice(c->session);
	} else if (!c->has_left && now_ns - c->leave_ns >= H2_LEAVE_NS) {
		c->has_left = true;
		nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
				      nghttp2_session_get_last_proc_stream_id(c->session),
				      NGHTTP2_NO_ERROR, NULL, 0);
	}
}

static void watch_streams(struct h2_conn *c, int64_t now_ns)
{
	const struct h2_conf *conf = c->server->conf;
	struct h2_stream *next;

	for (struct h2_stream *s = c->requests; s; s = next) {
		int64_t due = s->since_ns + conf->body_timeout_ns;

		next = s->next;
		if (conf->min_body_rate > 0)
			due += (int64_t)((double)s->body_bytes / conf->min_body_rate *
					 (double)NS_PER_S);
		if (now_ns < due || c->is_paused)
			continue;
		if (s->is_answered) /* it does not take it */
			nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id,
						  NGHTTP2_CANCEL);
		else if (s->is_told && !s->is_complete)
			h2_refuse(s, 408, "body_timeout", "the body took too long");
	}
}

static void on_watch(struct timer *t)
{
	struct h2_conn *c = container_of(t, struct h2_conn, watch);
	const struct h2_conf *conf = c->server->conf;
	int64_t now_ns = loop_now_ns(c->server->loop);

	c->is_running = true;
	watch_streams(c, now_ns);
	if (c->header_ns && !c->is_paused && now_ns - c->header_ns > conf->header_timeout_ns) {
		h2_refused(c->server, "header_timeout");
		log_warn("closing a connection: too slow", KV_S("server", c->server->name),
			 KV_S("peer", c->stream.address), KV_S("limit", "header_timeout"));
		c->is_dead = true;
	}
	if (c->leave_ns || (conf->max_age_ns && now_ns - c->opened_ns > conf->max_age_ns) ||
	    (!c->requests && now_ns - c->idle_ns > conf->idle_timeout_ns))
		leave(c);
	if (c->has_left && !c->requests && now_ns - c->idle_ns > H2_PONG_NS)
		c->is_dead = true; /* it was told, and stays */
	if (c->ping_ns && now_ns - c->ping_ns > H2_PONG_NS) {
		h2_refused(c->server, "no_pong");
		c->is_dead = true;
	} else if (!c->ping_ns && !c->is_paused && now_ns - c->seen_ns > H2_PING_NS) {
		c->ping_ns = now_ns;
		nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
	}
	c->is_running = false;
	ready(&c->stream, 0);
}

/* The server */

static struct h2_conn *next_conn(struct stream *s)
{
	while (s && s->stage != STREAM_OPEN)
		s = s->next;
	return s ? h2_conn_of(s) : NULL;
}

/* The one that has been without a request for the longest time goes. */
static bool make_room(void *ctx)
{
	struct h2_server *s = ctx;
	struct h2_conn *oldest = NULL;

	for (struct h2_conn *c = next_conn(stream_server_first(s->streams)); c;
	     c = next_conn(c->stream.next))
		if (!c->requests && !c->is_running && (!oldest || c->idle_ns <= oldest->idle_ns))
			oldest = c;
	if (!oldest)
		return false;
	h2_refused(s, "made_room");
	conn_free(oldest);
	return true;
}

static const struct stream_ops stream_ops = {
	.size = sizeof(struct h2_conn),
	.alpn = "h2",
	.opened = opened,
	.ready = ready,
	.make_room = make_room,
	.refused = h2_refused,
};

int h2_server_new(struct h2_server **ret, struct loop *loop, const char *name,
		  const struct h2_conf *conf, const struct h2_ops *ops, void *ctx, struct err *err)
{
	struct h2_server *s = mem_zalloc(sizeof(*s));
	int rc;

	s->loop = loop;
	s->name = name;
	s->conf = conf;
	s->ops = ops;
	s->ctx = ctx;
	s->scratch = mem_alloc(H2_READ_BYTES);
	s->connections = metric_get(METRIC_HTTP_CONNECTIONS, "server", name, NULL);
	s->body_bytes = metric_get(METRIC_HTTP_BODY_BYTES, "server", name, NULL);
	h2_session_setup(s);
	s->streams = stream_server_new(loop, name, &conf->stream, &stream_ops, s);
	rc = stream_server_open(s->streams, err);
	if (rc >= 0)
		rc = http_auth_new(&s->auth, conf->auth, err);
	if (rc < 0) {
		h2_server_free(s);
		s = NULL;
	}
	*ret = s;
	return rc;
}

void h2_server_start(struct h2_server *s)
{
	stream_server_start(s->streams);
}

void h2_server_stop(struct h2_server *s)
{
	struct h2_conn *c, *next;

	if (s->is_stopping)
		return;
	s->is_stopping = true;
	stream_server_stop(s->streams);
	for (c = next_conn(stream_server_first(s->streams)); c; c = next) {
		struct h2_stream *later;

		next = next_conn(c->stream.next);
		c->is_running = true;
		for (struct h2_stream *r = c->requests; r; r = later) {
			later = r->next;
			if (r->is_told && !r->is_answered && !r->is_complete)
				h2_refuse(r, 503, "stopping", "this server is being stopped");
		}
		leave(c);
		c->is_running = false;
		h2_conn_settle(c);
	}
}

bool h2_server_is_idle(const struct h2_server *s)
{
	for (struct h2_conn *c = next_conn(stream_server_first(s->streams)); c;
	     c = next_conn(c->stream.next))
		if (c->requests)
			return false;
	return true;
}

void h2_server_free(struct h2_server *s)
{
	struct h2_conn *c;

	if (!s)
		return;
	while ((c = next_conn(stream_server_first(s->streams)))) {
		c->is_running = true;
		nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
		send_out(c);
		conn_free(c);
	}
	stream_server_free(s->streams);
	http_auth_free(s->auth);
	nghttp2_session_callbacks_del(s->callbacks);
	nghttp2_option_del(s->option);
	mem_free(s->scratch);
	mem_free(s);
}

void *h2_ctx(const struct h2_stream *s)
{
	return s->conn->server->ctx;
}

void h2_set_user(struct h2_stream *s, void *user)
{
	s->user = user;
}

void *h2_user(const struct h2_stream *s)
{
	return s->user;
}

struct str h2_peer(const struct h2_stream *s)
{
	return str_c(s->conn->stream.address);
}
