/* SPDX-License-Identifier: Apache-2.0 */
/* Lines out of files: ends, lengths, unfinished ones, fairness, credit; new and refused files; and
 * what a kill leaves behind. */
#include "tests/unit/file_rig.h"

static void lines(void)
{
	struct rig *g = rig_new("*.log");

	append(g, "a.log", "one\ntwo\r\n\n\r\nthree \r x\n");
	put_bytes(g, "a.log", "nul \0 in it\n", 12, O_APPEND);
	rig_start(g);
	UNTIL(g, g->ngot >= 6);
	EQ_INT(g->got[5].n, 11);
	g->got[5].n = 0;
	EXPECT(g, "one\ntwo\n\n\nthree \r x\n\n");
	EQ_STR(str_c(g->got[0].filename), rig_path(g, "a.log"));
	check_times(g);
	OK(llabs(g->got[0].time_ns - clock_wall_ns()) < 10 * NS_PER_S);
	append(g, "a.log", "more\n");
	UNTIL(g, g->ngot == 7);
	rig_end(g);
}

static void unfinished_lines(void)
{
	struct rig *g = rig_new("*.log");
	int64_t before = counter(METRIC_INPUT_FLAGGED, "reason", "partial");

	g->conf.partial_wait_ns = 300 * NS_PER_MS;
	append(g, "a.log", "first\nsec");
	rig_start(g);
	EXPECT(g, "first\n");
	append(g, "a.log", "on");
	rig_run(g, 50);
	append(g, "a.log", "d\nthi");
	EXPECT(g, "first\nsecond\n");
	/* It does not come: sent as it is, and what follows is a line of its own. */
	UNTIL(g, g->ngot == 3);
	EQ_STR(str_c(g->got[2].line), "thi");
	EQ_INT(g->got[2].flags & REC_PARTIAL, REC_PARTIAL);
	EQ_INT(g->got[1].flags & REC_PARTIAL, 0);
	append(g, "a.log", "rd\nfourth\n");
	EXPECT(g, "first\nsecond\nthi\nrd\nfourth\n");
	EQ_INT(counter(METRIC_INPUT_FLAGGED, "reason", "partial") - before, 1);
	rig_end(g);

	ROW("waits for ever when it is told so, and a stop sends nothing half");
	g = rig_new("*.log");
	g->conf.partial_wait_ns = 0;
	append(g, "a.log", "first\nsec");
	rig_start(g);
	rig_run(g, 300);
	rig_stop(g);
	append(g, "a.log", "ond\n");
	rig_start(g);
	EXPECT(g, "first\nsecond\n");
	rig_end(g);
}

/* A line of n bytes x, and its end. */
static void append_long(const struct rig *g, const char *name, size_t n, const char *end)
{
	char *p = mem_alloc(n + 3);

	memset(p, 'x', n);
	memcpy(p + n, end, strlen(end));
	put_bytes(g, name, p, n + strlen(end), O_APPEND);
	mem_free(p);
}

static void long_lines(void)
{
	static const struct {
		size_t cap, n;
		const char *end;
		size_t want;
	} rows[] = {
		{ 1024, 1023, "\n", 1023 },         { 1024, 1024, "\n", 1024 },
		{ 1024, 1024, "\r\n", 1024 },       { 1024, 1025, "\n", 1024 },
		{ 1024, 5000, "\r\n", 1024 },       { 1024, 300000, "\n", 1024 },
		{ 262144, 190000, "\n", 190000 },   { 262144, 196543, "\n", 196543 },
		{ 262144, 196544, "\r\n", 196544 }, { 262144, 196608, "\n", 196608 },
		{ 262144, 262000, "\n", 262000 },   { 262144, 262143, "\n", 262143 },
		{ 262144, 262144, "\n", 262144 },   { 262144, 262144, "\r\n", 262144 },
		{ 262144, 262145, "\n", 262144 },   { 262144, 262146, "\r\n", 262144 },
		{ 262144, 3000000, "\n", 262144 },  { 262144, 3000001, "\r\n", 262144 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = rig_new("*.log");
		int64_t before = counter(METRIC_INPUT_FLAGGED, "reason", "cut");
		bool is_cut = rows[i].want < rows[i].n;
		char row[64];

		snprintf(row, sizeof(row), "cap %zu line %zu%s", rows[i].cap, rows[i].n,
			 rows[i].end[0] == '\r' ? " crlf" : "");
		ROW(row);
		g->conf.max_line = rows[i].cap;
		append(g, "a.log", "before\n");
		append_long(g, "a.log", rows[i].n, rows[i].end);
		append(g, "a.log", "after\n");
		rig_start(g);
		UNTIL(g, g->ngot == 3);
		EQ_STR(str_c(g->got[0].line), "before");
		EQ_INT(g->got[1].n, rows[i].want);
		EQ_INT(g->got[1].flags & REC_CUT, is_cut ? REC_CUT : 0);
		EQ_INT(g->got[1].full_length, is_cut ? rows[i].n : 0);
		EQ_STR(str_c(g->got[2].line), "after");
		EQ_INT(counter(METRIC_INPUT_FLAGGED, "reason", "cut") - before, is_cut);
		check_times(g);
		rig_end(g);
	}
}

/* Written piece by piece, in many more pieces than it has KiB. */
static void long_line_in_pieces(void)
{
	struct rig *g = rig_new("*.log");

	g->conf.max_line = 2000;
	rig_start(g);
	for (int i = 0; i < 300; i++) {
		append_long(g, "a.log", 1001, "");
		rig_run(g, 1);
	}
	OK(g->ngot == 0);
	append(g, "a.log", "\nafter\n");
	UNTIL(g, g->ngot == 2);
	EQ_INT(g->got[0].n, 2000);
	EQ_INT(g->got[0].full_length, 300300);
	EQ_STR(str_c(g->got[1].line), "after");
	ROW("never finished");
	append_long(g, "a.log", 700000, "");
	UNTIL(g, g->ngot == 3);
	EQ_INT(g->got[2].flags & (REC_CUT | REC_PARTIAL), REC_CUT | REC_PARTIAL);
	EQ_INT(g->got[2].full_length, 700000);
	rig_end(g);
}

/* A file without any line end is not searched for ever. */
static void endless_line(void)
{
	struct rig *g = rig_new("*.log");
	size_t mib = 1 << 20;

	g->conf.partial_wait_ns = 0;
	for (uint64_t i = 0; i < 2 * LINE_SCAN_MAX / mib; i++)
		append_long(g, "a.log", mib, "");
	append_long(g, "a.log", 1000000, "\n");
	append(g, "a.log", "after\n");
	rig_start(g);
	UNTIL(g, g->ngot == 4);
	OK(g->got[0].full_length >= LINE_SCAN_MAX);
	EQ_INT(g->got[0].flags & (REC_CUT | REC_PARTIAL), REC_CUT | REC_PARTIAL);
	EQ_INT(g->got[2].flags & REC_PARTIAL, 0);
	EQ_INT(g->got[0].full_length + g->got[1].full_length + g->got[2].full_length,
	       2 * LINE_SCAN_MAX + 1000000);
	EQ_STR(str_c(g->got[3].line), "after");
	rig_end(g);
}

static void many_short_lines(void)
{
	struct rig *g = rig_new("*.log");
	FILE *f = fopen(rig_path(g, "a.log"), "w");

	for (int i = 0; i < 50000; i++)
		fputs(i % 3 ? "\n" : "ab\n", f);
	fclose(f);
	rig_start(g);
	UNTIL(g, g->ngot == 50000);
	check_times(g);
	EQ_INT(g->got[3].n, 2);
	EQ_INT(g->got[49998].n, 2);
	EQ_INT(g->got[49999].n, 0);
	EQ_INT(metric_value(g->input.bytes) > 0, 1);
	rig_end(g);
}

/* A file with much to read does not keep the others waiting. */
/* Files that are written to all the time are looked at once a round, and all of it arrives. */
static void pace(void)
{
	struct rig *g = rig_new("*.log");
	struct tail *t[4];
	struct file_input *fi;
	struct pace_list *due;
	char name[16];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%d.log", i);
		append(g, name, "old\n");
	}
	rig_start(g);
	UNTIL(g, g->ngot == 4);
	rig_run(g, 30);
	fi = rig_input(g);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%d.log", i);
		t[i] = find_path(fi, str_c(rig_path(g, name)));
		OK(t[i] != NULL);
	}
	due = &fi->held[(fi->pace_round + 2) % PACE_LISTS];
	ROW("the first event of a round: at once; the next: when it is over");
	fi->pace_round++;
	fi->pace_looks = 0;
	fi->pace_look_ns = NS_PER_S;
	fi->pace_began_ns = INT64_MAX / 2; /* it does not end */
	for (int i = 0; i < 4; i++)
		pace_written(t[i]);
	EQ_INT(fi->pace_looks, 4);
	OK(t[0]->is_ready && t[3]->is_ready && !fi->nheld);
	UNTIL(g, !fi->ready_first);
	for (int i = 0; i < 4; i++)
		pace_written(t[i]);
	OK(!fi->ready_first && due->first == t[0] && t[3]->held_link);
	pace_written(t[2]); /* once is enough */

	ROW("any of them may leave");
	pace_forget(t[1]);
	pace_forget(t[3]);
	pace_written(t[3]);
	pace_forget(t[0]);
	OK(due->first == t[2] && t[2]->next_held == t[3] && !t[3]->next_held);
	pace_forget(t[2]);
	pace_forget(t[3]);
	pace_forget(t[3]);
	OK(!fi->nheld && !due->first);
	pace_written(t[1]);
	OK(due->first == t[1]);

	ROW("a deleted one is still read");
	append(g, "1.log", "last\n");
	unlink(rig_path(g, "1.log"));
	UNTIL(g, g->ngot == 5 && fi->nopen == 3);
	OK(!fi->nheld && !due->first);

	ROW("a long time ago is over");
	fi->pace_began_ns = 0;
	pace_written(t[2]);
	OK(t[2]->is_ready);
	EQ_INT(fi->pace_looks, 1);

	ROW("one that has many lines rests");
	fi->pace_look_ns = NS_PER_S;
	fi->pace_began_ns = INT64_MAX / 2;
	pace_written(t[3]);
	EQ_INT(fi->pace_looks, 2);
	append_numbered(g, "3.log", "b", 0, 20);
	UNTIL(g, g->ngot == 25);
	EQ_INT(t[3]->pace_round - fi->pace_round, PACE_LISTS - 1);
	EQ_INT(fi->pace_looks, 2);
	for (uint32_t i = 1; i < PACE_LISTS; i++)
		EQ_INT(fi->held[(fi->pace_round + i) % PACE_LISTS].nresting, 1);
	pace_written(t[2]);
	pace_written(t[3]);
	fi->pace_began_ns = 0; /* each round is over at once */
	loop_timer_set(g->loop, &fi->pace_timer, 0, fi->pace_timer.expired);
	UNTIL(g, !fi->nheld);
	EQ_INT(t[3]->pace_round - t[2]->pace_round, PACE_LISTS - 1);
	rig_end(g);

	ROW("nothing is left behind");
	g = rig_new("*.log");
	g->is_paced = true;
	rig_start(g);
	for (int i = 0; i < 100; i++) {
		append_numbered(g, "a.log", "a", i, 1);
		rig_run(g, 2);
	}
	expect_numbered(g, "a", 0, 100);
	rig_end(g);
}

static void fairness(void)
{
	struct rig *g = rig_new("*.log");
	size_t first_small = 0;

	append_numbered(g, "big.log", "a line that is somewhat longer than the others", 0, 60000);
	for (int i = 0; i < 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "s%d.log", i);
		append(g, name, "small\n");
	}
	g->holds = true;
	rig_start(g);
	UNTIL(g, g->ngot == 60005);
	for (size_t i = 0; i < g->ngot; i++)
		if (strcmp(g->got[i].line, "small") == 0)
			first_small = i;
	OK(first_small > 0 && first_small < 30000);
	rig_end(g);
}

static void credit(void)
{
	struct rig *g = rig_new("*.log");
	size_t stuck;

	g->total_bytes = 1 << 20;
	g->holds = true;
	append_numbered(g, "a.log", "some text", 0, 100000);
	rig_start(g);
	UNTIL(g, rig_input(g)->is_paused);
	rig_run(g, 100);
	stuck = g->ngot;
	OK(stuck > 0 && stuck < 90000);
	OK(g->input.batch_bytes <= 1 << 18);
	rig_release(g);
	expect_numbered(g, "some text", 0, 100000);
	check_times(g);
	rig_end(g);
}

static void new_files(void)
{
	struct rig *g = rig_new("logs/{*.log,**/deep.log}");
	int64_t before = clock_mono_ns();

	rig_start(g);
	OK(mkdir(rig_path(g, "logs"), 0755) == 0);
	append(g, "logs/a.log", "one\n");
	EXPECT(g, "one\n");
	append(g, "logs/b.log", "two\n");
	EXPECT(g, "one\ntwo\n");
	OK(mkdir(rig_path(g, "logs/x"), 0755) == 0);
	OK(mkdir(rig_path(g, "logs/x/y"), 0755) == 0);
	append(g, "logs/x/y/deep.log", "three\n");
	EXPECT(g, "one\ntwo\nthree\n");
	/* A directory that goes and comes back. */
	OK(rename(rig_path(g, "logs"), rig_path(g, "old")) == 0);
	OK(mkdir(rig_path(g, "logs"), 0755) == 0);
	append(g, "logs/a.log", "four\n");
	EXPECT(g, "one\ntwo\nthree\nfour\n");
	append(g, "logs/a.log", "five\n");
	EXPECT(g, "one\ntwo\nthree\nfour\nfive\n");
	OK(clock_mono_ns() - before < 9 * NS_PER_S); /* events, not the scan */
	rig_end(g);
}

static void polling(void)
{
	struct rig *g = rig_new("logs/*.log");

	g->conf.watch = WATCH_POLL;
	OK(mkdir(rig_path(g, "logs"), 0755) == 0);
	append(g, "logs/a.log", "one\n");
	rig_start(g);
	EXPECT(g, "one\n");
	append(g, "logs/a.log", "two\n");
	EXPECT(g, "one\ntwo\n");
	append(g, "logs/b.log", "three\n");
	EXPECT(g, "one\ntwo\nthree\n");
	OK(rename(rig_path(g, "logs/a.log"), rig_path(g, "logs/a.1")) == 0);
	append(g, "logs/a.log", "four\n");
	EXPECT(g, "one\ntwo\nthree\nfour\n");
	rig_end(g);
}

/* More events than the kernel keeps: it says so, and everything is looked at. */
static void events_lost(void)
{
	struct rig *g = rig_new("*.log");
	int64_t before = error_count("events_lost");

	rig_start(g);
	append(g, "a.log", "one\n");
	UNTIL(g, g->ngot == 1);
	append(g, "x", "");
	for (int i = 0; i < 10000; i++) {
		OK(rename(rig_path(g, "x"), rig_path(g, "y")) == 0);
		OK(rename(rig_path(g, "y"), rig_path(g, "x")) == 0);
	}
	append(g, "b.log", "two\n");
	EXPECT(g, "one\ntwo\n");
	UNTIL(g, error_count("events_lost") > before); /* a scan may have found it first */
	rig_end(g);
}

/* Changes that inotify does not tell of: after two of them the directory is polled. */
static void blind_inotify(void)
{
	struct rig *g = rig_new("*.log");
	struct timespec then[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

	g->conf.partial_wait_ns = 0;
	append(g, "a.log", "unfinished");
	rig_start(g);
	rig_run(g, 50);
	for (int i = 0; i < 2; i++) {
		struct tail *t = rig_input(g)->tails;

		OK(!watch_has_polled(rig_input(g)->watch));
		/* As if it had been written a while ago and nobody had said so. */
		then[1].tv_sec++;
		OK(utimensat(AT_FDCWD, rig_path(g, "a.log"), then, 0) == 0);
		t->partial = 0;
		find_scan(rig_input(g));
		rig_run(g, 10);
	}
	OK(watch_has_polled(rig_input(g)->watch));
	append(g, "a.log", " line\n");
	EXPECT(g, "unfinished line\n");
	rig_end(g);
}

static void refused_files(void)
{
	struct rig *g = rig_new("*");
	int64_t not_regular = error_count("not_regular"), compressed = error_count("compressed");
	int fd;

	snprintf(g->pattern[1], sizeof(g->pattern[1]), "%s/folder", g->dir);
	g->patterns[1] = str_c(g->pattern[1]);
	snprintf(g->pattern[2], sizeof(g->pattern[2]), "%s/no*.log", g->dir);
	g->excludes[0] = str_c(g->pattern[2]);
	g->conf.paths.n = 2;
	g->conf.exclude = (struct conf_list){ 1, g->excludes };
	OK(mkdir(rig_path(g, "folder"), 0755) == 0);
	OK(mkfifo(rig_path(g, "fifo"), 0644) == 0);
	OK(symlink(rig_path(g, "fifo"), rig_path(g, "to-fifo")) == 0);
	OK(symlink("nothing", rig_path(g, "dangling")) == 0);
	append(g, "no.log", "excluded\n");
	put_bytes(g, "x.gz", "\x1f\x8b\x08\0\0\0\0\n", 8, 0);
	append(g, "later.gz", "");
	append(g, "a.log", "one\n");
	OK(symlink("a.log", rig_path(g, "b.log")) == 0);
	OK(link(rig_path(g, "a.log"), rig_path(g, "c.log")) == 0);
	rig_start(g);
	put_bytes(g, "later.gz", "\x1f\x8b\x08\0\0\0\0\n", 8, 0);
	/* Nobody writes to the FIFO: that it was opened would hang. One file, three names. */
	EXPECT(g, "one\n");
	find_scan(rig_input(g));
	find_scan(rig_input(g));
	EXPECT(g, "one\n");
	EQ_INT(error_count("not_regular") - not_regular, 2);
	EQ_INT(error_count("compressed") - compressed, 2);
	EQ_INT(error_count("directory"), 1);
	EQ_INT(rig_input(g)->nopen, 1);
	fd = open(rig_path(g, "fifo"), O_RDWR | O_NONBLOCK);
	close(fd);
	rig_end(g);
}

static void start_at_end(void)
{
	struct rig *g = rig_new("*.log");

	g->conf.start = START_END;
	append(g, "a.log", "old\nold, unfin");
	append(g, "empty.log", "");
	append_long(g, "long.log", 400000, "");
	rig_start(g);
	append(g, "a.log", "ished\nnew\n");
	append(g, "b.log", "of a new file\n");
	UNTIL(g, g->ngot == 3);
	append(g, "long.log", "rest\n");
	EXPECT(g, "old, unfinished\nnew\nof a new file\nrest\n");
	rig_stop(g);
	rig_forget(g);
	/* After the first start the position counts, and new files are read whole. */
	append(g, "a.log", "meanwhile\n");
	append(g, "c.log", "also new\n");
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	rig_end(g);
}

/* ---- stops and kills ---------------------------------------------------------------------- */

static void orderly_restart(void)
{
	struct rig *g = rig_new("*.log");

	append_numbered(g, "a.log", "n", 0, 1000);
	rig_start(g);
	UNTIL(g, g->ngot == 1000);
	rig_stop(g);
	append_numbered(g, "a.log", "n", 1000, 500);
	rig_start(g);
	expect_numbered(g, "n", 0, 1500);
	check_times(g);
	rig_end(g);
}

static int by_time(const void *a, const void *b)
{
	const struct got *x = a, *y = b;

	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* Nothing was settled: the same records come again, with the same times, and then the new ones.
 * Order between two files is free, so they are compared in order of time. */
static void kill_repeats_exactly(void)
{
	struct rig *g = rig_new("*.log");
	struct got *first = NULL;
	size_t n;

	g->holds = true;
	g->total_bytes = 4 << 20;
	append_numbered(g, "a.log", "some text to fill more than one batch", 0, 20000);
	append_long(g, "a.log", 600000, "\n");
	append(g, "b.log", "whole\nhalf");
	rig_start(g);
	UNTIL(g, g->ngot == 20003); /* with the half line */
	n = g->ngot;
	for (int round = 0; round < 4; round++) {
		ROW(round == 3 ? "smaller batches" : "again");
		qsort(g->got, g->ngot, sizeof(*g->got), by_time);
		if (!first) {
			first = mem_dup(g->got, n * sizeof(*first));
			g->ngot = 0;
		}
		rig_forget(g);
		rig_kill(g);
		append(g, "b.log", "-more\n");
		g->holds = round < 3;
		if (round == 3)
			g->total_bytes = 600 << 10;
		g->conf.partial_wait_ns = 0;
		rig_start(g);
		UNTIL(g, g->ngot == n + 1 + (size_t)round);
		qsort(g->got, g->ngot, sizeof(*g->got), by_time);
		check_times(g);
		for (size_t i = 0; i < n && i < g->ngot; i++) {
			if (g->got[i].time_ns != first[i].time_ns ||
			    g->got[i].flags != first[i].flags ||
			    (strcmp(g->got[i].line, first[i].line) != 0 &&
			     !(first[i].flags & REC_CUT))) {
				FAIL("record %zu is \"%.30s\", not \"%.30s\"", i, g->got[i].line,
				     first[i].line);
				break;
			}
		}
		for (size_t i = n; i < g->ngot; i++)
			EQ_STR(str_c(g->got[i].line), "-more");
	}
	for (size_t i = 0; i < n; i++) {
		mem_free(first[i].line);
		mem_free(first[i].filename);
	}
	mem_free(first);
	rig_end(g);
}

/* Settled out of order: what is settled without a gap does not come again. */
static void kill_after_some_acks(void)
{
	struct rig *g = rig_new("*.log");
	struct block *kept[3];
	int64_t time_ns[2];

	g->holds = true;
	rig_start(g);
	for (int i = 0; i < 3; i++) {
		append_numbered(g, "a.log", "n", i * 10, 10);
		UNTIL(g, g->nheld == (unsigned)i + 1);
		kept[i] = g->held[i];
	}
	time_ns[0] = g->got[10].time_ns;
	time_ns[1] = g->got[29].time_ns;
	g->nheld = 0;
	rig_settle(kept[2]);
	rig_settle(kept[0]);
	g->held[g->nheld++] = kept[1];
	UNTIL(g, !rig_input(g)->positions->dirty && rig_input(g)->positions->first->offset > 0);
	rig_run(g, 1100); /* acks reach the disk within a second */
	rig_kill(g);
	rig_forget(g);
	rig_start(g);
	expect_numbered(g, "n", 10, 20);
	EQ_INT(g->got[0].time_ns, time_ns[0]);
	EQ_INT(g->got[19].time_ns, time_ns[1]);
	append_numbered(g, "a.log", "n", 30, 5);
	expect_numbered(g, "n", 10, 25);
	check_times(g);
	rig_end(g);
}

/* As many batches on their way as there may be, when it was killed. */
static void killed_with_all_ranges(void)
{
	struct rig *g = rig_new("*.log");
	struct err err = ERR_NONE;
	struct buf path = BUF_INIT, text = BUF_INIT;
	struct positions *ps;
	struct file_look look;
	struct pos *p;

	for (unsigned i = 0; i < POS_RANGES_MAX; i++)
		buf_str(&text, STR("x\n"));
	put_bytes(g, "a.log", text.p, text.n, 0);
	OK(file_look_path(rig_path(g, "a.log"), &look));
	positions_path(&path, g->state, "test");
	ps = positions_open(buf_cstr(&path), &err);
	OK(ps != NULL);
	p = positions_add(ps, &look.id, str_c(rig_path(g, "a.log")));
	for (unsigned i = 0; i < POS_RANGES_MAX; i++)
		positions_range(ps, p,
				&(struct pos_range){ 2 * (uint64_t)i, 2 * (uint64_t)i + 2,
						     1000000 + i, 1, 0 });
	OK(positions_save(ps));
	positions_free(ps);
	append(g, "a.log", "last\n");
	g->holds = true;
	rig_start(g);
	UNTIL(g, g->ngot == POS_RANGES_MAX);
	rig_run(g, 10);
	EQ_INT(g->ngot, POS_RANGES_MAX); /* there is no room for one more */
	rig_release(g);
	UNTIL(g, g->ngot == POS_RANGES_MAX + 1);
	EQ_INT(g->got[0].time_ns, 1000000);
	EQ_STR(str_c(g->got[g->ngot - 1].line), "last");
	buf_fini(&path);
	buf_fini(&text);
	rig_end(g);
}

static void rewritten_while_down(void)
{
	struct rig *g = rig_new("*.log");

	append_numbered(g, "short.log", "first", 0, 100);
	append_numbered(g, "long.log", "first", 0, 100);
	append_numbered(g, "gone.log", "first", 0, 10);
	g->holds = true;
	rig_start(g);
	UNTIL(g, g->ngot == 210);
	rig_kill(g);
	rig_forget(g);
	overwrite(g, "short.log", "second 0\n");
	overwrite(g, "long.log", "");
	append_numbered(g, "long.log", "second", 0, 200);
	unlink(rig_path(g, "gone.log"));
	append_numbered(g, "gone.log", "again", 0, 20); /* on ext4 with the same inode number */
	rig_start(g);
	UNTIL(g, g->ngot == 221);
	rig_run(g, 50);
	EQ_INT(g->ngot, 221);
	for (size_t i = 0; i < g->ngot; i++)
		OK(strncmp(g->got[i].line, "second ", 7) == 0 ||
		   strncmp(g->got[i].line, "again", 5) == 0);
	rig_end(g);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(lines);
	RUN(unfinished_lines);
	RUN(long_lines);
	RUN(long_line_in_pieces);
	RUN(endless_line);
	RUN(many_short_lines);
	RUN(pace);
	RUN(fairness);
	RUN(credit);
	RUN(new_files);
	RUN(polling);
	RUN(events_lost);
	RUN(blind_inotify);
	RUN(refused_files);
	RUN(start_at_end);
	RUN(orderly_restart);
	RUN(kill_repeats_exactly);
	RUN(kill_after_some_acks);
	RUN(rewritten_while_down);
	RUN(killed_with_all_ranges);
	return test_end();
}
