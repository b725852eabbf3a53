/* SPDX-License-Identifier: Apache-2.0 */
/* Archives: each is read once, what was read before it was compressed never again; whatever happens in
 * between, and whatever is wrong with it. */
#include <zlib.h>
#include <zstd.h>

#include "inputs/file/archives_impl.h"
#include "inputs/file/unpack.h"
#include "tests/unit/file_rig.h"

enum packer { GZIP, ZSTD };
static const char *const endings[] = { "gz", "zst" };

static int64_t event_count(const char *event)
{
	return counter(METRIC_FILE_EVENTS, "event", event);
}

static char *contents(const char *path, size_t *ret_n)
{
	int fd = open(path, O_RDONLY);
	off_t n = lseek(fd, 0, SEEK_END);
	char *p = mem_alloc((size_t)n + 1);

	OK(pread(fd, p, (size_t)n, 0) == n);
	close(fd);
	*ret_n = (size_t)n;
	return p;
}

static char *packed(enum packer how, const char *p, size_t n, size_t *ret_n)
{
	size_t max = ZSTD_compressBound(n) + compressBound(n) + 100;
	char *out = mem_alloc(max);
	z_stream s = { 0 };

	if (how == ZSTD) {
		*ret_n = ZSTD_compress(out, max, p, n, 3);
		return out;
	}
	OK(deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	s.next_in = (Bytef *)(uintptr_t)p;
	s.avail_in = (uInt)n;
	s.next_out = (Bytef *)out;
	s.avail_out = (uInt)max;
	OK(deflate(&s, Z_FINISH) == Z_STREAM_END);
	*ret_n = max - s.avail_out;
	deflateEnd(&s);
	return out;
}

static void set_age(const char *path, int seconds)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	OK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

/* As gzip(1): the archive comes into being, has the time of what is in it, and that goes. */
static void pack(const struct rig *g, enum packer how, const char *from, const char *to)
{
	size_t n, packed_n;
	char *p = contents(rig_path(g, from), &n), *out = packed(how, p, n, &packed_n);
	struct stat st;
	struct timespec times[2];

	OK(stat(rig_path(g, from), &st) == 0);
	put_bytes(g, to, out, packed_n, O_TRUNC);
	times[0] = times[1] = st.st_mtim;
	OK(utimensat(AT_FDCWD, rig_path(g, to), times, 0) == 0);
	OK(unlink(rig_path(g, from)) == 0);
	mem_free(p);
	mem_free(out);
}

static struct rig *new_rig(const char *pattern)
{
	struct rig *g = rig_new(pattern);

	g->conf.archives = ARCHIVES_AUTO;
	g->conf.max_archive_size = (size_t)1 << 40;
	g->conf.rotate_wait_ns = 30 * NS_PER_MS;
	return g;
}

/* Nothing is under way with archives any more. */
static bool is_quiet(struct rig *g)
{
	return archives_are_idle(rig_input(g)) && rig_input(g)->nflights == 0;
}

/* Archives that nobody knows. */
static void unknown(void)
{
	for (enum packer how = GZIP; how <= ZSTD; how++) {
		struct rig *g = new_rig("*");
		char name[32];
		int64_t read = event_count("archive_read");

		ROW(endings[how]);
		snprintf(name, sizeof(name), "a.log.2.%s", endings[how]);
		g->conf.archives = ARCHIVES_READ;
		append_numbered(g, "a.log.2", "n", 0, 30000);
		append(g, "a.log.2", "n 30000");
		set_age(rig_path(g, "a.log.2"), 100000);
		pack(g, how, "a.log.2", name);
		rig_start(g);
		expect_numbered(g, "n", 0, 30001);
		EQ_INT(g->got[30000].flags & REC_PARTIAL, REC_PARTIAL);
		check_times(g);
		EQ_STR(str_c(g->got[0].filename), rig_path(g, name));
		UNTIL(g, is_quiet(g));
		EQ_INT(rig_input(g)->nopen, 0);
		/* Neither by a new name nor after a restart. */
		OK(rename(rig_path(g, name), rig_path(g, "a.log.3.packed")) == 0);
		rig_run(g, 50);
		find_scan(rig_input(g));
		UNTIL(g, is_quiet(g));
		rig_stop(g);
		rig_start(g);
		rig_run(g, 50);
		UNTIL(g, is_quiet(g));
		EQ_INT(g->ngot, 30001);
		EQ_INT(event_count("archive_read") - read, 1);
		rig_end(g);
	}
}

/* At the first start there is history, later there is what came later. */
static void history(void)
{
	static const struct {
		const char *name;
		unsigned archives, start;
		int64_t ignore_older_ns;
		const char *want;
	} rows[] = {
		{ "auto", ARCHIVES_AUTO, START_BEGINNING, 0, "live\nnew\n" },
		{ "read", ARCHIVES_READ, START_BEGINNING, 0, "live\nold\nnew\n" },
		{ "read, but from the end", ARCHIVES_READ, START_END, 0, "new\n" },
		{ "read, but not what is old", ARCHIVES_READ, START_BEGINNING, 1000 * NS_PER_S,
		  "live\nnew\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = new_rig("*");

		ROW(rows[i].name);
		g->conf.archives = rows[i].archives;
		g->conf.start = rows[i].start;
		g->conf.ignore_older_ns = rows[i].ignore_older_ns;
		append(g, "b.log", "old\n");
		set_age(rig_path(g, "b.log"), 5000);
		pack(g, GZIP, "b.log", "b.log.1.gz");
		append(g, "a.log", "live\n");
		rig_start(g);
		UNTIL(g, rows[i].start == START_END || g->ngot);
		UNTIL(g, is_quiet(g));
		append(g, "c.log.1", "new\n");
		set_age(rig_path(g, "c.log.1"), -5); /* the start is known in seconds */
		pack(g, GZIP, "c.log.1", "c.log.1.gz");
		if (rows[i].archives == ARCHIVES_AUTO)
			set_age(rig_path(g, "c.log.1.gz"), -5);
		EXPECT(g, rows[i].want);
		rig_stop(g);
		rig_start(g);
		rig_run(g, 50);
		UNTIL(g, is_quiet(g));
		EXPECT(g, rows[i].want);
		rig_end(g);
	}
}

static void rotate_once(struct rig *g, enum packer how, bool delays, int ms)
{
	for (int i = 5; i > 0; i--) {
		char from[32], to[32];

		snprintf(from, sizeof(from), "a.log.%d.%s", i, endings[how]);
		snprintf(to, sizeof(to), "a.log.%d.%s", i + 1, endings[how]);
		if (access(rig_path(g, from), F_OK) == 0)
			OK(rename(rig_path(g, from), rig_path(g, to)) == 0);
	}
	if (delays && access(rig_path(g, "a.log.1"), F_OK) == 0) {
		char to[32];

		snprintf(to, sizeof(to), "a.log.2.%s", endings[how]);
		pack(g, how, "a.log.1", to);
	}
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
	append(g, "a.log", "");
	if (ms)
		rig_run(g, ms);
	if (!delays) {
		char to[32];

		snprintf(to, sizeof(to), "a.log.1.%s", endings[how]);
		pack(g, how, "a.log.1", to);
	}
}

/* logrotate's compress and delaycompress under a running agent, and one that is down now and then. */
static void rotated(void)
{
	static const char *const patterns[] = { "a.log*", "{a.log,*.gz,*.zst}" };

	for (unsigned i = 0; i < 16; i++) {
		enum packer how = i & 1 ? ZSTD : GZIP;
		bool delays = i & 2, stops = i & 4;
		struct rig *g = new_rig(patterns[i >> 3]);
		int written = 0;
		char row[80];

		snprintf(row, sizeof(row), "%s%s%s, %s", endings[how],
			 delays ? ", delaycompress" : "", stops ? ", down in between" : "",
			 patterns[i >> 3]);
		ROW(row);
		rig_start(g);
		for (int round = 0; round < 5; round++) {
			append_numbered(g, "a.log", "n", written, 200);
			written += 200;
			UNTIL(g, g->ngot == (size_t)written);
			if (stops)
				rig_stop(g);
			if (stops) { /* not read before it is rotated */
				append_numbered(g, "a.log", "n", written, 100);
				written += 100;
			}
			rotate_once(g, how, delays, stops ? 0 : 20 * round);
			if (stops)
				rig_start(g);
			UNTIL(g, g->ngot == (size_t)written);
		}
		rig_run(g, 100);
		UNTIL(g, is_quiet(g));
		expect_numbered(g, "n", 0, written);
		for (size_t j = 0; j < g->ngot; j++)
			if (strcmp(g->got[j].filename, rig_path(g, "a.log")) != 0) {
				FAIL("%s came from %s", g->got[j].line, g->got[j].filename);
				break;
			}
		find_scan(rig_input(g));
		UNTIL(g, is_quiet(g));
		EQ_INT(g->ngot, written);
		rig_end(g);
	}
}

/* Two rotations while we were away: what began before and what was never seen. */
static void several_while_down(void)
{
	struct rig *g = new_rig("a.log*");

	append_numbered(g, "a.log", "n", 0, 100);
	rig_start(g);
	UNTIL(g, g->ngot == 100);
	rig_stop(g);
	sleep(1); /* the start is known in seconds */
	append_numbered(g, "a.log", "n", 100, 100);
	rotate_once(g, GZIP, false, 0);
	append_numbered(g, "a.log", "other", 0, 100);
	rotate_once(g, GZIP, false, 0);
	append_numbered(g, "a.log", "last", 0, 1);
	rig_start(g);
	UNTIL(g, g->ngot == 301);
	rig_run(g, 50);
	UNTIL(g, is_quiet(g));
	EQ_INT(g->ngot, 301);
	rig_end(g);
}

/* Copied, emptied and compressed while we were away; and backups of what we have open. */
static void copies(void)
{
	struct rig *g = new_rig("a.log*");
	size_t n, packed_n;
	char *p, *out;

	ROW("copytruncate and compress while down");
	append_numbered(g, "a.log", "n", 0, 300);
	rig_start(g);
	UNTIL(g, g->ngot == 300);
	rig_stop(g);
	append_numbered(g, "a.log", "n", 300, 100);
	p = contents(rig_path(g, "a.log"), &n);
	out = packed(GZIP, p, n, &packed_n);
	OK(truncate(rig_path(g, "a.log"), 0) == 0);
	put_bytes(g, "a.log.1.gz", out, packed_n, O_TRUNC);
	rig_start(g);
	UNTIL(g, g->ngot == 400);
	mem_free(p);
	mem_free(out);

	ROW("a compressed copy of a log that goes on");
	append_numbered(g, "a.log", "n", 400, 300);
	UNTIL(g, g->ngot == 700);
	p = contents(rig_path(g, "a.log"), &n);
	out = packed(GZIP, p, n, &packed_n);
	put_bytes(g, "a.log.copy.gz", out, packed_n, O_TRUNC);
	rig_run(g, 150);
	append_numbered(g, "a.log", "n", 700, 10);
	expect_numbered(g, "n", 0, 710);

	ROW("and is emptied then");
	OK(truncate(rig_path(g, "a.log"), 0) == 0);
	rig_run(g, 20);
	append_numbered(g, "a.log", "n", 710, 10);
	UNTIL(g, g->ngot >= 720 && !rig_input(g)->archives->n);
	expect_numbered(g, "n", 0, 720);
	mem_free(p);
	mem_free(out);
	rig_end(g);
}

/* A log compressed twice, the second time as it was or when it had more: nothing is read again, neither while
 * what was read of the first is on its way nor when both are met once more. */
static void alike(void)
{
	static const int more[] = { 0, 100 };

	for (size_t i = 0; i < 2 * ARRAY_LEN(more); i++) {
		struct rig *g = new_rig("*.{gz,zst}");
		int n = 1000 + more[i / 2];

		ROW(i / 2 ? "with more" : "the same");
		g->conf.archives = ARCHIVES_READ;
		g->holds = i % 2;
		append_numbered(g, "text", "n", 0, 1000);
		set_age(rig_path(g, "text"), 200);
		pack(g, GZIP, "text", "a.log.1.gz");
		append_numbered(g, "text", "n", 0, n);
		set_age(rig_path(g, "text"), 100);
		pack(g, ZSTD, "text", "a.log.1.zst");
		rig_start(g);
		UNTIL(g, g->ngot >= 1000 && archives_are_idle(rig_input(g)));
		if (g->holds)
			EQ_INT(g->ngot, 1000);
		rig_release(g);
		UNTIL(g, is_quiet(g));
		EQ_INT(g->ngot, n);
		for (int round = 0; round < 2; round++) {
			find_scan(rig_input(g));
			UNTIL(g, is_quiet(g));
			rig_stop(g);
			rig_start(g);
			rig_run(g, 50);
			UNTIL(g, is_quiet(g));
		}
		EQ_INT(g->ngot, n);
		rig_end(g);
	}
}

/* Killed with an archive half read: the rest comes, and what was on its way comes as it was. */
static void killed(void)
{
	for (enum packer how = GZIP; how <= ZSTD; how++) {
		struct rig *g = new_rig("*");
		char name[32];
		size_t settled, seen, bytes = 0;
		int64_t times[2];

		ROW(endings[how]);
		snprintf(name, sizeof(name), "a.log.2.%s", endings[how]);
		g->conf.archives = ARCHIVES_READ;
		g->total_bytes = 1 << 20; /* so that not all of it is in memory */
		append_numbered(g, "a.log.2", "a line of an archive that is longer than memory", 0,
				60000);
		pack(g, how, "a.log.2", name);
		set_age(rig_path(g, name), 1000);
		g->holds = true;
		rig_start(g);
		UNTIL(g, rig_input(g)->is_paused && g->nheld > 4);
		for (settled = 0; g->nheld > 3; g->nheld--) {
			settled += g->held[0]->nrecs;
			rig_settle_at(g, g->held[0], g->held_at[0]);
			memmove(g->held, g->held + 1, (g->nheld - 1) * sizeof(g->held[0]));
			memmove(g->held_at, g->held_at + 1, (g->nheld - 1) * sizeof(g->held_at[0]));
		}
		for (size_t i = 0; i < settled; i++)
			bytes += g->got[i].n + 1;
		UNTIL(g, rig_input(g)->archives->reading->pos->offset == bytes);
		OK(positions_flush_settled(rig_input(g)->positions));
		seen = g->ngot;
		OK(settled && seen > settled && seen < 60000);
		times[0] = g->got[settled].time_ns;
		times[1] = g->got[seen - 1].time_ns;
		rig_kill(g);
		rig_forget(g);
		rig_start(g);
		UNTIL(g, g->ngot == 60000 - settled);
		UNTIL(g, is_quiet(g));
		EQ_INT(g->ngot, 60000 - settled);
		EQ_INT(g->got[0].time_ns, times[0]);
		EQ_INT(g->got[seen - settled - 1].time_ns, times[1]);
		check_times(g);
		rig_end(g);
	}
}

/* Cut off, it waits for more, and then is read as far as it goes; damaged, the same at once. */
static void damaged(void)
{
	struct rig *g = new_rig("*.gz");
	int64_t cut_off = error_count("archive_cut_off"), bad = error_count("archive_damaged");
	size_t n, packed_n, whole, first;
	char *p, *out;

	g->conf.archives = ARCHIVES_READ;
	append_numbered(g, "a", "n", 0, 40000);
	p = contents(rig_path(g, "a"), &n);
	out = packed(GZIP, p, n, &packed_n);

	ROW("cut off");
	put_bytes(g, "a.gz", out, packed_n / 2, O_TRUNC);
	rig_start(g);
	UNTIL(g, g->ngot > 10000 && is_quiet(g));
	first = g->ngot;
	EQ_INT(error_count("archive_cut_off") - cut_off, 1);
	ROW("goes on");
	put_bytes(g, "a.gz", out + packed_n / 2, packed_n - packed_n / 2, O_APPEND);
	find_scan(rig_input(g));
	UNTIL(g, is_quiet(g) && g->ngot > first);
	/* The line that it was cut in came in two parts. */
	EQ_INT(g->ngot, 40001);
	EQ_STR(str_c(g->got[g->ngot - 1].line), "n 39999");
	EQ_INT(error_count("archive_cut_off") - cut_off, 1);
	rig_forget(g);

	ROW("damaged");
	memset(out + packed_n / 2, 0xff, 100);
	put_bytes(g, "b.gz", out, packed_n, O_TRUNC);
	find_scan(rig_input(g));
	UNTIL(g, g->ngot > 10000 && is_quiet(g));
	OK(g->ngot < 40000);
	whole = g->ngot;
	EQ_STR(str_c(g->got[5000].line), "n 5000");
	EQ_INT(error_count("archive_damaged") - bad, 1);
	find_scan(rig_input(g));
	rig_run(g, 50);
	UNTIL(g, is_quiet(g));
	EQ_INT(g->ngot, whole);
	EQ_INT(error_count("archive_damaged") - bad, 1);
	mem_free(p);
	mem_free(out);
	rig_end(g);
}

static bool has_line(const struct rig *g, const char *line)
{
	for (size_t i = 0; i < g->ngot; i++)
		if (strcmp(g->got[i].line, line) == 0)
			return true;
	return false;
}

/* Much in little: what is long is cut, zeros are passed over, others are read meanwhile. */
static void bombs(void)
{
	static const char fill[] = { 'a', 0 };

	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		struct rig *g = new_rig("*");
		size_t n = (size_t)100 << 20, packed_n, others = 0;
		char *p = mem_alloc(n), *out;
		int64_t zeros =
			metric_value(metric_get(METRIC_FILE_NUL_BYTES, "input", "test", NULL));

		ROW(i ? "zeros" : "one line");
		g->conf.archives = ARCHIVES_READ;
		memset(p, fill[i], n);
		memcpy(p + n - 5, "\nend\n", 5);
		out = packed(GZIP, p, n, &packed_n);
		put_bytes(g, "bomb.gz", out, packed_n, 0);
		set_age(rig_path(g, "bomb.gz"), 100);
		rig_start(g);
		while (!has_line(g, "end") && others < 100000) {
			append(g, "live", "live\n");
			others++;
			UNTIL(g, g->ngot >= others);
			rig_run(g, 1);
		}
		OK(others > 2);
		UNTIL(g, is_quiet(g));
		EQ_INT(g->ngot, others + (i ? 2 : 3)); /* a line of 64 MiB, the rest of it, end */
		if (i)
			EQ_INT(metric_value(
				       metric_get(METRIC_FILE_NUL_BYTES, "input", "test", NULL)) -
				       zeros,
			       n - 5);
		for (size_t j = 0; !i && j < g->ngot; j++)
			if (g->got[j].line[0] == 'a')
				OK(g->got[j].flags & REC_CUT &&
				   g->got[j].full_length > (32u << 20));
		mem_free(p);
		mem_free(out);
		rig_end(g);
	}
}

static void refused(void)
{
	struct rig *g = new_rig("*");
	int64_t files = error_count("archive_of_files"), too_long = error_count("archive_too_long");
	static char tar[20480];
	size_t n, packed_n;
	char *out, *again;

	g->conf.archives = ARCHIVES_READ;
	g->conf.max_archive_size = 10000;
	memcpy(tar + 257, "ustar", 5);
	out = packed(GZIP, tar, sizeof(tar), &n);
	put_bytes(g, "a.tar.gz", out, n, 0);
	mem_free(out);
	out = packed(GZIP, "text\n", 5, &n);
	again = packed(ZSTD, out, n, &packed_n);
	put_bytes(g, "a.gz.zst", again, packed_n, 0);
	memset(tar, '\n', sizeof(tar));
	mem_free(out);
	mem_free(again);
	out = packed(ZSTD, tar, sizeof(tar), &n);
	put_bytes(g, "long.zst", out, n, 0);
	mem_free(out);
	rig_start(g);
	UNTIL(g, g->ngot == 10000 && is_quiet(g));
	find_scan(rig_input(g));
	UNTIL(g, is_quiet(g));
	EQ_INT(g->ngot, 10000);
	EQ_INT(error_count("archive_of_files") - files, 2);
	EQ_INT(error_count("archive_too_long") - too_long, 1);
	rig_end(g);
}

/* Which patterns can lead to the archive of a log. */
static void names(void)
{
	static const struct {
		const char *pattern, *log;
		bool want;
	} rows[] = {
		{ "a.log*", "a.log", true },
		{ "*.log", "a.log", false },
		{ "{a.log,*.gz}", "a.log", true },
		{ "a-*.log.gz", "a.log", true },
		{ "*", "b", true },
		{ "{a.log,old/a.log*}", "a.log", true },
		{ "a.log.[0-9].zst", "a.log", true },
		{ "b.log*", "a.log", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = new_rig(rows[i].pattern);

		ROW(rows[i].pattern);
		rig_start(g);
		EQ_INT(archives_may_come(rig_input(g), str_c(rig_path(g, rows[i].log))),
		       rows[i].want);
		rig_end(g);
	}
}

/* Reads as a tail makes them, against the content. */
static void windows(void)
{
	size_t n = (size_t)3 << 20, packed_n;
	char *p = mem_alloc(n), *out, *got = mem_alloc(n);
	struct rig *g = new_rig("*");
	uint32_t random = 1;
	int fd;

	for (size_t i = 0; i < n; i++)
		p[i] = (char)((i / 1000) ^ (random = random * 1664525 + 1013904223) >> 30);
	out = packed(GZIP, p, n, &packed_n);
	put_bytes(g, "x", out, packed_n, 0);
	fd = open(rig_path(g, "x"), O_RDONLY);
	for (int round = 0; round < 20; round++) {
		uint64_t offset = 0;
		struct unpack u;

		unpack_init(&u, fd, UINT64_MAX);
		unpack_window(&u, 300000);
		while (offset < n) {
			uint64_t from = offset - marker_size(offset);
			size_t at = random % 4 ? 0 : random / 4 % 400000,
			       len = random / 64 % 100000;
			int r;

			random = random * 1664525 + 1013904223;
			while ((r = unpack_keep(&u, from, 1 + random % 100000)) == 0)
				;
			OK(r == 1);
			for (int i = 0; i < 2; i++, at = 0) { /* ahead, and where it is */
				uint64_t start = from + at;
				size_t want = start > n         ? 0
					      : n - start < len ? (size_t)(n - start)
								: len;
				ssize_t is = unpack_read(&u, got, len, start);

				EQ_INT(is, want);
				if (is != (ssize_t)want ||
				    memcmp(got, p + (start < n ? start : n), want) != 0) {
					FAIL("at %llu", (unsigned long long)start);
					offset = n;
					break;
				}
			}
			offset += random / 1024 % 200000;
		}
		unpack_fini(&u);
	}
	close(fd);
	mem_free(p);
	mem_free(out);
	mem_free(got);
	rig_open(g);
	rig_end(g);
}

int main(void)
{
	RUN(windows);
	RUN(names);
	RUN(unknown);
	RUN(history);
	RUN(rotated);
	RUN(several_while_down);
	RUN(copies);
	RUN(alike);
	RUN(killed);
	RUN(damaged);
	RUN(bombs);
	RUN(refused);
	return test_end();
}
