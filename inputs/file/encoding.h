/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings of log files: by the names of the WHATWG Encoding Standard, decoded to UTF-8. Lines are
 * cut before they are decoded, on the bytes of the file, so that positions are offsets in the file:
 * in each of these encodings a line end is a whole unit that occurs in no other character. */
#ifndef INPUTS_FILE_ENCODING_H
#define INPUTS_FILE_ENCODING_H

#include "lib/arena.h"
#include "lib/err.h"

#define NUL_RUN_MIN 16 /* bytes: fewer are part of a line, more are a hole in the file */

struct decoder;

/* Finds the encoding of this name (in any case) and makes its decoder; *ret is NULL for UTF-8, which
 * needs none. Negative with err when there is no such name (the nearest is said), or the C library
 * lacks it. */
int decoder_new(struct str name, struct decoder **ret, struct err *err);
void decoder_free(struct decoder *d);
/* Is there an encoding of this name? err as above. */
int encoding_check(struct str name, struct err *err);
/* By the byte order mark that the file begins with (head: its first bytes, BOM.n of them), which is
 * stronger than what was configured, as the standard has it; without one it is `configured`. Only
 * what decoder_new() gave is to be freed. */
struct decoder *decoder_for(struct str head, struct decoder *configured);

/* The line in UTF-8: in the arena, or itself when that is the same. What has no meaning becomes
 * U+FFFD and sets *is_bad. */
struct str decoder_run(struct decoder *d, struct str line, struct arena *arena, bool *is_bad);

/* Bytes of a unit: 2 for UTF-16, else 1; also without a decoder. */
size_t decoder_unit(const struct decoder *d);
/* The bytes that are read to get a line of n bytes in UTF-8, for all lines but strange ones. */
size_t decoder_bytes_for(const struct decoder *d, size_t n);

/* The first line end in s, of decoder_unit() bytes, or NULL. s begins with a whole unit. */
const char *decoder_line_end(const struct decoder *d, struct str s);
const char *decoder_last_line_end(const struct decoder *d, struct str s);
struct str decoder_cr(const struct decoder *d);
/* Without one carriage return at its end. */
static inline struct str decoder_without_cr(const struct decoder *d, struct str line)
{
	if (!d)
		line.n -= line.n && line.p[line.n - 1] == '\r';
	else if (str_ends(line, decoder_cr(d)))
		line.n -= decoder_cr(d).n;
	return line;
}

/* The first run of at least NUL_RUN_MIN zero bytes in s that begins with a unit: a hole, never
 * text. One that is as short, but reaches the end of s, does not count. */
struct nul_run {
	size_t start, n; /* n == 0: there is none */
};
struct nul_run decoder_find_nuls(const struct decoder *d, struct str s);

#define BOM STR("\xef\xbb\xbf") /* in UTF-8 */

#endif
