/* SPDX-License-Identifier: Apache-2.0 */
/* The detectors card, email, ipv4, bearer and basic: each looks at one place of a text. */
#include "lib/check.h"
#include "pipeline/redact_impl.h"

/* By byte: RC_DIGIT 1, RC_ALPHA 2, RC_LOCAL 4, RC_DOMAIN 8, RC_TOKEN 16, RC_SPACE 32, RC_HEX 64,
 * RC_FENCE 128. */
const uint8_t redact_class[256] = {
	0,   0,  0,   0,  0,  0,  0,  0,   0,   160, 160, 0,   0,   160, 0,   0,  /* 00 */
	0,   0,  0,   0,  0,  0,  0,  0,   0,   0,   0,   0,   0,   0,   0,   0,  /* 10 */
	160, 0,  128, 0,  0,  4,  0,  132, 128, 128, 0,   20,  128, 28,  28,  16, /* 20 */
	29,  29, 29,  29, 29, 29, 29, 29,  29,  29,  0,   128, 128, 16,  128, 0,  /* 30 */
	0,   94, 94,  94, 94, 94, 94, 30,  30,  30,  30,  30,  30,  30,  30,  30, /* 40 */
	30,  30, 30,  30, 30, 30, 30, 30,  30,  30,  30,  128, 0,   128, 0,   20, /* 50 */
	128, 94, 94,  94, 94, 94, 94, 30,  30,  30,  30,  30,  30,  30,  30,  30, /* 60 */
	30,  30, 30,  30, 30, 30, 30, 30,  30,  30,  30,  128, 128, 128, 16,  0,  /* 70 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* 80 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* 90 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* a0 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* b0 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* c0 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* d0 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* e0 */
	12,  12, 12,  12, 12, 12, 12, 12,  12,  12,  12,  12,  12,  12,  12,  12, /* f0 */
};

#define TOKEN_LOOK 64 /* how far a card looks for the ends of the token it may be inside of */
#define WORD_MAX 20   /* letters; longer ones are no words */

/* ---- email ---- */

/* A dot, then at least two bytes of a top level domain. */
static bool has_tld(const uint8_t *p, size_t from, size_t to)
{
	size_t letters = 0;

	for (size_t i = to; i-- > from;) {
		if (p[i] == '.' && letters >= 2)
			return true;
		letters = redact_is(p[i], RC_ALPHA) || p[i] >= 0x80 ? letters + 1 : 0;
	}
	return false;
}

/* user@1000.service, logo@2x.png: what stands behind the @ is no domain. */
static bool is_unit_or_image(const uint8_t *p, size_t n)
{
	static const char *const ends[] = { ".service", ".socket", ".slice", ".scope", ".timer",
					    ".target",  ".mount",  ".png",   ".jpg",   ".jpeg",
					    ".webp",    ".gif",    ".svg" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (redact_ends_with(p, n, ends[i], strlen(ends[i])))
			return true;
	return false;
}

/* The same in forms and URLs: bob%40example.com. */
static void encoded_email(struct redact_search *s, size_t at)
{
	size_t start = at, end = at + 3;

	if (s->n - at < 3 || memcmp(s->p + at, "%40", 3))
		return;
	while (start > s->email_end) {
		if (start > 2 && s->p[start - 3] == '%') { /* a code: + or a letter beyond ASCII */
			if (memcmp(s->p + start - 2, "2B", 2) != 0 && s->p[start - 2] < '8')
				break;
			start -= 3;
		} else if (redact_is(s->p[start - 1], RC_LOCAL) &&
			   !memchr("%&=", s->p[start - 1], 3)) {
			start--;
		} else {
			break;
		}
	}
	while (redact_at(s, end, RC_DOMAIN))
		end++;
	s->email_end = end;
	while (end > at + 3 && (s->p[end - 1] == '.' || s->p[end - 1] == '-'))
		end--;
	if (start < at && has_tld(s->p, at + 3, end))
		redact_add(s, 1, start, end, false);
}

void redact_email(struct redact_search *s, size_t at)
{
	size_t start = at, end = at + 1;

	if (s->p[at] == '%') {
		encoded_email(s, at);
		return;
	}
	while (start > s->email_end && redact_is(s->p[start - 1], RC_LOCAL))
		start--;
	while (start < at && (s->p[start] == '\'' || s->p[start] == '.'))
		start++;
	while (redact_at(s, end, RC_DOMAIN))
		end++;
	s->email_end = end;
	while (end > at + 1 && (s->p[end - 1] == '.' || s->p[end - 1] == '-'))
		end--;
	if (start < at && has_tld(s->p, at + 1, end) &&
	    !is_unit_or_image(s->p + at + 1, end - at - 1))
		redact_add(s, 1, start, end, false);
}

/* ---- ipv4 ---- */

/* The number at i, up to 255; returns its end, i when there is none. */
static size_t octet(const struct redact_search *s, size_t i)
{
	unsigned value = 0;
	size_t end = i;

	for (; end - i < 4 && redact_at(s, end, RC_DIGIT); end++)
		value = value * 10 + (s->p[end] - '0');
	return end - i < 4 && value <= 255 ? end : i;
}

/* Does the chain go on at i with a dot and a digit? */
static bool is_chained(const struct redact_search *s, size_t i)
{
	return i < s->n && s->p[i] == '.' && redact_at(s, i + 1, RC_DIGIT);
}

/* v1.2.3.4, version=1.2.3.4, Chrome/120.0.0.0. Not host/10.0.0.1, as Java prints addresses. */
static bool is_version(const struct redact_search *s, size_t start)
{
	static const char *const words[] = { "version", "ver", "release" };
	static const char *const products[] = { "chrome/",  "chromium/",  "edg/",    "opr/",
						"crios/",   "edga/",      "edgios/", "electron/",
						"browser/", "webengine/", "vivaldi/" };
	size_t i = start;

	if (i && (s->p[i - 1] | 32) == 'v' && (i == 1 || !redact_is(s->p[i - 2], RC_ALPHA)))
		return true;
	while (i && start - i < 4 && memchr(" =:\"'", s->p[i - 1], 5))
		i--;
	for (size_t k = 0; k < ARRAY_LEN(products); k++)
		if (redact_ends_with(s->p, i, products[k], strlen(products[k])))
			return true;
	for (size_t k = 0, n; k < ARRAY_LEN(words); k++) {
		n = strlen(words[k]);
		if (redact_ends_with(s->p, i, words[k], n) &&
		    (i == n || !redact_is(s->p[i - n - 1], RC_ALPHA))) /* not "server" */
			return true;
	}
	return false;
}

void redact_ipv4(struct redact_search *s, size_t at)
{
	size_t start = at, end;

	if (at < s->ipv4_end)
		return;
	while (start > 0 && at - start < 3 && redact_is(s->p[start - 1], RC_DIGIT))
		start--;
	if (start > 0 && redact_is(s->p[start - 1], RC_DIGIT))
		return;
	if (start > 1 && s->p[start - 1] == '.' && redact_is(s->p[start - 2], RC_DIGIT))
		return; /* inside a longer chain */
	if (is_version(s, start))
		return;
	end = octet(s, start);
	for (int i = 0; i < 3; i++) {
		size_t next = end + 1;

		if (end == start || !is_chained(s, end) || (end = octet(s, next)) == next)
			return;
	}
	if (is_chained(s, end)) { /* a fifth number may be a port */
		for (end++; redact_at(s, end, RC_DIGIT);)
			end++;
		if (is_chained(s, end))
			return; /* more are something else: an object identifier */
	}
	s->ipv4_end = end;
	redact_add(s, 2, start, end, false);
}

/* ---- card ---- */

/* Issuer identification numbers: first digits, lengths. */
static bool is_issued(const uint8_t *d, unsigned n)
{
	unsigned two = d[0] * 10u + d[1], three = two * 10 + d[2], four = three * 10 + d[3];

	if (d[0] == 4)
		return n == 13 || n == 16 || n == 19; /* Visa */
	if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
		return n == 16; /* Mastercard */
	if (two == 34 || two == 37)
		return n == 15; /* American Express */
	if (four == 6011 || two == 65 || (three >= 644 && three <= 649))
		return n >= 16 && n <= 19; /* Discover */
	if (two == 36 || two == 38 || two == 39 || (three >= 300 && three <= 305) || four == 3095)
		return n >= 14 && n <= 19; /* Diners Club */
	if ((four >= 3528 && four <= 3589) || two == 62 || (four >= 2200 && four <= 2204))
		return n >= 16 && n <= 19; /* JCB, UnionPay, Mir */
	if (two == 60 || two == 81 || two == 82 || three == 508 || four == 9792)
		return n == 16; /* RuPay, Troy */
	return (four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 ||
		four == 6759 || (four >= 6761 && four <= 6763)) &&
	       n >= 12 && n <= 19; /* Maestro */
}

static bool is_luhn(const uint8_t *d, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned v = (unsigned)d[n - 1 - i] << (i & 1);

		sum += v > 9 ? v - 9 : v;
	}
	return sum % 10 == 0;
}

/* Letters and digits around [start, end) that are all hexadecimal: a hash or an identifier. */
static bool is_in_hex(const struct redact_search *s, size_t start, size_t end)
{
	bool letters = false;
	size_t i;

	for (i = start;
	     i > 0 && start - i < TOKEN_LOOK && redact_is(s->p[i - 1], RC_ALPHA | RC_DIGIT); i--) {
		if (!redact_is(s->p[i - 1], RC_HEX | RC_DIGIT))
			return false;
		letters |= redact_is(s->p[i - 1], RC_ALPHA);
	}
	for (i = end; i - end < TOKEN_LOOK && redact_at(s, i, RC_ALPHA | RC_DIGIT); i++) {
		if (!redact_is(s->p[i], RC_HEX | RC_DIGIT))
			return false;
		letters |= redact_is(s->p[i], RC_ALPHA);
	}
	return letters;
}

static size_t run_of_digits(const struct redact_search *s, size_t at)
{
	size_t n = 0;

	while (n < 20 && redact_at(s, at + n, RC_DIGIT))
		n++;
	return n;
}

static void copy_digits(const struct redact_search *s, size_t at, size_t run, uint8_t *d)
{
	for (size_t i = 0; i < run; i++)
		d[i] = (uint8_t)(s->p[at + i] - '0');
}

/* Groups with one kind of separator between them; the longest valid number counts, as another
 * number may follow. */
static size_t grouped_card(const struct redact_search *s, size_t at)
{
	uint8_t d[20], gap = s->p[at + 4];
	size_t n = 4, i = at + 4, found = 0;

	if (gap != ' ' && gap != '-' && gap != '+') /* a space in forms */
		return 0;
	copy_digits(s, at, 4, d);
	while (i < s->n && s->p[i] == gap) {
		size_t run = run_of_digits(s, i + 1);

		if (!run || run > 6 || n + run > 19)
			break;
		copy_digits(s, i + 1, run, d + n);
		n += run;
		i += 1 + run;
		if (n >= 12 && is_issued(d, (unsigned)n) && is_luhn(d, (unsigned)n))
			found = i;
		if (run < 4)
			break;
	}
	return found;
}

void redact_card(struct redact_search *s, size_t at)
{
	size_t run = run_of_digits(s, at), end = at + run;
	uint8_t d[20];

	if (at < s->card_end)
		return;
	if (run == 4) {
		end = grouped_card(s, at);
	} else {
		if (run < 12 || run > 19)
			return;
		copy_digits(s, at, run, d);
		if (!is_issued(d, (unsigned)run) || !is_luhn(d, (unsigned)run) ||
		    is_in_hex(s, at, end))
			return;
		/* 0.4111111111111111 */
		if (at > 1 && s->p[at - 1] == '.' && redact_is(s->p[at - 2], RC_DIGIT))
			return;
	}
	if (!end)
		return;
	s->card_end = end;
	redact_add(s, 0, at, end, false);
}

/* ---- bearer, basic ---- */

static bool is_word_at(const struct redact_search *s, size_t at, const char *lower, size_t n)
{
	if (s->n - at < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((s->p[at + i] | 0x20) != lower[i])
			return false;
	return true;
}

/* Behind the scheme's name: space, or what JSON, forms and URLs put there. */
static size_t skip_gap(const struct redact_search *s, size_t i)
{
	size_t start = i;

	while (i < s->n && i - start < 8) {
		/* {"type":"Bearer"} next */
		if (s->p[i] == ' ' && i > start && (s->p[i - 1] == '"' || s->p[i - 1] == '\''))
			return start;
		if (s->p[i] == ' ' || s->p[i] == '\t' || s->p[i] == ':' || s->p[i] == '=' ||
		    s->p[i] == '"' || s->p[i] == '\'' || s->p[i] == '\\' || s->p[i] == '+')
			i++;
		else if (s->n - i >= 3 && s->p[i] == '%' && s->p[i + 1] == '2' &&
			 s->p[i + 2] == '0')
			i += 3;
		else
			break;
	}
	return i;
}

/* "Basic authentication failed", "bearer token-type": words in one case, or a small number. */
static bool is_ordinary(const uint8_t *p, size_t n)
{
	size_t digits = 0, upper = 0, lower = 0, odd = 0;

	for (size_t i = 0; i < n; i++) {
		if (redact_is(p[i], RC_DIGIT))
			digits++;
		else if (redact_is(p[i], RC_ALPHA) && p[i] & 0x20)
			lower++;
		else if (redact_is(p[i], RC_ALPHA))
			upper += i > 0;
		else if (p[i] == '=' || p[i] == '+' || p[i] == '~')
			odd++;
	}
	if (digits || odd)
		return n < 6;
	return n < WORD_MAX && (!upper || !lower);
}

/* Behind a token; programs escape its + / = in URLs and in JSON. */
static size_t token_end(const struct redact_search *s, size_t i)
{
	static const char *const escapes[] = { "\\/",     "%2b",     "%2f",    "%3d",
					       "\\u002b", "\\u002f", "\\u003d" };
	size_t k;

	for (;;) {
		while (redact_at(s, i, RC_TOKEN))
			i++;
		for (k = 0; k < sizeof(escapes) / sizeof(escapes[0]); k++)
			if (s->n - i >= strlen(escapes[k]) &&
			    redact_ends_with(s->p + i, strlen(escapes[k]), escapes[k],
					     strlen(escapes[k])))
				break;
		if (k == sizeof(escapes) / sizeof(escapes[0]))
			return i;
		i += strlen(escapes[k]);
	}
}

void redact_scheme(struct redact_search *s, size_t at, unsigned detectors)
{
	bool is_bearer = is_word_at(s, at, "bearer", 6);
	size_t word = at + (is_bearer ? 6 : 5), start, end;

	if (!is_bearer && !is_word_at(s, at, "basic", 5))
		return;
	if (!(detectors & (is_bearer ? REDACT_BEARER : REDACT_BASIC)))
		return;
	if (at > 0 && redact_is(s->p[at - 1], RC_ALPHA))
		return;
	start = skip_gap(s, word);
	if (start == word)
		return;
	end = token_end(s, start);
	while (end > start && s->p[end - 1] == '.')
		end--;
	if (end > start && !is_ordinary(s->p + start, end - start))
		redact_add(s, is_bearer ? 3 : 4, start, end, false);
}

/* ---- a text that was cut ---- */

/* The last token always goes: it may be the first half of anything. If it could be the end of a card
 * number in groups, those groups go with it. Values in open quotes reach the end by themselves. */
size_t redact_cut_start(const struct redact_search *s, unsigned detectors)
{
	size_t i = s->n, group;

	while (i > 0 && !redact_is(s->p[i - 1], RC_FENCE))
		i--;
	if (!(detectors & REDACT_CARD))
		return i;
	for (size_t k = i; k < s->n; k++)
		if (!redact_is(s->p[k], RC_DIGIT))
			return i;
	while (i > 1 && s->n - i < 24 && s->p[i - 1] == ' ' && redact_is(s->p[i - 2], RC_DIGIT)) {
		for (group = i - 1; group > 0 && redact_is(s->p[group - 1], RC_DIGIT);)
			group--;
		if (i - 1 - group < 4 || i - 1 - group > 6)
			break;
		i = group;
	}
	return i;
}
