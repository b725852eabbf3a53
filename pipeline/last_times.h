/* SPDX-License-Identifier: Apache-2.0 */
/* The last time of each of a bounded number of streams; beyond it the one that was used longest ago
 * is forgotten. For the timestamp stage. One thread. */
#ifndef PIPELINE_LAST_TIMES_H
#define PIPELINE_LAST_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct last_times;

/* Grows with use up to max streams (32 bytes each). */
struct last_times *last_times_new(uint32_t max);
void last_times_free(struct last_times *t); /* NULL is fine */

/* The time of a stream, given by the hash of its labels; false when it is not known. */
bool last_times_get(struct last_times *t, uint64_t stream, int64_t *ret_ns);
void last_times_set(struct last_times *t, uint64_t stream, int64_t ns);

#endif
