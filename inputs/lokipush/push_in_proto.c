/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes as protobuf. Unknown fields are passed over; fields may stand in any order. */
#include "inputs/lokipush/push_in_impl.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define SECONDS_MAX (INT64_MAX / NS_PER_S - 1)

static bool read_moment(struct str s, int64_t *ret_ns)
{
	struct wire_field f;
	int64_t seconds = 0, ns = 0;
	int got;

	while ((got = wire_next(&s, &f)) > 0) {
		if (f.number == 1 && f.type == WIRE_VARINT)
			seconds = (int64_t)f.value;
		else if (f.number == 2 && f.type == WIRE_VARINT)
			ns = (int64_t)f.value;
	}
	if (got < 0 || seconds > SECONDS_MAX || seconds < -SECONDS_MAX || ns < 0 || ns >= NS_PER_S)
		return false;
	*ret_ns = seconds * NS_PER_S + ns;
	return true;
}

static bool read_entry(struct str s, struct push_in_entry *ret)
{
	struct wire_field f;
	bool has_time = false;
	int got;

	*ret = (struct push_in_entry){ .meta = { .rest = s, .form = PUSH_IN_PAIRS_PROTO } };
	while ((got = wire_next(&s, &f)) > 0) {
		if (f.type != WIRE_BYTES)
			continue;
		if (f.number == 1)
			has_time = read_moment(f.bytes, &ret->time_ns);
		else if (f.number == 2)
			ret->line = (struct push_in_text){ f.bytes, PUSH_IN_PLAIN };
		if (f.number == 1 && !has_time)
			return false;
	}
	return got == 0 && has_time;
}

/* The labels first, wherever they stand. */
static enum push_in_result next_stream(struct push_in *in)
{
	struct wire_field f, inner;
	struct str rest;
	int got;

	do {
		got = wire_next(&in->streams, &f);
		if (got <= 0)
			return got < 0 ? push_in_bad(in, "the protobuf is malformed") : PUSH_IN_END;
	} while (f.number != 1 || f.type != WIRE_BYTES);
	in->entries = rest = f.bytes;
	in->label_text = STR_NONE;
	while ((got = wire_next(&rest, &inner)) > 0)
		if (inner.number == 1 && inner.type == WIRE_BYTES)
			in->label_text = inner.bytes;
	if (got < 0)
		return push_in_bad(in, "a stream is malformed");
	in->labels =
		(struct push_in_pairs){ .rest = in->label_text, .form = PUSH_IN_PAIRS_SELECTOR };
	return PUSH_IN_STREAM;
}

enum push_in_result push_in_proto_next(struct push_in *in, struct push_in_entry *ret)
{
	struct wire_field f;

	while (wire_next(&in->entries, &f) > 0) { /* well-formed: next_stream() has seen it */
		if (f.number != 2 || f.type != WIRE_BYTES)
			continue;
		return read_entry(f.bytes, ret) ? PUSH_IN_ENTRY
						: push_in_bad(in, "an entry is malformed");
	}
	return next_stream(in);
}

int push_in_proto_pair(struct push_in_pairs *pairs, struct push_in_text *name,
		       struct push_in_text *value)
{
	struct wire_field f;
	int got;

	*name = *value = (struct push_in_text){ .form = PUSH_IN_PLAIN };
	do {
		got = wire_next(&pairs->rest, &f);
		if (got <= 0)
			return got;
	} while (f.number != 3 || f.type != WIRE_BYTES);
	for (struct str pair = f.bytes; (got = wire_next(&pair, &f)) > 0;) {
		if (f.type == WIRE_BYTES && f.number == 1)
			name->raw = f.bytes;
		else if (f.type == WIRE_BYTES && f.number == 2)
			value->raw = f.bytes;
	}
	return got < 0 ? -1 : 1;
}
