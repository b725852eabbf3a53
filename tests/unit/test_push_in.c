/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of pushes: both formats, labels as Prometheus writes them, what is malformed. */
#include "inputs/lokipush/push_in.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/unit/test.h"

static void put_text(struct buf *out, const struct push_in_text *t)
{
	char *memory = mem_alloc(push_in_text_size(t) + 1);
	struct str text = push_in_text(t, memory);

	buf_str(out, text.p ? text : STR("<bad>"));
	mem_free(memory);
}

static void put_pairs(struct buf *out, struct push_in_pairs pairs)
{
	struct push_in_text name, value;
	int got;

	while ((got = push_in_pair(&pairs, &name, &value)) > 0) {
		buf_ch(out, ' ');
		put_text(out, &name);
		buf_ch(out, '=');
		put_text(out, &value);
	}
	if (got < 0)
		buf_c(out, " <bad>");
}

static void tell(bool is_json, struct str body, struct buf *out)
{
	struct push_in_entry entry;
	struct push_in in;
	enum push_in_result got;

	push_in_init(&in, is_json, body);
	while ((got = push_in_next(&in, &entry)) > 0) {
		if (got == PUSH_IN_STREAM) {
			buf_c(out, "stream");
			put_pairs(out, in.labels);
		} else {
			buf_printf(out, "%lld ", (long long)entry.time_ns);
			put_text(out, &entry.line);
			put_pairs(out, entry.meta);
		}
		buf_ch(out, '\n');
	}
	if (got == PUSH_IN_BAD)
		buf_printf(out, "!%s\n", in.why);
}

static const struct {
	const char *name, *in, *want;
} jsons[] = {
	{ "one",
	  "{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"x\"],[\"2\",\"y\",{\"k\":"
	  "\"v\"}]]}]}",
	  "stream a=b\n1 x\n2 y k=v\n" },
	{ "order and space",
	  " {\"z\": [{}, [1.5e3]], \"streams\" : [ {\"values\" : [ [ \"-1\" , \"x\" , { } ] ], "
	  "\"stream\" : { \"a\" : \"b\" } } ] } ",
	  "stream a=b\n-1 x\n" },
	{ "two streams",
	  "{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[]},{\"stream\":{\"c\":\"d\"},"
	  "\"values\":[[3,\"x\"]]}]}",
	  "stream a=b\nstream c=d\n3 x\n" },
	{ "escapes",
	  "{\"streams\":[{\"stream\":{\"a\":\"\\\"\\u00e4\"},\"values\":[[\"1\","
	  "\"\\n\\ud83d\\ude00]\"]]}]}",
	  "stream a=\"\xc3\xa4\n1 \n\xf0\x9f\x98\x80]\n" },
	{ "none", "{\"streams\":[]}", "" },
	{ "no JSON", "x", "!the JSON is malformed\n" },
	{ "cut", "{\"streams\":[{\"stream\":{\"a\":\"b\"}", "!the JSON is malformed\n" },
	{ "more", "{\"streams\":[]} x", "!something follows the JSON\n" },
	{ "no streams", "{}", "!\"streams\" is no array\n" },
	{ "no labels", "{\"streams\":[{\"values\":[]}]}",
	  "!a stream has no object \"stream\" with its labels\n" },
	{ "legacy", "{\"streams\":[{\"labels\":\"{}\",\"entries\":[]}]}",
	  "!a stream has no object \"stream\" with its labels\n" },
	{ "no values", "{\"streams\":[{\"stream\":{}}]}", "!a stream has no array \"values\"\n" },
	{ "label is no string", "{\"streams\":[{\"stream\":{\"a\":1},\"values\":[]}]}",
	  "stream <bad>\n" },
	{ "no time", "{\"streams\":[{\"stream\":{},\"values\":[[\"x\",\"y\"]]}]}",
	  "stream\n!an entry is malformed: it must be [\"<ns>\", \"line\", {metadata}]\n" },
	{ "beyond 2^63",
	  "{\"streams\":[{\"stream\":{},\"values\":[[\"9223372036854775808\",\"y\"]]}]}",
	  "stream\n!an entry is malformed: it must be [\"<ns>\", \"line\", {metadata}]\n" },
	{ "trailing comma", "{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"y\"],]}]}",
	  "stream\n1 y\n!an entry is malformed: it must be [\"<ns>\", \"line\", {metadata}]\n" },
};

static void json(void)
{
	struct buf text = BUF_INIT, deep = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(jsons); i++) {
		ROW(jsons[i].name);
		buf_clear(&text);
		tell(true, str_c(jsons[i].in), &text);
		EQ_STR(buf_as_str(&text), jsons[i].want);
		/* What is cut off anywhere is refused whole, and ends. */
		for (size_t n = 0; n < strlen(jsons[i].in) && !str_is(str_c(jsons[i].name), "more");
		     n++) {
			buf_clear(&text);
			tell(true, str_make(jsons[i].in, n), &text);
			OK(memchr(text.p ? text.p : "", '!', text.n) ||
			   str_is(str_trim(str_skip(str_c(jsons[i].in), n)), ""));
		}
	}
	ROW("depth");
	buf_c(&deep, "{\"a\":");
	for (int i = 0; i < 100000; i++)
		buf_ch(&deep, '[');
	buf_clear(&text);
	tell(true, buf_as_str(&deep), &text);
	EQ_STR(buf_as_str(&text), "!the JSON is malformed\n");
	buf_fini(&text);
	buf_fini(&deep);
}

/* Stream { labels } alone, as protobuf. */
static void labels(void)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "{a=\"b\", c=\"d\"}", "stream a=b c=d\n" },
		{ " { a = \"b\" , } ", "stream a=b\n" },
		{ "{}", "stream\n" },
		{ "{a=`b\\n`,c='d'}", "stream a=b\\n c=d\n" },
		{ "{a=\"\\\"\\\\\\n\\t\\x41\\u00e4\\U0001F600\\101\"}",
		  "stream a=\"\\\n\tA\xc3\xa4\xf0\x9f\x98\x80"
		  "A\n" },
		{ "{a=\"\\q\"}", "stream a=<bad>\n" },
		{ "{a=\"\\ud800\"}", "stream a=<bad>\n" },
		{ "{a=\"\\777\"}", "stream a=<bad>\n" },
		{ "{a=\"b\" c=\"d\"}", "stream a=b <bad>\n" },
		{ "{a=\"b\"} x", "stream a=b <bad>\n" },
		{ "{a=\"b", "stream <bad>\n" },
		{ "{a=\"b\\\"", "stream <bad>\n" },
		{ "{a!=\"b\"}", "stream <bad>\n" },
		{ "{1=\"b\"}", "stream <bad>\n" },
		{ "a=\"b\"", "stream <bad>\n" },
		{ "", "stream <bad>\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].in);
		struct buf body = BUF_INIT, text = BUF_INIT;

		ROW(rows[i].in);
		buf_printf(&body, "\n%c\n%c%s", (int)n + 2, (int)n, rows[i].in);
		tell(false, buf_as_str(&body), &text);
		EQ_STR(buf_as_str(&text), rows[i].want);
		buf_fini(&body);
		buf_fini(&text);
	}
}

static void protobuf(void)
{
	static const struct {
		const char *name;
		struct str in;
		const char *want;
	} rows[] = {
		{ "entry", STR("\n\x16\n\x07{a=\"b\"}\x12\x0b\n\x04\x08\x01\x10\x02\x12\x03x\0y"),
		  "stream a=b\n1000000002 x" },
		{ "labels behind, unknown fields",
		  STR("\x18\x05\n\x0f\x12\x07\n\x02\x08\x01\x12\x01x\x18\x07\n\x02{}"),
		  "stream\n1000000000 x\n" },
		{ "metadata",
		  STR("\n\x1a\n\x02{}"
		      "\x12\x14\n\x02\x08\x01\x12\x01x\x1a\x06\n\x01k\x12\x01v\x1a\x03\n\x01z"),
		  "stream\n1000000000 x k=v z=\n" },
		{ "no time", STR("\n\x09\n\x02{}\x12\x03\x12\x01x"),
		  "stream\n!an entry is malformed\n" },
		{ "negative nanoseconds",
		  STR("\n\x15\n\x02{}"
		      "\x12\x0f\n\x0d\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		  "stream\n!an entry is malformed\n" },
		{ "longer than there is", STR("\n\x7f"), "!the protobuf is malformed\n" },
		{ "a group", STR("\x0b"), "!the protobuf is malformed\n" },
		{ "field 0", STR("\x02\x00"), "!the protobuf is malformed\n" },
		{ "nothing", STR(""), "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = BUF_INIT;

		ROW(rows[i].name);
		tell(false, rows[i].in, &text);
		OK(str_starts(buf_as_str(&text), str_c(rows[i].want)));
		if (!str_starts(buf_as_str(&text), str_c(rows[i].want)))
			EQ_STR(buf_as_str(&text), rows[i].want);
		buf_fini(&text);
	}
}

int main(void)
{
	RUN(json);
	RUN(labels);
	RUN(protobuf);
	return test_end();
}
