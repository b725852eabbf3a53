/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage multiline, which inputs offer as their own. */
#ifndef PIPELINE_STAGES_MULTILINE_H
#define PIPELINE_STAGES_MULTILINE_H

#include "lib/conf.h"

struct multiline_conf {
	struct str firstline, continuation;
	bool indent;
	int max_lines;
	int64_t max_wait_ns;
	size_t max_bytes;
};
extern const struct conf_table multiline_table;

/* Whether it says how lines belong together: an absent block does not. */
static inline bool multiline_is_set(const struct multiline_conf *conf)
{
	return conf->firstline.p || conf->continuation.p || conf->indent;
}

#endif
