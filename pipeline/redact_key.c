/* SPDX-License-Identifier: Apache-2.0 */
/* Which names say that their value is secret. The list is what people name such things in
 * configurations, forms, headers and environments, as the lists of other scanners have it; names end
 * in one of these, so that DB_PASSWORD, userPassword and x-api-key are met as well. */
#include "pipeline/redact_impl.h"

static const struct {
	char text[16];
	uint8_t n;
	uint8_t kind; /* enum redact_key */
} keys[] = {
#define KEY(k, kind)                                                                               \
	{                                                                                          \
		k, sizeof(k) - 1, kind                                                             \
	}
	KEY("password", REDACT_KEY_SECRET),
	KEY("passwd", REDACT_KEY_SECRET),
	KEY("pwd", REDACT_KEY_SECRET),
	KEY("pw", REDACT_KEY_SECRET),
	KEY("passphrase", REDACT_KEY_SECRET),
	KEY("passwort", REDACT_KEY_SECRET),
	KEY("passcode", REDACT_KEY_SECRET),
	KEY("pass", REDACT_KEY_TOKEN),
	KEY("secret", REDACT_KEY_SECRET),
	KEY("psk", REDACT_KEY_SECRET),
	KEY("credential", REDACT_KEY_TOKEN),
	KEY("credentials", REDACT_KEY_TOKEN),
	KEY("token", REDACT_KEY_TOKEN),
	KEY("otp", REDACT_KEY_TOKEN),
	KEY("cvv", REDACT_KEY_SECRET),
	KEY("cvc", REDACT_KEY_SECRET),
	KEY("amz-signature", REDACT_KEY_TOKEN),
	KEY("goog-signature", REDACT_KEY_TOKEN),
	KEY("authorization", REDACT_KEY_CREDENTIALS),
	KEY("cookie", REDACT_KEY_COOKIE),
#undef KEY
};

/* Of what a key is secret: api_key, x-api-key, apiKey. */
static const char of_key[][13] = { "api",      "access",  "private",     "secret", "signing",
				   "cryption", "master",  "shared",      "auth",   "hmac",
				   "session",  "license", "subscription" };

/* In front of "pass" they make another word. */
static const char of_pass[][7] = { "by", "com", "tres", "sur", "over", "under", "bi" };

/* The two last letters of all of these, by the last one: all others but the letters before it. Nearly
 * all other names are told apart by this alone; what ends in no letter is not told of here. */
#define BIT(c) (1u << ((c)&31))
#define LAST(c, before) [c] = ~(before), [(c)-32] = ~(before)
const uint32_t redact_no_key_ends[256] = {
	LAST('a', 0u),
	LAST('b', 0u),
	LAST('c', BIT('v')),
	LAST('d', BIT('r') | BIT('w') | BIT('5')), /* %5D: key[password%5D= */
	LAST('e', BIT('s') | BIT('d') | BIT('r') | BIT('i')),
	LAST('f', 0u),
	LAST('g', 0u),
	LAST('h', 0u),
	LAST('i', 0u),
	LAST('j', 0u),
	LAST('k', BIT('s')),
	LAST('l', BIT('a')),
	LAST('m', 0u),
	LAST('n', BIT('e') | BIT('o')),
	LAST('o', 0u),
	LAST('p', BIT('t')),
	LAST('q', 0u),
	LAST('r', 0u),
	LAST('s', BIT('s') | BIT('l')),
	LAST('t', BIT('r') | BIT('e')),
	LAST('u', 0u),
	LAST('v', BIT('v')),
	LAST('w', BIT('p')),
	LAST('x', 0u),
	LAST('y', BIT('e')),
	LAST('z', 0u),
};

/* The same for the third letter from the end. */
const uint32_t redact_key_thirds[32] = {
	['d' & 31] = BIT('o') | BIT('s') | BIT('p'),
	['w' & 31] = UINT32_MAX,
	['e' & 31] = BIT('a') | BIT('o') | BIT('u') | BIT('k'),
	['t' & 31] = BIT('o') | BIT('r'),
	['s' & 31] = BIT('a'),
	['k' & 31] = BIT('p'),
	['l' & 31] = BIT('i'),
	['n' & 31] = BIT('k') | BIT('i'),
	['p' & 31] = BIT('o'),
	['v' & 31] = BIT('c'),
	['c' & 31] = BIT('c'),
	['y' & 31] = BIT('k'),
};

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool redact_ends_with(const uint8_t *p, size_t n, const char *end, size_t end_n)
{
	if (n < end_n)
		return false;
	for (size_t i = 0; i < end_n; i++)
		if (lower(p[n - end_n + i]) != (uint8_t)end[i])
			return false;
	return true;
}

static bool ends_with_any(const uint8_t *p, size_t n, const char *list, size_t width, size_t count)
{
	for (size_t i = 0; i < count; i++, list += width)
		if (redact_ends_with(p, n, list, strnlen(list, width)))
			return true;
	return false;
}

static bool is_key_of_something(const uint8_t *p, size_t n)
{
	if (!redact_ends_with(p, n, "key", 3))
		return false;
	n -= 3;
	if (n && (p[n - 1] == '_' || p[n - 1] == '-' || p[n - 1] == ' ' || p[n - 1] == '.'))
		n--;
	return ends_with_any(p, n, of_key[0], sizeof(of_key[0]),
			     sizeof(of_key) / sizeof(of_key[0]));
}

enum redact_key redact_key_kind(const uint8_t *p, size_t n)
{
	if (n < 2 || redact_no_key_ends[p[n - 1]] & BIT(p[n - 2]))
		return REDACT_KEY_NONE;
	if (n > 2 && !(redact_key_thirds[p[n - 1] & 31] & BIT(p[n - 3])))
		return REDACT_KEY_NONE;
	if ((p[n - 1] | 32) == 'y')
		return is_key_of_something(p, n) ? REDACT_KEY_TOKEN : REDACT_KEY_NONE;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if ((keys[i].text[keys[i].n - 1] ^ p[n - 1]) & 31 ||
		    !redact_ends_with(p, n, keys[i].text, keys[i].n))
			continue;
		if (keys[i].n == 4 && ends_with_any(p, n - 4, of_pass[0], sizeof(of_pass[0]),
						    sizeof(of_pass) / sizeof(of_pass[0])))
			return REDACT_KEY_NONE; /* "pass" is the only one of four letters */
		return (enum redact_key)keys[i].kind;
	}
	return REDACT_KEY_NONE;
}
