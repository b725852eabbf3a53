/* SPDX-License-Identifier: Apache-2.0 */
/* Networks and addresses as 16 bytes: IPv4 is ::ffff:a.b.c.d, so that one comparison serves both and a
 * dual-stack socket's peers are what they are. */
#ifndef LIB_CIDR_H
#define LIB_CIDR_H

#include <sys/socket.h>

#include "lib/conf.h"

struct cidr_addr {
	uint8_t bytes[16]; /* zero: not an Internet address */
};

struct cidr {
	struct cidr_addr addr;
	unsigned bits; /* of the 128 */
};

/* "192.0.2.0/24", "2001:db8::/32", "192.0.2.1"; false when it is neither, or has bits behind its length
 * ("10.0.0.1/8": more likely a slip than meant). */
bool cidr_parse(struct str text, struct cidr *ret);
struct cidr_addr cidr_addr_of(const struct sockaddr_storage *sa);
bool cidr_has(const struct cidr *c, const struct cidr_addr *addr);
/* Each of an option's list that is no network is an error at `at`. */
void cidr_conf_check(struct conf_doc *doc, const struct conf_node *at,
		     const struct conf_list *list);

#endif
