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
	unsigned tries;  /* times it was sent */
	bool is_part;    /* of a job that was refused */
	bool is_suspect; /* of a job that was answered 500 for long */
	/* Answered 500 so often, and so often since with others of its stream stored: no outage. */
	unsigned nfailed, nproofs;
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

/* The first piece of the stream that Loki named (answer_names()); NULL when it is none of ours. */
const struct piece *job_named(const struct job *job, struct str named);
bool job_has_stream(const struct job *job, const struct piece *p);
/* Takes the pieces of p's stream out of *job, as a job of their own; NULL when it has none. *job is then
 * the rest with what followed it, or what followed it when that was all. */
struct job *job_take_stream(struct job **job, const struct piece *p);

#endif
