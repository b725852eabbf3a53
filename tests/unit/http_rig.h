/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the HTTP server share: a server on a unix socket or a port, a handler whose paths say what
 * it does, and clients that are driven by the same loop. */
#ifndef TESTS_UNIT_HTTP_RIG_H
#define TESTS_UNIT_HTTP_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http_server.h"
#include "lib/mem.h"
#include "lib/metric.h"
#include "tests/unit/test.h"

#define WAIT_NS (60 * NS_PER_S)

/* One request that the handler has. */
struct http_work {
	struct http_conn *c;
	struct http_rig *rig;
	struct http_work *next;
	struct buf text; /* "GET /path|body" */
	bool is_held, is_picky;
};

struct http_rig {
	struct loop *loop;
	struct http_conf conf;
	struct conf_addr addr;
	struct http_server *server;
	struct http_work *works;
	size_t nrequests, nends, ngone, most_works, nworks;
	char path[64], name[32];
	uint16_t port;
};

static inline void http_work_end(struct http_work *w)
{
	struct http_work **at = &w->rig->works;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->rig->nworks--;
	buf_fini(&w->text);
	mem_free(w);
}

static inline void http_work_answer(struct http_work *w)
{
	http_answer(w->c, &(struct http_answer){ .status = 200,
						 .type = "text/plain",
						 .body = buf_as_str(&w->text) });
	http_work_end(w);
}

static inline void http_rig_request(struct http_conn *c, const struct http1_head *head)
{
	struct http_rig *g = http_ctx(c);
	struct http_work *w = mem_zalloc(sizeof(*w));

	g->nrequests++;
	w->c = c;
	w->rig = g;
	w->next = g->works;
	g->works = w;
	if (++g->nworks > g->most_works)
		g->most_works = g->nworks;
	http_set_user(c, w);
	buf_printf(&w->text, STR_FMT " " STR_FMT "|", STR_ARG(head->method), STR_ARG(head->path));
	w->is_held = str_starts(head->path, STR("/hold"));
	w->is_picky = str_is(head->path, "/picky");
	if (str_is(head->path, "/no")) {
		http_answer_text(c, 404, NULL);
		http_work_end(w);
	} else if (str_starts(head->path, STR("/wait"))) {
		http_pause(c);
	}
}

/* Picky: three bytes at a time, then it has to be asked again. */
static inline size_t http_rig_body(struct http_conn *c, struct str bytes)
{
	struct http_work *w = http_user(c);

	if (w->is_picky)
		bytes = str_sub(bytes, 0, 3);
	buf_str(&w->text, bytes);
	return bytes.n;
}

static inline void http_rig_end(struct http_conn *c)
{
	struct http_work *w = http_user(c);

	w->rig->nends++;
	if (!w->is_held)
		http_work_answer(w);
}

static inline void http_rig_gone(struct http_conn *c)
{
	struct http_work *w = http_user(c);

	w->rig->ngone++;
	http_work_end(w);
}

static const struct http_ops http_rig_ops = {
	.on_request = http_rig_request,
	.on_body = http_rig_body,
	.on_end = http_rig_end,
	.on_gone = http_rig_gone,
};

static inline uint16_t http_free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t n = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	OK(bind(fd, (struct sockaddr *)&sin, n) == 0);
	OK(getsockname(fd, (struct sockaddr *)&sin, &n) == 0);
	close(fd);
	return ntohs(sin.sin_port);
}

/* scheme: CONF_UNIX, CONF_TCP or CONF_TLS. The conf may be changed before http_rig_start(). */
static inline struct http_rig *http_rig_new(unsigned scheme)
{
	static unsigned count;
	struct http_rig *g = mem_zalloc(sizeof(*g));

	g->loop = loop_new("test");
	snprintf(g->path, sizeof(g->path), "/tmp/test_http_%d.sock", (int)getpid());
	snprintf(g->name, sizeof(g->name), "rig%u", count++); /* counters of its own */
	g->port = scheme == CONF_UNIX ? 0 : http_free_port();
	g->addr = (struct conf_addr){ .scheme = scheme,
				      .host = STR("127.0.0.1"),
				      .port = g->port,
				      .path = str_c(g->path),
				      .text = STR("test") };
	g->conf = (struct http_conf){ .stream = { .listen = { 1, &g->addr },
						  .max_connections = 2000,
						  .peer_ipv6_bits = 64,
						  .handshake_timeout_ns = WAIT_NS,
						  .socket_mode = STR("0600") },
				      .header_timeout_ns = WAIT_NS,
				      .body_timeout_ns = WAIT_NS,
				      .idle_timeout_ns = WAIT_NS,
				      .max_body = 1 << 20 };
	return g;
}

static inline void http_rig_start(struct http_rig *g)
{
	struct err err = ERR_NONE;

	if (http_server_new(&g->server, g->loop, g->name, &g->conf, &http_rig_ops, g, &err) < 0)
		FAIL("%s", err.text);
	http_server_start(g->server);
}

static inline void http_rig_free(struct http_rig *g)
{
	http_server_free(g->server);
	EQ_INT(g->nworks, 0);
	loop_free(g->loop);
	unlink(g->path);
	mem_free(g);
}

static inline int http_connect(const struct http_rig *g)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(g->port) };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(g->port ? AF_INET : AF_UNIX, SOCK_STREAM, 0), rc;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(sun.sun_path, g->path, sizeof(g->path));
	rc = g->port ? connect(fd, (struct sockaddr *)&sin, sizeof(sin))
		     : connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	OK(rc == 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline void http_put(struct http_rig *g, int fd, struct str s)
{
	int64_t end_ns = clock_mono_ns() + WAIT_NS;

	while (s.n && clock_mono_ns() < end_ns) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n > 0)
			s = str_skip(s, (size_t)n);
		else if (errno != EAGAIN)
			break;
		loop_once(g->loop, 0);
	}
}

/* Turns the loop until cond holds. */
#define HTTP_UNTIL(g, cond)                                                                        \
	do {                                                                                       \
		int64_t end_ = clock_mono_ns() + WAIT_NS;                                          \
		while (!(cond) && clock_mono_ns() < end_)                                          \
			loop_once((g)->loop, 1);                                                   \
		OK(cond);                                                                          \
	} while (0)

/* Appends what comes; true at the end of the connection. */
static inline bool http_take(int fd, struct buf *text)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		buf_put(text, bytes, (size_t)n);
	return n == 0 || errno != EAGAIN;
}

/* Without the Date fields. */
static inline void http_undate(struct buf *text)
{
	size_t at;

	while ((at = str_find(buf_as_str(text), STR("Date: "))) < text->n) {
		size_t n = str_chr(str_skip(buf_as_str(text), at), '\n') + 1;

		if (at + n > text->n)
			return;
		memmove(text->p + at, text->p + at + n, text->n - at - n);
		text->n -= n;
	}
}

/* Waits until exactly that has come, dates aside, and nothing more follows at once. */
static inline void http_expect(struct http_rig *g, int fd, const char *want)
{
	int64_t end_ns = clock_mono_ns() + WAIT_NS;
	struct buf text = BUF_INIT;
	size_t n = strlen(want);

	while (clock_mono_ns() < end_ns) {
		loop_once(g->loop, 1);
		http_take(fd, &text);
		http_undate(&text);
		if (text.n >= n)
			break;
	}
	EQ_STR(buf_as_str(&text), want);
	buf_fini(&text);
}

static inline void http_expect_end(struct http_rig *g, int fd)
{
	struct buf text = BUF_INIT;

	HTTP_UNTIL(g, http_take(fd, &text));
	EQ_STR(buf_as_str(&text), "");
	buf_fini(&text);
	close(fd);
}

static inline int64_t http_refusals(const struct http_rig *g, const char *reason)
{
	return metric_value(
		metric_get(METRIC_HTTP_REFUSED, "server", g->name, "reason", reason, NULL));
}

static inline int64_t http_open(const struct http_rig *g)
{
	return metric_value(metric_get(METRIC_HTTP_CONNECTIONS, "server", g->name, NULL));
}

#endif
