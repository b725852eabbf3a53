/* SPDX-License-Identifier: Apache-2.0 */
/* explain: golden/explain/NAME.yaml and the lines of NAME.in give NAME.out, as text and as JSON; and
 * nothing that a redact stage would hide is in any of it. `test_explain --update` rewrites the
 * answers: read the diff. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include "agent/conf_yaml.h"
#include "agent/explain.h"
#include "agent/registry.h"

#define NOW_NS INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

static bool is_update;

static void read_file(const char *path, struct buf *ret)
{
	struct err err = ERR_NONE;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && offline_read(fd, 1 << 20, ret, &err))
		FAIL("%s", err.text);
	if (fd >= 0)
		close(fd);
}

static void run(const char *yaml, const struct explain_args *args, struct str lines,
		struct buf *out)
{
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	struct config *c = config_load(yaml, NULL, plugins, nplugins);
	struct err err = ERR_NONE;

	conf_errors_print(c->doc, out, false);
	if (!out->n && explain(c, args, lines, out, &err))
		buf_printf(out, "%s\n", err.text);
	config_free(c);
}

static void write_file(const char *path, struct str text)
{
	FILE *f = fopen(path, "w");

	OK(f && fwrite(text.p, 1, text.n, f) == text.n);
	if (f)
		fclose(f);
}

static void golden(const char *yaml)
{
	struct buf in = BUF_INIT, got = BUF_INIT, want = BUF_INIT;
	struct explain_args args = { 0 };
	char path[512];
	int n = (int)strlen(yaml) - (int)strlen(".yaml");

	snprintf(path, sizeof(path), "%.*s.in", n, yaml);
	read_file(path, &in);
	run(yaml, &args, buf_as_str(&in), &got);
	args.as_json = true;
	run(yaml, &args, buf_as_str(&in), &got);
	snprintf(path, sizeof(path), "%.*s.out", n, yaml);
	if (is_update)
		write_file(path, buf_as_str(&got));
	read_file(path, &want);
	EQ_STR(buf_as_str(&got), buf_cstr(&want));
	buf_fini(&in);
	buf_fini(&got);
	buf_fini(&want);
}

static void test_golden(void)
{
	glob_t found = { 0 };

	OK(chdir(GOLDEN_DIR "/..") == 0);
	OK(glob("golden/explain/*.yaml", 0, NULL, &found) == 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		ROW(found.gl_pathv[i]);
		golden(found.gl_pathv[i]);
	}
	globfree(&found);
}

/* Text without the codes of colours, "\033[1;32m". */
static void without_codes(struct str text, struct buf *out)
{
	while (text.n) {
		struct str plain = str_cut(&text, '\033');

		buf_str(out, plain);
		if (text.n)
			str_cut(&text, 'm');
	}
}

/* The same text, and what was added, changed, taken away and dropped in a colour of its own. */
static void test_colours(void)
{
	static const char *const has[] = {
		"\033[1;34mline 1 \033[0m{",
		"\033[1mlogfmt\033[0m\033[2m  golden/explain/changes.yaml:15:11\033[0m\n",
		"\033[32m  + label level = info\033[0m\n",
		"\033[33m  ~ line: all is well\033[0m\n",
		"\033[31m  - label env\033[0m\n",
		"\033[1;32m  => \033[0m2026-03-02T10:00:00",
		"\033[1;31m  => dropped (noise)\n\033[0m",
	};
	static const char yaml[] = "golden/explain/changes.yaml";
	struct buf in = BUF_INIT, plain = BUF_INIT, coloured = BUF_INIT, without = BUF_INIT;
	struct explain_args args = { 0 };

	read_file("golden/explain/changes.in", &in);
	run(yaml, &args, buf_as_str(&in), &plain);
	args.is_coloured = true;
	run(yaml, &args, buf_as_str(&in), &coloured);
	without_codes(buf_as_str(&coloured), &without);
	EQ_STR(buf_as_str(&without), buf_cstr(&plain));
	for (size_t i = 0; i < ARRAY_LEN(has); i++)
		if (str_find(buf_as_str(&coloured), str_c(has[i])) == coloured.n)
			FAIL("no %s", has[i]);
	test_checks += (int)ARRAY_LEN(has);
	buf_fini(&in);
	buf_fini(&plain);
	buf_fini(&coloured);
	buf_fini(&without);
}

/* Each line holds a secret called canary in some form. stages: a YAML list in flow style. */
static const struct {
	const char *stages, *lines, *has;
} secrets[] = {
	{ "[redact: {}]", "password=canary", "[hidden:key_value]" },
	/* Dropped before redact could see it. */
	{ "[drop: {expression: x}, redact: {}]", "x password=canary", "[hidden:key_value]" },
	/* Found by its name only, after an extraction. */
	{ "[json: {expressions: {password: p}}, redact: {}]", "{\"p\":\"canary\"}", "hidden" },
	{ "[json: {expressions: {password: p}}, redact: {}]", "{\"p\":\"canary\\\"x\"}", "hidden" },
	/* Written otherwise in the input: all before is hidden. */
	{ "[json: {expressions: {password: p, q: }}, output: {source: q}, redact: {}]",
	  "{\"p\":\"c\\u0061nary\",\"q\":\"c\"}", "[hidden]" },
	{ "[json: {expressions: {p: }}, template: {source: p, template: 'pwd={{ .Value | ToUpper "
	  "}}'},"
	  " output: {source: p}, redact: {}]",
	  "{\"p\":\"canary\"}", "hidden" },
	/* In the label, and in what a stage made a label of. */
	{ "[regex: {expression: 'p=(?P<p>.*)'}, labels: {p: }, redact: {patterns: [{name: own, "
	  "expression: 'can.*'}]}]",
	  "p=canary", "[hidden:own]" },
	/* A stage that selects others only: what goes out is hidden here, and that is said. */
	{ "[match: {selector: '{job=\"no\"}', stages: [redact: {}]}]", "password=canary",
	  "!! what is hidden here goes out" },
	/* All actions. */
	{ "[output: {source: nothing}, redact: {action: mask, keep_last: 1}]", "password=canary",
	  "password=*****" },
	{ "[redact: {action: drop}]", "password=canary", "dropped (redact)" },
	{ "[redact: {detectors: [private_key]}]",
	  "-----BEGIN PRIVATE KEY-----\ncanarycanarycanarycanary\n-----END PRIVATE KEY-----",
	  "hidden" },
	/* In lines that never come to it. */
	{ "[drop: {expression: '.'}, redact: {detectors: [private_key]}]",
	  "-----BEGIN PRIVATE KEY-----\ncanarycanarycanarycanary\n-----END PRIVATE KEY-----",
	  "hidden" },
	/* Joined from two lines. */
	{ "[multiline: {firstline: '^a'}, replace: {expression: '(\\n)', replace: ''}, redact: {}]",
	  "a password=can\nnary", "[hidden]" },
	/* Short ones as words. */
	{ "[redact: {}]", "password=abc, abcd abc", "[hidden:key_value], abcd [hidden:key_value]" },
};

static void test_secrets(void)
{
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		static const struct label label = { { "team", 4 }, { "x", 1 } };
		struct explain_args args = { .labels = &label, .nlabels = 1 };
		struct buf yaml = BUF_INIT, out = BUF_INIT;
		char path[] = "/tmp/test-explain-XXXXXX.yaml";
		int fd = mkstemps(path, 5);

		ROW(secrets[i].stages);
		OK(fd >= 0);
		close(fd);
		buf_printf(&yaml,
			   "include: []\ninputs: {in: {type: file, paths: [/x]}}\n"
			   "outputs: {out: {type: stdout}}\n"
			   "pipelines: {p: {from: [in], to: [out], stages: %s}}\n",
			   secrets[i].stages);
		write_file(path, buf_as_str(&yaml));
		run(path, &args, str_c(secrets[i].lines), &out);
		if (str_find(buf_as_str(&out), str_c(secrets[i].has)) == out.n)
			FAIL("no \"%s\" in:\n" STR_FMT, secrets[i].has, STR_ARG(buf_as_str(&out)));
		args.as_json = true;
		run(path, &args, str_c(secrets[i].lines), &out);
		if (strcasestr(buf_cstr(&out), "nary"))
			FAIL("the secret is shown:\n" STR_FMT, STR_ARG(buf_as_str(&out)));
		test_checks += 2;
		unlink(path);
		buf_fini(&yaml);
		buf_fini(&out);
	}
}

int main(int argc, char **argv)
{
	is_update = argc > 1 && !strcmp(argv[1], "--update");
	offline_stop_clock(NOW_NS);
	RUN(test_golden);
	RUN(test_colours);
	RUN(test_secrets);
	return test_end();
}
