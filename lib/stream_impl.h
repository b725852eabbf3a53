/* SPDX-License-Identifier: Apache-2.0 */
/* Between stream_server.c (listeners, life, bytes) and stream_greet.c (who it is). */
#ifndef LIB_STREAM_IMPL_H
#define LIB_STREAM_IMPL_H

#include "lib/log.h"
#include "lib/stream_server.h"

struct stream_listener {
	struct stream_server *server;
	struct stream_listener *next;
	struct io io;
	struct timer pause; /* running while there are no descriptors left */
	bool is_unix, is_tls;
};

struct stream_server {
	struct loop *loop;
	const char *name;
	const struct stream_conf *conf;
	const struct stream_ops *ops;
	void *ctx;
	struct stream_listener *listeners;
	struct stream *streams;
	size_t nstreams;
	struct peers peers;
	struct tls_server *tls;       /* NULL when no listener speaks it */
	struct cidr *allow, *proxies; /* the options, parsed */
};

#define STREAM_REFUSE(s, reason, text, ...)                                                        \
	do {                                                                                       \
		(s)->server->ops->refused((s)->server->ctx, reason);                               \
		log_warn(text, KV_S("server", (s)->server->name),                                  \
			 KV_S("peer", (s)->address) __VA_OPT__(, ) __VA_ARGS__);                   \
	} while (0)

enum greet_result { GREET_DONE, GREET_WAIT, GREET_REFUSED };
/* At its beginning, addr as accept() gave it. */
enum greet_result stream_greet_begin(struct stream *s, const struct sockaddr_storage *addr);
/* Goes on with PROXY header and handshake. Refused: counted and logged. */
enum greet_result stream_greet(struct stream *s);

#endif
