/* SPDX-License-Identifier: Apache-2.0 */
/* Records held beyond their batch, by the stages that do: acks, positions and times over batches and
 * kills, sources that go on in another, timers, caps. */
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/ack.h"
#include "pipeline/block.h"
#include "pipeline/budget.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/stages/cri.h"
#include "pipeline/stages/dedup.h"
#include "pipeline/stages/multiline.h"
#include "tests/unit/test.h"

extern const struct stage_ops stage_multiline, stage_cri, stage_dedup, stage_limit;

#define BUDGET (1 << 20)
#define BLOCKS 4096

/* One life of a process: a chain and what left it, as lines "time line flags". */
struct life {
	struct budget budget;
	struct loop *loop;
	struct sink sink;
	struct chain *chain;
	struct buf out;
	struct block *blocks[BLOCKS]; /* not settled yet */
	size_t nblocks;
	bool keeps, is_dead;
};

static struct block *encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	char flags[REC_FLAGS_TEXT_MAX];
	struct buf text = BUF_INIT;
	struct block *block;

	(void)ctx;
	(void)scratch;
	for (uint32_t i = 0; i < b->nrecs; i++) {
		const struct rec *r = &b->recs[i];
		struct str names = rec_flags_text(r->flags & REC_FLAGS, flags);

		buf_printf(&text, "%" PRId64 " ", r->time_ns);
		for (size_t k = 0; k < r->line.n; k++)
			buf_ch(&text, r->line.p[k] == '\n' ? '|' : r->line.p[k]);
		for (unsigned k = 0; k < r->nattrs; k++)
			if (r->attrs[k].kind == ATTR_META)
				buf_printf(&text, " " STR_FMT "=" STR_FMT,
					   STR_ARG(attr_name(&r->attrs[k])),
					   STR_ARG(attr_value(&r->attrs[k])));
		buf_printf(&text, "%s" STR_FMT "\n", names.n ? " " : "", STR_ARG(names));
	}
	block = block_new(1, 0, text.n);
	block->nrecs = block->runs[0].nrecs = b->nrecs;
	memcpy(block->bytes, text.p, text.n);
	buf_fini(&text);
	return block;
}

static void submit(void *ctx, uint32_t lane, struct block *block)
{
	struct life *l = ctx;

	(void)lane;
	if (!l->is_dead)
		buf_put(&l->out, block->bytes, block->nbytes);
	if (l->keeps) {
		CHECK(l->nblocks < BLOCKS);
		l->blocks[l->nblocks++] = block;
		return;
	}
	flow_delivered(block->flow, block->nrecs);
	block_end(block, 1);
}

static void settle(struct life *l, size_t i)
{
	struct block *block = l->blocks[i];

	l->blocks[i] = l->blocks[--l->nblocks];
	flow_delivered(block->flow, block->nrecs);
	block_end(block, 1);
}

static struct multiline_conf lines = { .max_wait_ns = 3600 * NS_PER_S, .max_bytes = 1 << 18 };
static struct cri_conf parts = { .partial = { 3600 * NS_PER_S, 1 << 18 } };

/* As pipeline/stages/limit.c has it. */
static struct limit_conf {
	double rate;
	unsigned burst;
	bool drop;
	struct str by_label_name;
	unsigned max_distinct_labels;
} limit = { .rate = 100000, .burst = 3 };

static struct dedup_conf dedup = { .window_ns = 3600 * NS_PER_S,
				   .consecutive = true,
				   .max_keys = 100,
				   .drop_counter_reason = { "repeats", 7 } };

static void life_begin(struct life *l, const char *name, const struct stage_ops *one,
		       const struct stage_ops *two)
{
	static struct conf_plugin plugins[2];
	static struct conf_stage items[2];
	static struct conf_stages stages;
	struct err err = ERR_NONE;

	memset(l, 0, sizeof(*l));
	budget_init(&l->budget, BUDGET);
	l->loop = loop_new("test");
	l->sink = (struct sink){ .ctx = l,
				 .flow = flow_new("hold", name),
				 .is_blocking = true,
				 .encode = encode,
				 .submit = submit };
	for (int i = 0; i < 2; i++) {
		const struct stage_ops *ops = i ? two : one;

		plugins[i].ops = ops;
		items[i].plugin = &plugins[i];
		items[i].conf = ops == &stage_cri     ? (void *)&parts
				: ops == &stage_dedup ? (void *)&dedup
				: ops == &stage_limit ? (void *)&limit
						      : (void *)&lines;
	}
	stages = (struct conf_stages){ .n = two ? 2 : 1, .items = items };
	struct chain_conf conf = { .pipeline = "hold",
				   .stages = &stages,
				   .sinks = &l->sink,
				   .nsinks = 1,
				   .budget = &l->budget,
				   .loop = l->loop,
				   .max_streams = 100 };
	CHECK(chain_open(&conf, &l->chain, &err) == 0);
}

/* Everything that is still held or not settled is forgotten, as a kill would. */
static void life_end(struct life *l, bool is_killed)
{
	const struct flow *f = l->sink.flow;

	l->is_dead |= is_killed;
	chain_flush(l->chain, NULL);
	while (l->nblocks)
		settle(l, 0);
	loop_once(l->loop, 0);
	chain_close(l->chain);
	EQ_INT(metric_value(f->held), 0);
	EQ_INT(metric_value(f->in),
	       metric_value(f->delivered) + metric_value(f->joined) + metric_value(f->filtered));
	EQ_INT(atomic_load(&l->budget.free_bytes), BUDGET);
	EQ_INT(atomic_load(&l->budget.held_bytes), 0);
	flow_free(l->sink.flow);
	budget_fini(&l->budget);
	loop_free(l->loop);
	buf_fini(&l->out);
}

static struct label job = { { "job", 3 }, { "t", 1 } };
static struct source source_of(uint64_t series)
{
	return (struct source){
		.magic = SOURCE_MAGIC, .labels = &job, .nlabels = 1, .series = series
	};
}

/* text: lines, with times counting from t0. */
static void give(struct life *l, struct source *source, const char *text, int64_t t0,
		 struct ack *ack)
{
	struct batch *b = batch_new(&l->budget, source, strlen(text), true);
	struct str rest = arena_dup(&b->arena, str_c(text));

	while (rest.p) {
		struct rec *r = batch_add(b);

		r->line = str_cut(&rest, '\n');
		r->time_ns = t0++;
	}
	b->ack = ack;
	metric_add(l->sink.flow->in, b->nrecs);
	metric_add(l->sink.flow->held, b->nrecs);
	chain_run(l->chain, b);
}

static bool is_settled[16];
struct numbered {
	struct ack ack;
	int number;
};
static void note(struct ack *a)
{
	is_settled[container_of(a, struct numbered, ack)->number] = true;
}

static struct numbered acks[16];
static struct ack *ack(int number)
{
	acks[number].number = number;
	is_settled[number] = false;
	ack_init(&acks[number].ack, NULL, note);
	return &acks[number].ack;
}

#define OUT(l, text) EQ_STR(buf_as_str(&(l).out), text)

/* ---- one thing at a time ------------------------------------------------------------------ */

static void over_batches(void)
{
	struct source s = source_of(1);
	struct life l;

	lines.indent = true;
	life_begin(&l, "over_batches", &stage_multiline, NULL);
	give(&l, &s, "a\nb\n 1", 10, ack(0));
	OUT(l, "10 a\n");
	give(&l, &s, " 2", 20, ack(1));
	give(&l, &s, " 3\nc", 30, ack(2));
	OUT(l, "10 a\n11 b| 1| 2| 3\n"); /* the first line's time */
	OK(!is_settled[0] && !is_settled[1] && !is_settled[2]);
	/* The next batch begins with a record: nothing before it waits for it. */
	give(&l, &s, "d", 40, ack(3));
	OUT(l, "10 a\n11 b| 1| 2| 3\n31 c\n");
	OK(is_settled[0] && is_settled[1] && is_settled[2] && !is_settled[3]);
	life_end(&l, false);
	OK(is_settled[3]);
}

static void other_sources_go_on(void)
{
	struct source a = source_of(1), b = source_of(2);
	struct life l;

	life_begin(&l, "other_sources_go_on", &stage_cri, NULL);
	give(&l, &a, "1970-01-01T00:00:00.000000005Z stdout P begin-", 10, ack(0));
	for (int i = 0; i < 3; i++)
		give(&l, &b, "1970-01-01T00:00:00.000000009Z stdout F other", 20, ack(1 + i));
	OUT(l, "9 other\n10 other\n11 other\n");
	OK(is_settled[1] && is_settled[2] && is_settled[3] && !is_settled[0]);
	give(&l, &a, "1970-01-01T00:00:00.000000007Z stdout F end", 40, ack(4));
	OUT(l, "9 other\n10 other\n11 other\n7 begin-end\n");
	OK(is_settled[0]);
	life_end(&l, false);
}

/* The runtime rotates between two parts: the new file goes on where the old one ended. */
static void over_a_rotation(void)
{
	struct source old = source_of(7), new = source_of(7);
	struct life l;

	life_begin(&l, "over_a_rotation", &stage_cri, NULL);
	give(&l, &old, "1970-01-01T00:00:00.000000005Z stderr P begin-", 10, ack(0));
	give(&l, &new, "1970-01-01T00:00:00.000000006Z stderr P mid-", 10, ack(1));
	give(&l, &new, "1970-01-01T00:00:00.000000007Z stderr F end", 20, ack(2));
	OUT(l, "7 begin-mid-end\n");
	OK(is_settled[0] && is_settled[1] && is_settled[2]);
	life_end(&l, false);
}

static void never_ended(void)
{
	struct source s = source_of(1);
	struct life l;

	parts.partial.max_wait_ns = 2 * NS_PER_MS;
	life_begin(&l, "never_ended", &stage_cri, NULL);
	give(&l, &s, "1970-01-01T00:00:00.000000005Z stdout P a", 10, ack(0));
	give(&l, &s, "1970-01-01T00:00:00.000000006Z stdout P b", 10, ack(1));
	while (!l.out.n)
		loop_once(l.loop, 10);
	OUT(l, "6 ab partial\n");
	OK(is_settled[0] && is_settled[1]);
	give(&l, &s, "1970-01-01T00:00:00.000000007Z stdout F c", 10, ack(2));
	OUT(l, "6 ab partial\n7 c\n");
	life_end(&l, false);
	parts.partial.max_wait_ns = 3600 * NS_PER_S;
}

static void too_long(void)
{
	struct source s = source_of(1);
	struct life l;

	lines.indent = true;
	lines.max_bytes = 6;
	life_begin(&l, "too_long", &stage_multiline, NULL);
	give(&l, &s, "a\n 23456\n 8\nb", 1, NULL);
	OUT(l, "1 a| 234 tailrace_full_length=11 cut\n");
	give(&l, &s, " 23\n 6\xc3\xa9\n 9", 10, NULL); /* over batches, at the same place */
	give(&l, &s, "c\nlonger than that", 20, NULL);
	OUT(l,
	    "1 a| 234 tailrace_full_length=11 cut\n4 b| 23| tailrace_full_length=13 cut\n20 c\n");
	life_end(&l, false);
	lines.max_bytes = 1 << 18;
}

/* Behind max_lines it goes on with the first line's time, wherever batches end. */
static void too_many_lines(void)
{
	struct source s = source_of(1);
	struct life l;

	lines.indent = true;
	lines.max_lines = 2;
	life_begin(&l, "too_many_lines", &stage_multiline, NULL);
	give(&l, &s, "a\n 1", 10, ack(0));
	OUT(l, "10 a| 1\n");
	OK(!is_settled[0]); /* or what follows would not be known to follow, after a kill */
	give(&l, &s, " 2\n 3\n 4", 20, ack(1));
	give(&l, &s, "b", 30, ack(2));
	OUT(l, "10 a| 1\n11  2| 3\n12  4\n");
	OK(is_settled[0] && is_settled[1]);
	life_end(&l, false);
	lines.max_lines = 0;
}

/* A held record keeps what earlier stages found out. */
static void keeps_metadata(void)
{
	struct source s = source_of(1);
	struct batch *b;
	struct life l;

	lines.indent = true;
	life_begin(&l, "keeps_metadata", &stage_multiline, NULL);
	b = batch_new(&l.budget, &s, 10, true);
	batch_add(b)->line = STR("a");
	rec_attr_inline(b, b->recs, STR("from-data"), ATTR_META, STR("v"));
	rec_attr(b, b->recs, key_intern(STR("known")), ATTR_META, ATTR_STRING, STR("w"));
	b->recs[0].flags |= REC_UNPARSED;
	metric_add(l.sink.flow->in, 1);
	metric_add(l.sink.flow->held, 1);
	chain_run(l.chain, b);
	give(&l, &s, " b\nc", 10, NULL);
	OUT(l, "0 a| b from-data=v known=w unparsed\n");
	life_end(&l, false);
}

static void most_open(void)
{
	struct source s[4] = { source_of(1), source_of(2), source_of(3), source_of(4) };
	struct life l;

	parts.max_partial_lines = 2;
	life_begin(&l, "most_open", &stage_cri, NULL);
	for (int i = 0; i < 4; i++)
		give(&l, &s[i], "1970-01-01T00:00:00.000000005Z stdout P x", 10, ack(i));
	OUT(l, "5 x partial\n5 x partial\n"); /* the oldest two */
	OK(is_settled[0] && is_settled[1] && !is_settled[2] && !is_settled[3]);
	life_end(&l, false);
	/* Also when a batch brings more than one. */
	life_begin(&l, "most_open", &stage_cri, NULL);
	for (int i = 0; i < 4; i++)
		give(&l, &s[i],
		     "1970-01-01T00:00:00.000000008Z stdout P x\n"
		     "1970-01-01T00:00:00.000000009Z stderr P y",
		     10, ack(i));
	OUT(l, "8 x partial\n9 y partial\n8 x partial\n9 y partial\n8 x partial\n9 y partial\n");
	OK(is_settled[2] && !is_settled[3]);
	life_end(&l, false);
	parts.max_partial_lines = 0;
}

/* What a kill would repeat stays within bounds, even when every batch ends inside a record. */
static void bounded_repeats(void)
{
	struct source s = source_of(1);
	struct life l;

	lines.indent = true;
	life_begin(&l, "bounded_repeats", &stage_multiline, NULL);
	give(&l, &s, "a", 1, ack(0));
	for (int i = 0; i < 9; i++) {
		struct ack *a = ack(1 + i);

		a->bytes = 16 << 20;
		give(&l, &s, " x\na", 10 + i, a);
	}
	OK(is_settled[1] && !is_settled[9]);
	life_end(&l, false);
}

/* The number comes when another line follows, or the window is over; the batch in which a line stands
 * that may yet repeat is not settled. */
static void repeats_over_batches(void)
{
	struct source s = source_of(1);
	struct life l;

	life_begin(&l, "repeats_over_batches", &stage_dedup, NULL);
	give(&l, &s, "a\nb\nb", 10, ack(0));
	OUT(l, "10 a\n11 b\n");
	give(&l, &s, "b\nb", 20, ack(1));
	OK(!is_settled[0] && !is_settled[1]);
	give(&l, &s, "c", 30, ack(2));
	OUT(l, "10 a\n11 b\n21 message repeated 3 times: [b] tailrace_repeated=3\n30 c\n");
	OK(is_settled[0] && is_settled[1] && !is_settled[2]);
	EQ_INT(metric_value(l.sink.flow->filtered), 2);
	/* Nothing of c repeats: nothing but its memory was there. */
	give(&l, &s, "d\nd\nd", 40, ack(3));
	OK(is_settled[2]);
	life_end(&l, false);
	OK(is_settled[3]);

	dedup.window_ns = 2 * NS_PER_MS;
	life_begin(&l, "repeats_by_timer", &stage_dedup, NULL);
	give(&l, &s, "a\na\na", 10, ack(0));
	while (str_chr(buf_as_str(&l.out), '[') == l.out.n)
		loop_once(l.loop, 10);
	OUT(l, "10 a\n12 message repeated 2 times: [a] tailrace_repeated=2\n");
	OK(is_settled[0]);
	give(&l, &s, "a", 20, NULL);
	OUT(l, "10 a\n12 message repeated 2 times: [a] tailrace_repeated=2\n20 a\n");
	life_end(&l, false);
	dedup.window_ns = 3600 * NS_PER_S;
}

/* Waiting for a rate: in order, with its credit taken and its ack open until it went on. */
static void waits_for_the_rate(void)
{
	struct source s = source_of(1), other = source_of(2);
	struct life l;

	limit.rate = 200;
	limit.burst = 2;
	life_begin(&l, "waits_for_the_rate", &stage_limit, NULL);
	give(&l, &s, "a\nb\nc", 10, ack(0));
	OUT(l, "10 a\n11 b\n");
	give(&l, &s, "d\ne", 20, ack(1));
	OK(!is_settled[0]);
	OK(atomic_load(&l.budget.free_bytes) < BUDGET);
	while (!is_settled[1])
		loop_once(l.loop, 100);
	OUT(l, "10 a\n11 b\n12 c\n20 d\n21 e\n");
	OK(is_settled[0]);
	EQ_INT(atomic_load(&l.budget.free_bytes), BUDGET);
	/* Short memory does not make it faster, the end does. */
	limit.rate = 0.001;
	life_end(&l, false);
	life_begin(&l, "waits_until_the_end", &stage_limit, NULL);
	give(&l, &other, "a\nb\nc", 10, ack(0));
	chain_charge(l.chain, BUDGET / 2);
	give(&l, &other, "d", 20, ack(1));
	chain_charge(l.chain, -BUDGET / 2);
	OUT(l, "10 a\n11 b\n");
	chain_flush(l.chain, NULL);
	OUT(l, "10 a\n11 b\n12 c\n20 d\n");
	OK(is_settled[1]);
	life_end(&l, false);
	limit.rate = 100000;
	limit.burst = 3;
}

/* Memory is bounded: the oldest is forgotten, and its repeats are told of. */
static void most_remembered(void)
{
	struct source s = source_of(1);
	struct life l;

	dedup.max_keys = 2;
	dedup.consecutive = false;
	dedup.report = DEDUP_LINE;
	life_begin(&l, "most_remembered", &stage_dedup, NULL);
	give(&l, &s, "a\nb\na", 10, NULL);
	give(&l, &s, "a", 20, NULL);
	give(&l, &s, "c\na\nc\nc\nb", 30, NULL);
	OUT(l, "10 a\n11 b\n20 a tailrace_repeated=2\n30 c\n31 a\n");
	give(&l, &s, "d", 40, NULL);
	OUT(l, "10 a\n11 b\n20 a tailrace_repeated=2\n30 c\n31 a\n34 b tailrace_repeated=1\n"
	       "33 c tailrace_repeated=2\n40 d\n");
	life_end(&l, false);
	dedup.max_keys = 100;
	dedup.consecutive = true;
	dedup.report = DEDUP_MESSAGE;
}

/* ---- kills -------------------------------------------------------------------------------- */

/* A file of random lines, read in the same random batches in every life. A life is killed with some
 * batches settled, in any order; the next begins behind the settled prefix, with the state of the
 * times that stood with it. All lives together must give exactly the records of one that nobody
 * killed: the same bytes, the same times. */

#define FILE_BATCHES 60

enum kind { LINES, PARTS, REPEATS, REPEATS_OF_WINDOW, LIMITED, KINDS };

struct file {
	char text[FILE_BATCHES][512];
	int64_t t0[FILE_BATCHES];
};

struct reader {
	struct ack_line line;
	struct {
		struct ack ack;
		int number;
	} flights[FILE_BATCHES];
	struct uniq uniq;
	int position;
};
static struct reader *reader;

static void on_settled(struct ack *a)
{
	for (a = ack_line_settle(&reader->line, a); a; a = a->next_in_line) {
		reader->uniq = a->uniq_after;
		reader->position++;
	}
}

static uint64_t seed;
static unsigned roll(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* Coarse times, so that the +1 ns matter: all within a few nanoseconds. */
static void make_file(struct file *f, enum kind kind)
{
	static const char *const streams[] = { "stdout", "stderr" };
	unsigned line = 0;

	for (int i = 0; i < FILE_BATCHES; i++) {
		unsigned n = 1 + roll(6);
		size_t at = 0;

		f->t0[i] = 1000 + (int64_t)line;
		for (unsigned k = 0; k < n; k++, line++) {
			if (kind == PARTS)
				at += (size_t)snprintf(f->text[i] + at, sizeof(f->text[i]) - at,
						       "1970-01-01T00:00:00.00000%04uZ %s %s ",
						       1 + line / 16, streams[roll(2)],
						       roll(3) ? "F" : "P");
			at += (size_t)snprintf(f->text[i] + at, sizeof(f->text[i]) - at, "%s%u%s",
					       roll(3) ? "" : " ",
					       kind >= REPEATS && kind != LIMITED ? roll(2) : line,
					       k + 1 < n ? "\n" : "");
		}
	}
}

static int by_line(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Its lines in order, each once; *ret_repeats: how many more there were. */
static struct buf sorted(const struct buf *text, size_t *ret_repeats)
{
	struct str rest = buf_as_str(text), *all;
	struct buf out = BUF_INIT;
	size_t n = 0;

	all = mem_array(text->n + 1, sizeof(*all));
	while (rest.n)
		all[n++] = str_cut(&rest, '\n');
	qsort(all, n, sizeof(*all), by_line);
	*ret_repeats = 0;
	for (size_t i = 0; i < n; i++) {
		if (i && str_eq(all[i], all[i - 1])) {
			++*ret_repeats;
			continue;
		}
		buf_str(&out, all[i]);
		buf_ch(&out, '\n');
	}
	mem_free(all);
	return out;
}

/* From the saved position to a kill (or the end); appends what went out to all. */
static void live(const struct file *f, struct reader *saved, enum kind kind, int until,
		 struct buf *all)
{
	struct source s = source_of(1);
	struct reader now = { .position = saved->position, .uniq = saved->uniq };
	bool is_killed = until < FILE_BATCHES;
	struct life l;

	reader = &now;
	life_begin(&l, "kills",
		   kind == PARTS     ? &stage_cri
		   : kind == LINES   ? &stage_multiline
		   : kind == LIMITED ? &stage_limit
				     : &stage_dedup,
		   kind == PARTS || kind == LIMITED ? &stage_multiline : NULL);
	l.keeps = true;
	s.uniq = saved->uniq;
	for (int i = now.position; i < until; i++) {
		struct ack *a = &now.flights[i].ack;

		ack_init(a, NULL, on_settled);
		ack_line_add(&now.line, a);
		give(&l, &s, f->text[i], f->t0[i], a);
		if (kind == LIMITED)
			loop_once(l.loop, (int)roll(2));
		while (l.nblocks && roll(3))
			settle(&l, roll((unsigned)l.nblocks));
	}
	*saved = now;
	if (!is_killed)
		chain_flush(l.chain, NULL);
	buf_str(all, buf_as_str(&l.out));
	life_end(&l, is_killed);
	if (!is_killed)
		*saved = now;
}

static void kills(void)
{
	static struct file f;

	lines = (struct multiline_conf){ .indent = true,
					 .max_wait_ns = 3600 * NS_PER_S,
					 .max_bytes = 1 << 18 };
	for (unsigned round = 0; round < 500; round++) {
		struct buf whole = BUF_INIT, pieces = BUF_INIT, want, got;
		struct reader at = { 0 }, once = { 0 };
		enum kind kind = round % KINDS;
		char name[32];
		size_t repeats;

		seed = round * 7919 + 1;
		snprintf(name, sizeof(name), "round %u", round);
		ROW(name);
		lines.max_lines = round % 3 ? 0 : 3;
		dedup.consecutive = kind == REPEATS;
		dedup.report = round % 3;
		dedup.window_ns = kind == REPEATS ? 40 : 15;
		make_file(&f, kind);
		live(&f, &once, kind, FILE_BATCHES, &whole);
		EQ_INT(once.position, FILE_BATCHES);
		while (at.position < FILE_BATCHES) {
			int until = at.position + 1 + (int)roll(FILE_BATCHES);

			live(&f, &at, kind, until < FILE_BATCHES ? until : FILE_BATCHES, &pieces);
		}
		want = sorted(&whole, &repeats);
		EQ_INT(repeats, 0);
		got = sorted(&pieces, &repeats);
		EQ_STR(buf_as_str(&got), buf_cstr(&want));
		buf_fini(&want);
		buf_fini(&got);
		buf_fini(&whole);
		buf_fini(&pieces);
	}
}

int main(void)
{
	RUN(over_batches);
	RUN(other_sources_go_on);
	RUN(over_a_rotation);
	RUN(never_ended);
	RUN(too_long);
	RUN(too_many_lines);
	RUN(keeps_metadata);
	RUN(most_open);
	RUN(bounded_repeats);
	RUN(repeats_over_batches);
	RUN(most_remembered);
	RUN(waits_for_the_rate);
	RUN(kills);
	return test_end();
}
