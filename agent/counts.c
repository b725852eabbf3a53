/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by name and reason, and dropped records by stage. */
#include "agent/counts.h"

void counts_add(struct counts *c, struct str name, struct str reason, uint64_t n)
{
	size_t i = 0;

	while (i < c->n && (!str_eq(c->items[i].name, name) || !str_eq(c->items[i].reason, reason)))
		i++;
	if (i == COUNTS_MAX)
		return;
	if (i == c->n)
		c->items[c->n++] = (struct count){ arena_dup(&c->arena, name),
						   arena_dup(&c->arena, reason), 0 };
	c->items[i].n += n;
}

uint64_t counts_sum(const struct counts *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->items[i].n;
	return n;
}

void counts_fini(struct counts *c)
{
	arena_fini(&c->arena);
}

void drops_add(struct drops *d, const char *reason, uint64_t n)
{
	counts_add(&d->pending, STR_NONE, str_c(reason), n);
}

void drops_ran(struct drops *d, const struct stage *s)
{
	if (!d->pending.n)
		return;
	for (size_t i = 0; i < d->pending.n; i++)
		counts_add(&d->by_stage, str_c(s->ops->name), d->pending.items[i].reason,
			   d->pending.items[i].n);
	d->pending.n = 0;
	arena_fini(&d->pending.arena);
}

void drops_fini(struct drops *d)
{
	counts_fini(&d->by_stage);
	counts_fini(&d->pending);
}
