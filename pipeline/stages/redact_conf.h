/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage redact. */
#ifndef PIPELINE_STAGES_REDACT_CONF_H
#define PIPELINE_STAGES_REDACT_CONF_H

#include "lib/conf.h"
#include "lib/secret.h"
#include "pipeline/redact.h"

struct redact_pattern_conf {
	struct str name;
	struct str expression;
	struct str replacement;
};

struct redact_conf {
	uint32_t detectors, national_ids;
	struct conf_sections patterns;
	unsigned action; /* enum redact_action */
	int64_t keep_first, keep_last;
	struct secret hash_key;
	struct str replacement;
	struct conf_list except;
};

extern const struct conf_table redact_table;

/* What they say, with the rules in an array of REDACT_RULES_MAX; without action and key. */
struct redact_options redact_conf_options(const struct redact_conf *conf,
					  struct redact_rule *rules);

#endif
