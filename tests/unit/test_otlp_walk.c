/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP without a socket: the walk against protobuf-c, JSON, values as text, what is refused. */
#include "inputs/otlp/record.h"
#include "inputs/otlp/status.h"
#include "inputs/otlp/text.h"
#include "lib/mem.h"
#include "tests/unit/otlp_told.h"
#include "tests/unit/test.h"

#define LOG_OPEN "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
#define LOG_CLOSE "]}]}]}"
#define EMPTY "R\nS 0 0:0:\n"

/* Told by the walk, and by protobuf-c if that is there. */
static void eq_told(struct str proto, const char *want)
{
	struct buf told = BUF_INIT;

	tell_walk(&told, proto);
	EQ_STR(buf_as_str(&told), want);
#ifdef HAVE_ORACLE
	buf_clear(&told);
	OK(tell_oracle(&told, proto));
	EQ_STR(buf_as_str(&told), want);
#endif
	buf_fini(&told);
}

static const struct {
	const char *json, *want;
} records[] = {
	{ "", EMPTY },
	{ "{}", EMPTY "L 0 0 0 0 0 0:0:0:0:-\n" },
	{ "null", EMPTY "L 0 0 0 0 0 0:0:0:0:-\n" },
	{ "{},{}", EMPTY "L 0 0 0 0 0 0:0:0:0:-\nL 0 0 0 0 0 0:0:0:0:-\n" },
	/* Either name; 64-bit numbers as strings or numbers; enums by either; null is absent. */
	{ "{\"timeUnixNano\":\"1\",\"observed_time_unix_nano\":2,\"severityNumber\":9,\"flags\":"
	  "\"3\","
	  "\"severity_text\":null}",
	  EMPTY "L 1 2 9 0 3 0:0:0:0:-\n" },
	{ "{\"severityNumber\":\"SEVERITY_NUMBER_FATAL4\",\"droppedAttributesCount\":4294967295,"
	  "\"eventName\":\"e\",\"severityText\":\"\\u00e4\\\"\\/\"}",
	  EMPTY "L 0 0 24 4294967295 0 4:\xc3\xa4\"/0:0:1:e-\n" },
	{ "{\"severity_number\":\"SEVERITY_NUMBER_WARN\"}", EMPTY "L 0 0 13 0 0 0:0:0:0:-\n" },
	{ "{\"severityNumber\":\"SEVERITY_NUMBER_UNSPECIFIED\"}", EMPTY "L 0 0 0 0 0 0:0:0:0:-\n" },
	{ "{\"timeUnixNano\":\"18446744073709551615\"}",
	  EMPTY "L 18446744073709551615 0 0 0 0 0:0:0:0:-\n" },
	{ "{\"traceId\":\"61626364\",\"spanId\":\"4A4b\"}", EMPTY "L 0 0 0 0 0 0:4:abcd2:JK0:-\n" },
	{ "{\"body\":{\"stringValue\":\"x\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:s1:x\n" },
	{ "{\"body\":{\"stringValue\":\"\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:s0:\n" },
	{ "{\"body\":{}}", EMPTY "L 0 0 0 0 0 0:0:0:0:-\n" },
	{ "{\"body\":{\"boolValue\":false}}", EMPTY "L 0 0 0 0 0 0:0:0:0:false\n" },
	{ "{\"body\":{\"intValue\":\"-9223372036854775808\"}}",
	  EMPTY "L 0 0 0 0 0 0:0:0:0:-9223372036854775808\n" },
	{ "{\"body\":{\"intValue\":0}}", EMPTY "L 0 0 0 0 0 0:0:0:0:0\n" },
	{ "{\"body\":{\"doubleValue\":\"-Infinity\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:d-inf\n" },
	{ "{\"body\":{\"doubleValue\":\"1e3\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:d1000\n" },
	{ "{\"body\":{\"doubleValue\":-2.5e-3}}",
	  EMPTY "L 0 0 0 0 0 0:0:0:0:d-0.0025000000000000001\n" },
	{ "{\"body\":{\"bytesValue\":\"eHl6\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:b3:xyz\n" },
	{ "{\"body\":{\"bytesValue\":\"_-8\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:b2:\xff\xef\n" },
	{ "{\"body\":{\"arrayValue\":{\"values\":[{\"intValue\":1},{},{\"arrayValue\":{}}]}}}",
	  EMPTY "L 0 0 0 0 0 0:0:0:0:[1,-,[],]\n" },
	{ "{\"body\":{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"boolValue\":true}},"
	  "{}]}}}",
	  EMPTY "L 0 0 0 0 0 0:0:0:0:{1:k=true,0:=-,}\n" },
	/* Of a oneof the last counts. */
	{ "{\"body\":{\"intValue\":1,\"stringValue\":\"x\"}}", EMPTY "L 0 0 0 0 0 0:0:0:0:s1:x\n" },
	{ "{\"attributes\":[{\"key\":\"a\",\"value\":{\"intValue\":1}},{\"value\":{}}],"
	  "\"unknown\":{\"x\":[1,{\"y\":\"}\"}]}}",
	  EMPTY "L 0 0 0 0 0 0:0:0:0:- 1:a=1 0:=-\n" },
};

static void json_is_read(void)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct buf json = BUF_INIT, proto = BUF_INIT;
		const char *why;

		ROW(records[i].json);
		buf_printf(&json, " " LOG_OPEN "%s" LOG_CLOSE "\n", records[i].json);
		why = otlp_from_json(buf_as_str(&json), &proto);
		if (why)
			FAIL("%s", why);
		OK(!otlp_check(buf_as_str(&proto)));
		eq_told(buf_as_str(&proto), records[i].want);
		buf_fini(&json);
		buf_fini(&proto);
	}
}

static const struct {
	const char *json, *why;
} bads[] = {
	{ "", "a value is no object where it must be one" },
	{ "[]", "a value is no object where it must be one" },
	{ "{", "the JSON is malformed" },
	{ "{}x", "something follows the JSON" },
	{ "{\"resourceLogs\":{}}", "a value is no array where it must be one" },
	{ "{\"resourceLogs\":[1]}", "a value is no object where it must be one" },
	{ "{\"resourceLogs\":[{}", "the JSON is malformed" },
	{ "{\"resourceLogs\" []}", "the JSON is malformed" },
	{ LOG_OPEN "{\"traceId\":\"xy\"}" LOG_CLOSE, "an id is not hexadecimal" },
	{ LOG_OPEN "{\"traceId\":\"a\"}" LOG_CLOSE, "an id is not hexadecimal" },
	{ LOG_OPEN "{\"traceId\":1}" LOG_CLOSE, "a value is no string where it must be one" },
	{ LOG_OPEN "{\"timeUnixNano\":\"-1\"}" LOG_CLOSE,
	  "a time is no whole number of nanoseconds" },
	{ LOG_OPEN "{\"timeUnixNano\":1e9}" LOG_CLOSE, "a time is no whole number of nanoseconds" },
	{ LOG_OPEN "{\"severityNumber\":\"INFO\"}" LOG_CLOSE, "a severityNumber is none" },
	{ LOG_OPEN "{\"severityNumber\":4294967296}" LOG_CLOSE, "a severityNumber is none" },
	{ LOG_OPEN "{\"flags\":4294967296}" LOG_CLOSE, "a count is no whole number of 32 bits" },
	{ LOG_OPEN "{\"body\":{\"intValue\":1.5}}" LOG_CLOSE,
	  "an intValue is no whole number of 64 bits" },
	{ LOG_OPEN "{\"body\":{\"intValue\":\"9223372036854775808\"}}" LOG_CLOSE,
	  "an intValue is no whole number of 64 bits" },
	{ LOG_OPEN "{\"body\":{\"boolValue\":\"yes\"}}" LOG_CLOSE,
	  "a boolValue is neither true nor false" },
	{ LOG_OPEN "{\"body\":{\"doubleValue\":\"x\"}}" LOG_CLOSE, "a doubleValue is no number" },
	{ LOG_OPEN "{\"body\":{\"bytesValue\":\"?\"}}" LOG_CLOSE, "a bytesValue is not base64" },
	{ LOG_OPEN "{\"body\":\"x\"}" LOG_CLOSE, "a value is no object where it must be one" },
	{ LOG_OPEN "{\"body\":{},\"body\":{}}" LOG_CLOSE,
	  "a message stands twice where it may stand once" },
};

static void what_is_no_json_is_refused(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		struct buf proto = BUF_INIT;
		const char *why;

		ROW(bads[i].json);
		why = otlp_from_json(str_c(bads[i].json), &proto);
		if (!why)
			why = otlp_check(buf_as_str(&proto));
		EQ_STR(str_c(why), bads[i].why);
		buf_fini(&proto);
	}
}

/* s as field `number` of a message. */
static struct buf in_field(uint32_t number, struct str s)
{
	uint8_t head[2 * WIRE_VARINT_MAX], *p = wire_put(head, (uint64_t)number << 3 | WIRE_BYTES);
	struct buf out = BUF_INIT;

	p = wire_put(p, s.n);
	buf_put(&out, head, (size_t)(p - head));
	buf_str(&out, s);
	return out;
}

static void wrap(struct buf *b, uint32_t number)
{
	struct buf out = in_field(number, buf_as_str(b));

	buf_fini(b);
	*b = out;
}

/* A record whose body is a string in that many arrays. */
static struct buf nested(size_t depth)
{
	struct buf b = in_field(ANY_STRING, STR("x"));

	for (size_t i = 0; i < depth; i++) {
		wrap(&b, 1);
		wrap(&b, ANY_ARRAY);
	}
	wrap(&b, LOG_BODY);
	wrap(&b, SCOPE_LOGS_RECORDS);
	wrap(&b, RESOURCE_LOGS_SCOPES);
	wrap(&b, 1);
	return b;
}

static struct buf many_values(size_t n)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_str(&b, STR("\x0a\0")); /* an empty value of an array */
	wrap(&b, ANY_ARRAY);
	wrap(&b, LOG_BODY);
	wrap(&b, SCOPE_LOGS_RECORDS);
	wrap(&b, RESOURCE_LOGS_SCOPES);
	wrap(&b, 1);
	return b;
}

static void limits_hold(void)
{
	static const struct {
		size_t depth;
		const char *why;
	} depths[] = { { 0, NULL },
		       { 61, NULL },
		       { 62, "a value is nested too deeply" },
		       { 50000, "a value is nested too deeply" } };
	static const struct {
		size_t n;
		const char *why;
	} counts[] = { { OTLP_VALUES_MAX - 1, NULL },
		       { OTLP_VALUES_MAX, "a record has too many values" } };

	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		struct buf b = nested(depths[i].depth), text = BUF_INIT;
		struct otlp_walk w;
		struct otlp_log log;
		bool was_cut;

		EQ_STR(str_c(otlp_check(buf_as_str(&b))), depths[i].why ? depths[i].why : "");
		otlp_walk_init(&w, depths[i].why ? STR_NONE : buf_as_str(&b));
		for (enum otlp_step at; (at = otlp_next(&w, &log)) != OTLP_END;)
			if (at == OTLP_RECORD)
				EQ_INT(otlp_line(&log, &text, &was_cut).n,
				       2 * depths[i].depth + (depths[i].depth ? 3 : 1));
		buf_fini(&b);
		buf_fini(&text);
	}
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct buf b = many_values(counts[i].n);

		EQ_STR(str_c(otlp_check(buf_as_str(&b))), counts[i].why ? counts[i].why : "");
		buf_fini(&b);
	}
}

/* Every prefix of a request, and each with one byte changed, is refused or walked; the sanitizers look. */
static void damaged_requests(void)
{
	struct buf json = BUF_INIT, proto = BUF_INIT, told = BUF_INIT;
	size_t nrefused = 0;

	buf_c(&json, LOG_OPEN);
	for (size_t i = 3; i < ARRAY_LEN(records); i++)
		buf_printf(&json, "%s%s", i > 3 ? "," : "", records[i].json);
	buf_c(&json, LOG_CLOSE);
	OK(!otlp_from_json(buf_as_str(&json), &proto));
	for (size_t i = 0; i < proto.n; i++) {
		char *copy = mem_dup(proto.p, i + 1);
		char *whole = mem_dup(proto.p, proto.n);
		struct buf out = BUF_INIT;

		nrefused += otlp_check(str_make(copy, i)) != NULL;
		whole[i] = (char)(whole[i] ^ (1 << i % 8));
		buf_clear(&told);
		if (!otlp_check(str_make(whole, proto.n)))
			tell_walk(&told, str_make(whole, proto.n));
		mem_free(copy);
		mem_free(whole);
		buf_fini(&out);
	}
	OK(nrefused == proto.n - 1); /* but not nothing at all */
	for (size_t i = 0; i < json.n; i++) {
		struct buf out = BUF_INIT;

		OK(otlp_from_json(str_make(json.p, i), &out) != NULL);
		buf_fini(&out);
	}
	buf_fini(&json);
	buf_fini(&proto);
	buf_fini(&told);
}

/* Metadata of a record as text. */
static void show(struct buf *out, const struct rec *r)
{
	for (uint16_t i = 0; i < r->nattrs; i++)
		buf_printf(out, "%.*s=%.*s;", STR_ARG(attr_name(&r->attrs[i])),
			   STR_ARG(attr_value(&r->attrs[i])));
}

static void values_of_maps_have_names_of_their_own(void)
{
	static const char json[] = LOG_OPEN
		"{\"attributes\":["
		"{\"key\":\"m\",\"value\":{\"kvlistValue\":{\"values\":["
		"{\"key\":\"a\",\"value\":{\"intValue\":1}},"
		"{\"key\":\"n\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"b\"}]}}},"
		"{\"key\":\"e\",\"value\":{\"kvlistValue\":{}}},"
		"{\"key\":\"c\",\"value\":{\"arrayValue\":{\"values\":[{\"doubleValue\":\"NaN\"}]}}"
		"}"
		"]}}},{\"key\":\"z\",\"value\":{\"boolValue\":true}}],"
		"\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"0102\","
		"\"timeUnixNano\":1,\"observedTimeUnixNano\":2,\"eventName\":\"e\"}" LOG_CLOSE;
	struct source source = { .magic = SOURCE_MAGIC };
	struct batch *b = batch_new(NULL, &source, 4096, false);
	struct rec *r = batch_add(b);
	struct buf proto = BUF_INIT, text = BUF_INIT;
	struct otlp_walk w;
	struct otlp_log log;

	OK(!otlp_from_json(str_c(json), &proto));
	otlp_walk_init(&w, buf_as_str(&proto));
	while (otlp_next(&w, &log) != OTLP_RECORD)
		;
	otlp_put_own(b, r, &log);
	show(&text, r);
	EQ_STR(buf_as_str(&text),
	       "m_a=1;m_n_b=;m_c=[\"NaN\"];z=true;observed_timestamp=2;event_name=e;");
	EQ_INT(otlp_time_ns(&log, 9), 1);
	batch_free(b);
	buf_fini(&proto);
	buf_fini(&text);
}

/* Long names of maps, again and again: bounded, whatever comes. */
static void names_do_not_multiply(void)
{
	struct source source = { .magic = SOURCE_MAGIC };
	struct batch *b = batch_new(NULL, &source, 4096, false);
	struct rec *r = batch_add(b);
	struct buf message = BUF_INIT;
	char name[2000];
	struct otlp_log log = { 0 };

	memset(name, 'n', sizeof(name));
	for (size_t i = 0; i < 5000; i++)
		buf_str(&message, STR("\x0a\0"));
	wrap(&message, ANY_LIST);
	wrap(&message, PAIR_VALUE);
	struct buf key = in_field(PAIR_KEY, str_make(name, sizeof(name)));

	buf_str(&message, buf_as_str(&key));
	wrap(&message, LOG_ATTRIBUTES);
	log.message = buf_as_str(&message);
	OK(otlp_put_own(b, r, &log) <= OTLP_ATTRS_BYTES + 2 * LABEL_NAME_MAX);
	OK(r->nattrs > 100);
	OK(b->arena.bytes < (size_t)1 << 20);
	batch_free(b);
	buf_fini(&message);
	buf_fini(&key);
}

/* Values may have any byte: what one client calls itself is never what others have as two labels. */
static void other_labels_are_another_stream(void)
{
	static const char *const jsons[] = {
		"{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
		"\"value\":{"
		"\"stringValue\":\"x\"}},{\"key\":\"cloud.region\",\"value\":{\"stringValue\":"
		"\"y\"}}]},"
		"\"scopeLogs\":[{\"logRecords\":[{}]}]}]}",
		"{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
		"\"value\":{"
		"\"stringValue\":\"x\\u0000cloud_region\\u0000y\"}}]},"
		"\"scopeLogs\":[{\"logRecords\":[{}]}]}]}",
	};
	const struct str promoted[] = { STR("service.name"), STR("cloud.region") };
	struct otlp_labels labels[2];
	struct otlp_log log;

	for (size_t i = 0; i < 2; i++) {
		struct buf proto = BUF_INIT;
		struct otlp_walk w;

		OK(!otlp_from_json(str_c(jsons[i]), &proto));
		otlp_walk_init(&w, buf_as_str(&proto));
		while (otlp_next(&w, &log) != OTLP_RECORD)
			;
		otlp_labels(w.resource, promoted, 2, &labels[i]);
		buf_fini(&proto);
	}
	EQ_INT(labels[0].n, 2);
	EQ_INT(labels[1].n, 1);
	OK(!str_eq(buf_as_str(&labels[0].text), buf_as_str(&labels[1].text)));
	EQ_STR(labels[0].items[0].value, "x");
	EQ_STR(labels[0].items[1].value, "y");
	for (size_t i = 0; i < 2; i++)
		otlp_labels_fini(&labels[i]);
}

static void statuses(void)
{
	struct buf out = BUF_INIT;

	otlp_status(&out, true, GRPC_UNAVAILABLE, STR("a\"b"), 2);
	EQ_STR(buf_as_str(&out),
	       "{\"code\":14,\"message\":\"a\\\"b\",\"details\":[{\"@type\":"
	       "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"2s\"}]}");
	buf_clear(&out);
	otlp_status(&out, false, GRPC_UNAVAILABLE, STR("abc"), 2);
	EQ_STR(buf_as_str(&out), "\x08\x0e\x12\x03"
				 "abc\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
				 "\x12\x04\x0a\x02\x08\x02");
	buf_fini(&out);
}

int main(void)
{
	RUN(json_is_read);
	RUN(what_is_no_json_is_refused);
	RUN(limits_hold);
	RUN(damaged_requests);
	RUN(values_of_maps_have_names_of_their_own);
	RUN(names_do_not_multiply);
	RUN(other_labels_are_another_stream);
	RUN(statuses);
	return test_end();
}
