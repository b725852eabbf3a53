/* SPDX-License-Identifier: Apache-2.0 */
/* Stage redact: replaces secrets in the line, in metadata and extracted values, and in labels. */
#include "lib/mem.h"
#include "lib/metric.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/stage.h"
#include "pipeline/stages/redact_conf.h"

/* ---- state ---- */

enum { NAME_UNKNOWN, NAME_PLAIN, NAME_SECRET, NAME_EXCEPT };

#define BLOCKS_MAX 256 /* sources in the middle of a private key at one time */

/* A source (or those it goes on from) whose next lines are the rest of a private key. By series, as
 * another source may get the memory of one that ended. */
struct open_block {
	uint64_t series;
	unsigned lines;
};

#define SETS_MAX 256 /* a power of two */

/* A label set and what became of it, by its hash. Sets come again and again while secrets in them
 * are rare, so each is searched once a batch; sets may be gone after it. */
struct clean_set {
	const struct labels *from, *to;
	uint32_t run;
};

struct redact_state {
	struct redact *redact;
	struct redact_scratch scratch;
	struct redact_ahead ahead; /* of a window of lines */
	struct metric *hits[REDACT_KINDS_MAX], *failed;
	size_t nkinds;
	uint8_t names[KEY_MAX]; /* by key: one of NAME_*, found out at the first sight */
	struct clean_set sets[SETS_MAX];
	uint32_t run;          /* number of the current one */
	const struct rec *rec; /* being looked at, for a trace; NULL: none in particular */
	struct open_block blocks[BLOCKS_MAX];
	size_t nblocks;
};

/* With the action, which the check leaves out: its key may be out of reach there. */
static int make(const struct redact_conf *conf, struct redact **ret, struct err *err)
{
	struct redact_rule rules[REDACT_RULES_MAX];
	struct redact_options o = redact_conf_options(conf, rules);
	struct buf key = BUF_INIT;
	int rc = 0;

	if (conf->action == REDACT_HASH)
		rc = secret_read(&conf->hash_key, &key, err);
	o.action = (enum redact_action)conf->action;
	o.keep_first = (unsigned)conf->keep_first;
	o.keep_last = (unsigned)conf->keep_last;
	o.hash_key = buf_as_str(&key);
	if (rc == 0)
		rc = redact_new(&o, ret, err);
	secret_wipe(&key);
	return rc;
}

static void tell(void *ctx, unsigned kind, struct str secret, struct str replacement)
{
	const struct stage *s = ctx;
	const struct redact_state *x = s->state;
	const struct chain_trace *trace = chain_trace(s->chain);

	trace->redacted(trace->ctx, x->rec, redact_kind_name(x->redact, kind), secret, replacement);
}

static int redact_open(struct stage *s, struct err *err)
{
	const struct redact_conf *conf = s->conf;
	struct redact_state *x = s->state;
	const char *pipeline = chain_pipeline(s->chain);
	int rc = make(conf, &x->redact, err);

	if (rc)
		return rc;
	x->nkinds = REDACT_KIND_RULES + conf->patterns.n;
	for (unsigned k = 0; k < x->nkinds; k++)
		x->hits[k] = metric_get(METRIC_REDACTED, "pipeline", pipeline, "detector",
					redact_kind_name(x->redact, k), NULL);
	x->failed = metric_get(METRIC_REDACT_FAILED, "pipeline", pipeline, NULL);
	return 0;
}

static void redact_close(struct stage *s)
{
	struct redact_state *x = s->state;

	redact_free(x->redact);
	redact_scratch_fini(&x->scratch);
	redact_ahead_fini(&x->ahead);
}

/* ---- names ---- */

static int name_kind(const struct stage *s, struct str name)
{
	const struct redact_conf *conf = s->conf;
	const struct redact_state *x = s->state;

	for (size_t i = 0; i < conf->except.n; i++)
		if (str_eq(conf->except.items[i], name))
			return NAME_EXCEPT;
	return redact_is_secret_name(x->redact, name) ? NAME_SECRET : NAME_PLAIN;
}

static int attr_kind_of_name(const struct stage *s, const struct attr *a)
{
	struct redact_state *x = s->state;

	if (a->key == KEY_INLINE)
		return name_kind(s, attr_name(a));
	if (x->names[a->key] == NAME_UNKNOWN)
		x->names[a->key] = (uint8_t)name_kind(s, key_name(a->key));
	return x->names[a->key];
}

/* ---- a record ---- */

static void set_value(struct batch *b, struct rec *r, unsigned i, struct str value)
{
	struct attr *a = &r->attrs[i];
	enum attr_kind kind = a->kind;

	if (a->key == KEY_INLINE) { /* the name stands in front of the value */
		a->kind = ATTR_GONE;
		rec_attr_inline(b, r, attr_name(a), kind, value);
		return;
	}
	a->p = value.p;
	a->n = (uint32_t)value.n;
	a->type = ATTR_STRING;
}

static bool is_part_of(struct str line, struct str value)
{
	return value.n && value.p >= line.p && value.p + value.n <= line.p + line.n;
}

#define PART_MIN 4 /* bytes; of shorter values too many are met by chance */

/* What of a value stands nowhere in the line but inside of secrets. False: none of it. */
static bool redact_part(struct redact_state *x, struct batch *b, struct str line, int n,
			struct str *value)
{
	struct str found = STR_NONE;
	size_t at = 0, next;

	if (value->n < PART_MIN)
		return false;
	while ((next = str_find(str_skip(line, at), *value)) < line.n - at) {
		bool changed = true;
		struct str part = STR(REDACT_ERROR_TEXT);

		at += next;
		if (n > 0)
			part = redact_write_part(x->redact, &x->scratch, line, at, at + value->n,
						 &b->arena, &changed);
		if (!changed)
			return false;
		found = found.p ? found : part;
		at += value->n;
	}
	*value = found.p ? found : *value;
	return found.p != NULL;
}

/* Values that are slices of the line share its fate: `password=x` is found in the line, while the
 * slice `x` alone would tell nothing. So do copies of such slices, as of labels that became metadata.
 * n: result of redact_find() on the line. */
static void redact_slices(struct stage *s, struct batch *b, struct rec *r, struct str line, int n)
{
	struct redact_state *x = s->state;

	for (unsigned i = 0, end = r->nattrs; n && i < end; i++) {
		struct attr *a = &r->attrs[i];
		struct str value = attr_value(a);
		size_t from = (size_t)(value.p - line.p);
		bool changed = true;

		if (a->kind == ATTR_GONE || attr_kind_of_name(s, a) != NAME_PLAIN)
			continue;
		if (!is_part_of(line, value))
			changed = redact_part(x, b, line, n, &value);
		else if (n < 0)
			value = STR(REDACT_ERROR_TEXT);
		else
			value = redact_write_part(x->redact, &x->scratch, line, from,
						  from + value.n, &b->arena, &changed);
		if (changed)
			set_value(b, r, i, value);
	}
}

static bool redact_values(struct stage *s, struct batch *b, struct rec *r, struct str line)
{
	struct redact_state *x = s->state;
	bool failed = false;

	for (unsigned i = 0, end = r->nattrs; i < end; i++) {
		struct attr *a = &r->attrs[i];
		struct str value = attr_value(a);
		int kind, rc;

		if (a->kind == ATTR_GONE || a->type == ATTR_NULL || !a->n)
			continue;
		kind = attr_kind_of_name(s, a);
		if (kind == NAME_SECRET)
			set_value(b, r, i,
				  redact_name_text(x->redact, &x->scratch, value, &b->arena));
		if (kind != NAME_PLAIN || is_part_of(line, value))
			continue;
		rc = redact_text(x->redact, &x->scratch, chain_scratch(s->chain), &value, false,
				 &b->arena);
		failed |= rc < 0;
		if (rc)
			set_value(b, r, i, value);
	}
	return failed;
}

static struct open_block *block_of(struct redact_state *x, uint64_t series)
{
	for (size_t i = 0; i < x->nblocks; i++)
		if (x->blocks[i].series == series)
			return &x->blocks[i];
	return NULL;
}

static void open_block(struct redact_state *x, uint64_t series)
{
	struct open_block *block = block_of(x, series), *least = &x->blocks[0];

	for (size_t i = 1; i < x->nblocks; i++)
		if (x->blocks[i].lines < least->lines)
			least = &x->blocks[i];
	if (!block)
		block = x->nblocks < BLOCKS_MAX ? &x->blocks[x->nblocks++] : least;
	*block = (struct open_block){ series, REDACT_BLOCK_LINES };
}

static void close_block(struct redact_state *x, struct open_block *block)
{
	*block = x->blocks[--x->nblocks];
}

/* A line of a private key goes as a whole. Its end may be in it, and the beginning of the next
 * behind that. */
static int find_in_block(struct stage *s, struct open_block *block, struct str line)
{
	struct redact_state *x = s->state;
	size_t end = redact_end_of_block(line);

	if (end <= line.n) {
		redact_find(x->redact, &x->scratch, chain_scratch(s->chain), str_skip(line, end),
			    false);
		if (redact_opens_block(&x->scratch))
			block->lines = REDACT_BLOCK_LINES;
		else
			close_block(x, block);
	} else if (--block->lines == 0) {
		close_block(x, block);
	}
	redact_cover(&x->scratch, REDACT_KIND_PRIVATE_KEY, line);
	return (int)x->scratch.list.n;
}

static int find_in_line(struct stage *s, struct batch *b, const struct rec *r, uint32_t i)
{
	struct redact_state *x = s->state;
	uint64_t series = b->source->series;
	struct open_block *block = x->nblocks ? block_of(x, series) : NULL;
	int n;

	if (block && redact_is_in_block(r->line))
		return find_in_block(s, block, r->line);
	if (block && --block->lines == 0)
		close_block(x, block);
	n = redact_find_ahead(x->redact, &x->scratch, chain_scratch(s->chain), &x->ahead, i,
			      r->line, (r->flags & (REC_CUT | REC_PARTIAL)) != 0);
	if (redact_opens_block(&x->scratch))
		open_block(x, series);
	return n;
}

/* Labels that were cut out of the line share its fate, as other values do, which are slices of it. */
static void redact_label_parts(struct stage *s, struct batch *b, struct rec *r, struct str line,
			       int n)
{
	const struct labels *l = r->labels;
	struct label changes[LABELS_MAX];
	size_t nchanges = 0;

	for (uint32_t i = 0; i < l->n && nchanges < LABELS_MAX; i++) {
		struct label c = l->items[i];

		if (name_kind(s, c.name) == NAME_PLAIN && !str_is(c.name, LABEL_TENANT) &&
		    redact_part(s->state, b, line, n, &c.value))
			changes[nchanges++] = c;
	}
	if (nchanges)
		r->labels = labels_with(chain_labels(s->chain), l, changes, nchanges);
}

/* i: its place in the window. */
static void redact_rec(struct stage *s, struct batch *b, struct rec *r, uint32_t i)
{
	struct redact_state *x = s->state;
	struct str line = r->line;
	/* Before the slices: what stands in place of one is not searched again. */
	bool failed = redact_values(s, b, r, line);
	int n = find_in_line(s, b, r, i);

	if (n < 0) {
		r->line = redact_failed(&x->scratch, line);
	} else if (n > 0) {
		uint64_t before = x->scratch.failed;

		r->line = redact_write(x->redact, &x->scratch, line, &b->arena);
		if (x->scratch.failed != before)
			n = -1;
	}
	redact_slices(s, b, r, line, n);
	if (n && r->labels)
		redact_label_parts(s, b, r, line, n);
	if (failed || n < 0)
		r->flags |= REC_REDACT_FAILED;
}

/* ---- labels ---- */

/* The same set without secrets: itself mostly. NULL when the table has no room for the new one. */
static const struct labels *clean_labels(struct stage *s, struct batch *b, const struct labels *l)
{
	struct redact_state *x = s->state;
	struct label changes[LABELS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < l->n && n < LABELS_MAX; i++) {
		struct label c = l->items[i];
		int kind = name_kind(s, c.name);

		if (kind == NAME_EXCEPT || str_is(c.name, LABEL_TENANT))
			continue;
		if (kind == NAME_SECRET)
			c.value = redact_name_text(x->redact, &x->scratch, c.value, &b->arena);
		else if (!redact_text(x->redact, &x->scratch, chain_scratch(s->chain), &c.value,
				      false, &b->arena))
			continue;
		changes[n++] = c;
	}
	return n ? labels_with(chain_labels(s->chain), l, changes, n) : l;
}

static const struct labels *clean_labels_cached(struct stage *s, struct batch *b,
						const struct labels *l)
{
	struct redact_state *x = s->state;
	struct clean_set *set = &x->sets[l->hash % SETS_MAX];

	if (set->from != l || set->run != x->run)
		*set = (struct clean_set){ l, clean_labels(s, b, l), x->run };
	return set->to;
}

/* Inside a match: the batch's labels stay, for the records that were not selected. */
static void redact_selected_labels(struct batch *b, const struct labels *clean)
{
	const struct labels *l = b->labels;

	BATCH_FOR(b, r)
	{
		if (!r->labels)
			r->labels = clean;
		/* Stages read the labels of the batch where nothing newer has the name. */
		for (uint32_t i = 0; i < l->n; i++) {
			struct str value = labels_get(clean, l->items[i].name);

			if (!str_eq(value, l->items[i].value))
				rec_attr_inline(b, r, l->items[i].name, ATTR_EXTRACTED, value);
		}
	}
}

/* False when the batch's own labels have a secret and there is no room for others. */
static bool redact_batch_labels(struct stage *s, struct batch *b)
{
	const struct labels *clean = b->labels ? clean_labels(s, b, b->labels) : NULL;
	bool all = true;

	if (clean == b->labels)
		return true;
	if (!clean)
		return false;
	for (uint32_t i = 0; i < b->nrecs; i++)
		all &= !(b->recs[i].flags & REC_SKIP);
	if (all)
		b->labels = clean;
	else
		redact_selected_labels(b, clean);
	return true;
}

/* ---- the stage ---- */

static void count(struct redact_state *x)
{
	for (size_t k = 0; k < x->nkinds; k++) {
		if (!x->scratch.hits[k])
			continue;
		metric_add(x->hits[k], (int64_t)x->scratch.hits[k]);
		x->scratch.hits[k] = 0;
	}
	if (x->scratch.failed)
		metric_add(x->failed, (int64_t)x->scratch.failed);
	x->scratch.failed = 0;
}

static uint64_t hits(const struct redact_state *x)
{
	uint64_t n = x->scratch.failed;

	for (size_t k = 0; k < x->nkinds; k++)
		n += x->scratch.hits[k];
	return n;
}

/* What a batch comes to. */
struct redact_sums {
	bool drops;      /* the action is to drop */
	bool batch_done; /* its own labels are without secrets, */
	bool in_labels;  /* in which there were some */
	uint64_t dropped, no_room;
};

static void run_on(struct stage *s, struct batch *b, struct rec *r, uint32_t i,
		   struct redact_sums *sums)
{
	struct redact_state *x = s->state;
	const struct labels *labels = r->labels;
	uint64_t before = sums->drops ? hits(x) : 0;

	redact_rec(s, b, r, i);
	if (r->labels)
		r->labels = clean_labels_cached(s, b, r->labels);
	if (sums->drops &&
	    (hits(x) != before || r->labels != labels || (!labels && sums->in_labels))) {
		r->flags |= REC_DROP;
		sums->dropped++;
	} else if (labels ? !r->labels : !sums->batch_done) {
		/* No room for another label set: rather no record than one with its secret. */
		r->flags |= REC_DROP;
		sums->no_room++;
	}
}

/* The next records whose lines are looked at together; returns the one behind them. */
static struct rec *next_window(struct batch *b, struct rec *from, struct rec **recs,
			       struct str *lines, uint32_t *ret_n)
{
	size_t bytes = 0;
	struct rec *r = from;
	uint32_t n = 0;

	for (; r < b->recs + b->nrecs && n < TEXT_RUN_MAX && bytes < REDACT_AHEAD_BYTES; r++) {
		if (r->flags & REC_PASSED_OVER)
			continue;
		recs[n] = r;
		lines[n++] = r->line;
		bytes += r->line.n;
	}
	*ret_n = n;
	return r;
}

static void redact_run(struct stage *s, struct batch *b)
{
	struct redact_state *x = s->state;
	const struct redact_conf *conf = s->conf;
	const struct chain_trace *trace = chain_trace(s->chain);
	struct redact_sums sums = { .drops = conf->action == REDACT_DROP };
	uint64_t before = sums.drops ? hits(x) : 0;
	struct rec *recs[TEXT_RUN_MAX], *next = b->recs;
	struct str lines[TEXT_RUN_MAX];
	uint32_t n;

	x->scratch.found = trace && trace->redacted ? tell : NULL;
	x->scratch.found_ctx = s;
	x->rec = NULL;
	sums.batch_done = redact_batch_labels(s, b);
	sums.in_labels = sums.drops && hits(x) != before;
	x->run++;
	while (next = next_window(b, next, recs, lines, &n), n) {
		redact_look_ahead(x->redact, &x->ahead, lines, n);
		for (uint32_t i = 0; i < n; i++) {
			x->rec = recs[i];
			run_on(s, b, recs[i], i, &sums);
		}
	}
	if (sums.dropped)
		stage_dropped(s, b, "redact", sums.dropped);
	if (sums.no_room)
		stage_dropped(s, b, "redact_failed", sums.no_room);
	count(x);
}

const struct stage_ops stage_redact = {
	.name = "redact",
	.summary = "replaces passwords, tokens, card numbers and other secrets",
	.conf = &redact_table,
	.state_size = sizeof(struct redact_state),
	.open = redact_open,
	.run = redact_run,
	.close = redact_close,
};
