/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on text: Promtail's own, which take the text first, and sprig's, which take it last. */
#include <locale.h>
#include <wctype.h>

#include "lib/utf8.h"
#include "pipeline/template/tree.h"

/* ---- characters ---- */

static size_t rune_length(struct str s)
{
	size_t n = utf8_valid_char(s);

	return n ? n : 1;
}

/* Case of all of Unicode, whatever the locale of the process is. */
static locale_t unicode(void)
{
	static _Thread_local locale_t locale;

	if (!locale)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return locale;
}

static void put_rune(struct buf *out, struct str s, size_t n, wint_t (*change)(wint_t, locale_t))
{
	char utf8[4];

	if (n == 1 && (unsigned char)s.p[0] >= 0x80)
		buf_c(out, "\xef\xbf\xbd");
	else if (!unicode())
		buf_put(out, s.p, n);
	else
		buf_put(out, utf8, utf8_encode((uint32_t)change(utf8_code(s, n), unicode()), utf8));
}

static wint_t swap_case(wint_t c, locale_t locale)
{
	return iswupper_l(c, locale) ? towlower_l(c, locale) : towupper_l(c, locale);
}

static int change_all(struct call *c, struct str s, wint_t (*change)(wint_t, locale_t))
{
	struct buf *out = call_buf(c);

	for (size_t n; s.n; s = str_skip(s, n)) {
		n = rune_length(s);
		put_rune(out, s, n, change);
	}
	return call_text(c, out);
}

static int lower_run(struct call *c)
{
	return change_all(c, c->args[0].s, towlower_l);
}

static int upper_run(struct call *c)
{
	return change_all(c, c->args[0].s, towupper_l);
}

static int swapcase_run(struct call *c)
{
	return change_all(c, c->args[0].s, swap_case);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool in_word(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

/* First letters of words changed; a word begins where `inside` was false. */
static int change_first(struct call *c, bool only_blanks, wint_t (*change)(wint_t, locale_t))
{
	struct buf *out = call_buf(c);
	struct str s = c->args[0].s;
	bool is_inside = false;

	for (size_t n; s.n; s = str_skip(s, n)) {
		n = rune_length(s);
		if (is_inside)
			buf_put(out, s.p, n);
		else
			put_rune(out, s, n, change);
		is_inside = only_blanks ? !is_blank(s.p[0]) : in_word(s.p[0]);
	}
	return call_text(c, out);
}

static int title_run(struct call *c)
{
	return change_first(c, false, towupper_l);
}

static int untitle_run(struct call *c)
{
	return change_first(c, true, towlower_l);
}

static int initials_run(struct call *c)
{
	struct buf *out = call_buf(c);
	struct str s = c->args[0].s;
	bool is_inside = false;

	for (size_t n; s.n; s = str_skip(s, n)) {
		n = rune_length(s);
		if (!is_inside && !is_blank(s.p[0]))
			buf_put(out, s.p, n);
		is_inside = !is_blank(s.p[0]);
	}
	return call_text(c, out);
}

/* ---- trimming ---- */

static struct str trim_left(struct str s, struct str set)
{
	while (s.n) {
		size_t n = rune_length(s);

		if (str_find(set, str_sub(s, 0, n)) == set.n)
			break;
		s = str_skip(s, n);
	}
	return s;
}

static struct str trim_right(struct str s, struct str set)
{
	while (s.n) {
		size_t at = s.n - 1;

		while (at && s.n - at < 4 && ((unsigned char)s.p[at] & 0xc0) == 0x80)
			at--;
		if (rune_length(str_skip(s, at)) != s.n - at)
			at = s.n - 1;
		if (str_find(set, str_skip(s, at)) == set.n)
			break;
		s.n = at;
	}
	return s;
}

#define BLANKS STR(" \t\n\v\f\r\xc2\x85\xc2\xa0")

static int Trim_run(struct call *c)
{
	return call_str(c, trim_right(trim_left(c->args[0].s, c->args[1].s), c->args[1].s));
}

static int TrimLeft_run(struct call *c)
{
	return call_str(c, trim_left(c->args[0].s, c->args[1].s));
}

static int TrimRight_run(struct call *c)
{
	return call_str(c, trim_right(c->args[0].s, c->args[1].s));
}

static int TrimSpace_run(struct call *c)
{
	return call_str(c, trim_right(trim_left(c->args[0].s, BLANKS), BLANKS));
}

static int without_prefix(struct call *c, struct str s, struct str prefix)
{
	return call_str(c, str_starts(s, prefix) ? str_skip(s, prefix.n) : s);
}

static int without_suffix(struct call *c, struct str s, struct str suffix)
{
	return call_str(c, str_ends(s, suffix) ? str_sub(s, 0, s.n - suffix.n) : s);
}

static int TrimPrefix_run(struct call *c)
{
	return without_prefix(c, c->args[0].s, c->args[1].s);
}

static int TrimSuffix_run(struct call *c)
{
	return without_suffix(c, c->args[0].s, c->args[1].s);
}

static int trimAll_run(struct call *c)
{
	return call_str(c, trim_right(trim_left(c->args[1].s, c->args[0].s), c->args[0].s));
}

static int trimPrefix_run(struct call *c)
{
	return without_prefix(c, c->args[1].s, c->args[0].s);
}

static int trimSuffix_run(struct call *c)
{
	return without_suffix(c, c->args[1].s, c->args[0].s);
}

static int nospace_run(struct call *c)
{
	struct buf *out = call_buf(c);
	struct str s = c->args[0].s;

	for (size_t i = 0; i < s.n; i++)
		if (!is_blank(s.p[i]))
			buf_ch(out, s.p[i]);
	return call_text(c, out);
}

/* ---- replacing and repeating ---- */

/* strings.Replace: an empty `from` stands before each character and at the end. */
static int replace(struct call *c, struct str s, struct str from, struct str to, int64_t times)
{
	struct buf *out = call_buf(c);

	for (bool is_first = true; times != 0; times--, is_first = false) {
		size_t at = from.n ? str_find(s, from) : is_first || !s.n ? 0 : rune_length(s);

		if ((from.n && at == s.n) || (!from.n && !is_first && !s.n))
			break;
		buf_str(out, str_sub(s, 0, at));
		buf_str(out, to);
		s = str_skip(s, at + from.n);
		if (out->is_cut)
			break;
	}
	buf_str(out, s);
	return call_text(c, out);
}

static int Replace_run(struct call *c)
{
	return replace(c, c->args[0].s, c->args[1].s, c->args[2].s, c->args[3].i);
}

static int replace_run(struct call *c)
{
	return replace(c, c->args[2].s, c->args[0].s, c->args[1].s, -1);
}

static int repeat_run(struct call *c)
{
	struct buf *out = call_buf(c);

	if (c->args[0].i < 0)
		return call_fail(c, "negative count");
	for (int64_t i = 0; i < c->args[0].i && c->args[1].s.n && !out->is_cut; i++)
		buf_str(out, c->args[1].s);
	return call_text(c, out);
}

static int indented(struct call *c, bool has_new_line)
{
	struct buf *out = call_buf(c);
	struct str s = c->args[1].s;
	bool at_start = true;

	if (c->args[0].i < 0 || c->args[0].i > (int64_t)TEMPLATE_OUTPUT_MAX)
		return call_fail(c, "wrong width");
	if (has_new_line)
		buf_ch(out, '\n');
	for (size_t i = 0; (i < s.n || at_start) && !out->is_cut; i++) {
		for (int64_t k = 0; at_start && k < c->args[0].i; k++)
			buf_ch(out, ' ');
		if (i == s.n)
			break;
		buf_ch(out, s.p[i]);
		at_start = s.p[i] == '\n';
	}
	return call_text(c, out);
}

static int indent_run(struct call *c)
{
	return indented(c, false);
}

static int nindent_run(struct call *c)
{
	return indented(c, true);
}

/* ---- cutting, in bytes as Go's slices are ---- */

static int substr_run(struct call *c)
{
	int64_t from = c->args[0].i, to = c->args[1].i;
	struct str s = c->args[2].s;

	if (from < 0)
		from = 0;
	else if (to < 0 || to > (int64_t)s.n)
		to = (int64_t)s.n;
	if (to < from || to > (int64_t)s.n)
		return call_fail(c, "out of range");
	return call_str(c, str_sub(s, (size_t)from, (size_t)to));
}

static int trunc_run(struct call *c)
{
	int64_t n = c->args[0].i;
	struct str s = c->args[1].s;

	if (n < 0 && (int64_t)s.n + n > 0)
		s = str_skip(s, s.n - (size_t)-n);
	else if (n >= 0 && (int64_t)s.n > n)
		s = str_sub(s, 0, (size_t)n);
	return call_str(c, s);
}

static int abbrev_run(struct call *c)
{
	int64_t width = c->args[0].i;
	struct str s = c->args[1].s;
	struct buf *out;

	if (width < 4 || (int64_t)s.n <= width)
		return call_str(c, s);
	out = call_buf(c);
	buf_str(out, str_sub(s, 0, (size_t)width - 3));
	buf_c(out, "...");
	return call_text(c, out);
}

/* goutils.AbbreviateFull() */
static int abbrevboth_run(struct call *c)
{
	int64_t left = c->args[0].i, width = c->args[1].i, n;
	struct str s = c->args[2].s;
	struct buf *out;

	n = (int64_t)s.n;
	if (width < 4 || (left > 0 && width < 7) || n <= width)
		return call_str(c, s);
	if (left > n)
		left = n;
	if (n - left < width - 3)
		left = n - (width - 3);
	out = call_buf(c);
	if (left <= 4) {
		buf_str(out, str_sub(s, 0, (size_t)width - 3));
		buf_c(out, "...");
		return call_text(c, out);
	}
	buf_c(out, "...");
	if (left + width - 3 < n) {
		buf_str(out, str_sub(s, (size_t)left, (size_t)(left + width - 6)));
		buf_c(out, "...");
	} else {
		buf_str(out, str_skip(s, (size_t)(n - (width - 3))));
	}
	return call_text(c, out);
}

/* ---- tests and joining ---- */

static int contains_run(struct call *c)
{
	struct str s = c->args[1].s, part = c->args[0].s;

	return call_bool(c, part.n == 0 || str_find(s, part) < s.n);
}

static int hasPrefix_run(struct call *c)
{
	return call_bool(c, str_starts(c->args[1].s, c->args[0].s));
}

static int hasSuffix_run(struct call *c)
{
	return call_bool(c, str_ends(c->args[1].s, c->args[0].s));
}

static void put_plain(struct buf *out, struct value v)
{
	value_print(out, v);
}

static void put_quoted(struct buf *out, struct value v)
{
	struct buf text = { .max = TEMPLATE_OUTPUT_MAX };

	value_print(&text, v);
	out->is_cut |= text.is_cut;
	value_quote(out, buf_as_str(&text));
	buf_fini(&text);
}

static void put_single_quoted(struct buf *out, struct value v)
{
	buf_ch(out, '\'');
	value_print(out, v);
	buf_ch(out, '\'');
}

/* With blanks between; nil is left out. */
static int join_all(struct call *c, void (*put)(struct buf *, struct value))
{
	struct buf *out = call_buf(c);
	bool is_first = true;

	for (size_t i = 0; i < c->n; i++) {
		if (c->args[i].kind == VALUE_NULL)
			continue;
		if (!is_first)
			buf_ch(out, ' ');
		is_first = false;
		put(out, c->args[i]);
	}
	return call_text(c, out);
}

static int cat_run(struct call *c)
{
	return join_all(c, put_plain);
}

static int quote_run(struct call *c)
{
	return join_all(c, put_quoted);
}

static int squote_run(struct call *c)
{
	return join_all(c, put_single_quoted);
}

static int plural_run(struct call *c)
{
	return call_str(c, c->args[c->args[2].i == 1 ? 0 : 1].s);
}

static int hello_run(struct call *c)
{
	return call_str(c, STR("Hello!"));
}

const struct template_func template_funcs_text[] = {
	/* Promtail's */
	{ "ToLower", "s", lower_run },
	{ "ToUpper", "s", upper_run },
	{ "Replace", "sssi", Replace_run },
	{ "Trim", "ss", Trim_run },
	{ "TrimLeft", "ss", TrimLeft_run },
	{ "TrimRight", "ss", TrimRight_run },
	{ "TrimPrefix", "ss", TrimPrefix_run },
	{ "TrimSuffix", "ss", TrimSuffix_run },
	{ "TrimSpace", "s", TrimSpace_run },
	/* sprig's */
	{ "lower", "s", lower_run },
	{ "upper", "s", upper_run },
	{ "title", "s", title_run },
	{ "untitle", "s", untitle_run },
	{ "swapcase", "s", swapcase_run },
	{ "initials", "s", initials_run },
	{ "trim", "s", TrimSpace_run },
	{ "trimAll", "ss", trimAll_run },
	{ "trimall", "ss", trimAll_run },
	{ "trimPrefix", "ss", trimPrefix_run },
	{ "trimSuffix", "ss", trimSuffix_run },
	{ "nospace", "s", nospace_run },
	{ "replace", "sss", replace_run },
	{ "repeat", "is", repeat_run },
	{ "indent", "is", indent_run },
	{ "nindent", "is", nindent_run },
	{ "substr", "iis", substr_run },
	{ "trunc", "is", trunc_run },
	{ "abbrev", "is", abbrev_run },
	{ "abbrevboth", "iis", abbrevboth_run },
	{ "contains", "ss", contains_run },
	{ "hasPrefix", "ss", hasPrefix_run },
	{ "hasSuffix", "ss", hasSuffix_run },
	{ "cat", "v*", cat_run },
	{ "quote", "v*", quote_run },
	{ "squote", "v*", squote_run },
	{ "plural", "ssi", plural_run },
	{ "hello", "", hello_run },
	{ NULL, NULL, NULL },
};
