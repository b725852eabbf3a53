/* SPDX-License-Identifier: Apache-2.0 */
/* Stage dedup: of records that repeat, the first passes at once and the last when it is known how
 * many there were; the others are dropped. */
#include "lib/mem.h"
#include "pipeline/hold.h"
#include "pipeline/labels.h"
#include "pipeline/stages/dedup.h"
#include "pipeline/stages/names.h"

#define BY_MAX 16

static void dedup_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct dedup_conf *conf = arg;

	if (conf->by.n > BY_MAX)
		conf_error(doc, conf_get(node, "by"), "more than %d names", BY_MAX);
}

static const struct conf_enum dedup_reports[] = {
	{ "message", DEDUP_MESSAGE, "as `message repeated 5 times: [the line]`" },
	{ "line", DEDUP_LINE, "as it is" },
	{ "none", DEDUP_NONE, "not at all: it is dropped, too" },
	{ 0 },
};

static const struct conf_field dedup_fields[] = {
	CONF_LIST(struct dedup_conf, by, NULL,
		  "Names of extracted values, metadata or labels that make two records the same; "
		  "without them it is the line. A record that has none of them passes.",
		  .example = "[msg]"),
	CONF_TIME(struct dedup_conf, window_ns, "30s", "1ms", "1h",
		  "A repeat is dropped when it is less than this younger than the record that "
		  "passed, by their own times. So at least one record passes in each window, and "
		  "the number of repeats is known after it.",
		  .key = "window"),
	CONF_BOOL(struct dedup_conf, consecutive, "true",
		  "Only records that follow each other are repeats; another one in between ends "
		  "them. `false`: all equal ones of the window are."),
	CONF_ENUM(struct dedup_conf, report, "message", dedup_reports,
		  "How the last repeat is sent. It has its own time, and the number of repeats as "
		  "metadata `tailrace_repeated`."),
	CONF_INT(struct dedup_conf, max_keys, "10000", "1", "1000000",
		 "Records remembered at once, for each lane; the oldest is forgotten then, and its "
		 "next repeat passes."),
	CONF_STR(struct dedup_conf, drop_counter_reason, "dedup_stage",
		 "The `reason` under which `tailrace_stage_dropped_total` counts the others."),
};
const struct conf_table dedup_table =
	CONF_TABLE(struct dedup_conf, dedup_fields, .check = dedup_check);

struct dedup {
	struct hold hold;
	size_t nkeys;
	uint16_t keys[BY_MAX], repeated;
	struct metric *dropped;
};

static void finish(const struct hold *h, const struct held *d, struct batch *b, struct rec *r)
{
	const struct dedup_conf *conf = h->stage->conf;
	const struct dedup *state = h->stage->state;

	if (conf->report == DEDUP_NONE) {
		r->flags |= REC_DROP;
		metric_add(state->dropped, 1);
		return;
	}
	rec_attr(b, r, state->repeated, ATTR_META, ATTR_NUMBER,
		 arena_printf(&b->arena, "%u", d->nlines));
	if (conf->report == DEDUP_MESSAGE)
		r->line = arena_printf(&b->arena, "message repeated %u time%s: [" STR_FMT "]",
				       d->nlines, d->nlines == 1 ? "" : "s", STR_ARG(r->line));
}

static int dedup_open(struct stage *s, struct err *err)
{
	const struct dedup_conf *conf = s->conf;
	struct dedup *state = s->state;
	int rc = 0;

	hold_init(&state->hold, s,
		  &(struct hold_conf){ .max_wait_ns = conf->window_ns,
				       .takes_last = true,
				       .waits_from_first = true,
				       .replaced_reason = conf->drop_counter_reason.p,
				       .finish = finish });
	state->dropped = metric_get(METRIC_STAGE_DROPPED, "pipeline", chain_pipeline(s->chain),
				    "reason", conf->drop_counter_reason.p, NULL);
	state->repeated = key_intern(STR("tailrace_repeated"));
	for (size_t i = 0; i < conf->by.n && rc == 0; i++)
		rc = intern_name(conf->by.items[i], &state->keys[state->nkeys++], err);
	return rc;
}

/* What must be equal; false when the record has nothing of it. */
static bool mark_of(const struct dedup *state, struct batch *b, const struct rec *r,
		    struct str *ret)
{
	struct str values[BY_MAX];
	size_t bytes = 0;
	bool has_any = false;
	char *p;

	*ret = r->line;
	if (!state->nkeys)
		return true;
	for (size_t i = 0; i < state->nkeys; i++) {
		bool has_it = rec_get_str(b, r, state->keys[i], &values[i]);

		values[i].n = has_it ? values[i].n : 0;
		has_any |= has_it;
		bytes += sizeof(size_t) + values[i].n;
	}
	if (!has_any)
		return false;
	p = arena_bytes(&b->arena, bytes);
	*ret = str_make(p, bytes);
	for (size_t i = 0; i < state->nkeys; i++) { /* with lengths, so that a|bc is not ab|c */
		memcpy(p, &values[i].n, sizeof(size_t));
		p += sizeof(size_t);
		if (values[i].n)
			memcpy(p, values[i].p, values[i].n);
		p += values[i].n;
	}
	return true;
}

static void dedup_run(struct stage *s, struct batch *b)
{
	const struct dedup_conf *conf = s->conf;
	struct dedup *state = s->state;
	struct hold *h = &state->hold;

	BATCH_FOR(b, r)
	{
		const struct labels *labels = rec_labels(b, r);
		uint64_t key = labels ? labels->hash : 0;
		struct held *d;
		struct str mark;
		bool has_mark = mark_of(state, b, r, &mark);

		if (!conf->consecutive && !has_mark)
			continue;
		d = hold_find(h, b, conf->consecutive ? key : str_hash(mark, key));
		if (has_mark && d->is_remembered && str_eq(d->mark, mark) &&
		    r->time_ns - d->marked_ns < conf->window_ns) {
			hold_add(h, d, b, r);
			continue;
		}
		if (d->is_remembered)
			hold_end(h, d, b);
		while (h->stored.n >= conf->max_keys)
			hold_end(h, h->stored.first, b);
		if (has_mark) {
			hold_remember(d, mark);
			d->marked_ns = r->time_ns;
		}
	}
	hold_stop(h, b);
}

static void dedup_flush(struct stage *s, struct source *source)
{
	hold_flush(&((struct dedup *)s->state)->hold, source);
}

static void dedup_close(struct stage *s)
{
	hold_fini(&((struct dedup *)s->state)->hold);
}

const struct stage_ops stage_dedup = {
	.name = "dedup",
	.summary = "suppresses repeats of a record and says how many there were",
	.doc = "Repeats are of the same file or connection and have the same labels. The first "
	       "record "
	       "passes at once, the last one when the window is over or another record follows, "
	       "and "
	       "those between them are dropped. Until then their place in the file is not passed: "
	       "after a kill they are read and counted again. It is let go early when what is held "
	       "fills a quarter of the pipeline's data memory, or when 64 MiB of a file wait for "
	       "it, which with `consecutive: false` in a busy file is how far a kill goes back.",
	.conf = &dedup_table,
	.state_size = sizeof(struct dedup),
	.open = dedup_open,
	.run = dedup_run,
	.flush = dedup_flush,
	.close = dedup_close,
};
