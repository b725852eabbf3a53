/* SPDX-License-Identifier: Apache-2.0 */
/* What a test expects against what came: a unified diff of the fields that the test speaks of. Records
 * are aligned by the longest common subsequence, so that one too many does not make all that follow
 * differ. */
#include <stdio.h>

#include "agent/conf_test.h"
#include "agent/conf_test_impl.h"
#include "lib/mem.h"
#include "lib/rfc3339.h"
#include "outputs/render.h"

#define CELLS_MAX ((size_t)4 << 20) /* beyond, records are compared one by one */

/* ---- fields of one record ---- */

struct field {
	const char *what; /* "label" */
	struct str name;  /* or empty */
	struct str want, got;
	bool is_there; /* got is a value */
	bool is_equal;
};

/* Calls put() for every field the expectation names. */
typedef void field_fn(void *ctx, const struct field *f);

static const struct view_attr *attr_of(const struct view *v, uint8_t kind, struct str name)
{
	for (uint32_t i = 0; i < v->nattrs; i++)
		if (v->attrs[i].kind == kind && str_eq(v->attrs[i].name, name))
			return &v->attrs[i];
	return NULL;
}

static const struct label *label_of(const struct view *v, struct str name)
{
	for (uint32_t i = 0; i < v->nlabels; i++)
		if (str_eq(v->labels[i].name, name))
			return &v->labels[i];
	return NULL;
}

static void put_field(field_fn *put, void *ctx, const char *what, struct str name, struct str want,
		      struct str got)
{
	bool is_there = got.p != NULL;

	put(ctx, &(struct field){ what, name, want, got, is_there, is_there && str_eq(want, got) });
}

static void label_fields(const struct conf_map *want, const struct view *v, field_fn *put,
			 void *ctx)
{
	for (size_t i = 0; i < want->n; i++) {
		const struct label *l = label_of(v, want->items[i].key);

		put_field(put, ctx, "label", want->items[i].key, want->items[i].value,
			  l ? l->value : STR_NONE);
	}
}

static void attr_fields(const struct conf_map *want, uint8_t kind, const struct view *v,
			field_fn *put, void *ctx)
{
	char flags[REC_FLAGS_TEXT_MAX];

	for (size_t i = 0; i < want->n; i++) {
		const struct view_attr *a = attr_of(v, kind, want->items[i].key);
		struct str got = a ? a->value : STR_NONE;

		if (kind == ATTR_META && v->flags && str_is(want->items[i].key, REC_FLAGS_NAME))
			got = rec_flags_text(v->flags, flags);
		put_field(put, ctx, kind == ATTR_META ? "metadata" : "extracted",
			  want->items[i].key, want->items[i].value, got);
	}
}

static void absent_fields(const struct conf_list *names, const struct view *v, field_fn *put,
			  void *ctx)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct label *l = label_of(v, names->items[i]);
		const struct view_attr *a = attr_of(v, ATTR_META, names->items[i]);
		struct field f = { .what = l ? "label" : "metadata", .name = names->items[i] };

		f.got = l ? l->value : a ? a->value : STR_NONE;
		f.is_there = l || a;
		f.is_equal = !f.is_there;
		f.want = STR_NONE;
		put(ctx, &f);
	}
}

static void each_field(const struct test_expect_conf *want, const struct view *v, field_fn *put,
		       void *ctx)
{
	const struct label *tenant = label_of(v, STR(LABEL_TENANT));
	char time[RFC3339_MAX];
	int64_t ns = 0;

	if (want->line.p)
		put_field(put, ctx, "line", STR_NONE, want->line, v->line.p ? v->line : STR(""));
	if (want->contains.p)
		put(ctx, &(struct field){ "line with", STR_NONE, want->contains, v->line, true,
					  str_find(v->line, want->contains) < v->line.n ||
						  !want->contains.n });
	if (want->time.p) {
		test_conf_time(want->time, &ns);
		put(ctx, &(struct field){ "time", STR_NONE, want->time,
					  str_make(time, rfc3339_utc(v->time_ns, 9, time)), true,
					  ns == v->time_ns });
	}
	if (want->tenant.p)
		put_field(put, ctx, "tenant", STR_NONE, want->tenant,
			  tenant ? tenant->value : STR(""));
	label_fields(&want->labels, v, put, ctx);
	attr_fields(&want->metadata, ATTR_META, v, put, ctx);
	attr_fields(&want->extracted, ATTR_EXTRACTED, v, put, ctx);
	absent_fields(&want->without, v, put, ctx);
}

static void is_different(void *ctx, const struct field *f)
{
	if (!f->is_equal)
		*(bool *)ctx = true;
}

static bool is_match(const struct test_expect_conf *want, const struct view *v)
{
	bool differs = false;

	each_field(want, v, is_different, &differs);
	return !differs;
}

/* ---- writing a diff ---- */

static void put_line(struct buf *out, char mark, const char *what, struct str name,
		     struct str value)
{
	buf_ch(out, mark);
	buf_printf(out, "  %s", what);
	if (name.n) {
		buf_ch(out, ' ');
		render_printable(out, name);
	}
	buf_c(out, ": ");
	for (struct str rest = value;;) {
		render_printable(out, str_cut(&rest, '\n'));
		if (!rest.p)
			break;
		buf_printf(out, "\n%c    | ", mark);
	}
	buf_ch(out, '\n');
}

static void diff_field(void *ctx, const struct field *f)
{
	if (f->is_equal) {
		if (f->want.p)
			put_line(ctx, ' ', f->what, f->name, f->want);
		return;
	}
	if (f->want.p)
		put_line(ctx, '-', f->what, f->name, f->want);
	if (f->is_there)
		put_line(ctx, '+', f->what, f->name, f->got);
}

static void missing_field(void *ctx, const struct field *f)
{
	if (f->want.p)
		put_line(ctx, '-', f->what, f->name, f->want);
}

/* One that nobody expected: as it is. */
static void put_extra(struct buf *out, const struct view *v)
{
	char text[REC_FLAGS_TEXT_MAX];

	put_line(out, '+', "line", STR_NONE, v->line);
	put_line(out, '+', "time", STR_NONE, str_make(text, rfc3339_utc(v->time_ns, 9, text)));
	for (uint32_t i = 0; i < v->nlabels; i++)
		put_line(out, '+', "label", v->labels[i].name, v->labels[i].value);
	for (uint32_t i = 0; i < v->nattrs; i++)
		if (v->attrs[i].kind == ATTR_META)
			put_line(out, '+', "metadata", v->attrs[i].name, v->attrs[i].value);
	if (v->flags)
		put_line(out, '+', "metadata", STR(REC_FLAGS_NAME), rec_flags_text(v->flags, text));
}

/* ---- records ---- */

struct table {
	uint16_t *
		cells; /* length of the longest common rest of want[i..] and got[j..]; NULL: too many */
	bool *matches;
	size_t nwant, ngot;
};

static uint16_t *cell(const struct table *t, size_t i, size_t j)
{
	return &t->cells[i * (t->ngot + 1) + j];
}

static void fill(struct table *t, const struct test_expect_conf *want, const struct view **got)
{
	size_t cells = (t->nwant + 1) * (t->ngot + 1);

	if (cells > CELLS_MAX)
		return;
	t->cells = mem_array(cells, sizeof(*t->cells));
	t->matches = mem_array(cells, sizeof(*t->matches));
	for (size_t i = t->nwant; i-- > 0;)
		for (size_t j = t->ngot; j-- > 0;) {
			bool m = is_match(&want[i], got[j]);
			uint16_t down = *cell(t, i + 1, j), right = *cell(t, i, j + 1);
			uint16_t best = down > right ? down : right;

			t->matches[i * (t->ngot + 1) + j] = m;
			if (m && *cell(t, i + 1, j + 1) + 1 > best)
				best = (uint16_t)(*cell(t, i + 1, j + 1) + 1);
			*cell(t, i, j) = best;
		}
}

enum step { BOTH, ONLY_WANT, ONLY_GOT };

/* What comes next; two that are in nobody's way are one that differs. */
static enum step next_step(const struct table *t, size_t i, size_t j)
{
	uint16_t here;

	if (i == t->nwant)
		return ONLY_GOT;
	if (j == t->ngot)
		return ONLY_WANT;
	if (!t->cells)
		return BOTH;
	here = *cell(t, i, j);
	if (t->matches[i * (t->ngot + 1) + j] && here == *cell(t, i + 1, j + 1) + 1)
		return BOTH;
	if (here == *cell(t, i + 1, j + 1))
		return BOTH;
	return here == *cell(t, i + 1, j) ? ONLY_WANT : ONLY_GOT;
}

static bool compare_records(const struct conf_test_outcome *o, const struct test_conf *test,
			    struct buf *diff)
{
	const struct test_expect_conf *want = test->expect.items;
	struct table t = { .nwant = test->expect.n, .ngot = o->ngot };
	struct view nothing = { 0 };
	bool is_same = true;
	size_t i = 0, j = 0;

	fill(&t, want, o->got);
	while (i < t.nwant || j < t.ngot) {
		enum step step = next_step(&t, i, j);

		is_same &= step == BOTH && is_match(&want[i], o->got[j]);
		buf_printf(diff, "%c record %zu\n",
			   step == BOTH        ? ' '
			   : step == ONLY_WANT ? '-'
					       : '+',
			   step == ONLY_GOT ? j + 1 : i + 1);
		if (step == BOTH)
			each_field(&want[i], o->got[j], diff_field, diff);
		else if (step == ONLY_WANT)
			each_field(&want[i], &nothing, missing_field, diff);
		else
			put_extra(diff, o->got[j]);
		i += step != ONLY_GOT;
		j += step != ONLY_WANT;
	}
	mem_free(t.cells);
	mem_free(t.matches);
	return is_same;
}

/* ---- numbers ---- */

static bool compare_number(const char *what, const struct conf_pair *want, double got,
			   bool is_there, struct buf *diff)
{
	double value = 0;
	char text[32];

	str_double(want->value, &value);
	if (is_there && !(value < got) && !(value > got))
		return true;
	put_line(diff, '-', what, want->key, want->value);
	snprintf(text, sizeof(text), "%.15g", got);
	if (is_there)
		put_line(diff, '+', what, want->key, str_c(text));
	return false;
}

static bool compare_drops(const struct conf_test_outcome *o, const struct test_conf *test,
			  struct buf *diff)
{
	const struct counts *got = &o->drops.by_stage;
	bool is_same = true;

	for (size_t i = 0; i < test->dropped.n; i++) {
		const struct conf_pair *want = &test->dropped.items[i];
		uint64_t n = 0;

		for (size_t k = 0; k < got->n; k++)
			if (str_eq(got->items[k].name, want->key) ||
			    str_eq(got->items[k].reason, want->key))
				n += got->items[k].n;
		is_same &= compare_number("dropped", want, (double)n, true, diff);
	}
	return is_same;
}

static bool compare_metrics(const struct conf_test_outcome *o, const struct test_conf *test,
			    struct buf *diff)
{
	bool is_same = true;

	for (size_t i = 0; i < test->metrics.n; i++) {
		double got = 0;
		bool is_there = conf_test_metric(o, test->metrics.items[i].key, &got);

		is_same &= compare_number("metric", &test->metrics.items[i], got, is_there, diff);
	}
	return is_same;
}

bool conf_test_compare(const struct conf_test_outcome *o, const struct test_conf *test,
		       bool has_expect, struct buf *diff)
{
	bool is_same = true;

	buf_c(diff, "--- expected\n+++ got\n");
	if (has_expect)
		is_same = compare_records(o, test, diff);
	if (test->dropped.n || test->metrics.n)
		buf_c(diff, "  in all\n");
	is_same &= compare_drops(o, test, diff);
	is_same &= compare_metrics(o, test, diff);
	return is_same;
}
