/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are renamed, truncated, replaced, deleted and made again, while the input runs and while
 * it does not: every line once, in order, under the name the file was found by. */
#include "tests/unit/file_rig.h"

static void move(const struct rig *g, const char *from, const char *to)
{
	OK(rename(rig_path(g, from), rig_path(g, to)) == 0);
}

static int64_t event_count(const char *event)
{
	return counter(METRIC_FILE_EVENTS, "event", event);
}

static void rename_and_create(void)
{
	struct rig *g = rig_new("*.log");
	int64_t rotated = event_count("rotated");
	int fd;

	rig_start(g);
	append_numbered(g, "a.log", "n", 0, 10);
	UNTIL(g, g->ngot == 10);
	append_numbered(g, "a.log", "n", 10, 10); /* not read yet when it is renamed */
	fd = open(rig_path(g, "a.log"), O_WRONLY | O_APPEND);
	move(g, "a.log", "a.log.1");
	append_numbered(g, "a.log", "n", 20, 10);
	expect_numbered(g, "n", 0, 30);
	/* The writer still has the old one. */
	OK(write(fd, "n 30\n", 5) == 5);
	UNTIL(g, g->ngot == 31);
	OK(write(fd, "n 31", 4) == 4);
	close(fd);
	expect_numbered(g, "n", 0, 32); /* unfinished, sent when it is let go */
	EQ_INT(g->got[31].flags & REC_PARTIAL, REC_PARTIAL);
	EQ_INT(event_count("rotated") - rotated, 1);
	for (size_t i = 0; i < g->ngot; i++)
		EQ_STR(str_c(g->got[i].filename), rig_path(g, "a.log"));
	check_times(g);
	UNTIL(g, rig_input(g)->nopen == 1);
	rig_end(g);
}

/* Created and renamed within one look, to names that no pattern matches. */
static void renamed_before_it_was_seen(void)
{
	struct rig *g = rig_new("a.log");
	char to[32];
	int n = 0;

	g->conf.max_open_files = 1000;
	rig_start(g);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++, n += 3) {
			append_numbered(g, "a.log", "n", n, 3);
			snprintf(to, sizeof(to), "a.log-%d", n);
			move(g, "a.log", to);
		}
		UNTIL(g, g->ngot == (size_t)n);
	}
	expect_numbered(g, "n", 0, n);
	for (size_t i = 0; i < g->ngot; i++)
		EQ_STR(str_c(g->got[i].filename), rig_path(g, "a.log"));
	check_times(g);
	UNTIL(g, rig_input(g)->nopen == 0);
	ROW("one that was read is not opened again");
	move(g, to, "a.log-last");
	rig_run(g, 50);
	EQ_INT(rig_input(g)->nopen, 0);
	rig_end(g);
}

/* A program writes to the renamed file until it opens the new one; nothing tells of that, and still
 * its lines come before those of the new file. */
static void late_lines_come_first(void)
{
	struct rig *g = rig_new("a.log");
	int n = 10;

	g->conf.rotate_wait_ns = 10 * NS_PER_S;
	rig_start(g);
	append_numbered(g, "a.log", "n", 0, n);
	UNTIL(g, g->ngot == (size_t)n);
	for (int round = 0; round < 3; round++) {
		int fd = open(rig_path(g, "a.log"), O_WRONLY | O_APPEND);
		char line[32], to[32];

		snprintf(to, sizeof(to), "a.log.%d", round);
		move(g, "a.log", to);
		append(g, "a.log", "");
		rig_run(g, 20); /* both are known, and at their end */
		for (int i = 0; i < 5; i++) {
			int len = snprintf(line, sizeof(line), "n %d\n", n++);

			OK(write(fd, line, (size_t)len) == len);
		}
		close(fd);
		append_numbered(g, "a.log", "n", n, 5);
		n += 5;
		UNTIL(g, g->ngot == (size_t)n);
	}
	expect_numbered(g, "n", 0, n);
	check_times(g);
	rig_end(g);
}

/* The rotated name matches, too: it is the same file, read on under its old name, never again. */
static void rotated_name_matches(void)
{
	struct rig *g = rig_new("a.log*");
	char from[32], to[32];

	rig_start(g);
	for (int round = 0; round < 8; round++) {
		append_numbered(g, "a.log", "n", round * 20, 10);
		if (round % 2)
			UNTIL(g, g->ngot > (size_t)round * 20);
		for (int i = 3; i > 0; i--) {
			snprintf(from, sizeof(from), i > 1 ? "a.log.%d" : "a.log", i - 1);
			snprintf(to, sizeof(to), "a.log.%d", i);
			if (access(rig_path(g, from), F_OK) == 0)
				move(g, from, to);
		}
		append_numbered(g, "a.log.1", "n", round * 20 + 10, 10);
	}
	expect_numbered(g, "n", 0, 160);
	for (size_t i = 0; i < g->ngot; i++)
		EQ_STR(str_c(g->got[i].filename), rig_path(g, "a.log"));
	UNTIL(g, rig_input(g)->nopen == 3);
	rig_stop(g);
	rig_forget(g);
	/* They are known by identity after a restart. */
	append_numbered(g, "a.log", "n", 160, 1);
	rig_start(g);
	expect_numbered(g, "n", 160, 1);
	rig_end(g);
}

static void copytruncate(void)
{
	struct rig *g = rig_new("*.log");
	int64_t lost = counter(METRIC_FILE_BYTES_LOST, "reason", "rewritten"),
		rewritten = event_count("rewritten");

	rig_start(g);
	append_numbered(g, "a.log", "n", 0, 100);
	UNTIL(g, g->ngot == 100);
	ROW("to nothing");
	overwrite(g, "a.log", "");
	rig_run(g, 50);
	append_numbered(g, "a.log", "n", 100, 10);
	UNTIL(g, g->ngot == 110);
	EQ_INT(event_count("rewritten") - rewritten, 1);
	EQ_INT(counter(METRIC_FILE_BYTES_LOST, "reason", "rewritten") - lost, 0);
	ROW("to more than before, between two looks");
	overwrite(g, "a.log", "");
	append_numbered(g, "a.log", "n", 110, 200);
	UNTIL(g, g->ngot == 310);
	ROW("to just as much");
	rig_run(g, 50);
	overwrite(g, "a.log", "");
	append_numbered(g, "a.log", "n", 310, 200);
	expect_numbered(g, "n", 0, 510);
	EQ_INT(event_count("rewritten") - rewritten, 3);
	ROW("with a long beginning that stays the same");
	rig_run(g, 50);
	for (int round = 0; round < 2; round++) {
		overwrite(g, "a.log", "");
		for (int i = 0; i < 40; i++)
			append(g, "a.log", "# a comment that is at the top of every new file\n");
		append_numbered(g, "a.log", round ? "m" : "n", 0, 100 + round * 20);
		UNTIL(g, g->ngot == (size_t)(510 + 140 + round * 160));
		EQ_STR(str_c(g->got[510 + round * 140].line),
		       "# a comment that is at the top of every new file");
	}
	EQ_STR(str_c(g->got[g->ngot - 1].line), "m 119");
	check_times(g);
	rig_end(g);

	ROW("what was not read is counted");
	g = rig_new("*.log");
	g->total_bytes = 1 << 20;
	g->holds = true;
	append_numbered(g, "a.log", "some text that fills the memory", 0, 90000);
	rig_start(g);
	UNTIL(g, rig_input(g)->is_paused);
	lost = counter(METRIC_FILE_BYTES_LOST, "reason", "rewritten");
	overwrite(g, "a.log", "new\n");
	rig_release(g);
	UNTIL(g, g->ngot && strcmp(g->got[g->ngot - 1].line, "new") == 0);
	OK(counter(METRIC_FILE_BYTES_LOST, "reason", "rewritten") - lost > 1000000);
	rig_end(g);
}

static void deleted_and_made_again(void)
{
	struct rig *g = rig_new("*.log");
	int64_t deleted = event_count("deleted");

	rig_start(g);
	/* Each is given the inode of the one before as soon as that is closed. */
	for (int round = 0; round < 5; round++) {
		append_numbered(g, "a.log", "n", round * 10, 10);
		UNTIL(g, g->ngot > (size_t)round * 10);
		OK(unlink(rig_path(g, "a.log")) == 0);
		if (round > 1)
			UNTIL(g, rig_input(g)->nopen == 0);
	}
	expect_numbered(g, "n", 0, 50);
	EQ_INT(event_count("deleted") - deleted, 5);
	EQ_INT(rig_input(g)->positions->n, 0);
	rig_end(g);
}

/* The same short text again is a new file; it is not taken for the old one. */
static void equal_beginnings(void)
{
	struct rig *g = rig_new("*.log");

	rig_start(g);
	for (int i = 1; i <= 3; i++) {
		unlink(rig_path(g, "a.log"));
		append(g, "a.log", "hello\n");
		UNTIL(g, g->ngot == (size_t)i);
	}
	append(g, "b.log", "hello\n");
	append(g, "c.log", "hello\n");
	EXPECT(g, "hello\nhello\nhello\nhello\nhello\n");
	rig_end(g);
}

/* An editor writes a new file with the old content and more, and renames it over. */
static void replaced_by_editor(void)
{
	struct rig *g = rig_new("*.log");

	rig_start(g);
	append_numbered(g, "a.log", "n", 0, 500);
	UNTIL(g, g->ngot == 500);
	append_numbered(g, "edited", "n", 0, 510);
	move(g, "edited", "a.log");
	expect_numbered(g, "n", 0, 510);
	ROW("while down");
	rig_stop(g);
	append_numbered(g, "edited", "n", 0, 520);
	move(g, "edited", "a.log");
	rig_start(g);
	expect_numbered(g, "n", 0, 520);
	ROW("other content is another file");
	append_numbered(g, "edited", "m", 0, 600);
	move(g, "edited", "a.log");
	UNTIL(g, g->ngot == 1120);
	rig_end(g);
}

/* Newer files of a name wait until the older ones are read to their end. */
static void order_across_rotations(void)
{
	struct rig *g = rig_new("a.log");
	char to[32];

	g->total_bytes = 2 << 20;
	g->holds = true;
	rig_start(g);
	append_numbered(g, "a.log", "text that fills the memory soon", 0, 60000);
	UNTIL(g, rig_input(g)->is_paused);
	for (int i = 1; i < 6; i++) {
		snprintf(to, sizeof(to), "a.log.%d", i);
		move(g, "a.log", to);
		append_numbered(g, "a.log", "text that fills the memory soon", i * 30000 + 30000,
				30000);
		rig_run(g, 10);
	}
	EQ_INT(rig_input(g)->nopen, 6);
	rig_release(g);
	expect_numbered(g, "text that fills the memory soon", 0, 210000);
	check_times(g);
	UNTIL(g, rig_input(g)->nopen == 1);
	rig_end(g);
}

/* ---- while nobody looks ------------------------------------------------------------------- */

static void rotated_while_down(void)
{
	struct rig *g = rig_new("*.log");

	append_numbered(g, "a.log", "n", 0, 100);
	rig_start(g);
	UNTIL(g, g->ngot == 100);
	rig_stop(g);
	rig_forget(g);
	append_numbered(g, "a.log", "n", 100, 50);
	move(g, "a.log", "a.log.2");
	append_numbered(g, "a.log", "n", 150, 30);
	move(g, "a.log", "a.log.1"); /* never seen: nothing tells that it was ours */
	append_numbered(g, "a.log", "n", 180, 10);
	rig_start(g);
	UNTIL(g, g->ngot == 60);
	rig_run(g, 30);
	EQ_INT(g->ngot, 60);
	EQ_STR(str_c(g->got[0].line), "n 100");
	EQ_STR(str_c(g->got[49].line), "n 149");
	EQ_STR(str_c(g->got[50].line), "n 180");
	for (size_t i = 0; i < g->ngot; i++)
		EQ_STR(str_c(g->got[i].filename), rig_path(g, "a.log"));
	UNTIL(g, rig_input(g)->nopen == 1);
	rig_end(g);
}

/* Moved to another directory, read on there, and renamed there while nobody looked: its position
 * still has the name it was found by. */
static void moved_and_rotated_while_down(void)
{
	struct rig *g = rig_new("{one,two}/a.log");

	OK(mkdir(rig_path(g, "one"), 0755) == 0 && mkdir(rig_path(g, "two"), 0755) == 0);
	append_numbered(g, "one/a.log", "n", 0, 100);
	rig_start(g);
	UNTIL(g, g->ngot == 100);
	move(g, "one/a.log", "two/a.log");
	append_numbered(g, "two/a.log", "n", 100, 100);
	UNTIL(g, g->ngot == 200);
	rig_stop(g);
	append_numbered(g, "two/a.log", "n", 200, 50);
	move(g, "two/a.log", "two/a.log.1");
	append_numbered(g, "two/a.log", "n", 250, 50);
	rig_start(g);
	UNTIL(g, g->ngot == 300);
	rig_run(g, 30);
	EQ_INT(g->ngot, 300);
	rig_end(g);
}

/* Killed with everything on its way, then rotated twice: the older file first, as it was. */
static void killed_and_rotated(void)
{
	struct rig *g = rig_new("a.log");
	int64_t first_ns, last_ns;

	g->holds = true;
	append_numbered(g, "a.log", "n", 0, 100);
	rig_start(g);
	UNTIL(g, g->ngot == 100);
	append_numbered(g, "a.log", "n", 100, 100);
	move(g, "a.log", "a.log.1");
	append_numbered(g, "a.log", "n", 200, 100);
	UNTIL(g, g->ngot == 300);
	first_ns = g->got[0].time_ns;
	last_ns = g->got[299].time_ns;
	rig_kill(g);
	rig_forget(g);
	move(g, "a.log.1", "a.log.2");
	append_numbered(g, "a.log", "n", 300, 50);
	move(g, "a.log", "a.log.1");
	append_numbered(g, "a.log", "n", 350, 50);
	rig_start(g);
	expect_numbered(g, "n", 0, 400);
	EQ_INT(g->got[0].time_ns, first_ns);
	EQ_INT(g->got[299].time_ns, last_ns);
	check_times(g);
	rig_end(g);
}

/* A file that was read to its end and then renamed is not looked at again, and the new one is not
 * taken for it, however alike they are. */
static void finished_and_rotated(void)
{
	struct rig *g = rig_new("a.log");

	for (int i = 0; i < 300; i++)
		append(g, "a.log", "tick\n");
	rig_start(g);
	UNTIL(g, g->ngot == 300);
	rig_stop(g);
	rig_forget(g);
	move(g, "a.log", "a.log.1");
	for (int i = 0; i < 400; i++)
		append(g, "a.log", "tick\n");
	rig_start(g);
	UNTIL(g, g->ngot == 400);
	rig_run(g, 30);
	EQ_INT(g->ngot, 400);
	rig_end(g);
}

/* ---- storm -------------------------------------------------------------------------------- */

static uint32_t seed;

static unsigned dice(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Writes, rotations and kills at random; by rename nothing is ever lost, and what comes twice comes
 * with the time it had. */
static void storm(void)
{
	for (uint32_t round = 1; round <= 6; round++) {
		struct rig *g = rig_new("a.log*");
		int written = 0, deleted = 0;
		int64_t *times = mem_array(GOT_MAX, sizeof(*times));
		char row[32], from[32], to[32];

		seed = round;
		snprintf(row, sizeof(row), "seed %u", round);
		ROW(row);
		g->is_paced = round % 2 == 0;
		rig_start(g);
		for (int step = 0; step < 150; step++) {
			int n = (int)dice(60);

			append_numbered(g, "a.log", "n", written, n);
			written += n;
			if (dice(4) == 0)
				rig_run(g, (int)dice(8));
			if (dice(8) == 0) {
				for (int i = 40; i > 0; i--) {
					snprintf(from, sizeof(from), i > 1 ? "a.log.%d" : "a.log",
						 i - 1);
					snprintf(to, sizeof(to), "a.log.%d", i);
					if (access(rig_path(g, from), F_OK) == 0)
						move(g, from, to);
				}
			}
			if (dice(10) == 0)
				g->holds = !g->holds;
			if (dice(25) == 0) {
				bool holds = g->holds;

				rig_run(g, 2); /* what was created is seen */
				rig_kill(g);
				g->holds = holds;
				rig_start(g);
			}
		}
		rig_release(g);
		rig_run(g, 100);
		UNTIL(g, rig_input(g)->nflights == 0 && !rig_input(g)->ready_first &&
				 !rig_input(g)->nheld);
		for (size_t i = 0; i < g->ngot; i++) {
			int number = atoi(g->got[i].line + 2);

			OK(number >= 0 && number < written);
			if (times[number] && times[number] != g->got[i].time_ns) {
				FAIL("line %d came with two times", number);
				break;
			}
			times[number] = g->got[i].time_ns;
			EQ_STR(str_c(g->got[i].filename), rig_path(g, "a.log"));
		}
		for (int i = deleted; i < written; i++) {
			if (!times[i]) {
				FAIL("line %d of %d is missing", i, written);
				break;
			}
			if (i && times[i] <= times[i - 1]) {
				FAIL("line %d is not later than the one before", i);
				break;
			}
		}
		mem_free(times);
		rig_end(g);
	}
}

static int same_tick(int fd, const char *path, int flags, unsigned mask, struct statx *s)
{
	int r = os_kernel.statx(fd, path, flags, mask, s);

	s->stx_btime.tv_sec = 1000000000;
	s->stx_btime.tv_nsec = 0;
	return r;
}

/* A file is renamed and the next one made in one tick of the kernel's clock, and before the event of the first
 * is looked at: the second is found first. The order is kept, also over a kill that comes before anything of
 * the first is settled. */
static void made_in_one_tick(void)
{
	struct os_ops coarse = os_kernel;

	coarse.statx = same_tick;
	os = &coarse;
	for (int kills = 0; kills < 2; kills++) {
		struct rig *g = rig_new("a.log*");

		ROW(kills ? "killed" : "runs on");
		rig_start(g);
		g->holds = kills;
		append(g, "a.log", "1\n");
		OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
		append(g, "a.log", "2\n");
		names_note(rig_input(g), str_c(rig_path(g, "a.log")), NAME_CREATED, 0);
		find_noted_names(rig_input(g)); /* as if the kernel had told no more yet */
		UNTIL(g, g->ngot == 2);
		if (kills) {
			OK(rename(rig_path(g, "a.log.1"), rig_path(g, "a.log.2")) == 0);
			OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
			append(g, "a.log", "3\n");
			rig_kill(g);
			rig_forget(g);
			rig_start(g);
			UNTIL(g, g->ngot == 3);
		}
		for (size_t i = 0; i < g->ngot; i++) {
			char want[] = { (char)('1' + i), 0 };

			EQ_STR(str_c(g->got[i].line), want);
			EQ_STR(str_c(g->got[i].filename), rig_path(g, "a.log"));
		}
		rig_end(g);
	}
	os = &os_kernel;
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(rename_and_create);
	RUN(renamed_before_it_was_seen);
	RUN(late_lines_come_first);
	RUN(rotated_name_matches);
	RUN(copytruncate);
	RUN(deleted_and_made_again);
	RUN(equal_beginnings);
	RUN(replaced_by_editor);
	RUN(order_across_rotations);
	RUN(rotated_while_down);
	RUN(moved_and_rotated_while_down);
	RUN(killed_and_rotated);
	RUN(finished_and_rotated);
	RUN(made_in_one_tick);
	RUN(storm);
	return test_end();
}
