/* SPDX-License-Identifier: Apache-2.0 */
/* When requests go out, and what happens to them when Loki does not take them. */
#include "loki_world.h"

static struct world w;

static int judge_kind(struct world *world, const struct push *p, struct buf *text)
{
	return world->kind == 204 ? judge_honestly(world, p, text) : world->kind;
}

static void give_one(const char *job, const char *tenant, const char *line)
{
	struct batch *b = world_batch(&w);

	world_add(&w, b, job, tenant, line);
	world_give(&w, b, false);
}

static void lingers(void)
{
	world_init(&w, "lingers", (struct world_conf){ 0 });
	int64_t start_ns = world_ns;

	give_one(NULL, NULL, "one");
	world_run(&w, start_ns + 900 * NS_PER_MS);
	EQ_INT(w.requests, 0);
	give_one(NULL, NULL, "two");
	world_run(&w, start_ns + 1100 * NS_PER_MS);
	EQ_INT(w.requests, 1);
	EQ_INT(w.nstored, 2);
	EQ_INT(w.settled, 2);
	EQ_INT(metric_value(w.flow->delivered), 2);
	world_fini(&w);
}

static void urgent_goes_at_once(void)
{
	struct batch *b;

	world_init(&w, "urgent", (struct world_conf){ 0 });
	give_one(NULL, NULL, "before");
	b = world_batch(&w);
	world_add(&w, b, NULL, NULL, "urgent");
	world_give(&w, b, true);
	world_run(&w, world_ns + 10 * NS_PER_MS);
	EQ_INT(w.nstored, 2);
	EQ_INT(w.requests, 1);
	give_one(NULL, NULL, "after");
	world_run(&w, world_ns + 10 * NS_PER_MS);
	EQ_INT(w.nstored, 2);
	EQ_INT(world_drain(&w), true);
	world_fini(&w);
}

static void full_goes_at_once_and_fits(void)
{
	static char line[2000];
	size_t biggest = 0;

	world_init(&w, "full", (struct world_conf){ .request_bytes = 10000 });
	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 3; i++) {
		struct batch *b = world_batch(&w);

		for (int j = 0; j < 7; j++)
			world_add(&w, b, NULL, NULL, line);
		world_give(&w, b, false);
	}
	for (int i = 0; i < 20; i++) {
		loop_once(w.loop, 0);
		for (size_t j = 0; j < w.ncalls; j++) {
			size_t n = 0;

			snappy_uncompressed_length(w.calls[j]->body.p, w.calls[j]->body.n, &n);
			biggest = n > biggest ? n : biggest;
		}
		world_answer(&w);
	}
	EQ_INT(w.nstored, 20); /* the last is not enough for a request */
	EQ_INT(w.requests, 5);
	OK(biggest > 7500 && biggest <= 10000);
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 21);
	OK(world_is_in_order(&w));
	world_fini(&w);
}

static void one_entry_larger_than_a_request(void)
{
	static char line[50000];

	world_init(&w, "large", (struct world_conf){ .request_bytes = 1000 });
	memset(line, 'x', sizeof(line) - 1);
	give_one(NULL, NULL, line);
	give_one(NULL, NULL, "small");
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 2);
	EQ_INT(w.requests, 2);
	world_fini(&w);
}

/* Every failure that is worth a retry, then success: the same bytes each time, order kept, one request
 * under way per shard, and in the end everything is there once. */
static void retries_send_the_same_bytes(void)
{
	static const int kinds[] = {
		0, 429, 501, 502, 503, 504, 408, 260, 401, 403, 404, 301, 201
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char row[24];

		snprintf(row, sizeof(row), "%d", kinds[i]);
		ROW(row);
		world_init(&w, "retries", (struct world_conf){ 0 });
		w.judge = judge_kind;
		w.kind = kinds[i];
		give_one(NULL, NULL, "one");
		give_one("other", NULL, "two");
		world_run(&w, world_ns + 600 * NS_PER_S);
		OK(w.requests >= 10 && w.requests <= 60);
		EQ_INT(w.repeats, w.requests - 1);
		EQ_INT(w.settled, 0);
		EQ_INT(metric_value(w.flow->held), 2);
		EQ_INT(metric_value(metric_get(METRIC_OUTPUT_UP, "output", w.flow->output, NULL)),
		       0);
		give_one(NULL, NULL, "three");
		w.kind = 204;
		EQ_INT(world_drain(&w), true);
		EQ_INT(w.nstored, 3);
		EQ_INT(w.settled, 3);
		EQ_INT(w.max_calls, 1);
		EQ_INT(metric_value(metric_get(METRIC_OUTPUT_UP, "output", w.flow->output, NULL)),
		       1);
		OK(world_is_in_order(&w));
		world_fini(&w);
	}
}

static void credentials_are_read_again(void)
{
	world_init(&w, "credentials", (struct world_conf){ 0 });
	w.judge = judge_kind;
	w.kind = 401;
	give_one(NULL, NULL, "one");
	world_run(&w, world_ns + 95 * NS_PER_S);
	EQ_INT(w.requests, 4); /* after 1, 31, 61 and 91 s */
	EQ_INT(w.rereads, 4);
	w.credentials_changed = true; /* then the next try is soon */
	world_run(&w, world_ns + 27 * NS_PER_S);
	w.kind = 204;
	world_run(&w, world_ns + NS_PER_S);
	EQ_INT(w.nstored, 1);
	world_fini(&w);
}

static int judge_tenant_a(struct world *world, const struct push *p, struct buf *text)
{
	return str_is(p->tenant, "a") ? world->kind : judge_honestly(world, p, text);
}

static void retry_after_holds_for_the_tenant(void)
{
	int64_t start_ns = world_ns;

	world_init(&w, "retry-after", (struct world_conf){ .nshards = 4 });
	w.judge = judge_tenant_a;
	w.kind = 429;
	w.retry_after = "100";
	give_one("x", "a", "1");
	world_run(&w, start_ns + 2 * NS_PER_S);
	EQ_INT(w.requests, 1);
	w.retry_after = NULL;
	for (int i = 0; i < 20; i++) { /* on every shard */
		char job[24];

		snprintf(job, sizeof(job), "j%d", i);
		give_one(job, "a", "1");
		give_one(job, "b", "1");
	}
	world_run(&w, start_ns + 90 * NS_PER_S);
	EQ_INT(w.nstored, 20); /* those of b */
	w.kind = 204;
	w.judge = judge_honestly;
	world_run(&w, start_ns + 99 * NS_PER_S);
	EQ_INT(w.nstored, 20);
	world_run(&w, start_ns + 103 * NS_PER_S);
	EQ_INT(w.nstored, 41);
	OK(w.max_calls <= 4);
	world_fini(&w);
}

static void a_refused_tenant_holds_no_other(void)
{
	static const int kinds[] = { 260, 401, 429, 500 };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		world_init(&w, "tenants", (struct world_conf){ 0 });
		w.judge = judge_tenant_a;
		w.kind = kinds[i];
		for (int j = 0; j < 20; j++) {
			give_one("x", "a", "of a");
			give_one("x", "b", "of b");
			world_run(&w, world_ns + 2 * NS_PER_S);
		}
		EQ_INT(w.nstored, 20);
		EQ_INT(metric_value(w.flow->held), 20);
		w.judge = judge_honestly;
		EQ_INT(world_drain(&w), true);
		EQ_INT(w.nstored, 40);
		OK(world_is_in_order(&w));
		world_fini(&w);
	}
}

/* One that always has a full request ready must not keep the shard to itself. */
static void tenants_take_turns(void)
{
	static char line[2000];
	size_t nb = 0;

	world_init(&w, "turns", (struct world_conf){ .request_bytes = 2000 });
	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 100; i++)
		give_one("x", "a", line);
	for (int i = 0; i < 5; i++)
		give_one("x", "b", line);
	for (int i = 0; i < 12; i++) {
		loop_once(w.loop, 0);
		world_answer(&w);
	}
	for (size_t i = 0; i < w.nstored; i++)
		nb += str_is(w.stored[i].tenant, "b");
	EQ_INT(nb, 5);
	EQ_INT(world_drain(&w), true);
	world_fini(&w);
}

/* 200 tenants on 8 shards do not each knock at a closed door. */
static void a_dead_loki_is_asked_seldom(void)
{
	world_init(&w, "dead", (struct world_conf){ .nshards = 8 });
	w.judge = judge_kind;
	w.kind = 0;
	for (int i = 0; i < 200; i++) {
		char tenant[24];

		snprintf(tenant, sizeof(tenant), "t%d", i);
		give_one("x", tenant, "line");
	}
	/* At first soon again: all shards failing at once is one failure, and then one asks for all. */
	world_run(&w, world_ns + 6 * NS_PER_S);
	OK(w.requests >= 8 + 3 && w.requests < 8 + 30);
	world_run(&w, world_ns + 3600 * NS_PER_S);
	OK(w.requests > 100 && w.requests < 3600 / 10);
	w.kind = 204;
	world_run(&w, world_ns + 31 * NS_PER_S);
	EQ_INT(w.nstored, 200);
	world_fini(&w);
}

static void withdrawn_is_not_sent(void)
{
	struct batch *b;
	struct ack *ack;

	world_init(&w, "withdrawn", (struct world_conf){ 0 });
	give_one(NULL, NULL, "stays");
	b = world_batch(&w);
	world_add(&w, b, NULL, NULL, "goes");
	world_add(&w, b, "other", NULL, "goes");
	ack = world_give(&w, b, false);
	give_one(NULL, NULL, "stays, too");
	atomic_store(&ack->is_withdrawn, true);
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 2);
	EQ_INT(metric_value(w.flow->withdrawn), 2);
	EQ_INT(metric_value(w.flow->delivered), 2);

	/* What was in a push once is sent until it is there: Loki may have it. */
	w.judge = judge_kind;
	w.kind = 500;
	b = world_batch(&w);
	world_add(&w, b, NULL, NULL, "too late");
	ack = world_give(&w, b, false);
	world_run(&w, world_ns + 2 * NS_PER_S);
	atomic_store(&ack->is_withdrawn, true);
	w.kind = 204;
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 3);
	world_fini(&w);
}

static void only_withdrawn_leaves_nothing_to_send(void)
{
	struct batch *b;
	struct ack *ack;

	world_init(&w, "nothing", (struct world_conf){ 0 });
	b = world_batch(&w);
	world_add(&w, b, NULL, NULL, "goes");
	ack = world_give(&w, b, false);
	atomic_store(&ack->is_withdrawn, true);
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.requests, 0);
	world_fini(&w);
}

static void flush_does_not_wait(void)
{
	world_init(&w, "flush", (struct world_conf){ .nshards = 4 });
	for (int i = 0; i < 10; i++) {
		char job[24];

		snprintf(job, sizeof(job), "j%d", i);
		give_one(job, NULL, "line");
	}
	sender_flush(w.sender);
	world_run(&w, world_ns + 5 * NS_PER_MS);
	EQ_INT(w.nstored, 10);
	w.judge = judge_kind;
	w.kind = 401;
	give_one(NULL, NULL, "held");
	world_run(&w, world_ns + 2 * NS_PER_S);
	w.kind = 204;
	sender_flush(w.sender);
	world_run(&w, world_ns + 5 * NS_PER_MS);
	EQ_INT(w.nstored, 11);
	world_fini(&w);
}

static void stop_leaves_what_is_held(void)
{
	struct batch *b;

	world_init(&w, "stop", (struct world_conf){ .nshards = 2 });
	w.judge = judge_kind;
	w.kind = 500;
	for (int i = 0; i < 5; i++) {
		b = world_batch(&w);
		for (int j = 0; j < 10; j++) {
			char job[24];

			snprintf(job, sizeof(job), "j%d", j);
			world_add(&w, b, job, NULL, "line");
		}
		world_give(&w, b, false);
		loop_once(w.loop, 1000);
		if (i % 2)
			world_answer(&w);
	}
	OK(w.ncalls > 0);
	sender_stop(w.sender);
	EQ_INT(w.flow->left, 50);
	EQ_INT(metric_value(w.flow->held), 50);
	EQ_INT(w.flow->dropped_total, 0);
	loop_once(w.loop, 0);
	EQ_INT(w.settled, 0);
	world_fini(&w);
}

static void tenants_of_headers(void)
{
	world_init(&w, "own-tenant", (struct world_conf){ .tenant = "own" });
	give_one("x", NULL, "1");
	give_one("x", "theirs", "2");
	give_one("x", "bad\r\nX-Evil: 1", "3");
	give_one("x", "a|b", "4");
	give_one("x", "..", "5");
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 2);
	for (size_t i = 0; i < w.nstored; i++)
		EQ_STR(w.stored[i].tenant, str_is(w.stored[i].line, "1") ? "own" : "theirs");
	EQ_INT(w.flow->dropped_total, 3);
	EQ_INT(count_lines(world_dead_letters(&w)), 3);
	EQ_INT(w.settled, 5);
	world_fini(&w);
}

/* Anything at all may be answered; nothing is lost, doubled or reordered. */
static int judge_badly(struct world *world, const struct push *p, struct buf *text)
{
	static const int kinds[] = { 0, 429, 500, 503, 260, 401, 413 };

	if (world_below(world, 3))
		return judge_honestly(world, p, text);
	if (world_below(world, 2))
		judge_honestly(world, p, text); /* stored, but the answer says otherwise */
	buf_clear(text);
	return kinds[world_below(world, p->n > 1 ? 7 : 6)];
}

static void chaos(void)
{
	unsigned bad = 0;

	world_init(&w, "chaos", (struct world_conf){ .nshards = 3, .request_bytes = 2000 });
	w.judge = judge_badly;
	for (int i = 0; i < 150; i++) {
		struct batch *b = world_batch(&w);

		for (uint32_t j = world_below(&w, 20) + 1; j--;) {
			static const char *const tenants[] = { NULL, "a", "b" };
			bool is_bad = world_below(&w, 15) == 0;
			char job[24], line[40];

			snprintf(job, sizeof(job), "job%u", world_below(&w, 7));
			snprintf(line, sizeof(line), "line %d %u %s", i, j, is_bad ? "BAD" : "");
			world_add(&w, b, job, tenants[world_below(&w, 3)], line);
			bad += is_bad;
		}
		world_give(&w, b, world_below(&w, 10) == 0);
		world_run(&w, world_ns + world_below(&w, 500) * NS_PER_MS);
	}
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, w.given - bad);
	EQ_INT(metric_value(w.flow->delivered), w.given - bad);
	EQ_INT(w.flow->dropped_total, bad);
	EQ_INT(count_lines(world_dead_letters(&w)), bad);
	EQ_INT(w.settled, w.batches);
	OK(w.max_calls <= 3);
	world_fini(&w);
}

/* As chaos, but an entry is stored only when the answer says so: then the first time counts. */
static int judge_late(struct world *world, const struct push *p, struct buf *text)
{
	static const int kinds[] = { 0, 429, 500, 503, 260, 401 };

	if (world_below(world, 3))
		return judge_honestly(world, p, text);
	return kinds[world_below(world, ARRAY_LEN(kinds))];
}

static void order_of_each_stream(void)
{
	world_init(&w, "order", (struct world_conf){ .nshards = 3, .request_bytes = 2000 });
	w.judge = judge_late;
	for (int i = 0; i < 100; i++) {
		struct batch *b = world_batch(&w);

		for (uint32_t j = world_below(&w, 20) + 1; j--;) {
			char job[24];

			snprintf(job, sizeof(job), "job%u", world_below(&w, 7));
			world_add(&w, b, job, NULL, "a line of some length");
		}
		world_give(&w, b, false);
		world_run(&w, world_ns + world_below(&w, 500) * NS_PER_MS);
	}
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, w.given);
	OK(world_is_in_order(&w));
	world_fini(&w);
}

int main(void)
{
	world_begin();
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(lingers);
	RUN(urgent_goes_at_once);
	RUN(full_goes_at_once_and_fits);
	RUN(one_entry_larger_than_a_request);
	RUN(retries_send_the_same_bytes);
	RUN(credentials_are_read_again);
	RUN(retry_after_holds_for_the_tenant);
	RUN(a_refused_tenant_holds_no_other);
	RUN(tenants_take_turns);
	RUN(a_dead_loki_is_asked_seldom);
	RUN(withdrawn_is_not_sent);
	RUN(only_withdrawn_leaves_nothing_to_send);
	RUN(flush_does_not_wait);
	RUN(stop_leaves_what_is_held);
	RUN(tenants_of_headers);
	RUN(chaos);
	RUN(order_of_each_stream);
	return test_end();
}
