/* SPDX-License-Identifier: Apache-2.0 */
/* One configuration after another. Steps, each on the I/O thread's loop:
 *
 *	begin()		the new one is read and built; what fails here leaves everything as it is
 *	on_job()	every lane has taken the new chains, and its old ones hold nothing from now on
 *	agent_commit()	inputs are switched, so that behind the last old batch of a source comes the first new one
 *	agent_settle()	what has left is freed when the last of its batches has; what waits for it begins */
#include "agent/reload.h"

#include <errno.h>

#include "agent/admin.h"
#include "agent/agent_impl.h"
#include "agent/registry.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SETTLE_NS (5 * NS_PER_MS) /* at first, then twice as much each time */
#define SETTLE_MAX_NS (200 * NS_PER_MS)
#define OPEN_AGAIN_NS NS_PER_S
#define LINES_MAX 20 /* of what is wrong, in the log */

/* ---- what cannot be changed ---- */

static void refuse(struct config *c, const char *section, const char *key, const char *text)
{
	const struct conf_node *map = section ? conf_get(c->root, section) : c->root;
	const struct conf_node *at = conf_get(map, key);

	conf_error(c->doc, at ? at : c->root,
		   "%s%s%s cannot be changed while the agent runs (%s): restart it",
		   section ? section : "", section ? "." : "", key, text);
}

/* What sockets, threads and files of the whole process were made with. */
static void check_fixed(const struct agent *a, struct config *c)
{
	const struct agent_conf *was = &a->config->agent, *is = &c->agent;

	if (was->threads != is->threads)
		refuse(c, NULL, "threads", "lanes are made at the start");
	if (was->memory_bytes != is->memory_bytes)
		refuse(c, NULL, "memory", "it is divided at the start");
	if (!str_eq(was->state_dir, is->state_dir))
		refuse(c, NULL, "state_dir", "positions are in the old one");
	if (!str_eq(was->admin.listen.text, is->admin.listen.text))
		refuse(c, "admin", "listen", "the port is open");
	if (!str_eq(was->admin.socket, is->admin.socket))
		refuse(c, "admin", "socket", "it is open");
	if (!str_eq(was->admin.group, is->admin.group))
		refuse(c, "admin", "group", "the socket is open");
	if (str_eq(was->hostname, is->hostname))
		return;
	if (conf_get(c->root, "hostname") || conf_get(a->config->root, "hostname"))
		refuse(c, NULL, "hostname", "sources have it as a label");
	else /* the machine was renamed: labels stay what they are until the next start */
		c->plan.hostname = conf_dup(c->doc, was->hostname).p;
}

/* ---- outcome ---- */

static void log_lines(struct str text)
{
	for (int i = 0; text.n && i < LINES_MAX; i++) {
		struct str line = str_cut(&text, '\n');

		log_error("reload refused, nothing was changed", KV("why", line));
	}
}

void agent_note_reload(struct agent *a, bool is_success)
{
	if (!a->reloads) {
		a->reloads = metric_get(METRIC_CONFIG_RELOADS, "result", "success", NULL);
		a->failed_reloads = metric_get(METRIC_CONFIG_RELOADS, "result", "failure", NULL);
		a->was_successful = metric_get(METRIC_CONFIG_SUCCESSFUL, NULL);
		a->succeeded_at = metric_get(METRIC_CONFIG_SUCCESS_TIME, NULL);
	}
	metric_set(a->was_successful, is_success);
	if (is_success)
		metric_set(a->succeeded_at, clock_wall_ns() / NS_PER_MS);
}

static void finish(struct agent *a, int rc, struct str text)
{
	struct reload_request *r, *next;

	agent_note_reload(a, rc == 0);
	metric_add(rc == 0 ? a->reloads : a->failed_reloads, 1);
	if (rc < 0)
		log_lines(text);
	service_reloaded(&a->service);
	for (r = TAKE(a->answering); r; r = next) {
		next = r->next;
		r->done(r, rc, text);
	}
}

/* ---- into force ---- */

static void list_output(struct agent *a, struct output_run *o)
{
	struct output_run **at = &a->outputs;

	while (*at)
		at = &(*at)->next;
	*at = o;
	o->is_listed = true;
}

static void list_pipe(struct agent *a, struct pipe_run *p)
{
	struct pipe_run **at = &a->pipes;

	while (*at)
		at = &(*at)->next;
	*at = p;
	p->state = PIPE_LIVE;
}

static void list_input(struct agent *a, struct input_run *i)
{
	struct input_run **at = &a->inputs;

	while (*at)
		at = &(*at)->next;
	*at = i;
	i->is_listed = true;
}

static void start_input(struct input_run *i)
{
	i->is_started = true;
	i->in.ops->start(&i->in);
}

static void stop_input(struct input_run *i)
{
	i->is_leaving = true;
	if (i->is_open)
		i->in.ops->stop(&i->in);
}

static void commit_outputs(struct agent *a, const struct setup *s)
{
	int64_t deadline_ns = clock_mono_ns() + s->config->plan.shutdown_timeout_ns;

	for (struct output_run *o = a->outputs; o; o = o->next) {
		if (o->is_leaving || setup_has_output(s, o))
			continue;
		o->is_leaving = true;
		o->deadline_ns = deadline_ns;
	}
	for (size_t i = 0; i < s->config->plan.noutputs; i++)
		if (!s->outputs[i]->is_listed)
			list_output(a, s->outputs[i]);
}

static void commit_pipes(struct agent *a, const struct setup *s)
{
	for (struct share *share = a->shares; share; share = share->next)
		share->is_live = false;
	for (size_t i = 0; i < s->config->plan.npipelines; i++) {
		s->pipes[i]->share->is_live = true;
		if (s->pipes[i]->state == PIPE_NEW)
			list_pipe(a, s->pipes[i]);
	}
}

/* Before those that may take their place begin. */
static void commit_leaving(struct agent *a, const struct setup *s)
{
	for (struct input_run *i = a->inputs; i; i = i->next)
		if (!i->is_leaving && !setup_has_input(s, i))
			stop_input(i);
}

static void commit_input(struct agent *a, struct input_run *i, struct pipe_run *pipe,
			 struct intake *intake)
{
	if (!i->is_listed)
		list_input(a, i);
	else if (i->is_open && i->in.intake != intake)
		input_switch(&i->in, intake);
	i->pipe = pipe;
	i->in.intake = intake;
	if (i->is_open && !i->is_started)
		start_input(i);
}

static bool settle_outputs(struct agent *a);
static void on_settling(struct timer *t);

void agent_commit(struct agent *a, struct setup *s)
{
	const struct plan *plan = &s->config->plan;

	commit_outputs(a, s);
	commit_pipes(a, s);
	config_free(a->config);
	a->config = config_keep(s->config);
	a->plan = plan;
	a->nloads++;
	agent_share_memory(a);
	settle_outputs(a); /* starts the new ones */
	commit_leaving(a, s);
	for (size_t k = 0; k < plan->ninputs; k++) {
		struct pipe_run *pipe;
		struct intake *intake = setup_intake(s, k, &pipe);

		commit_input(a, s->inputs[k], pipe, intake);
	}
	setup_free(s);
	a->settle_ns = SETTLE_NS;
	loop_timer_in(a->loop, &a->settling, a->settle_ns, on_settling);
}

/* ---- lanes ---- */

/* On the lane's thread; this thread's lists stay as they are meanwhile. */
static void take_chains(struct agent *a, uint32_t lane)
{
	const struct setup *s = a->next;

	for (size_t i = 0; i < s->config->plan.npipelines; i++)
		if (s->pipes[i]->state == PIPE_NEW)
			lane_add_chain(a->lanes[lane], s->pipes[i]->chains[lane]);
	for (struct pipe_run *p = a->pipes; p; p = p->next)
		if (p->state == PIPE_LEAVING)
			chain_flush(p->chains[lane], NULL);
}

static void on_job_done(struct mail *m)
{
	struct lane_job *job = container_of(m, struct lane_job, mail);
	struct agent *a = job->agent;

	if (job->pipe) {
		job->pipe->njobs--; /* agent_settle() sees it */
		return;
	}
	if (--a->njobs)
		return;
	if (a->next->config->agent.log.level != a->config->agent.log.level ||
	    a->next->config->agent.log.format != a->config->agent.log.format)
		log_setup(a->next->config->agent.log.level, a->next->config->agent.log.format);
	admin_stop(a->admin); /* of chains that may go now */
	agent_commit(a, TAKE(a->next));
	log_info("reloaded", KV_I("inputs", a->plan->ninputs), KV_I("outputs", a->plan->noutputs),
		 KV_I("pipelines", a->plan->npipelines));
	finish(a, 0, STR_NONE);
	agent_reloaded(a);
}

static void on_job(struct mail *m)
{
	struct lane_job *job = container_of(m, struct lane_job, mail);
	struct agent *a = job->agent;

	if (job->pipe)
		lane_del_chain(a->lanes[job->lane], job->pipe->chains[job->lane]);
	else
		take_chains(a, job->lane);
	loop_post(a->loop, &job->mail, on_job_done);
}

/* Returns the jobs, one per lane. */
static struct lane_job *give_out(struct agent *a, struct pipe_run *pipe)
{
	struct lane_job *jobs = mem_array(a->nlanes, sizeof(*jobs));

	for (uint32_t i = 0; i < a->nlanes; i++) {
		jobs[i] = (struct lane_job){ .agent = a, .pipe = pipe, .lane = i };
		loop_post(lane_loop(a->lanes[i]), &jobs[i].mail, on_job);
	}
	return jobs;
}

/* ---- beginning ---- */

static void build(struct agent *a, struct config *c, struct buf *why)
{
	struct err err = ERR_NONE;
	struct setup *s;

	if (conf_error_count(c->doc) == 0)
		check_fixed(a, c);
	if (conf_error_count(c->doc)) {
		conf_errors_print(c->doc, why, false);
		return;
	}
	if (setup_new(a, c, &s, &err) < 0) {
		buf_printf(why, "%s%s%s\n", err.where, err.where[0] ? ": " : "", err.text);
		agent_share_memory(a); /* new ones had a part */
		return;
	}
	for (struct pipe_run *p = a->pipes; p; p = p->next)
		if (p->state == PIPE_LIVE && !setup_has_pipe(s, p))
			p->state = PIPE_LEAVING;
	a->next = s;
	a->njobs = a->nlanes;
	mem_free(a->jobs);
	a->jobs = give_out(a, NULL);
}

static void begin(struct agent *a)
{
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	struct config *c = config_load(a->path, NULL, plugins, nplugins);
	struct buf why = BUF_INIT;

	build(a, c, &why);
	config_free(c);
	if (!a->next)
		finish(a, -EINVAL, buf_as_str(&why));
	buf_fini(&why);
}

static bool can_begin(const struct agent *a)
{
	for (const struct pipe_run *p = a->pipes; p; p = p->next)
		if (p->state != PIPE_LIVE)
			return false;
	return !a->next && !a->is_stopping;
}

static void begin_if_asked(struct agent *a)
{
	if (!a->must_reload || !can_begin(a))
		return;
	a->must_reload = false;
	a->answering = TAKE(a->requests);
	service_reloading(&a->service);
	begin(a);
}

void agent_reload(struct agent *a, struct reload_request *r)
{
	if (r && a->is_stopping) {
		r->done(r, -ECANCELED, STR("the agent is stopping"));
		return;
	}
	if (r) {
		r->next = a->requests;
		a->requests = r;
	}
	a->must_reload = true;
	begin_if_asked(a);
}

static void forget(struct reload_request **at, const struct reload_request *r)
{
	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
}

void agent_reload_forget(struct agent *a, struct reload_request *r)
{
	forget(&a->requests, r);
	forget(&a->answering, r);
}

void agent_reload_refuse(struct agent *a)
{
	struct reload_request *r, *next;

	a->must_reload = false;
	for (r = TAKE(a->requests); r; r = next) {
		next = r->next;
		r->done(r, -ECANCELED, STR("the agent is stopping"));
	}
}

/* ---- leaving ---- */

static bool has_left(const struct agent *a, const struct pipe_run *p)
{
	for (const struct input_run *i = a->inputs; i; i = i->next)
		if (i->is_open && !input_has_switched(&i->in))
			return false;
	for (size_t i = 0; i < p->plan->nfrom; i++)
		if (atomic_load_explicit(&p->intakes[i].way.nbatches, memory_order_acquire))
			return false;
	return true;
}

static void free_pipe(struct agent *a, struct pipe_run *p)
{
	for (struct input_run *i = a->inputs; i; i = i->next)
		if (i->pipe == p)
			i->pipe = NULL;
	pipe_run_free(p);
}

static bool settle_pipes(struct agent *a)
{
	bool is_busy = false;

	for (struct pipe_run **at = &a->pipes, *p; (p = *at);) {
		if (p->state == PIPE_LEAVING && !a->next && has_left(a, p)) {
			p->state = PIPE_CLOSING;
			p->njobs = a->nlanes;
			p->jobs = give_out(a, p);
		}
		is_busy |= p->state != PIPE_LIVE;
		if (p->state == PIPE_CLOSING && !p->njobs) {
			*at = p->next;
			free_pipe(a, p);
		} else {
			at = &p->next;
		}
	}
	return is_busy;
}

/* Nobody will tell it anything any more. */
static bool is_forgotten(struct input_run *i)
{
	if (!i->is_open)
		return true;
	if (atomic_load(&i->in.acks.open) || (i->pipe && !i->is_replaced))
		return false;
	/* Who waits for what was abandoned would wait for ever. */
	return atomic_load(&i->in.acks.abandoned) || i->in.ops->is_idle(&i->in);
}

static void open_late(struct agent *a, struct input_run *i)
{
	struct err err = ERR_NONE;

	for (const struct input_run *old = a->inputs; old != i; old = old->next)
		if (!strcmp(old->plan->name, i->plan->name))
			return;
	if (loop_now_ns(a->loop) < i->retry_ns)
		return;
	if (input_run_open(i, &err) < 0) {
		i->retry_ns = loop_now_ns(a->loop) + OPEN_AGAIN_NS;
		input_count_error(&i->in, "open");
		log_error("cannot open an input, will try again", KV_S("input", i->plan->name),
			  KV_ERR(&err));
		return;
	}
	start_input(i);
}

static bool settle_inputs(struct agent *a)
{
	bool is_busy = false;

	for (struct input_run **at = &a->inputs, *i; (i = *at);) {
		if (i->is_leaving && is_forgotten(i)) {
			*at = i->next;
			input_run_free(i);
			continue;
		}
		if (!i->is_leaving && !i->is_open && !a->is_stopping)
			open_late(a, i);
		is_busy |= i->is_leaving || !i->is_open;
		at = &i->next;
	}
	return is_busy;
}

/* What an output could not deliver in time has to be read again: by the like of the input that had read it. */
static void read_again(struct agent *a)
{
	for (struct input_run *i = a->inputs; i; i = i->next) {
		struct input_run *again;

		if (i->is_leaving || !atomic_load(&i->in.acks.abandoned))
			continue;
		log_warn("an output had to leave with records that were not delivered: their input "
			 "goes back to what is settled",
			 KV_S("input", i->plan->name));
		/* What of it waits for another output must not overtake what comes again. */
		atomic_store(&i->in.acks.is_void, true);
		again = input_run_new(a, i->config, i->plan);
		again->pipe = i->pipe;
		again->in.intake = i->in.intake;
		stop_input(i);
		i->is_replaced = true;
		list_input(a, again);
	}
}

static bool has_older(const struct agent *a, const struct output_run *o)
{
	for (const struct output_run *old = a->outputs; old != o; old = old->next)
		if (!old->is_stopped && !strcmp(old->plan->name, o->plan->name))
			return true;
	return false;
}

/* True when it has ended. */
static bool end_output(struct agent *a, struct output_run *o)
{
	bool gets_nothing = a->lanes_ended || (o->is_leaving && !o->npipes);

	if (gets_nothing && !o->is_flushed) {
		o->is_flushed = true;
		output_flush(&o->out);
	}
	if (!gets_nothing || !o->is_leaving || o->is_stopped)
		return o->is_stopped;
	if (!output_is_drained(&o->out) && loop_now_ns(a->loop) < o->deadline_ns)
		return false;
	output_stop(&o->out);
	o->is_stopped = true;
	if (!a->is_stopping)
		read_again(a);
	return true;
}

static bool settle_outputs(struct agent *a)
{
	bool is_busy = false;

	for (struct output_run **at = &a->outputs, *o; (o = *at);) {
		if (!o->is_started && !has_older(a, o)) {
			o->is_started = true;
			output_start(&o->out);
		}
		if (o->is_started && end_output(a, o) && !o->npipes) {
			*at = o->next;
			metric_set(metric_get(METRIC_OUTPUT_OLDEST, "output", o->plan->name, NULL),
				   0);
			output_run_free(o);
			continue;
		}
		is_busy |= o->is_leaving || !o->is_started;
		at = &o->next;
	}
	return is_busy;
}

static bool settle_shares(struct agent *a)
{
	bool is_busy = false;

	agent_share_memory(a);
	for (const struct share *s = a->shares; s; s = s->next)
		is_busy |= !s->is_live && budget_used(&s->budget) > 0;
	return is_busy;
}

bool agent_settle(struct agent *a)
{
	bool is_busy = !a->is_stopping && settle_pipes(a);

	is_busy |= settle_outputs(a); /* may give inputs something to do */
	is_busy |= settle_inputs(a);
	return settle_shares(a) || is_busy;
}

static void on_settling(struct timer *t)
{
	struct agent *a = container_of(t, struct agent, settling);

	if (agent_settle(a) && !a->is_stopping) { /* what stops asks by itself */
		a->settle_ns = a->settle_ns < SETTLE_MAX_NS ? 2 * a->settle_ns : SETTLE_MAX_NS;
		loop_timer_in(a->loop, t, a->settle_ns, on_settling);
	}
	begin_if_asked(a);
}
