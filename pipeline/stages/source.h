/* SPDX-License-Identifier: Apache-2.0 */
/* What the stages with an expression and a source have in common: the text they look at, and how a
 * wrong expression is reported. */
#ifndef PIPELINE_STAGES_SOURCE_H
#define PIPELINE_STAGES_SOURCE_H

#include "lib/metric.h"
#include "pipeline/pattern.h"
#include "pipeline/stage.h"

/* The line, or an extracted value. */
struct source_text {
	bool is_line;
	uint16_t key;
};

/* name.p == NULL: the line. */
static inline struct source_text source_text(struct str name)
{
	return (struct source_text){ !name.p, name.p ? key_intern(name) : (uint16_t)0 };
}

/* False when the record does not have it, or has it without a value. */
static inline bool source_get(struct source_text from, const struct batch *b, const struct rec *r,
			      struct str *ret)
{
	if (!from.is_line)
		return rec_get_str(b, r, from.key, ret);
	*ret = r->line;
	return true;
}

/* For conf_table.check. */
static inline void check_pattern(struct conf_doc *doc, const struct conf_node *node,
				 const char *key, struct str expr)
{
	const struct conf_node *at = conf_get(node, key);
	struct err err = ERR_NONE;
	struct pattern *p;

	if (pattern_compile(expr, 0, &p, &err))
		conf_error(doc, at ? at : node, "%s", err.text);
	pattern_free(p);
}

/* Matches that were given up: the record passed as if it did not match. */
static inline void count_given_up(struct stage *s, uint64_t n)
{
	if (n)
		metric_add(metric_get(METRIC_PATTERN_LIMIT, "pipeline", chain_pipeline(s->chain),
				      "stage", s->ops->name, NULL),
			   (int64_t)n);
}

#endif
