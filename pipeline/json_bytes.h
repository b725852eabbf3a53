/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of JSON in this folder share: strings, numbers and words, from a pointer to the one behind,
 * NULL for what is malformed. Inline, as this is where their time goes. */
#ifndef PIPELINE_JSON_BYTES_H
#define PIPELINE_JSON_BYTES_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "pipeline/json.h"

#ifdef __SSE2__
/* A bit for each quote and backslash among the 16 bytes at p. */
static inline unsigned quotes_16(const char *p)
{
	__m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i quotes = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(quotes, backslashes));
}
#endif

/* First quote or backslash in [p, end), or end. */
static inline const char *find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned hits = quotes_16(p);

		if (hits)
			return p + __builtin_ctz(hits);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Any string, with its escapes validated. */
const char *json_scan_any_string(const char *p, const char *end, bool *is_escaped);

/* From behind the opening quote to the closing one; NULL when there is none. Most strings of logs
 * have no escape. */
static inline const char *scan_string(const char *p, const char *end, bool *is_escaped)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned hits = quotes_16(p);

		if (!hits)
			continue;
		p += __builtin_ctz(hits);
		if (*p != '"')
			break;
		*is_escaped = false;
		return p;
	}
#endif
	return json_scan_any_string(p, end, is_escaped);
}

/* The next byte that is not white space, or 0 at the end; *p moves there. */
static inline char next_byte(const char **p, const char *end)
{
	for (; *p < end; (*p)++) {
		char c = **p;

		if ((unsigned char)c > ' ' || (c != ' ' && c != '\n' && c != '\t' && c != '\r'))
			return c;
	}
	return 0;
}

static inline const char *digits(const char *p, const char *end)
{
	while (p < end && (unsigned char)(*p - '0') < 10)
		p++;
	return p;
}

/* Behind the number at p, or NULL. */
static inline const char *number(const char *p, const char *end)
{
	const char *from;

	p += *p == '-';
	from = p;
	p = digits(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return NULL;
	if (p < end && *p == '.') {
		from = ++p;
		p = digits(p, end);
		if (p == from)
			return NULL;
	}
	if (p < end && (*p | 32) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = digits(p, end);
		if (p == from)
			return NULL;
	}
	return p;
}

static inline const char *word(const char *p, const char *end, struct str want)
{
	return str_starts(str_make(p, (size_t)(end - p)), want) ? p + want.n : NULL;
}

/* Behind the string, number, true, false or null at p; *ret is what it is. */
static inline const char *scan_scalar(const char *p, const char *end, struct json_value *ret)
{
	const char *from = p;

	ret->is_escaped = false;
	ret->type = JSON_BOOL;
	switch (*p) {
	case '"':
		ret->type = JSON_STRING;
		p = scan_string(++from, end, &ret->is_escaped);
		ret->raw = str_make(from, p ? (size_t)(p - from) : 0);
		return p ? p + 1 : NULL;
	case 't':
		p = word(p, end, STR("true"));
		break;
	case 'f':
		p = word(p, end, STR("false"));
		break;
	case 'n':
		p = word(p, end, STR("null"));
		ret->type = JSON_NULL;
		break;
	default:
		p = number(p, end);
		ret->type = JSON_NUMBER;
		break;
	}
	ret->raw = str_make(from, p ? (size_t)(p - from) : 0);
	return p;
}

#endif
