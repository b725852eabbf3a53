/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: the grammar, its errors with columns, and what matches. */
#include "tests/unit/test.h"

#include "lib/check.h"
#include "pipeline/labels.h"
#include "pipeline/pattern.h"
#include "pipeline/selector.h"

static struct pattern_scratch *scratch;

static void matching(void)
{
	static const struct label items[] = {
		{ STR("app"), STR("web") },
		{ STR("env"), STR("prod-eu") },
		{ STR("empty"), STR("") },
		{ STR("text"), STR("a\nb\"\\\303\251") },
	};
	static const struct {
		const char *selector, *line;
		int labels, is_line;
	} rows[] = {
		{ "{app=\"web\"}", "", 1, 1 },
		{ "{app=\"we\"}", "", 0, 1 },
		{ "{app!=\"web\"}", "", 0, 1 },
		{ "{app!=\"api\"}", "", 1, 1 },
		{ "{env=~\"prod\"}", "", 0, 1 }, /* anchored */
		{ "{env=~\"prod.*\"}", "", 1, 1 },
		{ "{env=~\"x|prod-eu\"}", "", 1, 1 },
		{ "{env!~\"prod.*\"}", "", 0, 1 },
		{ "{env!~\"prod\"}", "", 1, 1 },
		{ "{none=\"\"}", "", 1, 1 }, /* missing is empty */
		{ "{none!=\"\"}", "", 0, 1 },
		{ "{none=~\".*\"}", "", 1, 1 },
		{ "{none=~\".+\"}", "", 0, 1 },
		{ "{empty=\"\"}", "", 1, 1 },
		{ "{app=\"web\",env=\"x\"}", "", 0, 1 },
		{ " {\tapp = \"web\" ,\nenv=~\"p.*\" } ", "", 1, 1 },
		{ "{text=\"a\\nb\\\"\\\\\\u00e9\"}", "", 1, 1 },
		{ "{text=\"\\x61\\012b\\\"\\\\\\303\\xa9\"}", "", 1, 1 },
		{ "{text=~\"a.b.*\"}", "", 1, 1 }, /* dot matches newline in labels */
		{ "{app=\"web\"} // comment", "", 1, 1 },
		{ "/* c */ {app=\"web\"} /* d */ |= \"x\"", "x", 1, 1 },
		{ "{app=\"web\"} |= \"err\"", "an error", 1, 1 },
		{ "{app=\"web\"} |= \"err\"", "an Error", 1, 0 },
		{ "{app=\"web\"} != \"err\"", "an error", 1, 0 },
		{ "{app=\"web\"} |~ \"e.r\"", "an error", 1, 1 },
		{ "{app=\"web\"} !~ \"e.r\"", "an error", 1, 0 },
		{ "{app=\"web\"}|=\"a\"!=\"b\"|~\"c$\"!~\"^d\"", "a c", 1, 1 },
		{ "{app=\"web\"}|=\"a\"!=\"b\"|~\"c$\"!~\"^d\"", "a b c", 1, 0 },
		{ "{app=\"web\"} |= \"\"", "x", 1, 1 },
		{ "{app=\"web\"} != \"\"", "x", 1, 0 },
		{ "{app=\"web\"} |~ \"a\\\\.b\"", "a.b", 1, 1 },
		{ "{app=\"web\"} |= \"a text of more than thirty-two bytes\"",
		  "x a text of more than thirty-two bytes", 1, 1 },
		{ "{app=\"web\"} |= \"a text of more than thirty-two bytes\"", "a text of", 1, 0 },
		{ "{\303\251t\303\251=\"\"}", "", 1, 1 },
		/* not known, when the expression gives up */
		{ "{app=\"web\"} |~ \"(a+)+$\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", 1,
		  -1 },
		{ "{app=\"web\"} !~ \"(a+)+$\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", 1,
		  -1 },
	};
	struct label_table *t = label_table_new(10);
	const struct labels *labels = labels_intern(t, items, ARRAY_LEN(items));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_NONE;
		struct selector *s;

		ROW(rows[i].selector);
		if (selector_compile(str_c(rows[i].selector), &s, &err)) {
			FAIL("%s", err.text);
			continue;
		}
		EQ_INT(selector_match_labels(s, scratch, labels), rows[i].labels);
		EQ_INT(selector_match_line(s, scratch, str_c(rows[i].line)), rows[i].is_line);
		selector_free(s);
	}
	label_table_free(t);
}

static void errors(void)
{
	static const struct {
		const char *selector, *error;
	} rows[] = {
		{ "", "expected {, found the end (at column 1)" },
		{ "app=\"web\"", "expected {, found a (at column 1)" },
		{ "{}", "at least one label matcher is needed (at column 2)" },
		{ "{a=\"b\",}", "expected the name of a label, found } (at column 8)" },
		{ "{a=\"b\"", "expected , or }, found the end (at column 7)" },
		{ "{a=\"b\" c=\"d\"}", "expected , or }, found c (at column 8)" },
		{ "{a-b=\"c\"}", "expected = != =~ or !~, found - (at column 3)" },
		{ "{1a=\"c\"}", "expected the name of a label, found 1 (at column 2)" },
		{ "{a=`b`}", "texts are written in double quotes (at column 4)" },
		{ "{a='b'}", "texts are written in double quotes (at column 4)" },
		{ "{a=b}", "expected a text in double quotes, found b (at column 4)" },
		{ "{a=\"b}", "the text has no closing quote (at column 4)" },
		{ "{a=\"b\nc\"}", "the text has no closing quote (at column 4)" },
		{ "{a=\"\\.\"}",
		  "invalid escape \\.; a backslash is written as two (at column 5)" },
		{ "{a=\"\\xg1\"}",
		  "invalid escape \\x; a backslash is written as two (at column 5)" },
		{ "{a=\"\\400\"}",
		  "invalid escape \\4; a backslash is written as two (at column 5)" },
		{ "{a=\"\\ud800\"}",
		  "invalid escape \\u; a backslash is written as two (at column 5)" },
		{ "{a=\"\\xff\"}", "the text is not valid UTF-8 (at column 4)" },
		{ "{a=~\"(\"}",
		  "in this expression: missing closing ) (at column 1) (at column 5)" },
		{ "{a=\"b\"} |~ \"x(?=y)\"",
		  "in this expression: look-ahead is not supported (at column 2) (at column 12)" },
		{ "{a=\"b\"} | json", "expected |= != |~ or !~ (only line filters may follow the "
				      "labels), found | (at column 9)" },
		{ "{a=\"b\"} |= \"c\" or \"d\"", "expected |= != |~ or !~ (only line filters may "
						 "follow the labels), found o (at column 16)" },
		{ "{a=\"b\"} |=",
		  "expected a text in double quotes, found the end (at column 11)" },
		{ "\377", "invalid UTF-8 (at column 1)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_NONE;
		struct selector *s;

		ROW(rows[i].selector);
		OK(selector_compile(str_c(rows[i].selector), &s, &err) < 0);
		OK(s == NULL);
		EQ_STR(str_c(err.text), rows[i].error);
		selector_free(s);
	}
}

int main(void)
{
	scratch = pattern_scratch_new();
	RUN(matching);
	RUN(errors);
	pattern_scratch_free(scratch);
	return test_end();
}
