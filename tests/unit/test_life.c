/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping at the worst moment: threads told to stop right away, wakes that meet. */
#include <stdatomic.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/metric.h"
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
	budget_wait(&b, &w);
	budget_give(&b, 30); /* under way */
	loop_post(loop, &other, on_mail);
	OK(budget_take(&b, 30));
	budget_wait(&b, &w);
	budget_give(&b, 50);
	alarm(20); /* the mailbox was a ring once: it never ended */
	loop_once(loop, 0);
	loop_once(loop, 0);
	alarm(0);
	OK(resumed == 101 || resumed == 102);
	/* And it can wait again. */
	OK(budget_take(&b, 50));
	budget_wait(&b, &w);
	resumed = 0;
	budget_give(&b, 100);
	loop_once(loop, 0);
	EQ_INT(resumed, 1);
	budget_forget(&b, &w);
	budget_fini(&b);
	loop_free(loop);
}

int main(void)
{
	RUN(stop_at_once);
	RUN(flush_at_once);
	RUN(refused_while_resuming);
	return test_end();
}
