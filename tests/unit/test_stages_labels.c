/* SPDX-License-Identifier: Apache-2.0 */
/* Stages labels, static_labels and structured_metadata. */
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_logfmt, stage_json, stage_labels, stage_static_labels,
	stage_structured_metadata;

static struct conf_plugin plugins[5];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_logfmt, &stage_json, &stage_labels,
					  &stage_static_labels, &stage_structured_metadata };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .alias = ops[i]->alias,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

#define EXTRACT "- logfmt: {mapping: {level: , app: , e: }}\n"

static void labels_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ EXTRACT "- labels: {level: }", "level=info\nlevel=warn\nx=1",
		  "level=info; {app=\"web\", job=\"t\", level=\"info\"}; level=info\n"
		  "level=warn; {app=\"web\", job=\"t\", level=\"warn\"}; level=warn\n"
		  "x=1" },
		{ EXTRACT "- labels: {lvl: level, other: ''}", "level=info",
		  "level=info; {app=\"web\", job=\"t\", lvl=\"info\"}; level=info" },
		/* an empty value is set; Loki gets x="" */
		{ EXTRACT "- labels: {e: }", "e=", "e=; {app=\"web\", e=\"\", job=\"t\"}; e=" },
		/* overwrites; a label of the source can be copied by name */
		{ EXTRACT "- labels: {app: }", "app=api",
		  "app=api; {app=\"api\", job=\"t\"}; app=api" },
		{ "- labels: {copy: app}", "x", "x; {app=\"web\", copy=\"web\", job=\"t\"}" },
		/* null is no value */
		{ "- json: {expressions: {level: }}\n- labels: {level: }", "{\"level\":null}",
		  "{\"level\":null}; level=null" },
		{ "- json: {expressions: {n: , b: }}\n- labels: {n: , b: }",
		  "{\"n\":5.0,\"b\":true}",
		  "{\"n\":5.0,\"b\":true}; {app=\"web\", b=\"true\", job=\"t\", n=\"5\"}; "
		  "n=5(number); b=true(bool)" },
		{ "- labels:", "x", "x" },
		{ "- labels: {}", "x", "x" },
		/* a label set later is not seen as extracted by the same pipeline */
		{ "- static_labels: {s: 1}\n- labels: {copy: s}", "x",
		  "x; {app=\"web\", job=\"t\", s=\"1\"}" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
}

static void static_labels_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- static_labels: {env: prod, app: api}", "a\nb",
		  "a; {app=\"api\", env=\"prod\", job=\"t\"}\n"
		  "b; {app=\"api\", env=\"prod\", job=\"t\"}" },
		{ "- static_labels: {env: , app: ''}", "a", "a" },
		{ "- static_labels:", "a", "a" },
		/* records with different labels in one batch */
		{ EXTRACT "- labels: {level: }\n- static_labels: {env: prod}",
		  "level=a\nlevel=b\nlevel=a\nx",
		  "level=a; {app=\"web\", env=\"prod\", job=\"t\", level=\"a\"}; level=a\n"
		  "level=b; {app=\"web\", env=\"prod\", job=\"t\", level=\"b\"}; level=b\n"
		  "level=a; {app=\"web\", env=\"prod\", job=\"t\", level=\"a\"}; level=a\n"
		  "x; {app=\"web\", env=\"prod\", job=\"t\"}" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
}

static void structured_metadata_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ EXTRACT "- structured_metadata: {level: , m: e}", "level=info e=1",
		  "level=info e=1; level=info; e=1; +level=info; +m=1" },
		{ EXTRACT "- structured_metadata: {level: }", "x=1", "x=1" },
		{ EXTRACT "- structured_metadata: {e: }", "e=", "e=; e=; +e=" },
		{ "- json: {expressions: {e: }}\n- structured_metadata: {e: }", "{\"e\":null}",
		  "{\"e\":null}; e=null" },
		/* a label moves, as one pair */
		{ "- structured_metadata: {app: }", "x", "x; {job=\"t\"}; +app=web" },
		{ "- structured_metadata: {m: app}", "x", "x; {job=\"t\"}; +m=web" },
		{ "- static_labels: {s: v}\n- structured_metadata: {s: }", "x", "x; +s=v" },
		{ EXTRACT "- structured_metadata: {app: }", "app=api",
		  "app=api; {job=\"t\"}; app=api; +app=api" },
		/* repeated: the last one counts */
		{ EXTRACT "- structured_metadata: {m: level}\n- structured_metadata: {m: e}",
		  "level=a e=b", "level=a e=b; level=a; e=b; +m=b" },
		{ EXTRACT "- non_indexed_labels: {e: }", "e=1", "e=1; e=1; +e=1" },
		{ "- structured_metadata:", "x", "x" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
}

/* Metadata that came with the record, under a name only it mentioned. */
static void with_metadata(struct batch *b, struct rec *r)
{
	rec_attr_inline(b, r, STR("host"), ATTR_META, STR("h1"));
}

static void metadata_of_inputs(void)
{
	static const struct stage_test_row rows[] = {
		{ "- labels: {host: }", "x", "x; {app=\"web\", host=\"h1\", job=\"t\"}; +host=h1" },
		{ "- structured_metadata: {host: }", "x", "x; +host=h1" },
		{ "- structured_metadata: {host: app}", "x", "x; {job=\"t\"}; +host=web" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), with_metadata);
}

/* Half a character, as a pattern on bytes may leave it, and an empty text without an address. */
static void half_run(struct stage *s, struct batch *b)
{
	(void)s;
	BATCH_FOR(b, r)
	{
		rec_attr(b, r, key_intern(STR("bad")), ATTR_EXTRACTED, ATTR_STRING, STR("\xc3"));
		rec_attr(b, r, key_intern(STR("none")), ATTR_EXTRACTED, ATTR_STRING, STR_NONE);
	}
}

static void odd_values(void)
{
	static const struct stage_test_row rows[] = {
		{ "- half:\n- labels: {bad: }", "x", "x; bad=\xc3; none=" },
		{ "- half:\n- structured_metadata: {bad: }", "x", "x; bad=\xc3; none=" },
		{ "- half:\n- labels: {none: }", "x",
		  "x; {app=\"web\", job=\"t\", none=\"\"}; bad=\xc3; none=" },
	};
	static const struct stage_ops half = { .name = "half", .run = half_run };
	static const struct conf_table empty = { 0 };
	struct conf_plugin all[ARRAY_LEN(plugins) + 1];

	memcpy(all, plugins, sizeof(plugins));
	all[ARRAY_LEN(plugins)] = (struct conf_plugin){
		.kind = CONF_STAGE, .name = "half", .conf = &empty, .ops = &half
	};
	stage_test_rows(all, ARRAY_LEN(all), rows, ARRAY_LEN(rows), NULL);
}

static void errors(void)
{
	static const struct stage_test_row rows[] = {
		{ "- labels:\n    ok: a\n    foo-bar: b", NULL, "f:4:5: " },
		{ "- labels: {foo-bar: b}", NULL, "'foo-bar' is no valid label name" },
		{ "- labels: {1a: b}", NULL, "'1a' is no valid label name" },
		{ "- labels: {'': b}", NULL, "'' is no valid label name" },
		{ "- labels: [a]", NULL, "f:2:" },
		{ "- static_labels: {foo.bar: b}", NULL, "'foo.bar' is no valid label name" },
		{ "- structured_metadata: {foo bar: b}", NULL, "'foo bar' is no valid label name" },
	};

	stage_test_errors(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows));
}

int main(void)
{
	init_plugins();
	RUN(labels_rows);
	RUN(static_labels_rows);
	RUN(structured_metadata_rows);
	RUN(metadata_of_inputs);
	RUN(odd_values);
	RUN(errors);
	buf_fini(&stage_test_out);
	return test_end();
}
