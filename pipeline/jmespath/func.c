/* SPDX-License-Identifier: Apache-2.0 */
/* JMESPath's built-in functions. */
#include <math.h>
#include <stdlib.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/jmespath/tree.h"

/* Every item of a list is a number, or every one a string (want NULL: either of them). */
static bool same_kind(struct jrun *run, const struct value *items, size_t n, bool may_be_strings)
{
	for (size_t i = 0; i < n; i++) {
		bool is_string = items[i].kind == VALUE_STRING;

		if (!(value_is_number(items[i]) || (may_be_strings && is_string)) ||
		    is_string != (items[0].kind == VALUE_STRING))
			return jmespath_fail(run, "a list of numbers%s is expected",
					     may_be_strings ? " or of strings" : "");
	}
	return true;
}

static int order(struct value a, struct value b)
{
	bool is_fine;

	return value_cmp(a, b, &is_fine);
}

/* ---- numbers ---- */

static bool abs_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)run;
	(void)n;
	*ret = value_float(fabs(value_number(args[0].value)));
	return true;
}

static bool ceil_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)run;
	(void)n;
	*ret = value_float(ceil(value_number(args[0].value)));
	return true;
}

static bool floor_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)run;
	(void)n;
	*ret = value_float(floor(value_number(args[0].value)));
	return true;
}

static bool sum_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	const struct value_list *list = args[0].value.list;
	double sum = 0;

	(void)n;
	if (!same_kind(run, list->items, list->n, false))
		return false;
	for (size_t i = 0; i < list->n; i++)
		sum += value_number(list->items[i]);
	*ret = value_float(sum);
	return true;
}

/* Of an empty list go-jmespath says NaN, which is no JSON: null. */
static bool avg_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	if (!sum_run(run, args, n, ret))
		return false;
	*ret = args[0].value.list->n ? value_float(ret->f / (double)args[0].value.list->n)
				     : VALUE_NONE;
	return true;
}

/* ---- the most and the least; by: an expression that gives what is compared, or NULL ---- */

struct keyed {
	struct value key, value;
	size_t place;
};

/* The items of a list with their keys; freed by the caller. NULL after an error. */
static struct keyed *keys_of(struct jrun *run, const struct value_list *list,
			     const struct jnode *by)
{
	struct keyed *items = mem_array(list->n + 1, sizeof(*items));

	for (size_t i = 0; i < list->n; i++) {
		items[i] = (struct keyed){ list->items[i], list->items[i], i };
		if (by && !jmespath_eval(run, by, list->items[i], &items[i].key))
			goto wrong;
		if (!value_is_number(items[i].key) && items[i].key.kind != VALUE_STRING)
			goto wrong_kind;
		if (value_is_number(items[i].key) != value_is_number(items[0].key))
			goto wrong_kind;
	}
	return items;
wrong_kind:
	jmespath_fail(run, "what is compared must be all numbers or all strings");
wrong:
	mem_free(items);
	return NULL;
}

static bool extreme(struct jrun *run, const struct value_list *list, const struct jnode *by,
		    int sign, struct value *ret)
{
	struct keyed *items = keys_of(run, list, by);
	size_t best = 0;

	*ret = VALUE_NONE;
	if (!items)
		return false;
	for (size_t i = 1; i < list->n; i++)
		if (sign * order(items[i].key, items[best].key) > 0)
			best = i;
	if (list->n)
		*ret = items[best].value;
	mem_free(items);
	return true;
}

static bool max_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)n;
	return extreme(run, args[0].value.list, NULL, 1, ret);
}

static bool min_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)n;
	return extreme(run, args[0].value.list, NULL, -1, ret);
}

static bool max_by_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)n;
	return extreme(run, args[0].value.list, args[1].reference, 1, ret);
}

static bool min_by_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)n;
	return extreme(run, args[0].value.list, args[1].reference, -1, ret);
}

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int o = order(x->key, y->key);

	return o ? o : (x->place > y->place) - (x->place < y->place);
}

static bool sorted(struct jrun *run, const struct value_list *list, const struct jnode *by,
		   struct value *ret)
{
	struct keyed *items = keys_of(run, list, by);
	struct value *out;
	bool is_fine;

	if (!items)
		return false;
	qsort(items, list->n, sizeof(*items), by_key);
	is_fine = jmespath_list(run, list->n, ret, &out);
	for (size_t i = 0; is_fine && i < list->n; i++)
		out[i] = items[i].value;
	mem_free(items);
	return is_fine;
}

static bool sort_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)n;
	return sorted(run, args[0].value.list, NULL, ret);
}

static bool sort_by_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)n;
	return sorted(run, args[0].value.list, args[1].reference, ret);
}

/* ---- text ---- */

static bool starts_with_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)run;
	(void)n;
	*ret = value_bool(str_starts(args[0].value.s, args[1].value.s));
	return true;
}

static bool ends_with_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)run;
	(void)n;
	*ret = value_bool(str_ends(args[0].value.s, args[1].value.s));
	return true;
}

static bool contains_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	struct value in = args[0].value, what = args[1].value;
	bool is_there = false;

	(void)run;
	(void)n;
	if (in.kind == VALUE_STRING)
		is_there =
			what.kind == VALUE_STRING && (!what.s.n || str_find(in.s, what.s) < in.s.n);
	else
		for (size_t i = 0; i < in.list->n; i++)
			is_there |= value_equal(in.list->items[i], what);
	*ret = value_bool(is_there);
	return true;
}

static bool join_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	const struct value_list *list = args[1].value.list;
	size_t bytes = 0;
	char *out, *p;

	(void)n;
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i].kind != VALUE_STRING)
			return jmespath_fail(run, "join(): a list of strings is expected");
		bytes += list->items[i].s.n + (i ? args[0].value.s.n : 0);
	}
	if (run->arena->bytes > run->max_bytes || bytes > run->max_bytes - run->arena->bytes)
		return jmespath_fail(run, "join(): the result is too long");
	p = out = arena_bytes(run->arena, bytes + 1);
	for (size_t i = 0; i < list->n; i++) {
		if (i && args[0].value.s.n)
			p = (char *)memcpy(p, args[0].value.s.p, args[0].value.s.n) +
			    args[0].value.s.n;
		if (list->items[i].s.n)
			p = (char *)memcpy(p, list->items[i].s.p, list->items[i].s.n) +
			    list->items[i].s.n;
	}
	*ret = value_str(str_make(out, bytes));
	return true;
}

static size_t characters(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; n++) {
		size_t took = utf8_valid_char(str_skip(s, i));

		i += took ? took : 1;
	}
	return n;
}

static bool length_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	struct value v = args[0].value;

	(void)run;
	(void)n;
	*ret = value_float((double)(v.kind == VALUE_STRING ? characters(v.s)
				    : v.kind == VALUE_LIST ? v.list->n
							   : v.map->n));
	return true;
}

static bool reverse_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	struct value v = args[0].value, *items;

	(void)n;
	if (v.kind == VALUE_STRING) {
		char *out = arena_bytes(run->arena, v.s.n + 1);
		size_t at = v.s.n;

		for (size_t took; v.s.n; v.s = str_skip(v.s, took)) {
			took = utf8_valid_char(v.s);
			took = took ? took : 1;
			at -= took;
			memcpy(out + at, v.s.p, took);
		}
		*ret = value_str(str_make(out, args[0].value.s.n));
		return true;
	}
	if (!jmespath_list(run, v.list->n, ret, &items))
		return false;
	for (size_t i = 0; i < v.list->n; i++)
		items[i] = v.list->items[v.list->n - 1 - i];
	return true;
}

/* ---- objects ---- */

static bool keys_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	const struct value_map *map = args[0].value.map;
	struct value *items;

	(void)n;
	if (!jmespath_list(run, map->n, ret, &items))
		return false;
	for (size_t i = 0; i < map->n; i++)
		items[i] = value_str(map->pairs[i].key);
	return true;
}

static bool values_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	const struct value_map *map = args[0].value.map;
	struct value *items;

	(void)n;
	if (!jmespath_list(run, map->n, ret, &items))
		return false;
	for (size_t i = 0; i < map->n; i++)
		items[i] = map->pairs[i].value;
	return true;
}

static bool merge_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	struct value_pair *pairs;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		total += args[i].value.map->n;
	if (run->arena->bytes > run->max_bytes ||
	    total > (run->max_bytes - run->arena->bytes) / (2 * sizeof(*pairs)))
		return jmespath_fail(run, "merge(): the result is too large");
	pairs = value_pairs(run->arena, total);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < args[i].value.map->n; k++)
			pairs[at++] = args[i].value.map->pairs[k];
	*ret = value_map(run->arena, pairs, total);
	return true;
}

/* ---- the rest ---- */

static bool map_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	const struct value_list *list = args[1].value.list;
	struct value *items;

	(void)n;
	if (!jmespath_list(run, list->n, ret, &items))
		return false;
	for (size_t i = 0; i < list->n; i++)
		if (!jmespath_eval(run, args[0].reference, list->items[i], &items[i]))
			return false;
	return true;
}

static bool not_null_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	(void)run;
	*ret = VALUE_NONE;
	for (size_t i = 0; i < n && ret->kind == VALUE_NULL; i++)
		*ret = args[i].value;
	return true;
}

static bool to_array_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	struct value *items;

	(void)n;
	*ret = args[0].value;
	if (ret->kind == VALUE_LIST)
		return true;
	if (!jmespath_list(run, 1, ret, &items))
		return false;
	items[0] = args[0].value;
	return true;
}

static bool to_number_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	double x;

	(void)run;
	(void)n;
	*ret = VALUE_NONE;
	if (value_is_number(args[0].value))
		*ret = args[0].value;
	else if (args[0].value.kind == VALUE_STRING && str_double(args[0].value.s, &x))
		*ret = value_float(x);
	return true;
}

static bool to_string_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	struct value_json_style style = { .is_html_safe = true };
	struct buf out = BUF_INIT;

	(void)n;
	*ret = args[0].value;
	if (ret->kind == VALUE_STRING)
		return true;
	out.max = run->max_bytes;
	value_to_json(&out, args[0].value, style);
	*ret = value_str(arena_dup(run->arena, buf_as_str(&out)));
	buf_fini(&out);
	return out.is_cut ? jmespath_fail(run, "to_string(): the result is too long") : true;
}

static bool type_run(struct jrun *run, const struct jarg *args, size_t n, struct value *ret)
{
	static const char *const names[] = {
		[VALUE_NULL] = "null",    [VALUE_BOOL] = "boolean",  [VALUE_INT] = "number",
		[VALUE_FLOAT] = "number", [VALUE_STRING] = "string", [VALUE_TIME] = "string",
		[VALUE_LIST] = "array",   [VALUE_MAP] = "object",
	};

	(void)run;
	(void)n;
	*ret = value_str(str_c(names[args[0].value.kind]));
	return true;
}

static const struct jfunction functions[] = {
	{ "abs", "n", abs_run },
	{ "avg", "l", avg_run },
	{ "ceil", "n", ceil_run },
	{ "contains", "Lv", contains_run },
	{ "ends_with", "ss", ends_with_run },
	{ "floor", "n", floor_run },
	{ "join", "sl", join_run },
	{ "keys", "o", keys_run },
	{ "length", "A", length_run },
	{ "map", "&l", map_run },
	{ "max", "l", max_run },
	{ "max_by", "l&", max_by_run },
	{ "merge", "o*", merge_run },
	{ "min", "l", min_run },
	{ "min_by", "l&", min_by_run },
	{ "not_null", "v*", not_null_run },
	{ "reverse", "L", reverse_run },
	{ "sort", "l", sort_run },
	{ "sort_by", "l&", sort_by_run },
	{ "starts_with", "ss", starts_with_run },
	{ "sum", "l", sum_run },
	{ "to_array", "v", to_array_run },
	{ "to_number", "v", to_number_run },
	{ "to_string", "v", to_string_run },
	{ "type", "v", type_run },
	{ "values", "o", values_run },
};

const struct jfunction *jfunction_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (str_is(name, functions[i].name))
			return &functions[i];
	return NULL;
}

const char *jfunction_nearest(struct str name)
{
	const char *nearest = NULL;
	size_t best = 3;

	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		size_t distance = str_distance(name, str_c(functions[i].name), best);

		if (distance < best) {
			best = distance;
			nearest = functions[i].name;
		}
	}
	return nearest;
}
