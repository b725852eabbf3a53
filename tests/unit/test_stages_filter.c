/* SPDX-License-Identifier: Apache-2.0 */
/* Stages regex, replace, drop and match. */
#include "tests/unit/stage_test.h"

#include "lib/clock.h"

extern const struct stage_ops stage_logfmt, stage_json, stage_labels, stage_static_labels,
	stage_output, stage_regex, stage_replace, stage_drop, stage_match;

static struct conf_plugin plugins[9];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_logfmt,        &stage_json,   &stage_labels,
					  &stage_static_labels, &stage_output, &stage_regex,
					  &stage_replace,       &stage_drop,   &stage_match };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .alias = ops[i]->alias,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

static void run(const struct stage_test_row *rows, size_t n)
{
	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, n, NULL);
}

static void regex_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- regex: {expression: 'level=(?P<level>\\w+)'}", "a level=info b\nnone",
		  "a level=info b; level=info\nnone" },
		/* a group without part becomes empty, also over an older value */
		{ "- regex: {expression: '(?P<a>x)|(?P<b>y)'}\n"
		  "- regex: {expression: '(?P<a>q)|(?P<b>y)'}",
		  "x y", "x y; a=; b=y" },
		{ "- regex: {expression: '(\\d+) (?P<w>\\w+)'}", "1 a", "1 a; w=a" },
		/* of two groups with one name the later one wins */
		{ "- regex: {expression: '(?P<a>x)(?P<a>y)'}", "xy", "xy; a=y" },
		{ "- regex: {expression: '(?P<a>x)|(?P<a>y)'}", "x", "x; a=" },
		{ "- regex: {expression: '(?<1st>\\d)'}", "5", "5; 1st=5" },
		/* only the first match; not anchored; . without newline */
		{ "- regex: {expression: '(?P<n>\\d)'}", "a1 2", "a1 2; n=1" },
		{ "- regex: {expression: '(?P<a>x)'}\n- regex: {source: a, expression: '(?P<b>.)'}",
		  "x\ny", "x; a=x; b=x\ny" },
		/* a label can be the source; a missing source leaves all as it is */
		{ "- regex: {source: app, expression: '^(?P<b>.)'}", "x", "x; b=w" },
		{ "- regex: {source: nope, expression: '(?P<b>.*)'}", "x", "x" },
		{ "- json: {expressions: {a: }}\n- regex: {source: a, expression: '(?P<b>.*)'}",
		  "{\"a\":null}", "{\"a\":null}; a=null" },
		{ "- regex: {expression: '(a+)+(?P<x>$)'}",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" },
	};
	static const struct stage_test_row bad[] = {
		{ "- regex: {expression: 'a(?=b)'}", "",
		  "f:2:23: stages[0].regex.expression: look-ahead is not supported (at column 2)" },
		{ "- regex: {expression: ''}", "", "expression" },
		{ "- regex: {}", "", "expression" },
		{ "- regex: {expression: a, source: ''}", "", "source" },
	};

	run(rows, ARRAY_LEN(rows));
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void replace_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- replace: {expression: 'password=(\\S+)', replace: '***'}",
		  "password=a x password=b\nnone", "password=*** x password=***\nnone" },
		{ "- replace: {expression: 'ip=(\\S+)', replace: '<{{ .Value }}>'}", "ip=1 ip=2",
		  "ip=<1> ip=<2>" },
		{ "- replace: {expression: 'ip=(\\S+)', replace: '{{.Value}}{{ .Value}}x'}", "ip=1",
		  "ip=11x" },
		{ "- replace: {expression: 'a(b)c', replace: ''}", "abc abc", "ac ac" },
		{ "- replace: {expression: 'a(b)c'}", "abc", "ac" },
		/* without groups nothing changes */
		{ "- replace: {expression: 'abc', replace: X}", "abc", "abc" },
		/* inner groups of a replaced one stay out of it */
		{ "- replace: {expression: '(a(b)c)', replace: X}", "abc abc", "X X" },
		{ "- replace: {expression: '(a)(b)?(c)', replace: '[{{ .Value }}]'}", "ac abc",
		  "[a][c] [a][b][c]" },
		{ "- replace: {expression: '(x*)', replace: '-'}", "baac", "-b-a-a-c-" },
		/* named groups of the first match, with their new text */
		{ "- replace: {expression: '(?P<u>u\\d) (?P<v>\\w)?', replace: '<{{ .Value }}>'}",
		  "u1 z u2 y", "<u1> <z> <u2> <y>; u=<u1>; v=<z>" },
		{ "- replace: {expression: '(?P<a>a)|(?P<b>b)', replace: X}", "ab", "XX; a=X" },
		/* a group without part gets what an empty one got */
		{ "- replace: {expression: '(?P<a>a)(?P<e>)|(?P<b>b)', replace: 'X'}", "a",
		  "XX; a=X; e=X; b=X" },
		{ "- regex: {expression: '(?P<p>\\S+)$'}\n"
		  "- replace: {source: p, expression: '^(.)', replace: '#'}",
		  "x abc", "x abc; p=#bc" },
		{ "- replace: {expression: '(\\w+)$', replace: '{{ .Value | ToUpper }}@{{ .app "
		  "}}'}",
		  "x abc", "x ABC@web" },
		/* a template that fails leaves everything as it is */
		{ "- replace: {expression: '(?P<g>\\w+)', replace: '{{ trunc 1 .nope }}'}", "x abc",
		  "x abc" },
		{ "- replace: {source: nope, expression: '(.)', replace: '#'}", "x", "x" },
		{ "- replace: {source: app, expression: '(w)', replace: 'W'}", "x", "x; app=Web" },
	};
	static const struct stage_test_row bad[] = {
		{ "- replace: {expression: '(a)', replace: '{{ .Value | toUpper }}'}", "",
		  "stages[0].replace.replace: 1:13: function \"toUpper\" not defined" },
		{ "- replace: {expression: '(a)', replace: '{{ .Value'}", "", "}} is missing" },
		{ "- replace: {expression: '(a)', replace: '{{ if .x }}'}", "", "replace" },
		{ "- replace: {expression: '(a', replace: 'x'}", "", "missing closing )" },
		{ "- replace: {replace: 'x'}", "", "expression" },
	};

	run(rows, ARRAY_LEN(rows));
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

#define X "- logfmt: {mapping: {a: , b: , c: }}\n"

static void drop_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- drop: {expression: 'de.ug'}", "a debug\ninfo", "a debug; dropped\ninfo" },
		{ "- drop: {longer_than: 4}", "12345\n1234", "12345; dropped\n1234" },
		{ "- drop: {longer_than: 1kb}", "12345", "12345" },
		/* all conditions must hold */
		{ "- drop: {longer_than: 4, expression: x}", "12345\nx\n1234x",
		  "12345\nx\n1234x; dropped" },
		/* source alone: every name must be there; empty and null count */
		{ X "- drop: {source: a}", "a=\nb=1", "a=; a=; dropped\nb=1; b=1" },
		{ X "- drop: {source: [a, b]}", "a=1\na=1 b=2",
		  "a=1; a=1\na=1 b=2; a=1; b=2; "
		  "dropped" },
		{ "- json: {expressions: {a: }}\n- drop: {source: a}", "{\"a\":null}",
		  "{\"a\":null}; a=null; dropped" },
		{ "- drop: {source: app}", "x", "x; dropped" },
		/* source and value */
		{ X "- drop: {source: a, value: x}", "a=x\na=xy", "a=x; a=x; dropped\na=xy; a=xy" },
		{ X "- drop: {source: a, value: ''}", "b=1", "b=1; b=1; dropped" },
		{ X "- drop: {source: [a, b], value: 'x;y'}", "a=x b=y\nb=y",
		  "a=x b=y; a=x; b=y; dropped\nb=y; b=y" },
		{ X "- drop: {source: [a, c, b], value: 'x--y', separator: '--'}", "a=x b=y",
		  "a=x b=y; a=x; b=y; dropped" },
		{ X "- drop: {source: [a, b], value: xy, separator: ''}", "a=x b=y",
		  "a=x b=y; a=x; b=y; dropped" },
		/* source and expression; absent names are skipped, none at all is "" */
		{ X "- drop: {source: [a, b], expression: '^x;y$'}", "a=x b=y",
		  "a=x b=y; a=x; b=y; dropped" },
		{ X "- drop: {source: a, expression: '.*'}", "b=1", "b=1; b=1; dropped" },
		{ X "- drop: {source: a, expression: '.+'}", "b=1", "b=1; b=1" },
		{ "- json: {expressions: {a: }}\n- drop: {source: a, expression: '.*'}",
		  "{\"a\":null}", "{\"a\":null}; a=null" },
		/* by age; the test's records are from 1970 */
		{ "- drop: {older_than: 24h}", "x", "x; dropped" },
		{ "- drop: {older_than: 24h, expression: y}", "x", "x" },
		/* not known: stays */
		{ "- drop: {expression: '(a+)+$'}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" },
	};
	static const struct stage_test_row bad[] = {
		{ "- drop: {}", "",
		  "needs at least one of source, expression, older_than, "
		  "longer_than" },
		{ "- drop: {value: x}", "", "source" },
		{ "- drop: {source: a, value: x, expression: y}", "", "not both" },
		{ "- drop: {expression: '['}", "", "f:2:22: stages[0].drop.expression: missing" },
		{ "- drop: {older_than: 1x}", "", "older_than" },
		{ "- drop: {longer_than: 8KiX}", "", "longer_than" },
	};

	run(rows, ARRAY_LEN(rows));
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void make_young(struct batch *b, struct rec *r)
{
	(void)b;
	r->time_ns = clock_wall_ns();
	r->line = STR("young");
}

static void drop_young(void)
{
	struct str got = stage_test_run(plugins, ARRAY_LEN(plugins), "- drop: {older_than: 1h}",
					STR("x"), make_young);

	OK(!str_ends(got, STR("dropped")));
}

#define SET(v) "static_labels: {l: " v "}"

static void match_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- match: {selector: '{job=\"t\"} |= \"x\"', stages: [" SET("1") "]}", "x\ny\nax",
		  "x; {app=\"web\", job=\"t\", l=\"1\"}\ny\nax; {app=\"web\", job=\"t\", "
		  "l=\"1\"}" },
		{ "- match: {selector: '{job=\"u\"}', stages: [" SET("1") "]}", "x", "x" },
		{ "- match: {selector: '{job=~\"t|u\"} !~ \"^b\"', action: drop}", "a\nb",
		  "a; dropped\nb" },
		{ "- match: {selector: '{nope=\"\"}', action: drop, drop_counter_reason: r}", "a",
		  "a; dropped" },
		/* what was not selected goes on unchanged to the stages behind */
		{ "- match: {selector: '{job=\"t\"} |= \"x\"', stages: [" SET(
			  "1") "]}\n"
			       "- drop: {expression: y}",
		  "x\ny\nxy",
		  "x; {app=\"web\", job=\"t\", l=\"1\"}\ny; dropped\nxy; {app=\"web\", "
		  "job=\"t\", l=\"1\"}; dropped" },
		/* nested */
		{ "- match:\n    selector: '{job=\"t\"} |= \"x\"'\n    stages:\n"
		  "    - match: {selector: '{app=\"web\"} |= \"y\"', stages: [" SET(
			  "2") "]}\n"
			       "    - regex: {expression: '(?P<e>.$)'}",
		  "xy\nx\ny", "xy; {app=\"web\", job=\"t\", l=\"2\"}; e=y\nx; e=x\ny" },
		/* labels set before are what counts, and are visible inside as extracted values */
		{ "- " SET("v") "\n- match: {selector: '{l=\"v\"}', stages: [regex: {source: l, "
				"expression: '(?P<got>.)'}]}",
		  "x", "x; {app=\"web\", job=\"t\", l=\"v\"}; l=v; got=v" },
		{ "- " SET("v") "\n- regex: {source: l, expression: '(?P<got>.)'}", "x",
		  "x; {app=\"web\", job=\"t\", l=\"v\"}" },
		/* and replace extracted values of the same name */
		{ "- regex: {expression: '(?P<app>.)'}\n"
		  "- match: {selector: '{job=\"t\"}', stages: [output: {source: app}]}",
		  "x", "web; app=web" },
		{ "- match: {selector: '{job=\"t\"}', stages: []}", "x", "x" },
	};
	static const struct stage_test_row bad[] = {
		{ "- match: {selector: '{job=\"t\"}'}", "", "action keep needs stages" },
		{ "- match: {selector: '{job=\"t\"}', action: drop, stages: [" SET("1") "]}", "",
		  "action drop has no stages" },
		{ "- match: {selector: '{job=`t`}', action: drop}", "",
		  "f:2:21: stages[0].match.selector: texts are written in double quotes (at "
		  "column 6)" },
		{ "- match: {selector: '{job=~\"(\"}', action: drop}", "", "missing closing )" },
		{ "- match: {selector: '{a=\"b\"}', action: dorp}", "", "action" },
		{ "- match: {selector: '{a=\"b\"}', action: drop, pipeline_name: ''}", "",
		  "pipeline_name" },
		{ "- match: {selector: '{a=\"b\"}', stages: [regex: {expression: '('}]}", "",
		  "missing closing )" },
		{ "- match: {selector: ''}", "", "selector" },
	};

	run(rows, ARRAY_LEN(rows));
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

int main(void)
{
	init_plugins();
	RUN(regex_rows);
	RUN(replace_rows);
	RUN(drop_rows);
	RUN(drop_young);
	RUN(match_rows);
	buf_fini(&stage_test_out);
	return test_end();
}
