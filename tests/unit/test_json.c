/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader: what is valid, what paths find, which text values have. */
#include "test.h"

#include "lib/mem.h"
#include "pipeline/json.h"

static bool is_path(const char *expression)
{
	struct json_paths *paths = json_paths_new();
	int slot = json_paths_add(paths, str_c(expression));

	json_paths_free(paths);
	return slot > 0;
}

/* doc is copied to its exact size, so that the sanitizer sees a read past the end. */
static int extract(const char *expression, const char *doc, size_t n, char *ret_text)
{
	struct json_paths *paths = json_paths_new();
	struct json_value values[64];
	char *exact = mem_alloc(n ? n : 1), *out = NULL;
	struct str text;
	int slot = 0, root;

	memcpy(exact, doc, n);
	if (*expression)
		slot = json_paths_add(paths, str_c(expression));
	OK(slot >= 0 && json_paths_slots(paths) <= 64);
	root = json_extract(paths, str_make(exact, n), values);
	strcpy(ret_text, "<absent>");
	if (slot > 0 && root > 0) {
		const struct json_value *v = &values[slot];
		size_t size = json_text_size(v);

		out = size ? mem_alloc(size) : NULL;
		if (json_text(v, out, &text)) {
			OK(text.n < 1000);
			OK(!out || text.n <= size);
			memcpy(ret_text, text.p, text.n);
			ret_text[text.n] = 0;
		} else if (v->type == JSON_NULL) {
			strcpy(ret_text, "<null>");
		} else if (v->type != JSON_ABSENT) {
			strcpy(ret_text, "<none>");
		}
	}
	mem_free(out);
	mem_free(exact);
	json_paths_free(paths);
	return root;
}

static void validity(void)
{
	static const struct {
		const char *doc;
		int want;
	} rows[] = {
		{ "{}", JSON_OBJECT },
		{ " \t\r\n{ } \n", JSON_OBJECT },
		{ "[]", JSON_ARRAY },
		{ "[1]", JSON_ARRAY },
		{ "[1 , 2 ,[ ] , {} ]", JSON_ARRAY },
		{ "null", JSON_NULL },
		{ "true", JSON_BOOL },
		{ "false", JSON_BOOL },
		{ "12", JSON_NUMBER },
		{ "-0.5e+10", JSON_NUMBER },
		{ "\"x\"", JSON_STRING },
		{ "\"raw \x01\n\t control\"", JSON_STRING },
		{ "\"bad utf8 \xff\xc3\"", JSON_STRING },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aB\"", JSON_STRING },
		{ "", JSON_MALFORMED },
		{ "   ", JSON_MALFORMED },
		{ "{", JSON_MALFORMED },
		{ "{\"a\"", JSON_MALFORMED },
		{ "{\"a\":", JSON_MALFORMED },
		{ "{\"a\":1", JSON_MALFORMED },
		{ "{\"a\":1,", JSON_MALFORMED },
		{ "{\"a\":1,}", JSON_MALFORMED },
		{ "{,}", JSON_MALFORMED },
		{ "{\"a\" 1}", JSON_MALFORMED },
		{ "{a:1}", JSON_MALFORMED },
		{ "{'a':1}", JSON_MALFORMED },
		{ "{1:1}", JSON_MALFORMED },
		{ "{\"a\":1]", JSON_MALFORMED },
		{ "[1}", JSON_MALFORMED },
		{ "[1,]", JSON_MALFORMED },
		{ "[,1]", JSON_MALFORMED },
		{ "[1 2]", JSON_MALFORMED },
		{ "[", JSON_MALFORMED },
		{ "]", JSON_MALFORMED },
		{ "{} x", JSON_MALFORMED },
		{ "{}{}", JSON_MALFORMED },
		{ "tru", JSON_MALFORMED },
		{ "truex", JSON_MALFORMED },
		{ "nul", JSON_MALFORMED },
		{ "False", JSON_MALFORMED },
		{ "NaN", JSON_MALFORMED },
		{ "01", JSON_MALFORMED },
		{ "-", JSON_MALFORMED },
		{ "-01", JSON_MALFORMED },
		{ "+1", JSON_MALFORMED },
		{ ".5", JSON_MALFORMED },
		{ "5.", JSON_MALFORMED },
		{ "5.e1", JSON_MALFORMED },
		{ "1e", JSON_MALFORMED },
		{ "1e+", JSON_MALFORMED },
		{ "0x10", JSON_MALFORMED },
		{ "1_000", JSON_MALFORMED },
		{ "\"", JSON_MALFORMED },
		{ "\"\\", JSON_MALFORMED },
		{ "\"\\\"", JSON_MALFORMED },
		{ "\"\\x\"", JSON_MALFORMED },
		{ "\"\\u12\"", JSON_MALFORMED },
		{ "\"\\u12g4\"", JSON_MALFORMED },
		{ "\"open, longer than sixteen bytes", JSON_MALFORMED },
	};
	char text[1000];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].doc);
		EQ_INT(extract("", rows[i].doc, strlen(rows[i].doc), text), rows[i].want);
	}
	ROW("a NUL inside a string");
	EQ_INT(extract("", "\"a\0b\"", 5, text), JSON_STRING);
	ROW("a NUL outside");
	EQ_INT(extract("", "{}\0", 3, text), JSON_MALFORMED);
}

static void depth(void)
{
	char doc[3 * JSON_DEPTH_MAX], text[1000];

	for (size_t n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
		memset(doc, '[', n);
		memset(doc + n, ']', n);
		EQ_INT(extract("", doc, 2 * n, text),
		       n == JSON_DEPTH_MAX ? JSON_ARRAY : JSON_TOO_DEEP);
	}
}

static void values(void)
{
	static const struct {
		const char *path, *doc, *want;
	} rows[] = {
		{ "a", "{\"a\":\"x\"}", "x" },
		{ "a", "{\"a\":\"\"}", "" },
		{ "a", "{\"b\":1}", "<absent>" },
		{ "a", "{\"a\":null}", "<null>" },
		{ "a", "{\"a\":true}", "true" },
		{ "a", "{\"a\":false}", "false" },
		{ "a", "null", "<absent>" },
		{ "a.b.c", "{\"a\":{\"x\":[{\"c\":1}],\"b\":{\"c\":\"deep\"}},\"c\":2}", "deep" },
		{ "a.b", "{\"a\":\"text\"}", "<absent>" },
		{ "a.b", "{\"a\":[{\"b\":1}]}", "<absent>" },
		{ "a.b", "{\"b\":1}", "<absent>" },
		{ "b", "{\"a\":{\"b\":1}}", "<absent>" },
		{ "a[0]", "{\"a\":[1,2,3]}", "1" },
		{ "a[2]", "{\"a\":[1,2,3]}", "3" },
		{ "a[3]", "{\"a\":[1,2,3]}", "<absent>" },
		{ "a[0]", "{\"a\":[]}", "<absent>" },
		{ "a[0]", "{\"a\":{\"0\":1}}", "<absent>" },
		{ "a[1].b[1]", "{\"a\":[{\"b\":[7,8]},{\"b\":[5,6]}]}", "6" },
		{ "[1]", "[4,5]", "5" },
		{ "\"foo-bar\"", "{\"foo-bar\":1}", "1" },
		{ "\"@timestamp\"", "{\"@timestamp\":\"t\"}", "t" },
		{ "a.\"b.c\"", "{\"a\":{\"b.c\":\"x\"}}", "x" },
		{ "\"\"", "{\"\":\"x\"}", "x" },
		{ "\"\\u00e9\"", "{\"\xc3\xa9\":\"x\"}", "x" },
		{ "\"\xc3\xa9\"", "{\"\\u00e9\":\"x\"}", "x" },
		{ "ab", "{\"\\u0061b\":\"x\"}", "x" },
		{ " a . b [ 0 ] ", "{\"a\":{\"b\":[\"x\"]}}", "x" },
		/* the last of equal keys counts, with everything below it */
		{ "a", "{\"a\":1,\"a\":2}", "2" },
		{ "a", "{\"a\":1,\"a\":null}", "<null>" },
		{ "a.b", "{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "<absent>" },
		{ "a.b", "{\"a\":{\"b\":1},\"a\":{\"b\":2}}", "2" },
		{ "a.b", "{\"a\":{\"b\":1},\"a\":3}", "<absent>" },
		{ "a.b[0].c", "{\"a\":{\"b\":[{\"c\":1}]},\"a\":{}}", "<absent>" },
		{ "a.b", "{\"a\":3,\"a\":{\"b\":1}}", "1" },
		/* strings */
		{ "a", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t" },
		{ "a", "{\"a\":\"raw\ttab \\n\"}", "raw\ttab \n" },
		{ "a", "{\"a\":\"\\u00e9\\u20ac\"}", "\xc3\xa9\xe2\x82\xac" },
		{ "a", "{\"a\":\"\\ud83d\\ude00!\"}", "\xf0\x9f\x98\x80!" },
		{ "a", "{\"a\":\"\\ud83d\"}", "\xef\xbf\xbd" },
		{ "a", "{\"a\":\"\\ude00x\"}", "\xef\xbf\xbdx" },
		{ "a", "{\"a\":\"\\ud83d\\u0041\"}",
		  "\xef\xbf\xbd"
		  "A" },
		{ "a", "{\"a\":\"\\ud83d\\ud83d\\ude00\"}", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
		{ "a", "{\"a\":\"\xff\"}", "\xff" },
		{ "a", "{\"a\":\"a string with a quote \\\" behind its sixteenth byte\"}",
		  "a string with a quote \" behind its sixteenth byte" },
		/* numbers: whole ones stay, others are Go's shortest decimal */
		{ "a", "{\"a\":0}", "0" },
		{ "a", "{\"a\":-0}", "-0" },
		{ "a", "{\"a\":12345678901234567890}", "12345678901234567890" },
		{ "a", "{\"a\":1700000000123456789}", "1700000000123456789" },
		{ "a", "{\"a\":5.50}", "5.5" },
		{ "a", "{\"a\":5.00}", "5" },
		{ "a", "{\"a\":-0.0}", "-0" },
		{ "a", "{\"a\":0.10}", "0.1" },
		{ "a", "{\"a\":100.0}", "100" },
		{ "a", "{\"a\":0.1234567890123456789}", "0.12345678901234568" },
		{ "a", "{\"a\":1700000000.123456789}", "1700000000.1234567" },
		{ "a", "{\"a\":1e3}", "1000" },
		{ "a", "{\"a\":1.5e3}", "1500" },
		{ "a", "{\"a\":1.5E-3}", "0.0015" },
		{ "a", "{\"a\":-2.5e-7}", "-0.00000025" },
		{ "a", "{\"a\":1e21}", "1000000000000000000000" },
		{ "a", "{\"a\":0e5}", "0" },
		{ "a", "{\"a\":-0e5}", "-0" },
		{ "a", "{\"a\":9007199254740993.0}", "9007199254740992" },
		{ "a", "{\"a\":99999999999999999999.5}", "100000000000000000000" },
		{ "a", "{\"a\":1e999}", "<none>" },
		/* objects and arrays as Go writes them */
		{ "a", "{\"a\":{}}", "{}" },
		{ "a", "{\"a\": [ 1 , \"x y\" ,\n{ \"b\" : null } ] }",
		  "[1,\"x y\",{\"b\":null}]" },
		{ "a", "{\"a\":[\"<b>&\\\" \\\\\", \" <\"]}",
		  "[\"\\u003cb\\u003e\\u0026\\\" \\\\\",\" \\u003c\"]" },
		{ "a", "{\"a\":[\"\xe2\x80\xa8\"]}", "[\"\\u2028\"]" },
	};
	char text[1000];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].doc);
		OK(extract(rows[i].path, rows[i].doc, strlen(rows[i].doc), text) > 0);
		EQ_STR(str_c(text), rows[i].want);
	}
}

/* The extremes of float64, which have more digits than a table row wants to show. */
static void long_numbers(void)
{
	char text[1000];

	OK(extract("a", STR("{\"a\":5e-324}").p, 12, text) > 0);
	EQ_INT(strlen(text), 326);
	EQ_STR(str_skip(str_c(text), 320), "000005");
	OK(extract("a", STR("{\"a\":-1.7976931348623157e308}").p, 29, text) > 0);
	EQ_INT(strlen(text), 310);
	EQ_STR(str_sub(str_c(text), 0, 20), "-1797693134862315700");
}

static void several_paths(void)
{
	static const char doc[] = "{\"t\":\"x\",\"http\":{\"status\":200,\"path\":\"/\"},"
				  "\"list\":[{\"id\":1},{\"id\":2}],\"other\":[[[]]]}";
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "http.status", "200" }, { "t", "\"x" },        { "http.path", "\"/" },
		{ "list[1].id", "2" },    { "list[0].id", "1" }, { "http.status", "200" },
	};
	struct json_paths *paths = json_paths_new();
	struct json_value got[64];
	int slots[ARRAY_LEN(rows)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		slots[i] = json_paths_add(paths, str_c(rows[i].path));
	EQ_INT(slots[0], slots[5]);
	EQ_INT(json_extract(paths, str_c(doc), got), JSON_OBJECT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].path);
		EQ_STR(got[slots[i]].raw, rows[i].want + (rows[i].want[0] == '"'));
	}
	json_paths_free(paths);
}

/* What is a plain path; everything else is left to JMESPath. */
static void expressions(void)
{
	static const char *const paths[] = { "a", "_A9.b", "a[0][1]", "\"a b\"[0].c", " a . b " };
	static const char *const others[] = {
		"",          "  ",
		"a.",        ".a",
		"a..b",      "foo-bar",
		"9a",        "a b",
		"a:b",       "\"a",
		"\"a\\x\"",  "a[0",
		"a[]",       "a[*]",
		"a.*",       "*",
		"a[?b==1]",  "a[0:2]",
		"a[-1]",     "a[b]",
		"a.[b]",     "a.{b: c}",
		"length(a)", "a | b",
		"a || b",    "a && b",
		"!a",        "a == b",
		"a < b",     "@",
		"@.a",       "`1`",
		"'a'",       "a[4294967296]",
	};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		ROW(paths[i]);
		OK(is_path(paths[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		ROW(others[i]);
		OK(!is_path(others[i]));
	}
}

/* Every prefix of a document is malformed, and reading it stays inside its bytes. */
static void prefixes(void)
{
	static const char doc[] = "{\"a\":[1.5e-3,true,null,{\"k\\u00e9\":\"long enough for a block"
				  " \\\\ \\ud83d\\ude00\"}],\"b\":\"x\"}";
	char text[1000];

	for (size_t n = 0; n < sizeof(doc) - 1; n++)
		EQ_INT(extract("a[3].k", doc, n, text), JSON_MALFORMED);
	EQ_INT(extract("b", doc, sizeof(doc) - 1, text), JSON_OBJECT);
	EQ_STR(str_c(text), "x");
}

int main(void)
{
	RUN(validity);
	RUN(depth);
	RUN(values);
	RUN(long_numbers);
	RUN(several_paths);
	RUN(expressions);
	RUN(prefixes);
	return test_end();
}
