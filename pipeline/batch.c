/* SPDX-License-Identifier: Apache-2.0 */
/* Making, filling and freeing batches. */
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/batch.h"
#include "pipeline/budget.h"
#include "pipeline/labels.h"

#define ATTRS_MAX 1000
#define RECS_FIRST 16

/* Batch and arena start in one chunk: a lone line costs one small allocation. Large ones get a whole
 * recycled chunk, with the record array in a chunk of its own (it grows while text is read). */
struct batch *batch_new(struct budget *budget, struct source *source, size_t bytes, bool force)
{
	struct batch *b;
	size_t want = bytes + BATCH_OVERHEAD_BYTES;

	if (budget && !force && !budget_take(budget, want))
		return NULL;
	if (budget && force)
		budget_force(budget, want);
	b = mem_zalloc(sizeof(*b));
	b->magic = BATCH_MAGIC;
	b->source = source;
	b->budget = budget;
	b->charged_bytes = want;
	arena_room(&b->arena, bytes);
	return b;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	CHECK_OBJ(b, BATCH_MAGIC);
	if (b->budget)
		budget_give(b->budget, b->charged_bytes);
	arena_fini(&b->arena);
	b->magic = 0;
	mem_free(b);
}

void batch_recharge(struct batch *b)
{
	size_t now = b->arena.bytes + sizeof(*b);

	if (b->budget && now > b->charged_bytes)
		budget_force(b->budget, now - b->charged_bytes);
	else if (b->budget)
		budget_give(b->budget, b->charged_bytes - now);
	b->charged_bytes = now;
}

void batch_reserve(struct batch *b, uint32_t n)
{
	uint32_t cap = b->nrecs + n;
	struct rec *recs;

	if (cap <= b->cap)
		return;
	recs = arena_alloc(&b->arena, cap * sizeof(*recs));
	if (b->nrecs)
		memcpy(recs, b->recs, b->nrecs * sizeof(*recs));
	b->recs = recs;
	b->cap = cap;
}

struct rec *batch_add(struct batch *b)
{
	struct rec *r;

	if (b->nrecs == b->cap) /* doubles */
		batch_reserve(b, b->cap ? b->cap : RECS_FIRST);
	r = &b->recs[b->nrecs++];
	*r = (struct rec){ .severity = SEVERITY_NONE, .facility = FACILITY_NONE };
	return r;
}

bool rec_attrs_grow(struct batch *b, struct rec *r)
{
	uint16_t cap = (uint16_t)(r->attrs_cap ? 2 * r->attrs_cap : 8);
	struct attr *attrs;

	if (r->nattrs >= ATTRS_MAX)
		return false;
	if (cap > ATTRS_MAX)
		cap = ATTRS_MAX;
	attrs = arena_alloc(&b->arena, cap * sizeof(*attrs));
	if (r->nattrs)
		memcpy(attrs, r->attrs, r->nattrs * sizeof(*attrs));
	r->attrs = attrs;
	r->attrs_cap = cap;
	return true;
}

struct attr attr_inline(struct batch *b, struct str name, struct str value)
{
	uint16_t n = (uint16_t)name.n;
	char *p = arena_bytes(&b->arena, n + sizeof(n) + value.n);

	memcpy(p, name.p, n);
	memcpy(p + n, &n, sizeof(n));
	p += n + sizeof(n);
	if (value.n)
		memcpy(p, value.p, value.n);
	return (struct attr){ .p = p, .n = (uint32_t)value.n, .key = KEY_INLINE };
}

struct attr *rec_attr_inline(struct batch *b, struct rec *r, struct str name, enum attr_kind kind,
			     struct str value)
{
	struct attr a = attr_inline(b, str_sub(name, 0, LABEL_NAME_MAX), value);

	return rec_attr(b, r, KEY_INLINE, kind, ATTR_STRING, str_make(a.p, a.n));
}

static bool entry_label(const struct batch *b, struct str name, struct attr *ret)
{
	struct str value = b->labels ? labels_get(b->labels, name) : STR_NONE;

	*ret = (struct attr){ .p = value.p, .n = (uint32_t)value.n, .key = KEY_INLINE };
	return value.p != NULL;
}

void rec_copy(struct batch *b, struct rec *to, const struct rec *from)
{
	*to = *from;
	to->line = arena_dup(&b->arena, from->line);
	to->attrs = from->nattrs ? arena_alloc(&b->arena, from->nattrs * sizeof(*to->attrs)) : NULL;
	to->attrs_cap = from->nattrs;
	for (unsigned i = 0; i < from->nattrs; i++) {
		const struct attr *a = &from->attrs[i];
		size_t front = a->key == KEY_INLINE ? attr_name(a).n + sizeof(uint16_t) : 0;

		to->attrs[i] = *a;
		if (front + a->n)
			to->attrs[i].p =
				arena_dup(&b->arena, str_make(a->p - front, front + a->n)).p +
				front;
	}
}

bool rec_get(const struct batch *b, const struct rec *r, uint16_t key, struct attr *ret)
{
	for (unsigned i = r->nattrs; i-- > 0;) {
		const struct attr *a = &r->attrs[i];

		if (a->kind == ATTR_GONE)
			continue;
		if (a->key == key ||
		    (a->key == KEY_INLINE && str_eq(attr_name(a), key_name(key)))) {
			*ret = *a;
			return true;
		}
	}
	if (!entry_label(b, key_name(key), ret))
		return false;
	ret->key = key;
	return true;
}

bool rec_find(const struct batch *b, const struct rec *r, struct str name, struct attr *ret)
{
	for (unsigned i = r->nattrs; i-- > 0;) {
		*ret = r->attrs[i];
		if (ret->kind != ATTR_GONE && str_eq(attr_name(ret), name))
			return true;
	}
	return entry_label(b, name, ret);
}

bool rec_get_str(const struct batch *b, const struct rec *r, uint16_t key, struct str *ret)
{
	struct attr a;

	if (!rec_get(b, r, key, &a) || a.type == ATTR_NULL)
		return false;
	*ret = attr_value(&a);
	return true;
}
