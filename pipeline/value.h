/* SPDX-License-Identifier: Apache-2.0 */
/* Values whose type is known only at run time: what templates and JMESPath compute with. A value
 * borrows its bytes, lists and maps from the arena it was made in and is never changed once it was
 * handed out, so copies are by value and parts are shared. */
#ifndef PIPELINE_VALUE_H
#define PIPELINE_VALUE_H

#include "lib/arena.h"
#include "lib/buf.h"

enum value_kind {
	VALUE_NULL, /* also: not there */
	VALUE_BOOL,
	VALUE_INT,
	VALUE_FLOAT,
	VALUE_STRING,
	VALUE_TIME,
	VALUE_LIST,
	VALUE_MAP,
};

struct value_list;
struct value_map;

struct value {
	uint8_t kind; /* enum value_kind */
	union {
		bool truth;
		int64_t i; /* VALUE_TIME: nanoseconds since 1970 UTC */
		double f;
		struct str s;
		const struct value_list *list;
		const struct value_map *map;
	};
};

struct value_list {
	size_t n;
	struct value *items;
};

struct value_pair {
	struct str key;
	struct value value;
};

/* Sorted by key (bytewise), each once. */
struct value_map {
	size_t n;
	struct value_pair *pairs;
};

#define VALUE_NONE ((struct value){ .kind = VALUE_NULL })

static inline struct value value_bool(bool truth)
{
	return (struct value){ .kind = VALUE_BOOL, .truth = truth };
}

static inline struct value value_int(int64_t i)
{
	return (struct value){ .kind = VALUE_INT, .i = i };
}

static inline struct value value_float(double f)
{
	return (struct value){ .kind = VALUE_FLOAT, .f = f };
}

static inline struct value value_str(struct str s)
{
	return (struct value){ .kind = VALUE_STRING, .s = s };
}

static inline bool value_is_number(struct value v)
{
	return v.kind == VALUE_INT || v.kind == VALUE_FLOAT;
}

/* Of VALUE_INT and VALUE_FLOAT. */
static inline double value_number(struct value v)
{
	return v.kind == VALUE_INT ? (double)v.i : v.f;
}

/* A list of n items, all null, to be filled by the caller before it is handed on. */
struct value value_list(struct arena *a, size_t n, struct value **ret_items);
/* A map that takes pairs over; sorts them; of equal keys the last one counts. */
struct value value_map(struct arena *a, struct value_pair *pairs, size_t n);
struct value_pair *value_pairs(struct arena *a, size_t n);
/* The value at key, VALUE_NULL when v is no map or has none; *ret_has tells which (may be NULL). */
struct value value_get(struct value v, struct str key, bool *ret_has);
/* As Go's reflect.DeepEqual, but 1 == 1.0; what nests deeper than 2 * VALUE_DEPTH_MAX equals
 * nothing but itself. */
bool value_equal(struct value a, struct value b);
/* Order of two strings or two numbers; *ret_ok is false for everything else. */
int value_cmp(struct value a, struct value b, bool *ret_ok);

#define VALUE_DEPTH_MAX 64

/* Reads one JSON document. Numbers are floats, as in Go. False for what is no JSON, nests deeper
 * than VALUE_DEPTH_MAX or needs more than max_bytes of the arena. */
bool value_from_json(struct arena *a, struct str doc, size_t max_bytes, struct value *ret);

struct value_json_style {
	bool is_html_safe;  /* < > & escaped, as Go's encoder does unless told otherwise */
	const char *indent; /* NULL: on one line */
};
/* Times as RFC 3339 in UTC. */
void value_to_json(struct buf *out, struct value v, struct value_json_style style);

/* Digits of the shortest decimal that reads back as x (> 0, finite), without zeros at the end, and
 * where its point stands: 0.012 is "12" and -1. Returns how many. */
int value_shortest(double x, char digits[20], int *ret_point);

/* The shortest decimal that reads back as x: without exponent, as Go's strconv 'f', -1, or as its
 * %v has it, with one when it would be below -4 or above 5. */
void value_write_float(struct buf *out, double x, bool may_have_exponent);

#endif
