/* SPDX-License-Identifier: Apache-2.0 */
/* flock(2) on a file that holds the owner's process id. */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/lockfile.h"
#include "lib/os.h"
#include "lib/own_file.h"

static int refused(int fd, const char *path, struct err *err)
{
	char pid[16];
	ssize_t n = os->pread(fd, pid, sizeof(pid), 0);
	struct str who = str_rtrim(str_make(pid, n > 0 ? (size_t)n : 0));
	uint64_t number;

	os->close(fd);
	err_where(err, "%s", path);
	if (str_u64(who, &number))
		return err_set(err, -EBUSY, "in use by process " STR_FMT, STR_ARG(who));
	return err_set(err, -EBUSY, "in use by another process");
}

int lockfile_take(const char *path, struct err *err)
{
	int fd = own_file_open(path, O_RDWR | O_CREAT, err);
	char pid[16];
	int n;

	if (fd < 0) {
		err_where(err, "%s", path);
		return fd;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int e = errno;

		if (e == EWOULDBLOCK)
			return refused(fd, path, err);
		os->close(fd);
		err_where(err, "%s", path);
		return err_errno(err, e, "cannot lock");
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	/* Only a hint for the other one's message. */
	if (os->ftruncate(fd, 0) != 0 || os->write(fd, pid, (size_t)n) != n)
		return fd;
	return fd;
}

void lockfile_release(int fd)
{
	if (fd >= 0)
		os->close(fd);
}
