/* SPDX-License-Identifier: Apache-2.0 */
/* Stage structured_metadata: extracted values become metadata of the entry, labels move there. */
#include "pipeline/stages/names.h"

struct structured_metadata_conf {
	struct conf_map names;
};

static void structured_metadata_check(struct conf_doc *doc, const struct conf_node *node,
				      const void *arg)
{
	const struct structured_metadata_conf *conf = arg;

	check_label_names(doc, node, &conf->names);
}

static const struct conf_field structured_metadata_fields[] = {
	CONF_MAP(struct structured_metadata_conf, names, NULL,
		 "Names, each with the extracted value it gets; without one, the value of the same "
		 "name. Where the value's name is a label of the record, that label is removed. A "
		 "name occurs once in an entry: the last value counts.",
		 .flags = CONF_BODY, .example = "{trace_id: , pod: }"),
};
static const struct conf_table structured_metadata_table =
	CONF_TABLE(struct structured_metadata_conf, structured_metadata_fields,
		   .check = structured_metadata_check);

static int structured_metadata_open(struct stage *s, struct err *err)
{
	const struct structured_metadata_conf *conf = s->conf;

	return name_map_init(s->state, &conf->names, err);
}

static struct attr *find_meta(const struct rec *r, uint16_t key)
{
	for (unsigned i = r->nattrs; i-- > 0;) {
		struct attr *a = &r->attrs[i];

		if (a->kind == ATTR_META &&
		    (a->key == key ||
		     (a->key == KEY_INLINE && str_eq(attr_name(a), key_name(key)))))
			return a;
	}
	return NULL;
}

static void set_meta(struct batch *b, struct rec *r, uint16_t key, struct str value)
{
	struct attr *old = find_meta(r, key);

	/* The old one cannot be changed in place: an extracted value of that name may be newer. */
	if (old)
		old->kind = ATTR_GONE;
	rec_attr(b, r, key, ATTR_META, ATTR_STRING, value);
}

static void structured_metadata_run(struct stage *s, struct batch *b)
{
	const struct name_map *map = s->state;

	BATCH_FOR(b, r)
	{
		for (size_t i = 0; i < map->n; i++) {
			const struct name_pair *pair = &map->items[i];
			struct label change = { key_name(pair->source_key), STR_NONE };
			struct str label = labels_get(rec_labels(b, r), change.name), value;

			if (source_value(b, r, pair->source_key, &value))
				set_meta(b, r, pair->name_key, value);
			else if (label.p)
				set_meta(b, r, pair->name_key, label);
			if (label.p)
				chain_set_labels(s->chain, b, r, &change, 1);
		}
	}
}

static void structured_metadata_close(struct stage *s)
{
	name_map_fini(s->state);
}

const struct stage_ops stage_structured_metadata = {
	.name = "structured_metadata",
	.summary = "makes structured metadata of extracted values and labels",
	.alias = "non_indexed_labels",
	.conf = &structured_metadata_table,
	.state_size = sizeof(struct name_map),
	.open = structured_metadata_open,
	.run = structured_metadata_run,
	.close = structured_metadata_close,
};
