/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage cri, and its line parser. */
#ifndef PIPELINE_STAGES_CRI_H
#define PIPELINE_STAGES_CRI_H

#include "pipeline/stages/partial.h"

struct cri_conf {
	struct partial_conf partial;
	unsigned max_partial_lines;
	size_t max_partial_line_size;
	bool max_partial_line_size_truncate;
	bool is_strict;      /* set by inputs: a line is CRI only with a time */
	bool sets_no_values; /* set by inputs: no extracted values */
	bool flags_others; /* set by inputs: every line is meant to be CRI; one that is not is flagged */
};

/* A line as CRI writes it; borrowed. */
struct cri_line {
	struct str time, flags, content;
	unsigned stream;
};

/* TIME SP (stdout|stderr) SP FLAGS SP CONTENT, time and flags without white space, not empty
 * (promtail.md 7.18; Kubernetes' CRI logging.go). False: something else. */
bool cri_parse(struct str line, struct cri_line *ret);

#endif
