/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's HTTP port. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/admin.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metric.h"
#include "lib/net.h"
#include "lib/os.h"

#define CLIENTS_MAX 16
#define REQUEST_MAX 4096
#define THROW_AWAY_MAX (1 << 20)
#define DEADLINE_NS (5 * NS_PER_S)
#define NO_FD_PAUSE_NS (NS_PER_S / 10)

struct client {
	struct admin *admin;
	struct io io;
	struct timer deadline;
	struct client *next;
	struct buf out;
	size_t sent, nreq, thrown_away;
	bool is_answered; /* whole answer is with the kernel; what still comes in is thrown away */
	char req[REQUEST_MAX];
};

struct admin {
	struct loop *loop;
	struct io io;
	struct timer pause; /* no descriptor left: the listener rests */
	const bool *is_ready;
	void (*on_scrape)(void *ctx);
	void *ctx;
	struct client *clients;
	unsigned nclients;
};

static void client_free(struct client *c)
{
	struct admin *a = c->admin;

	for (struct client **at = &a->clients; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	loop_timer_del(a->loop, &c->deadline);
	loop_io_del(a->loop, &c->io);
	os->close(c->io.fd);
	buf_fini(&c->out);
	mem_free(c);
	a->nclients--;
}

static void on_deadline(struct timer *t)
{
	client_free(container_of(t, struct client, deadline));
}

static void answer(struct client *c, const char *status, struct str body)
{
	buf_printf(&c->out,
		   "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		   status, body.n);
	buf_str(&c->out, body);
}

static void handle(struct client *c)
{
	struct str line = str_make(c->req, c->nreq), method, path;
	struct admin *a = c->admin;
	struct buf body = BUF_INIT;

	line = str_sub(line, 0, str_chr(line, '\r'));
	method = str_cut(&line, ' ');
	path = str_cut(&line, ' ');
	path = str_sub(path, 0, str_chr(path, '?'));
	if (!str_is(method, "GET")) {
		answer(c, "405 Method Not Allowed", STR("only GET\n"));
	} else if (str_is(path, "/metrics")) {
		a->on_scrape(a->ctx);
		metrics_render(&body);
		answer(c, "200 OK", buf_as_str(&body));
	} else if (str_is(path, "/ready")) {
		if (*a->is_ready)
			answer(c, "200 OK", STR("ready\n"));
		else
			answer(c, "503 Service Unavailable", STR("not ready\n"));
	} else if (str_is(path, "/healthz")) {
		answer(c, "200 OK", STR("ok\n"));
	} else {
		answer(c, "404 Not Found", STR("try /metrics, /ready or /healthz\n"));
	}
	buf_fini(&body);
}

/* The client is gone when this returns false. */
static bool send_rest(struct client *c)
{
	while (c->sent < c->out.n) {
		ssize_t n =
			os->send(c->io.fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_io_set(c->admin->loop, &c->io, EPOLLOUT);
			return true;
		}
		if (n <= 0)
			break;
		c->sent += (size_t)n;
	}
	if (c->sent < c->out.n || shutdown(c->io.fd, SHUT_WR) < 0) {
		client_free(c);
		return false;
	}
	/* Closing with bytes unread is a reset, which takes the answer away from who still sends. */
	c->is_answered = true;
	loop_io_set(c->admin->loop, &c->io, EPOLLIN);
	return true;
}

static void throw_away(struct client *c)
{
	ssize_t n = os->recv(c->io.fd, c->req, sizeof(c->req), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->thrown_away += (size_t)n;
	if (n <= 0 || c->thrown_away > THROW_AWAY_MAX)
		client_free(c);
}

static void on_client(struct io *io, uint32_t events)
{
	struct client *c = container_of(io, struct client, io);
	ssize_t n;

	if (c->is_answered) {
		throw_away(c);
		return;
	}
	if (c->out.n) {
		if (events & (EPOLLERR | EPOLLHUP))
			client_free(c);
		else
			send_rest(c);
		return;
	}
	n = os->recv(io->fd, c->req + c->nreq, sizeof(c->req) - c->nreq, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(c);
		return;
	}
	c->nreq += (size_t)n;
	if (memmem(c->req, c->nreq, "\r\n\r\n", 4))
		handle(c);
	else if (c->nreq == sizeof(c->req))
		answer(c, "431 Request Header Fields Too Large", STR("header too large\n"));
	if (c->out.n)
		send_rest(c);
}

/* Connections that say nothing must not keep a probe out: the one that has waited longest goes, those
 * that are being answered last. */
static void make_room(struct admin *a)
{
	struct client *oldest = NULL, *oldest_silent = NULL;

	for (struct client *c = a->clients; c; c = c->next) {
		oldest = c;
		if (!c->out.n || c->is_answered)
			oldest_silent = c;
	}
	client_free(oldest_silent ? oldest_silent : oldest);
}

static void on_pause_over(struct timer *t)
{
	struct admin *a = container_of(t, struct admin, pause);

	loop_io_set(a->loop, &a->io, EPOLLIN);
}

static void on_accept(struct io *io, uint32_t events)
{
	struct admin *a = container_of(io, struct admin, io);
	struct client *c;
	int fd = os->accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		/* It stays readable: asking again at once would only burn time. */
		loop_io_set(a->loop, io, 0);
		loop_timer_in(a->loop, &a->pause, NO_FD_PAUSE_NS, on_pause_over);
	}
	if (fd < 0)
		return;
	if (a->nclients == CLIENTS_MAX)
		make_room(a);
	c = mem_zalloc(sizeof(*c));
	c->admin = a;
	c->next = a->clients;
	a->clients = c;
	loop_io_add(a->loop, &c->io, fd, EPOLLIN, on_client);
	loop_timer_in(a->loop, &c->deadline, DEADLINE_NS, on_deadline);
	a->nclients++;
}

int admin_new(struct loop *loop, const struct conf_addr *addr, const bool *is_ready,
	      void (*on_scrape)(void *ctx), void *ctx, struct admin **ret, struct err *err)
{
	int fd = net_listen(addr, false, err);
	struct admin *a;

	if (fd < 0)
		return fd;
	a = mem_zalloc(sizeof(*a));
	a->loop = loop;
	a->is_ready = is_ready;
	a->on_scrape = on_scrape;
	a->ctx = ctx;
	loop_io_add(loop, &a->io, fd, EPOLLIN, on_accept);
	log_info("admin port is open", KV("address", addr->text));
	*ret = a;
	return 0;
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	while (a->clients)
		client_free(a->clients);
	loop_timer_del(a->loop, &a->pause);
	loop_io_del(a->loop, &a->io);
	os->close(a->io.fd);
	mem_free(a);
}
