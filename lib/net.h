/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets and addresses as text. */
#ifndef LIB_NET_H
#define LIB_NET_H

#include <sys/socket.h>

#include "lib/conf.h"
#include "lib/err.h"

/* A bound, non-blocking, close-on-exec socket: listening for tcp:// and unix://, bound for udp://
 * and unixgram://. A stale unix socket file is replaced. With `many`, SO_REUSEPORT. Returns the
 * descriptor, or negative with err naming the address. */
int net_listen(const struct conf_addr *addr, bool many, struct err *err);

/* "192.0.2.1:514", "[2001:db8::1]:514", "unix"; out has NET_ADDR_TEXT bytes, NUL-terminated. */
#define NET_ADDR_TEXT 64
size_t net_addr_text(const struct sockaddr_storage *addr, bool with_port, char *out);

#endif
