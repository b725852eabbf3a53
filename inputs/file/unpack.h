/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a compressed file, as if it were a file: read at an offset, a little ahead of it and a little
 * behind. Kept are what follows the place that was said to be needed, and what came last; between them, and
 * before them, it is decompressed again from the beginning. */
#ifndef INPUTS_FILE_UNPACK_H
#define INPUTS_FILE_UNPACK_H

#include "inputs/file/ident.h"

enum unpack_state {
	UNPACK_MORE,
	UNPACK_WHOLE,   /* at its end, and that is where it belongs */
	UNPACK_CUT_OFF, /* at its end, but something is missing: perhaps it is still written */
	UNPACK_DAMAGED, /* nothing behind that can be read */
	UNPACK_TOO_LONG /* there is more, but not for us */
};

/* One run through the file, from its beginning to its end. */
struct unpack {
	int fd;         /* borrowed */
	uint64_t limit; /* of the content */
	enum unpack_state state;
	uint64_t pos;        /* bytes of content that were decompressed */
	uint64_t packed_pos; /* bytes of the file that were read */
	struct inflate *inflate;
	char *in;
	struct str left;
	struct unpack_window *window;
};

/* limit: more content than this is not decompressed. */
void unpack_init(struct unpack *u, int fd, uint64_t limit);
void unpack_fini(struct unpack *u);
/* The next bytes of content, at most cap. 0: some work was done, or state is not UNPACK_MORE any more. -1:
 * the file cannot be read (errno). */
ssize_t unpack_next(struct unpack *u, char *out, size_t cap);
/* Literals: what is wrong with one that is cut off, damaged or too long; and where, in the file. */
const char *unpack_reason(const struct unpack *u);
uint64_t unpack_where(const struct unpack *u);

/* For unpack_read(): reads of up to front_bytes from the place that is kept are served without going
 * back, and the last UNPACK_BACK bytes before the furthest place that was read. */
#define UNPACK_BACK ((size_t)128 << 10)
void unpack_window(struct unpack *u, size_t front_bytes);
/* What stands before `from` is not needed any more. Decompresses up to it, but no more than about max
 * bytes at once. 1: it is there; 0: call again; -1: cannot be read. */
int unpack_keep(struct unpack *u, uint64_t from, size_t max);
/* As file_read(). */
ssize_t unpack_read(struct unpack *u, void *p, size_t n, uint64_t at);

#endif
