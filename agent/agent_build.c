/* SPDX-License-Identifier: Apache-2.0 */
/* Making and freeing outputs, pipelines, lanes and inputs; a setup of them from a plan. */
#include "agent/admin.h"
#include "agent/agent_impl.h"
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

/* ---- memory ---- */

/* `memory` means the whole process. Measured, full, with a slow and with a quick Loki: 12 MiB are the program and its
 * libraries, 9 MiB the requests on their way, and a record costs a fifth more than what it is charged. */
static size_t records_bytes(const struct plan *plan)
{
	return (plan->memory_bytes - PROGRAM_BYTES) / 6 * 5;
}

/* More slots than the budgets can ever fill: a push into a ring then never fails for long. */
static size_t ring_capacity(const struct plan *plan)
{
	return (records_bytes(plan) + (size_t)DROP_BUDGET_BYTES) / CHARGE_MIN * 2;
}

static struct share *share_of(struct agent *a, const struct plan *plan, const char *pipeline)
{
	struct share **at = &a->shares;

	while (*at && strcmp((*at)->name, pipeline))
		at = &(*at)->next;
	if (!*at) {
		*at = mem_zalloc(sizeof(**at));
		(*at)->name = mem_dup(pipeline, strlen(pipeline) + 1);
		budget_init(&(*at)->budget, 0);
		(*at)->total = metric_get(METRIC_BUDGET_BYTES, "pipeline", pipeline, NULL);
		(*at)->used = metric_get(METRIC_BUDGET_USED, "pipeline", pipeline, NULL);
	}
	if (!(*at)->is_live) /* inputs size their batches by it */
		budget_resize(&(*at)->budget, (int64_t)(records_bytes(plan) / plan->npipelines));
	return *at;
}

/* Equal parts for the pipelines, so that none can starve another. One that has gone has its part until it has given
 * everything back. */
void agent_share_memory(struct agent *a)
{
	size_t n = 0;

	for (struct share *s = a->shares; s; s = s->next)
		n += s->is_live || budget_used(&s->budget) > 0;
	for (struct share *s = a->shares; s; s = s->next) {
		bool has_part = s->is_live || budget_used(&s->budget) > 0;
		int64_t bytes = has_part ? (int64_t)(records_bytes(a->plan) / n) : 0;

		if (s->budget.total_bytes != bytes)
			budget_resize(&s->budget, bytes);
		metric_set(s->total, bytes);
	}
}

static struct flow *flow_of(struct agent *a, const char *pipeline, const char *output)
{
	struct flow **at = &a->flows;

	while (*at && (strcmp((*at)->pipeline, pipeline) || strcmp((*at)->output, output)))
		at = &(*at)->next;
	if (!*at)
		*at = flow_new(pipeline, output);
	return *at;
}

/* ---- outputs ---- */

static struct output_run *output_run_new(const struct agent *a, struct config *config,
					 const struct plan_output *p)
{
	struct output_run *o = mem_zalloc(sizeof(*o));
	struct output *out = &o->out;

	o->config = config_keep(config);
	o->plan = p;
	out->name = p->name;
	out->ops = p->ops;
	out->conf = p->conf;
	out->is_blocking = p->is_blocking;
	out->state = mem_zalloc(p->ops->state_size);
	out->state_dir = config->plan.state_dir;
	budget_init(&o->drop_budget, DROP_BUDGET_BYTES);
	if (!p->is_blocking)
		out->budget = &o->drop_budget;
	output_setup(out, a->nlanes, ring_capacity(&config->plan));
	return o;
}

void output_run_free(struct output_run *o)
{
	if (o->out.ops->close)
		o->out.ops->close(&o->out);
	output_teardown(&o->out);
	mem_free(o->out.state);
	budget_fini(&o->drop_budget);
	config_free(o->config);
	mem_free(o);
}

static bool is_same_output(const struct output_run *o, const struct plan_output *p)
{
	return !o->is_leaving && !strcmp(o->plan->name, p->name) && o->plan->ops == p->ops &&
	       o->plan->is_blocking == p->is_blocking &&
	       conf_is_same(p->ops->conf, o->plan->conf, p->conf);
}

static int make_output(struct agent *a, struct setup *s, size_t index, struct err *err)
{
	const struct plan_output *p = &s->config->plan.outputs[index];
	struct output_run *o = a->outputs;
	int rc;

	while (o && !is_same_output(o, p))
		o = o->next;
	s->outputs[index] = o ? o : output_run_new(a, s->config, p);
	if (o || !p->ops->open)
		return 0;
	rc = p->ops->open(&s->outputs[index]->out, err);
	if (rc < 0 && err && !err->where[0])
		err_where(err, "output %s", p->name);
	return rc;
}

/* ---- inputs ---- */

struct input_run *input_run_new(const struct agent *a, struct config *config,
				const struct plan_input *p)
{
	struct input_run *i = mem_zalloc(sizeof(*i));
	struct input *in = &i->in;

	i->config = config_keep(config);
	i->plan = p;
	in->name = p->name;
	in->ops = p->ops;
	in->conf = p->conf;
	in->loop = a->loop;
	in->state_dir = config->plan.state_dir;
	in->hostname = config->plan.hostname;
	return i;
}

static void input_run_close(struct input_run *i)
{
	i->in.ops->close(&i->in);
	budget_forget(i->in.budget, &i->in.waiter);
	mem_free(TAKE(i->in.state));
	i->is_open = false;
}

int input_run_open(struct input_run *i, struct err *err)
{
	int rc;

	i->in.state = mem_zalloc(i->plan->ops->state_size);
	input_setup(&i->in);
	i->is_open = true;
	rc = i->plan->ops->open(&i->in, err);
	if (rc < 0) {
		input_run_close(i);
		if (err && !err->where[0])
			err_where(err, "input %s", i->plan->name);
	}
	return rc;
}

void input_run_free(struct input_run *i)
{
	if (i->is_open)
		input_run_close(i);
	config_free(i->config);
	mem_free(i);
}

static bool is_same_input(const struct input_run *i, const struct plan_input *p)
{
	return !i->is_leaving && !strcmp(i->plan->name, p->name) && i->plan->ops == p->ops &&
	       conf_is_same(p->ops->conf, i->plan->conf, p->conf);
}

static void make_input(struct agent *a, struct setup *s, size_t index)
{
	const struct plan_input *p = &s->config->plan.inputs[index];
	struct input_run *i = a->inputs;

	while (i && !is_same_input(i, p))
		i = i->next;
	s->inputs[index] = i ? i : input_run_new(a, s->config, p);
}

/* Behind the pipelines, into which receiving threads have ports. */
static int open_input(struct agent *a, struct setup *s, size_t index, struct err *err)
{
	struct input_run *i = s->inputs[index];

	if (i->is_listed)
		return 0;
	i->in.intake = setup_intake(s, index, &i->pipe);
	for (struct input_run *old = a->inputs; old; old = old->next)
		if (i->plan->ops->is_alone && !strcmp(old->plan->name, i->plan->name))
			return 0; /* later: agent_settle() */
	return input_run_open(i, err);
}

/* ---- pipelines ---- */

struct intake *setup_intake(const struct setup *s, size_t input, struct pipe_run **ret_pipe)
{
	for (size_t i = 0; i < s->config->plan.npipelines; i++) {
		const struct plan_pipeline *p = &s->config->plan.pipelines[i];

		for (size_t k = 0; k < p->nfrom; k++) {
			if (p->from[k] != input)
				continue;
			*ret_pipe = s->pipes[i];
			return &s->pipes[i]->intakes[k];
		}
	}
	CHECK(false); /* the plan has only inputs that feed something */
	return NULL;
}

static void make_sinks(struct agent *a, struct setup *s, struct pipe_run *pipe)
{
	const struct plan_pipeline *p = pipe->plan;

	pipe->outputs = mem_array(p->nto, sizeof(*pipe->outputs));
	pipe->sinks = mem_array(p->nto, sizeof(*pipe->sinks));
	pipe->flows = mem_array(p->nto, sizeof(*pipe->flows));
	for (size_t i = 0; i < p->nto; i++) {
		struct output_run *o = s->outputs[p->to[i]];

		o->npipes++;
		pipe->outputs[i] = o;
		pipe->flows[i] = flow_of(a, p->name, o->out.name);
		pipe->sinks[i] = (struct sink){ .ctx = &o->out,
						.flow = pipe->flows[i],
						.is_blocking = o->out.is_blocking,
						.encode = sink_encode,
						.submit = sink_submit,
						.budget = o->out.budget };
	}
}

static int make_chains(struct agent *a, struct setup *s, struct pipe_run *pipe, struct err *err)
{
	const struct plan_pipeline *p = pipe->plan;

	pipe->chains = mem_array(a->nlanes, sizeof(struct chain *));
	pipe->front = mem_array(p->nfrom, sizeof(*pipe->front));
	for (size_t i = 0; i < p->nfrom; i++)
		pipe->front[i] = s->config->plan.inputs[p->from[i]].stages;
	for (uint32_t lane = 0; lane < a->nlanes; lane++) {
		struct chain_conf conf = { .pipeline = p->name,
					   .stages = p->stages,
					   .front = pipe->front,
					   .nfront = p->nfrom,
					   .sinks = pipe->sinks,
					   .nsinks = p->nto,
					   .budget = &pipe->share->budget,
					   .loop = lane_loop(a->lanes[lane]),
					   .lane = lane,
					   .max_streams = p->max_streams,
					   .label_limits = p->label_limits };
		int rc = chain_open(&conf, &pipe->chains[lane], err);

		if (rc < 0) {
			if (err && !err->where[0])
				err_where(err, "pipeline %s", p->name);
			return rc;
		}
	}
	return 0;
}

static void make_intakes(struct agent *a, struct pipe_run *pipe, size_t port_capacity)
{
	pipe->intakes = mem_array(pipe->plan->nfrom, sizeof(*pipe->intakes));
	for (size_t i = 0; i < pipe->plan->nfrom; i++)
		pipe->intakes[i] = (struct intake){ .way = { .chains = pipe->chains,
							     .entry = (uint32_t)i + 1 },
						    .lanes = a->lanes,
						    .nlanes = a->nlanes,
						    .flows = pipe->flows,
						    .nflows = pipe->plan->nto,
						    .budget = &pipe->share->budget,
						    .ports = a->ports,
						    .port_capacity = port_capacity };
}

static bool is_same_pipe(const struct pipe_run *old, const struct setup *s,
			 const struct plan_pipeline *p)
{
	const struct plan_pipeline *was = old->plan;

	if (old->state != PIPE_LIVE || strcmp(was->name, p->name) || was->nfrom != p->nfrom ||
	    was->nto != p->nto || was->max_streams != p->max_streams ||
	    was->label_limits.max_labels != p->label_limits.max_labels ||
	    was->label_limits.max_new_values != p->label_limits.max_new_values ||
	    was->label_limits.window_ns != p->label_limits.window_ns)
		return false;
	for (size_t i = 0; i < p->nfrom; i++) {
		const struct input_run *in = s->inputs[p->from[i]];

		if (!in->is_listed || in->in.intake != &old->intakes[i])
			return false;
	}
	for (size_t i = 0; i < p->nto; i++)
		if (s->outputs[p->to[i]] != old->outputs[i])
			return false;
	return conf_stages_are_same(was->stages, p->stages);
}

static int make_pipe(struct agent *a, struct setup *s, size_t index, struct err *err)
{
	const struct plan *plan = &s->config->plan;
	const struct plan_pipeline *p = &plan->pipelines[index];
	struct pipe_run *pipe = a->pipes;
	int rc;

	while (pipe && !is_same_pipe(pipe, s, p))
		pipe = pipe->next;
	if (pipe) {
		s->pipes[index] = pipe;
		return 0;
	}
	pipe = s->pipes[index] = mem_zalloc(sizeof(*pipe));
	pipe->config = config_keep(s->config);
	pipe->plan = p;
	pipe->share = share_of(a, plan, p->name);
	make_sinks(a, s, pipe);
	rc = make_chains(a, s, pipe, err);
	make_intakes(a, pipe, ring_capacity(plan));
	return rc;
}

void pipe_run_free(struct pipe_run *pipe)
{
	for (uint32_t lane = 0; pipe->state == PIPE_NEW && lane < pipe->intakes->nlanes; lane++)
		chain_close(pipe->chains[lane]);
	for (size_t i = 0; i < pipe->plan->nto; i++)
		pipe->outputs[i]->npipes--;
	mem_free(pipe->outputs);
	mem_free(pipe->flows);
	mem_free(pipe->sinks);
	mem_free(pipe->front);
	mem_free(pipe->intakes);
	mem_free(pipe->chains);
	mem_free(pipe->jobs);
	config_free(pipe->config);
	mem_free(pipe);
}

/* ---- the whole ---- */

void agent_make_lanes(struct agent *a, const struct plan *plan)
{
	a->nlanes = plan->threads > 1 ? plan->threads : 1;
	a->lanes = mem_array(a->nlanes, sizeof(struct lane *));
	for (uint32_t i = 0; i < a->nlanes; i++)
		a->lanes[i] = lane_new(i, plan->threads > 1 ? NULL : a->loop);
	if (plan->threads > 1)
		a->ports = mem_array(a->nlanes, sizeof(struct lane_port *));
	for (uint32_t i = 0; a->ports && i < a->nlanes; i++)
		a->ports[i] = lane_port_new(a->lanes[i], ring_capacity(plan));
}

int setup_new(struct agent *a, struct config *config, struct setup **ret, struct err *err)
{
	const struct plan *plan = &config->plan;
	struct setup *s = mem_zalloc(sizeof(*s));
	int rc = 0;

	s->config = config_keep(config);
	s->outputs = mem_array(plan->noutputs, sizeof(struct output_run *));
	s->inputs = mem_array(plan->ninputs, sizeof(struct input_run *));
	s->pipes = mem_array(plan->npipelines, sizeof(struct pipe_run *));
	for (size_t i = 0; rc == 0 && i < plan->noutputs; i++)
		rc = make_output(a, s, i, err);
	for (size_t i = 0; rc == 0 && i < plan->ninputs; i++)
		make_input(a, s, i);
	for (size_t i = 0; rc == 0 && i < plan->npipelines; i++)
		rc = make_pipe(a, s, i, err);
	for (size_t i = 0; rc == 0 && i < plan->ninputs; i++)
		rc = open_input(a, s, i, err);
	if (rc < 0) {
		setup_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void setup_free(struct setup *s)
{
	const struct plan *plan;

	if (!s)
		return;
	plan = &s->config->plan;
	for (size_t i = 0; i < plan->ninputs; i++)
		if (s->inputs[i] && !s->inputs[i]->is_listed)
			input_run_free(s->inputs[i]);
	for (size_t i = 0; i < plan->npipelines; i++)
		if (s->pipes[i] && s->pipes[i]->state == PIPE_NEW)
			pipe_run_free(s->pipes[i]);
	for (size_t i = 0; i < plan->noutputs; i++)
		if (s->outputs[i] && !s->outputs[i]->is_listed)
			output_run_free(s->outputs[i]);
	mem_free(s->outputs);
	mem_free(s->pipes);
	mem_free(s->inputs);
	config_free(s->config);
	mem_free(s);
}

bool setup_has_output(const struct setup *s, const struct output_run *o)
{
	for (size_t i = 0; i < s->config->plan.noutputs; i++)
		if (s->outputs[i] == o)
			return true;
	return false;
}

bool setup_has_pipe(const struct setup *s, const struct pipe_run *p)
{
	for (size_t i = 0; i < s->config->plan.npipelines; i++)
		if (s->pipes[i] == p)
			return true;
	return false;
}

bool setup_has_input(const struct setup *s, const struct input_run *in)
{
	for (size_t i = 0; i < s->config->plan.ninputs; i++)
		if (s->inputs[i] == in)
			return true;
	return false;
}

/* Inside out: nobody is freed before those who point at it. Lanes and outputs have ended. */
void agent_free(struct agent *a)
{
	while (a->inputs) {
		struct input_run *next = a->inputs->next;

		input_run_free(a->inputs);
		a->inputs = next;
	}
	for (uint32_t i = 0; a->lanes && i < a->nlanes; i++) {
		if (a->ports)
			lane_port_free(a->ports[i]);
		lane_free(a->lanes[i]);
	}
	while (a->pipes) {
		struct pipe_run *next = a->pipes->next;

		pipe_run_free(a->pipes);
		a->pipes = next;
	}
	while (a->outputs) {
		struct output_run *next = a->outputs->next;

		output_run_free(a->outputs);
		a->outputs = next;
	}
	while (a->shares) {
		struct share *s = a->shares;

		a->shares = s->next;
		budget_fini(&s->budget);
		mem_free(s->name);
		mem_free(s);
	}
	while (a->flows) {
		struct flow *f = a->flows;

		a->flows = f->next;
		flow_free(f);
	}
	mem_free(a->lanes);
	mem_free(a->ports);
	mem_free(a->jobs);
	admin_free(a->admin);
	config_free(a->admin_config);
	config_free(a->config);
	loop_free(a->loop);
}
