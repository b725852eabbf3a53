/* SPDX-License-Identifier: Apache-2.0 */
/* Requests. Memory is credit of the pipeline's budget from the first byte on; without credit a request
 * waits, and with it its client, for as long as `hold` says. */
#include "inputs/lokipush/lokipush.h"

#include "lib/http_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/snap.h"

#define CHARGE_STEP ((size_t)64 * 1024)
#define TENANT_MAX 150

/* Ends */

static void set_stream(struct request *r, struct push_stream *s)
{
	if (r->stream)
		r->stream->nrefs--;
	r->stream = s;
	if (s)
		s->nrefs++;
}

static void request_free(struct request *r)
{
	struct input *in = r->lp->input;

	loop_timer_del(in->loop, &r->hold);
	if (r->batch)
		batch_free(r->batch);
	if (r->charged_bytes)
		budget_give(in->budget, r->charged_bytes);
	set_stream(r, NULL);
	buf_fini(&r->body);
	mem_free(r->plain);
	mem_free((void *)(uintptr_t)r->tenant.p);
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	mem_free(r);
}

static void flight_free(struct push_flight *f)
{
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	f->stream->nrefs--;
	mem_free(f);
}

/* The bodies are not needed any more. */
static void give_memory(struct request *r)
{
	set_stream(r, NULL);
	buf_fini(&r->body);
	mem_free(TAKE(r->plain));
	budget_give(r->lp->input->budget, r->charged_bytes);
	r->charged_bytes = 0;
}

/* Nobody waits for it any more: what is not in a push yet is not sent. */
static void withdraw(struct request *r)
{
	r->conn = NULL;
	r->waits = false;
	loop_timer_del(r->lp->input->loop, &r->hold);
	if (r->batch)
		batch_free(TAKE(r->batch));
	give_memory(r);
	for (struct push_flight *f = r->flights; f; f = f->next)
		atomic_store(&f->ack.is_withdrawn, true);
	r->stage = PUSH_WAIT;
	if (!r->flights)
		request_free(r);
}

static void refuse(struct request *r, unsigned status, const char *why)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s\n", why);
	http_answer(r->conn, &(struct http_answer){ .status = status,
						    .type = "text/plain; charset=utf-8",
						    .body = buf_as_str(&text),
						    .retry_after_s = status == 503 ? 1 : 0 });
	buf_fini(&text);
	withdraw(r);
}

static void refuse_bad(struct request *r, unsigned status, const char *why)
{
	input_count_error(r->lp->input, "malformed");
	log_warn("refused a push", KV_S("input", r->lp->input->name),
		 KV("peer", http_peer(r->conn)), KV_S("error", why));
	refuse(r, status, why);
}

static void accepted(struct request *r)
{
	http_answer(r->conn, &(struct http_answer){ .status = 204 });
	r->conn = NULL;
	request_free(r);
}

static void on_hold(struct timer *t)
{
	struct request *r = container_of(t, struct request, hold);

	input_count_error(r->lp->input, "not_settled_in_time");
	refuse(r, 503, "not delivered yet, send it again");
}

/* The client has begun to wait for us. */
static void begin_hold(struct request *r)
{
	if (!r->hold.at_ns)
		loop_timer_in(r->lp->input->loop, &r->hold, r->lp->conf->hold_ns, on_hold);
}

static bool charge(struct request *r, size_t bytes)
{
	struct input *in = r->lp->input;

	if (budget_take(in->budget, bytes)) {
		r->charged_bytes += bytes;
		return true;
	}
	r->waits = true;
	metric_add(in->paused, 1);
	budget_wait(in->budget, &in->waiter, bytes);
	begin_hold(r);
	return false;
}

/* Batches */

static void on_settled(struct ack *a)
{
	struct push_flight *f = container_of(a, struct push_flight, ack);
	struct request *r = f->request;

	flight_free(f);
	if (r->flights || r->stage != PUSH_WAIT)
		return;
	if (r->conn)
		accepted(r);
	else
		request_free(r);
}

static void submit(struct request *r)
{
	struct push_flight *f;

	if (!r->batch)
		return;
	f = mem_zalloc(sizeof(*f));
	f->request = r;
	f->stream = r->stream;
	f->stream->nrefs++;
	f->next = r->flights;
	f->link = &r->flights;
	if (f->next)
		f->next->link = &f->next;
	r->flights = f;
	ack_init(&f->ack, r->lp->input->loop, on_settled);
	f->ack.replays = true;
	r->batch->ack = &f->ack;
	r->batch->is_urgent = true;
	input_submit(r->lp->input, TAKE(r->batch), r->batch_bytes);
}

static struct str text_in(struct batch *b, const struct push_in_text *t)
{
	return t->form == PUSH_IN_PLAIN
		       ? arena_dup(&b->arena, t->raw)
		       : push_in_text(t, arena_bytes(&b->arena, push_in_text_size(t)));
}

/* False: no credit. */
static bool add_entry(struct request *r)
{
	struct input *in = r->lp->input;
	size_t bytes = r->entry.line.raw.n + r->entry.meta.rest.n;
	struct push_in_pairs meta = r->entry.meta;
	struct push_in_text name, value;
	struct rec *rec;

	if (r->batch &&
	    (r->batch_bytes + bytes > r->batch_room || r->batch->nrecs == BATCH_RECS_MAX))
		submit(r);
	if (!r->batch) {
		r->batch_room = bytes + r->in.entries.n;
		if (r->batch_room > in->batch_bytes)
			r->batch_room = bytes > in->batch_bytes ? bytes : in->batch_bytes;
		r->batch = input_batch(in, &r->stream->source, r->batch_room);
		r->batch_bytes = 0;
	}
	if (!r->batch)
		return false;
	r->batch_bytes += bytes;
	rec = batch_add(r->batch);
	rec->time_ns = r->entry.time_ns;
	rec->line = text_in(r->batch, &r->entry.line);
	while (push_in_pair(&meta, &name, &value) > 0) {
		struct str name_text = text_in(r->batch, &name);

		rec_attr_inline(r->batch, rec, name_text, ATTR_META, text_in(r->batch, &value));
	}
	return true;
}

/* As far as there is credit. */
static void walk(struct request *r)
{
	for (;; r->at = push_in_next(&r->in, &r->entry)) {
		if (r->at == PUSH_IN_STREAM) {
			submit(r);
			set_stream(r, stream_get(r->lp, &r->in, r->tenant));
			if (!r->stream) {
				input_count_error(r->lp->input, "too_many_streams");
				refuse(r, 503, "too many streams are on their way, send it again");
				return;
			}
		} else if (r->at == PUSH_IN_ENTRY && !add_entry(r)) {
			r->waits = true;
			return;
		} else if (r->at != PUSH_IN_ENTRY) {
			break;
		}
	}
	submit(r);
	give_memory(r);
	r->stage = PUSH_WAIT;
	if (!r->flights)
		accepted(r);
}

/* Bodies */

/* NULL, or why none of it can be taken. */
static const char *check(struct request *r, struct str text)
{
	enum push_in_result got;
	size_t stream_bytes = 0;

	push_in_init(&r->in, r->is_json, text);
	while ((got = push_in_next(&r->in, &r->entry)) > 0) {
		struct push_in_pairs meta = r->entry.meta;
		struct push_in_text name, value;
		const char *why = got == PUSH_IN_STREAM ? stream_check(r->lp, &r->in) : NULL;
		int pair = 0;

		if (why)
			return why;
		if (got == PUSH_IN_STREAM)
			stream_bytes += stream_size(&r->in, r->tenant);
		if (stream_bytes > STREAMS_BYTES_MAX / 2)
			return "there are too many streams in one push";
		while (got == PUSH_IN_ENTRY && (pair = push_in_pair(&meta, &name, &value)) > 0)
			;
		if (pair < 0)
			return "structured metadata is malformed: it must be strings";
	}
	return got == PUSH_IN_BAD ? r->in.why : NULL;
}

static void begin_walk(struct request *r, struct str text)
{
	const char *why = check(r, text);

	if (why) {
		refuse_bad(r, 400, why);
		return;
	}
	push_in_init(&r->in, r->is_json, text);
	r->stage = PUSH_WALK;
	r->at = push_in_next(&r->in, &r->entry);
	walk(r);
}

static void unpack(struct request *r)
{
	struct str body = buf_as_str(&r->body);
	size_t bytes, packed;

	if (r->is_json) {
		begin_walk(r, body);
		return;
	}
	if (!snap_size(body, &bytes)) {
		refuse_bad(r, 400, "the body is not Snappy");
		return;
	}
	if (bytes > r->lp->max_bytes) {
		refuse_bad(r, 413, "the push is larger than max_body, or than a quarter of memory");
		return;
	}
	packed = r->charged_bytes;
	if (!charge(r, bytes + 1))
		return;
	r->plain = mem_alloc(bytes + 1);
	if (!snap_unpack(body, r->plain, bytes)) {
		refuse_bad(r, 400, "the body is not Snappy");
		return;
	}
	buf_fini(&r->body);
	budget_give(r->lp->input->budget, packed);
	r->charged_bytes -= packed;
	begin_walk(r, str_make(r->plain, bytes));
}

/* HTTP */

/* Grafana's rule for tenants (dskit/tenant). */
static bool tenant_is_valid(struct str tenant)
{
	static const char also[] = "!-_.*'()";

	for (size_t i = 0; i < tenant.n; i++) {
		char c = tenant.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      memchr(also, c, sizeof(also) - 1)))
			return false;
	}
	return tenant.n <= TENANT_MAX && !str_is(tenant, ".") && !str_is(tenant, "..");
}

static void on_request(struct http_conn *c, const struct http1_head *head)
{
	struct lokipush *lp = http_ctx(c);
	struct str type = http_media_type(http1_field(head, STR("content-type")));
	struct str tenant = http1_field(head, STR("x-scope-orgid"));
	bool is_json = str_ieq(type, STR("application/json"));
	struct request *r;

	if (!str_is(head->path, "/loki/api/v1/push") && !str_is(head->path, "/api/prom/push")) {
		http_answer_text(c, 404, "try /loki/api/v1/push");
	} else if (!str_is(head->method, "POST")) {
		http_answer_text(c, 405, "only POST");
	} else if (!is_json && !str_ieq(type, STR("application/x-protobuf"))) {
		http_answer_text(c, 415,
				 "Content-Type must be application/x-protobuf or application/json");
	} else if (!tenant_is_valid(tenant) || http1_is_repeated(head, STR("x-scope-orgid"))) {
		http_answer_text(c, 400, "X-Scope-OrgID is no tenant");
	} else {
		r = mem_zalloc(sizeof(*r));
		r->lp = lp;
		r->conn = c;
		r->is_json = is_json;
		r->tenant = tenant.n ? str_make(mem_dup(tenant.p, tenant.n), tenant.n) : STR_NONE;
		r->link = &lp->requests;
		r->next = lp->requests;
		if (r->next)
			r->next->link = &r->next;
		lp->requests = r;
		http_set_user(c, r);
	}
}

static size_t on_body(struct http_conn *c, struct str bytes)
{
	struct request *r = http_user(c);
	size_t need = r->body.n + bytes.n, step;

	if (need > r->lp->max_bytes) {
		refuse_bad(r, 413, "the push is larger than max_body, or than a quarter of memory");
		return 0;
	}
	if (need > r->charged_bytes) {
		step = need - r->charged_bytes;
		if (!charge(r, step > CHARGE_STEP ? step : CHARGE_STEP))
			return 0;
	}
	buf_str(&r->body, bytes);
	return bytes.n;
}

static void on_end(struct http_conn *c)
{
	struct request *r = http_user(c);

	begin_hold(r);
	r->stage = PUSH_UNPACK;
	unpack(r);
}

static void on_gone(struct http_conn *c)
{
	withdraw(http_user(c));
}

const struct http_ops lokipush_http = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.own_coding = "snappy",
};

/* All of them */

void requests_resume(struct lokipush *lp)
{
	struct request *next;

	for (struct request *r = lp->requests; r; r = next) {
		next = r->next;
		if (!r->waits)
			continue;
		r->waits = false;
		if (r->stage == PUSH_COLLECT)
			http_resume(r->conn);
		else if (r->stage == PUSH_UNPACK)
			unpack(r);
		else
			walk(r);
	}
}

void requests_stop(struct lokipush *lp)
{
	struct request *next;

	for (struct request *r = lp->requests; r; r = next) {
		next = r->next;
		if (r->conn && r->stage != PUSH_WAIT)
			refuse(r, 503, "this agent is being stopped, send it again");
	}
}

void requests_abandon(struct lokipush *lp)
{
	while (lp->requests) {
		while (lp->requests->flights)
			flight_free(lp->requests->flights);
		request_free(lp->requests);
	}
}
