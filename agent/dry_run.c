/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace dry-run`: stdin through one pipeline to stdout. */
#include <errno.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/registry.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "pipeline/chain.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)

struct dry_run {
	struct output out; /* the stdout output, used for its encoder only */
	struct loop *loop;
	struct flow *flow;
	struct sink sink;
	struct chain *chain;
	struct source source;
	struct label labels[2];
	int64_t last_ns;
	bool is_broken; /* stdout is gone */
};

static struct block *encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct dry_run *d = ctx;

	return d->out.ops->encode(&d->out, b, scratch);
}

static void write_block(void *ctx, uint32_t lane, struct block *block)
{
	struct dry_run *d = ctx;

	(void)lane;
	for (size_t at = 0; at < block->nbytes && !d->is_broken;) {
		ssize_t n = write(STDOUT_FILENO, block->bytes + at, block->nbytes - at);

		if (n < 0 && errno == EINTR)
			continue;
		d->is_broken = n <= 0;
		at += n > 0 ? (size_t)n : 0;
	}
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

static int open_output(struct dry_run *d, bool as_json, struct conf_doc *doc, struct err *err)
{
	const struct conf_plugin *plugin;
	struct conf_node *map = conf_node_map(doc);
	size_t n;

	plugin = registry(&n);
	plugin = conf_plugin_find(plugin, n, CONF_OUTPUT, STR("stdout"));
	CHECK(plugin);
	conf_map_add(doc, map, conf_node_scalar(doc, STR("format"), false),
		     conf_node_scalar(doc, as_json ? STR("json") : STR("text"), false));
	d->out.conf = conf_alloc(doc, plugin->conf->size);
	CHECK(conf_read(doc, plugin->conf, map, (void *)(uintptr_t)d->out.conf) == 0);
	d->out.magic = OUTPUT_MAGIC;
	d->out.name = "dry-run";
	d->out.ops = plugin->ops;
	d->out.loop = d->loop;
	d->out.state = mem_zalloc(d->out.ops->state_size);
	return d->out.ops->open ? d->out.ops->open(&d->out, err) : 0;
}

static void add_line(struct dry_run *d, struct batch *b, struct str line, bool is_cut)
{
	struct rec *r = batch_add(b);
	int64_t now_ns = clock_wall_ns();

	d->last_ns = now_ns > d->last_ns ? now_ns : d->last_ns + 1;
	r->time_ns = d->last_ns;
	r->line = arena_dup(&b->arena, line);
	r->flags = is_cut ? REC_CUT : 0;
	metric_add(d->flow->in, 1);
	metric_add(d->flow->held, 1);
}

/* Runs the whole lines of in; returns how many bytes were used. */
static size_t run_lines(struct dry_run *d, struct str in, bool is_end)
{
	struct batch *b = batch_new(NULL, &d->source, in.n, false);
	size_t used = 0;

	while (used < in.n) {
		struct str rest = str_skip(in, used), line;
		size_t end = str_chr(rest, '\n');

		if (end == rest.n && !is_end && rest.n < LINE_MAX_BYTES)
			break;
		line = str_sub(rest, 0, end);
		used += end + (end < rest.n);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		add_line(d, b, str_sub(line, 0, LINE_MAX_BYTES),
			 line.n > LINE_MAX_BYTES || (end == rest.n && !is_end));
	}
	if (b->nrecs)
		chain_run(d->chain, b);
	else
		batch_free(b);
	return used;
}

static int read_all(struct dry_run *d, int fd, struct err *err)
{
	struct buf in = { .max = 4 * LINE_MAX_BYTES };
	int rc = 0;

	while (!d->is_broken) {
		size_t used;
		ssize_t n;

		buf_reserve(&in, 65536);
		n = os->read(fd, in.p + in.n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_errno(err, errno, "cannot read the input");
		if (n > 0)
			in.n += (size_t)n;
		used = run_lines(d, buf_as_str(&in), n <= 0);
		memmove(in.p, in.p + used, in.n - used);
		in.n -= used;
		if (n <= 0)
			break;
		loop_once(d->loop, 0); /* timers of stages that hold records */
	}
	buf_fini(&in);
	return rc;
}

int agent_dry_run(const struct plan *plan, size_t pipeline, int fd, bool as_json, struct err *err)
{
	const struct plan_pipeline *p = &plan->pipelines[pipeline];
	const struct conf_stages *front = plan->inputs[p->from[0]].stages;
	struct conf_doc *doc = conf_doc_new();
	struct dry_run *d = mem_zalloc(sizeof(*d));
	int rc;

	d->loop = loop_new("dry-run");
	d->flow = flow_new(p->name, "dry-run");
	d->sink = (struct sink){ .ctx = d,
				 .flow = d->flow,
				 .is_blocking = true,
				 .encode = encode,
				 .submit = write_block };
	d->labels[0] = (struct label){ STR("host"), str_c(plan->hostname) };
	d->labels[1] = (struct label){ STR("job"), STR("stdin") };
	d->source = (struct source){
		.magic = SOURCE_MAGIC, .entry = front ? 1 : 0, .labels = d->labels, .nlabels = 2
	};
	rc = open_output(d, as_json, doc, err);
	if (rc == 0) {
		struct chain_conf conf = { .pipeline = p->name,
					   .stages = p->stages,
					   .front = &front,
					   .nfront = front ? 1 : 0,
					   .sinks = &d->sink,
					   .nsinks = 1,
					   .loop = d->loop,
					   .max_streams = p->max_streams,
					   .label_limits = p->label_limits };

		rc = chain_open(&conf, &d->chain, err);
	}
	if (rc == 0) {
		rc = read_all(d, fd, err);
		chain_flush(d->chain, NULL);
	}
	chain_close(d->chain);
	if (d->out.ops && d->out.ops->close)
		d->out.ops->close(&d->out);
	mem_free(d->out.state);
	flow_free(d->flow);
	loop_free(d->loop);
	mem_free(d);
	conf_doc_free(doc);
	return rc;
}
