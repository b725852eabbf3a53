/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an HTTP server, and what its connections have together. */
#include <stdio.h>

#include "lib/http_impl.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Counters */

void http_refused(void *server, const char *reason)
{
	const struct http_server *s = server;

	metric_add(metric_get(METRIC_HTTP_REFUSED, "server", s->name, "reason", reason, NULL), 1);
}

struct metric *http_code(struct http_server *s, unsigned status)
{
	char text[12];
	size_t i = 0;

	while (i < HTTP_CODES_MAX - 1 && s->codes[i].status && s->codes[i].status != status)
		i++;
	if (s->codes[i].status != status) {
		snprintf(text, sizeof(text), "%u", status);
		s->codes[i].status = status;
		s->codes[i].count =
			metric_get(METRIC_HTTP_REQUESTS, "server", s->name, "code", text, NULL);
	}
	return s->codes[i].count;
}

/* Connections together */

static struct http_conn *next_conn(struct stream *s)
{
	while (s && s->stage != STREAM_OPEN)
		s = s->next;
	return s ? conn_of(s) : NULL;
}

/* Who says nothing must not keep others out: the one that has waited longest goes. */
static bool make_room(void *ctx)
{
	const struct http_server *s = ctx;
	struct http_conn *oldest = NULL;

	for (struct http_conn *c = next_conn(stream_server_first(s->streams)); c;
	     c = next_conn(c->stream.next))
		if ((c->state == HTTP_IDLE || c->state == HTTP_LINGER) && !c->is_running &&
		    (!oldest || c->idle_ns <= oldest->idle_ns))
			oldest = c;
	if (!oldest)
		return false;
	http_refused(ctx, "made_room");
	http_conn_close(oldest);
	return true;
}

bool http_make_kept_room(struct http_conn *c)
{
	struct http_server *s = c->server;

	while (s->kept_bytes > HTTP_KEPT_MAX) {
		size_t most = c->in.n > HTTP_EVICT_MIN ? c->in.n : HTTP_EVICT_MIN;
		struct http_conn *victim = NULL;

		for (struct http_conn *o = next_conn(stream_server_first(s->streams)); o;
		     o = next_conn(o->stream.next)) {
			if (o->state != HTTP_IDLE || o->is_running || o->in.n <= most)
				continue;
			most = o->in.n;
			victim = o;
		}
		if (!victim)
			return false;
		http_refused(s, "memory");
		http_conn_refuse(victim, 503, "too much is waiting to be taken");
	}
	return true;
}

static const struct stream_ops stream_ops = {
	.size = sizeof(struct http_conn),
	.opened = http_conn_opened,
	.ready = http_conn_ready,
	.make_room = make_room,
	.refused = http_refused,
};

/* Life */

int http_server_new(struct http_server **ret, struct loop *loop, const char *name,
		    const struct http_conf *conf, const struct http_ops *ops, void *ctx,
		    struct err *err)
{
	struct http_server *s = mem_zalloc(sizeof(*s));
	int rc;

	s->loop = loop;
	s->name = name;
	s->conf = conf;
	s->ops = ops;
	s->ctx = ctx;
	s->scratch = mem_alloc(HTTP_READ_BYTES);
	s->plain = mem_alloc(HTTP_READ_BYTES);
	s->connections = metric_get(METRIC_HTTP_CONNECTIONS, "server", name, NULL);
	s->body_bytes = metric_get(METRIC_HTTP_BODY_BYTES, "server", name, NULL);
	s->streams = stream_server_new(loop, name, &conf->stream, &stream_ops, s);
	rc = stream_server_open(s->streams, err);
	if (rc >= 0)
		rc = http_auth_new(&s->auth, &conf->auth, err);
	if (rc < 0) {
		http_server_free(s);
		s = NULL;
	}
	*ret = s;
	return rc;
}

void http_server_start(struct http_server *s)
{
	stream_server_start(s->streams);
}

void http_server_stop(struct http_server *s)
{
	struct http_conn *c, *next;

	if (s->is_stopping)
		return;
	s->is_stopping = true;
	stream_server_stop(s->streams);
	for (c = next_conn(stream_server_first(s->streams)); c; c = next) {
		next = next_conn(c->stream.next);
		if (c->state == HTTP_BODY || (c->state == HTTP_IDLE && c->since_ns))
			http_conn_refuse(c, 503, "this server is being stopped");
		else if (c->state == HTTP_IDLE)
			http_conn_close(c);
		else if (c->state == HTTP_ANSWER)
			c->closes = true;
	}
}

bool http_server_is_idle(const struct http_server *s)
{
	for (struct http_conn *c = next_conn(stream_server_first(s->streams)); c;
	     c = next_conn(c->stream.next))
		if (c->state == HTTP_BODY || c->state == HTTP_HELD || c->state == HTTP_ANSWER)
			return false;
	return true;
}

void http_server_free(struct http_server *s)
{
	struct http_conn *c;

	if (!s)
		return;
	while ((c = next_conn(stream_server_first(s->streams))))
		http_conn_close(c);
	stream_server_free(s->streams);
	http_auth_free(s->auth);
	mem_free(s->scratch);
	mem_free(s->plain);
	mem_free(s);
}

void *http_ctx(const struct http_conn *c)
{
	return c->server->ctx;
}

void http_set_user(struct http_conn *c, void *user)
{
	c->user = user;
}

void *http_user(const struct http_conn *c)
{
	return c->user;
}

int http_fd(const struct http_conn *c)
{
	return c->stream.io.fd;
}

struct str http_peer(const struct http_conn *c)
{
	return str_c(c->stream.address);
}

struct str http_peer_name(const struct http_conn *c)
{
	return stream_peer_name(&c->stream);
}
