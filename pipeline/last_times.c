/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table whose entries are also a list by age of use. */
#include <string.h>

#include "lib/mem.h"
#include "pipeline/last_times.h"

#define FIRST 64
#define NONE UINT32_MAX

struct entry {
	uint64_t stream;
	int64_t ns;
	uint32_t newer, older; /* by use */
	uint32_t next;         /* in its bucket */
};

/* Owns its arrays; there are as many buckets as entries. */
struct last_times {
	uint32_t n, cap, max;
	uint32_t newest, oldest;
	struct entry *entries;
	uint32_t *buckets;
};

static void resize(struct last_times *t, uint32_t cap)
{
	t->cap = cap < t->max ? cap : t->max;
	t->entries = mem_realloc(t->entries, t->cap * sizeof(*t->entries));
	t->buckets = mem_realloc(t->buckets, t->cap * sizeof(*t->buckets));
	memset(t->buckets, 0xff, t->cap * sizeof(*t->buckets));
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t *bucket = &t->buckets[t->entries[i].stream % t->cap];

		t->entries[i].next = *bucket;
		*bucket = i;
	}
}

struct last_times *last_times_new(uint32_t max)
{
	struct last_times *t = mem_zalloc(sizeof(*t));

	t->max = max;
	t->newest = t->oldest = NONE;
	resize(t, FIRST);
	return t;
}

void last_times_free(struct last_times *t)
{
	if (!t)
		return;
	mem_free(t->entries);
	mem_free(t->buckets);
	mem_free(t);
}

static void unlink_use(struct last_times *t, uint32_t i)
{
	struct entry *e = &t->entries[i];

	*(e->newer == NONE ? &t->newest : &t->entries[e->newer].older) = e->older;
	*(e->older == NONE ? &t->oldest : &t->entries[e->older].newer) = e->newer;
}

static void link_newest(struct last_times *t, uint32_t i)
{
	t->entries[i].newer = NONE;
	t->entries[i].older = t->newest;
	*(t->newest == NONE ? &t->oldest : &t->entries[t->newest].newer) = i;
	t->newest = i;
}

/* The entry of a stream, now the newest, or NONE. */
static uint32_t find(struct last_times *t, uint64_t stream)
{
	uint32_t i;

	if (t->newest != NONE && t->entries[t->newest].stream == stream)
		return t->newest;
	i = t->buckets[stream % t->cap];
	while (i != NONE && t->entries[i].stream != stream)
		i = t->entries[i].next;
	if (i != NONE) {
		unlink_use(t, i);
		link_newest(t, i);
	}
	return i;
}

/* Takes the oldest entry out of its bucket and the list. */
static uint32_t evict(struct last_times *t)
{
	uint32_t i = t->oldest, *at = &t->buckets[t->entries[i].stream % t->cap];

	while (*at != i)
		at = &t->entries[*at].next;
	*at = t->entries[i].next;
	unlink_use(t, i);
	return i;
}

bool last_times_get(struct last_times *t, uint64_t stream, int64_t *ret_ns)
{
	uint32_t i = find(t, stream);

	if (i == NONE)
		return false;
	*ret_ns = t->entries[i].ns;
	return true;
}

void last_times_set(struct last_times *t, uint64_t stream, int64_t ns)
{
	uint32_t i = find(t, stream), *bucket;

	if (i == NONE) {
		if (t->n == t->cap && t->cap < t->max)
			resize(t, 2 * t->cap);
		i = t->n < t->cap ? t->n++ : evict(t);
		bucket = &t->buckets[stream % t->cap];
		t->entries[i] = (struct entry){ .stream = stream, .next = *bucket };
		*bucket = i;
		link_newest(t, i);
	}
	t->entries[i].ns = ns;
}
