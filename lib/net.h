/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets and addresses as text. */
#ifndef LIB_NET_H
#define LIB_NET_H

#include <sys/socket.h>
#include <sys/types.h>

#include "lib/conf.h"
#include "lib/err.h"

/* A bound, non-blocking, close-on-exec socket: listening for tcp://, tls:// and unix://, bound for
 * udp:// and unixgram://. Without a host it takes IPv4 and IPv6; [::] is IPv6 only, so that it can stand
 * beside 0.0.0.0. A stale unix socket file is replaced. With `many`, SO_REUSEPORT. Returns the descriptor,
 * or negative with err naming the address. */
int net_listen(const struct conf_addr *addr, bool many, struct err *err);

/* Who may use the socket file of a unix:// or unixgram:// address. owner: "user" or "user:group", or
 * empty. The umask at bind has been stricter, so nobody slips in before. */
int net_unix_grant(const struct conf_addr *addr, mode_t mode, struct str owner, struct err *err);

/* "0660": octal, at most 0777; false when it is not. */
bool net_mode_parse(struct str text, mode_t *ret);
/* Of a connection over a unix socket: is the other end root's, of our own user, or of a member of the
 * group (-1: none)? By what the kernel says of it. */
bool net_unix_peer_may(int fd, int64_t group);
/* "1000" or a name; -1 when there is none of that name. */
int64_t net_user_id(struct str name);
int64_t net_group_id(struct str name);

/* Sockets that the service manager passed under this name (sd_listen_fds(3)), non-blocking and
 * close-on-exec: *at is 0 at first and counts on. -1 behind the last. */
int net_systemd_next(struct str name, int *at);
bool net_is_stream(int fd);
bool net_is_unix(int fd);

/* "192.0.2.1:514", "[2001:db8::1]:514", "unix"; out has NET_ADDR_TEXT bytes, NUL-terminated. */
#define NET_ADDR_TEXT 64
size_t net_addr_text(const struct sockaddr_storage *addr, bool with_port, char *out);

#endif
