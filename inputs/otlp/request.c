/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: collected, checked as a whole, walked into batches as far as there is credit. */
#include "inputs/otlp/json_in.h"
#include "inputs/otlp/otlp.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define CHARGE_STEP ((size_t)64 * 1024)

static struct otlp_request *request_of(struct ask *a)
{
	return container_of(a, struct otlp_request, ask);
}

struct otlp_request *otlp_request_new(struct otlp *o, const struct otlp_transport *transport,
				      void *client, bool is_json, struct str tenant)
{
	struct otlp_request *r = mem_zalloc(sizeof(*r));

	r->otlp = o;
	r->transport = transport;
	r->client = client;
	r->is_json = is_json;
	r->tenant = tenant.n ? str_make(mem_dup(tenant.p, tenant.n), tenant.n) : STR_NONE;
	ask_init(&r->ask, &o->asks);
	return r;
}

/* Ends */

void otlp_request_refuse(struct otlp_request *r, enum otlp_verdict verdict, const char *why)
{
	if (verdict != OTLP_LATER) {
		input_count_error(r->otlp->input, "malformed");
		log_warn("refused a request", KV_S("input", r->otlp->input->name),
			 KV("peer", r->transport->peer(r)), KV_S("error", why));
	}
	r->transport->answer(r, verdict, why);
	r->client = NULL;
	ask_withdraw(&r->ask);
}

void otlp_request_gone(struct otlp_request *r)
{
	r->client = NULL;
	ask_withdraw(&r->ask);
}

/* Records */

static bool find_stream(struct otlp_request *r)
{
	struct otlp *o = r->otlp;
	const struct conf_list *promoted = &o->conf->resource_labels;
	struct client_stream *s;
	struct otlp_labels labels;

	if (r->has_stream)
		return true;
	otlp_labels(r->walk.resource, promoted->items, promoted->n, &labels);
	s = stream_find(&o->streams, r->tenant, buf_as_str(&labels.text));
	if (!s)
		s = stream_add(&o->streams, r->tenant, buf_as_str(&labels.text), labels.items,
			       labels.n);
	otlp_labels_fini(&labels);
	if (s != r->ask.stream || !s)
		ask_stream(&r->ask, s);
	r->has_stream = s != NULL;
	return r->has_stream;
}

/* False: no credit. */
static bool add_record(struct otlp_request *r)
{
	struct otlp *o = r->otlp;
	const struct conf_list *promoted = &o->conf->resource_labels;
	const struct otlp_log *log = &r->log;
	size_t shared_bytes = r->walk.resource.n + r->walk.scope.n, put;
	bool was_cut;
	struct str line = otlp_line(log, &o->text, &was_cut);
	struct batch *b =
		ask_batch(&r->ask, line.n + log->message.n + shared_bytes, r->walk.records.n);
	struct rec *rec;

	if (!b)
		return false;
	if (r->shared_in != r->ask.nbatches) {
		r->shared = (struct rec){ 0 };
		otlp_put_shared(b, &r->shared, &r->walk, promoted->items, promoted->n);
		r->shared_in = r->ask.nbatches;
	}
	rec = batch_add(b);
	rec->time_ns = otlp_time_ns(log, clock_wall_ns());
	rec->severity = otlp_severity(log->severity);
	rec->line = arena_dup(&b->arena, line);
	if (was_cut) {
		rec->flags |= REC_CUT;
		input_count_flagged(o->input, "cut", 1);
	}
	put = otlp_put_own(b, rec, log);
	/* Names of what is within maps are longer here than they came. */
	r->ask.batch_bytes += put > log->message.n ? put - log->message.n : 0;
	for (uint16_t i = 0; i < r->shared.nattrs; i++) {
		const struct attr *a = &r->shared.attrs[i];

		rec_attr(b, rec, a->key, ATTR_META, ATTR_STRING, attr_value(a));
	}
	return true;
}

/* As far as there is credit. */
static void walk(struct otlp_request *r)
{
	for (; r->at != OTLP_END; r->at = otlp_next(&r->walk, &r->log)) {
		if (r->at == OTLP_NEW_RESOURCE)
			r->has_stream = false;
		if (r->at != OTLP_RECORD) {
			r->shared_in = 0;
			continue;
		}
		if (!find_stream(r)) {
			input_count_error(r->otlp->input, "too_many_streams");
			otlp_request_refuse(r, OTLP_LATER, "too many streams are on their way");
			return;
		}
		if (!add_record(r))
			return;
	}
	ask_complete(&r->ask);
}

/* Bodies */

/* NULL, or why none of it can be taken. */
static const char *check(struct otlp_request *r, struct str body)
{
	const struct conf_list *promoted = &r->otlp->conf->resource_labels;
	const char *why = otlp_check(body);
	struct otlp_walk w;
	struct otlp_log log;
	enum otlp_step at;
	bool is_new = true;
	size_t bytes = 0;

	otlp_walk_init(&w, why ? STR_NONE : body);
	while (!why && (at = otlp_next(&w, &log)) != OTLP_END) {
		struct otlp_labels labels;

		is_new |= at == OTLP_NEW_RESOURCE;
		if (at != OTLP_RECORD || !is_new)
			continue;
		is_new = false;
		otlp_labels(w.resource, promoted->items, promoted->n, &labels);
		bytes += stream_size(r->tenant, buf_as_str(&labels.text));
		if (labels.is_too_much)
			why = "labels of a resource are too many, or too long";
		else if (bytes > STREAMS_BYTES_MAX / 2)
			why = "there are too many resources in one request";
		otlp_labels_fini(&labels);
	}
	return why;
}

static void begin_walk(struct otlp_request *r)
{
	struct str body = buf_as_str(&r->body);
	const char *why = check(r, body);

	if (why) {
		otlp_request_refuse(r, OTLP_MALFORMED, why);
		return;
	}
	r->stage = OTLP_WALK;
	otlp_walk_init(&r->walk, body);
	r->at = otlp_next(&r->walk, &r->log);
	walk(r);
}

static void convert(struct otlp_request *r)
{
	size_t before = r->ask.charged_bytes, most = otlp_json_bound(r->body.n);
	struct buf proto = { .max = most };
	const char *why;

	if (!ask_charge(&r->ask, most))
		return;
	why = otlp_from_json(buf_as_str(&r->body), &proto);
	buf_fini(&r->body);
	r->body = proto;
	ask_uncharge(&r->ask, before);
	if (why)
		otlp_request_refuse(r, OTLP_MALFORMED, why);
	else
		begin_walk(r);
}

bool otlp_request_room(struct otlp_request *r, size_t n)
{
	size_t need = r->body.n + n, step;

	if (need > r->otlp->max_bytes)
		need = r->otlp->max_bytes; /* more will be refused */
	if (need <= r->ask.charged_bytes)
		return true;
	step = need - r->ask.charged_bytes;
	return ask_charge(&r->ask, step > CHARGE_STEP ? step : CHARGE_STEP);
}

size_t otlp_request_bytes(struct otlp_request *r, struct str bytes)
{
	if (bytes.n > r->otlp->max_bytes - r->body.n) {
		otlp_request_refuse(r, OTLP_TOO_LARGE,
				    "the request is larger than max_body, or than a quarter of "
				    "memory");
		return 0;
	}
	if (!otlp_request_room(r, bytes.n))
		return 0;
	buf_str(&r->body, bytes);
	return bytes.n;
}

void otlp_request_end(struct otlp_request *r)
{
	ask_begin_hold(&r->ask);
	r->stage = OTLP_CONVERT;
	if (r->is_json)
		convert(r);
	else
		begin_walk(r);
}

/* What inputs/clients.h calls */

static void free_body(struct ask *a)
{
	buf_fini(&request_of(a)->body);
}

static void ended(struct ask *a)
{
	struct otlp_request *r = request_of(a);

	mem_free((void *)(uintptr_t)r->tenant.p);
	mem_free(r);
}

static void accepted(struct ask *a)
{
	struct otlp_request *r = request_of(a);

	r->transport->answer(r, OTLP_ACCEPTED, NULL);
}

static void refuse(struct ask *a, enum ask_refusal why)
{
	otlp_request_refuse(request_of(a), OTLP_LATER,
			    why == ASK_LATE ? "not delivered yet, send it again"
					    : "this agent is being stopped, send it again");
}

static void go_on(struct ask *a)
{
	struct otlp_request *r = request_of(a);

	if (r->stage == OTLP_COLLECT)
		r->transport->resume(r);
	else if (r->stage == OTLP_CONVERT)
		convert(r);
	else
		walk(r);
}

const struct ask_ops otlp_asks = {
	.go_on = go_on,
	.accepted = accepted,
	.refuse = refuse,
	.free_body = free_body,
	.ended = ended,
};
