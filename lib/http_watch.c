/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts of a connection: one timer, set for whatever is due in its state. */
#include "lib/http_impl.h"
#include "lib/log.h"
#include "lib/os.h"

/* What the slowest client that is fine needs for these. */
static int64_t slowest_ns(const struct http_conf *conf, uint64_t bytes)
{
	return conf->min_body_rate > 0
		       ? (int64_t)((double)bytes / conf->min_body_rate * (double)NS_PER_S)
		       : 0;
}

/* When it has taken too long, monotonic; 0: it may take any time, which then is the handler's. */
static int64_t due_ns(const struct http_conn *c)
{
	const struct http_conf *conf = c->server->conf;

	switch (c->state) {
	case HTTP_IDLE:
		return c->since_ns ? c->since_ns + conf->header_timeout_ns
				   : c->idle_ns + conf->idle_timeout_ns;
	case HTTP_BODY:
		if (c->is_paused)
			return 0;
		return c->since_ns + conf->body_timeout_ns + slowest_ns(conf, c->body_bytes);
	case HTTP_ANSWER:
		return c->since_ns + conf->body_timeout_ns + slowest_ns(conf, c->sent);
	case HTTP_LINGER:
		return c->since_ns + HTTP_LINGER_NS;
	case HTTP_HELD:
	case HTTP_DEAD:
		break;
	}
	return 0;
}

/* Something came that we did not get to read, because we stood still or have many others. */
static bool is_waiting(const struct http_conn *c)
{
	char byte;

	return (c->state == HTTP_IDLE || c->state == HTTP_BODY) &&
	       os->recv(c->stream.io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void too_slow(struct http_conn *c, const char *option)
{
	http_refused(c->server, option);
	log_warn("closing a connection: too slow", KV_S("server", c->server->name),
		 KV("peer", http_peer(c)), KV_S("limit", option));
}

static void on_watch(struct timer *t)
{
	struct http_conn *c = container_of(t, struct http_conn, watch);
	int64_t now_ns = loop_now_ns(c->server->loop), due = due_ns(c);

	if (due && due <= now_ns && is_waiting(c)) {
		c->idle_ns = now_ns;
		c->since_ns = c->since_ns ? now_ns : 0;
	}
	if (!due || due_ns(c) > now_ns) {
		http_watch(c);
		return;
	}
	if (c->state == HTTP_IDLE && !c->since_ns) {
		http_conn_close(c);
	} else if (c->state == HTTP_IDLE) {
		too_slow(c, "header_timeout");
		http_conn_refuse(c, 408, "the header took too long");
	} else if (c->state == HTTP_BODY) {
		too_slow(c, "body_timeout");
		http_conn_refuse(c, 408, "the body took too long");
	} else {
		if (c->state == HTTP_ANSWER)
			too_slow(c, "body_timeout");
		http_conn_close(c);
	}
}

/* Earlier ones are left to look again by themselves. */
void http_watch(struct http_conn *c)
{
	int64_t due = due_ns(c);

	if (due && (!c->watch.at_ns || c->watch.at_ns > due))
		loop_timer_set(c->server->loop, &c->watch, due, on_watch);
}
