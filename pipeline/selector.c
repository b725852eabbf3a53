/* SPDX-License-Identifier: Apache-2.0 */
/* Scanner, parser and evaluation of selectors. */
#include "pipeline/selector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/labels.h"
#include "pipeline/literal.h"
#include "pipeline/pattern.h"

#define SELECTOR_BYTES_MAX 65536

/* A label matcher or a line filter. */
struct test {
	struct str name;  /* of the label; owned */
	struct str value; /* owned */
	bool is_negated;
	struct pattern *pattern; /* NULL: compare the text */
	struct literal literal;  /* of a short text in a line filter */
};

struct selector {
	uint32_t nmatchers, nfilters;
	struct test matchers[SELECTOR_MATCHERS_MAX], filters[SELECTOR_FILTERS_MAX];
};

/* ---- scanner ---- */

struct scanner {
	struct str text;
	size_t pos;
	struct err *err;
};

PRINTF(3, 4) static int fail(struct scanner *s, size_t at, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(s->err, -EINVAL, "%s (at column %zu)", text, at + 1);
}

static int peek(const struct scanner *s, size_t k)
{
	return s->pos + k < s->text.n ? (uint8_t)s->text.p[s->pos + k] : -1;
}

static bool looking_at(const struct scanner *s, const char *text)
{
	return str_starts(str_skip(s->text, s->pos), str_c(text));
}

/* White space and Go comments. */
static void skip_space(struct scanner *s)
{
	for (;;) {
		int c = peek(s, 0);
		struct str rest = str_skip(s->text, s->pos);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			s->pos++;
		} else if (looking_at(s, "//")) {
			s->pos += str_chr(rest, '\n');
		} else if (looking_at(s, "/*")) {
			size_t end = str_find(str_skip(rest, 2), STR("*/"));

			s->pos += end + 4 < rest.n ? end + 4 : rest.n;
		} else {
			return;
		}
	}
}

/* What stands there, for messages. */
static struct str here(const struct scanner *s)
{
	struct str rest = str_skip(s->text, s->pos);

	return rest.n ? str_sub(rest, 0, utf8_valid_char(rest)) : STR("the end");
}

static bool is_letter(int c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static int scan_name(struct scanner *s, struct str *ret)
{
	size_t start = s->pos;

	if (!is_letter(peek(s, 0)))
		return fail(s, start, "expected the name of a label, found " STR_FMT,
			    STR_ARG(here(s)));
	while (is_letter(peek(s, 0)) || (peek(s, 0) >= '0' && peek(s, 0) <= '9'))
		s->pos++;
	*ret = str_sub(s->text, start, s->pos);
	return 0;
}

/* n digits of the base at the current place; -1 when malformed. */
static int64_t digits(struct scanner *s, size_t n, unsigned base)
{
	int64_t v = 0;

	for (size_t i = 0; i < n; i++, s->pos++) {
		int c = peek(s, 0), d = c - '0';

		if (c >= 'a' && c <= 'f')
			d = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			d = c - 'A' + 10;
		if (d < 0 || d >= (int)base)
			return -1;
		v = v * base + d;
	}
	return v;
}

/* A Go escape behind its backslash. */
static bool unescape(struct scanner *s, struct buf *out)
{
	static const char letters[] = "abfnrtv\\\"", values[] = "\a\b\f\n\r\t\v\\\"";
	int c = peek(s, 0);
	const char *hit = c > 0 ? memchr(letters, c, sizeof(letters) - 1) : NULL;
	char bytes[4];
	int64_t v;

	if (hit) {
		s->pos++;
		buf_ch(out, values[hit - letters]);
		return true;
	}
	if (c >= '0' && c <= '7') {
		v = digits(s, 3, 8);
	} else {
		s->pos++;
		v = c == 'x'   ? digits(s, 2, 16)
		    : c == 'u' ? digits(s, 4, 16)
		    : c == 'U' ? digits(s, 8, 16)
			       : -1;
	}
	if (v < 0 || v > 0x10ffff || ((c == 'u' || c == 'U') && v >= 0xd800 && v < 0xe000))
		return false;
	if (c == 'u' || c == 'U')
		buf_put(out, bytes, utf8_encode((uint32_t)v, bytes));
	else if (v > 255)
		return false;
	else
		buf_ch(out, (char)v);
	return true;
}

/* A string in double quotes, unescaped; *ret is owned by the caller. */
static int scan_string(struct scanner *s, struct str *ret)
{
	struct buf out = BUF_INIT;
	size_t start = s->pos, at;
	int c = peek(s, 0), rc = 0;

	if (c == '`' || c == '\'')
		return fail(s, start, "texts are written in double quotes");
	if (c != '"')
		return fail(s, start, "expected a text in double quotes, found " STR_FMT,
			    STR_ARG(here(s)));
	for (s->pos++; !rc && (c = peek(s, 0)) != '"';) {
		if (c < 0 || c == '\n') {
			rc = fail(s, start, "the text has no closing quote");
			break;
		}
		at = s->pos++;
		if (c != '\\')
			buf_ch(&out, (char)c);
		else if (!unescape(s, &out))
			rc = fail(s, at,
				  "invalid escape \\" STR_FMT "; a backslash is written as two",
				  STR_ARG(str_sub(s->text, at + 1, at + 2)));
	}
	if (!rc && utf8_valid_prefix(buf_as_str(&out)) != out.n)
		rc = fail(s, start, "the text is not valid UTF-8");
	if (!rc) {
		s->pos++;
		*ret = str_make(mem_dup(out.n ? out.p : "", out.n + !out.n), out.n);
	}
	buf_fini(&out);
	return rc;
}

/* ---- parser ---- */

static int compile_value(struct scanner *s, struct test *t, size_t at, unsigned flags)
{
	struct err err = ERR_NONE;

	if (pattern_compile(t->value, flags, &t->pattern, &err))
		return fail(s, at, "in this expression: %s", err.text);
	return 0;
}

static int parse_matcher(struct scanner *s, struct test *t)
{
	struct str name = STR_NONE;
	bool is_regex;
	size_t at;
	int rc;

	skip_space(s);
	rc = scan_name(s, &name);
	if (rc)
		return rc;
	t->name = str_make(mem_dup(name.p, name.n), name.n);
	skip_space(s);
	t->is_negated = looking_at(s, "!=") || looking_at(s, "!~");
	is_regex = looking_at(s, "=~") || looking_at(s, "!~");
	if (!t->is_negated && peek(s, 0) != '=')
		return fail(s, s->pos, "expected = != =~ or !~, found " STR_FMT, STR_ARG(here(s)));
	s->pos += t->is_negated || is_regex ? 2 : 1;
	skip_space(s);
	at = s->pos;
	rc = scan_string(s, &t->value);
	if (!rc && is_regex)
		rc = compile_value(s, t, at, PATTERN_ANCHORED | PATTERN_DOT_ALL);
	return rc;
}

static int parse_matchers(struct scanner *s, struct selector *sel)
{
	int rc;

	skip_space(s);
	if (peek(s, 0) != '{')
		return fail(s, s->pos, "expected {, found " STR_FMT, STR_ARG(here(s)));
	s->pos++;
	skip_space(s);
	if (peek(s, 0) == '}')
		return fail(s, s->pos, "at least one label matcher is needed");
	for (;;) {
		if (sel->nmatchers == SELECTOR_MATCHERS_MAX)
			return fail(s, s->pos, "more than %d label matchers",
				    SELECTOR_MATCHERS_MAX);
		rc = parse_matcher(s, &sel->matchers[sel->nmatchers++]);
		if (rc)
			return rc;
		skip_space(s);
		if (peek(s, 0) != ',' && peek(s, 0) != '}')
			return fail(s, s->pos, "expected , or }, found " STR_FMT, STR_ARG(here(s)));
		if (s->text.p[s->pos++] == '}')
			return 0;
	}
}

static int parse_filter(struct scanner *s, struct test *t)
{
	bool is_regex = looking_at(s, "|~") || looking_at(s, "!~");
	size_t at;
	int rc;

	t->is_negated = peek(s, 0) == '!';
	if (!is_regex && !looking_at(s, "|=") && !looking_at(s, "!="))
		return fail(s, s->pos,
			    "expected |= != |~ or !~ (only line filters may follow the "
			    "labels), found " STR_FMT,
			    STR_ARG(here(s)));
	s->pos += 2;
	skip_space(s);
	at = s->pos;
	rc = scan_string(s, &t->value);
	if (rc)
		return rc;
	if (is_regex)
		return compile_value(s, t, at, 0);
	if (t->value.n <= LITERAL_BYTES_MAX)
		literal_init(&t->literal, t->value, false);
	return 0;
}

static int parse(struct scanner *s, struct selector *sel)
{
	int rc = parse_matchers(s, sel);

	while (!rc) {
		skip_space(s);
		if (s->pos == s->text.n)
			break;
		if (sel->nfilters == SELECTOR_FILTERS_MAX)
			return fail(s, s->pos, "more than %d line filters", SELECTOR_FILTERS_MAX);
		rc = parse_filter(s, &sel->filters[sel->nfilters++]);
	}
	return rc;
}

int selector_compile(struct str text, struct selector **ret, struct err *err)
{
	struct scanner s = { .text = text, .err = err };
	struct selector *sel;
	int rc;

	*ret = NULL;
	if (text.n > SELECTOR_BYTES_MAX)
		return err_set(err, -EINVAL, "selector longer than %d bytes", SELECTOR_BYTES_MAX);
	if (!utf8_is_valid(text))
		return fail(&s, utf8_valid_prefix(text), "invalid UTF-8");
	sel = mem_zalloc(sizeof(*sel));
	rc = parse(&s, sel);
	if (rc)
		selector_free(sel);
	else
		*ret = sel;
	return rc;
}

static void test_fini(struct test *t)
{
	mem_free((char *)t->name.p);
	mem_free((char *)t->value.p);
	pattern_free(t->pattern);
}

void selector_free(struct selector *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->nmatchers; i++)
		test_fini(&s->matchers[i]);
	for (uint32_t i = 0; i < s->nfilters; i++)
		test_fini(&s->filters[i]);
	mem_free(s);
}

/* ---- evaluation ---- */

/* Of a condition that gave rc (1, 0, -1): does the test hold? Not known stays not known. */
static int with_sign(const struct test *t, int rc)
{
	return rc < 0 ? rc : (rc > 0) != t->is_negated;
}

int selector_match_labels(const struct selector *s, struct pattern_scratch *scratch,
			  const struct labels *labels)
{
	for (uint32_t i = 0; i < s->nmatchers; i++) {
		const struct test *t = &s->matchers[i];
		struct str value = labels ? labels_get(labels, t->name) : STR_NONE;
		int rc = t->pattern ? pattern_match(t->pattern, scratch, value, 0, NULL)
				    : str_eq(value, t->value);

		rc = with_sign(t, rc);
		if (rc != 1)
			return rc;
	}
	return 1;
}

int selector_match_line(const struct selector *s, struct pattern_scratch *scratch, struct str line)
{
	for (uint32_t i = 0; i < s->nfilters; i++) {
		const struct test *t = &s->filters[i];
		int rc;

		if (t->pattern)
			rc = pattern_match(t->pattern, scratch, line, 0, NULL);
		else if (t->value.n <= LITERAL_BYTES_MAX)
			rc = literal_find(&t->literal, line, 0) != LITERAL_NONE;
		else
			rc = str_find(line, t->value) != line.n;
		rc = with_sign(t, rc);
		if (rc != 1)
			return rc;
	}
	return 1;
}
