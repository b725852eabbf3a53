/* SPDX-License-Identifier: Apache-2.0 */
/* /status: who asks first waits a second for its rates; while somebody asks, each answer compares with the
 * sample before. Nobody asks: nothing is kept, no timer runs. */
#include "agent/admin_impl.h"
#include "agent/status.h"
#include "lib/clock.h"
#include "lib/http_text.h"
#include "lib/mem.h"

#define SPAN_NS NS_PER_S         /* a rate is of this long, at least */
#define STALE_NS (10 * NS_PER_S) /* an older sample is no use */

struct waiter {
	struct admin_held held;
	struct status_desk *desk;
	struct http_conn *c;
	bool is_text;
	struct waiter *next;
};

struct status_desk {
	struct admin *admin;
	struct status_sample base, last; /* last is the younger; base may be none */
	struct timer timer;
	struct waiter *waiters;
};

struct status_desk *status_desk_new(struct admin *admin)
{
	struct status_desk *d = mem_zalloc(sizeof(*d));

	d->admin = admin;
	return d;
}

static void forget(struct status_desk *d)
{
	status_sample_fini(&d->base);
	status_sample_fini(&d->last);
}

void status_desk_free(struct status_desk *d)
{
	if (!d)
		return;
	CHECK(!d->waiters); /* the servers are gone */
	loop_timer_del(d->admin->agent->loop, &d->timer);
	forget(d);
	mem_free(d);
}

static void answer(struct status_desk *d, struct http_conn *c, bool is_text)
{
	struct status status = status_make(d->admin->agent, &d->base);
	struct buf body = BUF_INIT;

	agent_measure(d->admin->agent);
	if (is_text)
		status_text(&status, &body);
	else
		status_json(&status, &body);
	admin_answer(c, 200, is_text ? "text/plain; charset=utf-8" : "application/json", &body);
	buf_fini(&body);
}

/* The younger sample becomes the one to compare with. */
static void advance(struct status_desk *d)
{
	status_sample_fini(&d->base);
	d->base = d->last;
	d->last = (struct status_sample){ 0 };
	status_sample_take(&d->last, d->admin->agent);
}

static void on_idle(struct timer *t)
{
	forget(container_of(t, struct status_desk, timer));
}

static void on_span(struct timer *t)
{
	struct status_desk *d = container_of(t, struct status_desk, timer);
	struct waiter *w;

	advance(d);
	while ((w = d->waiters)) {
		d->waiters = w->next;
		answer(d, w->c, w->is_text);
		mem_free(w);
	}
	loop_timer_in(d->admin->agent->loop, t, STALE_NS, on_idle);
}

static void gone(struct admin_held *held)
{
	struct waiter *w = container_of(held, struct waiter, held), **at = &w->desk->waiters;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	mem_free(w);
}

static void wait_for_span(struct status_desk *d, struct http_conn *c, bool is_text)
{
	struct waiter *w = mem_zalloc(sizeof(*w));

	*w = (struct waiter){
		.held = { gone }, .desk = d, .c = c, .is_text = is_text, .next = d->waiters
	};
	d->waiters = w;
	http_set_user(c, &w->held);
	if (d->last.at_ns)
		return;
	status_sample_take(&d->last, d->admin->agent);
	loop_timer_in(d->admin->agent->loop, &d->timer, SPAN_NS, on_span);
}

void admin_status(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	struct status_desk *d = a->status;
	bool is_text = str_is(http_query_find(head->query, STR("format")), "text");

	if (!d->base.at_ns) {
		wait_for_span(d, c, is_text);
		return;
	}
	if (clock_mono_ns() - d->last.at_ns >= SPAN_NS)
		advance(d);
	loop_timer_in(a->agent->loop, &d->timer, STALE_NS, on_idle);
	answer(d, c, is_text);
}
