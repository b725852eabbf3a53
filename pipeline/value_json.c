/* SPDX-License-Identifier: Apache-2.0 */
/* Run-time values from JSON and to JSON, as Go's encoding/json has them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "lib/rfc3339.h"
#include "lib/utf8.h"
#include "pipeline/json.h"
#include "pipeline/value.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- reading ---- */

#define STACK_ROOM 64

/* Members of open objects and arrays wait on a stack until their number is known. */
struct reader {
	struct arena *arena;
	struct str rest;
	size_t max_bytes;
	struct value_pair *stack; /* room, or on the heap */
	size_t n, cap;
	struct value_pair room[STACK_ROOM];
};

static void skip_space(struct reader *r)
{
	size_t i = 0;

	while (i < r->rest.n && (r->rest.p[i] == ' ' || r->rest.p[i] == '\t' ||
				 r->rest.p[i] == '\n' || r->rest.p[i] == '\r'))
		i++;
	r->rest = str_skip(r->rest, i);
}

static bool eat(struct reader *r, char c)
{
	skip_space(r);
	if (!r->rest.n || r->rest.p[0] != c)
		return false;
	r->rest = str_skip(r->rest, 1);
	return true;
}

static bool eat_word(struct reader *r, struct str word)
{
	if (!str_starts(r->rest, word))
		return false;
	r->rest = str_skip(r->rest, word.n);
	return true;
}

/* r->rest stands behind the opening quote. */
static bool read_string(struct reader *r, struct str *ret)
{
	bool is_escaped;

	if (!json_string(r->rest, ret, &is_escaped))
		return false;
	r->rest = str_skip(r->rest, ret->n + 1);
	if (is_escaped)
		*ret = json_unescape(*ret, arena_bytes(r->arena, ret->n));
	else
		*ret = arena_dup(r->arena, *ret);
	return true;
}

static size_t digits_at(struct str s, size_t i)
{
	size_t from = i;

	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i - from;
}

static char byte_at(struct str s, size_t i)
{
	return i < s.n ? s.p[i] : 0;
}

/* RFC 8259 section 6. */
static size_t number_length(struct str s)
{
	size_t i = byte_at(s, 0) == '-', n = digits_at(s, i);

	if (n == 0 || (n > 1 && s.p[i] == '0'))
		return 0;
	i += n;
	if (byte_at(s, i) == '.') {
		n = digits_at(s, i + 1);
		if (n == 0)
			return 0;
		i += 1 + n;
	}
	if ((byte_at(s, i) | 32) == 'e') {
		i++;
		i += byte_at(s, i) == '+' || byte_at(s, i) == '-';
		n = digits_at(s, i);
		if (n == 0)
			return 0;
		i += n;
	}
	return i;
}

static bool read_number(struct reader *r, struct value *ret)
{
	size_t n = number_length(r->rest);
	double x;

	if (n == 0 || !str_double(str_sub(r->rest, 0, n), &x) || !isfinite(x))
		return false;
	r->rest = str_skip(r->rest, n);
	*ret = value_float(x);
	return true;
}

static bool read_value(struct reader *r, unsigned depth, struct value *ret);

static bool push(struct reader *r, struct value_pair pair)
{
	if (r->arena->bytes + r->cap * sizeof(*r->stack) > r->max_bytes)
		return false;
	if (r->n == r->cap) {
		struct value_pair *old = r->stack == r->room ? NULL : r->stack;

		r->cap *= 2;
		r->stack = mem_realloc(old, r->cap * sizeof(*r->stack));
		if (!old)
			memcpy(r->stack, r->room, sizeof(r->room));
	}
	r->stack[r->n++] = pair;
	return true;
}

static bool read_members(struct reader *r, unsigned depth, char close)
{
	if (eat(r, close))
		return true;
	do {
		struct value_pair pair = { 0 };

		if (close == '}' && (!eat(r, '"') || !read_string(r, &pair.key) || !eat(r, ':')))
			return false;
		if (!read_value(r, depth + 1, &pair.value) || !push(r, pair))
			return false;
	} while (eat(r, ','));
	return eat(r, close);
}

static bool read_container(struct reader *r, unsigned depth, char close, struct value *ret)
{
	size_t from = r->n, n;

	if (depth >= VALUE_DEPTH_MAX || !read_members(r, depth, close))
		return false;
	n = r->n - from;
	if (close == '}') {
		struct value_pair *pairs = value_pairs(r->arena, n);

		if (n)
			memcpy(pairs, r->stack + from, n * sizeof(*pairs));
		*ret = value_map(r->arena, pairs, n);
	} else {
		struct value *items;

		*ret = value_list(r->arena, n, &items);
		for (size_t i = 0; i < n; i++)
			items[i] = r->stack[from + i].value;
	}
	r->n = from;
	return true;
}

static bool read_value(struct reader *r, unsigned depth, struct value *ret)
{
	struct str text;

	*ret = VALUE_NONE;
	if (eat(r, '{'))
		return read_container(r, depth, '}', ret);
	if (eat(r, '['))
		return read_container(r, depth, ']', ret);
	if (eat(r, '"')) {
		if (!read_string(r, &text))
			return false;
		*ret = value_str(text);
		return true;
	}
	if (eat_word(r, STR("true"))) {
		*ret = value_bool(true);
		return true;
	}
	if (eat_word(r, STR("false"))) {
		*ret = value_bool(false);
		return true;
	}
	return eat_word(r, STR("null")) || read_number(r, ret);
}

bool value_from_json(struct arena *a, struct str doc, size_t max_bytes, struct value *ret)
{
	struct reader r; /* not zeroed: its room is large */
	bool is_fine;

	r.arena = a;
	r.rest = doc;
	r.max_bytes = max_bytes;
	r.stack = r.room;
	r.n = 0;
	r.cap = STACK_ROOM;
	is_fine = read_value(&r, 0, ret);
	skip_space(&r);
	if (r.stack != r.room)
		mem_free(r.stack);
	return is_fine && r.rest.n == 0;
}

/* ---- writing ---- */

int value_shortest(double x, char digits[20], int *ret_point)
{
	char text[40];
	int n = 0, precision = x < 2.2250738585072014e-308 ? 1 : 15; /* denormals have fewer */

	for (; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision - 1, x);
		if (strtod(text, NULL) >= x && strtod(text, NULL) <= x)
			break;
	}
	for (const char *p = text; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	*ret_point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	return n;
}

void value_write_float(struct buf *out, double x, bool may_have_exponent)
{
	char digits[20];
	int n, point;

	if (!isfinite(x)) {
		buf_c(out, isnan(x) ? "NaN" : x > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (signbit(x))
		buf_ch(out, '-');
	x = fabs(x);
	if (x <= 0) {
		buf_ch(out, '0');
		return;
	}
	n = value_shortest(x, digits, &point);
	if (may_have_exponent && (point < -3 || point > 6)) {
		buf_ch(out, digits[0]);
		if (n > 1)
			buf_ch(out, '.');
		buf_put(out, digits + 1, (size_t)n - 1);
		buf_printf(out, "e%c%02d", point > 0 ? '+' : '-', abs(point - 1));
		return;
	}
	if (point <= 0)
		buf_c(out, "0.");
	for (int i = point; i < 0; i++)
		buf_ch(out, '0');
	for (int i = 0; i < n || i < point; i++) {
		if (i == point && i > 0)
			buf_ch(out, '.');
		buf_ch(out, i < n ? digits[i] : '0');
	}
}

/* Go's encoder switches to an exponent at other limits than its printing does: below 1e-6, and with
 * one digit where one is enough. */
static void write_number(struct buf *out, double x)
{
	size_t from;

	if (!(fabs(x) > 0) || (fabs(x) >= 1e-6 && fabs(x) < 1e21)) {
		value_write_float(out, x, false);
		return;
	}
	from = out->n;
	value_write_float(out, x, true);
	if (out->n - from >= 4 && out->p[out->n - 4] == 'e' && out->p[out->n - 3] == '-' &&
	    out->p[out->n - 2] == '0') {
		out->p[out->n - 2] = out->p[out->n - 1];
		out->n--;
	}
}

/* What Go's encoder writes for the character at c, n bytes; empty: itself. */
static struct str go_escape(const char *c, size_t n, bool is_html_safe, char room[8])
{
	static const char plain[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *at = memchr(plain, *c, sizeof(plain) - 1);
	unsigned code = (unsigned char)*c;

	if (n == 0)
		return STR("\\ufffd");
	if (at) {
		room[0] = '\\';
		room[1] = names[at - plain];
		return str_make(room, 2);
	}
	if (n == 3 && memcmp(c, "\xe2\x80", 2) == 0 && ((unsigned char)c[2] & 0xfe) == 0xa8)
		return c[2] & 1 ? STR("\\u2029") : STR("\\u2028");
	if (code >= 0x20 && !(is_html_safe && (*c == '<' || *c == '>' || *c == '&')))
		return STR_NONE;
	return str_make(room, (size_t)snprintf(room, 8, "\\u%04x", code));
}

/* ASCII that is written as it is in any style: nearly all there is. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* How many of them s begins with. */
static size_t plain_run(struct str s)
{
	size_t i = 0;

#ifdef __SSE2__
#define EQ(v, c) _mm_cmpeq_epi8(v, _mm_set1_epi8(c))
	for (; i + 16 <= s.n; i += 16) {
		__m128i v = _mm_loadu_si128((const void *)(s.p + i));
		/* Signed: bytes from 0x80 on are below 0x20, too. < and > differ in one bit. */
		__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
		__m128i angle = EQ(_mm_or_si128(v, _mm_set1_epi8(2)), '>');
		__m128i quotes = _mm_or_si128(EQ(v, '"'), EQ(v, '\\'));
		__m128i others = _mm_or_si128(EQ(v, '&'), EQ(v, 0x7f));
		unsigned odd = (unsigned)_mm_movemask_epi8(
			_mm_or_si128(_mm_or_si128(low, angle), _mm_or_si128(quotes, others)));

		if (odd)
			return i + (unsigned)__builtin_ctz(odd);
	}
#undef EQ
#endif
	while (i < s.n && is_plain((unsigned char)s.p[i]))
		i++;
	return i;
}

static void write_string(struct buf *out, struct str s, bool is_html_safe)
{
	size_t from = 0, n;
	char room[8];

	buf_ch(out, '"');
	for (size_t i = 0; i < s.n; i += n ? n : 1) {
		struct str escape;

		i += plain_run(str_skip(s, i));
		if (i == s.n)
			break;
		n = utf8_valid_char(str_skip(s, i));
		escape = go_escape(s.p + i, n, is_html_safe, room);
		if (!escape.n)
			continue;
		buf_str(out, str_sub(s, from, i));
		buf_str(out, escape);
		from = i + (n ? n : 1);
	}
	buf_str(out, str_skip(s, from));
	buf_ch(out, '"');
}

static void new_line(struct buf *out, struct value_json_style style, unsigned depth)
{
	if (!style.indent)
		return;
	buf_ch(out, '\n');
	while (depth--)
		buf_c(out, style.indent);
}

static void write_value(struct buf *out, struct value v, struct value_json_style style,
			unsigned depth);

static void write_list(struct buf *out, const struct value_list *list,
		       struct value_json_style style, unsigned depth)
{
	buf_ch(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			buf_ch(out, ',');
		new_line(out, style, depth + 1);
		write_value(out, list->items[i], style, depth + 1);
	}
	if (list->n)
		new_line(out, style, depth);
	buf_ch(out, ']');
}

static void write_map(struct buf *out, const struct value_map *map, struct value_json_style style,
		      unsigned depth)
{
	buf_ch(out, '{');
	for (size_t i = 0; i < map->n; i++) {
		if (i)
			buf_ch(out, ',');
		new_line(out, style, depth + 1);
		write_string(out, map->pairs[i].key, style.is_html_safe);
		buf_c(out, style.indent ? ": " : ":");
		write_value(out, map->pairs[i].value, style, depth + 1);
	}
	if (map->n)
		new_line(out, style, depth);
	buf_ch(out, '}');
}

static void write_value(struct buf *out, struct value v, struct value_json_style style,
			unsigned depth)
{
	char time[RFC3339_MAX];

	/* What templates build can be deeper than what was read. */
	if (depth > 2 * VALUE_DEPTH_MAX || out->is_cut) {
		buf_c(out, "null");
		return;
	}
	switch ((enum value_kind)v.kind) {
	case VALUE_NULL:
		buf_c(out, "null");
		break;
	case VALUE_BOOL:
		buf_c(out, v.truth ? "true" : "false");
		break;
	case VALUE_INT:
		buf_printf(out, "%lld", (long long)v.i);
		break;
	case VALUE_FLOAT:
		write_number(out, v.f);
		break;
	case VALUE_STRING:
		write_string(out, v.s, style.is_html_safe);
		break;
	case VALUE_TIME:
		buf_json_str(out, str_make(time, rfc3339_utc(v.i, 9, time)));
		break;
	case VALUE_LIST:
		write_list(out, v.list, style, depth);
		break;
	case VALUE_MAP:
		write_map(out, v.map, style, depth);
		break;
	}
}

void value_to_json(struct buf *out, struct value v, struct value_json_style style)
{
	write_value(out, v, style, 0);
}
