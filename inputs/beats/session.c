/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection. A window is acknowledged, whole, when it is complete and all its batches are
 * settled; until then the client is told that it is being worked on. A client that leaves takes back what
 * is not in a push yet: it will send it again. */
#include "inputs/beats/beats.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Windows */

struct window *session_window(struct session *s)
{
	struct window *w = mem_zalloc(sizeof(*w));

	if (s->last)
		s->last->next = w;
	else
		s->first = w;
	s->last = w;
	s->nwindows++;
	return w;
}

static void pop_window(struct session *s)
{
	struct window *w = s->first;

	s->first = w->next;
	if (!s->first)
		s->last = NULL;
	s->nwindows--;
	mem_free(w);
}

/* Nobody waits for these any more: what is not in a push yet is not sent. */
static void withdraw(struct session *s, const struct window *w)
{
	for (struct beats_flight *f = s->flights; f; f = f->next) {
		if (f->window != w)
			continue;
		f->window = NULL;
		atomic_store(&f->ack.is_withdrawn, true);
	}
}

/* The newest, when it is not complete. */
static void drop_incomplete(struct session *s)
{
	struct window **link = &s->first, *before = NULL;

	if (!s->last || s->last->is_complete)
		return;
	withdraw(s, s->last);
	for (; (*link)->next; link = &(*link)->next)
		before = *link;
	mem_free(*link);
	*link = NULL;
	s->last = before;
	s->nwindows--;
}

/* Credit */

void session_charge(struct session *s, size_t bytes)
{
	if (!bytes)
		return;
	input_force(s->beats->input, bytes);
	s->charged_bytes += bytes;
}

void session_uncharge(struct session *s, size_t bytes)
{
	if (!bytes)
		return;
	input_give(s->beats->input, bytes);
	s->charged_bytes -= bytes;
}

static void on_turn(struct timer *t)
{
	session_run(container_of(t, struct session, turn), true);
}

void sessions_resume(struct beats *beats)
{
	beats->is_crowded = false;
	for (struct session *s = beats->sessions; s; s = s->next) {
		if (!s->waits)
			continue;
		s->waits = false;
		s->read_ns = s->since_ns = loop_now_ns(beats->input->loop);
		loop_timer_in(beats->input->loop, &s->turn, 0, on_turn);
	}
}

void session_close_batch(struct session *s)
{
	s->beats->open_bytes -= s->batch_room;
	s->batch_room = 0;
	if (s->beats->is_crowded)
		sessions_resume(s->beats);
}

/* Batches */

static void flight_free(struct beats_flight *f)
{
	if (f->window)
		f->window->nflights--;
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	mem_free(f);
}

static void on_settled(struct ack *a)
{
	struct beats_flight *f = container_of(a, struct beats_flight, ack);
	struct session *s = f->session;

	flight_free(f);
	if (!s->is_running)
		session_after(s);
}

void session_submit(struct session *s)
{
	struct beats_flight *f;

	if (!s->batch)
		return;
	f = mem_zalloc(sizeof(*f));
	f->session = s;
	f->window = s->last;
	f->window->nflights++;
	f->next = s->flights;
	f->link = &s->flights;
	if (f->next)
		f->next->link = &f->next;
	s->flights = f;
	ack_init(&f->ack, s->beats->input->loop, on_settled);
	f->ack.replays = true;
	s->batch->ack = &f->ack;
	s->batch->is_urgent = true;
	session_close_batch(s);
	input_submit(s->beats->input, TAKE(s->batch), s->batch_bytes);
}

static void drop_batch(struct session *s)
{
	if (!s->batch)
		return;
	session_close_batch(s);
	batch_free(TAKE(s->batch));
}

/* Its end */

static void session_free(struct session *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	source_fini(&s->source);
	mem_free(s);
}

static void gone(struct session *s)
{
	struct beats *beats = s->beats;
	struct loop *loop = beats->input->loop;

	stream_close(TAKE(s->stream));
	metric_set(beats->connections, (int64_t)--beats->nopen);
	loop_timer_del(loop, &s->watch);
	loop_timer_del(loop, &s->keepalive);
	loop_timer_del(loop, &s->turn);
	s->waits = false;
	drop_batch(s);
	while (s->first) {
		withdraw(s, s->first);
		pop_window(s);
	}
	lumber_fini(&s->lumber);
	event_equals_fini(&s->equals);
	buf_fini(&s->in);
	buf_fini(&s->out);
	session_uncharge(s, s->charged_bytes);
}

/* What begins no window any more can still be acknowledged. */
static void begin_end(struct session *s)
{
	s->waits = false;
	drop_batch(s);
	drop_incomplete(s);
}

/* Acknowledgements */

static void put_ack(struct session *s, uint32_t seq)
{
	unsigned char frame[LUMBER_ACK_BYTES];

	lumber_ack(seq, frame);
	buf_put(&s->out, frame, sizeof(frame));
	s->sent_ns = loop_now_ns(s->beats->input->loop);
}

static void flush(struct session *s)
{
	size_t sent = 0;
	ssize_t n = 1;

	while (sent < s->out.n && n > 0) {
		n = stream_send(s->stream, s->out.p + sent, s->out.n - sent);
		sent += n > 0 ? (size_t)n : 0;
	}
	if (n <= 0 && n != -EAGAIN)
		s->is_failed = true;
	if (sent == s->out.n) {
		buf_fini(&s->out);
		return;
	}
	memmove(s->out.p, s->out.p + sent, s->out.n - sent);
	s->out.n -= sent;
}

static void on_keepalive(struct timer *t)
{
	struct session *s = container_of(t, struct session, keepalive);
	int64_t due = s->sent_ns + s->beats->conf->keepalive_ns;

	/* One that is still sending does not listen. */
	if (due <= loop_now_ns(s->beats->input->loop) && !s->out.n &&
	    (s->first->is_complete || s->waits))
		put_ack(s, 0);
	session_after(s);
}

/* The next time that something has to be said. */
static void set_keepalive(struct session *s)
{
	struct loop *loop = s->beats->input->loop;
	int64_t at = s->sent_ns + s->beats->conf->keepalive_ns, now = loop_now_ns(loop);

	if (!s->first)
		loop_timer_del(loop, &s->keepalive);
	else if (!s->keepalive.at_ns)
		loop_timer_set(loop, &s->keepalive,
			       at > now ? at : now + s->beats->conf->keepalive_ns, on_keepalive);
}

void session_after(struct session *s)
{
	uint32_t events;

	if (s->is_running)
		return;
	if (s->stream && s->is_ending)
		begin_end(s);
	while (s->stream && s->first && s->first->is_complete && !s->first->nflights) {
		put_ack(s, s->first->seq);
		pop_window(s);
	}
	if (s->stream && s->out.n && !s->is_failed)
		flush(s);
	if (s->stream && (s->is_failed || (s->is_ending && !s->first)))
		gone(s);
	if (!s->stream) {
		if (!s->flights)
			session_free(s);
		return;
	}
	set_keepalive(s);
	session_watch(s);
	if (session_may_read(s) && (s->in.n || stream_has_more(s->stream))) /* the others first */
		loop_timer_in(s->beats->input->loop, &s->turn, 0, on_turn);
	events = session_may_read(s) && !s->in.n ? EPOLLIN : EPOLLRDHUP;
	stream_want(s->stream, events | (s->out.n ? EPOLLOUT : 0));
}

/* Timeouts: one timer, set for whatever is due first; 0: nothing is. */

static int64_t due_ns(const struct session *s)
{
	const struct beats_conf *conf = s->beats->conf;
	int64_t stall = s->read_ns + conf->stall_timeout_ns;
	int64_t window = s->since_ns + conf->window_timeout_ns;

	if (s->is_ending)
		return s->read_ns + conf->window_timeout_ns;
	if (!lumber_is_idle(&s->lumber))
		return stall < window && stall ? stall : window;
	return s->first ? 0 : s->read_ns + conf->idle_timeout_ns;
}

static void on_watch(struct timer *t)
{
	struct session *s = container_of(t, struct session, watch);
	int64_t now = loop_now_ns(s->beats->input->loop);

	if (!session_may_read(s) && !s->is_ending) /* one that we do not read is not to blame */
		s->read_ns = s->since_ns = now;
	if (due_ns(s) && due_ns(s) <= now) {
		s->is_failed = true;
		if (!s->is_ending && !lumber_is_idle(&s->lumber)) {
			input_count_error(s->beats->input, "window_timeout");
			log_warn("closing a connection: too slow",
				 KV_S("input", s->beats->input->name),
				 KV_S("peer", s->stream->address));
		}
	}
	session_after(s);
}

void session_watch(struct session *s)
{
	int64_t due = due_ns(s);

	if (due && (!s->watch.at_ns || s->watch.at_ns > due))
		loop_timer_set(s->beats->input->loop, &s->watch, due, on_watch);
}

/* Streams */

static void on_opened(struct stream *stream)
{
	struct beats *beats = stream_server_ctx(stream->server);
	const struct conf_map *configured = &beats->conf->labels;
	struct label labels[LABELS_MAX];
	struct session *s = mem_zalloc(sizeof(*s));
	size_t n = 0;

	labels[n++] = (struct label){ STR("job"), str_c(beats->input->name) };
	for (size_t i = 0; i < configured->n && n < LABELS_MAX; i++)
		labels[n++] =
			(struct label){ configured->items[i].key, configured->items[i].value };
	source_init_labels(&s->source, beats->input, beats->accepted++, labels, n);
	s->source.keeps_times = true;
	s->beats = beats;
	s->stream = stream;
	((struct beats_conn *)stream)->session = s;
	lumber_init(&s->lumber, beats->conf->max_window);
	s->link = &beats->sessions;
	s->next = beats->sessions;
	if (s->next)
		s->next->link = &s->next;
	beats->sessions = s;
	metric_set(beats->connections, (int64_t)++beats->nopen);
	s->read_ns = s->since_ns = loop_now_ns(beats->input->loop);
	session_after(s);
}

static void on_ready(struct stream *stream, uint32_t events)
{
	struct session *s = ((struct beats_conn *)stream)->session;

	/* What it has sent before comes first, unless we are not reading: a client never closes one side
	 * only. */
	if (events & (EPOLLHUP | EPOLLERR) ||
	    (events & EPOLLRDHUP && (!session_may_read(s) || s->in.n)))
		s->is_failed = true;
	session_run(s, true);
}

static void on_refused(void *ctx, const char *reason)
{
	input_count_error(((struct beats *)ctx)->input, reason);
}

const struct stream_ops beats_stream = {
	.size = sizeof(struct beats_conn),
	.opened = on_opened,
	.ready = on_ready,
	.refused = on_refused,
};

/* All of them */

void sessions_stop(struct beats *beats)
{
	struct session *next;

	for (struct session *s = beats->sessions; s; s = next) {
		next = s->next;
		s->is_ending = true;
		session_after(s);
	}
}

void sessions_abandon(struct beats *beats)
{
	while (beats->sessions) {
		struct session *s = beats->sessions;

		s->is_running = true;
		if (s->stream)
			gone(s);
		while (s->flights)
			flight_free(s->flights);
		session_free(s);
	}
}
