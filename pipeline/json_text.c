/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values as the text that stages work with. */
#include <math.h>
#include <stdlib.h>

#include "pipeline/json.h"
#include "pipeline/value.h"

/* 17 digits, 323 leading or 308 trailing zeros, sign, point. */
#define NUMBER_BYTES_MAX 352

/* Every decimal of so many digits is the shortest one for its float64. */
#define EXACT_DIGITS 15

struct number_shape {
	bool is_whole; /* no point, no exponent */
	bool has_exponent;
	size_t digits; /* without leading zeros */
};

static struct number_shape shape(struct str raw)
{
	struct number_shape s = { .is_whole = true };

	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];

		if (c == '.') {
			s.is_whole = false;
		} else if ((c | 32) == 'e') {
			s.is_whole = false;
			s.has_exponent = true;
			break;
		} else if (c != '-' && (s.digits || c != '0')) {
			s.digits++;
		}
	}
	return s;
}

static bool is_short(const struct number_shape *s)
{
	return s->is_whole || (!s->has_exponent && s->digits <= EXACT_DIGITS);
}

/* Writes digits d[0..n) times 10^(point - n) without exponent. */
static size_t write_decimal(char *out, const char *d, int n, int point, bool is_negative)
{
	char *w = out;

	if (is_negative)
		*w++ = '-';
	if (point <= 0) {
		*w++ = '0';
		*w++ = '.';
		for (; point < 0; point++)
			*w++ = '0';
		memcpy(w, d, (size_t)n);
		return (size_t)(w + n - out);
	}
	for (int i = 0; i < n || i < point; i++) {
		if (i == point)
			*w++ = '.';
		*w++ = i < n ? d[i] : '0';
	}
	return (size_t)(w - out);
}

/* Shortest decimal of x, as Go's FormatFloat(x, 'f', -1, 64). */
static size_t write_double(double x, char *out)
{
	char d[20];
	int n, point;

	if (x == 0) {
		memcpy(out, "-0", 2);
		if (signbit(x))
			return 2;
		out[0] = '0';
		return 1;
	}
	n = value_shortest(fabs(x), d, &point);
	return write_decimal(out, d, n, point, x < 0);
}

static size_t number_size(struct str raw)
{
	struct number_shape s = shape(raw);

	if (is_short(&s))
		return 0;
	return !s.has_exponent && raw.n < NUMBER_BYTES_MAX ? raw.n + 2 : NUMBER_BYTES_MAX;
}

static bool number_text(struct str raw, char *out, struct str *ret)
{
	struct number_shape s = shape(raw);
	char text[1024];
	double x;

	if (is_short(&s)) {
		size_t n = raw.n;

		if (!s.is_whole) {
			while (raw.p[n - 1] == '0')
				n--;
			n -= raw.p[n - 1] == '.';
		}
		*ret = str_make(raw.p, n);
		return true;
	}
	if (raw.n >= sizeof(text))
		return false;
	memcpy(text, raw.p, raw.n);
	text[raw.n] = 0;
	x = strtod(text, NULL);
	if (!isfinite(x))
		return false;
	*ret = str_make(out, write_double(x, out));
	return true;
}

/* What Go's encoder writes instead of the byte or bytes at s, and how many they are. */
static struct str html_safe(struct str s, size_t *ret_read)
{
	*ret_read = 1;
	switch (s.p[0]) {
	case '<':
		return STR("\\u003c");
	case '>':
		return STR("\\u003e");
	case '&':
		return STR("\\u0026");
	default:
		break;
	}
	if (str_starts(s, STR("\xe2\x80\xa8"))) {
		*ret_read = 3;
		return STR("\\u2028");
	}
	if (str_starts(s, STR("\xe2\x80\xa9"))) {
		*ret_read = 3;
		return STR("\\u2029");
	}
	return str_sub(s, 0, 1);
}

/* Without white space between tokens; out == NULL only counts. */
static size_t compact(struct str raw, char *out)
{
	bool in_string = false;
	size_t n = 0;

	for (size_t i = 0; i < raw.n;) {
		char c = raw.p[i];
		struct str piece = str_make(raw.p + i, 1);
		size_t took = 1;

		if (!in_string) {
			in_string = c == '"';
			if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
				piece.n = 0;
		} else if (c == '\\') {
			piece.n = took = 2; /* validated: a byte follows */
		} else if (c == '"') {
			in_string = false;
		} else {
			piece = html_safe(str_skip(raw, i), &took);
		}
		if (out)
			memcpy(out + n, piece.p, piece.n);
		n += piece.n;
		i += took;
	}
	return n;
}

size_t json_text_size(const struct json_value *v)
{
	switch (v->type) {
	case JSON_STRING:
		return v->is_escaped ? v->raw.n : 0;
	case JSON_NUMBER:
		return number_size(v->raw);
	case JSON_OBJECT:
	case JSON_ARRAY:
		return compact(v->raw, NULL);
	default:
		return 0;
	}
}

bool json_text(const struct json_value *v, char *out, struct str *ret)
{
	switch (v->type) {
	case JSON_STRING:
		*ret = v->is_escaped ? json_unescape(v->raw, out) : v->raw;
		return true;
	case JSON_NUMBER:
		return number_text(v->raw, out, ret);
	case JSON_BOOL:
		*ret = v->raw;
		return true;
	case JSON_OBJECT:
	case JSON_ARRAY:
		*ret = str_make(out, compact(v->raw, out));
		return true;
	default:
		return false;
	}
}
