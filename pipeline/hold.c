/* SPDX-License-Identifier: Apache-2.0 */
/* Joining parts in place, emitting what nobody completes. What is open between batches: hold_store.c. */
#include "lib/check.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/ack.h"
#include "pipeline/hold_impl.h"
#include "pipeline/labels.h"

#define IDLE_MAX 1024 /* remembered without anything open */
#define CUT_SLACK 4   /* bytes beyond the cap, so that no character is cut in two */

/* ---- life --------------------------------------------------------------------------------- */

void hold_init(struct hold *h, struct stage *s, const struct hold_conf *conf)
{
	*h = (struct hold){ .stage = s, .conf = *conf };
	h->touched_end = &h->touched;
	h->full_length_key = key_intern(STR("tailrace_full_length"));
}

static void held_free(struct hold *h, struct held *d)
{
	map_del(&h->map, &d->node);
	buf_fini(&d->text);
	buf_fini(&d->attrs);
	buf_fini(&d->mark_text);
	mem_free(d);
}

static void forget_old(struct hold *h, size_t keep)
{
	while (h->idle.n > keep) {
		struct held *d = h->idle.first;

		held_list_del(&h->idle, d);
		held_free(h, d);
	}
}

void hold_fini(struct hold *h)
{
	struct loop *loop = h->stage ? chain_loop(h->stage->chain) : NULL;

	if (loop)
		loop_timer_del(loop, &h->timer);
	CHECK(!h->stored.n); /* flushed before */
	forget_old(h, 0);
	map_fini(&h->map);
	map_fini(&h->by_series);
}

static uint64_t mix(uint64_t series, uint64_t key)
{
	return (series ^ key * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
}

struct held *hold_find(struct hold *h, const struct batch *b, uint64_t key)
{
	uint64_t series = b->source->series, hash = mix(series, key) >> 16;
	struct held *d = NULL;

	for (struct map_node *n = map_first(&h->map, hash); n; n = map_next(n)) {
		d = container_of(n, struct held, node);
		if (d->series == series && d->key == key)
			break;
		d = NULL;
	}
	if (!d) {
		d = mem_zalloc(sizeof(*d));
		d->series = series;
		d->key = key;
		map_add(&h->map, &d->node, hash);
		held_list_add(&h->idle, d);
	}
	if (!d->is_touched) {
		d->is_touched = true;
		d->next_touched = NULL;
		*h->touched_end = d;
		h->touched_end = &d->next_touched;
	}
	return d;
}

/* ---- joining ------------------------------------------------------------------------------ */

/* A single line is never cut here; a joined one is kept to a little beyond the cap. */
static size_t room_for(const struct hold *h, size_t have, size_t more)
{
	size_t max = h->conf.max_bytes + CUT_SLACK;

	if (have >= max)
		return 0;
	return more < max - have ? more : max - have;
}

/* line + between + more; line is the held's own growing room, or a slice of the arena. */
static struct str extended(struct hold *h, struct held *d, struct batch *b, struct str line,
			   struct str more)
{
	struct str between = h->conf.between;
	size_t want = line.n;

	between.n = room_for(h, want, between.n);
	want += between.n;
	more.n = room_for(h, want, more.n);
	want += more.n;
	/* Lines of a file mostly stand where they would be copied to. */
	if (line.n && line.p + line.n + between.n == more.p && between.n == h->conf.between.n &&
	    (!between.n || memcmp(line.p + line.n, between.p, between.n) == 0))
		return str_make(line.p, want);
	if (line.p != d->room || d->room_bytes < want) {
		d->room_bytes = 2 * want;
		d->room = arena_bytes(&b->arena, d->room_bytes);
		if (line.n)
			memcpy(d->room, line.p, line.n);
	}
	if (between.n)
		memcpy(d->room + line.n, between.p, between.n);
	if (more.n)
		memcpy(d->room + line.n + between.n, more.p, more.n);
	return str_make(d->room, want);
}

static void join_stored(struct hold *h, struct held *d, struct batch *b, struct rec *r)
{
	struct str between = d->nlines > 1 ? h->conf.between : STR_NONE;

	if (h->conf.replaced_reason) {
		buf_clear(&d->text);
		d->flags = 0;
	}
	buf_put(&d->text, between.p, room_for(h, d->text.n, between.n));
	if (d->nlines > 1)
		buf_put(&d->text, r->line.p, room_for(h, d->text.n, r->line.n));
	else
		buf_str(&d->text, r->line);
	d->flags |= r->flags & REC_FLAGS;
	r->flags |= REC_HELD;
	b->ngone++;
	if (!d->rec || h->conf.takes_last)
		d->rec = r;
}

static void join_here(struct hold *h, struct held *d, struct batch *b, struct rec *r)
{
	struct str line =
		h->conf.replaced_reason ? r->line : extended(h, d, b, d->rec->line, r->line);
	struct rec *keep = h->conf.takes_last ? r : d->rec, *gone = keep == r ? d->rec : r;

	keep->line = line;
	if (!h->conf.replaced_reason)
		keep->flags |= gone->flags & REC_FLAGS;
	gone->flags |= REC_HELD;
	b->ngone++;
	d->rec = keep;
}

/* Each record has attributes of its own: later stages change them in their place. */
static void copy_attrs(struct batch *b, struct rec *r, const struct rec *from, uint16_t but)
{
	struct attr *attrs =
		from->nattrs ? arena_alloc(&b->arena, from->nattrs * sizeof(*attrs)) : NULL;
	uint16_t n = 0;

	for (unsigned i = 0; i < from->nattrs; i++)
		if (from->attrs[i].key != but)
			attrs[n++] = from->attrs[i];
	r->attrs = attrs;
	r->nattrs = n;
	r->attrs_cap = n;
}

static void take_fields(struct batch *b, struct rec *r, const struct rec *model, uint16_t but)
{
	r->time_ns = model->time_ns;
	r->labels = model->labels;
	copy_attrs(b, r, model, but);
	r->severity = model->severity;
	r->facility = model->facility;
}

void hold_add(struct hold *h, struct held *d, struct batch *b, struct rec *r)
{
	d->nlines++;
	d->full_bytes += r->line.n + (d->nlines > 1 ? h->conf.between.n : 0);
	h->njoined += d->nlines > 1;
	if (d->is_stored) {
		join_stored(h, d, b, r);
	} else if (d->rec) {
		join_here(h, d, b, r);
	} else {
		d->rec = r;
		d->room = NULL;
		if (d->has_model)
			take_fields(b, r, &d->model, h->full_length_key);
	}
}

static void finish(struct hold *h, struct held *d, struct batch *b, struct rec *r)
{
	if (h->conf.finish) {
		h->conf.finish(h, d, b, r);
		return;
	}
	if (d->nlines < 2 || d->full_bytes <= h->conf.max_bytes)
		return;
	r->line.n = utf8_cut(r->line, h->conf.max_bytes);
	r->flags |= REC_CUT;
	for (unsigned i = 0; i < r->nattrs; i++)
		if (r->attrs[i].key == h->full_length_key)
			r->attrs[i].kind = ATTR_GONE; /* of one part */
	rec_attr(b, r, h->full_length_key, ATTR_META, ATTR_NUMBER,
		 arena_printf(&b->arena, "%zu", d->full_bytes));
}

/* ---- completing --------------------------------------------------------------------------- */

static void fill_line(struct hold *h, struct held *d, struct batch *b, struct rec *r)
{
	r->line = arena_dup(&b->arena, buf_as_str(&d->text));
	r->flags = d->flags;
	finish(h, d, b, r);
}

/* What is stored goes on alone, behind this stage. */
static void emit(struct hold *h, struct held *d, uint16_t flags)
{
	struct batch *b;
	struct rec *r;

	if (d->nlines) {
		b = chain_emit_batch(h->stage->chain, d->source, d->base,
				     d->text.n + d->attrs.n + 256);
		r = batch_add(b);
		hold_load(d, b, r);
		fill_line(h, d, b, r);
		r->flags |= flags;
		if (d->ack)
			ack_carry(b->ack, TAKE(d->ack));
		chain_emit(h->stage, b);
	}
	hold_release(h, d);
}

/* What is stored ends in this batch: in the place of its part here. */
static void complete_here(struct hold *h, struct held *d, struct batch *b)
{
	if (!h->conf.takes_last)
		hold_load(d, b, d->rec);
	fill_line(h, d, b, d->rec);
	if (d->ack)
		ack_carry(b->ack, TAKE(d->ack));
}

static void complete(struct hold *h, struct held *d, struct batch *b)
{
	if (!d->is_stored)
		finish(h, d, b, d->rec);
	else if (b->ack || !d->ack)
		complete_here(h, d, b);
	else
		emit(h, d, 0); /* nobody would remember the older batch */
}

void hold_end(struct hold *h, struct held *d, struct batch *b)
{
	if (d->rec)
		complete(h, d, b);
	else if (d->is_stored)
		emit(h, d, 0);
	hold_release(h, d);
}

void hold_roll(struct hold *h, struct held *d, struct batch *b)
{
	struct rec *model = d->rec;

	hold_end(h, d, b);
	if (!model || model->flags & REC_HELD)
		return;
	d->is_rolled = d->has_model = true;
	d->model = *model;
	/* What was said of its line, not of what follows. */
	d->model.flags = 0;
	copy_attrs(b, &d->model, model, h->full_length_key);
}

void hold_remember(struct held *d, struct str mark)
{
	d->is_remembered = true;
	d->mark = mark;
}

static void on_timer(struct timer *t);

static void set_timer(struct hold *h)
{
	struct loop *loop = chain_loop(h->stage->chain);

	if (loop && h->stored.first && !h->timer.slot)
		loop_timer_set(loop, &h->timer, h->stored.first->deadline_ns, on_timer);
	else if (loop && !h->stored.first)
		loop_timer_del(loop, &h->timer);
}

static uint16_t flags_of_rest(const struct hold *h)
{
	return h->conf.is_whole_at_end ? REC_PARTIAL : 0;
}

/* Later parts move it back, so what has waited longest is in front. */
static void on_timer(struct timer *t)
{
	struct hold *h = container_of(t, struct hold, timer);
	int64_t now_ns = loop_now_ns(chain_loop(h->stage->chain));

	while (h->stored.first && h->stored.first->deadline_ns <= now_ns)
		emit(h, h->stored.first, flags_of_rest(h));
	set_timer(h);
}

/* The oldest of other series: what b's own have open waits for b. */
static void emit_oldest(struct hold *h, const struct batch *b)
{
	struct held *next;

	for (struct held *d = h->stored.first; d && h->stored.n > h->conf.max_open; d = next) {
		next = d->next;
		if (d->series != b->source->series)
			emit(h, d, flags_of_rest(h));
	}
}

void hold_stop(struct hold *h, struct batch *b)
{
	struct loop *loop = chain_loop(h->stage->chain);
	int64_t deadline_ns = loop ? loop_now_ns(loop) + h->conf.max_wait_ns : 0;
	struct held *next;

	for (struct held *d = TAKE(h->touched); d; d = next) {
		next = d->next_touched;
		d->is_touched = false;
		if (d->rec || d->has_model || d->is_remembered)
			hold_store(h, d, b, deadline_ns);
	}
	h->touched_end = &h->touched;
	hold_keep_acks(h, b);
	if (h->conf.max_open)
		emit_oldest(h, b);
	if (h->njoined && h->conf.replaced_reason)
		stage_removed(h->stage, h->conf.replaced_reason, h->njoined);
	else if (h->njoined)
		chain_joined(h->stage->chain, h->njoined);
	h->njoined = 0;
	forget_old(h, IDLE_MAX);
	set_timer(h);
}

void hold_flush(struct hold *h, struct source *source)
{
	struct held *next;

	for (struct held *d = h->stored.first; d; d = next) {
		next = d->next;
		if (!source || d->source == source)
			emit(h, d, flags_of_rest(h));
	}
	set_timer(h);
}
