/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes in either format: streams, entries, and labels as Prometheus writes them. */
#include "inputs/lokipush/push_in_impl.h"
#include "lib/utf8.h"
#include "pipeline/json_scan.h"

enum push_in_result push_in_bad(struct push_in *in, const char *why)
{
	in->why = why;
	return PUSH_IN_BAD;
}

void push_in_init(struct push_in *in, bool is_json, struct str body)
{
	*in = (struct push_in){ .is_json = is_json };
	if (is_json)
		push_in_json_init(in, body);
	else
		in->streams = body;
}

enum push_in_result push_in_next(struct push_in *in, struct push_in_entry *ret)
{
	if (in->why)
		return PUSH_IN_BAD;
	return in->is_json ? push_in_json_next(in, ret) : push_in_proto_next(in, ret);
}

/* {name="value", ...}: values as Go quotes them, in double quotes or in backquotes. */

static bool take_quoted(struct str *s, struct push_in_text *ret)
{
	char quote = s->n ? s->p[0] : 0;
	size_t n = 1;

	if (quote != '"' && quote != '`' && quote != '\'')
		return false;
	ret->form = PUSH_IN_PLAIN;
	for (; n < s->n && s->p[n] != quote; n++) {
		if (s->p[n] != '\\' || quote == '`')
			continue;
		ret->form = PUSH_IN_GO;
		n++;
	}
	if (n >= s->n)
		return false;
	ret->raw = str_sub(*s, 1, n);
	*s = str_skip(*s, n + 1);
	return true;
}

static bool is_name_byte(char c, bool is_first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!is_first && c >= '0' && c <= '9');
}

static int selector_pair(struct push_in_pairs *pairs, struct push_in_text *name,
			 struct push_in_text *value)
{
	struct str *s = &pairs->rest;
	bool is_first = !pairs->is_begun;
	size_t n = 0;

	if (is_first && !json_take(s, '{'))
		return -1;
	pairs->is_begun = true;
	if (json_take(s, '}')) {
		json_skip_space(s);
		return s->n ? -1 : 0;
	}
	if (!is_first && !json_take(s, ','))
		return -1;
	if (!is_first && json_take(s, '}')) { /* a comma behind the last is fine */
		json_skip_space(s);
		return s->n ? -1 : 0;
	}
	json_skip_space(s);
	while (n < s->n && is_name_byte(s->p[n], n == 0))
		n++;
	*name = (struct push_in_text){ str_sub(*s, 0, n), PUSH_IN_PLAIN };
	*s = str_skip(*s, n);
	if (!n || !json_take(s, '='))
		return -1;
	json_skip_space(s);
	return take_quoted(s, value) ? 1 : -1;
}

int push_in_pair(struct push_in_pairs *pairs, struct push_in_text *name, struct push_in_text *value)
{
	switch (pairs->form) {
	case PUSH_IN_PAIRS_SELECTOR:
		return selector_pair(pairs, name, value);
	case PUSH_IN_PAIRS_OBJECT:
		return push_in_json_pair(pairs, name, value);
	case PUSH_IN_PAIRS_PROTO:
		return push_in_proto_pair(pairs, name, value);
	}
	return -1;
}

/* Escapes of Go (strconv.Unquote) */

/* digits of base 2^bits; false when one is none. */
static bool read_digits(struct str s, unsigned bits, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		int digit = str_hex(s.p[i]);

		if (digit < 0 || digit >> bits)
			return false;
		v = v << bits | (uint32_t)digit;
	}
	*ret = v;
	return true;
}

/* What follows a backslash at s; *used bytes of it. Bytes written to out, 0 when malformed. */
static size_t unescape_one(struct str s, char *out, size_t *used)
{
	static const char names[] = "abfnrtv\\\"'", values[] = "\a\b\f\n\r\t\v\\\"'";
	const char *name = s.n ? memchr(names, s.p[0], sizeof(names) - 1) : NULL;
	size_t n;
	uint32_t v;

	*used = 1;
	if (name) {
		*out = values[name - names];
		return 1;
	}
	n = !s.n ? 0 : s.p[0] == 'x' ? 2 : s.p[0] == 'u' ? 4 : s.p[0] == 'U' ? 8 : 0;
	if (n) {
		*used = n + 1;
		if (s.n < n + 1 || !read_digits(str_sub(s, 1, n + 1), 4, &v))
			return 0;
		if (n == 2) {
			*out = (char)v;
			return 1;
		}
		return v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : utf8_encode(v, out);
	}
	*used = 3;
	if (s.n < 3 || !read_digits(str_sub(s, 0, 3), 3, &v) || v > 255)
		return 0;
	*out = (char)v;
	return 1;
}

static struct str go_unescape(struct str raw, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.n; i++) {
		size_t used, wrote;

		if (raw.p[i] != '\\') {
			out[n++] = raw.p[i];
			continue;
		}
		wrote = unescape_one(str_skip(raw, i + 1), out + n, &used);
		if (!wrote)
			return STR_NONE;
		n += wrote;
		i += used;
	}
	return str_make(out, n);
}

struct str push_in_text(const struct push_in_text *t, char *out)
{
	switch (t->form) {
	case PUSH_IN_JSON:
		return json_unescape(t->raw, out);
	case PUSH_IN_GO:
		return go_unescape(t->raw, out);
	case PUSH_IN_PLAIN:
		break;
	}
	return t->raw.p ? t->raw : STR("");
}
