/* SPDX-License-Identifier: Apache-2.0 */
/* Functions with regular expressions, compiled when they are met and remembered. */
#include "lib/utf8.h"
#include "pipeline/pattern.h"
#include "pipeline/template/tree.h"

/* Subjects must be valid UTF-8; values may have been cut anywhere. */
static struct str valid(struct call *c, struct str s)
{
	if (utf8_is_valid(s) || utf8_repaired_size(s) > call_room(c))
		return s;
	return utf8_repair(s, arena_bytes(c->arena, utf8_repaired_size(s)));
}

struct search {
	const struct pattern *pattern;
	struct str subject;
	struct pattern_find find;
	size_t ov[PATTERN_OVECTOR_MAX];
};

static bool search_init(struct call *c, struct search *s, struct str expr, struct str subject)
{
	s->pattern = call_pattern(c, expr);
	s->subject = valid(c, subject);
	s->find = (struct pattern_find){ 0 };
	return s->pattern && utf8_is_valid(s->subject);
}

/* 1 for a match, 0 for none, negative after call_fail(). */
static int search_next(struct call *c, struct search *s)
{
	int rc = pattern_find_next(s->pattern, call_scratch(c), s->subject, &s->find, s->ov);

	return rc < 0 ? call_fail(c, "the match was given up: it takes too many steps") : rc;
}

static struct str group(const struct search *s, unsigned n)
{
	if (n > pattern_groups(s->pattern) || s->ov[2 * (size_t)n] == PATTERN_UNSET)
		return STR("");
	return str_sub(s->subject, s->ov[2 * (size_t)n], s->ov[2 * (size_t)n + 1]);
}

static struct str named_group(const struct search *s, struct str name)
{
	uint64_t number;

	if (str_u64(name, &number))
		return number <= PATTERN_GROUPS_MAX ? group(s, (unsigned)number) : STR("");
	/* Of several groups with one name the last counts, as in Go. */
	for (unsigned g = pattern_groups(s->pattern); g > 0; g--)
		if (str_eq(pattern_group_name(s->pattern, g), name))
			return group(s, g);
	return STR("");
}

static size_t word_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && (((s.p[n] | 32) >= 'a' && (s.p[n] | 32) <= 'z') ||
			   (s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '_'))
		n++;
	return n;
}

/* regexp.Expand: $1, $name, ${name}, $$. */
static void expand(struct buf *out, struct str with, const struct search *s)
{
	while (with.n) {
		size_t dollar = str_chr(with, '$'), n;
		struct str name;

		buf_str(out, str_sub(with, 0, dollar));
		with = str_skip(with, dollar);
		if (!with.n)
			break;
		if (str_starts(with, STR("$$"))) {
			buf_ch(out, '$');
			with = str_skip(with, 2);
			continue;
		}
		if (str_starts(with, STR("${"))) {
			n = word_length(str_skip(with, 2));
			name = str_sub(with, 2, 2 + n);
			n = n && str_sub(with, 2 + n, 3 + n).n && with.p[2 + n] == '}' ? n + 3 : 0;
		} else {
			n = word_length(str_skip(with, 1));
			name = str_sub(with, 1, 1 + n);
			n = n ? n + 1 : 0;
		}
		if (!n) { /* malformed: a dollar */
			buf_ch(out, '$');
			with = str_skip(with, 1);
			continue;
		}
		buf_str(out, named_group(s, name));
		with = str_skip(with, n);
	}
}

static int replace(struct call *c, struct str expr, struct str subject, struct str with,
		   bool is_literal)
{
	struct search s;
	struct buf *out;
	size_t end = 0;
	int rc;

	if (!search_init(c, &s, expr, subject))
		return -1;
	out = call_buf(c);
	while ((rc = search_next(c, &s)) > 0) {
		buf_str(out, str_sub(s.subject, end, s.ov[0]));
		if (is_literal)
			buf_str(out, with);
		else
			expand(out, with, &s);
		end = s.ov[1];
		if (out->is_cut)
			break;
	}
	if (rc < 0)
		return rc;
	buf_str(out, str_skip(s.subject, end));
	return call_text(c, out);
}

static int regexReplaceAll_run(struct call *c)
{
	return replace(c, c->args[0].s, c->args[1].s, c->args[2].s, false);
}

static int regexReplaceAllLiteral_run(struct call *c)
{
	return replace(c, c->args[0].s, c->args[1].s, c->args[2].s, true);
}

static int regexMatch_run(struct call *c)
{
	struct search s;
	int rc;

	if (!search_init(c, &s, c->args[0].s, c->args[1].s))
		return -1;
	rc = search_next(c, &s);
	return rc < 0 ? rc : call_bool(c, rc > 0);
}

static int regexFind_run(struct call *c)
{
	struct search s;
	int rc;

	if (!search_init(c, &s, c->args[0].s, c->args[1].s))
		return -1;
	rc = search_next(c, &s);
	return rc < 0 ? rc : call_str(c, rc > 0 ? group(&s, 0) : STR(""));
}

/* A list that grows: the arena keeps the smaller ones, so it at most doubles. */
struct list {
	struct value *items;
	size_t n, cap;
};

static bool list_add(struct call *c, struct list *list, struct str s)
{
	if (list->n == list->cap) {
		struct value *items;
		size_t cap = list->cap ? 2 * list->cap : 16;

		if (cap * sizeof(*items) > call_room(c))
			return false;
		value_list(c->arena, cap, &items);
		if (list->n)
			memcpy(items, list->items, list->n * sizeof(*items));
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = value_str(s);
	return true;
}

static int list_end(struct call *c, const struct list *list)
{
	struct value *items;

	c->ret = value_list(c->arena, list->n, &items);
	if (list->n)
		memcpy(items, list->items, list->n * sizeof(*items));
	return 0;
}

/* regexFindAll expr s n: n < 0 for all */
static int regexFindAll_run(struct call *c)
{
	int64_t left = c->args[2].i;
	struct list list = { 0 };
	struct search s;
	int rc;

	if (!search_init(c, &s, c->args[0].s, c->args[1].s))
		return -1;
	for (; left != 0; left--) {
		rc = search_next(c, &s);
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		if (!list_add(c, &list, group(&s, 0)))
			return call_fail(c, "too many matches");
	}
	return list_end(c, &list);
}

/* regexp.Split: a match of nothing at the very beginning does not count. */
static int regexSplit_run(struct call *c)
{
	int64_t most = c->args[2].i;
	struct list list = { 0 };
	size_t begin = 0, end = 0;
	struct search s;
	int rc;

	if (!search_init(c, &s, c->args[0].s, c->args[1].s))
		return -1;
	if (most == 0)
		return list_end(c, &list);
	if (c->args[0].s.n && !s.subject.n) {
		list_add(c, &list, STR(""));
		return list_end(c, &list);
	}
	while ((rc = search_next(c, &s)) > 0) {
		if (most > 0 && (int64_t)list.n == most - 1)
			break;
		end = s.ov[0];
		if (s.ov[1] != 0 && !list_add(c, &list, str_sub(s.subject, begin, end)))
			return call_fail(c, "too many parts");
		begin = s.ov[1];
	}
	if (rc < 0)
		return rc;
	if (end != s.subject.n)
		list_add(c, &list, str_skip(s.subject, begin));
	return list_end(c, &list);
}

static int regexQuoteMeta_run(struct call *c)
{
	struct str s = c->args[0].s;
	struct buf *out = call_buf(c);

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] && strchr("\\.+*?()|[]{}^$", s.p[i]))
			buf_ch(out, '\\');
		buf_ch(out, s.p[i]);
	}
	return call_text(c, out);
}

const struct template_func template_funcs_regex[] = {
	{ "regexReplaceAll", "sss", regexReplaceAll_run },
	{ "mustRegexReplaceAll", "sss", regexReplaceAll_run },
	{ "regexReplaceAllLiteral", "sss", regexReplaceAllLiteral_run },
	{ "mustRegexReplaceAllLiteral", "sss", regexReplaceAllLiteral_run },
	{ "regexMatch", "ss", regexMatch_run },
	{ "mustRegexMatch", "ss", regexMatch_run },
	{ "regexFind", "ss", regexFind_run },
	{ "mustRegexFind", "ss", regexFind_run },
	{ "regexFindAll", "ssi", regexFindAll_run },
	{ "mustRegexFindAll", "ssi", regexFindAll_run },
	{ "regexSplit", "ssi", regexSplit_run },
	{ "mustRegexSplit", "ssi", regexSplit_run },
	{ "regexQuoteMeta", "s", regexQuoteMeta_run },
	{ NULL, NULL, NULL },
};
