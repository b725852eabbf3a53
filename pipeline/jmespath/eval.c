/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluates an expression (the interpreter of go-jmespath). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "pipeline/jmespath/tree.h"

#define STEPS_MAX 100000

bool jmespath_fail(struct jrun *run, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err_set(run->err, -EINVAL, "%s", text);
	return false;
}

bool jmespath_list(struct jrun *run, size_t n, struct value *ret, struct value **ret_items)
{
	if (run->arena->bytes > run->max_bytes ||
	    n > (run->max_bytes - run->arena->bytes) / sizeof(struct value))
		return jmespath_fail(run, "the result needs too much memory");
	*ret = value_list(run->arena, n, ret_items);
	return true;
}

bool jmespath_is_true(struct value v)
{
	switch ((enum value_kind)v.kind) {
	case VALUE_NULL:
		return false;
	case VALUE_BOOL:
		return v.truth;
	case VALUE_STRING:
		return v.s.n > 0;
	case VALUE_LIST:
		return v.list->n > 0;
	case VALUE_MAP:
		return v.map->n > 0;
	default:
		return true;
	}
}

/* Shortens a list that was made longer than it needs to be. */
static void shorten(struct value list, size_t n)
{
	((struct value_list *)(uintptr_t)list.list)->n = n;
}

static bool index_of(const struct jnode *node, struct value v, struct value *ret)
{
	int64_t i = node->numbers[0];

	*ret = VALUE_NONE;
	if (v.kind != VALUE_LIST)
		return true;
	if (i < 0)
		i += (int64_t)v.list->n;
	if (i >= 0 && (size_t)i < v.list->n)
		*ret = v.list->items[i];
	return true;
}

/* A bound of a slice, moved into what a walk in that direction can reach. */
static int64_t bound(int64_t i, int64_t n, bool is_backwards)
{
	if (i < 0) {
		i += n;
		return i >= 0 ? i : is_backwards ? -1 : 0;
	}
	return i < n ? i : is_backwards ? n - 1 : n;
}

static bool slice(struct jrun *run, const struct jnode *node, struct value v, struct value *ret)
{
	int64_t n = v.kind == VALUE_LIST ? (int64_t)v.list->n : 0;
	int64_t step = node->has[2] ? node->numbers[2] : 1, from, to, count;
	struct value *items;

	*ret = VALUE_NONE;
	if (step == 0)
		return jmespath_fail(run, "the step of a slice must not be 0");
	if (v.kind != VALUE_LIST)
		return true;
	from = step < 0 ? n - 1 : 0;
	to = step < 0 ? -1 : n;
	if (node->has[0])
		from = bound(node->numbers[0], n, step < 0);
	if (node->has[1])
		to = bound(node->numbers[1], n, step < 0);
	if (step > n || step < -n) /* any larger step means the same */
		step = step < 0 ? -n - 1 : n + 1;
	count = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
	if (!jmespath_list(run, count > 0 ? (size_t)count : 0, ret, &items))
		return false;
	for (int64_t i = 0; i < count; i++)
		items[i] = v.list->items[from + i * step];
	return true;
}

/* right for each of n items that the condition (may be NULL) lets pass; nulls are left out. */
static bool project(struct jrun *run, const struct jnode *node, const struct value *items, size_t n,
		    struct value *ret)
{
	struct value *kept, v;
	size_t nkept = 0;

	if (!jmespath_list(run, n, ret, &kept))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (node->condition) {
			if (!jmespath_eval(run, node->condition, items[i], &v))
				return false;
			if (!jmespath_is_true(v))
				continue;
		}
		if (!jmespath_eval(run, node->right, items[i], &v))
			return false;
		if (v.kind != VALUE_NULL)
			kept[nkept++] = v;
	}
	shorten(*ret, nkept);
	return true;
}

static bool project_values(struct jrun *run, const struct jnode *node, const struct value_map *map,
			   struct value *ret)
{
	struct value *items, list;

	if (!jmespath_list(run, map->n, &list, &items))
		return false;
	for (size_t i = 0; i < map->n; i++)
		items[i] = map->pairs[i].value;
	return project(run, node, items, map->n, ret);
}

static bool flatten(struct jrun *run, struct value v, struct value *ret)
{
	const struct value_list *from = v.list;
	struct value *items;
	size_t n = 0;

	for (size_t i = 0; i < from->n; i++)
		n += from->items[i].kind == VALUE_LIST ? from->items[i].list->n : 1;
	if (!jmespath_list(run, n, ret, &items))
		return false;
	for (size_t i = 0; i < from->n; i++) {
		const struct value *inner = &from->items[i];
		size_t take = 1;

		if (inner->kind == VALUE_LIST) {
			take = inner->list->n;
			inner = inner->list->items;
		}
		if (take)
			memcpy(items, inner, take * sizeof(*items));
		items += take;
	}
	return true;
}

static bool eval_list(struct jrun *run, const struct jnode *node, struct value v, struct value *ret)
{
	struct value *items;
	size_t n = 0;

	for (const struct jnode *arg = node->args; arg; arg = arg->next)
		n++;
	if (!jmespath_list(run, n, ret, &items))
		return false;
	for (const struct jnode *arg = node->args; arg; arg = arg->next)
		if (!jmespath_eval(run, arg, v, items++))
			return false;
	return true;
}

static bool eval_hash(struct jrun *run, const struct jnode *node, struct value v, struct value *ret)
{
	struct value_pair *pairs;
	size_t n = 0;

	for (const struct jnode *arg = node->args; arg; arg = arg->next)
		n++;
	pairs = value_pairs(run->arena, n);
	n = 0;
	for (const struct jnode *arg = node->args; arg; arg = arg->next) {
		pairs[n].key = arg->name;
		if (!jmespath_eval(run, arg, v, &pairs[n++].value))
			return false;
	}
	*ret = value_map(run->arena, pairs, n);
	return true;
}

static struct value compare(enum jcompare op, struct value a, struct value b)
{
	double x, y;

	if (op == J_EQ || op == J_NE)
		return value_bool(value_equal(a, b) == (op == J_EQ));
	if (!value_is_number(a) || !value_is_number(b))
		return VALUE_NONE;
	x = value_number(a);
	y = value_number(b);
	return value_bool(op == J_LT ? x < y : op == J_LE ? x <= y : op == J_GT ? x > y : x >= y);
}

/* What an argument is, and what a function wants; L and A are unions. */
static bool fits(char type, struct value v)
{
	switch (type) {
	case 's':
		return v.kind == VALUE_STRING;
	case 'n':
		return value_is_number(v);
	case 'l':
		return v.kind == VALUE_LIST;
	case 'o':
		return v.kind == VALUE_MAP;
	case 'L':
		return v.kind == VALUE_LIST || v.kind == VALUE_STRING;
	case 'A':
		return v.kind == VALUE_LIST || v.kind == VALUE_STRING || v.kind == VALUE_MAP;
	default:
		return true;
	}
}

static bool eval_call(struct jrun *run, const struct jnode *node, struct value v, struct value *ret)
{
	struct jarg args[JMESPATH_ARGS_MAX];
	const char *types = node->function->types;
	size_t n = 0;

	for (const struct jnode *arg = node->args; arg; arg = arg->next, n++) {
		args[n] = (struct jarg){ .value = VALUE_NONE, .reference = arg->left };
		if (arg->kind == J_REFERENCE)
			continue;
		if (!jmespath_eval(run, arg, v, &args[n].value))
			return false;
		if (!fits(*types, args[n].value))
			return jmespath_fail(run, "%s(): argument %zu has a wrong type",
					     node->function->name, n + 1);
		if (types[1] && types[1] != '*')
			types++;
	}
	return node->function->run(run, args, n, ret);
}

static bool eval_projection(struct jrun *run, const struct jnode *node, struct value v,
			    struct value *ret)
{
	if (!jmespath_eval(run, node->left, v, &v))
		return false;
	*ret = VALUE_NONE;
	switch (node->kind) {
	case J_VALUES:
		return v.kind != VALUE_MAP || project_values(run, node, v.map, ret);
	case J_FLATTEN:
		return v.kind != VALUE_LIST || flatten(run, v, ret);
	default:
		return v.kind != VALUE_LIST || project(run, node, v.list->items, v.list->n, ret);
	}
}

static bool eval_logic(struct jrun *run, const struct jnode *node, struct value v,
		       struct value *ret)
{
	struct value left;

	if (!jmespath_eval(run, node->left, v, &left))
		return false;
	*ret = left;
	if (node->kind == J_COMPARE) {
		if (!jmespath_eval(run, node->right, v, ret))
			return false;
		*ret = compare(node->compare, left, *ret);
	} else if (node->kind == J_NOT) {
		*ret = value_bool(!jmespath_is_true(left));
	} else if (jmespath_is_true(left) == (node->kind == J_AND)) {
		return jmespath_eval(run, node->right, v, ret);
	}
	return true;
}

bool jmespath_eval(struct jrun *run, const struct jnode *node, struct value v, struct value *ret)
{
	if (++run->steps > STEPS_MAX)
		return jmespath_fail(run, "the expression takes too many steps");
	switch (node->kind) {
	case J_CURRENT:
		*ret = v;
		return true;
	case J_FIELD:
		*ret = value_get(v, node->name, NULL);
		return true;
	case J_INDEX:
		return index_of(node, v, ret);
	case J_SLICE:
		return slice(run, node, v, ret);
	case J_SUB:
	case J_PIPE:
		return jmespath_eval(run, node->left, v, &v) &&
		       jmespath_eval(run, node->right, v, ret);
	case J_PROJECTION:
	case J_VALUES:
	case J_FILTER:
	case J_FLATTEN:
		return eval_projection(run, node, v, ret);
	case J_LIST:
	case J_HASH:
		*ret = VALUE_NONE;
		if (v.kind == VALUE_NULL)
			return true;
		return node->kind == J_LIST ? eval_list(run, node, v, ret)
					    : eval_hash(run, node, v, ret);
	case J_OR:
	case J_AND:
	case J_NOT:
	case J_COMPARE:
		return eval_logic(run, node, v, ret);
	case J_LITERAL:
		*ret = node->literal;
		return true;
	case J_FUNCTION:
		return eval_call(run, node, v, ret);
	case J_REFERENCE:
		*ret = VALUE_NONE;
		return true;
	}
	return true;
}

bool jmespath_search(const struct jmespath *j, struct value doc, struct arena *arena,
		     size_t max_bytes, struct value *ret, struct err *err)
{
	struct jrun run = { .arena = arena, .err = err, .max_bytes = max_bytes };

	return jmespath_eval(&run, j->root, doc, ret);
}
