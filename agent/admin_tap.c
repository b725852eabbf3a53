/* SPDX-License-Identifier: Apache-2.0 */
/* /tap: one session at a time. The first request opens it and is told its number, further ones with that number
 * get what has come since, or wait a second for it; with close=1 they end it. Who does not ask for five seconds, or leaves, has closed it. */
#include "agent/admin_impl.h"
#include "agent/tap.h"
#include "lib/clock.h"
#include "lib/http_text.h"
#include "lib/mem.h"

#define POLL_NS NS_PER_S
#define LOOK_NS (NS_PER_S / 10)
#define STALE_NS (5 * NS_PER_S)
#define RATE_DEFAULT 10

struct tap_desk {
	struct admin *admin;
	struct admin_held held;
	struct tap *tap; /* NULL: no session */
	uint64_t session;
	bool as_json;
	struct http_conn *c; /* that waits, or NULL */
	int64_t until_ns;    /* it waits; or somebody has to ask */
	struct timer timer;
};

static void end_session(struct tap_desk *d)
{
	tap_close(TAKE(d->tap));
	loop_timer_del(d->admin->agent->loop, &d->timer);
}

static void gone(struct admin_held *held)
{
	struct tap_desk *d = container_of(held, struct tap_desk, held);

	d->c = NULL;
	end_session(d);
}

static void on_timer(struct timer *t);

static void wait_again(struct tap_desk *d, int64_t in_ns)
{
	loop_timer_in(d->admin->agent->loop, &d->timer, in_ns, on_timer);
}

/* To who waits; from now on somebody has to ask again. */
static void answer(struct tap_desk *d, const struct buf *body)
{
	struct http_conn *c = TAKE(d->c);

	d->until_ns = clock_mono_ns() + STALE_NS;
	wait_again(d, STALE_NS);
	admin_answer(c, 200, d->as_json ? "application/x-ndjson" : "text/plain; charset=utf-8",
		     body);
}

static void on_timer(struct timer *t)
{
	struct tap_desk *d = container_of(t, struct tap_desk, timer);
	struct buf body = BUF_INIT;

	if (!d->c) {
		end_session(d);
		return;
	}
	tap_take(d->tap, &body);
	if (body.n || clock_mono_ns() >= d->until_ns)
		answer(d, &body);
	else
		wait_again(d, LOOK_NS);
	buf_fini(&body);
}

static void poll_session(struct tap_desk *d, struct http_conn *c, uint64_t session)
{
	if (!d->tap || session != d->session) {
		http_answer_text(c, 410, "this tap has ended");
	} else if (d->c) {
		http_answer_text(c, 409, "somebody waits for the same");
	} else {
		d->c = c;
		d->until_ns = clock_mono_ns() + POLL_NS;
		http_set_user(c, &d->held);
		wait_again(d, 0);
	}
}

static void close_session(struct tap_desk *d, struct http_conn *c, uint64_t session)
{
	if (d->tap && session == d->session && !d->c)
		end_session(d);
	http_answer_text(c, 200, "closed");
}

static struct str plain(struct str query, struct str name, struct buf *ret)
{
	http_unescape(http_query_find(query, name), true, ret);
	return buf_as_str(ret);
}

static void open_session(struct tap_desk *d, struct http_conn *c, struct str query)
{
	struct buf pipeline = BUF_INIT, stage = BUF_INIT, body = BUF_INIT;
	uint64_t rate = RATE_DEFAULT;
	struct err err = ERR_NONE;
	struct tap_conf conf = {
		.pipeline = plain(query, STR("pipeline"), &pipeline),
		.stage = plain(query, STR("stage"), &stage),
		.is_before = str_is(http_query_find(query, STR("where")), "before"),
		.as_json = str_is(http_query_find(query, STR("format")), "json"),
	};
	struct str text = http_query_find(query, STR("rate"));

	if (text.p && (!str_u64(text, &rate) || !rate || rate > TAP_RATE_MAX)) {
		http_answer_text(c, 400, "rate is a number from 1 to 1000");
	} else if (d->tap) {
		http_answer_text(c, 409, "another tap runs; it ends five seconds after its reader");
	} else {
		conf.rate = (unsigned)rate;
		if (tap_open(d->admin->agent, &conf, &d->tap, &err) < 0) {
			http_answer_text(c, 404, err.text);
		} else {
			d->as_json = conf.as_json;
			buf_printf(&body, "%llu\n", (unsigned long long)++d->session);
			wait_again(d, STALE_NS);
			admin_answer(c, 200, "text/plain; charset=utf-8", &body);
		}
	}
	buf_fini(&pipeline);
	buf_fini(&stage);
	buf_fini(&body);
}

void admin_tap(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	struct str session = http_query_find(head->query, STR("session"));
	uint64_t number = 0;

	if (!session.p)
		open_session(a->tap, c, head->query);
	else if (str_u64(session, &number) &&
		 str_is(http_query_find(head->query, STR("close")), "1"))
		close_session(a->tap, c, number);
	else if (str_u64(session, &number))
		poll_session(a->tap, c, number);
	else
		http_answer_text(c, 400, "session is a number");
}

struct tap_desk *tap_desk_new(struct admin *admin)
{
	struct tap_desk *d = mem_zalloc(sizeof(*d));

	d->admin = admin;
	d->held.gone = gone;
	d->session = (uint64_t)clock_mono_ns(); /* of another run nobody has one by chance */
	return d;
}

void tap_desk_stop(struct tap_desk *d)
{
	struct http_conn *c = TAKE(d->c);

	if (!d->tap)
		return;
	end_session(d);
	if (c)
		http_answer_text(c, 410, "this tap has ended");
}

void tap_desk_free(struct tap_desk *d)
{
	if (!d)
		return;
	CHECK(!d->c); /* the servers are gone */
	end_session(d);
	tap_forget_all();
	mem_free(d);
}
