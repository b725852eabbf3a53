/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's insides. What runs is kept in lists of what one configuration after the other made: agent_build.c
 * makes and frees single things, reload.c compares and exchanges them, agent.c is their life as a whole.
 *
 * Everything here belongs to the I/O thread, which is the main thread; lanes look at it only in a lane_job. */
#ifndef AGENT_AGENT_IMPL_H
#define AGENT_AGENT_IMPL_H

#include "agent/agent_conf.h"
#include "agent/service.h"
#include "inputs/intake.h"
#include "lib/loop.h"
#include "outputs/output_run.h"
#include "pipeline/chain.h"
#include "pipeline/lane.h"

struct admin;
struct agent;
struct reload_request;

/* A pipeline's share of the memory for records, by its name. Lives as long as the agent: a record may be given back
 * to it at any time. */
struct share {
	struct share *next;
	char *name;
	struct budget budget;
	struct metric *total, *used;
	bool is_live; /* the newest configuration has such a pipeline */
};

struct output_run {
	struct output_run *next; /* younger */
	struct config *config;   /* a reference */
	const struct plan_output *plan;
	struct output out;
	struct budget drop_budget; /* used when it drops */
	unsigned npipes;           /* that may still submit to it */
	bool is_listed, is_started, is_flushed, is_leaving, is_stopped;
	int64_t deadline_ns; /* when it is leaving: to deliver what it has */
};

/* What a lane is to do; comes back when it is done. */
struct lane_job {
	struct mail mail;
	struct agent *agent;
	struct pipe_run *pipe; /* whose chain is closed; NULL: the new ones are taken */
	uint32_t lane;
};

enum pipe_state {
	PIPE_NEW,     /* no lane has its chains yet */
	PIPE_LIVE,    /* feeds on inputs */
	PIPE_LEAVING, /* nothing new comes; there may be batches on their way */
	PIPE_CLOSING, /* the lanes close their chains */
};

struct pipe_run {
	struct pipe_run *next; /* younger */
	struct config *config; /* a reference */
	const struct plan_pipeline *plan;
	enum pipe_state state;
	struct share *share;
	struct output_run **outputs;
	struct sink *sinks;               /* one per output, */
	struct flow **flows;              /* as these */
	const struct conf_stages **front; /* by input: the stages of its own options */
	struct intake *intakes;           /* by input */
	struct chain **chains;            /* by lane; the lanes' from PIPE_LIVE on */
	struct lane_job *jobs;            /* by lane */
	unsigned njobs;                   /* of them out */
};

struct input_run {
	struct input_run *next; /* younger */
	struct config *config;  /* a reference */
	const struct plan_input *plan;
	struct pipe_run *pipe; /* it feeds; NULL when that has gone */
	struct input in;
	bool is_listed, is_open, is_started;
	bool is_leaving, is_replaced; /* replaced: by its like, behind the same pipe */
	int64_t retry_ns;             /* of an open that failed */
};

/* A configuration made real, by the indices of its plan. What runs already and stays the same is taken over, the rest
 * is new and not listed. */
struct setup {
	struct config *config;
	struct output_run **outputs;
	struct pipe_run **pipes;
	struct input_run **inputs;
};

struct agent {
	struct config *config;   /* in force */
	const struct plan *plan; /* of it */
	uint64_t nloads;         /* configurations so far */
	const char *path;
	struct loop *loop;
	struct lane **lanes;
	uint32_t nlanes;
	struct lane_port **ports; /* of this thread, one per lane; NULL when the lane is fused */
	struct output_run *outputs;
	struct pipe_run *pipes;
	struct input_run *inputs;
	struct share *shares;
	struct flow *flows;
	bool is_ready, is_stopping, lanes_ended;
	_Atomic int64_t deadline_ns; /* of the stop */
	int64_t started_ns;          /* monotonic */
	struct config *admin_config; /* its addresses */
	struct admin *admin;
	struct service service;
	struct io signals;
	struct timer drain, housekeeping;
	int64_t records_seen; /* by the last housekeeping */
	bool must_trim;       /* something has flowed since memory was given back last */
	/* Reloading: */
	struct setup *next;    /* lanes are taking its chains */
	struct lane_job *jobs; /* by lane */
	unsigned njobs;        /* of them out */
	struct timer settling; /* looks after what is leaving or waiting */
	bool must_reload;      /* asked for while it could not be done */
	struct reload_request *requests,
		*answering; /* waiting for their turn; for the end of this one */
	int64_t settle_ns;
	bool must_stop; /* as soon as lanes have taken the chains */
	struct metric *reloads, *failed_reloads, *was_successful, *succeeded_at;
};

/* agent_build.c */

void agent_make_lanes(struct agent *a, const struct plan *plan);
/* All or nothing. Sockets of new inputs are open then, but nothing is started or listed. */
int setup_new(struct agent *a, struct config *config, struct setup **ret, struct err *err);
void setup_free(struct setup *s); /* with what it made and nobody has taken */
bool setup_has_output(const struct setup *s, const struct output_run *o);
bool setup_has_pipe(const struct setup *s, const struct pipe_run *p);
bool setup_has_input(const struct setup *s, const struct input_run *i);
struct input_run *input_run_new(const struct agent *a, struct config *config,
				const struct plan_input *plan);
/* Where an input, by its index, is to feed. */
struct intake *setup_intake(const struct setup *s, size_t input, struct pipe_run **ret_pipe);
int input_run_open(struct input_run *i, struct err *err);
void output_run_free(
	struct output_run *o); /* not started, or stopped; none of the three is listed any more */
void pipe_run_free(struct pipe_run *p);
void input_run_free(struct input_run *i);
/* Divides the memory for records anew between those who need some. */
void agent_share_memory(struct agent *a);
void agent_free(struct agent *a);

/* reload.c */

/* The setup comes into force; lanes run, and have its chains. */
void agent_commit(struct agent *a, struct setup *s);
/* Looks after everything that is leaving or waiting. False when there is nothing of the kind. */
bool agent_settle(struct agent *a);
/* For the metrics; the start is one, too. */
void agent_note_reload(struct agent *a, bool is_success);
/* Whoever waits for a reload hears that there will be none. */
void agent_reload_refuse(struct agent *a);

/* agent.c */

void agent_reloaded(struct agent *a);
/* What a pipeline of the plan is at this moment; its chains are open. */
const struct pipe_run *agent_pipe(const struct agent *a, size_t pipeline);
/* Brings the gauges up to date that nobody keeps so. */
void agent_measure(struct agent *a);
/* Age of the oldest records that an output of the plan holds; 0: none. */
double agent_oldest_s(const struct agent *a, size_t output);
/* Why not: a short sentence. NULL: all inputs are open, and the state can be written; Loki has no part in it. */
const char *agent_unready(const struct agent *a);

#endif
