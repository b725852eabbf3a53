/* SPDX-License-Identifier: Apache-2.0 */
/* Every system call of the data path, as a table, so that tests inject faults and a whole run can
 * be simulated. Signatures and errno are those of the calls themselves. */
#ifndef LIB_OS_H
#define LIB_OS_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct epoll_event;
struct statx;

struct os_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*read)(int fd, void *buf, size_t n);
	ssize_t (*pread)(int fd, void *buf, size_t n, off_t at);
	ssize_t (*write)(int fd, const void *buf, size_t n);
	off_t (*lseek)(int fd, off_t offset, int whence);
	int (*fstat)(int fd, struct stat *st);
	int (*stat)(const char *path, struct stat *st);
	int (*statx)(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx);
	int (*rename)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t size);
	int (*accept4)(int fd, struct sockaddr *addr, socklen_t *n, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t n, int flags);
	ssize_t (*send)(int fd, const void *buf, size_t n, int flags);
	int (*recvmmsg)(int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *t);
	int (*epoll_wait)(int fd, struct epoll_event *events, int n, int timeout_ms);
	int (*clock_gettime)(clockid_t id, struct timespec *t);
};

/* The call again for as long as a signal interrupts it: OS_RETRY(os->fstat(fd, &st)). */
#define OS_RETRY(call)                                                                             \
	({                                                                                         \
		__typeof__(call) r_;                                                               \
		do {                                                                               \
			r_ = (call);                                                               \
		} while (r_ == -1 && errno == EINTR);                                              \
		r_;                                                                                \
	})

/* The table in force; the kernel's unless a test replaced it before any thread was started. */
extern const struct os_ops *os;
extern const struct os_ops os_kernel;

#endif
