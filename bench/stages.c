/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stage costs: batches of a thousand lines go through a chain with only that stage (and
 * those it needs before it, measured apart and taken off), thread CPU time by the nanosecond. Beside
 * it in the same rounds the floor: finding the lines, protobuf, libsnappy. This one program of the
 * bench uses the agent's code: it measures that code, and nothing is compared with its speed.
 */
#include <inttypes.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <time.h>

#include "agent/conf_yaml.h"
#include "agent/registry.h"
#include "bench/corpus.h"
#include "bench/push.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "pipeline/chain.h"

#define LINES 1000u
#define ROUNDS 41u /* the median of them counts */

enum shape {
	APP,    /* corpus A */
	SECRET, /* R, with --hits percent of secrets */
	JSON,   /* J */
	CRI,
	DOCKER,
	COLOUR,
	TRACE, /* ten lines a record */
	EVENT, /* of the Windows event log */
	PACKED,
};

static const struct row {
	const char *name, *before, *stage; /* before: measured apart */
	enum shape shape;
} rows[] = {
#define FIELDS "regex: {expression: 'level=(?P<level>\\w+) svc=(?P<svc>\\w+)'}"
#define EIGHT                                                                                      \
	"redact: {detectors: [card, email, ipv4, bearer, basic, key_value], patterns: [{name: j, " \
	"expression: 'eyJ[\\w-]+\\.[\\w-]+\\.[\\w-]+'}, {name: a, expression: "                    \
	"'AKIA[0-9A-Z]{16}'}]}"
	{ "cri", NULL, "cri: {}", CRI },
	{ "decolorize", NULL, "decolorize: {}", COLOUR },
	{ "dedup", NULL, "dedup: {}", APP },
	{ "dedup in a window", NULL, "dedup: {consecutive: false, report: none}", APP },
	{ "docker", NULL, "docker: {}", DOCKER },
	{ "drop", NULL, "drop: {expression: 'status=50[0-9]'}", APP },
	{ "eventlogmessage", "json: {expressions: {message: message}}", "eventlogmessage: {}",
	  EVENT },
	{ "json", NULL, "json: {expressions: {level: level, s: request.status, d: duration_ms}}",
	  JSON },
	{ "keep", NULL, "keep: {expression: 'level=\\w'}", APP },
	{ "label_drop", FIELDS "\n- labels: {level: , svc: }", "label_drop: [svc]", APP },
	{ "label_keep", FIELDS "\n- labels: {level: , svc: }", "label_keep: [level]", APP },
	{ "labels", FIELDS, "labels: {level: , svc: }", APP },
	{ "level", NULL, "level: {}", APP },
	{ "limit", NULL, "limit: {rate: 100000000, burst: 100000000}", APP },
	{ "geoip", "template: {source: ip, template: '192.0.2.7'}",
	  "geoip: {db: " DATABASE ", db_type: city, source: ip, to: metadata}", APP },
	{ "logfmt", NULL, "logfmt: {mapping: {level: , svc: , status: }}", APP },
	{ "match", FIELDS "\n- labels: {level: , svc: }",
	  "match: {selector: '{level=\"error\"} |= \"timeout\"', stages: [output: {source: svc}]}",
	  APP },
	{ "metrics", FIELDS, "metrics: {n: {type: Counter, source: svc, config: {action: inc}}}",
	  APP },
	{ "multiline", NULL, "multiline: {firstline: '^ts='}", TRACE },
	{ "output", FIELDS, "output: {source: svc}", APP },
	{ "pack", FIELDS, "pack: {labels: [level, svc]}", APP },
	{ "redact, eight", NULL, EIGHT, SECRET },
	{ "redact, default", NULL, "redact: {}", SECRET },
	{ "redact, all", NULL,
	  "redact: {detectors: [card, email, ipv4, bearer, basic, key_value, jwt, url_password, "
	  "private_key, aws, gcp, azure, github, gitlab, slack, stripe, saas, iban, ipv6, mac, "
	  "command_line]}",
	  SECRET },
	{ "regex", NULL, "regex: {expression: 'level=(?P<level>\\w+)'}", APP },
	{ "regex, ten groups", NULL,
	  "regex: {expression: '^ts=(\\S+) level=(?P<level>\\w+) svc=(?P<svc>\\w+) id=(\\S+) "
	  "trace=(\\w+) method=(?P<m>\\w+) path=(\\S+) status=(?P<s>\\d+) took_ms=(\\S+) "
	  "msg=\"(.*)\"$'}",
	  APP },
	{ "replace", NULL, "replace: {expression: 'trace=(\\w+)', replace: '-'}", APP },
	{ "sampling", NULL, "sampling: {rate: 0.5}", APP },
	{ "static_labels", NULL, "static_labels: {env: prod}", APP },
	{ "structured_metadata", FIELDS, "structured_metadata: {level: , svc: }", APP },
	{ "structured_metadata_drop", FIELDS "\n- structured_metadata: {level: , svc: }",
	  "structured_metadata_drop: [svc]", APP },
	{ "template", FIELDS, "template: {source: level, template: '{{ ToUpper .Value }}'}", APP },
	{ "tenant", FIELDS, "tenant: {source: svc}", APP },
	{ "timestamp", "regex: {expression: '^ts=(?P<ts>\\S+)'}",
	  "timestamp: {source: ts, format: RFC3339Nano}", APP },
	{ "unpack", NULL, "unpack: {}", PACKED },
};

struct conf {
	struct conf_stages stages;
};
static const struct conf_field fields[] = {
	CONF_STAGES(struct conf, stages, "The stages."),
};
static const struct conf_table table = CONF_TABLE(struct conf, fields);

/* ---- lines ---- */

static struct corpus corpora[3];

static void put_shaped(struct buf *out, enum shape shape, unsigned i)
{
	const struct corpus *c = &corpora[shape == JSON ? 2 : shape == SECRET ? 1 : 0];
	const struct corpus_line *l = &c->lines[i];
	struct str line = str_make(c->bytes + l->at, l->len);

	if (shape == CRI)
		buf_printf(out, "2026-11-20T10:00:00.%09uZ stdout F ", i);
	else if (shape == DOCKER)
		buf_c(out, "{\"log\":\"");
	else if (shape == PACKED)
		buf_printf(out, "{\"pod\":\"web-%u\",\"_entry\":\"", i % 8);
	else if (shape == EVENT)
		buf_printf(out,
			   "{\"message\":\"An account was logged on.\\r\\nSubject: S-1-%u\\r\\n"
			   "Logon Type: 3\\r\\nProcess: 0x%x\"}",
			   i, i);
	else if (shape == COLOUR)
		buf_c(out, "\x1b[32m");
	if (shape == TRACE && i % 10) {
		buf_printf(out, "\tat com.example.Order.submit%u(Order.java:%u)", i % 10, i % 999);
	} else if (shape == DOCKER || shape == PACKED) {
		for (size_t k = 0; k < line.n; k++)
			if (!buf_escape(out, line.p[k]))
				buf_ch(out, line.p[k]);
		buf_c(out, shape == PACKED ? "\"}"
					   : "\\n\",\"stream\":\"stdout\",\"time\":"
					     "\"2026-11-20T10:00:00.000000001Z\"}");
	} else if (shape != EVENT) {
		buf_str(out, line);
		if (shape == COLOUR)
			buf_c(out, "\x1b[0m");
	}
	buf_ch(out, '\n');
}

static struct str lines_of(enum shape shape)
{
	static struct buf made[PACKED + 1];

	if (!made[shape].n)
		for (unsigned i = 0; i < LINES; i++)
			put_shaped(&made[shape], shape, i);
	return buf_as_str(&made[shape]);
}

/* ---- measuring ---- */

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

static double run_chain(struct chain *chain, struct source *source, struct str lines)
{
	struct batch *b = batch_new(NULL, source, lines.n, true);
	uint64_t begun;

	while (lines.n) {
		struct rec *r = batch_add(b);

		r->line = arena_dup(&b->arena, str_cut(&lines, '\n'));
		r->time_ns = 1;
	}
	begun = thread_ns();
	chain_run(chain, b);
	return (double)(thread_ns() - begun) / LINES;
}

/* NULL with the errors of the configuration shown. */
static struct chain *open_chain(struct conf_doc *doc, struct conf *conf, const char *before,
				const char *stage)
{
	struct chain_conf chain_conf = { .pipeline = "bench", .max_streams = 10000 };
	struct buf text = BUF_INIT, errors = BUF_INIT;
	struct err err = ERR_NONE;
	struct chain *chain = NULL;
	struct conf_node *root;
	size_t n;
	const struct conf_plugin *plugins = registry(&n);

	conf_doc_plugins(doc, plugins, n);
	buf_c(&text, "stages:\n");
	if (before)
		buf_printf(&text, "- %s\n", before);
	if (stage)
		buf_printf(&text, "- %s\n", stage);
	if (!before && !stage)
		buf_c(&text, "  []\n");
	root = conf_yaml_parse(doc, "row", buf_as_str(&text), NULL);
	if (root)
		conf_read(doc, &table, root, conf);
	conf_errors_print(doc, &errors, false);
	chain_conf.stages = &conf->stages;
	if (errors.n)
		fprintf(stderr, STR_FMT, STR_ARG(buf_as_str(&errors)));
	else if (chain_open(&chain_conf, &chain, &err))
		fprintf(stderr, "%s: %s\n", stage ? stage : "", err.text);
	buf_fini(&text);
	buf_fini(&errors);
	return chain;
}

/* ns per line: finding it, protobuf, libsnappy. */
static double run_floor(struct str lines)
{
	static uint8_t wire[LINES * (PUSH_ENTRY_HEAD_MAX + CORPUS_LINE_MAX)];
	static char out[sizeof(wire) * 7 / 6 + 64];
	size_t n = sizeof(out);
	uint64_t begun = thread_ns(), t = 1795168800u * NS_PER_S;
	uint8_t *o = wire;

	while (lines.n) {
		struct str line = str_cut(&lines, '\n');

		*o++ = 0x12;
		o = push_varint(o, 14 + push_varint_len(line.n) + line.n);
		*o++ = 0x0a;
		*o++ = 10;
		o = push_varint(o, t++ % NS_PER_S);
		*o++ = 0x12;
		o = push_varint(o, line.n);
		memcpy(o, line.p, line.n);
		o += line.n;
	}
	if (snappy_compress((const char *)wire, (size_t)(o - wire), out, &n) != SNAPPY_OK)
		die("snappy");
	return (double)(thread_ns() - begun) / LINES;
}

static void measure(const struct row *row)
{
	struct source source = { .magic = SOURCE_MAGIC };
	struct conf_doc *docs[2] = { conf_doc_new(), conf_doc_new() };
	struct conf confs[2] = { 0 };
	double base[ROUNDS], cost[ROUNDS], floor[ROUNDS];
	struct str lines = lines_of(row->shape), app = lines_of(APP);
	struct chain *without = open_chain(docs[0], &confs[0], row->before, NULL);
	struct chain *with = open_chain(docs[1], &confs[1], row->before, row->stage);

	for (unsigned i = 0; without && with && i < ROUNDS; i++) {
		base[i] = run_chain(without, &source, lines);
		cost[i] = run_chain(with, &source, lines) - base[i];
		floor[i] = run_floor(app);
	}
	if (without && with) {
		double c = median(cost, ROUNDS), f = median(floor, ROUNDS);

		printf("| `%s` | %.0f | %.2fx |\n", row->name, c, c / f);
		fflush(stdout);
	}
	if (with) {
		chain_flush(with, NULL);
		chain_close(with);
	}
	if (without) {
		chain_flush(without, NULL);
		chain_close(without);
	}
	conf_doc_free(docs[0]);
	conf_doc_free(docs[1]);
}

static struct str first_word(const char *name)
{
	struct str rest = str_c(name), word = str_cut(&rest, ',');

	return str_cut(&word, ' ');
}

static bool has_stage(struct str name)
{
	size_t n;
	const struct conf_plugin *plugins = registry(&n);

	for (size_t i = 0; i < n; i++)
		if (plugins[i].kind == CONF_STAGE && str_is(name, plugins[i].name))
			return true;
	return false;
}

/* A stage without a row is a stage nobody has measured. */
static int unmeasured(void)
{
	size_t n, missing = 0;
	const struct conf_plugin *plugins = registry(&n);

	for (size_t i = 0; i < n; i++) {
		bool found = plugins[i].kind != CONF_STAGE;

		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
			found |= str_is(first_word(rows[k].name), plugins[i].name);
		if (!found)
			fprintf(stderr, "no row for the stage %s\n", plugins[i].name);
		missing += !found;
	}
	return missing ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct corpus_options o = CORPUS_OPTIONS_DEFAULT;

	const char *only = "";

	if (argc == 2 && !strcmp(argv[1], "--check"))
		return unmeasured();
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--only"))
			only = argv[i + 1];
		else if (!corpus_option(&o, argv[i], argv[i + 1]))
			die("usage: stages [--check | [--hits PERCENT] [--seed N] [--only STAGE]]");
	}
	corpus_init(&corpora[0], &o);
	o.kind = CORPUS_R;
	corpus_init(&corpora[1], &o);
	o.kind = CORPUS_J;
	corpus_init(&corpora[2], &o);
	printf("| stage | ns/line | of the floor |\n|---|---|---|\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (str_starts(str_c(rows[i].name), str_c(only)) &&
		    has_stage(first_word(rows[i].name)))
			measure(&rows[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		corpus_fini(&corpora[i]);
	return unmeasured();
}
