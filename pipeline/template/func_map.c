/* SPDX-License-Identifier: Apache-2.0 */
/* sprig's functions on dictionaries, JSON and types. */
#include "pipeline/template/tree.h"

static bool want_map(struct call *c, size_t i)
{
	if (c->args[i].kind == VALUE_MAP)
		return true;
	call_fail(c, "argument %zu must be a dict, got %s", i + 1, value_type(c->args[i]));
	return false;
}

static bool want_text(struct call *c, size_t i)
{
	if (c->args[i].kind == VALUE_STRING)
		return true;
	call_fail(c, "argument %zu must be a string, got %s", i + 1, value_type(c->args[i]));
	return false;
}

static struct value_pair *new_pairs(struct call *c, size_t n)
{
	if (2 * n * sizeof(struct value_pair) > call_room(c)) {
		call_fail(c, "the dict is too large");
		return NULL;
	}
	return value_pairs(c->arena, n);
}

/* The pairs of two maps, those of b in front of equal ones of a. */
static int merged(struct call *c, struct value a, const struct value_pair *b, size_t nb)
{
	struct value_pair *pairs = new_pairs(c, a.map->n + nb);

	if (!pairs)
		return -1;
	if (a.map->n)
		memcpy(pairs, a.map->pairs, a.map->n * sizeof(*pairs));
	if (nb)
		memcpy(pairs + a.map->n, b, nb * sizeof(*pairs));
	c->ret = value_map(c->arena, pairs, a.map->n + nb);
	return 0;
}

static int dict_run(struct call *c)
{
	struct value_pair *pairs = value_pairs(c->arena, c->n / 2 + 1);
	size_t n = 0;

	for (size_t i = 0; i < c->n; i += 2) {
		if (!want_text(c, i))
			return -1;
		pairs[n++] = (struct value_pair){ c->args[i].s, i + 1 < c->n ? c->args[i + 1]
									     : value_str(STR("")) };
	}
	c->ret = value_map(c->arena, pairs, n);
	return 0;
}

static int get_run(struct call *c)
{
	bool has;

	if (!want_map(c, 0))
		return -1;
	c->ret = value_get(c->args[0], c->args[1].s, &has);
	if (!has)
		c->ret = value_str(STR(""));
	return 0;
}

#define LOOKS_MAX 100000 /* at parts of a value */

/* Whether a map is part of v, itself or deeper. Yes, too, when there is too much to look at. */
static bool is_inside(const struct value_map *map, struct value v, unsigned depth, unsigned *looks)
{
	if (depth > 2 * VALUE_DEPTH_MAX || ++*looks > LOOKS_MAX)
		return true;
	if (v.kind == VALUE_LIST) {
		for (size_t i = 0; i < v.list->n; i++)
			if (is_inside(map, v.list->items[i], depth + 1, looks))
				return true;
	}
	if (v.kind != VALUE_MAP)
		return false;
	for (size_t i = 0; i < v.map->n; i++)
		if (is_inside(map, v.map->pairs[i].value, depth + 1, looks))
			return true;
	return v.map == map;
}

/* set and unset change the dict itself, as Go's do, so that {{ $_ := set $d "k" 1 }} is of use. */
static int change(struct call *c, struct value map)
{
	struct value_map *at = (struct value_map *)(uintptr_t)c->args[0].map;

	*at = *map.map;
	c->ret = c->args[0];
	return 0;
}

static int set_run(struct call *c)
{
	struct value_pair pair = { c->args[1].s, c->args[2] };
	unsigned looks = 0;

	if (!want_map(c, 0))
		return -1;
	if (is_inside(c->args[0].map, c->args[2], 0, &looks))
		return call_fail(c, "the value holds the dict itself, or nests too deeply");
	return merged(c, c->args[0], &pair, 1) ? -1 : change(c, c->ret);
}

/* The pairs whose key is (not) among the texts in args[from..]. */
static int select_pairs(struct call *c, size_t from, bool is_wanted)
{
	struct value_pair *pairs;
	size_t n = 0;

	if (!want_map(c, 0) || !(pairs = new_pairs(c, c->args[0].map->n)))
		return -1;
	for (size_t i = 0; i < c->args[0].map->n; i++) {
		const struct value_pair *pair = &c->args[0].map->pairs[i];
		bool is_named = false;

		for (size_t k = from; k < c->n; k++)
			is_named |=
				c->args[k].kind == VALUE_STRING && str_eq(c->args[k].s, pair->key);
		if (is_named == is_wanted)
			pairs[n++] = *pair;
	}
	c->ret = value_map(c->arena, pairs, n);
	return 0;
}

static int unset_run(struct call *c)
{
	return select_pairs(c, 1, false) ? -1 : change(c, c->ret);
}

static int pick_run(struct call *c)
{
	return select_pairs(c, 1, true);
}

static int omit_run(struct call *c)
{
	return select_pairs(c, 1, false);
}

static int hasKey_run(struct call *c)
{
	bool has;

	if (!want_map(c, 0))
		return -1;
	value_get(c->args[0], c->args[1].s, &has);
	return call_bool(c, has);
}

/* One value of each of many maps; is_keys: instead of the values the keys. */
static int collect(struct call *c, size_t from, bool is_keys, const struct str *name)
{
	struct value *items;
	size_t n = 0, at = 0;
	struct value_list *list;

	for (size_t i = from; i < c->n; i++) {
		if (!want_map(c, i))
			return -1;
		n += name ? 1 : c->args[i].map->n;
	}
	if (n * 2 * sizeof(*items) > call_room(c))
		return call_fail(c, "the list is too long");
	c->ret = value_list(c->arena, n, &items);
	for (size_t i = from; i < c->n; i++) {
		const struct value_map *map = c->args[i].map;
		bool has = true;

		for (size_t k = 0; !name && k < map->n; k++)
			items[at++] = is_keys ? value_str(map->pairs[k].key) : map->pairs[k].value;
		if (name) {
			items[at] = value_get(c->args[i], *name, &has);
			at += has;
		}
	}
	list = (struct value_list *)(uintptr_t)c->ret.list;
	list->n = at;
	return 0;
}

static int keys_run(struct call *c)
{
	return collect(c, 0, true, NULL);
}

static int values_run(struct call *c)
{
	return collect(c, 0, false, NULL);
}

static int pluck_run(struct call *c)
{
	return collect(c, 1, false, &c->args[0].s);
}

/* dig "a" "b" default dict */
static int dig_run(struct call *c)
{
	struct value at = c->args[c->n - 1];

	if (c->n < 3)
		return call_fail(c, "takes at least a key, a default and a dict");
	for (size_t i = 0; i + 2 < c->n; i++) {
		bool has;

		if (!want_text(c, i))
			return -1;
		if (at.kind != VALUE_MAP)
			return call_fail(c, "no dict at %zu", i + 1);
		at = value_get(at, c->args[i].s, &has);
		if (!has) {
			c->ret = c->args[c->n - 2];
			return 0;
		}
	}
	c->ret = at;
	return 0;
}

/* mergo: what dst has stays (or is overwritten), dicts in both are merged. depth bounds recursion. */
static int merge_two(struct call *c, struct value dst, struct value src, bool overwrites,
		     unsigned depth)
{
	struct value_pair *pairs = new_pairs(c, src.map->n);
	size_t n = 0;

	if (!pairs)
		return -1;
	for (size_t i = 0; i < src.map->n; i++) {
		struct value_pair pair = src.map->pairs[i];
		struct value old = value_get(dst, pair.key, NULL);

		if (old.kind == VALUE_MAP && pair.value.kind == VALUE_MAP &&
		    depth < VALUE_DEPTH_MAX) {
			if (merge_two(c, old, pair.value, overwrites, depth + 1))
				return -1;
			pair.value = c->ret;
		} else if (value_is_true(old) && (!overwrites || !value_is_true(pair.value))) {
			continue;
		}
		pairs[n++] = pair;
	}
	return merged(c, dst, pairs, n);
}

static int merge_all(struct call *c, bool overwrites)
{
	if (!want_map(c, 0))
		return -1;
	for (size_t i = 1; i < c->n; i++) {
		if (!want_map(c, i) || merge_two(c, c->args[0], c->args[i], overwrites, 0) ||
		    change(c, c->ret))
			return -1;
	}
	c->ret = c->args[0];
	return 0;
}

static int merge_run(struct call *c)
{
	return merge_all(c, false);
}

static int mergeOverwrite_run(struct call *c)
{
	return merge_all(c, true);
}

static struct value copy(struct call *c, struct value v, unsigned depth)
{
	struct value_pair *pairs;
	struct value *items;

	if (depth >= VALUE_DEPTH_MAX || call_room(c) < 4096)
		return v;
	if (v.kind == VALUE_LIST) {
		const struct value_list *from = v.list;

		v = value_list(c->arena, from->n, &items);
		for (size_t i = 0; i < from->n; i++)
			items[i] = copy(c, from->items[i], depth + 1);
	} else if (v.kind == VALUE_MAP) {
		pairs = value_pairs(c->arena, v.map->n);
		for (size_t i = 0; i < v.map->n; i++)
			pairs[i] = (struct value_pair){ v.map->pairs[i].key,
							copy(c, v.map->pairs[i].value, depth + 1) };
		v = value_map(c->arena, pairs, v.map->n);
	}
	return v;
}

static int deepCopy_run(struct call *c)
{
	c->ret = copy(c, c->args[0], 0);
	return 0;
}

/* ---- JSON ---- */

static int to_json(struct call *c, bool is_html_safe, const char *indent)
{
	struct buf *out = call_buf(c);
	struct value_json_style style = { is_html_safe, indent };

	value_to_json(out, c->args[0], style);
	return call_text(c, out);
}

static int toJson_run(struct call *c)
{
	return to_json(c, true, NULL);
}

static int toRawJson_run(struct call *c)
{
	return to_json(c, false, NULL);
}

static int toPrettyJson_run(struct call *c)
{
	return to_json(c, true, "  ");
}

static int mustFromJson_run(struct call *c)
{
	if (!value_from_json(c->arena, c->args[0].s, c->arena->bytes + call_room(c), &c->ret))
		return call_fail(c, "no valid JSON");
	return 0;
}

static int fromJson_run(struct call *c)
{
	if (!value_from_json(c->arena, c->args[0].s, c->arena->bytes + call_room(c), &c->ret))
		c->ret = VALUE_NONE;
	return 0;
}

/* ---- types ---- */

static const char *kind_of(struct value v)
{
	switch ((enum value_kind)v.kind) {
	case VALUE_NULL:
		return "invalid";
	case VALUE_TIME:
		return "struct";
	case VALUE_LIST:
		return "slice";
	case VALUE_MAP:
		return "map";
	default:
		return value_type(v);
	}
}

static int typeOf_run(struct call *c)
{
	return call_str(c, str_c(value_type(c->args[0])));
}

static int typeIs_run(struct call *c)
{
	return call_bool(c, str_is(c->args[0].s, value_type(c->args[1])));
}

static int kindOf_run(struct call *c)
{
	return call_str(c, str_c(kind_of(c->args[0])));
}

static int kindIs_run(struct call *c)
{
	return call_bool(c, str_is(c->args[0].s, kind_of(c->args[1])));
}

static int deepEqual_run(struct call *c)
{
	return call_bool(c,
			 c->args[0].kind == c->args[1].kind && value_equal(c->args[0], c->args[1]));
}

const struct template_func template_funcs_map[] = {
	{ "dict", "v*", dict_run },
	{ "get", "vs", get_run },
	{ "set", "vsv", set_run },
	{ "unset", "vs", unset_run },
	{ "hasKey", "vs", hasKey_run },
	{ "keys", "v*", keys_run },
	{ "values", "v", values_run },
	{ "pluck", "sv*", pluck_run },
	{ "dig", "v*", dig_run },
	{ "pick", "vs*", pick_run },
	{ "omit", "vs*", omit_run },
	{ "merge", "vv*", merge_run },
	{ "mustMerge", "vv*", merge_run },
	{ "mergeOverwrite", "vv*", mergeOverwrite_run },
	{ "mustMergeOverwrite", "vv*", mergeOverwrite_run },
	{ "deepCopy", "v", deepCopy_run },
	{ "mustDeepCopy", "v", deepCopy_run },
	{ "toJson", "v", toJson_run },
	{ "mustToJson", "v", toJson_run },
	{ "toPrettyJson", "v", toPrettyJson_run },
	{ "mustToPrettyJson", "v", toPrettyJson_run },
	{ "toRawJson", "v", toRawJson_run },
	{ "mustToRawJson", "v", toRawJson_run },
	{ "fromJson", "s", fromJson_run },
	{ "mustFromJson", "s", mustFromJson_run },
	{ "typeOf", "v", typeOf_run },
	{ "typeIs", "sv", typeIs_run },
	{ "typeIsLike", "sv", typeIs_run },
	{ "kindOf", "v", kindOf_run },
	{ "kindIs", "sv", kindIs_run },
	{ "deepEqual", "vv", deepEqual_run },
	{ NULL, NULL, NULL },
};
