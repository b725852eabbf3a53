/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor on the state directory, whoever uses it, and the admin port. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/doctor.h"
#include "lib/clock.h"
#include "lib/os.h"

#define SPACE_WARN_BYTES ((uint64_t)256 << 20)
#define SPACE_FAIL_BYTES ((uint64_t)16 << 20)
#define SIX_WORDS 6

/* "1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF" */
static bool is_lock_of(struct str line, pid_t pid, uint64_t inode)
{
	struct str words[SIX_WORDS] = { 0 };
	uint64_t number;
	size_t n = 0;

	while (line.n && n < SIX_WORDS) {
		struct str word = str_cut(&line, ' ');

		if (word.n)
			words[n++] = word;
	}
	if (n < SIX_WORDS || !str_is(words[1], "FLOCK"))
		return false;
	if (!str_u64(words[4], &number) || number != (uint64_t)pid)
		return false;
	str_cut(&words[5], ':');
	str_cut(&words[5], ':');
	return str_u64(words[5], &number) && number == inode;
}

pid_t doctor_find_agent(const struct doctor *d, const char *state_dir)
{
	char path[4096], text[16] = "", locks[64 * 1024];
	struct str rest;
	struct stat st;
	uint64_t pid;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/LOCK", state_dir);
	fd = os->open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = os->pread(fd, text, sizeof(text) - 1, 0);
	if (os->fstat(fd, &st) < 0)
		n = -1;
	os->close(fd);
	if (n <= 0 || !str_u64(str_trim(str_make(text, (size_t)n)), &pid) || pid > INT32_MAX)
		return 0;
	doctor_read(d, "/proc/locks", locks, sizeof(locks));
	for (rest = str_c(locks); rest.n;)
		if (is_lock_of(str_cut(&rest, '\n'), (pid_t)pid, st.st_ino))
			return (pid_t)pid;
	return 0;
}

static void check_space(struct doctor *d, const char *dir)
{
	struct statvfs fs;
	uint64_t left;

	if (statvfs(dir, &fs) < 0)
		return;
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (left >= SPACE_WARN_BYTES && (fs.f_files == 0 || fs.f_favail > 100)) {
		doctor_say(d, DOCTOR_OK, "space", "more than 256 MiB are free in %s", dir);
		return;
	}
	doctor_say(d, left < SPACE_FAIL_BYTES ? DOCTOR_FAIL : DOCTOR_WARN, "space",
		   "%llu MiB and %llu inodes are free in %s: positions and dead letters need room",
		   (unsigned long long)(left >> 20), (unsigned long long)fs.f_favail, dir);
	doctor_fix(d, "df -h '%s'; df -i '%s'; delete something, or change `state_dir`", dir, dir);
}

static void check_dir(struct doctor *d, const char *dir)
{
	struct stat st;

	if (os->stat(dir, &st) < 0 && errno == ENOENT) {
		char parent[4096];
		char *slash;

		/* The agent makes it, with its parents. */
		snprintf(parent, sizeof(parent), "%s", dir);
		while ((slash = strrchr(parent, '/')) && slash != parent &&
		       (*slash = 0, access(parent, F_OK) < 0))
			;
		if (doctor_writable_dir(slash == parent ? "/" : parent)) {
			doctor_say(d, DOCTOR_OK, "state_dir", "%s will be made", dir);
			return;
		}
		doctor_say(d, DOCTOR_FAIL, "state_dir",
			   "%s is not there and user %s cannot make it", dir, d->user);
		doctor_fix(d, "install -d -m 0700 -o %s '%s'", d->user, dir);
	} else if (faccessat(AT_FDCWD, dir, R_OK | W_OK | X_OK, AT_EACCESS) < 0) {
		doctor_say(d, DOCTOR_FAIL, "state_dir", "user %s cannot use %s: %s", d->user, dir,
			   strerror(errno));
		if (errno != EROFS)
			doctor_fix(d, "chown -R %s '%s'", d->user, dir);
	} else {
		doctor_say(d, DOCTOR_OK, "state_dir", "%s can be written", dir);
		if (st.st_mode & 0022) {
			doctor_say(d, DOCTOR_WARN, "state_dir", "%s can be written by others", dir);
			doctor_fix(d, "chmod go-w '%s'", dir);
		}
		check_space(d, dir);
	}
}

/* ---- the admin port ----------------------------------------------------------------------- */

/* The status of GET /ready, 0 when there is no answer in time. */
static int ask_ready(const struct doctor *d, const struct conf_addr *addr)
{
	static const char request[] =
		"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	int wait_ms = (int)(d->deadline_ns / NS_PER_MS), status = 0;
	char host[256], port[8], text[64] = "";
	struct addrinfo *info;
	struct pollfd fd;
	uint64_t code;

	snprintf(host, sizeof(host), STR_FMT, STR_ARG(addr->host));
	snprintf(port, sizeof(port), "%u", addr->port);
	if (getaddrinfo(host[0] ? host : "127.0.0.1", port, &hints, &info))
		return 0;
	fd.fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fd.events = POLLOUT;
	if (fd.fd >= 0 &&
	    (connect(fd.fd, info->ai_addr, info->ai_addrlen) == 0 || errno == EINPROGRESS) &&
	    poll(&fd, 1, wait_ms) == 1 &&
	    os->send(fd.fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0) {
		fd.events = POLLIN;
		if (poll(&fd, 1, wait_ms) == 1 && os->recv(fd.fd, text, sizeof(text) - 1, 0) > 12 &&
		    str_starts(str_c(text), STR("HTTP/1.")) &&
		    str_u64(str_sub(str_c(text), 9, 12), &code))
			status = (int)code;
	}
	if (fd.fd >= 0)
		os->close(fd.fd);
	freeaddrinfo(info);
	return status;
}

static void check_admin(struct doctor *d, const struct conf_addr *addr)
{
	int status;

	if (!addr->scheme)
		return;
	if (!d->agent) {
		doctor_listen(d, addr);
		return;
	}
	status = ask_ready(d, addr);
	if (status == 200) {
		doctor_say(d, DOCTOR_OK, "admin", "the running agent is ready");
	} else if (status) {
		doctor_say(d, DOCTOR_WARN, "admin", "the running agent answers %d to /ready",
			   status);
		doctor_fix(d, "curl -s http://" STR_FMT "/ready says what it waits for",
			   STR_ARG(addr->text));
	} else {
		doctor_say(d, DOCTOR_WARN, "admin", "the running agent does not answer at " STR_FMT,
			   STR_ARG(addr->text));
		doctor_fix(d, "was it started with this configuration? restart it");
	}
}

void doctor_state(struct doctor *d, const struct config *c)
{
	check_dir(d, d->state_dir);
	if (d->agent)
		doctor_say(d, DOCTOR_OK, "lock", "an agent runs here, process %d", (int)d->agent);
	check_admin(d, &c->plan.admin);
}
