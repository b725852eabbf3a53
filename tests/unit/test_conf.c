/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: every type, its defaults, its mistakes and how it is written again. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/conf_yaml.h"
#include "lib/conf.h"

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct part {
	struct str name;
	int64_t wait_ns;
};

struct all {
	struct str text, url, must;
	bool flag;
	int count;
	unsigned positive;
	int64_t wide;
	size_t size_bytes;
	int64_t wait_ns;
	double ratio, rate;
	enum color color;
	uint32_t which;
	struct conf_addr addr;
	struct conf_addrs listen;
	struct secret password;
	struct conf_list paths;
	struct conf_sizes buckets;
	struct conf_map labels, headers;
	struct conf_stages stages;
	struct part part;
	struct conf_sections parts;
	const struct conf_node *node;
};

static const struct conf_enum colors[] = {
	{ "auto", COLOR_AUTO, NULL },
	{ "always", COLOR_ALWAYS, NULL },
	{ "never", COLOR_NEVER, NULL },
	{ 0 },
};

static const struct conf_enum detectors[] = {
	{ "card", 1, NULL }, { "email", 2, NULL }, { "ipv4", 4, NULL }, { "all", 7, NULL }, { 0 },
};

static const struct conf_field part_fields[] = {
	CONF_STR(struct part, name, NULL, "x", .flags = CONF_REQUIRED),
	CONF_TIME(struct part, wait_ns, "1s", "0", "1h", "x", .key = "wait"),
};
static const struct conf_table part_table = CONF_TABLE(struct part, part_fields);

static void check_all(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct all *all = conf;

	if (all->count == 13)
		conf_error(doc, conf_get(node, "count"), "13 brings bad luck");
}

static const struct conf_field all_fields[] = {
	CONF_STR(struct all, text, "hello", "x", .flags = CONF_NONEMPTY),
	CONF_URL(struct all, url, NULL, "x"),
	CONF_STR(struct all, must, NULL, "x", .flags = CONF_REQUIRED, .alias = "should, ought"),
	CONF_BOOL(struct all, flag, "true", "x"),
	CONF_INT(struct all, count, "3", "-5", "64", "x"),
	CONF_INT(struct all, positive, NULL, NULL, NULL, "x"),
	CONF_INT(struct all, wide, "-9000000000", NULL, NULL, "x"),
	CONF_SIZE(struct all, size_bytes, "64KiB", "1KiB", "1MiB", "x", .key = "max_line"),
	CONF_TIME(struct all, wait_ns, "1m30s", "1s", NULL, "x", .key = "wait"),
	CONF_DOUBLE(struct all, ratio, "0.5", "0", "1", "x"),
	CONF_RATE(struct all, rate, "100", NULL, "1MiB/s", "x"),
	CONF_ENUM(struct all, color, "auto", colors, "x"),
	CONF_FLAGS(struct all, which, "[card, ipv4]", detectors, "x"),
	CONF_ADDR(struct all, addr, "127.0.0.1:9099", CONF_TCP, "x"),
	CONF_ADDRS(struct all, listen, "[udp://:514]", CONF_UDP | CONF_TCP | CONF_UNIX, "x"),
	CONF_SECRET(struct all, password, "x"),
	CONF_LIST(struct all, paths, NULL, "x", .flags = CONF_NONEMPTY),
	CONF_SIZES(struct all, buckets, "[1, 1KiB]", NULL, NULL, "x"),
	CONF_MAP(struct all, labels, "{a: b, c: }", "x"),
	CONF_MAP(struct all, headers, NULL, "x", .flags = CONF_PRIVATE),
	CONF_STAGES(struct all, stages, "x"),
	CONF_SECTION(struct all, part, struct part, &part_table, "x"),
	CONF_SECTIONS(struct all, parts, &part_table, "x"),
	CONF_NODE(struct all, node, "x"),
};
static const struct conf_table all_table = CONF_TABLE(struct all, all_fields, .check = check_all);

/* Stages: one with options, one whose body is the value, one without options, one with a list. */
struct one_conf {
	struct str source;
};
static const struct conf_field one_fields[] = {
	CONF_STR(struct one_conf, source, NULL, "x", .flags = CONF_REQUIRED),
};
static const struct conf_table one_table = CONF_TABLE(struct one_conf, one_fields);
struct body_conf {
	struct conf_map labels;
};
static const struct conf_field body_fields[] = {
	CONF_MAP(struct body_conf, labels, NULL, "x", .flags = CONF_BODY | CONF_REQUIRED),
};
static const struct conf_table body_table = CONF_TABLE(struct body_conf, body_fields);
static const struct conf_table empty_table = { 0 };
struct match_conf {
	struct conf_stages stages;
};
static const struct conf_field match_fields[] = {
	CONF_STAGES(struct match_conf, stages, "x"),
};
static const struct conf_table match_table = CONF_TABLE(struct match_conf, match_fields);

static const struct conf_plugin plugins[] = {
	{ CONF_STAGE, "output", NULL, "x", NULL, &one_table, NULL },
	{ CONF_STAGE, "labels", "tags", "x", NULL, &body_table, NULL },
	{ CONF_STAGE, "decolorize", NULL, "x", NULL, &empty_table, NULL },
	{ CONF_STAGE, "match", NULL, "x", NULL, &match_table, NULL },
	{ CONF_INPUT, "file", NULL, "x", NULL, &one_table, NULL },
};

static const char *env_get(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "ON") ? NULL : "1";
}
static const struct conf_env env = { env_get, NULL };

static struct conf_doc *read_yaml(const char *yaml, struct all *all, struct conf_node **ret_root)
{
	struct conf_doc *doc = conf_doc_new();
	struct conf_node *root;

	conf_doc_plugins(doc, plugins, ARRAY_LEN(plugins));
	root = conf_yaml_parse(doc, "f", str_c(yaml), &env);
	conf_read(doc, &all_table, root, all);
	if (ret_root)
		*ret_root = root;
	return doc;
}

static void test_defaults(void)
{
	struct all all;
	struct conf_doc *doc = read_yaml("must: x", &all, NULL);

	EQ_INT(conf_error_count(doc), 0);
	EQ_STR(all.text, "hello");
	OK(all.url.p == NULL);
	OK(all.flag);
	EQ_INT(all.count, 3);
	EQ_INT(all.positive, 0);
	EQ_INT(all.wide, -9000000000);
	EQ_INT(all.size_bytes, 65536);
	EQ_INT(all.wait_ns, 90000000000);
	OK(all.ratio > 0.49 && all.ratio < 0.51);
	OK(all.rate > 99 && all.rate < 101);
	EQ_INT(all.color, COLOR_AUTO);
	EQ_INT(all.which, 5);
	EQ_INT(all.addr.scheme, CONF_TCP);
	EQ_INT(all.addr.port, 9099);
	EQ_STR(all.addr.host, "127.0.0.1");
	EQ_INT(all.listen.n, 1);
	EQ_INT(all.listen.items[0].port, 514);
	EQ_STR(all.listen.items[0].host, "");
	OK(!secret_is_set(&all.password));
	EQ_INT(all.paths.n, 0);
	EQ_INT(all.buckets.n, 2);
	EQ_INT(all.buckets.items[1], 1024);
	EQ_INT(all.labels.n, 2);
	EQ_STR(all.labels.items[0].value, "b");
	OK(!all.labels.items[1].has_value);
	EQ_INT(all.part.wait_ns, 1000000000);
	EQ_INT(all.parts.n, 0);
	OK(all.node == NULL && all.stages.node == NULL);
	conf_doc_free(doc);
}

static void test_values(void)
{
	struct all all;
	const struct part *parts;
	struct conf_doc *doc = read_yaml(
		"{ought: x, text: '', flag: off, count: -5, positive: 4000000000, max_line: 1MB,\n"
		"wait: 2h, ratio: 1, rate: 10/m, color: never, which: all, addr: none,\n"
		"listen: ['tcp://[::1]:601', 'unix:///run/x.sock', 'udp://*:0'], password: pw,\n"
		"paths: one, buckets: [], labels: {x: 1, y: }, node: {a: [b]},\n"
		"part: {name: n, wait: 0}, parts: [{name: a}, {name: b, wait: 1h}],\n"
		"stages: [{labels: {l: }}, decolorize, {}, {match: {stages: [{output: {source: "
		"s}}]}}]}",
		&all, NULL);
	const struct match_conf *match;

	EQ_INT(conf_error_count(doc), 1); /* text: '' */
	OK(!all.flag);
	EQ_STR(all.must, "x");
	EQ_INT(all.count, -5);
	EQ_INT(all.positive, 4000000000);
	EQ_INT(all.size_bytes, 1 << 20);
	OK(all.rate > 0.16 && all.rate < 0.17);
	EQ_INT(all.color, COLOR_NEVER);
	EQ_INT(all.which, 7);
	EQ_INT(all.addr.scheme, 0);
	EQ_INT(all.listen.n, 3);
	EQ_STR(all.listen.items[0].host, "::1");
	EQ_INT(all.listen.items[0].port, 601);
	EQ_INT(all.listen.items[1].scheme, CONF_UNIX);
	EQ_STR(all.listen.items[1].path, "/run/x.sock");
	EQ_STR(all.listen.items[2].host, "");
	EQ_INT(all.password.source, SECRET_INLINE);
	EQ_INT(all.paths.n, 1);
	EQ_STR(all.paths.items[0], "one");
	EQ_INT(all.buckets.n, 0);
	EQ_INT(all.labels.n, 2);
	EQ_STR(all.labels.items[0].key, "x");
	EQ_STR(all.labels.items[0].value, "1");
	OK(!all.labels.items[1].has_value);
	OK(all.node && all.node->kind == CONF_MAP_NODE);
	EQ_INT(all.part.wait_ns, 0);
	EQ_INT(all.parts.n, 2);
	parts = all.parts.items;
	EQ_STR(parts[1].name, "b");
	EQ_INT(parts[0].wait_ns, 1000000000);
	EQ_INT(all.stages.n, 3);
	EQ_STR(str_c(all.stages.items[0].plugin->name), "labels");
	EQ_STR(str_c(all.stages.items[1].plugin->name), "decolorize");
	match = all.stages.items[2].conf;
	EQ_INT(match->stages.n, 1);
	EQ_STR(((const struct one_conf *)match->stages.items[0].conf)->source, "s");
	conf_doc_free(doc);
}

static void test_switch(void)
{
	static const struct {
		const char *yaml;
		bool want;
	} rows[] = {
		{ "{must: x, flag: '${ON:+true}'}", true },
		{ "{must: x, flag: '${OFF:+true}'}", false },
		{ "{must: x, flag: '${OFF:-true}'}", true },
		{ "{must: x, flag: }", true },
		{ "{must: x, flag: No}", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct all all;
		struct conf_doc *doc = read_yaml(rows[i].yaml, &all, NULL);

		ROW(rows[i].yaml);
		EQ_INT(conf_error_count(doc), 0);
		EQ_INT(all.flag, rows[i].want);
		conf_doc_free(doc);
	}
}

static const struct {
	const char *yaml, *errors;
} bad[] = {
	{ "text: a", "f:1:1: the option 'must' is required\n" },
	{ "must:", "f:1:6: must: the option 'must' is required\n" },
	{ "must: ''", "f:1:7: must: must not be empty\n" },
	{ "- a", "f:1:1: expected a map of options, found a list\n" },
	{ "{must: x, path: a}", "f:1:11: unknown option 'path' (did you mean 'paths'?)\n" },
	{ "{must: x, max_line_size: 1}",
	  "f:1:11: unknown option 'max_line_size' (did you mean 'max_line'?)\n" },
	{ "{must: x, zebra: a}", "f:1:11: unknown option 'zebra'\n" },
	{ "{must: x, should: y}",
	  "f:1:11: 'should' is another name of 'must', which is given at f:1:2\n" },
	{ "{must: [x]}", "f:1:8: must: expected a single value, found a list\n" },
	{ "{must: x, url: 'ftp://x'}", "f:1:16: url: must begin with http:// or https://\n" },
	{ "{must: x, url: 'http://:80/'}", "f:1:16: url: has no host\n" },
	{ "{must: x, url: 'http://a:b@h:99999/'}",
	  "f:1:16: url: has no valid port (1 to 65535)\n" },
	{ "{must: x, flag: maybe}", "f:1:17: flag: 'maybe' is neither true nor false\n" },
	{ "{must: x, flag: ''}", "f:1:17: flag: '' is neither true nor false\n" },
	{ "{must: x, count: 65}", "f:1:18: count: is 65, must be from -5 to 64\n" },
	{ "{must: x, count: 1.5}", "f:1:18: count: '1.5' is not a whole number\n" },
	{ "{must: x, count: 13}", "f:1:18: count: 13 brings bad luck\n" },
	{ "{must: x, positive: -1}", "f:1:21: positive: is -1, must not be negative\n" },
	{ "{must: x, positive: 5000000000}", "f:1:21: positive: '5000000000' is too large\n" },
	{ "{must: x, max_line: 2GiB}", "f:1:21: max_line: is 2GiB, must be from 1KiB to 1MiB\n" },
	{ "{must: x, max_line: 1.5MB}",
	  "f:1:21: max_line: '1.5MB' is not a size (digits and a unit: 64KiB, 1MiB)\n" },
	{ "{must: x, wait: 10}",
	  "f:1:17: wait: '10' is not a duration (digits and a unit: 500ms, 10s, 5m)\n" },
	{ "{must: x, wait: 10ms}", "f:1:17: wait: is 10ms, must be at least 1s\n" },
	{ "{must: x, ratio: 2}", "f:1:18: ratio: is 2, must be from 0 to 1\n" },
	{ "{must: x, ratio: 1e999}", "f:1:18: ratio: '1e999' is not a number\n" },
	{ "{must: x, rate: 10/y}",
	  "f:1:17: rate: '10/y' is not a rate (per second: 100, 10/m, 1MiB/s)\n" },
	{ "{must: x, rate: 2MiB/s}", "f:1:17: rate: is 2MiB/s, must be at most 1MiB/s\n" },
	{ "{must: x, color: allways}", "f:1:18: color: 'allways' is not one of auto, always, never "
				       "(did you mean 'always'?)\n" },
	{ "{must: x, which: [card, emial]}", "f:1:25: which[1]: 'emial' is not one of card, email, "
					     "ipv4, all (did you mean 'email'?)\n" },
	{ "{must: x, listen: ['ftp://x:1', 'udp://x', 'tcp://::1:5', 'udp://h:70000', "
	  "'unix://rel', 'udp://a b:1']}",
	  "f:1:20: listen[0]: 'ftp://x:1' must begin with udp:// or tcp:// or unix://\n"
	  "f:1:33: listen[1]: 'udp://x' has no port; write host:port\n"
	  "f:1:44: listen[2]: 'tcp://::1:5' has an IPv6 address without brackets; write [::1]:514\n"
	  "f:1:59: listen[3]: 'udp://h:70000' has no valid port (0 to 65535)\n"
	  "f:1:76: listen[4]: 'unix://rel' must name an absolute path of at most 107 bytes\n"
	  "f:1:90: listen[5]: 'udp://a b:1' has a host that is neither a name nor a number\n" },
	{ "{must: x, password: 'file:/nonexistent/pw'}",
	  "f:1:21: password: cannot open the secret file /nonexistent/pw: No such file or "
	  "directory\n" },
	{ "{must: x, password: 'env:TAILRACE_NO_SUCH'}",
	  "f:1:21: password: the environment variable TAILRACE_NO_SUCH of a secret is not set\n" },
	{ "{must: x, password: [hunter2]}",
	  "f:1:21: password: expected a single value, found a list\n" },
	{ "{must: x, paths: [a, '']}", "f:1:22: paths[1]: must not be empty\n" },
	{ "{must: x, paths: []}", "f:1:18: paths: must not be empty\n" },
	{ "{must: x, paths: {a: b}}", "f:1:18: paths: expected a list, found a map\n" },
	{ "{must: x, paths: [a, [b], ]}",
	  "f:1:22: paths[1]: expected a single value, found a list\n" },
	{ "{must: x, labels: [a]}",
	  "f:1:19: labels: expected a map of names and values, found a list\n" },
	{ "{must: x, labels: {a: {b: c}}}", "f:1:23: labels.a: expected a text, found a map\n" },
	{ "{must: x, part: {nam: a}}",
	  "f:1:17: part: the option 'name' is required\n"
	  "f:1:18: part: unknown option 'nam' (did you mean 'name'?)\n" },
	{ "{must: x, part: 5}", "f:1:17: part: expected a map of options, found a single value\n" },
	{ "{must: x, parts: [{wait: 1s}]}", "f:1:19: parts[0]: the option 'name' is required\n" },
	{ "{must: x, parts: {name: a}}", "f:1:18: parts: expected a list of maps, found a map\n" },
	{ "{must: x, stages: {a: b}}", "f:1:19: stages: expected a list of stages, found a map\n" },
	{ "{must: x, stages: [{outptu: {source: a}}]}",
	  "f:1:21: stages[0]: unknown stage 'outptu' (did you mean 'output'?)\n" },
	{ "{must: x, stages: [output]}", "f:1:20: stages[0]: the option 'source' is required\n" },
	{ "{must: x, stages: [{labels: }]}", "f:1:29: stages[0].labels: needs a value\n" },
	{ "{must: x, stages: [{tags: [a]}]}",
	  "f:1:27: stages[0].tags: expected a map of names and values, found a list\n" },
	{ "{must: x, stages: [{decolorize: {a: b}}]}",
	  "f:1:34: stages[0].decolorize: unknown option 'a'\n" },
	{ "{must: x, stages: [{output: , source: a}]}",
	  "f:1:20: stages[0]: a stage is one name with its options below it, found a map with "
	  "several "
	  "keys (are the options indented below the name?)\n" },
	{ "{must: x, stages: [[a]]}",
	  "f:1:20: stages[0]: expected a stage (`- name: options`), found a list\n" },
	{ "{must: x, stages: [{match: {stages: [{output: {sorce: a}}]}}]}",
	  "f:1:47: stages[0].match.stages[0].output: the option 'source' is required\n"
	  "f:1:48: stages[0].match.stages[0].output: unknown option 'sorce' (did you mean "
	  "'source'?)\n" },
	{ "{must: x, \"a\\e[31m\\x9bb\": 1}", "f:1:11: unknown option 'a?[31m??b'\n" },
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct all all;
		struct buf errors = BUF_INIT;
		struct conf_doc *doc = read_yaml(bad[i].yaml, &all, NULL);

		ROW(bad[i].yaml);
		conf_errors_print(doc, &errors, false);
		EQ_STR(buf_as_str(&errors), bad[i].errors);
		buf_fini(&errors);
		conf_doc_free(doc);
	}
}

/* What is written can be read and is the same again; secrets never show. */
static void test_render(void)
{
	static const char yaml[] =
		"must: \"it's\\n$${x} $$$$ #: é\"\n"
		"url: http://me:hunter2@host/x\n"
		"password: hunter2\n"
		"headers: {Authorization: hunter2}\n"
		"count: 7\nmax_line: 3KiB\nwait: 90m\nratio: 0.1\nrate: 1/m\ncolor: never\n"
		"which: [all]\npaths: [a, 'b c', 'no']\nlabels: {x: '', y: , z: ' '}\n"
		"parts: [{name: p}]\nstages: [{labels: {a: }}, {match: {stages: [decolorize]}}]\n";
	static const char want[] = "text: hello  # default\n"
				   "url: \"http://me:<secret>@host/x\"  # f:2\n"
				   "must: \"it's\\n$${x} $$$ #: é\"  # f:1\n"
				   "flag: true  # default\n"
				   "count: 7  # f:5\n"
				   "positive: 0  # default\n"
				   "wide: -9000000000  # default\n"
				   "max_line: 3KiB  # f:6\n"
				   "wait: 1h30m  # f:7\n"
				   "ratio: 0.1  # f:8\n"
				   "rate: 0.016666666666666666  # f:9\n"
				   "color: never  # f:10\n"
				   "which: [card, email, ipv4]  # f:11\n"
				   "addr: 127.0.0.1:9099  # default\n"
				   "listen: [udp://:514]  # default\n"
				   "password: <secret>  # f:3\n"
				   "paths: [a, \"b c\", \"no\"]  # f:12\n"
				   "buckets: [1, 1KiB]  # default\n"
				   "labels: {x: \"\", y: null, z: \" \"}  # f:13\n"
				   "headers: {Authorization: <secret>}  # f:4\n"
				   "stages:\n"
				   "  - labels: {a: null}  # f:15\n"
				   "  - match:  # f:15\n"
				   "      stages:\n"
				   "        - decolorize: {}  # f:15\n"
				   "part:\n"
				   "  name: null  # default\n"
				   "  wait: 1s  # default\n"
				   "parts:\n"
				   "  -\n"
				   "    name: p  # f:14\n"
				   "    wait: 1s  # default\n"
				   "node: null  # default\n";
	struct buf out = BUF_INIT, again = BUF_INIT, plain = BUF_INIT;
	struct conf_node *root;
	struct all all;
	struct conf_doc *doc = read_yaml(yaml, &all, &root);

	EQ_INT(conf_error_count(doc), 0);
	conf_render(&out, &all_table, root, &all, 0, true);
	EQ_STR(buf_as_str(&out), want);
	OK(str_find(buf_as_str(&out), STR("hunter2")) == out.n);
	conf_render(&plain, &all_table, root, &all, 0, false);
	conf_doc_free(doc);

	doc = read_yaml(buf_cstr(&plain), &all, &root);
	/* part.name: the section is written out now, so its required option is asked for. */
	EQ_INT(conf_error_count(doc), 1);
	conf_render(&again, &all_table, root, &all, 0, false);
	EQ_STR(buf_as_str(&again), buf_cstr(&plain));
	conf_doc_free(doc);
	buf_fini(&out);
	buf_fini(&plain);
	buf_fini(&again);
}

static void test_numbers(void)
{
	static const struct {
		int64_t ns;
		const char *text;
	} times[] = { { 0, "0" },
		      { 1, "1ns" },
		      { 1500000, "1ms500us" },
		      { 90000000000, "1m30s" },
		      { 86400000000000, "24h" } };
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0" }, { 1, "1" }, { 1536, "1536" }, { 65536, "64KiB" }, { 1 << 30, "1GiB" }
	};

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct buf out = BUF_INIT;
		int64_t ns = -1;

		ROW(times[i].text);
		conf_render_time(&out, times[i].ns);
		EQ_STR(buf_as_str(&out), times[i].text);
		OK(str_duration(buf_as_str(&out), &ns) && ns == times[i].ns);
		buf_fini(&out);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct buf out = BUF_INIT;

		ROW(sizes[i].text);
		conf_render_size(&out, sizes[i].bytes);
		EQ_STR(buf_as_str(&out), sizes[i].text);
		buf_fini(&out);
	}
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	OK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void test_secret(void)
{
	char path[] = "/tmp/tailrace-secret-XXXXXX", text[64];
	int fd = mkstemp(path);
	struct buf value = BUF_INIT;
	struct err err = ERR_NONE;
	struct secret secret;

	OK(fd >= 0);
	close(fd);
	write_file(path, "one\n");
	snprintf(text, sizeof(text), "file:%s", path);
	secret = secret_parse(str_c(text));
	EQ_INT(secret_read(&secret, &value, &err), 0);
	EQ_STR(buf_as_str(&value), "one");
	write_file(path, "two\r\n\n");
	EQ_INT(secret_read(&secret, &value, &err), 0);
	EQ_STR(buf_as_str(&value), "two");
	write_file(path, "\n");
	OK(secret_read(&secret, &value, &err) < 0);
	EQ_INT(value.n, 0);
	EQ_STR(str_c(err.text), "the secret is empty");
	unlink(path);
	OK(secret_read(&secret, &value, &err) < 0);

	setenv("TAILRACE_TEST_SECRET", "three", 1);
	secret = secret_parse(STR("env:TAILRACE_TEST_SECRET"));
	EQ_INT(secret_read(&secret, &value, &err), 0);
	EQ_STR(buf_as_str(&value), "three");
	secret = secret_parse(STR("pass:word"));
	EQ_INT(secret_read(&secret, &value, &err), 0);
	EQ_STR(buf_as_str(&value), "pass:word");
	secret = (struct secret){ 0 };
	OK(secret_read(&secret, &value, &err) < 0);
	secret_wipe(&value);
}

/* What a reload keeps: the same values, however they are written; each type by a change of it. */
static const struct same_case {
	const char *key, *value, *same, *other;
} same_cases[] = {
	{ "must", "x", "'x'", "y" },
	{ "text", "hello", "\"hello\"", "x" },
	{ "flag", "off", "false", "on" },
	{ "count", "-5", "-5", "-4" },
	{ "max_line", "1MiB", "1024KiB", "1023KiB" },
	{ "wait", "2h", "120m", "121m" },
	{ "ratio", "1", "1.0", "0.5" },
	{ "rate", "60/m", "1", "2" },
	{ "color", "never", "never", "always" },
	{ "which", "all", "[card, email, ipv4]", "[card]" },
	{ "addr", "none", "none", "'tcp://1.2.3.4:5'" },
	{ "listen", "['tcp://[::1]:601']", "'tcp://[::1]:601'", "['tcp://[::1]:602']" },
	{ "password", "pw", "pw", "pW" },
	{ "paths", "[one]", "one", "[one, two]" },
	{ "paths", "[one]", "one", "[two]" },
	{ "buckets", "[1KiB]", "[1024]", "[2KiB]" },
	{ "labels", "{x: 1, y: }", "{x: '1', y: }", "{x: 1}" },
	{ "labels", "{x: 1, y: }", "{x: 1, y: }", "{x: 1, y: 2}" },
	{ "headers", "{x: 1}", "{x: 1}", "{x: 2}" },
	{ "node", "{a: [b]}", "{a: [ b ]}", "{a: [c]}" },
	{ "node", "{a: [b]}", "{a: [b]}", "{a: b}" },
	{ "part", "{name: n}", "{name: n, wait: 1s}", "{name: n, wait: 2s}" },
	{ "parts", "[{name: a}]", "[{name: a, wait: 1s}]", "[{name: a}, {name: b}]" },
	{ "parts", "[{name: a}]", "[{name: a}]", "[{name: b}]" },
	{ "stages", "[{labels: {l: }}, decolorize]", "[{labels: {l: }}, {decolorize: {}}]",
	  "[{labels: {k: }}, decolorize]" },
	{ "stages", "[{labels: {l: }}, decolorize]", "[{labels: {l: }}, decolorize]",
	  "[decolorize, {labels: {l: }}]" },
	{ "stages", "[{labels: {l: }}, decolorize]", "[{labels: {l: }}, decolorize]",
	  "[{labels: {l: }}]" },
};

static struct conf_doc *read_same(const struct same_case *c, const char *value, struct all *ret)
{
	struct buf text = BUF_INIT;
	struct conf_doc *doc;

	buf_printf(&text, "{%s%s: %s}", strcmp(c->key, "must") ? "must: x, " : "", c->key, value);
	doc = read_yaml(buf_cstr(&text), ret, NULL);
	if (conf_error_count(doc))
		FAIL("%s", buf_cstr(&text));
	buf_fini(&text);
	return doc;
}

static void test_same(void)
{
	for (size_t i = 0; i < ARRAY_LEN(same_cases); i++) {
		const struct same_case *c = &same_cases[i];
		struct all one, same, other;
		struct conf_doc *docs[] = { read_same(c, c->value, &one),
					    read_same(c, c->same, &same),
					    read_same(c, c->other, &other) };

		if (!conf_is_same(&all_table, &one, &same))
			FAIL("%s: %s is not %s", c->key, c->value, c->same);
		if (conf_is_same(&all_table, &one, &other))
			FAIL("%s: %s is %s", c->key, c->value, c->other);
		for (size_t k = 0; k < ARRAY_LEN(docs); k++)
			conf_doc_free(docs[k]);
	}
}

int main(void)
{
	RUN(test_defaults);
	RUN(test_same);
	RUN(test_values);
	RUN(test_switch);
	RUN(test_bad);
	RUN(test_render);
	RUN(test_numbers);
	RUN(test_secret);
	return test_end();
}
