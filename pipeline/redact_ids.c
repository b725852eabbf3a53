/* SPDX-License-Identifier: Apache-2.0 */
/* Check digits of national identity, tax and insurance numbers. Each is told where a text of the
 * right form stands and says whether the number is one. */
#include "pipeline/redact_known.h"

#define DIGITS_MAX 20

/* The digits of text[start, end), what is between them left out. Returns how many. */
static unsigned digits(struct str text, size_t start, size_t end, unsigned *ret)
{
	unsigned n = 0;

	for (size_t i = start; i < end && n < DIGITS_MAX; i++)
		if (text.p[i] >= '0' && text.p[i] <= '9')
			ret[n++] = (unsigned)(text.p[i] - '0');
	return n;
}

static uint64_t number(const unsigned *d, unsigned n)
{
	uint64_t x = 0;

	for (unsigned i = 0; i < n; i++)
		x = x * 10 + d[i];
	return x;
}

static unsigned weighted(const unsigned *d, const unsigned *weights, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += d[i] * weights[i];
	return sum;
}

static bool is_luhn(const unsigned *d, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned v = d[n - 1 - i] << (i & 1);

		sum += v > 9 ? v - 9 : v;
	}
	return sum % 10 == 0;
}

static bool is_day(unsigned month, unsigned day)
{
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* Social Security: what was never given out. */
size_t redact_check_us(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX];
	uint64_t area, group, serial;

	digits(text, start, end, d);
	area = number(d, 3);
	group = number(d + 3, 2);
	serial = number(d + 5, 4);
	return area && area != 666 && area < 900 && group && serial ? end : 0;
}

/* National Insurance: letters and prefixes that are not used. */
size_t redact_check_uk(struct str text, size_t start, size_t end)
{
	static const char not_used[][3] = { "BG", "GB", "KN", "NK", "NT", "TN", "ZZ" };
	char first = upper(text.p[start]), second = upper(text.p[start + 1]);

	if (strchr("DFIQUV", first) || strchr("DFIOQUV", second))
		return 0;
	for (size_t i = 0; i < sizeof(not_used) / sizeof(not_used[0]); i++)
		if (first == not_used[i][0] && second == not_used[i][1])
			return 0;
	return end;
}

/* Steuerliche Identifikationsnummer: ISO 7064 mod 11,10, and one digit twice or three times in the
 * first ten. */
size_t redact_check_de(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX], count[10] = { 0 }, product = 10, missing = 0, most = 0;

	digits(text, start, end, d);
	for (unsigned i = 0; i < 10; i++) {
		unsigned sum = (d[i] + product) % 10;

		product = (sum ? sum : 10) * 2 % 11;
		count[d[i]]++;
	}
	for (unsigned i = 0; i < 10; i++) {
		missing += count[i] == 0;
		most = count[i] > most ? count[i] : most;
	}
	return (11 - product) % 10 == d[10] && most <= 3 && missing >= 1 && missing <= 2 ? end : 0;
}

/* Numero de securite sociale: mod 97; Corsica's 2A and 2B count as 19 and 18. */
size_t redact_check_fr(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX], n = 0;

	for (size_t i = start; i < end && n < 15; i++) {
		char c = upper(text.p[i]);

		if (c >= '0' && c <= '9') {
			d[n++] = (unsigned)(c - '0');
		} else if (c == 'A' || c == 'B') {
			d[n - 1] = 1;
			d[n++] = c == 'A' ? 9 : 8;
		}
	}
	return n == 15 && 97 - number(d, 13) % 97 == number(d + 13, 2) ? end : 0;
}

/* DNI and NIE: the letter is the number mod 23; X, Y, Z stand for 0, 1, 2. */
size_t redact_check_es(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX], n = digits(text, start, end, d);
	char first = upper(text.p[start]);
	uint64_t x = number(d, n);

	if (first >= 'X' && first <= 'Z')
		x += (uint64_t)(first - 'X') * 10000000;
	return "TRWAGMYFPDXBNJZSQVHLCKE"[x % 23] == upper(text.p[end - 1]) ? end : 0;
}

/* Codice fiscale: values of characters in odd and even places. */
size_t redact_check_it(struct str text, size_t start, size_t end)
{
	static const uint8_t odd[26] = { 1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
					 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23 };
	unsigned sum = 0;

	for (size_t i = 0; i < 15; i++) {
		char c = upper(text.p[start + i]);
		unsigned v = (unsigned)(c >= 'A' ? c - 'A' : c - '0');

		sum += i % 2 ? v : odd[v];
	}
	return 'A' + sum % 26 == (unsigned)upper(text.p[end - 1]) ? end : 0;
}

/* Burgerservicenummer: the "eleven test". */
size_t redact_check_nl(struct str text, size_t start, size_t end)
{
	static const unsigned weights[] = { 9, 8, 7, 6, 5, 4, 3, 2 };
	unsigned d[DIGITS_MAX];

	digits(text, start, end, d);
	return number(d, 9) && (weighted(d, weights, 8) + 11 * 11 - d[8]) % 11 == 0 ? end : 0;
}

/* Rijksregisternummer: 97 minus the rest; births since 2000 have a 2 in front. */
size_t redact_check_be(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX];
	uint64_t x, check;

	digits(text, start, end, d);
	x = number(d, 9);
	check = number(d + 9, 2);
	return is_day(d[2] * 10 + d[3], d[4] * 10 + d[5]) &&
			       (97 - x % 97 == check || 97 - (x + 2000000000) % 97 == check)
		       ? end
		       : 0;
}

/* PESEL: the month carries the century. */
size_t redact_check_pl(struct str text, size_t start, size_t end)
{
	static const unsigned weights[] = { 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1 };
	unsigned d[DIGITS_MAX];

	digits(text, start, end, d);
	return is_day((d[2] * 10 + d[3]) % 20, d[4] * 10 + d[5]) &&
			       weighted(d, weights, 11) % 10 == 0
		       ? end
		       : 0;
}

/* Personnummer and samordningsnummer (day plus 60): Luhn over the last ten digits. */
size_t redact_check_se(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX], n = digits(text, start, end, d), skip = n - 10;
	unsigned day = d[skip + 4] * 10 + d[skip + 5];

	return is_day(d[skip + 2] * 10 + d[skip + 3], day > 60 ? day - 60 : day) &&
			       is_luhn(d + skip, 10)
		       ? end
		       : 0;
}

/* AHV number: EAN-13. */
size_t redact_check_ch(struct str text, size_t start, size_t end)
{
	static const unsigned weights[] = { 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1 };
	unsigned d[DIGITS_MAX];

	digits(text, start, end, d);
	return weighted(d, weights, 13) % 10 == 0 ? end : 0;
}

/* CPF: two check digits mod 11; eleven equal digits pass the test and are none. */
size_t redact_check_br(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX], equal = 1;

	digits(text, start, end, d);
	for (unsigned n = 9; n < 11; n++) {
		unsigned sum = 0;

		for (unsigned i = 0; i < n; i++)
			sum += d[i] * (n + 1 - i);
		if (sum * 10 % 11 % 10 != d[n])
			return 0;
	}
	for (unsigned i = 1; i < 11; i++)
		equal += d[i] == d[0];
	return equal < 11 ? end : 0;
}

/* Aadhaar: Verhoeff's dihedral check. */
size_t redact_check_in(struct str text, size_t start, size_t end)
{
	static const uint8_t permute[8][10] = {
		{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 },
		{ 5, 8, 0, 3, 7, 9, 6, 1, 4, 2 }, { 8, 9, 1, 6, 0, 4, 3, 5, 2, 7 },
		{ 9, 4, 5, 3, 1, 2, 6, 8, 7, 0 }, { 4, 2, 8, 6, 5, 7, 3, 9, 0, 1 },
		{ 2, 7, 9, 3, 8, 0, 6, 4, 1, 5 }, { 7, 0, 4, 6, 9, 1, 3, 2, 5, 8 },
	};
	unsigned d[DIGITS_MAX], n = digits(text, start, end, d), c = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned p = permute[i % 8][d[n - 1 - i]];

		/* The product in the dihedral group of the pentagon. */
		if (c < 5)
			c = p < 5 ? (c + p) % 5 : (c + p) % 5 + 5;
		else
			c = p < 5 ? (c - p + 5) % 5 + 5 : (c - p + 5) % 5;
	}
	return c == 0 ? end : 0;
}

/* Social Insurance Number. */
size_t redact_check_ca(struct str text, size_t start, size_t end)
{
	unsigned d[DIGITS_MAX];

	digits(text, start, end, d);
	return d[0] && is_luhn(d, 9) ? end : 0;
}
