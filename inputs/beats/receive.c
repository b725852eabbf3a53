/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection does with bytes: events are received straight into the arena of their batch and read
 * there. Without credit nothing is received, and the client waits. */
#include <errno.h>

#include "inputs/beats/beats.h"
#include "lib/clock.h"
#include "lib/log.h"

#define READS_MAX 4                /* of a connection, per turn */
#define EVENTS_MAX 2048            /* the same */
#define READ_LITTLE ((size_t)4096) /* when what is read will likely have to wait for credit */
#define OUT_MAX 1024               /* bytes of acknowledgements that a client has not taken */

bool session_may_read(const struct session *s)
{
	return !s->waits && !s->is_ending && !s->is_failed && s->out.n <= OUT_MAX &&
	       s->nwindows < BEATS_WINDOWS_MAX;
}

/* Credit */

static bool wait_for_credit(struct session *s, size_t bytes)
{
	struct input *in = s->beats->input;

	s->waits = true;
	metric_add(in->paused, 1);
	budget_wait(in->budget, &in->waiter, bytes);
	return false;
}

/* Batches that wait for their client may have half of the credit; else clients that never send what they
 * have begun could stop everybody until their time is over. */
static bool is_crowded(struct session *s, size_t bytes)
{
	struct beats *beats = s->beats;

	if (!beats->open_bytes ||
	    beats->open_bytes + bytes <= (size_t)beats->input->budget->total_bytes / 2)
		return false;
	beats->is_crowded = true;
	s->waits = true;
	metric_add(beats->input->paused, 1);
	return true;
}

static bool start_batch(struct session *s, size_t need)
{
	struct input *in = s->beats->input;
	size_t most = in->batch_bytes > need ? in->batch_bytes : need;
	size_t bytes = need * s->lumber.left;

	if (bytes > most || bytes / need != s->lumber.left)
		bytes = most;
	if (is_crowded(s, bytes))
		return false;
	s->batch = input_batch(in, &s->source, bytes);
	if (!s->batch) {
		s->waits = true;
		return false;
	}
	s->batch_room = bytes;
	s->batch_bytes = 0;
	s->beats->open_bytes += bytes;
	batch_reserve(s->batch, (uint32_t)(bytes / need < 512 ? bytes / need : 512));
	return true;
}

/* Room for the event that comes. False: no credit. */
static bool make_room(struct session *s)
{
	size_t n = s->lumber.bytes < s->beats->max_event ? s->lumber.bytes : s->beats->max_event;
	size_t need = n + EVENT_ROOM;

	if (s->batch && (s->batch->nrecs == BATCH_RECS_MAX ||
			 s->batch->nrecs * EVENT_ROOM + s->batch_bytes + need > s->batch_room))
		session_submit(s);
	if (!s->batch && !start_batch(s, need))
		return false;
	s->event = arena_bytes(&s->batch->arena, n);
	s->event_bytes = n;
	lumber_into(&s->lumber, s->event, n);
	return true;
}

static bool begin_unpacking(struct session *s)
{
	if (!input_take(s->beats->input, LUMBER_INFLATE_BYTES))
		return wait_for_credit(s, LUMBER_INFLATE_BYTES);
	s->charged_bytes += LUMBER_INFLATE_BYTES;
	lumber_unpack(&s->lumber);
	return true;
}

/* Events */

static void begin_window(struct session *s)
{
	session_window(s);
	s->since_ns = s->read_ns;
	session_uncharge(s, event_equals_fini(&s->equals));
}

static void end_window(struct session *s)
{
	session_submit(s);
	s->last->is_complete = true;
	session_uncharge(s, event_equals_fini(&s->equals));
}

/* Objects within objects repeat the names of those around them: a record may be a hundred times what came. */
static void weigh_batch(struct session *s)
{
	if (s->batch->arena.bytes > s->batch->charged_bytes)
		batch_recharge(s->batch);
	if (batch_is_overgrown(s->batch, s->batch_room))
		session_submit(s);
}

static void add_event(struct session *s)
{
	struct beats *beats = s->beats;
	struct str doc = str_make(s->event, s->event_bytes);
	unsigned flags =
		event_add(&beats->reader, s->batch, doc, s->lumber.bytes > doc.n, &beats->tally);
	struct rec *r = &s->batch->recs[s->batch->nrecs - 1];

	s->batch_bytes += doc.n;
	if (!(flags & EVENT_HAS_PLACE))
		session_charge(s, event_equals_part(&s->equals, r));
	s->event = NULL;
	s->last->seq = s->lumber.seq;
	weigh_batch(s);
	if (!s->lumber.left)
		end_window(s);
}

static void refuse(struct session *s)
{
	input_count_error(s->beats->input, "framing");
	log_warn("closing a connection", KV_S("input", s->beats->input->name),
		 KV_S("peer", s->stream->address), KV_S("error", s->lumber.why));
	s->is_ending = true;
}

/* False: not now. */
static bool step(struct session *s, struct str *avail, unsigned *nevents)
{
	bool was_packed = s->lumber.inflate;
	enum lumber_result got = lumber_next(&s->lumber, avail);

	if (was_packed && !s->lumber.inflate)
		session_uncharge(s, LUMBER_INFLATE_BYTES);
	switch (got) {
	case LUMBER_MORE:
		return false;
	case LUMBER_WINDOW:
		begin_window(s);
		if (!s->lumber.left)
			end_window(s); /* an empty one, which Logstash acknowledges, too */
		return true;
	case LUMBER_PACKED:
		return begin_unpacking(s);
	case LUMBER_EVENT:
		return make_room(s);
	case LUMBER_TAKEN:
		add_event(s);
		return ++*nevents < EVENTS_MAX;
	case LUMBER_BAD:
		refuse(s);
		break;
	}
	return false;
}

/* Takes these bytes, as far as it goes; the rest is kept. False: there is a rest. */
static bool take(struct session *s, struct str avail, unsigned *nevents)
{
	size_t had = s->in.n;

	s->beats->reader.now_ns = clock_wall_ns();
	while (session_may_read(s) && step(s, &avail, nevents))
		;
	if (s->is_ending)
		avail.n = 0;
	if (had && avail.n)
		memmove(s->in.p, avail.p, avail.n);
	else if (avail.n)
		buf_put(&s->in, avail.p, avail.n);
	if (avail.n)
		s->in.n = avail.n;
	else
		buf_fini(&s->in);
	if (avail.n > had)
		session_charge(s, avail.n - had);
	else
		session_uncharge(s, had - avail.n);
	return !avail.n;
}

/* False: nothing more now. */
static bool read_once(struct session *s, unsigned *nevents)
{
	const struct budget *budget = s->beats->input->budget;
	bool is_scarce = atomic_load(&budget->free_bytes) < budget->total_bytes / 8;
	ssize_t n = stream_recv(s->stream, s->beats->scratch,
				is_scarce ? READ_LITTLE : BEATS_READ_BYTES);

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		if (n < 0 && n != -ECONNRESET && n != -ETIMEDOUT && n != -EPROTO)
			input_count_error(s->beats->input, "receive");
		s->is_failed = true;
		return false;
	}
	s->read_ns = loop_now_ns(s->beats->input->loop);
	return take(s, str_make(s->beats->scratch, (size_t)n), nevents) && *nevents < EVENTS_MAX &&
	       ((size_t)n == BEATS_READ_BYTES || stream_has_more(s->stream));
}

void session_run(struct session *s, bool reads)
{
	bool is_fine = true;
	unsigned nevents = 0;

	s->is_running = true;
	if (s->in.n && session_may_read(s))
		is_fine = take(s, buf_as_str(&s->in), &nevents);
	for (int i = 0; i < READS_MAX && is_fine && reads && !s->in.n && session_may_read(s); i++)
		is_fine = read_once(s, &nevents);
	event_tally_count(&s->beats->tally, s->beats->input);
	s->is_running = false;
	session_after(s);
}
