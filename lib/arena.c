/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bump memory and the chunk recycler. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/arena.h"
#include "lib/check.h"
#include "lib/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define RECYCLE_BYTES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RECYCLE_BYTES 0
#endif
#endif
#ifndef RECYCLE_BYTES
#define RECYCLE_BYTES ((size_t)256 * 1024) /* kept of each size, but for the largest: 1 MiB */
#endif
#define SMALL_BITS 12
#define SMALL_BYTES ((size_t)1 << SMALL_BITS)
#define SIZES 7

_Static_assert(ARENA_CHUNK_BYTES == SMALL_BYTES << (SIZES - 1), "the sizes that arenas ask for");

/* One for each power of two. Taken once per batch, never per record. */
static struct recycler {
	pthread_mutex_t lock;
	struct chunk *free;
	size_t bytes;
} recyclers[SIZES] = { [0 ... SIZES - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER } };

static struct recycler *recycler_of(size_t size)
{
	if (size < SMALL_BYTES || size > ARENA_CHUNK_BYTES || (size & (size - 1)))
		return NULL;
	return &recyclers[__builtin_ctzll(size) - SMALL_BITS];
}

struct chunk *chunk_get(size_t size)
{
	struct recycler *r = recycler_of(size);
	struct chunk *c = NULL;

	if (r) {
		pthread_mutex_lock(&r->lock);
		c = r->free;
		if (c) {
			r->free = c->next;
			r->bytes -= size;
		}
		pthread_mutex_unlock(&r->lock);
	}
	if (!c)
		c = mem_alloc(sizeof(*c) + size);
	c->next = NULL;
	c->size = size;
	return c;
}

void chunk_put(struct chunk *c)
{
	struct recycler *r;

	if (!c)
		return;
	r = recycler_of(c->size);
	if (r) {
		pthread_mutex_lock(&r->lock);
		if (r->bytes < (c->size == ARENA_CHUNK_BYTES ? 4 * RECYCLE_BYTES : RECYCLE_BYTES)) {
			c->next = r->free;
			r->free = c;
			r->bytes += c->size;
			c = NULL;
		}
		pthread_mutex_unlock(&r->lock);
	}
	mem_free(c);
}

static void trim(struct recycler *r)
{
	struct chunk *c;

	pthread_mutex_lock(&r->lock);
	c = TAKE(r->free);
	r->bytes = 0;
	pthread_mutex_unlock(&r->lock);
	while (c) {
		struct chunk *next = c->next;

		mem_free(c);
		c = next;
	}
}

void chunk_trim(void)
{
	for (size_t i = 0; i < SIZES; i++)
		trim(&recyclers[i]);
}

char *arena_room(struct arena *a, size_t n)
{
	struct chunk *c;
	size_t size;

	if (a->p && (size_t)(a->end - a->p) >= n)
		return a->p;
	/* Small first, so that a trickle of single lines is not charged 256 KiB a batch. */
	size = a->chunks ? ARENA_CHUNK_BYTES : SMALL_BYTES;
	while (size < n && size < ARENA_CHUNK_BYTES)
		size *= 2;
	if (size > ARENA_CHUNK_BYTES)
		size = ARENA_CHUNK_BYTES;
	c = chunk_get(n > size ? n : size);
	c->next = a->chunks;
	a->chunks = c;
	a->p = (char *)(c + 1);
	a->end = a->p + c->size;
	a->bytes += c->size;
	return a->p;
}

void arena_take(struct arena *a, size_t k)
{
	CHECK(k <= (size_t)(a->end - a->p));
	a->p += k;
}

char *arena_bytes(struct arena *a, size_t n)
{
	char *p = arena_room(a, n);

	a->p += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	uintptr_t at = (uintptr_t)arena_room(a, n + 15);
	uintptr_t aligned = (at + 15) & ~(uintptr_t)15;

	a->p += (aligned - at) + n;
	return (void *)aligned;
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = arena_bytes(a, s.n);

	if (s.n)
		memcpy(p, s.p, s.n);
	return str_make(p, s.n);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	char *p;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	CHECK(n >= 0);
	p = arena_bytes(a, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, args);
	va_end(args);
	return str_make(p, (size_t)n);
}

void arena_fini(struct arena *a)
{
	while (a->chunks) {
		struct chunk *c = a->chunks;

		a->chunks = c->next;
		chunk_put(c);
	}
	*a = ARENA_INIT;
}

void arena_reset(struct arena *a)
{
	struct chunk *kept = a->chunks;

	if (!kept || kept->size > ARENA_CHUNK_BYTES) {
		arena_fini(a);
		return;
	}
	a->chunks = TAKE(kept->next);
	arena_fini(a);
	*a = (struct arena){ kept, (char *)(kept + 1), (char *)(kept + 1) + kept->size,
			     kept->size };
}
