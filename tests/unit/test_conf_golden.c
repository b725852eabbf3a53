/* SPDX-License-Identifier: Apache-2.0 */
/* The examples load, and every mistake in tests/golden/conf-bad is answered as written beside it.
 * `test_conf_golden --update` rewrites the answers: read the diff. */
#include "tests/unit/test.h"

#include <glob.h>
#include <unistd.h>

#include "agent/agent_conf.h"
#include "agent/registry.h"

static const struct conf_plugin *plugins;
static size_t nplugins;
static bool is_update;

/* Nothing but what these tests say is set: the same everywhere. */
static const char *no_variable(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return NULL;
}
static const char *loki_url(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "LOKI_URL") ? NULL : "http://loki.example:3100";
}

static void each(const char *pattern, void (*test)(const char *path))
{
	glob_t found = { 0 };

	OK(glob(pattern, 0, NULL, &found) == 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		ROW(found.gl_pathv[i]);
		test(found.gl_pathv[i]);
	}
	globfree(&found);
}

static void example(const char *path)
{
	static const struct conf_env envs[] = { { no_variable, NULL }, { loki_url, NULL } };

	for (size_t i = 0; i < ARRAY_LEN(envs); i++) {
		struct config *c = config_load(path, &envs[i], plugins, nplugins);
		struct buf errors = BUF_INIT;
		struct err err = ERR_NONE;

		conf_errors_print(c->doc, &errors, false);
		EQ_STR(buf_as_str(&errors), "");
		if (!errors.n) {
			EQ_INT(agent_check(&c->plan, &err), 0);
			EQ_STR(str_c(err.text), "");
		}
		buf_fini(&errors);
		config_free(c);
	}
}

static void test_examples(void)
{
	each(SOURCE_DIR "/conf.d/*.yaml", example);
}

/* Loki takes part exactly when its variable is set. */
static void test_quickstart(void)
{
	static const struct {
		struct conf_env env;
		size_t noutputs, notices;
	} rows[] = { { { no_variable, NULL }, 1, 1 }, { { loki_url, NULL }, 2, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config *c = config_load(SOURCE_DIR "/conf.d/quickstart.yaml", &rows[i].env,
					       plugins, nplugins);

		EQ_INT(conf_error_count(c->doc), 0);
		EQ_INT(conf_notice_count(c->doc), rows[i].notices);
		EQ_INT(c->plan.noutputs, rows[i].noutputs);
		EQ_INT(c->plan.ninputs, 2);
		EQ_STR(str_c(c->plan.state_dir), "/tmp/tailrace-demo/state");
		config_free(c);
	}
}

static void read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	while (f && buf_reserve(out, 4096) && (n = fread(out->p + out->n, 1, 4096, f)) > 0)
		out->n += n;
	if (f)
		fclose(f);
}

static void write_file(const char *path, const struct buf *text)
{
	FILE *f = fopen(path, "wb");

	OK(f && fwrite(text->p, 1, text->n, f) == text->n);
	if (f)
		fclose(f);
}

/* x.yaml (or the folder x.d) and the messages in x.out. */
static void bad(const char *path)
{
	static const struct conf_env env = { no_variable, NULL };
	struct buf got = BUF_INIT, want = BUF_INIT, answer = BUF_INIT;
	struct str stem = str_c(path);
	struct config *c;
	struct err err = ERR_NONE;

	while (stem.n && stem.p[stem.n - 1] != '.')
		stem.n--;
	buf_str(&answer, stem);
	buf_c(&answer, "out");
	c = config_load(path, &env, plugins, nplugins);
	conf_errors_print(c->doc, &got, false);
	OK(got.n > 0);
	if (!got.n)
		EQ_INT(agent_check(&c->plan, &err), 0); /* says what was not found at load */
	if (is_update) {
		write_file(buf_cstr(&answer), &got);
	} else {
		read_file(buf_cstr(&answer), &want);
		EQ_STR(buf_as_str(&got), buf_cstr(&want));
	}
	config_free(c);
	buf_fini(&got);
	buf_fini(&want);
	buf_fini(&answer);
}

static void test_bad(void)
{
	/* Relative names, so that the answers name no machine's folders. */
	OK(chdir(GOLDEN_DIR "/conf-bad") == 0);
	each("*.yaml", bad);
	each("*.d", bad);
}

int main(int argc, char **argv)
{
	is_update = argc > 1 && !strcmp(argv[1], "--update");
	plugins = registry(&nplugins);
	RUN(test_examples);
	RUN(test_quickstart);
	RUN(test_bad);
	return test_end();
}
