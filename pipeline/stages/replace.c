/* SPDX-License-Identifier: Apache-2.0 */
/* Stage replace: the captured parts of every match are replaced by a text. */
#include "lib/mem.h"
#include "pipeline/stages/source.h"

struct replace_conf {
	struct str expression;
	struct str source;
	struct str replace;
};

/* ---- the template: text with {{ .Value }} in it ---- */

struct piece {
	struct str text; /* p == NULL: the captured text */
};

struct template
{
	size_t n;
	struct piece *pieces; /* texts borrow from the configuration */
};

static bool is_value(struct str action)
{
	return str_is(str_trim(action), ".Value");
}

/* Returns 0, or -1 with err when there is more in it than {{ .Value }}. */
static int template_parse(struct str text, struct template *t, struct err *err)
{
	t->pieces = mem_array(text.n / 2 + 2, sizeof(*t->pieces));
	t->n = 0;
	while (text.n) {
		size_t open = str_find(text, STR("{{")), close;

		if (open)
			t->pieces[t->n++].text = str_sub(text, 0, open);
		text = str_skip(text, open);
		if (!text.n)
			break;
		close = str_find(text, STR("}}"));
		if (close == text.n)
			return err_set(err, -1, "{{ without }}");
		if (!is_value(str_sub(text, 2, close)))
			return err_set(err, -1,
				       "{{" STR_FMT "}}: only {{ .Value }} is supported "
				       "so far",
				       STR_ARG(str_sub(text, 2, close)));
		t->pieces[t->n++].text = STR_NONE;
		text = str_skip(text, close + 2);
	}
	return 0;
}

static void template_render(const struct template *t, struct str value, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++)
		buf_str(out, t->pieces[i].text.p ? t->pieces[i].text : value);
}

/* ---- options ---- */

static void replace_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct replace_conf *conf = arg;
	struct template t;
	struct err err = ERR_NONE;

	check_pattern(doc, node, "expression", conf->expression);
	if (template_parse(conf->replace, &t, &err))
		conf_error(doc, conf_get(node, "replace"), "%s", err.text);
	mem_free(t.pieces);
}

static const struct conf_field replace_fields[] = {
	CONF_STR(struct replace_conf, expression, NULL,
		 "Regular expression in Go's RE2 syntax with at least one group. In every match "
		 "the text of its groups is replaced; what is outside of groups stays. Named "
		 "groups also become extracted values, with the replaced text.",
		 .flags = CONF_REQUIRED, .example = "password=(\\S+)"),
	CONF_STR(struct replace_conf, source, NULL,
		 "Extracted value to change. Without it: the line.", .flags = CONF_NONEMPTY),
	CONF_STR(struct replace_conf, replace, "",
		 "The new text; `{{ .Value }}` stands for the old one.", .example = "'****'"),
};
static const struct conf_table replace_table =
	CONF_TABLE(struct replace_conf, replace_fields, .check = replace_check);

/* ---- at work ---- */

/* A short match with a long replacement must not blow up a line. */
#define RESULT_BYTES_MAX ((size_t)1024 * 1024)

struct replace {
	struct pattern *pattern;
	struct source_text source;
	struct template template;
	struct buf result, rendered;
	uint16_t *keys; /* of group g at [g]; meaningful for named ones */
};

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
		template_render(&x->template, str_sub(text, from, to), &x->result);
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
		template_render(&x->template, value, &x->rendered);
		rec_attr(b, r, x->keys[g], ATTR_EXTRACTED, ATTR_STRING,
			 arena_dup(&b->arena, buf_as_str(&x->rendered)));
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
	       !x->result.is_cut) {
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
	uint64_t given_up = 0, too_long = 0;

	BATCH_FOR(b, r)
	{
		struct str text, result;
		int rc;

		if (!source_get(x->source, b, r, &text))
			continue;
		rc = replace_text(x, chain_scratch(s->chain), text, &first);
		given_up += rc < 0;
		too_long += rc > 0 && x->result.is_cut;
		if (rc <= 0 || x->result.is_cut)
			continue;
		result = arena_dup(&b->arena, buf_as_str(&x->result));
		if (x->source.is_line)
			r->line = result;
		else
			rec_attr(b, r, x->source.key, ATTR_EXTRACTED, ATTR_STRING, result);
		extract(x, b, r, text, &first);
	}
	count_given_up(s, given_up);
	if (too_long)
		metric_add(metric_get(METRIC_STAGE_ERRORS, "pipeline", chain_pipeline(s->chain),
				      "stage", s->ops->name, NULL),
			   (int64_t)too_long);
}

static void replace_close(struct stage *s)
{
	struct replace *x = s->state;

	pattern_free(x->pattern);
	mem_free(x->template.pieces);
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
