/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what happens in a chain, and the summary. */
#include <inttypes.h>
#include <stdlib.h>

#include "agent/dry_tally.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/render.h"

#define TOP_VALUES 5 /* of a label */

static void on_drop(void *ctx, const char *reason, uint64_t n)
{
	drops_add(&((struct tally *)ctx)->drops, reason, n);
}

static void on_redacted(void *ctx, const struct rec *r, const char *detector, struct str secret,
			struct str replacement)
{
	(void)r;
	(void)secret;
	(void)replacement;
	counts_add(&((struct tally *)ctx)->redactions, str_c(detector), STR_NONE, 1);
}

/* Label sets are the chain's and may be thrown out: copied when they are met. */
static struct tally_stream *stream_of(struct tally *t, const struct labels *l)
{
	const uint64_t hash = l->hash;
	struct tally_stream *s;

	for (struct map_node *n = map_first(&t->streams, hash); n; n = map_next(n)) {
		s = container_of(n, struct tally_stream, node);
		if (s->nlabels == l->n)
			return s;
	}
	if (t->nstreams++ >= TALLY_STREAMS_MAX)
		return NULL;
	s = arena_alloc(&t->arena, sizeof(*s) + l->n * sizeof(*s->labels));
	*s = (struct tally_stream){ .nlabels = l->n, .next = t->first_stream };
	for (uint32_t i = 0; i < l->n; i++)
		s->labels[i] = (struct label){ arena_dup(&t->arena, l->items[i].name),
					       arena_dup(&t->arena, l->items[i].value) };
	t->first_stream = s;
	map_add(&t->streams, &s->node, hash);
	return s;
}

static void sent(struct tally *t, const struct batch *b)
{
	const struct labels *last = NULL;
	struct tally_stream *s = NULL;

	for (const struct rec *r = b->recs; r < b->recs + b->nrecs; r++) {
		const struct labels *l = rec_labels(b, r);

		if (r->flags & (REC_DROP | REC_HELD))
			continue;
		t->lines_out++;
		t->bytes_out += r->line.n;
		if (l != last && l)
			s = stream_of(t, l);
		last = l;
		if (s)
			s->nrecs++;
	}
}

static void on_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	struct tally *t = ctx;

	if (probe == CHAIN_END)
		sent(t, b);
	if (probe == CHAIN_RAN)
		drops_ran(&t->drops, s);
}

void tally_init(struct tally *t)
{
	t->trace = (struct chain_trace){
		.ctx = t, .probe = on_probe, .dropped = on_drop, .redacted = on_redacted
	};
	t->start_ns = clock_mono_ns();
}

void tally_fini(struct tally *t)
{
	map_fini(&t->streams);
	drops_fini(&t->drops);
	counts_fini(&t->redactions);
	arena_fini(&t->arena);
}

/* ---- the summary ---- */

struct value {
	struct str name, value;
	uint64_t nrecs;
};

static int by_value(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	int c = str_cmp(x->name, y->name);

	return c ? c : str_cmp(x->value, y->value);
}

static int by_records(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	int c = str_cmp(x->name, y->name);

	if (c)
		return c;
	if (x->nrecs != y->nrecs)
		return x->nrecs < y->nrecs ? 1 : -1;
	return str_cmp(x->value, y->value);
}

/* Every value of every label once, the most frequent first. */
static struct value *values_of(const struct tally *t, size_t *ret_n)
{
	struct value *v;
	size_t n = 0, kept = 0;

	for (const struct tally_stream *s = t->first_stream; s; s = s->next)
		n += s->nlabels;
	v = mem_array(n + 1, sizeof(*v));
	n = 0;
	for (const struct tally_stream *s = t->first_stream; s; s = s->next)
		for (uint32_t i = 0; i < s->nlabels; i++)
			v[n++] = (struct value){ s->labels[i].name, s->labels[i].value, s->nrecs };
	qsort(v, n, sizeof(*v), by_value);
	for (size_t i = 0; i < n; i++) {
		if (kept && by_value(&v[kept - 1], &v[i]) == 0)
			v[kept - 1].nrecs += v[i].nrecs;
		else
			v[kept++] = v[i];
	}
	qsort(v, kept, sizeof(*v), by_records);
	*ret_n = kept;
	return v;
}

static void print_values(const struct tally *t, struct buf *out)
{
	size_t n;
	struct value *v = values_of(t, &n);

	for (size_t i = 0, first = 0; i < n; i++) {
		if (!str_eq(v[i].name, v[first].name))
			first = i;
		if (i == first) {
			size_t distinct = 0;

			while (first + distinct < n && str_eq(v[first + distinct].name, v[i].name))
				distinct++;
			buf_c(out, "label ");
			render_printable(out, v[i].name);
			buf_printf(out, ": %zu value%s\n", distinct, distinct == 1 ? "" : "s");
		}
		if (i - first >= TOP_VALUES)
			continue;
		buf_printf(out, "  %12" PRIu64 "  ", v[i].nrecs);
		render_printable(out, v[i].value);
		buf_ch(out, '\n');
	}
	mem_free(v);
}

static void print_counts(const struct counts *c, struct buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct count *count = &c->items[i];

		buf_printf(out, "        %12" PRIu64 "  " STR_FMT, count->n, STR_ARG(count->name));
		if (count->reason.n)
			buf_printf(out, " (" STR_FMT ")", STR_ARG(count->reason));
		buf_ch(out, '\n');
	}
}

void tally_print(struct tally *t, FILE *to)
{
	uint64_t dropped = counts_sum(&t->drops.by_stage);
	double took_s = (double)(clock_mono_ns() - t->start_ns) / (double)NS_PER_S;
	struct buf out = BUF_INIT;

	buf_printf(&out, "in      %12" PRIu64 " lines, %" PRIu64 " bytes\n", t->lines_in,
		   t->bytes_in);
	buf_printf(&out, "out     %12" PRIu64 " records, %" PRIu64 " bytes\n", t->lines_out,
		   t->bytes_out);
	buf_printf(&out, "dropped %12" PRIu64 "\n", dropped);
	print_counts(&t->drops.by_stage, &out);
	if (t->lines_in > t->lines_out + dropped)
		buf_printf(&out, "joined  %12" PRIu64 "\n", t->lines_in - t->lines_out - dropped);
	buf_printf(&out, "redacted%12" PRIu64 "\n", counts_sum(&t->redactions));
	print_counts(&t->redactions, &out);
	buf_printf(&out, "streams %12" PRIu64 "%s\n", t->nstreams,
		   t->nstreams > TALLY_STREAMS_MAX ? " (about)" : "");
	print_values(t, &out);
	buf_printf(&out, "took    %12.3f s, %.0f lines/s\n", took_s,
		   took_s > 0 ? (double)t->lines_in / took_s : 0.0);
	fwrite(out.p, 1, out.n, to);
	buf_fini(&out);
}
