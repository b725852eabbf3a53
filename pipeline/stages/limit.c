/* SPDX-License-Identifier: Apache-2.0 */
/* Stage limit: a rate of records, for the pipeline or for each value of a label. What is above it is
 * dropped, or waits: copied into a queue whose credit comes back only when it goes on, which in the
 * end stops the inputs (docs/decisions/0014). */
#include <pthread.h>
#include <stdio.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/ack.h"
#include "pipeline/labels.h"
#include "pipeline/rate.h"
#include "pipeline/stages/names.h"

#define REASON "ratelimit_drop_stage"
#define DISTINCT_MIN 10000
#define COUNTED_MAX 1000         /* values that are counted by their own names */
#define PIECE_NS (5 * NS_PER_MS) /* what waits goes on in pieces of this much, not one by one */

struct limit_conf {
	double rate;
	unsigned burst;
	bool drop;
	struct str by_label_name;
	unsigned max_distinct_labels;
};

static void limit_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct limit_conf *conf = arg;
	const struct conf_node *at = conf_get(node, "rate");

	if (!(conf->rate > 0))
		conf_error(doc, at ? at : node, "must be more than 0");
	if (conf->by_label_name.n && !conf->drop)
		conf_error(doc, conf_get(node, "by_label_name"), "needs drop: true");
	if (conf->max_distinct_labels < DISTINCT_MIN)
		conf_notice(doc, conf_get(node, "max_distinct_labels"), "is taken as %d",
			    DISTINCT_MIN);
}

static const struct conf_field limit_fields[] = {
	CONF_DOUBLE(struct limit_conf, rate, NULL, NULL, "100000000",
		    "Records in a second, in all lanes together.", .flags = CONF_REQUIRED,
		    .example = "100"),
	CONF_INT(struct limit_conf, burst, NULL, "1", "1000000000",
		 "Records that may come at once after a pause.", .flags = CONF_REQUIRED,
		 .example = "1000"),
	CONF_BOOL(struct limit_conf, drop, "false",
		  "Drops what is above the rate, counted with the reason `" REASON
		  "`. Otherwise it "
		  "waits, and what comes behind it waits, too: when the pipeline's memory is full "
		  "of it, "
		  "inputs stop reading."),
	CONF_STR(struct limit_conf, by_label_name, "",
		 "Each value of this label (or, when it was moved there, structured metadata) has "
		 "the rate for itself; records without it are not limited. Needs `drop: true`. The "
		 "first 1,000 values with drops are counted by name, the others as `other`."),
	CONF_INT(struct limit_conf, max_distinct_labels, "10000", NULL, NULL,
		 "Values of the label that are told apart; when there are more, those not seen "
		 "lately "
		 "begin anew. At least 10,000."),
};
static const struct conf_table limit_table =
	CONF_TABLE(struct limit_conf, limit_fields, .check = limit_check);

/* ---- buckets: shared by the lanes, behind a lock that is taken once a batch ----------------- */

struct bucket {
	struct map_node node;
	struct bucket *next;
	struct rate rate;
	struct metric *dropped;
	struct str value;
	char bytes[];
};

/* Two generations: the older one is thrown away when the newer one is full. */
struct generation {
	struct map map;
	struct bucket *first;
	size_t n;
};

struct shared {
	const void *conf; /* the same for the lanes of one stage */
	struct shared *next;
	unsigned users;
	pthread_mutex_t lock;
	struct rate rate;
	struct generation now, old;
	unsigned ncounted;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared *all;

static struct shared *shared_get(const struct limit_conf *conf)
{
	struct shared *sh;

	pthread_mutex_lock(&all_lock);
	for (sh = all; sh && sh->conf != conf;)
		sh = sh->next;
	if (!sh) {
		sh = mem_zalloc(sizeof(*sh));
		sh->conf = conf;
		sh->rate = rate_make(conf->rate, conf->burst, clock_mono_ns());
		pthread_mutex_init(&sh->lock, NULL);
		sh->next = all;
		all = sh;
	}
	sh->users++;
	pthread_mutex_unlock(&all_lock);
	return sh;
}

static void forget(struct generation *g)
{
	while (g->first) {
		struct bucket *b = g->first;

		g->first = b->next;
		map_del(&g->map, &b->node);
		mem_free(b);
	}
	map_fini(&g->map);
	*g = (struct generation){ 0 };
}

static void shared_put(struct shared *sh)
{
	if (!sh)
		return;
	pthread_mutex_lock(&all_lock);
	if (--sh->users == 0) {
		for (struct shared **at = &all; *at; at = &(*at)->next) {
			if (*at == sh) {
				*at = sh->next;
				break;
			}
		}
		forget(&sh->now);
		forget(&sh->old);
		pthread_mutex_destroy(&sh->lock);
		mem_free(sh);
	}
	pthread_mutex_unlock(&all_lock);
}

static struct bucket *find_bucket(const struct generation *g, struct str value, uint64_t hash)
{
	for (struct map_node *n = map_first(&g->map, hash); n; n = map_next(n)) {
		struct bucket *b = container_of(n, struct bucket, node);

		if (str_eq(b->value, value))
			return b;
	}
	return NULL;
}

static struct bucket *bucket_of(struct shared *sh, const struct limit_conf *conf, struct str value,
				int64_t now_ns)
{
	size_t max =
		conf->max_distinct_labels > DISTINCT_MIN ? conf->max_distinct_labels : DISTINCT_MIN;
	uint64_t hash = str_hash(value, (uint64_t)(uintptr_t)sh);
	struct bucket *b = find_bucket(&sh->now, value, hash), *old;

	if (b)
		return b;
	if (sh->now.n >= max) {
		forget(&sh->old);
		sh->old = sh->now;
		sh->now = (struct generation){ 0 };
	}
	b = mem_zalloc(sizeof(*b) + value.n);
	if (value.n)
		memcpy(b->bytes, value.p, value.n);
	b->value = str_make(b->bytes, value.n);
	old = find_bucket(&sh->old, value, hash);
	b->rate = old ? old->rate : rate_make(conf->rate, conf->burst, now_ns);
	b->dropped = old ? old->dropped : NULL;
	b->next = sh->now.first;
	sh->now.first = b;
	sh->now.n++;
	map_add(&sh->now.map, &b->node, hash);
	return b;
}

/* ---- waiting ------------------------------------------------------------------------------ */

struct waiting {
	struct waiting *next;
	struct batch *batch; /* copies; its labels are pinned */
	struct ack *ack;     /* of the batch they were in */
	uint32_t passed;
};

struct limit {
	struct shared *shared;
	struct stage *stage;
	struct waiting *first, **end;
	struct timer timer;
};

static int limit_open(struct stage *s, struct err *err)
{
	struct limit *l = s->state;

	(void)err;
	l->stage = s;
	l->end = &l->first;
	l->shared = shared_get(s->conf);
	return 0;
}

static uint32_t take(struct limit *l, uint32_t n, int64_t now_ns)
{
	uint32_t got;

	pthread_mutex_lock(&l->shared->lock);
	got = rate_take(&l->shared->rate, n, now_ns);
	pthread_mutex_unlock(&l->shared->lock);
	return got;
}

static void put_off(struct limit *l, struct batch *b, struct waiting **at, struct rec *r)
{
	const struct labels *labels = rec_labels(b, r);
	struct rec *copy;

	if (!*at) {
		struct waiting *w = mem_zalloc(sizeof(*w));

		w->batch = chain_emit_batch(l->stage->chain, b->source, b->labels, r->line.n);
		w->batch->is_urgent = b->is_urgent;
		if (b->labels)
			labels_pin(b->labels);
		w->ack = b->ack;
		if (w->ack)
			ack_get(w->ack);
		*l->end = w;
		l->end = &w->next;
		*at = w;
	}
	copy = batch_add((*at)->batch);
	rec_copy((*at)->batch, copy, r);
	copy->labels = labels;
	if (labels)
		labels_pin(labels);
	r->flags |= REC_HELD;
	b->ngone++;
}

static void waiting_free(struct waiting *w)
{
	if (w->batch->labels)
		labels_unpin(w->batch->labels);
	ack_put(w->ack);
	ack_put(TAKE(w->batch->ack));
	batch_free(w->batch);
	mem_free(w);
}

/* The next n of w go on, as a batch that points into it. */
static void pass(struct limit *l, struct waiting *w, uint32_t n)
{
	struct batch *from = w->batch, *part = batch_new(NULL, from->source, 0, true);
	const struct rec *recs = from->recs + w->passed;

	batch_reserve(part, n);
	memcpy(part->recs, recs, n * sizeof(*recs));
	part->nrecs = n;
	part->labels = from->labels;
	part->is_urgent = from->is_urgent;
	/* Each has an ack of its own: what is held behind this stage carries older ones only. */
	part->ack = ack_new_internal();
	if (w->ack) {
		ack_get(w->ack);
		ack_carry(part->ack, w->ack);
	}
	w->passed += n;
	chain_emit(l->stage, part);
	for (uint32_t i = 0; i < n; i++)
		if (recs[i].labels)
			labels_unpin(recs[i].labels);
}

/* Oldest first, as far as there are tokens; `is_all`: at the end. */
static void go_on(struct limit *l, int64_t now_ns, bool is_all)
{
	while (l->first) {
		struct waiting *w = l->first;
		uint32_t left = w->batch->nrecs - w->passed;
		uint32_t n = is_all ? left : take(l, left, now_ns);

		if (n)
			pass(l, w, n);
		if (n < left)
			return;
		l->first = w->next;
		if (!l->first)
			l->end = &l->first;
		waiting_free(w);
	}
}

static void on_timer(struct timer *t);

static void set_timer(struct limit *l)
{
	struct loop *loop = chain_loop(l->stage->chain);
	const struct limit_conf *conf = l->stage->conf;
	double piece = conf->rate * (double)PIECE_NS / (double)NS_PER_S;
	int64_t now_ns = clock_mono_ns(), wait_ns;

	if (!loop)
		return;
	if (!l->first) {
		loop_timer_del(loop, &l->timer);
		return;
	}
	pthread_mutex_lock(&l->shared->lock);
	wait_ns = rate_wait_ns(&l->shared->rate, piece < 1 ? 1 : (uint32_t)piece, now_ns);
	pthread_mutex_unlock(&l->shared->lock);
	loop_timer_set(loop, &l->timer, now_ns + (wait_ns > NS_PER_MS ? wait_ns : NS_PER_MS),
		       on_timer);
}

static void on_timer(struct timer *t)
{
	struct limit *l = container_of(t, struct limit, timer);

	go_on(l, clock_mono_ns(), false);
	set_timer(l);
}

/* ---- running ------------------------------------------------------------------------------ */

static uint32_t count(struct batch *b)
{
	uint32_t n = 0;

	BATCH_FOR(b, r) n++;
	return n;
}

static void run_waiting(struct limit *l, struct batch *b)
{
	uint32_t n = count(b), free_ones = l->first || !n ? 0 : take(l, n, clock_mono_ns());
	struct waiting *w = NULL;

	BATCH_FOR(b, r)
	{
		if (free_ones)
			free_ones--;
		else
			put_off(l, b, &w, r);
	}
	if (!w)
		return;
	batch_recharge(w->batch);
	set_timer(l);
}

static void run_dropping(struct limit *l, struct batch *b)
{
	uint32_t n = count(b), free_ones = n ? take(l, n, clock_mono_ns()) : 0;
	uint32_t dropped = n - free_ones;

	if (!dropped)
		return;
	BATCH_FOR(b, r)
	{
		if (free_ones)
			free_ones--;
		else
			r->flags |= REC_DROP;
	}
	stage_dropped(l->stage, b, REASON, dropped);
}

static void count_by_label(struct limit *l, struct bucket *bucket)
{
	const struct limit_conf *conf = l->stage->conf;
	char value[256] = "other";

	if (!bucket->dropped) {
		if (l->shared->ncounted < COUNTED_MAX) {
			l->shared->ncounted++;
			snprintf(value, sizeof(value), "%.*s",
				 (int)utf8_cut(bucket->value, sizeof(value) - 1), bucket->value.p);
		}
		bucket->dropped = metric_get(METRIC_STAGE_DROPPED_BY_LABEL, "pipeline",
					     chain_pipeline(l->stage->chain), "label_name",
					     conf->by_label_name.p, "label_value", value, NULL);
	}
	metric_add(bucket->dropped, 1);
}

/* A label that was moved to metadata because of its many values is limited all the same. */
static struct str limited_value(const struct batch *b, const struct rec *r, struct str name)
{
	const struct labels *labels = rec_labels(b, r);
	struct str value = labels ? labels_get(labels, name) : STR_NONE;

	for (unsigned i = r->nattrs; i-- > 0 && !value.p;)
		if (r->attrs[i].kind == ATTR_META && str_eq(attr_name(&r->attrs[i]), name))
			value = attr_value(&r->attrs[i]);
	return value;
}

static void run_by_label(struct limit *l, struct batch *b)
{
	const struct limit_conf *conf = l->stage->conf;
	struct bucket *bucket = NULL;
	int64_t now_ns = clock_mono_ns();
	uint64_t dropped = 0;

	pthread_mutex_lock(&l->shared->lock);
	BATCH_FOR(b, r)
	{
		struct str value = limited_value(b, r, conf->by_label_name);

		if (!value.p)
			continue;
		if (!bucket || !str_eq(bucket->value, value))
			bucket = bucket_of(l->shared, conf, value, now_ns);
		if (rate_take(&bucket->rate, 1, now_ns))
			continue;
		r->flags |= REC_DROP;
		dropped++;
		count_by_label(l, bucket);
	}
	pthread_mutex_unlock(&l->shared->lock);
	if (dropped)
		stage_dropped(l->stage, b, REASON, dropped);
}

static void limit_run(struct stage *s, struct batch *b)
{
	const struct limit_conf *conf = s->conf;

	if (conf->by_label_name.n)
		run_by_label(s->state, b);
	else if (conf->drop)
		run_dropping(s->state, b);
	else
		run_waiting(s->state, b);
}

/* Short memory is no reason to go faster than the rate: only the end is. */
static void limit_flush(struct stage *s, struct source *source)
{
	(void)source;
	if (!chain_is_ending(s->chain))
		return;
	go_on(s->state, 0, true);
	set_timer(s->state);
}

static void limit_close(struct stage *s)
{
	struct limit *l = s->state;

	CHECK(!l->first); /* flushed before */
	if (l->stage && chain_loop(s->chain))
		loop_timer_del(chain_loop(s->chain), &l->timer);
	shared_put(l->shared);
}

const struct stage_ops stage_limit = {
	.name = "limit",
	.summary = "keeps records to a rate, by dropping or by waiting",
	.doc = "With `drop: false` no thread stands still: what is above the rate is kept in order "
	       "in the "
	       "pipeline's memory, and inputs stop reading when that is full (UDP then drops and "
	       "counts). "
	       "Its place in a file is not passed before it went on. At the end of the agent what "
	       "waits "
	       "goes on at once.",
	.conf = &limit_table,
	.state_size = sizeof(struct limit),
	.open = limit_open,
	.run = limit_run,
	.flush = limit_flush,
	.close = limit_close,
};
