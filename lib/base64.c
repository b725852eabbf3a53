/* SPDX-License-Identifier: Apache-2.0 */
/* Base64. */
#include "lib/base64.h"

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct str text, struct buf *ret)
{
	bool is_padded = text.n % 4 == 0;
	size_t before = ret->n;
	uint32_t bits = 0;
	unsigned nbits = 0;

	for (int i = 0; i < 2 && is_padded && str_ends(text, STR("=")); i++)
		text.n--;
	if (text.n % 4 == 1 || !buf_reserve(ret, text.n / 4 * 3 + 3))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		int value = sextet(text.p[i]);

		if (value < 0) {
			ret->n = before;
			return false;
		}
		bits = bits << 6 | (uint32_t)value;
		nbits += 6;
		if (nbits >= 8) {
			nbits -= 8;
			ret->p[ret->n++] = (char)(bits >> nbits);
		}
	}
	/* Bits that stand for nothing must be zero: one meaning, one text. */
	if (bits & ((1u << nbits) - 1)) {
		ret->n = before;
		return false;
	}
	return true;
}

void base64_encode(struct str bytes, struct buf *ret)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t bits = 0;
		char four[4];

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (uint8_t)bytes.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			four[k] = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
		buf_put(ret, four, 4);
	}
}
