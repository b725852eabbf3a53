/* SPDX-License-Identifier: Apache-2.0 */
/* Stage redact: line, slices of the line, metadata, extracted values, labels. */
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_logfmt, stage_json, stage_labels, stage_static_labels,
	stage_structured_metadata, stage_regex, stage_match, stage_redact;

static struct conf_plugin plugins[8];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_logfmt,
					  &stage_json,
					  &stage_labels,
					  &stage_static_labels,
					  &stage_structured_metadata,
					  &stage_regex,
					  &stage_match,
					  &stage_redact };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .alias = ops[i]->alias,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

static void run(const struct stage_test_row *rows, size_t n,
		void (*prepare)(struct batch *, struct rec *))
{
	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, n, prepare);
}

#define R "- redact: {replacement: '#', detectors: [card, email, ipv4, bearer, basic, key_value]}"

static void lines(void)
{
	static const struct stage_test_row rows[] = {
		{ "- redact:", "hello password=secret a@b.io 10.0.0.1",
		  "hello password=<redacted:key_value> <redacted:email> 10.0.0.1" },
		{ "- redact: {}", "4111111111111111\nplain", "<redacted:card>\nplain" },
		{ R, "a@b.io 10.0.0.1", "# #" },
		{ "- redact: {detectors: [], patterns: [{name: emp, expression: 'E\\d+'}]}",
		  "E12 a@b.io", "<redacted:emp> a@b.io" },
		{ "- redact: {detectors: ipv4, patterns: [{name: e, expression: 'E(\\d)', "
		  "replacement: '?'}]}",
		  "E1 10.0.0.1", "E? <redacted:ipv4>" },
		{ "- redact: {patterns: [{name: e, expression: '(a+)+$'}]}",
		  "ok\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		  "ok\n<redacted:error>" },
	};
	static const struct stage_test_row bad[] = {
		{ "- redact: {detectors: []}", "", "needs detectors or patterns" },
		{ "- redact: {detectors: [crad]}", "", "card" },
		{ "- redact: {patterns: [{name: e, expression: 'a'}, {name: f, expression: "
		  "'(?=a)'}]}",
		  "", "f:2:51: stages[0].redact.patterns[1]: pattern f: look-ahead" },
		{ "- redact: {patterns: [{expression: 'a'}]}", "", "name" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

/* What was cut out of the line before loses what the line loses. */
static void slices(void)
{
	static const struct stage_test_row rows[] = {
		{ "- regex: {expression: 'secret=(?P<x>\\S+) (?P<y>\\S+)'}\n" R, "secret=abc def",
		  "secret=# def; x=#; y=def" },
		{ "- regex: {expression: '(?P<all>.*)'}\n" R, "a secret=abc b",
		  "a secret=# b; all=a "
		  "secret=# b" },
		{ "- json: {expressions: {v: password, w: user}}\n" R,
		  "{\"password\":\"a b\",\"user\":\"bob\"}",
		  "{\"password\":\"#\",\"user\":\"bob\"}; v=#; w=bob" },
		/* by name, although the value alone would tell nothing and is no slice */
		{ "- json: {expressions: {password: }}\n" R, "{\"password\":\"a\\u0041b\"}",
		  "{\"password\":\"#\"}; password=#" },
		{ "- regex: {expression: '(?P<x>a+)'}\n"
		  "- redact: {patterns: [{name: e, expression: '(a+)+$'}]}",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		  "<redacted:error>; x=<redacted:error>" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
}

static void add_attrs(struct batch *b, struct rec *r)
{
	rec_attr(b, r, key_intern(STR("peer")), ATTR_META, ATTR_STRING, STR("10.0.0.1"));
	rec_attr(b, r, key_intern(STR("token")), ATTR_META, ATTR_STRING, STR("abc"));
	rec_attr_inline(b, r, STR("sd.password"), ATTR_META, STR("abc"));
	rec_attr_inline(b, r, STR("sd.x"), ATTR_META, STR("a@b.io"));
	rec_attr_inline(b, r, STR("sd.y"), ATTR_META, STR("plain"));
	rec_attr(b, r, key_intern(STR("n")), ATTR_EXTRACTED, ATTR_NULL, STR(""));
	rec_attr(b, r, key_intern(STR("e")), ATTR_EXTRACTED, ATTR_NUMBER, STR("4111111111111111"));
}

static void values(void)
{
	static const struct stage_test_row rows[] = {
		{ R, "x",
		  "x; +peer=#; +token=#; +sd.y=plain; n=null; e=#; +sd.password=#; +sd.x=#" },
		{ "- redact: {replacement: '#', detectors: [ipv4, key_value], except: [peer, "
		  "sd.password]}",
		  "x",
		  "x; +peer=10.0.0.1; +token=#; +sd.password=abc; +sd.x=a@b.io; +sd.y=plain; "
		  "n=null; e=4111111111111111(number)" },
	};

	run(rows, ARRAY_LEN(rows), add_attrs);
}

static void labels(void)
{
	static const struct stage_test_row rows[] = {
		{ "- static_labels: {ip: 10.0.0.1, secret: x, ok: y}\n" R, "a\nb",
		  "a; {app=\"web\", ip=\"#\", job=\"t\", ok=\"y\", secret=\"#\"}\n"
		  "b; {app=\"web\", ip=\"#\", job=\"t\", ok=\"y\", secret=\"#\"}" },
		{ "- static_labels: {ip: 10.0.0.1}\n"
		  "- redact: {detectors: [ipv4], except: [ip]}",
		  "a", "a; {app=\"web\", ip=\"10.0.0.1\", job=\"t\"}" },
		{ R, "a", "a" },
		/* the batch's own labels; stages behind see the clean value only */
		{ "- redact: {detectors: [], patterns: [{name: w, expression: web}], replacement: "
		  "W}\n"
		  "- labels: {copy: app}",
		  "a", "a; {app=\"W\", copy=\"W\", job=\"t\"}" },
		/* inside a match the others keep theirs */
		{ "- match:\n    selector: '{job=\"t\"} |= \"x\"'\n    stages:\n    - redact: "
		  "{detectors: "
		  "[], patterns: [{name: w, expression: web}], replacement: W}\n"
		  "- labels: {copy: app}",
		  "x\ny",
		  "x; {app=\"W\", copy=\"W\", job=\"t\"}; app=W\n"
		  "y; {app=\"web\", copy=\"web\", job=\"t\"}" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
}

static void cut_it(struct batch *b, struct rec *r)
{
	(void)b;
	r->flags |= REC_CUT;
}

static void cut_lines(void)
{
	static const struct stage_test_row rows[] = {
		{ "- regex: {expression: '(?P<last>\\S+)$'}\n" R, "user bob@exam",
		  "user #; last=#" },
	};

	run(rows, ARRAY_LEN(rows), cut_it);
}

int main(void)
{
	init_plugins();
	RUN(lines);
	RUN(slices);
	RUN(values);
	RUN(labels);
	RUN(cut_lines);
	buf_fini(&stage_test_out);
	return test_end();
}
