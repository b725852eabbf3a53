/* SPDX-License-Identifier: Apache-2.0 */
/* Go templates, against rows that Go itself made (golden/template), and what is our own: messages,
 * limits, refused functions. */
#include "test.h"

#include "lib/check.h"
#include "pipeline/pattern.h"
#include "pipeline/template/template.h"

#define NOW_NS INT64_C(1700000000123456789)

/* The same as in golden/template/make.go. */
static const struct {
	const char *name, *value;
} data[] = {
	{ "a", "Hello, World" },
	{ "b", "" },
	{ "n", "42" },
	{ "f", "3.75" },
	{ "j", "{\"k\":[1,2.5,\"x\",null,true],\"o\":{\"p\":\"<q>\"}}" },
	{ "u", "Gr\xc3\xbc\xc3\x9f"
	       "e, \xce\xa9mega" },
	{ "path", "/var/log/../lib//x.tar.gz" },
	{ "Value", "  val ue  " },
	{ "t", "2026-11-21T10:20:30Z" },
	{ "csv", "a,b,,c" },
	{ "my-key", "dash" },
};

static bool get(void *ctx, struct str name, struct str *ret)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		if (str_is(name, data[i].name)) {
			*ret = str_c(data[i].value);
			return true;
		}
	}
	return false;
}

static void each(void *ctx, void (*add)(void *, struct str, struct str), void *arg)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		add(arg, str_c(data[i].name), str_c(data[i].value));
}

static const struct template_data source = { NULL, get, each };
static struct template_runner *runner;
static struct buf out;
static struct err err;

/* The result, or !parse or !run; valid until the next call. */
static struct str run(struct str text)
{
	struct template *t;
	int rc;

	buf_clear(&out);
	err = ERR_NONE;
	if (template_parse(text, &t, &err))
		return STR("!parse");
	rc = template_run(t, runner, &source, NOW_NS, &out, &err);
	template_free(t);
	return rc ? STR("!run") : buf_as_str(&out);
}

static struct str replaced(struct str s, const char *from, char to, struct buf *ret)
{
	buf_clear(ret);
	while (s.n) {
		size_t at = str_find(s, str_c(from));

		buf_str(ret, str_sub(s, 0, at));
		if (at < s.n)
			buf_ch(ret, to);
		s = str_skip(s, at + strlen(from));
	}
	return buf_as_str(ret);
}

static void golden_row(struct str line)
{
	struct str text = str_cut(&line, '\t'), want = line, got;
	struct buf b1 = BUF_INIT, b2 = BUF_INIT, b3 = BUF_INIT;

	text = replaced(text, "\xe2\x8f\x8e", '\n', &b1);
	want = replaced(replaced(want, "\xe2\x8f\x8e", '\n', &b2), "\xe2\x87\xa5", '\t', &b3);
	got = run(text);
	test_checks++;
	/* Go counts arguments and looks for templates when it runs; we do it at load. */
	if (!str_eq(got, want) && !(str_is(want, "!run") && str_is(got, "!parse")))
		FAIL(STR_FMT "\n   got  " STR_FMT " (%s %s)\n   want " STR_FMT, STR_ARG(text),
		     STR_ARG(got), err.where, err.text, STR_ARG(want));
	buf_fini(&b1);
	buf_fini(&b2);
	buf_fini(&b3);
}

static void rows_from_go(void)
{
	FILE *f = fopen(GOLDEN_DIR "/template/results.tsv", "r");
	char line[4096];
	int rows = 0;

	OK(f != NULL);
	while (f && fgets(line, sizeof(line), f)) {
		golden_row(str_sub(str_c(line), 0, str_chr(str_c(line), '\n')));
		rows++;
	}
	if (f)
		fclose(f);
	OK(rows > 200);
}

static void messages(void)
{
	static const struct {
		const char *text, *where, *want;
	} rows[] = {
		{ "ab\n{{ .a | toUper }}", "2:9",
		  "function \"toUper\" not defined (did you mean 'ToUpper'?)" },
		{ "{{ .my-key }}", "1:7", "index . \"my-name\"" },
		{ "{{ env \"HOME\" }}", "1:4", "no access to the environment" },
		{ "{{ uuidv4 }}", "1:4", "must stay the same" },
		{ "{{ trunc .a }}", "1:4",
		  "wrong number of arguments for trunc: it takes 2, and has 1" },
		{ "{{ .a", "1:6", "}} is missing" },
		{ "{{ if .a }}", "1:4", "{{end}} is missing" },
		{ "{{ $x }}", "1:4", "undefined variable \"$x\"" },
		{ "{{ trunc 3 .missing }}", "1:12", "argument 2 is missing; expected string" },
		{ "{{ .a }}{{ div 1 0 }}", "1:12", "div: division by zero" },
		{ "{{ regexMatch \"[\" .a }}", "1:4", "regexMatch: " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].text);
		OK(str_starts(run(str_c(rows[i].text)), STR("!")));
		EQ_STR(str_c(err.where), rows[i].where);
		if (!strstr(err.text, rows[i].want))
			FAIL("got \"%s\"", err.text);
	}
}

/* set and unset change what the rest of the template sees, also under other names for it. */
static void data_can_be_set(void)
{
	EQ_STR(run(STR("{{ $_ := set . \"k\" \"v\" }}{{ .k }} {{ $.k }} {{ get . \"k\" }}")),
	       "v v v");
	EQ_STR(run(STR("{{ $d := . }}{{ $_ := set $d \"a\" 1 }}{{ .a }}")), "1");
	EQ_STR(run(STR("{{ $_ := unset . \"a\" }}{{ .a }}{{ hasKey . \"a\" }}")),
	       "<no value>false");
	EQ_STR(run(STR("{{ $_ := set . \"x\" (dict \"y\" .) }}")), "!run");
	ROW("only of this run");
	EQ_STR(run(STR("{{ .k }}{{ .x }}")), "<no value><no value>");
}

static void limits(void)
{
	struct buf deep = BUF_INIT;

	ROW("endless work");
	EQ_STR(run(STR("{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}")),
	       "!run");
	EQ_STR(run(STR("{{ repeat 100000000 .a }}")), "!run");
	EQ_STR(run(STR("{{ range until 90000 }}{{ repeat 1000 $.a }}{{ end }}")), "!run");
	EQ_STR(run(STR("{{ define \"T\" }}{{ template \"T\" . }}{{ end }}{{ template \"T\" . }}")),
	       "!run");
	EQ_STR(run(STR("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}")), "!run");
	/* Values far deeper than the stack, or with more paths through them than there is time. */
	EQ_STR(run(STR("{{ $l := list }}{{ range until 20000 }}{{ $l = list $l | list | list | "
		       "list }}"
		       "{{ end }}{{ $m := list $l }}{{ $_ := set dict \"a\" $l }}")),
	       "!run");
	EQ_STR(run(STR("{{ $l := list }}{{ $m := list }}{{ range until 9000 }}{{ $l = list $l | "
		       "list }}"
		       "{{ $m = list $m | list }}{{ end }}{{ deepEqual $l $m }}{{ deepEqual $l $l "
		       "}}")),
	       "falsetrue");
	EQ_STR(run(STR("{{ $d := list }}{{ range until 60 }}{{ $d = list $d $d }}{{ end }}"
		       "{{ deepEqual $d $d }}{{ $_ := set dict \"a\" $d }}")),
	       "!run");
	EQ_STR(run(STR("{{ $d := list }}{{ range until 60 }}{{ $d = list $d $d }}{{ end }}"
		       "{{ quote $d }}")),
	       "!run");
	EQ_STR(run(STR("{{ uniq (until 50000) | len }}")), "!run");
	ROW("deep nesting");
	for (int i = 0; i < 10000; i++)
		buf_c(&deep, "{{ if .a }}");
	EQ_STR(run(str_sub(buf_as_str(&deep), 0, TEMPLATE_TEXT_MAX)), "!parse");
	buf_clear(&deep);
	buf_c(&deep, "{{ ");
	for (int i = 0; i < 10000; i++)
		buf_ch(&deep, '(');
	EQ_STR(run(buf_as_str(&deep)), "!parse");
	buf_clear(&deep);
	for (int i = 0; i < TEMPLATE_TEXT_MAX + 1; i++)
		buf_ch(&deep, 'x');
	EQ_STR(run(buf_as_str(&deep)), "!parse");
	ROW("the runner works on after all that");
	EQ_STR(run(STR("{{ .a }}")), "Hello, World");
	buf_fini(&deep);
}

int main(void)
{
	struct pattern_scratch *scratch = pattern_scratch_new();

	setenv("TZ", "UTC", 1);
	runner = template_runner_new(scratch);
	RUN(rows_from_go);
	RUN(messages);
	RUN(data_can_be_set);
	RUN(limits);
	template_runner_free(runner);
	pattern_scratch_free(scratch);
	buf_fini(&out);
	return test_end();
}
