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
		/* a label that was cut out of a secret, and one that only looks alike */
		{ "- regex: {expression: '(?P<who>\\w+)@db'}\n- regex: {expression: "
		  "'(?P<l>info)'}\n"
		  "- labels: {who: , l: }\n- redact: {}",
		  "info x://u:geheim@db a password=info99",
		  "info x://u:<redacted:url_password>@db a password=<redacted:key_value>; "
		  "{app=\"web\", job=\"t\", l=\"info\", who=\"<redacted:url_password>\"}; "
		  "who=<redacted:url_password>; l=info" },
		{ "- redact: {patterns: [{name: e, expression: '(a+)+$'}]}",
		  "ok\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		  "ok\n<redacted:error>" },
	};
	static const struct stage_test_row bad[] = {
		{ "- redact: {detectors: []}", "", "needs detectors, national_ids or patterns" },
		{ "- redact: {detectors: [crad]}", "", "card" },
		{ "- redact: {patterns: [{name: e, expression: 'a'}, {name: f, expression: "
		  "'(?=a)'}]}",
		  "", "f:2:51: stages[0].redact.patterns[1]: pattern f: look-ahead" },
		{ "- redact: {patterns: [{expression: 'a'}]}", "", "name" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

static void actions(void)
{
	static const struct stage_test_row rows[] = {
		{ "- redact: {action: mask, keep_last: 4}", "card 4111111111111111",
		  "card ************1111" },
		{ "- redact: {action: drop}", "a\npassword=x\nb",
		  "a\npassword=<redacted:key_value>; dropped\nb" },
		{ "- static_labels: {mail: a@b.io}\n- redact: {action: drop}", "a",
		  "a; {app=\"web\", job=\"t\", mail=\"<redacted:email>\"}; dropped" },
		{ "- json: {expressions: {password: }}\n"
		  "- redact: {action: mask, keep_first: 1, detectors: [key_value]}",
		  "{\"password\":\"abcd\"}", "{\"password\":\"a***\"}; password=a***" },
		{ "- redact: {national_ids: [es], detectors: []}", "dni 12345678Z",
		  "dni <redacted:es_dni>" },
	};
	static const struct stage_test_row bad[] = {
		{ "- redact: {action: hash}", "",
		  "f:2:20: stages[0].redact.action: hash needs hash_key" },
		{ "- redact: {action: hash, hash_key: x}", "",
		  "f:2:36: stages[0].redact.hash_key: needs at least 16 bytes, this one has 1" },
		{ "- redact: {hash_key: x}", "", "is for action: hash" },
		{ "- redact: {keep_last: 4}", "", "is for action: mask" },
		{ "- redact: {action: maks}", "", "did you mean 'mask'" },
	};

	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_errors(plugins, ARRAY_LEN(plugins), bad, ARRAY_LEN(bad));
}

#define KEY_BEGIN                                                                                  \
	"-----BEGIN PRIVATE"                                                                       \
	" KEY-----"
#define KEY_END                                                                                    \
	"-----END PRIVATE"                                                                         \
	" KEY-----"

/* A private key over several lines of one source; what follows it is plain again. */
static void blocks(void)
{
	static const struct stage_test_row rows[] = {
		{ "- redact: {replacement: '#'}",
		  "a\nx " KEY_BEGIN "\nMIIEvQ\nabc=\n" KEY_END " b\nc", "a\nx #\n#\n#\n#\nc" },
		{ "- redact: {replacement: '#'}", "x " KEY_BEGIN " abc " KEY_END "\nc", "x #\nc" },
		{ "- regex: {expression: '(?P<w>\\w+)'}\n- redact: {replacement: '#'}",
		  KEY_BEGIN "\nMIIE", "#; w=#\n#; w=#" },
		/* another detector finds the same text, or more of it */
		{ "- redact: {replacement: '#'}",
		  "PRIVATE_KEY=\"" KEY_BEGIN "\nMIIEvQ\n" KEY_END "\"\nc",
		  "PRIVATE_KEY=\"#\n#\n#\nc" },
		{ "- redact: {replacement: '#'}",
		  "{\"private_key\": [\"" KEY_BEGIN "\",\n\"MIIEvQ\",\n\"" KEY_END "\"]\nc",
		  "{\"private_key\": \"#\"\n#\n#\nc" },
		/* two files without a line end between them */
		{ "- redact: {replacement: '#'}",
		  KEY_BEGIN "\nMIIEvQ\n" KEY_END KEY_BEGIN "\nMIIEvR\n" KEY_END "\nc",
		  "#\n#\n#\n#\n#\nc" },
		{ "- redact: {replacement: '#', patterns: [{name: e, expression: '(a+)+$'}]}",
		  KEY_BEGIN " aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\nMIIE\n" KEY_END
			    "\nc",
		  "<redacted:error>\n#\n#\nc" },
		/* lines between those of the key, and behind one that never comes */
		{ "- redact: {replacement: '#'}",
		  KEY_BEGIN
		  "\nsshd: session opened for root\nMIIEvQ\nGET /a/b HTTP/1.1\n"
		  "app: MIIEvQIBADANBgkqhkiG9w0BAQEF\napp: x=\n{\"log\":\"YWJj\\n\"}\n" KEY_END
		  "\nc",
		  "#\nsshd: session opened for root\n#\nGET /a/b HTTP/1.1\n#\n#\n"
		  "{\"log\":\"YWJj\\n\"}\n#\nc" },
		/* without private_key nothing is carried on */
		{ "- redact: {replacement: '#', detectors: [email]}", KEY_BEGIN "\nMIIE",
		  KEY_BEGIN "\nMIIE" },
	};
	struct buf lines = BUF_INIT, want = BUF_INIT;

	run(rows, ARRAY_LEN(rows), NULL);
	/* One that never ends does not take the rest of the log. */
	buf_c(&lines, KEY_BEGIN);
	buf_c(&want, "#");
	for (int i = 0; i < 102; i++) {
		buf_c(&lines, "\nline");
		buf_c(&want, i < 100 ? "\n#" : "\nline");
	}
	EQ_STR(stage_test_run(plugins, ARRAY_LEN(plugins), "- redact: {replacement: '#'}",
			      buf_as_str(&lines), NULL),
	       buf_cstr(&want));
	buf_fini(&lines);
	buf_fini(&want);
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
		/* once: what stands in its place looks like a secret, too */
		{ "- regex: {expression: '(?P<x>\\d+)'}\n"
		  "- redact: {detectors: [], patterns: [{name: e, expression: '\\d+', replacement: "
		  "'<0>'}]}",
		  "id 123", "id <0>; x=<0>" },
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

/* Labels beyond a limit are metadata by then: copies, which tell nothing by themselves. */
static void moved_labels(void)
{
	static const struct stage_test_row rows[] = {
		{ "- regex: {expression: 'secret=(?P<k>\\S+)( (?P<l>\\S+))?'}\n- labels: {k: , l: "
		  "}\n" R,
		  "secret=geheim\nsecret=hidden\nsecret=shown shown",
		  "secret=#; {app=\"web\", job=\"t\", k=\"#\", l=\"\"}; k=#; l=\n"
		  "secret=#; {app=\"web\", job=\"t\", l=\"\"}; k=#; l=; +k=#\n"
		  "secret=# shown; k=#; l=shown; +k=shown; +l=shown" },
	};

	stage_test_limits = (struct label_limits){ 0, 1, 3600 * INT64_C(1000000000) };
	run(rows, ARRAY_LEN(rows), NULL);
	stage_test_limits = (struct label_limits){ 0 };
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
		  "user #; last=#; cut" },
	};

	run(rows, ARRAY_LEN(rows), cut_it);
}

static void end_it(struct batch *b, struct rec *r)
{
	(void)b;
	r->flags |= REC_PARTIAL;
}

/* A connection that broke in the middle of a message, a line that was never ended. */
static void partial_lines(void)
{
	static const struct stage_test_row rows[] = {
		{ R, "user bob@exam", "user #; partial" },
	};

	run(rows, ARRAY_LEN(rows), end_it);
}

int main(void)
{
	init_plugins();
	RUN(lines);
	RUN(partial_lines);
	RUN(actions);
	RUN(blocks);
	RUN(slices);
	RUN(moved_labels);
	RUN(values);
	RUN(labels);
	RUN(cut_lines);
	buf_fini(&stage_test_out);
	return test_end();
}
