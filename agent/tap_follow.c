/* SPDX-License-Identifier: Apache-2.0 */
/* Following a few records of a batch through the stages, on the lane's thread. */
#include "agent/agent_impl.h"
#include "agent/tap_impl.h"
#include "lib/mem.h"
#include "pipeline/stage.h"

#define BATCHES_MAX 4                  /* under way at once */
#define COPIES_MAX ((size_t)256 << 10) /* bytes that following the records of one batch may copy */

static bool take_credit(struct tap *t)
{
	int have = atomic_load(&t->credit);

	while (have > 0)
		if (atomic_compare_exchange_weak(&t->credit, &have, have - 1))
			return true;
	return false;
}

static size_t size_of(const struct rec *r)
{
	size_t n = r->line.n + 256;

	for (const struct attr *a = r->attrs; a < r->attrs + r->nattrs; a++)
		n += a->n + sizeof(struct view_attr);
	return n;
}

const struct explain_step *tap_last_step(const struct explain_trail *t)
{
	const struct explain_step *s = t->steps;

	while (s && s->next)
		s = s->next;
	return s;
}

static void catch_now(struct followed *f)
{
	f->shown = f->trail->last;
	f->shown_at = tap_last_step(f->trail);
}

static void follow(struct tapped *tb, const struct batch *b, uint32_t index,
		   const struct stage *maker)
{
	const struct rec *r = &b->recs[index];
	const struct labels *l = rec_labels(b, r);
	struct explain_trail *trail = arena_alloc(&tb->e.arena, sizeof(*trail));

	*trail = (struct explain_trail){ .line = 1, .maker = maker ? maker->ops->name : NULL };
	trail->steps_end = &trail->steps;
	trail->first = trail->last = view_of(&tb->e.arena, r, l ? l->items : NULL, l ? l->n : 0);
	tb->records[tb->n++] = (struct followed){ .index = index, .trail = trail };
}

/* Some of the batch, evenly, as far as there is credit. */
static void begin(struct tap_lane *lane, const struct stage *maker, const struct batch *b)
{
	struct tap *t = lane->tap;
	size_t copies = 0;
	struct tapped *tb;
	uint32_t step = b->nrecs / TAP_RECORDS_MAX + 1;

	if (!b->nrecs || atomic_load(&t->credit) <= 0 || atomic_load(&t->nbatches) >= BATCHES_MAX)
		return;
	atomic_fetch_add(&t->nbatches, 1);
	tb = mem_zalloc(sizeof(*tb));
	tb->lane = lane;
	tb->b = b;
	tb->input = b->source->input ? b->source->input->name : "";
	tb->next = lane->under_way;
	lane->under_way = tb;
	for (uint32_t k = 0, at = lane->turn++ % b->nrecs; k < b->nrecs && tb->n < TAP_RECORDS_MAX;
	     k += step, at = (at + step) % b->nrecs) {
		size_t bytes = size_of(&b->recs[at]) * (lane->nstages + 2);

		if (b->recs[at].flags & REC_PASSED_OVER)
			continue;
		if (copies + bytes > COPIES_MAX) {
			atomic_fetch_add(&t->too_long, bytes > COPIES_MAX);
			continue;
		}
		if (!take_credit(t))
			break;
		copies += bytes;
		follow(tb, b, at, maker);
	}
	for (size_t i = 0; i < tb->n && !lane->point && t->is_before && !maker; i++)
		catch_now(&tb->records[i]);
}

static void end(struct tap_lane *lane, struct tapped *tb)
{
	struct tapped **at = &lane->under_way;

	while (*at != tb)
		at = &(*at)->next;
	*at = tb->next;
	tb->b = NULL; /* it is about to be gone */
	loop_post(lane->tap->agent->loop, &tb->mail, tap_shown);
}

static void look(struct tap_lane *lane, struct tapped *tb, struct followed *f,
		 enum chain_probe probe, const struct stage *s)
{
	const struct batch *b = tb->b;
	bool is_here = probe == CHAIN_RAN && s == lane->point && !f->trail->is_over &&
		       (!f->trail->unselected_by || f->trail->unselected_by == s);
	bool is_before = lane->tap->is_before;

	if (is_here && is_before)
		catch_now(f);
	explain_follow(&tb->e, f->trail, probe, s, b, &b->recs[f->index]);
	if (probe == CHAIN_RAN && s == lane->last_redact)
		f->is_clear |= !f->trail->is_over;
	if ((is_here && !is_before && !f->trail->is_over) ||
	    (probe == CHAIN_END && !lane->point && !is_before))
		catch_now(f);
}

static void on_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	struct tap_lane *lane = ctx;
	struct tapped *tb = lane->under_way;

	if (probe == CHAIN_BEGIN) {
		begin(lane, s, b);
		return;
	}
	while (tb && tb->b != b)
		tb = tb->next;
	if (!tb)
		return;
	for (size_t i = 0; i < tb->n; i++)
		if (!tb->records[i].trail->is_over)
			look(lane, tb, &tb->records[i], probe, s);
	if (probe == CHAIN_RAN)
		buf_clear(&tb->e.reasons);
	if (probe == CHAIN_END)
		end(lane, tb);
}

/* Of whichever batch: they come nested, the innermost first. */
static void on_drop(void *ctx, const char *reason, uint64_t n)
{
	const struct tap_lane *lane = ctx;

	(void)n;
	if (lane->under_way)
		explain_reason(&lane->under_way->e, reason);
}

static void note_found(struct tapped *tb, struct followed *f, const char *detector,
		       struct str secret, struct str replacement)
{
	tb->e.found = f->found;
	explain_found(&tb->e, detector, secret, replacement);
	f->found = tb->e.found;
	tb->e.found = NULL;
}

static void on_redacted(void *ctx, const struct rec *r, const char *detector, struct str secret,
			struct str replacement)
{
	const struct tap_lane *lane = ctx;

	for (struct tapped *tb = lane->under_way; tb; tb = tb->next)
		for (size_t i = 0; i < tb->n; i++)
			if (!r || r == &tb->b->recs[tb->records[i].index])
				note_found(tb, &tb->records[i], detector, secret, replacement);
}

struct chain_trace tap_trace(struct tap_lane *lane)
{
	return (struct chain_trace){ lane, on_probe, on_drop, on_redacted };
}
