/* SPDX-License-Identifier: Apache-2.0 */
/* Finds text that every match of a pattern contains, so that a line without it is not searched: the
 * rarest run of literals, or a few alternatives of which one must be there. */
#include "pipeline/pattern_tree.h"

#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/pattern.h"

#define RARITY_MIN 8 /* bits; a digit or a dot alone is in every line */

struct finder {
	const struct re_tree *t;
	struct re_need *best;
	unsigned best_rarity;
	/* The run of literals that is being read: */
	uint8_t bytes[LITERAL_BYTES_MAX], fold[LITERAL_BYTES_MAX];
	size_t n;
	size_t run_at; /* its offset in the match, PATTERN_UNSET when not fixed */
	bool is_ascii_only;
	size_t at; /* offset of what comes next */
};

static void walk(struct finder *f, uint32_t id);

static void flush(struct finder *f)
{
	struct literal l;

	if (f->n) {
		literal_init_masked(&l, f->bytes, f->fold, f->n);
		if (literal_rarity(&l) > f->best_rarity) {
			f->best_rarity = literal_rarity(&l);
			f->best->set.n = 1;
			f->best->set.items[0] = l;
			f->best->offset = f->run_at;
			f->best->is_ascii_only = f->is_ascii_only;
		}
	}
	f->n = 0;
	f->is_ascii_only = false;
}

static void add_byte(struct finder *f, uint8_t c, uint8_t fold)
{
	if (f->n == LITERAL_BYTES_MAX)
		flush(f);
	if (f->n == 0)
		f->run_at = f->at;
	f->bytes[f->n] = c | fold;
	f->fold[f->n++] = fold;
	if (f->at != PATTERN_UNSET)
		f->at++;
	if (fold && (f->bytes[f->n - 1] == 'k' || f->bytes[f->n - 1] == 's')) {
		f->is_ascii_only = true; /* U+212A and U+017F fold to these, and are longer */
		f->at = PATTERN_UNSET;
	}
}

/* Something of unknown content; width PATTERN_UNSET = unknown, too. */
static void gap(struct finder *f, size_t width)
{
	flush(f);
	f->at = f->at == PATTERN_UNSET || width == PATTERN_UNSET ? PATTERN_UNSET : f->at + width;
}

static void walk_literal(struct finder *f, const struct re_node *node)
{
	char bytes[4];
	size_t n;

	if (node->rune < 0x80) {
		add_byte(f, (uint8_t)node->rune, node->fold ? 0x20 : 0);
		return;
	}
	if (node->fold || (node->rune >= 0xd800 && node->rune < 0xe000)) {
		gap(f, PATTERN_UNSET);
		return;
	}
	n = utf8_encode(node->rune, bytes);
	for (size_t i = 0; i < n; i++)
		add_byte(f, (uint8_t)bytes[i], 0);
}

static void walk_class(struct finder *f, const struct re_class *c)
{
	int members = __builtin_popcountll(c->ascii[0]) + __builtin_popcountll(c->ascii[1]);
	uint32_t lo = 0, hi = 0x7f;

	if (c->nprops || c->wide == WIDE_ALL || !members) {
		gap(f, PATTERN_UNSET);
		return;
	}
	while (!re_in_ascii(c, lo))
		lo++;
	while (!re_in_ascii(c, hi))
		hi--;
	if (c->wide == WIDE_SOME) {
		/* [kK\x{212a}] is a folded k; anything else may be several bytes long. */
		if (members == 2 && hi == lo + 0x20 && (hi == 'k' || hi == 's') &&
		    c->nranges == 3 && !c->is_negated)
			add_byte(f, (uint8_t)hi, 0x20);
		else
			gap(f, PATTERN_UNSET);
		return;
	}
	if (members == 1)
		add_byte(f, (uint8_t)lo, 0);
	else if (members == 2 && hi == lo + 0x20 && lo >= 'A' && lo <= 'Z')
		add_byte(f, (uint8_t)hi, 0x20);
	else
		gap(f, 1);
}

/* Every branch needs something: then one of those is needed here. */
static void walk_alternation(struct finder *f, const struct re_node *node)
{
	struct re_need *all = mem_zalloc(sizeof(*all)), *one = mem_zalloc(sizeof(*one));
	unsigned rarity = ~0u;

	flush(f);
	for (uint32_t c = node->first; c && rarity; c = f->t->nodes[c].next) {
		struct finder sub = { .t = f->t, .best = one };

		one->set.n = 0;
		walk(&sub, c);
		flush(&sub);
		if (!one->set.n || all->set.n + one->set.n > LITERAL_SET_MAX) {
			rarity = 0;
			break;
		}
		for (uint32_t i = 0; i < one->set.n; i++)
			all->set.items[all->set.n++] = one->set.items[i];
		all->is_ascii_only |= one->is_ascii_only;
		rarity = sub.best_rarity < rarity ? sub.best_rarity : rarity;
	}
	/* A set is a little worse than a single literal as rare as its commonest item. */
	rarity = rarity > 3 ? rarity - 3 : 0;
	if (rarity > f->best_rarity) {
		f->best_rarity = rarity;
		*f->best = *all;
		f->best->offset = PATTERN_UNSET;
	}
	f->at = PATTERN_UNSET;
	mem_free(all);
	mem_free(one);
}

/* Bytes of a fixed number of one-byte classes, such as \d{4}. */
static size_t fixed_width(const struct finder *f, const struct re_node *node)
{
	const struct re_node *body = &f->t->nodes[node->first];

	if (node->min == node->max && body->op == RE_CLASS &&
	    f->t->classes[body->index].wide == WIDE_NONE)
		return (size_t)node->min;
	return PATTERN_UNSET;
}

static void walk(struct finder *f, uint32_t id)
{
	const struct re_node *node = &f->t->nodes[id];

	switch ((enum re_op)node->op) {
	case RE_EMPTY:
	case RE_LINE_START:
	case RE_LINE_END:
	case RE_START:
	case RE_END:
	case RE_WORD:
	case RE_NOT_WORD:
		return; /* what stands on both sides is adjacent */
	case RE_LITERAL:
		walk_literal(f, node);
		return;
	case RE_CLASS:
		walk_class(f, &f->t->classes[node->index]);
		return;
	case RE_ANY:
		gap(f, PATTERN_UNSET);
		return;
	case RE_GROUP:
	case RE_CAT:
		for (uint32_t c = node->first; c; c = f->t->nodes[c].next)
			walk(f, c);
		return;
	case RE_ALT:
		walk_alternation(f, node);
		return;
	case RE_REPEAT:
		if (node->min == 0) {
			gap(f, PATTERN_UNSET);
			return;
		}
		if (fixed_width(f, node) != PATTERN_UNSET) {
			gap(f, fixed_width(f, node));
			return;
		}
		/* The first round stands right behind what came before. */
		walk(f, node->first);
		if (node->max != 1)
			gap(f, PATTERN_UNSET);
		return;
	}
}

void re_need(const struct re_tree *t, struct re_need *need)
{
	struct finder f = { .t = t, .best = need };

	memset(need, 0, sizeof(*need));
	walk(&f, t->root);
	flush(&f);
	if (f.best_rarity < RARITY_MIN)
		need->set.n = 0;
	if (need->set.n)
		literal_set_init(&need->set);
}
