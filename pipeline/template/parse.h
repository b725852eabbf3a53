/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the template parser share. Private to parse.c and parse_pipe.c. */
#ifndef PIPELINE_TEMPLATE_PARSE_H
#define PIPELINE_TEMPLATE_PARSE_H

#include "pipeline/template/tree.h"

struct parser {
	struct template *t;
	struct str text;
	size_t at;
	struct err *err;
	struct str variables[VARIABLES_MAX]; /* in scope; [0] is $ */
	unsigned nvariables;
	unsigned depth, ranges;
	bool trims; /* the last }} had a marker: white space behind it goes */
};

/* Sets the error at an offset and returns false. */
bool parse_fail(struct parser *p, size_t at, const char *fmt, ...) PRINTF(3, 4);
void parse_skip_space(struct parser *p);
char parse_byte(const struct parser *p, size_t ahead);
/* The word at p->at: letters, digits, underscores; empty when there is none. Not consumed. */
struct str parse_word(const struct parser *p);
/* A right delimiter stands here. */
bool parse_at_close(const struct parser *p);

/* A pipeline up to the right delimiter or parenthesis, which is not consumed. NULL after
 * parse_fail(). */
struct pipe *parse_pipe(struct parser *p, bool is_range);
/* A string literal, as `define` needs it; parse_literal.c. */
bool parse_string(struct parser *p, struct str *ret);
/* A number or character; parse_literal.c. */
bool parse_number(struct parser *p, struct value *ret);

#endif
