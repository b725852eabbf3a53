/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of label names to the names of extracted values, as labels and structured_metadata have
 * them, and what a wrong one is told. */
#ifndef PIPELINE_STAGES_NAMES_H
#define PIPELINE_STAGES_NAMES_H

#include <errno.h>

#include "lib/mem.h"
#include "lib/metric.h"
#include "lib/utf8.h"
#include "pipeline/labels.h"
#include "pipeline/stage.h"

/* `name: source` */
struct name_pair {
	struct str name;
	uint16_t name_key, source_key;
};

struct name_map {
	size_t n;
	struct name_pair *items;
};

/* The node of a pair's key or value, the map itself when it is not there. */
static inline const struct conf_node *map_node(const struct conf_node *map, struct str key,
					       bool want_value)
{
	for (size_t i = 0; map && map->kind == CONF_MAP_NODE && i < map->n; i++)
		if (str_eq(map->entries[i].key->text, key))
			return want_value ? map->entries[i].value : map->entries[i].key;
	return map;
}

/* For conf_table.check of tables whose body is the map. */
static inline void check_label_names(struct conf_doc *doc, const struct conf_node *node,
				     const struct conf_map *map)
{
	for (size_t i = 0; i < map->n; i++)
		if (!label_name_is_valid(map->items[i].key))
			conf_error(doc, map_node(node, map->items[i].key, false),
				   "'" STR_FMT "' is no valid label name: letters, digits and _, "
				   "no digit in front",
				   STR_ARG(map->items[i].key));
}

/* The number of a name; the table of names is finite. */
static inline int intern_name(struct str name, uint16_t *ret, struct err *err)
{
	*ret = key_intern(name);
	if (*ret == KEY_INLINE)
		return err_set(err, -E2BIG, "more than %d different names in the configuration",
			       KEY_MAX);
	return 0;
}

/* A pair without a value names a source like itself. */
static inline struct str pair_value(const struct conf_pair *pair)
{
	return pair->has_value && pair->value.n ? pair->value : pair->key;
}

static inline int name_map_init(struct name_map *ret, const struct conf_map *map, struct err *err)
{
	int rc = 0;

	ret->items = mem_array(map->n ? map->n : 1, sizeof(*ret->items));
	for (size_t i = 0; i < map->n && rc == 0; i++, ret->n++) {
		struct name_pair *pair = &ret->items[i];

		pair->name = map->items[i].key;
		rc = intern_name(pair->name, &pair->name_key, err);
		if (rc == 0)
			rc = intern_name(pair_value(&map->items[i]), &pair->source_key, err);
	}
	return rc;
}

static inline void name_map_fini(struct name_map *map)
{
	mem_free(map->items);
}

/* Text fit for a label or metadata; never with p == NULL, which means "remove" there. */
static inline bool source_value(const struct batch *b, const struct rec *r, uint16_t key,
				struct str *ret)
{
	if (!rec_get_str(b, r, key, ret) || !utf8_is_valid(*ret))
		return false;
	if (!ret->p)
		*ret = STR("");
	return true;
}

/* Records that a stage could not process. */
static inline struct metric *stage_errors(struct stage *s)
{
	return metric_get(METRIC_STAGE_ERRORS, "pipeline", chain_pipeline(s->chain), "stage",
			  s->ops->name, NULL);
}

#endif
