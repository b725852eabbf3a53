/* SPDX-License-Identifier: Apache-2.0 */
/* Parser of Go's regular expression syntax (package regexp/syntax with the flags of
 * regexp.Compile). Accepts what Go accepts and refuses what it refuses, with better reasons. */
#include "pipeline/pattern_parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/pattern.h"

#define DEPTH_MAX 250   /* PCRE2's own default for nested parentheses */
#define REPEAT_MAX 1000 /* Go's, for a count and for the product of nested counts */

static uint32_t parse_alternation(struct re_parser *p);

uint32_t re_fail(struct re_parser *p, size_t at, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(p->err, -EINVAL, "%s (at column %zu)", text, at + 1);
	return 0;
}

uint32_t re_next_rune(struct re_parser *p)
{
	const uint8_t *s = (const uint8_t *)p->expr.p + p->pos;
	size_t n = utf8_valid_char(str_skip(p->expr, p->pos));
	uint32_t rune = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		rune = rune << 6 | (s[i] & 0x3f);
	p->pos += n;
	return rune;
}

uint32_t re_node_new(struct re_parser *p, enum re_op op)
{
	struct re_tree *t = p->t;

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->nodes = mem_realloc(t->nodes, t->cap * sizeof(*t->nodes));
	}
	t->nodes[t->n] = (struct re_node){ .op = (uint8_t)op, .dot_all = p->flags.dot_all };
	return t->n++;
}

static bool folds_beyond_ascii(uint32_t rune)
{
	return rune >= 0x80 || (rune | 0x20) == 'k' || (rune | 0x20) == 's';
}

static uint32_t literal_new(struct re_parser *p, uint32_t rune)
{
	uint32_t id = re_node_new(p, RE_LITERAL);
	bool is_letter = (rune | 0x20) >= 'a' && (rune | 0x20) <= 'z';

	p->t->nodes[id].rune = rune;
	p->t->nodes[id].fold = p->flags.fold && (is_letter || rune >= 0x80);
	if (p->t->nodes[id].fold && folds_beyond_ascii(rune))
		p->t->needs_utf = true;
	return id;
}

/* ---- groups ---- */

static const char *why_not(const struct re_parser *p)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{ "(?=", "look-ahead is not supported" },
		{ "(?!", "look-ahead is not supported" },
		{ "(?<=", "look-behind is not supported" },
		{ "(?<!", "look-behind is not supported" },
		{ "(?>", "atomic groups are not supported" },
		{ "(?#", "comments are not supported" },
		{ "(?P=", "back-references are not supported" },
		{ "(?P>", "recursion is not supported" },
		{ "(?R", "recursion is not supported" },
		{ "(?&", "recursion is not supported" },
		{ "(?|", "branch reset is not supported" },
		{ "(?(", "conditional groups are not supported" },
		{ "(?'", "names are written (?P<name>...) or (?<name>...)" },
		{ "(?P<", "invalid group name: letters, digits and _ between < and >" },
		{ "(?<", "invalid group name: letters, digits and _ between < and >" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (re_looking_at(p, table[i].text))
			return table[i].why;
	return "unknown group syntax after (?";
}

/* (?P<name> or (?<name>; true and the name when valid. */
static bool group_name(struct re_parser *p, struct str *ret)
{
	size_t skip = re_looking_at(p, "(?P<") ? 4 : re_looking_at(p, "(?<") ? 3 : 0;
	struct str rest = str_skip(p->expr, p->pos + skip);
	size_t n = 0;

	if (!skip)
		return false;
	while (n < rest.n && re_is_word((uint8_t)rest.p[n]))
		n++;
	if (!n || n == rest.n || rest.p[n] != '>')
		return false;
	*ret = str_sub(rest, 0, n);
	p->pos += skip + n + 1;
	return true;
}

/* (?flags) and (?flags: ; moves behind. 0 for anything else. Returns ')' or ':'. */
static int group_flags(struct re_parser *p)
{
	struct re_flags f = p->flags;
	bool on = true, saw = false;
	size_t pos = p->pos + 2;

	for (; pos < p->expr.n; pos++) {
		char c = p->expr.p[pos];

		switch (c) {
		case 'i':
			f.fold = on;
			break;
		case 'm':
			f.multi_line = on;
			break;
		case 's':
			f.dot_all = on;
			break;
		case 'U':
			f.ungreedy = on;
			break;
		case '-':
			if (!on)
				return 0;
			on = saw = false;
			continue;
		case ':':
		case ')':
			if (!on && !saw)
				return 0;
			p->flags = f;
			p->pos = pos + 1;
			return c;
		default:
			return 0;
		}
		saw = true;
	}
	return 0;
}

/* Behind the opening of a group: its content and the closing parenthesis. */
static uint32_t group_body(struct re_parser *p, size_t start, struct re_flags outer)
{
	uint32_t id;

	if (++p->depth > DEPTH_MAX)
		return re_fail(p, start, "more than %d nested groups", DEPTH_MAX);
	id = parse_alternation(p);
	if (!id)
		return 0;
	if (re_peek(p, 0) != ')')
		return re_fail(p, start, "missing closing )");
	p->pos++;
	p->depth--;
	p->flags = outer;
	return id;
}

/* Returns a node, 0 after an error, and *is_flags for "(?i)", which is no node. */
static uint32_t parse_group(struct re_parser *p, bool *is_flags)
{
	struct re_flags outer = p->flags;
	struct str name = STR_NONE;
	size_t start = p->pos;
	uint32_t id, body, number;
	int c;

	*is_flags = false;
	if (re_peek(p, 1) == '?' && !group_name(p, &name)) {
		c = group_flags(p);
		if (c == ')') {
			*is_flags = true;
			return 0;
		}
		if (c == ':')
			return group_body(p, start, outer);
		return re_fail(p, start, "%s", why_not(p));
	}
	if (p->pos == start)
		p->pos++;
	if (p->t->ngroups == PATTERN_GROUPS_MAX)
		return re_fail(p, start, "more than %d capture groups", PATTERN_GROUPS_MAX);
	number = ++p->t->ngroups;
	p->t->names[number] = name;
	body = group_body(p, start, outer);
	if (!body)
		return 0;
	id = re_node_new(p, RE_GROUP);
	p->t->nodes[id].index = number;
	p->t->nodes[id].first = body;
	return id;
}

/* ---- repetition ---- */

/* A number without leading zeros; -1 when none stands there, capped. */
static int32_t number(struct re_parser *p)
{
	int32_t v = 0;

	if (!re_is_digit(re_peek(p, 0)) || (re_peek(p, 0) == '0' && re_is_digit(re_peek(p, 1))))
		return -1;
	for (; re_is_digit(re_peek(p, 0)); p->pos++)
		v = v > REPEAT_MAX ? v : v * 10 + (re_peek(p, 0) - '0');
	return v;
}

/* {n} {n,} {n,m}; false (nothing taken) when the brace is a literal. */
static bool counts(struct re_parser *p, int32_t *min, int32_t *max)
{
	size_t start = p->pos++;

	*min = *max = number(p);
	if (*min >= 0 && re_peek(p, 0) == ',') {
		p->pos++;
		*max = re_peek(p, 0) == '}' ? -1 : number(p);
		if (*max < 0 && re_peek(p, 0) != '}')
			*min = -1;
	}
	if (*min < 0 || re_peek(p, 0) != '}') {
		p->pos = start;
		return false;
	}
	p->pos++;
	return true;
}

static bool is_count_valid(const struct re_tree *t, uint32_t id, int32_t left)
{
	const struct re_node *node = &t->nodes[id];

	if (node->is_counted) {
		int32_t m = node->max < 0 ? node->min : node->max;

		if (node->max == 0)
			return true;
		if (m > left)
			return false;
		if (m > 0)
			left /= m;
	}
	for (uint32_t child = node->first; child; child = t->nodes[child].next)
		if (!is_count_valid(t, child, left))
			return false;
	return true;
}

/* A repetition operator at the current place: wraps `sub`. 0 after an error; *is_op false when it
 * was none. */
static uint32_t repeat(struct re_parser *p, uint32_t sub, bool after_repeat, bool *is_op)
{
	size_t start = p->pos;
	int32_t min = 0, max = -1;
	bool braces = false, lazy = p->flags.ungreedy;
	struct re_node *node;
	uint32_t id;
	int c = re_peek(p, 0);

	*is_op = c == '*' || c == '+' || c == '?';
	if (*is_op) {
		min = c == '+';
		max = c == '?' ? 1 : -1;
		p->pos++;
	} else if (c == '{' && counts(p, &min, &max)) {
		*is_op = braces = true;
		if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && min > max))
			return re_fail(p, start, "invalid repeat count " STR_FMT,
				       STR_ARG(re_since(p, start)));
	} else {
		return 0;
	}
	if (re_peek(p, 0) == '?') {
		p->pos++;
		lazy = !lazy;
	}
	if (after_repeat)
		return re_fail(p, start, "%s",
			       c == '+' ? "possessive quantifiers are not supported"
					: "two repetition operators in a row");
	if (!sub)
		return re_fail(p, start, "nothing to repeat before " STR_FMT,
			       STR_ARG(re_since(p, start)));
	if (p->t->nodes[sub].op == RE_REPEAT && ++p->wraps > DEPTH_MAX)
		return re_fail(p, start, "too many nested repetitions");
	id = re_node_new(p, RE_REPEAT);
	node = &p->t->nodes[id];
	node->min = min;
	node->max = max;
	node->lazy = lazy;
	node->is_counted = braces;
	node->first = sub;
	if (braces && (min >= 2 || max >= 2) && !is_count_valid(p->t, id, REPEAT_MAX))
		return re_fail(p, start, "nested repeat counts multiply to more than %d",
			       REPEAT_MAX);
	return id;
}

/* ---- the rest ---- */

static uint32_t parse_escape(struct re_parser *p)
{
	static const struct {
		char letter;
		enum re_op op;
	} zero_width[] = {
		{ 'A', RE_START }, { 'z', RE_END }, { 'b', RE_WORD }, { 'B', RE_NOT_WORD }
	};
	uint32_t rune;

	for (size_t i = 0; i < ARRAY_LEN(zero_width); i++)
		if (re_peek(p, 1) == zero_width[i].letter) {
			p->pos += 2;
			return re_node_new(p, zero_width[i].op);
		}
	if (re_peek(p, 1) > 0 && strchr("dDsSwWpP", re_peek(p, 1)))
		return re_class_escape(p);
	if (!re_escape(p, &rune))
		return 0;
	return literal_new(p, rune);
}

static uint32_t parse_atom(struct re_parser *p)
{
	switch (re_peek(p, 0)) {
	case '^':
		p->pos++;
		return re_node_new(p, p->flags.multi_line ? RE_LINE_START : RE_START);
	case '$':
		p->pos++;
		return re_node_new(p, p->flags.multi_line ? RE_LINE_END : RE_END);
	case '.':
		p->pos++;
		return re_node_new(p, RE_ANY);
	case '[':
		return re_brackets(p);
	case '\\':
		return parse_escape(p);
	default:
		return literal_new(p, re_next_rune(p));
	}
}

/* The items of a concatenation while it is read. */
struct items {
	uint32_t cat, last, before_last, n;
};

static void items_add(struct re_parser *p, struct items *items, uint32_t id)
{
	if (items->last)
		p->t->nodes[items->last].next = id;
	else
		p->t->nodes[items->cat].first = id;
	items->before_last = items->last;
	items->last = id;
	items->n++;
}

static void items_replace_last(struct re_parser *p, struct items *items, uint32_t id)
{
	if (items->before_last)
		p->t->nodes[items->before_last].next = id;
	else
		p->t->nodes[items->cat].first = id;
	items->last = id;
}

/* \Q...\E: literals up to \E or the end. */
static void quoted(struct re_parser *p, struct items *items)
{
	p->pos += 2;
	while (!re_at_end(p) && !re_looking_at(p, "\\E"))
		items_add(p, items, literal_new(p, re_next_rune(p)));
	if (!re_at_end(p))
		p->pos += 2;
}

static uint32_t parse_concatenation(struct re_parser *p)
{
	struct items items = { .cat = re_node_new(p, RE_CAT) };
	bool after_repeat = false, is_op, is_flags;
	uint32_t id;

	while (!re_at_end(p) && re_peek(p, 0) != '|' && re_peek(p, 0) != ')') {
		id = repeat(p, items.last, after_repeat, &is_op);
		if (is_op) {
			if (!id)
				return 0;
			items_replace_last(p, &items, id);
			after_repeat = true;
			continue;
		}
		after_repeat = false;
		if (re_looking_at(p, "\\Q")) {
			quoted(p, &items);
			continue;
		}
		is_flags = false;
		id = re_peek(p, 0) == '(' ? parse_group(p, &is_flags) : parse_atom(p);
		if (!id && !is_flags)
			return 0;
		if (id)
			items_add(p, &items, id);
	}
	if (items.n == 0)
		p->t->nodes[items.cat].op = RE_EMPTY;
	return items.n == 1 ? items.last : items.cat;
}

static uint32_t parse_alternation(struct re_parser *p)
{
	uint32_t first = parse_concatenation(p), last = first, alt, id;

	if (!first || re_peek(p, 0) != '|')
		return first;
	alt = re_node_new(p, RE_ALT);
	p->t->nodes[alt].first = first;
	while (re_peek(p, 0) == '|') {
		p->pos++;
		id = parse_concatenation(p);
		if (!id)
			return 0;
		p->t->nodes[last].next = id;
		last = id;
	}
	return alt;
}

int re_parse(struct str expr, unsigned flags, struct re_tree *t, struct err *err)
{
	struct re_parser p = { .expr = expr, .t = t, .err = err };
	struct items items;

	*t = (struct re_tree){ 0 };
	p.flags.dot_all = (flags & PATTERN_DOT_ALL) != 0;
	if (expr.n > PATTERN_EXPR_MAX)
		return err_set(err, -EINVAL, "expression longer than %d bytes", PATTERN_EXPR_MAX);
	p.pos = utf8_valid_prefix(expr);
	if (p.pos != expr.n) {
		re_fail(&p, p.pos, "invalid UTF-8");
		return -EINVAL;
	}
	p.pos = 0;
	re_node_new(&p, RE_EMPTY); /* 0 means "none" */
	if (flags & PATTERN_LITERAL) {
		items = (struct items){ .cat = re_node_new(&p, RE_CAT) };
		while (!re_at_end(&p))
			items_add(&p, &items, literal_new(&p, re_next_rune(&p)));
		t->root = items.cat;
		return 0;
	}
	t->root = parse_alternation(&p);
	if (!t->root)
		return -EINVAL;
	if (!re_at_end(&p)) {
		re_fail(&p, p.pos, "unexpected )");
		return -EINVAL;
	}
	return 0;
}

void re_tree_fini(struct re_tree *t)
{
	for (uint32_t i = 0; i < t->nclasses; i++) {
		mem_free(t->classes[i].ranges);
		mem_free(t->classes[i].props);
	}
	mem_free(t->classes);
	mem_free(t->nodes);
	*t = (struct re_tree){ 0 };
}
