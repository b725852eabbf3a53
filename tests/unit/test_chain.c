/* SPDX-License-Identifier: Apache-2.0 */
/* Chains and lanes with a sink that keeps what it gets: order, joining, acks, drops, the ledger; fused
 * and with threads (run under TSan, too). */
#include <unistd.h>

#include "lib/mem.h"
#include "pipeline/ack.h"
#include "pipeline/block.h"
#include "pipeline/budget.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/lane.h"
#include "pipeline/stages/multiline.h"
#include "tests/unit/test.h"

/* Keeps blocks as text; one per lane, so no locks. */
struct keeper {
	struct buf text[4];
	int64_t last_ns[4];
	bool fails_unique;
	struct block *kept[4096]; /* when it does not settle at once */
	_Atomic unsigned nkept;
	bool keeps;
};

static struct block *keep_encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct block *block;
	size_t n = 0;
	char *p;

	(void)ctx;
	(void)scratch;
	for (uint32_t i = 0; i < b->nrecs; i++)
		n += b->recs[i].line.n + 1;
	block = block_new(1, 0, n);
	block->nrecs = block->runs[0].nrecs = b->nrecs;
	p = block->bytes;
	for (uint32_t i = 0; i < b->nrecs; i++) {
		memcpy(p, b->recs[i].line.p, b->recs[i].line.n);
		p += b->recs[i].line.n;
		*p++ = '|';
	}
	return block;
}

static void keep_submit(void *ctx, uint32_t lane, struct block *block)
{
	struct keeper *k = ctx;

	buf_put(&k->text[lane], block->bytes, block->nbytes);
	if (k->keeps) {
		k->kept[atomic_fetch_add(&k->nkept, 1)] = block;
		return;
	}
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

/* A stage that drops lines starting with '#'. */
static void comment_run(struct stage *s, struct batch *b)
{
	BATCH_FOR(b, r)
	{
		if (r->line.n && r->line.p[0] == '#') {
			r->flags |= REC_DROP;
			stage_dropped(s, b, "comment", 1);
		}
	}
}
static const struct stage_ops stage_comment = { .name = "comment", .run = comment_run };

extern const struct stage_ops stage_multiline;

static const struct multiline_conf join_conf = { .indent = true,
						 .max_wait_ns = 3600 * INT64_C(1000000000),
						 .max_bytes = 1 << 18 };
static const struct conf_plugin plugins[] = { { .ops = &stage_comment },
					      { .ops = &stage_multiline } };

struct rig {
	struct keeper keeper;
	struct budget budget;
	struct sink sink;
	struct conf_stage items[2];
	struct conf_stages stages;
	struct loop *loop;
};

/* output: a name of its own, since counters live as long as the process. */
static void rig_init(struct rig *g, const char *output, bool with_join)
{
	memset(g, 0, sizeof(*g));
	budget_init(&g->budget, 1 << 20);
	g->loop = loop_new("test");
	g->sink = (struct sink){ .ctx = &g->keeper,
				 .flow = flow_new("p", output),
				 .is_blocking = true,
				 .encode = keep_encode,
				 .submit = keep_submit };
	g->items[0] = (struct conf_stage){ .plugin = &plugins[0] };
	g->items[1] =
		(struct conf_stage){ .plugin = &plugins[1], .conf = (void *)(uintptr_t)&join_conf };
	g->stages = (struct conf_stages){ .n = with_join ? 2 : 1, .items = g->items };
}

static struct chain *rig_chain(struct rig *g, struct loop *loop, uint32_t lane)
{
	struct chain_conf conf = { .pipeline = "p",
				   .stages = &g->stages,
				   .sinks = &g->sink,
				   .nsinks = 1,
				   .budget = &g->budget,
				   .loop = loop,
				   .lane = lane,
				   .max_streams = 100 };
	struct chain *c = NULL;
	struct err err = ERR_NONE;

	OK(chain_open(&conf, &c, &err) == 0);
	return c;
}

static void rig_fini(struct rig *g)
{
	const struct flow *f = g->sink.flow;

	EQ_INT(metric_value(f->held), 0);
	EQ_INT(metric_value(f->in),
	       metric_value(f->delivered) + metric_value(f->filtered) + metric_value(f->joined) +
		       metric_value(f->withdrawn) +
		       atomic_load(&((struct flow *)(uintptr_t)f)->dropped_total));
	EQ_INT(atomic_load(&g->budget.free_bytes), 1 << 20); /* every credit came back */
	for (int i = 0; i < 4; i++)
		buf_fini(&g->keeper.text[i]);
	flow_free(g->sink.flow);
	budget_fini(&g->budget);
	loop_free(g->loop);
}

static struct batch *batch_of(struct rig *g, struct source *source, const char *lines)
{
	struct batch *b = batch_new(&g->budget, source, strlen(lines), true);
	struct str rest = arena_dup(&b->arena, str_c(lines));

	while (rest.p) {
		struct rec *r = batch_add(b);

		r->line = str_cut(&rest, '\n');
		r->time_ns = 1000;
	}
	metric_add(g->sink.flow->in, b->nrecs);
	metric_add(g->sink.flow->held, b->nrecs);
	return b;
}

static int nacked;
static void count_ack(struct ack *a)
{
	(void)a;
	nacked++;
}

static struct label job = { { "job", 3 }, { "t", 1 } };
static uint64_t nseries;
#define SOURCE                                                                                     \
	((struct source){                                                                          \
		.magic = SOURCE_MAGIC, .labels = &job, .nlabels = 1, .series = ++nseries })

static void stages_and_drops(void)
{
	struct source source = SOURCE;
	struct ack ack[2];
	struct rig g;
	struct chain *c;
	struct batch *b;

	rig_init(&g, "stages_and_drops", false);
	c = rig_chain(&g, g.loop, 0);
	nacked = 0;
	ack_init(&ack[0], NULL, count_ack);
	b = batch_of(&g, &source, "one\n#no\ntwo\nbad\xff");
	b->ack = &ack[0];
	chain_run(c, b);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "one|two|bad\xef\xbf\xbd|");
	EQ_INT(nacked, 1);
	/* Equal times were made unique, and the state is in the ack. */
	OK(ack[0].uniq_after.slot[0].last_ns == 1002);
	/* A batch of which nothing is left settles, too. */
	ack_init(&ack[1], NULL, count_ack);
	b = batch_of(&g, &source, "#a\n#b");
	b->ack = &ack[1];
	chain_run(c, b);
	EQ_INT(nacked, 2);
	EQ_INT(metric_value(g.sink.flow->filtered), 3);
	chain_close(c);
	rig_fini(&g);
}

static void joining(void)
{
	struct source x = SOURCE, y = SOURCE;
	struct ack ack[3];
	struct rig g;
	struct chain *c;
	struct batch *b;

	rig_init(&g, "joining", true);
	c = rig_chain(&g, g.loop, 0);
	nacked = 0;
	for (int i = 0; i < 3; i++)
		ack_init(&ack[i], NULL, count_ack);
	b = batch_of(&g, &x, "a\n b\nc");
	b->ack = &ack[0];
	chain_run(c, b);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|");
	EQ_INT(nacked, 0); /* c is held, and with it the batch */
	b = batch_of(&g, &y, "other");
	b->ack = &ack[1];
	chain_run(c, b);
	b = batch_of(&g, &x, " d\n#gone\nlast");
	b->ack = &ack[2];
	chain_run(c, b);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|c\n d|");
	EQ_INT(nacked,
	       0); /* the first batch waits for the third, inside of which its record ends */
	chain_flush(c, &y);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|c\n d|other|");
	EQ_INT(nacked, 1);
	chain_flush(c, NULL);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|c\n d|other|last|");
	EQ_INT(nacked, 3);
	EQ_INT(metric_value(g.sink.flow->joined), 2);
	chain_close(c);
	rig_fini(&g);
}

static void full_sink_drops(void)
{
	struct source source = SOURCE;
	struct budget small;
	struct rig g;
	struct chain *c;

	rig_init(&g, "full_sink_drops", false);
	budget_init(&small, 4000);
	g.sink.is_blocking = false;
	g.sink.budget = &small;
	g.keeper.keeps = true;
	c = rig_chain(&g, g.loop, 0);
	for (int i = 0; i < 10; i++)
		chain_run(c, batch_of(&g, &source, "x\ny"));
	OK(g.keeper.nkept >= 1 && g.keeper.nkept < 10);
	EQ_INT(atomic_load(&g.sink.flow->dropped_total), 2 * (10 - (int)g.keeper.nkept));
	for (unsigned i = 0; i < g.keeper.nkept; i++) {
		flow_delivered(g.sink.flow, g.keeper.kept[i]->nrecs);
		block_end(g.keeper.kept[i], 1);
	}
	EQ_INT(atomic_load(&small.free_bytes), 4000);
	chain_close(c);
	budget_fini(&small);
	rig_fini(&g);
}

static void left_at_the_stop(void)
{
	struct source source = SOURCE;
	struct ack file, socket;
	struct rig g;
	struct chain *c;
	struct batch *b;

	rig_init(&g, "left_at_the_stop", false);
	g.keeper.keeps = true;
	c = rig_chain(&g, g.loop, 0);
	nacked = 0;
	ack_init(&file, NULL, NULL);
	file.replays = true;
	file.loop = g.loop;
	file.settled = count_ack;
	ack_init(&socket, g.loop, count_ack);
	b = batch_of(&g, &source, "a\nb");
	b->ack = &file;
	chain_run(c, b);
	b = batch_of(&g, &source, "c");
	b->ack = &socket;
	chain_run(c, b);
	for (unsigned i = 0; i < 2; i++) {
		block_left(g.keeper.kept[i], g.keeper.kept[i]->nrecs);
		block_abandon_end(g.keeper.kept[i], 1);
	}
	loop_once(g.loop, 0);
	EQ_INT(nacked, 1); /* the file's would move its position */
	EQ_INT(atomic_load(&g.sink.flow->left), 2);
	EQ_INT(metric_value(g.sink.flow->held), 2);
	EQ_INT(atomic_load(&g.sink.flow->dropped_total), 1);
	flow_delivered(g.sink.flow, 2); /* as the next life would, for rig_fini() */
	chain_close(c);
	rig_fini(&g);
}

/* What stages hold must leave the credit at which refused inputs are resumed: nothing else would ever
 * come to make them let go. */
static void holding_leaves_credit(void)
{
	struct source sources[100];
	struct rig g;
	struct chain *c;
	char line[16384];
	struct str text = str_make(line, sizeof(line) - 1);

	rig_init(&g, "holding_leaves_credit", true);
	c = rig_chain(&g, g.loop, 0);
	memset(line, 'x', sizeof(line));
	line[text.n] = 0;
	for (int i = 0; i < 100; i++) {
		struct batch *b;

		sources[i] = SOURCE;
		b = batch_new(&g.budget, &sources[i], text.n, false);
		if (!b)
			break;
		batch_free(b);
		chain_run(c, batch_of(&g, &sources[i], line));
		OK(atomic_load(&g.budget.free_bytes) >= (1 << 20) / 4);
	}
	chain_flush(c, NULL);
	chain_close(c);
	rig_fini(&g);
}

static int noverflow;

/* More sources than label sets: the labels of the rest are metadata, not gone. */
static struct block *overflow_encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	const struct rec *r = &b->recs[0];

	OK(labels_get(rec_labels(b, r), STR("overflow")).p != NULL);
	OK(r->flags & REC_LABELS_FULL);
	EQ_INT(r->nattrs, 1);
	if (r->nattrs) {
		EQ_STR(attr_name(&r->attrs[0]), "job");
		EQ_STR(attr_value(&r->attrs[0]), "9");
	}
	noverflow++;
	return keep_encode(ctx, b, scratch);
}

static void base_labels_overflow(void)
{
	struct label nine = { STR("job"), STR("9") };
	struct source source = SOURCE;
	struct label_table *t;
	struct rig g;
	struct chain *c;

	rig_init(&g, "base_labels_overflow", false);
	g.sink.encode = overflow_encode;
	c = rig_chain(&g, g.loop, 0);
	t = chain_labels(c);
	for (char v = 1; label_table_size(t) < 100; v++)
		labels_intern(t, &(struct label){ STR("fill"), { &v, 1 } }, 1);
	source.labels = &nine;
	chain_run(c, batch_of(&g, &source, "x"));
	EQ_INT(noverflow, 1);
	chain_close(c);
	rig_fini(&g);
}

#define BATCHES 400
#define SOURCES 4

static struct batch *sent(struct way *way, struct batch *b)
{
	b->way = way;
	atomic_fetch_add(&way->nbatches, 1);
	return b;
}

static void threads(void)
{
	struct source sources[SOURCES];
	struct lane *lanes[2];
	struct lane_port *ports[2];
	struct chain *chains[2];
	struct way way = { .chains = chains };
	struct rig g;

	rig_init(&g, "threads", false);
	budget_force(&g.budget, 0);
	for (uint32_t i = 0; i < 2; i++) {
		lanes[i] = lane_new(i, NULL);
		chains[i] = rig_chain(&g, lane_loop(lanes[i]), i);
		lane_add_chain(lanes[i], chains[i]);
		ports[i] = lane_port_new(lanes[i], 64); /* small: the producer has to wait */
		lane_start(lanes[i]);
	}
	for (uint32_t i = 0; i < SOURCES; i++) {
		sources[i] = SOURCE;
		sources[i].lane = i % 2;
	}
	for (int k = 0; k < BATCHES; k++) {
		for (uint32_t i = 0; i < SOURCES; i++) {
			char line[64];

			snprintf(line, sizeof(line), "%u:%d", i, k);
			lane_port_push(ports[i % 2], sent(&way, batch_of(&g, &sources[i], line)));
		}
	}
	for (uint32_t i = 0; i < 2; i++) {
		lane_stop(lanes[i]);
		lane_port_free(ports[i]);
		lane_free(lanes[i]);
	}
	EQ_INT(metric_value(g.sink.flow->delivered), BATCHES * SOURCES);
	/* Order per source. */
	for (uint32_t lane = 0; lane < 2; lane++) {
		struct str text = buf_as_str(&g.keeper.text[lane]);
		int next[SOURCES] = { 0 };

		while (text.n) {
			struct str item = str_cut(&text, '|');
			unsigned source = (unsigned)(item.p[0] - '0');
			uint64_t k = 0;

			OK(str_u64(str_skip(item, 2), &k));
			EQ_INT(k, next[source]++);
		}
	}
	rig_fini(&g);
}

/* A port of a fused lane that its own thread fills beyond its capacity. */
static void full_port_of_a_fused_lane(void)
{
	struct source source = SOURCE;
	struct lane_port *port;
	struct lane *lane;
	struct chain *chain;
	struct way way = { .chains = &chain };
	struct rig g;

	rig_init(&g, "full_port_of_a_fused_lane", false);
	lane = lane_new(0, g.loop);
	chain = rig_chain(&g, g.loop, 0);
	lane_add_chain(lane, chain);
	port = lane_port_new(lane, 64);
	lane_start(lane);
	alarm(20);
	for (int i = 0; i < 100; i++)
		lane_port_push(port, sent(&way, batch_of(&g, &source, "x")));
	alarm(0);
	lane_stop(lane);
	EQ_INT(metric_value(g.sink.flow->delivered), 100);
	lane_port_free(port);
	lane_free(lane);
	rig_fini(&g);
}

/* A lane whose output is slow, and two chains: what was pushed before the change goes through the old one, which
 * holds nothing from its last flush on. */
static void one_chain_after_another(void)
{
	struct source source = SOURCE;
	struct chain *old, *new;
	struct way before = { .chains = &old }, after = { .chains = &new };
	struct lane *lane;
	struct rig g;

	rig_init(&g, "one_chain_after_another", true);
	lane = lane_new(0, g.loop);
	old = rig_chain(&g, g.loop, 0);
	new = rig_chain(&g, g.loop, 0);
	lane_add_chain(lane, old);
	lane_start(lane);
	lane_run(lane, sent(&before, batch_of(&g, &source, "a\n b")));
	EQ_STR(buf_as_str(&g.keeper.text[0]), "");
	lane_add_chain(lane, new);
	chain_flush(old, NULL);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|");
	lane_run(lane, sent(&before, batch_of(&g, &source, "c")));
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|c|");
	lane_run(lane, sent(&after, batch_of(&g, &source, "d\n e")));
	EQ_INT(before.nbatches, 0);
	lane_del_chain(lane, old);
	lane_run(lane, sent(&after, batch_of(&g, &source, "f")));
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|c|d\n e|");
	lane_stop(lane);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "a\n b|c|d\n e|f|");
	EQ_INT(after.nbatches, 0);
	lane_free(lane);
	rig_fini(&g);
}

/* The deadline comes while there is more in the ports: files keep it, the rest is counted. */
static void no_time_left(void)
{
	static _Atomic int64_t deadline_ns = 1; /* long ago */
	struct source source = SOURCE;
	struct lane_port *port;
	struct lane *lane;
	struct chain *chain;
	struct way way = { .chains = &chain };
	struct ack file, socket;
	struct batch *b;
	struct rig g;

	rig_init(&g, "no_time_left", true);
	lane = lane_new(0, g.loop);
	chain = rig_chain(&g, g.loop, 0);
	lane_add_chain(lane, chain);
	port = lane_port_new(lane, 64);
	lane_start(lane);
	lane_run(lane, sent(&way, batch_of(&g, &source, "held")));
	nacked = 0;
	ack_init(&file, g.loop, count_ack);
	file.replays = true;
	ack_init(&socket, g.loop, count_ack);
	b = sent(&way, batch_of(&g, &source, "a\nb"));
	b->ack = &file;
	lane_port_push(port, b);
	b = sent(&way, batch_of(&g, &source, "c"));
	b->ack = &socket;
	lane_port_push(port, b);
	lane_port_push(port, sent(&way, batch_of(&g, &source, "d")));
	lane_end(lane, &deadline_ns);
	lane_join(lane);
	OK(lane_has_ended(lane));
	loop_once(g.loop, 0);
	EQ_STR(buf_as_str(&g.keeper.text[0]), "held|");
	EQ_INT(nacked, 1); /* the socket's */
	EQ_INT(way.nbatches, 0);
	EQ_INT(atomic_load(&g.sink.flow->left), 2);
	EQ_INT(metric_value(g.sink.flow->held), 2);
	EQ_INT(atomic_load(&g.sink.flow->dropped_total), 2);
	flow_delivered(g.sink.flow, 2); /* as the next life would, for rig_fini() */
	lane_port_free(port);
	lane_free(lane);
	rig_fini(&g);
}

/* What an input is to read again settles nothing and is not sent, whoever made a record of it. */
static void void_acks(void)
{
	struct ack_count count = { 0 };
	struct ack part, whole, *internal = ack_new_internal();
	struct loop *loop = loop_new("test");

	nacked = 0;
	ack_init(&part, loop, count_ack);
	ack_init(&whole, loop, count_ack);
	part.count = whole.count = &count;
	count.open = 2;
	ack_carry(internal, &part);
	OK(!ack_is_withdrawn(internal) && !ack_is_withdrawn(&whole));
	ack_put(&whole);
	loop_once(loop, 0);
	EQ_INT(nacked, 1);
	EQ_INT(count.open, 1);
	count.is_void = true;
	OK(ack_is_withdrawn(internal));
	ack_put(internal);
	loop_once(loop, 0);
	EQ_INT(nacked, 1);
	EQ_INT(count.open, 0);
	EQ_INT(count.abandoned, 1);
	loop_free(loop);
}

int main(void)
{
	RUN(one_chain_after_another);
	RUN(no_time_left);
	RUN(void_acks);
	RUN(full_port_of_a_fused_lane);
	RUN(stages_and_drops);
	RUN(joining);
	RUN(full_sink_drops);
	RUN(left_at_the_stop);
	RUN(holding_leaves_credit);
	RUN(base_labels_overflow);
	RUN(threads);
	return test_end();
}
