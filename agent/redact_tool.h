/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace redact`: the redact stages of a pipeline, or the default one, on their own. */
#ifndef AGENT_REDACT_TOOL_H
#define AGENT_REDACT_TOOL_H

#include <stdio.h>

#include "agent/agent_conf.h"

#define REDACT_TOOL_LINE_MAX ((size_t)1 << 20)

/* All redact stages of a pipeline, also those inside of others, copied to ret (which lives in the
 * doc). Returns how many. */
size_t redact_tool_find(struct conf_doc *doc, const struct conf_stages *list,
			struct conf_stages *ret);
/* The stage as it is without options. */
void redact_tool_default(struct conf_doc *doc, struct conf_stages *ret);

/* Lines of fd to `to`, redacted. Dropped ones are left out. What is longer than REDACT_TOOL_LINE_MAX is
 * cut, its end masked. Returns 0 or negative. */
int redact_tool_filter(const struct conf_stages *stages, int fd, FILE *to,
		       struct err *err) MUST_USE;

/* Which detector finds something where, stage by stage on the lines as they are, and how often in
 * all; never what it was. */
int redact_tool_explain(const struct conf_stages *stages, int fd, bool as_json, FILE *to,
			struct err *err) MUST_USE;

#endif
