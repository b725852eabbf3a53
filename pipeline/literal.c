/* SPDX-License-Identifier: Apache-2.0 */
/* Literal search: SSE2 on every x86-64, AVX2 for sets where the machine has it, plain C elsewhere. */
#include "pipeline/literal.h"

#include <stdlib.h>

#include "lib/check.h"
#include "pipeline/text_run.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* -log2 of how often a byte is met in log lines, roughly. */
static unsigned byte_bits(uint8_t c)
{
	if (c == ' ')
		return 3;
	if (c >= 'a' && c <= 'z')
		return memchr("etaoinsr", c, 8) ? 5 : 6;
	if (c >= '0' && c <= '9')
		return 5;
	if (c >= 'A' && c <= 'Z')
		return 7;
	if (c && memchr("=:./-\",", c, 7))
		return 5;
	return c == '_' ? 6 : 8;
}

void literal_init_masked(struct literal *l, const uint8_t *bytes, const uint8_t *fold, size_t n)
{
	CHECK(n <= LITERAL_BYTES_MAX);
	*l = (struct literal){ .n = (uint8_t)n };
	for (size_t i = 0; i < n; i++) {
		l->bytes[i] = bytes[i];
		l->fold[i] = fold[i];
		l->is_folded |= fold[i] != 0;
	}
	for (uint8_t i = 1; i < n; i++)
		if (byte_bits(bytes[i]) > byte_bits(bytes[l->rare1]))
			l->rare1 = i;
	l->rare2 = l->rare1 ? 0 : (uint8_t)(n > 1);
	for (uint8_t i = 0; i < n; i++)
		if (i != l->rare1 && byte_bits(bytes[i]) > byte_bits(bytes[l->rare2]))
			l->rare2 = i;
}

void literal_init(struct literal *l, struct str text, bool fold)
{
	uint8_t bytes[LITERAL_BYTES_MAX], mask[LITERAL_BYTES_MAX];

	CHECK(text.n <= LITERAL_BYTES_MAX);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = (uint8_t)text.p[i];
		bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		mask[i] = fold && is_letter ? 0x20 : 0;
		bytes[i] = c | mask[i];
	}
	literal_init_masked(l, bytes, mask, text.n);
}

unsigned literal_rarity(const struct literal *l)
{
	unsigned bits = 0;

	for (size_t i = 0; i < l->n; i++)
		bits += byte_bits(l->bytes[i]);
	return bits < 40 ? bits : 40;
}

static bool is_at(const struct literal *l, const uint8_t *p)
{
	if (!l->is_folded)
		return memcmp(p, l->bytes, l->n) == 0;
	for (size_t i = 0; i < l->n; i++)
		if ((p[i] | l->fold[i]) != l->bytes[i])
			return false;
	return true;
}

static size_t find_plain(const struct literal *l, const uint8_t *p, size_t from, size_t last)
{
	for (size_t i = from; i <= last; i++)
		if ((p[i + l->rare1] | l->fold[l->rare1]) == l->bytes[l->rare1] && is_at(l, p + i))
			return i;
	return LITERAL_NONE;
}

#ifdef __x86_64__

/* The search for SSE2 and AVX2 differs in the width only. Each group of places is compared at the two
 * rare bytes; the last group overlaps the one before, as seeing a place twice does no harm. */
#define FIND(name, width, attr, vec, load, or, and, eq, set1, mask)                                \
	attr static size_t name(const struct literal *l, const uint8_t *p, size_t from,            \
				size_t last)                                                       \
	{                                                                                          \
		const vec byte1 = set1((char)l->bytes[l->rare1]);                                  \
		const vec byte2 = set1((char)l->bytes[l->rare2]);                                  \
		const vec fold1 = set1((char)l->fold[l->rare1]);                                   \
		const vec fold2 = set1((char)l->fold[l->rare2]);                                   \
		const uint8_t *p1 = p + l->rare1, *p2 = p + l->rare2;                              \
		size_t end = last + 1 - (width);                                                   \
                                                                                                   \
		for (size_t i = from;; i = i + (width) < end ? i + (width) : end) {                \
			vec a = eq(or (load((const void *)(p1 + i)), fold1), byte1);               \
			vec b = eq(or (load((const void *)(p2 + i)), fold2), byte2);               \
                                                                                                   \
			for (uint32_t m = (uint32_t)mask(and(a, b)); m; m &= m - 1) {              \
				size_t at = i + (unsigned)__builtin_ctz(m);                        \
                                                                                                   \
				if (is_at(l, p + at))                                              \
					return at;                                                 \
			}                                                                          \
			if (i == end)                                                              \
				return LITERAL_NONE;                                               \
		}                                                                                  \
	}

FIND(find_sse2, 16, , __m128i, _mm_loadu_si128, _mm_or_si128, _mm_and_si128, _mm_cmpeq_epi8,
     _mm_set1_epi8, _mm_movemask_epi8)
FIND(find_avx2, 32, __attribute__((target("avx2"))), __m256i, _mm256_loadu_si256, _mm256_or_si256,
     _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_set1_epi8, _mm256_movemask_epi8)

/* last - from + 1 places. */
static size_t find_vector(const struct literal *l, const uint8_t *p, size_t from, size_t last)
{
	if (last - from < 15)
		return find_plain(l, p, from, last);
	if (last - from >= 31 && __builtin_cpu_supports("avx2"))
		return find_avx2(l, p, from, last);
	return find_sse2(l, p, from, last);
}

#else
#define find_vector find_plain
#endif

size_t literal_find(const struct literal *l, struct str text, size_t from)
{
	const uint8_t *p = (const uint8_t *)text.p;

	if (from > text.n || text.n - from < l->n)
		return LITERAL_NONE;
	if (l->n == 0)
		return from;
	if (l->n == 1 && !l->is_folded) {
		const char *hit = memchr(text.p + from, l->bytes[0], text.n - from);

		return hit ? (size_t)(hit - text.p) : LITERAL_NONE;
	}
	return find_vector(l, p, from, text.n - l->n);
}

/* ---- sets ---- */

#define BUCKETS 8
#define EACH_MAX 8 /* items searched one by one where there is no AVX2 */

/* Items of a bucket, which stand side by side: those that begin alike share one, so that the nibbles
 * of a bucket are few and hardly any other text has them. */
static uint32_t bucket_start(const struct literal_set *set, uint32_t bucket)
{
	return bucket * set->n / BUCKETS;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(((const struct literal *)a)->bytes, ((const struct literal *)b)->bytes,
		      LITERAL_BYTES_MAX);
}

void literal_set_init(struct literal_set *set)
{
	CHECK(set->n && set->n <= LITERAL_SET_MAX);
	set->width = 3;
	for (uint32_t i = 0; i < set->n; i++) {
		CHECK(set->items[i].n);
		if (set->items[i].n < set->width)
			set->width = set->items[i].n;
	}
	qsort(set->items, set->n, sizeof(set->items[0]), by_bytes);
	memset(set->lo, 0, sizeof(set->lo));
	memset(set->hi, 0, sizeof(set->hi));
	for (uint32_t i = 0, bucket = 0; i < set->n; i++) {
		uint8_t bit;

		while (i >= bucket_start(set, bucket + 1))
			bucket++;
		bit = (uint8_t)(1u << bucket);

		for (size_t k = 0; k < set->width; k++) {
			uint8_t c = set->items[i].bytes[k];
			uint8_t upper = (uint8_t)(c & ~set->items[i].fold[k]);

			set->lo[k][c & 15] |= bit;
			set->hi[k][c >> 4] |= bit;
			set->hi[k][upper >> 4] |= bit;
		}
	}
}

/* Is one of the items of the buckets at p[at]? */
static bool verify(const struct literal_set *set, const uint8_t *p, size_t n, size_t at,
		   unsigned buckets)
{
	for (; buckets; buckets &= buckets - 1) {
		uint32_t bucket = (uint32_t)__builtin_ctz(buckets);
		uint32_t end = bucket_start(set, bucket + 1);

		for (uint32_t i = bucket_start(set, bucket); i < end; i++)
			if (n - at >= set->items[i].n && is_at(&set->items[i], p + at))
				return true;
	}
	return false;
}

static unsigned buckets_at(const struct literal_set *set, const uint8_t *p)
{
	unsigned m = 0xff;

	for (size_t k = 0; k < set->width; k++)
		m &= set->lo[k][p[k] & 15] & set->hi[k][p[k] >> 4];
	return m;
}

static size_t set_find_plain(const struct literal_set *set, const uint8_t *p, size_t n, size_t from)
{
	for (size_t i = from; i + set->width <= n; i++) {
		unsigned m = buckets_at(set, p + i);

		if (m && verify(set, p, n, i, m))
			return i;
	}
	return LITERAL_NONE;
}

/* One search for each; what is found bounds the next. Better than the tables up to a few items. */
static size_t set_find_each(const struct literal_set *set, struct str text, size_t from)
{
	size_t best = LITERAL_NONE;

	for (uint32_t i = 0; i < set->n; i++) {
		size_t at = literal_find(&set->items[i], text, from);

		if (at < best) {
			best = at;
			text = str_sub(text, 0, at + LITERAL_BYTES_MAX);
		}
	}
	return best;
}

#ifdef __x86_64__

#define AVX2 __attribute__((target("avx2")))

/* Tables of one of the leading bytes. */
struct nibbles {
	__m256i lo, hi;
};

AVX2 static inline struct nibbles nibbles(const struct literal_set *set, unsigned k)
{
	return (struct nibbles){
		_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)set->lo[k])),
		_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)set->hi[k])),
	};
}

/* The buckets that 32 bytes may belong to. */
AVX2 static inline __m256i buckets_of(struct nibbles t, const uint8_t *p)
{
	const __m256i low = _mm256_set1_epi8(15);
	__m256i v = _mm256_loadu_si256((const void *)p);
	__m256i h = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);

	return _mm256_and_si256(_mm256_shuffle_epi8(t.lo, _mm256_and_si256(v, low)),
				_mm256_shuffle_epi8(t.hi, h));
}

/* width is a constant where this is used: the tables stay in registers. */
AVX2 static inline __attribute__((always_inline)) size_t
set_find_wide(const struct literal_set *set, const uint8_t *p, size_t n, size_t from,
	      unsigned width)
{
	const struct nibbles t0 = nibbles(set, 0), t1 = nibbles(set, 1), t2 = nibbles(set, 2);
	size_t i = from, last = n - 32 - (width - 1u); /* of a whole group */

	for (;;) {
		__m256i m = buckets_of(t0, p + i);
		uint32_t hits;

		if (width > 1)
			m = _mm256_and_si256(m, buckets_of(t1, p + i + 1));
		if (width > 2)
			m = _mm256_and_si256(m, buckets_of(t2, p + i + 2));
		hits = ~(uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(m, _mm256_setzero_si256()));
		for (; hits; hits &= hits - 1) {
			size_t at = i + (unsigned)__builtin_ctz(hits);

			if (verify(set, p, n, at, buckets_at(set, p + at)))
				return at;
		}
		if (i == last)
			return set_find_plain(set, p, n, last + 32);
		i = i + 32 < last ? i + 32 : last;
	}
}

AVX2 static size_t set_find_avx2(const struct literal_set *set, const uint8_t *p, size_t n,
				 size_t from)
{
	if (set->width == 3)
		return set_find_wide(set, p, n, from, 3);
	return set->width == 2 ? set_find_wide(set, p, n, from, 2)
			       : set_find_wide(set, p, n, from, 1);
}

#endif

static bool has_avx2(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

size_t literal_set_find(const struct literal_set *set, struct str text, size_t from)
{
	const uint8_t *p = (const uint8_t *)text.p;

	if (set->n == 1)
		return literal_find(&set->items[0], text, from);
	if (from > text.n)
		return LITERAL_NONE;
#ifdef __x86_64__
	if (text.n - from >= 32u + set->width - 1u && has_avx2())
		return set_find_avx2(set, p, text.n, from);
#endif
	if (set->n <= EACH_MAX)
		return set_find_each(set, text, from);
	return set_find_plain(set, p, text.n, from);
}

/* ---- many texts ---- */

static bool set_is_at(const struct literal_set *set, struct str text, size_t at)
{
	const uint8_t *p = (const uint8_t *)text.p;

	return text.n - at >= set->width && verify(set, p, text.n, at, buckets_at(set, p + at));
}

/* The same for a run, of the whole set or of one item. What lies over the end of a text is not in it. */
static uint64_t run_texts(const struct literal_set *set, const struct literal *item,
			  const struct str *texts, uint32_t n)
{
	const char *p = texts[0].p;
	struct str run = str_make(p, (size_t)(texts[n - 1].p - p) + texts[n - 1].n);
	uint64_t found = 0;
	size_t from = 0;

	for (uint32_t i = 0; i < n;) {
		size_t at = item ? literal_find(item, run, from) : literal_set_find(set, run, from);
		size_t start;

		if (at == LITERAL_NONE)
			break;
		while ((start = (size_t)(texts[i].p - p)) + texts[i].n <= at)
			i++;
		if (at >= start && (item ? start + texts[i].n - at >= item->n
					 : set_is_at(set, texts[i], at - start))) {
			found |= UINT64_C(1) << i++;
			from = i < n ? (size_t)(texts[i].p - p) : 0;
		} else {
			from = at + 1;
		}
	}
	return found;
}

uint64_t literal_set_texts(const struct literal_set *set, const struct str *texts, uint32_t n)
{
	/* One by one as in literal_set_find(), but each through the whole run: a frequent one would make
	 * the search for a rare one begin again at every hit. */
	uint32_t items = set->n == 1 || (set->n <= EACH_MAX && !has_avx2()) ? set->n : 0;
	uint64_t found = 0;

	CHECK(n <= TEXT_RUN_MAX);
	for (uint32_t i = 0, run; i < n; i += run) {
		run = text_run(texts + i, n - i);
		for (uint32_t k = 0; k < items; k++)
			found |= run_texts(set, &set->items[k], texts + i, run) << i;
		if (!items)
			found |= run_texts(set, NULL, texts + i, run) << i;
	}
	return found;
}
