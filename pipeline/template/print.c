/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text: Go's fmt. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/civil.h"
#include "lib/clock.h"
#include "lib/utf8.h"
#include "pipeline/template/tree.h"

#define PRINT_DEPTH_MAX (2 * VALUE_DEPTH_MAX)
#define WIDTH_MAX 10000 /* of one verb; Go's own limit is a million */

bool value_is_true(struct value v)
{
	switch ((enum value_kind)v.kind) {
	case VALUE_BOOL:
		return v.truth;
	case VALUE_INT:
		return v.i != 0;
	case VALUE_FLOAT:
		return v.f < 0 || v.f > 0 || isnan(v.f);
	case VALUE_STRING:
		return v.s.n > 0;
	case VALUE_LIST:
		return v.list->n > 0;
	case VALUE_MAP:
		return v.map->n > 0;
	case VALUE_TIME:
		return true;
	default:
		return false;
	}
}

const char *value_type(struct value v)
{
	static const char *const names[] = {
		[VALUE_NULL] = "<nil>",
		[VALUE_BOOL] = "bool",
		[VALUE_INT] = "int",
		[VALUE_FLOAT] = "float64",
		[VALUE_STRING] = "string",
		[VALUE_TIME] = "time.Time",
		[VALUE_LIST] = "[]interface {}",
		[VALUE_MAP] = "map[string]interface {}",
	};

	return names[v.kind];
}

/* As Go's Time.String() in UTC. */
static void print_time(struct buf *out, int64_t time_ns)
{
	int64_t s = time_ns / NS_PER_S, ns = time_ns % NS_PER_S, year, day;
	char fraction[10];
	int month, digits = 9;

	if (ns < 0) {
		ns += NS_PER_S;
		s--;
	}
	year = civil_year(s, &month);
	day = (s - (s % S_PER_DAY + S_PER_DAY) % S_PER_DAY) / S_PER_DAY -
	      civil_days(year, month, 1) + 1;
	s = (s % S_PER_DAY + S_PER_DAY) % S_PER_DAY;
	buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", (int)year, month, (int)day,
		   (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	snprintf(fraction, sizeof(fraction), "%09d", (int)ns);
	while (digits && fraction[digits - 1] == '0')
		digits--;
	if (digits)
		buf_printf(out, ".%.*s", digits, fraction);
	buf_c(out, " +0000 UTC");
}

static void print(struct buf *out, struct value v, unsigned depth)
{
	if (depth > PRINT_DEPTH_MAX || out->is_cut)
		return;
	switch ((enum value_kind)v.kind) {
	case VALUE_NULL:
		buf_c(out, "<nil>");
		break;
	case VALUE_BOOL:
		buf_c(out, v.truth ? "true" : "false");
		break;
	case VALUE_INT:
		buf_printf(out, "%lld", (long long)v.i);
		break;
	case VALUE_FLOAT:
		value_write_float(out, v.f, true);
		break;
	case VALUE_STRING:
		buf_str(out, v.s);
		break;
	case VALUE_TIME:
		print_time(out, v.i);
		break;
	case VALUE_LIST:
		buf_ch(out, '[');
		for (size_t i = 0; i < v.list->n; i++) {
			if (i)
				buf_ch(out, ' ');
			print(out, v.list->items[i], depth + 1);
		}
		buf_ch(out, ']');
		break;
	case VALUE_MAP:
		buf_c(out, "map[");
		for (size_t i = 0; i < v.map->n; i++) {
			if (i)
				buf_ch(out, ' ');
			buf_str(out, v.map->pairs[i].key);
			buf_ch(out, ':');
			print(out, v.map->pairs[i].value, depth + 1);
		}
		buf_ch(out, ']');
		break;
	}
}

void value_print(struct buf *out, struct value v)
{
	print(out, v, 0);
}

/* ---- %q ---- */

/* Control characters, separators and marks that nobody can see are escaped, as strconv does for
 * what unicode.IsPrint refuses; a few blocks instead of Unicode's tables. */
static bool is_printable(uint32_t c)
{
	return c >= 0xa1 && c != 0xad && !(c >= 0x2000 && c <= 0x200f) &&
	       !(c >= 0x2028 && c <= 0x202f) && !(c >= 0x205f && c <= 0x206f) && c != 0x3000 &&
	       c != 0xfeff && !(c >= 0xe000 && c <= 0xf8ff) && !(c >= 0xfff0 && c <= 0xfffb) &&
	       (c & 0xfffe) != 0xfffe && c < 0xf0000;
}

static void quote_byte(struct buf *out, char c, char quote)
{
	static const char from[] = "\a\b\f\n\r\t\v", to[] = "abfnrtv";
	const char *hit = c ? strchr(from, c) : NULL;

	if (c == quote || c == '\\')
		buf_printf(out, "\\%c", c);
	else if (hit)
		buf_printf(out, "\\%c", to[hit - from]);
	else if (c >= ' ' && c < 0x7f)
		buf_ch(out, c);
	else
		buf_printf(out, "\\x%02x", (unsigned char)c);
}

static void quote(struct buf *out, struct str s, char mark)
{
	buf_ch(out, mark);
	while (s.n) {
		size_t n = utf8_valid_char(s);
		uint32_t c = utf8_code(s, n);

		if (n <= 1)
			quote_byte(out, s.p[0], mark);
		else if (is_printable(c))
			buf_put(out, s.p, n);
		else
			buf_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
		s = str_skip(s, n ? n : 1);
	}
	buf_ch(out, mark);
}

void value_quote(struct buf *out, struct str s)
{
	quote(out, s, '"');
}

/* ---- Printf ---- */

struct verb {
	bool minus, plus, sharp, space, zero, has_precision;
	int width, precision;
	char verb;
};

static size_t count_runes(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; n++) {
		size_t took = utf8_valid_char(str_skip(s, i));

		i += took ? took : 1;
	}
	return n;
}

static void pad(struct buf *out, const struct verb *v, struct str text)
{
	size_t n = count_runes(text), width = (size_t)v->width;
	char fill = v->zero && !v->minus ? '0' : ' ';

	if (!v->minus) {
		if (fill == '0' && text.n && (text.p[0] == '-' || text.p[0] == '+')) {
			buf_ch(out, text.p[0]);
			text = str_skip(text, 1);
		}
		for (; n < width; n++)
			buf_ch(out, fill);
	}
	buf_str(out, text);
	for (; n < width; n++)
		buf_ch(out, ' ');
}

static void bad_verb(struct buf *out, char verb, struct value v)
{
	buf_printf(out, "%%!%c(", verb);
	if (v.kind == VALUE_NULL) {
		buf_c(out, "<nil>)");
		return;
	}
	buf_c(out, value_type(v));
	buf_ch(out, '=');
	value_print(out, v);
	buf_ch(out, ')');
}

static void put_base(struct buf *out, uint64_t u, unsigned base, bool is_upper)
{
	char digits[65], *p = digits + sizeof(digits);
	const char *set = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";

	do {
		*--p = set[u % base];
		u /= base;
	} while (u);
	buf_put(out, p, (size_t)(digits + sizeof(digits) - p));
}

static bool format_int(struct buf *out, const struct verb *v, int64_t i)
{
	uint64_t u = i < 0 ? -(uint64_t)i : (uint64_t)i;
	char utf8[4];

	if (v->verb == 'c' || v->verb == 'q' || v->verb == 'U') {
		uint32_t c =
			u > 0x10ffff || (u >= 0xd800 && u < 0xe000) || i < 0 ? 0xfffd : (uint32_t)u;
		size_t n = utf8_encode(c, utf8);

		if (v->verb == 'U')
			buf_printf(out, "U+%04llX", (unsigned long long)u);
		else if (v->verb == 'q')
			quote(out, str_make(utf8, n), '\'');
		else
			buf_put(out, utf8, n);
		return true;
	}
	if (!strchr("dvboOxX", v->verb))
		return false;
	if (i < 0)
		buf_ch(out, '-');
	else if (v->plus || v->space)
		buf_ch(out, v->plus ? '+' : ' ');
	if (v->verb == 'O' || (v->sharp && strchr("xXbo", v->verb)))
		buf_c(out, v->verb == 'x'   ? "0x"
			   : v->verb == 'X' ? "0X"
			   : v->verb == 'b' ? "0b"
			   : v->verb == 'O' ? "0o"
					    : "0");
	put_base(out, u,
		 (v->verb | 32) == 'x'   ? 16
		 : v->verb == 'b'        ? 2
		 : (v->verb | 32) == 'o' ? 8
					 : 10,
		 v->verb == 'X');
	return true;
}

static bool format_float(struct buf *out, const struct verb *v, double x)
{
	char text[512], format[16];

	if (!strchr("eEfFgGv", v->verb))
		return false;
	if (isnan(x) || isinf(x) || ((v->verb | 32) == 'g' && !v->has_precision) ||
	    v->verb == 'v') {
		if (v->plus && !(x < 0) && !isinf(x))
			buf_ch(out, '+');
		size_t from = out->n;

		value_write_float(out, x, true);
		for (size_t i = from; v->verb == 'G' && i < out->n; i++)
			if (out->p[i] == 'e')
				out->p[i] = 'E';
		return true;
	}
	snprintf(format, sizeof(format), "%%%s.*%c", v->plus ? "+" : v->space ? " " : "", v->verb);
	/* The format is made of the four characters above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), format,
		 v->has_precision ? (v->precision > 100 ? 100 : v->precision) : 6, x);
#pragma GCC diagnostic pop
	buf_c(out, text);
	return true;
}

static bool format_str(struct buf *out, const struct verb *v, struct str s)
{
	if (v->has_precision && (v->verb == 's' || v->verb == 'v' || v->verb == 'q')) {
		size_t n = 0;

		for (int i = 0; i < v->precision && n < s.n; i++) {
			size_t took = utf8_valid_char(str_skip(s, n));

			n += took ? took : 1;
		}
		s = str_sub(s, 0, n);
	}
	if (v->verb == 's' || v->verb == 'v') {
		if (v->verb == 'v' && v->sharp)
			quote(out, s, '"');
		else
			buf_str(out, s);
	} else if (v->verb == 'q' && v->sharp && str_chr(s, '`') == s.n &&
		   str_chr(s, '\n') == s.n) {
		buf_ch(out, '`');
		buf_str(out, s);
		buf_ch(out, '`');
	} else if (v->verb == 'q') {
		quote(out, s, '"');
	} else if ((v->verb | 32) == 'x') {
		for (size_t i = 0; i < s.n; i++)
			buf_printf(out, v->verb == 'x' ? "%02x" : "%02X", (unsigned char)s.p[i]);
	} else {
		return false;
	}
	return true;
}

static void format_one(struct buf *out, const struct verb *verb, struct value v)
{
	struct buf text = BUF_INIT;
	struct verb plain = *verb;
	bool is_fine;

	text.max = TEMPLATE_OUTPUT_MAX;
	switch ((enum value_kind)v.kind) {
	case VALUE_INT:
		is_fine = format_int(&text, verb, v.i);
		break;
	case VALUE_FLOAT:
		is_fine = format_float(&text, verb, v.f);
		break;
	case VALUE_STRING:
		is_fine = format_str(&text, verb, v.s);
		break;
	case VALUE_BOOL:
		is_fine = verb->verb == 't' || verb->verb == 'v';
		value_print(&text, v);
		break;
	case VALUE_NULL:
		is_fine = verb->verb == 'v';
		value_print(&text, v);
		break;
	default:
		is_fine = verb->verb == 'v' || verb->verb == 's';
		value_print(&text, v);
		break;
	}
	if (verb->verb == 'T') {
		buf_clear(&text);
		buf_c(&text, value_type(v));
		is_fine = true;
	}
	if (!is_fine) {
		buf_clear(&text);
		bad_verb(&text, verb->verb, v);
	}
	pad(out, &plain, buf_as_str(&text));
	buf_fini(&text);
}

struct arguments {
	const struct value *values;
	size_t n, next;
};

static bool next_int(struct arguments *a, int *ret)
{
	if (a->next >= a->n || a->values[a->next].kind != VALUE_INT ||
	    llabs(a->values[a->next].i) > WIDTH_MAX)
		return false;
	*ret = (int)a->values[a->next++].i;
	return true;
}

/* Digits, or * for the next argument. */
static bool read_count(struct str *rest, struct arguments *a, int *ret)
{
	*ret = 0;
	if (rest->n && rest->p[0] == '*') {
		*rest = str_skip(*rest, 1);
		return next_int(a, ret);
	}
	while (rest->n && isdigit((unsigned char)rest->p[0])) {
		*ret = *ret * 10 + rest->p[0] - '0';
		if (*ret > WIDTH_MAX)
			*ret = WIDTH_MAX;
		*rest = str_skip(*rest, 1);
	}
	return true;
}

static void read_flags(struct str *rest, struct verb *v)
{
	for (; rest->n; *rest = str_skip(*rest, 1)) {
		switch (rest->p[0]) {
		case '-':
			v->minus = true;
			break;
		case '+':
			v->plus = true;
			break;
		case '#':
			v->sharp = true;
			break;
		case ' ':
			v->space = true;
			break;
		case '0':
			v->zero = true;
			break;
		default:
			return;
		}
	}
}

/* One verb, behind its %. */
static struct str format_verb(struct buf *out, struct str rest, struct arguments *a)
{
	struct verb v = { 0 };

	read_flags(&rest, &v);
	if (!read_count(&rest, a, &v.width))
		buf_c(out, "%!(BADWIDTH)");
	if (v.width < 0) {
		v.minus = true;
		v.width = -v.width;
	}
	if (rest.n && rest.p[0] == '.') {
		rest = str_skip(rest, 1);
		v.has_precision = true;
		if (!read_count(&rest, a, &v.precision) || v.precision < 0) {
			buf_c(out, "%!(BADPREC)");
			v.has_precision = false;
		}
	}
	if (!rest.n) {
		buf_c(out, "%!(NOVERB)");
		return rest;
	}
	v.verb = rest.p[0];
	if (v.verb == '%')
		buf_ch(out, '%');
	else if (a->next >= a->n)
		buf_printf(out, "%%!%c(MISSING)", v.verb);
	else
		format_one(out, &v, a->values[a->next++]);
	return str_skip(rest, 1);
}

void template_printf(struct buf *out, struct str format, const struct value *args, size_t n)
{
	struct arguments a = { args, n, 0 };

	while (format.n) {
		size_t percent = str_chr(format, '%');

		buf_str(out, str_sub(format, 0, percent));
		format = str_skip(format, percent);
		if (format.n)
			format = format_verb(out, str_skip(format, 1), &a);
	}
	if (a.next >= a.n)
		return;
	buf_c(out, "%!(EXTRA ");
	for (size_t i = a.next; i < n; i++) {
		if (i > a.next)
			buf_c(out, ", ");
		buf_c(out, value_type(args[i]));
		if (args[i].kind != VALUE_NULL) {
			buf_ch(out, '=');
			value_print(out, args[i]);
		}
	}
	buf_ch(out, ')');
}
