/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's insides, shared by agent.c (life) and agent_build.c (wiring). */
#ifndef AGENT_AGENT_IMPL_H
#define AGENT_AGENT_IMPL_H

#include "agent/agent.h"
#include "agent/service.h"
#include "inputs/intake.h"
#include "lib/loop.h"
#include "outputs/output_run.h"
#include "pipeline/chain.h"
#include "pipeline/lane.h"

struct admin;

struct pipe_run {
	const struct plan_pipeline *plan;
	struct budget budget;
	struct sink *sinks; /* one per output */
	struct flow **flows;
	const struct conf_stages **front; /* by input: the stages of its own options */
	struct intake intake;
	struct metric *budget_total, *budget_used;
};

struct agent {
	const struct plan *plan;
	struct loop *loop; /* the I/O thread = the main thread */
	struct output *outputs;
	struct budget *drop_budgets; /* per output; used by those that drop */
	struct lane **lanes;
	uint32_t nlanes;
	struct pipe_run *pipes;
	struct input *inputs;
	size_t ninputs_open, noutputs_open, npipes_built;
	bool lanes_started, outputs_started;
	bool is_ready, is_stopping;
	int64_t deadline_ns;
	int64_t started_ns; /* monotonic */
	struct admin *admin;
	struct service service;
	struct io signals;
	struct timer drain, housekeeping;
	int64_t records_seen; /* by the last housekeeping */
	bool must_trim;       /* something has flowed since memory was given back last */
};

/* Outputs, pipelines, lanes, inputs: made and opened, nothing started. */
int agent_build(struct agent *a, struct err *err);
void agent_free(struct agent *a);

/* Brings the gauges up to date that nobody keeps so. */
void agent_measure(struct agent *a);
/* Age of the oldest records that an output of the plan holds; 0: none. */
double agent_oldest_s(const struct agent *a, size_t output);
/* Why not: a short sentence. NULL: all inputs are open, and the state can be written; Loki has no part in it. */
const char *agent_unready(const struct agent *a);

#endif
