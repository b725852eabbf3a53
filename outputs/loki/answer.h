/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of Loki means for the request: pure, from status, headers and text to a verdict.
 * The statuses and texts are those of grafana/loki pkg/distributor, pkg/ingester and pkg/validation;
 * tests/e2e/test_loki_direct.py holds what a real one says. */
#ifndef OUTPUTS_LOKI_ANSWER_H
#define OUTPUTS_LOKI_ANSWER_H

#include "lib/str.h"

#define ANSWER_BODY_MAX 4096                      /* bytes read of a body */
#define ANSWER_RETRY_MAX_NS INT64_C(300000000000) /* Retry-After beyond 5 min is not believed */

/* Borrows everything. */
struct answer {
	int status;             /* 0: none came */
	struct str retry_after; /* the header's value */
	struct str content_type;
	struct str date;  /* the header's value */
	struct str body;  /* at most ANSWER_BODY_MAX, the rest was not read */
	struct str error; /* of the transport, when status is 0 */
};

enum verdict_kind {
	VERDICT_DONE,         /* 204 and 200: stored */
	VERDICT_RETRY,        /* 408, 5xx, no answer: the same bytes again, for ever */
	VERDICT_RATE,         /* 429 about the tenant: the same, and nothing was stored */
	VERDICT_STREAM_LIMIT, /* 429 about a stream: the others were stored */
	VERDICT_HOLD,      /* 401, 403, 404, 3xx and whatever no Loki says: somebody must repair the
			    * set-up; until then again and again, slowly, with credentials re-read */
	VERDICT_BLOCKED,   /* 260 (or whatever block_ingestion_status_code says): the entries were
			    * thrown away, also where it looks like a success */
	VERDICT_REFUSED,   /* 400, 422: the good entries were stored, or none was */
	VERDICT_TOO_LARGE, /* 413: nothing was stored, a half may be */
};

enum refusal_scope {
	REFUSAL_ENTRIES, /* some entries */
	REFUSAL_STREAMS, /* streams, with all their entries, because of their labels */
};

struct refusal {
	const char *reason; /* for counters: loki_too_old and the like; static */
	enum refusal_scope scope;
	uint64_t count;    /* entries said to be refused: at least so many; 0 = not said */
	bool is_mixed;     /* for several reasons, and not said which entry has which */
	struct str stream; /* the first one named, as {a="b"}; empty when none is */
	struct str text;   /* the body, trimmed */
};

struct verdict {
	enum verdict_kind kind;
	const char *result;     /* for counters: ok, rate_limited ...; static */
	int64_t retry_after_ns; /* not before, from now; 0 = not said */
	struct refusal refusal; /* VERDICT_REFUSED, _TOO_LARGE and _STREAM_LIMIT */
};

/* now_ns: wall clock, for a Retry-After that is a date. Borrows the answer's body. */
struct verdict answer_judge(const struct answer *a, int64_t now_ns);

/* Retry-After (RFC 9110 section 10.2.3: seconds or an IMF date) as time from now, 0 when it is
 * neither or past, at most ANSWER_RETRY_MAX_NS. */
int64_t answer_retry_after(struct str value, int64_t now_ns);

/* Whether the stream that Loki names is the one we sent as `labels`. Both are sorted texts; Loki adds
 * service_name to streams that have none. */
bool answer_names(struct str named, struct str labels);

#endif
