/* SPDX-License-Identifier: Apache-2.0 */
/* JMESPath as go-jmespath 0.4.0 has it (jmespath.org, the language of 2015): what the json stage's
 * expressions can say beyond plain paths, which json.h is much faster at. */
#ifndef PIPELINE_JMESPATH_JMESPATH_H
#define PIPELINE_JMESPATH_JMESPATH_H

#include "lib/err.h"
#include "pipeline/value.h"

#define JMESPATH_TEXT_MAX 4096 /* bytes of an expression */

/* A compiled expression; constant, so threads share it. */
struct jmespath;

/* 0, or -EINVAL with err "reason (at column N)". Unknown functions and wrong numbers of arguments
 * are found here, not when the expression is used. */
int jmespath_compile(struct str text, struct jmespath **ret, struct err *err);
void jmespath_free(struct jmespath *j);

/* Evaluates it on a value. The result borrows from the expression, the value and the arena. False
 * with err when it fails: an argument of a wrong type, a slice with step 0, or more than
 * max_bytes of memory or 100,000 steps. */
bool jmespath_search(const struct jmespath *j, struct value doc, struct arena *arena,
		     size_t max_bytes, struct value *ret, struct err *err);

#endif
