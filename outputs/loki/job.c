/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, and the search for what Loki refused. */
#include "lib/check.h"
#include "lib/mem.h"
#include "outputs/loki/job.h"

static struct job *alloc(size_t npieces)
{
	struct job *job = mem_alloc(sizeof(*job) + npieces * sizeof(struct piece));

	*job = (struct job){ .npieces = 0 };
	return job;
}

struct job *job_new(const struct piece *pieces, size_t n)
{
	struct job *job = alloc(n);

	CHECK(n);
	job->npieces = n;
	memcpy(job->pieces, pieces, n * sizeof(*pieces));
	job->nstreams = pieces_group(job->pieces, n);
	for (size_t i = 0; i < n; i++)
		job->nrecs += pieces[i].nrecs;
	return job;
}

void job_free(struct job *job)
{
	mem_free(job);
}

/* Pieces come in grouped order, so a new stream is one that differs from the last. */
static void add(struct job *job, struct piece p)
{
	if (!job->npieces || !piece_same_stream(&job->pieces[job->npieces - 1], &p))
		job->nstreams++;
	job->pieces[job->npieces++] = p;
	job->nrecs += p.nrecs;
}

/* Two empty jobs with room for all pieces of job and one that is cut. */
static void make_two(const struct job *job, struct job *ret[2])
{
	for (int i = 0; i < 2; i++) {
		ret[i] = alloc(job->npieces + 1);
		ret[i]->is_part = true;
	}
}

static struct job *chain(struct job *job, struct job *parts[2])
{
	CHECK(parts[0]->npieces && parts[1]->npieces);
	CHECK(parts[0]->nrecs + parts[1]->nrecs == job->nrecs);
	parts[0]->next = parts[1];
	job_free(job);
	return parts[0];
}

const struct piece *job_named(const struct job *job, struct str named)
{
	for (size_t i = 0; named.n && i < job->npieces; i++)
		if (answer_names(named, piece_run(&job->pieces[i])->labels))
			return &job->pieces[i];
	return NULL;
}

bool job_has_stream(const struct job *job, const struct piece *p)
{
	for (size_t i = 0; i < job->npieces; i++)
		if (piece_same_stream(p, &job->pieces[i]))
			return true;
	return false;
}

struct job *job_take_stream(struct job **job, const struct piece *p)
{
	struct job *old = *job, *parts[2], *next = old->next;
	struct piece like = *p; /* may be one of old's */

	if (!job_has_stream(old, &like))
		return NULL;
	if (old->nstreams == 1) {
		*job = next;
		old->next = NULL;
		return old;
	}
	make_two(old, parts);
	for (size_t i = 0; i < old->npieces; i++)
		add(parts[piece_same_stream(&like, &old->pieces[i]) ? 0 : 1], old->pieces[i]);
	parts[1]->next = next;
	*job = parts[1];
	job_free(old);
	return parts[0];
}

/* The stream Loki named, and the others. NULL when it names none of ours. */
static struct job *split_named(struct job *job, struct str named)
{
	const struct piece *hit = job_named(job, named);
	struct job *parts[2];

	if (!hit)
		return NULL;
	make_two(job, parts);
	for (size_t i = 0; i < job->npieces; i++)
		add(parts[piece_same_stream(hit, &job->pieces[i]) ? 0 : 1], job->pieces[i]);
	return chain(job, parts);
}

static struct job *split_streams(struct job *job)
{
	uint32_t stream = 0;
	struct job *parts[2];

	make_two(job, parts);
	for (size_t i = 0; i < job->npieces; i++) {
		if (i && !piece_same_stream(&job->pieces[i - 1], &job->pieces[i]))
			stream++;
		add(parts[stream >= job->nstreams / 2], job->pieces[i]);
	}
	return chain(job, parts);
}

static struct job *split_entries(struct job *job)
{
	uint64_t left = job->nrecs / 2; /* of the first half */
	struct job *parts[2];

	make_two(job, parts);
	for (size_t i = 0; i < job->npieces; i++) {
		struct piece p = job->pieces[i];

		if (left && p.nrecs > left) {
			add(parts[0], piece_cut_entries(&p, (uint32_t)left));
			left = 0;
		}
		add(parts[left ? 0 : 1], p);
		if (left)
			left -= p.nrecs;
	}
	return chain(job, parts);
}

struct job *job_split(struct job *job, const struct verdict *v)
{
	const struct refusal *r = &v->refusal;
	struct job *parts;

	if (job->nrecs == 1)
		return NULL;
	if (v->kind == VERDICT_TOO_LARGE)
		return split_entries(job);
	if (r->scope == REFUSAL_STREAMS && job->nstreams == 1)
		return NULL;
	if (r->count >= job->nrecs && !r->is_mixed)
		return NULL;
	/* Only once: of many refused streams an answer names one, and halves find them faster. */
	if (!job->is_part && job->nstreams > 1 && r->stream.n) {
		parts = split_named(job, r->stream);
		if (parts)
			return parts;
	}
	return r->scope == REFUSAL_STREAMS ? split_streams(job) : split_entries(job);
}
