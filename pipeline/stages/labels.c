/* SPDX-License-Identifier: Apache-2.0 */
/* Stage labels: extracted values become labels of the stream. */
#include "pipeline/stages/labels.h"
#include "pipeline/stages/names.h"

static void labels_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct labels_conf *conf = arg;

	check_label_names(doc, node, &conf->labels);
}

static const struct conf_field labels_fields[] = {
	CONF_MAP(
		struct labels_conf, labels, NULL,
		"Label names, each with the extracted value it gets; without one, the value of the "
		"same name. A record that does not have the value keeps the labels it has. Every "
		"different value makes a stream: take `structured_metadata` for values of many "
		"kinds.",
		.flags = CONF_BODY, .example = "{level: severity, app: }"),
};
static const struct conf_table labels_table =
	CONF_TABLE(struct labels_conf, labels_fields, .check = labels_check);

struct labels_state {
	struct name_map map;
	struct label *changes; /* scratch, one per pair */
};

static int labels_open(struct stage *s, struct err *err)
{
	const struct labels_conf *conf = s->conf;
	struct labels_state *state = s->state;

	state->changes = mem_array(conf->labels.n ? conf->labels.n : 1, sizeof(*state->changes));
	return name_map_init(&state->map, &conf->labels, err);
}

static void labels_run(struct stage *s, struct batch *b)
{
	const struct labels_state *state = s->state;

	BATCH_FOR(b, r)
	{
		size_t n = 0;

		for (size_t i = 0; i < state->map.n; i++) {
			const struct name_pair *pair = &state->map.items[i];
			struct label *change = &state->changes[n];

			change->name = pair->name;
			n += source_value(b, r, pair->source_key, &change->value);
		}
		if (n)
			chain_set_labels(s->chain, b, r, state->changes, n);
	}
}

static void labels_close(struct stage *s)
{
	struct labels_state *state = s->state;

	name_map_fini(&state->map);
	mem_free(state->changes);
}

const struct stage_ops stage_labels = {
	.name = "labels",
	.summary = "makes labels of extracted values",
	.conf = &labels_table,
	.state_size = sizeof(struct labels_state),
	.open = labels_open,
	.run = labels_run,
	.close = labels_close,
};
