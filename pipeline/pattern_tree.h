/* SPDX-License-Identifier: Apache-2.0 */
/* The parsed form of an expression, shared by the parser (pattern_re2.c), the writer of PCRE2
 * syntax (pattern_emit.c), the literal finder (pattern_need.c) and pattern.c. Nobody else. */
#ifndef PIPELINE_PATTERN_TREE_H
#define PIPELINE_PATTERN_TREE_H

#include "lib/buf.h"
#include "lib/err.h"
#include "pipeline/literal.h"

enum re_op {
	RE_EMPTY,
	RE_LITERAL, /* one code point */
	RE_CLASS,
	RE_ANY,        /* .  (dot_all: with newline) */
	RE_LINE_START, /* (?m)^ */
	RE_LINE_END,   /* (?m)$ */
	RE_START,      /* \A and ^ */
	RE_END,        /* \z and $ */
	RE_WORD,       /* \b */
	RE_NOT_WORD,   /* \B */
	RE_GROUP,      /* capture */
	RE_CAT,
	RE_ALT,
	RE_REPEAT,
};

/* How a set of characters reaches beyond ASCII. */
enum re_wide { WIDE_NONE, WIDE_ALL, WIDE_SOME };

struct re_range {
	uint32_t lo, hi;
};

struct re_prop {       /* \p{name} */
	char name[32]; /* as PCRE2 spells it */
	bool is_negated;
	size_t at; /* in the expression */
};

struct re_class {
	struct re_range *ranges;
	uint32_t nranges, cap;
	struct re_prop *props;
	uint32_t nprops;
	bool is_negated;
	/* Worked out when the class is complete, with negation and ASCII case folding applied: */
	uint64_t ascii[2]; /* not valid when it has props */
	enum re_wide wide;
};

struct re_node {
	uint8_t op;
	bool fold, dot_all, lazy;
	bool is_counted;      /* RE_REPEAT written with braces */
	int32_t min, max;     /* RE_REPEAT; max -1 = no end */
	uint32_t rune;        /* RE_LITERAL */
	uint32_t index;       /* RE_CLASS: class; RE_GROUP: number */
	uint32_t first, next; /* child list; 0 = none */
};

/* Owns everything it points to. Node 0 is unused. */
struct re_tree {
	struct re_node *nodes;
	uint32_t n, cap;
	struct re_class *classes;
	uint32_t nclasses, classes_cap;
	struct str names[256]; /* of groups; borrowed from the expression */
	uint32_t ngroups;
	uint32_t root;
	bool needs_utf; /* byte mode cannot say what this pattern says */
};

/* Parses Go syntax. Flags as pattern_compile(). The tree borrows expr. */
int re_parse(struct str expr, unsigned flags, struct re_tree *t, struct err *err);
void re_tree_fini(struct re_tree *t);

/* The three texts a tree can be written as. All give the same answers where they apply:
 * EMIT_BYTES for any valid UTF-8 subject, unless t->needs_utf; EMIT_ASCII for subjects without a
 * byte above 0x7f; EMIT_UTF for any valid subject, with PCRE2_UTF. */
enum re_emit { EMIT_BYTES, EMIT_ASCII, EMIT_UTF };
void re_emit(const struct re_tree *t, enum re_emit mode, unsigned flags, struct buf *out);

/* What every match contains. */
struct re_need {
	struct literal_set set; /* n == 0: nothing found */
	bool is_ascii_only;     /* holds only for ASCII subjects: a folded k or s also has non-ASCII
				  * forms */
	size_t offset;          /* of the literal in the match; PATTERN_UNSET = not fixed */
};
void re_need(const struct re_tree *t, struct re_need *need);

static inline bool re_in_ascii(const struct re_class *c, uint32_t rune)
{
	return c->ascii[rune >> 6] >> (rune & 63) & 1;
}

#endif
