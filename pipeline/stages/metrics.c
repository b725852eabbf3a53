/* SPDX-License-Identifier: Apache-2.0 */
/* Stage metrics: counters, gauges and histograms made from records. */
#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/labels.h"
#include "pipeline/series.h"
#include "pipeline/stages/names.h"

enum action { ACTION_INC, ACTION_ADD, ACTION_SET, ACTION_DEC, ACTION_SUB };

struct action_conf {
	unsigned action;
	struct str value;
	bool match_all, count_entry_bytes;
	struct conf_list buckets;
};

struct metric_conf {
	struct str name; /* first: see CONF_T_NAMED */
	unsigned type;
	struct str description, prefix, source;
	int64_t max_idle_ns;
	struct action_conf config;
};

struct metrics_conf {
	struct conf_sections metrics;
};

static const char default_buckets[] = "[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]";

/* Upper bounds, growing. */
static bool read_buckets(const struct conf_list *list, struct series_conf *ret)
{
	ret->nbuckets = 0;
	if (list->n > SERIES_BUCKETS_MAX)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		double *at = &ret->buckets[ret->nbuckets++];

		if (!str_double(list->items[i], at) || (i && !(at[-1] < *at)))
			return false;
	}
	return true;
}

static const struct conf_enum actions[] = {
	{ "inc", ACTION_INC, "adds 1" },
	{ "add", ACTION_ADD, "adds the value" },
	{ "set", ACTION_SET, "sets it to the value" },
	{ "dec", ACTION_DEC, "takes off 1" },
	{ "sub", ACTION_SUB, "takes off the value" },
	{ 0 },
};

static const struct conf_field action_fields[] = {
	CONF_ENUM(struct action_conf, action, "inc", actions,
		  "What a record does. Counters have `inc` and `add`, gauges all of these, "
		  "histograms none: they take the value."),
	CONF_STR(struct action_conf, value, NULL,
		 "Only records whose extracted value is exactly this text count.",
		 .example = "'500'"),
	CONF_BOOL(struct action_conf, match_all, "false",
		  "Counters: every record counts, whatever it has extracted."),
	CONF_BOOL(struct action_conf, count_entry_bytes, "false",
		  "Counters with `match_all` and `add`: adds the bytes of the line."),
	CONF_LIST(struct action_conf, buckets, default_buckets,
		  "Upper bounds of a histogram's buckets, growing; at most 64."),
};
static const struct conf_table action_table = CONF_TABLE(struct action_conf, action_fields);

static const char *action_problem(const struct metric_conf *m, const char **ret_key)
{
	const struct action_conf *c = &m->config;
	struct series_conf buckets;

	*ret_key = "action";
	if (m->type == SERIES_COUNTER && c->action > ACTION_ADD)
		return "a counter has the actions inc and add";
	*ret_key = "match_all";
	if (m->type != SERIES_COUNTER && (c->match_all || c->count_entry_bytes))
		return "match_all and count_entry_bytes are for counters";
	if (c->match_all && c->value.p)
		return "either match_all or value, not both";
	*ret_key = "count_entry_bytes";
	if (c->count_entry_bytes && (!c->match_all || c->action != ACTION_ADD))
		return "needs match_all: true and action: add";
	*ret_key = "buckets";
	if (m->type == SERIES_HISTOGRAM && !read_buckets(&c->buckets, &buckets))
		return "expected at most 64 growing numbers";
	return NULL;
}

static void metric_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct metric_conf *m = arg;
	const struct conf_node *config = conf_get(node, "config"), *at;
	const char *key, *problem = action_problem(m, &key);

	if (!problem)
		return;
	at = conf_get(config, key);
	conf_error(doc, at ? at : config ? config : node, "%s", problem);
}

static const struct conf_enum types[] = {
	{ "Counter", SERIES_COUNTER, NULL },
	{ "Gauge", SERIES_GAUGE, NULL },
	{ "Histogram", SERIES_HISTOGRAM, NULL },
	{ 0 },
};

static const struct conf_field metric_fields[] = {
	CONF_ENUM(struct metric_conf, type, NULL, types, "What it is, in any case of letters.",
		  .flags = CONF_REQUIRED, .example = "Counter"),
	CONF_STR(struct metric_conf, description, "", "Its help text."),
	CONF_STR(struct metric_conf, prefix, "promtail_custom_",
		 "Stands in front of its name on /metrics."),
	CONF_STR(struct metric_conf, source, NULL,
		 "Extracted value that is looked at; without it the one of the metric's name.",
		 .flags = CONF_NONEMPTY),
	CONF_TIME(struct metric_conf, max_idle_ns, "5m", "1s", NULL,
		  "A series that no record changed for this long is shown once more and then "
		  "forgotten.",
		  .key = "max_idle_duration"),
	CONF_SECTION(struct metric_conf, config, struct action_conf, &action_table,
		     "What records do to it."),
};
static const struct conf_table metric_table =
	CONF_TABLE(struct metric_conf, metric_fields, .check = metric_check);

static bool is_metric_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != ':' && !label_name_is_valid(str_sub(name, i, i + 1)) &&
		    !(i && name.p[i] >= '0' && name.p[i] <= '9'))
			return false;
	return name.n > 0 && name.n <= 256;
}

static struct str full_name(const struct metric_conf *m, struct buf *out)
{
	buf_clear(out);
	buf_str(out, m->prefix);
	buf_str(out, m->name);
	buf_cstr(out);
	return buf_as_str(out);
}

static void metrics_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct metrics_conf *conf = arg;
	const struct metric_conf *items = conf->metrics.items;
	struct buf name = BUF_INIT;

	for (size_t i = 0; i < conf->metrics.n; i++) {
		struct str full = full_name(&items[i], &name);

		if (!is_metric_name(full))
			conf_error(doc, map_node(node, items[i].name, false),
				   "'" STR_FMT
				   "' is no valid metric name: letters, digits, _ and :",
				   STR_ARG(full));
		else if (str_starts(full, STR("tailrace_")))
			conf_error(doc, map_node(node, items[i].name, false),
				   "names that begin with tailrace_ are taken");
	}
	buf_fini(&name);
}

static const struct conf_field metrics_fields[] = {
	CONF_NAMED(
		struct metrics_conf, metrics, &metric_table,
		"Metrics by name. They have the labels of the record at this place of the "
		"pipeline, but for those that begin with `__`.",
		.flags = CONF_BODY,
		.example =
			"{lines_total: {type: Counter, config: {match_all: true, action: inc}}}"),
};
static const struct conf_table metrics_table =
	CONF_TABLE(struct metrics_conf, metrics_fields, .check = metrics_check);

struct one {
	const struct metric_conf *conf;
	struct series_set *set;
	uint16_t key;
};

struct metrics_state {
	struct one *items;
	size_t n;
	struct metric *errors;
};

static int open_one(struct one *one, const struct metric_conf *m, struct err *err)
{
	struct series_conf conf = { .type = m->type,
				    .help = m->description,
				    .max_idle_ns = m->max_idle_ns };
	struct buf name = BUF_INIT;
	int rc = intern_name(m->source.p ? m->source : m->name, &one->key, err);

	one->conf = m;
	conf.name = full_name(m, &name);
	if (m->type == SERIES_HISTOGRAM)
		read_buckets(&m->config.buckets, &conf);
	if (rc == 0)
		rc = series_open(&conf, &one->set, err);
	buf_fini(&name);
	return rc;
}

static int metrics_open(struct stage *s, struct err *err)
{
	const struct metrics_conf *conf = s->conf;
	const struct metric_conf *items = conf->metrics.items;
	struct metrics_state *state = s->state;
	int rc = 0;

	state->errors = stage_errors(s);
	state->items = mem_array(conf->metrics.n + 1, sizeof(*state->items));
	for (size_t i = 0; i < conf->metrics.n && rc == 0; i++)
		rc = open_one(&state->items[state->n++], &items[i], err);
	return rc;
}

/* As Go's strconv.ParseFloat: hexadecimal with an exponent only, no blanks; what is too large is no
 * number. */
static bool parse_float(struct str s, double *ret)
{
	char text[64], *end;

	if (!s.n || s.n >= sizeof(text) || s.p[0] <= ' ' || memchr(s.p, '(', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (strpbrk(text, "xX") && !strpbrk(text, "pP"))
		return false;
	*ret = strtod(text, &end);
	return end == text + s.n && (!isinf(*ret) || strpbrk(text, "iI"));
}

/* Go's durations have signs. */
static bool parse_seconds(struct str s, double *ret)
{
	bool is_negative = str_starts(s, STR("-"));
	int64_t ns;

	if (!str_duration(str_skip(s, is_negative || str_starts(s, STR("+"))), &ns))
		return false;
	*ret = (double)ns / (double)NS_PER_S;
	*ret = is_negative ? -*ret : *ret;
	return true;
}

/* promtail.md 6.3: a number, a truth value, or a duration in seconds. */
static bool number_of(const struct attr *a, double *ret)
{
	struct str text = attr_value(a);

	if (a->type == ATTR_NULL)
		return false;
	if (a->type == ATTR_BOOL) {
		*ret = str_is(text, "true");
		return true;
	}
	return parse_float(text, ret) || parse_seconds(text, ret);
}

static void change(struct series *series, const struct metric_conf *m, double x)
{
	if (m->type == SERIES_HISTOGRAM)
		series_observe(series, x);
	else if (m->config.action == ACTION_SET)
		series_set(series, x);
	else
		series_add(series, m->config.action >= ACTION_DEC ? -x : x);
}

/* What the record changes the metric by; false when nothing. */
static bool takes(const struct one *one, const struct batch *b, const struct rec *r, double *ret,
		  bool *ret_is_bad)
{
	const struct action_conf *c = &one->conf->config;
	bool is_one = one->conf->type != SERIES_HISTOGRAM &&
		      (c->action == ACTION_INC || c->action == ACTION_DEC);
	struct attr a;

	*ret = 1;
	if (c->match_all) {
		if (c->count_entry_bytes)
			*ret = (double)r->line.n;
		return is_one || c->count_entry_bytes;
	}
	if (!rec_get(b, r, one->key, &a))
		return false;
	if (c->value.p && (a.type == ATTR_NULL || !str_eq(attr_value(&a), c->value)))
		return false;
	if (is_one)
		return true;
	/* A counter that falls would be a restart to Prometheus. */
	*ret_is_bad |= !number_of(&a, ret) || (one->conf->type == SERIES_COUNTER && !(*ret >= 0));
	return !*ret_is_bad;
}

static void metrics_run(struct stage *s, struct batch *b)
{
	struct metrics_state *state = s->state;
	int64_t now_ns = clock_mono_ns(), bad = 0;

	for (size_t i = 0; i < state->n; i++) {
		struct one *one = &state->items[i];

		series_begin(one->set, now_ns);
		BATCH_FOR(b, r)
		{
			struct series *series;
			bool is_bad = false;
			double x;

			if (takes(one, b, r, &x, &is_bad)) {
				series = series_find(one->set, rec_labels(b, r));
				if (series)
					change(series, one->conf, x);
			}
			bad += is_bad;
		}
	}
	if (bad)
		metric_add(state->errors, bad);
}

static void metrics_close(struct stage *s)
{
	struct metrics_state *state = s->state;

	for (size_t i = 0; i < state->n; i++)
		series_close(state->items[i].set);
	mem_free(state->items);
}

const struct stage_ops stage_metrics = {
	.name = "metrics",
	.summary = "makes counters, gauges and histograms on /metrics of records",
	.doc = "Semantics are Promtail's, with these differences: metrics of one name in several "
	       "stages add up instead of colliding; what is no number, and a negative one for a "
	       "counter, "
	       "is counted in `tailrace_stage_errors_total` and changes nothing; a metric has at "
	       "most "
	       "10,000 series, and what is beyond is counted in "
	       "`tailrace_custom_metric_overflow_total`. Stand it behind `redact`: labels are "
	       "shown.",
	.conf = &metrics_table,
	.state_size = sizeof(struct metrics_state),
	.open = metrics_open,
	.run = metrics_run,
	.close = metrics_close,
};
