/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's JSON becomes protobuf: names are looked up in the schema, lengths filled in when a message ends. */
#include "inputs/otlp/json_in.h"

#include "inputs/otlp/schema.h"
#include "inputs/otlp/walk.h"
#include "lib/base64.h"
#include "pipeline/json_scan.h"

#define LENGTH_BYTES                                                                               \
	4 /* of every length, so that it can be filled in: a varint with leading zeros */

/* An object that is a message, or an array of such. */
struct open_json {
	const struct otlp_field *field; /* of its messages; NULL of the outermost */
	enum otlp_message type;
	bool is_array, is_begun;
	size_t at; /* where its bytes begin, behind the length */
};

struct json_in {
	struct str rest;
	struct buf *out;
	struct buf scratch;
	struct open_json stack[2 * OTLP_DEPTH_MAX];
	size_t depth;
	const char *why;
};

static bool fail(struct json_in *in, const char *why)
{
	in->why = why;
	return false;
}

/* Protobuf */

static void put_tag(struct json_in *in, const struct otlp_field *f)
{
	buf_ch(in->out, (char)((unsigned)f->number << 3 | (unsigned)otlp_wire_type(f)));
}

static void put_varint(struct json_in *in, const struct otlp_field *f, uint64_t v)
{
	uint8_t bytes[WIRE_VARINT_MAX];

	put_tag(in, f);
	buf_put(in->out, bytes, (size_t)(wire_put(bytes, v) - bytes));
}

static void put_fixed(struct json_in *in, const struct otlp_field *f, uint64_t v, size_t n)
{
	put_tag(in, f);
	for (size_t i = 0; i < n; i++)
		buf_ch(in->out, (char)(v >> (8 * i)));
}

static size_t begin_length(struct json_in *in, const struct otlp_field *f)
{
	static const char room[LENGTH_BYTES] = { 0 };

	put_tag(in, f);
	buf_put(in->out, room, sizeof(room));
	return in->out->n;
}

static void end_length(struct json_in *in, size_t at)
{
	size_t n = in->out->n - at;

	if (n >> (7 * LENGTH_BYTES))
		in->out->is_cut = true; /* as if there were no room for it */
	if (in->out->is_cut)
		return;
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		in->out->p[at - LENGTH_BYTES + i] =
			(char)((n >> (7 * i) & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

/* Values */

static bool take_text(struct json_in *in, struct str *ret)
{
	bool is_escaped;

	if (!json_take_string(&in->rest, ret, &is_escaped))
		return fail(in, "a value is no string where it must be one");
	if (is_escaped) {
		buf_clear(&in->scratch);
		if (!buf_reserve(&in->scratch, ret->n + 4))
			return fail(in, "a string is too long");
		*ret = json_unescape(*ret, in->scratch.p);
	}
	return true;
}

/* 64-bit numbers are strings in JSON, but may be numbers; enums, too. */
static bool take_number(struct json_in *in, struct str *ret)
{
	json_skip_space(&in->rest);
	if (in->rest.n && in->rest.p[0] == '"')
		return take_text(in, ret);
	return json_take_word(&in->rest, ret) || fail(in, "a value is no number");
}

static bool put_double(struct json_in *in, const struct otlp_field *f, struct str text)
{
	double x;
	uint64_t bits;

	if (str_is(text, "NaN"))
		x = (double)__builtin_nanf("");
	else if (str_is(text, "Infinity") || str_is(text, "-Infinity"))
		x = text.p[0] == '-' ? -__builtin_inf() : __builtin_inf();
	else if (!str_double(text, &x))
		return fail(in, "a doubleValue is no number");
	memcpy(&bits, &x, sizeof(bits));
	put_fixed(in, f, bits, 8);
	return true;
}

static bool put_hex(struct json_in *in, const struct otlp_field *f, struct str text)
{
	size_t at = begin_length(in, f);

	if (text.n % 2)
		return fail(in, "an id is not hexadecimal");
	for (size_t i = 0; i < text.n; i += 2) {
		int high = str_hex(text.p[i]), low = str_hex(text.p[i + 1]);

		if (high < 0 || low < 0)
			return fail(in, "an id is not hexadecimal");
		buf_ch(in->out, (char)(high << 4 | low));
	}
	end_length(in, at);
	return true;
}

static bool put_text(struct json_in *in, const struct otlp_field *f)
{
	struct str text;
	size_t at;

	if (!take_text(in, &text))
		return false;
	if (f->kind == OTLP_HEX)
		return put_hex(in, f, text);
	at = begin_length(in, f);
	if (f->kind == OTLP_STRING)
		buf_str(in->out, text);
	else if (!base64_decode(text, in->out))
		return fail(in, "a bytesValue is not base64");
	end_length(in, at);
	return true;
}

static bool put_number(struct json_in *in, const struct otlp_field *f)
{
	struct str text;
	uint64_t u = 0;
	int64_t i = 0;
	int named;

	if (!take_number(in, &text))
		return false;
	switch ((enum otlp_kind)f->kind) {
	case OTLP_DOUBLE:
		return put_double(in, f, text);
	case OTLP_BOOL:
		if (!str_is(text, "true") && !str_is(text, "false"))
			return fail(in, "a boolValue is neither true nor false");
		put_varint(in, f, text.n == 4);
		return true;
	case OTLP_INT:
		if (!str_i64(text, &i))
			return fail(in, "an intValue is no whole number of 64 bits");
		put_varint(in, f, (uint64_t)i);
		return true;
	case OTLP_SEVERITY:
		named = otlp_severity_named(text);
		if (named < 0 && (!str_i64(text, &i) || i > INT32_MAX || i < INT32_MIN))
			return fail(in, "a severityNumber is none");
		put_varint(in, f, named < 0 ? (uint64_t)i : (uint64_t)named);
		return true;
	case OTLP_FIXED64:
		if (!str_u64(text, &u))
			return fail(in, "a time is no whole number of nanoseconds");
		put_fixed(in, f, u, 8);
		return true;
	default:
		if (!str_u64(text, &u) || u > UINT32_MAX)
			return fail(in, "a count is no whole number of 32 bits");
		if (f->kind == OTLP_FIXED32)
			put_fixed(in, f, u, 4);
		else
			put_varint(in, f, u);
		return true;
	}
}

/* Objects */

static bool open_one(struct json_in *in, const struct otlp_field *f, bool is_array)
{
	if (!json_take(&in->rest, is_array ? '[' : '{'))
		return fail(in, is_array ? "a value is no array where it must be one"
					 : "a value is no object where it must be one");
	if (in->depth == 2 * OTLP_DEPTH_MAX)
		return fail(in, "a value is nested too deeply");
	in->stack[in->depth++] = (struct open_json){
		.field = f,
		.type = f ? (enum otlp_message)f->message : OTLP_REQUEST,
		.is_array = is_array,
		.at = f && !is_array ? begin_length(in, f) : 0,
	};
	return true;
}

static bool take_null(struct json_in *in)
{
	json_skip_space(&in->rest);
	if (!str_starts(in->rest, STR("null")))
		return false;
	in->rest = str_skip(in->rest, 4);
	return true;
}

static bool take_member(struct json_in *in, enum otlp_message type)
{
	const struct otlp_field *f;
	struct str name, skipped;
	bool is_escaped;

	if (!json_take_string(&in->rest, &name, &is_escaped) || !json_take(&in->rest, ':'))
		return fail(in, "the JSON is malformed");
	f = otlp_field_named(type, name);
	if (!f)
		return json_take_value(&in->rest, &skipped) || fail(in, "the JSON is malformed");
	if (take_null(in)) /* as if it were not there */
		return true;
	if (f->kind == OTLP_ONE || f->kind == OTLP_MANY)
		return open_one(in, f, f->kind == OTLP_MANY);
	return otlp_wire_type(f) == WIRE_BYTES ? put_text(in, f) : put_number(in, f);
}

static bool step(struct json_in *in)
{
	struct open_json *top = &in->stack[in->depth - 1];
	int got = json_next_item(&in->rest, top->is_array ? ']' : '}', &top->is_begun);

	if (got < 0)
		return fail(in, "the JSON is malformed");
	if (got == 0) {
		if (top->at)
			end_length(in, top->at);
		in->depth--;
		return true;
	}
	if (!top->is_array)
		return take_member(in, top->type);
	if (take_null(in)) { /* an empty one */
		end_length(in, begin_length(in, top->field));
		return true;
	}
	return open_one(in, top->field, false);
}

const char *otlp_from_json(struct str json, struct buf *out)
{
	struct json_in in = { .rest = json, .out = out };

	if (open_one(&in, NULL, false))
		while (in.depth && step(&in))
			;
	json_skip_space(&in.rest);
	if (!in.why && in.rest.n)
		fail(&in, "something follows the JSON");
	buf_fini(&in.scratch);
	return in.why ? in.why : out->is_cut ? "the JSON is too large" : NULL;
}
