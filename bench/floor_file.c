/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor of "file to Loki": read() of 256 KiB blocks, memchr for newlines, direct protobuf encode,
 * libsnappy, one POST per MiB. No positions, retries, metrics or anything else an agent needs.
 */
#include "bench/push.h"

#include <fcntl.h>
#include <unistd.h>

#define BLOCK_BYTES (256u << 10)

int main(int argc, char **argv)
{
	static uint8_t block[PUSH_LINE_MAX + BLOCK_BYTES];
	struct push push;
	size_t carry = 0;

	if (argc != 3)
		die("usage: floor-file FILE HOST:PORT");
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die_errno("%s", argv[1]);
	push_init(&push, "floor-file", argv[2]);
	unsigned stream = push_stream(&push, "{job=\"bench\",filename=\"/var/log/bench.log\"}");
	for (;;) {
		/* Block-aligned read; an unfinished line is kept in front of the next one. */
		ssize_t r = read(fd, block + carry, BLOCK_BYTES);
		if (r < 0)
			die_errno("read");
		if (r == 0)
			break;
		const uint8_t *p = block, *end = block + carry + r, *nl;
		push_stamp(&push);
		while ((nl = memchr(p, '\n', (size_t)(end - p)))) {
			push_line(&push, stream, p, (size_t)(nl - p));
			p = nl + 1;
		}
		carry = (size_t)(end - p);
		if (carry > PUSH_LINE_MAX)
			die("line longer than %u bytes", PUSH_LINE_MAX);
		memmove(block, p, carry);
	}
	if (carry)
		push_line(&push, stream, block, carry);
	push_fini(&push);
	report_print(&push.report);
	return 0;
}
