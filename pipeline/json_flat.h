/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded JSON reader (RFC 8259) for documents of which everything is wanted: gives each value that is no
 * object, with its names joined by dots. Pure, no recursion, no allocation; validates as json.h does.
 *
 *	if (json_flat_begin(&f, doc))
 *		while ((got = json_flat_next(&f, &name, &value)) > 0)
 *			{"a": {"b": 1}, "c.d": [2]}  gives  a.b = 1, c.d = [2]
 *
 * Arrays are given whole. So is an object whose names would be longer than JSON_FLAT_NAME_MAX together; a
 * single name that is longer is cut. Empty objects give nothing. */
#ifndef PIPELINE_JSON_FLAT_H
#define PIPELINE_JSON_FLAT_H

#include "pipeline/json.h"

#define JSON_FLAT_NAME_MAX ((size_t)512)

struct json_flat {
	const char *p, *end;
	unsigned depth;
	bool wants_comma;
	int error;                        /* 0: none yet */
	size_t names[JSON_DEPTH_MAX + 1]; /* length of the name of each open object */
	char name[JSON_FLAT_NAME_MAX + 4];
};

/* False: doc is no object. */
bool json_flat_begin(struct json_flat *f, struct str doc);
/* 1: a value; its raw bytes are of doc, *ret_name lives until the next call. 0: the end. Negative: enum
 * json_error. */
int json_flat_next(struct json_flat *f, struct str *ret_name, struct json_value *ret);

#endif
