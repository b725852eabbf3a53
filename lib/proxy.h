/* SPDX-License-Identifier: Apache-2.0 */
/* The header that a proxy puts in front of a connection, to say whose it is: HAProxy's PROXY protocol,
 * version 1 (text) and 2 (binary). No I/O. */
#ifndef LIB_PROXY_H
#define LIB_PROXY_H

#include <sys/socket.h>

#include "lib/str.h"

/* A longer one (the TLVs of version 2 could have 64 KiB) is refused. */
#define PROXY_MAX ((size_t)1024)

enum proxy_result {
	PROXY_OK,
	PROXY_MORE, /* all of it belongs to the header, which is not complete */
	PROXY_BAD,  /* no header */
};

struct proxy {
	size_t used; /* bytes of the header */
	struct sockaddr_storage
		peer; /* AF_UNSPEC: the proxy speaks for itself (LOCAL), or for somebody
				       * whose address it does not know (UNKNOWN, Unix sockets) */
};

enum proxy_result proxy_parse(struct str bytes, struct proxy *ret);

#endif
