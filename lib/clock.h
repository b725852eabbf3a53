/* SPDX-License-Identifier: Apache-2.0 */
/* Time in nanoseconds. Wall time is for records, monotonic time for every timer and deadline. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

#include "lib/os.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

static inline int64_t clock_ns(clockid_t id)
{
	struct timespec t = { 0 };

	os->clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Nanoseconds since 1970-01-01 UTC. */
static inline int64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static inline int64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
