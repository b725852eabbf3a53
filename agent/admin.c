/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's HTTP port. */
#include <errno.h>
#include <sys/epoll.h>

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
#define DEADLINE_NS (5 * NS_PER_S)

struct client {
	struct admin *admin;
	struct io io;
	struct timer deadline;
	struct client *next;
	struct buf out;
	size_t sent, nreq;
	char req[REQUEST_MAX];
};

struct admin {
	struct loop *loop;
	struct io io;
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
	if (a->nclients-- == CLIENTS_MAX)
		loop_io_set(a->loop, &a->io, EPOLLIN);
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
	client_free(c);
	return false;
}

static void on_client(struct io *io, uint32_t events)
{
	struct client *c = container_of(io, struct client, io);
	ssize_t n;

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

static void on_accept(struct io *io, uint32_t events)
{
	struct admin *a = container_of(io, struct admin, io);
	struct client *c;
	int fd = os->accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	c = mem_zalloc(sizeof(*c));
	c->admin = a;
	c->next = a->clients;
	a->clients = c;
	loop_io_add(a->loop, &c->io, fd, EPOLLIN, on_client);
	loop_timer_in(a->loop, &c->deadline, DEADLINE_NS, on_deadline);
	if (++a->nclients == CLIENTS_MAX)
		loop_io_set(a->loop, &a->io, 0);
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
	loop_io_del(a->loop, &a->io);
	os->close(a->io.fd);
	mem_free(a);
}
