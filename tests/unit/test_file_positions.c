/* SPDX-License-Identifier: Apache-2.0 */
/* The position file: what survives a kill, damaged bytes, a disk that refuses, and growth. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inputs/file/positions.h"
#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/os.h"

static char dir[64], path[128];

static struct positions *reopen(struct positions *ps)
{
	struct err err = ERR_NONE;

	positions_free(ps); /* without saving: as a kill leaves it */
	ps = positions_open(path, &err);
	if (!ps) {
		fprintf(stderr, "%s: %s\n", err.where, err.text);
		abort();
	}
	return ps;
}

static struct pos *only(struct positions *ps)
{
	EQ_INT(ps->n, 1);
	if (!ps->first)
		abort();
	return ps->first;
}

static const struct file_id id = { 0xfd00, 1234, 1700000000123456789 };

static struct pos_range range(uint64_t start, uint64_t end, int64_t t0_ns, uint32_t n)
{
	return (struct pos_range){ start, end, t0_ns, n, end * 7 };
}

static void settle(struct positions *ps, struct pos *p, uint64_t offset, int64_t last_ns)
{
	struct uniq u = { 0 };

	uniq_next(&u, last_ns);
	positions_settle(ps, p, offset, offset * 7, last_ns, &u);
}

static void add(struct positions *ps, struct pos *p, struct pos_range r)
{
	positions_range(ps, p, &r);
}

static void survives_a_kill(void)
{
	struct positions *ps = reopen(NULL);
	struct pos *p;

	OK(ps->is_first_start);
	p = positions_add(ps, &id, STR("/var/log/a b%\n\xff.log"));
	positions_head(ps, p, 64, 99);
	add(ps, p, range(0, 100, 1000, 10));
	add(ps, p, range(100, 250, 2000, 15));
	add(ps, p, range(250, 251, 3000, 1));
	OK(positions_flush_settled(ps));
	settle(ps, p, 100, 1009);
	OK(positions_flush_settled(ps));
	add(ps, p, range(251, 300, 4000, 2)); /* not flushed: never submitted either */

	for (int i = 0; i < 2; i++) {
		ps = reopen(ps);
		OK(!ps->is_first_start);
		EQ_INT(ps->bad_lines, 0);
		p = only(ps);
		OK(file_id_eq(&p->file, &id) && positions_find(ps, &id) == p);
		EQ_STR(p->path, "/var/log/a b%\n\xff.log");
		EQ_INT(p->head_n, 64);
		EQ_INT(p->head, 99);
		EQ_INT(p->offset, 100);
		EQ_INT(p->marker, 700);
		EQ_INT(p->last_ns, 1009);
		EQ_INT(p->uniq.slot[0].raw_ns, 1009);
		EQ_INT(p->uniq.next, 1);
		EQ_INT(p->nranges, 2);
		EQ_INT(pos_range_at(p, 0)->start, 100);
		EQ_INT(pos_range_at(p, 0)->t0_ns, 2000);
		EQ_INT(pos_range_at(p, 1)->end, 251);
		EQ_INT(pos_range_at(p, 1)->n, 1);
		EQ_INT(pos_range_at(p, 1)->marker, 251 * 7);
		EQ_INT(ps->newest_ns, 3000);
	}
	/* Rewritten and dropped. */
	positions_restart(ps, p);
	add(ps, p, range(0, 5, 5000, 1));
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	p = only(ps);
	EQ_INT(p->offset, 0);
	EQ_INT(p->head_n, 0);
	EQ_INT(p->nranges, 1);
	positions_drop(ps, p);
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	EQ_INT(ps->n, 0);
	positions_free(ps);
	unlink(path);
}

static void splits(void)
{
	struct positions *ps = reopen(NULL);
	struct pos *p = positions_add(ps, &id, STR("/a"));
	struct pos_range head = range(0, 40, 1000, 4);

	add(ps, p, range(0, 100, 1000, 10));
	add(ps, p, range(100, 200, 2000, 10));
	OK(positions_flush_settled(ps));
	positions_split(p, 0, &head);
	EQ_INT(p->nranges, 3);
	EQ_INT(pos_range_at(p, 1)->start, 40);
	EQ_INT(pos_range_at(p, 1)->t0_ns, 1004);
	EQ_INT(pos_range_at(p, 1)->n, 6);
	EQ_INT(pos_range_at(p, 2)->start, 100);
	/* On disk it is one range; the part that is settled is taken off when it is loaded. */
	settle(ps, p, 40, 1003);
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	p = only(ps);
	EQ_INT(p->nranges, 2);
	EQ_INT(pos_range_at(p, 0)->start, 40);
	EQ_INT(pos_range_at(p, 0)->end, 100);
	EQ_INT(pos_range_at(p, 0)->t0_ns, 1004);
	EQ_INT(pos_range_at(p, 0)->n, 6);
	/* A range that is read differently takes the place of those behind it. */
	positions_cut_ranges(p, 1);
	add(ps, p, range(100, 150, 9000, 5));
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	p = only(ps);
	EQ_INT(p->nranges, 2);
	EQ_INT(pos_range_at(p, 1)->end, 150);
	EQ_INT(pos_range_at(p, 1)->t0_ns, 9000);
	positions_free(ps);
	unlink(path);
}

/* How far a file is settled is not written with each turn: what is read again until then is the same. */
static void settled_later(void)
{
	struct positions *ps = reopen(NULL);
	struct pos *p = positions_add(ps, &id, STR("/a"));
	uint64_t bytes;

	add(ps, p, range(0, 100, 1000, 10));
	OK(positions_flush(ps));
	settle(ps, p, 100, 1009);
	bytes = ps->file_bytes;
	OK(positions_flush(ps) && ps->file_bytes == bytes && positions_have_changes(ps));
	add(ps, p, range(100, 150, 9000, 5));
	OK(positions_flush(ps) && ps->file_bytes > bytes);
	ps = reopen(ps);
	p = only(ps);
	EQ_INT(p->offset, 0);
	EQ_INT(p->nranges, 2);
	EQ_INT(pos_range_at(p, 0)->t0_ns, 1000);
	settle(ps, p, 150, 9004);
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	p = only(ps);
	EQ_INT(p->offset, 150);
	EQ_INT(p->nranges, 0);
	positions_free(ps);
	unlink(path);
}

static void moves(void)
{
	struct positions *ps = reopen(NULL);
	struct file_id moved = { 0xfd01, 77, 5 };
	struct pos *p = positions_add(ps, &id, STR("/a"));

	settle(ps, p, 40, 1003);
	add(ps, p, range(40, 100, 2000, 10));
	positions_move(ps, p, &moved);
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	p = only(ps);
	OK(positions_find(ps, &moved) == p && !positions_find(ps, &id));
	EQ_INT(p->offset, 40);
	EQ_INT(p->nranges, 1);
	OK(positions_find_path(ps, STR("/a"), NULL) == p);
	OK(!positions_find_path(ps, STR("/a"), p) && !positions_find_path(ps, STR("/b"), NULL));
	/* Device numbers change, inode and birth time do not. An inode is reused, birth times differ. */
	moved.dev = 1;
	OK(positions_find(ps, &moved) == p);
	moved.btime_ns = 6;
	OK(!positions_find(ps, &moved));
	moved.btime_ns = 0;
	OK(!positions_find(ps, &moved));
	positions_free(ps);
	unlink(path);
}

/* The file as it is on disk. */
static size_t slurp(char *out, size_t n)
{
	FILE *f = fopen(path, "rb");
	size_t got = f ? fread(out, 1, n, f) : 0;

	if (f)
		fclose(f);
	return got;
}

static void spill(const char *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (f) {
		fwrite(p, 1, n, f);
		fclose(f);
	}
}

static int no_fsync(int fd)
{
	(void)fd;
	return 0;
}

/* Cut and changed at every byte: what is loaded is never ahead of what was settled. */
static void damage(void)
{
	static char whole[4096], copy[4096];
	struct positions *ps = reopen(NULL);
	struct pos *p = positions_add(ps, &id, STR("/var/log/a.log"));
	struct os_ops fast = os_kernel;
	size_t n;

	fast.fsync = no_fsync; /* a thousand files are written here */
	os = &fast;
	for (uint64_t i = 0; i < 8; i++)
		add(ps, p, range(i * 10, i * 10 + 10, 1000 * (int64_t)i + 1, 5));
	settle(ps, p, 30, 2005);
	OK(positions_flush_settled(ps));
	positions_free(ps);
	n = slurp(whole, sizeof(whole));
	OK(n > 300);
	for (size_t i = 0; i < n; i++) {
		for (int how = 0; how < 3; how++) {
			char row[32];

			snprintf(row, sizeof(row), "byte %zu way %d", i, how);
			ROW(row);
			memcpy(copy, whole, n);
			if (how)
				copy[i] = (char)(how == 1 ? copy[i] ^ 1 : '\n');
			spill(copy, how ? n : i);
			ps = reopen(NULL);
			if (how == 1)
				OK(ps->bad_lines > 0);
			OK(ps->n <= 1);
			if (ps->first) {
				OK(ps->first->offset == 0 || ps->first->offset == 30);
				OK(ps->first->nranges <= 8);
			}
			positions_free(ps);
		}
	}
	ROW("a line without end");
	memset(copy, 'x', sizeof(copy));
	{
		FILE *f = fopen(path, "wb");

		for (int i = 0; f && i < 100; i++)
			fwrite(copy, 1, sizeof(copy), f);
		fprintf(f, "\n%08x F 1 1 1 1 1 /a\n", crc32c(STR("F 1 1 1 1 1 /a")));
		fclose(f);
	}
	ps = reopen(NULL);
	EQ_INT(ps->n, 1);
	EQ_INT(ps->bad_lines, 1);
	positions_free(ps);
	unlink(path);
	os = &os_kernel;
}

/* ---- a disk that refuses ------------------------------------------------------------------ */

static ssize_t room = -1; /* bytes that the disk still takes */

static ssize_t faulty_write(int fd, const void *p, size_t n)
{
	if (room >= 0 && n > (size_t)room) {
		n = (size_t)room;
		if (!n) {
			errno = ENOSPC;
			return -1;
		}
	}
	if (room >= 0)
		room -= (ssize_t)n;
	return write(fd, p, n);
}

static void full_disk(void)
{
	struct os_ops faulty = os_kernel;
	struct positions *ps = reopen(NULL);
	struct pos *p = positions_add(ps, &id, STR("/a"));

	faulty.write = faulty_write;
	os = &faulty;
	add(ps, p, range(0, 10, 1000, 5));
	OK(positions_flush_settled(ps));
	room = 20;
	add(ps, p, range(10, 20, 2000, 5));
	OK(!positions_flush_settled(ps) && ps->is_damaged); /* half a line is on disk now */
	settle(ps, p, 20, 2004);
	OK(!positions_flush_settled(ps)); /* not yet: not again and again */
	ps->retry_at_ns = 0;
	OK(!positions_flush_settled(ps) && ps->is_damaged); /* still full */
	ps->retry_at_ns = 0;
	room = -1;
	OK(positions_flush_settled(ps) && !ps->is_damaged);
	OK(access(path, R_OK) == 0);
	add(ps, p, range(20, 30, 3000, 5));
	OK(positions_flush_settled(ps));
	ps = reopen(ps);
	p = only(ps);
	EQ_INT(ps->bad_lines, 0);
	EQ_INT(p->offset, 20);
	EQ_INT(p->nranges, 1);
	/* Killed with half a line at the end. */
	room = 20;
	add(ps, p, range(30, 40, 4000, 5));
	OK(!positions_flush_settled(ps));
	room = -1;
	ps = reopen(ps);
	EQ_INT(ps->bad_lines, 1);
	EQ_INT(only(ps)->nranges, 1);
	os = &os_kernel;
	positions_free(ps);
	unlink(path);
}

static void refuses_at_start(void)
{
	struct err err = ERR_NONE;

	OK(!positions_open("/proc/nowhere/x.log", &err) && err.code < 0);
	EQ_STR(str_c(err.where), "/proc/nowhere/x.log");
}

static int fail_with, fail_times;
static bool fail_read;

static bool fails(bool is_read)
{
	if (is_read != fail_read || fail_times <= 0)
		return false;
	fail_times--;
	errno = fail_with;
	return true;
}

static int failing_open(const char *p, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_RDONLY && !strcmp(p, path) && fails(false))
		return -1;
	return os_kernel.open(p, flags, mode);
}

static ssize_t failing_read(int fd, void *p, size_t n)
{
	return fails(true) ? -1 : os_kernel.read(fd, p, n);
}

static void one_trouble(int e, bool is_read, int times, bool wants_start)
{
	struct os_ops failing = os_kernel;
	struct positions *ps = reopen(NULL);
	struct err err = ERR_NONE;

	fail_with = e;
	fail_read = is_read;
	fail_times = times;
	settle(ps, positions_add(ps, &id, STR("/a")), 40, 1003);
	OK(positions_save(ps));
	positions_free(ps);
	failing.open = failing_open;
	failing.read = failing_read;
	os = &failing;
	ps = positions_open(path, &err);
	os = &os_kernel;
	EQ_INT(ps != NULL, wants_start);
	EQ_INT(err.code < 0, !wants_start);
	positions_free(ps);
	ps = reopen(NULL); /* and it is as it was */
	OK(!ps->bad_lines);
	EQ_INT(only(ps)->offset, 40);
	positions_free(ps);
	unlink(path);
}

/* The file may be good: trouble with reading it is no reason to read everything again. */
static void cannot_be_read(void)
{
	static const int errors[] = { EIO, EMFILE, ENFILE, ENOMEM };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		one_trouble(errors[i], i % 2, 1, true);
	one_trouble(EIO, false, 1000, false);
	one_trouble(EIO, true, 1000, false);
}

/* ---- growth ------------------------------------------------------------------------------- */

static void is_rewritten(void)
{
	struct positions *ps = reopen(NULL);
	struct pos *p = positions_add(ps, &id, STR("/a"));
	uint64_t most = 0;
	int rewrites = 0;

	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t before = ps->file_bytes;

		add(ps, p, range(i * 100, i * 100 + 100, 1700000000000000000 + (int64_t)i * 10, 5));
		if (i >= 50)
			settle(ps, p, (i - 49) * 100,
			       1700000000000000000 + (int64_t)(i - 50) * 10 + 4);
		if (i % 7 == 0)
			OK(positions_flush_settled(ps));
		if (ps->file_bytes > most)
			most = ps->file_bytes;
		rewrites += ps->file_bytes < before;
	}
	OK(rewrites >= 1 && most <= 9u << 20);
	OK(positions_flush_settled(ps));
	OK(p->ranges_cap <= 256);
	ps = reopen(ps);
	EQ_INT(only(ps)->offset, (200000 - 50) * 100);
	EQ_INT(only(ps)->nranges, 50);
	positions_free(ps);
	unlink(path);
}

static void forgets(void)
{
	struct positions *ps = reopen(NULL);
	struct pos *p;

	for (uint64_t i = 1; i <= POS_FORGOTTEN_MAX + 100; i++) {
		struct file_id one = { 1, i, 1 };

		p = positions_add(ps, &one, STR("/a"));
		p->is_open = i <= 10;
		p->seen_s -= i <= 20 ? 2 * POS_FORGET_S : 0;
	}
	OK(positions_flush_settled(ps));
	EQ_INT(ps->n, POS_FORGOTTEN_MAX + 100);
	OK(positions_save(ps));
	/* Ten are open, ten were too old, and of the rest the oldest go. */
	EQ_INT(ps->n, POS_FORGOTTEN_MAX + 10);
	OK(positions_find(ps, &(struct file_id){ 1, 5, 1 }) != NULL);
	OK(positions_find(ps, &(struct file_id){ 1, 15, 1 }) == NULL);
	OK(positions_find(ps, &(struct file_id){ 1, 100, 1 }) == NULL);
	OK(positions_find(ps, &(struct file_id){ 1, 101, 1 }) != NULL);
	/* After a start nobody has been open yet, so nobody is forgotten. */
	ps = reopen(ps);
	EQ_INT(ps->n, POS_FORGOTTEN_MAX + 10);
	positions_free(ps);
	unlink(path);
}

/* What somebody else put where our files go is neither followed nor waited for. */
static void traps(void)
{
	struct positions *ps = reopen(NULL);
	char temp[160], victim[160];
	struct stat st;
	int fd;

	snprintf(temp, sizeof(temp), "%s.new", path);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	fd = open(victim, O_WRONLY | O_CREAT, 0600);
	EQ_INT(write(fd, "precious", 8), 8);
	close(fd);
	OK(symlink(victim, temp) == 0);
	positions_add(ps, &id, STR("/a"));
	OK(!positions_save(ps));
	OK(stat(victim, &st) == 0 && st.st_size == 8);
	unlink(temp);

	OK(mkfifo(temp, 0600) == 0);
	alarm(10); /* a wait without end is a failure */
	OK(!positions_save(ps));
	unlink(temp);
	unlink(path);
	OK(mkfifo(path, 0600) == 0);
	ps = reopen(ps);
	alarm(0);
	positions_add(ps, &id, STR("/a"));
	OK(positions_save(ps));
	OK(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
	positions_free(ps);
	unlink(victim);
	unlink(path);
}

int main(void)
{
	char positions_dir[100];

	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	snprintf(dir, sizeof(dir), "/tmp/tailrace-pos-XXXXXX");
	OK(mkdtemp(dir) != NULL);
	snprintf(positions_dir, sizeof(positions_dir), "%s/positions", dir);
	snprintf(path, sizeof(path), "%s/app.log", positions_dir);
	RUN(survives_a_kill);
	RUN(splits);
	RUN(settled_later);
	RUN(moves);
	RUN(damage);
	RUN(full_disk);
	RUN(refuses_at_start);
	RUN(cannot_be_read);
	RUN(is_rewritten);
	RUN(forgets);
	RUN(traps);
	OK(rmdir(positions_dir) == 0);
	OK(rmdir(dir) == 0);
	return test_end();
}
