/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a tap; what lanes have followed is looked through for what must be hidden, and rendered. */
#include <errno.h>
#include <stdio.h>

#include "agent/agent_conf.h"
#include "agent/agent_impl.h"
#include "agent/status.h"
#include "agent/tap_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/stage.h"

#define OUT_MAX ((size_t)256 << 10) /* rendered and not taken */
#define REFILLS_PER_S 10
#define ASKER_RECORDS 1000 /* then it is made anew: it remembers labels */

static struct tap *closed;

/* ---- on the main thread: hiding and rendering ---- */

static void tapped_free(struct tapped *tb)
{
	buf_fini(&tb->e.reasons);
	mem_free(tb->e.pieces);
	arena_fini(&tb->e.arena);
	mem_free(tb);
}

static size_t way_of(const struct tap *t, const char *input)
{
	const struct plan *plan = &t->config->plan;
	const struct plan_pipeline *p = &plan->pipelines[t->pipeline];

	for (size_t i = 0; i < p->nfrom; i++)
		if (!strcmp(plan->inputs[p->from[i]].name, input))
			return i;
	return 0;
}

/* NULL: cannot be made, although the pipeline's own could. */
static struct explain_asker *asker_of(struct tap *t, const char *input)
{
	size_t from = way_of(t, input);
	struct explain_asker **at = &t->askers[from];
	struct err err = ERR_NONE;

	if (++t->nasked % ASKER_RECORDS == 0)
		explain_asker_free(TAKE(*at));
	if (!*at &&
	    explain_asker_new(t->config, (struct offline_way){ t->pipeline, from }, at, &err)) {
		explain_asker_free(TAKE(*at));
		log_error("tap shows nothing", KV_ERR(&err));
	}
	return *at;
}

static bool redact_comes(const struct followed *f)
{
	const struct explain_step *last = explain_last_redact(f->trail);
	const struct explain_step *s = f->shown_at ? f->shown_at->next : f->trail->steps;

	if (!last)
		return true;
	for (; s; s = s->next)
		if (s == last)
			return true;
	return false;
}

static void put_end(const struct followed *f, bool as_json, struct buf *out)
{
	static const char *const names[] = { NULL, NULL, "dropped", "held", NULL };
	const struct explain_step *last = tap_last_step(f->trail);
	const char *name = last ? names[last->end] : NULL;

	if (!name)
		return;
	if (as_json) {
		buf_printf(out, ",\"end\":\"%s\",\"by\":\"%s\"", name, last->stage);
		if (last->reason.n) {
			buf_c(out, ",\"reason\":");
			buf_json_str(out, last->reason);
		}
	} else {
		buf_printf(out, "  => %s by %s%s" STR_FMT "%s\n", name, last->stage,
			   last->reason.n ? " (" : "", STR_ARG(last->reason),
			   last->reason.n ? ")" : "");
	}
}

#define WITHHELD "[not shown: it went no further than to a stage in front of redact]"

static void render(struct tap *t, struct tapped *tb, struct followed *f, bool is_withheld,
		   struct buf *out)
{
	bool is_before = redact_comes(f);

	if (t->as_json) {
		buf_printf(out, "{\"pipeline\":\"%s\",\"at\":\"%s\",\"input\":\"%s\",\"record\":",
			   t->config->plan.pipelines[t->pipeline].name, t->where, tb->input);
		if (is_withheld)
			buf_c(out, "null");
		else
			explain_view_json(&tb->e, f->shown, is_before, out);
		put_end(f, true, out);
		buf_c(out, "}\n");
		return;
	}
	if (is_withheld)
		buf_c(out, WITHHELD "\n");
	else
		explain_view_text(&tb->e, f->shown, is_before, out);
	put_end(f, false, out);
}

static void show(struct tap *t, struct tapped *tb, struct followed *f)
{
	const struct explain_step *last = tap_last_step(f->trail);
	bool went_out = last && last->end == EXPLAIN_SENT;
	struct explain_asker *asker = asker_of(t, tb->input);
	struct buf text = BUF_INIT;

	if (!asker)
		return;
	tb->e.trails = f->trail;
	tb->e.found = f->found;
	tb->e.npieces = 0;
	tb->e.is_withheld = false;
	tb->e.series = t->series += 1024;
	mem_free(TAKE(tb->e.pieces));
	explain_hide(&tb->e, asker);
	render(t, tb, f, tb->lane->last_redact && !f->is_clear && !went_out, &text);
	if (t->out.n + text.n <= OUT_MAX)
		buf_str(&t->out, buf_as_str(&text));
	else
		t->skipped++;
	buf_fini(&text);
}

static void free_when_idle(struct tap *t);

void tap_shown(struct mail *m)
{
	struct tapped *tb = container_of(m, struct tapped, mail);
	struct tap *t = tb->lane->tap;

	for (size_t i = 0; i < tb->n && !t->is_closed; i++) {
		if (tb->records[i].shown)
			show(t, tb, &tb->records[i]);
		else
			atomic_fetch_add(&t->credit, 1); /* for another */
	}
	tapped_free(tb);
	atomic_fetch_sub(&t->nbatches, 1);
	free_when_idle(t);
}

void tap_take(struct tap *t, struct buf *ret)
{
	uint64_t too_long = atomic_exchange(&t->too_long, 0);

	if (t->skipped && !t->as_json)
		buf_printf(&t->out, "[%llu not shown: the reader is slow]\n",
			   (unsigned long long)t->skipped);
	if (too_long && !t->as_json)
		buf_printf(&t->out, "[%llu not shown: too long to follow]\n",
			   (unsigned long long)too_long);
	t->skipped = 0;
	*ret = t->out;
	t->out = BUF_INIT;
}

static void on_refill(struct timer *timer)
{
	struct tap *t = container_of(timer, struct tap, refill);
	int more = (int)(t->rate / REFILLS_PER_S), most = (int)t->rate;

	/* Who asks for less than ten a second gets them one by one. */
	if (!more)
		more = 1;
	if (atomic_load(&t->credit) < most && t->out.n < OUT_MAX / 2)
		atomic_fetch_add(&t->credit, more);
	loop_timer_in(t->agent->loop, timer,
		      t->rate < REFILLS_PER_S ? NS_PER_S / t->rate : NS_PER_S / REFILLS_PER_S,
		      on_refill);
}

/* ---- opening and closing ---- */

struct finder {
	struct str wanted;
	size_t index, at, nfound; /* at: of the last hit */
	char where[64];
};

static void find_stage(void *ctx, const struct status_stage *stage)
{
	struct finder *f = ctx;
	const char *name = stage->stage->ops->name;

	if (str_is(f->wanted, name) || (!stage->input && str_is(f->wanted, stage->number))) {
		f->at = f->index;
		f->nfound++;
		snprintf(f->where, sizeof(f->where), "%s %s", stage->number, name);
	}
	f->index++;
}

static int find_pipeline(const struct plan *plan, struct str name, size_t *ret, struct err *err)
{
	for (*ret = 0; *ret < plan->npipelines; ++*ret)
		if (str_is(name, plan->pipelines[*ret].name) || (!name.n && plan->npipelines == 1))
			return 0;
	return name.n ? err_set(err, -ENOENT, "there is no pipeline '" STR_FMT "'", STR_ARG(name))
		      : err_set(err, -EINVAL, "say which pipeline: there are several");
}

static void setup_lane(struct tap *t, uint32_t index, const struct finder *f)
{
	struct tap_lane *lane = &t->lanes[index];
	size_t i = 0;

	lane->tap = t;
	lane->loop = lane_loop(t->agent->lanes[index]);
	lane->chain = agent_pipe(t->agent, t->pipeline)->chains[index];
	lane->trace = tap_trace(lane);
	for (const struct stage *s = chain_first_stage(lane->chain); s; s = s->opened_next, i++) {
		if (f->wanted.n && i == f->at)
			lane->point = s;
		if (!strcmp(s->ops->name, "redact") && !s->entry)
			lane->last_redact = s;
		lane->nstages++;
	}
}

static void on_attach(struct mail *m)
{
	struct tap_lane *lane = container_of(m, struct tap_lane, attach_mail);

	chain_set_trace(lane->chain, &lane->trace);
}

int tap_open(struct agent *a, const struct tap_conf *conf, struct tap **ret, struct err *err)
{
	struct status_sample none = { 0 };
	struct status status = status_make(a, &none);
	struct finder f = { .wanted = conf->stage };
	struct tap *t;
	size_t pipeline;

	if (!a->plan->config || a->is_stopping)
		return err_set(err, -EBUSY, "the agent is stopping");
	if (find_pipeline(a->plan, conf->pipeline, &pipeline, err))
		return err->code;
	if (conf->stage.n)
		status_stages(&status, pipeline, find_stage, &f);
	if (conf->stage.n && f.nfound != 1)
		return err_set(err, -ENOENT,
			       "%s stage '" STR_FMT "' in pipeline %s: `tailrace status` has the "
			       "numbers",
			       f.nfound ? "there is more than one" : "there is no",
			       STR_ARG(conf->stage), a->plan->pipelines[pipeline].name);
	t = mem_zalloc(sizeof(*t));
	t->agent = a;
	t->config = a->plan->config;
	t->pipeline = pipeline;
	t->budget = &agent_pipe(a, pipeline)->share->budget;
	budget_force(t->budget, TAP_BYTES);
	t->is_before = conf->is_before;
	t->as_json = conf->as_json;
	t->rate = conf->rate;
	snprintf(t->where, sizeof(t->where), "%s%s%.40s", conf->is_before ? "before" : "after",
		 conf->stage.n ? " " : "", f.where);
	t->naskers = a->plan->pipelines[pipeline].nfrom;
	t->askers = mem_array(t->naskers, sizeof(struct explain_asker *));
	t->nlanes = t->nattached = a->nlanes;
	t->is_fused = lane_is_fused(a->lanes[0]);
	t->lanes = mem_array(t->nlanes, sizeof(*t->lanes));
	for (uint32_t i = 0; i < t->nlanes; i++)
		setup_lane(t, i, &f);
	on_refill(&t->refill);
	for (uint32_t i = 0; i < t->nlanes; i++) {
		if (t->is_fused)
			on_attach(&t->lanes[i].attach_mail);
		else
			loop_post(t->lanes[i].loop, &t->lanes[i].attach_mail, on_attach);
	}
	*ret = t;
	return 0;
}

/* Nothing of the plan is touched here: it may be gone. */
static void tap_free(struct tap *t)
{
	struct tap **at = &closed;

	while (*at && *at != t)
		at = &(*at)->next_closed;
	if (*at)
		*at = t->next_closed;
	buf_fini(&t->out);
	mem_free(t->lanes);
	mem_free(t);
}

static void free_when_idle(struct tap *t)
{
	if (t->is_closed && !t->nattached && atomic_load(&t->nbatches) == 0)
		tap_free(t);
}

static void on_detached(struct mail *m)
{
	struct tap *t = container_of(m, struct tap_lane, detach_mail)->tap;

	t->nattached--;
	free_when_idle(t);
}

static void on_detach(struct mail *m)
{
	struct tap_lane *lane = container_of(m, struct tap_lane, detach_mail);

	chain_set_trace(lane->chain, NULL);
	loop_post(lane->tap->agent->loop, m, on_detached);
}

void tap_close(struct tap *t)
{
	if (!t)
		return;
	t->is_closed = true;
	t->next_closed = closed;
	closed = t;
	budget_give(t->budget, TAP_BYTES);
	loop_timer_del(t->agent->loop, &t->refill);
	for (size_t i = 0; i < t->naskers; i++)
		explain_asker_free(t->askers[i]);
	mem_free(TAKE(t->askers));
	for (uint32_t i = 0; i < t->nlanes; i++) {
		if (t->is_fused)
			on_detach(&t->lanes[i].detach_mail);
		else
			loop_post(t->lanes[i].loop, &t->lanes[i].detach_mail, on_detach);
	}
}

void tap_forget_all(void)
{
	while (closed)
		tap_free(closed);
}
