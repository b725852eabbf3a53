/* SPDX-License-Identifier: Apache-2.0 */
/* The status as one JSON object: every count as {"total": n, "per_s": x}. */
#include <unistd.h>

#include "agent/agent_impl.h"
#include "agent/status.h"
#include "lib/log.h"
#include "pipeline/stage.h"

/* Members of objects and items of arrays: a comma in front of all but the first. */
static void begin(struct buf *out, const char *name)
{
	char last = out->n ? out->p[out->n - 1] : '{';

	if (last != '{' && last != '[')
		buf_ch(out, ',');
	if (name)
		buf_printf(out, "\"%s\":", name);
}

static void put_str(struct buf *out, const char *name, struct str value)
{
	begin(out, name);
	buf_json_str(out, value);
}

static void put_int(struct buf *out, const char *name, int64_t value)
{
	begin(out, name);
	buf_printf(out, "%lld", (long long)value);
}

static void put_double(struct buf *out, const char *name, double value)
{
	begin(out, name);
	buf_printf(out, "%.3f", value);
}

static void put_total(struct buf *out, const char *name, struct total t)
{
	begin(out, name);
	buf_printf(out, "{\"total\":%lld,\"per_s\":%.3f}", (long long)t.value, t.per_s);
}

/* Names are as in the text format: escaped as JSON would. */
static void put_reason(void *ctx, struct str name, struct total total)
{
	struct buf *out = ctx;

	begin(out, NULL);
	buf_printf(out, "\"" STR_FMT "\":{\"total\":%lld,\"per_s\":%.3f}", STR_ARG(name),
		   (long long)total.value, total.per_s);
}

static void put_by(struct buf *out, const char *name, const struct status *s, enum metric_id id,
		   const char *label, const char *value, const char *by)
{
	begin(out, name);
	buf_ch(out, '{');
	status_by(s, id, label, value, by, put_reason, out);
	buf_ch(out, '}');
}

static const char *pipeline_of(const struct plan *plan, size_t input)
{
	for (size_t i = 0; i < plan->npipelines; i++)
		for (size_t k = 0; k < plan->pipelines[i].nfrom; k++)
			if (plan->pipelines[i].from[k] == input)
				return plan->pipelines[i].name;
	return "";
}

static void put_input(struct buf *out, const struct status *s, size_t i)
{
	const struct plan_input *in = &s->agent->plan->inputs[i];

	begin(out, NULL);
	buf_ch(out, '{');
	put_str(out, "name", str_c(in->name));
	put_str(out, "type", str_c(in->ops->name));
	put_str(out, "pipeline", str_c(pipeline_of(s->agent->plan, i)));
	put_total(out, "records", status_total(s, METRIC_INPUT_RECORDS, "input", in->name));
	put_total(out, "bytes", status_total(s, METRIC_INPUT_BYTES, "input", in->name));
	put_int(out, "behind_bytes",
		status_total(s, METRIC_FILE_BYTES_BEHIND, "input", in->name).value);
	put_int(out, "connections",
		status_total(s, METRIC_INPUT_CONNECTIONS, "input", in->name).value);
	put_int(out, "files", status_total(s, METRIC_FILES_OPEN, "input", in->name).value);
	put_total(out, "paused", status_total(s, METRIC_INPUT_PAUSED, "input", in->name));
	put_by(out, "dropped", s, METRIC_INPUT_DROPPED, "input", in->name, "reason");
	put_by(out, "flagged", s, METRIC_INPUT_FLAGGED, "input", in->name, "reason");
	put_by(out, "errors", s, METRIC_INPUT_ERRORS, "input", in->name, "reason");
	buf_ch(out, '}');
}

static void put_stage(void *ctx, const struct status_stage *stage)
{
	struct buf *out = ctx;

	begin(out, NULL);
	buf_ch(out, '{');
	put_str(out, "number", str_c(stage->number));
	put_str(out, "name", str_c(stage->stage->ops->name));
	put_int(out, "depth", stage->depth);
	if (stage->input)
		put_str(out, "input", str_c(stage->input));
	put_total(out, "records", stage->records);
	put_total(out, "removed", stage->removed);
	buf_ch(out, '}');
}

static void put_flow(struct buf *out, const struct flow *f)
{
	const struct {
		const char *name;
		const struct metric *count;
	} ways[] = {
		{ "in", f->in },         { "delivered", f->delivered }, { "filtered", f->filtered },
		{ "joined", f->joined }, { "withdrawn", f->withdrawn }, { "held", f->held }
	};

	begin(out, NULL);
	buf_ch(out, '{');
	put_str(out, "pipeline", str_c(f->pipeline));
	put_str(out, "output", str_c(f->output));
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		put_int(out, ways[i].name, metric_value(ways[i].count));
	put_int(out, "dropped", atomic_load(&((struct flow *)(uintptr_t)f)->dropped_total));
	buf_ch(out, '}');
}

static void put_names(struct buf *out, const char *name, const struct plan *plan, size_t n,
		      const size_t *indices, bool is_input)
{
	begin(out, name);
	buf_ch(out, '[');
	for (size_t i = 0; i < n; i++)
		put_str(out, NULL,
			str_c(is_input ? plan->inputs[indices[i]].name
				       : plan->outputs[indices[i]].name));
	buf_ch(out, ']');
}

static void put_pipeline(struct buf *out, const struct status *s, size_t i)
{
	const struct plan_pipeline *p = &s->agent->plan->pipelines[i];
	const struct pipe_run *run = agent_pipe(s->agent, i);

	begin(out, NULL);
	buf_ch(out, '{');
	put_str(out, "name", str_c(p->name));
	put_names(out, "from", s->agent->plan, p->nfrom, p->from, true);
	put_names(out, "to", s->agent->plan, p->nto, p->to, false);
	put_int(out, "budget_bytes", metric_value(run->share->total));
	put_int(out, "budget_used_bytes", metric_value(run->share->used));
	put_int(out, "streams", status_total(s, METRIC_STREAMS, "pipeline", p->name).value);
	begin(out, "stages");
	buf_ch(out, '[');
	status_stages(s, i, put_stage, out);
	buf_ch(out, ']');
	put_by(out, "removed", s, METRIC_STAGE_DROPPED, "pipeline", p->name, "reason");
	put_by(out, "redacted", s, METRIC_REDACTED, "pipeline", p->name, "detector");
	buf_ch(out, '}');
}

static void put_output(struct buf *out, const struct status *s, size_t i)
{
	const struct plan_output *o = &s->agent->plan->outputs[i];

	begin(out, NULL);
	buf_ch(out, '{');
	put_str(out, "name", str_c(o->name));
	put_str(out, "type", str_c(o->ops->name));
	put_int(out, "up", status_total(s, METRIC_OUTPUT_UP, "output", o->name).value);
	put_total(out, "delivered", status_total(s, METRIC_DELIVERED, "output", o->name));
	put_total(out, "bytes", status_total(s, METRIC_PUSH_BYTES, "output", o->name));
	put_int(out, "held", status_total(s, METRIC_HELD, "output", o->name).value);
	put_double(out, "oldest_s", agent_oldest_s(s->agent, i));
	put_by(out, "dropped", s, METRIC_DROPPED, "output", o->name, "reason");
	put_by(out, "requests", s, METRIC_PUSH_REQUESTS, "output", o->name, "result");
	put_total(out, "retries", status_total(s, METRIC_PUSH_RETRIES, "output", o->name));
	put_int(out, "dead_letters", status_total(s, METRIC_DEAD_LETTERS, "output", o->name).value);
	buf_ch(out, '}');
}

static void put_line(void *ctx, enum log_level level, struct str line)
{
	(void)level;
	put_str(ctx, NULL, line);
}

void status_json(const struct status *s, struct buf *out)
{
	const struct agent *a = s->agent;
	const struct plan *plan = a->plan;

	buf_ch(out, '{');
	put_str(out, "version", STR(TAILRACE_VERSION));
	put_int(out, "pid", getpid());
	put_str(out, "state", str_c(a->is_stopping ? "stopping" : "running"));
	put_double(out, "uptime_s", status_uptime_s(a));
	put_double(out, "rates_of_s", s->seconds);
	put_int(out, "threads", plan->threads);
	put_int(out, "memory_bytes", (int64_t)plan->memory_bytes);
	put_int(out, "rss_bytes", status_rss_bytes());
	begin(out, "inputs");
	buf_ch(out, '[');
	for (size_t i = 0; i < plan->ninputs; i++)
		put_input(out, s, i);
	buf_c(out, "],\"pipelines\":[");
	for (size_t i = 0; i < plan->npipelines; i++)
		put_pipeline(out, s, i);
	buf_c(out, "],\"outputs\":[");
	for (size_t i = 0; i < plan->noutputs; i++)
		put_output(out, s, i);
	buf_c(out, "],\"flows\":[");
	for (size_t i = 0; i < plan->npipelines; i++)
		for (size_t k = 0; k < plan->pipelines[i].nto; k++)
			put_flow(out, agent_pipe(a, i)->flows[k]);
	buf_c(out, "],\"warnings\":[");
	log_recent(put_line, out);
	buf_c(out, "]}\n");
}
