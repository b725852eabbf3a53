/* SPDX-License-Identifier: Apache-2.0 */
/* The table of senders. */
#include "lib/peer.h"

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define SWEEP_MIN ((size_t)1024)

void peers_init(struct peers *p, double per_second, unsigned ipv6_bits)
{
	*p = (struct peers){
		.per_second = per_second,
		.ipv6_bits = ipv6_bits,
		.sweep_at = SWEEP_MIN,
	};
	p->crowd.tokens = per_second;
	p->seed = (uint64_t)clock_mono_ns() ^ (uint64_t)(uintptr_t)p;
}

/* A second's worth may come at once. */
static double burst(const struct peers *p)
{
	return p->per_second > 1 ? p->per_second : 1;
}

static void refill(const struct peers *p, struct peer *peer, int64_t now_ns)
{
	peer->tokens += (double)(now_ns - peer->refilled_ns) / (double)NS_PER_S * p->per_second;
	peer->refilled_ns = now_ns;
	if (peer->tokens > burst(p))
		peer->tokens = burst(p);
}

/* Forgets those who are as if they had never been here. */
static void sweep(struct peers *p, int64_t now_ns, bool all)
{
	for (size_t i = 0; i < p->map.cap; i++) {
		struct map_node *next;

		for (struct map_node *n = p->map.buckets[i]; n; n = next) {
			struct peer *peer = container_of(n, struct peer, node);

			next = n->next;
			refill(p, peer, now_ns);
			if (!all && (peer->nrefs || peer->tokens < burst(p)))
				continue;
			map_del(&p->map, n);
			mem_free(peer);
		}
	}
	p->swept_ns = now_ns;
	p->sweep_at = p->map.n * 2 > SWEEP_MIN ? p->map.n * 2 : SWEEP_MIN;
	if (p->sweep_at > PEERS_MAX)
		p->sweep_at = PEERS_MAX;
}

void peers_fini(struct peers *p)
{
	sweep(p, 0, true);
	map_fini(&p->map);
}

/* Whoever has an IPv6 network has all its addresses. IPv4, users (0xff) and fe80::/10 count one by one. */
static struct cidr_addr key_of(const struct peers *p, struct cidr_addr addr)
{
	static const uint8_t ipv4[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(addr.bytes, ipv4, sizeof(ipv4)) == 0 || addr.bytes[0] == 0xff ||
	    (addr.bytes[0] == 0xfe && (addr.bytes[1] & 0xc0) == 0x80))
		return addr;
	for (unsigned i = p->ipv6_bits; i < 128; i++)
		addr.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	return addr;
}

struct peer *peers_get(struct peers *p, const struct cidr_addr *from, int64_t now_ns)
{
	const struct cidr_addr key = key_of(p, *from), *addr = &key;
	uint64_t hash = str_hash(str_make((const char *)addr->bytes, sizeof(addr->bytes)), p->seed);
	struct peer *peer;

	for (struct map_node *n = map_first(&p->map, hash); n; n = map_next(n)) {
		peer = container_of(n, struct peer, node);
		if (memcmp(&peer->addr, addr, sizeof(*addr)) == 0)
			return peer;
	}
	/* A full table is not looked through for each stranger. */
	if (p->map.n >= p->sweep_at && (p->map.n < PEERS_MAX || now_ns - p->swept_ns >= NS_PER_S))
		sweep(p, now_ns, false);
	if (p->map.n >= PEERS_MAX)
		return &p->crowd;
	peer = mem_zalloc(sizeof(*peer));
	peer->addr = *addr;
	peer->tokens = burst(p);
	peer->refilled_ns = now_ns;
	map_add(&p->map, &peer->node, hash);
	return peer;
}

int64_t peer_take(const struct peers *p, struct peer *peer, uint64_t n, int64_t now_ns)
{
	if (p->per_second <= 0)
		return 0;
	refill(p, peer, now_ns);
	peer->tokens -= (double)n;
	return peer->tokens >= 0 ? 0
				 : (int64_t)(-peer->tokens / p->per_second * (double)NS_PER_S) + 1;
}

bool peer_try(const struct peers *p, struct peer *peer, int64_t now_ns)
{
	if (p->per_second <= 0)
		return true;
	refill(p, peer, now_ns);
	if (peer->tokens < 1)
		return false;
	peer->tokens -= 1;
	return true;
}

bool peer_is_allowed(const struct cidr *networks, size_t n, const struct cidr_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_has(&networks[i], addr))
			return true;
	return n == 0;
}
