/* SPDX-License-Identifier: Apache-2.0 */
/* Counting down what is unsettled, and the in-order prefix of one source. */
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/ack.h"

void ack_init(struct ack *a, struct loop *loop, void (*settled)(struct ack *))
{
	*a = (struct ack){ .loop = loop, .settled = settled };
	atomic_init(&a->refs, 1);
}

void ack_get(struct ack *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
}

static void run_settled(struct mail *m)
{
	struct ack *a = container_of(m, struct ack, mail);

	if (a->count)
		atomic_fetch_sub(&a->count->open, 1);
	a->settled(a);
}

void ack_put(struct ack *a)
{
	struct ack_count *count;
	struct ack_link *link;
	bool is_abandoned;

	if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
		return;
	count = a->count;
	is_abandoned = atomic_load(&a->is_abandoned) || (count && atomic_load(&count->is_void));
	link = TAKE(a->links);
	if (a->settled && !a->loop) {
		a->settled(a);
	} else if (a->settled && !is_abandoned) {
		loop_post(a->loop, &a->mail, run_settled);
	} else if (count) { /* from here on its owner may free it */
		atomic_fetch_add(&count->abandoned, is_abandoned);
		atomic_fetch_sub(&count->open, 1);
	}
	while (link) {
		struct ack_link *next = link->next;

		if (is_abandoned)
			ack_abandon(link->ack);
		else
			ack_put(link->ack);
		mem_free(link);
		link = next;
	}
}

void ack_abandon(struct ack *a)
{
	if (!a)
		return;
	atomic_store(&a->is_abandoned, true);
	ack_put(a);
}

void ack_carry(struct ack *a, struct ack *held)
{
	struct ack_link *link = mem_alloc(sizeof(*link));
	size_t bytes = held->bytes + ACK_COST + held->carried_bytes;

	if (a->carried_bytes < bytes)
		a->carried_bytes = bytes;
	link->ack = held;
	link->next = a->links;
	a->links = link;
}

bool ack_replays(const struct ack *a)
{
	if (a->replays)
		return true;
	for (const struct ack_link *l = a->links; l; l = l->next)
		if (ack_replays(l->ack))
			return true;
	return false;
}

static void free_internal(struct ack *a)
{
	mem_free(a);
}

bool ack_is_withdrawn(const struct ack *a)
{
	const struct ack_count *count = a->count;

	/* What a stage made of several batches is of one source. */
	if (a->settled == free_internal && a->links)
		return ack_is_withdrawn(a->links->ack);
	return atomic_load_explicit(&((struct ack *)(uintptr_t)a)->is_withdrawn,
				    memory_order_relaxed) ||
	       (count && atomic_load(&((struct ack_count *)(uintptr_t)count)->is_void));
}

void ack_stamped(struct ack *a, const struct uniq *before, const struct uniq *after)
{
	for (const struct ack_link *l = a->links; l; l = l->next) {
		if (uniq_is_same(&l->ack->uniq_after, before))
			l->ack->uniq_after = *after;
		if (l->ack->settled == free_internal)
			ack_stamped(l->ack, before, after);
	}
}

struct ack *ack_new_internal(void)
{
	struct ack *a = mem_zalloc(sizeof(*a));

	ack_init(a, NULL, free_internal);
	return a;
}

void ack_line_add(struct ack_line *line, struct ack *a)
{
	a->next_in_line = NULL;
	a->is_settled = false;
	if (line->last)
		line->last->next_in_line = a;
	else
		line->first = a;
	line->last = a;
	line->outstanding++;
}

struct ack *ack_line_settle(struct ack_line *line, struct ack *a)
{
	struct ack *prefix = line->first, *tail = NULL;

	CHECK(!a->is_settled);
	a->is_settled = true;
	line->ahead_bytes += a->bytes;
	while (line->first && line->first->is_settled) {
		tail = line->first;
		line->ahead_bytes -= tail->bytes;
		line->outstanding--;
		line->first = tail->next_in_line;
	}
	if (!line->first)
		line->last = NULL;
	if (!tail)
		return NULL;
	tail->next_in_line = NULL;
	return prefix;
}
