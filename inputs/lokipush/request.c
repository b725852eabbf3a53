/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: collected, unpacked, checked, walked into batches. */
#include "inputs/lokipush/lokipush.h"

#include "lib/http_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/snap.h"

#define CHARGE_STEP ((size_t)64 * 1024)

/* Ends */

static struct request *request_of(struct ask *a)
{
	return container_of(a, struct request, ask);
}

static void free_body(struct ask *a)
{
	struct request *r = request_of(a);

	buf_fini(&r->body);
	mem_free(TAKE(r->plain));
}

static void ended(struct ask *a)
{
	struct request *r = request_of(a);

	mem_free((void *)(uintptr_t)r->tenant.p);
	mem_free(r);
}

static void accepted(struct ask *a)
{
	http_answer(request_of(a)->conn, &(struct http_answer){ .status = 204 });
}

static void refuse(struct request *r, unsigned status, const char *why)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s\n", why);
	http_answer(TAKE(r->conn), &(struct http_answer){ .status = status,
							  .type = "text/plain; charset=utf-8",
							  .body = buf_as_str(&text),
							  .retry_after_s = status == 503 });
	buf_fini(&text);
	ask_withdraw(&r->ask);
}

static void refuse_bad(struct request *r, unsigned status, const char *why)
{
	input_count_error(r->lp->input, "malformed");
	log_warn("refused a push", KV_S("input", r->lp->input->name),
		 KV("peer", http_peer(r->conn)), KV_S("error", why));
	refuse(r, status, why);
}

static void refuse_ask(struct ask *a, enum ask_refusal why)
{
	refuse(request_of(a), 503,
	       why == ASK_LATE ? "not delivered yet, send it again"
			       : "this agent is being stopped, send it again");
}

/* Entries */

static struct str text_in(struct batch *b, const struct push_in_text *t)
{
	return t->form == PUSH_IN_PLAIN
		       ? arena_dup(&b->arena, t->raw)
		       : push_in_text(t, arena_bytes(&b->arena, push_in_text_size(t)));
}

/* False: no credit. */
static bool add_entry(struct request *r)
{
	struct push_in_pairs meta = r->entry.meta;
	struct push_in_text name, value;
	struct batch *b =
		ask_batch(&r->ask, r->entry.line.raw.n + r->entry.meta.rest.n, r->in.entries.n);
	struct rec *rec;

	if (!b)
		return false;
	rec = batch_add(b);
	rec->time_ns = r->entry.time_ns;
	rec->line = text_in(b, &r->entry.line);
	while (push_in_pair(&meta, &name, &value) > 0) {
		struct str name_text = text_in(b, &name);

		rec_attr_inline(b, rec, name_text, ATTR_META, text_in(b, &value));
	}
	return true;
}

/* As far as there is credit. */
static void walk(struct request *r)
{
	for (;; r->at = push_in_next(&r->in, &r->entry)) {
		if (r->at == PUSH_IN_STREAM) {
			struct client_stream *s = push_stream(r->lp, &r->in, r->tenant);

			ask_stream(&r->ask, s);
			if (!s) {
				input_count_error(r->lp->input, "too_many_streams");
				refuse(r, 503, "too many streams are on their way, send it again");
				return;
			}
		} else if (r->at == PUSH_IN_ENTRY && !add_entry(r)) {
			return;
		} else if (r->at != PUSH_IN_ENTRY) {
			break;
		}
	}
	ask_complete(&r->ask);
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
			stream_bytes += push_stream_size(&r->in, r->tenant);
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
	packed = r->ask.charged_bytes;
	if (!ask_charge(&r->ask, bytes + 1))
		return;
	r->plain = mem_alloc(bytes + 1);
	if (!snap_unpack(body, r->plain, bytes)) {
		refuse_bad(r, 400, "the body is not Snappy");
		return;
	}
	buf_fini(&r->body);
	ask_uncharge(&r->ask, packed);
	begin_walk(r, str_make(r->plain, bytes));
}

/* HTTP */

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
	} else if ((tenant.n && !tenant_is_valid(tenant)) ||
		   http1_is_repeated(head, STR("x-scope-orgid"))) {
		http_answer_text(c, 400, "X-Scope-OrgID is no tenant");
	} else {
		r = mem_zalloc(sizeof(*r));
		r->lp = lp;
		r->conn = c;
		r->is_json = is_json;
		r->tenant = tenant.n ? str_make(mem_dup(tenant.p, tenant.n), tenant.n) : STR_NONE;
		ask_init(&r->ask, &lp->asks);
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
	if (need > r->ask.charged_bytes) {
		step = need - r->ask.charged_bytes;
		if (!ask_charge(&r->ask, step > CHARGE_STEP ? step : CHARGE_STEP))
			return 0;
	}
	buf_str(&r->body, bytes);
	return bytes.n;
}

static void on_end(struct http_conn *c)
{
	struct request *r = http_user(c);

	ask_begin_hold(&r->ask);
	r->stage = PUSH_UNPACK;
	unpack(r);
}

static void on_gone(struct http_conn *c)
{
	struct request *r = http_user(c);

	r->conn = NULL;
	ask_withdraw(&r->ask);
}

const struct http_ops lokipush_http = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.own_coding = "snappy",
};

static void go_on(struct ask *a)
{
	struct request *r = request_of(a);

	if (r->stage == PUSH_COLLECT)
		http_resume(r->conn);
	else if (r->stage == PUSH_UNPACK)
		unpack(r);
	else
		walk(r);
}

const struct ask_ops lokipush_asks = {
	.go_on = go_on,
	.accepted = accepted,
	.refuse = refuse_ask,
	.free_body = free_body,
	.ended = ended,
};
