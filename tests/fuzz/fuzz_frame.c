/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog framing: however the stream is split into reads, the messages are the same, also with the code
 * that has no short cuts; in LF and NUL mode they are also what a splitter of ten lines makes of it. The
 * first two bytes choose mode and split. */
#include <stdio.h>
#include <stdlib.h>

#include "inputs/syslog/frame.h"
#include "lib/buf.h"
#include "lib/check.h"

#define MAX 64

typedef enum frame_result next_fn(struct framer *f, struct str *avail, struct frame *ret);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
next_fn plain_frame_next; /* syslog_plain.h */

static void show(struct buf *out, const struct frame *f)
{
	CHECK(f->bytes.n <= MAX && f->bytes.n <= f->full_bytes);
	buf_printf(out, "%zu %llu %d%d%d ", f->bytes.n, (unsigned long long)f->full_bytes,
		   f->is_cut, f->is_partial, f->is_resync);
	buf_str(out, f->bytes);
	buf_ch(out, '\n');
}

/* step 0: all at once; else reads of pseudo-random length up to step. */
static void feed(next_fn *next, unsigned mode, struct str in, size_t step, struct buf *out)
{
	enum frame_result got = FRAME_MORE;
	struct buf held = BUF_INIT;
	uint32_t random = 1;
	struct frame frame;
	struct framer f;
	struct str avail = STR_NONE, piece;

	framer_init(&f, (enum frame_mode)mode, MAX);
	while (in.n && got != FRAME_BAD) {
		random = random * 1664525 + 1013904223;
		piece = str_sub(in, 0, step ? 1 + (random >> 8) % step : in.n);
		in = str_skip(in, piece.n);
		buf_str(&held, piece);
		avail = buf_as_str(&held);
		while ((got = next(&f, &avail, &frame)) == FRAME_MESSAGE)
			show(out, &frame);
		if (got == FRAME_MORE)
			CHECK(avail.n <= MAX + FRAME_EXTRA);
		if (avail.n)
			memmove(held.p, avail.p, avail.n);
		held.n = avail.n;
		avail = buf_as_str(&held);
	}
	if (got == FRAME_BAD)
		buf_c(out, "bad");
	else if (frame_end(&f, avail, &frame))
		show(out, &frame);
	buf_fini(&held);
}

/* The definition of LF mode, and of NUL mode. */
static void split(struct str in, bool at_lf, struct buf *out)
{
	while (in.n) {
		size_t n = 0;
		struct frame f = { 0 };

		while (n < in.n && in.p[n] != '\0' && !(at_lf && in.p[n] == '\n'))
			n++;
		if (n == in.n)
			f.is_partial = true;
		f.bytes = str_sub(in, 0, n);
		in = str_skip(in, n + 1);
		while (f.bytes.n && (f.bytes.p[0] == '\r' || f.bytes.p[0] == '\n'))
			f.bytes = str_skip(f.bytes, 1);
		if (!f.is_partial && f.bytes.n == MAX + 1 && f.bytes.p[MAX] == '\r')
			f.bytes.n = MAX;
		f.full_bytes = f.bytes.n;
		f.bytes = str_sub(f.bytes, 0, MAX);
		f.is_cut = f.full_bytes > f.bytes.n;
		if (f.bytes.n)
			show(out, &f);
	}
}

/* Mutations that know what a stream is made of: a piece is put at a random place, in front of what
 * follows, or in its stead; bytes are left to the fuzzer every other time. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

static size_t piece(char *out, size_t room, unsigned seed)
{
	static const char *const ends[] = { "\n", "\r\n", "", "\n", "\n\n", "\r", " ", "" };
	static const char *const bodies[] = { "<13>x", "<13>two\nlines", "<191>", "12 <1>", "text",
					      "<13",   "\n<13>y",        "<13>" };
	static const unsigned lengths[] = { 0,       1,       8,   MAX - 6,
					    MAX - 5, MAX - 4, MAX, MAX + FRAME_EXTRA + 1 };
	char body[2 * MAX];
	size_t n = (size_t)snprintf(
		body, sizeof(body), "%s%.*s", bodies[seed % 8], (int)lengths[seed / 8 % 8],
		lengths[seed / 8 % 8] ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					"aaaaaaaaaaaaaaaaaaaaaa"
				      : "");
	unsigned how = seed / 64 % 8;

	if (how < 3) /* counted, now and then wrongly */
		return (size_t)snprintf(out, room, "%zu %s", how ? n : n + seed / 512 % 5, body);
	n = (size_t)snprintf(out, room, "%s%s", body, ends[seed / 512 % 8]);
	if (how == 3 && n + 1 < room)
		n++; /* the NUL */
	return n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	char add[4 * MAX];
	size_t at, k;

	if (seed % 2 || n < 2 || max > (1 << 20))
		return LLVMFuzzerMutate(data, n, max);
	seed /= 2;
	k = piece(add, sizeof(add), seed);
	at = 2 + seed / 7 % (n - 1);
	if (seed % 3 == 0) { /* in the stead of what was there */
		n = at;
	} else if (n + k > max) {
		return LLVMFuzzerMutate(data, n, max);
	}
	if (n + k > max)
		return n;
	memmove(data + at + k, data + at, n - at);
	memcpy(data + at, add, k);
	return n + k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT, lines = BUF_INIT;
	struct str in;
	unsigned mode;

	if (n < 2)
		return 0;
	mode = data[0] % 4;
	in = str_make((const char *)data + 2, n - 2);
	feed(plain_frame_next, mode, in, 0, &whole);
	feed(frame_next, mode, in, 1 + data[1], &pieces);
	CHECK(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	pieces.n = 0;
	feed(frame_next, mode, in, 0, &pieces);
	CHECK(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	if (mode == FRAME_LF || mode == FRAME_NUL) {
		split(in, mode == FRAME_LF, &lines);
		CHECK(str_eq(buf_as_str(&whole), buf_as_str(&lines)));
	}
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&lines);
	return 0;
}
