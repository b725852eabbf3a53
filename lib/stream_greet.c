/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a connection: whose it is and whether it may stay. */
#include <errno.h>

#include "lib/mem.h"
#include "lib/os.h"
#include "lib/proxy.h"
#include "lib/stream_impl.h"

/* Processes of one user are one peer. The prefix is that of multicast, which is nobody's address. */
static struct cidr_addr user_of(const struct stream *s)
{
	struct cidr_addr key = { .bytes = { 0xff } };
	struct ucred cred = { 0 };
	socklen_t n = sizeof(cred);

	if (getsockopt(s->io.fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0)
		memcpy(key.bytes + 12, &cred.uid, sizeof(cred.uid));
	return key;
}

/* Its address is known: may it stay? */
static bool admit(struct stream *s, const struct sockaddr_storage *addr)
{
	struct stream_server *server = s->server;
	const struct stream_conf *conf = server->conf;
	struct cidr_addr key = cidr_addr_of(addr);
	struct peer *peer;

	net_addr_text(addr, false, s->address);
	if (s->listener->is_unix)
		key = user_of(s);
	else if (!peer_is_allowed(server->allow, conf->allow.n, &key)) {
		STREAM_REFUSE(s, "not_allowed",
			      "refused a connection: its address is not in `allow`");
		return false;
	}
	peer = peers_get(&server->peers, &key, loop_now_ns(server->loop));
	if (conf->max_peer_connections && peer->nconns >= conf->max_peer_connections) {
		STREAM_REFUSE(s, "too_many_peer_connections",
			      "refused a connection: this peer has max_connections_per_peer open");
		return false;
	}
	peer->nrefs++;
	peer->nconns++;
	s->peer = peer;
	return true;
}

static void next_stage(struct stream *s)
{
	s->stage = s->stage == STREAM_PROXY && s->listener->is_tls ? STREAM_TLS : STREAM_OPEN;
	if (s->stage == STREAM_TLS)
		s->tls = tls_new(s->server->tls, s->io.fd);
}

static void refresh_tls(struct stream_server *server)
{
	struct err err = ERR_NONE;
	int rc = tls_server_refresh(server->tls, &err);

	if (rc > 0)
		log_info("certificates were changed, new connections get the new ones",
			 KV_S("server", server->name));
	if (rc < 0) {
		server->ops->refused(server->ctx, "tls_files");
		log_error("changed certificates cannot be used, the old ones stay",
			  KV_S("server", server->name), KV_ERR(&err));
	}
}

enum greet_result stream_greet_begin(struct stream *s, const struct sockaddr_storage *addr)
{
	const struct stream_server *server = s->server;
	struct cidr_addr key = cidr_addr_of(addr);

	if (s->listener->is_tls)
		refresh_tls(s->server);
	s->stage = STREAM_PROXY;
	if (!s->listener->is_unix && server->conf->proxy_protocol.n &&
	    peer_is_allowed(server->proxies, server->conf->proxy_protocol.n, &key)) {
		net_addr_text(addr, false, s->address);
		return GREET_WAIT;
	}
	next_stage(s);
	if (!admit(s, addr))
		return GREET_REFUSED;
	return s->stage == STREAM_OPEN ? GREET_DONE : GREET_WAIT;
}

/* What is looked at is only taken off the socket when it belongs to the header, so that not a byte
 * behind it has to be carried on. */
static enum greet_result proxy(struct stream *s)
{
	struct proxy header;
	enum proxy_result result;
	ssize_t got;

	if (!s->held)
		s->held = mem_alloc(PROXY_MAX);
	got = os->recv(s->io.fd, s->held + s->nheld, PROXY_MAX - s->nheld, MSG_DONTWAIT | MSG_PEEK);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return GREET_WAIT;
	if (got == 0 && s->nheld == 0) /* as health checks do */
		return GREET_REFUSED;
	result = got > 0 ? proxy_parse(str_make(s->held, s->nheld + (size_t)got), &header)
			 : PROXY_BAD;
	if (result == PROXY_BAD) {
		STREAM_REFUSE(s, "proxy_header",
			      "closing a connection: no PROXY header, and `proxy_protocol` lists "
			      "the address");
		return GREET_REFUSED;
	}
	if (result == PROXY_OK)
		got = (ssize_t)(header.used - s->nheld);
	if (os->recv(s->io.fd, s->held + s->nheld, (size_t)got, MSG_DONTWAIT) != got)
		return GREET_REFUSED;
	if (result == PROXY_MORE) {
		s->nheld += (size_t)got;
		return GREET_WAIT;
	}
	mem_free(TAKE(s->held));
	next_stage(s);
	if (header.peer.ss_family == AF_UNSPEC) {
		socklen_t n = sizeof(header.peer);

		getpeername(s->io.fd, (struct sockaddr *)&header.peer, &n);
	}
	return admit(s, &header.peer) ? GREET_DONE : GREET_REFUSED;
}

static enum greet_result handshake(struct stream *s)
{
	int rc = tls_handshake(s->tls);

	loop_io_set(s->server->loop, &s->io, tls_events(s->tls));
	if (rc == -EAGAIN)
		return GREET_WAIT;
	if (rc < 0) {
		STREAM_REFUSE(s, "tls", "closing a connection: no TLS",
			      KV_S("error", tls_error(s->tls)));
		return GREET_REFUSED;
	}
	s->stage = STREAM_OPEN;
	return GREET_DONE;
}

enum greet_result stream_greet(struct stream *s)
{
	enum greet_result got = GREET_DONE;

	if (s->stage == STREAM_PROXY)
		got = proxy(s);
	if (got == GREET_DONE && s->stage == STREAM_TLS)
		got = handshake(s);
	return got;
}
