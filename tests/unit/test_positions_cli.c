/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace positions`: listing, setting and forgetting, in a child with its output and exit code,
 * against positions that a real input wrote and reads again. */
#include "tests/unit/file_rig.h"

#include <sys/wait.h>
#include <zlib.h>

#include "agent/cli.h"
#include "inputs/file/archives.h"
#include "lib/lockfile.h"

static char said[65536];

/* Runs `tailrace positions <args>`, NULL-terminated; what it printed is in said. */
static int run(const struct rig *g, const char *const *args)
{
	char *argv[16] = { "tailrace", "positions" };
	int argc = 2, pipe_fds[2], status = 0;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	while (*args)
		argv[argc++] = (char *)(uintptr_t)*args++;
	argv[argc++] = "--state-dir";
	argv[argc++] = (char *)(uintptr_t)g->state;
	OK(pipe(pipe_fds) == 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], 1);
		dup2(pipe_fds[1], 2);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		status = cli_main(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	close(pipe_fds[1]);
	while (n < sizeof(said) - 1 &&
	       (got = read(pipe_fds[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = 0;
	close(pipe_fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define CLI(g, ...) run(g, (const char *const[]){ __VA_ARGS__, NULL })

#define SAYS(text)                                                                                 \
	do {                                                                                       \
		test_checks++;                                                                     \
		if (!strstr(said, text))                                                           \
			FAIL("\"%s\" is not in: %s", text, said);                                  \
	} while (0)

/* a.log with 10 lines of which all were read, then 5 more; b.log rotated away. */
static struct rig *prepared(void)
{
	struct rig *g = rig_new("*.log");

	append_numbered(g, "a.log", "n", 0, 10);
	append_numbered(g, "b.log", "m", 0, 5);
	rig_start(g);
	UNTIL(g, g->ngot == 15);
	rig_stop(g);
	rig_forget(g);
	append_numbered(g, "a.log", "n", 10, 5);
	OK(rename(rig_path(g, "b.log"), rig_path(g, "b.old")) == 0);
	return g;
}

static void list(void)
{
	struct rig *g = prepared();
	int lock;

	EQ_INT(CLI(g, "list"), 0);
	SAYS("INPUT");
	SAYS("a.log\n");
	SAYS("(now b.old)");
	SAYS(" 65           40           25   61%");
	EQ_INT(CLI(g, "list", "--format", "json"), 0);
	SAYS("\"input\":\"test\"");
	SAYS("\"state\":\"here\"");
	SAYS("\"state\":\"moved\",\"now\":\"");
	SAYS("\"offset\":40,\"size\":65,\"behind\":25,\"percent\":61,\"last_read\":\"20");
	EQ_INT(CLI(g, "list", "/**/a.log"), 0);
	OK(!strstr(said, "b.log"));
	EQ_INT(CLI(g, "list", "--input", "nobody"), 1);
	SAYS("nobody has no saved positions");
	EQ_INT(CLI(g, "list", "/nowhere"), 1);
	SAYS("no saved position is of /nowhere");
	OK(unlink(rig_path(g, "b.old")) == 0);
	EQ_INT(CLI(g, "list"), 0);
	SAYS("(gone)");
	ROW("beside the agent");
	{
		struct err err = ERR_NONE;
		char path[128];

		snprintf(path, sizeof(path), "%s/LOCK", g->state);
		lock = lockfile_take(path, &err);
		OK(lock >= 0);
	}
	EQ_INT(CLI(g, "list"), 0);
	EQ_INT(CLI(g, "forget", "/**"), 1);
	SAYS("stop the agent first");
	EQ_INT(CLI(g, "set", rig_path(g, "a.log"), "--offset", "end"), 1);
	SAYS("stop the agent first");
	EQ_INT(CLI(g, "set", rig_path(g, "a.log"), "--offset", "0", "--dry-run"), 0);
	SAYS("would set: input test");
	SAYS("from 40 to 0 of 65 bytes");
	lockfile_release(lock);
	rig_start(g);
	expect_numbered(g, "n", 10, 5); /* nothing was changed */
	rig_end(g);
}

/* Size of the file, offset in its content; it is forgotten, but not set. */
static void archives(void)
{
	struct rig *g = rig_new("*");
	char path[128];
	gzFile out;

	g->conf.archives = ARCHIVES_READ;
	g->conf.max_archive_size = 1 << 20;
	snprintf(path, sizeof(path), "%s", rig_path(g, "a.log.1.gz"));
	out = gzopen(path, "w");
	for (int i = 0; i < 100; i++)
		gzputs(out, "a line of an archive\n");
	gzclose(out);
	rig_start(g);
	UNTIL(g, g->ngot == 100 && archives_are_idle(rig_input(g)));
	rig_stop(g);
	EQ_INT(CLI(g, "list"), 0);
	SAYS(" 2100            0  100% ");
	SAYS("(in archive a.log.1.gz)");
	EQ_INT(CLI(g, "list", "--format", "json"), 0);
	SAYS(",\"archive\":true,\"done\":true,\"size\":");
	EQ_INT(CLI(g, "set", path, "--offset", "beginning"), 1);
	SAYS("a compressed file");
	EQ_INT(CLI(g, "forget", path), 0);
	rig_start(g);
	UNTIL(g, g->ngot == 200);
	rig_end(g);
}

static void set(void)
{
	static const struct {
		const char *offset, *says;
		int first, n; /* what is read then */
	} rows[] = {
		{ "beginning", "from 40 to 0 of 65 bytes", 0, 15 },
		{ "end", "from 40 to 65 of 65 bytes", 15, 0 },
		{ "20", "from 40 to 20 of 65 bytes", 5, 10 },
		{ "23", "offset 23 is inside a line, which begins at 20", 5, 10 },
		{ "65", "from 40 to 65 of 65 bytes", 15, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = prepared();

		ROW(rows[i].offset);
		EQ_INT(CLI(g, "set", rig_path(g, "a.log"), "--offset", rows[i].offset), 0);
		SAYS(rows[i].says);
		rig_start(g);
		expect_numbered(g, "n", rows[i].first, rows[i].n);
		append(g, "a.log", "more 0\n");
		UNTIL(g, g->ngot == (size_t)rows[i].n + 1);
		rig_end(g);
	}
}

static void set_refused(void)
{
	struct rig *g = prepared();
	const char *a = rig_path(g, "a.log");

	EQ_INT(CLI(g, "set", a, "--offset", "71"), EXIT_WRONG);
	SAYS("behind its end, it has 65 bytes");
	EQ_INT(CLI(g, "set", a, "--offset", "middle"), EXIT_WRONG);
	SAYS("beginning, end or a number");
	EQ_INT(CLI(g, "set", a), EXIT_WRONG);
	SAYS("--offset");
	EQ_INT(CLI(g, "set", "/nowhere", "--offset", "0"), 1);
	SAYS("cannot find the file");
	EQ_INT(CLI(g, "set", g->dir, "--offset", "0"), 1);
	append(g, "c.log", "c 0\nc 1\n");
	EQ_INT(CLI(g, "set", rig_path(g, "c.log"), "--offset", "4"), 1);
	SAYS("name the input with --input");
	EQ_INT(CLI(g, "set", rig_path(g, "c.log"), "--offset", "4", "--input", "test"), 0);
	EQ_INT(CLI(g, "sett"), EXIT_WRONG);
	EQ_INT(CLI(g, "list", "--format", "xml"), EXIT_WRONG);
	rig_start(g);
	UNTIL(g, g->ngot == 6);
	rig_run(g, 30);
	EQ_INT(g->ngot, 6); /* a's five, c's second */
	rig_end(g);
}

static void forget(void)
{
	struct rig *g = prepared();
	const char *a = rig_path(g, "a.log");

	EQ_INT(CLI(g, "forget"), EXIT_WRONG);
	SAYS("what to forget");
	EQ_INT(CLI(g, "forget", "--dry-run", a), 0);
	SAYS("would forget: input test");
	EQ_INT(CLI(g, "list", a), 0);
	EQ_INT(CLI(g, "forget", a), 0);
	SAYS("forgotten: input test");
	SAYS("was at 40");
	EQ_INT(CLI(g, "forget", a), 1);
	EQ_INT(CLI(g, "list"), 0);
	OK(!strstr(said, "a.log"));
	EQ_INT(CLI(g, "forget", "--input", "test"), 0);
	SAYS("b.log, was at");
	g->conf.start = START_END; /* it is not the first start for all that */
	rig_start(g);
	expect_numbered(g, "n", 0, 15);
	rig_end(g);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(list);
	RUN(archives);
	RUN(set);
	RUN(set_refused);
	RUN(forget);
	return test_end();
}
