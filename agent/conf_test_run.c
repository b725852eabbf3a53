/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one test of a configuration. */
#include <stdlib.h>

#include "agent/conf_test_impl.h"
#include "agent/offline.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* ---- what happens ---- */

static void take(struct conf_test_outcome *o, const struct batch *b, const struct rec *r)
{
	const struct labels *l = rec_labels(b, r);

	if (o->ngot == o->cap) {
		o->cap = o->cap ? 2 * o->cap : 64;
		o->got = mem_realloc(o->got, o->cap * sizeof(const struct view *));
	}
	o->got[o->ngot++] = view_of(&o->arena, r, l ? l->items : NULL, l ? l->n : 0);
}

static void on_drop(void *ctx, const char *reason, uint64_t n)
{
	drops_add(&((struct conf_test_outcome *)ctx)->drops, reason, n);
}

static void on_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	struct conf_test_outcome *o = ctx;

	if (probe == CHAIN_END)
		for (const struct rec *r = b->recs; r < b->recs + b->nrecs; r++)
			if (!(r->flags & (REC_DROP | REC_HELD)))
				take(o, b, r);
	if (probe == CHAIN_RAN)
		drops_ran(&o->drops, s);
}

/* ---- what goes in ---- */

struct feed {
	struct offline *o;
	struct batch *batch; /* of records without labels of their own */
	struct arena *arena; /* sources live to the end */
	int64_t now_ns;
};

static struct rec *add(struct feed *f, struct batch *b, struct str line)
{
	struct rec *r = batch_add(b);

	r->line = arena_dup(&b->arena, line);
	r->time_ns = f->now_ns++;
	return r;
}

static void flush(struct feed *f)
{
	if (f->batch)
		chain_run(f->o->chain, TAKE(f->batch));
}

static struct batch *common_batch(struct feed *f)
{
	if (!f->batch)
		f->batch = batch_new(NULL, &f->o->source, 0, true);
	return f->batch;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Continues the common source, as what a stage holds is of both. */
static struct source *source_with(struct feed *f, const struct conf_map *labels)
{
	struct source *s = arena_alloc(f->arena, sizeof(*s));
	struct label *items;

	*s = f->o->source;
	items = arena_alloc(f->arena, (s->nlabels + labels->n) * sizeof(*items));
	memcpy(items, s->labels, s->nlabels * sizeof(*items));
	for (size_t i = 0; i < labels->n; i++) {
		uint32_t k = 0;

		while (k < s->nlabels && !str_eq(items[k].name, labels->items[i].key))
			k++;
		items[k] = (struct label){ labels->items[i].key, labels->items[i].value };
		s->nlabels += k == s->nlabels;
	}
	qsort(items, s->nlabels, sizeof(*items), by_name);
	s->labels = items;
	return s;
}

static void add_attrs(struct batch *b, struct rec *r, const struct conf_map *map,
		      enum attr_kind kind)
{
	for (size_t i = 0; i < map->n; i++)
		rec_attr_inline(b, r, map->items[i].key, kind, map->items[i].value);
}

static void add_record(struct feed *f, const struct test_record_conf *conf)
{
	struct batch *b;
	struct rec *r;

	if (conf->labels.n) {
		flush(f);
		b = batch_new(NULL, source_with(f, &conf->labels), 0, true);
	} else {
		b = common_batch(f);
	}
	r = add(f, b, conf->line);
	if (conf->time.p)
		test_conf_time(conf->time, &r->time_ns);
	add_attrs(b, r, &conf->metadata, ATTR_META);
	add_attrs(b, r, &conf->extracted, ATTR_EXTRACTED);
	if (conf->labels.n)
		chain_run(f->o->chain, b);
}

static void feed(struct offline *o, const struct test_conf *test, struct arena *arena,
		 int64_t now_ns)
{
	const struct test_record_conf *records = test->records.items;
	struct feed f = { .o = o, .arena = arena, .now_ns = now_ns };
	struct str lines = test->lines;

	while (lines.n)
		add(&f, common_batch(&f), str_cut(&lines, '\n'));
	for (size_t i = 0; i < test->records.n; i++)
		add_record(&f, &records[i]);
	flush(&f);
}

/* ---- a test ---- */

static int run(const struct config *c, const struct test_conf *test, struct conf_test_outcome *o,
	       struct err *err)
{
	struct chain_trace trace = { .ctx = o, .probe = on_probe, .dropped = on_drop };
	struct label labels[LABELS_MAX];
	struct offline_conf conf = { .config = c, .labels = labels, .trace = &trace };
	struct offline offline;
	int64_t now_ns = 0;
	int rc = offline_find(c, test->pipeline.p, test->input.p, &conf.way, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < test->labels.n && i < LABELS_MAX; i++)
		labels[conf.nlabels++] =
			(struct label){ test->labels.items[i].key, test->labels.items[i].value };
	test_conf_time(test->now, &now_ns);
	offline_stop_clock(now_ns);
	metrics_render(&o->metrics_before, METRIC_TEXT);
	rc = offline_open(&offline, &conf, err);
	if (rc == 0)
		feed(&offline, test, &o->arena, now_ns);
	offline_finish(&offline);
	metrics_render(&o->metrics_after, METRIC_TEXT);
	offline_close(&offline);
	offline_run_clock();
	return rc;
}

bool conf_test_run(const struct config *c, const struct config_test *test, struct buf *diff)
{
	struct conf_test_outcome *o = mem_zalloc(sizeof(*o));
	bool has_expect = conf_get(test->node, "expect") != NULL;
	struct err err = ERR_NONE;
	bool is_passed = false;

	if (run(c, &test->conf, o, &err))
		buf_printf(diff, "%s%s%s\n", err.where, err.where[0] ? ": " : "", err.text);
	else
		is_passed = conf_test_compare(o, &test->conf, has_expect, diff);
	mem_free(o->got);
	drops_fini(&o->drops);
	buf_fini(&o->metrics_before);
	buf_fini(&o->metrics_after);
	arena_fini(&o->arena);
	mem_free(o);
	return is_passed;
}
