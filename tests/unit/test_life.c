/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping at the worst moment: threads told to stop right away, wakes that meet. */
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metric.h"
#include "lib/net.h"
#include "outputs/output_run.h"
#include "tests/unit/test.h"

#define ROUNDS 6000

static _Atomic bool is_looking;

/* Ends at about the time of the stop, whose moment wanders around it. */
static bool look(struct poller *p)
{
	(void)p;
	if (!atomic_exchange(&is_looking, true))
		for (volatile int k = 0; k < 200; k++)
			;
	return false;
}

/* A stop must not get lost between the loop's last look and its sleep. A hang is the failure. */
static void stop_at_once(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct loop *l = loop_new("test");
		struct poller p;

		atomic_store(&is_looking, false);
		loop_poller_add(l, &p, look);
		loop_start(l);
		while (!atomic_load(&is_looking))
			;
		for (volatile int k = 0; k < i % 400; k++)
			;
		loop_stop(l);
		loop_join(l);
		loop_free(l);
	}
}

static int started, flushed;

static void note_start(struct output *out)
{
	(void)out;
	started++;
}

static void note_flush(struct output *out)
{
	(void)out;
	flushed++;
}

static void no_stop(struct output *out)
{
	(void)out;
}

/* A signal may come before the output's thread has run for the first time. */
static void flush_at_once(void)
{
	static const struct output_ops ops = {
		.name = "note", .start = note_start, .flush = note_flush, .stop = no_stop
	};

	for (int i = 0; i < 200; i++) {
		struct output out = { .ops = &ops, .name = "note" };

		started = flushed = 0;
		output_setup(&out, 1, 64);
		output_start(&out);
		output_flush(&out);
		output_stop(&out);
		EQ_INT(started, 1);
		EQ_INT(flushed, 1);
		output_teardown(&out);
	}
}

static int resumed;

static void on_resume(struct budget_waiter *w)
{
	(void)w;
	resumed++;
}

static void on_mail(struct mail *m)
{
	(void)m;
	resumed += 100;
}

/* Refused again before the first resumption has run: its mail must not be posted twice. */
static void refused_while_resuming(void)
{
	struct loop *loop = loop_new("test");
	struct budget_waiter w = { .loop = loop, .resume = on_resume };
	struct mail other;
	struct budget b;

	budget_init(&b, 100);
	OK(budget_take(&b, 100));
	budget_wait(&b, &w, 1);
	budget_give(&b, 30); /* under way */
	loop_post(loop, &other, on_mail);
	OK(budget_take(&b, 30));
	budget_wait(&b, &w, 1);
	budget_give(&b, 50);
	alarm(20); /* the mailbox was a ring once: it never ended */
	loop_once(loop, 0);
	loop_once(loop, 0);
	alarm(0);
	OK(resumed == 101 || resumed == 102);
	/* And it can wait again. */
	OK(budget_take(&b, 50));
	budget_wait(&b, &w, 1);
	resumed = 0;
	budget_give(&b, 100);
	loop_once(loop, 0);
	EQ_INT(resumed, 1);
	budget_forget(&b, &w);
	budget_fini(&b);
	loop_free(loop);
}

/* The log never glues lines together, and never waits long for its reader. */
static void log_lines(void)
{
	char big[1024], out[65536];
	int pipes[2], saved = dup(STDERR_FILENO);
	struct str rest, line;
	ssize_t n;

	OK(pipe2(pipes, O_NONBLOCK) == 0);
	fcntl(pipes[1], F_SETFL, 0); /* as a blocking stderr is */
	dup2(pipes[1], STDERR_FILENO);
	memset(big, 1, sizeof(big));
	memset(big + 650, 'x', sizeof(big) - 650);
	log_write(NULL, LOG_LVL_WARN, "first",
		  (struct log_kv[]){ KV("v", str_make(big, sizeof(big))), KV_I("n", 7), { 0 } });
	log_write(NULL, LOG_LVL_WARN, "second", NULL);
	n = read(pipes[0], out, sizeof(out));
	rest = str_make(out, n > 0 ? (size_t)n : 0);
	line = str_cut(&rest, '\n');
	OK(line.n > 3 && str_is(str_skip(line, line.n - 3), "n=7"));
	line = str_cut(&rest, '\n');
	OK(line.n > 10 && str_is(str_skip(line, line.n - 10), "msg=second"));
	alarm(20); /* nobody reads: the pipe is full in a moment */
	for (int i = 0; i < 2000; i++)
		log_write(NULL, LOG_LVL_WARN, "stuck", NULL);
	alarm(0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
}

/* A typo in a listen address must not cost a file. */
static void only_sockets_are_stale(void)
{
	char path[] = "/tmp/tailrace-life-XXXXXX";
	struct conf_addr addr = { .scheme = CONF_UNIX };
	struct err err = ERR_NONE;
	int fd = mkstemp(path), rc;

	OK(fd >= 0);
	close(fd);
	addr.path = addr.text = str_c(path);
	OK(net_listen(&addr, false, &err) < 0);
	OK(access(path, F_OK) == 0);
	unlink(path);
	rc = net_listen(&addr, false, &err);
	OK(rc >= 0);
	close(rc);
	rc = net_listen(&addr, false, &err); /* left behind by a dead process */
	OK(rc >= 0);
	close(rc);
	unlink(path);
}

int main(void)
{
	RUN(log_lines);
	RUN(only_sockets_are_stale);
	RUN(stop_at_once);
	RUN(flush_at_once);
	RUN(refused_while_resuming);
	return test_end();
}
