/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage labels, for inputs that put it in front. */
#ifndef PIPELINE_STAGES_LABELS_H
#define PIPELINE_STAGES_LABELS_H

#include "lib/conf.h"

struct labels_conf {
	struct conf_map labels; /* name -> extracted value */
};

#endif
