/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON walker: an explicit stack of open objects and arrays, each with the path node it
 * stands for, and a string scan of 16 bytes at a time, which is where the time goes. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/utf8.h"
#include "pipeline/json.h"
#include "pipeline/json_paths.h"

struct frame {
	const char *start; /* its brace or bracket */
	uint32_t node;     /* 0: nothing below it is wanted */
	uint32_t index;    /* of the current element */
	bool is_array;
};

struct walk {
	const struct json_paths *paths;
	struct json_value *values;
	const char *p, *end;
	uint32_t depth;
	struct frame stack[JSON_DEPTH_MAX];
};

/* First quote or backslash in [p, end), or end. */
static const char *find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

	for (; end - p >= 16; p += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
		int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, quote),
							  _mm_cmpeq_epi8(block, backslash)));

		if (hits)
			return p + __builtin_ctz((unsigned)hits);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* From behind the opening quote to the closing one; NULL when there is none. */
static const char *scan_string(const char *p, const char *end, bool *is_escaped)
{
	*is_escaped = false;
	for (;;) {
		p = find_quote(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p;
		*is_escaped = true;
		if (end - p < 2)
			return NULL;
		switch (p[1]) {
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			p += 2;
			break;
		case 'u':
			if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) ||
			    !is_hex(p[5]))
				return NULL;
			p += 6;
			break;
		default:
			return NULL;
		}
	}
}

bool json_string(struct str s, struct str *ret_raw, bool *ret_is_escaped)
{
	const char *quote = s.n ? scan_string(s.p, s.p + s.n, ret_is_escaped) : NULL;

	if (!quote)
		return false;
	*ret_raw = str_make(s.p, (size_t)(quote - s.p));
	return true;
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
	return v;
}

/* Decodes \uXXXX at p, with its second half when it is a pair; returns the bytes read. */
static size_t unescape_unicode(const char *p, const char *end, uint32_t *ret_cp)
{
	uint32_t cp = hex4(p + 2), low;

	*ret_cp = cp;
	if (cp < 0xd800 || cp > 0xdfff)
		return 6;
	*ret_cp = 0xfffd;
	if (cp > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return 6;
	low = hex4(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return 6;
	*ret_cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
	return 12;
}

struct str json_unescape(struct str raw, char *out)
{
	const char *p = raw.p, *end = p + raw.n;
	char *w = out;

	while (p < end) {
		const char *hit = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((hit ? hit : end) - p);
		uint32_t cp;

		memcpy(w, p, plain);
		w += plain;
		p += plain;
		if (p == end)
			break;
		switch (p[1]) {
		case 'b':
			*w++ = '\b';
			break;
		case 'f':
			*w++ = '\f';
			break;
		case 'n':
			*w++ = '\n';
			break;
		case 'r':
			*w++ = '\r';
			break;
		case 't':
			*w++ = '\t';
			break;
		case 'u':
			p += unescape_unicode(p, end, &cp);
			w += utf8_encode(cp, w);
			continue;
		default:
			*w++ = p[1];
			break;
		}
		p += 2;
	}
	return str_make(out, (size_t)(w - out));
}

static uint32_t child_by_key(const struct walk *w, uint32_t node, struct str key, bool is_escaped)
{
	const struct json_node *nodes = w->paths->nodes;
	char plain[6 * JSON_NAME_BYTES_MAX];

	if (is_escaped) {
		/* An escape has at most six bytes for one of the name's. */
		if (key.n > sizeof(plain))
			return 0;
		key = json_unescape(key, plain);
	}
	if (!(nodes[node].key_lengths >> (key.n < 63 ? key.n : 63) & 1))
		return 0;
	for (uint32_t i = nodes[node].first_child; i; i = nodes[i].next)
		if (nodes[i].key.p && str_eq(nodes[i].key, key))
			return i;
	return 0;
}

static uint32_t child_by_index(const struct walk *w, uint32_t node, uint32_t index)
{
	const struct json_node *nodes = w->paths->nodes;

	for (uint32_t i = nodes[node].first_child; i; i = nodes[i].next)
		if (!nodes[i].key.p && nodes[i].index == index)
			return i;
	return 0;
}

/* A key seen before comes again: what was found below its first value is void. */
static void forget_below(struct walk *w, uint32_t top)
{
	const struct json_node *nodes = w->paths->nodes;
	uint32_t i = top;

	for (;;) {
		w->values[i].type = JSON_ABSENT;
		if (nodes[i].first_child) {
			i = nodes[i].first_child;
			continue;
		}
		while (i != top && !nodes[i].next)
			i = nodes[i].parent;
		if (i == top)
			return;
		i = nodes[i].next;
	}
}

static void store(struct walk *w, uint32_t node, enum json_type type, const char *from,
		  const char *to, bool is_escaped)
{
	if (node)
		w->values[node] = (struct json_value){
			.raw = {from, (size_t)(to - from)},
			.type = (uint8_t)type,
			.is_escaped = is_escaped,
		};
}

static inline bool skip_space(struct walk *w)
{
	while (w->p < w->end) {
		char c = *w->p;

		if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
			return true;
		w->p++;
	}
	return false;
}

static inline const char *digits(const char *p, const char *end)
{
	while (p < end && (unsigned char)(*p - '0') < 10)
		p++;
	return p;
}

static bool number(struct walk *w)
{
	const char *p = w->p, *end = w->end, *from;

	p += *p == '-';
	from = p;
	p = digits(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return false;
	if (p < end && *p == '.') {
		from = ++p;
		p = digits(p, end);
		if (p == from)
			return false;
	}
	if (p < end && (*p | 32) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = digits(p, end);
		if (p == from)
			return false;
	}
	w->p = p;
	return true;
}

static bool literal(struct walk *w, struct str word)
{
	if (!str_starts(str_make(w->p, (size_t)(w->end - w->p)), word))
		return false;
	w->p += word.n;
	return true;
}

/* A string, number, true, false or null at w->p; returns its type or JSON_MALFORMED. */
static int scalar(struct walk *w, uint32_t node)
{
	const char *from = w->p;
	enum json_type type = JSON_BOOL;
	bool is_escaped;

	switch (*from) {
	case '"':
		w->p = scan_string(++from, w->end, &is_escaped);
		if (!w->p)
			return JSON_MALFORMED;
		store(w, node, JSON_STRING, from, w->p++, is_escaped);
		return JSON_STRING;
	case 't':
		if (!literal(w, STR("true")))
			return JSON_MALFORMED;
		break;
	case 'f':
		if (!literal(w, STR("false")))
			return JSON_MALFORMED;
		break;
	case 'n':
		if (!literal(w, STR("null")))
			return JSON_MALFORMED;
		type = JSON_NULL;
		break;
	default:
		if (!number(w))
			return JSON_MALFORMED;
		type = JSON_NUMBER;
		break;
	}
	store(w, node, type, from, w->p, false);
	return (int)type;
}

/* Reads `"name":` and sets the node its value stands for. */
static bool object_key(struct walk *w, uint32_t *ret_node)
{
	uint32_t parent = w->stack[w->depth - 1].node;
	const char *from;
	bool is_escaped;

	if (!skip_space(w) || *w->p != '"')
		return false;
	from = ++w->p;
	w->p = scan_string(from, w->end, &is_escaped);
	if (!w->p)
		return false;
	*ret_node = 0;
	if (parent) {
		uint32_t node =
			child_by_key(w, parent, str_make(from, (size_t)(w->p - from)), is_escaped);

		if (node && w->values[node].type != JSON_ABSENT)
			forget_below(w, node);
		*ret_node = node;
	}
	w->p++;
	if (!skip_space(w) || *w->p != ':')
		return false;
	w->p++;
	return true;
}

static void push(struct walk *w, uint32_t node, bool is_array)
{
	w->stack[w->depth++] = (struct frame){
		.start = w->p++,
		.node = node,
		.is_array = is_array,
	};
}

/* Behind a value: closes what ends here, and moves to the next value. Returns 1 when there is one
 * (its node in *ret_node), 0 when the outermost value is closed, or JSON_MALFORMED. */
static int next_value(struct walk *w, uint32_t *ret_node)
{
	while (w->depth) {
		struct frame *top = &w->stack[w->depth - 1];

		if (!skip_space(w))
			return JSON_MALFORMED;
		if (*w->p == ',') {
			w->p++;
			if (!top->is_array)
				return object_key(w, ret_node) ? 1 : JSON_MALFORMED;
			top->index++;
			*ret_node = top->node ? child_by_index(w, top->node, top->index) : 0;
			return 1;
		}
		if (*w->p != (top->is_array ? ']' : '}'))
			return JSON_MALFORMED;
		w->p++;
		store(w, top->node, top->is_array ? JSON_ARRAY : JSON_OBJECT, top->start, w->p,
		      false);
		w->depth--;
	}
	return 0;
}

/* Opens the object or array at w->p. Returns as next_value() does. */
static int open_container(struct walk *w, uint32_t node, uint32_t *ret_node)
{
	bool is_array = *w->p == '[';

	if (w->depth == JSON_DEPTH_MAX)
		return JSON_TOO_DEEP;
	push(w, node, is_array);
	if (!skip_space(w))
		return JSON_MALFORMED;
	if (*w->p == (is_array ? ']' : '}'))
		return next_value(w, ret_node);
	if (!is_array)
		return object_key(w, ret_node) ? 1 : JSON_MALFORMED;
	*ret_node = node ? child_by_index(w, node, 0) : 0;
	return 1;
}

int json_extract(const struct json_paths *paths, struct str doc, struct json_value *values)
{
	struct walk w; /* the stack is not cleared: 64 frames are more than most lines */
	uint32_t node = JSON_ROOT;
	int root = JSON_ABSENT, got;

	w.paths = paths;
	w.values = values;
	w.p = doc.p;
	w.end = doc.p + doc.n;
	w.depth = 0;
	memset(values, 0, paths->n * sizeof(*values));
	do {
		if (doc.n == 0 || !skip_space(&w))
			return JSON_MALFORMED;
		if (*w.p == '{' || *w.p == '[') {
			if (root == JSON_ABSENT)
				root = *w.p == '{' ? JSON_OBJECT : JSON_ARRAY;
			got = open_container(&w, node, &node);
		} else {
			got = scalar(&w, node);
			if (got < 0)
				return got;
			if (root == JSON_ABSENT)
				root = got;
			got = next_value(&w, &node);
		}
	} while (got > 0);
	if (got < 0)
		return got;
	return skip_space(&w) ? JSON_MALFORMED : root;
}
