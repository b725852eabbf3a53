/* SPDX-License-Identifier: Apache-2.0 */
/* What every server over TCP, TLS and Unix sockets begins with, whatever it then speaks: listening,
 * accepting within limits, networks that are allowed, PROXY headers, the TLS handshake. One thread: the
 * loop's.
 *
 *	server = stream_server_new(loop, "name", &conf, &ops, ctx); stream_server_open(server, &err)
 *	stream_server_start(server)
 *	ops->opened(s)          a peer is there: stream_want(s, EPOLLIN | ..)
 *	ops->ready(s, events)   stream_recv(), stream_send()
 *	stream_close(s)         s is freed
 */
#ifndef LIB_STREAM_SERVER_H
#define LIB_STREAM_SERVER_H

#include <sys/epoll.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/net.h"
#include "lib/peer.h"
#include "lib/tls.h"

struct stream_conf {
	struct conf_addrs listen;
	struct tls_conf tls;
	unsigned max_connections, max_peer_connections; /* 0: any */
	unsigned peer_ipv6_bits;
	int64_t handshake_timeout_ns;
	struct conf_list allow, proxy_protocol;
	struct str socket_mode, socket_owner;
};

/* The options as rows of the table of S, whose member m is a struct stream_conf. The table's check calls
 * stream_conf_check(). */
#define STREAM_CONF_ROWS(S, m, default_listen)                                                     \
	CONF_ADDRS(S, m.listen, default_listen,                                                    \
		   CONF_TCP | CONF_TLS | CONF_UNIX | CONF_SYSTEMD | CONF_SYSTEMD_TLS,              \
		   "Addresses to listen on: `tcp://`, `tls://`, `unix://`, and `systemd://name` "  \
		   "for sockets that a `.socket` unit holds (`FileDescriptorName=`). An empty "    \
		   "host is every address, IPv4 and IPv6; `[::]` is IPv6 alone.",                  \
		   .key = "listen", .flags = CONF_NONEMPTY),                                       \
		CONF_SECTION(S, m.tls, struct tls_conf, &tls_conf_table,                           \
			     "Certificates for `tls://`.", .key = "tls"),                          \
		CONF_INT(S, m.max_connections, "1024", "1", "65536",                               \
			 "Most connections at once; further ones are closed and counted.",         \
			 .key = "max_connections"),                                                \
		CONF_INT(S, m.max_peer_connections, "0", "0", "65536",                             \
			 "The same for one address, or one user of a unix socket; 0 is no limit.", \
			 .key = "max_connections_per_peer"),                                       \
		CONF_INT(S, m.peer_ipv6_bits, "64", "32", "128",                                   \
			 "Bits of an IPv6 address that make one peer.", .key = "peer_ipv6_prefix", \
			 .flags = CONF_ADVANCED),                                                  \
		CONF_TIME(S, m.handshake_timeout_ns, "10s", "10ms", "10m",                         \
			  "Time for the PROXY header and the TLS handshake.",                      \
			  .key = "handshake_timeout"),                                             \
		CONF_LIST(S, m.allow, NULL,                                                        \
			  "Networks that clients may be in, as `10.0.0.0/8` or `2001:db8::1`; "    \
			  "none is every. Not for unix sockets.",                                  \
			  .key = "allow", .example = "[10.0.0.0/8, \"fd00::/8\"]"),                \
		CONF_LIST(S, m.proxy_protocol, NULL,                                               \
			  "Networks of proxies that begin each connection with a PROXY header, "   \
			  "version 1 or 2; the address in it is the peer.",                        \
			  .key = "proxy_protocol", .example = "[10.0.0.10]"),                      \
		CONF_STR(S, m.socket_mode, "0666", "Mode of unix socket files, octal.",            \
			 .key = "socket_mode"),                                                    \
		CONF_STR(S, m.socket_owner, NULL,                                                  \
			 "Owner of unix socket files, `user` or `user:group`.",                    \
			 .key = "socket_owner", .example = "root:adm")

void stream_conf_check(struct conf_doc *doc, const struct conf_node *node,
		       const struct stream_conf *conf);

struct doctor;
/* What an input's doctor says of these options; more: addresses that a second server of the same options listens on. */
void stream_conf_doctor(struct doctor *d, const struct stream_conf *conf,
			const struct conf_addrs *more);

struct stream_server;
struct stream_listener;

enum stream_stage { STREAM_PROXY, STREAM_TLS, STREAM_OPEN };

/* One connection: the first member of what the user has per connection, made and freed here. */
struct stream {
	struct stream_server *server;
	const struct stream_listener *listener;
	struct stream *next, **link;
	struct io io;
	struct timer deadline; /* of the greeting */
	enum stream_stage stage;
	bool is_finished;
	struct tls *tls;
	struct peer *peer;
	char *held; /* the beginning of a PROXY header */
	size_t nheld;
	uint32_t recv_event, send_event; /* what each waits for */
	char address[NET_ADDR_TEXT];     /* of the peer, without port; "unix" */
};

struct stream_ops {
	size_t size;      /* of the user's connection, zeroed */
	const char *alpn; /* what is spoken over TLS, to who asks (RFC 7301); may be NULL */
	/* The peer may stay. Not yet asked for events. */
	void (*opened)(struct stream *s);
	/* EPOLLIN, EPOLLOUT: try (also when neither was waited for: TLS). EPOLLRDHUP, EPOLLHUP,
	 * EPOLLERR: the peer has ended, or is gone. */
	void (*ready)(struct stream *s, uint32_t events);
	/* max_connections are open: closes one that can be spared, or returns false. May be NULL. */
	bool (*make_room)(void *ctx);
	/* Something was refused or failed, and has been logged: to be counted. */
	void (*refused)(void *ctx, const char *reason);
};

/* name, conf, ops and ctx are borrowed. Freed by stream_server_free(), which closes what is still in its
 * greeting; what was opened must be closed before. */
struct stream_server *stream_server_new(struct loop *loop, const char *name,
					const struct stream_conf *conf,
					const struct stream_ops *ops, void *ctx);
/* Binds. Nothing is accepted yet. */
int stream_server_open(struct stream_server *server, struct err *err);
void stream_server_start(struct stream_server *server);
/* Accepts no more, and closes what is still in its greeting. */
void stream_server_stop(struct stream_server *server);
void stream_server_free(struct stream_server *server);
void *stream_server_ctx(const struct stream_server *server);
/* The newest of all that are open; the next is s->next. s->stage != STREAM_OPEN: none of the user's. */
struct stream *stream_server_first(const struct stream_server *server);

/* Waits for these: EPOLLIN to receive, EPOLLOUT to send, EPOLLRDHUP to hear that the peer has ended. */
void stream_want(struct stream *s, uint32_t events);
/* Bytes; 0: the peer has ended; -EAGAIN; other negative errno (TLS failures are logged and counted). */
ssize_t stream_recv(struct stream *s, void *p, size_t n);
ssize_t stream_send(struct stream *s, const void *p, size_t n);
/* Bytes wait inside TLS, where no event tells. */
bool stream_has_more(const struct stream *s);
/* Says that nothing more will be sent. What is received from now on are raw bytes, to be thrown away:
 * closing with bytes unread would be a reset, which takes the last answer from who still sends. */
void stream_finish(struct stream *s);
void stream_close(struct stream *s);
/* The name in the client's certificate; lives as long as s. */
struct str stream_peer_name(const struct stream *s);

#endif
