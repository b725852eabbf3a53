/* SPDX-License-Identifier: Apache-2.0 */
/* The common half of the stages cri and docker. */
#include "pipeline/stages/partial.h"

int partial_open(struct partial *p, struct stage *s, const struct partial_conf *conf,
		 size_t max_open, struct err *err)
{
	hold_init(&p->hold, s,
		  &(struct hold_conf){ .max_wait_ns = conf->max_wait_ns,
				       .max_bytes = conf->max_bytes,
				       .max_open = max_open,
				       .takes_last = true,
				       .is_whole_at_end = true });
	p->errors = stage_errors(s);
	p->layout = gotime_new(STR("RFC3339Nano"), STR_NONE, err);
	return p->layout ? 0 : -EINVAL;
}

void partial_close(struct partial *p)
{
	hold_fini(&p->hold);
	gotime_free(p->layout);
}

void partial_begin(struct partial *p)
{
	memset(p->streams, 0, sizeof(p->streams));
}

struct held *partial_stream(struct partial *p, struct batch *b, struct rec *r, unsigned stream)
{
	static const struct str names[STREAMS] = { { "stdout", 6 }, { "stderr", 6 } };
	struct partial_stream *t = &p->streams[stream];
	const struct labels *before = rec_labels(b, r);
	struct label change = { STR("stream"), names[stream] };
	bool is_shared;

	if (t->held && t->before == before) {
		r->labels = t->after;
		return t->held;
	}
	is_shared = chain_set_labels(p->hold.stage->chain, b, r, &change, 1);
	t->before = before;
	t->after = r->labels;
	/* One label set may become the same set for both. */
	t->held = hold_find(&p->hold, b, (before ? before->hash : 0) * STREAMS + stream);
	if (!is_shared) {
		struct held *d = t->held;

		t->held = NULL; /* each record says so */
		return d;
	}
	return t->held;
}

void partial_is_other(struct partial *p, struct rec *r)
{
	metric_add(p->errors, 1);
	r->flags |= REC_UNPARSED;
}

bool partial_time(struct partial *p, struct rec *r, struct str text, int64_t now_ns)
{
	int64_t ns;

	if (!gotime_parse(p->layout, &p->cache, text, now_ns, &ns)) {
		metric_add(p->errors, 1);
		r->flags |= REC_TIME_GUESSED;
		return false;
	}
	r->time_ns = ns;
	r->flags &= (uint16_t)~REC_TIME_GUESSED;
	return true;
}
