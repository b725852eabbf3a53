/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: its bytes become requests, one after the other. */
#include <errno.h>

#include "lib/http_impl.h"
#include "lib/http_text.h"
#include "lib/log.h"
#include "lib/mem.h"

#define READS_MAX 4    /* of a connection, per turn */
#define REQUESTS_MAX 4 /* that came in one read: an answer may be work */

static void on_turn(struct timer *t);

/* Its end */

static void conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	loop_timer_del(s->loop, &c->watch);
	loop_timer_del(s->loop, &c->turn);
	http_decode_fini(c);
	s->kept_bytes -= c->in.n;
	buf_fini(&c->in);
	buf_fini(&c->out);
	metric_set(s->connections, (int64_t)--s->nconns);
	stream_close(&c->stream);
}

static void tell_gone(struct http_conn *c)
{
	if (c->state != HTTP_BODY && c->state != HTTP_HELD)
		return;
	c->state = HTTP_DEAD; /* no answer from within */
	c->server->ops->on_gone(c);
	c->user = NULL;
}

void http_conn_close(struct http_conn *c)
{
	tell_gone(c);
	c->state = HTTP_DEAD;
	if (!c->is_running)
		conn_free(c);
}

void http_conn_refuse(struct http_conn *c, unsigned status, const char *why)
{
	const struct http_ops *ops = c->server->ops;
	struct buf body = BUF_INIT;
	const char *type;

	tell_gone(c);
	type = ops->refusal ? ops->refusal(str_make(c->type, c->type_n), status, why, &body) : NULL;
	if (!type)
		buf_printf(&body, "%s\n", why);
	http_put_answer(c, &(struct http_answer){ .status = status,
						  .type = type ? type : "text/plain; charset=utf-8",
						  .body = buf_as_str(&body),
						  .retry_after_s = status == 503,
						  .closes = true });
	buf_fini(&body);
	http_conn_settle(c);
}

/* Requests */

static bool is_authorized(struct http_conn *c, const struct http1_head *head)
{
	struct http_server *s = c->server;
	struct err err = ERR_NONE;

	if (!s->auth)
		return true;
	if (http_auth_refresh(s->auth, loop_now_ns(s->loop), &err) < 0) {
		http_refused(s, "auth_files");
		log_error("changed secrets cannot be read, the old ones stay",
			  KV_S("server", s->name), KV_ERR(&err));
	}
	if (!http1_is_repeated(head, STR("authorization")) &&
	    http_auth_is_ok(s->auth, http1_field(head, STR("authorization"))))
		return true;
	http_refused(s, "unauthorized");
	return false;
}

/* The body has ended, or there is none. */
static void end_request(struct http_conn *c)
{
	c->is_incomplete = false;
	if (c->state == HTTP_BODY && !http_decode_may_end(c)) {
		http_refused(c->server, "malformed");
		http_conn_refuse(c, 400, "the compressed body is cut off");
	} else if (c->state == HTTP_BODY) {
		http_decode_fini(c);
		c->state = HTTP_HELD;
		c->server->ops->on_end(c);
	}
}

static void keep_type(struct http_conn *c, const struct http1_head *head)
{
	struct str type = http_media_type(http1_field(head, STR("content-type")));

	c->type_n = (uint8_t)(type.n <= sizeof(c->type) ? type.n : 0);
	if (c->type_n)
		memcpy(c->type, type.p, c->type_n);
}

static void begin_request(struct http_conn *c, const struct http1_head *head)
{
	struct http_server *s = c->server;

	keep_type(c, head);
	c->keeps_alive = head->keeps_alive;
	c->is_head = str_is(head->method, "HEAD");
	c->expects = head->expects_continue;
	c->is_incomplete = head->body_bytes != 0;
	c->body_bytes = 0;
	c->is_paused = false;
	c->user = NULL;
	c->since_ns = loop_now_ns(s->loop);
	if (!is_authorized(c, head)) {
		http_conn_refuse(c, 401, "credentials are missing or wrong");
	} else if (head->body_bytes > 0 && (uint64_t)head->body_bytes > s->conf->max_body) {
		http_refused(s, "too_large");
		http_conn_refuse(c, 413, "the body is larger than max_body");
	} else if (http_decode_begin(c, head)) {
		c->state = HTTP_BODY;
		s->ops->on_request(c, head);
	}
}

static void take_head(struct http_conn *c, struct str *avail)
{
	struct http_server *s = c->server;
	struct http1_event none;

	if (s->event.head.body_bytes == 0)
		CHECK(http1_next(&c->http1, avail, &none) == HTTP1_END);
	begin_request(c, &s->event.head);
	if (s->event.head.body_bytes == 0)
		end_request(c);
}

/* To the handler, as much as it takes. */
static void offer(struct http_conn *c, struct str *avail)
{
	size_t took;

	if (c->inflate) {
		http_decode_offer(c, avail);
		return;
	}
	took = c->server->ops->on_body(c, str_sub(*avail, 0, c->pending));
	CHECK(took <= c->pending);
	*avail = str_skip(*avail, took);
	c->pending -= took;
	if (c->pending && c->state == HTTP_BODY)
		http_pause(c);
}

static void take_body(struct http_conn *c, struct str *avail)
{
	const struct str *body = &c->server->event.body;

	metric_add(c->server->body_bytes, (int64_t)body->n);
	c->body_bytes += body->n;
	if (c->body_bytes > c->server->conf->max_body) {
		http_refused(c->server, "too_large");
		http_conn_refuse(c, 413, "the body is larger than max_body");
		return;
	}
	c->pending = body->n; /* it stands right in front of what follows */
	*avail = str_make(body->p, body->n + avail->n);
}

/* One step with what is there; false when it has to wait for something. */
static bool step(struct http_conn *c, struct str *avail)
{
	if (c->state != HTTP_IDLE && (c->state != HTTP_BODY || c->is_paused))
		return false;
	c->wants_more = false;
	if (c->pending || c->plain.n || c->has_more) {
		offer(c, avail);
		return true;
	}
	switch (http1_next(&c->http1, avail, &c->server->event)) {
	case HTTP1_MORE:
		c->wants_more = true;
		if (c->expects && c->state == HTTP_BODY)
			http_put_continue(c);
		return false;
	case HTTP1_HEAD:
		take_head(c, avail);
		break;
	case HTTP1_BODY:
		c->expects = false;
		take_body(c, avail);
		break;
	case HTTP1_TRAILER: /* means nothing to anybody here */
		break;
	case HTTP1_END:
		end_request(c);
		break;
	case HTTP1_BAD:
		http_refused(c->server, "malformed");
		log_warn("refused a request", KV_S("server", c->server->name),
			 KV("peer", http_peer(c)), KV_S("error", c->http1.why));
		c->is_head = false;
		http_conn_refuse(c, c->http1.status, c->http1.why);
		break;
	}
	return true;
}

/* The answer is out. */
static void next_request(struct http_conn *c)
{
	struct http_server *s = c->server;

	c->since_ns = loop_now_ns(s->loop);
	if (c->closes) {
		c->state = HTTP_LINGER;
		stream_finish(&c->stream);
		return;
	}
	c->state = HTTP_IDLE;
	c->idle_ns = c->since_ns;
	c->since_ns = 0;
	c->type_n = 0;
}

/* Sends, and goes on with the next request when the answer is out. False: failed. */
static bool send_out(struct http_conn *c)
{
	if (!http_flush(c))
		return false;
	if (c->state == HTTP_ANSWER && !c->out.n)
		next_request(c);
	return true;
}

/* What is not parsed stays, at the beginning of c->in. False: there is no room. */
static bool keep(struct http_conn *c, struct str rest)
{
	struct http_server *s = c->server;

	s->kept_bytes -= c->in.n;
	if (c->closes || c->state == HTTP_DEAD)
		rest.n = 0;
	if (!rest.n) {
		buf_fini(&c->in);
		return true;
	}
	if (c->in.p && rest.p >= c->in.p && rest.p < c->in.p + c->in.cap) {
		memmove(c->in.p, rest.p, rest.n);
		c->in.n = rest.n;
	} else {
		buf_clear(&c->in);
		buf_str(&c->in, rest);
	}
	s->kept_bytes += rest.n;
	return s->kept_bytes <= HTTP_KEPT_MAX;
}

/* A request that has begun is refused; what is pipelined behind one that is answered later is forgotten,
 * which the client sees by the connection's end. */
static void too_much(struct http_conn *c)
{
	http_refused(c->server, "memory");
	if (c->state == HTTP_IDLE || c->state == HTTP_BODY)
		http_conn_refuse(c, 503, "too much is waiting to be taken");
	c->closes = true;
	keep(c, STR_NONE);
	if (!send_out(c))
		http_conn_close(c);
}

/* Goes as far as it can with these bytes, or for a while. */
static void run(struct http_conn *c, struct str avail)
{
	unsigned nrequests = 0;

	c->is_running = true;
	do {
		while (step(c, &avail))
			;
		if (c->state != HTTP_DEAD && !send_out(c))
			http_conn_close(c);
		/* The next of those that came together? */
	} while (c->state == HTTP_IDLE && !c->wants_more && avail.n && ++nrequests < REQUESTS_MAX);
	if (!keep(c, avail) && !http_make_kept_room(c))
		too_much(c);
	if (c->state == HTTP_IDLE && c->in.n && !c->since_ns)
		c->since_ns = loop_now_ns(c->server->loop);
	c->is_running = false;
}

/* Events */

static uint32_t wanted(const struct http_conn *c)
{
	uint32_t events = c->out.n ? EPOLLOUT : 0;

	switch (c->state) {
	case HTTP_IDLE:
	case HTTP_LINGER:
		return events | EPOLLIN;
	case HTTP_BODY:
		return events | (c->is_paused ? EPOLLRDHUP : EPOLLIN);
	case HTTP_HELD:
		return events | EPOLLRDHUP;
	default:
		return events;
	}
}

static bool can_run(const struct http_conn *c)
{
	return c->state == HTTP_IDLE || (c->state == HTTP_BODY && !c->is_paused);
}

/* More requests than were done in one turn. */
static bool has_backlog(const struct http_conn *c)
{
	return can_run(c) && c->in.n && !c->wants_more;
}

/* Frees it when it is dead. */
static void done(struct http_conn *c)
{
	if (c->state == HTTP_DEAD) {
		conn_free(c);
		return;
	}
	stream_want(&c->stream, wanted(c));
	http_watch(c);
	if (has_backlog(c) || (can_run(c) && stream_has_more(&c->stream))) /* the others first */
		loop_timer_in(c->server->loop, &c->turn, 0, on_turn);
}

void http_conn_settle(struct http_conn *c)
{
	if (c->is_running)
		return;
	c->is_running = true;
	if (!send_out(c))
		http_conn_close(c);
	if (c->closes)
		keep(c, STR_NONE);
	c->is_running = false;
	if (can_run(c) && (c->in.n || c->expects))
		loop_timer_in(c->server->loop, &c->turn, 0, on_turn);
	done(c);
}

/* What came behind the last answer. */
static void throw_away(struct http_conn *c)
{
	ssize_t n = stream_recv(&c->stream, c->server->scratch, HTTP_READ_BYTES);

	if (n == -EAGAIN)
		return;
	if (n > 0)
		c->lingered += (size_t)n;
	if (n <= 0 || c->lingered > HTTP_LINGER_BYTES)
		c->state = HTTP_DEAD;
}

/* Goes on with what is there, and was not looked at. */
static void catch_up(struct http_conn *c)
{
	if (can_run(c) && ((c->in.n && !c->wants_more) || c->plain.n || c->has_more || c->expects))
		run(c, buf_as_str(&c->in));
	c->is_running = true;
}

/* False: nothing more is to be read now. */
static bool read_once(struct http_conn *c)
{
	struct http_server *s = c->server;
	char *at = s->scratch;
	size_t room = HTTP_READ_BYTES;
	ssize_t n;

	if (c->in.n) { /* behind what is not parsed */
		room = c->in.cap - c->in.n;
		if (room < 4096 && buf_reserve(&c->in, c->in.n + 4096))
			room = c->in.cap - c->in.n;
		CHECK(room);
		at = c->in.p + c->in.n;
	}
	n = stream_recv(&c->stream, at, room);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		http_conn_close(c);
		return false;
	}
	if (c->state == HTTP_IDLE && !c->since_ns)
		c->since_ns = loop_now_ns(s->loop);
	if (c->in.n) {
		s->kept_bytes += (size_t)n;
		c->in.n += (size_t)n;
		run(c, buf_as_str(&c->in));
	} else {
		run(c, str_make(at, (size_t)n));
	}
	return (size_t)n == room && can_run(c);
}

void http_conn_ready(struct stream *stream, uint32_t events)
{
	struct http_conn *c = conn_of(stream);
	bool is_over = events & (EPOLLHUP | EPOLLERR);

	c->is_running = true;
	if (c->out.n && !send_out(c))
		http_conn_close(c);
	if (c->state == HTTP_LINGER)
		throw_away(c);
	else if (c->state == HTTP_HELD || (c->state == HTTP_BODY && c->is_paused))
		is_over |= (events & EPOLLRDHUP) != 0;
	else if (can_run(c))
		is_over = false; /* what it has sent before comes first */
	if (is_over)
		http_conn_close(c);
	catch_up(c);
	for (int i = 0; i < READS_MAX && can_run(c) && !has_backlog(c) && read_once(c); i++)
		c->is_running = true;
	c->is_running = false;
	done(c);
}

static void on_turn(struct timer *t)
{
	http_conn_ready(&container_of(t, struct http_conn, turn)->stream, 0);
}

void http_conn_opened(struct stream *stream)
{
	struct http_conn *c = conn_of(stream);

	c->server = stream_server_ctx(stream->server);
	c->in.max = HTTP1_KEEP_MAX + HTTP_READ_BYTES;
	c->idle_ns = loop_now_ns(c->server->loop);
	metric_set(c->server->connections, (int64_t)++c->server->nconns);
	done(c);
}

/* Pauses */

void http_pause(struct http_conn *c)
{
	if (c->is_paused || c->state != HTTP_BODY)
		return;
	c->is_paused = true;
	c->paused_ns = loop_now_ns(c->server->loop);
	if (!c->is_running)
		done(c);
}

void http_resume(struct http_conn *c)
{
	if (!c->is_paused)
		return;
	c->is_paused = false;
	c->since_ns += loop_now_ns(c->server->loop) - c->paused_ns;
	if (c->is_running)
		return;
	loop_timer_in(c->server->loop, &c->turn, 0, on_turn);
	done(c);
}
