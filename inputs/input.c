/* SPDX-License-Identifier: Apache-2.0 */
/* What all inputs share: credit, the hand-over to lanes, sources and counters. */
#include <stdlib.h>

#include "inputs/input.h"
#include "inputs/intake.h"
#include "lib/check.h"
#include "lib/mem.h"

static void on_credit(struct budget_waiter *w)
{
	struct input *in = container_of(w, struct input, waiter);

	in->ops->resume(in);
}

/* Text and record array of usual lines share one recycled chunk then, and the encoded block of such a
 * batch fits one, too. */
#define BATCH_TEXT_BYTES (ARENA_CHUNK_BYTES / 4 * 3)

void input_setup(struct input *in)
{
	int64_t quarter;

	in->budget = in->intake->budget;
	quarter = in->budget ? in->budget->total_bytes / 4 : (int64_t)BATCH_TEXT_BYTES;
	in->magic = INPUT_MAGIC;
	in->batch_bytes = quarter < (int64_t)BATCH_TEXT_BYTES ? (size_t)quarter : BATCH_TEXT_BYTES;
	in->nlanes = in->intake->nlanes;
	in->waiter = (struct budget_waiter){ .loop = in->loop, .resume = on_credit };
	in->records = metric_get(METRIC_INPUT_RECORDS, "input", in->name, NULL);
	in->bytes = metric_get(METRIC_INPUT_BYTES, "input", in->name, NULL);
	in->paused = metric_get(METRIC_INPUT_PAUSED, "input", in->name, NULL);
}

struct batch *input_batch(struct input *in, struct source *source, size_t bytes)
{
	struct batch *b = batch_new(in->budget, source, bytes, false);

	if (!b) {
		metric_add(in->paused, 1);
		budget_wait(in->budget, &in->waiter, bytes + BATCH_OVERHEAD_BYTES);
	}
	return b;
}

bool input_take(struct input *in, size_t bytes)
{
	if (!budget_take(in->budget, bytes))
		return false;
	in->charged_bytes += bytes;
	return true;
}

void input_force(struct input *in, size_t bytes)
{
	budget_force(in->budget, bytes);
	in->charged_bytes += bytes;
}

void input_give(struct input *in, size_t bytes)
{
	CHECK(bytes <= in->charged_bytes);
	in->charged_bytes -= bytes;
	budget_give(in->budget, bytes);
}

/* Counts the batch in; false when there was nothing in it (it is gone then). */
static bool admit(struct input *in, struct intake *intake, struct batch *b, size_t source_bytes)
{
	CHECK_OBJ(b, BATCH_MAGIC);
	metric_add(in->bytes, (int64_t)source_bytes);
	if (b->nrecs == 0) {
		ack_put(TAKE(b->ack));
		batch_free(b);
		return false;
	}
	batch_recharge(b);
	metric_add(in->records, b->nrecs);
	for (size_t i = 0; i < intake->nflows; i++) {
		metric_add(intake->flows[i]->in, b->nrecs);
		metric_add(intake->flows[i]->held, b->nrecs);
	}
	if (b->ack && !b->ack->count) {
		b->ack->count = &in->acks;
		atomic_fetch_add(&in->acks.open, 1);
	}
	b->way = &intake->way;
	atomic_fetch_add_explicit(&b->way->nbatches, 1, memory_order_relaxed);
	return true;
}

void input_submit(struct input *in, struct batch *b, size_t source_bytes)
{
	struct intake *intake = in->intake;
	uint32_t lane = b->source->lane;

	if (!admit(in, intake, b, source_bytes))
		return;
	if (intake->ports)
		lane_port_push(intake->ports[lane], b);
	else
		lane_run(intake->lanes[lane], b);
}

struct input_port {
	struct input *in;
	struct input_port *next;
	struct lane_port *port;
	struct loop *loop;
	struct intake *intake; /* of its thread */
	struct intake *newest; /* on its way there with the mail */
	struct mail mail;
};

struct input_port *input_port_new(struct input *in, struct source *source, struct loop *loop)
{
	struct input_port *p = mem_zalloc(sizeof(*p));

	p->in = in;
	p->loop = loop;
	p->intake = in->intake;
	p->port = lane_port_new(in->intake->lanes[source->lane], in->intake->port_capacity);
	p->next = in->ports;
	in->ports = p;
	return p;
}

struct batch *input_port_batch(struct input_port *p, struct source *source, size_t bytes)
{
	return batch_new(p->intake->budget, source, bytes, false);
}

void input_port_submit(struct input_port *p, struct batch *b, size_t source_bytes)
{
	if (admit(p->in, p->intake, b, source_bytes))
		lane_port_push(p->port, b);
}

void input_port_free(struct input_port *p)
{
	if (!p)
		return;
	for (struct input_port **at = &p->in->ports; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	lane_port_free(p->port);
	mem_free(p);
}

/* Another way */

static void on_switch(struct mail *m)
{
	struct input_port *p = container_of(m, struct input_port, mail);

	p->intake = p->newest;
	atomic_fetch_sub_explicit(&p->in->nswitching, 1, memory_order_release);
}

void input_switch(struct input *in, struct intake *to)
{
	struct budget *before = in->budget;

	CHECK(input_has_switched(in));
	in->intake = to;
	in->budget = to->budget;
	for (struct input_port *p = in->ports; p; p = p->next) {
		p->newest = to;
		atomic_fetch_add(&in->nswitching, 1);
		loop_post(p->loop, &p->mail, on_switch);
	}
	if (before == to->budget)
		return;
	budget_forget(before, &in->waiter);
	budget_force(to->budget, in->charged_bytes);
	budget_give(before, in->charged_bytes);
	in->ops->resume(in); /* the other one may have credit */
}

bool input_has_switched(const struct input *in)
{
	return atomic_load_explicit(&((struct input *)(uintptr_t)in)->nswitching,
				    memory_order_acquire) == 0;
}

/* Sources */

static _Atomic uint64_t nseries;

static size_t put_label(struct label *labels, size_t n, struct str name, struct str value)
{
	size_t i;

	for (i = 0; i < n && !str_eq(labels[i].name, name); i++)
		;
	if (i == LABELS_MAX)
		return n;
	labels[i] = (struct label){ name, value };
	return i == n ? n + 1 : n;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void source_init_labels(struct source *s, struct input *in, uint64_t key, const struct label *given,
			size_t ngiven)
{
	struct label labels[LABELS_MAX];
	size_t n = 0, bytes = 0;
	struct label *copy;
	char *p;

	for (size_t i = 0; i < ngiven; i++)
		n = put_label(labels, n, given[i].name, given[i].value);
	qsort(labels, n, sizeof(*labels), by_name);
	for (size_t i = 0; i < n; i++)
		bytes += labels[i].name.n + labels[i].value.n;
	copy = mem_alloc(n * sizeof(*copy) + bytes);
	p = (char *)(copy + n);
	for (size_t i = 0; i < n; i++) {
		memcpy(p, labels[i].name.p, labels[i].name.n);
		copy[i].name = str_make(p, labels[i].name.n);
		p += labels[i].name.n;
		if (labels[i].value.n)
			memcpy(p, labels[i].value.p, labels[i].value.n);
		copy[i].value = str_make(p, labels[i].value.n);
		p += labels[i].value.n;
	}
	*s = (struct source){ .magic = SOURCE_MAGIC,
			      .input = in,
			      .entry = in->entry,
			      .series = atomic_fetch_add(&nseries, 1),
			      .lane = in->nlanes ? (uint32_t)(key % in->nlanes) : 0,
			      .labels = copy,
			      .nlabels = (uint32_t)n };
}

void source_init(struct source *s, struct input *in, uint64_t key,
		 const struct conf_map *configured, const struct label *extra, size_t nextra)
{
	struct label labels[LABELS_MAX];
	size_t n = 0;

	n = put_label(labels, n, STR("job"), str_c(in->name));
	n = put_label(labels, n, STR("host"), str_c(in->hostname));
	for (size_t i = 0; configured && i < configured->n; i++)
		n = put_label(labels, n, configured->items[i].key, configured->items[i].value);
	for (size_t i = 0; i < nextra; i++)
		n = put_label(labels, n, extra[i].name, extra[i].value);
	source_init_labels(s, in, key, labels, n);
}

void source_fini(struct source *s)
{
	mem_free((void *)(uintptr_t)s->labels);
	s->labels = NULL;
	s->magic = 0;
}

/* Counters */

void input_count_error(struct input *in, const char *reason)
{
	metric_add(metric_get(METRIC_INPUT_ERRORS, "input", in->name, "reason", reason, NULL), 1);
}

void input_count_dropped(struct input *in, const char *reason, uint64_t n)
{
	metric_add(metric_get(METRIC_INPUT_DROPPED, "input", in->name, "reason", reason, NULL),
		   (int64_t)n);
}

void input_count_flagged(struct input *in, const char *reason, uint64_t n)
{
	metric_add(metric_get(METRIC_INPUT_FLAGGED, "input", in->name, "reason", reason, NULL),
		   (int64_t)n);
}
