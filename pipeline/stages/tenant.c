/* SPDX-License-Identifier: Apache-2.0 */
/* Stage tenant: which of Loki's tenants a record goes to. */
#include "pipeline/stages/names.h"

struct tenant_conf {
	struct str label, source, value;
};

static void tenant_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct tenant_conf *conf = arg;

	if ((conf->label.p != NULL) + (conf->source.p != NULL) + (conf->value.p != NULL) != 1)
		conf_error(doc, node, "needs exactly one of label, source, value");
}

static const struct conf_field tenant_fields[] = {
	CONF_STR(struct tenant_conf, label, NULL, "The label whose value names the tenant.",
		 .flags = CONF_NONEMPTY, .example = "namespace"),
	CONF_STR(struct tenant_conf, source, NULL, "The extracted value that names it.",
		 .flags = CONF_NONEMPTY),
	CONF_STR(struct tenant_conf, value, NULL, "The tenant.", .flags = CONF_NONEMPTY),
};
static const struct conf_table tenant_table =
	CONF_TABLE(struct tenant_conf, tenant_fields, .check = tenant_check);

static int tenant_open(struct stage *s, struct err *err)
{
	const struct tenant_conf *conf = s->conf;

	return conf->source.p ? intern_name(conf->source, s->state, err) : 0;
}

static void tenant_run(struct stage *s, struct batch *b)
{
	const struct tenant_conf *conf = s->conf;
	const uint16_t *key = s->state;

	BATCH_FOR(b, r)
	{
		struct label change = { STR(LABEL_TENANT), conf->value };

		if (conf->label.p)
			change.value = labels_get(rec_labels(b, r), conf->label);
		else if (conf->source.p && !source_value(b, r, *key, &change.value))
			continue;
		if (change.value.n)
			chain_set_labels(s->chain, b, r, &change, 1);
	}
}

const struct stage_ops stage_tenant = {
	.name = "tenant",
	.summary = "chooses the tenant of Loki that a record goes to",
	.doc = "Sets the internal label `__tenant_id__`, which is sent as `X-Scope-OrgID` and not "
	       "as a "
	       "label. A record whose label or value is missing or empty keeps the tenant it "
	       "has.\n",
	.conf = &tenant_table,
	.state_size = sizeof(uint16_t),
	.open = tenant_open,
	.run = tenant_run,
};
