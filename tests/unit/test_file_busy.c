/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are written to all the time: read without asking how long they are, and not heard of
 * where hearing costs more than looking. */
#include "tests/unit/file_rig.h"

#define FILES 4

static unsigned asked; /* statx() of a descriptor */

static int count_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	asked += !*path;
	return os_kernel.statx(dirfd, path, flags, mask, ret);
}

static struct os_ops counting;

static const char *name_of(int i)
{
	static char names[FILES][16];

	snprintf(names[i], sizeof(names[i]), "%d.log", i);
	return names[i];
}

static struct tail *tail_of(struct rig *g, const char *name)
{
	return find_path(rig_input(g), str_c(rig_path(g, name)));
}

/* ---- reading without asking --------------------------------------------------------------- */

/* A line of 100 bytes, and it has been read. */
static void grow(struct rig *g, const char *name)
{
	static char line[101];
	size_t want = g->ngot + 1;

	if (!*line) {
		memset(line, 'x', 99);
		line[99] = '\n';
	}
	append(g, name, line);
	UNTIL(g, g->ngot >= want);
	EQ_INT(g->ngot, want);
}

/* Past the KiB that is looked at as the beginning of the file, and known to grow. */
static struct rig *grown(int64_t partial_wait_ns)
{
	struct rig *g = rig_new("*.log");

	g->conf.partial_wait_ns = partial_wait_ns;
	g->conf.scan_interval_ns = 3600 * NS_PER_S;
	rig_start(g);
	for (int i = 0; i < 14; i++)
		grow(g, "a.log");
	rig_run(g, 5);
	return g;
}

static int64_t asked_ns(struct rig *g)
{
	return tail_of(g, "a.log")->active->asked_ns;
}

static void steady(void)
{
	struct rig *g = grown(100 * NS_PER_MS);
	size_t n;

	/* However slow the machine: the time that counts is that of the last look, so it is set. */
	tail_of(g, "a.log")->active->asked_ns = INT64_MAX / 2;
	asked = 0;
	for (int i = 0; i < 5; i++)
		grow(g, "a.log");
	EQ_INT(asked, 0);
	ROW("half a line is waited for");
	n = g->ngot;
	append(g, "a.log", "half a ");
	rig_run(g, 40);
	EQ_INT(g->ngot, n);
	append(g, "a.log", "line\nand");
	UNTIL(g, g->ngot == n + 1);
	EQ_STR(str_c(g->got[n].line), "half a line");
	UNTIL(g, g->ngot == n + 2);
	EQ_STR(str_c(g->got[n + 1].line), "and");
	rig_end(g);

	ROW("asked again after a while");
	g = grown(0);
	tail_of(g, "a.log")->active->asked_ns -= 2 * NS_PER_S;
	asked = 0;
	grow(g, "a.log");
	OK(asked > 0);
	OK(clock_mono_ns() - asked_ns(g) < 30 * NS_PER_S);
	rig_end(g);
}

static void steady_until(void)
{
	static const struct {
		const char *what;
		unsigned lines; /* in place of what was there, at once; each 100 bytes */
		bool is_anew;
	} rows[] = {
		{ "more than was tried for", 200, false },
		{ "emptied and shorter", 3, true },
		{ "emptied and longer", 40, true },
		{ "emptied and as long", 14, true },
	};

	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		struct rig *g = grown(0); /* nothing looks by itself */
		size_t n = g->ngot;
		char *text = mem_zalloc(rows[r].lines * 100 + 1);

		ROW(rows[r].what);
		memset(text, 'a' + (int)r, rows[r].lines * 100);
		for (unsigned i = 0; i < rows[r].lines; i++)
			text[i * 100 + 99] = '\n';
		tail_of(g, "a.log")->active->asked_ns = INT64_MAX / 2;
		(rows[r].is_anew ? overwrite : append)(g, "a.log", text);
		UNTIL(g, g->ngot == n + rows[r].lines);
		rig_run(g, 30);
		EQ_INT(g->ngot, n + rows[r].lines);
		EQ_INT(g->got[n].line[0], 'a' + (int)r);
		EQ_INT(tail_of(g, "a.log")->offset,
		       rows[r].lines * 100 + (rows[r].is_anew ? 0 : 1400));
		mem_free(text);
		rig_end(g);
	}
}

/* ---- not hearing -------------------------------------------------------------------------- */

static bool is_muted(struct rig *g)
{
	return watch_is_muted(rig_input(g)->watch, str_c(rig_path(g, "0.log")));
}

static int written[FILES];

/* One line to each in turn: events that the kernel cannot merge. */
static void write_to_all(struct rig *g, int files)
{
	char line[32];

	for (int k = 0; k < 20; k++)
		for (int i = 0; i < files; i++) {
			snprintf(line, sizeof(line), "%d %d\n", i, written[i]++);
			append(g, name_of(i), line);
		}
}

static int total(void)
{
	int n = 0;

	for (int i = 0; i < FILES; i++)
		n += written[i];
	return n;
}

/* All lines of all files, each file's in order. */
static void expect_all(struct rig *g)
{
	int next[FILES] = { 0 };

	UNTIL(g, g->ngot >= (size_t)total());
	EQ_INT(g->ngot, total());
	for (size_t k = 0; k < g->ngot; k++) {
		int i = -1, n = -1;

		if (sscanf(g->got[k].line, "%d %d", &i, &n) != 2 || i < 0 || i >= FILES ||
		    n != next[i]++) {
			FAIL("record %zu is \"%s\"", k, g->got[k].line);
			return;
		}
	}
}

static struct rig *muted(void)
{
	struct rig *g = rig_new("*.log");
	int64_t end_ns = clock_mono_ns() + WAIT_NS;

	memset(written, 0, sizeof(written));
	g->is_paced = true;
	g->conf.scan_interval_ns = 3600 * NS_PER_S; /* no help from it */
	write_to_all(g, FILES);
	rig_start(g);
	rig_input(g)->census_every_ns = 1;
	OK(!is_muted(g));
	while (!is_muted(g) && clock_mono_ns() < end_ns) {
		write_to_all(g, FILES);
		rig_run(g, 10);
	}
	OK(is_muted(g));
	EQ_INT(rig_input(g)->nunheard, FILES);
	rig_input(g)->census_every_ns = INT64_MAX / 2; /* it stays so */
	return g;
}

static void muting(void)
{
	struct rig *g = muted();
	struct tail *old;

	ROW("all of it comes without events");
	write_to_all(g, FILES);
	expect_all(g);
	rig_run(g, 100); /* what was still queued */
	write_to_all(g, 1);
	expect_all(g);
	OK(is_muted(g));

	ROW("renamed and made anew");
	old = tail_of(g, "1.log");
	write_to_all(g, 2);
	OK(rename(rig_path(g, "1.log"), rig_path(g, "1.old")) == 0);
	write_to_all(g, 2);
	expect_all(g);
	OK(tail_of(g, "1.log") != old);
	rig_run(g, 200);
	write_to_all(g, 2);
	expect_all(g);
	UNTIL(g, rig_input(g)->nunheard == FILES);

	ROW("deleted, and a new one");
	unlink(rig_path(g, "2.log"));
	UNTIL(g, rig_input(g)->nunheard == FILES - 1);
	rig_run(g, 200);
	write_to_all(g, 3);
	expect_all(g);
	EQ_INT(rig_input(g)->nunheard, FILES);
	rig_end(g);
}

static void heard_again(void)
{
	struct rig *g = muted();

	ROW("where few looks find anything, events are heard again; nothing is missed in between");
	expect_all(g);
	rig_input(g)->census_every_ns = 1;
	UNTIL(g, !is_muted(g));
	EQ_INT(rig_input(g)->nunheard, 0);
	rig_run(g, 100);
	write_to_all(g, 1);
	expect_all(g);
	UNTIL(g, !rig_input(g)->pace_timer.slot); /* nothing ticks */
	rig_end(g);

	ROW("a link leads into it");
	g = muted();
	OK(symlink(rig_path(g, "target"), rig_path(g, "3.link")) == 0);
	links_note(rig_input(g), str_c(rig_path(g, "3.link")));
	rig_input(g)->census_every_ns = 1;
	for (int i = 0; i < 500 && is_muted(g); i++) {
		write_to_all(g, FILES);
		rig_run(g, 10);
	}
	OK(!is_muted(g));
	expect_all(g);
	rig_end(g);

	ROW("stopped and started: as before");
	g = muted();
	expect_all(g);
	rig_stop(g);
	write_to_all(g, FILES);
	rig_start(g);
	OK(!is_muted(g));
	expect_all(g);
	rig_end(g);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	counting = os_kernel;
	counting.statx = count_statx;
	os = &counting;
	RUN(steady);
	RUN(steady_until);
	RUN(muting);
	RUN(heard_again);
	return test_end();
}
