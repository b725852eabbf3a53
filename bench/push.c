/* SPDX-License-Identifier: Apache-2.0 */
/* The output half of every floor: snappy and one blocking keep-alive connection, nothing else. */
#include "bench/push.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* A batch is flushed by the entry that fills it, so one line more than the limit must fit. */
#define STREAM_BYTES (PUSH_HEAD_MAX + PUSH_BATCH_BYTES + PUSH_LINE_MAX + PUSH_ENTRY_HEAD_MAX)
#define BODY_MAX (STREAM_BYTES + PUSH_STREAMS_MAX * PUSH_HEAD_MAX)

void push_init(struct push *p, const char *program, const char *addr)
{
	memset(p, 0, sizeof(*p));
	p->report.program = program;
	p->fd = -1;
	parse_addr(addr, &p->addr);
	if (strlen(addr) >= sizeof(p->host))
		die("address too long");
	memcpy(p->host, addr, strlen(addr));
	p->compressed_max = snappy_max_compressed_length(BODY_MAX);
	p->compressed = xmalloc(p->compressed_max);
	p->joined = xmalloc(BODY_MAX);
}

void push_fini(struct push *p)
{
	push_flush(p);
	for (unsigned i = 0; i < p->n_streams; i++)
		free(p->streams[i].buf);
	free(p->compressed);
	free(p->joined);
	if (p->fd >= 0)
		close(p->fd);
}

unsigned push_stream(struct push *p, const char *labels)
{
	size_t n = strlen(labels);

	for (unsigned i = 0; i < p->n_streams; i++) {
		if (p->streams[i].labels_len == n && !memcmp(p->streams[i].labels, labels, n))
			return i;
	}
	/* Beyond the table everything shares the last stream: the floor knows its own corpora. */
	if (p->n_streams == PUSH_STREAMS_MAX)
		return PUSH_STREAMS_MAX - 1;
	struct push_stream *s = &p->streams[p->n_streams];
	if (n >= sizeof(s->labels))
		die("labels too long");
	memcpy(s->labels, labels, n);
	s->labels_len = n;
	s->buf = xmalloc(STREAM_BYTES);
	s->used = 0;
	return p->n_streams++;
}

/* Completes a stream in the free bytes in front of its entries; returns where it starts. */
static uint8_t *finish_stream(struct push_stream *s, size_t *len)
{
	size_t inner = 1 + push_varint_len(s->labels_len) + s->labels_len + s->used;
	size_t head = 1 + push_varint_len(inner) + (inner - s->used);
	uint8_t *start = s->buf + PUSH_HEAD_MAX - head, *o = start;

	*o++ = 0x0a; /* PushRequest.streams */
	o = push_varint(o, inner);
	*o++ = 0x0a; /* Stream.labels */
	o = push_varint(o, s->labels_len);
	memcpy(o, s->labels, s->labels_len);
	*len = head + s->used;
	s->used = 0;
	return start;
}

static void open_connection(struct push *p)
{
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&p->addr, sizeof(p->addr)) < 0)
		die_errno("connect %s", p->host);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static void send_all(struct push *p, struct iovec *iov, int n)
{
	while (n) {
		ssize_t r = writev(p->fd, iov, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			die_errno("send");
		for (; n && (size_t)r >= iov->iov_len; iov++, n--)
			r -= (ssize_t)iov->iov_len;
		if (n) {
			iov->iov_base = (char *)iov->iov_base + r;
			iov->iov_len -= (size_t)r;
		}
	}
}

/* The sink answers 204 without a body; anything else ends the run. */
static void read_answer(struct push *p)
{
	char buf[512];
	size_t used = 0;

	while (!memmem(buf, used, "\r\n\r\n", 4)) {
		ssize_t r = read(p->fd, buf + used, sizeof(buf) - used);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0 || used + (size_t)r == sizeof(buf))
			die("no answer from the sink");
		used += (size_t)r;
	}
	if (used < 12 || memcmp(buf, "HTTP/1.1 204", 12))
		die("the sink answered %.*s", 12, buf);
}

static void post(struct push *p, const uint8_t *body, size_t len)
{
	char head[256];
	size_t n = p->compressed_max;

	if (snappy_compress((const char *)body, len, p->compressed, &n) != SNAPPY_OK)
		die("snappy_compress");
	int h = snprintf(head, sizeof(head),
			 "POST /loki/api/v1/push HTTP/1.1\r\nHost: %s\r\n"
			 "Content-Type: application/x-protobuf\r\nContent-Length: %zu\r\n\r\n",
			 p->host, n);
	struct iovec iov[2] = { { head, (size_t)h }, { p->compressed, n } };
	if (p->fd < 0)
		open_connection(p);
	send_all(p, iov, 2);
	read_answer(p);
	p->report.requests++;
	p->report.raw_bytes += len;
	p->report.wire_bytes += (size_t)h + n;
}

void push_flush(struct push *p)
{
	unsigned open = 0, last = 0;
	size_t len = 0;

	for (unsigned i = 0; i < p->n_streams; i++) {
		if (p->streams[i].used) {
			open++;
			last = i;
		}
	}
	if (open == 1) {
		uint8_t *body = finish_stream(&p->streams[last], &len);
		post(p, body, len);
	} else if (open) {
		size_t at = 0;
		for (unsigned i = 0; i < p->n_streams; i++) {
			if (!p->streams[i].used)
				continue;
			const uint8_t *body = finish_stream(&p->streams[i], &len);
			memcpy(p->joined + at, body, len);
			at += len;
		}
		post(p, p->joined, at);
	}
	p->used = 0;
	p->oldest_ns = 0;
}

void push_tick(struct push *p)
{
	uint64_t now = mono_ns();

	if (!p->used)
		p->oldest_ns = 0;
	else if (!p->oldest_ns)
		p->oldest_ns = now;
	else if (now - p->oldest_ns >= PUSH_LINGER_NS)
		push_flush(p);
}
