/* SPDX-License-Identifier: Apache-2.0 */
/* A chain from a configuration, with the labels that an input would give its records. */
#include <errno.h>
#include <stdlib.h>

#include "agent/offline.h"
#include "lib/clock.h"

/* ---- names ---- */

static const char *nth_pipeline(const void *plan, size_t i)
{
	const struct plan *p = plan;

	return i < p->npipelines ? p->pipelines[i].name : NULL;
}

static const char *nth_input(const void *plan, size_t i)
{
	const struct plan *p = plan;

	return i < p->ninputs ? p->inputs[i].name : NULL;
}

static int unknown(const char *kind, const char *name,
		   const char *(*next)(const void *ctx, size_t i), const void *ctx, struct err *err)
{
	const char *nearest = conf_nearest(str_c(name), next, ctx);

	if (nearest)
		return err_set(err, -EINVAL, "there is no %s '%s' (did you mean '%s'?)", kind, name,
			       nearest);
	return err_set(err, -EINVAL, "there is no %s '%s'", kind, name);
}

static bool find_input(const struct plan *plan, const char *name, struct offline_way *ret)
{
	for (ret->pipeline = 0; ret->pipeline < plan->npipelines; ret->pipeline++) {
		const struct plan_pipeline *p = &plan->pipelines[ret->pipeline];

		for (ret->from = 0; ret->from < p->nfrom; ret->from++)
			if (!strcmp(plan->inputs[p->from[ret->from]].name, name))
				return true;
	}
	return false;
}

int offline_find(const struct config *c, const char *pipeline, const char *input,
		 struct offline_way *ret, struct err *err)
{
	const struct plan *plan = &c->plan;

	*ret = (struct offline_way){ 0 };
	if (input) {
		if (!find_input(plan, input, ret))
			return unknown("input", input, nth_input, plan, err);
		if (pipeline && strcmp(plan->pipelines[ret->pipeline].name, pipeline))
			return err_set(err, -EINVAL, "the input '%s' feeds the pipeline '%s'",
				       input, plan->pipelines[ret->pipeline].name);
		return 0;
	}
	if (!pipeline && plan->npipelines == 1)
		return 0;
	if (!pipeline)
		return err_set(err, -EINVAL, "there are %zu pipelines: say which with --pipeline",
			       plan->npipelines);
	for (; ret->pipeline < plan->npipelines; ret->pipeline++)
		if (!strcmp(plan->pipelines[ret->pipeline].name, pipeline))
			return 0;
	return unknown("pipeline", pipeline, nth_pipeline, plan, err);
}

static const struct plan_input *input_of(const struct config *c, struct offline_way way)
{
	return &c->plan.inputs[c->plan.pipelines[way.pipeline].from[way.from]];
}

const char *offline_input_name(const struct config *c, struct offline_way way)
{
	return input_of(c, way)->name;
}

/* ---- labels ---- */

/* The option `labels`, of inputs that have one. */
static const struct conf_map *labels_of(const struct config *c, const char *input)
{
	for (size_t i = 0; i < c->ninputs; i++) {
		const struct conf_table *t = c->inputs[i].plugin->conf;

		for (size_t k = 0; k < t->n && !strcmp(c->inputs[i].name, input); k++)
			if (t->fields[k].type == CONF_T_MAP &&
			    !strcmp(conf_field_key(&t->fields[k]), "labels"))
				return (const void *)((const char *)c->inputs[i].conf +
						      t->fields[k].offset);
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* ---- life ---- */

int offline_open(struct offline *o, const struct offline_conf *conf, struct err *err)
{
	const struct config *c = conf->config;
	const struct plan_input *input = input_of(c, conf->way);
	const struct plan_pipeline *p = &c->plan.pipelines[conf->way.pipeline];
	struct chain_conf chain = { .pipeline = p->name,
				    .stages = p->stages,
				    .front = &input->stages,
				    .nfront = input->stages ? 1 : 0,
				    .sinks = conf->sink,
				    .nsinks = conf->sink ? 1 : 0,
				    .loop = conf->loop,
				    .max_streams = p->max_streams,
				    .label_limits = p->label_limits,
				    .trace = conf->trace };

	*o = (struct offline){ .input = { .name = input->name,
					  .hostname = c->plan.hostname,
					  .entry = input->stages ? 1 : 0 } };
	if (conf->has_own_labels) {
		CHECK(conf->nlabels <= LABELS_MAX);
		o->source = (struct source){ .magic = SOURCE_MAGIC,
					     .entry = o->input.entry,
					     .nlabels = (uint32_t)conf->nlabels };
		memcpy(o->labels, conf->labels, conf->nlabels * sizeof(*o->labels));
		qsort(o->labels, conf->nlabels, sizeof(*o->labels), by_name);
		o->source.labels = o->labels;
	} else {
		source_init(&o->source, &o->input, 0, labels_of(c, input->name), conf->labels,
			    conf->nlabels);
	}
	return chain_open(&chain, &o->chain, err);
}

void offline_finish(struct offline *o)
{
	if (o->chain && !chain_is_ending(o->chain))
		chain_flush(o->chain, NULL);
}

void offline_close(struct offline *o)
{
	offline_finish(o);
	chain_close(TAKE(o->chain));
	if (o->source.labels && o->source.labels != o->labels)
		source_fini(&o->source);
	o->source.labels = NULL;
}

void offline_source(struct offline *o, const struct config *c, const struct label *extra,
		    size_t nextra, struct source *ret)
{
	source_init(ret, &o->input, 0, labels_of(c, o->input.name), extra, nextra);
}

/* ---- time and input ---- */

static int64_t stopped_at_ns;
static const struct os_ops *running; /* NULL: the clock is */

static int stopped(clockid_t id, struct timespec *t)
{
	(void)id;
	*t = (struct timespec){ .tv_sec = stopped_at_ns / NS_PER_S,
				.tv_nsec = stopped_at_ns % NS_PER_S };
	return 0;
}

void offline_stop_clock(int64_t wall_ns)
{
	static struct os_ops ops;

	if (!running)
		running = os;
	ops = *running;
	ops.clock_gettime = stopped;
	stopped_at_ns = wall_ns;
	os = &ops;
}

void offline_run_clock(void)
{
	if (running)
		os = TAKE(running);
}

int offline_read(int fd, size_t max_bytes, struct buf *ret, struct err *err)
{
	ssize_t n;

	do {
		buf_reserve(ret, 65536);
		n = OS_RETRY(os->read(fd, ret->p + ret->n, 65536));
		if (n < 0)
			return err_errno(err, errno, "cannot read the input");
		ret->n += (size_t)n;
		if (ret->n > max_bytes)
			return err_set(err, -EFBIG, "the input is longer than %zu bytes",
				       max_bytes);
	} while (n);
	return 0;
}

/* ---- lines ---- */

struct reading {
	const struct offline_reader *reader;
	struct buf in;
	bool is_skipping; /* the rest of a line that was cut */
	bool is_enough;
};

static void give(struct reading *r, struct str line, bool is_cut)
{
	if (r->is_skipping) {
		r->is_skipping = false;
		return;
	}
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > r->reader->max_line) {
		line.n = r->reader->max_line;
		is_cut = true;
	}
	r->is_enough = !r->reader->line(r->reader->ctx, line, is_cut);
}

static void give_lines(struct reading *r, bool is_end)
{
	struct str in = buf_as_str(&r->in);

	while (in.n && !r->is_enough) {
		size_t end = str_chr(in, '\n');

		if (end == in.n && !is_end && in.n <= r->reader->max_line)
			break;
		if (end == in.n && !is_end) {
			give(r, in, true);
			r->is_skipping = true;
		} else {
			give(r, str_sub(in, 0, end), false);
		}
		in = str_skip(in, end + 1);
	}
	memmove(r->in.p, in.p, in.n);
	r->in.n = in.n;
}

int offline_lines(int fd, const struct offline_reader *reader, struct err *err)
{
	struct reading r = { .reader = reader };
	int rc = 0;
	ssize_t n;

	do {
		buf_reserve(&r.in, 65536);
		n = OS_RETRY(os->read(fd, r.in.p + r.in.n, 65536));
		if (n < 0)
			rc = err_errno(err, errno, "cannot read the input");
		r.in.n += n > 0 ? (size_t)n : 0;
		give_lines(&r, n <= 0);
		if (reader->pause && !r.is_enough)
			r.is_enough = !reader->pause(reader->ctx);
	} while (n > 0 && !r.is_enough);
	buf_fini(&r.in);
	return rc;
}
