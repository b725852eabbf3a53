/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive hash table: the node is embedded in what is found, the caller compares keys.
 *
 *	for (struct map_node *n = map_first(&m, hash); n; n = map_next(n))
 *		if (key_is_equal(container_of(n, struct thing, node)))
 *			...
 *
 * Owns the bucket array only. One thread at a time. */
#ifndef LIB_MAP_H
#define LIB_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t
		hash : 63; /* without the highest bit: ten thousands of files have six nodes each */
	bool is_in : 1;    /* so that map_del() of a node that was never added is fine */
};

struct map {
	struct map_node **buckets;
	size_t n, cap; /* cap: a power of two, or 0 before the first node */
};

#define MAP_INIT ((struct map){ 0 })

/* The nodes stay what they are. */
void map_fini(struct map *m);
/* Several nodes may have the same hash; the newest is found first. */
void map_add(struct map *m, struct map_node *node, uint64_t hash);
void map_del(struct map *m, struct map_node *node);
/* The first node with this hash, then the others; NULL behind the last. */
struct map_node *map_first(const struct map *m, uint64_t hash);
struct map_node *map_next(const struct map_node *node);

#endif
