/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON walker: an explicit stack of open objects and arrays, each with the path node it
 * stands for, and a string scan of 16 bytes at a time, which is where the time goes. */
#include "lib/utf8.h"
#include "pipeline/json.h"
#include "pipeline/json_paths.h"
#include "pipeline/json_bytes.h"

struct frame {
	const char *start; /* its brace or bracket */
	uint32_t node;     /* 0: nothing below it is wanted */
	uint32_t index;    /* of the current element */
	bool is_array;
};

struct walk {
	const struct json_paths *paths;
	struct json_value *values;
	uint32_t depth;
	struct frame stack[JSON_DEPTH_MAX];
};

__attribute__((noinline)) const char *json_scan_any_string(const char *p, const char *end,
							   bool *is_escaped)
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
			if (end - p < 6 ||
			    (str_hex(p[2]) | str_hex(p[3]) | str_hex(p[4]) | str_hex(p[5])) < 0)
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

static inline uint32_t child_by_key(const struct walk *w, uint32_t node, struct str key)
{
	const struct json_node *nodes = w->paths->nodes;

	if (!(nodes[node].key_lengths >> (key.n < 63 ? key.n : 63) & 1))
		return 0;
	for (uint32_t i = nodes[node].first_child; i; i = nodes[i].next)
		if (nodes[i].key.p && str_eq(nodes[i].key, key))
			return i;
	return 0;
}

/* Apart from the above to keep its buffer out of the way of the usual case. */
static __attribute__((noinline)) uint32_t child_by_escaped_key(const struct walk *w, uint32_t node,
							       struct str raw)
{
	char plain[6 * JSON_NAME_BYTES_MAX]; /* an escape has at most six bytes for one */

	return raw.n > sizeof(plain) ? 0 : child_by_key(w, node, json_unescape(raw, plain));
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

static inline void store(struct walk *w, uint32_t node, enum json_type type, const char *from,
			 const char *to, bool is_escaped)
{
	if (node)
		w->values[node] = (struct json_value){
			.raw = { from, (size_t)(to - from) },
			.type = (uint8_t)type,
			.is_escaped = is_escaped,
		};
}

/* A string, number, true, false or null at p: stores it, sets its type and returns what is behind
 * it, or NULL. */
static inline const char *scalar(struct walk *w, const char *p, const char *end, uint32_t node,
				 enum json_type *ret_type)
{
	struct json_value v;

	p = scan_scalar(p, end, &v);
	*ret_type = v.type;
	if (p && node)
		w->values[node] = v;
	return p;
}

/* Reads `"name":` at p, sets the node its value stands for and returns what is behind, or NULL. */
static inline const char *object_key(struct walk *w, const char *p, const char *end,
				     uint32_t parent, uint32_t *ret_node)
{
	const char *from;
	bool is_escaped;
	uint32_t node = 0;

	if (next_byte(&p, end) != '"')
		return NULL;
	from = ++p;
	p = scan_string(from, end, &is_escaped);
	if (!p)
		return NULL;
	if (parent) {
		struct str key = str_make(from, (size_t)(p - from));

		node = is_escaped ? child_by_escaped_key(w, parent, key)
				  : child_by_key(w, parent, key);
		if (node && w->values[node].type != JSON_ABSENT)
			forget_below(w, node);
	}
	*ret_node = node;
	p++;
	return next_byte(&p, end) == ':' ? p + 1 : NULL;
}

/* Behind a value: closes what ends here and moves to the next one. Sets its node and returns where
 * it starts, or NULL; the outermost value is closed when w->depth is 0. */
static inline const char *next_value(struct walk *w, const char *p, const char *end,
				     uint32_t *ret_node)
{
	while (w->depth) {
		struct frame *top = &w->stack[w->depth - 1];
		char c = next_byte(&p, end);

		if (c == ',') {
			if (!top->is_array)
				return object_key(w, p + 1, end, top->node, ret_node);
			top->index++;
			*ret_node = top->node ? child_by_index(w, top->node, top->index) : 0;
			return p + 1;
		}
		if (c != (top->is_array ? ']' : '}'))
			return NULL;
		p++;
		store(w, top->node, top->is_array ? JSON_ARRAY : JSON_OBJECT, top->start, p, false);
		w->depth--;
	}
	return p;
}

/* Opens the object or array at p; w->depth is below the cap. Returns as next_value() does. */
static inline const char *open_container(struct walk *w, const char *p, const char *end,
					 uint32_t node, uint32_t *ret_node)
{
	bool is_array = *p == '[';

	w->stack[w->depth++] = (struct frame){ .start = p++, .node = node, .is_array = is_array };
	if (next_byte(&p, end) == (is_array ? ']' : '}'))
		return next_value(w, p, end, ret_node);
	if (!is_array)
		return object_key(w, p, end, node, ret_node);
	*ret_node = node ? child_by_index(w, node, 0) : 0;
	return p;
}

int json_extract(const struct json_paths *paths, struct str doc, struct json_value *values)
{
	struct walk w; /* the stack is not cleared: 64 frames are more than most lines */
	const char *p = doc.p, *end = doc.n ? doc.p + doc.n : doc.p;
	enum json_type type, root = JSON_ABSENT;
	uint32_t node = JSON_ROOT;

	w.paths = paths;
	w.values = values;
	w.depth = 0;
	for (uint32_t i = 0; i < paths->n; i++)
		values[i].type = JSON_ABSENT;
	do {
		char c = next_byte(&p, end);

		if (c == '{' || c == '[') {
			if (w.depth == JSON_DEPTH_MAX)
				return JSON_TOO_DEEP;
			type = c == '{' ? JSON_OBJECT : JSON_ARRAY;
			p = open_container(&w, p, end, node, &node);
		} else {
			if (p == end)
				return JSON_MALFORMED;
			p = scalar(&w, p, end, node, &type);
			if (p)
				p = next_value(&w, p, end, &node);
		}
		if (!p)
			return JSON_MALFORMED;
		if (root == JSON_ABSENT)
			root = type;
	} while (w.depth);
	next_byte(&p, end);
	return p < end ? JSON_MALFORMED : (int)root;
}
