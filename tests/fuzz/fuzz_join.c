/* SPDX-License-Identifier: Apache-2.0 */
/* multiline, cri, docker and dedup: however lines are cut into batches, the same records come out; every one
 * is accounted for, every ack settles, every credit comes back. The first byte chooses the stages;
 * bytes 1 end a batch. */
#include "lib/check.h"
#include "lib/loop.h"
#include "lib/utf8.h"
#include "pipeline/ack.h"
#include "pipeline/block.h"
#include "pipeline/budget.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/stages/cri.h"
#include "pipeline/stages/dedup.h"
#include "pipeline/stages/docker.h"
#include "pipeline/stages/multiline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern const struct stage_ops stage_multiline, stage_cri, stage_docker, stage_dedup;

#define BUDGET (64 << 20)
#define HOUR_NS (3600 * INT64_C(1000000000))

/* What came out, whatever the order. */
struct told {
	uint64_t sum, n;
};

static struct block *encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct told *t = ctx;
	struct block *block = block_new(1, 0, 0);

	(void)scratch;
	block->nrecs = block->runs[0].nrecs = b->nrecs;
	for (uint32_t i = 0; i < b->nrecs; i++) {
		const struct rec *r = &b->recs[i];

		CHECK(utf8_is_valid(r->line));
		t->sum += str_hash(r->line, r->flags & (REC_CUT | REC_PARTIAL)) +
			  rec_labels(b, r)->hash;
		t->n++;
	}
	return block;
}

static void submit(void *ctx, uint32_t lane, struct block *block)
{
	(void)ctx;
	(void)lane;
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

static size_t nsettled;
static void on_settled(struct ack *a)
{
	(void)a;
	nsettled++;
}

static struct batch *batch_of(struct budget *budget, struct source *source, struct flow *flow,
			      struct str lines)
{
	struct batch *b = batch_new(budget, source, lines.n, true);
	struct str rest = arena_dup(&b->arena, lines);

	do {
		struct rec *r = batch_add(b);

		r->line = str_cut(&rest, '\n');
		r->time_ns = 1;
	} while (rest.p);
	metric_add(flow->in, b->nrecs);
	metric_add(flow->held, b->nrecs);
	return b;
}

static struct told run(const struct chain_conf *base, struct str text, char ends_batch)
{
	static const struct label job = { { "job", 3 }, { "t", 1 } };
	static struct ack acks[256];
	struct source source = { .magic = SOURCE_MAGIC, .labels = &job, .nlabels = 1 };
	struct told told = { 0 };
	struct flow *flow = flow_new("fuzz", "join");
	struct budget budget;
	struct sink sink = {
		.ctx = &told, .flow = flow, .is_blocking = true, .encode = encode, .submit = submit
	};
	struct chain_conf conf = *base;
	struct err err = ERR_NONE;
	struct chain *c;
	int64_t lost;
	size_t nacks = 0;

	budget_init(&budget, BUDGET);
	conf.budget = &budget;
	conf.sinks = &sink;
	conf.nsinks = 1;
	CHECK(chain_open(&conf, &c, &err) == 0);
	nsettled = 0;
	while (text.p) {
		struct batch *b;

		b = batch_of(&budget, &source, flow,
			     nacks < 255 && ends_batch ? str_cut(&text, ends_batch) : text);
		if (nacks >= 255 || !ends_batch)
			text = STR_NONE;
		ack_init(&acks[nacks], NULL, on_settled);
		b->ack = &acks[nacks++];
		chain_run(c, b);
	}
	chain_flush(c, NULL);
	CHECK(nsettled == nacks);
	CHECK(metric_value(flow->held) == 0);
	lost = metric_value(flow->in) - metric_value(flow->delivered) - metric_value(flow->joined) -
	       metric_value(flow->filtered);
	CHECK(lost == 0);
	CHECK(atomic_load(&budget.free_bytes) == BUDGET);
	chain_close(c);
	flow_free(flow);
	budget_fini(&budget);
	return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct partial_conf partial = { HOUR_NS, 64 };
	struct multiline_conf lines = { .indent = true, .max_wait_ns = HOUR_NS, .max_bytes = 64 };
	struct cri_conf cri = { .partial = partial };
	struct docker_conf docker = { .partial = partial };
	struct dedup_conf dedup = { .window_ns = HOUR_NS,
				    .consecutive = n & 1,
				    .max_keys = 1000,
				    .drop_counter_reason = STR("dedup") };
	struct conf_plugin plugins[4];
	struct conf_stage items[4];
	struct conf_stages stages = { .items = items };
	struct chain_conf conf = { .pipeline = "fuzz", .stages = &stages, .max_streams = 100 };
	struct told split, whole;
	char text[4096];

	if (n < 2 || n > sizeof(text))
		return 0;
	lines.firstline = data[0] & 8 ? STR("^[A-Z]") : STR_NONE;
	lines.max_lines = data[0] >> 4;
	for (int i = 0; i < 3; i++) {
		if (!(data[0] & 1 << i))
			continue;
		plugins[i].ops = i == 0 ? &stage_docker : i == 1 ? &stage_cri : &stage_multiline;
		items[stages.n] = (struct conf_stage){ .plugin = &plugins[i] };
		items[stages.n++].conf = i == 0 ? (void *)&docker : i == 1 ? (void *)&cri : &lines;
	}
	if (data[0] >> 4 == 15) {
		lines.max_lines = 0;
		dedup.report = (unsigned)(n / 2 % 3);
		plugins[3].ops = &stage_dedup;
		items[stages.n] = (struct conf_stage){ .plugin = &plugins[3] };
		items[stages.n++].conf = &dedup;
	}
	memcpy(text, data + 1, n - 1);
	split = run(&conf, str_make(text, n - 1), 1);
	for (size_t i = 0; i < n - 1; i++)
		if (text[i] == 1)
			text[i] = '\n';
	whole = run(&conf, str_make(text, n - 1), 0);
	CHECK(split.n == whole.n && split.sum == whole.sum);
	return 0;
}
