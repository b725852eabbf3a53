/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that text/template has by itself, and the table of all others. */
#include <math.h>

#include "lib/check.h"
#include "lib/utf8.h"
#include "pipeline/template/tree.h"

/* Not called: run.c evaluates their arguments one by one. */
static int logic_run(struct call *c)
{
	c->ret = c->args[c->n - 1];
	return 0;
}

const struct template_func template_func_and = { "and", "vv*", logic_run };
const struct template_func template_func_or = { "or", "vv*", logic_run };

static int not_run(struct call *c)
{
	return call_bool(c, !value_is_true(c->args[0]));
}

static int len_run(struct call *c)
{
	struct value v = c->args[0];

	if (v.kind == VALUE_STRING)
		return call_int(c, (int64_t)v.s.n);
	if (v.kind == VALUE_LIST)
		return call_int(c, (int64_t)v.list->n);
	if (v.kind == VALUE_MAP)
		return call_int(c, (int64_t)v.map->n);
	return call_fail(c, "len of type %s", value_type(v));
}

static int index_one(struct call *c, struct value of, struct value key)
{
	if (of.kind == VALUE_MAP && key.kind == VALUE_STRING) {
		c->ret = value_get(of, key.s, NULL);
		return 0;
	}
	if ((of.kind != VALUE_LIST && of.kind != VALUE_STRING) || key.kind != VALUE_INT)
		return call_fail(c, "can't index item of type %s with %s", value_type(of),
				 value_type(key));
	if (key.i < 0 || (size_t)key.i >= (of.kind == VALUE_LIST ? of.list->n : of.s.n))
		return call_fail(c, "index out of range: %lld", (long long)key.i);
	c->ret = of.kind == VALUE_LIST ? of.list->items[key.i]
				       : value_int((unsigned char)of.s.p[key.i]);
	return 0;
}

static int index_run(struct call *c)
{
	struct value v = c->args[0];

	c->ret = v;
	for (size_t i = 1; i < c->n; i++) {
		int rc;

		if (v.kind == VALUE_NULL)
			return call_fail(c, "index of untyped nil");
		rc = index_one(c, v, c->args[i]);
		if (rc)
			return rc;
		v = c->ret;
	}
	return 0;
}

static int slice_run(struct call *c)
{
	struct value v = c->args[0];
	size_t n = v.kind == VALUE_STRING ? v.s.n : v.kind == VALUE_LIST ? v.list->n : 0;
	int64_t bounds[2] = { 0, (int64_t)n };
	struct value *items;

	if (v.kind != VALUE_STRING && v.kind != VALUE_LIST)
		return call_fail(c, "can't slice item of type %s", value_type(v));
	if (c->n > 3)
		return call_fail(c, "takes a value and two numbers");
	for (size_t i = 1; i < c->n; i++) {
		if (c->args[i].kind != VALUE_INT)
			return call_fail(c, "can't index with %s", value_type(c->args[i]));
		bounds[i - 1] = c->args[i].i;
	}
	if (bounds[0] < 0 || bounds[1] > (int64_t)n || bounds[0] > bounds[1])
		return call_fail(c, "index out of range");
	if (v.kind == VALUE_STRING)
		return call_str(c, str_sub(v.s, (size_t)bounds[0], (size_t)bounds[1]));
	c->ret = value_list(c->arena, (size_t)(bounds[1] - bounds[0]), &items);
	for (size_t i = 0; i < c->ret.list->n; i++)
		items[i] = v.list->items[(size_t)bounds[0] + i];
	return 0;
}

/* Blanks stand between operands of which neither is a string, as fmt.Print has it. */
static int print_run(struct call *c)
{
	struct buf *out = call_buf(c);

	for (size_t i = 0; i < c->n; i++) {
		if (i && c->args[i - 1].kind != VALUE_STRING && c->args[i].kind != VALUE_STRING)
			buf_ch(out, ' ');
		value_print(out, c->args[i]);
	}
	return call_text(c, out);
}

static int println_run(struct call *c)
{
	struct buf *out = call_buf(c);

	for (size_t i = 0; i < c->n; i++) {
		if (i)
			buf_ch(out, ' ');
		value_print(out, c->args[i]);
	}
	buf_ch(out, '\n');
	return call_text(c, out);
}

static int printf_run(struct call *c)
{
	struct buf *out = call_buf(c);

	template_printf(out, c->args[0].s, c->args + 1, c->n - 1);
	return call_text(c, out);
}

/* All arguments as one text, as print would join them; what is not there as an action shows it. */
static struct str joined(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->args[i].kind == VALUE_NULL)
			c->args[i] = value_str(STR("<no value>"));
	if (c->n == 1 && c->args[0].kind == VALUE_STRING)
		return c->args[0].s;
	return print_run(c) == 0 ? c->ret.s : STR("");
}

static int html_run(struct call *c)
{
	struct str s = joined(c);
	struct buf *out = call_buf(c);

	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '<':
			buf_c(out, "&lt;");
			break;
		case '>':
			buf_c(out, "&gt;");
			break;
		case '&':
			buf_c(out, "&amp;");
			break;
		case '"':
			buf_c(out, "&#34;");
			break;
		case '\'':
			buf_c(out, "&#39;");
			break;
		case 0:
			buf_c(out, "\xef\xbf\xbd");
			break;
		default:
			buf_ch(out, s.p[i]);
		}
	}
	return call_text(c, out);
}

static int js_run(struct call *c)
{
	struct str s = joined(c);
	struct buf *out = call_buf(c);

	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (b == '\\' || b == '\'' || b == '"')
			buf_printf(out, "\\%c", b);
		else if (b < ' ' || b == '<' || b == '>' || b == '&' || b == '=')
			buf_printf(out, "\\u%04X", b);
		else
			buf_ch(out, (char)b);
	}
	return call_text(c, out);
}

static int urlquery_run(struct call *c)
{
	struct str s = joined(c);
	struct buf *out = call_buf(c);

	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (b == ' ')
			buf_ch(out, '+');
		else if ((b | 32) >= 'a' && (b | 32) <= 'z')
			buf_ch(out, (char)b);
		else if ((b >= '0' && b <= '9') || b == '-' || b == '_' || b == '.' || b == '~')
			buf_ch(out, (char)b);
		else
			buf_printf(out, "%%%02X", b);
	}
	return call_text(c, out);
}

/* ---- comparison ---- */

static int equal(struct call *c, struct value a, struct value b, bool *ret)
{
	bool is_null = a.kind == VALUE_NULL || b.kind == VALUE_NULL;

	*ret = false;
	if (a.kind == VALUE_LIST || a.kind == VALUE_MAP || b.kind == VALUE_LIST ||
	    b.kind == VALUE_MAP)
		return call_fail(c, "non-comparable type %s",
				 value_type(a.kind == VALUE_LIST || a.kind == VALUE_MAP ? a : b));
	if (a.kind != b.kind && !is_null)
		return call_fail(c, "incompatible types for comparison");
	*ret = value_equal(a, b);
	return 0;
}

static int eq_run(struct call *c)
{
	bool is_equal = false;

	for (size_t i = 1; i < c->n && !is_equal; i++) {
		int rc = equal(c, c->args[0], c->args[i], &is_equal);

		if (rc)
			return rc;
	}
	return call_bool(c, is_equal);
}

static int ne_run(struct call *c)
{
	bool is_equal;
	int rc = equal(c, c->args[0], c->args[1], &is_equal);

	return rc ? rc : call_bool(c, !is_equal);
}

static int order(struct call *c, int *ret)
{
	struct value a = c->args[0], b = c->args[1];
	bool is_fine;

	*ret = value_cmp(a, b, &is_fine);
	if (!is_fine || a.kind != b.kind)
		return call_fail(c, a.kind == b.kind ? "invalid type for comparison"
						     : "incompatible types for comparison");
	return 0;
}

static int lt_run(struct call *c)
{
	int o, rc = order(c, &o);

	return rc ? rc : call_bool(c, o < 0);
}

static int le_run(struct call *c)
{
	int o, rc = order(c, &o);

	return rc ? rc : call_bool(c, o <= 0);
}

static int gt_run(struct call *c)
{
	int o, rc = order(c, &o);

	return rc ? rc : call_bool(c, o > 0);
}

static int ge_run(struct call *c)
{
	int o, rc = order(c, &o);

	return rc ? rc : call_bool(c, o >= 0);
}

const struct template_func template_funcs_basic[] = {
	{ "not", "v", not_run },
	{ "len", "v", len_run },
	{ "index", "vv*", index_run },
	{ "slice", "vv*", slice_run },
	{ "print", "v*", print_run },
	{ "println", "v*", println_run },
	{ "printf", "sv*", printf_run },
	{ "html", "v*", html_run },
	{ "js", "v*", js_run },
	{ "urlquery", "v*", urlquery_run },
	{ "eq", "vvv*", eq_run },
	{ "ne", "vv", ne_run },
	{ "lt", "vv", lt_run },
	{ "le", "vv", le_run },
	{ "gt", "vv", gt_run },
	{ "ge", "vv", ge_run },
	{ NULL, NULL, NULL },
};

/* ---- the table of tables ---- */

static const struct template_func *const tables[] = {
	template_funcs_basic, template_funcs_text, template_funcs_regex, template_funcs_number,
	template_funcs_list,  template_funcs_map,  template_funcs_time,  template_funcs_code,
};

#define REFUSED_RANDOM                                                                             \
	"it gives another text each time, and a line that is read again must stay the same"
#define REFUSED_KEYS "log lines need no keys or certificates"
#define REFUSED_HOST "templates have no access to the environment, files or network"
#define REFUSED_RARE "nobody asked for it so far"

static const struct {
	const char *name, *why;
} refused[] = {
	{ "call", "no value of a record is a function" },
	{ "uuidv4", REFUSED_RANDOM },
	{ "randAlphaNum", REFUSED_RANDOM },
	{ "randAlpha", REFUSED_RANDOM },
	{ "randAscii", REFUSED_RANDOM },
	{ "randNumeric", REFUSED_RANDOM },
	{ "randInt", REFUSED_RANDOM },
	{ "randBytes", REFUSED_RANDOM },
	{ "shuffle", REFUSED_RANDOM },
	{ "bcrypt", REFUSED_RANDOM },
	{ "htpasswd", REFUSED_RANDOM },
	{ "encryptAES", REFUSED_RANDOM },
	{ "decryptAES", REFUSED_KEYS },
	{ "derivePassword", REFUSED_KEYS },
	{ "genPrivateKey", REFUSED_KEYS },
	{ "genCA", REFUSED_KEYS },
	{ "genCAWithKey", REFUSED_KEYS },
	{ "genSelfSignedCert", REFUSED_KEYS },
	{ "genSelfSignedCertWithKey", REFUSED_KEYS },
	{ "genSignedCert", REFUSED_KEYS },
	{ "genSignedCertWithKey", REFUSED_KEYS },
	{ "buildCustomCert", REFUSED_KEYS },
	{ "env", REFUSED_HOST },
	{ "expandenv", REFUSED_HOST },
	{ "getHostByName", REFUSED_HOST },
	{ "snakecase", REFUSED_RARE },
	{ "camelcase", REFUSED_RARE },
	{ "kebabcase", REFUSED_RARE },
	{ "wrap", REFUSED_RARE },
	{ "wrapWith", REFUSED_RARE },
	{ "semver", REFUSED_RARE },
	{ "semverCompare", REFUSED_RARE },
	{ "urlParse", REFUSED_RARE },
	{ "urlJoin", REFUSED_RARE },
	{ "durationRound", REFUSED_RARE },
};

const struct template_func *template_func_find(struct str name, const char **ret_why)
{
	if (str_is(name, "and"))
		return &template_func_and;
	if (str_is(name, "or"))
		return &template_func_or;
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct template_func *f = tables[t]; f->name; f++)
			if (str_is(name, f->name))
				return f;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (str_is(name, refused[i].name))
			*ret_why = refused[i].why;
	return NULL;
}

const char *template_func_nearest(struct str name)
{
	const char *nearest = NULL;
	size_t best = 3;

	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (const struct template_func *f = tables[t]; f->name; f++) {
			size_t distance = str_distance(name, str_c(f->name), best);

			if (distance < best) {
				best = distance;
				nearest = f->name;
			}
		}
	}
	return nearest;
}
