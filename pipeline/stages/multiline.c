/* SPDX-License-Identifier: Apache-2.0 */
/* Stage multiline: lines that belong together become one record. */
#include "pipeline/hold.h"
#include "pipeline/labels.h"
#include "pipeline/stages/multiline.h"
#include "pipeline/stages/source.h"

static void multiline_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct multiline_conf *conf = arg;

	if (conf->firstline.p)
		check_pattern(doc, node, "firstline", conf->firstline);
	if (conf->continuation.p)
		check_pattern(doc, node, "continuation", conf->continuation);
	if (!multiline_is_set(conf))
		conf_error(doc, node, "needs firstline, continuation or indent");
}

static const struct conf_field multiline_fields[] = {
	CONF_STR(
		struct multiline_conf, firstline, NULL,
		"Regular expression, not anchored, that the first line of a record matches. Lines "
		"that do not match belong to the record before; until the first match they pass as "
		"they are.",
		.flags = CONF_NONEMPTY, .alias = "start", .example = "'^\\d{4}-\\d\\d-\\d\\d '"),
	CONF_STR(struct multiline_conf, continuation, NULL,
		 "Regular expression, not anchored, of lines that belong to the record before. "
		 "Without "
		 "`firstline` every other line is a first one; with it, lines that match neither "
		 "are "
		 "records of their own.",
		 .flags = CONF_NONEMPTY),
	CONF_BOOL(struct multiline_conf, indent, "false",
		  "Lines that begin with a space or a tab belong to the record before, as if "
		  "`continuation` matched them."),
	CONF_INT(struct multiline_conf, max_lines, "128", "-1", "1000000",
		 "Lines of one record; what goes on begins another one, with the same time, labels "
		 "and extracted values. 0 or -1: no limit."),
	CONF_TIME(struct multiline_conf, max_wait_ns, "3s", "1ms", "1h",
		  "A record that gets no new line for this long is complete.",
		  .key = "max_wait_time", .alias = "max_wait"),
	CONF_SIZE(
		struct multiline_conf, max_bytes, "256KiB", "1KiB", "16MiB",
		"Longest record; a longer one is cut, flagged, and has its full length as metadata "
		"`tailrace_full_length`."),
};
const struct conf_table multiline_table =
	CONF_TABLE(struct multiline_conf, multiline_fields, .check = multiline_check);

struct multiline {
	struct hold hold;
	struct pattern *firstline, *continuation;
};

static int multiline_open(struct stage *s, struct err *err)
{
	const struct multiline_conf *conf = s->conf;
	struct multiline *m = s->state;
	int rc = 0;

	hold_init(&m->hold, s,
		  &(struct hold_conf){ .max_wait_ns = conf->max_wait_ns,
				       .max_bytes = conf->max_bytes,
				       .between = STR("\n") });
	if (conf->firstline.p)
		rc = pattern_compile(conf->firstline, 0, &m->firstline, err);
	if (rc == 0 && conf->continuation.p)
		rc = pattern_compile(conf->continuation, 0, &m->continuation, err);
	return rc;
}

enum line { LINE_FIRST, LINE_CONTINUES, LINE_ALONE };

static bool matches(const struct pattern *p, struct stage *s, struct str line, uint64_t *given_up)
{
	int rc = pattern_match(p, chain_scratch(s->chain), line, 0, NULL);

	*given_up += rc < 0;
	return rc == PATTERN_MATCH;
}

static enum line look_at(struct stage *s, struct str line, uint64_t *given_up)
{
	const struct multiline_conf *conf = s->conf;
	const struct multiline *m = s->state;
	bool has_continuation = conf->indent || m->continuation;

	if (m->firstline && matches(m->firstline, s, line, given_up))
		return LINE_FIRST;
	if (m->firstline && !has_continuation)
		return LINE_CONTINUES;
	if (conf->indent && line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
		return LINE_CONTINUES;
	if (m->continuation && matches(m->continuation, s, line, given_up))
		return LINE_CONTINUES;
	return m->firstline ? LINE_ALONE : LINE_FIRST;
}

static void multiline_run(struct stage *s, struct batch *b)
{
	const struct multiline_conf *conf = s->conf;
	struct multiline *m = s->state;
	const struct labels *labels = NULL;
	struct held *d = NULL;
	uint64_t given_up = 0;

	BATCH_FOR(b, r)
	{
		if (!d || rec_labels(b, r) != labels) {
			labels = rec_labels(b, r);
			d = hold_find(&m->hold, b, labels ? labels->hash : 0);
		}
		switch (look_at(s, r->line, &given_up)) {
		case LINE_FIRST:
			hold_end(&m->hold, d, b);
			hold_add(&m->hold, d, b, r);
			d->has_begun = true;
			break;
		case LINE_CONTINUES:
			if (d->has_begun)
				hold_add(&m->hold, d, b, r);
			break;
		case LINE_ALONE:
			hold_end(&m->hold, d, b);
			break;
		}
		if (conf->max_lines > 0 && d->nlines == (unsigned)conf->max_lines)
			hold_roll(&m->hold, d, b);
	}
	hold_stop(&m->hold, b);
	count_given_up(s, given_up);
}

static void multiline_flush(struct stage *s, struct source *source)
{
	hold_flush(&((struct multiline *)s->state)->hold, source);
}

static void multiline_close(struct stage *s)
{
	struct multiline *m = s->state;

	hold_fini(&m->hold);
	pattern_free(m->firstline);
	pattern_free(m->continuation);
}

const struct stage_ops stage_multiline = {
	.name = "multiline",
	.summary = "joins the lines of one record: stack traces and the like",
	.doc = "Lines are joined with a line feed between them; the record has the time, labels "
	       "and "
	       "values of its first line. Lines are told apart by the file or connection they came "
	       "from and by their labels. What is not complete yet is held in memory, and its "
	       "place "
	       "in the file is not passed: after a kill it is read and joined again. It is let go "
	       "early when such lines fill a quarter of the pipeline's data memory.",
	.conf = &multiline_table,
	.state_size = sizeof(struct multiline),
	.open = multiline_open,
	.run = multiline_run,
	.flush = multiline_flush,
	.close = multiline_close,
};
