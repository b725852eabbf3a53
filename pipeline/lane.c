/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: rings in, chains out. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/chain.h"
#include "pipeline/lane.h"

#define LANE_MAGIC 0x1a9eu
#define BATCHES_PER_TURN 8 /* of one port before the next is asked */

struct lane_port {
	struct ring ring;
	struct lane *lane;
	size_t pipeline;
	struct lane_port *next;
};

struct lane {
	unsigned magic;
	uint32_t index;
	struct loop *loop;
	bool is_fused;
	pthread_t starter; /* a fused lane's thread */
	struct chain **chains;
	size_t nchains;
	struct lane_port *ports;
	struct poller poller;
	struct mail stop;
};

struct lane *lane_new(uint32_t index, struct loop *loop, size_t nchains)
{
	struct lane *l = mem_zalloc(sizeof(*l));
	char name[16];

	l->magic = LANE_MAGIC;
	l->index = index;
	l->is_fused = loop != NULL;
	snprintf(name, sizeof(name), "lane-%u", index);
	l->loop = loop ? loop : loop_new(name);
	l->chains = mem_array(nchains, sizeof(struct chain *));
	l->nchains = nchains;
	return l;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	CHECK_OBJ(l, LANE_MAGIC);
	for (size_t i = 0; i < l->nchains; i++)
		chain_close(l->chains[i]);
	if (!l->is_fused)
		loop_free(l->loop);
	mem_free(l->chains);
	mem_free(l);
}

struct loop *lane_loop(struct lane *l)
{
	return l->loop;
}

bool lane_is_fused(const struct lane *l)
{
	return l->is_fused;
}

void lane_set_chain(struct lane *l, size_t pipeline, struct chain *c)
{
	CHECK(pipeline < l->nchains && !l->chains[pipeline]);
	l->chains[pipeline] = c;
}

struct chain *lane_chain(const struct lane *l, size_t pipeline)
{
	return pipeline < l->nchains ? l->chains[pipeline] : NULL;
}

void lane_run(struct lane *l, size_t pipeline, struct batch *b)
{
	CHECK(pipeline < l->nchains);
	chain_run(l->chains[pipeline], b);
}

static bool poll_ports(struct poller *poller)
{
	struct lane *l = container_of(poller, struct lane, poller);
	bool did_work = false;

	for (struct lane_port *p = l->ports; p; p = p->next) {
		struct batch *b;

		for (int i = 0; i < BATCHES_PER_TURN && (b = ring_pop(&p->ring)); i++) {
			lane_run(l, p->pipeline, b);
			did_work = true;
		}
	}
	return did_work;
}

void lane_start(struct lane *l)
{
	l->starter = pthread_self();
	loop_poller_add(l->loop, &l->poller, poll_ports);
	if (!l->is_fused)
		loop_start(l->loop);
}

static void flush_all(struct lane *l)
{
	while (poll_ports(&l->poller))
		;
	for (size_t i = 0; i < l->nchains; i++)
		if (l->chains[i])
			chain_flush(l->chains[i], NULL);
}

static void on_stop(struct mail *m)
{
	struct lane *l = container_of(m, struct lane, stop);

	flush_all(l);
	loop_stop(l->loop);
}

void lane_stop(struct lane *l)
{
	if (l->is_fused) {
		flush_all(l);
		loop_poller_del(l->loop, &l->poller);
		return;
	}
	loop_post(l->loop, &l->stop, on_stop);
	loop_join(l->loop);
}

struct lane_port *lane_port_new(struct lane *l, size_t pipeline, size_t capacity)
{
	struct lane_port *p = mem_zalloc(sizeof(*p));

	ring_init(&p->ring, capacity);
	p->lane = l;
	p->pipeline = pipeline;
	p->next = l->ports;
	l->ports = p;
	return p;
}

void lane_port_push(struct lane_port *p, struct batch *b)
{
	/* Credits bound the number of batches below the capacity; forced ones may exceed it for a
	 * moment, then the producer waits. */
	while (!ring_push(&p->ring, b)) {
		/* At the stop a receiver's last batches come from the fused lane's own thread:
		 * nobody else would make room. */
		if (p->lane->is_fused && pthread_equal(p->lane->starter, pthread_self())) {
			poll_ports(&p->lane->poller);
			continue;
		}
		loop_wake_now(p->lane->loop);
		sched_yield();
	}
	loop_wake(p->lane->loop);
}

void lane_port_free(struct lane_port *p)
{
	if (!p)
		return;
	for (struct lane_port **at = &p->lane->ports; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	ring_fini(&p->ring);
	mem_free(p);
}
