/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes and character classes of Go's regular expressions. */
#include "pipeline/pattern_parser.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/mem.h"

/* ---- classes ---- */

static uint32_t class_new(struct re_parser *p)
{
	struct re_tree *t = p->t;

	if (t->nclasses == t->classes_cap) {
		t->classes_cap = t->classes_cap ? 2 * t->classes_cap : 16;
		t->classes = mem_realloc(t->classes, t->classes_cap * sizeof(*t->classes));
	}
	t->classes[t->nclasses] = (struct re_class){ 0 };
	return t->nclasses++;
}

static void range_add(struct re_class *c, uint32_t lo, uint32_t hi)
{
	if (c->nranges == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 8;
		c->ranges = mem_realloc(c->ranges, c->cap * sizeof(*c->ranges));
	}
	c->ranges[c->nranges++] = (struct re_range){ lo, hi };
}

/* With the other case of ASCII letters; beyond ASCII that is left to PCRE2's own tables, except for
 * the two that fold into ASCII. */
static void range_add_folded(struct re_class *c, uint32_t lo, uint32_t hi)
{
	range_add(c, lo, hi);
	for (uint32_t l = 'a'; l <= 'z'; l++) {
		uint32_t upper = l - 0x20, odd = l == 'k' ? 0x212a : l == 's' ? 0x17f : upper;

		if ((l < lo || l > hi) && (upper < lo || upper > hi) && (odd < lo || odd > hi))
			continue;
		range_add(c, l, l);
		range_add(c, upper, upper);
		range_add(c, odd, odd);
	}
}

/* A named group of ASCII characters, as text of pairs lo hi. */
static void group_add(struct re_class *c, const char *pairs, bool is_negated, bool fold)
{
	uint32_t next = 0;
	struct re_class g = { 0 };

	for (const uint8_t *s = (const uint8_t *)pairs; *s; s += 2) {
		/* NUL cannot be written in such a text: 1 stands for 0 where it starts a pair. */
		uint32_t lo = s[0] == 1 ? 0 : s[0];

		(fold ? range_add_folded : range_add)(&g, lo, s[1]);
	}
	if (!is_negated) {
		for (uint32_t i = 0; i < g.nranges; i++)
			range_add(c, g.ranges[i].lo, g.ranges[i].hi);
		mem_free(g.ranges);
		return;
	}
	/* The complement: step from gap to gap. Few ranges, so quadratic is fine. */
	while (next <= RE_RUNE_MAX) {
		uint32_t lo = RE_RUNE_MAX + 1, hi = 0;

		for (uint32_t i = 0; i < g.nranges; i++)
			if (g.ranges[i].hi >= next && g.ranges[i].lo < lo) {
				lo = g.ranges[i].lo;
				hi = g.ranges[i].hi;
			}
		if (lo > next)
			range_add(c, next, lo - 1);
		next = lo > RE_RUNE_MAX ? lo : hi + 1;
	}
	mem_free(g.ranges);
}

static int range_cmp(const void *a, const void *b)
{
	const struct re_range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Works out ascii and wide, and whether byte mode can still do. */
static void class_finish(struct re_parser *p, uint32_t index)
{
	struct re_class *c = &p->t->classes[index];
	uint32_t n = 0, covered = 0x80;
	bool any = false;

	if (c->nranges)
		qsort(c->ranges, c->nranges, sizeof(*c->ranges), range_cmp);
	for (uint32_t i = 0; i < c->nranges; i++) {
		struct re_range r = c->ranges[i];

		if (n && r.lo <= c->ranges[n - 1].hi + 1) {
			if (r.hi > c->ranges[n - 1].hi)
				c->ranges[n - 1].hi = r.hi;
		} else {
			c->ranges[n++] = r;
		}
	}
	c->nranges = n;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t r = c->ranges[i].lo; r <= c->ranges[i].hi && r < 0x80; r++)
			c->ascii[r >> 6] |= 1ULL << (r & 63);
		if (c->ranges[i].hi >= 0x80) {
			any = true;
			if (c->ranges[i].lo <= covered)
				covered = c->ranges[i].hi + 1;
		}
	}
	c->wide = !any ? WIDE_NONE : covered > RE_RUNE_MAX ? WIDE_ALL : WIDE_SOME;
	if (c->is_negated) {
		c->ascii[0] = ~c->ascii[0];
		c->ascii[1] = ~c->ascii[1];
		c->wide = c->wide == WIDE_NONE  ? WIDE_ALL
			  : c->wide == WIDE_ALL ? WIDE_NONE
						: WIDE_SOME;
	}
	if (c->nprops)
		c->wide = WIDE_SOME;
	if (c->wide == WIDE_SOME)
		p->t->needs_utf = true;
}

/* \d \D \s \S \w \W; false when something else stands there. */
static bool perl_class(struct re_parser *p, struct re_class *c)
{
	static const struct {
		char letter;
		const char *pairs;
	} table[] = { { 'd', "09" }, { 's', "\t\n\f\r  " }, { 'w', "09AZaz__" } };

	if (re_peek(p, 0) != '\\')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if ((re_peek(p, 1) | 0x20) != table[i].letter)
			continue;
		group_add(c, table[i].pairs, re_peek(p, 1) != table[i].letter, p->flags.fold);
		p->pos += 2;
		return true;
	}
	return false;
}

/* [:name:] or [:^name:]; 1 done, 0 not one, -1 error. */
static int posix_class(struct re_parser *p, struct re_class *c)
{
	static const struct {
		const char *name, *pairs;
	} table[] = {
		{ "alnum", "09AZaz" },
		{ "alpha", "AZaz" },
		{ "ascii", "\1\177" },
		{ "blank", "\t\t  " },
		{ "cntrl", "\1\037\177\177" },
		{ "digit", "09" },
		{ "graph", "!~" },
		{ "lower", "az" },
		{ "print", " ~" },
		{ "punct", "!/:@[`{~" },
		{ "space", "\t\r  " },
		{ "upper", "AZ" },
		{ "word", "09AZaz__" },
		{ "xdigit", "09AFaf" },
	};
	size_t start = p->pos, end;
	struct str name;
	bool is_negated;

	if (!re_looking_at(p, "[:") || p->pos + 2 >= p->expr.n)
		return 0;
	end = str_find(str_skip(p->expr, p->pos + 2), STR(":]"));
	if (end == p->expr.n - p->pos - 2)
		return 0;
	name = str_sub(p->expr, p->pos + 2, p->pos + 2 + end);
	p->pos += 2 + end + 2;
	is_negated = name.n && name.p[0] == '^';
	name = str_skip(name, is_negated);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (str_is(name, table[i].name)) {
			group_add(c, table[i].pairs, is_negated, p->flags.fold);
			return 1;
		}
	re_fail(p, start, "unknown character class " STR_FMT, STR_ARG(re_since(p, start)));
	return -1;
}

static void prop_add(struct re_class *c, struct str name, bool is_negated, bool fold, size_t at)
{
	struct re_prop *prop;

	if (str_is(name, "Any")) {
		if (!is_negated)
			range_add(c, 0, RE_RUNE_MAX);
		return;
	}
	/* Go widens these three when case is ignored. */
	if (fold && (str_is(name, "Lu") || str_is(name, "Ll") || str_is(name, "Lt")))
		name = STR("L&");
	c->props = mem_realloc(c->props, (c->nprops + 1) * sizeof(*c->props));
	prop = &c->props[c->nprops++];
	/* Two letters are a general category, the rest are scripts: by Script as Go has it, not by
	 * Script_Extensions, which is what a bare name means to PCRE2. */
	snprintf(prop->name, sizeof(prop->name), "%s" STR_FMT, name.n > 2 ? "sc:" : "",
		 STR_ARG(name));
	prop->is_negated = is_negated;
	prop->at = at;
}

/* \pN \p{Name} \P...; 1 done, 0 not one, -1 error. */
static int unicode_class(struct re_parser *p, struct re_class *c)
{
	size_t start = p->pos, end;
	bool is_negated;
	struct str name;

	if (re_peek(p, 0) != '\\' || (re_peek(p, 1) | 0x20) != 'p')
		return 0;
	is_negated = re_peek(p, 1) == 'P';
	p->pos += 2;
	if (re_at_end(p)) {
		re_fail(p, start, "\\p lacks the name of a property");
		return -1;
	}
	if (re_peek(p, 0) != '{') {
		end = p->pos;
		re_next_rune(p);
		name = re_since(p, end);
	} else {
		end = str_chr(str_skip(p->expr, p->pos), '}');
		name = str_sub(p->expr, p->pos + 1, p->pos + end);
		p->pos += end;
		if (re_at_end(p)) {
			re_fail(p, start, "missing closing }");
			return -1;
		}
		p->pos++;
	}
	if (name.n && name.p[0] == '^') {
		is_negated = !is_negated;
		name = str_skip(name, 1);
	}
	for (size_t i = 0; i < name.n; i++)
		if (!re_is_word((uint8_t)name.p[i]))
			name.n = 0;
	if (name.n == 0 || name.n > 24) {
		re_fail(p, start, "unknown Unicode property " STR_FMT, STR_ARG(re_since(p, start)));
		return -1;
	}
	prop_add(c, name, is_negated, p->flags.fold, start);
	return 1;
}

/* ---- escapes ---- */

static int hex_value(int c)
{
	if (re_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\x". False when malformed. */
static bool hex_escape(struct re_parser *p, uint32_t *ret)
{
	uint32_t rune = 0;
	size_t digits = 0;

	if (re_peek(p, 0) != '{') {
		int hi = hex_value(re_peek(p, 0)), lo = hex_value(re_peek(p, 1));

		if (hi < 0 || lo < 0)
			return false;
		p->pos += 2;
		*ret = (uint32_t)(hi * 16 + lo);
		return true;
	}
	for (p->pos++; !re_at_end(p) && re_peek(p, 0) != '}'; p->pos++, digits++) {
		int v = hex_value(re_peek(p, 0));

		if (v < 0 || (rune = rune * 16 + (uint32_t)v) > RE_RUNE_MAX)
			return false;
	}
	if (re_at_end(p) || !digits)
		return false;
	p->pos++;
	*ret = rune;
	return true;
}

bool re_escape(struct re_parser *p, uint32_t *ret)
{
	static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	size_t start = p->pos++;
	const char *hit;
	int c;

	if (re_at_end(p)) {
		re_fail(p, start, "trailing backslash");
		return false;
	}
	c = re_peek(p, 0);
	if (c >= 0x80) {
		re_next_rune(p);
	} else {
		p->pos++;
		if (!re_is_word(c) || c == '_') {
			*ret = (uint32_t)c;
			return true;
		}
		hit = memchr(letters, c, 6);
		if (hit) {
			*ret = (uint32_t)values[hit - letters];
			return true;
		}
		if (c == 'x') {
			if (hex_escape(p, ret))
				return true;
			re_fail(p, start, "\\x needs two hexadecimal digits or {a code point}");
			return false;
		}
		if (c == '0' ||
		    (c >= '1' && c <= '7' && re_peek(p, 0) >= '0' && re_peek(p, 0) <= '7')) {
			*ret = (uint32_t)(c - '0');
			for (int i = 0; i < 2 && re_peek(p, 0) >= '0' && re_peek(p, 0) <= '7'; i++)
				*ret = *ret * 8 + (uint32_t)(re_peek(p, 0) - '0'), p->pos++;
			return true;
		}
	}
	if (re_is_digit(c) || c == 'k' || c == 'g')
		re_fail(p, start, "back-references are not supported");
	else
		re_fail(p, start, "invalid escape sequence " STR_FMT, STR_ARG(re_since(p, start)));
	return false;
}

/* ---- bracket expressions ---- */

static bool class_char(struct re_parser *p, size_t start, uint32_t *ret)
{
	if (re_at_end(p)) {
		re_fail(p, start, "missing closing ]");
		return false;
	}
	if (re_peek(p, 0) == '\\')
		return re_escape(p, ret);
	*ret = re_next_rune(p);
	return true;
}

/* One item of a bracket expression. */
static bool class_item(struct re_parser *p, size_t start, struct re_class *c)
{
	size_t item = p->pos;
	uint32_t lo, hi;
	int done = posix_class(p, c);

	if (!done)
		done = unicode_class(p, c);
	if (!done)
		done = perl_class(p, c);
	if (done)
		return done > 0;
	if (!class_char(p, start, &lo))
		return false;
	hi = lo;
	if (re_peek(p, 0) == '-' && re_peek(p, 1) != ']' && re_peek(p, 1) != -1) {
		p->pos++;
		if (!class_char(p, start, &hi))
			return false;
		if (hi < lo) {
			re_fail(p, item, "invalid character class range " STR_FMT,
				STR_ARG(re_since(p, item)));
			return false;
		}
	}
	(p->flags.fold ? range_add_folded : range_add)(c, lo, hi);
	return true;
}

static uint32_t class_node(struct re_parser *p, uint32_t index)
{
	uint32_t id;

	class_finish(p, index);
	id = re_node_new(p, RE_CLASS);
	p->t->nodes[id].index = index;
	p->t->nodes[id].fold = p->flags.fold;
	return id;
}

uint32_t re_brackets(struct re_parser *p)
{
	uint32_t index = class_new(p);
	size_t start = p->pos++;
	bool first = true;

	if (re_peek(p, 0) == '^') {
		p->t->classes[index].is_negated = true;
		p->pos++;
	}
	for (; first || re_peek(p, 0) != ']'; first = false)
		if (!class_item(p, start, &p->t->classes[index]))
			return 0;
	p->pos++;
	return class_node(p, index);
}

uint32_t re_class_escape(struct re_parser *p)
{
	uint32_t index = class_new(p);
	int done = unicode_class(p, &p->t->classes[index]);

	if (done < 0)
		return 0;
	if (!done)
		perl_class(p, &p->t->classes[index]);
	return class_node(p, index);
}
