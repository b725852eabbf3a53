/* SPDX-License-Identifier: Apache-2.0 */
/* A set of hashes for each label name, emptied when its window is over. */
#include "lib/mem.h"
#include "pipeline/label_guard.h"

#define NAMES_MAX 256 /* beyond them, names are not watched: max_streams still is */
#define SET_FIRST 64

struct watched {
	struct watched *next;
	struct str name;
	bool is_closed;
	int64_t since_ns;
	uint64_t *hashes; /* open addressing, 0 = free */
	size_t n, cap;
	char bytes[];
};

struct label_guard {
	size_t max_values, nnames;
	int64_t window_ns;
	struct watched *first;
};

struct label_guard *label_guard_new(size_t max_values, int64_t window_ns)
{
	struct label_guard *g = mem_zalloc(sizeof(*g));

	g->max_values = max_values;
	g->window_ns = window_ns;
	return g;
}

static void forget(struct watched *w)
{
	mem_free(w->hashes);
	w->hashes = NULL;
	w->n = w->cap = 0;
}

void label_guard_free(struct label_guard *g)
{
	struct watched *next;

	if (!g)
		return;
	for (struct watched *w = g->first; w; w = next) {
		next = w->next;
		forget(w);
		mem_free(w);
	}
	mem_free(g);
}

static struct watched *find(const struct label_guard *g, struct str name)
{
	struct watched *w = g->first;

	while (w && !str_eq(w->name, name))
		w = w->next;
	return w;
}

static struct watched *find_or_make(struct label_guard *g, struct str name, int64_t now_ns)
{
	struct watched *w = find(g, name);

	if (w || g->nnames == NAMES_MAX)
		return w;
	w = mem_zalloc(sizeof(*w) + name.n);
	memcpy(w->bytes, name.p, name.n);
	w->name = str_make(w->bytes, name.n);
	w->since_ns = now_ns;
	w->next = g->first;
	g->first = w;
	g->nnames++;
	return w;
}

bool label_guard_is_closed(const struct label_guard *g, struct str name)
{
	const struct watched *w = find(g, name);

	return w && w->is_closed;
}

static bool put(uint64_t *hashes, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (hashes[i] && hashes[i] != hash)
		i = (i + 1) & (cap - 1);
	if (hashes[i])
		return false;
	hashes[i] = hash;
	return true;
}

static void grow(struct watched *w)
{
	size_t cap = w->cap ? 2 * w->cap : SET_FIRST;
	uint64_t *hashes = mem_array(cap, sizeof(*hashes));

	for (size_t i = 0; i < w->cap; i++)
		if (w->hashes[i])
			put(hashes, cap, w->hashes[i]);
	mem_free(w->hashes);
	w->hashes = hashes;
	w->cap = cap;
}

bool label_guard_see(struct label_guard *g, struct str name, struct str value, int64_t now_ns)
{
	struct watched *w = g->max_values ? find_or_make(g, name, now_ns) : NULL;
	uint64_t hash = str_hash(value, 0x9a);

	if (!w || w->is_closed)
		return false;
	if (now_ns - w->since_ns > g->window_ns) {
		forget(w);
		w->since_ns = now_ns;
	}
	if (2 * w->n >= w->cap)
		grow(w);
	w->n += put(w->hashes, w->cap, hash ? hash : 1);
	if (w->n <= g->max_values)
		return false;
	w->is_closed = true;
	forget(w);
	return true;
}
