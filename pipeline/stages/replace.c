/* SPDX-License-Identifier: Apache-2.0 */
/* Stage replace: the captured parts of every match are replaced by a text. */
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/stages/fill.h"
#include "pipeline/stages/names.h"
#include "pipeline/stages/source.h"

struct replace_conf {
	struct str expression;
	struct str source;
	struct str replace;
};

/* ---- options ---- */

static void replace_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct replace_conf *conf = arg;

	check_pattern(doc, node, "expression", conf->expression);
	check_template(doc, node, "replace", conf->replace);
}

static const struct conf_field replace_fields[] = {
	CONF_STR(struct replace_conf, expression, NULL,
		 "Regular expression in Go's RE2 syntax with at least one group. In every match "
		 "the text of its groups is replaced; what is outside of groups stays. Named "
		 "groups also become extracted values, with the replaced text.",
		 .flags = CONF_REQUIRED, .example = "password=(\\S+)"),
	CONF_STR(struct replace_conf, source, NULL,
		 "Extracted value to change. Without it: the line.", .flags = CONF_NONEMPTY),
	CONF_STR(
		struct replace_conf, replace, "",
		"The new text, a Go template (see stage `template`): `{{ .Value }}` stands for the "
		"old text, `{{ .name }}` for extracted values.",
		.example = "'****'"),
};
static const struct conf_table replace_table =
	CONF_TABLE(struct replace_conf, replace_fields, .check = replace_check);

/* ---- at work ---- */

/* A short match with a long replacement must not blow up a line. */
#define RESULT_BYTES_MAX ((size_t)1024 * 1024)

struct replace {
	struct pattern *pattern;
	struct source_text source;
	struct template *template;
	struct template_runner *runner;
	struct buf result, rendered;
	uint16_t *keys; /* of group g at [g]; meaningful for named ones */
	struct metric *errors;
	/* of the record at hand */
	struct fill fill;
	int64_t now_ns;
	bool has_failed; /* a template did: the record stays as it is */
};

static void render(struct replace *x, struct str value, struct buf *out)
{
	const struct template_data data = { &x->fill, fill_get, fill_each };

	x->fill.value = value.p ? value : STR("");
	if (template_run(x->template, x->runner, &data, x->now_ns, out, NULL))
		x->has_failed = true;
}

static int replace_open(struct stage *s, struct err *err)
{
	const struct replace_conf *conf = s->conf;
	struct replace *x = s->state;
	int rc = pattern_compile(conf->expression, 0, &x->pattern, err);

	if (rc)
		return rc;
	rc = template_parse(conf->replace, &x->template, err);
	if (rc)
		return rc;
	x->runner = template_runner_new(chain_scratch(s->chain));
	x->errors = stage_errors(s);
	x->source = source_text(conf->source);
	x->keys = mem_array(pattern_groups(x->pattern) + 1, sizeof(*x->keys));
	for (unsigned g = 1; g <= pattern_groups(x->pattern); g++)
		if (pattern_group_name(x->pattern, g).n)
			x->keys[g] = key_intern(pattern_group_name(x->pattern, g));
	return 0;
}

/* What the first match's groups held, for the extracted values at the end. */
struct first_match {
	bool is_there, saw_empty;
	size_t ov[PATTERN_OVECTOR_MAX];
};

/* Replaces the groups of one match; *end is where the last replaced region ended. */
static void replace_groups(struct replace *x, struct str text, const size_t *ov, size_t *end,
			   struct first_match *first)
{
	for (unsigned g = 1; g <= pattern_groups(x->pattern); g++) {
		size_t from = ov[2 * g], to = ov[2 * g + 1];

		if (from == PATTERN_UNSET)
			continue;
		first->saw_empty |= from == to;
		if (from < *end)
			continue; /* inside a group that is replaced already */
		buf_str(&x->result, str_sub(text, *end, from));
		render(x, str_sub(text, from, to), &x->result);
		*end = to;
	}
}

/* Named groups of the first match become extracted. Promtail looks the new text up by the old one,
 * so a group without a part in the match gets that of an empty group, if there was one. */
static void extract(struct replace *x, struct batch *b, struct rec *r, struct str text,
		    const struct first_match *first)
{
	for (unsigned g = 1; g <= pattern_groups(x->pattern); g++) {
		const size_t *at = &first->ov[2 * g];
		struct str value = STR("");

		if (!pattern_group_name(x->pattern, g).n)
			continue;
		if (at[0] != PATTERN_UNSET)
			value = str_sub(text, at[0], at[1]);
		else if (!first->saw_empty)
			continue;
		buf_clear(&x->rendered);
		render(x, value, &x->rendered);
		rec_attr(b, r, x->keys[g], ATTR_EXTRACTED, ATTR_STRING,
			 fill_result(b, &x->rendered));
	}
}

/* Returns 1 when the text matched and x->result is the new one, 0 when not, negative for a match
 * that was given up. */
static int replace_text(struct replace *x, struct pattern_scratch *scratch, struct str text,
			struct first_match *first)
{
	size_t ov[PATTERN_OVECTOR_MAX], end = 0;
	struct pattern_find find = { 0 };
	int rc;

	buf_clear(&x->result);
	x->result.is_cut = false;
	x->result.max = 2 * text.n > RESULT_BYTES_MAX ? 2 * text.n : RESULT_BYTES_MAX;
	first->is_there = first->saw_empty = false;
	while ((rc = pattern_find_next(x->pattern, scratch, text, &find, ov)) == PATTERN_MATCH &&
	       !x->result.is_cut && !x->has_failed) {
		if (!first->is_there)
			memcpy(first->ov, ov, 2 * (pattern_groups(x->pattern) + 1) * sizeof(*ov));
		first->is_there = true;
		replace_groups(x, text, ov, &end, first);
	}
	buf_str(&x->result, str_skip(text, end));
	return rc < 0 ? rc : first->is_there;
}

static void replace_run(struct stage *s, struct batch *b)
{
	struct replace *x = s->state;
	struct first_match first;
	uint64_t given_up = 0;
	int64_t failed = 0;

	x->now_ns = clock_wall_ns();

	BATCH_FOR(b, r)
	{
		struct str text, result;
		int rc;

		if (!source_get(x->source, b, r, &text))
			continue;
		x->fill = (struct fill){ .batch = b, .rec = r };
		x->has_failed = false;
		rc = replace_text(x, chain_scratch(s->chain), text, &first);
		given_up += rc < 0;
		failed += rc > 0 && (x->result.is_cut || x->has_failed);
		if (rc <= 0 || x->result.is_cut || x->has_failed)
			continue;
		result = fill_result(b, &x->result);
		if (x->source.is_line)
			r->line = result;
		else
			rec_attr(b, r, x->source.key, ATTR_EXTRACTED, ATTR_STRING, result);
		extract(x, b, r, text, &first);
	}
	count_given_up(s, given_up);
	if (failed)
		metric_add(x->errors, failed);
}

static void replace_close(struct stage *s)
{
	struct replace *x = s->state;

	pattern_free(x->pattern);
	template_free(x->template);
	template_runner_free(x->runner);
	mem_free(x->keys);
	buf_fini(&x->result);
	buf_fini(&x->rendered);
}

const struct stage_ops stage_replace = {
	.name = "replace",
	.summary = "replaces what the groups of a regular expression capture",
	.conf = &replace_table,
	.state_size = sizeof(struct replace),
	.open = replace_open,
	.run = replace_run,
	.close = replace_close,
};
