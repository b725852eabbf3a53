/* SPDX-License-Identifier: Apache-2.0 */
/* Stage output: an extracted value becomes the line. */
#include "pipeline/stages/names.h"

struct output_stage_conf {
	struct str source;
};

static const struct conf_field output_fields[] = {
	CONF_STR(struct output_stage_conf, source, NULL,
		 "Extracted value that replaces the line. A record that does not have it keeps its "
		 "line; an empty value makes an empty line.",
		 .flags = CONF_REQUIRED, .example = "message"),
};
static const struct conf_table output_table = CONF_TABLE(struct output_stage_conf, output_fields);

static int output_open(struct stage *s, struct err *err)
{
	return intern_name(((const struct output_stage_conf *)s->conf)->source, s->state, err);
}

static void output_run(struct stage *s, struct batch *b)
{
	const uint16_t *source = s->state;
	struct str value;

	BATCH_FOR(b, r)
	if (rec_get_str(b, r, *source, &value))
		r->line = value;
}

const struct stage_ops stage_output = {
	.name = "output",
	.summary = "replaces the line by an extracted value",
	.conf = &output_table,
	.state_size = sizeof(uint16_t),
	.open = output_open,
	.run = output_run,
};
