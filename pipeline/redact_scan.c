/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a text, 64 bytes at a time, that turns bytes into bit masks of classes and those into
 * the few places where a detector has to look. Bits are combined looking ahead only, so each word
 * needs just the next one. */
#include "pipeline/redact_impl.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* Bit i speaks of byte i of 64. */
struct words {
	uint64_t digit, dot, at;
	uint64_t mark;  /* = : */
	uint64_t tail;  /* what may stand before a mark: last letters of keys, ] quotes and space */
	uint64_t b, ea; /* b B; a A e E */
};

/* As one bit per class; a class is a set of high nibbles times a set of low ones, so that the vector
 * code finds it by two look-ups of 16 entries. Some sets are a little too large: harmless. */
enum {
	C_DIGIT = 1,   /* 3 x 0..9 */
	C_DOT = 2,     /* 2 x e */
	C_AT = 4,      /* 4 x 0 */
	C_MARK = 8,    /* 3 x a d */
	C_LETTER = 16, /* 4567 x 4 9 d e: d t n y ] and I M U ^ } ~ */
	C_QUOTE = 32,  /* 2 x 0 2 7: space and quotes */
	C_B = 64,      /* 46 x 2 */
	C_EA = 128,    /* 46 x 1 5 */
};

static const uint8_t hi_table[16] = {
	[2] = C_DOT | C_QUOTE, [3] = C_DIGIT | C_MARK,      [4] = C_AT | C_LETTER | C_B | C_EA,
	[5] = C_LETTER,        [6] = C_LETTER | C_B | C_EA, [7] = C_LETTER,
};
static const uint8_t lo_table[16] = {
	[0] = C_DIGIT | C_AT | C_QUOTE,
	[1] = C_DIGIT | C_EA,
	[2] = C_DIGIT | C_QUOTE | C_B,
	[3] = C_DIGIT,
	[4] = C_DIGIT | C_LETTER,
	[5] = C_DIGIT | C_EA,
	[6] = C_DIGIT,
	[7] = C_DIGIT | C_QUOTE,
	[8] = C_DIGIT,
	[9] = C_DIGIT | C_LETTER,
	[10] = C_MARK,
	[13] = C_MARK | C_LETTER,
	[14] = C_DOT | C_LETTER,
};

typedef void scan_fn(const uint8_t *p, struct words *w);

static inline __attribute__((always_inline)) void scan_plain(const uint8_t *p, struct words *w)
{
	*w = (struct words){ 0 };
	for (unsigned i = 0; i < 64; i++) {
		uint64_t c = hi_table[p[i] >> 4] & lo_table[p[i] & 15];

		w->digit |= (c & 1) << i;
		w->dot |= (c >> 1 & 1) << i;
		w->at |= (c >> 2 & 1) << i;
		w->mark |= (c >> 3 & 1) << i;
		w->tail |= ((c >> 4 | c >> 5) & 1) << i;
		w->b |= (c >> 6 & 1) << i;
		w->ea |= (c >> 7) << i;
	}
}

/* The word behind p[i], where less than 64 bytes may be left (n - i > 0). Reads the last 64 bytes of
 * the text instead of going beyond it. */
static inline __attribute__((always_inline)) void scan_end(const uint8_t *p, size_t n, size_t i,
							   struct words *w, scan_fn *scan)
{
	unsigned gone;
	uint8_t pad[64];

	if (n >= 64) {
		scan(p + n - 64, w);
		gone = (unsigned)(64 - (n - i));
		w->digit >>= gone;
		w->dot >>= gone;
		w->at >>= gone;
		w->mark >>= gone;
		w->tail >>= gone;
		w->b >>= gone;
		w->ea >>= gone;
		return;
	}
	memset(pad, 0, sizeof(pad));
	memcpy(pad, p, n);
	scan(pad, w);
}

/* Moves bits k places down, from the next word. */
static inline uint64_t down(uint64_t word, uint64_t next, unsigned k)
{
	return word >> k | next << (64 - k);
}

/* Bit: the last digit of a number that begins a chain of four numbers with one to three digits. */
static inline uint64_t ipv4_bits(const struct words *w, const struct words *next)
{
	uint64_t hop_next = next->digit & next->dot >> 1 & next->digit >> 2;
	uint64_t hop = w->digit & down(w->dot, next->dot, 1) & down(w->digit, next->digit, 2);
	uint64_t two_next = hop_next & (hop_next >> 2 | hop_next >> 3 | hop_next >> 4);
	uint64_t two =
		hop & (down(hop, hop_next, 2) | down(hop, hop_next, 3) | down(hop, hop_next, 4));

	return hop & (down(two, two_next, 2) | down(two, two_next, 3) | down(two, two_next, 4));
}

/* Bit: first digit of at least twelve, or of four followed by one other byte and four. */
static inline uint64_t card_bits(const struct words *w, const struct words *next, uint64_t before)
{
	uint64_t d = w->digit, dn = next->digit;
	uint64_t two_next = dn & dn >> 1, two = d & down(d, dn, 1);
	uint64_t four_next = two_next & two_next >> 2, four = two & down(two, two_next, 2);
	uint64_t twelve = four & down(four, four_next, 4) & down(four, four_next, 8);
	uint64_t groups = four & ~down(d, dn, 4) & down(four, four_next, 5);

	return (twelve | groups) & ~(d << 1 | before >> 63);
}

static inline void look(struct redact_search *s, unsigned detectors, size_t base,
			const struct words *w, const struct words *next, uint64_t digits_before)
{
	uint64_t key = w->tail & down(w->mark, next->mark, 1);
	uint64_t scheme = w->b & down(w->ea, next->ea, 1);
	uint64_t ipv4 = ipv4_bits(w, next), card = card_bits(w, next, digits_before);

	for (uint64_t m = w->at & -(uint64_t) !!(detectors & REDACT_EMAIL); m; m &= m - 1)
		redact_email(s, base + (unsigned)__builtin_ctzll(m));
	for (uint64_t m = ipv4 & -(uint64_t) !!(detectors & REDACT_IPV4); m; m &= m - 1)
		redact_ipv4(s, base + (unsigned)__builtin_ctzll(m));
	for (uint64_t m = card & -(uint64_t) !!(detectors & REDACT_CARD); m; m &= m - 1)
		redact_card(s, base + (unsigned)__builtin_ctzll(m));
	for (uint64_t m = scheme & -(uint64_t) !!(detectors & (REDACT_BEARER | REDACT_BASIC)); m;
	     m &= m - 1)
		redact_scheme(s, base + (unsigned)__builtin_ctzll(m), detectors);
	for (uint64_t m = key & -(uint64_t) !!(detectors & REDACT_KEY_VALUE); m; m &= m - 1)
		redact_key_value(s, base + (unsigned)__builtin_ctzll(m));
}

static inline __attribute__((always_inline)) void walk(struct redact_search *s, unsigned detectors,
						       scan_fn *scan)
{
	const uint8_t *p = s->p;
	struct words w[2];
	size_t n = s->n;
	uint64_t before = 0;

	if (n >= 64)
		scan(p, &w[0]);
	else
		scan_end(p, n, 0, &w[0], scan);
	for (size_t i = 0;; i += 64) {
		if (i + 128 <= n)
			scan(p + i + 64, &w[1]);
		else if (i + 64 < n)
			scan_end(p, n, i + 64, &w[1], scan);
		else
			w[1] = (struct words){ 0 };
		look(s, detectors, i, &w[0], &w[1], before);
		if (i + 64 >= n)
			return;
		before = w[0].digit;
		w[0] = w[1];
	}
}

#ifdef __x86_64__

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __attribute__((always_inline)) uint64_t bits(__m256i a, __m256i b, int shift)
{
	uint32_t lo = (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(a, shift));
	uint32_t hi = (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(b, shift));

	return lo | (uint64_t)hi << 32;
}

AVX2 static inline __attribute__((always_inline)) void scan_avx2(const uint8_t *p, struct words *w)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	const __m256i hi = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)hi_table));
	const __m256i lo = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)lo_table));
	__m256i a = _mm256_loadu_si256((const void *)p);
	__m256i b = _mm256_loadu_si256((const void *)(p + 32));

	/* A byte above 0x7f gives 0: pshufb's own rule for the low part's index. */
	a = _mm256_and_si256(
		_mm256_shuffle_epi8(hi, _mm256_and_si256(_mm256_srli_epi16(a, 4), nibble)),
		_mm256_shuffle_epi8(lo, a));
	b = _mm256_and_si256(
		_mm256_shuffle_epi8(hi, _mm256_and_si256(_mm256_srli_epi16(b, 4), nibble)),
		_mm256_shuffle_epi8(lo, b));
	w->digit = bits(a, b, 7);
	w->dot = bits(a, b, 6);
	w->at = bits(a, b, 5);
	w->mark = bits(a, b, 4);
	w->tail = bits(a, b, 3) | bits(a, b, 2);
	w->b = bits(a, b, 1);
	w->ea = bits(a, b, 0);
}

AVX2 static void walk_avx2(struct redact_search *s, unsigned detectors)
{
	walk(s, detectors, scan_avx2);
}

#endif

void redact_scan_plain(struct redact_search *s, unsigned detectors)
{
	if (s->n)
		walk(s, detectors, scan_plain);
}

void redact_scan(struct redact_search *s, unsigned detectors)
{
	if (!s->n)
		return;
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		walk_avx2(s, detectors);
		return;
	}
#endif
	redact_scan_plain(s, detectors);
}
