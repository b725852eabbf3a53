/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP/HTTP (opentelemetry-proto docs/specification.md): protobuf and JSON, answers in the same. */
#include "inputs/otlp/otlp.h"
#include "inputs/otlp/status.h"
#include "lib/http_text.h"

#define PROTOBUF "application/x-protobuf"
#define JSON "application/json"

/* What the server refuses by itself looks as what we do. */
static const char *refusal(struct str type, unsigned status, const char *why, struct buf *ret)
{
	bool is_json = str_ieq(type, STR(JSON));

	if (!is_json && !str_ieq(type, STR(PROTOBUF)))
		return NULL;
	otlp_status(ret, is_json, otlp_code_of_http(status), str_c(why),
		    status == 503 ? OTLP_RETRY_S : 0);
	return is_json ? JSON : PROTOBUF;
}

static void answer(struct otlp_request *r, enum otlp_verdict verdict, const char *why)
{
	static const unsigned statuses[] = { [OTLP_ACCEPTED] = 200,
					     [OTLP_MALFORMED] = 400,
					     [OTLP_TOO_LARGE] = 413,
					     [OTLP_LATER] = 503 };
	struct str type = r->is_json ? STR(JSON) : STR(PROTOBUF);
	struct http_answer a = { .status = statuses[verdict], .type = type.p };
	struct buf body = BUF_INIT;

	if (verdict != OTLP_ACCEPTED)
		refusal(type, a.status, why, &body);
	else if (r->is_json)
		buf_c(&body, "{}");
	a.body = buf_as_str(&body);
	a.retry_after_s = verdict == OTLP_LATER ? OTLP_RETRY_S : 0;
	http_answer(r->client, &a);
	buf_fini(&body);
}

static void resume(struct otlp_request *r)
{
	http_resume(r->client);
}

static struct str peer(const struct otlp_request *r)
{
	return http_peer(r->client);
}

static const struct otlp_transport transport = {
	.answer = answer,
	.resume = resume,
	.peer = peer,
};

static void refuse_now(struct http_conn *c, struct str type, unsigned status, const char *why)
{
	struct buf body = BUF_INIT;
	const char *form = refusal(type, status, why, &body);

	if (form)
		http_answer(c, &(struct http_answer){
				       .status = status, .type = form, .body = buf_as_str(&body) });
	else
		http_answer_text(c, status, why);
	buf_fini(&body);
}

static void on_request(struct http_conn *c, const struct http1_head *head)
{
	struct str type = http_media_type(http1_field(head, STR("content-type")));
	struct str tenant = http1_field(head, STR("x-scope-orgid"));
	bool is_json = str_ieq(type, STR(JSON));

	if (!str_is(head->path, "/v1/logs"))
		refuse_now(c, type, 404, "try /v1/logs: only logs are taken here");
	else if (!str_is(head->method, "POST"))
		refuse_now(c, type, 405, "only POST");
	else if (!is_json && !str_ieq(type, STR(PROTOBUF)))
		refuse_now(c, type, 415, "Content-Type must be " PROTOBUF " or " JSON);
	else if ((tenant.n && !tenant_is_valid(tenant)) ||
		 http1_is_repeated(head, STR("x-scope-orgid")))
		refuse_now(c, type, 400, "X-Scope-OrgID is no tenant");
	else
		http_set_user(c, otlp_request_new(http_ctx(c), &transport, c, is_json, tenant));
}

static size_t on_body(struct http_conn *c, struct str bytes)
{
	return otlp_request_bytes(http_user(c), bytes);
}

static void on_end(struct http_conn *c)
{
	otlp_request_end(http_user(c));
}

static void on_gone(struct http_conn *c)
{
	otlp_request_gone(http_user(c));
}

const struct http_ops otlp_http = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.refusal = refusal,
};
