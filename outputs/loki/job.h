/* SPDX-License-Identifier: Apache-2.0 */
/* One request's worth of pieces, and how it is divided when Loki refuses it. */
#ifndef OUTPUTS_LOKI_JOB_H
#define OUTPUTS_LOKI_JOB_H

#include "outputs/loki/answer.h"
#include "outputs/loki/piece.h"

/* Owns its list, not the blocks: its pieces must be ended (or given to other jobs) before it is freed. */
struct job {
	struct job *next;
	size_t npieces; /* grouped by stream; at least one */
	uint32_t nstreams;
	uint64_t nrecs;
	unsigned tries; /* times it was sent */
	bool is_part;   /* of a job that was refused */
	struct piece pieces[];
};

/* Copies and groups the pieces. */
struct job *job_new(const struct piece *pieces, size_t n);
void job_free(struct job *job);

/* Divides a job that was refused (VERDICT_REFUSED or VERDICT_TOO_LARGE) into others, which are to be
 * sent one after the other, all of them again: what Loki stored the first time it knows and drops.
 * Frees job and returns the first, chained by next. NULL: job is refused for good as it is.
 *
 * A stream that Loki named is taken out first; then halves. So each entry refused costs at most
 * 2 log2(n) + 2 requests, and streams or jobs that are refused as a whole cost no more than one. */
struct job *job_split(struct job *job, const struct verdict *v);

#endif
