/* SPDX-License-Identifier: Apache-2.0 */
/* Stage sampling: lets a part of the records pass. */
#include "pipeline/stage.h"

struct sampling_conf {
	double rate;
	struct str drop_counter_reason;
};

static const struct conf_field sampling_fields[] = {
	CONF_DOUBLE(struct sampling_conf, rate, NULL, "0", "1",
		    "The part that passes: 0.1 is one of ten.", .flags = CONF_REQUIRED,
		    .example = "0.1"),
	CONF_STR(struct sampling_conf, drop_counter_reason, "sampling_stage",
		 "The `reason` under which `tailrace_stage_dropped_total` counts the others."),
};
static const struct conf_table sampling_table = CONF_TABLE(struct sampling_conf, sampling_fields);

/* By line and time rather than by a die: a line that is read again after a kill is decided the same
 * way again. */
static bool passes(const struct rec *r, double rate)
{
	uint64_t hash = str_hash(r->line, (uint64_t)r->time_ns * 0x9e3779b97f4a7c15u);

	return (double)(hash >> 11) * 0x1p-53 < rate;
}

static void sampling_run(struct stage *s, struct batch *b)
{
	const struct sampling_conf *conf = s->conf;
	uint64_t dropped = 0;

	BATCH_FOR(b, r)
	{
		if (passes(r, conf->rate))
			continue;
		r->flags |= REC_DROP;
		dropped++;
	}
	if (dropped)
		stage_dropped(s, b, conf->drop_counter_reason.p, dropped);
}

const struct stage_ops stage_sampling = {
	.name = "sampling",
	.summary = "lets a part of the records pass and drops the others",
	.doc = "Whether a record passes is decided by its line and time, so a line that is read "
	       "again "
	       "is decided the same way again.\n",
	.conf = &sampling_table,
	.run = sampling_run,
};
