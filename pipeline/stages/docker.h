/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage docker. */
#ifndef PIPELINE_STAGES_DOCKER_H
#define PIPELINE_STAGES_DOCKER_H

#include "pipeline/stages/partial.h"

struct docker_conf {
	struct partial_conf partial;
	bool is_strict;      /* set by inputs: only objects with all three of its keys */
	bool sets_no_values; /* set by inputs: no extracted values */
	bool flags_others;   /* set by inputs: a line that is not Docker's is flagged */
};

#endif
