/* SPDX-License-Identifier: Apache-2.0 */
/* Options of an entry of `tests`. */
#include "agent/conf_test.h"
#include "pipeline/gotime.h"

bool test_conf_time(struct str text, int64_t *ret_ns)
{
	struct gotime_cache cache = { 0 };
	struct gotime *layout = gotime_new(STR("RFC3339Nano"), STR_NONE, NULL);
	bool is_fine = gotime_parse(layout, &cache, text, 0, ret_ns);

	gotime_free(layout);
	return is_fine;
}

static void check_time(struct conf_doc *doc, const struct conf_node *node, const char *key,
		       struct str text)
{
	int64_t ns;

	if (text.p && !test_conf_time(text, &ns))
		conf_error(doc, conf_get(node, key), "'" STR_FMT "' is no time like %s",
			   STR_ARG(text), TEST_DEFAULT_NOW);
}

static void check_labels(struct conf_doc *doc, const struct conf_node *node,
			 const struct conf_map *labels)
{
	if (labels->n > TEST_LABELS_MAX)
		conf_error(doc, conf_get(node, "labels"), "more than %d labels", TEST_LABELS_MAX);
}

static void record_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct test_record_conf *conf = arg;

	check_labels(doc, node, &conf->labels);
	check_time(doc, node, "time", conf->time);
}

static void expect_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct test_expect_conf *conf = arg;

	check_time(doc, node, "time", conf->time);
}

static void check_numbers(struct conf_doc *doc, const struct conf_node *node, const char *key,
			  const struct conf_map *map)
{
	double value;

	for (size_t i = 0; i < map->n; i++)
		if (!str_double(map->items[i].value, &value))
			conf_error(doc, conf_get(node, key),
				   "'" STR_FMT "' of " STR_FMT " is no number",
				   STR_ARG(map->items[i].value), STR_ARG(map->items[i].key));
}

static void test_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct test_conf *conf = arg;

	check_labels(doc, node, &conf->labels);
	check_time(doc, node, "now", conf->now);
	check_numbers(doc, node, "dropped", &conf->dropped);
	check_numbers(doc, node, "metrics", &conf->metrics);
	if (!conf->lines.p && !conf->records.n)
		conf_error(doc, node, "needs lines or records");
	if (!conf_get(node, "expect") && !conf->dropped.n && !conf->metrics.n)
		conf_error(doc, node, "needs expect, dropped or metrics");
	if (conf->records.n > TEST_RECORDS_MAX || conf->expect.n > TEST_RECORDS_MAX)
		conf_error(doc, node, "more than %d records", TEST_RECORDS_MAX);
}

static const struct conf_field record_fields[] = {
	CONF_STR(struct test_record_conf, line, NULL, "The line.", .example = "'level=info hello'"),
	CONF_STR(struct test_record_conf, time, NULL,
		 "When it was received (RFC 3339). Without it `now`, a nanosecond later each.",
		 .example = TEST_DEFAULT_NOW),
	CONF_MAP(struct test_record_conf, labels, NULL, "Labels over those of the test."),
	CONF_MAP(struct test_record_conf, metadata, NULL, "Structured metadata."),
	CONF_MAP(struct test_record_conf, extracted, NULL, "Extracted values."),
};
static const struct conf_table record_table =
	CONF_TABLE(struct test_record_conf, record_fields, .check = record_check);

static const struct conf_field expect_fields[] = {
	CONF_STR(struct test_expect_conf, line, NULL, "The line.", .example = "hello"),
	CONF_STR(struct test_expect_conf, contains, NULL, "A text that the line has in it."),
	CONF_STR(struct test_expect_conf, time, NULL, "Its time (RFC 3339).",
		 .example = TEST_DEFAULT_NOW),
	CONF_STR(struct test_expect_conf, tenant, NULL, "The tenant; `\"\"` for none."),
	CONF_MAP(struct test_expect_conf, labels, NULL, "Labels it has, others may be there.",
		 .example = "{ level: info }"),
	CONF_MAP(struct test_expect_conf, metadata, NULL,
		 "Structured metadata it has, and flags as `tailrace_flags`."),
	CONF_MAP(struct test_expect_conf, extracted, NULL,
		 "Extracted values it had at the end. They are not sent."),
	CONF_LIST(struct test_expect_conf, without, NULL,
		  "Names of labels and metadata that it does not have.", .example = "[password]"),
};
static const struct conf_table expect_table =
	CONF_TABLE(struct test_expect_conf, expect_fields, .check = expect_check);

static const struct conf_field test_fields[] = {
	CONF_STR(struct test_conf, pipeline, NULL,
		 "Which pipeline. Without it the one that `input` feeds, or the only one.",
		 .flags = CONF_NONEMPTY, .example = "main"),
	CONF_STR(struct test_conf, input, NULL,
		 "From which input the records seem to come, with its `format`, `multiline` and "
		 "labels. Without it the first of the pipeline.",
		 .flags = CONF_NONEMPTY, .example = "app"),
	CONF_STR(struct test_conf, now, TEST_DEFAULT_NOW,
		 "The time at which the test is run (RFC 3339). The clock stands still."),
	CONF_STR(struct test_conf, lines, NULL, "Records, one a line, in front of `records`.",
		 .example = "'level=info hello'"),
	CONF_MAP(struct test_conf, labels, NULL, "Labels of all records over those of the input."),
	CONF_SECTIONS(struct test_conf, records, &record_table,
		      "Records that are more than a line."),
	CONF_SECTIONS(struct test_conf, expect, &expect_table,
		      "The records that must come out, in this order, and no others. `[]`: none. "
		      "What one does not say may be anything. Stages that hold records let them go "
		      "at the end."),
	CONF_MAP(struct test_conf, dropped, NULL,
		 "How many records were dropped, by the name of a stage or by the reason under "
		 "which "
		 "they are counted.",
		 .example = "{ drop: 1 }"),
	CONF_MAP(struct test_conf, metrics, NULL,
		 "By how much metrics grew, of gauges what they show. A name, or a name and some "
		 "labels: "
		 "`name{label=\"value\"}`; the sum of all that have them.",
		 .example = "{ 'tailrace_stage_dropped_total{reason=\"debug\"}': 1 }"),
};
const struct conf_table test_conf_table =
	CONF_TABLE(struct test_conf, test_fields, .check = test_check);
