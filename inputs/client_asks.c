/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are answered when their records are settled. Memory is credit of the pipeline's budget from
 * the first byte on; without credit a request waits, and with it its client, for as long as hold_ns says. */
#include "inputs/clients.h"
#include "lib/mem.h"

static void set_stream(struct ask *a, struct client_stream *s)
{
	if (a->stream)
		a->stream->nrefs--;
	a->stream = s;
	if (s)
		s->nrefs++;
}

void ask_init(struct ask *a, struct asks *set)
{
	a->set = set;
	a->link = &set->first;
	a->next = set->first;
	if (a->next)
		a->next->link = &a->next;
	set->first = a;
}

static void give_memory(struct ask *a)
{
	set_stream(a, NULL);
	a->set->ops->free_body(a);
	ask_uncharge(a, a->charged_bytes);
}

static void end(struct ask *a)
{
	loop_timer_del(a->set->input->loop, &a->timer);
	if (a->batch)
		batch_free(TAKE(a->batch));
	give_memory(a);
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	a->set->ops->ended(a);
}

static void end_if_settled(struct ask *a)
{
	if (a->flights || !a->is_complete)
		return;
	if (!a->is_over)
		a->set->ops->accepted(a);
	end(a);
}

/* Nobody waits for it any more: what is not in a push yet is not sent. */
void ask_withdraw(struct ask *a)
{
	a->is_over = a->is_complete = true;
	a->waits = false;
	loop_timer_del(a->set->input->loop, &a->timer);
	if (a->batch)
		batch_free(TAKE(a->batch));
	give_memory(a);
	for (struct ask_flight *f = a->flights; f; f = f->next)
		atomic_store(&f->ack.is_withdrawn, true);
	end_if_settled(a);
}

static void on_hold(struct timer *t)
{
	struct ask *a = container_of(t, struct ask, timer);

	input_count_error(a->set->input, "not_settled_in_time");
	a->set->ops->refuse(a, ASK_LATE);
}

void ask_begin_hold(struct ask *a)
{
	int64_t hold_ns = a->set->hold_ns;

	if (a->hold_ns && a->hold_ns < hold_ns)
		hold_ns = a->hold_ns;
	if (!a->timer.at_ns)
		loop_timer_in(a->set->input->loop, &a->timer, hold_ns, on_hold);
}

bool ask_charge(struct ask *a, size_t bytes)
{
	struct input *in = a->set->input;

	if (input_take(in, bytes)) {
		a->charged_bytes += bytes;
		return true;
	}
	a->waits = true;
	metric_add(in->paused, 1);
	budget_wait(in->budget, &in->waiter, bytes);
	ask_begin_hold(a);
	return false;
}

void ask_uncharge(struct ask *a, size_t bytes)
{
	if (bytes)
		input_give(a->set->input, bytes);
	a->charged_bytes -= bytes;
}

/* Batches */

static void flight_free(struct ask_flight *f)
{
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	f->stream->nrefs--;
	mem_free(f);
}

static void on_settled(struct ack *ack)
{
	struct ask_flight *f = container_of(ack, struct ask_flight, ack);
	struct ask *a = f->ask;

	flight_free(f);
	end_if_settled(a);
}

static void submit(struct ask *a)
{
	struct ask_flight *f;

	if (!a->batch)
		return;
	f = mem_zalloc(sizeof(*f));
	f->ask = a;
	f->stream = a->stream;
	f->stream->nrefs++;
	f->next = a->flights;
	f->link = &a->flights;
	if (f->next)
		f->next->link = &f->next;
	a->flights = f;
	ack_init(&f->ack, a->set->input->loop, on_settled);
	f->ack.replays = true;
	a->batch->ack = &f->ack;
	a->batch->is_urgent = true;
	input_submit(a->set->input, TAKE(a->batch), a->batch_bytes);
}

void ask_stream(struct ask *a, struct client_stream *s)
{
	submit(a);
	set_stream(a, s);
}

struct batch *ask_batch(struct ask *a, size_t bytes, size_t left)
{
	struct input *in = a->set->input;

	if (a->batch &&
	    (a->batch_bytes + bytes > a->batch_room || a->batch->nrecs == BATCH_RECS_MAX ||
	     batch_is_overgrown(a->batch, a->batch_room)))
		submit(a);
	if (!a->batch) {
		a->batch_room = bytes + left;
		if (a->batch_room > in->batch_bytes)
			a->batch_room = bytes > in->batch_bytes ? bytes : in->batch_bytes;
		a->batch = input_batch(in, &a->stream->source, a->batch_room);
		a->batch_bytes = 0;
		a->nbatches += a->batch != NULL;
	}
	if (!a->batch) {
		a->waits = true;
		return NULL;
	}
	a->batch_bytes += bytes;
	return a->batch;
}

void ask_complete(struct ask *a)
{
	submit(a);
	give_memory(a);
	a->is_complete = true;
	end_if_settled(a);
}

/* All of them */

void asks_resume(struct asks *set)
{
	struct ask *next;

	for (struct ask *a = set->first; a; a = next) {
		next = a->next;
		if (!a->waits)
			continue;
		a->waits = false;
		set->ops->go_on(a);
	}
}

void asks_stop(struct asks *set)
{
	struct ask *next;

	for (struct ask *a = set->first; a; a = next) {
		next = a->next;
		if (!a->is_complete)
			set->ops->refuse(a, ASK_STOPPING);
	}
}

void asks_abandon(struct asks *set)
{
	while (set->first) {
		while (set->first->flights)
			flight_free(set->first->flights);
		end(set->first);
	}
}
