/* SPDX-License-Identifier: Apache-2.0 */
/* Stage metrics: what records make of /metrics; and series that several lanes write while somebody
 * reads them. */
#include <pthread.h>
#include <stdatomic.h>

#include "lib/clock.h"
#include "lib/metric.h"
#include "pipeline/series.h"
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_metrics, stage_logfmt, stage_json, stage_labels, stage_match,
	stage_tenant;

/* Only what the stage made, without help and type. */
static struct buf scraped;
static bool has_help;
static void scrape(void)
{
	struct buf page = BUF_INIT;
	struct str rest;

	metrics_render(&page, METRIC_TEXT);
	buf_clear(&scraped);
	rest = buf_as_str(&page);
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		if ((!has_help && str_starts(line, STR("#"))) ||
		    str_starts(line, STR("tailrace_")) || str_find(line, STR("tailrace_")) < line.n)
			continue;
		if (str_find(line, STR("promtail_custom_")) < line.n ||
		    str_find(line, STR("own_")) < line.n) {
			buf_str(&scraped, line);
			buf_ch(&scraped, '\n');
		}
	}
	buf_fini(&page);
}

static void scrape_run(struct stage *s, struct batch *b)
{
	(void)s;
	(void)b;
	scrape();
}

static const struct conf_table no_options = { 0 };
static const struct stage_ops stage_scrape = { .name = "scrape",
					       .conf = &no_options,
					       .run = scrape_run };
static struct conf_plugin plugins[7];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_metrics, &stage_logfmt, &stage_json,
					  &stage_labels,  &stage_match,  &stage_tenant,
					  &stage_scrape };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

#define L "{app=\"web\",job=\"t\"}"
#define FIELDS "- logfmt: {mapping: {v: , l: , t: }}\n"
#define END "\n- scrape:"
#define METRICS(text) "- metrics: {" text "}" END

static void rows(void)
{
	static const struct stage_test_row rows[] = {
		/* counters */
		{ METRICS("n: {type: Counter, config: {match_all: true, action: inc}}"), "a\nb",
		  "promtail_custom_n" L " 2\n" },
		{ METRICS("n: {type: counter, config: {match_all: true, count_entry_bytes: true, "
			  "action: add}}"),
		  "abc\n\nde", "promtail_custom_n" L " 5\n" },
		{ METRICS("n: {type: Counter, config: {match_all: true, action: add}}"), "a", "" },
		{ FIELDS METRICS("v: {type: Counter, config: {action: inc}}"), "v=1\nv=\nx",
		  "promtail_custom_v" L " 2\n" },
		{ FIELDS METRICS(
			  "n: {type: Counter, source: v, config: {action: inc, value: '500'}}"),
		  "v=500\nv=5\nv=500.0", "promtail_custom_n" L " 1\n" },
		{ FIELDS METRICS("v: {type: Counter, config: {action: add}}"),
		  "v=1\nv=2.5\nv=-1\nv=x\nv=nan\nv=1m\nv=0x1p-1\nv=0x10\nv=1_0\nv=+1e1",
		  "promtail_custom_v" L " 74\n" },
		/* the kinds that json tells apart; null counts, but has no number */
		{ "- json: {expressions: {v: }}\n" METRICS(
			  "v: {type: Counter, config: {action: inc}}"),
		  "{\"v\":null}\n{\"v\":1}\n{}", "promtail_custom_v" L " 3\n" },
		{ "- json: {expressions: {v: }}\n" METRICS(
			  "v: {type: Counter, config: {action: add}}"),
		  "{\"v\":null}\n{\"v\":true}\n{\"v\":false}\n{\"v\":\"1.5s\"}",
		  "promtail_custom_v" L " 2.5\n" },
		/* gauges */
		{ FIELDS METRICS("v: {type: Gauge, config: {action: set}}"), "v=3\nv=-2.5\nv=x",
		  "promtail_custom_v" L " -2.5\n" },
		{ FIELDS METRICS("v: {type: gauge, config: {action: sub}}, "
				 "t: {type: GAUGE, config: {action: dec}}, "
				 "l: {type: Gauge, config: {action: add}}"),
		  "v=3 t=1 l=7\nv=1 t=1 l=-9", /* families newest first */
		  "promtail_custom_l" L " -2\npromtail_custom_t" L " -2\npromtail_custom_v" L
		  " -4\n" },
		{ FIELDS METRICS("v: {type: Gauge, config: {action: set}}"), "v=inf",
		  "promtail_custom_v" L " +Inf\n" },
		{ FIELDS METRICS("v: {type: Gauge, config: {action: set}}"),
		  "v=-1m1.5s\nv=1e400\nv=-1e400", "promtail_custom_v" L " -61.5\n" },
		{ FIELDS METRICS("v: {type: Gauge, config: {action: add}}"), "v=1.5e308\nv=-1e308",
		  "promtail_custom_v" L " 5e+307\n" },
		/* histograms */
		{ FIELDS METRICS("v: {type: Histogram, config: {buckets: [1, 2.5]}}"),
		  "v=1\nv=2\nv=500ms\nv=9",
		  "promtail_custom_v_bucket{app=\"web\",job=\"t\",le=\"1\"} 2\n"
		  "promtail_custom_v_bucket{app=\"web\",job=\"t\",le=\"2.5\"} 3\n"
		  "promtail_custom_v_bucket{app=\"web\",job=\"t\",le=\"+Inf\"} 4\n"
		  "promtail_custom_v_sum" L " 12.5\npromtail_custom_v_count" L " 4\n" },
		/* labels: those there are at this place, but for __; escaped; never a second le */
		{ FIELDS "- labels: {l: , t: }\n- tenant: {source: t}\n" METRICS(
			  "n: {type: Counter, prefix: own_, config: {match_all: true}}"),
		  "l=\"a\\\"b\\\\c\" t=1\nl=\"a\\\"b\\\\c\" t=1",
		  "own_n{app=\"web\",job=\"t\",l=\"a\\\"b\\\\c\",t=\"1\"} 2\n" },
		{ FIELDS "- tenant: {source: t}\n" METRICS(
			  "n: {type: Counter, config: {match_all: true}}"),
		  "t=1\nt=2\nt=1", "promtail_custom_n" L " 3\n" },
		{ FIELDS
		  "- labels: {le: l}\n" METRICS("v: {type: Histogram, config: {buckets: []}}"),
		  "l=x v=2",
		  "promtail_custom_v_bucket{app=\"web\",job=\"t\",exported_le=\"x\",le=\"+Inf\"} "
		  "1\n"
		  "promtail_custom_v_sum{app=\"web\",job=\"t\",exported_le=\"x\"} 2\n"
		  "promtail_custom_v_count{app=\"web\",job=\"t\",exported_le=\"x\"} 1\n" },
		/* the same name in several stages adds up */
		{ FIELDS
		  "- match: {selector: '{job=\"t\"} |= \"up\"', stages: [metrics: {users: {type: "
		  "Gauge, config: {match_all: false, action: inc}, source: v}}]}\n"
		  "- match: {selector: '{job=\"t\"} |= \"down\"', stages: [metrics: {users: {type: "
		  "Gauge, config: {action: dec}, source: v}}]}" END,
		  "v=1 up\nv=1 up\nv=1 down", "promtail_custom_users" L " 1\n" },
		{ "- metrics:" END, "a", "" },
	};
	static const struct stage_test_row bad[] = {
		{ "- metrics: {n: {config: {action: inc}}}", "", "'type' is required" },
		{ "- metrics: {n: {type: Summary}}", "", "stages[0].metrics.n.type" },
		{ "- metrics: {n: {type: Counter, config: {action: set}}}", "",
		  "stages[0].metrics.n.config.action: a counter has" },
		{ "- metrics: {n: {type: Gauge, config: {match_all: true}}}", "", "for counters" },
		{ "- metrics: {n: {type: Counter, config: {match_all: true, value: a}}}", "",
		  "either match_all or value" },
		{ "- metrics: {n: {type: Counter, config: {count_entry_bytes: true}}}", "",
		  "needs match_all" },
		{ "- metrics: {n: {type: Histogram, config: {buckets: [2, 1]}}}", "", "growing" },
		{ "- metrics: {n: {type: Histogram, config: {buckets: [x]}}}", "", "growing" },
		{ "- metrics: {n: {type: Counter, max_idle_duration: 0s}}", "",
		  "max_idle_duration" },
		{ "- metrics: {'n-m': {type: Counter}}", "", "no valid metric name" },
		{ "- metrics: {x: {type: Counter, prefix: tailrace_}}", "", "are taken" },
		{ "- metrics: [n]", "", "expected a map" },
		{ "- metrics: {n: {type: Counter}}\n- metrics: {n: {type: Gauge}}", "",
		  "another type" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].stages);
		buf_clear(&scraped);
		stage_test_run(plugins, ARRAY_LEN(plugins), rows[i].stages, str_c(rows[i].lines),
			       NULL);
		EQ_STR(buf_as_str(&scraped), rows[i].want);
	}
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
	scrape(); /* nothing outlives its pipeline */
	EQ_INT(scraped.n, 0);
}

static void text(void)
{
	has_help = true;
	stage_test_run(plugins, ARRAY_LEN(plugins),
		       METRICS("n: {type: Counter, description: \"a\\nb\\\\\", config: {match_all: "
			       "true}}"),
		       STR("x"), NULL);
	EQ_STR(buf_as_str(&scraped), "# HELP promtail_custom_n a\\nb\\\\\n# TYPE promtail_custom_n "
				     "counter\npromtail_custom_n" L " 1\n");
	has_help = false;
}

/* As `tailrace config` shows them. */
static void shown(void)
{
	static const char yaml[] = "stages: [metrics: {n: {type: gauge}}]";
	struct conf_doc *doc = conf_doc_new();
	struct stage_test_conf conf = { 0 };
	struct buf out = BUF_INIT;

	conf_doc_plugins(doc, plugins, ARRAY_LEN(plugins));
	conf_read(doc, &stage_test_table, conf_yaml_parse(doc, "f", str_c(yaml), NULL), &conf);
	conf_render_stages(&out, &conf.stages, 0, false);
	EQ_STR(buf_as_str(&out),
	       "- metrics:\n    n:\n      type: Gauge\n      description: \"\"\n"
	       "      prefix: promtail_custom_\n      source: null\n      max_idle_duration: 5m\n"
	       "      config:\n        action: inc\n        value: null\n        match_all: false\n"
	       "        count_entry_bytes: false\n"
	       "        buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]\n");
	buf_fini(&out);
	conf_doc_free(doc);
}

static const struct series_conf counter = { .name = { "own_total", 9 },
					    .type = SERIES_COUNTER,
					    .max_idle_ns = 3600 * NS_PER_S };

static void too_many(void)
{
	struct label_table *table = label_table_new(SERIES_MAX_OF_FAMILY + 10);
	struct err err = ERR_NONE;
	struct series_set *set;
	size_t n = 0;
	char text[16];

	EQ_INT(series_open(&counter, &set, &err), 0);
	series_begin(set, 1);
	for (int i = 0; i < SERIES_MAX_OF_FAMILY + 5; i++) {
		struct label l = { STR("n"), str_make(text, 0) };
		struct series *s;

		l.value.n = (size_t)snprintf(text, sizeof(text), "%d", i);
		s = series_find(set, labels_intern(table, &l, 1));
		n += s != NULL;
	}
	EQ_INT(n, SERIES_MAX_OF_FAMILY);
	EQ_INT(metric_value(metric_get(METRIC_CUSTOM_OVERFLOW, "metric", "own_total", NULL)), 5);
	series_close(set);
	label_table_free(table);
}

/* Idle series are shown once more, then gone, and begin at nothing. */
static void idle(void)
{
	struct series_conf conf = counter;
	struct err err = ERR_NONE;
	struct series_set *set;

	conf.max_idle_ns = NS_PER_S;
	series_open(&conf, &set, &err);
	series_begin(set, clock_mono_ns() - 5 * NS_PER_S);
	series_add(series_find(set, NULL), 3);
	scrape();
	EQ_STR(buf_as_str(&scraped), "own_total 3\n");
	scrape();
	EQ_STR(buf_as_str(&scraped), "");
	series_add(series_find(set, NULL), 1); /* the lane had not noticed: in the same batch */
	series_begin(set, clock_mono_ns());
	series_add(series_find(set, NULL), 4);
	scrape();
	EQ_STR(buf_as_str(&scraped), "own_total 4\n");
	scrape();
	EQ_STR(buf_as_str(&scraped), "own_total 4\n");
	series_close(set);
}

#define ROUNDS 20000

static void *lane(void *arg)
{
	struct series_set *set = arg;

	for (int i = 0; i < ROUNDS; i++) {
		series_begin(set, clock_mono_ns());
		series_add(series_find(set, NULL), 1);
	}
	return NULL;
}

static void two_lanes(void)
{
	struct series_set *sets[2];
	struct err err = ERR_NONE;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		series_open(&counter, &sets[i], &err);
		pthread_create(&threads[i], NULL, lane, sets[i]);
	}
	for (int i = 0; i < 100; i++)
		scrape();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	scrape();
	EQ_STR(buf_as_str(&scraped), "own_total 40000\n");
	series_close(sets[0]);
	series_close(sets[1]);
}

int main(void)
{
	init_plugins();
	RUN(rows);
	RUN(text);
	RUN(shown);
	RUN(too_many);
	RUN(idle);
	RUN(two_lanes);
	buf_fini(&scraped);
	return test_end();
}
