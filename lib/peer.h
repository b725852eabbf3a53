/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends, and how much one sender may take: connections, bytes on their way, messages per second.
 * One table per thread; no I/O. */
#ifndef LIB_PEER_H
#define LIB_PEER_H

#include "lib/cidr.h"
#include "lib/map.h"

/* Each entry without references is forgotten as soon as it owes nothing; beyond this many that owe
 * something (forged source addresses), further ones share one. */
#define PEERS_MAX ((size_t)65536)

/* An address or network. Owned by its table; stays while it has references. */
struct peer {
	struct map_node node;
	struct cidr_addr addr; /* without the bits that do not count */
	unsigned nrefs;        /* connections, also closed ones that are not settled */
	unsigned nconns;       /* open ones */
	bool is_over;          /* its connections wait for held_bytes to go down */
	size_t held_bytes;     /* of its records, not settled */
	double tokens;         /* messages it may send now; below zero: too many were taken */
	int64_t refilled_ns;   /* monotonic */
};

struct peers {
	struct map map;
	struct peer crowd; /* whoever the table has no room for */
	double per_second; /* 0: any rate */
	unsigned ipv6_bits;
	uint64_t seed;
	size_t sweep_at; /* entries */
	int64_t swept_ns;
};

/* ipv6_bits: of an IPv6 address, that make one peer. Link-local ones always count as a whole: all hosts of
 * a link share their network. */
void peers_init(struct peers *p, double per_second, unsigned ipv6_bits);
void peers_fini(struct peers *p);
/* Never NULL; valid until the next peers_get() unless it is referenced. */
struct peer *peers_get(struct peers *p, const struct cidr_addr *addr, int64_t now_ns);
/* Takes n messages off the rate. Returns 0, or the time until the peer may send again. */
int64_t peer_take(const struct peers *p, struct peer *peer, uint64_t n, int64_t now_ns);
/* True when one more message is within the rate, and takes it; else nothing is taken. */
bool peer_try(const struct peers *p, struct peer *peer, int64_t now_ns);

/* Is the address in one of the networks? None at all: yes. */
bool peer_is_allowed(const struct cidr *networks, size_t n, const struct cidr_addr *addr);

#endif
