/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 checks with an ASCII fast path. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/utf8.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_valid_char(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (s.n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return s.n >= 2 && is_tail(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (s.n < 3 || !is_tail(p[1]) || !is_tail(p[2]))
			return 0;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (s.n < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
			return 0;
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

/* Whether up to 8 bytes are all ASCII, by two loads that overlap. */
static bool is_short_ascii(const char *p, size_t n)
{
	uint64_t a = 0, b = 0;

	if (n >= 4) {
		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
	} else if (n) {
		a = (unsigned char)p[0] | (unsigned char)p[n / 2];
		b = (unsigned char)p[n - 1];
	}
	return !((a | b) & 0x8080808080808080ULL);
}

#ifdef __SSE2__
static inline __m128i load16(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline bool is_ascii_32(const char *p)
{
	return !_mm_movemask_epi8(_mm_or_si128(load16(p), load16(p + 16)));
}

static inline bool is_ascii_64(const char *p)
{
	return !_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(load16(p), load16(p + 16)),
					       _mm_or_si128(load16(p + 32), load16(p + 48))));
}
#else
static inline bool is_ascii_32(const char *p)
{
	uint64_t w[4];

	memcpy(w, p, 32);
	return !((w[0] | w[1] | w[2] | w[3]) & 0x8080808080808080ULL);
}

static inline bool is_ascii_64(const char *p)
{
	return is_ascii_32(p) && is_ascii_32(p + 32);
}
#endif

size_t utf8_valid_prefix(struct str s)
{
	size_t i = 0;

	/* Most lines: ASCII, and the last 32 bytes overlap those before. */
	while (s.n - i >= 64 && is_ascii_64(s.p + i))
		i += 64;
	while (s.n - i >= 32 && is_ascii_32(s.p + i))
		i += 32;
	if (i && s.n - i < 32 && is_ascii_32(s.p + s.n - 32))
		return s.n;
	while (i < s.n) {
		size_t n;

		while (s.n - i >= 32 && is_ascii_32(s.p + i))
			i += 32;
		while (s.n - i >= 8) {
			uint64_t w;

			memcpy(&w, s.p + i, 8);
			if (w & 0x8080808080808080ULL)
				break;
			i += 8;
		}
		if (s.n - i < 8 && is_short_ascii(s.p + i, s.n - i))
			return s.n;
		n = utf8_valid_char(str_skip(s, i));
		if (n == 0)
			return i;
		i += n;
	}
	return i;
}

/* Length of the invalid part s starts with: one lead byte and the tails that could belong to it
 * (Unicode "maximal subpart", what Go and most decoders replace by one U+FFFD). */
static size_t invalid_part(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t want = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
		      : p[0] >= 0xe0 && p[0] <= 0xef ? 3
		      : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						     : 1;
	size_t n = 1;

	if (want > 1 && s.n > 1) {
		unsigned char c = p[1];

		if ((p[0] == 0xe0 && c < 0xa0) || (p[0] == 0xed && c > 0x9f) ||
		    (p[0] == 0xf0 && c < 0x90) || (p[0] == 0xf4 && c > 0x8f))
			return 1;
	}
	while (n < want - 1 + (want == 1) && n < s.n && is_tail(p[n]))
		n++;
	return n;
}

size_t utf8_repaired_size(struct str s)
{
	size_t size = 0;

	while (s.n) {
		size_t good = utf8_valid_prefix(s);

		size += good;
		s = str_skip(s, good);
		if (s.n) {
			size += 3;
			s = str_skip(s, invalid_part(s));
		}
	}
	return size;
}

struct str utf8_repair(struct str s, char *out)
{
	char *w = out;

	while (s.n) {
		size_t good = utf8_valid_prefix(s);

		memcpy(w, s.p, good);
		w += good;
		s = str_skip(s, good);
		if (s.n) {
			memcpy(w, "\xef\xbf\xbd", 3);
			w += 3;
			s = str_skip(s, invalid_part(s));
		}
	}
	return str_make(out, (size_t)(w - out));
}

size_t utf8_cut(struct str s, size_t max)
{
	size_t back = 0;

	if (max >= s.n)
		return s.n;
	while (back < 3 && back < max && is_tail((unsigned char)s.p[max - back]))
		back++;
	/* Only step back when a whole character really starts there. */
	if (back && utf8_valid_char(str_skip(s, max - back)) > back)
		return max - back;
	return max;
}

size_t utf8_encode(uint32_t cp, char *out)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}
