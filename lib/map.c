/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of chains, doubled when full. */
#include "lib/check.h"
#include "lib/map.h"
#include "lib/mem.h"

#define HASH_MASK (UINT64_MAX >> 1) /* what a node keeps */

static struct map_node **bucket_of(const struct map *m, uint64_t hash)
{
	return &m->buckets[(hash ^ hash >> 32) & (m->cap - 1)];
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap ? 2 * old.cap : 16;
	m->buckets = mem_array(m->cap, sizeof(struct map_node *));
	for (size_t i = 0; i < old.cap; i++) {
		struct map_node *first = NULL;

		/* Turned around and back, so that the newest stays in front. */
		while (old.buckets[i]) {
			struct map_node *node = old.buckets[i];

			old.buckets[i] = node->next;
			node->next = first;
			first = node;
		}
		while (first) {
			struct map_node *node = first;
			struct map_node **to = bucket_of(m, node->hash);

			first = node->next;
			node->next = *to;
			*to = node;
		}
	}
	mem_free(old.buckets);
}

void map_fini(struct map *m)
{
	mem_free(m->buckets);
	*m = MAP_INIT;
}

void map_add(struct map *m, struct map_node *node, uint64_t hash)
{
	struct map_node **to;

	CHECK(!node->is_in);
	if (m->n == m->cap)
		grow(m);
	to = bucket_of(m, hash & HASH_MASK);
	node->hash = hash & HASH_MASK;
	node->next = *to;
	node->is_in = true;
	*to = node;
	m->n++;
}

void map_del(struct map *m, struct map_node *node)
{
	struct map_node **at;

	if (!node->is_in)
		return;
	for (at = bucket_of(m, node->hash); *at != node; at = &(*at)->next)
		CHECK(*at);
	*at = node->next;
	node->next = NULL;
	node->is_in = false;
	m->n--;
}

static struct map_node *with_hash(struct map_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct map_node *map_first(const struct map *m, uint64_t hash)
{
	hash &= HASH_MASK;
	return m->cap ? with_hash(*bucket_of(m, hash), hash) : NULL;
}

struct map_node *map_next(const struct map_node *node)
{
	return with_hash(node->next, node->hash);
}
