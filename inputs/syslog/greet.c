/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a connection: whose it is and whether it may stay. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "lib/proxy.h"
#include "inputs/syslog/stream.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define REFUSE(c, reason, text, ...)                                                               \
	do {                                                                                       \
		input_count_error(input_of(c), reason);                                            \
		log_warn(text, KV_S("input", input_of(c)->name),                                   \
			 KV("peer", conn_name(c)) __VA_OPT__(, ) __VA_ARGS__);                     \
	} while (0)

static void set_address(struct conn *c, const struct sockaddr_storage *addr)
{
	c->from.address = str_make(c->address, net_addr_text(addr, false, c->address));
}

/* Processes of one user are one peer. The prefix is that of multicast, which is nobody's address. */
static struct cidr_addr take_credentials(struct conn *c)
{
	struct cidr_addr key = { .bytes = { 0xff } };
	struct ucred cred = { 0 };
	socklen_t n = sizeof(cred);
	struct str *texts[3] = { &c->from.pid, &c->from.uid, &c->from.gid };
	unsigned ids[3];

	if (getsockopt(c->io.fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return key;
	ids[0] = (unsigned)cred.pid;
	ids[1] = cred.uid;
	ids[2] = cred.gid;
	memcpy(key.bytes + 12, &cred.uid, sizeof(cred.uid));
	for (size_t i = 0; i < 3 && c->tcp->syslog->conf->metadata & SYSLOG_META_CREDENTIALS; i++)
		*texts[i] = str_make(c->credentials[i],
				     (size_t)snprintf(c->credentials[i], sizeof(c->credentials[i]),
						      "%u", ids[i]));
	return key;
}

/* Its address is known: may it stay? */
static bool admit(struct conn *c, const struct sockaddr_storage *addr)
{
	const struct syslog *s = c->tcp->syslog;
	struct cidr_addr key = cidr_addr_of(addr);

	set_address(c, addr);
	if (c->listener->is_unix)
		key = take_credentials(c);
	else if (!peer_is_allowed(s->allow, s->conf->allow.n, &key)) {
		REFUSE(c, "not_allowed", "refused a connection: its address is not in `allow`");
		return false;
	}
	syslog_scribe_peer(&c->scribe, &key);
	c->peer = peers_get(&c->tcp->peers, &key, loop_now_ns(input_of(c)->loop));
	c->peer->nrefs++;
	if (s->conf->max_peer_connections && c->peer->nconns >= s->conf->max_peer_connections) {
		REFUSE(c, "too_many_peer_connections",
		       "refused a connection: this peer has max_connections_per_peer open");
		return false;
	}
	c->peer->nconns++;
	c->has_slot = true;
	if (!(s->conf->metadata & SYSLOG_META_ADDRESS))
		c->from.address = STR_NONE;
	return true;
}

static void next_stage(struct conn *c)
{
	c->stage = c->stage == CONN_PROXY && c->listener->is_tls ? CONN_TLS : CONN_OPEN;
	if (c->stage == CONN_TLS)
		c->tls = tls_new(c->tcp->tls, c->io.fd);
}

static void refresh_tls(struct tcp *t)
{
	struct err err = ERR_NONE;
	int rc = tls_server_refresh(t->tls, &err);

	if (rc > 0)
		log_info("certificates were changed, new connections get the new ones",
			 KV_S("input", t->syslog->input->name));
	if (rc < 0) {
		input_count_error(t->syslog->input, "tls_files");
		log_error("changed certificates cannot be used, the old ones stay",
			  KV_S("input", t->syslog->input->name), KV_ERR(&err));
	}
}

bool greet_begin(struct conn *c, const struct sockaddr_storage *addr)
{
	const struct syslog *s = c->tcp->syslog;
	struct cidr_addr key = cidr_addr_of(addr);

	if (c->listener->is_tls)
		refresh_tls(c->tcp);
	c->stage = CONN_PROXY;
	if (!c->listener->is_unix && s->conf->proxy_protocol.n &&
	    peer_is_allowed(s->proxies, s->conf->proxy_protocol.n, &key)) {
		set_address(c, addr);
		return true;
	}
	next_stage(c);
	return admit(c, addr);
}

/* What is looked at is only taken off the socket when it belongs to the header, so that not a byte
 * behind it has to be carried on. */
static enum greet_result proxy(struct conn *c)
{
	struct proxy header;
	enum proxy_result result;
	size_t have = c->tail.n;
	ssize_t got;

	if (!c->held)
		c->held = mem_alloc(PROXY_MAX);
	got = os->recv(c->io.fd, c->held + have, PROXY_MAX - have, MSG_DONTWAIT | MSG_PEEK);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return GREET_WAIT;
	if (got == 0 && have == 0) /* as health checks do */
		return GREET_REFUSED;
	result = got > 0 ? proxy_parse(str_make(c->held, have + (size_t)got), &header) : PROXY_BAD;
	if (result == PROXY_BAD) {
		REFUSE(c, "proxy_header",
		       "closing a connection: no PROXY header, and `proxy_protocol` "
		       "lists the address",
		       KV("begins",
			  str_sub(str_make(c->held, have + (size_t)(got > 0 ? got : 0)), 0, 24)));
		return GREET_REFUSED;
	}
	if (result == PROXY_OK)
		got = (ssize_t)(header.used - have);
	if (os->recv(c->io.fd, c->held + have, (size_t)got, MSG_DONTWAIT) != got)
		return GREET_REFUSED;
	if (result == PROXY_MORE) {
		c->tail = str_make(c->held, have + (size_t)got);
		return GREET_WAIT;
	}
	mem_free(TAKE(c->held));
	c->tail = STR_NONE;
	next_stage(c);
	if (header.peer.ss_family == AF_UNSPEC) {
		socklen_t n = sizeof(header.peer);

		getpeername(c->io.fd, (struct sockaddr *)&header.peer, &n);
	}
	return admit(c, &header.peer) ? GREET_DONE : GREET_REFUSED;
}

static enum greet_result handshake(struct conn *c)
{
	int rc = tls_handshake(c->tls);

	loop_io_set(input_of(c)->loop, &c->io, tls_events(c->tls));
	if (rc == -EAGAIN)
		return GREET_WAIT;
	if (rc < 0) {
		REFUSE(c, "tls", "closing a connection: no TLS", KV_S("error", tls_error(c->tls)));
		return GREET_REFUSED;
	}
	if (c->tcp->syslog->conf->metadata & SYSLOG_META_CERTIFICATE)
		c->from.name = tls_peer_name(c->tls);
	c->stage = CONN_OPEN;
	return GREET_DONE;
}

enum greet_result greet(struct conn *c)
{
	enum greet_result got = GREET_DONE;

	if (c->stage == CONN_PROXY)
		got = proxy(c);
	if (got == GREET_DONE && c->stage == CONN_TLS)
		got = handshake(c);
	return got;
}
