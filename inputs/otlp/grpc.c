/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP/gRPC: LogsService/Export. One message per request, its length in front of it; credit for all of it is
 * taken when the length is known. */
#include "inputs/otlp/grpc.h"

#include "inputs/otlp/otlp.h"
#include "inputs/otlp/status.h"
#include "lib/base64.h"
#include "lib/clock.h"
#include "lib/inflate.h"
#include "lib/mem.h"

#define EXPORT "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
#define PREFIX_BYTES 5
#define PLAIN_BYTES ((size_t)32 * 1024) /* inflated at a time */
#define TIMEOUT_SPARE_NS (100 * NS_PER_MS)

/* A request's transport. */
struct call {
	struct h2_stream *stream;
	struct otlp_request *request; /* NULL: answered */
	uint8_t prefix[PREFIX_BYTES];
	size_t nprefix;
	uint64_t left; /* of the message */
	bool is_gzip;
	struct inflate *inflate;
	bool is_over; /* nothing more comes out of it */
	bool is_owed; /* the first byte that comes is one that was taken already */
};

bool grpc_timeout(struct str text, int64_t *ret_ns)
{
	static const char units[] = "HMSmun";
	static const int64_t ns[] = { 3600 * NS_PER_S, 60 * NS_PER_S,      NS_PER_S,
				      NS_PER_MS,       NS_PER_S / 1000000, 1 };
	const char *unit = text.n > 1 ? memchr(units, text.p[text.n - 1], sizeof(units) - 1) : NULL;
	uint64_t n;

	if (!unit || text.n > 9 || !str_u64(str_sub(text, 0, text.n - 1), &n))
		return false;
	*ret_ns = (int64_t)n * ns[unit - units];
	return true;
}

/* Answers */

static void call_free(struct call *call)
{
	inflate_free(call->inflate);
	mem_free(call);
}

static void put_answer(struct h2_stream *s, enum grpc_code code, const char *why, bool is_later)
{
	struct buf status = BUF_INIT, text = BUF_INIT;
	struct h2_answer a = { .http_status = 200, .code = code, .text = str_c(why) };

	if (code == GRPC_OK)
		a.message = STR("\0\0\0\0\0"); /* an empty ExportLogsServiceResponse */
	if (code == GRPC_UNIMPLEMENTED)
		a.accept = STR("identity,gzip");
	if (is_later) {
		otlp_status(&status, false, code, str_c(why), OTLP_RETRY_S);
		base64_encode(buf_as_str(&status), &text);
		a.details = buf_as_str(&text);
	}
	h2_answer(s, &a);
	buf_fini(&status);
	buf_fini(&text);
}

static void answer(struct otlp_request *r, enum otlp_verdict verdict, const char *why)
{
	static const enum grpc_code codes[] = { [OTLP_ACCEPTED] = GRPC_OK,
						[OTLP_MALFORMED] = GRPC_INVALID_ARGUMENT,
						[OTLP_TOO_LARGE] = GRPC_RESOURCE_EXHAUSTED,
						[OTLP_LATER] = GRPC_UNAVAILABLE };
	struct call *call = r->client;
	struct h2_stream *s = call->stream;

	call->request = NULL;
	h2_set_user(s, NULL);
	call_free(call);
	put_answer(s, codes[verdict], why, verdict == OTLP_LATER);
}

static void resume(struct otlp_request *r)
{
	h2_resume(((struct call *)r->client)->stream);
}

static struct str peer(const struct otlp_request *r)
{
	return h2_peer(((const struct call *)r->client)->stream);
}

static const struct otlp_transport transport = {
	.answer = answer,
	.resume = resume,
	.peer = peer,
};

static void refuse(struct h2_stream *s, unsigned http_status, const char *why)
{
	enum grpc_code code = otlp_code_of_http(http_status);

	put_answer(s, http_status == 408 ? GRPC_UNAVAILABLE : code, why,
		   code == GRPC_UNAVAILABLE || http_status == 408);
}

/* Requests */

static bool is_grpc(struct str type)
{
	return str_starts(type, STR("application/grpc")) &&
	       (type.n == 16 || type.p[16] == '+' || type.p[16] == ';') &&
	       !str_starts(type, STR("application/grpc+json"));
}

static void on_request(struct h2_stream *s, const struct http1_head *head)
{
	struct otlp *o = h2_ctx(s);
	struct str coding = http1_field(head, STR("grpc-encoding"));
	struct str tenant = http1_field(head, STR("x-scope-orgid"));
	struct str timeout = http1_field(head, STR("grpc-timeout"));
	int64_t timeout_ns = 0;
	struct call *call;

	if (!is_grpc(http1_field(head, STR("content-type")))) {
		h2_answer(s, &(struct h2_answer){ .http_status = 415,
						  .code = GRPC_UNIMPLEMENTED,
						  .text = STR("this is gRPC") });
	} else if (!str_is(head->method, "POST") || !str_is(head->path, EXPORT)) {
		put_answer(s, GRPC_UNIMPLEMENTED, "only " EXPORT " is here", false);
	} else if (coding.n && !str_is(coding, "gzip") && !str_is(coding, "identity")) {
		put_answer(s, GRPC_UNIMPLEMENTED, "this grpc-encoding is not known", false);
	} else if ((tenant.n && !tenant_is_valid(tenant)) ||
		   http1_is_repeated(head, STR("x-scope-orgid"))) {
		put_answer(s, GRPC_INVALID_ARGUMENT, "X-Scope-OrgID is no tenant", false);
	} else if (timeout.p && !grpc_timeout(timeout, &timeout_ns)) {
		put_answer(s, GRPC_INVALID_ARGUMENT, "grpc-timeout is malformed", false);
	} else {
		call = mem_zalloc(sizeof(*call));
		call->stream = s;
		call->is_gzip = str_is(coding, "gzip");
		call->request = otlp_request_new(o, &transport, call, false, tenant);
		/* The client should hear of it before it gives up by itself. */
		if (timeout_ns > 2 * TIMEOUT_SPARE_NS)
			call->request->ask.hold_ns = timeout_ns - TIMEOUT_SPARE_NS;
		h2_set_user(s, call);
	}
}

static void on_gone(struct h2_stream *s)
{
	struct call *call = h2_user(s);

	if (!call)
		return;
	otlp_request_gone(call->request);
	call_free(call);
}

/* Bodies. Whatever refuses the request frees the call: what is returned then does not matter. */

static void malformed(struct call *call, const char *why)
{
	otlp_request_refuse(call->request, OTLP_MALFORMED, why);
}

static size_t take_prefix(struct call *call, struct str bytes)
{
	size_t n = PREFIX_BYTES - call->nprefix;

	n = n < bytes.n ? n : bytes.n;
	memcpy(call->prefix + call->nprefix, bytes.p, n);
	call->nprefix += n;
	if (call->nprefix < PREFIX_BYTES)
		return n;
	for (size_t i = 1; i < PREFIX_BYTES; i++)
		call->left = call->left << 8 | call->prefix[i];
	if (call->left > ((struct otlp *)h2_ctx(call->stream))->max_bytes) {
		otlp_request_refuse(call->request, OTLP_TOO_LARGE,
				    "the message is larger than max_body, or than a quarter of "
				    "memory");
		return n;
	}
	otlp_request_room(call->request, (size_t)call->left); /* if not: when it comes */
	if (call->prefix[0] > 1 || (call->prefix[0] && !call->is_gzip))
		malformed(call, "a message is compressed, and grpc-encoding does not say how");
	else if (call->prefix[0])
		call->inflate = inflate_new(INFLATE_GZIP);
	return n;
}

/* Takes as many as ret_n says; false: the call is not there any more. When without credit there is still
 * something to come out, and nothing to put in, the last byte comes again, so that we do. */
static bool take_packed(struct call *call, struct str bytes, size_t *ret_n)
{
	struct str rest = call->is_owed ? str_skip(bytes, 1) : bytes;
	bool has_more = call->is_owed;
	char plain[PLAIN_BYTES];
	size_t n;

	call->is_owed = false;
	while ((rest.n || has_more) && !call->is_over) {
		enum inflate_result got;

		if (!otlp_request_room(call->request, sizeof(plain)))
			break;
		got = inflate_run(call->inflate, &rest, plain, sizeof(plain), &n);
		call->is_over = got == INFLATE_END;
		has_more = got == INFLATE_OK && n == sizeof(plain);
		if (got == INFLATE_BAD) {
			malformed(call, "the compressed message is damaged");
			return false;
		}
		if (n && otlp_request_bytes(call->request, str_make(plain, n)) < n)
			return false; /* too large */
	}
	call->is_owed = !call->is_over && !rest.n && has_more;
	*ret_n = call->is_over ? bytes.n : bytes.n - rest.n - call->is_owed;
	return true;
}

static size_t on_body(struct h2_stream *s, struct str bytes)
{
	size_t took = 0, n;

	while (took < bytes.n) {
		struct call *call = h2_user(s);
		struct str rest = str_skip(bytes, took);

		if (!call)
			return bytes.n;
		if (call->nprefix < PREFIX_BYTES) {
			took += take_prefix(call, rest);
			continue;
		}
		if (!call->left) {
			malformed(call, "something follows the message");
			return bytes.n;
		}
		rest = str_sub(rest, 0, call->left < rest.n ? (size_t)call->left : rest.n);
		if (call->inflate) {
			if (!take_packed(call, rest, &n))
				return bytes.n;
		} else {
			n = otlp_request_bytes(call->request, rest);
			if (!h2_user(s))
				return bytes.n;
		}
		call->left -= n;
		took += n;
		if (n < rest.n)
			break; /* until there is credit */
	}
	return took;
}

static void on_end(struct h2_stream *s)
{
	struct call *call = h2_user(s);

	if (!call)
		return;
	if (call->nprefix < PREFIX_BYTES || call->left)
		malformed(call, "the message is cut off");
	else if (call->inflate && !call->is_over && !inflate_may_end(call->inflate))
		malformed(call, "the compressed message is cut off");
	else
		otlp_request_end(call->request);
}

const struct h2_ops otlp_grpc = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.refuse = refuse,
};
