/* SPDX-License-Identifier: Apache-2.0 */
/* open(2), and what the kernel means by its refusal. */
#include "lib/own_file.h"
#include "lib/os.h"

static const char *kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a named pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static int refused(const char *what, struct err *err)
{
	return err_set(err, -EINVAL,
		       "this is %s where a regular file of Tailrace's own belongs: move it away",
		       what);
}

int own_file_open(const char *path, int flags, struct err *err)
{
	int fd = OS_RETRY(os->open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
	struct stat st;
	int e = errno;

	if (fd < 0 && e == ELOOP)
		return refused("a symbolic link", err);
	if (fd < 0 && (e == EISDIR || e == ENXIO) && os->stat(path, &st) == 0)
		return refused(kind(st.st_mode), err);
	if (fd < 0)
		return err_errno(err, e, "cannot open it");
	if (os->fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	os->close(fd);
	return refused(kind(st.st_mode), err);
}
