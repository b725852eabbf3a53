/* SPDX-License-Identifier: Apache-2.0 */
/* What all outputs share: the rings from the lanes, the thread, start and stop. */
#include <sched.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/output_run.h"

#define BLOCKS_PER_TURN 32 /* of one lane before the next is asked */

static void take(struct output *out, struct block *b)
{
	block_taken(b);
	if (!block_is_withdrawn(b)) {
		out->ops->deliver(out, b);
		return;
	}
	flow_withdrawn(b->flow, b->nrecs);
	block_end(b, b->nruns);
}

static bool poll_ports(struct poller *poller)
{
	struct output *out = container_of(poller, struct output, poller);
	bool did_work = false;

	for (uint32_t lane = 0; lane < out->nlanes; lane++) {
		struct block *b;

		for (int i = 0; i < BLOCKS_PER_TURN && (b = ring_pop(&out->ports[lane])); i++) {
			take(out, b);
			did_work = true;
		}
	}
	return did_work;
}

void output_submit(struct output *out, uint32_t lane, struct block *b)
{
	CHECK_OBJ(b, BLOCK_MAGIC);
	CHECK(lane < out->nlanes);
	atomic_fetch_add(&out->held.n, 1);
	b->held = &out->held;
	if (!b->made_ns)
		b->made_ns = clock_mono_ns();
	/* Bounded by credit; see lane_port_push(). */
	while (!ring_push(&out->ports[lane], b)) {
		loop_wake_now(out->loop);
		sched_yield();
	}
	loop_wake(out->loop);
}

void output_setup(struct output *out, uint32_t nlanes, size_t port_capacity)
{
	out->magic = OUTPUT_MAGIC;
	out->loop = loop_new(out->name);
	out->nlanes = nlanes;
	out->ports = mem_array(nlanes, sizeof(*out->ports));
	for (uint32_t i = 0; i < nlanes; i++)
		ring_init(&out->ports[i], port_capacity);
}

static void on_start(struct mail *m)
{
	struct output *out = container_of(m, struct output, start_mail);

	if (out->ops->start)
		out->ops->start(out);
	loop_poller_add(out->loop, &out->poller, poll_ports);
}

void output_start(struct output *out)
{
	loop_post(out->loop, &out->start_mail, on_start);
	loop_start(out->loop);
}

static void on_flush(struct mail *m)
{
	struct output *out = container_of(m, struct output, flush_mail);

	while (poll_ports(&out->poller))
		;
	if (out->ops->flush)
		out->ops->flush(out);
}

void output_flush(struct output *out)
{
	loop_post(out->loop, &out->flush_mail, on_flush);
}

bool output_is_drained(const struct output *out)
{
	return atomic_load(&((struct output *)(uintptr_t)out)->held.n) == 0;
}

static void on_stop(struct mail *m)
{
	struct output *out = container_of(m, struct output, stop_mail);

	while (poll_ports(&out->poller))
		;
	out->ops->stop(out);
	loop_poller_del(out->loop, &out->poller);
	loop_stop(out->loop);
}

void output_stop(struct output *out)
{
	loop_post(out->loop, &out->stop_mail, on_stop);
	loop_join(out->loop);
}

void output_teardown(struct output *out)
{
	if (!out->loop)
		return;
	for (uint32_t i = 0; i < out->nlanes; i++)
		ring_fini(&out->ports[i]);
	mem_free(out->ports);
	loop_free(out->loop);
	out->loop = NULL;
}
