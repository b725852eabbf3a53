/* SPDX-License-Identifier: Apache-2.0 */
/* Stage dedup within one batch; over batches, kills and timers: test_hold.c. */
#include "lib/metric.h"
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_dedup, stage_labels, stage_logfmt, stage_match;

static struct conf_plugin plugins[4];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_dedup, &stage_labels, &stage_logfmt,
					  &stage_match };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

static int64_t next_ns;
static void one_ns_each(struct batch *b, struct rec *r)
{
	(void)b;
	r->time_ns = next_ns++;
}

#define FIELDS "- logfmt: {mapping: {k: , v: }}\n"

static void rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- dedup: {}", "a\nb\na", "a\nb\na" },
		{ "- dedup:", "a\na\nb",
		  "a\nmessage repeated 1 time: [a]; +tailrace_repeated=1(number)\nb" },
		{ "- dedup: {}", "a\na\na\na", /* at the end, too */
		  "a\nmessage repeated 3 times: [a]; +tailrace_repeated=3(number)" },
		{ "- dedup: {report: line}", "a\na\na\nb",
		  "a\na; +tailrace_repeated=2(number)\nb" },
		{ "- dedup: {report: none, drop_counter_reason: again}", "a\na\na\nb\nb",
		  "a\na; dropped\nb\nb; dropped" },
		{ "- dedup: {consecutive: false, report: line}", "a\nb\na\nc\na\nb",
		  "a\nb\nc\na; +tailrace_repeated=2(number)\nb; +tailrace_repeated=1(number)" },
		/* an empty line is a line */
		{ "- dedup: {report: line}", "\n\nx", "\n; +tailrace_repeated=1(number)\nx" },
		/* other labels are another record, and do not stand in between */
		{ FIELDS "- labels: {k: }\n- dedup: {by: [v], report: none}",
		  "k=1 v=x\nk=2 v=x\nk=1 v=x",
		  "k=1 v=x; {app=\"web\", job=\"t\", k=\"1\"}; k=1; v=x\n"
		  "k=2 v=x; {app=\"web\", job=\"t\", k=\"2\"}; k=2; v=x\n"
		  "k=1 v=x; {app=\"web\", job=\"t\", k=\"1\"}; k=1; v=x; dropped" },
		/* by values; a record without any of them is no repeat and ends one */
		{ FIELDS "- dedup: {by: [k, v], report: none}",
		  "k=ab v=c 1\nk=ab v=c 2\nk=a v=bc 3",
		  "k=ab v=c 1; k=ab; v=c\nk=ab v=c 2; k=ab; v=c; dropped\nk=a v=bc 3; k=a; v=bc" },
		{ FIELDS "- dedup: {by: [k], report: none}", "k=1\nx\nx\nk=1",
		  "k=1; k=1\nx\nx\nk=1; k=1" },
		{ FIELDS "- dedup: {by: [k], consecutive: false, report: none}", "k=1\nx\nx\nk=1",
		  "k=1; k=1\nx\nx\nk=1; k=1; dropped" },
	};
	static const struct stage_test_row bad[] = {
		{ "- dedup: {by: [1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h]}", "", "more than 16 names" },
		{ "- dedup: {report: all}", "", "all" },
		{ "- dedup: {window: 0s}", "", "window" },
	};
	int64_t dropped;

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
	dropped = metric_value(
		metric_get(METRIC_STAGE_DROPPED, "pipeline", "test", "reason", "again", NULL));
	EQ_INT(dropped, 3);
}

/* By the times of the records, not by the clock: one passes in each window. */
static void window(void)
{
	next_ns = 0;
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), "- dedup: {window: 1ms, report: line}",
			      STR("a\na"), one_ns_each),
	       "a; time=0\na; time=1; +tailrace_repeated=1(number)");
	next_ns = INT64_MIN / 2;
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), "- dedup: {window: 1ms, report: none}",
			      STR("a\na"), one_ns_each),
	       "a; time=-4611686018427387904\na; time=-4611686018427387903; dropped");
}

/* What a file has stored is let go one by one, whatever else it has stored. */
static void many_keys(void)
{
	enum { KEYS = 20000 };
	struct buf lines = BUF_INIT;
	size_t passed = 0;
	struct str out;

	for (int i = 0; i < 2 * KEYS; i++)
		buf_printf(&lines, "%s%d", i ? "\n" : "", i % KEYS);
	out = stage_test_run(plugins, ARRAY_LEN(plugins),
			     "- dedup: {consecutive: false, report: none, max_keys: 50000}",
			     buf_as_str(&lines), NULL);
	while (out.n)
		passed += !str_ends(str_cut(&out, '\n'), STR("dropped"));
	EQ_INT(passed, KEYS);
	buf_fini(&lines);
}

int main(void)
{
	init_plugins();
	RUN(rows);
	RUN(window);
	RUN(many_keys);
	return test_end();
}
