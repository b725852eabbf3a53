/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the times of one source unique: an instant that was used already gets the next free
 * nanosecond. Loki drops an entry equal to another in time, line and metadata (its
 * pkg/ingester/stream.go), so repeated lines with coarse stamps would silently vanish.
 * Deterministic: the same input times and start state give the same output. The state is saved
 * with a file's position, so that what is read again gets the same times again. */
#ifndef PIPELINE_UNIQ_H
#define PIPELINE_UNIQ_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UNIQ_SLOTS 4 /* interleaved writers with different coarse clocks */

#define UNIQ_SPARE ((int64_t)1 << 40) /* more records than one instant can ever have */

struct uniq {
	struct {
		int64_t raw_ns, last_ns; /* every instant in [raw, last] is taken */
	} slot[UNIQ_SLOTS];
	uint32_t next; /* slot to replace */
};

static inline bool uniq_is_same(const struct uniq *a, const struct uniq *b)
{
	return a->next == b->next && memcmp(a->slot, b->slot, sizeof(a->slot)) == 0;
}

static inline int64_t uniq_next(struct uniq *u, int64_t raw_ns)
{
	if (raw_ns > INT64_MAX - UNIQ_SPARE)
		return raw_ns; /* the year 2262: nothing is left to count up to */
	for (unsigned i = 0; i < UNIQ_SLOTS; i++)
		if (raw_ns >= u->slot[i].raw_ns && raw_ns <= u->slot[i].last_ns &&
		    u->slot[i].raw_ns)
			return ++u->slot[i].last_ns;
	/* A slot that ends right before grows instead of using up another one. */
	for (unsigned i = 0; i < UNIQ_SLOTS; i++)
		if (raw_ns == u->slot[i].last_ns + 1 && u->slot[i].raw_ns)
			return u->slot[i].last_ns = raw_ns;
	u->slot[u->next].raw_ns = u->slot[u->next].last_ns = raw_ns;
	u->next = (u->next + 1) % UNIQ_SLOTS;
	return raw_ns;
}

#endif
