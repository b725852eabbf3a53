/* SPDX-License-Identifier: Apache-2.0 */
/* Flattened JSON: which names and values come out, what is refused. And times as JSON has them. */
#include "test.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/rfc3339.h"
#include "pipeline/json_flat.h"

/* "name=value;" each; of strings their raw bytes. doc is copied to its exact size, so that the sanitizer sees
 * a read past the end. */
static int flat(struct str doc, struct buf *out)
{
	char *exact = mem_dup(doc.p, doc.n);
	struct json_flat *f = mem_alloc(sizeof(*f));
	struct json_value value;
	struct str name;
	int got = JSON_MALFORMED;

	buf_clear(out);
	if (json_flat_begin(f, str_make(exact, doc.n))) {
		while ((got = json_flat_next(f, &name, &value)) > 0) {
			OK(name.n <= JSON_FLAT_NAME_MAX);
			buf_printf(out, STR_FMT "=" STR_FMT ";", STR_ARG(name), STR_ARG(value.raw));
		}
		EQ_INT(json_flat_next(f, &name, &value), got);
	}
	mem_free(f);
	mem_free(exact);
	return got;
}

static void names_and_values(void)
{
	static const struct {
		const char *doc, *want; /* NULL: malformed */
	} rows[] = {
		{ "{}", "" },
		{ " {\"a\" : 1 , \"b\":\"x\"} \n", "a=1;b=x;" },
		{ "{\"a\":{\"b\":{\"c\":true},\"d\":null},\"e\":-1.5e3}",
		  "a.b.c=true;a.d=null;e=-1.5e3;" },
		{ "{\"a.b\":{\"c\":1},\"a\":{\"b.c\":2}}", "a.b.c=1;a.b.c=2;" },
		{ "{\"a\":[1,{\"b\":[]},\"]\"],\"c\":2}", "a=[1,{\"b\":[]},\"]\"];c=2;" },
		{ "{\"a\":[],\"b\":{},\"c\":[{}]}", "a=[];c=[{}];" },
		{ "{\"\":1,\"a\":{\"\":2}}", "=1;a.=2;" },
		{ "{\"\\u00e4\\n\":\"\\u00e4\"}", "\xc3\xa4\n=\\u00e4;" },
		{ "{\"a\":1}x", NULL },
		{ "{\"a\":1,}", NULL },
		{ "{,\"a\":1}", NULL },
		{ "{\"a\" 1}", NULL },
		{ "{\"a\":}", NULL },
		{ "{\"a\":1", NULL },
		{ "{\"a\":[1,]}", NULL },
		{ "{\"a\":[1 2]}", NULL },
		{ "{\"a\":[{\"b\"}]}", NULL },
		{ "{\"a\":[{1:2}]}", NULL },
		{ "{\"a\":[1}]", NULL },
		{ "{\"a\":{\"b\":1]}", NULL },
		{ "{\"a\":tru}", NULL },
		{ "{\"a\":01}", NULL },
		{ "{\"a\":\"\\x\"}", NULL },
		{ "[]", NULL },
		{ "1", NULL },
		{ "", NULL },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = flat(str_c(rows[i].doc), &out);

		ROW(rows[i].doc);
		EQ_INT(got, rows[i].want ? 0 : JSON_MALFORMED);
		if (rows[i].want)
			EQ_STR(buf_as_str(&out), rows[i].want);
	}
	buf_fini(&out);
}

static void put_many(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_c(out, text);
}

static void depth_is_bounded(void)
{
	struct buf doc = BUF_INIT, out = BUF_INIT;

	for (size_t n = JSON_DEPTH_MAX - 1; n <= JSON_DEPTH_MAX + 1; n++) {
		bool fits = n <= JSON_DEPTH_MAX;

		buf_clear(&doc);
		put_many(&doc, "{\"a\":", n);
		buf_c(&doc, "1");
		put_many(&doc, "}", n);
		EQ_INT(flat(buf_as_str(&doc), &out), fits ? 0 : JSON_TOO_DEEP);
		buf_clear(&doc);
		buf_c(&doc, "{\"a\":");
		put_many(&doc, "[", n - 1);
		put_many(&doc, "]", n - 1);
		buf_c(&doc, "}");
		EQ_INT(flat(buf_as_str(&doc), &out), fits ? 0 : JSON_TOO_DEEP);
	}
	buf_fini(&doc);
	buf_fini(&out);
}

/* Objects below a name that is at its end are given as they stand. */
static void names_are_bounded(void)
{
	struct buf doc = BUF_INIT, out = BUF_INIT;

	buf_c(&doc, "{\"");
	put_many(&doc, "x", JSON_FLAT_NAME_MAX - 2);
	buf_c(&doc, "\":{\"a\":1,\"bc\":{\"d\":2}},\"");
	put_many(&doc, "y", 2 * JSON_FLAT_NAME_MAX);
	buf_c(&doc, "\":3}");
	EQ_INT(flat(buf_as_str(&doc), &out), 0);
	OK(str_find(buf_as_str(&out), STR("xx.a=1;xx")) < out.n);
	OK(str_find(buf_as_str(&out), STR("xx.b={\"d\":2};yy")) < out.n);
	OK(str_ends(buf_as_str(&out), STR("yyy=3;")));
	buf_fini(&doc);
	buf_fini(&out);
}

static void times(void)
{
	static const struct {
		const char *text;
		int64_t want_ns; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-21T15:45:44.611804851Z", INT64_C(1795275944611804851) },
		{ "2026-11-21T15:45:44.6118048519Z", INT64_C(1795275944611804851) },
		{ "2026-11-21T15:45:44.611Z", INT64_C(1795275944611000000) },
		{ "2026-11-21 17:45:44,611+02:00", INT64_C(1795275944611000000) },
		{ "2026-11-21t10:15:44.611-0530", INT64_C(1795275944611000000) },
		{ "2026-11-21T15:45:44", INT64_C(1795275944000000000) },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000000000) },
		{ "2023-02-29T00:00:00Z", -1 },
		{ "2026-13-01T00:00:00Z", -1 },
		{ "2026-00-01T00:00:00Z", -1 },
		{ "2026-11-21T24:00:00Z", -1 },
		{ "2026-11-21T15:60:44Z", -1 },
		{ "2026-11-21T15:45:44.Z", -1 },
		{ "2026-11-21T15:45:44Zx", -1 },
		{ "2026-11-21T15:45:44+2", -1 },
		{ "2026-11-21T15:45:44+24:00", -1 },
		{ "2026-11-21T15:45", -1 },
		{ "1500-01-01T00:00:00Z", -1 },
		{ "2300-01-01T00:00:00Z", -1 },
		{ "2026-11-2", -1 },
		{ "", -1 },
	};
	char text[RFC3339_MAX];
	int64_t ns;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		ns = 0;
		EQ_INT(rfc3339_read(str_c(rows[i].text), &ns) ? ns : -1, rows[i].want_ns);
	}
	for (int64_t at = INT64_C(-9200000000000000000); at < INT64_C(9200000000000000000);
	     at += INT64_C(7654321098765432)) {
		size_t n = rfc3339_utc(at, 9, text);

		ROW(text);
		OK(rfc3339_read(str_make(text, n), &ns));
		EQ_INT(ns, at);
	}
}

int main(void)
{
	RUN(names_and_values);
	RUN(depth_is_bounded);
	RUN(names_are_bounded);
	RUN(times);
	return test_end();
}
