/* SPDX-License-Identifier: Apache-2.0 */
/* More files than descriptors: closed when idle, opened again by identity, and what becomes of those
 * that are renamed or deleted while they are closed. Turns are fair among very many files. */
#include "lib/os.h"
#include "tests/unit/file_rig.h"

static const char *numbered(const char *fmt, int i)
{
	static char names[4][32];
	static unsigned next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof(names[0]), fmt, i);
	return name;
}

static struct tail *tail_at(struct rig *g, const char *name)
{
	struct str path = str_c(rig_path(g, name));

	for (struct tail *t = rig_input(g)->tails; t; t = t->next)
		if (str_eq(t->pos->path, path))
			return t;
	return NULL;
}

/* Looks at it now; events would come a moment later. */
static void look(struct rig *g, const char *name)
{
	struct tail *t = tail_at(g, name);

	OK(t != NULL);
	if (t)
		tail_poll(t);
}

static int64_t lost_closed(void)
{
	return counter(METRIC_FILE_BYTES_LOST, "reason", "closed");
}

/* Every line of every file, in order, with a tenth of the descriptors. */
static void few_descriptors(void)
{
	struct rig *g = rig_new("*.log");
	int next[40] = { 0 };

	g->conf.max_open_files = 4;
	rig_start(g);
	for (int round = 0; round < 5; round++) {
		if (round == 3) {
			rig_stop(g);
			rig_start(g);
		}
		for (int i = 0; i < 40; i++)
			append(g, numbered("%d.log", i), numbered("line %d\n", round));
		UNTIL(g, g->ngot == 40u * (unsigned)(round + 1));
		OK(rig_input(g)->nfds <= 4);
		EQ_INT(rig_input(g)->nopen, 40);
		EQ_INT(metric_value(metric_get(METRIC_FILE_DESCRIPTORS, "input", "test", NULL)),
		       (int64_t)rig_input(g)->nfds);
	}
	for (size_t i = 0; i < g->ngot; i++) {
		int file = atoi(strrchr(g->got[i].filename, '/') + 1);

		EQ_STR(str_c(g->got[i].line), numbered("line %d", next[file]++));
	}
	rig_end(g);
	EQ_INT(metric_value(metric_get(METRIC_FILE_DESCRIPTORS, "input", "test", NULL)), 0);
}

/* Long files take turns with the fewest descriptors there can be. */
static void fewest_descriptors(void)
{
	struct rig *g = rig_new("*.log");
	int next[10] = { 0 };

	g->conf.max_open_files = 1;
	for (int i = 0; i < 10; i++)
		append_numbered(g, numbered("%d.log", i), "n", 0, 10000);
	rig_start(g);
	UNTIL(g, g->ngot == 100000);
	for (size_t i = 0; i < g->ngot; i++) {
		int file = atoi(strrchr(g->got[i].filename, '/') + 1);

		if (strcmp(g->got[i].line, numbered("n %d", next[file]++)) != 0)
			FAIL("record %zu is out of order", i);
	}
	OK(rig_input(g)->nfds <= 4);
	rig_end(g);
}

/* Told by an event, or found in the directory when more were renamed than are remembered. */
static void renamed_while_closed(void)
{
	static const int counts[] = { 3, 2 * ARRIVALS };

	for (size_t row = 0; row < ARRAY_LEN(counts); row++) {
		struct rig *g = rig_new("*.log");
		int n = counts[row];

		ROW(row ? "many" : "few");
		g->conf.max_open_files = 2;
		g->conf.max_rotated_files = 10000;
		for (int i = 0; i < n; i++)
			append(g, numbered("%d.log", i), "one\n");
		rig_start(g);
		UNTIL(g, g->ngot == (size_t)n);
		g->conf.rotate_wait_ns = 2 * NS_PER_S;
		/* Late lines come behind the rename, where nobody of us looks. */
		for (int i = 0; i < n; i++)
			OK(rename(rig_path(g, numbered("%d.log", i)),
				  rig_path(g, numbered("%d.old", i))) == 0);
		for (int i = 0; i < n; i++) {
			append(g, numbered("%d.old", i), "late\n");
			append(g, numbered("%d.log", i), "new\n");
		}
		UNTIL(g, g->ngot == 3 * (size_t)n);
		for (int i = 0; i < n; i++) {
			const char *path = rig_path(g, numbered("%d.log", i));
			static const char *const want[] = { "one", "late", "new" };
			unsigned k = 0;

			for (size_t j = 0; j < g->ngot; j++)
				if (strcmp(g->got[j].filename, path) == 0 && k < 3)
					EQ_STR(str_c(g->got[j].line), want[k++]);
			EQ_INT(k, 3);
		}
		rig_end(g);
	}
}

static void renamed_to_a_name_that_matches(void)
{
	struct rig *g = rig_new("*.log*");

	g->conf.max_open_files = 1;
	append(g, "a.log", "one\n");
	append(g, "b.log", "two\n");
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	idle_close(tail_at(g, "a.log"));
	idle_close(tail_at(g, "b.log"));
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
	OK(rename(rig_path(g, "b.log"), rig_path(g, "b.log.1")) == 0);
	append(g, "a.log.1", "three\n");
	append(g, "b.log.1", "four\n");
	UNTIL(g, g->ngot == 4);
	rig_run(g, 30);
	EQ_INT(g->ngot, 4);
	EQ_INT(rig_input(g)->nopen, 2);
	rig_end(g);
}

static void deleted_while_closed(void)
{
	struct rig *g = rig_new("*.log");
	int64_t gone = counter(METRIC_FILE_EVENTS, "event", "gone_closed"), lost = lost_closed();

	g->conf.max_open_files = 1;
	append(g, "a.log", "one\n");
	append(g, "b.log", "two\n");
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	append(g, "b.log", "three\n");
	UNTIL(g, g->ngot == 3);
	idle_close(tail_at(g, "a.log"));
	unlink(rig_path(g, "a.log"));
	UNTIL(g, rig_input(g)->nopen == 1);
	EQ_INT(counter(METRIC_FILE_EVENTS, "event", "gone_closed") - gone, 1);
	EQ_INT(lost_closed() - lost, 0);
	append(g, "a.log", "four\n");
	UNTIL(g, g->ngot == 4);

	ROW("with bytes that were seen and not read");
	rig_input(g)->is_paused = true;
	append(g, "a.log", "lost\n");
	look(g, "a.log");
	append(g, "b.log", "five\n");
	look(g, "b.log");
	idle_close(tail_at(g, "a.log"));
	unlink(rig_path(g, "a.log"));
	rig_input(g)->is_paused = false;
	UNTIL(g, rig_input(g)->nopen == 1);
	UNTIL(g, g->ngot == 5);
	EQ_INT(lost_closed() - lost, 5);
	rig_end(g);
}

/* A rotated file is not closed before it was read and settled, whatever the limit. */
static void rotated_files_stay_open(void)
{
	struct rig *g = rig_new("*.log");

	g->conf.max_open_files = 1;
	g->conf.max_rotated_files = 100;
	for (int i = 0; i < 5; i++)
		append(g, numbered("%d.log", i), "one\n");
	rig_start(g);
	UNTIL(g, g->ngot == 5);
	rig_input(g)->is_paused = true;
	for (int i = 0; i < 5; i++) {
		append(g, numbered("%d.log", i), "unread\n");
		look(g, numbered("%d.log", i));
		OK(rename(rig_path(g, numbered("%d.log", i)), rig_path(g, numbered("%d.old", i))) ==
		   0);
		find_scan(rig_input(g)); /* opens it, nameless as it is */
		OK(tail_look(tail_at(g, numbered("%d.log", i))));
	}
	EQ_INT(rig_input(g)->nfds, 5);
	for (int i = 0; i < 5; i++)
		unlink(rig_path(g, numbered("%d.old", i)));
	rig_input(g)->is_paused = false;
	UNTIL(g, g->ngot == 10);
	UNTIL(g, rig_input(g)->nopen == 0);
	rig_end(g);
}

/* ---- no descriptors ----------------------------------------------------------------------- */

static struct rig *limited;

static int limited_open(const char *path, int flags, mode_t mode)
{
	if ((strstr(path, ".log") || strstr(path, "/proc")) && limited &&
	    rig_input(limited)->nfds >= 3) {
		errno = EMFILE;
		return -1;
	}
	return os_kernel.open(path, flags, mode);
}

static void emfile(void)
{
	struct rig *g = rig_new("*.log");
	struct os_ops ops = os_kernel;

	g->conf.max_open_files = 100;
	ops.open = limited_open;
	rig_start(g);
	limited = g;
	os = &ops;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20; i++)
			append(g, numbered("%d.log", i), "line\n");
		UNTIL(g, g->ngot == 20u * (unsigned)(round + 1));
	}
	OK(rig_input(g)->nfds <= 3);
	os = &os_kernel;
	limited = NULL;
	rig_end(g);
}

/* ---- turns -------------------------------------------------------------------------------- */

/* While one file is flooded, each of the others has its turn within one round of the queue. */
static void fair_among_many(void)
{
	int n = getenv("TAILRACE_LONG") ? 9999 : 1999, quiet = 0;
	struct rig *g = rig_new("*.log");
	size_t flood = 0, turns = 0;

	g->conf.max_open_files = 100;
	for (int i = 0; i < n; i++)
		append(g, numbered("%d.log", i), "");
	rig_start(g);
	rig_run(g, 1);
	append_numbered(g, "flood.log", "a line of the file that is flooded", 0, 200000);
	UNTIL(g, g->ngot > 0);
	for (int i = 0; i < n; i++)
		append(g, numbered("%d.log", i), "q\n");
	rig_forget(g);
	for (struct tail *t = rig_input(g)->tails; t; t = t->next)
		tail_ready(t);
	for (; quiet < n && turns < 10000; turns++) {
		size_t before = g->ngot, now = 0;

		loop_once(g->loop, 0);
		for (size_t i = before; i < g->ngot; i++)
			if (g->got[i].line[0] == 'q')
				quiet++;
			else
				now++;
		flood += quiet < n ? now : 0; /* the last turn is filled up with it */
	}
	EQ_INT(quiet, n);
	OK(flood > 0 && flood <= BATCH_RECS_MAX);
	OK(turns <= (size_t)n / TURN_BATCHES + 10);
	UNTIL(g, tail_at(g, "flood.log")->is_at_end);
	rig_end(g);
}

/* What a file has only while it is read is given back, not before all of it is settled; what comes
 * later goes on as if nothing had been. */
static void quiet_files_are_small(void)
{
	struct rig *g = rig_new("*.log");
	int64_t last_ns;
	struct tail *t;

	rig_open(g);
	rig_input(g)->active_keep_ns = 5 * NS_PER_MS;
	g->holds = true;
	append(g, "a.log", "one\n");
	input_file.start(&g->input);
	UNTIL(g, g->ngot == 1);
	t = tail_at(g, "a.log");
	rig_run(g, 50);
	OK(t->active != NULL); /* it is on its way */
	rig_release(g);
	UNTIL(g, !t->active);
	OK(!rig_input(g)->actives && !rig_input(g)->active_timer.slot && !t->rare && !t->past);
	last_ns = g->got[0].time_ns;
	/* An unfinished line has a timer, which keeps it. */
	g->conf.partial_wait_ns = 200 * NS_PER_MS;
	append(g, "a.log", "two\nthr");
	UNTIL(g, g->ngot == 2);
	rig_run(g, 50);
	OK(t->active != NULL && t->active->timer.slot);
	UNTIL(g, g->ngot == 3);
	EQ_STR(str_c(g->got[2].line), "thr");
	OK(g->got[1].time_ns > last_ns && g->got[2].time_ns > g->got[1].time_ns);
	UNTIL(g, !t->active);
	OK(t->past && t->past->n == 2);
	EQ_INT(t->pos->offset, t->size);
	/* Rotated, it is read to its end before it is closed. */
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
	append(g, "a.log.1", "ee\n");
	UNTIL(g, g->ngot == 4);
	UNTIL(g, rig_input(g)->nopen == 0);
	rig_end(g);
}

static bool fails_at_42;

static ssize_t failing_pread(int fd, void *p, size_t n, off_t at)
{
	if (at == 42 && fails_at_42) {
		fails_at_42 = false;
		errno = EIO;
		return -1;
	}
	return os_kernel.pread(fd, p, n, at);
}

/* What stands behind a hole cannot be read for a moment: said, counted, and read. */
static void trouble_behind_a_hole(void)
{
	struct rig *g = rig_new("*.log");
	struct os_ops failing = os_kernel;
	int64_t before = counter(METRIC_INPUT_ERRORS, "reason", "read");
	char text[44] = "a\n";

	memcpy(text + 42, "b\n", 2);
	put_bytes(g, "a.log", text, sizeof(text), 0);
	failing.pread = failing_pread;
	fails_at_42 = true;
	os = &failing;
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	os = &os_kernel;
	OK(!fails_at_42);
	EQ_STR(str_c(g->got[1].line), "b");
	EQ_INT(counter(METRIC_INPUT_ERRORS, "reason", "read") - before, 1);
	rig_end(g);
}

/* What nobody writes to any more needs no descriptor, at this start and at the next. */
static void old_files_are_closed(void)
{
	struct rig *g = rig_new("*.log");
	int64_t gone = counter(METRIC_FILE_EVENTS, "event", "gone_closed");
	struct timespec old[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };

	g->conf.ignore_older_ns = 3600 * NS_PER_S;
	for (int i = 0; i < 5; i++) {
		append(g, numbered("%d.log", i), "old\n");
		OK(utimensat(AT_FDCWD, rig_path(g, numbered("%d.log", i)), old, 0) == 0);
	}
	append(g, "new.log", "new\n");
	for (int start = 0; start < 2; start++) {
		rig_start(g);
		UNTIL(g, g->ngot == 1 && rig_input(g)->nfds == 1);
		EQ_INT(rig_input(g)->nopen, 6);
		rig_stop(g);
	}
	rig_start(g);
	append(g, "3.log", "written again\n");
	UNTIL(g, g->ngot == 2);
	EQ_STR(str_c(g->got[1].line), "written again");
	EQ_INT(rig_input(g)->nfds, 2);
	unlink(rig_path(g, "1.log"));
	UNTIL(g, rig_input(g)->nopen == 5);
	EQ_INT(counter(METRIC_FILE_EVENTS, "event", "gone_closed"), gone);
	rig_end(g);
}

static int64_t not_placed(void)
{
	return counter(METRIC_INPUT_ERRORS, "reason", "too_many_files");
}

/* Said and counted once; what is long gone makes room. */
static void too_many_files(void)
{
	struct rig *g = rig_new("*.log");
	int64_t before = not_placed();
	struct pos *p;

	g->conf.scan_interval_ns = 10 * NS_PER_MS;
	rig_open(g);
	rig_input(g)->positions->max = 3;
	for (int i = 0; i < 5; i++)
		append(g, numbered("%d.log", i), "line\n");
	input_file.start(&g->input);
	UNTIL(g, g->ngot == 3);
	rig_run(g, 200); /* some whole scans */
	EQ_INT(not_placed() - before, 2);
	EQ_INT(g->ngot, 3);
	p = rig_input(g)->tails->pos;
	OK(rename(p->path.p, rig_path(g, "gone")) == 0);
	UNTIL(g, rig_input(g)->nopen == 2);
	rig_run(g, 100);
	EQ_INT(rig_input(g)->nopen, 2); /* it may come back */
	p->seen_s -= 2 * POS_GONE_S;
	rig_input(g)->positions->room_at_ns = 0;
	UNTIL(g, g->ngot == 4);
	EQ_INT(rig_input(g)->nopen, 3);
	EQ_INT(not_placed() - before, 2);
	rig_end(g);
}

/* A name that can be no log does not make every scan a whole one. */
static void refused_for_good(void)
{
	struct rig *g = rig_new("*.log");

	g->conf.scan_interval_ns = 10 * NS_PER_MS;
	OK(mkfifo(rig_path(g, "fifo.log"), 0600) == 0);
	append(g, "a.log", "line\n");
	rig_start(g);
	EQ_INT(rig_input(g)->nrefusals, 1);
	UNTIL(g, rig_input(g)->short_scans == 3);
	UNTIL(g, g->ngot == 1);
	rig_end(g);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(few_descriptors);
	RUN(fewest_descriptors);
	RUN(renamed_while_closed);
	RUN(renamed_to_a_name_that_matches);
	RUN(deleted_while_closed);
	RUN(rotated_files_stay_open);
	RUN(emfile);
	RUN(fair_among_many);
	RUN(quiet_files_are_small);
	RUN(trouble_behind_a_hole);
	RUN(old_files_are_closed);
	RUN(too_many_files);
	RUN(refused_for_good);
	return test_end();
}
