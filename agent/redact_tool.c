/* SPDX-License-Identifier: Apache-2.0 */
/* The redact stages on their own: as a filter, and telling what they find. */
#include <errno.h>

#include "agent/offline.h"
#include "agent/redact_tool.h"
#include "agent/registry.h"
#include "lib/mem.h"
#include "outputs/render.h"
#include "pipeline/redact.h"

#define DETECTORS_MAX 256
#define BATCH_BYTES ((size_t)256 << 10)

/* ---- which stages ---- */

static int add_stage(void *ctx, const struct conf_stage *s)
{
	struct conf_stages *ret = ctx;

	if (strcmp(s->plugin->name, "redact") != 0)
		return 0;
	if (ret->items)
		ret->items[ret->n] = *s;
	ret->n++;
	return 0;
}

size_t redact_tool_find(struct conf_doc *doc, const struct conf_stages *list,
			struct conf_stages *ret)
{
	*ret = (struct conf_stages){ 0 };
	conf_stages_each(list, add_stage, ret);
	*ret = (struct conf_stages){ .items = conf_alloc(doc, (ret->n + 1) * sizeof(*ret->items)) };
	conf_stages_each(list, add_stage, ret);
	return ret->n;
}

void redact_tool_default(struct conf_doc *doc, struct conf_stages *ret)
{
	struct conf_stage *s = conf_alloc(doc, sizeof(*s));
	const struct conf_plugin *plugins;
	size_t n;

	plugins = registry(&n);
	s->plugin = conf_plugin_find(plugins, n, CONF_STAGE, STR("redact"));
	CHECK(s->plugin);
	s->conf = conf_alloc(doc, s->plugin->conf->size);
	conf_read(doc, s->plugin->conf, NULL, s->conf);
	*ret = (struct conf_stages){ .n = 1, .items = s };
}

static int open_chain(const struct conf_stages *stages, const struct chain_trace *trace,
		      struct chain **ret, struct err *err)
{
	struct chain_conf conf = {
		.pipeline = "redact", .stages = stages, .max_streams = 1000, .trace = trace
	};

	return chain_open(&conf, ret, err);
}

/* ---- the filter ---- */

struct filter {
	struct source source;
	struct chain *chain;
	struct batch *batch;
	size_t bytes;
	FILE *to;
};

static void write_records(void *ctx, enum chain_probe probe, const struct stage *s,
			  const struct batch *b)
{
	struct filter *f = ctx;

	(void)s;
	for (const struct rec *r = b->recs; probe == CHAIN_END && r < b->recs + b->nrecs; r++) {
		if (r->flags & REC_DROP)
			continue;
		fwrite(r->line.n ? r->line.p : "", 1, r->line.n, f->to);
		putc('\n', f->to);
	}
}

static bool run_batch(void *ctx)
{
	struct filter *f = ctx;

	if (f->batch)
		chain_run(f->chain, TAKE(f->batch));
	f->bytes = 0;
	return !ferror(f->to);
}

static bool filter_line(void *ctx, struct str line, bool is_cut)
{
	struct filter *f = ctx;
	struct rec *r;

	if (!f->batch)
		f->batch = batch_new(NULL, &f->source, line.n, true);
	r = batch_add(f->batch);
	r->line = arena_dup(&f->batch->arena, line);
	r->flags = is_cut ? REC_CUT : 0;
	f->bytes += line.n;
	return f->batch->nrecs < BATCH_RECS_MAX && f->bytes < BATCH_BYTES ? true : run_batch(f);
}

int redact_tool_filter(const struct conf_stages *stages, int fd, FILE *to, struct err *err)
{
	struct filter f = { .source = { .magic = SOURCE_MAGIC }, .to = to };
	struct chain_trace trace = { .ctx = &f, .probe = write_records };
	struct offline_reader reader = { &f, REDACT_TOOL_LINE_MAX, filter_line, run_batch };
	int rc = open_chain(stages, &trace, &f.chain, err);

	if (rc)
		return rc;
	rc = offline_lines(fd, &reader, err);
	run_batch(&f);
	chain_flush(f.chain, NULL);
	chain_close(f.chain);
	if (rc == 0 && (fflush(to) || ferror(to)))
		rc = err_errno(err, errno, "cannot write");
	return rc;
}

/* ---- telling ---- */

struct detector {
	char name[72];
	uint64_t hits, lines, last_line;
};

/* One stage of those that are told about; each sees the lines as they are. */
struct teller {
	struct tell *tell;
	const struct conf_stage *stage;
	struct chain *chain;
	struct chain_trace trace;
};

struct tell {
	struct source source;
	struct teller *tellers;
	size_t ntellers;
	struct detector detectors[DETECTORS_MAX];
	size_t ndetectors;
	struct str text; /* of the current record, with invalid UTF-8 repaired */
	uint64_t line, last_hit, lines_hit, cut;
	bool as_json;
	FILE *to;
};

static size_t characters(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void count(struct tell *t, const char *name)
{
	size_t i = 0;

	while (i < t->ndetectors && strcmp(t->detectors[i].name, name) != 0)
		i++;
	if (i == DETECTORS_MAX)
		return;
	if (i == t->ndetectors) {
		t->ndetectors++;
		snprintf(t->detectors[i].name, sizeof(t->detectors[i].name), "%s", name);
	}
	t->detectors[i].hits++;
	t->detectors[i].lines += t->detectors[i].last_line != t->line;
	t->detectors[i].last_line = t->line;
	t->lines_hit += t->last_hit != t->line;
	t->last_hit = t->line;
}

/* Private keys and the end of what was cut are replaced in any case. */
static void put_action(const struct teller *who, const char *detector, struct buf *out)
{
	const struct conf_table *t = who->stage->plugin->conf;

	if (!strcmp(detector, "private_key") || !strcmp(detector, "cut")) {
		buf_c(out, "replace");
		return;
	}
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(conf_field_key(&t->fields[i]), "action"))
			conf_render_value(out, &t->fields[i], who->stage->conf);
}

static void put_json_hit(struct tell *t, const char *detector, size_t from, size_t to,
			 struct str action, struct str replacement, struct buf *out)
{
	buf_printf(out, "{\"line\":%llu,\"from\":%zu,\"to\":%zu,\"detector\":",
		   (unsigned long long)t->line, from, to);
	buf_json_str(out, str_c(detector));
	buf_c(out, ",\"action\":");
	buf_json_str(out, action);
	buf_c(out, ",\"result\":");
	buf_json_str(out, replacement);
	buf_c(out, "}\n");
}

static void on_redacted(void *ctx, const struct rec *r, const char *detector, struct str secret,
			struct str replacement)
{
	(void)r;
	struct teller *who = ctx;
	struct tell *t = who->tell;
	struct buf out = BUF_INIT, action = BUF_INIT;
	bool is_failure = str_is(replacement, REDACT_ERROR_TEXT);
	size_t from = characters(str_make(t->text.p, (size_t)(secret.p - t->text.p))) + 1;
	size_t to = from + characters(secret) - 1;

	if (is_failure)
		detector = "error";
	put_action(who, detector, &action);
	if (t->as_json) {
		put_json_hit(t, detector, from, to, buf_as_str(&action), replacement, &out);
	} else {
		buf_printf(&out, "%llu:%zu-%zu\t%s\t" STR_FMT "\t", (unsigned long long)t->line,
			   from, to, detector, STR_ARG(buf_as_str(&action)));
		render_printable(&out, replacement);
		buf_ch(&out, '\n');
	}
	fwrite(out.p, 1, out.n, t->to);
	count(t, detector);
	buf_fini(&out);
	buf_fini(&action);
}

/* Columns are those of the text that the stage looks at. */
static void on_probe(void *ctx, enum chain_probe probe, const struct stage *s,
		     const struct batch *b)
{
	const struct teller *who = ctx;

	if (probe == CHAIN_RAN && !strcmp(s->ops->name, "clean"))
		who->tell->text = b->recs[0].line;
}

static bool tell_line(void *ctx, struct str line, bool is_cut)
{
	struct tell *t = ctx;

	t->line++;
	t->cut += is_cut;
	for (size_t i = 0; i < t->ntellers; i++) {
		struct batch *b = batch_new(NULL, &t->source, line.n, true);
		struct rec *r = batch_add(b);

		r->line = arena_dup(&b->arena, line);
		r->flags = is_cut ? REC_CUT : 0;
		chain_run(t->tellers[i].chain, b);
	}
	return !ferror(t->to);
}

static void put_summary(const struct tell *t)
{
	if (t->as_json) {
		fprintf(t->to, "{\"lines\":%llu,\"lines_with_hits\":%llu,\"detectors\":{",
			(unsigned long long)t->line, (unsigned long long)t->lines_hit);
		for (size_t i = 0; i < t->ndetectors; i++)
			fprintf(t->to, "%s\"%s\":%llu", i ? "," : "", t->detectors[i].name,
				(unsigned long long)t->detectors[i].hits);
		fputs("}}\n", t->to);
		return;
	}
	fprintf(t->to, "%s%-20s %10s %10s\n", t->ndetectors ? "\n" : "", "detector", "hits",
		"lines");
	for (size_t i = 0; i < t->ndetectors; i++)
		fprintf(t->to, "%-20s %10llu %10llu\n", t->detectors[i].name,
			(unsigned long long)t->detectors[i].hits,
			(unsigned long long)t->detectors[i].lines);
	fprintf(t->to, "%-20s %10s %10llu of %llu\n", "all", "", (unsigned long long)t->lines_hit,
		(unsigned long long)t->line);
	if (t->cut)
		fprintf(t->to, "%llu lines longer than %zu bytes were looked at up to there\n",
			(unsigned long long)t->cut, REDACT_TOOL_LINE_MAX);
}

int redact_tool_explain(const struct conf_stages *stages, int fd, bool as_json, FILE *to,
			struct err *err)
{
	struct tell *t = mem_zalloc(sizeof(*t));
	struct offline_reader reader = { t, REDACT_TOOL_LINE_MAX, tell_line, NULL };
	int rc = 0;

	t->source.magic = SOURCE_MAGIC;
	t->as_json = as_json;
	t->to = to;
	t->tellers = mem_array(stages->n + 1, sizeof(*t->tellers));
	while (rc == 0 && t->ntellers < stages->n) {
		struct teller *who = &t->tellers[t->ntellers];
		struct conf_stages one = { .n = 1, .items = &stages->items[t->ntellers] };

		*who = (struct teller){ .tell = t, .stage = one.items };
		who->trace = (struct chain_trace){ .ctx = who,
						   .probe = on_probe,
						   .redacted = on_redacted };
		rc = open_chain(&one, &who->trace, &who->chain, err);
		t->ntellers += rc == 0;
	}
	if (rc == 0)
		rc = offline_lines(fd, &reader, err);
	if (rc == 0)
		put_summary(t);
	for (size_t i = 0; i < t->ntellers; i++)
		chain_close(t->tellers[i].chain);
	mem_free(t->tellers);
	mem_free(t);
	return rc;
}
