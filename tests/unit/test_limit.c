/* SPDX-License-Identifier: Apache-2.0 */
/* Stage limit where it drops, and the token bucket. Waiting: test_hold.c. */
#include "lib/metric.h"
#include "pipeline/rate.h"
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_limit, stage_logfmt, stage_labels, stage_label_drop,
	stage_structured_metadata;

static struct conf_plugin plugins[5];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_limit, &stage_logfmt, &stage_labels,
					  &stage_label_drop, &stage_structured_metadata };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

#define S INT64_C(1000000000)

static void bucket(void)
{
	struct rate r = rate_make(10, 3, 5 * S);

	EQ_INT(rate_take(&r, 2, 5 * S), 2);
	EQ_INT(rate_take(&r, 2, 5 * S), 1);
	EQ_INT(rate_take(&r, 2, 5 * S), 0);
	EQ_INT(rate_wait_ns(&r, 1, 5 * S) / 1000000, 100);
	EQ_INT(rate_wait_ns(&r, 100, 5 * S) / 1000000, 300); /* never more than the burst */
	EQ_INT(rate_take(&r, 2, 5 * S + S / 10), 1);
	EQ_INT(rate_take(&r, 100, 100 * S), 3); /* a pause fills it, to its brim */
	EQ_INT(rate_take(&r, 1, 100 * S), 0);
	/* Over ten seconds of single calls not one more and not one less. */
	r = rate_make(333.3, 1, 0);
	uint32_t n = 0;
	for (int64_t ns = 0; ns < 10 * S; ns += 100000)
		n += rate_take(&r, 1, ns);
	OK(n >= 3225 && n <= 3334);
	/* So slow that a token's time is no number any more: still the burst, and no more. */
	for (size_t i = 0; i < 2; i++) {
		r = rate_make(i ? 1e-300 : 1e-11, 1000000000, 0);
		EQ_INT(rate_take(&r, 5, 0), 5);
		EQ_INT(rate_take(&r, 1000000000, 0), 999999995);
		EQ_INT(rate_take(&r, 1, S), 0);
		EQ_INT(rate_take(&r, 1, 2 * S), 0);
		OK(rate_wait_ns(&r, 1, 2 * S) > 1000 * S &&
		   rate_wait_ns(&r, 1, 2 * S) < INT64_MAX / 2);
	}
}

#define FIELDS "- logfmt: {mapping: {k: }}\n- labels: {k: }\n"
#define K(v) "; {app=\"web\", job=\"t\", k=\"" v "\"}; k=" v

static void rows(void)
{
	/* A rate that gives nothing within a test. */
	static const struct stage_test_row rows[] = {
		{ "- limit: {rate: 0.001, burst: 2, drop: true}", "a\nb\nc\nd",
		  "a\nb\nc; dropped\nd; dropped" },
		{ "- limit: {rate: 0.001, burst: 9, drop: true}", "a\nb", "a\nb" },
		{ FIELDS "- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: k}",
		  "k=1\nk=2\nx\nk=1\ny",
		  "k=1" K("1") "\nk=2" K("2") "\nx\nk=1" K("1") "; dropped\ny" },
		{ FIELDS "- structured_metadata: {k: }\n"
			 "- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: k}",
		  "k=5\nk=5", "k=5; k=5; +k=5\nk=5; k=5; +k=5; dropped" },
		/* no loop runs here: what waits goes on at the end */
		{ "- limit: {rate: 0.001, burst: 1}", "a\nb", "a\nb" },
		{ FIELDS "- limit: {rate: 0.001, burst: 1}", "k=1\nk=2 x",
		  "k=1" K("1") "\nk=2 x" K("2") },
	};
	static const struct stage_test_row bad[] = {
		{ "- limit: {burst: 1}", "", "'rate' is required" },
		{ "- limit: {rate: 1}", "", "'burst' is required" },
		{ "- limit: {rate: 0, burst: 1}", "", "stages[0].limit.rate: must be more than 0" },
		{ "- limit: {rate: -1, burst: 1}", "", "must be more than 0" },
		{ "- limit: {rate: 1, burst: 0}", "", "burst" },
		{ "- limit: {rate: 1, burst: 1, by_label_name: a}", "", "needs drop: true" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
	EQ_INT(metric_value(metric_get(METRIC_STAGE_DROPPED, "pipeline", "test", "reason",
				       "ratelimit_drop_stage", NULL)),
	       4);
	EQ_INT(metric_value(metric_get(METRIC_STAGE_DROPPED_BY_LABEL, "pipeline", "test",
				       "label_name", "k", "label_value", "1", NULL)),
	       1);
}

/* Many values at once. */
static void many_values(void)
{
	struct buf lines = BUF_INIT;
	size_t dropped = 0;
	struct str out;

	for (int i = 0; i < 900; i++) /* as many label sets as the rig has room for */
		buf_printf(&lines, "k=%d\n", i);
	for (int i = 0; i < 900; i++)
		buf_printf(&lines, "k=%d%s", i, i < 899 ? "\n" : "");
	out = stage_test_run(plugins, ARRAY_LEN(plugins),
			     FIELDS
			     "- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: k}",
			     buf_as_str(&lines), NULL);
	while (out.n)
		dropped += str_ends(str_cut(&out, '\n'), STR("dropped"));
	EQ_INT(dropped, 900);
	buf_clear(&lines);
	/* Of more than that many, the later ones are counted together: others' series have room. */
	for (int i = 0; i < 2400; i++)
		buf_printf(&lines, "k=%d%s", i / 2 + 1000, i < 2399 ? "\n" : "");
	stage_test_run(plugins, ARRAY_LEN(plugins),
		       FIELDS "- limit: {rate: 0.001, burst: 1, drop: true, by_label_name: k}",
		       buf_as_str(&lines), NULL);
	EQ_INT(metric_value(metric_get(METRIC_STAGE_DROPPED_BY_LABEL, "pipeline", "test",
				       "label_name", "k", "label_value", "other", NULL)),
	       200);
	buf_fini(&lines);
}

int main(void)
{
	init_plugins();
	RUN(bucket);
	RUN(rows);
	RUN(many_values);
	return test_end();
}
