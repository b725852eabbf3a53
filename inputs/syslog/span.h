/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of bytes, sixteen at a time with SSE2 and else eight: where a header field, an SD-NAME or a
 * quoted value ends. In each word of eight the lowest marked byte is exact; a borrow can only mark
 * bytes above it falsely. */
#ifndef INPUTS_SYSLOG_SPAN_H
#define INPUTS_SYSLOG_SPAN_H

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/str.h"

/* A build with 1 has none of the short cuts for what is usual: fuzzing compares both. */
#ifndef SYSLOG_PLAIN
#define SYSLOG_PLAIN 0
#endif

#define SPAN_ONES 0x0101010101010101u
#define SPAN_HIGHS 0x8080808080808080u

static inline uint64_t span_load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* High bits mark the bytes equal to c. */
static inline uint64_t span_eq(uint64_t word, char c)
{
	uint64_t x = word ^ SPAN_ONES * (unsigned char)c;

	return (x - SPAN_ONES) & ~x & SPAN_HIGHS;
}

/* High bits mark the bytes up to the space, and DEL: what no header field contains. */
static inline uint64_t span_no_field(uint64_t word)
{
	return ((word - SPAN_ONES * 0x21) & ~word & SPAN_HIGHS) | span_eq(word, 0x7f);
}

#if defined(__SSE2__) && !SYSLOG_PLAIN
/* Bits mark the bytes of the sixteen at p, exactly. */
static inline __m128i span16_eq(__m128i v, char c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static inline __m128i span16_field(__m128i v)
{
	return _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(' ')), v),
			    span16_eq(v, 0x7f));
}

static inline __m128i span16_name(__m128i v)
{
	return _mm_or_si128(span16_field(v),
			    _mm_or_si128(span16_eq(v, '='),
					 _mm_or_si128(span16_eq(v, ']'), span16_eq(v, '"'))));
}

static inline __m128i span16_value(__m128i v)
{
	return _mm_or_si128(span16_eq(v, '"'), span16_eq(v, '\\'));
}

/* Bits mark the bytes of the 64 at p that no field contains, and in *ret_spaces the spaces of them. */
static inline uint64_t span64_no_field(const char *p, uint64_t *ret_spaces)
{
	uint64_t marks = 0, spaces = 0;

	for (unsigned i = 0; i < 64; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));

		marks |= (uint64_t)(unsigned)_mm_movemask_epi8(span16_field(v)) << i;
		spaces |= (uint64_t)(unsigned)_mm_movemask_epi8(span16_eq(v, ' ')) << i;
	}
	*ret_spaces = spaces;
	return marks;
}

/* Behind `name="value"` when all of it is within the 16 bytes at p and nothing is escaped, else NULL. */
static inline const char *span16_param(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	unsigned names = (unsigned)_mm_movemask_epi8(span16_name(v)) | 1u << 16;
	unsigned values = (unsigned)_mm_movemask_epi8(span16_value(v));
	unsigned n = (unsigned)__builtin_ctz(names);

	if (!n || n > 13 || p[n] != '=' || p[n + 1] != '"')
		return NULL;
	values >>= n + 2;
	if (!values)
		return NULL;
	n += 2 + (unsigned)__builtin_ctz(values);
	return p[n] == '"' ? p + n + 1 : NULL;
}

#define SPAN16(p, end, marks16)                                                                    \
	for (; (end) - (p) >= 16; (p) += 16) {                                                     \
		int span_bits = _mm_movemask_epi8(                                                 \
			marks16(_mm_loadu_si128((const __m128i *)(const void *)(p))));             \
                                                                                                   \
		if (span_bits)                                                                     \
			return (p) + __builtin_ctz((unsigned)span_bits);                           \
	}
#else
static inline const char *span16_param(const char *p)
{
	(void)p;
	return NULL;
}

/* No space is marked: to be found out byte by byte. */
static inline uint64_t span64_no_field(const char *p, uint64_t *ret_spaces)
{
	(void)p;
	*ret_spaces = 0;
	return 0;
}

#define SPAN16(p, end, marks16)
#endif

/* First byte from p on that is_end() or whose mark is set, or end. */
#define SPAN(p, end, marks16, marks, is_end)                                                       \
	SPAN16(p, end, marks16)                                                                    \
	for (; (end) - (p) >= 8; (p) += 8) {                                                       \
		uint64_t span_word = span_load(p), span_hits = marks(span_word);                   \
                                                                                                   \
		if (span_hits) {                                                                   \
			(p) += __builtin_ctzll(span_hits) >> 3;                                    \
			return (p);                                                                \
		}                                                                                  \
	}                                                                                          \
	while ((p) < (end) && !is_end(*(p)))                                                       \
		(p)++;                                                                             \
	return (p)

static inline bool span_is_no_field(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

/* End of a run of field bytes: above space and not DEL. */
static inline const char *span_field(const char *p, const char *end)
{
	SPAN(p, end, span16_field, span_no_field, span_is_no_field);
}

static inline uint64_t span_no_name(uint64_t word)
{
	return span_no_field(word) | span_eq(word, '=') | span_eq(word, ']') | span_eq(word, '"');
}

static inline bool span_is_no_name(char c)
{
	return span_is_no_field(c) || c == '=' || c == ']' || c == '"';
}

/* End of an SD-NAME: field bytes without = ] and ". */
static inline const char *span_name(const char *p, const char *end)
{
	SPAN(p, end, span16_name, span_no_name, span_is_no_name);
}

static inline uint64_t span_quote_or_backslash(uint64_t word)
{
	return span_eq(word, '"') | span_eq(word, '\\');
}

static inline bool span_is_quote_or_backslash(char c)
{
	return c == '"' || c == '\\';
}

static inline const char *span_value(const char *p, const char *end)
{
	SPAN(p, end, span16_value, span_quote_or_backslash, span_is_quote_or_backslash);
}

#undef SPAN
#undef SPAN16

#endif
