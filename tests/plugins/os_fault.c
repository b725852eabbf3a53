/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in system calls, for tests: replaces the table of lib/os.h before main() when the environment
 * says so. See README.md for what TAILRACE_FAULT may hold. */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/os.h"

#define RULES_MAX 16

#define CALLS(X)                                                                                   \
	X(open)                                                                                    \
	X(openat)                                                                                  \
	X(close)                                                                                   \
	X(read)                                                                                    \
	X(pread)                                                                                   \
	X(write)                                                                                   \
	X(lseek)                                                                                   \
	X(fstat)                                                                                   \
	X(stat)                                                                                    \
	X(statx)                                                                                   \
	X(rename)                                                                                  \
	X(unlink)                                                                                  \
	X(mkdir)                                                                                   \
	X(fsync)                                                                                   \
	X(fdatasync)                                                                               \
	X(ftruncate)                                                                               \
	X(accept4)                                                                                 \
	X(recv)                                                                                    \
	X(send)                                                                                    \
	X(recvmmsg)                                                                                \
	X(epoll_wait)

#define CALL_ID(x) CALL_##x,
enum call { CALLS(CALL_ID) CALL_END };

#define CALL_NAME(x) #x,
static const char *const call_names[] = { CALLS(CALL_NAME) };

static const struct {
	const char *name;
	int number;
} errnos[] = {
	{ "EINTR", EINTR },   { "EAGAIN", EAGAIN }, { "EIO", EIO },
	{ "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT }, { "EMFILE", EMFILE },
	{ "ENFILE", ENFILE }, { "ENOMEM", ENOMEM }, { "ENOBUFS", ENOBUFS },
	{ "EACCES", EACCES }, { "ENOENT", ENOENT }, { "ECONNABORTED", ECONNABORTED },
	{ "EROFS", EROFS },   { "ESTALE", ESTALE }, { "ECONNRESET", ECONNRESET },
};

struct rule {
	enum call call;
	char what[16], path[64]; /* path: part of the file's name; empty: any */
	int error;               /* 0: short */
	unsigned long every, after, times;
	_Atomic unsigned long calls, injected;
};

static struct rule rules[RULES_MAX];
static size_t nrules;

static bool has_path(const struct rule *r, int fd, const char *path)
{
	char link[64], name[PATH_MAX];
	ssize_t n;

	if (!r->path[0])
		return true;
	if (!path) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, name, sizeof(name) - 1);
		name[n > 0 ? n : 0] = 0;
		path = name;
	}
	return strstr(path, r->path) != NULL;
}

/* The rule whose turn it is with this call, or NULL. */
static struct rule *due(enum call call, int fd, const char *path)
{
	for (struct rule *r = rules; r < rules + nrules; r++) {
		unsigned long n;

		if (r->call != call || !has_path(r, fd, path))
			continue;
		n = atomic_fetch_add(&r->calls, 1) + 1;
		if (n <= r->after || (n - r->after) % r->every)
			continue;
		if (atomic_fetch_add(&r->injected, 1) < r->times)
			return r;
		atomic_fetch_sub(&r->injected, 1);
	}
	return NULL;
}

/* True: the call fails with errno set. */
static bool fails(enum call call, int fd, const char *path)
{
	struct rule *r = due(call, fd, path);

	if (!r || !r->error)
		return false;
	errno = r->error;
	return true;
}

/* As fails(); else *n may have become less. */
static bool fails_or_short(enum call call, int fd, size_t *n)
{
	struct rule *r = due(call, fd, NULL);
	size_t most;

	if (!r)
		return false;
	if (r->error) {
		errno = r->error;
		return true;
	}
	most = 1 + atomic_load(&r->calls) % 13;
	if (*n > most)
		*n = most;
	return false;
}

static int fault_open(const char *path, int flags, mode_t mode)
{
	return fails(CALL_open, -1, path) ? -1 : os_kernel.open(path, flags, mode);
}

static int fault_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return fails(CALL_openat, -1, path) ? -1 : os_kernel.openat(dirfd, path, flags, mode);
}

static int fault_close(int fd)
{
	bool is_failing = fails(CALL_close, fd, NULL);
	int error = errno, rc = os_kernel.close(fd); /* Linux closes, whatever it answers */

	if (!is_failing)
		return rc;
	errno = error;
	return -1;
}

static ssize_t fault_read(int fd, void *buf, size_t n)
{
	return fails_or_short(CALL_read, fd, &n) ? -1 : os_kernel.read(fd, buf, n);
}

static ssize_t fault_pread(int fd, void *buf, size_t n, off_t at)
{
	return fails_or_short(CALL_pread, fd, &n) ? -1 : os_kernel.pread(fd, buf, n, at);
}

static ssize_t fault_write(int fd, const void *buf, size_t n)
{
	return fails_or_short(CALL_write, fd, &n) ? -1 : os_kernel.write(fd, buf, n);
}

static off_t fault_lseek(int fd, off_t offset, int whence)
{
	return fails(CALL_lseek, fd, NULL) ? -1 : os_kernel.lseek(fd, offset, whence);
}

static int fault_fstat(int fd, struct stat *st)
{
	return fails(CALL_fstat, fd, NULL) ? -1 : os_kernel.fstat(fd, st);
}

static int fault_stat(const char *path, struct stat *st)
{
	return fails(CALL_stat, -1, path) ? -1 : os_kernel.stat(path, st);
}

static int fault_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	if (fails(CALL_statx, dirfd, path && path[0] ? path : NULL))
		return -1;
	return os_kernel.statx(dirfd, path, flags, mask, stx);
}

static int fault_rename(const char *from, const char *to)
{
	return fails(CALL_rename, -1, from) ? -1 : os_kernel.rename(from, to);
}

static int fault_unlink(const char *path)
{
	return fails(CALL_unlink, -1, path) ? -1 : os_kernel.unlink(path);
}

static int fault_mkdir(const char *path, mode_t mode)
{
	return fails(CALL_mkdir, -1, path) ? -1 : os_kernel.mkdir(path, mode);
}

static int fault_fsync(int fd)
{
	return fails(CALL_fsync, fd, NULL) ? -1 : os_kernel.fsync(fd);
}

static int fault_fdatasync(int fd)
{
	return fails(CALL_fdatasync, fd, NULL) ? -1 : os_kernel.fdatasync(fd);
}

static int fault_ftruncate(int fd, off_t size)
{
	return fails(CALL_ftruncate, fd, NULL) ? -1 : os_kernel.ftruncate(fd, size);
}

static int fault_accept4(int fd, struct sockaddr *addr, socklen_t *n, int flags)
{
	return fails(CALL_accept4, fd, NULL) ? -1 : os_kernel.accept4(fd, addr, n, flags);
}

static ssize_t fault_recv(int fd, void *buf, size_t n, int flags)
{
	return fails_or_short(CALL_recv, fd, &n) ? -1 : os_kernel.recv(fd, buf, n, flags);
}

static ssize_t fault_send(int fd, const void *buf, size_t n, int flags)
{
	return fails_or_short(CALL_send, fd, &n) ? -1 : os_kernel.send(fd, buf, n, flags);
}

static int fault_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *t)
{
	size_t most = n;

	if (fails_or_short(CALL_recvmmsg, fd, &most))
		return -1;
	return os_kernel.recvmmsg(fd, msgs, (unsigned)most, flags, t);
}

static int fault_epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
	if (fails(CALL_epoll_wait, fd, NULL))
		return -1;
	return os_kernel.epoll_wait(fd, events, n, timeout_ms);
}

static struct os_ops fault_ops = {
#define FAULT_OP(x) .x = fault_##x,
	CALLS(FAULT_OP)
};

/* So that a test can tell that what it asked for happened. */
static void report(void)
{
	for (struct rule *r = rules; r < rules + nrules; r++)
		fprintf(stderr, "level=info msg=os_fault call=%s what=%s injected=%lu calls=%lu\n",
			call_names[r->call], r->what, atomic_load(&r->injected),
			atomic_load(&r->calls));
}

static void refuse(const char *spec)
{
	fprintf(stderr, "TAILRACE_FAULT: cannot read '%s'\n", spec);
	exit(3);
}

/* call:what:every[:after[:times]][@path] */
static void add_rule(const char *spec)
{
	struct rule *r = &rules[nrules];
	char call[16], copy[256];
	char *at;

	if (nrules == RULES_MAX || strlen(spec) >= sizeof(copy))
		refuse(spec);
	memcpy(copy, spec, strlen(spec) + 1);
	at = strchr(copy, '@');
	if (at) {
		*at = 0;
		snprintf(r->path, sizeof(r->path), "%s", at + 1);
	}
	r->times = ULONG_MAX;
	if (sscanf(copy, "%15[^:]:%15[^:]:%lu:%lu:%lu", call, r->what, &r->every, &r->after,
		   &r->times) < 3 ||
	    !r->every)
		refuse(spec);
	r->call = CALL_open;
	while (r->call < CALL_END && strcmp(call, call_names[r->call]))
		r->call++;
	for (size_t i = 0; i < ARRAY_LEN(errnos) && !r->error; i++)
		if (!strcmp(r->what, errnos[i].name))
			r->error = errnos[i].number;
	if (r->call == CALL_END || (!r->error && strcmp(r->what, "short")))
		refuse(spec);
	nrules++;
}

__attribute__((constructor)) static void replace_os(void)
{
	const char *specs = getenv("TAILRACE_FAULT");
	char copy[1024];
	char *rest = copy;
	char *spec;

	if (!specs || !specs[0])
		return;
	if (strlen(specs) >= sizeof(copy))
		refuse(specs);
	memcpy(copy, specs, strlen(specs) + 1);
	while ((spec = strsep(&rest, ",")))
		add_rule(spec);
	fault_ops.clock_gettime = os_kernel.clock_gettime;
	os = &fault_ops;
	atexit(report);
}
