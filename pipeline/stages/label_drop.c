/* SPDX-License-Identifier: Apache-2.0 */
/* Stage label_drop: removes labels. */
#include "pipeline/stages/label_list.h"

static const struct conf_field label_drop_fields[] = {
	CONF_LIST(struct label_list_conf, names, NULL, "Names of the labels to remove.",
		  .flags = CONF_BODY | CONF_REQUIRED | CONF_NONEMPTY, .example = "[filename, pod]"),
};
static const struct conf_table label_drop_table =
	CONF_TABLE(struct label_list_conf, label_drop_fields);

static void label_drop_run(struct stage *s, struct batch *b)
{
	label_list_remove(s, b, true);
}

const struct stage_ops stage_label_drop = {
	.name = "label_drop",
	.summary = "removes labels by name",
	.alias = "labeldrop",
	.conf = &label_drop_table,
	.run = label_drop_run,
};
