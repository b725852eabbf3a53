/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the Lumberjack protocol, written and told, for its unit and fuzz tests. */
#ifndef TESTS_UNIT_LUMBER_TOLD_H
#define TESTS_UNIT_LUMBER_TOLD_H

#include <zlib.h>

#include "inputs/beats/lumber.h"
#include "lib/buf.h"
#include "lib/mem.h"

static inline void put_u32(struct buf *out, uint32_t v)
{
	unsigned char b[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16),
			       (unsigned char)(v >> 8), (unsigned char)v };

	buf_put(out, b, 4);
}

static inline void put_window(struct buf *out, uint32_t n)
{
	buf_c(out, "2W");
	put_u32(out, n);
}

static inline void put_event(struct buf *out, uint32_t seq, struct str text)
{
	buf_c(out, "2J");
	put_u32(out, seq);
	put_u32(out, (uint32_t)text.n);
	buf_str(out, text);
}

static inline void put_packed(struct buf *out, struct str frames)
{
	uLongf n = compressBound(frames.n);
	Bytef *packed = mem_alloc(n);

	compress2(packed, &n, (const Bytef *)frames.p, frames.n, 3);
	buf_c(out, "2C");
	put_u32(out, (uint32_t)n);
	buf_put(out, packed, n);
	mem_free(packed);
}

/* "W3 J1:text .. C BAD(why)"; input in pieces of `step` bytes, each in memory of its own. Of an event `keep` bytes
 * at most. */
static inline void lumber_told(struct str in, size_t step, size_t keep, uint32_t max_window,
			       struct buf *out)
{
	enum lumber_result got = LUMBER_MORE;
	char *event = NULL;
	struct lumber l;
	size_t n = 0;

	lumber_init(&l, max_window);
	buf_clear(out);
	while (in.n && got != LUMBER_BAD) {
		struct str piece = str_sub(in, 0, step), avail;
		char *exact = mem_dup(piece.p, piece.n);

		in = str_skip(in, piece.n);
		avail = str_make(exact, piece.n);
		while ((got = lumber_next(&l, &avail)) != LUMBER_MORE && got != LUMBER_BAD) {
			if (got == LUMBER_WINDOW) {
				buf_printf(out, "W%u ", l.window);
			} else if (got == LUMBER_PACKED) {
				CHECK(lumber_next(&l, &avail) == got);
				lumber_unpack(&l);
				buf_c(out, "C ");
			} else if (got == LUMBER_EVENT) {
				CHECK(lumber_next(&l, &avail) == got);
				n = l.bytes < keep ? l.bytes : keep;
				event = mem_alloc(n ? n : 1);
				lumber_into(&l, event, n);
			} else {
				buf_printf(out, "J%u/%zu:" STR_FMT " ", l.seq, l.bytes,
					   STR_ARG(str_make(event, n)));
				mem_free(TAKE(event));
			}
		}
		CHECK(got == LUMBER_BAD || !avail.n);
		mem_free(exact);
	}
	if (got == LUMBER_BAD)
		buf_printf(out, "BAD(%s)", l.why);
	else if (lumber_is_idle(&l))
		buf_c(out, "idle");
	mem_free(event);
	lumber_fini(&l);
}

#endif
