/* SPDX-License-Identifier: Apache-2.0 */
/* Rotations whose steps fall between any two system calls of ours: the first is done before we look, each of
 * the others so many calls later. Every line comes once and in order, whichever they fall between. */
#include <limits.h>
#include <zlib.h>

#include "inputs/file/archives.h"
#include "tests/unit/file_rig.h"

#define FIRST 300

/* One letter for each. */
static const struct script {
	const char *name, *steps;
} scripts[] = {
	{ "copytruncate", "CEw" },
	{ "copytruncate in pieces", "bBEw" },
	{ "copytruncate, compressed", "CEZUw" },
	{ "copytruncate, moved on", "CEmCE" },
	{ "unread lines, copytruncate", "wCE" },
	{ "renamed and created", "RNw" },
	{ "written, renamed, created late", "wRwN" },
	{ "renamed, compressed", "RNwZU" },
	{ "renamed twice", "RNwmRNw" },
	{ "deleted and created", "DNw" },
};

static struct {
	struct rig *g;
	const char *steps;
	int calls, at, every, written;
	bool is_busy;
	int kill_at;
	size_t nkept; /* records that had come by then */
} now;

static void compress_to(const struct rig *g, const char *from, const char *to)
{
	char text[8192], path[128];
	FILE *in = fopen(rig_path(g, from), "r");
	gzFile out;
	size_t n;

	OK(in != NULL);
	n = in ? fread(text, 1, sizeof(text), in) : 0;
	if (in)
		fclose(in);
	snprintf(path, sizeof(path), "%s", rig_path(g, to));
	out = gzopen(path, "w");
	OK(out && gzwrite(out, text, (unsigned)n) == (int)n && gzclose(out) == Z_OK);
}

static void copy_part(const struct rig *g, size_t from, size_t max)
{
	char text[8192];
	int fd = open(rig_path(g, "a.log"), O_RDONLY);
	ssize_t n = pread(fd, text, max < sizeof(text) ? max : sizeof(text), (off_t)from);

	OK(n >= 0 && n < (ssize_t)sizeof(text));
	close(fd);
	put_bytes(g, "a.log.1", text, (size_t)n, from ? O_APPEND : O_TRUNC);
}

static void move(const struct rig *g, const char *from, const char *to)
{
	OK(rename(rig_path(g, from), rig_path(g, to)) == 0);
}

static void step(char what)
{
	const struct rig *g = now.g;

	switch (what) {
	case 'w':
		append_numbered(g, "a.log", "n", now.written, 10);
		now.written += 10;
		return;
	case 'C':
		copy_part(g, 0, SIZE_MAX);
		return;
	case 'b':
		copy_part(g, 0, 700);
		return;
	case 'B':
		copy_part(g, 700, SIZE_MAX);
		return;
	case 'E':
		OK(truncate(rig_path(g, "a.log"), 0) == 0);
		return;
	case 'R':
		move(g, "a.log", "a.log.1");
		return;
	case 'N':
		append(g, "a.log", "");
		return;
	case 'm':
		move(g, "a.log.1", "a.log.2");
		return;
	case 'Z':
		compress_to(g, "a.log.1", "a.log.1.gz");
		return;
	case 'U':
		OK(unlink(rig_path(g, "a.log.1")) == 0);
		return;
	case 'D':
		OK(unlink(rig_path(g, "a.log")) == 0);
		return;
	default:
		FAIL("no step %c", what);
	}
}

/* What is on the disk now is what a kill would leave. */
static void keep(const struct rig *g)
{
	char command[300];

	snprintf(command, sizeof(command), "cp -a %s/positions %s/kept", g->state, g->state);
	OK(system(command) == 0);
	now.nkept = g->ngot;
}

static void kill_back_then(struct rig *g)
{
	char command[400];

	while (g->ngot > now.nkept) {
		mem_free(g->got[--g->ngot].line);
		mem_free(g->got[g->ngot].filename);
	}
	rig_down(g);
	snprintf(command, sizeof(command), "rm -r %s/positions && mv %s/kept %s/positions",
		 g->state, g->state, g->state);
	OK(system(command) == 0);
}

static void pass(void)
{
	if (now.is_busy)
		return;
	now.is_busy = true;
	if (now.calls == now.kill_at)
		keep(now.g);
	while (*now.steps && now.calls >= now.at) {
		step(*now.steps++);
		now.at += now.every;
	}
	now.calls++;
	now.is_busy = false;
}

static int pass_statx(int fd, const char *path, int flags, unsigned mask, struct statx *s)
{
	pass();
	return os_kernel.statx(fd, path, flags, mask, s);
}

static ssize_t pass_pread(int fd, void *buf, size_t n, off_t at)
{
	pass();
	return os_kernel.pread(fd, buf, n, at);
}

static int pass_open(const char *path, int flags, mode_t mode)
{
	pass();
	return os_kernel.open(path, flags, mode);
}

static struct rig *begin(const struct script *script)
{
	struct rig *g = rig_new("*");

	g->conf.archives = ARCHIVES_AUTO;
	g->conf.max_archive_size = 1 << 20;
	g->conf.rotate_wait_ns = 20 * NS_PER_MS;
	rig_start(g);
	append_numbered(g, "a.log", "n", 0, FIRST);
	UNTIL(g, g->ngot == FIRST);
	now.g = g;
	now.steps = script->steps + 1;
	now.calls = 0;
	now.at = now.every = now.kill_at = INT_MAX;
	now.written = FIRST;
	step(script->steps[0]);
	return g;
}

static void look(struct rig *g)
{
	struct os_ops passing = os_kernel;

	passing.statx = pass_statx;
	passing.pread = pass_pread;
	passing.open = pass_open;
	os = &passing;
	rig_run(g, 10);
	os = &os_kernel;
}

static void end(struct rig *g, const struct script *script)
{
	while (*now.steps)
		step(*now.steps++);
	step('w');
	UNTIL(g, g->ngot >= (size_t)now.written);
	if (strchr(script->steps, 'Z'))
		UNTIL(g, archives_are_idle(rig_input(g)) && rig_input(g)->nflights == 0);
}

/* True when there were so many calls. */
static bool run(const struct script *script, int at, int every)
{
	struct rig *g;
	bool is_over;
	char row[80];

	snprintf(row, sizeof(row), "%s, at call %d and each %d", script->name, at, every);
	ROW(row);
	g = begin(script);
	now.at = at;
	now.every = every;
	look(g);
	is_over = !*now.steps;
	end(g, script);
	expect_numbered(g, "n", 0, now.written);
	check_times(g);
	rig_end(g);
	return is_over;
}

/* What came again had the time it had. */
static void check_repeats(const struct rig *g)
{
	static int64_t times[10000];
	int n = 0, line;

	memset(times, 0, sizeof(times));
	for (size_t i = 0; i < g->ngot; i++) {
		OK(sscanf(g->got[i].line, "n %d", &line) == 1 && line >= 0 && line < 10000);
		n += times[line] == 0;
		if (times[line] && times[line] != g->got[i].time_ns) {
			FAIL("line %d came twice", line);
			return;
		}
		times[line] = g->got[i].time_ns;
	}
	EQ_INT(n, now.written);
}

/* The same with the rest of the steps while we are down. */
static bool killed(const struct script *script, int at)
{
	struct rig *g;
	bool was_killed;
	char row[80];

	snprintf(row, sizeof(row), "%s, killed at call %d", script->name, at);
	ROW(row);
	g = begin(script);
	now.kill_at = at;
	look(g);
	was_killed = now.calls > at;
	if (was_killed)
		kill_back_then(g);
	else
		rig_kill(g);
	while (*now.steps)
		step(*now.steps++);
	rig_start(g);
	end(g, script);
	rig_run(g, 30);
	check_repeats(g);
	rig_end(g);
	return was_killed;
}

static void steps_between_any_two_calls(void)
{
	bool is_long = getenv("TAILRACE_LONG");

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		for (int every = 0; every < (is_long ? 12 : 4); every += 3)
			for (int at = 0; run(&scripts[i], at, every) && at < 100;)
				at += is_long || i < 2 ? 1 : 3;
}

static void killed_between_any_two_calls(void)
{
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		for (int at = 0; killed(&scripts[i], at) && at < 100;)
			at += getenv("TAILRACE_LONG") ? 1 : 4;
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(steps_between_any_two_calls);
	RUN(killed_between_any_two_calls);
	return test_end();
}
