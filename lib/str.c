/* SPDX-License-Identifier: Apache-2.0 */
/* Searching, comparing and number parsing on borrowed bytes. */
#include <stdlib.h>
#include <string.h>

#include "lib/check.h"
#include "lib/str.h"

size_t str_find(struct str s, struct str needle)
{
	const char *hit;

	if (needle.n == 0)
		return 0;
	if (s.n < needle.n)
		return s.n;
	hit = memmem(s.p, s.n, needle.p, needle.n);
	return hit ? (size_t)(hit - s.p) : s.n;
}

static unsigned char fold(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (fold(a.p[i]) != fold(b.p[i]))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_rtrim(struct str s)
{
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_trim(struct str s)
{
	s = str_rtrim(s);
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	if (d)
		return d;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* wyhash-like mixing: 8 bytes a step, two multiplications at the end. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t str_hash(struct str s, uint64_t seed)
{
	const char *p = s.p;
	size_t n = s.n;
	uint64_t h = seed ^ 0xa0761d6478bd642fULL ^ s.n;
	uint64_t w = 0;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = mix(h ^ w, 0xe7037ed1a0b428dbULL);
	}
	w = 0;
	if (n)
		memcpy(&w, p, n);
	return mix(h ^ w ^ 0x8ebc6af09c88c6e3ULL, 0x589965cc75374cc3ULL);
}

struct str str_cut(struct str *s, char sep)
{
	size_t at = str_chr(*s, sep);
	struct str head = str_sub(*s, 0, at);

	*s = at < s->n ? str_skip(*s, at + 1) : STR_NONE;
	return head;
}

bool str_u64(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*ret = v;
	return true;
}

bool str_i64(struct str s, int64_t *ret)
{
	bool is_negative = s.n && s.p[0] == '-';
	uint64_t v;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_skip(s, 1);
	if (!str_u64(s, &v) || v > (uint64_t)INT64_MAX + is_negative)
		return false;
	*ret = is_negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool str_double(struct str s, double *ret)
{
	char text[64], *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789+-.eE", s.p[i]) || !s.p[i])
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	*ret = strtod(text, &end);
	return *end == 0;
}

/* Splits "<digits>[.<digits>]<unit>" without the sign; whole part and fraction in 1e-9. */
static bool number_with_unit(struct str *s, uint64_t *ret_whole, uint64_t *ret_nano)
{
	size_t i = 0;
	uint64_t scale = 100000000;

	*ret_nano = 0;
	while (i < s->n && s->p[i] >= '0' && s->p[i] <= '9')
		i++;
	if (i == 0 || !str_u64(str_sub(*s, 0, i), ret_whole))
		return false;
	if (i < s->n && s->p[i] == '.') {
		size_t from = ++i;

		for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++, scale /= 10)
			*ret_nano += scale * (uint64_t)(s->p[i] - '0');
		if (i == from)
			return false;
	}
	*s = str_skip(*s, i);
	return true;
}

bool str_size(struct str s, uint64_t *ret_bytes)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = { { "", 0 },     { "b", 0 },   { "k", 10 },   { "kb", 10 }, { "kib", 10 },
		      { "m", 20 },   { "mb", 20 }, { "mib", 20 }, { "g", 30 },  { "gb", 30 },
		      { "gib", 30 }, { "t", 40 },  { "tb", 40 },  { "tib", 40 } };
	uint64_t whole, nano;

	if (!number_with_unit(&s, &whole, &nano) || nano)
		return false;
	s = str_trim(s);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_ieq(s, str_c(units[i].unit)))
			continue;
		if (whole > UINT64_MAX >> units[i].shift)
			return false;
		*ret_bytes = whole << units[i].shift;
		return true;
	}
	return false;
}

bool str_duration(struct str s, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = { { "ns", 1 },
		      { "us", 1000 },
		      { "\xc2\xb5s", 1000 },
		      { "ms", 1000000 },
		      { "s", 1000000000 },
		      { "m", 60000000000 },
		      { "h", 3600000000000 },
		      { "d", 86400000000000 } };
	int64_t total = 0;

	if (str_is(s, "0")) {
		*ret_ns = 0;
		return true;
	}
	if (s.n == 0)
		return false;
	while (s.n) {
		uint64_t whole, nano;
		struct str unit;
		size_t n = 0, i;

		if (!number_with_unit(&s, &whole, &nano))
			return false;
		while (n < s.n && !(s.p[n] >= '0' && s.p[n] <= '9'))
			n++;
		unit = str_sub(s, 0, n);
		s = str_skip(s, n);
		for (i = 0; i < ARRAY_LEN(units) && !str_is(unit, units[i].unit); i++)
			;
		if (i == ARRAY_LEN(units))
			return false;
		if (whole > (uint64_t)(INT64_MAX / units[i].ns))
			return false;
		if (__builtin_add_overflow(total, (int64_t)whole * units[i].ns, &total))
			return false;
		if (__builtin_add_overflow(
			    total, (int64_t)((double)nano * (double)units[i].ns / 1e9), &total))
			return false;
	}
	*ret_ns = total;
	return true;
}

size_t str_distance(struct str a, struct str b, size_t max)
{
	size_t row[65];

	if (a.n > 64 || b.n > 64)
		return max + 1;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t cost = diagonal + (fold(a.p[i - 1]) != fold(b.p[j - 1]));
			size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = cost < least ? cost : least;
		}
	}
	return row[b.n] > max ? max + 1 : row[b.n];
}
