/* SPDX-License-Identifier: Apache-2.0 */
/* From a plan to wired-up outputs, pipelines, lanes and inputs. */
#include <errno.h>

#include "agent/admin.h"
#include "agent/agent_impl.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PROGRAM_BYTES ((size_t)21 << 20) /* below the least `memory` */
#define DROP_BUDGET_BYTES ((int64_t)1 << 20)
#define CHARGE_MIN 1024 /* what the smallest batch or block is charged */

static struct block *sink_encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct output *out = ctx;

	return out->ops->encode(out, b, scratch);
}

static void sink_submit(void *ctx, uint32_t lane, struct block *block)
{
	output_submit(ctx, lane, block);
}

/* `memory` means the whole process. Measured, full, with a slow and with a quick Loki: 12 MiB are the program and its
 * libraries, 9 MiB the requests on their way, and a record costs a fifth more than what it is charged. */
static size_t records_bytes(const struct plan *plan)
{
	return (plan->memory_bytes - PROGRAM_BYTES) / 6 * 5;
}

/* Equal parts for the pipelines, so that none can starve another. */
static int64_t share_bytes(const struct plan *plan)
{
	return (int64_t)(records_bytes(plan) / (plan->npipelines ? plan->npipelines : 1));
}

/* More slots than the budgets can ever fill: a push into a ring then never fails for long. */
static size_t ring_capacity(const struct plan *plan)
{
	return (records_bytes(plan) + (size_t)DROP_BUDGET_BYTES) / CHARGE_MIN * 2;
}

static int build_outputs(struct agent *a, struct err *err)
{
	const struct plan *plan = a->plan;

	a->outputs = mem_array(plan->noutputs, sizeof(*a->outputs));
	a->drop_budgets = mem_array(plan->noutputs, sizeof(*a->drop_budgets));
	for (size_t i = 0; i < plan->noutputs; i++) {
		const struct plan_output *p = &plan->outputs[i];
		struct output *out = &a->outputs[i];
		int rc;

		out->name = p->name;
		out->ops = p->ops;
		out->conf = p->conf;
		out->is_blocking = p->is_blocking;
		out->state = mem_zalloc(p->ops->state_size);
		out->state_dir = plan->state_dir;
		budget_init(&a->drop_budgets[i], DROP_BUDGET_BYTES);
		if (!p->is_blocking)
			out->budget = &a->drop_budgets[i];
		output_setup(out, a->nlanes, ring_capacity(plan));
		a->noutputs_open++;
		rc = p->ops->open ? p->ops->open(out, err) : 0;
		if (rc < 0) {
			if (err && !err->where[0])
				err_where(err, "output %s", p->name);
			return rc;
		}
	}
	return 0;
}

static void build_sinks(struct agent *a, struct pipe_run *pipe)
{
	const struct plan_pipeline *p = pipe->plan;

	pipe->sinks = mem_array(p->nto, sizeof(*pipe->sinks));
	pipe->flows = mem_array(p->nto, sizeof(*pipe->flows));
	for (size_t i = 0; i < p->nto; i++) {
		struct output *out = &a->outputs[p->to[i]];

		pipe->flows[i] = flow_new(p->name, out->name);
		pipe->sinks[i] = (struct sink){ .ctx = out,
						.flow = pipe->flows[i],
						.is_blocking = out->is_blocking,
						.encode = sink_encode,
						.submit = sink_submit,
						.budget = out->budget };
	}
}

static int build_chains(struct agent *a, size_t index, struct err *err)
{
	struct pipe_run *pipe = &a->pipes[index];
	size_t nfrom = pipe->plan->nfrom;

	pipe->front = mem_array(nfrom, sizeof(*pipe->front));
	for (size_t i = 0; i < nfrom; i++)
		pipe->front[i] = a->plan->inputs[pipe->plan->from[i]].stages;
	for (uint32_t lane = 0; lane < a->nlanes; lane++) {
		struct chain_conf conf = { .pipeline = pipe->plan->name,
					   .stages = pipe->plan->stages,
					   .front = pipe->front,
					   .nfront = nfrom,
					   .sinks = pipe->sinks,
					   .nsinks = pipe->plan->nto,
					   .budget = &pipe->budget,
					   .loop = lane_loop(a->lanes[lane]),
					   .lane = lane,
					   .max_streams = pipe->plan->max_streams,
					   .label_limits = pipe->plan->label_limits };
		struct chain *chain;
		int rc = chain_open(&conf, &chain, err);

		if (rc < 0) {
			if (err && !err->where[0])
				err_where(err, "pipeline %s", pipe->plan->name);
			return rc;
		}
		lane_set_chain(a->lanes[lane], index, chain);
	}
	return 0;
}

static void build_intake(struct agent *a, size_t index)
{
	struct pipe_run *pipe = &a->pipes[index];
	struct intake *intake = &pipe->intake;

	*intake = (struct intake){ .pipeline = index,
				   .lanes = a->lanes,
				   .nlanes = a->nlanes,
				   .flows = pipe->flows,
				   .nflows = pipe->plan->nto,
				   .port_capacity = ring_capacity(a->plan) };
	if (lane_is_fused(a->lanes[0]))
		return;
	intake->ports = mem_array(a->nlanes, sizeof(*intake->ports));
	for (uint32_t lane = 0; lane < a->nlanes; lane++)
		intake->ports[lane] = lane_port_new(a->lanes[lane], index, intake->port_capacity);
}

static int build_pipelines(struct agent *a, struct err *err)
{
	const struct plan *plan = a->plan;

	a->lanes = mem_array(a->nlanes, sizeof(*a->lanes));
	for (uint32_t i = 0; i < a->nlanes; i++)
		a->lanes[i] = lane_new(i, plan->threads > 1 ? NULL : a->loop, plan->npipelines);
	a->pipes = mem_array(plan->npipelines, sizeof(*a->pipes));
	for (size_t i = 0; i < plan->npipelines; i++) {
		struct pipe_run *pipe = &a->pipes[i];
		int rc;

		pipe->plan = &plan->pipelines[i];
		budget_init(&pipe->budget, share_bytes(plan));
		pipe->budget_total =
			metric_get(METRIC_BUDGET_BYTES, "pipeline", pipe->plan->name, NULL);
		pipe->budget_used =
			metric_get(METRIC_BUDGET_USED, "pipeline", pipe->plan->name, NULL);
		metric_set(pipe->budget_total, pipe->budget.total_bytes);
		build_sinks(a, pipe);
		build_intake(a, i);
		a->npipes_built++;
		rc = build_chains(a, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ret_entry: of the input's records in the pipeline's chains. */
static struct pipe_run *pipe_of(struct agent *a, size_t input, uint32_t *ret_entry)
{
	for (size_t i = 0; i < a->plan->npipelines; i++)
		for (size_t k = 0; k < a->plan->pipelines[i].nfrom; k++)
			if (a->plan->pipelines[i].from[k] == input) {
				*ret_entry = (uint32_t)k + 1;
				return &a->pipes[i];
			}
	return NULL;
}

static int build_inputs(struct agent *a, struct err *err)
{
	const struct plan *plan = a->plan;

	a->inputs = mem_array(plan->ninputs, sizeof(*a->inputs));
	for (size_t i = 0; i < plan->ninputs; i++) {
		const struct plan_input *p = &plan->inputs[i];
		struct input *in = &a->inputs[i];
		struct pipe_run *pipe = pipe_of(a, i, &in->entry);
		int rc;

		a->ninputs_open++;
		if (!pipe) /* the loader said so; nothing reads it */
			continue;
		in->name = p->name;
		in->ops = p->ops;
		in->conf = p->conf;
		in->state = mem_zalloc(p->ops->state_size);
		in->loop = a->loop;
		in->state_dir = plan->state_dir;
		in->hostname = plan->hostname;
		in->intake = &pipe->intake;
		in->budget = &pipe->budget;
		input_setup(in);
		rc = p->ops->open(in, err);
		if (rc < 0) {
			if (err && !err->where[0])
				err_where(err, "input %s", p->name);
			return rc;
		}
	}
	return 0;
}

int agent_build(struct agent *a, struct err *err)
{
	int rc;

	a->nlanes = a->plan->threads > 1 ? a->plan->threads : 1;
	rc = build_outputs(a, err);
	if (rc == 0)
		rc = build_pipelines(a, err);
	if (rc == 0)
		rc = build_inputs(a, err);
	return rc;
}

static void free_pipe(struct agent *a, struct pipe_run *pipe)
{
	for (uint32_t lane = 0; pipe->intake.ports && lane < a->nlanes; lane++)
		lane_port_free(pipe->intake.ports[lane]);
	mem_free(pipe->intake.ports);
	for (size_t i = 0; i < pipe->plan->nto; i++)
		flow_free(pipe->flows[i]);
	mem_free(pipe->flows);
	mem_free(pipe->sinks);
	mem_free(pipe->front);
	budget_fini(&pipe->budget);
}

/* Inside out: nobody is freed before those who point at it. */
void agent_free(struct agent *a)
{
	for (size_t i = 0; i < a->ninputs_open; i++) {
		struct input *in = &a->inputs[i];

		if (!in->ops)
			continue;
		in->ops->close(in);
		budget_forget(in->budget, &in->waiter);
		mem_free(in->state);
	}
	for (size_t i = 0; i < a->npipes_built; i++)
		free_pipe(a, &a->pipes[i]);
	for (uint32_t i = 0; a->lanes && i < a->nlanes; i++)
		lane_free(a->lanes[i]);
	for (size_t i = 0; i < a->noutputs_open; i++) {
		struct output *out = &a->outputs[i];

		if (out->ops->close)
			out->ops->close(out);
		output_teardown(out);
		mem_free(out->state);
		budget_fini(&a->drop_budgets[i]);
	}
	mem_free(a->inputs);
	mem_free(a->pipes);
	mem_free(a->lanes);
	mem_free(a->outputs);
	mem_free(a->drop_budgets);
	admin_free(a->admin);
	loop_free(a->loop);
}
