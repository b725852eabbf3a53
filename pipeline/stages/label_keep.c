/* SPDX-License-Identifier: Apache-2.0 */
/* Stage label_keep: removes all labels but some. */
#include "pipeline/stages/label_list.h"

static const struct conf_field label_keep_fields[] = {
	CONF_LIST(struct label_list_conf, names, NULL,
		  "Names of the labels that stay; all others go, those that the input set and "
		  "`__tenant_id__` among them.",
		  .flags = CONF_BODY | CONF_REQUIRED | CONF_NONEMPTY, .example = "[job, level]"),
};
static const struct conf_table label_keep_table =
	CONF_TABLE(struct label_list_conf, label_keep_fields);

static void label_keep_run(struct stage *s, struct batch *b)
{
	label_list_remove(s, b, false);
}

const struct stage_ops stage_label_keep = {
	.name = "label_keep",
	.summary = "removes all labels but those named",
	.alias = "labelallow",
	.conf = &label_keep_table,
	.run = label_keep_run,
};
