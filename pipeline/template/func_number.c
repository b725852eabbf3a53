/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion and arithmetic, as sprig does them: whatever looks like a number is one, the rest is
 * 0. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/template/tree.h"

#define LIST_MAX 100000 /* elements that until, untilStep and seq make */

/* spf13/cast's ToInt64: base by prefix, "10.0" is 10. */
static int64_t text_to_int(struct str s)
{
	char text[80], *end;
	long long i;
	size_t dot = str_chr(s, '.'), n = dot;

	while (dot < s.n && n + 1 < s.n && s.p[n + 1] == '0')
		n++;
	if (dot < s.n && n + 1 == s.n && n > dot)
		s.n = dot;
	if (!s.n || s.n >= sizeof(text) || s.p[0] == ' ')
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	i = strtoll(text, &end, 0);
	return *end ? 0 : i;
}

static int64_t to_int(struct value v)
{
	switch ((enum value_kind)v.kind) {
	case VALUE_INT:
		return v.i;
	case VALUE_FLOAT:
		return v.f >= -9.2e18 && v.f <= 9.2e18 ? (int64_t)v.f : 0;
	case VALUE_BOOL:
		return v.truth;
	case VALUE_STRING:
		return text_to_int(v.s);
	default:
		return 0;
	}
}

static double to_float(struct value v)
{
	double x;

	switch ((enum value_kind)v.kind) {
	case VALUE_INT:
	case VALUE_FLOAT:
		return value_number(v);
	case VALUE_BOOL:
		return v.truth;
	case VALUE_STRING:
		return str_double(v.s, &x) ? x : 0;
	default:
		return 0;
	}
}

static int call_float(struct call *c, double x)
{
	c->ret = value_float(x);
	return 0;
}

/* ---- conversion ---- */

static int toString_run(struct call *c)
{
	struct buf *out;

	if (c->args[0].kind == VALUE_STRING)
		return call_str(c, c->args[0].s);
	out = call_buf(c);
	value_print(out, c->args[0]);
	return call_text(c, out);
}

static int atoi_run(struct call *c)
{
	int64_t i;

	return call_int(c, str_i64(c->args[0].s, &i) ? i : 0);
}

static int int_run(struct call *c)
{
	return call_int(c, to_int(c->args[0]));
}

static int float64_run(struct call *c)
{
	return call_float(c, to_float(c->args[0]));
}

static int toDecimal_run(struct call *c)
{
	struct buf *out = call_buf(c);
	char *end;
	long long i;

	value_print(out, c->args[0]);
	i = strtoll(buf_cstr(out), &end, 8);
	return call_int(c, *end ? 0 : i);
}

/* ---- whole numbers; overflow wraps, as in Go ---- */

static int64_t wrap_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t wrap_mul(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int add_run(struct call *c)
{
	int64_t sum = 0;

	for (size_t i = 0; i < c->n; i++)
		sum = wrap_add(sum, to_int(c->args[i]));
	return call_int(c, sum);
}

static int add1_run(struct call *c)
{
	return call_int(c, wrap_add(to_int(c->args[0]), 1));
}

static int sub_run(struct call *c)
{
	return call_int(c, (int64_t)((uint64_t)to_int(c->args[0]) - (uint64_t)to_int(c->args[1])));
}

static int mul_run(struct call *c)
{
	int64_t product = to_int(c->args[0]);

	for (size_t i = 1; i < c->n; i++)
		product = wrap_mul(product, to_int(c->args[i]));
	return call_int(c, product);
}

static int divide(struct call *c, bool want_rest)
{
	int64_t a = to_int(c->args[0]), b = to_int(c->args[1]);

	if (b == 0)
		return call_fail(c, "division by zero");
	if (b == -1)
		return call_int(c, want_rest ? 0 : wrap_mul(a, -1));
	return call_int(c, want_rest ? a % b : a / b);
}

static int div_run(struct call *c)
{
	return divide(c, false);
}

static int mod_run(struct call *c)
{
	return divide(c, true);
}

static int max_run(struct call *c)
{
	int64_t most = to_int(c->args[0]);

	for (size_t i = 1; i < c->n; i++)
		most = to_int(c->args[i]) > most ? to_int(c->args[i]) : most;
	return call_int(c, most);
}

static int min_run(struct call *c)
{
	int64_t least = to_int(c->args[0]);

	for (size_t i = 1; i < c->n; i++)
		least = to_int(c->args[i]) < least ? to_int(c->args[i]) : least;
	return call_int(c, least);
}

/* ---- numbers with a fraction ---- */

static int ceil_run(struct call *c)
{
	return call_float(c, ceil(to_float(c->args[0])));
}

static int floor_run(struct call *c)
{
	return call_float(c, floor(to_float(c->args[0])));
}

static int round_run(struct call *c)
{
	double on = c->n > 2 ? to_float(c->args[2]) : 0.5;
	double power = pow(10, (double)c->args[1].i), digit = power * to_float(c->args[0]), whole;
	double fraction = modf(digit, &whole);

	return call_float(c, (fraction >= on ? ceil(digit) : floor(digit)) / power);
}

/* sprig computes with decimals: 0.1 + 0.2 is 0.3. The decimal of each operand in a wider type, and
 * the result rounded back, comes to the same but for the last bits of extreme values. */
static long double decimal(struct value v)
{
	struct buf text = BUF_INIT;
	long double x;

	value_write_float(&text, to_float(v), true);
	x = strtold(buf_cstr(&text), NULL);
	buf_fini(&text);
	return x;
}

enum operation { OP_ADD, OP_SUB, OP_MUL, OP_DIV };

static int decimals(struct call *c, enum operation op)
{
	long double x = decimal(c->args[0]);
	char text[64];

	for (size_t i = 1; i < c->n; i++) {
		long double y = decimal(c->args[i]);

		switch (op) {
		case OP_ADD:
			x += y;
			break;
		case OP_SUB:
			x -= y;
			break;
		case OP_MUL:
			x *= y;
			break;
		case OP_DIV:
			if (y >= 0 && y <= 0)
				return call_fail(c, "division by zero");
			x /= y;
			break;
		}
	}
	snprintf(text, sizeof(text), "%.17Lg", x);
	return call_float(c, strtod(text, NULL));
}

static int addf_run(struct call *c)
{
	return decimals(c, OP_ADD);
}

static int add1f_run(struct call *c)
{
	struct value args[2] = { c->args[0], value_int(1) };

	c->args = args;
	c->n = 2;
	return decimals(c, OP_ADD);
}

static int subf_run(struct call *c)
{
	return decimals(c, OP_SUB);
}

static int mulf_run(struct call *c)
{
	return decimals(c, OP_MUL);
}

static int divf_run(struct call *c)
{
	return decimals(c, OP_DIV);
}

static int maxf_run(struct call *c)
{
	double most = to_float(c->args[0]);

	for (size_t i = 1; i < c->n; i++)
		most = fmax(most, to_float(c->args[i]));
	return call_float(c, most);
}

static int minf_run(struct call *c)
{
	double least = to_float(c->args[0]);

	for (size_t i = 1; i < c->n; i++)
		least = fmin(least, to_float(c->args[i]));
	return call_float(c, least);
}

/* ---- runs of numbers ---- */

static int count(struct call *c, int64_t from, int64_t to, int64_t by)
{
	int64_t n = 0;
	struct value *items;

	if (by > 0 && to > from)
		n = (int64_t)(((uint64_t)to - (uint64_t)from - 1) / (uint64_t)by) + 1;
	if (by < 0 && to < from)
		n = (int64_t)(((uint64_t)from - (uint64_t)to - 1) / (0 - (uint64_t)by)) + 1;
	if (n < 0 || n > LIST_MAX || (size_t)n * sizeof(*items) > call_room(c))
		return call_fail(c, "more than %d numbers", LIST_MAX);
	c->ret = value_list(c->arena, (size_t)n, &items);
	for (int64_t i = 0; i < n; i++)
		items[i] = value_int(from + i * by);
	return 0;
}

static int until_run(struct call *c)
{
	return count(c, 0, c->args[0].i, c->args[0].i < 0 ? -1 : 1);
}

static int untilStep_run(struct call *c)
{
	return count(c, c->args[0].i, c->args[1].i, c->args[2].i);
}

/* Like the command: numbers with blanks between, both ends included. */
static int seq_run(struct call *c)
{
	int64_t from = 1, by = 1, to;
	struct buf *out;
	int rc;

	if (c->n == 0 || c->n > 3)
		return call_str(c, STR(""));
	to = c->args[c->n - 1].i;
	if (c->n > 1)
		from = c->args[0].i;
	if (c->n == 3)
		by = c->args[1].i;
	else if (to < from)
		by = -1;
	rc = by ? count(c, from, by > 0 ? to + 1 : to - 1, by) : count(c, 0, 0, 1);
	if (rc)
		return rc;
	out = call_buf(c);
	for (size_t i = 0; i < c->ret.list->n; i++) {
		if (i)
			buf_ch(out, ' ');
		value_print(out, c->ret.list->items[i]);
	}
	return call_text(c, out);
}

const struct template_func template_funcs_number[] = {
	{ "toString", "v", toString_run },
	{ "atoi", "s", atoi_run },
	{ "int", "v", int_run },
	{ "int64", "v", int_run },
	{ "float64", "v", float64_run },
	{ "toDecimal", "v", toDecimal_run },
	{ "add", "v*", add_run },
	{ "add1", "v", add1_run },
	{ "sub", "vv", sub_run },
	{ "mul", "vv*", mul_run },
	{ "div", "vv", div_run },
	{ "mod", "vv", mod_run },
	{ "max", "vv*", max_run },
	{ "biggest", "vv*", max_run },
	{ "min", "vv*", min_run },
	{ "ceil", "v", ceil_run },
	{ "floor", "v", floor_run },
	{ "round", "viv*", round_run },
	{ "addf", "vv*", addf_run },
	{ "add1f", "v", add1f_run },
	{ "subf", "vv*", subf_run },
	{ "mulf", "vv*", mulf_run },
	{ "divf", "vv*", divf_run },
	{ "maxf", "vv*", maxf_run },
	{ "minf", "vv*", minf_run },
	{ "until", "i", until_run },
	{ "untilStep", "iii", untilStep_run },
	{ "seq", "i*", seq_run },
	{ NULL, NULL, NULL },
};
