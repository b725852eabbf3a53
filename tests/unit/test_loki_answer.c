/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts on what Loki answers: its real statuses and texts, and things that only look like them. */
#include "test.h"

#include "lib/check.h"
#include "outputs/loki/answer.h"

#define NOW (INT64_C(1795275944) * 1000000000)

static struct verdict judge(int status, const char *body, const char *retry_after)
{
	struct answer a = { .status = status,
			    .body = str_c(body),
			    .retry_after = str_c(retry_after) };

	return answer_judge(&a, NOW);
}

static void statuses(void)
{
	static const struct {
		int status;
		enum verdict_kind kind;
		const char *result;
	} rows[] = {
		{ 0, VERDICT_RETRY, "transport" },
		{ 100, VERDICT_HOLD, "denied" },
		{ 200, VERDICT_DONE, "ok" },
		{ 201, VERDICT_HOLD, "denied" },
		{ 204, VERDICT_DONE, "ok" },
		{ 206, VERDICT_HOLD, "denied" },
		{ 260, VERDICT_BLOCKED, "blocked" },
		{ 299, VERDICT_HOLD, "denied" },
		{ 301, VERDICT_HOLD, "denied" },
		{ 308, VERDICT_HOLD, "denied" },
		{ 400, VERDICT_REFUSED, "refused" },
		{ 401, VERDICT_HOLD, "denied" },
		{ 403, VERDICT_HOLD, "denied" },
		{ 404, VERDICT_HOLD, "denied" },
		{ 405, VERDICT_HOLD, "denied" },
		{ 408, VERDICT_RETRY, "server_error" },
		{ 413, VERDICT_TOO_LARGE, "too_large" },
		{ 415, VERDICT_HOLD, "denied" },
		{ 422, VERDICT_REFUSED, "refused" },
		{ 425, VERDICT_RETRY, "server_error" },
		{ 429, VERDICT_RATE, "rate_limited" },
		{ 499, VERDICT_HOLD, "denied" },
		{ 500, VERDICT_RETRY, "server_error" },
		{ 501, VERDICT_RETRY, "server_error" },
		{ 502, VERDICT_RETRY, "server_error" },
		{ 503, VERDICT_RETRY, "server_error" },
		{ 504, VERDICT_RETRY, "server_error" },
		{ 599, VERDICT_RETRY, "server_error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verdict v = judge(rows[i].status, "", NULL);
		char row[16];

		snprintf(row, sizeof(row), "%d", rows[i].status);
		ROW(row);
		EQ_INT(v.kind, rows[i].kind);
		EQ_STR(str_c(v.result), rows[i].result);
		EQ_INT(v.retry_after_ns, 0);
	}
}

/* The three kinds, and pages that are no answer. */
static void limits_and_pages(void)
{
	static const struct {
		int status;
		const char *type, *body;
		enum verdict_kind kind;
		const char *result, *stream;
	} rows[] = {
		{ 429, NULL,
		  "ingestion rate limit exceeded for user a (limit: 4194304 bytes/sec) while "
		  "attempting to ingest '70' lines totaling '7000000' bytes, reduce log volume\n",
		  VERDICT_RATE, "rate_limited", "" },
		{ 429, NULL,
		  "maximum active stream limit exceeded when trying to create stream "
		  "{job=\"streams\", n=\"5001\"}, reduce the number of active streams\n",
		  VERDICT_STREAM_LIMIT, "stream_limited", "{job=\"streams\", n=\"5001\"}" },
		{ 429, NULL,
		  "entry with timestamp 2026-11-21 13:46:18 +0000 UTC ignored, reason: 'Per stream "
		  "rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream "
		  "'{job=\"x\"}' totaling 5MB, consider splitting a stream',\nuser 't', total "
		  "ignored: 5 out of 10 for stream: {job=\"x\"}\n",
		  VERDICT_STREAM_LIMIT, "stream_rate_limited", "{job=\"x\"}" },
		/* What a log sender put into a label is not what Loki says. */
		{ 429, NULL, "about {a=\"maximum active stream limit exceeded\"}", VERDICT_RATE,
		  "rate_limited", "" },
		{ 200, "text/html; charset=utf-8", "<html>log in", VERDICT_HOLD, "denied", "" },
		{ 200, "Text/HTML", "", VERDICT_HOLD, "denied", "" },
		{ 200, "text/plain", "", VERDICT_DONE, "ok", "" },
		{ 200, "application/json", "{}", VERDICT_DONE, "ok", "" },
		{ 200, NULL,
		  "ingestion blocked for user 'a' until '2030-01-01T00:00:00Z' with status code "
		  "'200'",
		  VERDICT_BLOCKED, "blocked", "" },
		{ 429, NULL,
		  "ingestion blocked for user 'a' until '2030-01-01T00:00:00Z' with status code "
		  "'429'",
		  VERDICT_BLOCKED, "blocked", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct answer a = { .status = rows[i].status,
				    .content_type = str_c(rows[i].type),
				    .body = str_c(rows[i].body) };
		struct verdict v = answer_judge(&a, NOW);

		ROW(rows[i].body);
		EQ_INT(v.kind, rows[i].kind);
		EQ_STR(str_c(v.result), rows[i].result);
		EQ_STR(v.refusal.stream, rows[i].stream);
	}
}

#define OLD                                                                                        \
	"has timestamp too old: 2026-11-13T15:46:18Z, oldest acceptable timestamp is: "            \
	"2026-11-14T15:46:18Z"
#define BEHIND                                                                                     \
	"entry with timestamp 2026-11-21 13:46:18.579738547 +0000 UTC ignored, reason: 'entry "    \
	"too far behind, entry timestamp is: 2026-11-21T13:46:18Z, oldest acceptable timestamp "   \
	"is: 2026-11-21T14:46:18Z',\n"

/* What a real one said, each; see tests/e2e/test_loki_direct.py. */
static void refusals(void)
{
	static const struct {
		int status;
		const char *body, *reason;
		enum refusal_scope scope;
		uint64_t count;
		const char *stream;
		bool is_mixed;
	} rows[] = {
		{ 400,
		  "entry for stream '{a=\"fut\"}' has timestamp too new: 2026-11-21T16:45:44Z\n",
		  "loki_too_new", REFUSAL_ENTRIES, 1, "{a=\"fut\"}" },
		{ 400,
		  "2 errors like: entry for stream '{job=\"both\", service_name=\"both\"}' " OLD
		  "; 1 errors like: entry for stream '{job=\"both\"}' has timestamp too new: "
		  "2026-11-21T15:58:18Z\n",
		  "loki_too_old", REFUSAL_ENTRIES, 3, "{job=\"both\", service_name=\"both\"}",
		  true },
		{ 400,
		  "1 errors like: max entry size '262144' bytes exceeded for stream '{job=\"o2\"}' "
		  "while adding an entry with length '300000' bytes; 2 errors like: entry for "
		  "stream '{job=\"o1\"}' " OLD "\n",
		  "loki_line_too_long", REFUSAL_ENTRIES, 3, "{job=\"o2\"}", true },
		{ 400,
		  BEHIND BEHIND "user 't1', total ignored: 30 out of 31 for stream: {job=\"b\"}\n",
		  "loki_too_far_behind", REFUSAL_ENTRIES, 30, "{job=\"b\"}" },
		{ 400,
		  "stream '{job=\"m\"}' has structured metadata too large: '65537' bytes, limit: "
		  "'65536' bytes. Please see `limits_config.max_structured_metadata_size` or "
		  "contact your Loki administrator to increase it\n",
		  "loki_metadata", REFUSAL_ENTRIES, 1, "{job=\"m\"}" },
		{ 400,
		  "1 errors like: stream '{job=\"m\"}' has structured metadata too large: '65537' "
		  "bytes, limit: '65536' bytes. Please; 1 errors like: stream '{job=\"m\"}' has "
		  "too "
		  "many structured metadata labels: '129', limit: '128'. Please\n",
		  "loki_metadata", REFUSAL_ENTRIES, 2, "{job=\"m\"}" },
		{ 400,
		  "1 errors like: entry for stream '{l0=\"x\"}' has 17 label names; limit 15; 1 "
		  "errors like: entry for stream '{l1=\"x\"}' has 16 label names; limit 15\n",
		  "loki_labels", REFUSAL_STREAMS, 0, "{l0=\"x\"}" },
		{ 400, "stream '{a=\"b\", a=\"c\"}' has duplicate label name: 'a'\n", "loki_labels",
		  REFUSAL_STREAMS, 0, "{a=\"b\", a=\"c\"}" },
		{ 400, "stream '{n=\"x\"}' has label name too long: 'nnn'\n", "loki_labels",
		  REFUSAL_STREAMS, 0, "{n=\"x\"}" },
		{ 400, "error at least one label pair is required per stream\n", "loki_labels",
		  REFUSAL_STREAMS, 0, "" },
		{ 400,
		  "couldn't parse labels: 1:4: parse error: unexpected identifier \"b\" in label "
		  "set, expected string\n",
		  "loki_labels", REFUSAL_STREAMS, 0, "" },
		/* A stream's labels and another one's entries: only the entries are counted. */
		{ 400,
		  "2 errors like: entry for stream '{a=\"1\"}' " OLD
		  "; 1 errors like: entry for stream '{b=\"1\"}' has 17 label names; limit 15\n",
		  "loki_too_old", REFUSAL_ENTRIES, 2, "{a=\"1\"}", true },
		{ 422, "error at least one valid stream is required for ingestion\n", "loki_other",
		  REFUSAL_ENTRIES, 0, "" },
		{ 400, "<html>Bad Request</html>", "loki_other", REFUSAL_ENTRIES, 0, "" },
		{ 400, "", "loki_other", REFUSAL_ENTRIES, 0, "" },
		{ 500, "label name is empty\n", "loki_metadata", REFUSAL_ENTRIES, 1, "" },
		{ 500, "normalization for label name \"___\" resulted in invalid name \"_\"\n",
		  "loki_metadata", REFUSAL_ENTRIES, 1, "" },
		/* Loki's words inside a label value are the sender's. */
		{ 400,
		  "entry for stream '{a=\"x; 5000 errors like: duplicate label name\"}' " OLD "\n",
		  "loki_too_old", REFUSAL_ENTRIES, 1,
		  "{a=\"x; 5000 errors like: duplicate label name\"}" },
		{ 400,
		  "entry for stream '{a=\"\\\"} 7 errors like: \\\\\", b=\"total ignored: 9 out of "
		  "9\"}' " OLD "\n",
		  "loki_too_old", REFUSAL_ENTRIES, 1,
		  "{a=\"\\\"} 7 errors like: \\\\\", b=\"total ignored: 9 out of 9\"}" },
		/* Cut off, as answers over 4 KiB are. */
		{ 400, "2 errors like: entry for stream '{a=\"xxxx", "loki_other", REFUSAL_ENTRIES,
		  0, "" },
		{ 400, BEHIND "user 't1', total ignored: 3", "loki_too_far_behind", REFUSAL_ENTRIES,
		  3, "" },
		{ 400, "99999999999999999999 errors like: " OLD, "loki_too_old", REFUSAL_ENTRIES, 1,
		  "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verdict v = judge(rows[i].status, rows[i].body, NULL);

		ROW(rows[i].body);
		EQ_INT(v.kind, VERDICT_REFUSED);
		EQ_STR(str_c(v.refusal.reason), rows[i].reason);
		EQ_INT(v.refusal.scope, rows[i].scope);
		EQ_INT(v.refusal.count, rows[i].count);
		EQ_INT(v.refusal.is_mixed, rows[i].is_mixed);
		EQ_STR(v.refusal.stream, rows[i].stream);
	}
}

static void texts_that_change_the_verdict(void)
{
	static const struct {
		int status;
		const char *body;
		enum verdict_kind kind;
	} rows[] = {
		{ 400, "snappy: corrupt input\n", VERDICT_HOLD },
		{ 400, "unexpected EOF\n", VERDICT_HOLD },
		{ 400, "mime: no media type\n", VERDICT_HOLD },
		{ 400, "multiple org IDs present\n", VERDICT_HOLD },
		{ 400, "tenant ID 'a/b' contains unsupported character '/'\n", VERDICT_HOLD },
		{ 500,
		  "rpc error: code = ResourceExhausted desc = grpc: received message larger "
		  "than max (5002495 vs. 4194304)\n",
		  VERDICT_TOO_LARGE },
		{ 500, "at least 2 live replicas required, could only find 1\n", VERDICT_RETRY },
		{ 429, "ingestion rate limit exceeded for user t1 (limit: 4194304 bytes/sec)\n",
		  VERDICT_RATE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].body);
		EQ_INT(judge(rows[i].status, rows[i].body, NULL).kind, rows[i].kind);
	}
	EQ_STR(str_c(judge(413, "x\n", NULL).refusal.reason), "loki_too_large");
	EQ_STR(judge(400, " x \n", NULL).refusal.text, "x");
}

static void retry_after(void)
{
	static const struct {
		const char *value;
		int64_t want_s;
	} rows[] = {
		{ NULL, 0 },
		{ "", 0 },
		{ "0", 0 },
		{ "1", 1 },
		{ " 7 ", 7 },
		{ "300", 300 },
		{ "301", 300 },
		{ "99999999999999999999999", 0 },
		{ "18446744073709551615", 300 },
		{ "-1", 0 },
		{ "1.5", 0 },
		{ "soon", 0 },
		{ "Sat, 21 Nov 2026 15:45:54 GMT", 10 },
		{ "Sat, 21 Nov 2026 15:45:44 GMT", 0 },
		{ "Sat, 21 Nov 2026 14:45:54 GMT", 0 },
		{ "Fri, 21 Nov 9999 15:45:54 GMT", 300 },
		{ "Sat, 21 Nov 2026 15:45:54 UTC", 0 },
		{ "Sat, 21 Foo 2026 15:45:54 GMT", 0 },
		{ "Sat, 41 Nov 2026 15:45:54 GMT", 0 },
		{ "Saturday, 21-Nov-26 15:45:54 GMT", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].value);
		EQ_INT(answer_retry_after(str_c(rows[i].value), NOW), rows[i].want_s * 1000000000);
		EQ_INT(judge(503, "", rows[i].value).retry_after_ns, rows[i].want_s * 1000000000);
		EQ_INT(judge(400, "", rows[i].value).retry_after_ns, 0);
	}
}

static void names(void)
{
	static const struct {
		const char *named, *labels;
		bool want;
	} rows[] = {
		{ "{a=\"b\"}", "{a=\"b\"}", true },
		{ "{a=\"b\"}", "{a=\"c\"}", false },
		{ "{a=\"b\", service_name=\"b\"}", "{a=\"b\"}", true },
		{ "{a=\"b\", service_name=\"b\", z=\"1\"}", "{a=\"b\", z=\"1\"}", true },
		{ "{service_name=\"b\", z=\"1\"}", "{z=\"1\"}", true },
		{ "{a=\"b\", service_name=\"b\"}", "{a=\"b\", service_name=\"b\"}", true },
		{ "{a=\"b\", service_name=\"b\"}", "{a=\"b\", service_name=\"c\"}", false },
		{ "{a=\"b\"}", "{a=\"b\", service_name=\"c\"}", false },
		{ "{a=\"b\", c=\"d\"}", "{a=\"b\"}", false },
		{ "{a=\"b, service_name=\"}", "{a=\"b\"}", false },
		{ "{a=\"x, y\", service_name=\"s\"}", "{a=\"x, y\"}", true },
		{ "{a=\"q\\\", x=\\\"\", service_name=\"s\"}", "{a=\"q\\\", x=\\\"\"}", true },
		{ "", "{a=\"b\"}", false },
		{ "{", "{}", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].named);
		EQ_INT(answer_names(str_c(rows[i].named), str_c(rows[i].labels)), rows[i].want);
	}
}

int main(void)
{
	RUN(statuses);
	RUN(limits_and_pages);
	RUN(refusals);
	RUN(texts_that_change_the_verdict);
	RUN(retry_after);
	RUN(names);
	return test_end();
}
