/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets, and the life of the connections that come over them. */
#include <errno.h>

#include "lib/clock.h"
#include "lib/doctor.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/stream_impl.h"

#define ACCEPTS_MAX 64 /* per turn */
#define NO_FD_PAUSE_NS (NS_PER_S / 10)

/* Connections */

static void stream_free(struct stream *s)
{
	struct stream_server *server = s->server;

	loop_timer_del(server->loop, &s->deadline);
	loop_io_del(server->loop, &s->io);
	if (s->tls && !s->is_finished)
		tls_close(s->tls);
	os->close(s->io.fd);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	server->nstreams--;
	if (s->peer) {
		s->peer->nconns--;
		s->peer->nrefs--;
	}
	tls_free(s->tls);
	mem_free(s->held);
	mem_free(s);
}

void stream_close(struct stream *s)
{
	stream_free(s);
}

static void on_deadline(struct timer *t)
{
	struct stream *s = container_of(t, struct stream, deadline);

	STREAM_REFUSE(s, "handshake_timeout", "closing a connection: too slow",
		      KV_S("limit", "handshake_timeout"));
	stream_free(s);
}

static void greeted(struct stream *s, enum greet_result result)
{
	if (result == GREET_REFUSED)
		stream_free(s);
	if (result != GREET_DONE)
		return;
	loop_timer_del(s->server->loop, &s->deadline);
	s->recv_event = EPOLLIN;
	s->send_event = EPOLLOUT;
	loop_io_set(s->server->loop, &s->io, 0);
	s->server->ops->opened(s);
}

static void on_event(struct io *io, uint32_t events)
{
	struct stream *s = container_of(io, struct stream, io);

	if (s->stage == STREAM_OPEN)
		s->server->ops->ready(s, events);
	else
		greeted(s, stream_greet(s));
}

static void stream_new(struct stream_listener *l, int fd, const struct sockaddr_storage *addr)
{
	struct stream_server *server = l->server;
	struct stream *s = mem_zalloc(server->ops->size);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	s->server = server;
	s->listener = l;
	s->link = &server->streams;
	s->next = server->streams;
	if (s->next)
		s->next->link = &s->next;
	server->streams = s;
	server->nstreams++;
	loop_io_add(server->loop, &s->io, fd, EPOLLIN, on_event);
	loop_timer_in(server->loop, &s->deadline, server->conf->handshake_timeout_ns, on_deadline);
	greeted(s, stream_greet_begin(s, addr));
}

/* Listeners */

static void on_pause_over(struct timer *timer)
{
	struct stream_listener *l = container_of(timer, struct stream_listener, pause);

	loop_io_set(l->server->loop, &l->io, EPOLLIN);
}

static bool has_room(struct stream_server *server)
{
	return server->nstreams < server->conf->max_connections ||
	       (server->ops->make_room && server->ops->make_room(server->ctx) &&
		server->nstreams < server->conf->max_connections);
}

static void on_accept(struct io *io, uint32_t events)
{
	struct stream_listener *l = container_of(io, struct stream_listener, io);
	struct stream_server *server = l->server;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t n = sizeof(addr);
		int fd = os->accept4(io->fd, (struct sockaddr *)&addr, &n,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			/* It stays readable: asking again at once would only burn time. */
			server->ops->refused(server->ctx, "accept");
			log_warn("cannot accept connections", KV_S("server", server->name),
				 KV_ERRNO(errno));
			loop_io_set(server->loop, io, 0);
			loop_timer_in(server->loop, &l->pause, NO_FD_PAUSE_NS, on_pause_over);
		}
		if (fd < 0)
			return;
		if (has_room(server)) {
			stream_new(l, fd, &addr);
			continue;
		}
		server->ops->refused(server->ctx, "too_many_connections");
		log_warn("refused a connection: max_connections are open",
			 KV_S("server", server->name));
		os->close(fd);
	}
}

static int add_listener(struct stream_server *server, int fd, bool is_tls, struct err *err)
{
	struct stream_listener *l = mem_zalloc(sizeof(*l));
	int rc;

	l->server = server;
	l->is_tls = is_tls;
	l->is_unix = net_is_unix(fd);
	l->next = server->listeners;
	server->listeners = l;
	loop_io_add(server->loop, &l->io, fd, 0, on_accept);
	if (!is_tls || server->tls)
		return 0;
	rc = tls_server_new(&server->tls, &server->conf->tls, err);
	if (rc >= 0 && server->ops->alpn)
		tls_server_alpn(server->tls, server->ops->alpn);
	return rc;
}

static int open_systemd(struct stream_server *server, const struct conf_addr *addr, struct err *err)
{
	int at = 0, fd, rc = 0;

	while (rc >= 0 && (fd = net_systemd_next(addr->path, &at)) >= 0)
		rc = add_listener(server, fd, addr->scheme == CONF_SYSTEMD_TLS, err);
	if (at == 0)
		return err_set(err, -ENOENT,
			       "no socket was passed for " STR_FMT
			       ": the .socket unit needs FileDescriptorName=" STR_FMT,
			       STR_ARG(addr->text), STR_ARG(addr->path));
	return rc;
}

static int open_address(struct stream_server *server, const struct conf_addr *addr, struct err *err)
{
	mode_t mode;
	int rc;

	if (addr->scheme & (CONF_SYSTEMD | CONF_SYSTEMD_TLS))
		return open_systemd(server, addr, err);
	rc = net_listen(addr, false, err);
	if (rc >= 0)
		rc = add_listener(server, rc, addr->scheme == CONF_TLS, err);
	if (rc >= 0 && addr->scheme == CONF_UNIX &&
	    net_mode_parse(server->conf->socket_mode, &mode))
		rc = net_unix_grant(addr, mode, server->conf->socket_owner, err);
	return rc;
}

/* The server */

static struct cidr *networks(const struct conf_list *list)
{
	struct cidr *nets = mem_array(list->n ? list->n : 1, sizeof(*nets));

	for (size_t i = 0; i < list->n; i++)
		cidr_parse(list->items[i], &nets[i]);
	return nets;
}

struct stream_server *stream_server_new(struct loop *loop, const char *name,
					const struct stream_conf *conf,
					const struct stream_ops *ops, void *ctx)
{
	struct stream_server *server = mem_zalloc(sizeof(*server));

	server->loop = loop;
	server->name = name;
	server->conf = conf;
	server->ops = ops;
	server->ctx = ctx;
	server->allow = networks(&conf->allow);
	server->proxies = networks(&conf->proxy_protocol);
	peers_init(&server->peers, 0, conf->peer_ipv6_bits);
	return server;
}

int stream_server_open(struct stream_server *server, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < server->conf->listen.n; i++)
		rc = open_address(server, &server->conf->listen.items[i], err);
	return rc < 0 ? rc : 0;
}

void stream_server_start(struct stream_server *server)
{
	for (struct stream_listener *l = server->listeners; l; l = l->next)
		loop_io_set(server->loop, &l->io, EPOLLIN);
}

void stream_server_stop(struct stream_server *server)
{
	struct stream_listener *l;
	struct stream *next;

	while ((l = server->listeners)) {
		loop_timer_del(server->loop, &l->pause);
		loop_io_del(server->loop, &l->io);
		os->close(l->io.fd);
		server->listeners = l->next;
		for (struct stream *s = server->streams; s; s = s->next)
			if (s->listener == l && s->stage == STREAM_OPEN)
				s->listener = NULL;
		for (struct stream *s = server->streams; s; s = next) {
			next = s->next;
			if (s->listener == l)
				stream_free(s);
		}
		mem_free(l);
	}
}

void stream_server_free(struct stream_server *server)
{
	if (!server)
		return;
	stream_server_stop(server);
	CHECK(!server->streams);
	peers_fini(&server->peers);
	tls_server_free(server->tls);
	mem_free(server->allow);
	mem_free(server->proxies);
	mem_free(server);
}

void *stream_server_ctx(const struct stream_server *server)
{
	return server->ctx;
}

struct stream *stream_server_first(const struct stream_server *server)
{
	return server->streams;
}

/* Bytes */

void stream_want(struct stream *s, uint32_t events)
{
	uint32_t wanted = events & EPOLLRDHUP;

	if (events & EPOLLIN)
		wanted |= s->recv_event;
	if (events & EPOLLOUT)
		wanted |= s->send_event;
	loop_io_set(s->server->loop, &s->io, wanted);
}

/* What a call of tls returned. */
static ssize_t tls_outcome(struct stream *s, ssize_t n, uint32_t *event)
{
	*event = tls_events(s->tls);
	if (n < 0 && n != -EAGAIN)
		STREAM_REFUSE(s, "tls", "closing a connection: TLS failed",
			      KV_S("error", tls_error(s->tls)));
	return n;
}

ssize_t stream_recv(struct stream *s, void *p, size_t n)
{
	ssize_t got;

	if (s->tls && !s->is_finished)
		return tls_outcome(s, tls_read(s->tls, p, n), &s->recv_event);
	got = OS_RETRY(os->recv(s->io.fd, p, n, MSG_DONTWAIT));
	return got < 0 ? -errno : got;
}

ssize_t stream_send(struct stream *s, const void *p, size_t n)
{
	ssize_t put;

	if (s->tls)
		return tls_outcome(s, tls_write(s->tls, p, n), &s->send_event);
	put = OS_RETRY(os->send(s->io.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL));
	return put < 0 ? -errno : put;
}

bool stream_has_more(const struct stream *s)
{
	return s->tls && !s->is_finished && tls_has_more(s->tls);
}

void stream_finish(struct stream *s)
{
	if (s->is_finished)
		return;
	if (s->tls)
		tls_close(s->tls);
	s->is_finished = true;
	s->recv_event = EPOLLIN;
	shutdown(s->io.fd, SHUT_WR);
}

struct str stream_peer_name(const struct stream *s)
{
	return s->tls ? tls_peer_name(s->tls) : STR_NONE;
}

/* Options */

void stream_conf_check(struct conf_doc *doc, const struct conf_node *node,
		       const struct stream_conf *conf)
{
	const struct conf_node *at = conf_get(node, "socket_mode");
	mode_t mode;

	if (!net_mode_parse(conf->socket_mode, &mode))
		conf_error(doc, at ? at : node, "is no octal mode from 0000 to 0777");
	cidr_conf_check(doc, conf_get(node, "allow"), &conf->allow);
	cidr_conf_check(doc, conf_get(node, "proxy_protocol"), &conf->proxy_protocol);
	for (size_t i = 0; i < conf->listen.n; i++) {
		const struct conf_addr *addr = &conf->listen.items[i];

		if (!(addr->scheme & (CONF_TLS | CONF_SYSTEMD_TLS)) || conf->tls.cert_file.n)
			continue;
		at = conf_get(node, "tls");
		conf_error(doc, at ? at : conf_get(node, "listen"),
			   STR_FMT " needs tls.cert_file and tls.key_file", STR_ARG(addr->text));
		return;
	}
}

void stream_conf_doctor(struct doctor *d, const struct stream_conf *conf,
			const struct conf_addrs *more)
{
	for (size_t i = 0; i < conf->listen.n; i++)
		doctor_listen(d, &conf->listen.items[i]);
	for (size_t i = 0; i < more->n; i++)
		doctor_listen(d, &more->items[i]);
	if (conf->tls.cert_file.n)
		doctor_tls(d, conf->tls.cert_file, conf->tls.key_file, conf->tls.ca_file);
	d->needs.descriptors += (more->n ? 2 : 1) * conf->max_connections;
}
