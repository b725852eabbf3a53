/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of pieces. */
#include "lib/check.h"
#include "lib/mem.h"
#include "outputs/loki/feed.h"

#define STREAM_BYTES 12 /* tags and lengths of a Stream */
#define PIECE_COST_MIN (STREAM_BYTES + 4)

struct feed *feed_new(struct tenant *tenant, struct str stream)
{
	struct feed *f = mem_zalloc(sizeof(*f));

	f->tenant = tenant;
	if (stream.n)
		f->stream = str_make(mem_dup(stream.p, stream.n), stream.n);
	tenant->nfeeds++;
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	CHECK(feed_is_empty(f));
	f->tenant->nfeeds--;
	mem_free((char *)(uintptr_t)f->stream.p);
	mem_free(f->queue);
	mem_free(f);
}

static struct piece *at(struct feed *f, size_t i)
{
	return &f->queue[(f->head + i) & (f->cap - 1)];
}

static void grow(struct feed *f)
{
	size_t cap = f->cap ? 2 * f->cap : 16;
	struct piece *queue = mem_array(cap, sizeof(*queue));

	for (size_t i = 0; i < f->n; i++)
		queue[i] = *at(f, i);
	mem_free(f->queue);
	f->queue = queue;
	f->head = 0;
	f->cap = cap;
}

/* What a piece adds to a body at most: many small streams are mostly labels. */
static size_t cost(const struct piece *p)
{
	return p->len + piece_run(p)->labels.n + STREAM_BYTES;
}

static void push(struct feed *f, struct piece p)
{
	if (f->n == f->cap)
		grow(f);
	*at(f, f->n++) = p;
	f->cost_bytes += cost(&p);
}

void feed_add(struct feed *f, struct block *b, uint32_t run)
{
	struct run *r = &b->runs[run];

	push(f, (struct piece){ b, run, r->off, r->len, r->nrecs });
	if (b->is_urgent)
		f->hurried = f->n;
}

void feed_hurry(struct feed *f)
{
	f->hurried = f->n;
}

int64_t feed_due_ns(const struct feed *f, size_t request_bytes, int64_t linger_ns)
{
	int64_t due;

	if (feed_is_empty(f))
		return FEED_NEVER;
	if (f->jobs || f->hurried || f->cost_bytes >= request_bytes)
		due = 0;
	else
		due = f->queue[f->head].block->made_ns + linger_ns;
	if (due < f->not_before_ns)
		due = f->not_before_ns;
	return due < f->tenant->not_before_ns ? f->tenant->not_before_ns : due;
}

static void pop(struct feed *f)
{
	f->cost_bytes -= cost(at(f, 0));
	f->head = (f->head + 1) & (f->cap - 1);
	f->n--;
	if (f->hurried)
		f->hurried--;
}

struct job *feed_take(struct feed *f, size_t request_bytes)
{
	size_t most = request_bytes / PIECE_COST_MIN + 1, n = 0, bytes = 0;
	struct piece *taken = mem_array((f->n < most ? f->n : most) + 1, sizeof(*taken));
	struct job *job = NULL;

	while (f->n) {
		struct piece *p = at(f, 0), head;
		size_t room = request_bytes > bytes ? request_bytes - bytes : 0;

		if (block_is_withdrawn(p->block)) {
			head = *p;
			pop(f);
			pieces_end(&head, 1, PIECE_WITHDRAWN, NULL);
			continue;
		}
		if (cost(p) <= room) {
			bytes += cost(p);
			taken[n++] = *p;
			pop(f);
			continue;
		}
		/* Not all of it fits: cut it, unless that would leave a small rest for nothing. */
		if (n && room < request_bytes / 4)
			break;
		f->cost_bytes -= cost(p);
		taken[n++] = piece_cut_bytes(p, room);
		f->cost_bytes += cost(p);
		if (!p->nrecs)
			pop(f);
		break;
	}
	if (n)
		job = job_new(taken, n);
	mem_free(taken);
	return job;
}

void feed_divert(struct feed *from, struct feed *to, const struct piece *like)
{
	struct job **last = &to->jobs, **at_job = &from->jobs;
	struct piece same = *like; /* may be of a job that is freed */
	size_t n = from->n, hurried = from->hurried;

	while (*last)
		last = &(*last)->next;
	while (*at_job) {
		bool has_others = (*at_job)->nstreams > 1;
		struct job *taken = job_take_stream(at_job, &same);

		if (taken) {
			*last = taken;
			last = &taken->next;
		}
		if (!taken || has_others)
			at_job = &(*at_job)->next;
	}
	for (size_t i = 0; i < n; i++) {
		struct piece p = *at(from, 0);
		bool is_hurried = i < hurried;

		pop(from);
		push(piece_same_stream(&same, &p) ? to : from, p);
		if (is_hurried && piece_same_stream(&same, &p))
			to->hurried = to->n;
	}
	/* Those that stayed kept their order; which of them are hurried was lost by moving them round. */
	from->hurried = hurried ? from->n : 0;
}

void feed_leave(struct feed *f)
{
	while (f->jobs) {
		struct job *job = f->jobs;

		f->jobs = job->next;
		pieces_end(job->pieces, job->npieces, PIECE_LEFT, NULL);
		job_free(job);
	}
	while (f->n) {
		struct piece p = *at(f, 0);

		pop(f);
		pieces_end(&p, 1, PIECE_LEFT, NULL);
	}
}
