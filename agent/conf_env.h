/* SPDX-License-Identifier: Apache-2.0 */
/* ${...} in configuration values. */
#ifndef AGENT_CONF_ENV_H
#define AGENT_CONF_ENV_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/* Where variables come from; NULL in place of the struct means the environment. */
struct conf_env {
	const char *(*get)(void *ctx, const char *name); /* NULL = unset */
	void *ctx;
};

/* True when the text has something to replace. */
bool conf_env_needed(struct str text);

/* Appends text with
 *	${NAME}            the variable; an error when it is unset
 *	${NAME:-default}   the variable, or the default when it is unset or empty
 *	${NAME:+text}      the text when the variable is set and not empty, else nothing
 *	$$                 a dollar
 * replaced; defaults may nest. Any other dollar stays: "^a$", "$1" and "${1}" are what they were.
 * The values themselves are not looked at again. out->max bounds the result: is_cut then. */
int conf_env_expand(struct str text, const struct conf_env *env, struct buf *out,
		    struct err *err) MUST_USE;

#endif
