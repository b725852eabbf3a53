/* SPDX-License-Identifier: Apache-2.0 */
/* Listening stream sockets: accepting, and the life of all connections together. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include "inputs/syslog/stream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ACCEPTS_MAX 64 /* per turn */
#define NO_FD_PAUSE_NS NS_PER_S

static void on_pause_over(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, pause);

	loop_io_set(l->tcp->syslog->input->loop, &l->io, EPOLLIN);
}

static void on_accept(struct io *io, uint32_t events)
{
	struct listener *l = container_of(io, struct listener, io);
	struct tcp *t = l->tcp;
	struct input *in = t->syslog->input;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t n = sizeof(addr);
		int fd = os->accept4(io->fd, (struct sockaddr *)&addr, &n,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			/* It stays readable: asking again at once would only burn time. */
			input_count_error(in, "accept");
			log_warn("cannot accept connections", KV_ERRNO(errno));
			loop_io_set(in->loop, io, 0);
			loop_timer_in(in->loop, &l->pause, NO_FD_PAUSE_NS, on_pause_over);
		}
		if (fd < 0)
			return;
		if (t->nconns >= t->syslog->conf->max_connections) {
			input_count_error(in, "too_many_connections");
			log_warn("refused a connection: max_connections are open");
			os->close(fd);
			continue;
		}
		conn_new(l, fd, &addr);
	}
}

/* Life */

int tcp_add(struct syslog *s, int fd, bool is_tls, struct err *err)
{
	struct listener *l = mem_zalloc(sizeof(*l));

	if (!s->tcp) {
		s->tcp = mem_zalloc(sizeof(*s->tcp));
		s->tcp->syslog = s;
		s->tcp->connections =
			metric_get(METRIC_INPUT_CONNECTIONS, "input", s->input->name, NULL);
		peers_init(&s->tcp->peers, s->conf->peer_rate, s->conf->peer_ipv6_bits);
	}
	l->tcp = s->tcp;
	l->is_tls = is_tls;
	l->is_unix = net_is_unix(fd);
	l->next = s->tcp->listeners;
	s->tcp->listeners = l;
	loop_io_add(s->input->loop, &l->io, fd, 0, on_accept);
	return is_tls && !s->tcp->tls ? tls_server_new(&s->tcp->tls, &s->conf->tls, err) : 0;
}

void tcp_start(struct syslog *s)
{
	for (struct listener *l = s->tcp ? s->tcp->listeners : NULL; l; l = l->next)
		loop_io_set(s->input->loop, &l->io, EPOLLIN);
}

/* Everybody may try; who finds no credit is paused again. */
void tcp_resume(struct syslog *s)
{
	if (!s->tcp || s->tcp->is_stopping)
		return;
	for (struct conn *c = s->tcp->conns; c; c = c->next)
		conn_resume(c);
}

void tcp_resume_peer(struct tcp *t, const struct peer *peer)
{
	for (struct conn *c = t->is_stopping ? NULL : t->conns; c; c = c->next)
		if (c->peer == peer)
			conn_resume(c);
}

void tcp_stop(struct syslog *s)
{
	struct conn *next;

	if (!s->tcp)
		return;
	s->tcp->is_stopping = true;
	for (struct listener *l = s->tcp->listeners; l; l = l->next) {
		loop_timer_del(s->input->loop, &l->pause);
		loop_io_del(s->input->loop, &l->io);
		os->close(l->io.fd);
		l->io.fd = -1;
	}
	for (struct conn *c = s->tcp->conns; c; c = next) {
		next = c->next;
		conn_last_reads(c);
	}
	for (struct conn *c = s->tcp->conns; c; c = next) {
		next = c->next;
		conn_close(c);
	}
}

bool tcp_is_idle(const struct syslog *s)
{
	return !s->tcp || !s->tcp->conns;
}

void tcp_close(struct syslog *s)
{
	struct listener *l;

	if (!s->tcp)
		return;
	while ((l = s->tcp->listeners)) {
		s->tcp->listeners = l->next;
		if (l->io.fd >= 0) {
			loop_io_del(s->input->loop, &l->io);
			os->close(l->io.fd);
		}
		mem_free(l);
	}
	while (s->tcp->conns) /* abandoned at the shutdown deadline */
		conn_abandon(s->tcp->conns);
	peers_fini(&s->tcp->peers);
	tls_server_free(s->tcp->tls);
	mem_free(TAKE(s->tcp));
}
