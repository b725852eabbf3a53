/* SPDX-License-Identifier: Apache-2.0 */
/* What is open at the end of a batch: bytes are copied and charged, label sets pinned, acks kept. */
#include "lib/mem.h"
#include "pipeline/ack.h"
#include "pipeline/hold_impl.h"
#include "pipeline/labels.h"

#define IDLE_KEEPS_BYTES 256 /* of the buffers of what is idle */

/* ---- lists -------------------------------------------------------------------------------- */

void held_list_add(struct held_list *l, struct held *d)
{
	d->next = NULL;
	d->prev = l->last;
	if (l->last)
		l->last->next = d;
	else
		l->first = d;
	l->last = d;
	l->n++;
}

void held_list_del(struct held_list *l, struct held *d)
{
	if (d->prev)
		d->prev->next = d->next;
	else
		l->first = d->next;
	if (d->next)
		d->next->prev = d->prev;
	else
		l->last = d->prev;
	l->n--;
}

static struct held_series *find_series(const struct hold *h, uint64_t series)
{
	for (struct map_node *n = map_first(&h->by_series, series); n; n = map_next(n)) {
		struct held_series *s = container_of(n, struct held_series, node);

		if (s->series == series)
			return s;
	}
	return NULL;
}

/* A file may have as many stored as there are keys: none is ever looked for among them. */
static void join_series(struct hold *h, struct held *d)
{
	struct held_series *s = find_series(h, d->series);

	if (!s) {
		s = mem_zalloc(sizeof(*s));
		s->series = d->series;
		map_add(&h->by_series, &s->node, d->series);
	}
	d->siblings = s;
	d->prev_sibling = NULL;
	d->next_sibling = s->first;
	if (s->first)
		s->first->prev_sibling = d;
	s->first = d;
}

static void leave_series(struct hold *h, struct held *d)
{
	struct held_series *s = TAKE(d->siblings);

	if (d->prev_sibling)
		d->prev_sibling->next_sibling = d->next_sibling;
	else
		s->first = d->next_sibling;
	if (d->next_sibling)
		d->next_sibling->prev_sibling = d->prev_sibling;
	if (s->first)
		return;
	map_del(&h->by_series, &s->node);
	mem_free(s);
}

/* ---- storing ------------------------------------------------------------------------------ */

/* Each attribute as it is, its value (and for inline names the name) behind it. */
static void store_attrs(struct held *d, const struct rec *r)
{
	buf_clear(&d->attrs);
	for (unsigned i = 0; i < r->nattrs; i++) {
		const struct attr *a = &r->attrs[i];
		struct str name = a->key == KEY_INLINE ? attr_name(a) : STR_NONE;
		uint16_t n = (uint16_t)name.n;

		if (a->kind == ATTR_GONE)
			continue;
		buf_put(&d->attrs, a, sizeof(*a));
		buf_put(&d->attrs, &n, sizeof(n));
		buf_str(&d->attrs, name);
		buf_str(&d->attrs, attr_value(a));
	}
}

static void load_attrs(const struct held *d, struct batch *b, struct rec *r)
{
	struct str rest = buf_as_str(&d->attrs);

	r->attrs = NULL;
	r->nattrs = r->attrs_cap = 0;
	while (rest.n) {
		struct str name, value;
		struct attr a;
		uint16_t n;

		memcpy(&a, rest.p, sizeof(a));
		memcpy(&n, rest.p + sizeof(a), sizeof(n));
		name = str_sub(rest, sizeof(a) + sizeof(n), sizeof(a) + sizeof(n) + n);
		rest = str_skip(rest, sizeof(a) + sizeof(n) + n);
		value = str_sub(rest, 0, a.n);
		rest = str_skip(rest, a.n);
		if (a.key == KEY_INLINE)
			rec_attr_inline(b, r, name, (enum attr_kind)a.kind, value);
		else
			rec_attr(b, r, a.key, (enum attr_kind)a.kind, (enum attr_type)a.type,
				 arena_dup(&b->arena, value));
	}
}

static void unpin(struct held *d)
{
	if (d->base)
		labels_unpin(d->base);
	if (d->labels)
		labels_unpin(d->labels);
	d->base = d->labels = NULL;
}

/* Everything but the line. */
static void store_fields(struct held *d, const struct batch *b, const struct rec *r)
{
	const struct labels *base = b->labels, *labels = rec_labels(b, r);

	if (base)
		labels_pin(base);
	if (labels)
		labels_pin(labels);
	unpin(d);
	d->base = base;
	d->labels = labels;
	d->time_ns = r->time_ns;
	d->flags |= r->flags & REC_FLAGS;
	d->severity = r->severity;
	d->facility = r->facility;
	store_attrs(d, r);
}

static void charge(struct hold *h, struct held *d, bool is_over)
{
	int64_t now =
		is_over ? 0 : (int64_t)(sizeof(*d) + d->text.cap + d->attrs.cap + d->mark_text.cap);

	chain_charge(h->stage->chain, now - d->charged_bytes);
	d->charged_bytes = now;
}

void hold_store(struct hold *h, struct held *d, struct batch *b, int64_t deadline_ns)
{
	if (!d->is_stored) {
		held_list_del(&h->idle, d);
		join_series(h, d);
		d->is_stored = true;
		d->flags = 0;
		buf_clear(&d->text);
		store_fields(d, b, d->rec ? d->rec : &d->model);
		if (d->rec) {
			buf_str(&d->text, d->rec->line);
			d->rec->flags |= REC_HELD;
			b->ngone++;
		}
		d->deadline_ns = deadline_ns;
		held_list_add(&h->stored, d);
	} else {
		if (h->conf.takes_last && d->rec)
			store_fields(d, b, d->rec);
		if (!h->conf.waits_from_first) {
			held_list_del(&h->stored, d);
			d->deadline_ns = deadline_ns;
			held_list_add(&h->stored, d);
		}
	}
	if (d->mark.p != d->mark_text.p) {
		buf_clear(&d->mark_text);
		buf_str(&d->mark_text, d->mark);
		d->mark = buf_as_str(&d->mark_text);
	}
	d->rec = NULL;
	d->has_model = false;
	d->room = NULL;
	charge(h, d, false);
}

void hold_keep_acks(struct hold *h, struct batch *b)
{
	struct held_series *s = find_series(h, b->source->series);
	const struct ack *carried = NULL; /* mostly they all wait for the same batch */

	for (struct held *d = s ? s->first : NULL; d; d = d->next_sibling) {
		d->source = b->source;
		if (!b->ack)
			continue;
		ack_get(b->ack);
		if (d->ack && d->ack == carried)
			ack_put(d->ack); /* b's has another reference */
		else if (d->ack)
			ack_carry(b->ack, d->ack);
		if (d->ack)
			carried = d->ack;
		d->ack = b->ack;
	}
}

void hold_release(struct hold *h, struct held *d)
{
	d->rec = NULL;
	d->has_model = false;
	d->room = NULL;
	d->is_rolled = d->is_remembered = false;
	d->mark = STR_NONE;
	d->nlines = 0;
	d->full_bytes = 0;
	if (!d->is_stored)
		return;
	d->is_stored = false;
	leave_series(h, d);
	held_list_del(&h->stored, d);
	held_list_add(&h->idle, d);
	unpin(d);
	ack_put(TAKE(d->ack));
	if (d->text.cap > IDLE_KEEPS_BYTES)
		buf_fini(&d->text);
	if (d->attrs.cap > IDLE_KEEPS_BYTES)
		buf_fini(&d->attrs);
	if (d->mark_text.cap > IDLE_KEEPS_BYTES)
		buf_fini(&d->mark_text);
	charge(h, d, true);
}

/* ---- giving back -------------------------------------------------------------------------- */

void hold_load(const struct held *d, struct batch *b, struct rec *r)
{
	r->time_ns = d->time_ns;
	r->labels = d->labels;
	r->severity = d->severity;
	r->facility = d->facility;
	load_attrs(d, b, r);
}
