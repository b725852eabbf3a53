/* SPDX-License-Identifier: Apache-2.0 */
/* The file input while system calls fail, are interrupted, or do less than asked: every line once. */
#include "tests/unit/file_rig.h"

enum call { C_OPEN, C_PREAD, C_FSTAT, C_STAT, C_STATX, C_READ, C_WRITE, C_RENAME, C_FSYNC, CALLS };
static const char *const names[] = { "open", "pread", "fstat",  "stat", "statx",
				     "read", "write", "rename", "fsync" };

/* The n-th of every n calls of this kind fails (error), or is short (0), up to a number of times. */
static enum call which;
static unsigned every, left, count, hits;
static int error;

static bool is_due(enum call call)
{
	if (call != which || !left || ++count % every)
		return false;
	left--;
	hits++;
	return true;
}

static bool fails(enum call call)
{
	if (!is_due(call))
		return false;
	errno = error;
	return true;
}

static int do_open(const char *path, int flags, mode_t mode)
{
	return fails(C_OPEN) ? -1 : os_kernel.open(path, flags, mode);
}

static ssize_t do_pread(int fd, void *p, size_t n, off_t at)
{
	if (is_due(C_PREAD)) {
		if (error) {
			errno = error;
			return -1;
		}
		n = n > 7 ? 7 : n;
	}
	return os_kernel.pread(fd, p, n, at);
}

static int do_fstat(int fd, struct stat *st)
{
	return fails(C_FSTAT) ? -1 : os_kernel.fstat(fd, st);
}

static int do_stat(const char *path, struct stat *st)
{
	return fails(C_STAT) ? -1 : os_kernel.stat(path, st);
}

static int do_statx(int fd, const char *path, int flags, unsigned mask, struct statx *s)
{
	return fails(C_STATX) ? -1 : os_kernel.statx(fd, path, flags, mask, s);
}

static ssize_t do_read(int fd, void *p, size_t n)
{
	return fails(C_READ) ? -1 : os_kernel.read(fd, p, n);
}

static ssize_t do_write(int fd, const void *p, size_t n)
{
	if (is_due(C_WRITE)) {
		if (error) {
			errno = error;
			return -1;
		}
		n = n > 7 ? 7 : n;
	}
	return os_kernel.write(fd, p, n);
}

static int do_rename(const char *from, const char *to)
{
	return fails(C_RENAME) ? -1 : os_kernel.rename(from, to);
}

static int do_fsync(int fd)
{
	return fails(C_FSYNC) ? -1 : os_kernel.fsync(fd);
}

/* keeps: positions reach the disk all the same. */
static void one(enum call call, int err, unsigned n, unsigned times, bool keeps)
{
	struct os_ops faulty = os_kernel;
	struct rig *g = rig_new("a.log");
	char row[64];

	snprintf(row, sizeof(row), "%s %s every %u, %u times", names[call],
		 err ? strerror(err) : "short", n, times);
	ROW(row);
	faulty.open = do_open;
	faulty.pread = do_pread;
	faulty.fstat = do_fstat;
	faulty.stat = do_stat;
	faulty.statx = do_statx;
	faulty.read = do_read;
	faulty.write = do_write;
	faulty.rename = do_rename;
	faulty.fsync = do_fsync;
	g->conf.scan_interval_ns = 50 * NS_PER_MS;
	append_numbered(g, "a.log", "n", 0, 500);
	rig_start(g); /* trouble at the first start may be fatal, and is told then */
	which = call;
	error = err;
	every = n;
	left = times;
	count = hits = 0;
	os = &faulty;
	UNTIL(g, g->ngot == 500);
	append_numbered(g, "a.log", "n", 500, 300);
	if (n > 1)
		UNTIL(g, g->ngot == 800);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.log.1")) == 0);
	append_numbered(g, "a.log", "n", 800, 200);
	UNTIL(g, g->ngot == 1000);
	rig_stop(g);
	append_numbered(g, "a.log", "n", 1000, 50);
	count = 0; /* a position file that cannot be opened is set aside: that has its own tests */
	if (call != C_READ)
		rig_start(g);
	left = 0;
	if (call == C_READ)
		rig_start(g);
	os = &os_kernel;
	if (!keeps) {
		/* The lines came; after the restart they come again. */
		UNTIL(g, strcmp(g->got[g->ngot - 1].line, "n 1049") == 0);
		rig_end(g);
		return;
	}
	expect_numbered(g, "n", 0, 1050);
	EQ_INT(counter(METRIC_FILE_BYTES_LOST, "reason", "rewritten"), 0);
	if (call != C_STAT && call != C_FSTAT)
		OK(hits > 0);
	rig_end(g);
}

static void faults(void)
{
	static const int errors[] = { EINTR, EIO, 0 };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		one(C_PREAD, errors[i], 2, 1000000, true);
		one(C_PREAD, errors[i], 1, 9, true);
		one(C_PREAD, errors[i], 3, 1000000, true);
	}
	one(C_WRITE, 0, 2, 1000000, true);
	one(C_WRITE, EINTR, 2, 1000000, true);
	one(C_WRITE, EIO, 2, 1000000, true);
	one(C_WRITE, ENOSPC, 1, 1000000, false);
	one(C_OPEN, EMFILE, 2, 6, true);
	one(C_OPEN, EINTR, 2, 1000000, true);
	one(C_OPEN, EIO, 3, 1000000, true);
	one(C_FSTAT, EINTR, 2, 1000000, true);
	one(C_FSTAT, EIO, 3, 1000000, true);
	one(C_FSTAT, EIO, 1, 20, true);
	one(C_STAT, EINTR, 2, 1000000, true);
	one(C_STATX, EINTR, 2, 1000000, true);
	one(C_STATX, EIO, 5, 1000000, true); /* 3 and 4 can be in step with the scan */
	one(C_STATX, EIO, 1, 20, true);
	one(C_STATX, ESTALE, 5, 6, true);
	one(C_READ, EINTR, 2, 1000000, true);
	one(C_FSYNC, EIO, 1, 1000000, true);
	one(C_RENAME, ENOSPC, 1, 1000000, true);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(faults);
	return test_end();
}
