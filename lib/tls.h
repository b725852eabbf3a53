/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of TLS over a non-blocking descriptor: bytes in, bytes out, and what to wait for
 * in between. Knows nothing of what is carried. One thread at a time per server.
 *
 *	tls_server_new(&server, &conf->tls, &err)
 *	t = tls_new(server, fd)
 *	rc = tls_handshake(t)       0: done; -EAGAIN: again when tls_events(t) comes
 *	n = tls_read(t, p, room)    > 0; 0: the peer has ended; -EAGAIN; other: tls_error(t)
 *	tls_close(t), close(fd), tls_free(t)
 *
 * After a read, tls_has_more() means that bytes or the end wait in here and no event will tell. */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include <sys/types.h>

#include "lib/conf.h"
#include "lib/err.h"

enum tls_client_auth { TLS_CLIENT_NONE, TLS_CLIENT_REQUEST, TLS_CLIENT_REQUIRE };

enum tls_version { TLS_1_2, TLS_1_3 };

struct tls_conf {
	struct str cert_file, key_file, ca_file;
	unsigned client_auth; /* enum tls_client_auth */
	struct conf_list allowed_names, allowed_fingerprints;
	unsigned min_version; /* enum tls_version */
};

/* The options, for a row CONF_SECTION(.., struct tls_conf, tls_conf_table, ..). */
extern const struct conf_table tls_conf_table;

/* Certificates and rules. Must outlive its connections; conf is borrowed. */
struct tls_server;
int tls_server_new(struct tls_server **ret, const struct tls_conf *conf, struct err *err);
/* The protocol (borrowed) that clients must have among theirs when they name any (RFC 7301). */
void tls_server_alpn(struct tls_server *s, const char *protocol);
void tls_server_free(struct tls_server *s);
/* Looks at the files, at most once a second, and takes them when they have changed: 1. Connections keep
 * what they have. 0: nothing new. Negative with err, once per change: they cannot be used, the ones in
 * use stay. To be called before a connection is made. */
int tls_server_refresh(struct tls_server *s, struct err *err);

/* When a certificate (the first of a PEM file) ends, in Unix seconds. 0, or negative with err. */
int tls_cert_end(struct str path, int64_t *ret_s, struct err *err);

/* One connection; the descriptor stays the caller's. */
struct tls;
struct tls *tls_new(struct tls_server *s, int fd);
/* Says goodbye to the peer, if that can be done at once: before the descriptor is closed. */
void tls_close(struct tls *t);
void tls_free(struct tls *t);
int tls_handshake(struct tls *t);
ssize_t tls_read(struct tls *t, void *p, size_t n);
/* Bytes taken, or as tls_read(). After -EAGAIN the same bytes must be given again. */
ssize_t tls_write(struct tls *t, const void *p, size_t n);
uint32_t tls_events(const struct tls *t); /* EPOLLIN, EPOLLOUT: what -EAGAIN waits for */
bool tls_has_more(const struct tls *t);
/* Why it failed, for whoever runs this; lives as long as t. */
const char *tls_error(const struct tls *t);
/* What the client's certificate says it is: the first DNS name, else the common name; empty without a
 * certificate. Lives as long as t. */
struct str tls_peer_name(const struct tls *t);

/* "*.example.com" stands for one label, anything else for itself; ASCII case does not count. A name that
 * itself has a star matches only the same pattern. */
bool tls_name_matches(struct str pattern, struct str name);
/* "SHA256:AB:CD..", colons and the name of the hash may be missing. */
bool tls_fingerprint_parse(struct str text, uint8_t ret[32]);

#endif
