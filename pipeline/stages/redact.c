/* SPDX-License-Identifier: Apache-2.0 */
/* Stage redact: replaces secrets in the line, in metadata and extracted values, and in labels. */
#include "lib/mem.h"
#include "lib/metric.h"
#include "pipeline/labels.h"
#include "pipeline/pattern.h"
#include "pipeline/redact.h"
#include "pipeline/stage.h"

/* ---- options ---- */

struct redact_pattern_conf {
	struct str name;
	struct str expression;
	struct str replacement;
};

struct redact_conf {
	uint32_t detectors;
	struct conf_sections patterns;
	struct str replacement;
	struct conf_list except;
};

static struct redact_options options_of(const struct redact_conf *conf, struct redact_rule *rules)
{
	const struct redact_pattern_conf *patterns = conf->patterns.items;

	for (size_t i = 0; i < conf->patterns.n; i++)
		rules[i] = (struct redact_rule){ patterns[i].name, patterns[i].expression,
						 patterns[i].replacement };
	return (struct redact_options){ conf->detectors, rules, conf->patterns.n,
					conf->replacement };
}

/* Eight of these would cost more than all the rest of the agent together. */
static void warn_if_slow(struct conf_doc *doc, const struct conf_node *at, struct str expr)
{
	struct pattern *p;

	if (pattern_compile(expr, 0, &p, NULL) == 0 && !pattern_has_prefilter(p))
		conf_notice(doc, at,
			    "no text is in every match of this pattern, so it is tried at every "
			    "byte of every line");
	pattern_free(p);
}

static void redact_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct redact_conf *conf = arg;
	const struct conf_node *list = conf_get(node, "patterns");
	struct redact_rule rules[REDACT_RULES_MAX];
	struct redact *r;

	if (conf->patterns.n > REDACT_RULES_MAX) {
		conf_error(doc, list, "more than %d patterns", REDACT_RULES_MAX);
		return;
	}
	if (!conf->detectors && !conf->patterns.n)
		conf_error(doc, node, "needs detectors or patterns");
	/* One by one, so that every mistake is reported at its place. */
	for (size_t i = 0; i <= conf->patterns.n; i++) {
		struct redact_options o = options_of(conf, rules);
		struct err err = ERR_NONE;
		const struct conf_node *at = node;

		o.nrules = i < conf->patterns.n;
		o.rules = rules + i;
		if (i < conf->patterns.n)
			o.replacement = STR_NONE;
		else
			at = conf_get(node, "replacement");
		if (i < conf->patterns.n && list && list->kind == CONF_SEQ && i < list->n)
			at = list->items[i];
		if (redact_new(&o, &r, &err))
			conf_error(doc, at, "%s", err.text);
		else if (i < conf->patterns.n)
			warn_if_slow(doc, at, rules[i].expression);
		redact_free(r);
	}
}

static const struct conf_enum redact_detectors[] = {
	{ "card", REDACT_CARD, "payment card numbers: issuer, length and check digit are right" },
	{ "email", REDACT_EMAIL, "e-mail addresses" },
	{ "ipv4", REDACT_IPV4, "IPv4 addresses" },
	{ "bearer", REDACT_BEARER, "the token behind `Bearer`" },
	{ "basic", REDACT_BASIC, "the credentials behind `Basic`" },
	{ "key_value", REDACT_KEY_VALUE,
	  "values of keys that end in password, passwd, pwd, secret, token, api_key, access_key, "
	  "private_key, secret_key or authorization" },
	{ NULL },
};

static const struct conf_field redact_pattern_fields[] = {
	CONF_STR(struct redact_pattern_conf, name, NULL,
		 "Stands in the replacement and in `tailrace_redacted_total`.",
		 .flags = CONF_REQUIRED, .example = "employee"),
	CONF_STR(struct redact_pattern_conf, expression, NULL,
		 "Regular expression in Go's RE2 syntax. What its first group captures is "
		 "replaced, the whole match when there is none.",
		 .flags = CONF_REQUIRED, .example = "\\bE[0-9]{6}\\b"),
	CONF_STR(struct redact_pattern_conf, replacement, NULL,
		 "Instead of `<redacted:NAME>`; at most 128 bytes."),
};
static const struct conf_table redact_pattern_table =
	CONF_TABLE(struct redact_pattern_conf, redact_pattern_fields);

static const struct conf_field redact_fields[] = {
	CONF_FLAGS(struct redact_conf, detectors, "[card, email, bearer, basic, key_value]",
		   redact_detectors, "What to look for."),
	CONF_SECTIONS(struct redact_conf, patterns, &redact_pattern_table,
		      "Own patterns, at most 64."),
	CONF_STR(struct redact_conf, replacement, NULL,
		 "What stands in place of a secret, instead of `<redacted:DETECTOR>`; at most 128 "
		 "bytes.",
		 .example = "'****'"),
	CONF_LIST(struct redact_conf, except, NULL,
		  "Names of labels, metadata and extracted values that are left as they are.",
		  .example = "[host]"),
};
static const struct conf_table redact_table =
	CONF_TABLE(struct redact_conf, redact_fields, .check = redact_check);

/* ---- state ---- */

enum { NAME_UNKNOWN, NAME_PLAIN, NAME_SECRET, NAME_EXCEPT };

struct redact_state {
	struct redact *redact;
	struct redact_scratch scratch;
	struct metric *hits[REDACT_KINDS_MAX], *failed;
	size_t nkinds;
	uint8_t names[KEY_MAX]; /* by key: one of NAME_*, found out at the first sight */
	/* The last label set of this batch and what became of it. */
	const struct labels *labels_from, *labels_to;
};

static int redact_open(struct stage *s, struct err *err)
{
	struct redact_rule rules[REDACT_RULES_MAX];
	struct redact_options o = options_of(s->conf, rules);
	struct redact_state *x = s->state;
	const char *pipeline = chain_pipeline(s->chain);
	int rc = redact_new(&o, &x->redact, err);

	if (rc)
		return rc;
	x->nkinds = REDACT_KIND_RULES + o.nrules;
	for (unsigned k = 0; k < x->nkinds; k++)
		x->hits[k] = metric_get(METRIC_REDACTED, "pipeline", pipeline, "detector",
					redact_kind_name(x->redact, k), NULL);
	x->failed = metric_get(METRIC_REDACT_FAILED, "pipeline", pipeline, NULL);
	return 0;
}

static void redact_close(struct stage *s)
{
	struct redact_state *x = s->state;

	redact_free(x->redact);
	redact_scratch_fini(&x->scratch);
}

/* ---- names ---- */

static int name_kind(const struct stage *s, struct str name)
{
	const struct redact_conf *conf = s->conf;
	const struct redact_state *x = s->state;

	for (size_t i = 0; i < conf->except.n; i++)
		if (str_eq(conf->except.items[i], name))
			return NAME_EXCEPT;
	return redact_is_secret_name(x->redact, name) ? NAME_SECRET : NAME_PLAIN;
}

static int attr_kind_of_name(const struct stage *s, const struct attr *a)
{
	struct redact_state *x = s->state;

	if (a->key == KEY_INLINE)
		return name_kind(s, attr_name(a));
	if (x->names[a->key] == NAME_UNKNOWN)
		x->names[a->key] = (uint8_t)name_kind(s, key_name(a->key));
	return x->names[a->key];
}

/* ---- a record ---- */

static void set_value(struct batch *b, struct rec *r, unsigned i, struct str value)
{
	struct attr *a = &r->attrs[i];
	enum attr_kind kind = a->kind;

	if (a->key == KEY_INLINE) { /* the name stands in front of the value */
		a->kind = ATTR_GONE;
		rec_attr_inline(b, r, attr_name(a), kind, value);
		return;
	}
	a->p = value.p;
	a->n = (uint32_t)value.n;
	a->type = ATTR_STRING;
}

static bool is_part_of(struct str line, struct str value)
{
	return value.n && value.p >= line.p && value.p + value.n <= line.p + line.n;
}

/* Values that are slices of the line share its fate: `password=x` is found in the line, while the
 * slice `x` alone would tell nothing. n: result of redact_find() on the line. */
static void redact_slices(struct stage *s, struct batch *b, struct rec *r, struct str line, int n)
{
	struct redact_state *x = s->state;

	for (unsigned i = 0, end = r->nattrs; n && i < end; i++) {
		struct attr *a = &r->attrs[i];
		struct str value = attr_value(a);
		size_t from = (size_t)(value.p - line.p);
		bool changed = true;

		if (a->kind == ATTR_GONE || !is_part_of(line, value) ||
		    attr_kind_of_name(s, a) != NAME_PLAIN)
			continue;
		if (n < 0)
			value = STR(REDACT_ERROR_TEXT);
		else
			value = redact_write_part(x->redact, &x->scratch, line, from,
						  from + value.n, &b->arena, &changed);
		if (changed)
			set_value(b, r, i, value);
	}
}

static bool redact_values(struct stage *s, struct batch *b, struct rec *r, struct str line)
{
	struct redact_state *x = s->state;
	bool failed = false;

	for (unsigned i = 0, end = r->nattrs; i < end; i++) {
		struct attr *a = &r->attrs[i];
		struct str value = attr_value(a);
		int kind, rc;

		if (a->kind == ATTR_GONE || a->type == ATTR_NULL || !a->n)
			continue;
		kind = attr_kind_of_name(s, a);
		if (kind == NAME_SECRET)
			set_value(b, r, i, redact_name_text(x->redact, &x->scratch));
		if (kind != NAME_PLAIN || is_part_of(line, value))
			continue;
		rc = redact_text(x->redact, &x->scratch, chain_scratch(s->chain), &value, false,
				 &b->arena);
		failed |= rc < 0;
		if (rc)
			set_value(b, r, i, value);
	}
	return failed;
}

static void redact_rec(struct stage *s, struct batch *b, struct rec *r)
{
	struct redact_state *x = s->state;
	struct str line = r->line;
	bool failed;
	int n = redact_find(x->redact, &x->scratch, chain_scratch(s->chain), line,
			    (r->flags & REC_CUT) != 0);

	failed = n < 0;
	if (failed) {
		r->line = STR(REDACT_ERROR_TEXT);
		x->scratch.failed++;
	} else if (n > 0) {
		uint64_t before = x->scratch.failed;

		r->line = redact_write(x->redact, &x->scratch, line, &b->arena);
		failed = x->scratch.failed != before;
	}
	if (r->nattrs) {
		redact_slices(s, b, r, line, failed ? -1 : n);
		failed |= redact_values(s, b, r, line);
	}
	if (failed)
		r->flags |= REC_REDACT_FAILED;
}

/* ---- labels ---- */

/* The same set without secrets: itself mostly. NULL when the table has no room for the new one. */
static const struct labels *clean_labels(struct stage *s, struct batch *b, const struct labels *l)
{
	struct redact_state *x = s->state;
	struct label changes[LABELS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < l->n && n < LABELS_MAX; i++) {
		struct label c = l->items[i];
		int kind = name_kind(s, c.name);

		if (kind == NAME_EXCEPT || str_is(c.name, LABEL_TENANT))
			continue;
		if (kind == NAME_SECRET)
			c.value = redact_name_text(x->redact, &x->scratch);
		else if (!redact_text(x->redact, &x->scratch, chain_scratch(s->chain), &c.value,
				      false, &b->arena))
			continue;
		changes[n++] = c;
	}
	return n ? labels_with(chain_labels(s->chain), l, changes, n) : l;
}

static const struct labels *clean_labels_cached(struct stage *s, struct batch *b,
						const struct labels *l)
{
	struct redact_state *x = s->state;

	if (l != x->labels_from) {
		x->labels_from = l;
		x->labels_to = clean_labels(s, b, l);
	}
	return x->labels_to;
}

/* Inside a match: the batch's labels stay, for the records that were not selected. */
static void redact_selected_labels(struct batch *b, const struct labels *clean)
{
	const struct labels *l = b->labels;

	BATCH_FOR(b, r)
	{
		if (!r->labels)
			r->labels = clean;
		/* Stages read the labels of the batch where nothing newer has the name. */
		for (uint32_t i = 0; i < l->n; i++) {
			struct str value = labels_get(clean, l->items[i].name);

			if (!str_eq(value, l->items[i].value))
				rec_attr_inline(b, r, l->items[i].name, ATTR_EXTRACTED, value);
		}
	}
}

/* False when the batch's own labels have a secret and there is no room for others. */
static bool redact_batch_labels(struct stage *s, struct batch *b)
{
	const struct labels *clean = b->labels ? clean_labels(s, b, b->labels) : NULL;
	bool all = true;

	if (clean == b->labels)
		return true;
	if (!clean)
		return false;
	for (uint32_t i = 0; i < b->nrecs; i++)
		all &= !(b->recs[i].flags & REC_SKIP);
	if (all)
		b->labels = clean;
	else
		redact_selected_labels(b, clean);
	return true;
}

/* ---- the stage ---- */

static void count(struct redact_state *x)
{
	for (size_t k = 0; k < x->nkinds; k++) {
		if (!x->scratch.hits[k])
			continue;
		metric_add(x->hits[k], (int64_t)x->scratch.hits[k]);
		x->scratch.hits[k] = 0;
	}
	if (x->scratch.failed)
		metric_add(x->failed, (int64_t)x->scratch.failed);
	x->scratch.failed = 0;
}

static void redact_run(struct stage *s, struct batch *b)
{
	struct redact_state *x = s->state;
	bool batch_done = redact_batch_labels(s, b);
	uint64_t dropped = 0;

	x->labels_from = NULL;
	BATCH_FOR(b, r)
	{
		redact_rec(s, b, r);
		if (r->labels) {
			r->labels = clean_labels_cached(s, b, r->labels);
			if (r->labels)
				continue;
		} else if (batch_done) {
			continue;
		}
		/* No room for another label set: rather no record than one with its secret. */
		r->flags |= REC_DROP;
		dropped++;
	}
	if (dropped)
		chain_count_drop(s->chain, "redact_failed", dropped);
	count(x);
}

const struct stage_ops stage_redact = {
	.name = "redact",
	.summary = "replaces passwords, tokens, card numbers and other secrets",
	.conf = &redact_table,
	.state_size = sizeof(struct redact_state),
	.open = redact_open,
	.run = redact_run,
	.close = redact_close,
};
