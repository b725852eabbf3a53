/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of bytes from outside, in pieces: gzip (RFC 1952), zlib (RFC 1950), zstd (RFC 8878).
 *
 *	struct inflate *z = inflate_new(INFLATE_AUTO);
 *	do {
 *		if (!in.n)
 *			in = what was read next, or break at its end;
 *		got = inflate_run(z, &in, out, sizeof(out), &n);
 *		use(out, n);
 *	} while (got == INFLATE_OK);
 *	whole = got == INFLATE_END || inflate_may_end(z);
 *
 * However the input is split, the output is the same; and what stands before a damage comes out before it
 * is said. Memory is bounded: 48 KiB for gzip and zlib, for zstd the frame's window and a little, and a
 * frame with a window beyond 8 MiB (RFC 8878, 3.1.1.1.2, has it as what everybody should take) is
 * refused. How much comes out is not bounded: that is up to who calls. */
#ifndef LIB_INFLATE_H
#define LIB_INFLATE_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

enum inflate_kind {
	INFLATE_AUTO, /* gzip or zstd, by the first bytes */
	INFLATE_GZIP, /* members follow each other; zeros or other bytes behind the last are passed over */
	INFLATE_ZLIB, /* "deflate" of HTTP */
	INFLATE_ZSTD, /* frames follow each other, skippable ones among them */
};

enum inflate_result {
	INFLATE_OK,  /* all of in was taken, or out is full; perhaps both */
	INFLATE_END, /* nothing follows that belongs to it */
	INFLATE_BAD, /* inflate_reason() says why; what came out before is good */
};

#define INFLATE_WINDOW_LOG 23

struct inflate;

struct inflate *inflate_new(enum inflate_kind kind);
void inflate_free(struct inflate *z);

/* Takes from in, writes up to cap bytes (at least 1) to out; *ret_n is how many. in is moved on. */
enum inflate_result inflate_run(struct inflate *z, struct str *in, char *out, size_t cap,
				size_t *ret_n);
/* Call it when the input is at its end and inflate_run() gave nothing more: was that all of it? False: it was
 * cut off. */
bool inflate_may_end(const struct inflate *z);
/* A literal, for people: "checksum", "window over 8 MiB" ... */
const char *inflate_reason(const struct inflate *z);
/* Bytes of the input before what is wrong, about. */
uint64_t inflate_offset(const struct inflate *z);

/* All of a body at once, appended to out. -EMSGSIZE when it has more than max bytes, -EBADMSG when it is
 * damaged or cut off. */
int inflate_all(enum inflate_kind kind, struct str in, size_t max, struct buf *out,
		struct err *err);

#endif
