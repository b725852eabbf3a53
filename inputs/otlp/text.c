/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text; those that are made of others become run-time values first, level by level. */
#include "inputs/otlp/text.h"

#include <math.h>

#include "lib/base64.h"
#include "pipeline/value.h"

/* An array or a map whose values are still to be read. */
struct todo {
	struct todo *next;
	struct str rest;
	size_t n;
	struct value *items;   /* of an array */
	struct value_map *map; /* of a map */
};

struct tree {
	struct arena arena;
	struct todo *todo;
};

static double as_double(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static struct str not_finite(double x)
{
	return isnan(x) ? STR("NaN") : x > 0 ? STR("Infinity") : STR("-Infinity");
}

static size_t count(struct str rest, bool is_map)
{
	struct otlp_any any;
	struct str key;
	size_t n = 0;

	while (is_map ? otlp_pair(&rest, 1, &key, &any) : otlp_item(&rest, &any))
		n++;
	return n;
}

static struct value leave(struct tree *t, const struct otlp_any *v)
{
	struct todo *todo = arena_alloc(&t->arena, sizeof(*todo));
	bool is_map = v->field == ANY_LIST;
	struct value made;

	*todo = (struct todo){ .next = t->todo, .rest = v->bytes, .n = count(v->bytes, is_map) };
	t->todo = todo;
	if (is_map) {
		made = value_map(&t->arena, value_pairs(&t->arena, 0), 0);
		todo->map = (struct value_map *)(uintptr_t)made.map;
	} else {
		made = value_list(&t->arena, todo->n, &todo->items);
	}
	return made;
}

static struct value make(struct tree *t, const struct otlp_any *v)
{
	struct buf base64 = BUF_INIT;
	struct str text;
	double x;

	switch (v->field) {
	case ANY_STRING:
		return value_str(v->bytes.p ? v->bytes : STR(""));
	case ANY_BOOL:
		return value_bool(v->bits != 0);
	case ANY_INT:
		return value_int((int64_t)v->bits);
	case ANY_DOUBLE:
		x = as_double(v->bits);
		return isfinite(x) ? value_float(x) : value_str(not_finite(x));
	case ANY_BYTES:
		base64_encode(v->bytes, &base64);
		text = arena_dup(&t->arena, base64.n ? buf_as_str(&base64) : STR(""));
		buf_fini(&base64);
		return value_str(text);
	case ANY_ARRAY:
	case ANY_LIST:
		return leave(t, v);
	default:
		return VALUE_NONE;
	}
}

static void read_map(struct tree *t, struct todo *todo)
{
	struct value_pair *pairs = value_pairs(&t->arena, todo->n);
	struct otlp_any any;

	for (size_t i = 0; i < todo->n && otlp_pair(&todo->rest, 1, &pairs[i].key, &any); i++)
		pairs[i].value = make(t, &any);
	*todo->map = *value_map(&t->arena, pairs, todo->n).map;
}

static void write_tree(const struct otlp_any *v, struct buf *out)
{
	struct tree t = { 0 };
	struct value root = make(&t, v);
	struct otlp_any any;

	while (t.todo) {
		struct todo *todo = t.todo;

		t.todo = todo->next;
		if (todo->map)
			read_map(&t, todo);
		for (size_t i = 0; !todo->map && i < todo->n && otlp_item(&todo->rest, &any); i++)
			todo->items[i] = make(&t, &any);
	}
	value_to_json(out, root, (struct value_json_style){ 0 });
	arena_fini(&t.arena);
}

struct str otlp_text(const struct otlp_any *v, struct buf *out, bool *ret_was_cut)
{
	double x = as_double(v->bits);

	*ret_was_cut = false;
	if (v->field == 0 || v->field == ANY_STRING)
		return v->bytes.p ? v->bytes : STR("");
	if (v->field == ANY_DOUBLE && !isfinite(x))
		return not_finite(x);
	if (v->field == ANY_BOOL)
		return v->bits ? STR("true") : STR("false");
	buf_clear(out);
	out->is_cut = false;
	if (v->field == ANY_INT)
		buf_printf(out, "%lld", (long long)v->bits);
	else if (v->field == ANY_BYTES)
		base64_encode(v->bytes, out);
	else if (v->field == ANY_DOUBLE)
		value_to_json(out, value_float(x), (struct value_json_style){ 0 });
	else
		write_tree(v, out);
	*ret_was_cut = out->is_cut;
	return out->n ? buf_as_str(out) : STR("");
}
