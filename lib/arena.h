/* SPDX-License-Identifier: Apache-2.0 */
/* Bump memory for one batch: many small allocations, released together. One thread at a time.
 * Chunks of ARENA_CHUNK_BYTES come from and go back to a shared recycler, so that in steady state a
 * batch costs no malloc and no page fault. Under ASan the recycler is off, so bugs stay visible. */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H

#include "lib/str.h"

#define ARENA_CHUNK_BYTES ((size_t)256 * 1024)

struct chunk {
	struct chunk *next;
	size_t size; /* usable bytes behind this header */
};

struct arena {
	struct chunk *chunks; /* newest first */
	char *p, *end;        /* free part of the newest */
	size_t bytes;         /* sum of chunk sizes: what is charged to the budget */
};

#define ARENA_INIT ((struct arena){ 0 })

/* n bytes, 16-aligned, uninitialised, never NULL, valid until arena_fini(). */
void *arena_alloc(struct arena *a, size_t n);
/* As arena_alloc() without alignment: for text. */
char *arena_bytes(struct arena *a, size_t n);
/* Copy of s living as long as the arena. */
struct str arena_dup(struct arena *a, struct str s);
/* NUL-terminated formatted text. */
struct str arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Makes sure that the current chunk has n contiguous free bytes and returns them without taking
 * them; arena_take() then takes the first k. For reading straight into the arena. */
char *arena_room(struct arena *a, size_t n);
void arena_take(struct arena *a, size_t k);
/* Ends every pointer handed out so far. The arena can be used again. */
void arena_fini(struct arena *a);
/* The same for memory that is needed again and again: its newest chunk is kept, when it is no larger than
 * ARENA_CHUNK_BYTES, and used from its beginning. */
void arena_reset(struct arena *a);

/* Memory of one chunk without an arena (encoded blocks use it too). */
struct chunk *chunk_get(size_t size);
void chunk_put(struct chunk *c);
/* Gives recycled chunks back to the system; called when the agent is idle. */
void chunk_trim(void);

#endif
