/* SPDX-License-Identifier: Apache-2.0 */
/* Copies: what copytruncate leaves only in the copy is finished there, under the name of the original
 * and once; copies whose names match are never read twice; files that only begin alike are read. */
#include "tests/unit/file_rig.h"

static int64_t event_count(const char *event)
{
	return counter(METRIC_FILE_EVENTS, "event", event);
}

static int64_t lost(void)
{
	return counter(METRIC_FILE_BYTES_LOST, "reason", "rewritten");
}

/* As cp: in pieces, with looks in between. */
static void copy(struct rig *g, const char *from, const char *to, int ms)
{
	static char bytes[4 << 20];
	int in = open(rig_path(g, from), O_RDONLY), out;
	ssize_t n = read(in, bytes, sizeof(bytes));

	OK(n >= 0 && n < (ssize_t)sizeof(bytes));
	out = open(rig_path(g, to), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (ms)
		rig_run(g, ms);
	for (ssize_t at = 0; at < n;) {
		ssize_t piece = n - at < (n + 2) / 3 ? n - at : (n + 2) / 3;

		OK(write(out, bytes + at, (size_t)piece) == piece);
		at += piece;
		if (ms)
			rig_run(g, ms);
	}
	close(in);
	close(out);
}

static void empty(const struct rig *g, const char *name)
{
	OK(truncate(rig_path(g, name), 0) == 0);
}

static void check_names(const struct rig *g, const char *name)
{
	for (size_t i = 0; i < g->ngot; i++)
		if (strcmp(g->got[i].filename, rig_path(g, name)) != 0) {
			FAIL("%s came from %s", g->got[i].line, g->got[i].filename);
			return;
		}
}

/* Everything that was not read when the file was emptied is in the copy. */
static void unread_at_truncation(void)
{
	static const char *const patterns[] = { "a.log", "a.log*" };

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct rig *g = rig_new(patterns[i]);
		int64_t copied = event_count("copied"), lost_before = lost();

		ROW(patterns[i]);
		g->total_bytes = 1 << 20;
		g->holds = true;
		append_numbered(g, "a.log", "text that fills the memory", 0, 30000);
		rig_start(g);
		UNTIL(g, rig_input(g)->is_paused);
		copy(g, "a.log", "a.log.1", 30);
		empty(g, "a.log");
		append_numbered(g, "a.log", "text that fills the memory", 30000, 100);
		rig_run(g, 50);
		rig_release(g);
		expect_numbered(g, "text that fills the memory", 0, 30100);
		EQ_INT(event_count("copied") - copied, 1);
		EQ_INT(lost() - lost_before, 0);
		check_names(g, "a.log");
		check_times(g);
		rig_stop(g);
		rig_forget(g);
		append_numbered(g, "a.log", "text that fills the memory", 30100, 1);
		rig_start(g);
		expect_numbered(g, "text that fills the memory", 30100, 1);
		rig_end(g);
	}
}

/* Rounds of logrotate's copytruncate with everything read in time, and a name that matches: the next
 * copy is made at .1, older ones move on. */
static void copies_that_match(void)
{
	for (int ms = 0; ms <= 30; ms += 15) {
		struct rig *g = rig_new("a.log*");
		int written = 0;
		char row[32];

		snprintf(row, sizeof(row), "looks every %d ms", ms);
		ROW(row);
		rig_start(g);
		for (int round = 0; round < 5; round++) {
			append_numbered(g, "a.log", "n", written, 50 + round);
			written += 50 + round;
			if (round % 2 || !round ||
			    !ms) /* of what was never seen nobody knows a copy */
				UNTIL(g, g->ngot == (size_t)written);
			for (int i = 3; i > 0; i--) {
				char from[32], to[32];

				snprintf(from, sizeof(from), "a.log.%d", i);
				snprintf(to, sizeof(to), "a.log.%d", i + 1);
				if (access(rig_path(g, from), F_OK) == 0)
					OK(rename(rig_path(g, from), rig_path(g, to)) == 0);
			}
			copy(g, "a.log", "a.log.1", ms);
			empty(g, "a.log");
			rig_run(g, ms);
		}
		append_numbered(g, "a.log", "n", written, 10);
		written += 10;
		expect_numbered(g, "n", 0, written);
		check_names(g, "a.log");
		rig_stop(g);
		rig_forget(g);
		rig_start(g);
		append(g, "a.log", "last 0\n");
		expect_numbered(g, "last", 0, 1);
		rig_end(g);
	}
}

/* Killed with lines on their way, then copied and emptied: found, with the times they had. */
static void copied_while_down(void)
{
	static const char *const patterns[] = { "a.log", "a.log*", "a*.log" };

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct rig *g = rig_new(patterns[i]);
		const char *to = i == 2 ? "a-20261121.log" : "a.log.1";
		int64_t times[2];

		ROW(patterns[i]);
		append_numbered(g, "a.log", "n", 0, 100);
		rig_start(g);
		UNTIL(g, g->ngot == 100);
		rig_run(g, 2);
		OK(positions_flush_settled(rig_input(g)->positions));
		g->holds = true;
		append_numbered(g, "a.log", "n", 100, 100);
		UNTIL(g, g->ngot == 200);
		times[0] = g->got[100].time_ns;
		times[1] = g->got[199].time_ns;
		rig_kill(g);
		rig_forget(g);
		append_numbered(g, "a.log", "n", 200, 100);
		copy(g, "a.log", to, 0);
		empty(g, "a.log");
		append_numbered(g, "a.log", "n", 300, 500);
		rig_start(g);
		expect_numbered(g, "n", 100, 700);
		EQ_INT(g->got[0].time_ns, times[0]);
		EQ_INT(g->got[99].time_ns, times[1]);
		check_names(g, "a.log");
		rig_run(g, 2);
		OK(positions_flush_settled(rig_input(g)->positions));
		rig_kill(g);
		rig_forget(g);
		append_numbered(g, "a.log", "n", 800, 1);
		rig_start(g);
		expect_numbered(g, "n", 800, 1);
		rig_end(g);
	}
}

/* A copy that somebody keeps: never read, also not after the original was emptied or is gone. When it
 * is written to it is a log of its own, from there on. */
static void backup(void)
{
	for (int is_deleted = 0; is_deleted < 2; is_deleted++) {
		struct rig *g = rig_new("a.log*");

		ROW(is_deleted ? "the original is deleted" : "the original is emptied");
		append_numbered(g, "a.log", "n", 0, 100);
		rig_start(g);
		UNTIL(g, g->ngot == 100);
		rig_run(g, 10);
		copy(g, "a.log", "a.log.bak", 20);
		EQ_INT(counter(METRIC_FILE_BYTES_BEHIND, NULL, NULL), 0);
		append_numbered(g, "a.log", "n", 100, 50);
		UNTIL(g, g->ngot == 150);
		rig_run(g, 10);
		if (is_deleted)
			OK(unlink(rig_path(g, "a.log")) == 0);
		else
			empty(g, "a.log");
		rig_run(g, 300);
		EQ_INT(g->ngot, 150);
		rig_stop(g);
		rig_start(g);
		rig_run(g, 30);
		EQ_INT(g->ngot, 150);
		append_numbered(g, "a.log.bak", "n", 150, 5);
		expect_numbered(g, "n", 0, 155);
		rig_end(g);
	}
}

/* The copy overwrites an older one that is still on its way: cp a.log a.log.1 && : > a.log. */
static void over_an_older_copy(void)
{
	struct rig *g = rig_new("a.log*");

	append_numbered(g, "a.log", "n", 0, 100);
	append_numbered(g, "a.log.1", "old", 0, 300);
	g->holds = true;
	rig_start(g);
	UNTIL(g, g->ngot == 400);
	copy(g, "a.log", "a.log.1", 20);
	rig_run(g, 20);
	empty(g, "a.log");
	rig_run(g, 50);
	EQ_INT(g->ngot, 400);
	rig_release(g);
	rig_run(g, 20);
	append_numbered(g, "a.log", "n", 100, 5);
	UNTIL(g, g->ngot == 405);
	EQ_STR(str_c(g->got[404].line), "n 104");
	rig_end(g);
}

/* Names and beginnings are those of a copy, and it is none. */
static void only_begins_alike(void)
{
	struct rig *g = rig_new("a*.log*");
	int others = 0;

	rig_start(g);
	for (int i = 0; i < 50; i++)
		append(g, "a.log", "# a long header that every program of this kind writes\n");
	append(g, "a.log", "a\n");
	UNTIL(g, g->ngot == 51);
	for (int i = 0; i < 50; i++)
		append(g, "a-err.log", "# a long header that every program of this kind writes\n");
	rig_run(g, 50);
	EQ_INT(g->ngot, 51); /* so far it could be one */
	append(g, "a-err.log", "err\n");
	UNTIL(g, g->ngot >= 52);
	rig_run(g, 30);
	EQ_STR(str_c(g->got[g->ngot - 1].line), "err");
	for (size_t i = 51; i < g->ngot; i++)
		others += !strcmp(g->got[i].filename, rig_path(g, "a-err.log"));
	EQ_INT(others, 51); /* whole */
	EQ_INT(g->ngot, 102);
	rig_end(g);
}

/* Compressed, and so deleted, before anybody saw that the log was emptied. */
static void deleted_before_we_looked(void)
{
	for (int variant = 0; variant < 4; variant++) {
		struct rig *g = rig_new("a.log*");
		bool is_unread = variant & 1, is_first = variant & 2;
		int n = is_unread ? 30000 : 100;

		ROW(is_unread ? "not all was read" : "all was read");
		g->total_bytes = 1 << 20;
		g->holds = true;
		append_numbered(g, "a.log", "text that fills the memory", 0, n);
		rig_start(g);
		if (is_unread)
			UNTIL(g, rig_input(g)->is_paused);
		else
			UNTIL(g, g->ngot == 100);
		copy(g, "a.log", "a.log.1", 15);
		empty(g, "a.log");
		OK(unlink(rig_path(g, "a.log.1")) == 0);
		if (is_first) /* looked at before it is heard that the copy is gone */
			tail_look(find_path(rig_input(g), str_c(rig_path(g, "a.log"))));
		append_numbered(g, "a.log", "text that fills the memory", n, 100);
		rig_run(g, 50);
		rig_release(g);
		expect_numbered(g, "text that fills the memory", 0, n + 100);
		check_names(g, "a.log");
		check_times(g);
		rig_end(g);
	}
}

/* Lines that were read in copytruncate's own window: the copy is shorter than what was read. */
static void shorter_than_what_was_read(void)
{
	for (int is_late = 0; is_late < 2; is_late++) {
		struct rig *g = rig_new("a.log*");

		ROW(is_late ? "met afterwards" : "met while it is written");
		g->holds = true;
		rig_start(g);
		append_numbered(g, "a.log", "some text", 0, 200);
		UNTIL(g, g->ngot == 200);
		copy(g, "a.log", is_late ? "new" : "a.log.1", 15);
		append_numbered(g, "a.log", "some text", 200, 50);
		UNTIL(g, g->ngot == 250);
		if (is_late)
			OK(rename(rig_path(g, "new"), rig_path(g, "a.log.1")) == 0);
		empty(g, "a.log");
		rig_run(g, 30);
		append_numbered(g, "a.log", "some text", 250, 50);
		rig_run(g, 30);
		rig_release(g);
		expect_numbered(g, "some text", 0, 300);
		rig_run(g, 200);
		EQ_INT(g->ngot, 300);
		check_names(g, "a.log");
		check_times(g);
		rig_stop(g);
		rig_forget(g);
		rig_start(g);
		rig_run(g, 30);
		EQ_INT(g->ngot, 0);
		rig_end(g);
	}
}

/* The copy has always the same name, and each one is written over the one before. */
static void overwritten_in_place(void)
{
	for (int variant = 0; variant < 12; variant++) {
		struct rig *g = rig_new(variant & 4 ? "a.log" : "a.log*");
		int written = 0, ms = variant & 1 ? 15 : 0;
		char row[80];

		snprintf(row, sizeof(row), "%s, looks every %d ms%s%s",
			 variant & 4 ? "a.log" : "a.log*", ms, variant & 2 ? ", held" : "",
			 variant & 8 ? ", closed in between" : "");
		ROW(row);
		g->holds = variant & 2;
		if (variant & 8)
			g->conf.rotate_wait_ns = NS_PER_MS;
		rig_start(g);
		for (int round = 0; round < 6; round++) {
			append_numbered(g, "a.log", "some text", written, 50 + 13 * (round % 3));
			written += 50 + 13 * (round % 3);
			UNTIL(g, g->ngot == (size_t)written);
			copy(g, "a.log", "a.log.copy", ms);
			if (variant & 8) { /* these are only in the copy */
				append_numbered(g, "a.log", "some text", written, 5);
				append_numbered(g, "a.log.copy", "some text", written, 5);
				written += 5;
			}
			empty(g, "a.log");
			rig_run(g, variant & 8 ? 60 : ms);
		}
		append_numbered(g, "a.log", "some text", written, 10);
		written += 10;
		rig_run(g, 30);
		rig_release(g);
		expect_numbered(g, "some text", 0, written);
		check_names(g, "a.log");
		check_times(g);
		rig_stop(g);
		rig_forget(g);
		rig_start(g);
		append(g, "a.log", "last 0\n");
		expect_numbered(g, "last", 0, 1);
		rig_end(g);
	}
}

/* Renamed, and the new file begins as the old one did: no copy, but logs with the same header. */
static void renamed_with_equal_header(void)
{
	struct rig *g = rig_new("a.log");

	append(g, "a.log", "# header\n");
	rig_start(g);
	UNTIL(g, g->ngot == 1);
	for (int i = 1; i <= 3; i++) {
		char to[32];

		snprintf(to, sizeof(to), "a.log.%d", i);
		OK(rename(rig_path(g, "a.log"), rig_path(g, to)) == 0);
		append(g, "a.log", "# header\n");
	}
	append(g, "a.log", "more\n");
	UNTIL(g, g->ngot == 5);
	rig_end(g);
}

static void names(void)
{
	static const struct {
		const char *of, *name;
		bool is_one;
	} rows[] = {
		{ "app.log", "app.log.1", true },    { "app.log", "app.log-20261121", true },
		{ "app.log", "app-2026.log", true }, { "app.log", "app.2026.log", true },
		{ "app.log", "app.log.1.gz", true }, { "syslog", "syslog.1", true },
		{ "syslog", "syslog_old", true },    { "app.log", "app.log", false },
		{ "app.log", "app.logs", false },    { "app.log", "apps.log", false },
		{ "app.log", "app2.log", false },    { "app.log", "app-2026.txt", false },
		{ "app.log", "b.log.1", false },     { ".log", ".log.1", true },
		{ "app.log.1", "app.log", false },   { "syslog", "syslogs", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].name);
		EQ_INT(copies_is_name(str_c(rows[i].of), str_c(rows[i].name)), rows[i].is_one);
	}
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(names);
	RUN(unread_at_truncation);
	RUN(copies_that_match);
	RUN(copied_while_down);
	RUN(backup);
	RUN(over_an_older_copy);
	RUN(only_begins_alike);
	RUN(deleted_before_we_looked);
	RUN(shorter_than_what_was_read);
	RUN(overwritten_in_place);
	RUN(renamed_with_equal_header);
	return test_end();
}
