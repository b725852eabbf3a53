/* SPDX-License-Identifier: Apache-2.0 */
/* What explain and tap must not show. Not only what the redact stages replaced: the same bytes stand in what
 * the record was before, and in lines that were dropped on the way. So every state of every record is
 * given to the redact stages of the pipeline as well, each in a chain of its own, and whatever was
 * found anywhere is hidden everywhere, also in capitals and with JSON's escapes. A secret that only
 * came to be on the way (unescaped, put together) cannot be looked for in what was before: then all
 * that was before is hidden. */
#include <errno.h>
#include <stdlib.h>

#include "agent/explain_impl.h"
#include "lib/mem.h"
#include "pipeline/redact.h"

#define SHORT_BYTES 4 /* pieces below it are hidden as whole words only */
#define STEM_BYTES 8  /* replacements this long are known without their last byte */

/* ---- asking the redact stages ---- */

static void no_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	(void)ctx;
	(void)probe;
	(void)s;
	(void)b;
}

/* series: states at the same place of the way, one after the other, as a private key goes over
 * several lines. */
static void ask_about(struct chain *chain, const struct view *v, uint64_t series)
{
	struct source source = {
		.magic = SOURCE_MAGIC, .series = series, .labels = v->labels, .nlabels = v->nlabels
	};
	struct batch *b = batch_new(NULL, &source, v->line.n, true);
	struct rec *r = batch_add(b);

	r->line = v->line;
	r->time_ns = v->time_ns;
	r->flags = (uint16_t)v->flags;
	for (uint32_t i = 0; i < v->nattrs; i++) {
		struct attr *a =
			rec_attr_inline(b, r, v->attrs[i].name, (enum attr_kind)v->attrs[i].kind,
					v->attrs[i].value);

		if (a)
			a->type = v->attrs[i].type;
	}
	chain_run(chain, b);
}

#define ASKERS_MAX 64 /* redact stages of a pipeline */

struct explain_asker {
	struct explain *e; /* for whom */
	struct chain_trace trace;
	struct chain *chains[ASKERS_MAX];
	size_t n;
	struct err *err; /* while it is made */
};

static void on_redacted(void *ctx, const struct rec *r, const char *detector, struct str secret,
			struct str replacement)
{
	struct explain_asker *a = ctx;

	(void)r;
	explain_found(a->e, detector, secret, replacement);
}

static int add_asker(void *ctx, const struct conf_stage *redact)
{
	struct explain_asker *a = ctx;
	struct conf_stages one = { .n = 1, .items = (struct conf_stage *)(uintptr_t)redact };
	struct chain_conf conf = {
		.pipeline = "explain", .stages = &one, .max_streams = 1000000, .trace = &a->trace
	};
	int rc;

	if (strcmp(redact->plugin->name, "redact") != 0)
		return 0;
	if (a->n == ASKERS_MAX)
		return err_set(a->err, -E2BIG, "more than %d redact stages in one pipeline",
			       ASKERS_MAX);
	rc = chain_open(&conf, &a->chains[a->n], a->err);
	a->n += rc == 0;
	return rc;
}

int explain_asker_new(const struct config *c, struct offline_way way, struct explain_asker **ret,
		      struct err *err)
{
	const struct plan_pipeline *plan = &c->plan.pipelines[way.pipeline];
	struct explain_asker *a = mem_zalloc(sizeof(*a));
	int rc;

	a->trace = (struct chain_trace){ a, no_probe, NULL, on_redacted };
	a->err = err;
	*ret = a;
	rc = conf_stages_each(c->plan.inputs[plan->from[way.from]].stages, add_asker, a);
	return rc ? rc : conf_stages_each(plan->stages, add_asker, a);
}

void explain_asker_free(struct explain_asker *a)
{
	for (size_t i = 0; a && i < a->n; i++) {
		chain_flush(a->chains[i], NULL);
		chain_close(a->chains[i]);
	}
	mem_free(a);
}

static void ask(struct explain_asker *a, struct chain *chain)
{
	for (const struct explain_trail *t = a->e->trails; t; t = t->next) {
		const struct view *last = t->first;
		uint64_t series = a->e->series;

		if (last)
			ask_about(chain, last, series);
		for (const struct explain_step *s = t->steps; s; s = s->next) {
			series++;
			if (s->after && s->after != last)
				ask_about(chain, s->after, series);
			last = s->after;
		}
	}
}

/* ---- pieces ---- */

static char lower_byte(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static struct str lower(struct arena *arena, struct str s)
{
	char *p = arena_bytes(arena, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = lower_byte(s.p[i]);
	return str_make(p, s.n);
}

struct pieces {
	struct explain *e;
	struct buf input; /* all that the user gave, lower case */
	size_t cap;
};

static bool is_known(const struct explain *e, struct str text)
{
	for (size_t i = 0; i < e->npieces; i++)
		if (str_eq(e->pieces[i].text, text))
			return true;
	return false;
}

static void add_text(struct pieces *p, struct str text, const char *detector)
{
	struct explain *e = p->e;

	if (!text.n || is_known(e, text))
		return;
	if (e->npieces == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		e->pieces = mem_realloc(e->pieces, p->cap * sizeof(*e->pieces));
	}
	e->pieces[e->npieces++] = (struct explain_piece){ text, detector };
}

/* As it stands in a JSON string. */
static struct str escaped(struct arena *arena, struct str s)
{
	struct buf b = BUF_INIT;
	struct str text;

	buf_json_str(&b, s);
	text = arena_dup(arena, str_sub(buf_as_str(&b), 1, b.n - 1));
	buf_fini(&b);
	return text;
}

static void add_piece(struct pieces *p, struct str secret, const char *detector)
{
	struct arena *arena = &p->e->arena;
	struct str text = lower(arena, str_trim(secret));
	struct str json = lower(arena, escaped(arena, str_trim(secret)));
	struct str input = buf_as_str(&p->input);

	add_text(p, text, detector);
	add_text(p, json, detector);
	if (text.n && str_find(input, text) == input.n && str_find(input, json) == input.n)
		p->e->is_withheld = true;
}

/* Where the text has the replacement; of longer ones the last byte may be missing, as detectors end
 * what they find before a bracket. */
static bool find_replacement(struct str text, struct str replacement, size_t *ret_from,
			     size_t *ret_to)
{
	struct str stem = replacement;

	if (stem.n >= STEM_BYTES)
		stem.n--;
	if (!stem.n)
		return false;
	*ret_from = str_find(text, stem);
	if (*ret_from == text.n)
		return false;
	*ret_to = *ret_from + stem.n;
	if (str_starts(str_skip(text, *ret_from), replacement))
		*ret_to = *ret_from + replacement.n;
	return true;
}

/* What redact wrote itself is no secret, and one that goes over lines stands in them in parts. */
static void add_secret(struct pieces *p, struct str secret, const char *detector)
{
	const struct explain_found *all = p->e->found;
	size_t from, to;

	for (const struct explain_found *f = all; f; f = f->next)
		if (str_eq(secret, f->replacement))
			return;
	for (const struct explain_found *f = all; f; f = f->next) {
		if (!find_replacement(secret, f->replacement, &from, &to))
			continue;
		add_secret(p, str_sub(secret, 0, from), detector);
		add_secret(p, str_skip(secret, to), detector);
		return;
	}
	while (secret.n)
		add_piece(p, str_cut(&secret, '\n'), detector);
}

static void add_input(struct pieces *p)
{
	struct explain *e = p->e;

	for (const struct explain_trail *t = e->trails; t; t = t->next) {
		if (!t->line)
			continue;
		buf_str(&p->input, lower(&e->arena, t->first->line));
		buf_ch(&p->input, '\n');
		for (uint32_t i = 0; i < t->first->nattrs; i++) {
			buf_str(&p->input, lower(&e->arena, t->first->attrs[i].value));
			buf_ch(&p->input, '\n');
		}
	}
	for (const struct explain_trail *t = e->trails; t && t == e->trails; t = t->next)
		for (uint32_t i = 0; i < t->first->nlabels; i++) {
			buf_str(&p->input, lower(&e->arena, t->first->labels[i].value));
			buf_ch(&p->input, '\n');
		}
}

/* The longest first. */
static int by_length(const void *a, const void *b)
{
	size_t na = ((const struct explain_piece *)a)->text.n;
	size_t nb = ((const struct explain_piece *)b)->text.n;

	return na < nb ? 1 : na > nb ? -1 : 0;
}

void explain_hide(struct explain *e, struct explain_asker *asker)
{
	struct pieces p = { .e = e };

	asker->e = e;
	for (size_t i = 0; i < asker->n; i++)
		ask(asker, asker->chains[i]);
	add_input(&p);
	for (const struct explain_found *f = e->found; f; f = f->next) {
		if (str_is(f->replacement, REDACT_ERROR_TEXT))
			e->is_withheld = true; /* where the secret is, nobody knows */
		add_secret(&p, f->secret, f->detector);
	}
	if (e->npieces)
		qsort(e->pieces, e->npieces, sizeof(*e->pieces), by_length);
	buf_fini(&p.input);
}

/* ---- hiding ---- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80);
}

static bool is_hit(struct str text, size_t at, size_t n)
{
	return n >= SHORT_BYTES || ((at == 0 || !is_word(text.p[at - 1])) &&
				    (at + n == text.n || !is_word(text.p[at + n])));
}

/* Inside of what redact has written? "card" is part of <redacted:card>. */
static bool is_replacement(const struct explain *e, struct str shown, size_t at, size_t n)
{
	for (const struct explain_found *f = e->found; f; f = f->next) {
		size_t from = at + n > f->replacement.n ? at + n - f->replacement.n : 0;

		if (f->replacement.n <= n)
			continue;
		for (; from <= at && from + f->replacement.n <= shown.n; from++)
			if (str_eq(str_sub(shown, from, from + f->replacement.n), f->replacement))
				return true;
	}
	return false;
}

static void mark(struct explain *e, struct str shown, struct str text, const char **marks)
{
	for (size_t i = 0; i < e->npieces; i++) {
		struct str piece = e->pieces[i].text;

		/* A whole value that is part of a secret is one. */
		if (text.n >= SHORT_BYTES && text.n <= piece.n && str_find(piece, text) < piece.n) {
			for (size_t k = 0; k < text.n; k++)
				marks[k] = e->pieces[i].detector;
			return;
		}
		for (size_t at = 0; at + piece.n <= text.n; at++) {
			at += str_find(str_skip(text, at), piece);
			if (at >= text.n)
				break;
			if (!is_hit(text, at, piece.n) || is_replacement(e, shown, at, piece.n))
				continue;
			for (size_t k = at; k < at + piece.n; k++)
				if (!marks[k])
					marks[k] = e->pieces[i].detector;
		}
	}
}

struct str explain_shown(struct explain *e, struct str text, bool is_before,
			 const char **ret_detector)
{
	struct buf out = BUF_INIT;
	struct str shown;
	const char **marks;

	if (!text.n || (!e->npieces && !e->is_withheld))
		return text;
	if (is_before && e->is_withheld)
		return STR("[hidden]");
	marks = arena_alloc(&e->arena, text.n * sizeof(*marks));
	memset(marks, 0, text.n * sizeof(*marks));
	mark(e, text, lower(&e->arena, text), marks);
	for (size_t i = 0; i < text.n; i++) {
		if (!marks[i]) {
			buf_ch(&out, text.p[i]);
		} else if (i == 0 || !marks[i - 1]) {
			*ret_detector = marks[i];
			buf_printf(&out, "[hidden:%s]", marks[i]);
		}
	}
	shown = arena_dup(&e->arena, buf_as_str(&out));
	buf_fini(&out);
	return shown;
}
