/* SPDX-License-Identifier: Apache-2.0 */
/* Stages json and logfmt: rows from promtail 3.4.6. */
#include "tests/unit/stage_test.h"

#include "lib/metric.h"

extern const struct stage_ops stage_json, stage_logfmt, stage_output, stage_template;

static struct conf_plugin plugins[4];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_json, &stage_logfmt, &stage_output,
					  &stage_template };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

static int64_t errors(const char *stage)
{
	return metric_value(
		metric_get(METRIC_STAGE_ERRORS, "pipeline", "test", "stage", stage, NULL));
}

static void template_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- logfmt: {mapping: {level: }}\n"
		  "- template: {source: level, template: '{{ ToUpper .Value }}'}",
		  "level=info x", "level=info x; level=INFO" },
		/* makes values, from others, labels and the line */
		{ "- template: {source: new, template: '{{ .app }}-{{ len .Entry }}'}", "abc",
		  "abc; new=web-3" },
		/* an empty result removes */
		{ "- logfmt: {mapping: {a: }}\n- template: {source: a, template: ''}", "a=1",
		  "a=1; a=null" },
		{ "- template: {source: a, template: '{{ .Value | default \"d\" }}'}", "x",
		  "x; a=d" },
		/* half a character */
		{ "- template: {source: a, template: '{{ trunc 2 .Entry }}'}", "a\xc3\xa9",
		  "a\xc3\xa9; a=a\xef\xbf\xbd" },
		/* an error changes nothing */
		{ "- logfmt: {mapping: {a: }}\n- template: {source: a, template: '{{ ToUpper .b "
		  "}}'}",
		  "a=1", "a=1; a=1" },
		/* as in Promtail's documentation */
		{ "- template: {source: out, template: '{{ if eq .app \"web\" }}W{{ else }}-{{ end "
		  "}}{{ range $k, $v := . }} {{ $k }}={{ $v }}{{ end }}'}",
		  "x", "x; out=W Entry=x app=web job=t" },
	};
	static const struct stage_test_row bad[] = {
		{ "- template: {template: x}", "", "source" },
		{ "- template: {source: a, template: '{{ ToUper .x }}'}", "",
		  "f:2:35: stages[0].template.template: 1:4: function \"ToUper\" not defined (did "
		  "you "
		  "mean 'ToUpper'?)" },
		{ "- template: {source: a, template: '{{ trunc .x }}'}", "", "wrong number" },
	};
	int64_t before = errors("template");

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	EQ_INT(errors("template") - before, 1);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void json_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- json: {expressions: {level: }}", "{\"level\":\"info\"}",
		  "{\"level\":\"info\"}; level=info" },
		{ "- json: {expressions: {lvl: level, n: }}", "{\"level\":\"info\",\"n\":5.50}",
		  "{\"level\":\"info\",\"n\":5.50}; lvl=info; n=5.5(number)" },
		{ "- json: {expressions: {a: '', b: ~, c: null}}",
		  "{\"a\":1,\"b\":true,\"c\":\"\"}",
		  "{\"a\":1,\"b\":true,\"c\":\"\"}; a=1(number); b=true(bool); c=" },
		{ "- json: {expressions: {a.b: , x: '\"foo-bar\"', y: 'l[1]'}}",
		  "{\"a\":{\"b\":1},\"foo-bar\":2,\"l\":[3,4]}",
		  "{\"a\":{\"b\":1},\"foo-bar\":2,\"l\":[3,4]}; a.b=1(number); x=2(number); "
		  "y=4(number)" },
		{ "- json: {expressions: {o: , l: }}", "{\"o\": {\"k\": \"<v>\"}, \"l\": [1, 2]}",
		  "{\"o\": {\"k\": \"<v>\"}, \"l\": [1, 2]}; o={\"k\":\"\\u003cv\\u003e\"}; "
		  "l=[1,2]" },
		{ "- json: {expressions: {a: }}", "{\"a\":\"x\\ny\\u00e9\"}",
		  "{\"a\":\"x\\ny\\u00e9\"}; a=x\ny\xc3\xa9" },
		{ "- json: {expressions: {n: }}", "{\"n\":1700000000123456789}",
		  "{\"n\":1700000000123456789}; n=1700000000123456789(number)" },
		/* JMESPath beside plain paths */
		{ "- json: {expressions: {n: 'length(l)', all: 'l[*].v', last: 'l[-1].v', b: "
		  "'l[0].v || "
		  "x', t: 'contains(x, `\"q\"`)', gone: 'l[?v > `9`] | [0]', x: }}",
		  "{\"l\":[{\"v\":1},{\"v\":2.5}],\"x\":\"qu\"}",
		  "{\"l\":[{\"v\":1},{\"v\":2.5}],\"x\":\"qu\"}; x=qu; n=2(number); all=[1,2.5]; "
		  "last=2.5(number); b=1(number); t=true(bool); gone=null" },
		/* an expression that fails sets nothing */
		{ "- json: {expressions: {a: , n: 'abs(a)'}}", "{\"a\":\"x\"}",
		  "{\"a\":\"x\"}; a=x" },
		/* absent and null overwrite what is there */
		{ "- json: {expressions: {a: }}\n- json: {expressions: {a: b, c: }}",
		  "{\"a\":1,\"c\":null}", "{\"a\":1,\"c\":null}; a=null; c=null" },
		/* a JSON object within an extracted string */
		{ "- json: {expressions: {log: }}\n- json: {expressions: {x: }, source: log}",
		  "{\"log\":\"{\\\"x\\\":7}\"}",
		  "{\"log\":\"{\\\"x\\\":7}\"}; log={\"x\":7}; x=7(number)" },
		/* no source: unchanged, never dropped */
		{ "- json: {expressions: {x: }, source: log, drop_malformed: true}", "{\"x\":1}",
		  "{\"x\":1}" },
		{ "- json: {expressions: {log: }}\n"
		  "- json: {expressions: {x: }, source: log, drop_malformed: true}",
		  "{\"log\":null}", "{\"log\":null}; log=null" },
		/* null counts as an empty object */
		{ "- json: {expressions: {x: }, drop_malformed: true}", "null", "null; x=null" },
		/* labels can be read by name */
		{ "- json: {expressions: {x: }, source: app}", "{\"x\":1}", "{\"x\":1}" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
}

static void json_malformed(void)
{
	static const char lines[] = "{\"x\":1}\nplain\n\n[1]\n\"s\"\n{\"x\":1} y\n{\"x\":";
	static const struct stage_test_row rows[] = {
		{ "- json: {expressions: {x: }}", lines,
		  "{\"x\":1}; x=1(number)\nplain\n\n[1]\n\"s\"\n{\"x\":1} y\n{\"x\":" },
		{ "- json: {expressions: {x: }, drop_malformed: true}", lines,
		  "{\"x\":1}; x=1(number)\nplain; dropped\n; dropped\n[1]; dropped\n"
		  "\"s\"; dropped\n{\"x\":1} y; dropped\n{\"x\":; dropped" },
	};
	int64_t before = errors("json");
	struct metric *dropped = metric_get(METRIC_STAGE_DROPPED, "pipeline", "test", "reason",
					    "json_malformed", NULL);
	int64_t dropped_before = metric_value(dropped);

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	EQ_INT(errors("json") - before, 6);
	EQ_INT(metric_value(dropped) - dropped_before, 6);
}

static void json_errors(void)
{
	static const struct stage_test_row rows[] = {
		{ "- json: {}", NULL, "expressions" },
		{ "- json: {expressions: {}}", NULL, "expressions" },
		{ "- json:", NULL, "expressions" },
		{ "- json: {expressions: {a: b}, source: ''}", NULL, "f:2:" },
		{ "- json:\n    expressions:\n      ok: a.b\n      bad: 'lenght(a)'", NULL,
		  "f:5:12: stages[0].json.expressions.bad: 'lenght(a)': there is no function "
		  "'lenght' "
		  "(did you mean 'length'?)" },
		{ "- json: {expressions: {foo-bar: }}", NULL, "must be in double quotes" },
		{ "- json: {expressions: {a: 'b[*'}}", NULL, "is expected" },
		{ "- json: {expressions: [a]}", NULL, "expressions" },
	};

	stage_test_errors(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows));
}

static void logfmt_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- logfmt: {mapping: {level: , m: msg}}", "level=info msg=\"a \\\"b\\\"\" x=1",
		  "level=info msg=\"a \\\"b\\\"\" x=1; level=info; m=a \"b\"" },
		{ "- logfmt: {mapping: {a: , b: }}", "a b= c=1", "a b= c=1; a=; b=" },
		{ "- logfmt: {mapping: {a: }}", "a=1 a=2", "a=1 a=2; a=2" },
		{ "- logfmt: {mapping: {a: , z: a}}", "a=1", "a=1; a=1; z=1" },
		{ "- logfmt: {mapping: {a: , b: }}", "a=1 =x b=2", "a=1 =x b=2; a=1" },
		/* absent: what is there stays */
		{ "- logfmt: {mapping: {a: }}\n- logfmt: {mapping: {a: b}}", "a=1", "a=1; a=1" },
		{ "- logfmt: {mapping: {inner: }}\n- logfmt: {mapping: {x: }, source: inner}",
		  "inner=\"x=7\"", "inner=\"x=7\"; inner=x=7; x=7" },
		{ "- logfmt: {mapping: {x: }, source: absent}", "x=1", "x=1" },
		{ "- logfmt: {mapping: {x: }}", "", "" },
	};
	int64_t before = errors("logfmt");

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	EQ_INT(errors("logfmt") - before, 1);
}

static void logfmt_errors(void)
{
	static const struct stage_test_row rows[] = {
		{ "- logfmt: {}", NULL, "mapping" },
		{ "- logfmt: {mapping: {}}", NULL, "mapping" },
		{ "- logfmt: {mapping: {a: }, source: ''}", NULL, "source" },
		{ "- logfmt: {mapping: {a: [1]}}", NULL, "f:2:" },
	};

	stage_test_errors(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows));
}

static void output_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- logfmt: {mapping: {m: }}\n- output: {source: m}", "m=\"x y\"", "x y; m=x y" },
		{ "- logfmt: {mapping: {m: }}\n- output: {source: m}", "m=", "; m=" },
		{ "- logfmt: {mapping: {m: }}\n- output: {source: m}", "n=1", "n=1" },
		{ "- json: {expressions: {m: }}\n- output: {source: m}", "{\"m\":null}",
		  "{\"m\":null}; m=null" },
		{ "- json: {expressions: {m: }}\n- output: {source: m}", "{\"m\":4.0}",
		  "4; m=4(number)" },
		{ "- output: {source: app}", "x", "web" },
	};
	static const struct stage_test_row wrong[] = {
		{ "- output: {}", NULL, "source" },
		{ "- output: {source: ''}", NULL, "source" },
		{ "- output:", NULL, "source" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), wrong, ARRAY_LEN(wrong));
}

int main(void)
{
	init_plugins();
	RUN(template_rows);
	RUN(json_rows);
	RUN(json_malformed);
	RUN(json_errors);
	RUN(logfmt_rows);
	RUN(logfmt_errors);
	RUN(output_rows);
	buf_fini(&stage_test_out);
	return test_end();
}
