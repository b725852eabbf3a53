/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a parsed expression in PCRE2 syntax.
 *
 * Byte mode (EMIT_BYTES) is exact for valid UTF-8 without PCRE2_UTF, which costs several times as
 * much per match. The only elements that may eat half of a character are "wild" ones: `.` and
 * classes with every character beyond ASCII. A single wild element is written as one lead byte and
 * all its continuation bytes. A wild loop without a counted end may run over bytes as they come: it
 * can only come to rest inside a character if what follows takes up there, which nothing but
 * another wild loop can, and then the same loops also meet at the character's border, earlier in
 * the order of preference. What is left is a loop that must take at least one (`.+`) right where
 * another left off (`dirty`): its first element is then written out. */
#include "pipeline/pattern_tree.h"

#include "lib/utf8.h"
#include "pipeline/pattern.h"

#define CONTINUATION "[\\x80-\\xbf]*+"
#define NOTHING "(?!)" /* matches nowhere */

struct emitter {
	const struct re_tree *t;
	enum re_emit mode;
	struct buf *out;
};

/* Each function that writes an element takes whether the place before it may be inside a character,
 * and returns the same for the place behind it. */
static bool emit(struct emitter *e, uint32_t id, bool dirty);

static void emit_ascii_char(struct emitter *e, uint32_t c)
{
	bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

	if (is_alnum || c == '_' || c == ' ' || c == '"' || c == '=' || c == ',' || c == ':')
		buf_ch(e->out, (char)c);
	else
		buf_printf(e->out, "\\x%02x", c);
}

static void emit_rune(struct emitter *e, uint32_t rune)
{
	char bytes[4];
	size_t n;

	if (rune < 0x80) {
		emit_ascii_char(e, rune);
	} else if (e->mode == EMIT_ASCII || (rune >= 0xd800 && rune < 0xe000)) {
		buf_c(e->out, NOTHING);
	} else if (e->mode == EMIT_UTF) {
		buf_printf(e->out, "\\x{%x}", rune);
	} else {
		n = utf8_encode(rune, bytes);
		for (size_t i = 0; i < n; i++)
			buf_printf(e->out, "\\x%02x", (uint8_t)bytes[i]);
	}
}

/* ---- sets of characters ---- */

/* The ASCII part as ranges; complement: those not in it. */
static void emit_ascii_ranges(struct emitter *e, const struct re_class *c, bool complement)
{
	for (uint32_t lo = 0; lo < 0x80; lo++) {
		uint32_t hi = lo;

		if (re_in_ascii(c, lo) == complement)
			continue;
		while (hi + 1 < 0x80 && re_in_ascii(c, hi + 1) != complement)
			hi++;
		buf_printf(e->out, "\\x%02x", lo);
		if (hi > lo)
			buf_printf(e->out, "-\\x%02x", hi);
		lo = hi;
	}
}

static bool is_ascii_set(const struct re_class *c, uint64_t lo, uint64_t hi)
{
	return c->ascii[0] == lo && c->ascii[1] == hi;
}

static void emit_ascii_set(struct emitter *e, const struct re_class *c)
{
	if (is_ascii_set(c, 0, 0)) {
		buf_c(e->out, NOTHING);
	} else if (is_ascii_set(c, 0x03ff000000000000, 0)) {
		buf_c(e->out, "\\d");
	} else if (is_ascii_set(c, 0x03ff000000000000, 0x07fffffe87fffffe)) {
		buf_c(e->out, "\\w");
	} else {
		buf_ch(e->out, '[');
		emit_ascii_ranges(e, c, false);
		buf_ch(e->out, ']');
	}
}

/* Ranges and properties as they were given: for PCRE2_UTF, and clipped for EMIT_ASCII. */
static void emit_items(struct emitter *e, const struct re_node *node, const struct re_class *c)
{
	uint32_t limit = e->mode == EMIT_ASCII ? 0x7f : 0x10ffff;
	size_t start = e->out->n, items;

	buf_c(e->out, node->fold ? "(?i:[" : "[");
	if (c->is_negated)
		buf_ch(e->out, '^');
	items = e->out->n;
	for (uint32_t i = 0; i < c->nranges; i++) {
		uint32_t lo = c->ranges[i].lo, hi = c->ranges[i].hi;

		/* PCRE2 refuses surrogates as ends; no valid text has them. */
		lo = lo >= 0xd800 && lo < 0xe000 ? 0xe000 : lo;
		hi = hi >= 0xd800 && hi < 0xe000 ? 0xd7ff : hi;
		hi = hi > limit ? limit : hi;
		if (lo <= hi)
			buf_printf(e->out, "\\x{%x}-\\x{%x}", lo, hi);
	}
	for (uint32_t i = 0; i < c->nprops; i++)
		buf_printf(e->out, "\\%c{%s}", c->props[i].is_negated ? 'P' : 'p',
			   c->props[i].name);
	if (e->out->n == items) { /* "[]" would go on to the next bracket */
		e->out->n = start;
		buf_c(e->out, c->is_negated ? "(?s:.)" : NOTHING);
		return;
	}
	buf_c(e->out, node->fold ? "])" : "]");
}

static bool is_wild(const struct emitter *e, const struct re_node *node)
{
	if (e->mode != EMIT_BYTES)
		return false;
	return node->op == RE_ANY ||
	       (node->op == RE_CLASS && e->t->classes[node->index].wide == WIDE_ALL);
}

static bool contains_wild(const struct emitter *e, uint32_t id)
{
	if (is_wild(e, &e->t->nodes[id]))
		return true;
	for (uint32_t c = e->t->nodes[id].first; c; c = e->t->nodes[c].next)
		if (contains_wild(e, c))
			return true;
	return false;
}

/* One byte of a wild element. */
static void emit_wild_byte(struct emitter *e, const struct re_node *node)
{
	if (node->op == RE_ANY) {
		buf_c(e->out, node->dot_all ? "(?s:.)" : ".");
		return;
	}
	if (is_ascii_set(&e->t->classes[node->index], UINT64_MAX, UINT64_MAX)) {
		buf_c(e->out, "(?s:.)");
		return;
	}
	buf_c(e->out, "[^");
	emit_ascii_ranges(e, &e->t->classes[node->index], true);
	buf_ch(e->out, ']');
}

/* One whole character of a wild element: nothing when standing inside a character. */
static void emit_wild_char(struct emitter *e, const struct re_node *node)
{
	buf_c(e->out, "(?:[^");
	if (node->op == RE_CLASS)
		emit_ascii_ranges(e, &e->t->classes[node->index], true);
	else if (!node->dot_all)
		buf_c(e->out, "\\n");
	buf_c(e->out, "\\x80-\\xbf]" CONTINUATION ")");
}

static void emit_class(struct emitter *e, const struct re_node *node)
{
	const struct re_class *c = &e->t->classes[node->index];

	if (e->mode == EMIT_UTF || c->nprops)
		emit_items(e, node, c);
	else if (is_wild(e, node))
		emit_wild_char(e, node);
	else
		emit_ascii_set(e, c);
}

/* ---- structure ---- */

static void emit_counts(struct emitter *e, int32_t min, int32_t max, bool lazy)
{
	if (min == 0 && max < 0)
		buf_ch(e->out, '*');
	else if (min == 1 && max < 0)
		buf_ch(e->out, '+');
	else if (min == 0 && max == 1)
		buf_ch(e->out, '?');
	else if (max < 0)
		buf_printf(e->out, "{%d,}", min);
	else if (min == max)
		buf_printf(e->out, "{%d}", min);
	else
		buf_printf(e->out, "{%d,%d}", min, max);
	if (lazy)
		buf_ch(e->out, '?');
}

static bool emit_wild_loop(struct emitter *e, const struct re_node *node, bool dirty)
{
	const struct re_node *body = &e->t->nodes[node->first];

	if (node->max >= 0) {
		emit_wild_char(e, body);
		emit_counts(e, node->min, node->max, node->lazy);
		return dirty && node->min == 0;
	}
	if (node->min == 1 && !node->lazy && !dirty) {
		emit_wild_byte(e, body);
		buf_ch(e->out, '+');
		return true;
	}
	if (node->min > 0) {
		emit_wild_char(e, body);
		emit_counts(e, node->min, node->min, false);
	}
	emit_wild_byte(e, body);
	emit_counts(e, 0, -1, node->lazy);
	return true;
}

static bool emit_repeat(struct emitter *e, const struct re_node *node, bool dirty)
{
	const struct re_node *body = &e->t->nodes[node->first];
	bool behind;

	if (is_wild(e, body))
		return emit_wild_loop(e, node, dirty);
	buf_c(e->out, "(?:");
	/* The second round starts where the first one ended. */
	behind = emit(e, node->first, dirty || (node->max != 1 && contains_wild(e, node->first)));
	buf_ch(e->out, ')');
	emit_counts(e, node->min, node->max, node->lazy);
	return behind || (dirty && node->min == 0);
}

static bool emit_alternation(struct emitter *e, const struct re_node *node, bool dirty)
{
	bool behind = false;

	buf_c(e->out, "(?:");
	for (uint32_t c = node->first; c; c = e->t->nodes[c].next) {
		behind |= emit(e, c, dirty);
		if (e->t->nodes[c].next)
			buf_ch(e->out, '|');
	}
	buf_ch(e->out, ')');
	return behind;
}

static void emit_literal(struct emitter *e, const struct re_node *node)
{
	if (node->fold)
		buf_c(e->out, "(?i:");
	emit_rune(e, node->rune);
	if (node->fold)
		buf_ch(e->out, ')');
}

static bool emit_sequence(struct emitter *e, const struct re_node *node, bool dirty)
{
	const struct re_node *nodes = e->t->nodes;

	for (uint32_t c = node->first; c; c = nodes[c].next) {
		if (nodes[c].op != RE_LITERAL || !nodes[c].fold) {
			dirty = emit(e, c, dirty);
			continue;
		}
		/* A run of folded letters in one group. */
		buf_c(e->out, "(?i:");
		emit_rune(e, nodes[c].rune);
		while (nodes[c].next && nodes[nodes[c].next].op == RE_LITERAL &&
		       nodes[nodes[c].next].fold) {
			c = nodes[c].next;
			emit_rune(e, nodes[c].rune);
		}
		buf_ch(e->out, ')');
		dirty = false;
	}
	return dirty;
}

static bool emit(struct emitter *e, uint32_t id, bool dirty)
{
	const struct re_node *node = &e->t->nodes[id];

	switch ((enum re_op)node->op) {
	case RE_EMPTY:
		return dirty;
	case RE_LITERAL:
		emit_literal(e, node);
		return false;
	case RE_CLASS:
		emit_class(e, node);
		return false;
	case RE_ANY:
		if (is_wild(e, node))
			emit_wild_char(e, node);
		else
			buf_c(e->out, node->dot_all ? "(?s:.)" : ".");
		return false;
	case RE_LINE_START:
		buf_c(e->out, "(?m:^)");
		return false;
	case RE_LINE_END:
		buf_c(e->out, "(?m:$)");
		return false;
	case RE_START:
		buf_c(e->out, "\\A");
		return false;
	case RE_END:
		buf_c(e->out, "\\z");
		return false;
	case RE_WORD:
		buf_c(e->out, "\\b");
		return false;
	case RE_NOT_WORD:
		/* True between the bytes of a character, too: ask for a border. */
		buf_c(e->out, e->mode == EMIT_BYTES ? "\\B(?![\\x80-\\xbf])" : "\\B");
		return false;
	case RE_GROUP:
		buf_ch(e->out, '(');
		dirty = emit(e, node->first, dirty);
		buf_ch(e->out, ')');
		return dirty;
	case RE_CAT:
		return emit_sequence(e, node, dirty);
	case RE_ALT:
		return emit_alternation(e, node, dirty);
	case RE_REPEAT:
		return emit_repeat(e, node, dirty);
	}
	return dirty;
}

void re_emit(const struct re_tree *t, enum re_emit mode, unsigned flags, struct buf *out)
{
	struct emitter e = { .t = t, .mode = mode, .out = out };

	if (flags & PATTERN_ANCHORED)
		buf_c(out, "\\A(?:");
	emit(&e, t->root, false);
	if (flags & PATTERN_ANCHORED)
		buf_c(out, ")\\z");
}
