/* SPDX-License-Identifier: Apache-2.0 */
/* Writes down the way of each record through a pipeline. */
#include <errno.h>

#include "agent/explain.h"
#include "agent/explain_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* ---- records between stages ---- */

static bool same(const struct view *a, const struct view *b)
{
	if (!str_eq(a->line, b->line) || a->time_ns != b->time_ns || a->flags != b->flags ||
	    a->nlabels != b->nlabels || a->nattrs != b->nattrs)
		return false;
	for (uint32_t i = 0; i < a->nlabels; i++)
		if (!str_eq(a->labels[i].name, b->labels[i].name) ||
		    !str_eq(a->labels[i].value, b->labels[i].value))
			return false;
	for (uint32_t i = 0; i < a->nattrs; i++)
		if (!str_eq(a->attrs[i].name, b->attrs[i].name) ||
		    !str_eq(a->attrs[i].value, b->attrs[i].value) ||
		    a->attrs[i].kind != b->attrs[i].kind || a->attrs[i].type != b->attrs[i].type)
			return false;
	return true;
}

/* ---- trails ---- */

static struct explain_trail *trail_new(struct explain *e, size_t line, const char *maker)
{
	struct explain_trail *t = arena_alloc(&e->arena, sizeof(*t));

	*t = (struct explain_trail){ .line = line, .maker = maker };
	t->steps_end = &t->steps;
	*e->trails_end = t;
	e->trails_end = &t->next;
	return t;
}

static void track_add(struct explain *e, struct explain_track *track, struct explain_trail *t)
{
	if (track->n == track->cap) {
		struct explain_trail **old = track->trails;

		track->cap = track->cap ? 2 * track->cap : 16;
		track->trails = arena_alloc(&e->arena, track->cap * sizeof(struct explain_trail *));
		if (track->n)
			memcpy(track->trails, old, track->n * sizeof(struct explain_trail *));
	}
	track->trails[track->n++] = t;
}

static struct explain_track *track_new(struct explain *e, const struct batch *b)
{
	struct explain_track *track = arena_alloc(&e->arena, sizeof(*track));

	*track = (struct explain_track){ .b = b, .next = e->tracks };
	e->tracks = track;
	return track;
}

/* Also knows records that `s` has added. */
static struct explain_track *track_of(struct explain *e, const struct batch *b,
				      const struct stage *s)
{
	struct explain_track *track = e->tracks;

	while (track && track->b != b)
		track = track->next;
	if (!track)
		track = track_new(e, b);
	while (track->n < b->nrecs)
		track_add(e, track, trail_new(e, 0, s ? s->ops->name : "the pipeline"));
	return track;
}

static void untrack(struct explain *e, const struct batch *b)
{
	struct explain_track **at = &e->tracks;

	while (*at && (*at)->b != b)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
}

static struct explain_step *add_step(struct explain *e, struct explain_trail *t,
				     const struct stage *s, enum explain_end end)
{
	struct explain_step *step = arena_alloc(&e->arena, sizeof(*step));

	*step = (struct explain_step){ .end = end, .after = t->last };
	if (s) {
		step->stage = s->ops->name;
		step->node = s->node;
		step->is_redact = !strcmp(s->ops->name, "redact");
	}
	for (; s && s->parent; s = s->parent)
		step->depth++;
	*t->steps_end = step;
	t->steps_end = &step->next;
	t->is_over = end > EXPLAIN_UNSELECTED;
	return step;
}

/* ---- the trace ---- */

static const struct view *look(struct explain *e, struct explain_trail *t, const struct batch *b,
			       const struct rec *r)
{
	const struct labels *l = rec_labels(b, r);
	struct view *v = view_of(&e->arena, r, l ? l->items : NULL, l ? l->n : 0);

	if (!t->first)
		t->first = v;
	if (!t->last || !same(t->last, v))
		t->last = v;
	return t->last;
}

static void entered(struct explain *e, struct explain_trail *t, const struct stage *s,
		    const struct batch *b, const struct rec *r)
{
	if (t->unselected_by)
		return;
	if (r->flags & REC_SKIP) {
		t->unselected_by = s;
		return;
	}
	look(e, t, b, r);
	add_step(e, t, s, EXPLAIN_GOES_ON)->is_enter = true;
}

static void ran(struct explain *e, struct explain_trail *t, const struct stage *s,
		const struct batch *b, const struct rec *r)
{
	if (r->flags & REC_DROP) {
		add_step(e, t, s, EXPLAIN_DROPPED)->reason =
			arena_dup(&e->arena, buf_as_str(&e->reasons));
	} else if (r->flags & REC_HELD) {
		add_step(e, t, s, EXPLAIN_HELD);
	} else if (t->unselected_by == s) {
		t->unselected_by = NULL;
		add_step(e, t, s, EXPLAIN_UNSELECTED);
	} else if (!t->unselected_by) {
		bool is_known = t->last != NULL;

		look(e, t, b, r);
		if (is_known) /* not the stage that made it */
			add_step(e, t, s, EXPLAIN_GOES_ON);
	}
}

void explain_follow(struct explain *e, struct explain_trail *t, enum chain_probe probe,
		    const struct stage *s, const struct batch *b, const struct rec *r)
{
	if (t->is_over)
		return;
	if (probe == CHAIN_ENTER)
		entered(e, t, s, b, r);
	else if (probe == CHAIN_RAN)
		ran(e, t, s, b, r);
	else
		add_step(e, t, NULL, EXPLAIN_SENT)->after = look(e, t, b, r);
}

static void on_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	struct explain *e = ctx;
	struct explain_track *track;

	if (probe == CHAIN_BEGIN)
		return;
	track = track_of(e, b, s);
	for (uint32_t i = 0; i < b->nrecs; i++)
		explain_follow(e, track->trails[i], probe, s, b, &b->recs[i]);
	if (probe == CHAIN_RAN)
		buf_clear(&e->reasons);
	if (probe == CHAIN_END)
		untrack(e, b);
}

void explain_reason(struct explain *e, const char *reason)
{
	if (str_find(buf_as_str(&e->reasons), str_c(reason)) < e->reasons.n)
		return;
	if (e->reasons.n)
		buf_c(&e->reasons, " or ");
	buf_c(&e->reasons, reason);
}

static void on_drop(void *ctx, const char *reason, uint64_t n)
{
	(void)n;
	explain_reason(ctx, reason);
}

void explain_found(struct explain *e, const char *detector, struct str secret,
		   struct str replacement)
{
	struct explain_found *f = arena_alloc(&e->arena, sizeof(*f));

	*f = (struct explain_found){ arena_printf(&e->arena, "%s", detector).p,
				     arena_dup(&e->arena, secret),
				     arena_dup(&e->arena, replacement), e->found };
	e->found = f;
}

static void on_redacted(void *ctx, const struct rec *r, const char *detector, struct str secret,
			struct str replacement)
{
	(void)r;
	explain_found(ctx, detector, secret, replacement);
}

/* ---- running ---- */

static void add_lines(struct explain *e, struct offline *o, struct batch *b, struct str lines)
{
	struct explain_track *track = track_new(e, b);
	int64_t now_ns = clock_wall_ns();

	for (size_t i = 1; lines.n; i++) {
		struct rec *r = batch_add(b);
		struct str line = str_cut(&lines, '\n');
		struct explain_trail *t = trail_new(e, i, NULL);

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		r->line = arena_dup(&b->arena, line);
		r->time_ns = now_ns + (int64_t)i - 1;
		t->first = t->last = view_of(&e->arena, r, o->source.labels, o->source.nlabels);
		track_add(e, track, t);
	}
}

static int run(struct explain *e, struct str lines, struct err *err)
{
	struct offline o;
	int rc = offline_open(&o, e->conf, err);

	if (rc == 0) {
		struct batch *b = batch_new(NULL, &o.source, lines.n, true);

		add_lines(e, &o, b, lines);
		chain_run(o.chain, b);
	}
	offline_close(&o); /* lets go what stages hold */
	return rc;
}

static size_t count_lines(struct str lines)
{
	size_t n = 0;

	for (; lines.n; n++)
		str_cut(&lines, '\n');
	return n;
}

static int hide(struct explain *e, struct err *err)
{
	struct explain_asker *asker;
	int rc = explain_asker_new(e->conf->config, e->conf->way, &asker, err);

	if (rc == 0)
		explain_hide(e, asker);
	explain_asker_free(asker);
	return rc;
}

int explain(const struct config *c, const struct explain_args *args, struct str lines,
	    struct buf *out, struct err *err)
{
	struct explain e = { 0 };
	struct chain_trace trace = { &e, on_probe, on_drop, on_redacted };
	struct offline_conf conf = { .config = c,
				     .way = args->way,
				     .labels = args->labels,
				     .nlabels = args->nlabels,
				     .trace = &trace };
	int rc;

	if (lines.n > EXPLAIN_INPUT_MAX || count_lines(lines) > EXPLAIN_LINES_MAX)
		return err_set(err, -EFBIG,
			       "explain takes %d lines and 256 KiB at most; dry-run takes more",
			       EXPLAIN_LINES_MAX);
	e.conf = &conf;
	e.trails_end = &e.trails;
	rc = run(&e, lines, err);
	if (rc == 0)
		rc = hide(&e, err);
	if (rc == 0 && args->as_json)
		explain_json(&e, out);
	else if (rc == 0)
		explain_text(&e, args->is_coloured, out);
	buf_fini(&e.reasons);
	mem_free(e.pieces);
	arena_fini(&e.arena);
	return rc;
}
