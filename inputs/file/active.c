/* SPDX-License-Identifier: Apache-2.0 */
/* What a file has only while it is being read, or only for a reason that is rare: ten thousand quiet
 * files are remembered, not more. */
#include "inputs/file/file.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* With the path, its share of the tables and malloc's own, a quiet file costs less than 1 KiB. */
_Static_assert(sizeof(struct tail) + sizeof(struct pos) <= 600, "there are 10,000 of these");

static void give_back(struct active *a)
{
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	a->tail->active = NULL;
	source_fini(&a->source);
	mem_free(a);
}

static bool is_needed(const struct active *a)
{
	const struct tail *t = a->tail;

	return a->is_unheard || a->line.outstanding || a->timer.slot || a->troubles ||
	       t->is_replaying || t->must_flush || t->is_ahead;
}

static void on_timer(struct timer *timer)
{
	struct file_input *fi = container_of(timer, struct file_input, active_timer);
	struct active *next;

	for (struct active *a = fi->actives; a; a = next) {
		next = a->next;
		if (!a->is_used && !is_needed(a))
			give_back(a);
		else
			a->is_used = false;
	}
	if (fi->actives)
		loop_timer_in(fi->in->loop, timer, fi->active_keep_ns, on_timer);
}

struct active *active_of(struct tail *t)
{
	struct label filename = { STR("filename"), t->pos->path };
	struct file_input *fi = t->fi;
	struct active *a = t->active;

	if (a) {
		a->is_used = true;
		return a;
	}
	a = t->active = mem_zalloc(sizeof(*a));
	a->tail = t;
	a->is_used = true;
	a->grown_ns = clock_mono_ns();
	source_init(&a->source, fi->in, str_hash(t->pos->path, 0), &fi->conf->labels, &filename, 1);
	a->source.uniq = t->pos->uniq;
	/* The next file of the name goes on in the middle of what the last one began; not an archive, which
	 * is read beside it. */
	a->source.series =
		str_hash(t->pos->path, (uint64_t)(uintptr_t)(t->pos->archive ? (void *)t : fi->in));
	a->next = fi->actives;
	a->link = &fi->actives;
	if (a->next)
		a->next->link = &a->next;
	fi->actives = a;
	if (!fi->active_timer.slot && !fi->is_stopped)
		loop_timer_in(fi->in->loop, &fi->active_timer, fi->active_keep_ns, on_timer);
	return a;
}

struct rare *active_rare(struct tail *t)
{
	if (!t->rare) {
		t->rare = mem_zalloc(sizeof(*t->rare));
		t->rare->tail = t;
	}
	return t->rare;
}

void active_free(struct tail *t)
{
	if (t->active)
		give_back(t->active);
	if (t->rare)
		mem_free(t->rare->last_path);
	mem_free(TAKE(t->rare));
	mem_free(TAKE(t->past));
}

void active_stop(struct file_input *fi)
{
	loop_timer_del(fi->in->loop, &fi->active_timer);
	for (struct active *a = fi->actives; a; a = a->next)
		loop_timer_del(fi->in->loop, &a->timer);
}
