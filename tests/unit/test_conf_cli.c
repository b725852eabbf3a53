/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: arguments, and whole commands run in a child with their output and exit code. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/cli_args.h"
#include "lib/buf.h"

static const struct cli_flag flags[] = {
	{ "config", "FILE", offsetof(struct cli_args, config), "x" },
	{ "plain", NULL, offsetof(struct cli_args, plain), "x" },
	{ 0 },
};
static const struct cli_command command = { "cmd", "[FILE]", "x", flags, 1, NULL };

static const struct {
	const char *argv[6];
	const char *err; /* NULL: fine */
	const char *config, *rest;
	bool plain, help;
} rows[] = {
	{ { NULL }, NULL, NULL, NULL, false, false },
	{ { "--config", "a" }, NULL, "a", NULL, false, false },
	{ { "--config=a", "--plain", "b" }, NULL, "a", "b", true, false },
	{ { "--config=a=b" }, NULL, "a=b", NULL, false, false },
	{ { "--config", "--plain" }, NULL, "--plain", NULL, false, false },
	{ { "b", "--plain" }, NULL, NULL, "b", true, false },
	{ { "--", "--plain" }, NULL, NULL, "--plain", false, false },
	{ { "-" }, NULL, NULL, "-", false, false },
	{ { "-h" }, NULL, NULL, NULL, false, true },
	{ { "--help" }, NULL, NULL, NULL, false, true },
	{ { "--config" }, "--config needs a value: --config FILE", NULL, NULL, false, false },
	{ { "--config=" }, "--config needs a value that is not empty", NULL, NULL, false, false },
	{ { "--plain=1" }, "--plain takes no value", NULL, NULL, false, false },
	{ { "--plian" }, "cmd does not know --plian (did you mean --plain?)", 0, 0, 0, 0 },
	{ { "--zebra=1" }, "cmd does not know --zebra", NULL, NULL, false, false },
	{ { "-c" }, "cmd does not know -c (flags have two dashes)", NULL, NULL, false, false },
	{ { "a", "b" }, "cmd: what is 'b'?", NULL, NULL, false, false },
};

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void test_args(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cli_args args;
		struct err err = ERR_NONE;
		int argc = 0, rc;

		while (rows[i].argv[argc])
			argc++;
		ROW(argc ? rows[i].argv[0] : "nothing");
		rc = cli_parse(&command, argc, (char **)(uintptr_t)rows[i].argv, &args, &err);
		EQ_INT(rc < 0, rows[i].err != NULL);
		EQ_STR(str_c(err.text), rows[i].err ? rows[i].err : "");
		if (rc < 0)
			continue;
		OK(same(args.config, rows[i].config));
		OK(same(args.rest[0], rows[i].rest));
		EQ_INT(args.plain, rows[i].plain);
		EQ_INT(args.help, rows[i].help);
	}
}

/* Runs a command line in a child; its stdout and stderr in one. */
static int run(const char *line, const char *input, struct buf *out)
{
	char text[512], *argv[16] = { "tailrace" }, *save = text;
	int argc = 1, in[2], pipefd[2], status = -1;
	ssize_t n;
	pid_t pid;

	snprintf(text, sizeof(text), "%s", line);
	while ((argv[argc] = strsep(&save, " ")) && argc < 15)
		argc++;
	OK(pipe(in) == 0 && pipe(pipefd) == 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(pipefd[1], 1);
		dup2(pipefd[1], 2);
		close(in[0]);
		close(in[1]);
		close(pipefd[0]);
		close(pipefd[1]);
		setvbuf(stdout, NULL, _IONBF, 0);
		exit(cli_main(argc, argv));
	}
	close(in[0]);
	close(pipefd[1]);
	OK(write(in[1], input, strlen(input)) == (ssize_t)strlen(input));
	close(in[1]);
	while (buf_reserve(out, 4096) && (n = read(pipefd[0], out->p + out->n, 4096)) > 0)
		out->n += (size_t)n;
	close(pipefd[0]);
	OK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define GOOD "--config conf.d/json-app.yaml"

static const struct {
	const char *line, *input;
	int rc;
	const char *has; /* somewhere in the output */
} commands[] = {
	{ "version", "", 0, "tailrace " TAILRACE_VERSION "\n" },
	{ "--version", "", 0, "tailrace " TAILRACE_VERSION "\n" },
	{ "help", "", 0, "  dry-run  " },
	{ "-h", "", 0, "  redact  " },
	{ "help run", "", 0, "--config FILE|DIR" },
	{ "run --help", "", 0, "--quickstart" },
	{ "help syslog", "", 0, "syslog (input): " },
	{ "help loki", "", 0, "  batch_wait  duration from" },
	{ "help pipeline", "", 0, "max_streams  number" },
	{ "help agent", "", 0, "shutdown_timeout  duration" },
	{ "help lokki", "", 2, "nothing is called 'lokki' (did you mean 'loki'?)" },
	{ "chekc", "", 2, "there is no command 'chekc' (did you mean 'check'?)" },
	{ "run --confg x", "", 2, "run does not know --confg (did you mean --config?)" },
	{ "check now", "", 2, "check: what is 'now'?" },
	{ "check " GOOD, "", 0,
	  "The configuration is fine: 1 file, 1 input, 1 pipeline, 1 output." },
	{ "check --config=conf.d/quickstart.yaml", "", 0, "the output 'loki' is switched off" },
	{ "check --config tests/golden/conf-bad/values.yaml", "", 2,
	  "values.yaml:30:60: pipelines.main.max_streams: is 0, must be from 1 to 1000000\n"
	  "tailrace: 16 errors in the configuration, nothing was started\n" },
	{ "run --config tests/golden/conf-bad/values.yaml", "", 2,
	  "values.yaml:2:10: threads: 'many' is not a whole number\n" },
	{ "config --config tests/golden/conf-bad/values.yaml", "", 2, "values.yaml:2:10: " },
	{ "dry-run --config tests/golden/conf-bad/values.yaml", "", 2, "values.yaml:2:10: " },
	{ "run --config /nonexistent.yaml", "", 2,
	  "/nonexistent.yaml: cannot open: No such file or directory\n" },
	{ "config " GOOD, "", 0, "    type: file  # conf.d/json-app.yaml:" },
	{ "config --plain " GOOD, "", 0, "    type: file\n" },
	{ "dry-run " GOOD, "{\"level\":\"info\",\"msg\":\"paid\"}\n", 0, "level=\"info\"} paid" },
	{ "dry-run --format=json " GOOD, "{\"level\":\"info\",\"msg\":\"paid\"}\n", 0,
	  "\"line\":\"paid\"" },
	{ "dry-run --config tests/golden/explain/joined.yaml",
	  "2026-11-21T10:00:00Z stdout P two \n2026-11-21T10:00:00Z stdout F parts\n"
	  "2026-11-21T10:00:01Z stdout F  indented\n",
	  0, "two parts\\x0a indented\n" },
	{ "dry-run --pipeline mian " GOOD, "", 2,
	  "there is no pipeline 'mian' (did you mean 'main'?)" },
	{ "dry-run --format=xml " GOOD, "", 2, "--format is text or json, not 'xml'" },
	{ "dry-run " GOOD " LICENSE", "", 0, "Apache License" },
	{ "explain conf.d/json-app.yaml {\"msg\":\"paid\"}", "", 0, "    ~ line: paid\n" },
	{ "explain " GOOD " --labels team=a", "{\"level\":\"debug\"}\n", 0,
	  "job=\"app\", team=\"a\"}\n" },
	{ "explain " GOOD " --json -", "{\"level\":\"debug\"}", 0, "\"reason\":\"debug\"" },
	{ "explain " GOOD " --labels team", "", 2,
	  "--labels is a list like level=info,team=a, not 'team'" },
	{ "explain " GOOD " --input ap", "", 2, "there is no input 'ap' (did you mean 'app'?)" },
	{ "explain conf.d/quickstart.yaml --input syslog x", "", 0, "job=\"syslog\"}\n  x\n" },
	{ "test conf.d/json-app.yaml", "", 0, "ok    paid\n1 test, 0 failed\n" },
	{ "test " GOOD " --run piad", "", 2, "there is no test 'piad' (did you mean 'paid'?)" },
	{ "test tests/golden/conf-test/diff.yaml --run bad", "", 1,
	  "FAIL  bad  tests/golden/conf-test/diff.yaml:" },
	{ "test tests/golden/conf-test/diff.yaml --run good --junit /dev/stdout", "", 0,
	  "tests=\"1\" failures=\"0\"" },
	{ "test " GOOD " --junit /nonexistent/x", "", 1, "cannot write /nonexistent/x: No such" },
	{ "test tests/golden/explain/changes.yaml", "", 1, "the configuration has no `tests`" },
	{ "help tests", "", 0, "dropped  map of texts\n" },
	{ "redact", "password=hunter2\n", 0, "password=<redacted:key_value>\n" },
	{ "redact --explain -", "password=hunter2\n", 0,
	  "1:10-16\tkey_value\treplace\t<redacted:key_value>\n" },
	{ "redact conf.d/redact.yaml", "CUST-1234567\n", 0, "<redacted:customer>\n" },
	{ "redact " GOOD, "", 2, "the pipeline 'main' has no stage redact" },
	{ "redact /nonexistent", "", 1, "cannot open /nonexistent: No such file" },
	{ "dry-run " GOOD, "{\"level\":\"debug\"}\n{}\n", 0, "           1  drop (debug)\n" },
	{ "dry-run conf.d/json-app.yaml --quiet --input app - /dev/null", "{\"msg\":\"x\"}\n{}\n",
	  0, "label job: 1 value\n             2  app\n" },
	{ "dry-run " GOOD " --limit 2 LICENSE --quiet", "", 0, "in                 2 lines, " },
	{ "dry-run " GOOD " --limit x", "", 2, "--limit is a number of lines, not 'x'" },
	{ "dry-run " GOOD " --inputs LICENSE", "", 2, "either files or --inputs" },
	{ "dry-run " GOOD " agent", "", 1, "cannot open agent: Is a directory" },
	{ "dry-run conf.d/redact.yaml --quiet", "CUST-1234567 password=abc\nx password=d\n", 0,
	  "redacted           3\n                   1  customer\n                   2  "
	  "key_value\n" },
	{ "dry-run conf.d/syslog-relay.yaml --inputs", "", 1,
	  "the input 'network' reads no files" },
	{ "dry-run tests/golden/dry-run/files.yaml --inputs", "", 0,
	  "tests/golden/dry-run/a.log\", host=" },
	{ "dry-run tests/golden/dry-run/files.yaml --inputs --quiet", "", 0,
	  "in                 6 lines, " },
	{ "dry-run tests/golden/dry-run/drops.yaml --quiet tests/golden/dry-run/a.log "
	  "tests/golden/dry-run/b.log",
	  "", 0, "dropped            6\n                   6  drop (drop_stage)\n" },
	{ "dry-run " GOOD " /nonexistent", "", 1, "cannot open /nonexistent: No such file" },
};

static void test_commands(void)
{
	OK(chdir(SOURCE_DIR) == 0);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct buf out = BUF_INIT;

		ROW(commands[i].line);
		EQ_INT(run(commands[i].line, commands[i].input, &out), commands[i].rc);
		if (str_find(buf_as_str(&out), str_c(commands[i].has)) == out.n)
			FAIL("'%s' is not in:\n" STR_FMT, commands[i].has,
			     STR_ARG(buf_as_str(&out)));
		buf_fini(&out);
	}
}

int main(void)
{
	unsetenv("LOKI_URL");
	unsetenv("TAILRACE_QUICKSTART");
	RUN(test_args);
	RUN(test_commands);
	return test_end();
}
