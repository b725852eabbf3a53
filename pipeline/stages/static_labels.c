/* SPDX-License-Identifier: Apache-2.0 */
/* Stage static_labels: labels with fixed values. */
#include "pipeline/stages/names.h"

struct static_labels_conf {
	struct conf_map labels;
};

static void static_labels_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct static_labels_conf *conf = arg;

	check_label_names(doc, node, &conf->labels);
}

static const struct conf_field static_labels_fields[] = {
	CONF_MAP(struct static_labels_conf, labels, NULL,
		 "Label names and values. Names without a value are passed over.",
		 .flags = CONF_BODY, .example = "{env: production}"),
};
static const struct conf_table static_labels_table =
	CONF_TABLE(struct static_labels_conf, static_labels_fields, .check = static_labels_check);

struct static_labels {
	size_t n;
	struct label *changes;
};

static int static_labels_open(struct stage *s, struct err *err)
{
	const struct conf_map *map = &((const struct static_labels_conf *)s->conf)->labels;
	struct static_labels *state = s->state;

	(void)err;
	state->changes = mem_array(map->n ? map->n : 1, sizeof(*state->changes));
	for (size_t i = 0; i < map->n; i++)
		if (map->items[i].has_value && map->items[i].value.n)
			state->changes[state->n++] =
				(struct label){ map->items[i].key, map->items[i].value };
	return 0;
}

static void static_labels_run(struct stage *s, struct batch *b)
{
	const struct static_labels *state = s->state;
	const struct labels *before = NULL, *after = NULL;

	if (!state->n)
		return;
	BATCH_FOR(b, r)
	{
		/* The records of a batch mostly share their labels. */
		if (after && rec_labels(b, r) == before) {
			r->labels = after;
			continue;
		}
		before = rec_labels(b, r);
		after = chain_set_labels(s->chain, b, r, state->changes, state->n) ? r->labels
										   : NULL;
	}
}

static void static_labels_close(struct stage *s)
{
	mem_free(((struct static_labels *)s->state)->changes);
}

const struct stage_ops stage_static_labels = {
	.name = "static_labels",
	.summary = "sets labels to fixed values",
	.conf = &static_labels_table,
	.state_size = sizeof(struct static_labels),
	.open = static_labels_open,
	.run = static_labels_run,
	.close = static_labels_close,
};
