/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes with a length: what every parser takes and returns. No NUL is promised and any
 * byte may occur. Passed by value; the owner is said by whoever hands one out. */
#ifndef LIB_STR_H
#define LIB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* A string literal as a str. */
#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })

/* For "%.*s"; lengths beyond INT_MAX are cut. */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)((s).n > 0x7fffffff ? 0x7fffffff : (s).n), ((s).p ? (s).p : "")

static inline struct str str_make(const char *p, size_t n)
{
	return (struct str){ p, n };
}

/* Of a NUL-terminated string of ours; NULL gives the empty str. */
static inline struct str str_c(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *b)
{
	return str_eq(a, str_c(b));
}

/* The bytes [from, to); both are clamped to the end. */
static inline struct str str_sub(struct str s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return (struct str){ s.p ? s.p + from : NULL, to - from };
}

static inline struct str str_skip(struct str s, size_t n)
{
	return str_sub(s, n, s.n);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* Index of the first byte c, or s.n. */
static inline size_t str_chr(struct str s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

	return hit ? (size_t)(hit - s.p) : s.n;
}

/* Index of the first occurrence of needle, or s.n when absent. An empty needle is found at 0. */
size_t str_find(struct str s, struct str needle);

/* Value of a hexadecimal digit, -1 of any other byte. */
static inline int str_hex(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

bool str_ieq(struct str a, struct str b);       /* ASCII case folded */
struct str str_trim(struct str s);              /* space \t \r \n on both ends */
struct str str_rtrim(struct str s);             /* on the right end */
int str_cmp(struct str a, struct str b);        /* bytewise order, as qsort wants */
uint64_t str_hash(struct str s, uint64_t seed); /* not for untrusted tables without a random seed */

/* Cuts s at the first byte sep: returns what stands before it and moves s behind it.
 * Without sep returns the whole and leaves s empty with p == NULL. */
struct str str_cut(struct str *s, char sep);

/* Whole-string decimal numbers; false on empty, sign (u64), other bytes or overflow. */
bool str_u64(struct str s, uint64_t *ret);
bool str_i64(struct str s, int64_t *ret);
bool str_double(struct str s, double *ret); /* decimal with optional fraction and exponent */

/* "64KiB", "1.5MB"? no: digits and a unit. B, KiB MiB GiB, and K KB M MB G GB as powers of 1024
 * (Promtail's ByteSize rule). */
bool str_size(struct str s, uint64_t *ret_bytes);

/* Go duration: sequence of decimal and unit ns us ms s m h, plus d (24 h). "0" is allowed. */
bool str_duration(struct str s, int64_t *ret_ns);

/* Levenshtein distance capped at max + 1: the nearest valid name in error messages. */
size_t str_distance(struct str a, struct str b, size_t max);

#endif
