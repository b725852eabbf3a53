/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's limits, and a Loki that trips over an entry: who waits, and who does not. */
#include "loki_world.h"

static struct world w;

static void give(const char *job, const char *tenant, const char *line)
{
	struct batch *b = world_batch(&w);

	world_add(&w, b, job, tenant, line);
	world_give(&w, b, false);
}

static bool is_limited(const struct seen *s)
{
	return str_find(s->labels, STR("limited")) < s->labels.n;
}

/* A 429 about one stream, named, while the others are stored. */
static int judge_streams(struct world *world, const struct push *p, struct buf *text)
{
	const struct seen *hit = NULL;

	for (size_t i = 0; i < p->n; i++) {
		if (!is_limited(&p->entries[i]) || world->kind == 204)
			world_store(world, &p->entries[i]);
		else
			hit = &p->entries[i];
	}
	if (!hit)
		return 204;
	buf_printf(text,
		   "maximum active stream limit exceeded when trying to create stream " STR_FMT
		   ", reduce the number of active streams\n",
		   STR_ARG(hit->labels));
	return 429;
}

static void a_limited_stream_holds_no_other(void)
{
	char job[24];

	world_init(&w, "streams", (struct world_conf){ 0 });
	w.judge = judge_streams;
	w.kind = 429;
	for (int round = 0; round < 20; round++) {
		for (int j = 0; j < 5; j++) {
			snprintf(job, sizeof(job), "job%d", j);
			give(job, NULL, "line");
		}
		give("limited1", NULL, "line");
		if (round > 3)
			give("limited2", NULL, "line");
		world_run(&w, world_ns + 3 * NS_PER_S);
	}
	EQ_INT(w.nstored, 100);
	EQ_INT(metric_value(w.flow->held), 36);
	OK(w.requests < 120);
	w.kind = 204; /* what waited comes in order, and together with the others from then on */
	world_run(&w, world_ns + 60 * NS_PER_S);
	EQ_INT(w.nstored, 136);
	w.requests = 0;
	give("limited1", NULL, "line");
	give("job1", NULL, "line");
	world_run(&w, world_ns + 3 * NS_PER_S);
	EQ_INT(w.requests, 1);
	OK(world_is_in_order(&w));
	world_fini(&w);
}

/* More of them than are set aside: they wait, all of them, and nothing is lost. */
static void very_many_limited_streams(void)
{
	char job[24];

	world_init(&w, "many", (struct world_conf){ .nshards = 2 });
	w.judge = judge_streams;
	w.kind = 429;
	for (int i = 0; i < 500; i++) {
		snprintf(job, sizeof(job), "limited%d", i);
		give(job, NULL, "one");
		give("good", NULL, "line");
		give(job, NULL, "two");
	}
	world_run(&w, world_ns + 600 * NS_PER_S);
	OK(w.requests < 2 * 66 * 60);
	OK(metric_value(w.flow->held) >= 1000);
	w.kind = 204;
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 1500);
	OK(world_is_in_order(&w));
	world_fini(&w);
}

/* A refusal and a limit in one request. */
static int judge_both(struct world *world, const struct push *p, struct buf *text)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_limited(&p->entries[i]) && world->kind != 204)
			return judge_streams(world, p, text);
	return judge_honestly(world, p, text);
}

/* judge_streams() takes bad lines, too, so those of `other` that went with a limited one are stored. */
static void limited_and_refused(void)
{
	world_init(&w, "both", (struct world_conf){ 0 });
	w.judge = judge_both;
	w.kind = 429;
	for (int i = 0; i < 50; i++) {
		give("limited", NULL, i % 10 ? "line" : "BAD");
		give("other", NULL, i % 10 ? "line" : "BAD");
	}
	world_run(&w, world_ns + 60 * NS_PER_S);
	EQ_INT(w.flow->dropped_total, 5);
	EQ_INT(metric_value(w.flow->delivered), 45);
	w.kind = 204;
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.flow->dropped_total, 10);
	EQ_INT(metric_value(w.flow->delivered), 90);
	world_fini(&w);
}

/* A push over ingestion_burst_size_mb is 429 however long it waits. */
static int judge_burst(struct world *world, const struct push *p, struct buf *text)
{
	if (p->raw.n <= (size_t)world->kind)
		return judge_honestly(world, p, text);
	buf_c(text, "ingestion rate limit exceeded for user t (limit: 1 bytes/sec)\n");
	return 429;
}

static void over_the_burst_is_halved(void)
{
	static char line[1000];

	world_init(&w, "burst", (struct world_conf){ .request_bytes = 1 << 20 });
	w.judge = judge_burst;
	w.kind = 150 * 1024;
	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 2000; i++)
		give("x", NULL, line);
	world_run(&w, world_ns + 120 * NS_PER_S);
	EQ_INT(w.nstored, 2000);
	OK(w.requests < 80);
	OK(world_is_in_order(&w));
	world_fini(&w);
}

static int judge_rate(struct world *world, const struct push *p, struct buf *text)
{
	(void)world;
	if (str_is(p->tenant, "b"))
		return judge_honestly(world, p, text);
	buf_c(text, "ingestion rate limit exceeded for user a\n");
	return 429;
}

/* The circuit of a tenant: one request asks for all its shards. */
static void one_request_asks_for_the_tenant(void)
{
	char job[24];

	world_init(&w, "circuit", (struct world_conf){ .nshards = 8 });
	w.judge = judge_rate;
	for (int i = 0; i < 50; i++) {
		snprintf(job, sizeof(job), "job%d", i);
		give(job, "a", "line");
	}
	world_run(&w, world_ns + 600 * NS_PER_S);
	OK(w.requests > 15 && w.requests < 8 + 80); /* about every 15 s, not by 8 shards each */
	for (int i = 0; i < 50; i++) {
		snprintf(job, sizeof(job), "job%d", i);
		give(job, "b", "line");
	}
	world_run(&w, world_ns + 3 * NS_PER_S);
	EQ_INT(w.nstored, 50);
	w.judge = judge_honestly;
	world_run(&w, world_ns + 31 * NS_PER_S);
	EQ_INT(w.nstored, 100);
	world_fini(&w);
}

/* An entry that makes Loki answer 500, in words nobody has heard before. */
static int judge_poison(struct world *world, const struct push *p, struct buf *text)
{
	if (world->kind == 500)
		return 500;
	for (size_t i = 0; i < p->n; i++)
		if (is_bad_line(p->entries[i].line)) {
			buf_c(text, "panic: runtime error\n");
			return 500;
		}
	return judge_honestly(world, p, text);
}

static void poison_is_found(void)
{
	static const int at[] = { 0, 1, 500, 999 };
	char job[24];

	for (size_t k = 0; k < ARRAY_LEN(at); k++) {
		for (int nstreams = 1; nstreams < 10; nstreams += 6) {
			world_init(&w, "poison", (struct world_conf){ 0 });
			w.judge = judge_poison;
			for (int i = 0; i < 1000; i++) {
				snprintf(job, sizeof(job), "job%d", i % nstreams);
				give(job, NULL, i == at[k] ? "BAD" : "line");
			}
			world_run(&w, world_ns + 1200 * NS_PER_S);
			for (int i = 0; i < 30; i++) { /* life goes on */
				snprintf(job, sizeof(job), "job%d", i % nstreams);
				give(job, NULL, "more");
				world_run(&w, world_ns + 60 * NS_PER_S);
			}
			EQ_INT(w.nstored, 1029);
			EQ_INT(w.flow->dropped_total, 1);
			EQ_INT(count_lines(world_dead_letters(&w)), 1);
			world_fini(&w);
		}
	}
}

/* An outage of hours that answers 500 is not taken for poison. */
static void an_outage_is_no_poison(void)
{
	world_init(&w, "outage", (struct world_conf){ .nshards = 2 });
	w.judge = judge_poison;
	w.kind = 500;
	for (int i = 0; i < 300; i++) {
		give(i % 3 ? "a" : "b", NULL, "line");
		world_run(&w, world_ns + 60 * NS_PER_S);
	}
	EQ_INT(w.nstored, 0);
	EQ_INT(metric_value(w.flow->held), 300);
	OK(w.requests < 2 * 18000 / 12);
	w.kind = 0;
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 300);
	EQ_INT(w.flow->dropped_total, 0);
	world_fini(&w);
}

/* A Loki that takes its time, and one that takes more than there is for large requests. */
static int judge_slow(struct world *world, const struct push *p, struct buf *text)
{
	int64_t ns = (int64_t)p->raw.n * NS_PER_S / world->kind;

	world_ns += ns < 10 * NS_PER_S ? ns : 10 * NS_PER_S;
	if (p->raw.n > world->max_raw)
		world->max_raw = p->raw.n;
	return ns < 10 * NS_PER_S ? judge_honestly(world, p, text) : 0;
}

static void sizes_follow_the_answers(void)
{
	static const int speeds[] = { 1000000, 150000, 50000 }; /* bytes a second */
	static char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	for (size_t i = 0; i < ARRAY_LEN(speeds); i++) {
		world_init(&w, "slow", (struct world_conf){ .request_bytes = 1 << 20 });
		w.judge = judge_slow;
		w.kind = speeds[i];
		for (int j = 0; j < 6000; j++)
			give("x", NULL, line);
		EQ_INT(world_drain(&w), true);
		EQ_INT(w.nstored, 6000);
		OK(world_is_in_order(&w));
		w.max_raw = 0; /* then they are of a size that suits it */
		for (int j = 0; j < 3000; j++)
			give("x", NULL, line);
		EQ_INT(world_drain(&w), true);
		OK((w.max_raw > 1000000) == (speeds[i] == 1000000));
		OK(w.max_raw < (size_t)speeds[i] * 4);
		world_fini(&w);
	}
}

int main(void)
{
	world_begin();
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(a_limited_stream_holds_no_other);
	RUN(very_many_limited_streams);
	RUN(limited_and_refused);
	RUN(over_the_burst_is_halved);
	RUN(one_request_asks_for_the_tenant);
	RUN(poison_is_found);
	RUN(an_outage_is_no_poison);
	RUN(sizes_follow_the_answers);
	return test_end();
}
