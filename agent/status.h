/* SPDX-License-Identifier: Apache-2.0 */
/* What the running agent does, as numbers: everything that `status`, `top` and the page show. Taken from the
 * metrics and from what chains and outputs count; rates are differences of two moments. */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include "lib/buf.h"
#include "lib/metric.h"

struct agent;
struct stage;

/* All counts at one moment. Zeroed is none. */
struct status_sample {
	int64_t at_ns;   /* monotonic; 0: none */
	uint64_t nloads; /* configurations the agent has had until then */
	struct metric_sample metrics;
	struct buf
		stages; /* int64_t: records and removed of each stage, in the order of status_stages() */
};
void status_sample_take(struct status_sample *ret, const struct agent *a);
void status_sample_fini(struct status_sample *s);

/* The agent now, and a moment before; both borrowed. */
struct status {
	const struct agent *agent;
	const struct status_sample *before;
	double seconds; /* since then */
};
struct status status_make(const struct agent *a, const struct status_sample *before);

struct total {
	int64_t value;
	double per_s;
};
/* Sum over the series of a family whose label has that value. */
struct total status_total(const struct status *s, enum metric_id id, const char *label,
			  const char *value);
/* The same by the value of another label, for those above zero; `name` is as in the text format. */
void status_by(const struct status *s, enum metric_id id, const char *label, const char *value,
	       const char *by, void (*fn)(void *ctx, struct str name, struct total total),
	       void *ctx);

struct status_stage {
	const struct stage *stage; /* of one lane, for what is fixed */
	const char *input;         /* it is of its own options; NULL: of the pipeline */
	unsigned depth;
	char number
		[24]; /* "2.1": the first in the list of the second; with an input in front of the pipeline's */
	struct total records, removed;
};
/* Of one pipeline, all lanes together. */
void status_stages(const struct status *s, size_t pipeline,
		   void (*fn)(void *ctx, const struct status_stage *stage), void *ctx);

int64_t status_rss_bytes(void);
double status_uptime_s(const struct agent *a);

void status_json(const struct status *s, struct buf *out);
void status_text(const struct status *s, struct buf *out);

#endif
