/* SPDX-License-Identifier: Apache-2.0 */
/* Kills and damage: whatever is left of the position file, the input starts, is never ahead of what
 * was settled, and what it reads again gets the times it had. */
#include "tests/unit/file_rig.h"

#include <dirent.h>

#define SNAPSHOT_MAX 65536

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void in_state(const struct rig *g, char *out, size_t n, const char *name)
{
	snprintf(out, n, "%s/positions/%s", g->state, name);
}

static size_t slurp(const char *path, char *out, size_t n)
{
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, out, n);

	if (fd >= 0)
		close(fd);
	return got < 0 ? 0 : (size_t)got;
}

/* As a new file: what replaces another may wait for the disk. */
static void spill(const char *path, const char *p, size_t n)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	OK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static int no_fsync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- killed between any two system calls -------------------------------------------------- */

/* What is on disk changes only by these calls; what was sent and settled in between is noted. */
struct snapshot {
	char *bytes; /* of the position file */
	size_t n;
	bool *settled; /* of got, when it was written: the fewest */
	size_t nsettled;
	size_t nsent; /* when it was replaced: the most */
};

static struct crash {
	struct rig *g;
	struct snapshot snapshots[1000];
	size_t n;
	unsigned calls;
} crash;

static void look_at_disk(void)
{
	static char bytes[SNAPSHOT_MAX];
	struct rig *g = crash.g;
	struct snapshot *last = crash.n ? &crash.snapshots[crash.n - 1] : NULL, *s;
	char path[160];
	size_t n;

	crash.calls++;
	in_state(g, path, sizeof(path), "test.log");
	n = slurp(path, bytes, sizeof(bytes));
	if (last)
		last->nsent = g->ngot;
	if (crash.n == ARRAY_LEN(crash.snapshots) ||
	    (last && last->n == n && memcmp(last->bytes, bytes, n) == 0))
		return;
	s = &crash.snapshots[crash.n++];
	s->bytes = mem_dup(bytes, n);
	s->n = n;
	s->nsettled = s->nsent = g->ngot;
	s->settled = mem_array(g->ngot + 1, sizeof(bool));
	for (size_t i = 0; i < g->ngot; i++)
		s->settled[i] = g->got[i].is_settled;
}

static int crash_open(const char *path, int flags, mode_t mode)
{
	int fd = os_kernel.open(path, flags, mode);

	look_at_disk();
	return fd;
}

/* In two halves: a kill can come in the middle of a write as well. */
static ssize_t crash_write(int fd, const void *p, size_t n)
{
	ssize_t done = os_kernel.write(fd, p, n > 1 ? n / 2 : n);

	look_at_disk();
	return done;
}

static int crash_rename(const char *from, const char *to)
{
	int r = os_kernel.rename(from, to);

	look_at_disk();
	return r;
}

static int crash_unlink(const char *path)
{
	int r = os_kernel.unlink(path);

	look_at_disk();
	return r;
}

/* Reading, holding, settling out of order, rotation, growth. */
static void scenario(struct rig *g)
{
	rig_start(g);
	append_numbered(g, "a.log", "n", 0, 20);
	UNTIL(g, g->ngot == 20);
	g->holds = true;
	for (int i = 0; i < 4; i++) {
		append_numbered(g, "a.log", "n", 20 + i * 10, 10);
		UNTIL(g, g->ngot == (size_t)(30 + i * 10));
	}
	append_numbered(g, "b.log", "m", 0, 10);
	UNTIL(g, g->ngot == 70);
	/* The last of a first, so that something is settled ahead of the position. */
	if (g->nheld == 5) {
		struct block *b = g->held[3];
		size_t at = g->held_at[3];

		memmove(&g->held[3], &g->held[4], sizeof(g->held[0]));
		memmove(&g->held_at[3], &g->held_at[4], sizeof(g->held_at[0]));
		g->nheld--;
		rig_settle_at(g, b, at);
	}
	OK(positions_flush_settled(rig_input(g)->positions));
	rig_release(g);
	rig_run(g, 1);
	OK(positions_flush_settled(rig_input(g)->positions));
	append_numbered(g, "a.log", "n", 60, 10);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
	append_numbered(g, "a.log", "n", 70, 10);
	UNTIL(g, g->ngot == 90);
	OK(positions_save(rig_input(g)->positions));
}

/* "a 12" -> 12, "m 3" -> 103 */
static size_t line_index(const char *line)
{
	return (size_t)atoi(line + 2) + (line[0] == 'm' ? 100 : 0);
}

static void check_snapshot(struct rig *g, const struct got *first, const struct snapshot *s)
{
	bool has_come[200] = { false };
	char path[160];
	int64_t sent_ns[200] = { 0 };

	in_state(g, path, sizeof(path), "test.log");
	spill(path, s->bytes, s->n);
	rig_start(g);
	for (size_t i = 0; i < s->nsent; i++)
		sent_ns[line_index(first[i].line)] = first[i].time_ns;
	UNTIL(g, g->ngot >= 90 || !rig_input(g)->ready_first);
	rig_run(g, 2);
	for (size_t i = 0; i < g->ngot; i++) {
		size_t line = line_index(g->got[i].line);

		if (has_come[line] || (sent_ns[line] && sent_ns[line] != g->got[i].time_ns)) {
			FAIL("%s came %s", g->got[i].line,
			     has_come[line] ? "twice" : "with another time");
			break;
		}
		has_come[line] = true;
	}
	for (size_t i = 0; i < 90; i++) {
		size_t line = line_index(first[i].line);

		if (!has_come[line] && (i >= s->nsettled || !s->settled[i])) {
			FAIL("%s was not settled and does not come again", first[i].line);
			break;
		}
	}
	rig_stop(g);
	rig_forget(g);
}

static void killed_between_calls(void)
{
	struct rig *g = rig_new("*.log*");
	struct os_ops watching = os_kernel;
	struct got *first;
	char row[64];

	watching.open = crash_open;
	watching.write = crash_write;
	watching.rename = crash_rename;
	watching.unlink = crash_unlink;
	watching.fsync = no_fsync;
	g->conf.rotate_wait_ns = 10 * NS_PER_MS;
	crash.g = g;
	crash.n = crash.calls = 0;
	os = &watching;
	scenario(g);
	look_at_disk();
	first = mem_array(g->ngot + 1, sizeof(*first));
	for (size_t i = 0; i < g->ngot; i++) {
		first[i] = g->got[i];
		first[i].line = mem_dup(g->got[i].line, g->got[i].n + 1);
	}
	os = &os_kernel;
	watching = os_kernel;
	watching.fsync = no_fsync;
	os = &watching;
	rig_stop(g);
	rig_forget(g);
	OK(crash.n > 15 && crash.n < ARRAY_LEN(crash.snapshots));
	for (size_t i = 0; i < crash.n; i++) {
		snprintf(row, sizeof(row), "state %zu of %zu", i, crash.n);
		ROW(row);
		check_snapshot(g, first, &crash.snapshots[i]);
	}
	ROW("an old copy of every state, one after the other");
	for (size_t i = crash.n; i-- > crash.n / 2;)
		check_snapshot(g, first, &crash.snapshots[i]);
	for (size_t i = 0; i < crash.n; i++) {
		mem_free(crash.snapshots[i].bytes);
		mem_free(crash.snapshots[i].settled);
	}
	for (size_t i = 0; i < 90; i++)
		mem_free(first[i].line);
	mem_free(first);
	rig_start(g);
	rig_end(g);
	os = &os_kernel;
}

/* ---- damage ------------------------------------------------------------------------------- */

/* Three files with a history; *ret_n bytes of a position file that was rewritten and appended to. */
static void history(const char *path, char *ret, size_t *ret_n)
{
	struct err err = ERR_NONE;
	struct positions *ps = positions_open(path, &err);

	OK(ps != NULL);
	for (uint64_t i = 1; i <= 3; i++) {
		struct file_id id = { 1, i, (int64_t)i };
		struct uniq u = { 0 };
		struct pos *p;

		p = positions_add(ps, &id, STR("/var/log/a.log"));
		positions_head(ps, p, 64, i);
		for (uint64_t k = 0; k < 3; k++)
			positions_range(ps, p,
					&(struct pos_range){ k * 10, k * 10 + 10, 1000 + (int64_t)k,
							     1, k });
		positions_settle(ps, p, 10, 0, 1000, &u);
		OK(i == 2 ? positions_save(ps) : positions_flush_settled(ps));
	}
	positions_begun(ps);
	OK(positions_flush_settled(ps));
	positions_free(ps);
	*ret_n = slurp(path, ret, 4096);
	OK(*ret_n > 400 && *ret_n < 4096);
}

/* Nothing that was never said, and what is missing is counted. */
static void check_history(const char *path, bool is_cut)
{
	struct err err = ERR_NONE;
	struct positions *ps = positions_peek(path, &err);
	size_t n = 0;

	if (!ps) {
		FAIL("%s", err.text);
		return;
	}
	for (const struct pos *p = ps->first; p; p = p->next, n++) {
		OK(p->offset == 0 || p->offset == 10);
		OK(p->head_n == 0 || p->head == p->file.ino);
		for (size_t i = 0; i < p->nranges; i++) {
			const struct pos_range *r = &p->ranges[p->first_range + i];

			OK(r->end == r->start + 10 && r->t0_ns == 1000 + (int64_t)r->start / 10);
		}
	}
	OK(n <= 3 && !ps->is_first_start);
	if (!is_cut) {
		OK(ps->bad_lines > 0);
		if (ps->header.version == POS_VERSION)
			EQ_INT(n + positions_lost_files(ps), 3);
	}
	positions_free(ps);
}

static void every_bit_flipped(void)
{
	struct rig *g = rig_new("a.log");
	struct os_ops fast = os_kernel;
	char whole[4096], copy[4096], path[160], row[64];
	size_t n;

	fast.fsync = no_fsync;
	os = &fast;
	in_state(g, path, sizeof(path), "test.log");
	history(path, whole, &n);
	for (size_t i = 0; i < n * 8; i++) {
		snprintf(row, sizeof(row), "bit %zu of byte %zu", i % 8, i / 8);
		ROW(row);
		memcpy(copy, whole, n);
		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		spill(path, copy, n);
		check_history(path, false);
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(row, sizeof(row), "torn at byte %zu", i);
		ROW(row);
		spill(path, whole, i);
		check_history(path, true);
	}
	ROW("what it says of a file that is lost");
	{
		struct err err = ERR_NONE;
		struct positions *ps;
		char *f = memmem(whole, n, " F 2 ", 5);

		OK(f != NULL);
		memcpy(copy, whole, n);
		if (f)
			copy[f - whole - 3] ^= 1;
		spill(path, copy, n);
		ps = positions_peek(path, &err);
		OK(ps != NULL);
		EQ_INT(ps->n, 2);
		EQ_INT(positions_lost_files(ps), 1);
		OK(ps->bad_lines > 1);
		positions_free(ps);
	}
	os = &os_kernel;
	rig_start(g);
	rig_end(g);
}

/* ---- something else in its place ---------------------------------------------------------- */

static void put_nothing(const char *path)
{
	spill(path, "", 0);
}

static void put_nul_bytes(const char *path)
{
	char zeros[4096] = { 0 };

	spill(path, zeros, sizeof(zeros));
}

static void put_directory(const char *path)
{
	char inside[200];

	unlink(path);
	snprintf(inside, sizeof(inside), "%s/keep", path);
	OK(mkdir(path, 0700) == 0);
	spill(inside, "x", 1);
}

static void put_link(const char *path)
{
	unlink(path);
	OK(symlink("/etc/passwd", path) == 0);
}

static void put_newer(const char *path)
{
	spill(path, "f2e840cf V 3 what a later version writes\n", 41);
}

/* With `start: end`, so that anything taken for a first start would skip lines. */
static void something_else_in_its_place(void)
{
	static const struct {
		const char *name;
		void (*put)(const char *path);
		bool is_aside;
	} rows[] = {
		{ "zero bytes", put_nothing, false },   { "NUL bytes", put_nul_bytes, false },
		{ "a directory", put_directory, true }, { "a link", put_link, true },
		{ "a newer version", put_newer, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = rig_new("a.log");
		char path[160], aside[160];

		ROW(rows[i].name);
		in_state(g, path, sizeof(path), "test.log");
		in_state(g, aside, sizeof(aside), "test.log.aside-1");
		append_numbered(g, "a.log", "n", 0, 30);
		rig_start(g);
		UNTIL(g, g->ngot == 30);
		rig_stop(g);
		rig_forget(g);
		for (int round = 0; round < 2; round++) {
			rows[i].put(path);
			g->conf.start = START_END;
			rig_start(g);
			expect_numbered(g, "n", 0, 30);
			OK(exists(aside) == rows[i].is_aside);
			rig_stop(g);
			rig_forget(g);
		}
		in_state(g, aside, sizeof(aside), "test.log.aside-2");
		OK(exists(aside) == rows[i].is_aside);
		/* And what it keeps now is good. */
		append_numbered(g, "a.log", "n", 30, 5);
		rig_start(g);
		expect_numbered(g, "n", 30, 5);
		rig_end(g);
	}
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(killed_between_calls);
	RUN(every_bit_flipped);
	RUN(something_else_in_its_place);
	return test_end();
}
