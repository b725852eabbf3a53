/* SPDX-License-Identifier: Apache-2.0 */
/* Where files are begun: start, ignore_older, names that were followed before. And where reading ends
 * when too much was rotated away. */
#include "tests/unit/file_rig.h"

static void set_age(const struct rig *g, const char *name, int64_t age_ns)
{
	int64_t at_ns = clock_wall_ns() - age_ns;
	struct timespec times[2];

	times[0] = times[1] = (struct timespec){ at_ns / NS_PER_S, at_ns % NS_PER_S };
	OK(utimensat(AT_FDCWD, rig_path(g, name), times, 0) == 0);
}

static void come_and_go(struct rig *g)
{
	rig_start(g);
	rig_run(g, 30);
	rig_stop(g);
	rig_forget(g);
}

/* a.log is there at the first start, b.log comes while it runs, c.log while it does not, and then
 * a.log is rotated while it does not run. */
static void start_modes(void)
{
	static const struct {
		const char *name;
		enum file_start start;
		const char *first, *second;
	} rows[] = {
		{ "beginning", START_BEGINNING, "old\nnew\nb\n", "c\nnext\n" },
		{ "end", START_END, "new\nb\n", "c\nnext\n" },
		{ "last", START_LAST, "new\nb\n", "next\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = rig_new("*.log");

		ROW(rows[i].name);
		g->conf.start = rows[i].start;
		append(g, "a.log", "old\n");
		rig_start(g);
		rig_run(g, 30);
		append(g, "a.log", "new\n");
		UNTIL(g, g->ngot && strcmp(g->got[g->ngot - 1].line, "new") == 0);
		append(g, "b.log", "b\n");
		EXPECT(g, rows[i].first);
		rig_stop(g);
		rig_forget(g);

		append(g, "c.log", "c\n");
		rig_start(g);
		EXPECT(g, i == 2 ? "" : "c\n");
		rig_stop(g);
		OK(rename(rig_path(g, "a.log"), rig_path(g, "a.1")) == 0);
		append(g, "a.log", "next\n");
		rig_start(g);
		EXPECT(g, rows[i].second);
		rig_end(g);
	}
}

/* The first start lasts until its first scan is done; a start on which nothing is found is one. */
static void nothing_there_at_the_first_start(void)
{
	struct rig *g = rig_new("*.log");

	g->conf.start = START_END;
	come_and_go(g);
	append(g, "a.log", "later\n");
	rig_start(g);
	EXPECT(g, "later\n");

	ROW("killed before the first scan");
	rig_end(g);
	g = rig_new("*.log");
	g->conf.start = START_END;
	append(g, "a.log", "old\n");
	rig_open(g); /* makes the position file */
	rig_kill(g);
	rig_start(g);
	append(g, "a.log", "new\n");
	EXPECT(g, "new\n");
	rig_end(g);
}

static void ignore_older(void)
{
	struct rig *g = rig_new("*.log");
	int64_t too_old = counter(METRIC_FILE_EVENTS, "event", "too_old");

	g->conf.ignore_older_ns = 3600 * NS_PER_S;
	append(g, "old.log", "old\nunfinished");
	append(g, "new.log", "new\n");
	append(g, "left.log", "left 1\n");
	set_age(g, "old.log", 3601 * NS_PER_S);
	set_age(g, "new.log", 3500 * NS_PER_S);
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	rig_run(g, 250); /* longer than an unfinished line waits */
	EQ_INT(g->ngot, 2);
	rig_forget(g);
	EQ_INT(counter(METRIC_FILE_EVENTS, "event", "too_old") - too_old, 1);
	EQ_INT(counter(METRIC_FILE_BYTES_BEHIND, NULL, NULL), 0);
	ROW("found later");
	append(g, "later", "later\n");
	set_age(g, "later", 3601 * NS_PER_S);
	OK(rename(rig_path(g, "later"), rig_path(g, "later.log")) == 0);
	UNTIL(g, counter(METRIC_FILE_EVENTS, "event", "too_old") - too_old == 2);
	rig_stop(g);

	ROW("what was begun is finished, however old");
	append(g, "left.log", "left 2\n");
	set_age(g, "left.log", 7200 * NS_PER_S);
	append(g, "old.log", "\nwritten again\n");
	rig_start(g);
	UNTIL(g, g->ngot == 3);
	rig_run(g, 30);
	EQ_INT(g->ngot, 3);
	append(g, "later.log", "again\n");
	UNTIL(g, g->ngot == 4);
	{
		int want = 0;

		for (size_t i = 0; i < g->ngot; i++)
			want += !strcmp(g->got[i].line, "left 2") || !strcmp(g->got[i].line, "") ||
				!strcmp(g->got[i].line, "written again") ||
				!strcmp(g->got[i].line, "again");
		EQ_INT(want, 4);
	}
	EQ_INT(counter(METRIC_FILE_EVENTS, "event", "too_old") - too_old, 2);
	rig_end(g);
}

/* ---- too much rotated away ---------------------------------------------------------------- */

static void rotate_away(struct rig *g, int i)
{
	char to[32];

	append_numbered(g, "a.log", "text that fills memory", i * 1000, 1000);
	rig_run(g, 5);
	snprintf(to, sizeof(to), "a.%d", i);
	if (i % 2)
		OK(unlink(rig_path(g, "a.log")) == 0);
	else
		OK(rename(rig_path(g, "a.log"), rig_path(g, to)) == 0);
	rig_run(g, 5);
}

static int64_t lost(const char *reason)
{
	return counter(METRIC_FILE_BYTES_LOST, "reason", reason);
}

static size_t lines_of(const struct rig *g, int first, int n)
{
	size_t count = 0;

	for (size_t i = 0; i < g->ngot; i++) {
		int number = atoi(g->got[i].line + strlen("text that fills memory "));

		count += number >= first && number < first + n;
	}
	return count;
}

/* While nothing can be delivered: renamed and deleted ones count, the oldest is closed; of a deleted
 * one all that was not read is counted, a renamed one is finished when there is room. */
static void bounded(const char *name, unsigned files, size_t bytes, size_t want_open)
{
	struct rig *g = rig_new("a.log");
	int64_t before = lost("rotated"),
		postponed = counter(METRIC_FILE_EVENTS, "event", "postponed");
	int64_t want_lost = 0;
	struct stat st;

	ROW(name);
	g->conf.max_rotated_files = files;
	g->conf.max_rotated_bytes = bytes;
	g->conf.scan_interval_ns = 50 * NS_PER_MS;
	g->total_bytes = 1 << 20;
	g->holds = true;
	append_numbered(g, "a.log", "text that fills memory", 100000, 40000);
	rig_start(g);
	UNTIL(g, rig_input(g)->is_paused);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.old")) == 0);
	for (int i = 0; i < 8; i++)
		rotate_away(g, i);
	UNTIL(g, rig_input(g)->nrotated == want_open);
	OK(rig_input(g)->rotated_bytes <= bytes);
	EQ_INT(counter(METRIC_FILE_BYTES_BEHIND, NULL, NULL), rig_input(g)->rotated_bytes);
	for (int i = 1; i < 8 - (int)want_open; i += 2)
		for (int k = 0; k < 1000; k++)
			want_lost += snprintf(NULL, 0, "text that fills memory %d\n", i * 1000 + k);
	EQ_INT(lost("rotated") - before, want_lost);
	OK(counter(METRIC_FILE_EVENTS, "event", "postponed") - postponed >= 3);
	rig_release(g);
	UNTIL(g, lines_of(g, 100000, 40000) == 40000 && rig_input(g)->nopen == 0);
	for (int i = 0; i < 8; i++)
		EQ_INT(lines_of(g, i * 1000, 1000), i % 2 && i < 8 - (int)want_open ? 0 : 1000);
	EQ_INT(lost("rotated") - before, want_lost);
	OK(stat(rig_path(g, "a.old"), &st) == 0);
	rig_end(g);
}

static void rotated_bounds(void)
{
	bounded("number", 3, (size_t)1 << 40, 3);
	bounded("bytes", 1000, 60000, 2);
}

/* Left for later, and gone when there is room. */
static void left_and_gone(void)
{
	struct rig *g = rig_new("a.log");
	int64_t before = lost("rotated"), left;

	g->conf.max_rotated_files = 1;
	g->conf.scan_interval_ns = 50 * NS_PER_MS;
	g->total_bytes = 1 << 20;
	g->holds = true;
	append_numbered(g, "a.log", "text that fills memory", 0, 40000);
	rig_start(g);
	UNTIL(g, rig_input(g)->is_paused);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.old")) == 0);
	left = counter(METRIC_FILE_BYTES_BEHIND, NULL, NULL);
	OK(left > 100000);
	append(g, "a.log", "next\n");
	rig_run(g, 5);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.1")) == 0);
	UNTIL(g, rig_input(g)->has_left);
	OK(unlink(rig_path(g, "a.old")) == 0);
	EQ_INT(lost("rotated") - before, 0);
	rig_release(g);
	UNTIL(g, lost("rotated") - before == left);
	rig_end(g);
}

/* Closed for others, and given its name back while what was read of it is on its way: that is no lack of
 * room for positions, and it goes on when that is settled. */
static void left_and_back(void)
{
	struct rig *g = rig_new("a.log");
	int64_t before = error_count("too_many_files");

	g->conf.max_rotated_files = 1;
	g->conf.scan_interval_ns = 50 * NS_PER_MS;
	g->holds = true;
	append(g, "a.log", "1\n");
	rig_start(g);
	UNTIL(g, g->ngot == 1);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.1")) == 0);
	append(g, "a.log", "2\n");
	UNTIL(g, g->ngot == 2);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.2")) == 0);
	UNTIL(g, rig_input(g)->nopen == 1);
	OK(rename(rig_path(g, "a.1"), rig_path(g, "a.log")) == 0);
	append(g, "a.log", "3\n");
	rig_run(g, 200);
	EQ_INT(error_count("too_many_files") - before, 0);
	rig_release(g);
	UNTIL(g, g->ngot == 3);
	EQ_STR(str_c(g->got[2].line), "3");
	rig_end(g);
}

/* A deleted file stays open until what was read of it is settled, however long ago that was. */
static void open_until_settled(void)
{
	struct rig *g = rig_new("a.log");

	g->holds = true;
	append(g, "a.log", "1\n2\n");
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	OK(unlink(rig_path(g, "a.log")) == 0);
	rig_run(g, 400); /* rotate_wait is 100 ms */
	EQ_INT(rig_input(g)->nopen, 1);
	rig_release(g);
	UNTIL(g, rig_input(g)->nopen == 0);
	EQ_INT(rig_input(g)->positions->n, 0);
	rig_end(g);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(start_modes);
	RUN(nothing_there_at_the_first_start);
	RUN(ignore_older);
	RUN(rotated_bounds);
	RUN(left_and_gone);
	RUN(left_and_back);
	RUN(open_until_settled);
	return test_end();
}
