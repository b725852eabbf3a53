/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of pushes, protobuf (without Snappy) and JSON: slices stay within the body, everything ends, and
 * what comes as JSON is told the same when it is written as protobuf. */
#include "inputs/lokipush/push_in.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "lib/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool put_text(struct buf *out, const struct push_in_text *t)
{
	char *memory = mem_alloc(push_in_text_size(t) + 1);
	struct str text = push_in_text(t, memory);

	CHECK(t->form == PUSH_IN_PLAIN || text.n <= push_in_text_size(t));
	if (text.p)
		buf_printf(out, "%zu:", text.n);
	buf_str(out, text);
	mem_free(memory);
	return text.p != NULL;
}

static bool put_pairs(struct buf *out, struct push_in_pairs pairs)
{
	struct push_in_text name, value;
	size_t left = pairs.rest.n + 1;
	int got;

	while ((got = push_in_pair(&pairs, &name, &value)) > 0) {
		CHECK(pairs.rest.n < left);
		left = pairs.rest.n;
		if (!put_text(out, &name) || !put_text(out, &value))
			return false;
		buf_ch(out, ';');
	}
	return got == 0;
}

/* False: malformed. */
static bool tell(bool is_json, struct str body, bool with_labels, struct buf *out)
{
	struct push_in_entry entry;
	struct push_in in;
	enum push_in_result got;

	push_in_init(&in, is_json, body);
	while ((got = push_in_next(&in, &entry)) > 0) {
		if (got == PUSH_IN_STREAM) {
			if (with_labels && !put_pairs(out, in.labels))
				return false;
			buf_c(out, "S\n");
			continue;
		}
		buf_printf(out, "%lld ", (long long)entry.time_ns);
		if (!put_text(out, &entry.line) || !put_pairs(out, entry.meta))
			return false;
		buf_c(out, "\n");
	}
	CHECK(got == PUSH_IN_END || in.why);
	CHECK(push_in_next(&in, &entry) == got);
	return got == PUSH_IN_END;
}

static void put_field(struct buf *out, uint8_t tag, struct str s)
{
	uint8_t head[1 + WIRE_VARINT_MAX];

	buf_put(out, head, (size_t)(wire_put_head(head, tag, s.n) - head));
	buf_str(out, s);
}

static void put_plain(struct buf *out, uint8_t tag, const struct push_in_text *t)
{
	char *memory = mem_alloc(push_in_text_size(t) + 1);

	put_field(out, tag, push_in_text(t, memory));
	mem_free(memory);
}

static void put_entry(struct buf *out, const struct push_in_entry *e)
{
	struct push_in_pairs meta = e->meta;
	struct push_in_text name, value;
	struct buf entry = BUF_INIT, inner = BUF_INIT;
	int64_t s = e->time_ns / 1000000000, ns = e->time_ns % 1000000000;
	uint8_t moment[24], *p = moment;

	if (ns < 0) {
		ns += 1000000000;
		s--;
	}
	*p++ = WIRE_TAG_VARINT(1);
	p = wire_put(p, (uint64_t)s);
	*p++ = WIRE_TAG_VARINT(2);
	p = wire_put(p, (uint64_t)ns);
	put_field(&entry, WIRE_TAG_BYTES(1), str_make((char *)moment, (size_t)(p - moment)));
	put_plain(&entry, WIRE_TAG_BYTES(2), &e->line);
	while (push_in_pair(&meta, &name, &value) > 0) {
		buf_clear(&inner);
		put_plain(&inner, WIRE_TAG_BYTES(1), &name);
		put_plain(&inner, WIRE_TAG_BYTES(2), &value);
		put_field(&entry, WIRE_TAG_BYTES(3), buf_as_str(&inner));
	}
	put_field(out, WIRE_TAG_BYTES(2), buf_as_str(&entry));
	buf_fini(&entry);
	buf_fini(&inner);
}

/* The same as protobuf, without labels. */
static void convert(struct str json, struct buf *out)
{
	struct push_in_entry entry;
	struct push_in in;
	struct buf stream = BUF_INIT;
	enum push_in_result got;
	bool has_stream = false;

	push_in_init(&in, true, json);
	do {
		got = push_in_next(&in, &entry);
		if (got == PUSH_IN_ENTRY) {
			put_entry(&stream, &entry);
			continue;
		}
		if (has_stream)
			put_field(out, WIRE_TAG_BYTES(1), buf_as_str(&stream));
		buf_clear(&stream);
		has_stream = true;
	} while (got > 0);
	buf_fini(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str body = str_make((const char *)data, n);
	struct buf text = BUF_INIT, proto = BUF_INIT, again = BUF_INIT;

	tell(false, body, true, &text);
	buf_clear(&text);
	if (tell(true, body, true, &text)) {
		buf_clear(&text);
		tell(true, body, false, &text);
		convert(body, &proto);
		/* Times whose seconds do not fit are refused in protobuf alone. */
		if (tell(false, buf_as_str(&proto), false, &again))
			CHECK(str_eq(buf_as_str(&text), buf_as_str(&again)));
	}
	buf_fini(&text);
	buf_fini(&proto);
	buf_fini(&again);
	return 0;
}
