/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor of "syslog over TCP to Loki": epoll, recv into a buffer per connection, octet-counted or LF
 * frames told apart by the first byte, one entry per frame as it came (no syslog parsing), direct
 * encode, libsnappy, one POST per MiB or second. Ends at SIGTERM.
 */
#include "bench/push.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES (256u << 10)
#define EVENTS 64

struct conn {
	int fd;
	size_t used; /* unfinished frame at the start of buf */
	uint8_t buf[PUSH_LINE_MAX + BLOCK_BYTES];
};

/* Consumes the whole frames in [p, end); returns the first byte that is not consumed. */
static const uint8_t *frames(struct push *push, unsigned stream, const uint8_t *p,
			     const uint8_t *end)
{
	while (p < end) {
		if (*p >= '1' && *p <= '9') {
			const uint8_t *q = p;
			size_t len = 0;
			while (q < end && *q >= '0' && *q <= '9' && len <= PUSH_LINE_MAX)
				len = len * 10 + (size_t)(*q++ - '0');
			if (q == end)
				break;
			if (*q != ' ' || len > PUSH_LINE_MAX)
				die("broken octet count");
			if ((size_t)(end - ++q) < len)
				break;
			push_line(push, stream, q, len);
			p = q + len;
		} else {
			const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
			if (!nl)
				break;
			push_line(push, stream, p, (size_t)(nl - p));
			p = nl + 1;
		}
	}
	return p;
}

static void serve(struct push *push, unsigned stream, struct conn *c)
{
	ssize_t r = recv(c->fd, c->buf + c->used, sizeof(c->buf) - c->used, MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		close(c->fd);
		free(c);
		return;
	}
	const uint8_t *end = c->buf + c->used + r;
	push_stamp(push);
	const uint8_t *rest = frames(push, stream, c->buf, end);
	c->used = (size_t)(end - rest);
	if (c->used == sizeof(c->buf))
		die("frame too long");
	memmove(c->buf, rest, c->used);
}

static int open_listener(const char *addr)
{
	struct sockaddr_in sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	parse_addr(addr, &sa);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1024) < 0)
		die_errno("listen %s", addr);
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], ev = { .events = EPOLLIN };
	struct push push;

	if (argc != 3)
		die("usage: floor-tcp LISTEN_HOST:PORT SINK_HOST:PORT");
	int listener = open_listener(argv[1]), ep = epoll_create1(EPOLL_CLOEXEC);
	push_init(&push, "floor-tcp", argv[2]);
	unsigned stream = push_stream(&push, "{job=\"syslog\"}");
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) < 0)
		die_errno("epoll");
	stop_on_signal();
	puts("ready");
	fflush(stdout);
	while (!stop_requested) {
		int n = epoll_wait(ep, events, EVENTS, push.used ? 100 : -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c) {
				serve(&push, stream, c);
				continue;
			}
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (fd < 0)
				continue;
			c = xmalloc(sizeof(*c));
			c->fd = fd;
			c->used = 0;
			ev.data.ptr = c;
			if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
				die_errno("epoll_ctl");
		}
		push_tick(&push);
	}
	close(listener);
	push_fini(&push);
	report_print(&push.report);
	return 0;
}
