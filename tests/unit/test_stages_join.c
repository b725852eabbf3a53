/* SPDX-License-Identifier: Apache-2.0 */
/* Stages multiline, cri and docker: what becomes of the lines of one batch. More batches, acks and
 * timers: test_hold.c. */
#include "tests/unit/stage_test.h"

extern const struct stage_ops stage_multiline, stage_cri, stage_docker, stage_labels, stage_logfmt,
	stage_match, stage_structured_metadata_drop;

static struct conf_plugin plugins[7];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_multiline,
					  &stage_cri,
					  &stage_docker,
					  &stage_labels,
					  &stage_logfmt,
					  &stage_match,
					  &stage_structured_metadata_drop };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

/* Each record's text in brackets, so that line ends show what was joined. */
static void bracket_run(struct stage *s, struct batch *b)
{
	(void)s;
	BATCH_FOR(b, r)
	{
		char *p = arena_bytes(&b->arena, r->line.n + 2);

		p[0] = '[';
		if (r->line.n)
			memcpy(p + 1, r->line.p, r->line.n);
		p[r->line.n + 1] = ']';
		r->line = str_make(p, r->line.n + 2);
	}
}

static void run_in_brackets(const struct stage_test_row *rows, size_t n,
			    void (*prepare)(struct batch *, struct rec *))
{
	static const struct stage_ops bracket = { .name = "bracket", .run = bracket_run };
	static const struct conf_table empty = { 0 };
	struct conf_plugin all[ARRAY_LEN(plugins) + 1];

	memcpy(all, plugins, sizeof(plugins));
	all[ARRAY_LEN(plugins)] = (struct conf_plugin){
		.kind = CONF_STAGE, .name = "bracket", .conf = &empty, .ops = &bracket
	};
	for (size_t i = 0; i < n; i++) {
		struct buf stages = BUF_INIT;

		buf_printf(&stages, "%s\n- bracket:", rows[i].stages);
		ROW(rows[i].stages);
		EQ_STR(stage_test_run(all, ARRAY_LEN(all), buf_cstr(&stages), str_c(rows[i].lines),
				      prepare),
		       rows[i].want);
		buf_fini(&stages);
	}
}

static void joined_lines(void)
{
	static const struct stage_test_row rows[] = {
		{ "- multiline: {firstline: '^[A-Z]'}", "A\n 1\n\n2\nB\nC\nx",
		  "[A\n 1\n\n2]\n[B]\n[C\nx]" },
		{ "- multiline: {start: '^[A-Z]', max_wait: 1s}", "a\n\nb\nA\nb",
		  "[a]\n[]\n[b]\n[A\nb]" },
		{ "- multiline: {indent: true}", "a\n b\n\tc\nd\n\n e",
		  "[a\n b\n\tc]\n[d]\n[\n e]" },
		{ "- multiline: {indent: true}", " a\n b\nc", "[ a]\n[ b]\n[c]" },
		{ "- multiline: {continuation: '^(at|Caused by)'}", "x\nat y\nCaused by z\nx",
		  "[x\nat y\nCaused by z]\n[x]" },
		{ "- multiline: {continuation: '^at', indent: true}", "x\nat y\n z\nx",
		  "[x\nat y\n z]\n[x]" },
		/* neither first nor continuation: a record of its own, and the end of the one before */
		{ "- multiline: {firstline: '^[A-Z]', continuation: '^[0-9]'}", "A\n1\nx\n2\nB\n3",
		  "[A\n1]\n[x]\n[2]\n[B\n3]" },
		{ "- multiline: {firstline: '^[A-Z]', indent: true}", "A\n b\nx\ny",
		  "[A\n b]\n[x]\n[y]" },
		/* more than max_lines go on in another record */
		{ "- multiline: {firstline: '^[A-Z]', max_lines: 2}", "A\nb\nc\nd\ne\nB",
		  "[A\nb]\n[c\nd]\n[e]\n[B]" },
		{ "- multiline: {firstline: '^[A-Z]', max_lines: 0}", "A\nb\nc\nd\ne\nB",
		  "[A\nb\nc\nd\ne]\n[B]" },
		{ "- multiline: {firstline: '^[A-Z]', max_lines: 1}", "A\nb\nc", "[A]\n[b]\n[c]" },
		/* of different streams */
		{ "- logfmt: {mapping: {k: }}\n- labels: {k: }\n- multiline: {firstline: A}",
		  "A k=1\nA k=2\nx k=1\ny k=2\nz k=1",
		  "[A k=1\nx k=1\nz k=1]; {app=\"web\", job=\"t\", k=\"1\"}; k=1\n"
		  "[A k=2\ny k=2]; {app=\"web\", job=\"t\", k=\"2\"}; k=2" },
		/* inside a match, others go their way */
		{ "- match: {selector: '{app=\"web\"} !~ \"^#\"', stages: [{multiline: {firstline: "
		  "A}}]}",
		  "A\n#\nb\nA", "[A\nb]\n[#]\n[A]" },
	};

	run_in_brackets(rows, ARRAY_LEN(rows), NULL);
}

/* As the file input cuts a line, and a stage takes a value from it. */
static void was_cut(struct batch *b, struct rec *r)
{
	if (r->line.p[0] != 'A')
		return;
	r->flags |= REC_CUT;
	rec_attr(b, r, key_intern(STR("tailrace_full_length")), ATTR_META, ATTR_NUMBER, STR("99"));
	rec_attr(b, r, key_intern(STR("k")), ATTR_META, ATTR_STRING, STR("v"));
}

/* What goes on behind max_lines has the values of the first line, and changes of one are not the
 * other's. */
static void values_behind_max_lines(void)
{
	static const struct stage_test_row rows[] = {
		{ "- multiline: {firstline: '^[A-Z]', max_lines: 1}", "A\nb",
		  "[A]; +tailrace_full_length=99(number); +k=v; cut\n[b]; +k=v" },
		{ "- multiline: {firstline: '^[A-Z]', max_lines: 1}\n"
		  "- match: {selector: '{app=\"web\"} |= \"A\"', stages: "
		  "[{structured_metadata_drop: [k]}]}",
		  "A\nb", "[A]; +tailrace_full_length=99(number); cut\n[b]; +k=v" },
	};

	run_in_brackets(rows, ARRAY_LEN(rows), was_cut);
}

#define SO "2024-01-02T03:04:05.000000006Z stdout "
#define SE "2024-01-02T03:04:05.000000007Z stderr "
#define SO_LABEL "; time=1704164645000000006; {app=\"web\", job=\"t\", stream=\"stdout\"}"
#define SE_LABEL "; time=1704164645000000007; {app=\"web\", job=\"t\", stream=\"stderr\"}"
#define SO_VALUES(flags, content)                                                                  \
	"; time=2024-01-02T03:04:05.000000006Z; stream=stdout; flags=" flags "; content=" content
#define SE_VALUES(flags, content)                                                                  \
	"; time=2024-01-02T03:04:05.000000007Z; stream=stderr; flags=" flags "; content=" content

static void cri_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- cri:", SO "F hello", "[hello]" SO_LABEL SO_VALUES("F", "hello") },
		{ "- cri: {}", SE "F ", "[]" SE_LABEL SE_VALUES("F", "") },
		/* other lines pass */
		{ "- cri:", "plain\n\n2024 stdout\n2024 stdout F\n2024 stdin F x\n2024  stdout F x",
		  "[plain]\n[]\n[2024 stdout]\n[2024 stdout F]\n[2024 stdin F x]\n"
		  "[2024  stdout F x]" },
		{ "- cri:", "2024\t1 stdout F x", "[2024\t1 stdout F x]" },
		/* a time that is none leaves the record its own */
		{ "- cri:", "never stdout F x",
		  "[x]; {app=\"web\", job=\"t\", stream=\"stdout\"}; time=never; stream=stdout; "
		  "flags=F; content=x" },
		/* parts, with the other stream in between */
		{ "- cri:", SO "P a\n" SE "P x\n" SO "P b\nplain\n" SE "F y\n" SO "F c",
		  "[plain]\n[xy]" SE_LABEL SE_VALUES("F", "y") "\n[abc]" SO_LABEL SO_VALUES("F",
											    "c") },
		/* any flag but exactly P ends it */
		{ "- cri:", SO "P a\n" SO "P:x b", "[ab]" SO_LABEL SO_VALUES("P:x", "b") },
		/* never ended */
		{ "- cri:", SO "P a\n" SO "P b", "[ab]" SO_LABEL SO_VALUES("P", "b") "; partial" },
		/* two in one batch */
		{ "- cri:", SO "P a\n" SO "F b\n" SO "P c\n" SO "F d",
		  "[ab]" SO_LABEL SO_VALUES("F", "b") "\n[cd]" SO_LABEL SO_VALUES("F", "d") },
		/* cut at the cap, in a character or not; the next is clean */
		{ "- cri: {max_partial_line_size: 3, max_partial_line_size_truncate: true}",
		  SO "P ab\n" SO "P cd\n" SO "F ef\n" SO "P g\n" SO "F h\n" SO "F whole",
		  "[abc]" SO_LABEL SO_VALUES(
			  "F", "ef") "; +tailrace_full_length=6(number); cut\n"
				     "[gh]" SO_LABEL SO_VALUES(
					     "F", "h") "\n[whole]" SO_LABEL SO_VALUES("F",
										      "whole") },
		{ "- cri: {max_partial_line_size: 3, max_partial_line_size_truncate: true}",
		  SO "P ab\n" SO "F \xc3\xa9",
		  "[ab]" SO_LABEL SO_VALUES("F", "\xc3\xa9") "; +tailrace_full_length=4(number); "
							     "cut" },
		{ "- cri: {max_partial_line_size: 3}", SO "P abc\n" SO "F d",
		  "[abcd]" SO_LABEL SO_VALUES("F", "d") },
		/* a character cut in two is whole again */
		{ "- cri:", SO "P a\xc3\n" SO "F \xa9",
		  "[a\xc3\xa9]" SO_LABEL SO_VALUES("F", "\xef\xbf\xbd") },
	};

	run_in_brackets(rows, ARRAY_LEN(rows), NULL);
}

#define D(log, stream) "{\"log\":\"" log "\",\"stream\":\"" stream "\",\"time\":\"" T "\"}"
#define T "2024-01-02T03:04:05.000000006Z"
#define OUT_LABEL "; time=1704164645000000006; {app=\"web\", job=\"t\", stream=\"stdout\"}"
#define ERR_LABEL "; time=1704164645000000006; {app=\"web\", job=\"t\", stream=\"stderr\"}"
#define D_VALUES(log, stream) "; output=" log "; stream=" stream "; timestamp=" T

static void docker_rows(void)
{
	static const struct stage_test_row rows[] = {
		{ "- docker:", D("hello\\n", "stdout"),
		  "[hello]" OUT_LABEL D_VALUES("hello\n", "stdout") },
		{ "- docker: {}", D("\\u00e9\\r\\n", "stderr"),
		  "[\xc3\xa9]" ERR_LABEL D_VALUES("\xc3\xa9\r\n", "stderr") },
		{ "- docker:", "plain\n{\"log\":\n[1]", "[plain]\n[{\"log\":]\n[[1]]" },
		/* what is not there changes nothing */
		{ "- docker:", "{\"a\":1}",
		  "[{\"a\":1}]; output=null; stream=null; timestamp=null" },
		{ "- docker:", "{\"log\":\"x\"}", "[x]; output=x; stream=null; timestamp=null" },
		/* parts have no line end */
		{ "- docker:", D("a", "stdout") "\n" D("x\\n", "stderr") "\n" D("b\\n", "stdout"),
		  "[x]" ERR_LABEL D_VALUES("x\n", "stderr") "\n[ab]" OUT_LABEL D_VALUES("b\n",
											"stdout") },
		{ "- docker:", D("a", "stdout"),
		  "[a]" OUT_LABEL D_VALUES("a", "stdout") "; partial" },
		/* another stream's name */
		{ "- docker:", D("a\\n", "x"),
		  "[a]; time=1704164645000000006; {app=\"web\", job=\"t\", stream=\"x\"}" D_VALUES(
			  "a\n", "x") },
	};

	run_in_brackets(rows, ARRAY_LEN(rows), NULL);
}

/* Containers write stack traces, too. */
static void cri_then_multiline(void)
{
	static const struct stage_test_row rows[] = {
		{ "- cri:\n- multiline: {indent: true}",
		  SO "F head\n" SE "F other\n" SO "P  at\n" SO "F  a\n" SO "F  at b",
		  "[head\n at a\n at b]" SO_LABEL SO_VALUES(
			  "F", "head") "\n[other]" SE_LABEL SE_VALUES("F", "other") },
	};

	run_in_brackets(rows, ARRAY_LEN(rows), NULL);
}

static void errors(void)
{
	static const struct stage_test_row rows[] = {
		{ "- multiline:", NULL, "needs firstline, continuation or indent" },
		{ "- multiline: {max_lines: 3}", NULL, "f:2:14: " },
		{ "- multiline: {firstline: '('}", NULL, "f:2:26: " },
		{ "- multiline: {continuation: '(?=x)'}", NULL, "f:2:29: " },
		{ "- multiline: {firstline: x, max_wait_time: 3}", NULL, "f:2:44: " },
		{ "- cri: {max_partial_line_size_truncate: true}", NULL,
		  "needs max_partial_line_size" },
	};

	stage_test_errors(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows));
}

static struct str read_golden(const char *name, const char *end)
{
	static struct buf files[3];
	static unsigned next;
	struct buf *b = &files[next++ % 3];
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), GOLDEN_DIR "/join/%s.%s", name, end);
	buf_clear(b);
	f = fopen(path, "rb");
	if (f) {
		buf_reserve(b, 1 << 16);
		b->n = fread(b->p, 1, (1 << 16) - 1, f);
		fclose(f);
	}
	while (b->n && b->p[b->n - 1] == '\n')
		b->n--;
	buf_cstr(b);
	return buf_as_str(b);
}

/* golden/join/<name>.yaml and .in give .out; `UPDATE_GOLDEN=1 test_stages_join` writes it. */
static void golden(void)
{
	static const char *const names[] = { "cri", "docker" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str stages = read_golden(names[i], "yaml"), in = read_golden(names[i], "in");
		struct str got = stage_test_run(plugins, ARRAY_LEN(plugins), stages.p, in, NULL);
		char path[512];
		FILE *f;

		ROW(names[i]);
		if (getenv("UPDATE_GOLDEN")) {
			snprintf(path, sizeof(path), GOLDEN_DIR "/join/%s.out", names[i]);
			f = fopen(path, "wb");
			fprintf(f, STR_FMT "\n", STR_ARG(got));
			fclose(f);
		}
		EQ_STR(got, read_golden(names[i], "out").p);
	}
}

int main(void)
{
	init_plugins();
	RUN(joined_lines);
	RUN(values_behind_max_lines);
	RUN(cri_rows);
	RUN(docker_rows);
	RUN(cri_then_multiline);
	RUN(golden);
	RUN(errors);
	return test_end();
}
