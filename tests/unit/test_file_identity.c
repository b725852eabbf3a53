/* SPDX-License-Identifier: Apache-2.0 */
/* Which file is this? Inodes that are used again, short files, many with one beginning, devices with
 * another number, links, and what editors do. */
#include <linux/stat.h>
#include <sys/sysmacros.h>

#include "tests/unit/file_rig.h"

static void move(const struct rig *g, const char *from, const char *to)
{
	OK(rename(rig_path(g, from), rig_path(g, to)) == 0);
}

static ino_t ino_of(const struct rig *g, const char *name)
{
	struct stat st = { .st_ino = 0 };

	OK(stat(rig_path(g, name), &st) == 0);
	return st.st_ino;
}

static void restart(struct rig *g)
{
	rig_stop(g);
	rig_forget(g);
	rig_start(g);
}

/* Deleted while nobody looked, and another file has its inode; it begins alike and is longer. */
static void inode_used_again(void)
{
	struct rig *g = rig_new("a.log");
	char tag[16];
	int reused = 0;

	append_numbered(g, "a.log", "n", 0, 500);
	rig_start(g);
	UNTIL(g, g->ngot == 500);
	for (int round = 1; round < 20; round++) {
		ino_t before = ino_of(g, "a.log");

		rig_stop(g);
		rig_forget(g);
		OK(unlink(rig_path(g, "a.log")) == 0);
		append_numbered(g, "a.log", "n", 0, 300);
		snprintf(tag, sizeof(tag), "m%d", round); /* what was there before never is again */
		append_numbered(g, "a.log", tag, 300, 200 + round);
		reused += ino_of(g, "a.log") == before;
		rig_start(g);
		UNTIL(g, g->ngot >= 500 + (size_t)round);
		EQ_INT(g->ngot, 500 + round);
	}
	if (!reused)
		fprintf(stderr, "SKIPPED inode_used_again: this file system does not\n");
	rig_end(g);
}

/* At every length around the steps in which the noted beginning grows. */
static void short_files(void)
{
	static const size_t sizes[] = { 1,   2,   63,  64,  65,   127,  128,
					129, 255, 257, 512, 1023, 1024, 1025 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct rig *g = rig_new("*.log");
		char text[1100], row[32];

		snprintf(row, sizeof(row), "%zu bytes", sizes[i]);
		ROW(row);
		memset(text, 'x', sizeof(text));
		text[sizes[i] - 1] = '\n';
		put_bytes(g, "a.log", text, sizes[i], 0);
		put_bytes(g, "b.log", text, sizes[i], 0);
		rig_start(g);
		UNTIL(g, g->ngot == 2);
		restart(g);
		append(g, "a.log", "more\n");
		EXPECT(g, "more\n");
		restart(g);
		append(g, "a.log", "and more\n");
		EXPECT(g, "and more\n");
		ROW("while down, another file with the same bytes and more");
		rig_stop(g);
		rig_forget(g);
		OK(unlink(rig_path(g, "b.log")) == 0);
		put_bytes(g, "new", text, sizes[i] - 1, 0);
		append(g, "new", "y\n");
		move(g, "new", "b.log");
		rig_start(g);
		UNTIL(g, g->ngot == 1);
		EQ_INT(g->got[0].n, sizes[i]);
		rig_end(g);
	}
}

static void one_beginning_for_all(void)
{
	struct rig *g = rig_new("*.log");
	static const char *const names[] = { "a.log", "b.log", "c.log" };
	char line[32];

	for (int i = 0; i < 3; i++)
		for (int n = 0; n < 50 * (i + 1); n++)
			append(g, names[i], "# the same words at the top of every file\n");
	rig_start(g);
	UNTIL(g, g->ngot == 300);
	for (int round = 0; round < 4; round++) {
		rig_stop(g);
		rig_forget(g);
		move(g, "a.log", "t");
		move(g, "b.log", "a.log");
		move(g, "c.log", "b.log");
		move(g, "t", "c.log");
		for (int i = 0; i < 3; i++) {
			snprintf(line, sizeof(line), "%d\n", round * 3 + i);
			append(g, names[i], line);
		}
		rig_start(g);
		UNTIL(g, g->ngot == 3);
		rig_run(g, 30);
		EQ_INT(g->ngot, 3);
	}
	rig_end(g);
}

/* ---- another device number ---------------------------------------------------------------- */

static unsigned minor_added;
static bool no_birth;

static int renumbered(int fd, const char *path, int flags, unsigned mask, struct statx *s)
{
	int r = os_kernel.statx(fd, path, flags, mask, s);

	s->stx_dev_minor += minor_added;
	if (no_birth)
		s->stx_mask &= ~(unsigned)STATX_BTIME;
	return r;
}

static void device_renumbered(void)
{
	struct os_ops ops = os_kernel;

	ops.statx = renumbered;
	os = &ops;
	for (int i = 0; i < 2; i++) {
		struct rig *g = rig_new("*.log");

		no_birth = i;
		minor_added = 0;
		ROW(i ? "without birth times" : "with birth times");
		append_numbered(g, "a.log", "n", 0, 10);
		append_numbered(g, "b.log", "n", 100, 90);
		rig_start(g);
		UNTIL(g, g->ngot == 100);
		rig_stop(g);
		rig_forget(g);
		minor_added = 7;
		append_numbered(g, "a.log", "n", 10, 10);
		rig_start(g);
		expect_numbered(g, "n", 10, 10);
		if (!i) {
			ROW("and rotated");
			rig_stop(g);
			rig_forget(g);
			minor_added = 11;
			append_numbered(g, "a.log", "n", 20, 10);
			move(g, "a.log", "a.1");
			append_numbered(g, "a.log", "n", 30, 10);
			rig_start(g);
			expect_numbered(g, "n", 20, 20);
		}
		rig_end(g);
	}
	os = &os_kernel;
}

/* ---- links and editors -------------------------------------------------------------------- */

/* Rotated by `ln` and `rm`, so that both names are the file for a while. */
static void rotated_by_hard_link(void)
{
	static const char *const patterns[] = { "a.log", "a.log*" };

	for (int i = 0; i < 2; i++) {
		struct rig *g = rig_new(patterns[i]);

		ROW(patterns[i]);
		append_numbered(g, "a.log", "n", 0, 10);
		rig_start(g);
		UNTIL(g, g->ngot == 10);
		for (int round = 1; round < 5; round++) {
			unlink(rig_path(g, "a.log.1"));
			OK(link(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
			rig_run(g, round % 2 * 10);
			append_numbered(g, "a.log.1", "n", round * 10, 5);
			OK(unlink(rig_path(g, "a.log")) == 0);
			rig_run(g, round / 2 % 2 * 10);
			append_numbered(g, "a.log", "n", round * 10 + 5, 5);
			UNTIL(g, g->ngot == (size_t)round * 10 + 10);
		}
		expect_numbered(g, "n", 0, 50);
		for (size_t n = 0; n < g->ngot; n++)
			EQ_STR(str_c(g->got[n].filename), rig_path(g, "a.log"));
		rig_end(g);
	}
}

/* The old text with line `changed` in capitals (-1: none), and one line more, into this name. */
static void save(const struct rig *g, const char *name, int lines, int changed, int flags)
{
	char line[32];

	put_bytes(g, name, "", 0, flags);
	for (int i = 0; i <= lines; i++) {
		snprintf(line, sizeof(line), "%s %d\n", i == changed ? "N" : "n", i);
		append(g, name, line);
	}
}

struct edit {
	const char *name;
	bool looks; /* the input looks in between */
	int changed;
	bool is_again; /* everything is read again; nothing is lost */
	void (*edit)(struct rig *g, int lines, const struct edit *e);
};

static void look(struct rig *g, const struct edit *e)
{
	if (e->looks)
		rig_run(g, 30);
}

static void by_rename(struct rig *g, int lines, const struct edit *e)
{
	save(g, "sedXYZ", lines, e->changed, O_EXCL);
	look(g, e);
	move(g, "sedXYZ", "a.log");
}

static void in_place(struct rig *g, int lines, const struct edit *e)
{
	save(g, "a.log~", lines, -1, O_TRUNC);
	save(g, "a.log", lines, e->changed, O_TRUNC);
}

static void by_backup(struct rig *g, int lines, const struct edit *e)
{
	move(g, "a.log", "a.log~");
	look(g, e);
	save(g, "a.log", lines, e->changed, O_EXCL);
	look(g, e);
	OK(unlink(rig_path(g, "a.log~")) == 0);
}

static void keeping_backup(struct rig *g, int lines, const struct edit *e)
{
	move(g, "a.log", "a.log~");
	save(g, "a.log", lines, e->changed, O_EXCL);
	look(g, e);
}

static void editors(void)
{
	static const struct edit rows[] = {
		{ "sed -i, a line in the middle", false, 300, false, by_rename },
		{ "sed -i, slowly", true, 300, false, by_rename },
		{ "sed -i, the first line", false, 0, true, by_rename },
		{ "sed -i, the last line", false, 499, true, by_rename },
		{ "vim, backupcopy=yes; emacs, backup-by-copying", false, 300, false, in_place },
		{ "vim, backupcopy=no", false, 300, false, by_backup },
		{ "vim, backupcopy=no, slowly", true, 300, true, by_backup },
		{ "emacs, the backup stays", false, 300, true, keeping_backup },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = rig_new("a.log");
		size_t want = rows[i].is_again ? 501 : 1;

		ROW(rows[i].name);
		append_numbered(g, "a.log", "n", 0, 500);
		rig_start(g);
		UNTIL(g, g->ngot == 500);
		rig_run(g, 30);
		rig_forget(g);
		rows[i].edit(g, 500, &rows[i]);
		UNTIL(g, g->ngot == want);
		rig_run(g, 30);
		EQ_INT(g->ngot, want);
		EQ_STR(str_c(g->got[want - 1].line), "n 500");
		append(g, "a.log", "after\n");
		UNTIL(g, g->ngot == want + 1);
		rig_end(g);
	}
}

int main(void)
{
	log_setup(getenv("V") ? LOG_LVL_INFO : LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(inode_used_again);
	RUN(short_files);
	RUN(one_beginning_for_all);
	RUN(device_renumbered);
	RUN(rotated_by_hard_link);
	RUN(editors);
	return test_end();
}
