/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor of "syslog over UDP to Loki": recvmmsg of 64 datagrams with sender addresses, one entry per
 * datagram as it came (no syslog parsing), direct encode, libsnappy, one POST per MiB or second.
 * Ends at SIGTERM.
 */
#include "bench/push.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BATCH 64
#define DATAGRAM_MAX 8192
#define RECEIVE_BUFFER_BYTES (16 << 20)

static int open_socket(const char *addr)
{
	struct sockaddr_in sa;
	struct timeval tick = { .tv_usec = 100000 };
	int size = RECEIVE_BUFFER_BYTES;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	parse_addr(addr, &sa);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die_errno("bind %s", addr);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[BATCH][DATAGRAM_MAX];
	static struct sockaddr_in from[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH];
	struct push push;

	if (argc != 3)
		die("usage: floor-udp LISTEN_HOST:PORT SINK_HOST:PORT");
	int fd = open_socket(argv[1]);
	push_init(&push, "floor-udp", argv[2]);
	unsigned stream = push_stream(&push, "{job=\"syslog\"}");
	memset(msgs, 0, sizeof(msgs));
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bytes[i], DATAGRAM_MAX };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_name = &from[i];
		msgs[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	stop_on_signal();
	puts("ready");
	fflush(stdout);
	while (!stop_requested) {
		int n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			die_errno("recvmmsg");
		if (n > 0)
			push_stamp(&push);
		for (int i = 0; i < n; i++) {
			push_line(&push, stream, bytes[i], msgs[i].msg_len);
			msgs[i].msg_hdr.msg_namelen = sizeof(from[i]);
		}
		push_tick(&push);
	}
	close(fd);
	push_fini(&push);
	report_print(&push.report);
	return 0;
}
