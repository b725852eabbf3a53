/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses, and the reasons in the text of a refusal. */
#include "lib/check.h"
#include "lib/civil.h"
#include "lib/clock.h"
#include "outputs/loki/answer.h"

static const struct {
	const char *part; /* of the text */
	const char *reason;
	enum refusal_scope scope;
} refusals[] = {
	{ "timestamp too old", "loki_too_old", REFUSAL_ENTRIES },
	{ "timestamp too new", "loki_too_new", REFUSAL_ENTRIES },
	{ "too far behind", "loki_too_far_behind", REFUSAL_ENTRIES },
	{ "out of order", "loki_out_of_order", REFUSAL_ENTRIES },
	{ "max entry size", "loki_line_too_long", REFUSAL_ENTRIES },
	{ "structured metadata", "loki_metadata", REFUSAL_ENTRIES },
	{ "label name is empty", "loki_metadata", REFUSAL_ENTRIES },
	{ "normalization for label name", "loki_metadata", REFUSAL_ENTRIES },
	{ "label names; limit", "loki_labels", REFUSAL_STREAMS },
	{ "label name too long", "loki_labels", REFUSAL_STREAMS },
	{ "label value too long", "loki_labels", REFUSAL_STREAMS },
	{ "duplicate label name", "loki_labels", REFUSAL_STREAMS },
	{ "missing required labels", "loki_labels", REFUSAL_STREAMS },
	{ "at least one label pair", "loki_labels", REFUSAL_STREAMS },
	{ "couldn't parse labels", "loki_labels", REFUSAL_STREAMS },
	{ "error parsing labels", "loki_labels", REFUSAL_STREAMS },
};

/* 400s that are about the request and not about what is in it: the tenant was checked before it was
 * sent, and the body is right, so something between here and Loki changed them. */
static const char *const damaged[] = {
	"mime: ", "snappy: ", "unexpected EOF", "multiple org IDs present", "tenant ID '",
};

static bool contains(struct str s, const char *part)
{
	return str_find(s, str_c(part)) < s.n;
}

/* Walks over text outside of double quotes: label values stand in Go's quotes, and what a log sender
 * put there must not look like Loki's words. */
struct walk {
	struct str text;
	size_t at;
	bool is_quoted;
};

/* The rest of the text at the next byte that is not in quotes; false at the end. */
static bool walk_next(struct walk *w, struct str *ret_rest)
{
	while (w->at < w->text.n) {
		size_t at = w->at++;
		char c = w->text.p[at];

		if (w->is_quoted && c == '\\') {
			w->at++;
		} else if (c == '"') {
			w->is_quoted = !w->is_quoted;
		} else if (!w->is_quoted) {
			*ret_rest = str_skip(w->text, at);
			return true;
		}
	}
	return false;
}

/* {a="b", ...} at the start of s; empty when the brace is not closed. */
static struct str braced(struct str s)
{
	struct walk w = { s, 0, false };
	struct str rest;

	while (walk_next(&w, &rest))
		if (rest.p[0] == '}')
			return str_sub(s, 0, w.at);
	return STR_NONE;
}

static struct str first_stream(struct str text)
{
	struct walk w = { text, 0, false };
	struct str rest;

	while (walk_next(&w, &rest)) {
		if (str_starts(rest, STR("stream '{")))
			return braced(str_skip(rest, 8));
		if (str_starts(rest, STR("stream: {")))
			return braced(str_skip(rest, 8));
		if (str_starts(rest, STR("stream {")))
			return braced(str_skip(rest, 7));
	}
	return STR_NONE;
}

/* The text without what stands in quotes, in room (text.n bytes). */
static struct str unquoted(struct str text, char *room)
{
	struct walk w = { text, 0, false };
	struct str rest;
	size_t n = 0;

	while (walk_next(&w, &rest))
		room[n++] = rest.p[0];
	return str_make(room, n);
}

static bool find_reason(struct str text, const char **ret_reason, enum refusal_scope *ret_scope)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (contains(text, refusals[i].part)) {
			*ret_reason = refusals[i].reason;
			*ret_scope = refusals[i].scope;
			return true;
		}
	}
	return false;
}

/* Number that ends the text, and where it begins. */
static uint64_t number_at_end(struct str text, size_t *ret_at)
{
	size_t at = text.n;
	uint64_t n;

	while (at && text.p[at - 1] >= '0' && text.p[at - 1] <= '9')
		at--;
	*ret_at = at;
	return str_u64(str_skip(text, at), &n) && n <= UINT32_MAX ? n : 0;
}

/* Takes "2 errors like: ..." off the text, up to the next such part; without one, all of it. */
static struct str next_part(struct str *text, uint64_t *ret_count)
{
	static const struct str like = { " errors like: ", 14 };
	size_t at = str_find(*text, like), start;
	struct str part;

	*ret_count = 0;
	if (at < text->n) {
		*ret_count = number_at_end(str_sub(*text, 0, at), &start);
		*text = str_skip(*text, at + like.n);
	}
	part = str_sub(*text, 0, str_find(*text, like));
	if (part.n < text->n)
		number_at_end(part, &part.n);
	*text = str_skip(*text, part.n);
	return part;
}

/* The distributor says "2 errors like: ..; 1 errors like: .." when there are several, counting entries
 * or, about labels, streams; the ingester "total ignored: 2 out of 3 for stream: ..". */
static void read_parts(struct str text, struct refusal *r)
{
	static const struct str ignored = { "total ignored: ", 15 };
	bool is_about_entries = false, is_known = false;

	while (text.n) {
		enum refusal_scope scope = REFUSAL_ENTRIES;
		const char *reason = NULL;
		uint64_t n;
		struct str part = next_part(&text, &n);
		size_t total = str_find(part, ignored);

		if (!find_reason(part, &reason, &scope))
			continue;
		if (!is_known)
			r->reason = reason;
		r->is_mixed = r->is_mixed || reason != r->reason;
		is_known = true;
		if (scope == REFUSAL_STREAMS)
			continue;
		is_about_entries = true;
		if (total < part.n) {
			part = str_skip(part, total + ignored.n);
			if (!str_u64(str_cut(&part, ' '), &n) || n > UINT32_MAX)
				n = 0;
			r->count += n;
		} else {
			r->count += n ? n : 1;
		}
	}
	r->scope = is_known && !is_about_entries ? REFUSAL_STREAMS : REFUSAL_ENTRIES;
}

static struct refusal refusal_of(struct str text)
{
	struct refusal r = { .reason = "loki_other", .text = text, .stream = first_stream(text) };
	char room[ANSWER_BODY_MAX];

	read_parts(unquoted(text, room), &r);
	return r;
}

static bool is_damaged(struct str text)
{
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++)
		if (str_starts(text, str_c(damaged[i])))
			return true;
	return false;
}

static struct verdict judge_400(struct str text)
{
	if (is_damaged(text))
		return (struct verdict){ VERDICT_HOLD, .result = "denied" };
	return (struct verdict){ VERDICT_REFUSED, "refused", .refusal = refusal_of(text) };
}

static struct verdict judge_500(struct str text)
{
	/* Two that come back the same for ever: a metadata name Loki cannot use, and a request larger
	 * than what its parts exchange (server.grpc_server_max_recv_msg_size). */
	if (str_starts(text, STR("label name is empty")) ||
	    str_starts(text, STR("normalization for label name")))
		return (struct verdict){ VERDICT_REFUSED, "refused", .refusal = refusal_of(text) };
	if (contains(text, "received message larger than max"))
		return (struct verdict){ VERDICT_TOO_LARGE, "too_large",
					 .refusal = { .reason = "loki_too_large", .text = text } };
	return (struct verdict){ VERDICT_RETRY, "server_error" };
}

/* Three limits: the tenant's rate, refused whole; the rate of one stream and the number of streams, where
 * all other streams of the request were stored. */
static struct verdict judge_429(struct str text)
{
	static const struct {
		const char *part, *result;
		enum refusal_scope scope;
	} kinds[] = {
		{ "er stream rate limit exceeded", "stream_rate_limited", REFUSAL_ENTRIES },
		{ "aximum active stream limit exceeded", "stream_limited", REFUSAL_STREAMS },
	};
	char room[ANSWER_BODY_MAX];
	struct str plain = unquoted(text, room);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (contains(plain, kinds[i].part))
			return (struct verdict){ VERDICT_STREAM_LIMIT, kinds[i].result,
						 .refusal = { .stream = first_stream(text),
							      .scope = kinds[i].scope,
							      .text = text } };
	return (struct verdict){ VERDICT_RATE, "rate_limited" };
}

/* A page for people (a gateway's login, a wrong address): whoever says 200 so has stored nothing. */
static bool is_page(struct str content_type)
{
	return str_ieq(str_sub(content_type, 0, 9), STR("text/html"));
}

static struct verdict judge_status(const struct answer *a, struct str text)
{
	int status = a->status;

	if (status && str_starts(text, STR("ingestion blocked for user ")))
		return (struct verdict){ VERDICT_BLOCKED, "blocked" };
	switch (status) {
	case 0:
		return (struct verdict){ VERDICT_RETRY, "transport" };
	case 200:
		if (is_page(a->content_type))
			return (struct verdict){ VERDICT_HOLD, "denied" };
		return (struct verdict){ VERDICT_DONE, "ok" };
	case 204:
		return (struct verdict){ VERDICT_DONE, "ok" };
	case 260:
		return (struct verdict){ VERDICT_BLOCKED, "blocked" };
	case 400:
	case 422:
		return judge_400(text);
	case 408:
	case 425:
		return (struct verdict){ VERDICT_RETRY, "server_error" };
	case 413:
		return (struct verdict){ VERDICT_TOO_LARGE, "too_large",
					 .refusal = { .reason = "loki_too_large", .text = text } };
	case 429:
		return judge_429(text);
	default:
		if (status >= 500)
			return judge_500(text);
		return (struct verdict){ VERDICT_HOLD, "denied" };
	}
}

struct verdict answer_judge(const struct answer *a, int64_t now_ns)
{
	struct verdict v = judge_status(a, str_trim(str_sub(a->body, 0, ANSWER_BODY_MAX)));

	if (v.kind == VERDICT_RETRY || v.kind == VERDICT_RATE || v.kind == VERDICT_STREAM_LIMIT)
		v.retry_after_ns = answer_retry_after(a->retry_after, now_ns);
	return v;
}

/* Retry-After */

static bool two_digits(struct str s, size_t at, int *ret)
{
	struct str part = str_sub(s, at, at + 2);
	uint64_t n;

	if (part.n != 2 || !str_u64(part, &n))
		return false;
	*ret = (int)n;
	return true;
}

static int month_of(struct str name)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (str_eq(name, str_make(months + (size_t)i * 3, 3)))
			return i + 1;
	return 0;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool read_date(struct str s, int64_t *ret_s)
{
	int day, hour, minute, second, month;
	uint64_t year;

	if (s.n != 29 || !str_ends(s, STR(" GMT")) || !two_digits(s, 5, &day) ||
	    !two_digits(s, 17, &hour) || !two_digits(s, 20, &minute) || !two_digits(s, 23, &second))
		return false;
	month = month_of(str_sub(s, 8, 11));
	if (!month || !str_u64(str_sub(s, 12, 16), &year) || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	*ret_s = civil_days((int64_t)year, month, day) * S_PER_DAY + hour * 3600 + minute * 60 +
		 second;
	return true;
}

int64_t answer_retry_after(struct str value, int64_t now_ns)
{
	int64_t ns = 0, at_s, now_s = now_ns / NS_PER_S;
	uint64_t seconds;

	value = str_trim(value);
	if (str_u64(value, &seconds))
		ns = seconds > 300 ? ANSWER_RETRY_MAX_NS : (int64_t)seconds * NS_PER_S;
	else if (read_date(value, &at_s) && at_s > now_s)
		ns = at_s - now_s > 300 ? ANSWER_RETRY_MAX_NS : (at_s - now_s) * NS_PER_S;
	return ns < ANSWER_RETRY_MAX_NS ? ns : ANSWER_RETRY_MAX_NS;
}

/* Names of streams */

/* Takes name="value" off the front of the inside of a label text. */
static bool next_label(struct str *inside, struct str *ret_name, struct str *ret_value)
{
	struct walk w = { *inside, 0, false };
	size_t end = inside->n;
	struct str rest;

	if (!inside->n)
		return false;
	while (walk_next(&w, &rest)) {
		if (rest.p[0] == ',') {
			end = w.at - 1;
			break;
		}
	}
	rest = str_trim(str_sub(*inside, 0, end));
	*inside = str_skip(*inside, end + 1);
	*ret_name = str_cut(&rest, '=');
	*ret_value = rest;
	return true;
}

bool answer_names(struct str named, struct str labels)
{
	struct str a_name, a_value, b_name, b_value;
	bool has_a, has_b;

	if (str_eq(named, labels))
		return true;
	if (named.n < 2 || labels.n < 2)
		return false;
	named = str_sub(named, 1, named.n - 1);
	labels = str_sub(labels, 1, labels.n - 1);
	for (;;) {
		has_b = next_label(&labels, &b_name, &b_value);
		has_a = next_label(&named, &a_name, &a_value);
		if (has_a && str_is(a_name, "service_name") && !(has_b && str_eq(a_name, b_name)))
			has_a = next_label(&named, &a_name, &a_value);
		if (!has_a || !has_b)
			return has_a == has_b;
		if (!str_eq(a_name, b_name) || !str_eq(a_value, b_value))
			return false;
	}
}
