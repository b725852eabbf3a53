/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of stages: YAML as a user writes it, lines in, and what came of each record as one text:
 *
 *	line; time=2000; {job="t"}; level=error; meta +trace=7f; gone=null
 *
 * where time and labels stand only when they changed, then attributes in the order in which they
 * were set: extracted values (of equal names the last), with + in front metadata (all of it).
 * "dropped" ends a dropped one; "cut" and "partial" say what was flagged. */
#ifndef TESTS_UNIT_STAGE_TEST_H
#define TESTS_UNIT_STAGE_TEST_H

#include "agent/conf_yaml.h"
#include "lib/mem.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "tests/unit/test.h"

#define STAGE_TEST_TIME_NS 1000

struct stage_test_conf {
	struct conf_stages stages;
};
static const struct conf_field stage_test_fields[] = {
	CONF_STAGES(struct stage_test_conf, stages, "The stages."),
};
static const struct conf_table stage_test_table =
	CONF_TABLE(struct stage_test_conf, stage_test_fields);

static struct buf stage_test_out;
static struct label_limits stage_test_limits; /* none, unless a test sets them */

static inline bool stage_test_is_newest(const struct rec *r, const struct attr *attr)
{
	for (const struct attr *a = attr + 1; a < r->attrs + r->nattrs; a++)
		if (a->kind == ATTR_EXTRACTED && attr->kind == ATTR_EXTRACTED &&
		    str_eq(attr_name(a), attr_name(attr)))
			return false;
	return attr->kind != ATTR_GONE;
}

static inline void stage_test_render(struct buf *out, const struct batch *b, const struct rec *r)
{
	buf_str(out, r->line);
	if (r->time_ns != STAGE_TEST_TIME_NS)
		buf_printf(out, "; time=%" PRId64, r->time_ns);
	if (r->labels && r->labels != b->labels)
		buf_printf(out, "; " STR_FMT, STR_ARG(r->labels->text));
	if (r->labels && r->labels->tenant.n)
		buf_printf(out, "; tenant=" STR_FMT, STR_ARG(r->labels->tenant));
	for (const struct attr *a = r->attrs; a < r->attrs + r->nattrs; a++) {
		if (!stage_test_is_newest(r, a))
			continue;
		buf_c(out, a->kind == ATTR_META ? "; +" : "; ");
		buf_str(out, attr_name(a));
		buf_ch(out, '=');
		buf_str(out, a->type == ATTR_NULL ? STR("null") : attr_value(a));
		if (a->type == ATTR_NUMBER || a->type == ATTR_BOOL)
			buf_c(out, a->type == ATTR_NUMBER ? "(number)" : "(bool)");
	}
	if (r->flags & REC_DROP)
		buf_c(out, "; dropped");
	if (r->flags & REC_CUT)
		buf_c(out, "; cut");
	if (r->flags & REC_PARTIAL)
		buf_c(out, "; partial");
	buf_ch(out, '\n');
}

static inline void stage_test_capture(struct stage *s, struct batch *b)
{
	(void)s;
	for (uint32_t i = 0; i < b->nrecs; i++)
		if (!(b->recs[i].flags & REC_HELD))
			stage_test_render(&stage_test_out, b, &b->recs[i]);
}

/* Each line its own record; then what `prepare` makes of it, when there is one. */
static inline struct batch *stage_test_batch(struct source *source, struct str lines,
					     void (*prepare)(struct batch *, struct rec *))
{
	struct batch *b = batch_new(NULL, source, lines.n, true);

	while (lines.p) {
		struct rec *r = batch_add(b);

		r->line = arena_dup(&b->arena, str_cut(&lines, '\n'));
		r->time_ns = STAGE_TEST_TIME_NS;
		if (prepare)
			prepare(b, r);
	}
	return b;
}

/* Runs the lines through `stages` (a YAML list) as one batch with the labels {app="web", job="t"}.
 * Returns what came out, valid until the next call, or the errors of the configuration. */
static inline struct str stage_test_run(const struct conf_plugin *plugins, size_t nplugins,
					const char *stages, struct str lines,
					void (*prepare)(struct batch *, struct rec *))
{
	static const struct stage_ops capture = { .name = "capture", .run = stage_test_capture };
	static const struct conf_plugin capture_plugin = { .ops = &capture };
	static const struct label labels[] = { { { "app", 3 }, { "web", 3 } },
					       { { "job", 3 }, { "t", 1 } } };
	struct source source = { .magic = SOURCE_MAGIC, .labels = labels, .nlabels = 2 };
	struct conf_doc *doc = conf_doc_new();
	struct stage_test_conf conf = { 0 };
	struct buf yaml = BUF_INIT;
	struct conf_node *root;
	struct err err = ERR_NONE;
	struct chain *chain;

	buf_clear(&stage_test_out);
	buf_printf(&yaml, "stages:\n%s\n", stages);
	conf_doc_plugins(doc, plugins, nplugins);
	root = conf_yaml_parse(doc, "f", buf_as_str(&yaml), NULL);
	if (root)
		conf_read(doc, &stage_test_table, root, &conf);
	conf_errors_print(doc, &stage_test_out, false);
	if (!stage_test_out.n) {
		struct conf_stages list = { .n = conf.stages.n + 1 };
		struct chain_conf chain_conf = { .pipeline = "test",
						 .stages = &list,
						 .max_streams = 1000,
						 .label_limits = stage_test_limits };

		list.items = mem_array(list.n, sizeof(*list.items));
		memcpy(list.items, conf.stages.items, conf.stages.n * sizeof(*list.items));
		list.items[conf.stages.n].plugin = &capture_plugin;
		if (chain_open(&chain_conf, &chain, &err) == 0) {
			chain_run(chain, stage_test_batch(&source, lines, prepare));
			chain_flush(chain, NULL);
			chain_close(chain);
		} else {
			buf_printf(&stage_test_out, "%s: %s\n", err.where, err.text);
		}
		mem_free(list.items);
	}
	buf_fini(&yaml);
	conf_doc_free(doc);
	return str_sub(buf_as_str(&stage_test_out), 0, stage_test_out.n ? stage_test_out.n - 1 : 0);
}

struct stage_test_row {
	const char *stages, *lines, *want;
};

static inline void stage_test_rows(const struct conf_plugin *plugins, size_t nplugins,
				   const struct stage_test_row *rows, size_t n,
				   void (*prepare)(struct batch *, struct rec *))
{
	for (size_t i = 0; i < n; i++) {
		ROW(rows[i].stages);
		EQ_STR(stage_test_run(plugins, nplugins, rows[i].stages, str_c(rows[i].lines),
				      prepare),
		       rows[i].want);
	}
}

/* The errors of a configuration, each of which must contain the row's text and place. */
static inline void stage_test_errors(const struct conf_plugin *plugins, size_t nplugins,
				     const struct stage_test_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str got = stage_test_run(plugins, nplugins, rows[i].stages, STR("{}"), NULL);

		ROW(rows[i].stages);
		if (str_find(got, str_c(rows[i].want)) == got.n)
			FAIL("got \"" STR_FMT "\", want \"%s\"", STR_ARG(got), rows[i].want);
		test_checks++;
	}
}

#endif
