/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane's parts: unique times, credits, acks, label sets, batches. */
#include <pthread.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/ack.h"
#include "pipeline/batch.h"
#include "pipeline/budget.h"
#include "pipeline/labels.h"
#include "pipeline/uniq.h"
#include "tests/unit/test.h"

static void unique_times(void)
{
	static const struct row {
		const char *name;
		int64_t in[8], want[8];
	} rows[] = {
		{ "different stay", { 10, 20, 15 }, { 10, 20, 15 } },
		{ "equal get the next", { 10, 10, 10 }, { 10, 11, 12 } },
		{ "the next one is taken", { 10, 10, 11, 11 }, { 10, 11, 12, 13 } },
		{ "interleaved", { 100, 200, 100, 200, 100 }, { 100, 200, 101, 201, 102 } },
		{ "steady read times use one slot", { 5, 6, 7, 8, 6 }, { 5, 6, 7, 8, 9 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uniq u = { 0 };

		ROW(rows[i].name);
		for (int k = 0; k < 8 && rows[i].in[k]; k++)
			EQ_INT(uniq_next(&u, rows[i].in[k]), rows[i].want[k]);
	}
	/* A restored state goes on where it was; the end of time is no overflow. */
	struct uniq u = { 0 }, copy;

	uniq_next(&u, INT64_MAX);
	EQ_INT(uniq_next(&u, INT64_MAX), INT64_MAX);

	uniq_next(&u, 7);
	copy = u;
	EQ_INT(uniq_next(&u, 7), uniq_next(&copy, 7));
}

static int resumed;
static void on_resume(struct budget_waiter *w)
{
	resumed++;
	loop_stop(w->loop);
}

static void *give_later(void *arg)
{
	budget_give(arg, 60);
	return NULL;
}

static void credits(void)
{
	struct loop *loop = loop_new("test");
	struct budget_waiter w = { .loop = loop, .resume = on_resume };
	struct budget b;
	pthread_t thread;

	budget_init(&b, 100);
	OK(budget_take(&b, 60));
	OK(!budget_take(&b, 60));
	OK(budget_take(&b, 40));
	budget_force(&b, 10); /* below zero */
	OK(!budget_holds_much(&b));
	budget_hold(&b, 26);
	OK(budget_holds_much(&b));
	budget_hold(&b, -26);
	budget_wait(&b, &w, 1);
	budget_wait(&b, &w, 1); /* twice is once */
	budget_give(&b, 10);
	loop_once(loop, 0);
	EQ_INT(resumed, 0); /* not yet a quarter */
	pthread_create(&thread, NULL, give_later, &b);
	loop_run(loop);
	pthread_join(thread, NULL);
	EQ_INT(resumed, 1);
	budget_give(&b, 40);
	/* Larger than the whole budget: let in when nothing else is. */
	OK(budget_take(&b, 1000));
	OK(!budget_take(&b, 1));
	budget_give(&b, 1000);
	/* Credit that is there already resumes at once; forgotten waiters are not resumed. */
	budget_wait(&b, &w, 1);
	loop_run(loop);
	EQ_INT(resumed, 2);
	OK(budget_take(&b, 100));
	budget_wait(&b, &w, 1);
	budget_forget(&b, &w);
	budget_give(&b, 100);
	loop_once(loop, 0);
	EQ_INT(resumed, 2);
	/* Who wants more than a quarter is not resumed before that is free. */
	OK(budget_take(&b, 100));
	budget_wait(&b, &w, 60);
	budget_give(&b, 50);
	loop_once(loop, 0);
	EQ_INT(resumed, 2);
	budget_give(&b, 10);
	loop_once(loop, 0);
	EQ_INT(resumed, 3);
	budget_give(&b, 40);
	budget_fini(&b);
	loop_free(loop);
}

static int settled_order[8], nsettled;
static struct ack acks[4];

static void on_settled(struct ack *a)
{
	settled_order[nsettled++] = (int)(a - acks);
}

static void ack_refs(void)
{
	struct loop *loop = loop_new("test");
	struct ack *internal = ack_new_internal();

	nsettled = 0;
	ack_init(&acks[0], loop, on_settled);
	ack_get(&acks[0]); /* an output's block */
	ack_put(&acks[0]); /* the batch */
	loop_once(loop, 0);
	EQ_INT(nsettled, 0);
	ack_put(&acks[0]);
	loop_once(loop, 0);
	EQ_INT(nsettled, 1);
	/* A joined record: the held batches settle with the internal ack. */
	ack_init(&acks[1], loop, on_settled);
	ack_init(&acks[2], loop, on_settled);
	acks[2].replays = true;
	OK(!ack_replays(internal));
	ack_carry(internal, &acks[1]);
	ack_carry(internal, &acks[2]);
	OK(ack_replays(internal));
	loop_once(loop, 0);
	EQ_INT(nsettled, 1);
	ack_put(internal);
	loop_once(loop, 0);
	EQ_INT(nsettled, 3);
	/* Abandoned ones never settle, nor what they carry. */
	internal = ack_new_internal();
	ack_init(&acks[1], loop, on_settled);
	ack_carry(internal, &acks[1]);
	ack_get(internal);
	ack_abandon(internal);
	ack_put(internal);
	loop_once(loop, 0);
	EQ_INT(nsettled, 3);
	ack_put(NULL);
	loop_free(loop);
}

static void ack_lines(void)
{
	struct ack_line line = { 0 };
	struct ack *done;

	for (int i = 0; i < 4; i++) {
		ack_init(&acks[i], NULL, NULL);
		acks[i].bytes = 10;
		ack_line_add(&line, &acks[i]);
	}
	OK(!ack_line_settle(&line, &acks[1]));
	OK(!ack_line_settle(&line, &acks[2]));
	EQ_INT(line.ahead_bytes, 20);
	done = ack_line_settle(&line, &acks[0]);
	OK(done == &acks[0] && done->next_in_line == &acks[1]);
	OK(done->next_in_line->next_in_line == &acks[2]);
	OK(!done->next_in_line->next_in_line->next_in_line);
	EQ_INT(line.outstanding, 1);
	EQ_INT(line.ahead_bytes, 0);
	done = ack_line_settle(&line, &acks[3]);
	OK(done == &acks[3] && !line.first && !line.last);
}

static void label_sets(void)
{
	struct label_table *t = label_table_new(6);
	struct label ab[] = { { STR("b"), STR("2") }, { STR("a"), STR("1") } };
	struct label ba[] = { { STR("a"), STR("1") }, { STR("b"), STR("2") } };
	struct label quoted = { STR("q"), STR("x\"\\\n\x01\xef\xbf\xbd") };
	struct label tenant = { STR(LABEL_TENANT), STR("team-a") };
	struct label gone = { STR("b"), { NULL, 0 } };
	struct label empty = { STR("e"), STR("") };
	const struct labels *l = labels_intern(t, ab, 2), *m;
	char big[3 * LABEL_VALUE_MAX];
	struct label large = { STR("big"), { big, sizeof(big) } };

	EQ_STR(l->text, "{a=\"1\", b=\"2\"}");
	OK(labels_intern(t, ba, 2) == l);
	m = labels_with(t, l, &quoted, 1);
	EQ_STR(m->text, "{a=\"1\", b=\"2\", q=\"x\\\"\\\\\\n\\x01?\"}");
	OK(labels_with(t, l, &quoted, 1) == m);
	m = labels_with(t, l, &tenant, 1);
	EQ_STR(m->text, "{a=\"1\", b=\"2\"}");
	EQ_STR(m->tenant, "team-a");
	OK(m->hash != l->hash);
	m = labels_with(t, l, &gone, 1);
	EQ_STR(m->text, "{a=\"1\"}");
	m = labels_with(t, m, &empty, 1);
	EQ_STR(m->text, "{a=\"1\", e=\"\"}");
	memset(big, 'x', sizeof(big));
	m = labels_with(t, l, &large, 1);
	EQ_INT(labels_get(m, STR("big")).n, LABEL_VALUE_MAX);
	OK(labels_get(m, STR("none")).p == NULL);
	/* Full: known sets are still found, new ones are not made. */
	quoted.value = STR("new");
	OK(labels_with(t, l, &quoted, 1) == NULL);
	OK(labels_intern(t, ab, 2) == l);
	label_table_free(t);
}

static void label_sweep(void)
{
	struct label_table *t = label_table_new(8);
	const struct labels *pinned = NULL;

	for (int i = 0; i < 8; i++) {
		char text[16];
		struct label l = { STR("n"),
				   { text, (size_t)snprintf(text, sizeof(text), "%d", i) } };
		const struct labels *set = labels_intern(t, &l, 1);

		OK(set != NULL);
		if (i == 3)
			labels_pin(pinned = set);
	}
	for (int i = 0; i < 10000; i++)
		label_table_sweep(t);
	EQ_INT(label_table_size(t), 1); /* idle ones are gone, the pinned one is not */
	EQ_STR(pinned->text, "{n=\"3\"}");
	label_table_free(t);
}

/* Also when there is room: of ten thousand files most are quiet. */
static void label_forget(void)
{
	struct label_table *t = label_table_new(100);
	struct label a = { STR("n"), STR("a") }, b = { STR("n"), STR("b") },
		     p = { STR("n"), STR("pinned") };

	labels_pin(labels_intern(t, &p, 1));
	labels_intern(t, &a, 1);
	labels_intern(t, &b, 1);
	label_table_sweep(t);
	OK(label_table_forget(t));
	EQ_INT(label_table_size(t), 3); /* used since the last time */
	labels_intern(t, &b, 1);
	label_table_sweep(t);
	OK(label_table_forget(t));
	EQ_INT(label_table_size(t), 2);
	OK(!label_table_forget(t));
	EQ_INT(label_table_size(t), 1);
	label_table_free(t);
}

/* What keeps its labels is not looked up again, until sets were thrown out. */
static void label_known(void)
{
	struct label_table *t = label_table_new(100), *other = label_table_new(100);
	struct label a = { STR("n"), STR("a") }, b = { STR("n"), STR("b") };
	struct labels_known known = { 0 };
	const struct labels *set = labels_intern_known(t, &known, &a, 1);

	EQ_STR(set->text, "{n=\"a\"}");
	a.value = STR("changed"); /* it is not looked at */
	OK(labels_intern_known(t, &known, &a, 1) == set);
	label_table_sweep(t);
	OK(label_table_forget(t));
	OK(labels_intern_known(t, &known, &a, 1) == set);
	label_table_sweep(t);
	OK(label_table_forget(t)); /* it was used since */
	OK(!label_table_forget(t));
	set = labels_intern_known(t, &known, &b, 1);
	EQ_STR(set->text, "{n=\"b\"}");
	OK(labels_intern_known(other, &known, &b, 1) != set);
	label_table_free(t);
	label_table_free(other);
}

static void label_names(void)
{
	static const struct row {
		const char *in, *want;
		bool valid;
	} rows[] = {
		{ "app", "app", true },
		{ "_x9", "_x9", true },
		{ "9x", "_9x", false },
		{ "a.b-c", "a_b_c", false },
		{ "", "key", false },
		{ "___", "key", true },
		{ "\xc3\xbc"
		  "ber",
		  "__ber", false },
	};
	char out[LABEL_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW(rows[i].in);
		EQ_STR(label_name_sanitise(str_c(rows[i].in), out), rows[i].want);
		EQ_INT(label_name_is_valid(str_c(rows[i].in)), rows[i].valid);
	}
}

static void attributes(void)
{
	struct label_table *t = label_table_new(10);
	struct label app = { STR("app"), STR("web") };
	struct source source = { .magic = SOURCE_MAGIC };
	struct batch *b = batch_new(NULL, &source, 100, false);
	uint16_t level = key_intern(STR("level")), host = key_intern(STR("hostname"));
	uint16_t appkey = key_intern(STR("app")), none = key_intern(STR("none"));
	struct str value;
	struct rec *r;

	EQ_INT(level, key_intern(STR("level")));
	EQ_STR(key_name(level), "level");
	b->labels = labels_intern(t, &app, 1);
	r = batch_add(b);
	rec_attr(b, r, level, ATTR_EXTRACTED, ATTR_STRING, STR("info"));
	rec_attr(b, r, level, ATTR_EXTRACTED, ATTR_STRING, STR("warn"));
	rec_attr_inline(b, r, STR("hostname"), ATTR_META, STR("db1"));
	OK(rec_get_str(b, r, level, &value));
	EQ_STR(value, "warn");
	OK(rec_get_str(b, r, host, &value));
	EQ_STR(value, "db1");
	OK(rec_get_str(b, r, appkey, &value));
	EQ_STR(value, "web");
	OK(!rec_get_str(b, r, none, &value));
	rec_attr(b, r, level, ATTR_EXTRACTED, ATTR_NULL, STR_NONE);
	OK(!rec_get_str(b, r, level, &value));
	for (int i = 0; i < 3000; i++)
		rec_attr(b, r, none, ATTR_EXTRACTED, ATTR_STRING, STR("x"));
	OK(r->nattrs <= 1000);
	batch_free(b);
	label_table_free(t);
}

static void batch_credit(void)
{
	struct source source = { .magic = SOURCE_MAGIC };
	struct budget budget;
	struct batch *b, *c;

	budget_init(&budget, 20000);
	b = batch_new(&budget, &source, 15000, false);
	OK(b != NULL);
	OK(!batch_new(&budget, &source, 15000, false));
	c = batch_new(&budget, &source, 15000, true);
	for (int i = 0; i < 1000; i++)
		batch_add(c)->time_ns = i;
	for (int i = 0; i < 1000; i++)
		if (c->recs[i].time_ns != i)
			FAIL("record %d moved", i);
	batch_recharge(c);
	OK(c->charged_bytes >= 1000 * sizeof(struct rec));
	batch_free(b);
	batch_free(c);
	EQ_INT(atomic_load(&budget.free_bytes), 20000);
	budget_fini(&budget);
}

int main(void)
{
	RUN(unique_times);
	RUN(credits);
	RUN(ack_refs);
	RUN(ack_lines);
	RUN(label_sets);
	RUN(label_sweep);
	RUN(label_forget);
	RUN(label_known);
	RUN(label_names);
	RUN(attributes);
	RUN(batch_credit);
	return test_end();
}
