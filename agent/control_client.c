/* SPDX-License-Identifier: Apache-2.0 */
/* A request over the control socket, by hand: libcurl is the output's. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control_client.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define ANSWER_MAX ((size_t)64 << 20)

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "socket path %s is longer than %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	rc = errno == ENOENT || errno == ECONNREFUSED
		     ? err_set(err, -errno, "no agent listens on %s: is it running?", path)
		     : err_errno(err, errno, "cannot connect to %s", path);
	close(fd);
	return rc;
}

static int wait_for(int fd, short events, int64_t deadline_ns, struct err *err)
{
	struct pollfd p = { fd, events, 0 };
	int64_t left_ns = deadline_ns - clock_mono_ns();
	int rc = left_ns > 0 ? poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1) : 0;

	if (rc > 0 || (rc < 0 && errno == EINTR))
		return 0;
	return rc < 0 ? err_errno(err, errno, "cannot wait for the agent")
		      : err_set(err, -ETIMEDOUT, "the agent did not answer in time");
}

static int send_all(int fd, struct str text, int64_t deadline_ns, struct err *err)
{
	int rc = 0;

	while (text.n && rc == 0) {
		ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);

		if (n >= 0)
			text = str_skip(text, (size_t)n);
		else if (errno == EAGAIN)
			rc = wait_for(fd, POLLOUT, deadline_ns, err);
		else if (errno != EINTR)
			rc = err_errno(err, errno, "cannot ask the agent");
	}
	return rc;
}

static int read_all(int fd, struct buf *ret, int64_t deadline_ns, struct err *err)
{
	int rc = 0;

	ret->max = ANSWER_MAX;
	while (rc == 0) {
		ssize_t n;

		if (!buf_reserve(ret, 64 << 10))
			return err_set(err, -EFBIG, "the agent's answer is too long");
		n = recv(fd, ret->p + ret->n, 64 << 10, 0);
		if (n == 0)
			return 0;
		if (n > 0)
			ret->n += (size_t)n;
		else if (errno == EAGAIN)
			rc = wait_for(fd, POLLIN, deadline_ns, err);
		else if (errno != EINTR)
			rc = err_errno(err, errno, "the agent broke off");
	}
	return rc;
}

/* "HTTP/1.1 200 OK", fields, an empty line; the connection's end is the body's. */
static int split(struct buf *all, struct control_answer *ret, struct err *err)
{
	struct str head = buf_as_str(all), line = str_cut(&head, '\n');
	size_t end = str_find(buf_as_str(all), STR("\r\n\r\n"));
	uint64_t status;

	str_cut(&line, ' ');
	if (end == all->n || !str_u64(str_cut(&line, ' '), &status) || status < 100 || status > 599)
		return err_set(err, -EPROTO, "whoever listens there is no agent of this kind");
	ret->status = (unsigned)status;
	memmove(all->p, all->p + end + 4, all->n - end - 4);
	all->n -= end + 4;
	ret->body = *all;
	*all = BUF_INIT;
	return 0;
}

int control_ask(const char *path, const char *method, const char *target, int timeout_ms,
		struct control_answer *ret, struct err *err)
{
	int64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
	struct buf text = BUF_INIT;
	int fd = connect_to(path, err), rc = fd;

	*ret = (struct control_answer){ 0 };
	if (fd < 0)
		return rc;
	buf_printf(&text,
		   "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
		   "Connection: close\r\n\r\n",
		   method, target);
	rc = send_all(fd, buf_as_str(&text), deadline_ns, err);
	buf_clear(&text);
	if (rc == 0)
		rc = read_all(fd, &text, deadline_ns, err);
	if (rc == 0)
		rc = split(&text, ret, err);
	buf_fini(&text);
	close(fd);
	return rc;
}
