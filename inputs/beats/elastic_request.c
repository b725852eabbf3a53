/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with events. They are read as they come and leave in batches, so a body may be larger than all
 * memory; the answer waits for the last of them. */
#include "inputs/beats/elastic.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static struct elastic_request *request_of(struct ask *a)
{
	return container_of(a, struct elastic_request, ask);
}

static struct client_stream *stream_of(struct elastic *e, struct http_conn *c, struct str tenant)
{
	struct label job = { STR("job"), str_c(e->input->name) };
	struct client_stream *s = stream_find(&e->streams, tenant, http_peer(c));

	return s ? s : stream_add(&e->streams, tenant, http_peer(c), &job, 1);
}

struct elastic_request *elastic_request_new(struct elastic *e, struct http_conn *c,
					    enum elastic_kind kind, struct str tenant,
					    const char *answer)
{
	struct client_stream *s = kind == ELASTIC_PASS ? NULL : stream_of(e, c, tenant);
	struct elastic_request *r;

	if (!s && kind != ELASTIC_PASS)
		return NULL;
	r = mem_zalloc(sizeof(*r));
	r->elastic = e;
	r->conn = c;
	r->kind = kind;
	r->answer = answer;
	r->action = BULK_NONE;
	docs_init(&r->docs, kind == ELASTIC_BULK, e->max_event);
	if (kind == ELASTIC_PASS)
		return r;
	ask_init(&r->ask, &e->asks);
	ask_stream(&r->ask, s);
	return r;
}

/* Memory that is there already is charged, but never refused: it is bounded by that of a document, and of
 * ELASTIC_ITEMS_MAX. */
static void charge(struct elastic_request *r, size_t bytes)
{
	if (bytes)
		input_force(r->elastic->input, bytes);
	r->ask.charged_bytes += bytes;
}

static void charge_docs(struct elastic_request *r)
{
	if (r->docs.kept.cap > r->docs_bytes)
		charge(r, r->docs.kept.cap - r->docs_bytes);
	else
		ask_uncharge(&r->ask, r->docs_bytes - r->docs.kept.cap);
	r->docs_bytes = r->docs.kept.cap;
}

/* Ends */

static void refuse(struct elastic_request *r, unsigned status, const char *why)
{
	struct http_conn *c = TAKE(r->conn);

	if (status != 503) {
		input_count_error(r->elastic->input, status == 413 ? "too_large" : "malformed");
		log_warn("refused a request", KV_S("input", r->elastic->input->name),
			 KV("peer", http_peer(c)), KV_S("error", why));
	}
	elastic_refuse(c, status, why);
	ask_withdraw(&r->ask);
}

void elastic_request_gone(struct elastic_request *r)
{
	r->conn = NULL;
	if (r->kind == ELASTIC_PASS) {
		docs_fini(&r->docs);
		mem_free(r);
	} else {
		ask_withdraw(&r->ask);
	}
}

/* Events */

enum taken { TAKEN, NO_CREDIT, REFUSED };

static void add_record(struct elastic_request *r, struct batch *b, struct str doc)
{
	struct elastic *e = r->elastic;
	unsigned flags =
		event_add(&e->reader, b, arena_dup(&b->arena, doc), r->docs.is_cut, &e->tally);
	struct rec *rec = &b->recs[b->nrecs - 1];

	if (flags & EVENT_UNPARSED && !r->docs.is_cut) {
		b->nrecs--; /* it is told instead */
		e->tally.unparsed--;
		input_count_error(e->input, "malformed");
		charge(r, bulk_add(&r->items, r->action, 400));
		return;
	}
	if (!(flags & EVENT_HAS_PLACE))
		charge(r, event_equals_part(&r->equals, rec));
	charge(r, bulk_add(&r->items, r->action, 201));
}

static enum taken add_document(struct elastic_request *r, struct str doc, size_t left)
{
	struct batch *b = ask_batch(&r->ask, doc.n + EVENT_ROOM, 2 * left);

	if (!b)
		return NO_CREDIT;
	add_record(r, b, doc);
	r->action = BULK_NONE;
	return TAKEN;
}

static enum taken take_line(struct elastic_request *r, struct str line, size_t left)
{
	if (r->items.nitems == ELASTIC_ITEMS_MAX) {
		refuse(r, 413, "more than 65536 actions in one request");
		return REFUSED;
	}
	if (r->kind == ELASTIC_INGEST)
		r->action = BULK_CREATE;
	if (r->action == BULK_UPDATE) {
		charge(r, bulk_add(&r->items, BULK_UPDATE, 400));
		r->action = BULK_NONE;
		return TAKEN;
	}
	if (r->action != BULK_NONE)
		return add_document(r, line, left);
	r->action = bulk_action(line);
	if (r->action == BULK_NONE || r->docs.is_cut) {
		refuse(r, 400, "malformed action/metadata line");
		return REFUSED;
	}
	if (r->action == BULK_DELETE) {
		charge(r, bulk_add(&r->items, BULK_DELETE, 404));
		r->action = BULK_NONE;
	}
	return TAKEN;
}

/* What there is of the body. */
static enum taken take_all(struct elastic_request *r, struct str *avail)
{
	struct elastic *e = r->elastic; /* r ends when it is refused */
	enum taken taken = TAKEN;
	struct str doc;
	int got;

	e->reader.now_ns = clock_wall_ns();
	while (taken == TAKEN && (got = docs_next(&r->docs, avail, &doc)) != 0) {
		if (got < 0) {
			refuse(r, 400, "the body is no JSON object, nor several");
			return REFUSED;
		}
		taken = take_line(r, doc, avail->n);
		if (taken == TAKEN)
			docs_take(&r->docs);
		else if (taken == NO_CREDIT)
			docs_later(&r->docs, avail);
	}
	event_tally_count(&e->tally, e->input);
	if (taken != REFUSED)
		charge_docs(r);
	return taken;
}

size_t elastic_request_bytes(struct elastic_request *r, struct str bytes)
{
	struct str avail = bytes;
	enum taken taken;

	if (r->kind == ELASTIC_PASS)
		return bytes.n;
	taken = take_all(r, &avail);
	if (taken == REFUSED)
		return 0;
	if (taken == NO_CREDIT) {
		if (avail.n < bytes.n) /* it moves */
			loop_timer_del(r->elastic->input->loop, &r->ask.timer);
		ask_begin_hold(&r->ask);
		http_pause(r->conn); /* also when nothing is left of these */
	} else {
		loop_timer_del(r->elastic->input->loop, &r->ask.timer);
	}
	return bytes.n - avail.n;
}

/* The body is complete: what has no line end, and the answer. */
static void finish(struct elastic_request *r)
{
	struct str none = STR_NONE, doc;
	enum taken taken = take_all(r, &none);
	int got;

	if (taken != TAKEN)
		return;
	got = docs_end(&r->docs, &doc);
	if (got < 0) {
		refuse(r, 400, "the body ends within an object");
		return;
	}
	if (got > 0 && (taken = take_line(r, doc, 0)) != TAKEN)
		return;
	event_tally_count(&r->elastic->tally, r->elastic->input);
	if (got > 0)
		docs_take(&r->docs);
	if (r->action != BULK_NONE)
		refuse(r, 400, "the body ends behind an action, without its document");
	else
		ask_complete(&r->ask);
}

void elastic_request_end(struct elastic_request *r)
{
	if (r->kind == ELASTIC_PASS) {
		struct http_conn *c = TAKE(r->conn);
		const char *answer = r->answer;

		elastic_request_gone(r);
		elastic_answer(c, 200, str_c(answer));
		return;
	}
	r->is_ended = true;
	ask_begin_hold(&r->ask);
	finish(r);
}

/* What inputs/clients.h calls */

static void free_body(struct ask *a)
{
	struct elastic_request *r = request_of(a);

	docs_fini(&r->docs);
	r->docs_bytes = 0;
	event_equals_fini(&r->equals);
}

static void ended(struct ask *a)
{
	struct elastic_request *r = request_of(a);

	bulk_fini(&r->items);
	mem_free(r);
}

static void accepted(struct ask *a)
{
	struct elastic_request *r = request_of(a);
	struct http_conn *c = TAKE(r->conn);
	struct buf body = BUF_INIT;
	size_t refused = 0;

	for (size_t i = 0; i < r->items.n; i++)
		refused += r->items.runs[i].status >= 300 ? r->items.runs[i].n : 0;
	if (r->kind == ELASTIC_BULK)
		bulk_answer(&r->items, &body);
	else
		buf_printf(&body, "{\"accepted\":%zu,\"refused\":%zu}", r->items.nitems - refused,
			   refused);
	elastic_answer(
		c, r->kind == ELASTIC_INGEST && refused && refused == r->items.nitems ? 400 : 200,
		buf_as_str(&body));
	buf_fini(&body);
}

static void refuse_later(struct ask *a, enum ask_refusal why)
{
	refuse(request_of(a), 503,
	       why == ASK_LATE ? "not delivered yet, send it again"
			       : "this agent is being stopped, send it again");
}

static void go_on(struct ask *a)
{
	struct elastic_request *r = request_of(a);

	if (r->is_ended)
		finish(r);
	else
		http_resume(r->conn);
}

const struct ask_ops elastic_asks = {
	.go_on = go_on,
	.accepted = accepted,
	.refuse = refuse_later,
	.free_body = free_body,
	.ended = ended,
};
