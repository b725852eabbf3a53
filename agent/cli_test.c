/* SPDX-License-Identifier: Apache-2.0 */
/* The command `test`. */
#include <errno.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "lib/clock.h"
#include "lib/mem.h"

static const char *nth_test(const void *config, size_t i)
{
	const struct config *c = config;

	return i < c->ntests ? c->tests[i].name : NULL;
}

static int no_such_test(const struct config *c, const char *name)
{
	const char *nearest = conf_nearest(str_c(name), nth_test, c);
	struct err err = ERR_NONE;

	err_set(&err, -ENOENT, "there is no test '%s'%s%s%s", name,
		nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
	return cli_wrong(&err);
}

static void say(const struct conf_test_result *r, bool is_coloured)
{
	const struct conf_node *node = r->test->node;
	struct str diff = buf_as_str(&r->diff);

	printf("%s%s%s  %s", is_coloured ? r->is_passed ? "\033[32m" : "\033[1;31m" : "",
	       r->is_passed ? "ok  " : "FAIL", is_coloured ? "\033[0m" : "", r->test->name);
	if (!r->is_passed)
		printf("  %s:%u:%u", node->file, r->test->line, r->test->col);
	putchar('\n');
	while (!r->is_passed && diff.n) {
		struct str line = str_cut(&diff, '\n');
		const char *on = !line.n            ? ""
				 : line.p[0] == '-' ? "\033[31m"
				 : line.p[0] == '+' ? "\033[32m"
						    : "";

		printf("    %s" STR_FMT "%s\n", is_coloured ? on : "", STR_ARG(line),
		       is_coloured ? "\033[0m" : "");
	}
}

static int write_report(const char *path, const struct conf_test_result *results, size_t n)
{
	struct buf out = BUF_INIT;
	struct err err = ERR_NONE;
	FILE *f = fopen(path, "we");
	bool is_written;

	if (!f) {
		err_errno(&err, errno, "cannot write %s", path);
		return cli_fail(&err);
	}
	conf_test_junit(results, n, &out);
	is_written = fwrite(out.p, 1, out.n, f) == out.n;
	buf_fini(&out);
	if (fclose(f) == 0 && is_written)
		return 0;
	err_errno(&err, errno, "cannot write %s", path);
	return cli_fail(&err);
}

static int run(const struct cli_args *args, const struct config *c)
{
	struct conf_test_result *results = mem_array(c->ntests + 1, sizeof(*results));
	size_t n = 0, failed = 0;
	int rc = 0;

	for (size_t i = 0; i < c->ntests; i++) {
		struct conf_test_result *r = &results[n];
		int64_t start_ns;

		if (args->run && strcmp(args->run, c->tests[i].name) != 0)
			continue;
		n++;
		r->test = &c->tests[i];
		start_ns = clock_mono_ns();
		r->is_passed = conf_test_run(c, r->test, &r->diff);
		r->took_ns = clock_mono_ns() - start_ns;
		failed += !r->is_passed;
		say(r, cli_is_coloured());
	}
	if (args->junit)
		rc = write_report(args->junit, results, n);
	for (size_t i = 0; i < n; i++)
		buf_fini(&results[i].diff);
	mem_free(results);
	if (args->run && !n)
		return no_such_test(c, args->run);
	printf("%zu test%s, %zu failed\n", n, n == 1 ? "" : "s", failed);
	if (!n)
		fputs("tailrace: the configuration has no `tests`\n", stderr);
	return failed || !n ? 1 : rc;
}

int cli_test(const struct cli_args *given)
{
	struct cli_args args = cli_with_config(given);
	struct config *c = cli_load(args.config, false);
	int rc = c ? run(&args, c) : EXIT_WRONG;

	config_free(c);
	return rc;
}
