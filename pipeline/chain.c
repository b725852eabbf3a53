/* SPDX-License-Identifier: Apache-2.0 */
/* A batch's way through a pipeline: made clean, staged, compacted, stamped uniquely, encoded once per
 * output. Everything here is paid per batch, except the two short loops over records. */
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/ack.h"
#include "pipeline/block.h"
#include "pipeline/budget.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/pattern.h"

#define CHAIN_MAGIC 0xc4a17u
#define MOVED_MAX 64                   /* labels counted by name */
#define FORGET_NS (5 * NS_PER_S)       /* label sets are kept for so long at least */
#define CARRIED_MAX ((size_t)64 << 20) /* what a kill repeats at most because records are joined */
#define BLOCK_CHARGE_MIN 1024          /* bounds the number of blocks by the budget */

/* Counts records of which one label became metadata. */
struct moved {
	struct moved *next;
	const char *reason;
	struct metric *count;
	char label[];
};

struct chain {
	unsigned magic;
	struct chain_conf conf;
	const struct chain_trace *trace; /* or NULL */
	struct stage *stages;
	struct stage *opened, **opened_end;
	uint32_t entry;         /* of the list being opened */
	struct stage **entries; /* by source.entry: the first stage; 0 = stages */
	struct label_table *labels;
	const struct labels *overflow; /* when even a source's own labels find no room */
	struct pattern_scratch *scratch;
	struct arena encode_arena;
	bool is_ending;
	unsigned depth;   /* chain_run and chain_emit under way */
	int64_t nstreams; /* of this lane in the metric */
	struct timer forget_timer;
	struct metric *streams, *label_overflow;
	struct moved *moved; /* the labels that are, and why */
	size_t nmoved;
};

/* What stages may use */

struct pattern_scratch *chain_scratch(struct chain *c)
{
	return c->scratch;
}

struct label_table *chain_labels(struct chain *c)
{
	return c->labels;
}

const char *chain_pipeline(const struct chain *c)
{
	return c->conf.pipeline;
}

struct loop *chain_loop(struct chain *c)
{
	return c->conf.loop;
}

const struct chain_trace *chain_trace(const struct chain *c)
{
	return c->trace;
}

const struct stage *chain_first_stage(const struct chain *c)
{
	return c->opened;
}

void chain_set_trace(struct chain *c, const struct chain_trace *trace)
{
	CHECK(c->depth == 0);
	c->trace = trace;
}

bool chain_is_ending(const struct chain *c)
{
	return c->is_ending;
}

void chain_charge(struct chain *c, int64_t bytes)
{
	if (c->conf.budget)
		budget_hold(c->conf.budget, bytes);
}

static void labels_to_metadata(struct batch *b, struct rec *r, const struct label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (labels[i].value.p && !str_is(labels[i].name, LABEL_TENANT))
			rec_attr_inline(b, r, labels[i].name, ATTR_META, labels[i].value);
}

static void count_drop(struct chain *c, const char *reason, uint64_t n)
{
	metric_add(metric_get(METRIC_STAGE_DROPPED, "pipeline", c->conf.pipeline, "reason", reason,
			      NULL),
		   (int64_t)n);
	if (c->trace && c->trace->dropped)
		c->trace->dropped(c->trace->ctx, reason, n);
}

/* A record must not go to another tenant because labels are many: it goes with no other label, and
 * not at all when there are too many tenants as well. */
static void set_tenant_only(struct chain *c, struct batch *b, struct rec *r, struct str tenant)
{
	const struct label items[] = { { STR("overflow"), STR("true") },
				       { STR(LABEL_TENANT), tenant } };
	const struct labels *old = rec_labels(b, r);

	r->labels = labels_intern_reserved(c->labels, items, 2);
	if (old)
		labels_to_metadata(b, r, old->items, old->n);
	if (r->labels)
		return;
	r->flags |= REC_DROP;
	b->ngone++;
	count_drop(c, "too_many_tenants", 1);
}

static const char moved_values[] = "values", moved_labels[] = "labels", moved_length[] = "length";

static struct metric *moved_count(struct chain *c, struct str label, const char *reason)
{
	struct moved *m;

	if (c->nmoved >= MOVED_MAX)
		label = STR("other");
	for (m = c->moved; m; m = m->next)
		if (m->reason == reason && str_is(label, m->label))
			return m->count;
	m = mem_zalloc(sizeof(*m) + label.n + 1);
	memcpy(m->label, label.p, label.n);
	m->reason = reason;
	m->count = metric_get(METRIC_LABELS_MOVED, "pipeline", c->conf.pipeline, "label", m->label,
			      "reason", reason, NULL);
	m->next = c->moved;
	c->moved = m;
	c->nmoved++;
	log_warn("a label is beyond a limit: it becomes structured metadata",
		 KV_S("pipeline", c->conf.pipeline), KV_S("label", m->label),
		 KV_S("reason", reason));
	return m->count;
}

/* What may not be labels is metadata of the same name. */
static void keep_moved(struct chain *c, struct batch *b, struct rec *r, const struct label *changes,
		       size_t n, const struct label_moves *moves)
{
	uint64_t all = moves->exploded | moves->surplus | moves->cut;

	for (size_t i = 0; i < n && i < 64; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (!(all & bit))
			continue;
		rec_attr_inline(b, r, changes[i].name, ATTR_META, changes[i].value);
		metric_add(moved_count(c, changes[i].name,
				       moves->exploded & bit  ? moved_values
				       : moves->surplus & bit ? moved_labels
							      : moved_length),
			   1);
	}
}

bool chain_set_labels(struct chain *c, struct batch *b, struct rec *r, const struct label *changes,
		      size_t n)
{
	struct label_moves moves;
	const struct labels *l;

	if (n > LABEL_MOVES_MAX) {
		bool is_exact = chain_set_labels(c, b, r, changes, LABEL_MOVES_MAX);

		return chain_set_labels(c, b, r, changes + LABEL_MOVES_MAX, n - LABEL_MOVES_MAX) &&
		       is_exact;
	}
	l = labels_guarded(c->labels, rec_labels(b, r), changes, n, &moves);
	if (l) {
		r->labels = l;
		if (moves.exploded | moves.surplus | moves.cut) {
			keep_moved(c, b, r, changes, n, &moves);
			return false;
		}
		return true;
	}
	for (size_t i = 0; i < n; i++)
		if (changes[i].value.p && str_is(changes[i].name, LABEL_TENANT))
			set_tenant_only(c, b, r, changes[i].value);
	labels_to_metadata(b, r, changes, n);
	r->flags |= REC_LABELS_FULL;
	metric_add(c->label_overflow, 1);
	return false;
}

/* One writer; readers may be other threads. */
static void add(_Atomic int64_t *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + (int64_t)n,
			      memory_order_relaxed);
}

void stage_dropped(struct stage *s, struct batch *b, const char *reason, uint64_t n)
{
	b->ngone += (uint32_t)n;
	add(&s->removed, n);
	count_drop(s->chain, reason, n);
}

void chain_joined(struct chain *c, uint64_t n)
{
	for (size_t i = 0; i < c->conf.nsinks; i++)
		flow_joined(c->conf.sinks[i].flow, n);
}

void stage_removed(struct stage *s, const char *reason, uint64_t n)
{
	struct chain *c = s->chain;

	for (size_t i = 0; i < c->conf.nsinks; i++)
		flow_filtered(c->conf.sinks[i].flow, n);
	add(&s->removed, n);
	count_drop(c, reason, n);
}

/* Making clean */

static struct str repaired(struct batch *b, struct str s)
{
	char *out = arena_bytes(&b->arena, utf8_repaired_size(s));

	return utf8_repair(s, out);
}

/* Patterns match bytes and rely on valid UTF-8, and Loki wants it. */
static void clean_run(struct stage *s, struct batch *b)
{
	(void)s;
	BATCH_FOR(b, r)
	{
		if (r->flags & REC_UTF8)
			continue;
		if (!utf8_is_valid(r->line)) {
			r->line = repaired(b, r->line);
			r->flags |= REC_BAD_UTF8;
		}
		for (unsigned i = 0; i < r->nattrs; i++) {
			struct attr *a = &r->attrs[i];
			struct str value = attr_value(a);

			if (utf8_is_valid(value))
				continue;
			if (a->key == KEY_INLINE) { /* the name stands in front of the value */
				struct str name = attr_name(a);
				enum attr_kind kind = a->kind;

				a->kind = ATTR_GONE;
				rec_attr_inline(b, r, name, kind, repaired(b, value));
			} else {
				value = repaired(b, value);
				a->p = value.p;
				a->n = (uint32_t)value.n;
			}
			r->flags |= REC_BAD_UTF8;
		}
	}
}

/* Stands in every list behind the stages that take records as they came. */
static const struct stage_ops stage_clean = { .name = "clean", .run = clean_run };

/* Stage lists */

static struct stage *stage_new(struct chain *c, struct stage *parent, const struct stage_ops *ops)
{
	struct stage *s = mem_zalloc(sizeof(*s));

	s->magic = STAGE_MAGIC;
	s->ops = ops;
	s->state = mem_zalloc(ops->state_size);
	s->chain = c;
	s->parent = parent;
	s->entry = c->entry;
	return s;
}

int stages_open(struct chain *c, struct stage *parent, const struct conf_stages *list,
		struct stage **ret, struct err *err)
{
	struct stage **at = ret;
	int rc;

	*ret = NULL;
	for (size_t i = 0; list && i < list->n; i++) {
		const struct stage_ops *ops = list->items[i].plugin->ops;
		struct stage *s = stage_new(c, parent, ops);

		s->conf = list->items[i].conf;
		s->node = list->items[i].node;
		*c->opened_end = s;
		c->opened_end = &s->opened_next;
		*at = s;
		at = &s->next;
		rc = ops->open ? ops->open(s, err) : 0;
		if (rc < 0) {
			const struct conf_node *node = list->items[i].node;

			if (node && node->file && err && !err->where[0])
				err_where(err, "%s:%u:%u", node->file, node->line, node->col);
			return rc;
		}
	}
	return 0;
}

void stages_close(struct stage *list)
{
	while (list) {
		struct stage *next = list->next;

		CHECK_OBJ(list, STAGE_MAGIC);
		if (list->ops->close)
			list->ops->close(list);
		mem_free(list->state);
		mem_free(list);
		list = next;
	}
}

static void probe(const struct chain *c, enum chain_probe kind, const struct stage *s,
		  const struct batch *b)
{
	if (c->trace)
		c->trace->probe(c->trace->ctx, kind, s, b);
}

static void run_list(const struct chain *c, struct stage *list, struct batch *b)
{
	for (; list; list = list->next) {
		add(&list->records, b->nrecs - b->ngone);
		list->ops->run(list, b);
		probe(c, CHAIN_RAN, list, b);
	}
}

void stages_run(struct stage *parent, struct stage *list, struct batch *b)
{
	probe(parent->chain, CHAIN_ENTER, parent, b);
	run_list(parent->chain, list, b);
}

void stages_flush(struct stage *list, struct source *source)
{
	for (; list; list = list->next)
		if (list->ops->flush)
			list->ops->flush(list, source);
}

/* Behind the leading stages that take records raw. */
static void insert_clean(struct chain *c, struct stage **list)
{
	struct stage *clean = stage_new(c, NULL, &stage_clean);

	while (*list && (*list)->ops->takes_raw)
		list = &(*list)->next;
	clean->next = *list;
	*list = clean;
}

/* The stages of an input, then those of the pipeline. */
static int open_front(struct chain *c, size_t entry, struct err *err)
{
	struct stage **at = &c->entries[entry];
	bool is_clean = false;
	int rc;

	c->entry = (uint32_t)entry;
	rc = stages_open(c, NULL, c->conf.front[entry - 1], at, err);
	for (struct stage *s = *at; s; s = s->next)
		is_clean |= !s->ops->takes_raw;
	if (rc == 0 && is_clean)
		insert_clean(c, at);
	while (*at)
		at = &(*at)->next;
	/* Made clean once is enough. */
	*at = is_clean && c->stages->ops == &stage_clean ? c->stages->next : c->stages;
	return rc;
}

static bool is_main(const struct chain *c, const struct stage *s)
{
	return !s || s == c->stages || (c->stages->ops == &stage_clean && s == c->stages->next);
}

static void close_front(struct chain *c, size_t entry)
{
	struct stage **at = &c->entries[entry];

	if (!c->stages)
		return;
	while (!is_main(c, *at))
		at = &(*at)->next;
	*at = NULL;
	stages_close(c->entries[entry]);
}

/* Opening and closing */

int chain_open(const struct chain_conf *conf, struct chain **ret, struct err *err)
{
	struct chain *c = mem_zalloc(sizeof(*c));
	struct label overflow = { STR("overflow"), STR("true") };
	int rc;

	c->magic = CHAIN_MAGIC;
	c->conf = *conf;
	c->trace = conf->trace;
	c->opened_end = &c->opened;
	c->labels = label_table_new(conf->max_streams);
	label_table_limit(c->labels, &conf->label_limits);
	c->overflow = labels_intern(c->labels, &overflow, 1);
	labels_pin(c->overflow);
	c->scratch = pattern_scratch_new();
	c->streams = metric_get(METRIC_STREAMS, "pipeline", conf->pipeline, NULL);
	c->label_overflow = metric_get(METRIC_LABEL_OVERFLOW, "pipeline", conf->pipeline, NULL);
	c->entries = mem_array(conf->nfront + 1, sizeof(*c->entries));
	rc = stages_open(c, NULL, conf->stages, &c->stages, err);
	insert_clean(c, &c->stages);
	c->entries[0] = c->stages;
	for (size_t i = 1; rc == 0 && i <= conf->nfront; i++)
		rc = open_front(c, i, err);
	if (rc < 0) {
		chain_close(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void chain_close(struct chain *c)
{
	if (!c)
		return;
	CHECK_OBJ(c, CHAIN_MAGIC);
	for (size_t i = 1; i <= c->conf.nfront; i++)
		close_front(c, i);
	stages_close(c->stages);
	if (c->conf.loop)
		loop_timer_del(c->conf.loop, &c->forget_timer);
	metric_add(c->streams, -c->nstreams);
	mem_free(c->entries);
	while (c->moved) {
		struct moved *next = c->moved->next;

		mem_free(c->moved);
		c->moved = next;
	}
	label_table_free(c->labels);
	pattern_scratch_free(c->scratch);
	arena_fini(&c->encode_arena);
	mem_free(c);
}

/* The way of a batch */

/* Closes the gaps that dropped and held records left; counts the dropped ones. */
static void compact(struct chain *c, struct batch *b)
{
	uint32_t kept = 0, dropped = 0;

	for (uint32_t i = 0; i < b->nrecs; i++) {
		struct rec *r = &b->recs[i];

		if (r->flags & REC_DROP) {
			dropped++;
			continue;
		}
		if (r->flags & REC_HELD)
			continue;
		if (kept != i)
			b->recs[kept] = *r;
		kept++;
	}
	b->nrecs = kept;
	for (size_t i = 0; dropped && i < c->conf.nsinks; i++)
		flow_filtered(c->conf.sinks[i].flow, dropped);
}

static void stamp(struct batch *b)
{
	struct uniq *u = &b->source->uniq;

	if (b->source->keeps_times)
		return;
	for (uint32_t i = 0; i < b->nrecs; i++)
		b->recs[i].time_ns = uniq_next(u, b->recs[i].time_ns);
}

static void give_to_sink(struct chain *c, struct sink *sink, struct batch *b)
{
	struct block *block = sink->encode(sink->ctx, b, &c->encode_arena);
	struct budget *budget = sink->is_blocking ? c->conf.budget : sink->budget;
	size_t size;

	CHECK(block);
	size = block_size(block);
	if (size < BLOCK_CHARGE_MIN)
		size = BLOCK_CHARGE_MIN;
	block->flow = sink->flow;
	block->is_urgent = b->is_urgent;
	if (sink->is_blocking) {
		if (budget)
			budget_force(budget, size);
		block->ack = b->ack;
		if (b->ack)
			ack_get(b->ack);
	} else if (budget && !budget_take(budget, size)) {
		flow_dropped(sink->flow, "output_full", block->nrecs);
		block_end(block, block->nruns);
		return;
	}
	block->budget = budget;
	block->charged_bytes = budget ? size : 0;
	sink->submit(sink->ctx, c->conf.lane, block);
}

static void finish(struct chain *c, struct batch *b, bool is_emitted)
{
	struct uniq before = b->source->uniq;

	probe(c, CHAIN_END, NULL, b);
	compact(c, b);
	stamp(b);
	if (b->ack)
		b->ack->uniq_after = b->source->uniq;
	if (is_emitted)
		ack_stamped(b->ack, &before, &b->source->uniq);
	if (b->nrecs) {
		for (size_t i = 0; i < c->conf.nsinks; i++)
			give_to_sink(c, &c->conf.sinks[i], b);
		arena_fini(&c->encode_arena);
	}
	ack_put(TAKE(b->ack));
	batch_free(b);
}

/* The gauge is shared by the lanes. */
static void count_streams(struct chain *c)
{
	metric_add(c->streams, (int64_t)label_table_size(c->labels) - c->nstreams);
	c->nstreams = (int64_t)label_table_size(c->labels);
}

/* Ten thousand files have as many label sets; most are quiet. */
static void on_forget(struct timer *timer)
{
	struct chain *c = container_of(timer, struct chain, forget_timer);

	if (label_table_forget(c->labels))
		loop_timer_in(c->conf.loop, timer, FORGET_NS, on_forget);
	count_streams(c);
}

/* Label sets may be thrown out only when no batch points at them. */
static void leave(struct chain *c)
{
	if (--c->depth)
		return;
	label_table_sweep(c->labels);
	if (c->conf.loop && !c->forget_timer.slot)
		loop_timer_in(c->conf.loop, &c->forget_timer, FORGET_NS, on_forget);
	count_streams(c);
}

/* The table has no room for the source's own labels: they become metadata. */
static void overflow(struct chain *c, struct batch *b)
{
	const struct source *s = b->source;

	b->labels = c->overflow;
	metric_add(c->label_overflow, b->nrecs);
	for (uint32_t k = 0; k < b->nrecs; k++) {
		for (uint32_t i = 0; i < s->nlabels; i++)
			rec_attr_inline(b, &b->recs[k], s->labels[i].name, ATTR_META,
					s->labels[i].value);
		b->recs[k].flags |= REC_LABELS_FULL;
	}
}

static void flush(struct chain *c, struct source *source)
{
	for (size_t i = 1; i <= c->conf.nfront; i++)
		for (struct stage *s = c->entries[i]; !is_main(c, s); s = s->next)
			if (s->ops->flush)
				s->ops->flush(s, source);
	stages_flush(c->stages, source);
}

/* What stages in front of the cleaning make of a line nobody has looked at. */
static void forget_utf8(struct batch *b)
{
	for (uint32_t i = 0; i < b->nrecs; i++)
		b->recs[i].flags &= (uint16_t)~REC_UTF8;
}

void chain_run(struct chain *c, struct batch *b)
{
	struct source *source = b->source;
	size_t carried_bytes;

	CHECK_OBJ(c, CHAIN_MAGIC);
	CHECK_OBJ(b, BATCH_MAGIC);
	c->depth++;
	b->labels = labels_intern_known(c->labels, &source->known, source->labels, source->nlabels);
	if (!b->labels)
		overflow(c, b);
	else if (source->known.moves.surplus | source->known.moves.cut)
		for (uint32_t i = 0; i < b->nrecs; i++)
			keep_moved(c, b, &b->recs[i], source->labels, source->nlabels,
				   &source->known.moves);
	CHECK(source->entry <= c->conf.nfront);
	if (c->entries[source->entry]->ops != &stage_clean)
		forget_utf8(b);
	probe(c, CHAIN_BEGIN, NULL, b);
	run_list(c, c->entries[source->entry], b);
	carried_bytes = b->ack ? b->ack->carried_bytes : 0;
	finish(c, b, false);
	/* Behind the batch: what is let go now waits for nothing of it. */
	if (c->is_ending || (c->conf.budget && budget_holds_much(c->conf.budget)))
		flush(c, NULL);
	else if (carried_bytes > CARRIED_MAX)
		flush(c, source);
	leave(c);
}

void chain_give_up(struct chain *c, struct batch *b)
{
	bool replays = b->ack && ack_replays(b->ack);

	for (size_t i = 0; i < c->conf.nsinks; i++) {
		struct sink *sink = &c->conf.sinks[i];

		if (replays && sink->is_blocking)
			atomic_fetch_add(&sink->flow->left, b->nrecs);
		else
			flow_dropped(sink->flow, "shutdown", b->nrecs);
	}
	if (replays)
		ack_abandon(TAKE(b->ack));
	ack_put(TAKE(b->ack));
	batch_free(b);
}

void chain_flush(struct chain *c, struct source *source)
{
	c->depth++;
	c->is_ending |= !source;
	flush(c, source);
	leave(c);
}

/* Batches that stages make */

struct batch *chain_emit_batch(struct chain *c, struct source *source, const struct labels *base,
			       size_t bytes)
{
	struct batch *b = batch_new(c->conf.budget, source, bytes, true);

	b->ack = ack_new_internal();
	b->labels = base;
	return b;
}

void chain_emit(struct stage *s, struct batch *b)
{
	struct chain *c = s->chain;

	c->depth++;
	probe(c, CHAIN_BEGIN, s, b);
	for (; s; s = s->parent) {
		probe(c, CHAIN_RAN, s, b);
		run_list(c, s->next, b);
	}
	finish(c, b, true);
	leave(c);
}
