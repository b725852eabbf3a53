/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's JSON (the mapping of proto3, with ids in hexadecimal and enums as numbers or by name) as protobuf,
 * so that there is one way to read either. No recursion. */
#ifndef INPUTS_OTLP_JSON_IN_H
#define INPUTS_OTLP_JSON_IN_H

#include "lib/buf.h"

/* What n bytes of JSON can become, at most. */
static inline size_t otlp_json_bound(size_t n)
{
	return 2 * n + 16;
}

/* Appends the protobuf to out. NULL, or what is wrong (out then has a part). */
const char *otlp_from_json(struct str json, struct buf *out);

#endif
