/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: rings in, chains out. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/chain.h"
#include "pipeline/lane.h"

#define LANE_MAGIC 0x1a9eu
#define BATCHES_PER_TURN 8 /* of one port before the next is asked */

struct lane_port {
	struct ring ring;
	struct lane *lane;
	struct lane_port *next;
	struct mail free;
};

struct lane {
	unsigned magic;
	uint32_t index;
	struct loop *loop;
	bool is_fused;
	pthread_t starter; /* a fused lane's thread */
	struct chain **chains;
	size_t nchains;
	_Atomic(struct lane_port *) ports; /* the I/O thread adds, this one takes out */
	bool is_started;
	struct poller poller;
	struct mail end;
	const _Atomic int64_t *deadline_ns;
	bool is_ending;
	_Atomic bool has_ended;
};

struct lane *lane_new(uint32_t index, struct loop *loop)
{
	struct lane *l = mem_zalloc(sizeof(*l));
	char name[16];

	l->magic = LANE_MAGIC;
	l->index = index;
	l->is_fused = loop != NULL;
	snprintf(name, sizeof(name), "lane-%u", index);
	l->loop = loop ? loop : loop_new(name);
	return l;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	CHECK_OBJ(l, LANE_MAGIC);
	while (l->nchains)
		chain_close(l->chains[--l->nchains]);
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

void lane_add_chain(struct lane *l, struct chain *c)
{
	l->chains = mem_realloc(l->chains, (l->nchains + 1) * sizeof(struct chain *));
	l->chains[l->nchains++] = c;
}

void lane_del_chain(struct lane *l, struct chain *c)
{
	size_t i = 0;

	while (i < l->nchains && l->chains[i] != c)
		i++;
	CHECK(i < l->nchains);
	l->chains[i] = l->chains[--l->nchains];
	chain_close(c);
}

/* Whatever becomes of the batch, it has left. */
static void leave(struct way *way)
{
	atomic_fetch_sub_explicit(&way->nbatches, 1, memory_order_release);
}

void lane_run(struct lane *l, struct batch *b)
{
	struct way *way = b->way;

	b->source->entry = way->entry;
	chain_run(way->chains[l->index], b);
	leave(way);
}

static bool poll_ports(struct lane *l)
{
	bool did_work = false;

	for (struct lane_port *p = atomic_load(&l->ports); p; p = p->next) {
		struct batch *b;

		for (int i = 0; i < BATCHES_PER_TURN && (b = ring_pop(&p->ring)); i++) {
			lane_run(l, b);
			did_work = true;
		}
	}
	return did_work;
}

static bool is_too_late(const struct lane *l)
{
	return l->deadline_ns && clock_mono_ns() >= atomic_load(l->deadline_ns);
}

static void give_up(struct lane *l)
{
	for (struct lane_port *p = atomic_load(&l->ports); p; p = p->next) {
		struct batch *b;

		while ((b = ring_pop(&p->ring))) {
			struct way *way = b->way;

			chain_give_up(way->chains[l->index], b);
			leave(way);
		}
	}
}

static void end(struct lane *l)
{
	give_up(l); /* mostly nothing */
	for (size_t i = 0; i < l->nchains; i++)
		chain_flush(l->chains[i], NULL);
	loop_poller_del(l->loop, &l->poller);
	if (!l->is_fused)
		loop_stop(l->loop);
	atomic_store(&l->has_ended, true);
}

static bool poll_lane(struct poller *poller)
{
	struct lane *l = container_of(poller, struct lane, poller);
	bool did_work = !(l->is_ending && is_too_late(l)) && poll_ports(l);

	if (l->is_ending && !did_work && !lane_has_ended(l))
		end(l);
	return did_work;
}

void lane_start(struct lane *l)
{
	l->starter = pthread_self();
	l->is_started = true;
	loop_poller_add(l->loop, &l->poller, poll_lane);
	if (!l->is_fused)
		loop_start(l->loop);
}

static void on_end(struct mail *m)
{
	struct lane *l = container_of(m, struct lane, end);

	l->is_ending = true;
}

void lane_end(struct lane *l, const _Atomic int64_t *deadline_ns)
{
	l->deadline_ns = deadline_ns; /* the mail takes it to the lane's thread */
	if (l->is_fused)
		on_end(&l->end);
	else
		loop_post(l->loop, &l->end, on_end);
}

bool lane_has_ended(const struct lane *l)
{
	return atomic_load(&((struct lane *)(uintptr_t)l)->has_ended);
}

void lane_join(struct lane *l)
{
	while (l->is_fused && !lane_has_ended(l))
		poll_lane(&l->poller);
	if (!l->is_fused)
		loop_join(l->loop);
}

struct lane_port *lane_port_new(struct lane *l, size_t capacity)
{
	struct lane_port *p = mem_zalloc(sizeof(*p));

	ring_init(&p->ring, capacity);
	p->lane = l;
	p->next = atomic_load(&l->ports);
	while (!atomic_compare_exchange_weak(&l->ports, &p->next, p))
		;
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
			poll_ports(p->lane);
			continue;
		}
		loop_wake_now(p->lane->loop);
		sched_yield();
	}
	loop_wake(p->lane->loop);
}

static void unlink_port(struct lane *l, struct lane_port *p)
{
	struct lane_port *at = p;

	if (atomic_compare_exchange_strong(&l->ports, &at, p->next))
		return;
	while (at->next != p)
		at = at->next;
	at->next = p->next;
}

static void port_free(struct lane_port *p)
{
	struct batch *b;

	while ((b = ring_pop(&p->ring)))
		lane_run(p->lane, b);
	unlink_port(p->lane, p);
	ring_fini(&p->ring);
	mem_free(p);
}

static void on_free(struct mail *m)
{
	port_free(container_of(m, struct lane_port, free));
}

void lane_port_free(struct lane_port *p)
{
	if (!p)
		return;
	if (p->lane->is_started && !p->lane->is_fused && !lane_has_ended(p->lane))
		loop_post(p->lane->loop, &p->free, on_free);
	else
		port_free(p);
}
