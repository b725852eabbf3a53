/* SPDX-License-Identifier: Apache-2.0 */
/* Following a few records of a batch through the stages, on the lane's thread; then, on the main thread, finding
 * out what must be hidden, and rendering. */
#include <errno.h>
#include <stdio.h>

#include "agent/agent_conf.h"
#include "agent/agent_impl.h"
#include "agent/explain_impl.h"
#include "agent/status.h"
#include "agent/tap.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/stage.h"

#define RECORDS_MAX 8                  /* of one batch */
#define BATCHES_MAX 4                  /* under way at once */
#define COPIES_MAX ((size_t)256 << 10) /* bytes that following the records of one batch may copy */
#define OUT_MAX ((size_t)256 << 10)    /* rendered and not taken */
#define REFILLS_PER_S 10
#define ASKER_RECORDS 1000 /* then it is made anew: it remembers labels */

/* One record that is followed. */
struct followed {
	uint32_t index; /* in the batch */
	struct explain_trail *trail;
	struct explain_found *found;
	const struct view *shown; /* at the point; NULL: was not there */
	const struct explain_step *shown_at;
	bool is_clear; /* has met every redact stage there is in front of it */
};

struct tapped {
	struct mail mail;
	struct tap_lane *lane;
	const struct batch *b;
	const char *input;
	struct explain e; /* its arena is that of all */
	struct followed records[RECORDS_MAX];
	size_t n;
	struct tapped *next;
};

struct tap_lane {
	struct mail attach_mail, detach_mail;
	struct tap *tap;
	struct loop *loop;
	struct chain *chain;
	struct chain_trace trace;
	const struct stage *point;       /* NULL: the whole pipeline */
	const struct stage *last_redact; /* of the pipeline; NULL: there is none */
	size_t nstages;
	struct tapped *under_way;
	uint32_t turn; /* begins with another record each time */
};

struct tap {
	struct agent *agent;
	const struct config *config;
	size_t pipeline;
	bool is_before, as_json, is_closed, is_fused;
	unsigned rate;
	char where[64];
	_Atomic int credit;   /* records that may still be sampled now */
	_Atomic int nbatches; /* under way */
	_Atomic uint64_t too_long;
	struct timer refill;
	struct explain_asker **askers; /* by input of the pipeline */
	size_t naskers;
	uint64_t series, nasked;
	struct buf out;
	uint64_t skipped; /* no room in out */
	struct tap_lane *lanes;
	uint32_t nlanes, nattached;
	struct tap *next_closed;
};

static struct tap *closed;

/* ---- on the lane: following ---- */

static bool take_credit(struct tap *t)
{
	int have = atomic_load(&t->credit);

	while (have > 0)
		if (atomic_compare_exchange_weak(&t->credit, &have, have - 1))
			return true;
	return false;
}

static size_t size_of(const struct rec *r)
{
	size_t n = r->line.n + 256;

	for (const struct attr *a = r->attrs; a < r->attrs + r->nattrs; a++)
		n += a->n + sizeof(struct view_attr);
	return n;
}

static const struct explain_step *last_step(const struct explain_trail *t)
{
	const struct explain_step *s = t->steps;

	while (s && s->next)
		s = s->next;
	return s;
}

static void catch_now(struct followed *f)
{
	f->shown = f->trail->last;
	f->shown_at = last_step(f->trail);
}

static void follow(struct tapped *tb, const struct batch *b, uint32_t index,
		   const struct stage *maker)
{
	const struct rec *r = &b->recs[index];
	const struct labels *l = rec_labels(b, r);
	struct explain_trail *trail = arena_alloc(&tb->e.arena, sizeof(*trail));

	*trail = (struct explain_trail){ .line = 1, .maker = maker ? maker->ops->name : NULL };
	trail->steps_end = &trail->steps;
	trail->first = trail->last = view_of(&tb->e.arena, r, l ? l->items : NULL, l ? l->n : 0);
	tb->records[tb->n++] = (struct followed){ .index = index, .trail = trail };
}

/* Some of the batch, evenly, as far as there is credit. */
static void begin(struct tap_lane *lane, const struct stage *maker, const struct batch *b)
{
	struct tap *t = lane->tap;
	size_t copies = 0;
	struct tapped *tb;
	uint32_t step = b->nrecs / RECORDS_MAX + 1;

	if (!b->nrecs || atomic_load(&t->credit) <= 0 || atomic_load(&t->nbatches) >= BATCHES_MAX)
		return;
	atomic_fetch_add(&t->nbatches, 1);
	tb = mem_zalloc(sizeof(*tb));
	tb->lane = lane;
	tb->b = b;
	tb->input = b->source->input ? b->source->input->name : "";
	tb->next = lane->under_way;
	lane->under_way = tb;
	for (uint32_t k = 0, at = lane->turn++ % b->nrecs; k < b->nrecs && tb->n < RECORDS_MAX;
	     k += step, at = (at + step) % b->nrecs) {
		size_t bytes = size_of(&b->recs[at]) * (lane->nstages + 2);

		if (b->recs[at].flags & REC_PASSED_OVER)
			continue;
		if (copies + bytes > COPIES_MAX) {
			atomic_fetch_add(&t->too_long, bytes > COPIES_MAX);
			continue;
		}
		if (!take_credit(t))
			break;
		copies += bytes;
		follow(tb, b, at, maker);
	}
	for (size_t i = 0; i < tb->n && !lane->point && t->is_before && !maker; i++)
		catch_now(&tb->records[i]);
}

static void on_tapped(struct mail *m);

static void end(struct tap_lane *lane, struct tapped *tb)
{
	struct tapped **at = &lane->under_way;

	while (*at != tb)
		at = &(*at)->next;
	*at = tb->next;
	tb->b = NULL; /* it is about to be gone */
	loop_post(lane->tap->agent->loop, &tb->mail, on_tapped);
}

static void look(struct tap_lane *lane, struct tapped *tb, struct followed *f,
		 enum chain_probe probe, const struct stage *s)
{
	const struct batch *b = tb->b;
	bool is_here = probe == CHAIN_RAN && s == lane->point && !f->trail->is_over &&
		       (!f->trail->unselected_by || f->trail->unselected_by == s);
	bool is_before = lane->tap->is_before;

	if (is_here && is_before)
		catch_now(f);
	explain_follow(&tb->e, f->trail, probe, s, b, &b->recs[f->index]);
	if (probe == CHAIN_RAN && s == lane->last_redact)
		f->is_clear |= !f->trail->is_over;
	if ((is_here && !is_before && !f->trail->is_over) ||
	    (probe == CHAIN_END && !lane->point && !is_before))
		catch_now(f);
}

static void on_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	struct tap_lane *lane = ctx;
	struct tapped *tb = lane->under_way;

	if (probe == CHAIN_BEGIN) {
		begin(lane, s, b);
		return;
	}
	while (tb && tb->b != b)
		tb = tb->next;
	if (!tb)
		return;
	for (size_t i = 0; i < tb->n; i++)
		if (!tb->records[i].trail->is_over)
			look(lane, tb, &tb->records[i], probe, s);
	if (probe == CHAIN_RAN)
		buf_clear(&tb->e.reasons);
	if (probe == CHAIN_END)
		end(lane, tb);
}

/* Of whichever batch: they come nested, the innermost first. */
static void on_drop(void *ctx, const char *reason, uint64_t n)
{
	const struct tap_lane *lane = ctx;

	(void)n;
	if (lane->under_way)
		explain_reason(&lane->under_way->e, reason);
}

static void note_found(struct tapped *tb, struct followed *f, const char *detector,
		       struct str secret, struct str replacement)
{
	tb->e.found = f->found;
	explain_found(&tb->e, detector, secret, replacement);
	f->found = tb->e.found;
	tb->e.found = NULL;
}

static void on_redacted(void *ctx, const struct rec *r, const char *detector, struct str secret,
			struct str replacement)
{
	const struct tap_lane *lane = ctx;

	for (struct tapped *tb = lane->under_way; tb; tb = tb->next)
		for (size_t i = 0; i < tb->n; i++)
			if (!r || r == &tb->b->recs[tb->records[i].index])
				note_found(tb, &tb->records[i], detector, secret, replacement);
}

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
	const struct explain_step *last = last_step(f->trail);
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
	const struct explain_step *last = last_step(f->trail);
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

static void on_tapped(struct mail *m)
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
	lane->chain = lane_chain(t->agent->lanes[index], t->pipeline);
	lane->trace = (struct chain_trace){ lane, on_probe, on_drop, on_redacted };
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
