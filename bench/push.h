/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output half of every floor: entries are written straight in wire format into one buffer per
 * stream, and at PUSH_BATCH_BYTES they become one snappy body of one keep-alive POST.
 * Wire format (Loki push.proto): PushRequest{1: Stream{1: labels, 2: Entry{1: Timestamp{1: s,
 * 2: ns}, 2: line}}}; snappy block format.
 */
#ifndef BENCH_PUSH_H
#define BENCH_PUSH_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bench/util.h"

#define PUSH_BATCH_BYTES (1u << 20)
#define PUSH_LINGER_NS NS_PER_S
#define PUSH_STREAMS_MAX 8
#define PUSH_LINE_MAX (64u << 10)
#define PUSH_HEAD_MAX 256 /* room in front of the entries for the stream's own header */
#define PUSH_ENTRY_HEAD_MAX 32

struct push_stream {
	char labels[128];
	size_t labels_len;
	uint8_t *buf; /* PUSH_HEAD_MAX free bytes, then `used` bytes of finished entries */
	size_t used;
};

struct push {
	struct push_stream streams[PUSH_STREAMS_MAX];
	unsigned n_streams;
	size_t used;        /* entry bytes of all streams */
	uint64_t oldest_ns; /* monotonic, of the open batch; 0 when it is empty */
	uint64_t time_ns;   /* stamp of the next entry; +1 per entry */
	uint8_t *joined;    /* several streams, one after the other */
	char *compressed;
	size_t compressed_max;
	struct sockaddr_in addr;
	char host[64];
	int fd;
	struct report report;
};

void push_init(struct push *p, const char *program, const char *addr);
void push_fini(struct push *p);
/* Returns the index of the stream; labels like `{job="bench"}`. */
unsigned push_stream(struct push *p, const char *labels);
/* Compresses and sends what is open; waits for the answer, dies unless it is 2xx. */
void push_flush(struct push *p);

/* Once per block that was read: one clock read serves all its lines. */
static inline void push_stamp(struct push *p)
{
	uint64_t now = now_ns();

	if (now > p->time_ns)
		p->time_ns = now;
}

static inline uint8_t *push_varint(uint8_t *o, uint64_t v)
{
	while (v >= 0x80) {
		*o++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*o++ = (uint8_t)v;
	return o;
}

static inline unsigned push_varint_len(uint64_t v)
{
	return v ? (70u - (unsigned)__builtin_clzll(v)) / 7 : 1;
}

/* Writes the head of an entry with a line of `len` bytes; the caller puts the line at the returned
 * place and calls push_done. */
static inline uint8_t *push_entry(struct push *p, unsigned stream, size_t len)
{
	struct push_stream *s = &p->streams[stream];
	uint8_t *o = s->buf + PUSH_HEAD_MAX + s->used;
	uint64_t t = p->time_ns++;
	uint64_t sec = t / NS_PER_S, ns = t % NS_PER_S;
	unsigned time_len = 2 + push_varint_len(sec) + push_varint_len(ns);

	*o++ = 0x12; /* Stream.entries */
	o = push_varint(o, 2 + time_len + 1 + push_varint_len(len) + len);
	*o++ = 0x0a; /* Entry.timestamp */
	*o++ = (uint8_t)time_len;
	*o++ = 0x08;
	o = push_varint(o, sec);
	*o++ = 0x10;
	o = push_varint(o, ns);
	*o++ = 0x12; /* Entry.line */
	return push_varint(o, len);
}

static inline void push_done(struct push *p, unsigned stream, const uint8_t *end, size_t line_len)
{
	struct push_stream *s = &p->streams[stream];
	size_t used = (size_t)(end - s->buf) - PUSH_HEAD_MAX;

	p->used += used - s->used;
	s->used = used;
	p->report.lines++;
	p->report.line_bytes += line_len;
	if (__builtin_expect(p->used >= PUSH_BATCH_BYTES, 0))
		push_flush(p);
}

static inline void push_line(struct push *p, unsigned stream, const void *line, size_t len)
{
	if (len > PUSH_LINE_MAX)
		len = PUSH_LINE_MAX;
	uint8_t *o = push_entry(p, stream, len);
	memcpy(o, line, len);
	push_done(p, stream, o + len, len);
}

/* For inputs that never end: sends an open batch after PUSH_LINGER_NS. Call about every 100 ms. */
void push_tick(struct push *p);

#endif
