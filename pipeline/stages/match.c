/* SPDX-License-Identifier: Apache-2.0 */
/* Stage match: stages for some of the records, or the end for them, chosen by labels and line. */
#include "pipeline/labels.h"
#include "pipeline/selector.h"
#include "pipeline/stages/source.h"

enum { ACTION_KEEP, ACTION_DROP };

struct match_conf {
	struct str selector;
	struct conf_stages stages;
	unsigned action;
	struct str pipeline_name;
	struct str drop_counter_reason;
};

static void match_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct match_conf *conf = arg;
	struct err err = ERR_NONE;
	struct selector *sel;

	if (selector_compile(conf->selector, &sel, &err))
		conf_error(doc, conf_get(node, "selector"), "%s", err.text);
	selector_free(sel);
	if (conf->action == ACTION_KEEP && !conf->stages.node)
		conf_error(doc, node, "action keep needs stages");
	if (conf->action == ACTION_DROP && conf->stages.node)
		conf_error(doc, conf_get(node, "stages"), "action drop has no stages");
}

static const struct conf_enum match_actions[] = {
	{ "keep", ACTION_KEEP, "selected records go through `stages`, then all go on" },
	{ "drop", ACTION_DROP, "selected records are removed" },
	{ NULL },
};

static const struct conf_field match_fields[] = {
	CONF_STR(struct match_conf, selector, NULL,
		 "Which records: `{label=\"value\", other=~\"expression\"}` (also `!=` and `!~`; "
		 "expressions match the whole value) and any number of line filters behind it, "
		 "`|= \"text\"`, `!= \"text\"`, `|~ \"expression\"`, `!~ \"expression\"`.",
		 .flags = CONF_REQUIRED, .example = "'{job=\"app\"} |= \"error\"'"),
	CONF_STAGES(struct match_conf, stages,
		    "Stages for the selected records. In them, labels can be read like extracted "
		    "values.",
		    .example = "[{ labels: { level: } }]"),
	CONF_ENUM(struct match_conf, action, "keep", match_actions, "What happens to them."),
	CONF_STR(struct match_conf, pipeline_name, NULL,
		 "Accepted for Promtail's sake, without effect.",
		 .flags = CONF_NONEMPTY | CONF_ADVANCED),
	CONF_STR(struct match_conf, drop_counter_reason, "match_stage",
		 "The `reason` under which `tailrace_stage_dropped_total` counts dropped ones."),
};
static const struct conf_table match_table =
	CONF_TABLE(struct match_conf, match_fields, .check = match_check);

struct match {
	struct selector *selector;
	struct stage *stages;
};

static int match_open(struct stage *s, struct err *err)
{
	const struct match_conf *conf = s->conf;
	struct match *m = s->state;
	int rc = selector_compile(conf->selector, &m->selector, err);

	return rc ? rc : stages_open(s->chain, s, &conf->stages, &m->stages, err);
}

/* Which records of a batch the selector takes. Consecutive ones mostly share their label set, and
 * equal sets are one pointer. */
struct choice {
	const struct labels *labels;
	int labels_rc;
	uint64_t given_up;
};

static bool is_selected(struct stage *s, struct choice *c, const struct batch *b,
			const struct rec *r)
{
	const struct match *m = s->state;
	struct pattern_scratch *scratch = chain_scratch(s->chain);
	const struct labels *labels = rec_labels(b, r);
	int rc;

	if (c->labels != labels || !labels) {
		c->labels = labels;
		c->labels_rc = selector_match_labels(m->selector, scratch, labels);
	}
	rc = c->labels_rc == 1 ? selector_match_line(m->selector, scratch, r->line) : c->labels_rc;
	c->given_up += rc < 0;
	return rc == 1;
}

static void drop_selected(struct stage *s, struct batch *b)
{
	const struct match_conf *conf = s->conf;
	struct choice choice = { 0 };
	uint64_t dropped = 0;

	BATCH_FOR(b, r)
	{
		if (is_selected(s, &choice, b, r)) {
			r->flags |= REC_DROP;
			dropped++;
		}
	}
	if (dropped)
		stage_dropped(s, b, conf->drop_counter_reason.p, dropped);
	count_given_up(s, choice.given_up);
}

/* Entering a list of stages copies all labels over the extracted values of their names. What is
 * visible already stays as it is. */
static void labels_to_extracted(struct batch *b, struct rec *r)
{
	const struct labels *l = rec_labels(b, r);

	if (!r->nattrs && l == b->labels)
		return;
	for (uint32_t i = 0; l && i < l->n; i++) {
		const struct attr *a = r->attrs + r->nattrs;
		const struct attr *first = r->attrs;
		struct str name = l->items[i].name, value = l->items[i].value;

		while (a > first && (a[-1].kind == ATTR_GONE || !str_eq(attr_name(&a[-1]), name)))
			a--;
		if (a > first) {
			if (a[-1].type != ATTR_NULL && str_eq(attr_value(&a[-1]), value))
				continue;
		} else if (l == b->labels || str_eq(labels_get(b->labels, name), value)) {
			continue;
		}
		rec_attr_inline(b, r, name, ATTR_EXTRACTED, value);
	}
}

static void keep_selected(struct stage *s, struct batch *b)
{
	struct match *m = s->state;
	struct choice choice = { 0 };
	uint32_t n = b->nrecs, skipped = 0;
	uint64_t *skip = arena_alloc(&b->arena, (n + 63) / 64 * sizeof(*skip));

	memset(skip, 0, (n + 63) / 64 * sizeof(*skip));
	BATCH_FOR(b, r)
	{
		size_t i = (size_t)(r - b->recs);

		if (is_selected(s, &choice, b, r)) {
			labels_to_extracted(b, r);
		} else {
			r->flags |= REC_SKIP;
			skip[i / 64] |= UINT64_C(1) << i % 64;
			skipped++;
		}
	}
	b->ngone += skipped;
	/* With none selected, too: what they hold is older than the batch. */
	stages_run(s, m->stages, b);
	b->ngone -= skipped;
	/* Only our own: an enclosing match has its own. Stages may have added records behind. */
	for (uint32_t i = 0; skipped && i < n; i++)
		if (skip[i / 64] >> i % 64 & 1)
			b->recs[i].flags &= (uint16_t)~REC_SKIP;
	count_given_up(s, choice.given_up);
}

static void match_run(struct stage *s, struct batch *b)
{
	const struct match_conf *conf = s->conf;

	if (conf->action == ACTION_DROP)
		drop_selected(s, b);
	else
		keep_selected(s, b);
}

static void match_flush(struct stage *s, struct source *source)
{
	struct match *m = s->state;

	stages_flush(m->stages, source);
}

static void match_close(struct stage *s)
{
	struct match *m = s->state;

	stages_close(m->stages);
	selector_free(m->selector);
}

const struct stage_ops stage_match = {
	.name = "match",
	.summary = "runs stages for selected records, or removes them",
	.conf = &match_table,
	.state_size = sizeof(struct match),
	.open = match_open,
	.run = match_run,
	.flush = match_flush,
	.close = match_close,
};
