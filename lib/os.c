/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel behind lib/os.h. */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/os.h"

static int os_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

static int os_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

static int os_accept4(int fd, struct sockaddr *addr, socklen_t *n, int flags)
{
	return accept4(fd, addr, n, flags);
}

static int os_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *t)
{
	return recvmmsg(fd, msgs, n, flags, t);
}

static int os_fstat(int fd, struct stat *st)
{
	return fstat(fd, st);
}

static int os_stat(const char *path, struct stat *st)
{
	return stat(path, st);
}

static int os_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	return statx(dirfd, path, flags, mask, stx);
}

const struct os_ops os_kernel = {
	.open = os_open,
	.openat = os_openat,
	.close = close,
	.read = read,
	.pread = pread,
	.write = write,
	.lseek = lseek,
	.fstat = os_fstat,
	.stat = os_stat,
	.statx = os_statx,
	.rename = rename,
	.unlink = unlink,
	.mkdir = mkdir,
	.fsync = fsync,
	.fdatasync = fdatasync,
	.ftruncate = ftruncate,
	.accept4 = os_accept4,
	.recv = recv,
	.send = send,
	.recvmmsg = os_recvmmsg,
	.epoll_wait = epoll_wait,
	.clock_gettime = clock_gettime,
};

const struct os_ops *os = &os_kernel;
