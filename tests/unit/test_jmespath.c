/* SPDX-License-Identifier: Apache-2.0 */
/* JMESPath, against rows that go-jmespath made (golden/jmespath), and our own messages and limits. */
#include "test.h"

#include "lib/check.h"
#include "pipeline/jmespath/jmespath.h"

static struct arena arena;
static struct value document;
static struct buf out;
static struct err err;

static struct str search(struct str text)
{
	struct value_json_style style = { .is_html_safe = true };
	struct jmespath *j;
	struct value v;
	bool is_fine;

	err = ERR_NONE;
	buf_clear(&out);
	if (jmespath_compile(text, &j, &err))
		return STR("!parse");
	is_fine = jmespath_search(j, document, &arena, arena.bytes + (1 << 20), &v, &err);
	if (is_fine)
		value_to_json(&out, v, style);
	jmespath_free(j);
	return is_fine ? buf_as_str(&out) : STR("!run");
}

static void golden_row(struct str line)
{
	struct str text = str_cut(&line, '\t'), got = search(text);

	test_checks++;
	/* Functions are looked up when it is used there, and at load here. */
	if (!str_eq(got, line) && !(str_is(line, "!run") && str_is(got, "!parse")))
		FAIL(STR_FMT "\n   got  " STR_FMT " (%s)\n   want " STR_FMT, STR_ARG(text),
		     STR_ARG(got), err.text, STR_ARG(line));
}

static void rows_from_go(void)
{
	FILE *f = fopen(GOLDEN_DIR "/jmespath/results.tsv", "r");
	char line[4096];
	int rows = 0;

	OK(f != NULL);
	while (f && fgets(line, sizeof(line), f)) {
		golden_row(str_sub(str_c(line), 0, str_chr(str_c(line), '\n')));
		rows++;
	}
	if (f)
		fclose(f);
	OK(rows > 150);
}

static void messages(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "lenght(a)", "there is no function 'lenght' (did you mean 'length'?)" },
		{ "length(a, b)", "length() takes 1 argument, and has 2" },
		{ "merge()", "merge() takes at least 1 argument, and has 0" },
		{ "sort_by(a, b)", "argument 2 of sort_by() must be an expression such as &name" },
		{ "foo-bar", "must be in double quotes, in YAML '\"foo-bar\"' (at column 4)" },
		{ "a.", "is expected behind '.' (at column 3)" },
		{ "a[?b", "']' is expected (at column 5)" },
		{ "a #", "'#' is not understood (at column 3)" },
		{ "l[::0]", "step of a slice" },
		{ "abs(s)", "abs(): argument 1 has a wrong type" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		OK(str_starts(search(str_c(rows[i].text)), STR("!")));
		if (!strstr(err.text, rows[i].want))
			FAIL("got \"%s\"", err.text);
		test_checks++;
	}
}

static void limits(void)
{
	struct buf text = BUF_INIT;

	ROW("nesting");
	for (int i = 0; i < 2000; i++)
		buf_ch(&text, '(');
	EQ_STR(search(buf_as_str(&text)), "!parse");
	buf_clear(&text);
	buf_c(&text, "a");
	for (int i = 0; i < 2000; i++)
		buf_c(&text, ".a");
	EQ_STR(search(str_sub(buf_as_str(&text), 0, 4001)), "!parse");
	ROW("growth");
	buf_clear(&text);
	buf_c(&text, "l");
	for (int i = 0; i < 20; i++)
		buf_c(&text, "|[@,@,@,@]");
	for (int i = 0; i < 20; i++)
		buf_c(&text, "|[]");
	EQ_STR(search(buf_as_str(&text)), "!run");
	buf_fini(&text);
}

int main(void)
{
	char text[8192];
	FILE *f = fopen(GOLDEN_DIR "/jmespath/document.json", "r");
	size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

	OK(value_from_json(&arena, str_trim(str_make(text, n)), SIZE_MAX, &document));
	if (f)
		fclose(f);
	RUN(rows_from_go);
	RUN(messages);
	RUN(limits);
	arena_fini(&arena);
	buf_fini(&out);
	return test_end();
}
