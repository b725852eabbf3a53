/* SPDX-License-Identifier: Apache-2.0 */
/* Stage regex: the named groups of the first match become extracted values. */
#include "lib/mem.h"
#include "pipeline/stages/source.h"

struct regex_conf {
	struct str expression;
	struct str source;
};

static void regex_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct regex_conf *conf = arg;

	check_pattern(doc, node, "expression", conf->expression);
}

static const struct conf_field regex_fields[] = {
	CONF_STR(struct regex_conf, expression, NULL,
		 "Regular expression in Go's RE2 syntax, not anchored. Every named group "
		 "`(?P<name>...)` becomes an extracted value; one that took no part in the match "
		 "becomes empty.",
		 .flags = CONF_REQUIRED, .example = "level=(?P<level>\\w+)"),
	CONF_STR(struct regex_conf, source, NULL,
		 "Extracted value to look at. Without it: the line.", .flags = CONF_NONEMPTY),
};
static const struct conf_table regex_table =
	CONF_TABLE(struct regex_conf, regex_fields, .check = regex_check);

struct capture {
	unsigned group;
	uint16_t key;
};

struct regex {
	struct pattern *pattern;
	struct source_text source;
	unsigned ncaptures;
	struct capture *captures;
};

static int regex_open(struct stage *s, struct err *err)
{
	const struct regex_conf *conf = s->conf;
	struct regex *x = s->state;
	int rc = pattern_compile(conf->expression, 0, &x->pattern, err);

	if (rc)
		return rc;
	x->source = source_text(conf->source);
	x->captures = mem_array(pattern_groups(x->pattern) + 1, sizeof(*x->captures));
	/* In the order of the groups: of two with one name the later one is looked up. */
	for (unsigned g = 1; g <= pattern_groups(x->pattern); g++) {
		struct str name = pattern_group_name(x->pattern, g);

		if (name.n)
			x->captures[x->ncaptures++] = (struct capture){ g, key_intern(name) };
	}
	return 0;
}

static void regex_run(struct stage *s, struct batch *b)
{
	const struct regex *x = s->state;
	struct pattern_scratch *scratch = chain_scratch(s->chain);
	size_t ov[PATTERN_OVECTOR_MAX];
	uint64_t given_up = 0;

	BATCH_FOR(b, r)
	{
		struct str text;
		int rc;

		if (!source_get(x->source, b, r, &text))
			continue;
		rc = pattern_match(x->pattern, scratch, text, 0, ov);
		given_up += rc < 0;
		if (rc != PATTERN_MATCH)
			continue;
		for (unsigned i = 0; i < x->ncaptures; i++) {
			const size_t *at = &ov[2 * x->captures[i].group];
			struct str value =
				at[0] == PATTERN_UNSET ? STR("") : str_sub(text, at[0], at[1]);

			rec_attr(b, r, x->captures[i].key, ATTR_EXTRACTED, ATTR_STRING, value);
		}
	}
	count_given_up(s, given_up);
}

static void regex_close(struct stage *s)
{
	struct regex *x = s->state;

	pattern_free(x->pattern);
	mem_free(x->captures);
}

const struct stage_ops stage_regex = {
	.name = "regex",
	.summary = "extracts values with a regular expression",
	.conf = &regex_table,
	.state_size = sizeof(struct regex),
	.open = regex_open,
	.run = regex_run,
	.close = regex_close,
};
