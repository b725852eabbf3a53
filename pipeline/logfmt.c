/* SPDX-License-Identifier: Apache-2.0 */
/* The logfmt reader. Most of its time is spent looking for the ends of keys and values, 16 bytes at a
 * time. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/check.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/logfmt.h"

#define FIELDS_MAX 1024

static bool is_space(char c)
{
	return (unsigned char)c <= ' ';
}

/* First byte of [p, end) that ends a key or a bare value: up to space, = or a quote; or end. */
static inline const char *find_stop(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i space = _mm_set1_epi8(' ');

	for (; end - p >= 16; p += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i stops = _mm_cmpeq_epi8(_mm_min_epu8(block, space), block);
		unsigned hits;

		stops = _mm_or_si128(stops, _mm_cmpeq_epi8(block, _mm_set1_epi8('=')));
		stops = _mm_or_si128(stops, _mm_cmpeq_epi8(block, _mm_set1_epi8('"')));
		hits = (unsigned)_mm_movemask_epi8(stops);
		if (hits)
			return p + __builtin_ctz(hits);
	}
#endif
	while (p < end && !is_space(*p) && *p != '=' && *p != '"')
		p++;
	return p;
}

/* First quote, backslash or line end of [p, end), or end. */
static inline const char *find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i stops = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
		unsigned hits;

		stops = _mm_or_si128(stops, _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
		stops = _mm_or_si128(stops, _mm_cmpeq_epi8(block, _mm_set1_epi8('\n')));
		hits = (unsigned)_mm_movemask_epi8(stops);
		if (hits)
			return p + __builtin_ctz(hits);
	}
#endif
	while (p < end && *p != '"' && *p != '\\' && *p != '\n')
		p++;
	return p;
}

static bool is_ascii(struct str s)
{
	unsigned char bits = 0;

	for (size_t i = 0; i < s.n; i++)
		bits |= (unsigned char)s.p[i];
	return bits < 0x80;
}

static bool key_is_valid(struct str key)
{
	return utf8_is_valid(key) && str_find(key, STR("\xef\xbf\xbd")) == key.n;
}

/* Four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* \uXXXX at p, with its second half when it is a surrogate pair. Returns the bytes read, 0 when it
 * is malformed. */
static size_t unescape_unicode(const char *p, const char *end, uint32_t *ret_cp)
{
	int32_t high = hex4(p + 2, end), low;

	if (high < 0)
		return 0;
	*ret_cp = (uint32_t)high;
	if (high < 0xd800 || high > 0xdfff)
		return 6;
	*ret_cp = 0xfffd;
	if (high > 0xdbff || end - p < 8 || p[6] != '\\' || p[7] != 'u')
		return 6;
	low = hex4(p + 8, end);
	if (low < 0xdc00 || low > 0xdfff)
		return 6;
	*ret_cp = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
	return 12;
}

/* The byte a single-character escape stands for, 0 when there is no such escape. */
static char unescape_byte(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '"':
	case '\\':
	case '/':
	case '\'':
		return c;
	default:
		return 0;
	}
}

/* Whether a value with escapes is valid: only known escapes and no control bytes. */
static bool escapes_are_valid(struct str raw)
{
	const char *p = raw.p, *end = p + raw.n;
	uint32_t cp;

	while (p < end) {
		if ((unsigned char)*p < ' ')
			return false;
		if (*p != '\\') {
			p++;
		} else if (end - p < 2) {
			return false;
		} else if (p[1] == 'u') {
			size_t n = unescape_unicode(p, end, &cp);

			if (n == 0)
				return false;
			p += n;
		} else {
			if (!unescape_byte(p[1]))
				return false;
			p += 2;
		}
	}
	return true;
}

struct str logfmt_unescape(const struct logfmt_value *v, char *out)
{
	const char *p = v->raw.p, *end = p + v->raw.n;
	char *w = out;

	if (!v->is_escaped)
		return v->raw;
	while (p < end) {
		size_t n;
		uint32_t cp;

		if (*p != '\\') {
			n = utf8_valid_char(str_make(p, (size_t)(end - p)));
			memcpy(w, n ? p : "\xef\xbf\xbd", n ? n : 3);
			w += n ? n : 3;
			p += n ? n : 1;
		} else if (p[1] == 'u') {
			p += unescape_unicode(p, end, &cp);
			w += utf8_encode(cp, w);
		} else {
			*w++ = unescape_byte(p[1]);
			p += 2;
		}
	}
	return str_make(out, (size_t)(w - out));
}

static bool broken(struct logfmt *l)
{
	l->is_broken = true;
	l->p = l->end;
	return false;
}

/* A value in quotes; l->p at the opening one. */
static bool quoted(struct logfmt *l, struct logfmt_value *ret)
{
	const char *from = l->p + 1, *p = from;

	while ((p = find_quote(p, l->end)) < l->end && *p == '\\') {
		ret->is_escaped = true;
		if (l->end - p < 2 || p[1] == '\n')
			return broken(l);
		p += 2;
	}
	if (p == l->end || *p == '\n')
		return broken(l);
	ret->raw = str_make(from, (size_t)(p - from));
	l->p = p + 1;
	return !ret->is_escaped || escapes_are_valid(ret->raw) ? true : broken(l);
}

bool logfmt_next(struct logfmt *l, struct str *ret_key, struct logfmt_value *ret_value)
{
	const char *p = l->p, *end = l->end, *from;

	while (p < end && is_space(*p))
		p++;
	if (p == end) {
		l->p = p;
		return false;
	}
	from = p;
	p = find_stop(p, end);
	*ret_key = str_make(from, (size_t)(p - from));
	if ((p < end && *p == '"') || p == from || (!is_ascii(*ret_key) && !key_is_valid(*ret_key)))
		return broken(l);
	*ret_value = (struct logfmt_value){ .raw = { p, 0 } };
	if (p < end && *p == '=') {
		l->p = ++p;
		if (p < end && *p == '"')
			return quoted(l, ret_value);
		from = p;
		p = find_stop(p, end);
		if (p < end && !is_space(*p))
			return broken(l);
		ret_value->raw = str_make(from, (size_t)(p - from));
	}
	l->p = p;
	return true;
}

struct logfmt_fields {
	size_t n, cap;
	struct str *names; /* owned */
	uint64_t lengths;  /* bit n: a name has n bytes (63: 63 or more) */
};

struct logfmt_fields *logfmt_fields_new(void)
{
	return mem_zalloc(sizeof(struct logfmt_fields));
}

void logfmt_fields_free(struct logfmt_fields *fields)
{
	if (!fields)
		return;
	for (size_t i = 0; i < fields->n; i++)
		mem_free((char *)(uintptr_t)fields->names[i].p);
	mem_free(fields->names);
	mem_free(fields);
}

static size_t find(const struct logfmt_fields *fields, struct str name)
{
	size_t i;

	if (!(fields->lengths >> (name.n < 63 ? name.n : 63) & 1))
		return fields->n;
	for (i = 0; i < fields->n && !str_eq(fields->names[i], name); i++)
		;
	return i;
}

int logfmt_fields_add(struct logfmt_fields *fields, struct str name)
{
	size_t i = find(fields, name);

	if (i < fields->n)
		return (int)i;
	if (i == FIELDS_MAX)
		return -1;
	if (fields->n == fields->cap) {
		fields->cap = fields->cap ? 2 * fields->cap : 8;
		fields->names = mem_realloc(fields->names, fields->cap * sizeof(*fields->names));
	}
	fields->names[fields->n++] = str_make(mem_dup(name.p, name.n), name.n);
	fields->lengths |= (uint64_t)1 << (name.n < 63 ? name.n : 63);
	return (int)i;
}

size_t logfmt_fields_slots(const struct logfmt_fields *fields)
{
	return fields->n;
}

bool logfmt_extract(const struct logfmt_fields *fields, struct str text,
		    struct logfmt_value *values)
{
	struct logfmt l = logfmt_start(text);
	struct logfmt_value value;
	struct str key;

	for (size_t i = 0; i < fields->n; i++)
		values[i].raw = STR_NONE;
	while (logfmt_next(&l, &key, &value)) {
		size_t i = find(fields, key);

		if (i < fields->n)
			values[i] = value;
	}
	return !l.is_broken;
}
