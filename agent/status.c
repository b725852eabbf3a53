/* SPDX-License-Identifier: Apache-2.0 */
/* Counts, and their rates. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/agent_impl.h"
#include "agent/status.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/stage.h"

/* ---- samples ---- */

static int64_t count(const _Atomic int64_t *n)
{
	return atomic_load_explicit((_Atomic int64_t *)(uintptr_t)n, memory_order_relaxed);
}

/* The chain of a pipeline is the same in every lane: the i-th stages belong together. */
struct stage_walk {
	const struct stage *at[64]; /* by lane; `threads` is at most 64 */
};

static const struct stage *walk_first(struct stage_walk *w, const struct agent *a, size_t pipeline)
{
	const struct pipe_run *p = agent_pipe(a, pipeline);

	for (uint32_t i = 0; i < a->nlanes; i++)
		w->at[i] = chain_first_stage(p->chains[i]);
	return w->at[0];
}

static const struct stage *walk_next(struct stage_walk *w, const struct agent *a)
{
	for (uint32_t i = 0; i < a->nlanes; i++)
		w->at[i] = w->at[i]->opened_next;
	return w->at[0];
}

static void walk_sum(const struct stage_walk *w, const struct agent *a, int64_t ret[2])
{
	ret[0] = ret[1] = 0;
	for (uint32_t i = 0; i < a->nlanes; i++) {
		ret[0] += count(&w->at[i]->records);
		ret[1] += count(&w->at[i]->removed);
	}
}

void status_sample_take(struct status_sample *ret, const struct agent *a)
{
	struct stage_walk w;
	int64_t counts[2];

	status_sample_fini(ret);
	ret->at_ns = clock_mono_ns();
	ret->nloads = a->nloads;
	metric_sample_take(&ret->metrics);
	for (size_t i = 0; i < a->plan->npipelines; i++) {
		for (const struct stage *s = walk_first(&w, a, i); s; s = walk_next(&w, a)) {
			walk_sum(&w, a, counts);
			buf_put(&ret->stages, counts, sizeof(counts));
		}
	}
}

void status_sample_fini(struct status_sample *s)
{
	metric_sample_fini(&s->metrics);
	buf_fini(&s->stages);
	*s = (struct status_sample){ 0 };
}

struct status status_make(const struct agent *a, const struct status_sample *before)
{
	return (struct status){ .agent = a,
				.before = before,
				.seconds = (double)(clock_mono_ns() - before->at_ns) / 1e9 };
}

static double per_s(const struct status *s, int64_t now, int64_t before)
{
	return s->seconds > 0 && now > before ? (double)(now - before) / s->seconds : 0;
}

/* ---- metrics ---- */

struct sum {
	const struct status *s;
	enum metric_id id;
	const char *label, *value, *by;
	struct total total;
	void (*fn)(void *ctx, struct str name, struct total total);
	void *ctx;
};

static bool is_wanted(const struct sum *sum, const struct metric_point *point)
{
	return str_is(metric_label(point->labels, sum->label), sum->value);
}

static struct total point_total(const struct sum *sum, const struct metric_point *point)
{
	int64_t before = metric_sample_get(&sum->s->before->metrics, sum->id, point->index);

	return (struct total){ point->value, per_s(sum->s, point->value, before) };
}

static void add_point(void *ctx, const struct metric_point *point)
{
	struct sum *sum = ctx;
	struct total t;

	if (!is_wanted(sum, point))
		return;
	t = point_total(sum, point);
	sum->total.value += t.value;
	sum->total.per_s += t.per_s;
}

struct total status_total(const struct status *s, enum metric_id id, const char *label,
			  const char *value)
{
	struct sum sum = { .s = s, .id = id, .label = label, .value = value };

	metric_walk(id, add_point, &sum);
	return sum.total;
}

static void give_point(void *ctx, const struct metric_point *point)
{
	struct sum *sum = ctx;

	if (point->value > 0 && is_wanted(sum, point))
		sum->fn(sum->ctx, metric_label(point->labels, sum->by), point_total(sum, point));
}

void status_by(const struct status *s, enum metric_id id, const char *label, const char *value,
	       const char *by, void (*fn)(void *ctx, struct str name, struct total total),
	       void *ctx)
{
	struct sum sum = {
		.s = s, .id = id, .label = label, .value = value, .by = by, .fn = fn, .ctx = ctx
	};

	metric_walk(id, give_point, &sum);
}

/* ---- stages ---- */

#define DEPTH_MAX 32

struct numbering {
	unsigned next[DEPTH_MAX]; /* by depth */
};

static void number(struct numbering *n, const struct stage *s, unsigned depth, char ret[24])
{
	size_t at = 0;

	(void)s;
	if (depth >= DEPTH_MAX)
		depth = DEPTH_MAX - 1;
	n->next[depth]++;
	for (unsigned i = depth + 1; i < DEPTH_MAX; i++)
		n->next[i] = 0;
	ret[0] = 0;
	for (unsigned i = 0; i <= depth && at < 20; i++)
		at += (size_t)snprintf(ret + at, 24 - at, "%s%u", i ? "." : "", n->next[i]);
}

static size_t stages_before(const struct agent *a, size_t pipeline)
{
	size_t n = 0;

	for (size_t i = 0; i < pipeline; i++)
		for (const struct stage *s = chain_first_stage(agent_pipe(a, i)->chains[0]); s;
		     s = s->opened_next)
			n++;
	return n;
}

static int64_t stage_before(const struct status *s, size_t index, size_t of)
{
	const int64_t *all = (const int64_t *)(const void *)s->before->stages.p;

	index = 2 * index + of;
	if (s->before->nloads != s->agent->nloads) /* these were other stages */
		return INT64_MAX;
	return index < s->before->stages.n / sizeof(*all) ? all[index] : 0;
}

void status_stages(const struct status *s, size_t pipeline,
		   void (*fn)(void *ctx, const struct status_stage *stage), void *ctx)
{
	const struct agent *a = s->agent;
	const struct plan_pipeline *plan = &a->plan->pipelines[pipeline];
	size_t index = stages_before(a, pipeline);
	struct numbering numbering = { 0 };
	uint32_t entry = 0;
	struct stage_walk w;

	for (const struct stage *at = walk_first(&w, a, pipeline); at;
	     at = walk_next(&w, a), index++) {
		struct status_stage one = { .stage = at };
		int64_t counts[2];

		if (at->entry != entry)
			numbering = (struct numbering){ 0 };
		entry = at->entry;
		if (entry)
			one.input = a->plan->inputs[plan->from[entry - 1]].name;
		for (const struct stage *up = at->parent; up; up = up->parent)
			one.depth++;
		number(&numbering, at, one.depth, one.number);
		walk_sum(&w, a, counts);
		one.records =
			(struct total){ counts[0], per_s(s, counts[0], stage_before(s, index, 0)) };
		one.removed =
			(struct total){ counts[1], per_s(s, counts[1], stage_before(s, index, 1)) };
		fn(ctx, &one);
	}
}

/* ---- the process ---- */

int64_t status_rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;

	if (f && fscanf(f, "%*d %lld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

double status_uptime_s(const struct agent *a)
{
	return (double)(clock_mono_ns() - a->started_ns) / 1e9;
}
