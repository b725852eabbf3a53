/* SPDX-License-Identifier: Apache-2.0 */
/* Literals of templates: Go's strings, characters and numbers. */
#include <stdlib.h>

#include "lib/utf8.h"
#include "pipeline/template/parse.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `digits` of them in a base at s; false when there are fewer. */
static bool read_digits(struct str s, size_t digits, int base, uint32_t *ret)
{
	*ret = 0;
	if (s.n < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		int v = hex_value(s.p[i]);

		if (v < 0 || v >= base)
			return false;
		*ret = *ret * (uint32_t)base + (uint32_t)v;
	}
	return true;
}

static char simple_escape(char c, char quote)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
	const char *hit = strchr(from, c);

	if (c == quote)
		return c;
	return c && hit ? to[hit - from] : 0;
}

/* One escape at s, behind the backslash. Writes to out (4 bytes); 0 when it is none. */
static size_t read_escape(struct str s, char quote, char *out, size_t *ret_wrote)
{
	uint32_t v;

	*ret_wrote = 1;
	if (!s.n)
		return 0;
	if (s.p[0] == 'x' || (s.p[0] >= '0' && s.p[0] <= '7')) {
		bool is_hex = s.p[0] == 'x';

		if (!read_digits(str_skip(s, is_hex), is_hex ? 2 : 3, is_hex ? 16 : 8, &v) ||
		    v > 255)
			return 0;
		out[0] = (char)v;
		return 3;
	}
	if (s.p[0] == 'u' || s.p[0] == 'U') {
		size_t digits = s.p[0] == 'u' ? 4 : 8;

		if (!read_digits(str_skip(s, 1), digits, 16, &v) || v > 0x10ffff ||
		    (v >= 0xd800 && v < 0xe000))
			return 0;
		*ret_wrote = utf8_encode(v, out);
		return 1 + digits;
	}
	out[0] = simple_escape(s.p[0], quote);
	return out[0] != 0;
}

bool parse_string(struct parser *p, struct str *ret)
{
	size_t began = p->at, n = 0;
	struct str rest = str_skip(p->text, p->at + 1);
	char *out;

	if (parse_byte(p, 0) == '`') {
		size_t end = str_chr(rest, '`');

		if (end == rest.n)
			return parse_fail(p, began, "the string does not end");
		*ret = str_sub(rest, 0, end);
		p->at += end + 2;
		return true;
	}
	out = arena_bytes(&p->t->arena, rest.n);
	while (rest.n && rest.p[0] != '"' && rest.p[0] != '\n') {
		size_t took = 1, wrote = 1;

		if (rest.p[0] != '\\') {
			out[n++] = rest.p[0];
		} else {
			took = read_escape(str_skip(rest, 1), '"', out + n, &wrote);
			if (!took)
				return parse_fail(p, p->text.n - rest.n,
						  "unknown escape in the string");
			took++;
			n += wrote;
		}
		rest = str_skip(rest, took);
	}
	if (!rest.n || rest.p[0] != '"')
		return parse_fail(p, began, "the string does not end");
	p->at = p->text.n - rest.n + 1;
	*ret = str_make(out, n);
	return true;
}

static bool parse_char(struct parser *p, struct value *ret)
{
	struct str rest = str_skip(p->text, p->at + 1);
	size_t took, wrote;
	char out[4];

	if (rest.n && rest.p[0] == '\\') {
		took = read_escape(str_skip(rest, 1), '\'', out, &wrote) + 1;
		if (took == 1)
			return parse_fail(p, p->at, "unknown escape in the character");
	} else {
		took = wrote = utf8_valid_char(rest);
		if (took)
			memcpy(out, rest.p, took);
	}
	if (!took || took >= rest.n || rest.p[took] != '\'')
		return parse_fail(p, p->at, "a character such as 'a' is expected");
	p->at += took + 2;
	*ret = value_int(utf8_code(str_make(out, wrote), wrote));
	return true;
}

/* Digits without the underscores that may stand between them, for strtoll() and strtod(). */
static bool clean(struct str s, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '_')
			continue;
		if (n + 1 >= room)
			return false;
		out[n++] = s.p[i];
	}
	out[n] = 0;
	return n > 0;
}

static bool to_number(const char *text, struct value *ret)
{
	bool is_negative = text[0] == '-';
	const char *digits = text + (text[0] == '-' || text[0] == '+');
	int base = 10;
	unsigned long long u;
	char *end;

	if (digits[0] == '0' && (digits[1] | 32) == 'x')
		base = 16, digits += 2;
	else if (digits[0] == '0' && (digits[1] | 32) == 'b')
		base = 2, digits += 2;
	else if (digits[0] == '0' && (digits[1] | 32) == 'o')
		base = 8, digits += 2;
	else if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
		base = 8;
	if (hex_value(digits[0]) >= 0) {
		u = strtoull(digits, &end, base);
		if (!*end && u <= INT64_MAX) {
			*ret = value_int(is_negative ? -(int64_t)u : (int64_t)u);
			return true;
		}
		if (!*end) /* too large */
			return false;
	}
	*ret = value_float(strtod(text, &end));
	return !*end && end != text;
}

bool parse_number(struct parser *p, struct value *ret)
{
	size_t from = p->at, to = from;
	char text[64];

	if (parse_byte(p, 0) == '\'')
		return parse_char(p, ret);
	while (to < p->text.n) {
		char c = p->text.p[to], last = to > from ? p->text.p[to - 1] : 0;
		bool is_sign = c == '+' || c == '-';

		if (is_sign && to > from && (last | 32) != 'e' && (last | 32) != 'p')
			break;
		if (!is_sign && c != '.' && c != '_' && hex_value(c) < 0 && (c | 32) != 'x' &&
		    (c | 32) != 'o' && (c | 32) != 'p')
			break;
		to++;
	}
	if (!clean(str_sub(p->text, from, to), text, sizeof(text)) || !to_number(text, ret))
		return parse_fail(p, from, "'" STR_FMT "' is no number",
				  STR_ARG(str_sub(p->text, from, to)));
	p->at = to;
	return true;
}
