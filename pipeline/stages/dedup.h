/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage dedup. */
#ifndef PIPELINE_STAGES_DEDUP_H
#define PIPELINE_STAGES_DEDUP_H

#include "lib/conf.h"

enum dedup_report { DEDUP_MESSAGE, DEDUP_LINE, DEDUP_NONE };

struct dedup_conf {
	struct conf_list by;
	int64_t window_ns;
	bool consecutive;
	unsigned report;
	unsigned max_keys;
	struct str drop_counter_reason;
};
extern const struct conf_table dedup_table;

#endif
