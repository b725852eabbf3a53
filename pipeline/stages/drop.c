/* SPDX-License-Identifier: Apache-2.0 */
/* Stages drop and keep: remove the records for which all given conditions hold, or the others. */
#include "lib/clock.h"
#include "pipeline/stages/source.h"

struct drop_conf {
	struct conf_list source;
	struct str separator, expression, value;
	int64_t older_than_ns;
	size_t longer_than_bytes;
	struct str drop_counter_reason;
};

static void drop_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct drop_conf *conf = arg;

	if (conf->expression.p)
		check_pattern(doc, node, "expression", conf->expression);
	if (conf->expression.p && conf->value.p)
		conf_error(doc, conf_get(node, "value"), "either value or expression, not both");
	if (conf->value.p && !conf->source.n)
		conf_error(doc, conf_get(node, "value"),
			   "value is compared with source, which is "
			   "missing");
	if (!conf->source.n && !conf->expression.p && !conf->older_than_ns &&
	    !conf->longer_than_bytes)
		conf_error(doc, node,
			   "needs at least one of source, expression, older_than, "
			   "longer_than");
}

/* What both stages test a record for. */
#define CONTENT_FIELDS(verbs)                                                                      \
	CONF_LIST(struct drop_conf, source, NULL,                                                  \
		  "Names of extracted values. Alone: " verbs " records that have all of them. "    \
		  "With `expression` or `value`: those a record has, joined with `separator`, "    \
		  "are tested.",                                                                   \
		  .example = "[level]"),                                                           \
		CONF_STR(struct drop_conf, separator, ";",                                         \
			 "Between the values of several sources."),                                \
		CONF_STR(struct drop_conf, expression, NULL,                                       \
			 "Regular expression, not anchored, that must match the sources, or the "  \
			 "line when there are none."),                                             \
		CONF_STR(struct drop_conf, value, NULL, "What the sources must be equal to.")

static const struct conf_field drop_fields[] = {
	CONTENT_FIELDS("drops"),
	CONF_TIME(struct drop_conf, older_than_ns, NULL, NULL, NULL,
		  "Drops records older than this, by their own time.", .key = "older_than",
		  .example = "24h"),
	CONF_SIZE(struct drop_conf, longer_than_bytes, NULL, NULL, NULL,
		  "Drops records with a line of more bytes than this.", .key = "longer_than",
		  .example = "8KB"),
	CONF_STR(struct drop_conf, drop_counter_reason, "drop_stage",
		 "The `reason` under which `tailrace_stage_dropped_total` counts them."),
};
static const struct conf_table drop_table =
	CONF_TABLE(struct drop_conf, drop_fields, .check = drop_check);

static const struct conf_field keep_fields[] = {
	CONTENT_FIELDS("keeps"),
	CONF_STR(struct drop_conf, drop_counter_reason, "keep_stage",
		 "The `reason` under which `tailrace_stage_dropped_total` counts the others."),
};
static const struct conf_table keep_table =
	CONF_TABLE(struct drop_conf, keep_fields, .check = drop_check);

#define SOURCES_MAX 64

struct drop {
	struct pattern *pattern;
	size_t nkeys;
	uint16_t keys[SOURCES_MAX];
};

static int drop_open(struct stage *s, struct err *err)
{
	const struct drop_conf *conf = s->conf;
	struct drop *d = s->state;

	if (conf->source.n > SOURCES_MAX)
		return err_set(err, -1, "source: more than %d names", SOURCES_MAX);
	for (size_t i = 0; i < conf->source.n; i++)
		d->keys[d->nkeys++] = key_intern(conf->source.items[i]);
	if (conf->expression.p)
		return pattern_compile(conf->expression, 0, &d->pattern, err);
	return 0;
}

/* The values the record has, joined. False when one of them has no text. */
static bool join(const struct drop *d, struct str separator, struct batch *b, struct rec *r,
		 struct str *ret)
{
	struct str values[SOURCES_MAX];
	struct attr a;
	size_t n = 0, bytes = 0;
	char *p;

	for (size_t i = 0; i < d->nkeys; i++) {
		if (!rec_get(b, r, d->keys[i], &a))
			continue;
		if (a.type == ATTR_NULL)
			return false;
		values[n++] = attr_value(&a);
		bytes += a.n + separator.n;
	}
	if (n <= 1) {
		*ret = n ? values[0] : STR("");
		return true;
	}
	p = arena_bytes(&b->arena, bytes);
	*ret = str_make(p, bytes - separator.n);
	for (size_t i = 0; i < n; i++) {
		if (i && separator.n)
			p = (char *)memcpy(p, separator.p, separator.n) + separator.n;
		if (values[i].n)
			p = (char *)memcpy(p, values[i].p, values[i].n) + values[i].n;
	}
	return true;
}

static bool has_all(const struct drop *d, const struct batch *b, const struct rec *r)
{
	struct attr a;

	for (size_t i = 0; i < d->nkeys; i++)
		if (!rec_get(b, r, d->keys[i], &a))
			return false;
	return true;
}

/* 1, 0, or PATTERN_ERROR. */
static int text_condition(struct stage *s, struct batch *b, struct rec *r)
{
	const struct drop_conf *conf = s->conf;
	const struct drop *d = s->state;
	struct str text = r->line;

	if (!d->pattern && !conf->value.p)
		return has_all(d, b, r);
	if (d->nkeys && !join(d, conf->separator, b, r, &text))
		return 0;
	if (!d->pattern)
		return str_eq(text, conf->value);
	return pattern_match(d->pattern, chain_scratch(s->chain), text, 0, NULL);
}

/* A match that was given up decides nothing: the record stays. */
static void keep_run(struct stage *s, struct batch *b)
{
	const struct drop_conf *conf = s->conf;
	uint64_t dropped = 0, given_up = 0;
	int rc;

	BATCH_FOR(b, r)
	{
		rc = text_condition(s, b, r);
		given_up += rc < 0;
		if (rc != 0)
			continue;
		r->flags |= REC_DROP;
		dropped++;
	}
	if (dropped)
		stage_dropped(s, b, conf->drop_counter_reason.p, dropped);
	count_given_up(s, given_up);
}

static void drop_run(struct stage *s, struct batch *b)
{
	const struct drop_conf *conf = s->conf;
	int64_t oldest_ns = conf->older_than_ns ? clock_wall_ns() - conf->older_than_ns : INT64_MIN;
	uint64_t dropped = 0, given_up = 0;
	int rc;

	BATCH_FOR(b, r)
	{
		if (conf->longer_than_bytes && r->line.n <= conf->longer_than_bytes)
			continue;
		if (conf->older_than_ns && r->time_ns >= oldest_ns)
			continue;
		rc = text_condition(s, b, r);
		given_up += rc < 0;
		if (rc != 1)
			continue;
		r->flags |= REC_DROP;
		dropped++;
	}
	if (dropped)
		stage_dropped(s, b, conf->drop_counter_reason.p, dropped);
	count_given_up(s, given_up);
}

static void drop_close(struct stage *s)
{
	struct drop *d = s->state;

	pattern_free(d->pattern);
}

const struct stage_ops stage_drop = {
	.name = "drop",
	.summary = "removes records by content, age or length",
	.conf = &drop_table,
	.state_size = sizeof(struct drop),
	.open = drop_open,
	.run = drop_run,
	.close = drop_close,
};

const struct stage_ops stage_keep = {
	.name = "keep",
	.summary = "removes records that do not have a content",
	.conf = &keep_table,
	.state_size = sizeof(struct drop),
	.open = drop_open,
	.run = keep_run,
	.close = drop_close,
};
