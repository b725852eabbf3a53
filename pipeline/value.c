/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, maps and comparison of run-time values. */
#include <math.h>
#include <stdlib.h>

#include "pipeline/value.h"

struct value value_list(struct arena *a, size_t n, struct value **ret_items)
{
	struct value_list *list = arena_alloc(a, sizeof(*list));

	list->n = n;
	list->items = arena_alloc(a, n * sizeof(*list->items) + 1);
	for (size_t i = 0; i < n; i++)
		list->items[i] = VALUE_NONE;
	*ret_items = list->items;
	return (struct value){ .kind = VALUE_LIST, .list = list };
}

struct value_pair *value_pairs(struct arena *a, size_t n)
{
	return arena_alloc(a, n * sizeof(struct value_pair) + 1);
}

static void merge(struct value_pair *to, const struct value_pair *from, size_t mid, size_t n)
{
	size_t i = 0, j = mid;

	for (size_t k = 0; k < n; k++) {
		bool is_left = j == n || (i < mid && str_cmp(from[i].key, from[j].key) <= 0);

		to[k] = is_left ? from[i++] : from[j++];
	}
}

/* Stable, so that the last of equal keys can win; the result is in `pairs`. */
static void sort(struct value_pair *pairs, struct value_pair *spare, size_t n)
{
	if (n < 2)
		return;
	sort(pairs, spare, n / 2);
	sort(pairs + n / 2, spare, n - n / 2);
	memcpy(spare, pairs, n * sizeof(*pairs));
	merge(pairs, spare, n / 2, n);
}

struct value value_map(struct arena *a, struct value_pair *pairs, size_t n)
{
	struct value_map *map = arena_alloc(a, sizeof(*map));
	size_t kept = 0;

	if (n > 1)
		sort(pairs, value_pairs(a, n), n);
	for (size_t i = 0; i < n; i++) {
		if (kept && str_eq(pairs[kept - 1].key, pairs[i].key))
			kept--;
		pairs[kept++] = pairs[i];
	}
	*map = (struct value_map){ .n = kept, .pairs = pairs };
	return (struct value){ .kind = VALUE_MAP, .map = map };
}

struct value value_get(struct value v, struct str key, bool *ret_has)
{
	size_t low = 0, high = v.kind == VALUE_MAP ? v.map->n : 0;

	if (ret_has)
		*ret_has = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(v.map->pairs[mid].key, key);

		if (order == 0) {
			if (ret_has)
				*ret_has = true;
			return v.map->pairs[mid].value;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return VALUE_NONE;
}

static bool is_equal(struct value a, struct value b, unsigned depth);

static bool lists_equal(const struct value_list *a, const struct value_list *b, unsigned depth)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n && a != b; i++)
		if (!is_equal(a->items[i], b->items[i], depth))
			return false;
	return true;
}

static bool maps_equal(const struct value_map *a, const struct value_map *b, unsigned depth)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n && a != b; i++)
		if (!str_eq(a->pairs[i].key, b->pairs[i].key) ||
		    !is_equal(a->pairs[i].value, b->pairs[i].value, depth))
			return false;
	return true;
}

/* Templates build values of any depth, and the stack has an end. */
static bool is_equal(struct value a, struct value b, unsigned depth)
{
	if (depth > 2 * VALUE_DEPTH_MAX)
		return false;
	if (value_is_number(a) && value_is_number(b))
		return a.kind == VALUE_INT && b.kind == VALUE_INT
			       ? a.i == b.i
			       : !(value_number(a) < value_number(b)) &&
					 !(value_number(a) > value_number(b)) &&
					 !isnan(value_number(a)) && !isnan(value_number(b));
	if (a.kind != b.kind)
		return false;
	switch ((enum value_kind)a.kind) {
	case VALUE_BOOL:
		return a.truth == b.truth;
	case VALUE_TIME:
		return a.i == b.i;
	case VALUE_STRING:
		return str_eq(a.s, b.s);
	case VALUE_LIST:
		return lists_equal(a.list, b.list, depth + 1);
	case VALUE_MAP:
		return maps_equal(a.map, b.map, depth + 1);
	default:
		return true;
	}
}

bool value_equal(struct value a, struct value b)
{
	return is_equal(a, b, 0);
}

int value_cmp(struct value a, struct value b, bool *ret_ok)
{
	*ret_ok = true;
	if (a.kind == VALUE_STRING && b.kind == VALUE_STRING)
		return str_cmp(a.s, b.s);
	if (a.kind == VALUE_INT && b.kind == VALUE_INT)
		return (a.i > b.i) - (a.i < b.i);
	if (value_is_number(a) && value_is_number(b))
		return (value_number(a) > value_number(b)) - (value_number(a) < value_number(b));
	*ret_ok = false;
	return 0;
}
