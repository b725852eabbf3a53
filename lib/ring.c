/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending rings. */
#include "lib/check.h"
#include "lib/mem.h"
#include "lib/ring.h"

void ring_init(struct ring *r, size_t min_capacity)
{
	size_t capacity = 64;

	while (capacity < min_capacity)
		capacity *= 2;
	*r = (struct ring){ .slots = mem_array(capacity, sizeof(void *)), .mask = capacity - 1 };
}

void ring_fini(struct ring *r)
{
	CHECK(!r->slots || ring_is_empty(r));
	mem_free(r->slots);
	r->slots = NULL;
}
