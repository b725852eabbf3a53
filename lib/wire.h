/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format as far as logs need it: varints, and fields one after the other
 * (protobuf.dev/programming-guides/encoding). */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H

#include "lib/str.h"

#define WIRE_VARINT_MAX 10

/* Tag byte of a field up to number 15. */
#define WIRE_TAG_VARINT(field) ((uint8_t)((field) << 3))
#define WIRE_TAG_BYTES(field) ((uint8_t)((field) << 3 | 2))

/* Bytes of v as a varint: one for each 7 bits. (9 bits + 73) / 64 is bits / 7 + 1 for up to 63. */
static inline uint32_t wire_size(uint64_t v)
{
	return ((63 ^ (uint32_t)__builtin_clzll(v | 1)) * 9 + 73) / 64;
}

static inline uint8_t *wire_put(uint8_t *p, uint64_t v)
{
	if (v < 0x80) { /* most lengths */
		*p = (uint8_t)v;
		return p + 1;
	}
	if (v < 0x4000) {
		p[0] = (uint8_t)(v | 0x80);
		p[1] = (uint8_t)(v >> 7);
		return p + 2;
	}
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Bytes of a length-delimited field with a one-byte tag. */
static inline size_t wire_field_size(size_t n)
{
	return 1 + wire_size(n) + n;
}

static inline uint8_t *wire_put_head(uint8_t *p, uint8_t tag, size_t n)
{
	*p++ = tag;
	return wire_put(p, n);
}

static inline uint8_t *wire_put_bytes(uint8_t *p, uint8_t tag, struct str s)
{
	p = wire_put_head(p, tag, s.n);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

/* Takes a varint off the front of s; false when it is cut off or longer than ten bytes. */
static inline bool wire_get(struct str *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->n && i < WIRE_VARINT_MAX; i++) {
		uint8_t byte = (uint8_t)s->p[i];

		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*s = str_skip(*s, i + 1);
			*ret = v;
			return true;
		}
	}
	return false;
}

/* Takes a length-delimited field with this tag off the front of s; false when something else stands
 * there. */
static inline bool wire_get_bytes(struct str *s, uint8_t tag, struct str *ret)
{
	struct str rest = *s;
	uint64_t n;

	if (!rest.n || (uint8_t)rest.p[0] != tag)
		return false;
	rest = str_skip(rest, 1);
	if (!wire_get(&rest, &n) || n > rest.n)
		return false;
	*ret = str_sub(rest, 0, (size_t)n);
	*s = str_skip(rest, (size_t)n);
	return true;
}

enum wire_type { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

/* A field of a message, whatever it is. */
struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;   /* of WIRE_VARINT, WIRE_64 and WIRE_32 */
	struct str bytes; /* of WIRE_BYTES */
};

static inline bool wire_get_fixed(struct str *s, size_t n, uint64_t *ret)
{
	*ret = 0;
	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++)
		*ret |= (uint64_t)(uint8_t)s->p[i] << (8 * i);
	*s = str_skip(*s, n);
	return true;
}

/* Takes the next field off the front of s: 1; 0 at its end; -1 when it is malformed (groups, which nobody
 * uses any more, are). */
static inline int wire_next(struct str *s, struct wire_field *ret)
{
	uint64_t tag, n;
	bool is_ok = false;

	if (!s->n)
		return 0;
	if (!wire_get(s, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -1;
	*ret = (struct wire_field){ .number = (uint32_t)(tag >> 3),
				    .type = (enum wire_type)(tag & 7) };
	switch (tag & 7) {
	case WIRE_VARINT:
		is_ok = wire_get(s, &ret->value);
		break;
	case WIRE_64:
	case WIRE_32:
		is_ok = wire_get_fixed(s, ret->type == WIRE_64 ? 8 : 4, &ret->value);
		break;
	case WIRE_BYTES:
		is_ok = wire_get(s, &n) && n <= s->n;
		if (is_ok) {
			ret->bytes = str_sub(*s, 0, (size_t)n);
			*s = str_skip(*s, (size_t)n);
		}
		break;
	}
	return is_ok ? 1 : -1;
}

#endif
