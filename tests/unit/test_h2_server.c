/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/2 server against clients that write their frames by hand: requests in any pieces, pauses, and what
 * is meant to hurt. Another client is served all the while. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/h2_server.h"
#include "lib/mem.h"
#include "lib/metric.h"
#include "tests/unit/test.h"

#define WAIT_NS (60 * NS_PER_S)
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { NO_ERROR = 0, CALM = 11 };

/* The server */

struct work {
	struct rig *rig;
	struct h2_stream *s;
	struct work *next;
	struct buf text;
	bool is_held;
};

struct rig {
	struct loop *loop;
	struct h2_conf conf;
	struct http_auth_conf auth;
	struct conf_addr addr;
	struct h2_server *server;
	struct work *works;
	size_t nends, ngone, nrefused, take; /* 0: all */
	struct buf bodies;
	char name[16], path[64];
};

static void work_end(struct work *w)
{
	struct work **at = &w->rig->works;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	h2_set_user(w->s, NULL);
	buf_fini(&w->text);
	mem_free(w);
}

static void work_answer(struct work *w)
{
	struct h2_stream *s = w->s;

	buf_str(&w->rig->bodies, buf_as_str(&w->text));
	buf_ch(&w->rig->bodies, '\n');
	work_end(w);
	h2_answer(s, &(struct h2_answer){ .http_status = 200, .message = STR("answer") });
}

static void on_request(struct h2_stream *s, const struct http1_head *head)
{
	struct work *w = mem_zalloc(sizeof(*w));

	w->rig = h2_ctx(s);
	w->s = s;
	w->next = w->rig->works;
	w->rig->works = w;
	w->is_held = str_is(head->path, "/hold");
	buf_printf(&w->text, STR_FMT "|", STR_ARG(head->path));
	h2_set_user(s, w);
	if (str_is(head->path, "/no")) {
		work_end(w);
		h2_answer(s, &(struct h2_answer){ .http_status = 200, .code = 12 });
	}
}

static size_t on_body(struct h2_stream *s, struct str bytes)
{
	struct work *w = h2_user(s);

	if (w->rig->take)
		bytes = str_sub(bytes, 0, w->rig->take);
	buf_str(&w->text, bytes);
	return bytes.n;
}

static void on_end(struct h2_stream *s)
{
	struct work *w = h2_user(s);

	w->rig->nends++;
	if (!w->is_held)
		work_answer(w);
}

static void on_gone(struct h2_stream *s)
{
	struct work *w = h2_user(s);

	w->rig->ngone++;
	work_end(w);
}

static void on_refuse(struct h2_stream *s, unsigned http_status, const char *why)
{
	struct rig *g = h2_ctx(s);

	(void)why;
	g->nrefused++;
	h2_answer(s, &(struct h2_answer){ .http_status = 200, .code = http_status });
}

static const struct h2_ops ops = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.refuse = on_refuse,
};

static struct rig *rig_new(void)
{
	static unsigned count;
	struct rig *g = mem_zalloc(sizeof(*g));

	g->loop = loop_new("test");
	snprintf(g->path, sizeof(g->path), "/tmp/test_h2_%d.sock", (int)getpid());
	snprintf(g->name, sizeof(g->name), "h2-%u", count++);
	g->addr = (struct conf_addr){ .scheme = CONF_UNIX,
				      .path = str_c(g->path),
				      .text = STR("test") };
	g->conf = (struct h2_conf){ .stream = { .listen = { 1, &g->addr },
						.max_connections = 1000,
						.peer_ipv6_bits = 64,
						.handshake_timeout_ns = WAIT_NS,
						.socket_mode = STR("0600") },
				    .auth = &g->auth,
				    .header_timeout_ns = WAIT_NS,
				    .body_timeout_ns = WAIT_NS,
				    .idle_timeout_ns = WAIT_NS,
				    .max_streams = 100 };
	return g;
}

static void rig_start(struct rig *g)
{
	struct err err = ERR_NONE;

	if (h2_server_new(&g->server, g->loop, g->name, &g->conf, &ops, g, &err) < 0)
		FAIL("%s", err.text);
	h2_server_start(g->server);
}

static void rig_free(struct rig *g)
{
	h2_server_free(g->server);
	OK(!g->works);
	loop_free(g->loop);
	unlink(g->path);
	buf_fini(&g->bodies);
	mem_free(g);
}

#define UNTIL(g, cond)                                                                             \
	do {                                                                                       \
		int64_t end_ = clock_mono_ns() + WAIT_NS;                                          \
		while (!(cond) && clock_mono_ns() < end_)                                          \
			loop_once((g)->loop, 1);                                                   \
		OK(cond);                                                                          \
	} while (0)

static int64_t refusals(const struct rig *g, const char *reason)
{
	return metric_value(
		metric_get(METRIC_HTTP_REFUSED, "server", g->name, "reason", reason, NULL));
}

/* Clients */

struct client {
	struct rig *rig;
	int fd;
	struct buf got;
	size_t at; /* of the first frame not looked at */
	unsigned nframes[10];
	unsigned goaway, reset; /* the last codes; ~0: none */
	unsigned nends;         /* END_STREAM */
	bool is_closed;
};

static struct client client_new(struct rig *g)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct client c = { .rig = g, .goaway = ~0u, .reset = ~0u };

	memcpy(sun.sun_path, g->path, sizeof(g->path));
	c.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	OK(connect(c.fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	return c;
}

static void client_free(struct client *c)
{
	close(c->fd);
	buf_fini(&c->got);
}

static uint32_t be32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return ntohl(v);
}

/* Reads what there is and counts frames. */
static void look(struct client *c)
{
	char bytes[16384];
	ssize_t n;

	while ((n = recv(c->fd, bytes, sizeof(bytes), 0)) > 0)
		buf_put(&c->got, bytes, (size_t)n);
	c->is_closed |= n == 0 || (n < 0 && errno != EAGAIN);
	while (c->got.n - c->at >= 9) {
		const char *p = c->got.p + c->at;
		size_t len = be32(p) >> 8;
		unsigned type = (unsigned char)p[3];

		if (c->got.n - c->at < 9 + len)
			break;
		if (type < 10)
			c->nframes[type]++;
		if (type == RST)
			c->reset = be32(p + 9);
		if (type == GOAWAY)
			c->goaway = be32(p + 13);
		c->nends += (type == DATA || type == HEADERS) && p[4] & END_STREAM;
		c->at += 9 + len;
	}
}

static void put(struct client *c, struct str s)
{
	int64_t end_ns = clock_mono_ns() + WAIT_NS;

	while (s.n && clock_mono_ns() < end_ns && !c->is_closed) {
		ssize_t n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);

		if (n > 0)
			s = str_skip(s, (size_t)n);
		else if (errno != EAGAIN)
			break;
		loop_once(c->rig->loop, 0);
		look(c);
	}
}

static void frame(struct buf *out, unsigned type, unsigned flags, uint32_t id, struct str payload)
{
	uint32_t length = htonl((uint32_t)(payload.n << 8 | type)), be_id = htonl(id);

	buf_put(out, &length, 4);
	buf_ch(out, (char)flags);
	buf_put(out, &be_id, 4);
	buf_str(out, payload);
}

static void literal(struct buf *out, const char *name, const char *value)
{
	buf_ch(out, 0); /* without indexing */
	buf_ch(out, (char)strlen(name));
	buf_c(out, name);
	buf_ch(out, (char)strlen(value));
	buf_c(out, value);
}

static struct buf head_of(const char *path)
{
	struct buf b = BUF_INIT;

	literal(&b, ":method", "POST");
	literal(&b, ":scheme", "http");
	literal(&b, ":path", path);
	literal(&b, ":authority", "a");
	return b;
}

static void request(struct buf *out, uint32_t id, const char *path, struct str body)
{
	struct buf head = head_of(path);

	frame(out, HEADERS, END_HEADERS, id, buf_as_str(&head));
	frame(out, DATA, END_STREAM, id, body);
	buf_fini(&head);
}

static struct buf opening(void)
{
	struct buf b = BUF_INIT;

	buf_c(&b, PREFACE);
	frame(&b, SETTINGS, 0, 0, STR_NONE);
	return b;
}

#define LOOK_UNTIL(c, cond) UNTIL((c)->rig, (look(c), (cond)))

/* One that behaves is served. */
static void is_served(struct rig *g)
{
	struct client c = client_new(g);
	struct buf b = opening();

	request(&b, 1, "/fine", STR("x"));
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, c.nends == 1);
	buf_fini(&b);
	client_free(&c);
}

/* Tests */

static void requests_come_in_any_pieces(void)
{
	struct rig *g = rig_new();
	struct buf b = opening();

	rig_start(g);
	request(&b, 1, "/a", STR("body"));
	request(&b, 3, "/b", STR(""));
	request(&b, 5, "/no", STR("body"));
	for (size_t piece = 1; piece < b.n; piece += 1 + piece / 4) {
		struct client c = client_new(g);

		g->take = piece % 4; /* and taken in any */
		buf_clear(&g->bodies);
		for (size_t at = 0; at < b.n; at += piece) {
			put(&c, str_sub(buf_as_str(&b), at, at + piece));
			loop_once(g->loop, 0);
			for (struct work *w = g->works; w; w = w->next)
				h2_resume(w->s);
		}
		int64_t end_ns = clock_mono_ns() + WAIT_NS;

		while (c.nends < 3 && clock_mono_ns() < end_ns) {
			loop_once(g->loop, 1);
			look(&c);
			for (struct work *w = g->works; w; w = w->next)
				h2_resume(w->s);
		}
		EQ_INT(c.nends, 3);
		EQ_STR(buf_as_str(&g->bodies), "/a|body\n/b|\n");
		client_free(&c);
	}
	buf_fini(&b);
	rig_free(g);
}

static void many_at_once_and_clients_that_go(void)
{
	struct rig *g = rig_new();
	struct client c;
	struct buf b = opening();

	rig_start(g);
	c = client_new(g);
	for (uint32_t i = 0; i < 100; i++)
		request(&b, 2 * i + 1, "/hold", STR("x"));
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, g->nends == 100);
	is_served(g);
	for (int i = 0; i < 60; i++)
		work_answer(g->works);
	LOOK_UNTIL(&c, c.nends == 60);
	/* One more than may be open is not taken. */
	buf_clear(&b);
	for (uint32_t i = 100; i < 161; i++)
		request(&b, 2 * i + 1, "/hold", STR("x"));
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, g->nends == 161 && c.nframes[RST] == 1); /* is_served() was one */
	client_free(&c);
	UNTIL(g, g->ngone == 100);
	is_served(g);
	buf_fini(&b);
	rig_free(g);
}

static void bodies_that_nobody_wants(void)
{
	struct rig *g = rig_new();
	struct client c;
	struct buf b = opening(), head = head_of("/no");

	rig_start(g);
	c = client_new(g);
	frame(&b, HEADERS, END_HEADERS, 1, buf_as_str(&head));
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, c.nends == 1 && c.reset == NO_ERROR);
	client_free(&c);
	buf_fini(&head);
	buf_fini(&b);
	rig_free(g);
}

/* n frames of that kind, in pieces. The connection ends, others go on. */
static void flood(const char *name, struct str one, size_t n, const char *reason)
{
	struct rig *g = rig_new();
	struct client c;
	struct buf b = opening();

	ROW(name);
	rig_start(g);
	c = client_new(g);
	put(&c, buf_as_str(&b));
	buf_clear(&b);
	for (size_t i = 0; i < n && !c.is_closed; i++) {
		buf_str(&b, one);
		if (b.n > 8192 || i + 1 == n) {
			put(&c, buf_as_str(&b));
			buf_clear(&b);
		}
	}
	LOOK_UNTIL(&c, c.is_closed || c.goaway != ~0u);
	OK(refusals(g, reason) >= 1);
	is_served(g);
	UNTIL(g, (look(&c), c.is_closed));
	client_free(&c);
	buf_fini(&b);
	rig_free(g);
}

static void floods(void)
{
	struct buf ping = BUF_INIT, settings = BUF_INIT, window = BUF_INIT, unknown = BUF_INIT;
	struct buf pong = BUF_INIT;

	frame(&ping, PING, 0, 0, STR("12345678"));
	frame(&pong, PING, ACK, 0, STR("12345678"));
	frame(&settings, SETTINGS, 0, 0, STR_NONE);
	frame(&window, WINDOW, 0, 0, STR("\0\0\0\1"));
	frame(&unknown, PRIORITY, 0, 1, STR("\0\0\0\0\1"));
	flood("pings", buf_as_str(&ping), 1000, "idle_frames");
	flood("pongs", buf_as_str(&pong), 1000, "idle_frames");
	flood("settings", buf_as_str(&settings), 1000, "idle_frames");
	flood("windows", buf_as_str(&window), 1000, "idle_frames");
	flood("priorities", buf_as_str(&unknown), 1000, "idle_frames");
	buf_fini(&ping);
	buf_fini(&pong);
	buf_fini(&settings);
	buf_fini(&window);
	buf_fini(&unknown);
}

/* Requests that are taken back at once (CVE-2023-44487). */
static void rapid_resets(void)
{
	struct rig *g = rig_new();
	struct client c;
	struct buf b = opening(), head = head_of("/hold");

	rig_start(g);
	c = client_new(g);
	for (uint32_t i = 0; i < 300; i++) {
		frame(&b, HEADERS, END_HEADERS, 2 * i + 1, buf_as_str(&head));
		frame(&b, RST, 0, 2 * i + 1, STR("\0\0\0\x08"));
	}
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, c.is_closed);
	EQ_INT(c.goaway, CALM);
	OK(refusals(g, "resets") == 1 && g->ngone <= 102);
	is_served(g);
	client_free(&c);
	buf_fini(&head);
	buf_fini(&b);
	rig_free(g);
}

static void headers_that_grow(void)
{
	static char big[4001];
	struct rig *g = rig_new();
	struct client c;
	struct buf b = opening(), head = head_of("/hold");

	rig_start(g);
	memset(big, 'x', 4000);
	/* A field of 4000 bytes into the table, then a byte each that stands for it. */
	buf_str(&head, STR("\x40\x01y\x7f\xa1\x1e"));
	buf_c(&head, big);
	for (int i = 0; i < 1000; i++)
		buf_ch(&head, (char)(0x80 | 62));
	frame(&b, HEADERS, END_HEADERS | END_STREAM, 1, buf_as_str(&head));
	request(&b, 3, "/fine", STR("x"));
	c = client_new(g);
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, c.nframes[RST] == 1 && c.nends == 1);
	EQ_INT(refusals(g, "header_too_large"), 1);
	client_free(&c);
	/* CONTINUATION without an end (CVE-2024-28182). */
	buf_clear(&b);
	buf_c(&b, PREFACE);
	frame(&b, SETTINGS, 0, 0, STR_NONE);
	frame(&b, HEADERS, 0, 1, STR("\x82"));
	for (int i = 0; i < 1000; i++)
		frame(&b, CONTINUATION, 0, 1, STR("\x82"));
	c = client_new(g);
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, c.is_closed);
	is_served(g);
	client_free(&c);
	buf_fini(&head);
	buf_fini(&b);
	rig_free(g);
}

static void what_is_no_http2(void)
{
	static const struct str rows[] = {
		STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		STR("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"),
		STR(PREFACE "\xff\xff\xff\x04\0\0\0\0\0"),              /* too long a frame */
		STR(PREFACE "\0\0\x06\x04\0\0\0\0\1\0\1\0\0\0\0"),      /* SETTINGS of a stream */
		STR(PREFACE "\0\0\0\x04\0\0\0\0\0\0\0\1\0\1\0\0\0\1x"), /* DATA of none */
	};
	struct rig *g = rig_new();

	rig_start(g);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client c = client_new(g);

		put(&c, rows[i]);
		LOOK_UNTIL(&c, c.is_closed);
		client_free(&c);
	}
	is_served(g);
	rig_free(g);
}

static void slow_clients(void)
{
	struct rig *g = rig_new();
	struct buf half = opening(), head = head_of("/hold"), body = opening();
	struct client silent, slow_head, slow_body;

	g->conf.header_timeout_ns = g->conf.body_timeout_ns = NS_PER_S / 5;
	rig_start(g);
	silent = client_new(g);
	slow_head = client_new(g);
	slow_body = client_new(g);
	frame(&half, HEADERS, 0, 1, STR("\x82"));
	put(&slow_head, buf_as_str(&half));
	frame(&body, HEADERS, END_HEADERS, 1, buf_as_str(&head));
	frame(&body, DATA, 0, 1, STR("x"));
	put(&slow_body, buf_as_str(&body));
	LOOK_UNTIL(&silent, silent.is_closed);
	LOOK_UNTIL(&slow_head, slow_head.is_closed);
	LOOK_UNTIL(&slow_body, slow_body.nends == 1 && slow_body.reset == NO_ERROR);
	EQ_INT(refusals(g, "header_timeout"), 2);
	EQ_INT(refusals(g, "body_timeout"), 1);
	EQ_INT(g->ngone, 1);
	OK(!slow_body.is_closed);
	is_served(g);
	client_free(&silent);
	client_free(&slow_head);
	client_free(&slow_body);
	buf_fini(&half);
	buf_fini(&head);
	buf_fini(&body);
	rig_free(g);
}

static void old_connections_are_asked_to_leave(void)
{
	struct rig *g = rig_new();
	struct buf b = opening();
	struct client c;

	g->conf.max_age_ns = 1;
	rig_start(g);
	c = client_new(g);
	request(&b, 1, "/hold", STR("x"));
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c,
		   c.nframes[GOAWAY] == 2); /* the notice, then the last request that is taken */
	EQ_INT(c.goaway, NO_ERROR);
	OK(!c.is_closed);
	work_answer(g->works);
	LOOK_UNTIL(&c, c.is_closed);
	EQ_INT(c.nends, 1);
	client_free(&c);
	buf_fini(&b);
	rig_free(g);
}

static void at_the_end_what_is_complete_is_answered(void)
{
	struct rig *g = rig_new();
	struct buf b = opening(), head = head_of("/hold");
	struct client c;

	rig_start(g);
	c = client_new(g);
	request(&b, 1, "/hold", STR("x"));
	frame(&b, HEADERS, END_HEADERS, 3, buf_as_str(&head));
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, g->nends == 1 && g->works && g->works->next);
	OK(!h2_server_is_idle(g->server));
	h2_server_stop(g->server);
	LOOK_UNTIL(&c, c.nends == 1 && c.nframes[GOAWAY] == 1);
	EQ_INT(g->nrefused, 1);
	buf_clear(&b);
	request(&b, 5, "/fine", STR("x")); /* was on its way */
	put(&c, buf_as_str(&b));
	LOOK_UNTIL(&c, c.nends == 2);
	EQ_INT(g->nrefused, 2);
	work_answer(g->works);
	LOOK_UNTIL(&c, c.nends == 3);
	UNTIL(g, h2_server_is_idle(g->server));
	client_free(&c);
	buf_fini(&head);
	buf_fini(&b);
	rig_free(g);
}

int main(void)
{
	RUN(requests_come_in_any_pieces);
	RUN(many_at_once_and_clients_that_go);
	RUN(bodies_that_nobody_wants);
	RUN(floods);
	RUN(rapid_resets);
	RUN(headers_that_grow);
	RUN(what_is_no_http2);
	RUN(slow_clients);
	RUN(old_connections_are_asked_to_leave);
	RUN(at_the_end_what_is_complete_is_answered);
	return test_end();
}
