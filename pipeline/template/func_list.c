/* SPDX-License-Identifier: Apache-2.0 */
/* sprig's functions on lists, and what chooses among values. */
#include <stdlib.h>

#include "pipeline/template/tree.h"

/* An argument that must be a list. */
static bool want_list(struct call *c, size_t i)
{
	if (c->args[i].kind == VALUE_LIST)
		return true;
	call_fail(c, "a list is expected, got %s", value_type(c->args[i]));
	return false;
}

static struct value *new_list(struct call *c, size_t n)
{
	struct value *items;

	if (n * sizeof(*items) > call_room(c)) {
		call_fail(c, "the list is too long");
		return NULL;
	}
	c->ret = value_list(c->arena, n, &items);
	return items;
}

/* The parts of two lists one after the other. */
static int concat2(struct call *c, const struct value *a, size_t na, const struct value *b,
		   size_t nb)
{
	struct value *items = new_list(c, na + nb);

	if (!items)
		return -1;
	if (na)
		memcpy(items, a, na * sizeof(*a));
	if (nb)
		memcpy(items + na, b, nb * sizeof(*b));
	return 0;
}

static int list_run(struct call *c)
{
	return concat2(c, c->args, c->n, NULL, 0);
}

static int part(struct call *c, size_t from, size_t to)
{
	const struct value_list *list = c->args[0].list;

	return concat2(c, list->items + from, to > from ? to - from : 0, NULL, 0);
}

static int first_run(struct call *c)
{
	if (!want_list(c, 0))
		return -1;
	c->ret = c->args[0].list->n ? c->args[0].list->items[0] : VALUE_NONE;
	return 0;
}

static int last_run(struct call *c)
{
	if (!want_list(c, 0))
		return -1;
	c->ret = c->args[0].list->n ? c->args[0].list->items[c->args[0].list->n - 1] : VALUE_NONE;
	return 0;
}

static int rest_run(struct call *c)
{
	return want_list(c, 0) ? part(c, c->args[0].list->n > 0, c->args[0].list->n) : -1;
}

static int initial_run(struct call *c)
{
	return want_list(c, 0) ? part(c, 0, c->args[0].list->n - (c->args[0].list->n > 0)) : -1;
}

static int append_run(struct call *c)
{
	if (!want_list(c, 0))
		return -1;
	return concat2(c, c->args[0].list->items, c->args[0].list->n, &c->args[1], 1);
}

static int prepend_run(struct call *c)
{
	if (!want_list(c, 0))
		return -1;
	return concat2(c, &c->args[1], 1, c->args[0].list->items, c->args[0].list->n);
}

static int concat_run(struct call *c)
{
	struct value all = value_list(c->arena, 0, &(struct value *){ NULL });

	for (size_t i = 0; i < c->n; i++) {
		if (!want_list(c, i) || concat2(c, all.list->items, all.list->n,
						c->args[i].list->items, c->args[i].list->n))
			return -1;
		all = c->ret;
	}
	c->ret = all;
	return 0;
}

static int reverse_run(struct call *c)
{
	struct value *items;

	if (!want_list(c, 0) || !(items = new_list(c, c->args[0].list->n)))
		return -1;
	for (size_t i = 0; i < c->args[0].list->n; i++)
		items[i] = c->args[0].list->items[c->args[0].list->n - 1 - i];
	return 0;
}

static bool holds(const struct value *items, size_t n, struct value v)
{
	for (size_t i = 0; i < n; i++)
		if (value_equal(items[i], v))
			return true;
	return false;
}

/* The elements of args[0] that keep() wants. */
static int filter(struct call *c, bool (*keep)(const struct call *c, const struct value *kept,
					       size_t nkept, struct value v))
{
	struct value *items;
	size_t n = 0;

	if (!want_list(c, 0) || !(items = new_list(c, c->args[0].list->n)))
		return -1;
	for (size_t i = 0; i < c->args[0].list->n; i++)
		if (keep(c, items, n, c->args[0].list->items[i]))
			items[n++] = c->args[0].list->items[i];
	return concat2(c, items, n, NULL, 0);
}

static bool is_new(const struct call *c, const struct value *kept, size_t n, struct value v)
{
	(void)c;
	return !holds(kept, n, v);
}

static bool is_wanted(const struct call *c, const struct value *kept, size_t n, struct value v)
{
	(void)kept;
	(void)n;
	return !holds(c->args + 1, c->n - 1, v);
}

static bool is_not_empty(const struct call *c, const struct value *kept, size_t n, struct value v)
{
	(void)c;
	(void)kept;
	(void)n;
	return value_is_true(v);
}

/* Each is compared with each: what a sender puts into one line must not take seconds. */
#define UNIQ_MAX 8192

static int uniq_run(struct call *c)
{
	if (c->args[0].kind == VALUE_LIST && c->args[0].list->n > UNIQ_MAX)
		return call_fail(c, "more than %d elements", UNIQ_MAX);
	return filter(c, is_new);
}

static int without_run(struct call *c)
{
	return filter(c, is_wanted);
}

static int compact_run(struct call *c)
{
	return filter(c, is_not_empty);
}

static int has_run(struct call *c)
{
	if (c->args[1].kind == VALUE_NULL)
		return call_bool(c, false);
	if (!want_list(c, 1))
		return -1;
	return call_bool(c, holds(c->args[1].list->items, c->args[1].list->n, c->args[0]));
}

static int chunk_run(struct call *c)
{
	size_t size = c->args[0].i > 0 ? (size_t)c->args[0].i : 0, n, done = 0;
	struct value *chunks;

	if (!want_list(c, 1))
		return -1;
	if (!size)
		return call_fail(c, "the size must be positive");
	n = c->args[1].list->n;
	chunks = new_list(c, (n + size - 1) / size);
	if (!chunks)
		return -1;
	for (size_t i = 0; done < n; i++) {
		size_t take = n - done < size ? n - done : size;
		struct value *items;

		chunks[i] = value_list(c->arena, take, &items);
		memcpy(items, c->args[1].list->items + done, take * sizeof(*items));
		done += take;
	}
	return 0;
}

/* ---- text and lists ---- */

/* The elements as text; what is no list is one element, nil none. */
static int to_strings(struct call *c, struct value v)
{
	const struct value *from = v.kind == VALUE_LIST ? v.list->items : &v;
	size_t n = v.kind == VALUE_LIST ? v.list->n : v.kind != VALUE_NULL, kept = 0;
	struct value *items = new_list(c, n), list = c->ret;

	if (!items)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct buf *out = call_buf(c);

		if (from[i].kind == VALUE_NULL)
			continue;
		value_print(out, from[i]);
		if (call_text(c, out))
			return -1;
		items[kept++] = c->ret;
	}
	c->ret = list;
	return kept == n ? 0 : concat2(c, items, kept, NULL, 0);
}

static int toStrings_run(struct call *c)
{
	return to_strings(c, c->args[0]);
}

static int join_run(struct call *c)
{
	struct buf *out;
	struct value list;

	if (to_strings(c, c->args[1]))
		return -1;
	list = c->ret;
	out = call_buf(c);
	for (size_t i = 0; i < list.list->n; i++) {
		if (i)
			buf_str(out, c->args[0].s);
		buf_str(out, list.list->items[i].s);
	}
	return call_text(c, out);
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(((const struct value *)a)->s, ((const struct value *)b)->s);
}

static int sortAlpha_run(struct call *c)
{
	if (to_strings(c, c->args[0]))
		return -1;
	if (c->ret.list->n > 1)
		qsort(c->ret.list->items, c->ret.list->n, sizeof(struct value), by_text);
	return 0;
}

static size_t count_parts(struct str s, struct str sep, size_t most)
{
	size_t n = 1;

	while (n < most && str_find(s, sep) < s.n) {
		s = str_skip(s, str_find(s, sep) + sep.n);
		n++;
	}
	return n;
}

/* strings.SplitN with a separator that is not empty; most == 0: all. */
static int split_list(struct call *c, struct str s, struct str sep, size_t most)
{
	struct value *items;
	size_t n;

	if (!sep.n)
		return call_fail(c, "the separator is empty");
	n = count_parts(s, sep, most ? most : SIZE_MAX);
	items = new_list(c, n);
	if (!items)
		return -1;
	for (size_t i = 0; i < n; i++) {
		size_t at = i + 1 < n ? str_find(s, sep) : s.n;

		items[i] = value_str(str_sub(s, 0, at));
		s = str_skip(s, at + sep.n);
	}
	return 0;
}

static int splitList_run(struct call *c)
{
	return split_list(c, c->args[1].s, c->args[0].s, 0);
}

/* A list as a map of _0, _1, ... */
static int numbered(struct call *c)
{
	const struct value_list *list = c->ret.list;
	struct value_pair *pairs;

	if (list->n * 2 * sizeof(*pairs) > call_room(c))
		return call_fail(c, "too many parts");
	pairs = value_pairs(c->arena, list->n);
	for (size_t i = 0; i < list->n; i++)
		pairs[i] = (struct value_pair){ arena_printf(c->arena, "_%zu", i), list->items[i] };
	c->ret = value_map(c->arena, pairs, list->n);
	return 0;
}

static int split_run(struct call *c)
{
	return split_list(c, c->args[1].s, c->args[0].s, 0) ? -1 : numbered(c);
}

static int splitn_run(struct call *c)
{
	int64_t most = c->args[1].i;

	return split_list(c, c->args[2].s, c->args[0].s, most > 0 ? (size_t)most : 0) ? -1
										      : numbered(c);
}

/* ---- choosing ---- */

static int default_run(struct call *c)
{
	bool is_empty = c->n < 2 || (c->args[1].kind != VALUE_TIME && !value_is_true(c->args[1]));

	c->ret = c->args[is_empty ? 0 : 1];
	return 0;
}

static int empty_run(struct call *c)
{
	return call_bool(c, !value_is_true(c->args[0]));
}

static int coalesce_run(struct call *c)
{
	c->ret = VALUE_NONE;
	for (size_t i = 0; i < c->n && c->ret.kind == VALUE_NULL; i++)
		if (value_is_true(c->args[i]))
			c->ret = c->args[i];
	return 0;
}

static int all_run(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!value_is_true(c->args[i]))
			return call_bool(c, false);
	return call_bool(c, true);
}

static int any_run(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (value_is_true(c->args[i]))
			return call_bool(c, true);
	return call_bool(c, false);
}

static int ternary_run(struct call *c)
{
	c->ret = c->args[c->args[2].truth ? 0 : 1];
	return 0;
}

static int fail_run(struct call *c)
{
	return call_fail(c, STR_FMT, STR_ARG(c->args[0].s));
}

#define AND_MUST(name, Name, args, run)                                                            \
	{ name, args, run },                                                                       \
	{                                                                                          \
		"must" Name, args, run                                                             \
	}

const struct template_func template_funcs_list[] = {
	{ "list", "v*", list_run },
	{ "tuple", "v*", list_run },
	AND_MUST("first", "First", "v", first_run),
	AND_MUST("last", "Last", "v", last_run),
	AND_MUST("rest", "Rest", "v", rest_run),
	AND_MUST("initial", "Initial", "v", initial_run),
	AND_MUST("append", "Append", "vv", append_run),
	AND_MUST("push", "Push", "vv", append_run),
	AND_MUST("prepend", "Prepend", "vv", prepend_run),
	{ "concat", "v*", concat_run },
	AND_MUST("reverse", "Reverse", "v", reverse_run),
	AND_MUST("uniq", "Uniq", "v", uniq_run),
	AND_MUST("without", "Without", "vv*", without_run),
	AND_MUST("compact", "Compact", "v", compact_run),
	AND_MUST("has", "Has", "vv", has_run),
	AND_MUST("chunk", "Chunk", "iv", chunk_run),
	{ "toStrings", "v", toStrings_run },
	{ "join", "sv", join_run },
	{ "sortAlpha", "v", sortAlpha_run },
	{ "splitList", "ss", splitList_run },
	{ "split", "ss", split_run },
	{ "splitn", "sis", splitn_run },
	{ "default", "vv*", default_run },
	{ "empty", "v", empty_run },
	{ "coalesce", "v*", coalesce_run },
	{ "all", "v*", all_run },
	{ "any", "v*", any_run },
	{ "ternary", "vvb", ternary_run },
	{ "fail", "s", fail_run },
	{ NULL, NULL, NULL },
};
