/* SPDX-License-Identifier: Apache-2.0 */
/* Rotations whose steps fall between any two system calls of ours: the first is done before we look, each of
 * the others so many calls later. Every line comes once and in order, whichever they fall between. */
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

static void pass(void)
{
	if (now.is_busy)
		return;
	now.is_busy = true;
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

/* True when there were so many calls. */
static bool run(const struct script *script, int at, int every)
{
	struct os_ops passing = os_kernel;
	struct rig *g = rig_new("*");
	bool is_over;
	char row[80];

	snprintf(row, sizeof(row), "%s, at call %d and each %d", script->name, at, every);
	ROW(row);
	g->conf.archives = ARCHIVES_AUTO;
	g->conf.max_archive_size = 1 << 20;
	g->conf.rotate_wait_ns = 20 * NS_PER_MS;
	rig_start(g);
	append_numbered(g, "a.log", "n", 0, FIRST);
	UNTIL(g, g->ngot == FIRST);
	now.g = g;
	now.steps = script->steps + 1;
	now.calls = 0;
	now.at = at;
	now.every = every;
	now.written = FIRST;
	step(script->steps[0]);
	passing.statx = pass_statx;
	passing.pread = pass_pread;
	passing.open = pass_open;
	os = &passing;
	rig_run(g, 10);
	os = &os_kernel;
	is_over = !*now.steps;
	while (*now.steps)
		step(*now.steps++);
	step('w');
	expect_numbered(g, "n", 0, now.written);
	if (strchr(script->steps, 'Z')) {
		UNTIL(g, archives_are_idle(rig_input(g)) && rig_input(g)->nflights == 0);
		EQ_INT(g->ngot, now.written);
	}
	check_times(g);
	rig_end(g);
	return is_over;
}

static void steps_between_any_two_calls(void)
{
	bool is_long = getenv("TAILRACE_LONG");

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		for (int every = 0; every < (is_long ? 12 : 4); every += 3)
			for (int at = 0; run(&scripts[i], at, every) && at < 100;)
				at += is_long || i < 2 ? 1 : 3;
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(steps_between_any_two_calls);
	return test_end();
}
