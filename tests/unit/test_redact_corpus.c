/* SPDX-License-Identifier: Apache-2.0 */
/* Recall and false positives of each detector over tests/redact_corpus: lines of many shapes with
 * marked secrets, and look-alikes. The figures stand in docs/redaction.md, which must be what is
 * measured here; `test_redact_corpus --update` rewrites them, `--list NAME` shows what a detector
 * missed and what it took by mistake. */
#include "tests/unit/test.h"

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/redact.h"

#define DOC SOURCE_DIR "/docs/redaction.md"
#define CORPUS SOURCE_DIR "/tests/redact_corpus"
#define TABLE_BEGIN "<!-- measured: test_redact_corpus --update -->\n"
#define TABLE_END "<!-- end -->\n"
#define MARKS_MAX 8
#define NATIONALS 14
#define DETECTORS 21

struct marked {
	struct str line;
	struct secret_at {
		struct str kind;
		size_t start, end;
	} marks[MARKS_MAX];
	size_t nmarks;
};

struct figures {
	const char *name;
	unsigned secrets, found, wide, wrong;
};

static struct arena arena;
static struct marked *lines;
static size_t nlines, lines_cap;
static const char *listed;
static struct pattern_scratch *ps;
static struct redact_scratch scratch;

/* ---- the corpus ---- */

/* text<<kind|secret>>text; <<>> in the middle of a secret keeps scanners of this tree calm. */
static void add_line(struct str text)
{
	struct buf plain = BUF_INIT;
	struct marked *m;
	bool is_open = false;

	if (!text.n || str_starts(text, STR("# ")))
		return;
	if (nlines == lines_cap) {
		lines_cap = lines_cap ? 2 * lines_cap : 4096;
		lines = mem_realloc(lines, lines_cap * sizeof(*lines));
	}
	m = &lines[nlines++];
	*m = (struct marked){ 0 };
	while (text.n) {
		size_t bar;

		if (str_starts(text, STR("<<>>"))) {
			text = str_skip(text, 4);
		} else if (str_starts(text, STR("<<")) && !is_open &&
			   (bar = str_find(text, STR("|"))) < 24) {
			CHECK(m->nmarks < MARKS_MAX);
			m->marks[m->nmarks++] =
				(struct secret_at){ arena_dup(&arena, str_sub(text, 2, bar)),
						    plain.n, 0 };
			text = str_skip(text, bar + 1);
			is_open = true;
		} else if (is_open && str_starts(text, STR(">>"))) {
			m->marks[m->nmarks - 1].end = plain.n;
			text = str_skip(text, 2);
			is_open = false;
		} else {
			buf_ch(&plain, text.p[0]);
			text = str_skip(text, 1);
		}
	}
	CHECK(!is_open);
	m->line = arena_dup(&arena, buf_as_str(&plain));
	buf_fini(&plain);
}

static void read_lines(FILE *f)
{
	static char line[16384];

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f))
		add_line(str_make(line, strcspn(line, "\n")));
}

static void load(void)
{
	FILE *f = fopen(CORPUS "/cases.txt", "r");

	read_lines(f);
	fclose(f);
	f = popen("python3 " CORPUS "/generate.py", "r");
	read_lines(f);
	OK(pclose(f) == 0);
	OK(nlines > 4000);
}

/* ---- measuring ---- */

static bool is_hidden(const struct secret_at *mark)
{
	size_t at = mark->start;

	for (uint32_t i = 0; i < scratch.list.n && at < mark->end; i++)
		if (scratch.list.items[i].start <= at && scratch.list.items[i].end > at)
			at = scratch.list.items[i].end;
	return at >= mark->end;
}

static const struct secret_at *mark_of(const struct marked *m, const struct redact_splice *x)
{
	for (size_t i = 0; i < m->nmarks; i++)
		if (x->start < m->marks[i].end && x->end > m->marks[i].start)
			return &m->marks[i];
	return NULL;
}

static void list(const char *what, const struct marked *m, size_t start, size_t end)
{
	printf("%s: %.*s[[" STR_FMT "]]" STR_FMT "\n", what, (int)start, m->line.p,
	       STR_ARG(str_sub(m->line, start, end)), STR_ARG(str_skip(m->line, end)));
}

static const char *name_of(unsigned kind)
{
	struct redact_options o = { .detectors = REDACT_ALL, .national = REDACT_NATIONAL_ALL };
	static const char *names[DETECTORS + NATIONALS];
	struct redact *r;

	if (!names[0]) {
		CHECK(redact_new(&o, &r, NULL) == 0);
		for (unsigned k = 0; k < DETECTORS + NATIONALS; k++)
			names[k] = redact_kind_name(r, k);
		redact_free(r);
	}
	return names[kind];
}

static bool is_national(struct str kind)
{
	for (unsigned k = DETECTORS; k < DETECTORS + NATIONALS; k++)
		if (str_is(kind, name_of(k)))
			return true;
	return false;
}

/* name NULL: every secret counts. */
static struct figures measure(const struct redact_options *o, const char *name)
{
	struct figures f = { .name = name ? name : "all" };
	bool is_listed = listed && !strcmp(listed, f.name);
	struct redact *r;

	CHECK(redact_new(o, &r, NULL) == 0);
	for (const struct marked *m = lines; m < lines + nlines; m++) {
		CHECK(redact_find(r, &scratch, ps, m->line, false) >= 0);
		for (const struct secret_at *at = m->marks; at < m->marks + m->nmarks; at++) {
			bool hidden = is_hidden(at);

			if (name ? !str_is(at->kind, name) : !o->national && is_national(at->kind))
				continue;
			f.secrets++;
			f.found += hidden;
			if (!hidden && is_listed)
				list("missed", m, at->start, at->end);
		}
		for (uint32_t i = 0; i < scratch.list.n; i++) {
			const struct redact_splice *x = &scratch.list.items[i];
			const struct secret_at *at = mark_of(m, x);

			if (!at) {
				f.wrong++;
				if (is_listed)
					list("wrong", m, x->start, x->end);
			} else if ((!name || str_is(at->kind, name)) &&
				   (x->start + 2 < at->start || x->end > at->end + 2)) {
				f.wide++;
				if (is_listed)
					list("wide", m, x->start, x->end);
			}
		}
	}
	redact_free(r);
	return f;
}

/* Why it takes what is none; an empty text for those that must not. */
static const char *why(const char *name)
{
	static const char *const table[][2] = {
		{ "card", "numbers of an issuer's length and first digits whose check digit is "
			  "right: one of ten random ones" },
		{ "ipv4", "versions of four numbers that do not say so, as in `app.jar:1.2.3.4`" },
		{ "nl_bsn", "one of eleven numbers of nine digits has the right check digit" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (!strcmp(table[i][0], name))
			return table[i][1];
	return "";
}

static void put_row(struct buf *out, const struct figures *f, const char *text)
{
	buf_printf(out, "| `%s` | %u | %u | %u.%u %% | %u | %u | %s |\n", f->name, f->secrets,
		   f->found, f->found * 100 / (f->secrets ? f->secrets : 1),
		   f->secrets ? f->found * 1000 / f->secrets % 10 : 0, f->wide, f->wrong, text);
}

static void measure_all(struct buf *out)
{
	struct redact_options o = { .detectors = REDACT_ALL };
	struct figures f;

	buf_printf(out,
		   "%zu lines. Each detector alone; `all` is all of them without national ids.\n\n",
		   nlines);
	buf_c(out,
	      "| detector | secrets | hidden | recall | more than the secret | taken by mistake "
	      "| which |\n|---|---|---|---|---|---|---|\n");
	for (unsigned k = 0; k < DETECTORS + NATIONALS; k++) {
		o = (struct redact_options){ 0 };
		if (k < DETECTORS)
			o.detectors = 1u << k;
		else
			o.national = 1u << (k - DETECTORS);
		f = measure(&o, name_of(k));
		ROW(f.name);
		OK(f.secrets >= 10);
		OK(f.found == f.secrets || why(f.name)[0]);
		OK(f.wrong == 0 || why(f.name)[0]);
		put_row(out, &f, why(f.name));
	}
}

/* Every line once more with all detectors: what one leaves another may spoil. */
static void together(struct buf *out)
{
	struct redact_options o = { .detectors = REDACT_ALL, .national = REDACT_NATIONAL_ALL };
	struct figures f = measure(&o, NULL);

	EQ_INT(f.found, f.secrets);
	o.national = 0;
	f = measure(&o, NULL);
	EQ_INT(f.found, f.secrets);
	put_row(out, &f, "what the detectors above take");
}

static bool is_same(const struct redact_splice *a, const struct redact_splice *b)
{
	return a->start == b->start && a->end == b->end && a->kind == b->kind;
}

static void same_alone(const struct redact *r, const struct redact_ahead *a,
		       const struct str *texts, uint32_t n)
{
	static struct redact_scratch alone;

	for (uint32_t i = 0; i < n; i++) {
		int found = redact_find(r, &alone, ps, texts[i], false);

		ROW(texts[i].p);
		EQ_INT(redact_find_ahead(r, &scratch, ps, a, i, texts[i], false), found);
		OK(found == 0 || a->candidates >> i & 1);
		for (int k = 0; k < found; k++)
			OK(is_same(&scratch.list.items[k], &alone.list.items[k]));
	}
	redact_scratch_fini(&alone);
}

/* Lines as they stand in a file, looked at together: each has what it has alone. */
static void at_once(void)
{
	struct redact_options o = { .detectors = REDACT_ALL, .national = REDACT_NATIONAL_ALL };
	struct redact_ahead ahead = { 0 };
	struct buf file = BUF_INIT;
	struct str texts[TEXT_RUN_MAX], rest;
	uint32_t n = 0;
	struct redact *r;

	CHECK(redact_new(&o, &r, NULL) == 0);
	for (size_t i = 0; i < nlines; i++) {
		buf_str(&file, lines[i].line);
		buf_c(&file, i % 3 ? "\n" : "\r\n");
	}
	buf_cstr(&file); /* rows of failures end */
	rest = buf_as_str(&file);
	for (size_t i = 0; i < nlines; i++) {
		texts[n] = str_cut(&rest, '\n');
		texts[n++].n -= i % 3 == 0;
		if (n < TEXT_RUN_MAX && i + 1 < nlines)
			continue;
		EQ_INT(text_run(texts, n), n);
		redact_look_ahead(r, &ahead, texts, n);
		same_alone(r, &ahead, texts, n);
		n = 0;
	}
	redact_free(r);
	redact_ahead_fini(&ahead);
	buf_fini(&file);
}

/* What was redacted is not redacted again: stages and agents follow each other. */
static void twice(void)
{
	struct redact_options o = { .detectors = REDACT_ALL };
	struct redact *r;

	CHECK(redact_new(&o, &r, NULL) == 0);
	for (const struct marked *m = lines; m < lines + nlines; m++) {
		struct arena scrap = ARENA_INIT;
		struct str once = m->line, again;

		redact_text(r, &scratch, ps, &once, false, &scrap);
		again = once;
		redact_text(r, &scratch, ps, &again, false, &scrap);
		if (!str_eq(once, again))
			FAIL("\"" STR_FMT "\" becomes \"" STR_FMT "\"", STR_ARG(once),
			     STR_ARG(again));
		arena_fini(&scrap);
	}
	redact_free(r);
}

/* ---- the page ---- */

static void compare(struct str table, bool update)
{
	struct buf doc = BUF_INIT, made = BUF_INIT;
	static char part[4096];
	struct str old;
	size_t begin, end, n;
	FILE *f = fopen(DOC, "r");

	CHECK(f != NULL);
	while ((n = fread(part, 1, sizeof(part), f)))
		buf_put(&doc, part, n);
	fclose(f);
	old = buf_as_str(&doc);
	begin = str_find(old, STR(TABLE_BEGIN)) + sizeof(TABLE_BEGIN) - 1;
	end = str_find(old, STR(TABLE_END));
	CHECK(begin < old.n && end < old.n && begin <= end);
	if (update) {
		buf_str(&made, str_sub(old, 0, begin));
		buf_str(&made, table);
		buf_str(&made, str_skip(old, end));
		f = fopen(DOC, "w");
		CHECK(f && fwrite(made.p, 1, made.n, f) == made.n && fclose(f) == 0);
	} else if (!str_eq(str_sub(old, begin, end), table)) {
		FAIL("docs/redaction.md is not what is measured (run with --update and look at the "
		     "difference):\n" STR_FMT,
		     STR_ARG(table));
	}
	buf_fini(&doc);
	buf_fini(&made);
}

int main(int argc, char **argv)
{
	struct buf table = BUF_INIT;
	bool update = argc > 1 && !strcmp(argv[1], "--update");

	if (argc > 2 && !strcmp(argv[1], "--list"))
		listed = argv[2];
	ps = pattern_scratch_new();
	RUN(load);
	test_name = "figures";
	measure_all(&table);
	together(&table);
	RUN(at_once);
	RUN(twice);
	compare(buf_as_str(&table), update);
	buf_fini(&table);
	mem_free(lines);
	arena_fini(&arena);
	redact_scratch_fini(&scratch);
	pattern_scratch_free(ps);
	return test_end();
}
