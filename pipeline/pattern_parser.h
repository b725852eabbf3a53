/* SPDX-License-Identifier: Apache-2.0 */
/* State of the expression parser, shared by pattern_re2.c (structure) and pattern_class.c (escapes
 * and character classes). */
#ifndef PIPELINE_PATTERN_PARSER_H
#define PIPELINE_PATTERN_PARSER_H

#include "pipeline/pattern_tree.h"

#define RE_RUNE_MAX 0x10ffffu

struct re_flags {
	bool fold, multi_line, dot_all, ungreedy;
};

struct re_parser {
	struct str expr;
	size_t pos;
	struct re_tree *t;
	struct err *err;
	struct re_flags flags;
	unsigned depth;
	unsigned wraps; /* repetitions of repetitions, which nest without parentheses */
};

/* Sets the error with its column; returns 0. */
uint32_t re_fail(struct re_parser *p, size_t at, const char *fmt, ...) PRINTF(3, 4);
/* One code point; the expression is known to be valid UTF-8 and not at its end. */
uint32_t re_next_rune(struct re_parser *p);
uint32_t re_node_new(struct re_parser *p, enum re_op op);

/* A backslash escape that stands for one character. False after an error. */
bool re_escape(struct re_parser *p, uint32_t *ret);
/* [...], \d, \pL and so on: a class node, 0 after an error. */
uint32_t re_brackets(struct re_parser *p);
uint32_t re_class_escape(struct re_parser *p);

static inline bool re_at_end(const struct re_parser *p)
{
	return p->pos >= p->expr.n;
}

/* The byte k places ahead, or -1 behind the end. */
static inline int re_peek(const struct re_parser *p, size_t k)
{
	return p->pos + k < p->expr.n ? (uint8_t)p->expr.p[p->pos + k] : -1;
}

static inline bool re_looking_at(const struct re_parser *p, const char *text)
{
	return str_starts(str_skip(p->expr, p->pos), str_c(text));
}

static inline struct str re_since(const struct re_parser *p, size_t from)
{
	return str_sub(p->expr, from, p->pos);
}

static inline bool re_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool re_is_word(int c)
{
	return re_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

#endif
