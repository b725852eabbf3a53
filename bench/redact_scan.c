/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSE2, which every x86-64 has, and plain C elsewhere. Wider vectors would make the floor faster
 * still; the baseline is what the shipped binary runs without dispatch, so it is the fair floor.
 */
#include "bench/redact_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>

#define EQ(v, c) _mm_cmpeq_epi8(v, _mm_set1_epi8(c))
#define AND(a, b) _mm_and_si128(a, b)
#define OR(a, b) _mm_or_si128(a, b)
#define MASK(v) ((uint64_t)(uint32_t)_mm_movemask_epi8(v))

static inline __m128i load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i literals(const uint8_t *p)
{
	/* 0x20 folds case; '=' has the bit already. */
	const __m128i fold = _mm_set1_epi8(0x20);
	__m128i a = OR(load(p), fold), b = OR(load(p + 1), fold), c = OR(load(p + 2), fold);
	__m128i a_is_e = EQ(a, 'e');
	__m128i key = OR(AND(a_is_e, OR(OR(EQ(b, 't'), EQ(b, 'n')), OR(EQ(b, 'y'), EQ(b, 'l')))),
			 AND(OR(EQ(a, 'r'), EQ(a, 'w')), EQ(b, 'd')));
	__m128i scheme =
		AND(EQ(a, 'b'), OR(AND(EQ(b, 'e'), EQ(c, 'a')), AND(EQ(b, 'a'), EQ(c, 's'))));
	__m128i token = OR(AND(AND(a_is_e, EQ(b, 'y')), EQ(c, 'j')),
			   AND(AND(EQ(a, 'a'), EQ(b, 'k')), EQ(c, 'i')));

	return OR(OR(AND(key, EQ(c, '=')), scheme), token);
}

void scan_group(const uint8_t *p, struct scan_group *out)
{
	*out = (struct scan_group){ 0 };
	for (unsigned i = 0; i < SCAN_GROUP; i += 16) {
		__m128i v = load(p + i);
		/* Saturating subtraction: zero exactly for bytes in '0'..'9'. */
		__m128i off = _mm_sub_epi8(v, _mm_set1_epi8('0'));
		__m128i digit = EQ(_mm_subs_epu8(off, _mm_set1_epi8(9)), 0);
		out->newline |= MASK(EQ(v, '\n')) << i;
		out->at |= MASK(EQ(v, '@')) << i;
		out->digit |= MASK(digit) << i;
		out->dot |= MASK(EQ(v, '.')) << i;
		out->gap |= MASK(OR(EQ(v, ' '), EQ(v, '-'))) << i;
		out->literal |= MASK(literals(p + i)) << i;
	}
}

#else

static int is_literal(const uint8_t *p)
{
	unsigned a = p[0] | 0x20u, b = p[1] | 0x20u, c = p[2] | 0x20u;

	if (c == '=')
		return (a == 'e' && (b == 't' || b == 'n' || b == 'y' || b == 'l')) ||
		       ((a == 'r' || a == 'w') && b == 'd');
	return (a == 'b' && ((b == 'e' && c == 'a') || (b == 'a' && c == 's'))) ||
	       (a == 'e' && b == 'y' && c == 'j') || (a == 'a' && b == 'k' && c == 'i');
}

void scan_group(const uint8_t *p, struct scan_group *out)
{
	*out = (struct scan_group){ 0 };
	for (unsigned i = 0; i < SCAN_GROUP; i++) {
		uint8_t c = p[i];
		out->newline |= (uint64_t)(c == '\n') << i;
		out->at |= (uint64_t)(c == '@') << i;
		out->digit |= (uint64_t)(c >= '0' && c <= '9') << i;
		out->dot |= (uint64_t)(c == '.') << i;
		out->gap |= (uint64_t)(c == ' ' || c == '-') << i;
		out->literal |= (uint64_t)(is_literal(p + i) != 0) << i;
	}
}

#endif
