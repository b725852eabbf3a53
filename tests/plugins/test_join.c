/* SPDX-License-Identifier: Apache-2.0 */
/* Test stage: joins lines that begin with white space to the one before. See README.md. */
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "pipeline/ack.h"
#include "pipeline/labels.h"
#include "pipeline/stage.h"

struct test_join_conf {
	int64_t max_wait;
	size_t max_bytes;
};

static const struct conf_field test_join_fields[] = {
	CONF_TIME(struct test_join_conf, max_wait, "200ms", "1ms", "1h",
		  "How long the last record is held for lines to come."),
	CONF_SIZE(struct test_join_conf, max_bytes, "16KiB", "1B", "1MiB",
		  "Longest joined record."),
};
static const struct conf_table test_join_table =
	CONF_TABLE(struct test_join_conf, test_join_fields);

/* What is held for one source. */
struct held {
	struct held *next;
	struct stage *stage;
	struct source *source;
	struct buf text;
	const struct labels *base, *labels; /* pinned: of the first record's batch, and its own */
	int64_t time_ns;
	uint64_t n;        /* records in text */
	struct ack **acks; /* references, one per batch that gave a record */
	size_t nacks, cap;
	int64_t charged;
	struct timer timer;
};

struct test_join {
	struct held *helds;
};

static void emit(struct held *h)
{
	struct chain *c = h->stage->chain;
	struct test_join *state = h->stage->state;
	struct stage *stage = h->stage;
	const struct labels *base = h->base, *labels = h->labels;
	struct batch *b = chain_emit_batch(c, h->source, h->base, h->text.n);
	struct rec *r = batch_add(b);

	r->line = arena_dup(&b->arena, buf_as_str(&h->text));
	r->time_ns = h->time_ns;
	r->labels = h->labels;
	for (size_t i = 0; i < h->nacks; i++)
		ack_carry(b->ack, h->acks[i]);
	chain_joined(c, h->n - 1);
	chain_charge(c, -h->charged);
	loop_timer_del(chain_loop(c), &h->timer);
	for (struct held **at = &state->helds; *at; at = &(*at)->next) {
		if (*at == h) {
			*at = h->next;
			break;
		}
	}
	buf_fini(&h->text);
	mem_free(h->acks);
	mem_free(h);
	chain_emit(stage, b);
	labels_unpin(base);
	labels_unpin(labels);
}

static void on_wait(struct timer *t)
{
	emit(container_of(t, struct held, timer));
}

static struct held *find(struct test_join *state, struct source *source)
{
	struct held *h;

	for (h = state->helds; h && h->source != source; h = h->next)
		;
	return h;
}

static void add(struct held *h, struct batch *b, struct rec *r)
{
	if (h->n)
		buf_ch(&h->text, '\n');
	else
		h->time_ns = r->time_ns;
	buf_str(&h->text, r->line);
	h->n++;
	h->charged += (int64_t)r->line.n + 1;
	chain_charge(h->stage->chain, (int64_t)r->line.n + 1);
	r->flags |= REC_HELD;
	if (!b->ack || (h->nacks && h->acks[h->nacks - 1] == b->ack))
		return;
	if (h->nacks == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 4;
		h->acks = mem_realloc(h->acks, h->cap * sizeof(struct ack *));
	}
	ack_get(b->ack);
	h->acks[h->nacks++] = b->ack;
}

static void test_join_flush(struct stage *s, struct source *source)
{
	struct test_join *state = s->state;
	struct held *h, *next;

	for (h = state->helds; h; h = next) {
		next = h->next;
		if (!source || h->source == source)
			emit(h);
	}
}

static void test_join_run(struct stage *s, struct batch *b)
{
	const struct test_join_conf *conf = s->conf;
	struct test_join *state = s->state;
	struct held *h = find(state, b->source);

	BATCH_FOR(b, r)
	{
		bool continues = r->line.n && (r->line.p[0] == ' ' || r->line.p[0] == '\t');

		if (h && (!continues || h->text.n + r->line.n > conf->max_bytes)) {
			emit(h);
			h = NULL;
		}
		if (!h) {
			h = mem_zalloc(sizeof(*h));
			h->stage = s;
			h->source = b->source;
			labels_pin(h->base = b->labels);
			labels_pin(h->labels = rec_labels(b, r));
			h->next = state->helds;
			state->helds = h;
			loop_timer_in(chain_loop(s->chain), &h->timer, conf->max_wait, on_wait);
		}
		add(h, b, r);
	}
	if (chain_is_short(s->chain))
		test_join_flush(s, NULL);
}

extern const struct stage_ops stage_test_join;
const struct stage_ops stage_test_join = {
	.name = "test_join",
	.summary = "test stage: joins lines that begin with white space to the one before",
	.conf = &test_join_table,
	.state_size = sizeof(struct test_join),
	.run = test_join_run,
	.flush = test_join_flush,
};
