/* SPDX-License-Identifier: Apache-2.0 */
/* Ring of pointers between exactly one producing and one consuming thread, without locks.
 * Rings between inputs, lanes and outputs are made larger than the number of batches that the
 * memory budget can ever admit, so a push there cannot fail: credits are the only backpressure. */
#ifndef LIB_RING_H
#define LIB_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct ring {
	void **slots;
	size_t mask;
	/* Each side keeps a copy of the other's index, so that the shared line is read only when the
	 * copy says full or empty. */
	char pad1[64];
	_Atomic size_t head; /* next to pop; written by the consumer */
	size_t tail_seen;
	char pad2[64];
	_Atomic size_t tail; /* next to push; written by the producer */
	size_t head_seen;
	char pad3[64];
};

void ring_init(struct ring *r, size_t min_capacity);
void ring_fini(struct ring *r); /* must be empty */

static inline bool ring_push(struct ring *r, void *p)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail - r->head_seen > r->mask) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail - r->head_seen > r->mask)
			return false;
	}
	r->slots[tail & r->mask] = p;
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

/* NULL when empty. */
static inline void *ring_pop(struct ring *r)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	void *p;

	if (head == r->tail_seen) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head == r->tail_seen)
			return NULL;
	}
	p = r->slots[head & r->mask];
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return p;
}

/* For the consumer. */
static inline bool ring_is_empty(struct ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_relaxed) ==
	       atomic_load_explicit(&r->tail, memory_order_acquire);
}

#endif
