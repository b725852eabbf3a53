/* SPDX-License-Identifier: Apache-2.0 */
/* The logfmt reader against rows taken from go-logfmt 0.6.0. */
#include "test.h"

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/logfmt.h"

/* key:value pairs joined by '|', "!" at the end for a syntax error. */
static void render(struct str text, struct buf *out)
{
	struct logfmt l = logfmt_start(text);
	struct logfmt_value value;
	struct str key;

	while (logfmt_next(&l, &key, &value)) {
		char *room = mem_alloc(logfmt_unescape_size(&value) + 1);

		if (out->n)
			buf_ch(out, '|');
		buf_str(out, key);
		buf_ch(out, ':');
		buf_str(out, logfmt_unescape(&value, room));
		mem_free(room);
	}
	if (l.is_broken)
		buf_ch(out, '!');
}

static void grammar(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ " \t\n ", "" },
		{ "a", "a:" },
		{ "a=", "a:" },
		{ "a= b", "a:|b:" },
		{ "a=1", "a:1" },
		{ "a=1 b=2", "a:1|b:2" },
		{ "  a=1\tb=2  ", "a:1|b:2" },
		{ "a=1\nb=2\n", "a:1|b:2" },
		{ "a=1\r\nb=2", "a:1|b:2" },
		{ "a b c=3", "a:|b:|c:3" },
		{ "a=\"\"", "a:" },
		{ "a=\"x y\" b=2", "a:x y|b:2" },
		{ "a=\"x\"b=2", "a:x|b:2" },
		{ "a=\"x=y\"", "a:x=y" },
		{ "a=\"q\\\"q\"", "a:q\"q" },
		{ "a=\"\\n\\t\\r\\b\\f\\\\\\/\\'\"", "a:\n\t\r\b\f\\/'" },
		{ "a=\"\\u00e9\\u20AC\"", "a:\xc3\xa9\xe2\x82\xac" },
		{ "a=\"\\ud83d\\ude00\"", "a:\xf0\x9f\x98\x80" },
		{ "a=\"\\ud83d\"", "a:\xef\xbf\xbd" },
		{ "a=\"\\ud83dx\"", "a:\xef\xbf\xbdx" },
		{ "a=\"\\ude00\"", "a:\xef\xbf\xbd" },
		{ "a=\"raw\ttab\"", "a:raw\ttab" },
		{ "a=\"bad\xff\"", "a:bad\xff" },
		{ "a=\"bad\xff\\n\"", "a:bad\xef\xbf\xbd\n" },
		{ "a=bad\xff", "a:bad\xff" },
		{ "a.b-c/d@e=1", "a.b-c/d@e:1" },
		{ "\xc3\xa9=1", "\xc3\xa9:1" },
		{ "a=\\n", "a:\\n" },
		{ "%^asdf", "%^asdf:" },
		/* syntax errors keep what stands before them */
		{ "=", "!" },
		{ "=x", "!" },
		{ "a=1 =x b=2", "a:1!" },
		{ "a=1=2", "!" },
		{ "a==", "!" },
		{ "a=x\"y", "!" },
		{ "a\"b=1", "!" },
		{ "\"", "!" },
		{ "a=1 \"b\"", "a:1!" },
		{ "a=1 b=\"open", "a:1!" },
		{ "a=1 b=\"", "a:1!" },
		{ "a=\"open\nb=2\"", "!" },
		{ "a=\"\\x\"", "!" },
		{ "a=\"\\u12\"", "!" },
		{ "a=\"\\u12g4\"", "!" },
		{ "a=\"\\", "!" },
		{ "a=\"\\\"", "!" },
		{ "a=\"raw\ttab\\n\"", "!" },
		{ "b=1 a\xff=1", "b:1!" },
		{ "a\xef\xbf\xbd=1", "!" },
		{ "a\xff", "!" },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].text);
		char *exact = mem_alloc(n ? n : 1);

		ROW(rows[i].text);
		memcpy(exact, rows[i].text, n);
		buf_clear(&out);
		render(str_make(exact, n), &out);
		EQ_STR(buf_as_str(&out), rows[i].want);
		mem_free(exact);
	}
	buf_fini(&out);
}

static void extraction(void)
{
	struct logfmt_fields *fields = logfmt_fields_new();
	struct logfmt_value v[4];

	EQ_INT(logfmt_fields_add(fields, STR("level")), 0);
	EQ_INT(logfmt_fields_add(fields, STR("msg")), 1);
	EQ_INT(logfmt_fields_add(fields, STR("level")), 0);
	EQ_INT(logfmt_fields_add(fields, STR("flag")), 2);
	EQ_INT(logfmt_fields_slots(fields), 3);

	OK(logfmt_extract(fields, STR("level=a x=1 msg=\"m\\n\" level=b"), v));
	EQ_STR(v[0].raw, "b");
	EQ_STR(v[1].raw, "m\\n");
	OK(v[1].is_escaped && !v[0].is_escaped);
	OK(!v[2].raw.p);

	ROW("an escaped value replaced by a plain one");
	OK(logfmt_extract(fields, STR("msg=\"m\\n\" msg=plain flag"), v));
	EQ_STR(v[1].raw, "plain");
	OK(!v[1].is_escaped && v[2].raw.p && v[2].raw.n == 0);

	ROW("an error keeps what stands before it");
	OK(!logfmt_extract(fields, STR("level=a msg=x\"y flag"), v));
	EQ_STR(v[0].raw, "a");
	OK(!v[1].raw.p && !v[2].raw.p);

	ROW("an empty text");
	OK(logfmt_extract(fields, STR_NONE, v));
	OK(!v[0].raw.p);
	logfmt_fields_free(fields);
}

int main(void)
{
	RUN(grammar);
	RUN(extraction);
	return test_end();
}
