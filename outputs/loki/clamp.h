/* SPDX-License-Identifier: Apache-2.0 */
/* Times that Loki would refuse, brought to where it takes them. Only for who asks for it. */
#ifndef OUTPUTS_LOKI_CLAMP_H
#define OUTPUTS_LOKI_CLAMP_H

#include "pipeline/batch.h"

/* The metadata that keeps the time a record had. */
#define CLAMP_NAME "tailrace_time"

/* Returns b, or a copy in scratch memory in which times before `oldest_ns` or behind `newest_ns` are moved
 * there, in their order and each its own; *ret_n counts them. key: of CLAMP_NAME. */
const struct batch *clamp_times(const struct batch *b, int64_t oldest_ns, int64_t newest_ns,
				uint16_t key, struct arena *scratch, uint64_t *ret_n);

#endif
