/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the agent: start, run, drain, ledger. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/agent_impl.h"
#include "agent/reload.h"
#include "agent/state_dir.h"
#include "lib/clock.h"
#include "lib/lockfile.h"
#include "lib/log.h"
#include "lib/mem.h"

#define DRAIN_CHECK_NS (10 * NS_PER_MS)
#define HOUSEKEEPING_NS (15 * NS_PER_S)

/* Redacted data was secret once: no core file may hold it. */
static void harden(void)
{
	struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	/* Batches come and go in large pieces; keeping them out of mmap saves a page fault per
	 * 4 KiB. What is not used any more is trimmed by housekeeping(). */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	mallopt(M_ARENA_MAX, 2);
}

/* The ledger */

static void log_ledger(const struct flow *f)
{
	struct log_kv kv[] = { KV_S("pipeline", f->pipeline),
			       KV_S("output", f->output),
			       KV_I("in", metric_value(f->in)),
			       KV_I("delivered", metric_value(f->delivered)),
			       KV_I("filtered", metric_value(f->filtered)),
			       KV_I("joined", metric_value(f->joined)),
			       KV_I("withdrawn", metric_value(f->withdrawn)),
			       KV_I("dropped",
				    atomic_load(&((struct flow *)(uintptr_t)f)->dropped_total)),
			       KV_I("held", metric_value(f->held)),
			       KV_I("left", atomic_load(&((struct flow *)(uintptr_t)f)->left)),
			       { 0 } };

	log_write(NULL, LOG_LVL_INFO, "ledger", kv);
}

/* True when for every flow what the counters say is held was really found in the queues. */
static bool ledger_balances(struct agent *a)
{
	bool balances = true;

	for (struct flow *f = a->flows; f; f = f->next) {
		log_ledger(f);
		if (metric_value(f->held) == atomic_load(&f->left))
			continue;
		balances = false;
		log_error("the ledger does not balance; please report this",
			  KV_S("pipeline", f->pipeline), KV_S("output", f->output));
	}
	return balances;
}

/* Stopping: inputs, then lanes, then outputs, all of it before the deadline. The loop turns meanwhile. */

static bool lanes_have_ended(struct agent *a)
{
	for (uint32_t i = 0; i < a->nlanes && !a->lanes_ended; i++)
		if (!lane_has_ended(a->lanes[i]))
			return false;
	for (uint32_t i = 0; i < a->nlanes && !a->lanes_ended; i++)
		lane_join(a->lanes[i]);
	if (!a->lanes_ended)
		service_unwatch(&a->service);
	a->lanes_ended = true;
	return true;
}

static bool is_drained(struct agent *a)
{
	for (struct output_run *o = a->outputs; o; o = o->next)
		if (!o->is_stopped && !output_is_drained(&o->out))
			return false;
	for (struct input_run *i = a->inputs; i; i = i->next) {
		if (!i->is_open || (i->is_leaving && !atomic_load(&i->in.acks.open)))
			continue;
		if (!i->in.ops->is_idle(&i->in))
			return false;
	}
	return true;
}

static void on_drain(struct timer *t)
{
	struct agent *a = container_of(t, struct agent, drain);
	bool have_ended = lanes_have_ended(a);

	if (have_ended)
		agent_settle(a);
	if (have_ended && is_drained(a)) {
		loop_stop(a->loop);
		return;
	}
	if (have_ended && loop_now_ns(a->loop) >= atomic_load(&a->deadline_ns)) {
		log_warn("shutdown timeout is over; what is not delivered stays with its source "
			 "where that can be read again, and is counted");
		loop_stop(a->loop);
		return;
	}
	loop_timer_in(a->loop, t, DRAIN_CHECK_NS, on_drain);
}

static void begin_stop(struct agent *a)
{
	if (a->is_stopping) { /* told twice: now */
		atomic_store(&a->deadline_ns, 0);
		return;
	}
	if (a->next) {
		a->must_stop = true;
		return;
	}
	a->is_stopping = true;
	a->is_ready = false;
	log_info("stopping: delivering what was accepted",
		 KV_D("timeout_s", (double)a->plan->shutdown_timeout_ns / 1e9));
	service_stopping(&a->service, a->plan->shutdown_timeout_ns);
	agent_reload_refuse(a);
	atomic_store(&a->deadline_ns, clock_mono_ns() + a->plan->shutdown_timeout_ns);
	for (struct input_run *i = a->inputs; i; i = i->next)
		if (i->is_started && !i->is_leaving)
			i->in.ops->stop(&i->in);
	admin_stop(a->admin);
	for (uint32_t i = 0; i < a->nlanes; i++)
		lane_end(a->lanes[i], &a->deadline_ns);
	loop_timer_in(a->loop, &a->drain, 0, on_drain);
}

void agent_reloaded(struct agent *a)
{
	if (a->must_stop)
		begin_stop(a);
}

static void on_signal(struct io *io, uint32_t events)
{
	struct agent *a = container_of(io, struct agent, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			agent_reload(a, NULL);
		else
			begin_stop(a);
	}
}

static void stop_at_once(int number)
{
	(void)number;
	_exit(0);
}

void agent_expect_stop(void)
{
	signal(SIGTERM, stop_at_once);
	signal(SIGINT, stop_at_once);
}

static int watch_signals(struct agent *a, struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* before threads: they inherit it */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* sent by rotation scripts meant for others; no reason to die */
	signal(SIGUSR2, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "cannot watch signals");
	loop_io_add(a->loop, &a->signals, fd, EPOLLIN, on_signal);
	return 0;
}

static int64_t records_in(const struct agent *a)
{
	int64_t records = 0;

	for (const struct flow *f = a->flows; f; f = f->next)
		records += metric_value(f->in);
	return records;
}

static void count(void *ctx, struct service_counts *ret)
{
	struct agent *a = ctx;

	for (struct input_run *i = a->inputs; i; i = i->next)
		if (i->is_open && !i->is_leaving)
			ret->in += metric_value(i->in.records);
	for (struct flow *f = a->flows; f; f = f->next) {
		ret->delivered += metric_value(f->delivered);
		ret->dropped += atomic_load(&f->dropped_total);
		ret->held += metric_value(f->held);
	}
}

/* With one thread the lane is this loop's, which turns when it asks. */
static void watch_loops(struct agent *a)
{
	struct loop **loops = mem_array(a->nlanes, sizeof(*loops));

	for (uint32_t i = 0; i < a->nlanes; i++)
		loops[i] = lane_loop(a->lanes[i]);
	service_watch(&a->service, loops, lane_is_fused(a->lanes[0]) ? 0 : a->nlanes);
	mem_free(loops);
}

/* Gives memory back when nothing flows. */
static void on_housekeeping(struct timer *t)
{
	struct agent *a = container_of(t, struct agent, housekeeping);
	int64_t records = records_in(a);

	if (records != a->records_seen) {
		a->must_trim = true;
	} else if (a->must_trim) {
		a->must_trim = false;
		chunk_trim();
		malloc_trim(0);
	}
	a->records_seen = records;
	loop_timer_in(a->loop, t, HOUSEKEEPING_NS, on_housekeeping);
}

double agent_oldest_s(const struct agent *a, size_t output)
{
	double oldest_s = 0;

	for (const struct output_run *o = a->outputs; o; o = o->next) {
		int64_t made_ns = atomic_load_explicit(
			&((struct output_run *)(uintptr_t)o)->out.held.oldest_ns,
			memory_order_relaxed);
		double age_s = made_ns ? (double)(clock_mono_ns() - made_ns) / 1e9 : 0;

		if (!strcmp(o->plan->name, a->plan->outputs[output].name) && age_s > oldest_s)
			oldest_s = age_s;
	}
	return oldest_s;
}

/* The youngest of that name. */
const struct pipe_run *agent_pipe(const struct agent *a, size_t pipeline)
{
	const struct pipe_run *found = NULL;

	for (const struct pipe_run *p = a->pipes; p; p = p->next)
		if (!strcmp(p->plan->name, a->plan->pipelines[pipeline].name))
			found = p;
	CHECK(found && found->state != PIPE_CLOSING);
	return found;
}

void agent_measure(struct agent *a)
{
	for (const struct share *s = a->shares; s; s = s->next)
		metric_set(s->used, budget_used(&s->budget));
	for (size_t i = 0; i < a->plan->noutputs; i++)
		metric_set(
			metric_get(METRIC_OUTPUT_OLDEST, "output", a->plan->outputs[i].name, NULL),
			(int64_t)(agent_oldest_s(a, i) * 1000));
}

static bool is_full(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && (geteuid() ? fs.f_bavail : fs.f_bfree) == 0;
}

const char *agent_unready(const struct agent *a)
{
	if (!a->is_ready)
		return a->is_stopping ? "stopping" : "starting";
	if (access(a->plan->state_dir, W_OK | X_OK) < 0)
		return "the state directory cannot be written";
	return is_full(a->plan->state_dir) ? "the file system of the state directory is full"
					   : NULL;
}

static void start_all(struct agent *a, struct setup *s)
{
	for (size_t i = 0; i < s->config->plan.npipelines; i++)
		for (uint32_t lane = 0; lane < a->nlanes; lane++)
			lane_add_chain(a->lanes[lane], s->pipes[i]->chains[lane]);
	for (uint32_t i = 0; i < a->nlanes; i++)
		lane_start(a->lanes[i]);
	agent_commit(a, s);
	loop_timer_in(a->loop, &a->housekeeping, HOUSEKEEPING_NS, on_housekeeping);
	a->is_ready = true;
	a->started_ns = clock_mono_ns();
	agent_note_reload(a, true);
	watch_loops(a);
	service_ready(&a->service, count, a);
	metric_set(metric_get(METRIC_BUILD_INFO, "version", TAILRACE_VERSION, NULL), 1);
	log_info("started", KV_S("version", TAILRACE_VERSION), KV_I("threads", a->plan->threads),
		 KV_I("inputs", a->plan->ninputs), KV_I("outputs", a->plan->noutputs),
		 KV_I("pipelines", a->plan->npipelines));
}

static void end_all(struct agent *a)
{
	for (struct output_run *o = a->outputs; o; o = o->next) {
		if (o->is_stopped)
			continue;
		if (!o->is_started) /* counts what is there for it */
			output_start(&o->out);
		output_stop(&o->out);
	}
	loop_timer_del(a->loop, &a->housekeeping);
	loop_timer_del(a->loop, &a->settling);
	loop_timer_del(a->loop, &a->drain);
	loop_io_del(a->loop, &a->signals);
	close(a->signals.fd);
	/* Acks that the outputs posted last. */
	loop_once(a->loop, 0);
	loop_once(a->loop, 0);
}

int agent_run(struct config *config, const char *path, struct err *err)
{
	const struct plan *plan = &config->plan;
	struct agent a = { .config = config_keep(config),
			   .plan = plan,
			   .path = path,
			   .admin_config = config_keep(config),
			   .signals.fd = -1 };
	struct setup *setup = NULL;
	bool balances = true;
	int rc, lock;

	harden();
	lock = rc = state_dir_take(plan->state_dir, err);
	a.loop = loop_new("tailrace");
	service_init(&a.service, a.loop);
	if (rc >= 0)
		rc = watch_signals(&a, err);
	if (rc == 0)
		agent_make_lanes(&a, plan);
	if (rc == 0)
		rc = setup_new(&a, config, &setup, err);
	if (rc == 0)
		rc = admin_new(&a, &a.admin, err);
	if (rc == 0) {
		start_all(&a, setup);
		loop_run(a.loop);
		end_all(&a);
		balances = ledger_balances(&a);
	} else {
		setup_free(setup);
	}
	if (rc < 0 && err)
		service_failed(&a.service, err->text);
	service_fini(&a.service);
	agent_free(&a);
	lockfile_release(lock);
	return rc < 0 || !balances ? 1 : 0;
}

int agent_check(const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->npipelines; i++) {
		struct chain_conf conf = { .pipeline = plan->pipelines[i].name,
					   .stages = plan->pipelines[i].stages,
					   .max_streams = 16 };
		struct chain *chain;
		int rc = chain_open(&conf, &chain, err);

		if (rc < 0)
			return rc;
		chain_close(chain);
	}
	return 0;
}
