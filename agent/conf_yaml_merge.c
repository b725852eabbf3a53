/* SPDX-License-Identifier: Apache-2.0 */
/* Merge keys: a set of the keys seen so far decides, so that large maps stay linear. */
#include "agent/conf_yaml_merge.h"
#include "lib/mem.h"

struct key_set {
	struct str *slots; /* p == NULL: free */
	size_t mask;
};

static void set_init(struct key_set *set, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	set->slots = mem_array(size, sizeof(set->slots[0]));
	set->mask = size - 1;
}

/* False when the key is in the set already. */
static bool set_add(struct key_set *set, struct str key)
{
	size_t i = (size_t)str_hash(key, 0) & set->mask;

	for (; set->slots[i].p; i = (i + 1) & set->mask)
		if (str_eq(set->slots[i], key))
			return false;
	set->slots[i] = key;
	return true;
}

static bool is_merge_key(const struct conf_node *key)
{
	return !key->is_quoted && str_is(key->text, "<<");
}

static size_t merged_size(const struct conf_node *value)
{
	size_t n = value->n;

	for (size_t i = 0; value->kind == CONF_SEQ && i < value->n; i++)
		n += value->items[i]->n;
	return n;
}

static void add_from(struct conf_doc *doc, struct conf_node *map, struct conf_node *from,
		     struct key_set *set)
{
	if (from->kind != CONF_MAP_NODE) {
		conf_error(doc, from, "<< needs a map or a list of maps, found %s",
			   conf_kind_name(from->kind));
		return;
	}
	for (size_t i = 0; i < from->n; i++)
		if (set_add(set, from->entries[i].key->text))
			conf_map_add(doc, map, from->entries[i].key, from->entries[i].value);
}

void conf_yaml_merge(struct conf_doc *doc, struct conf_node *map)
{
	struct conf_entry *old = map->entries;
	size_t n = map->n, total = n, merges = 0;
	struct key_set set;

	for (size_t i = 0; i < n; i++) {
		if (!is_merge_key(old[i].key))
			continue;
		merges++;
		total += merged_size(old[i].value);
	}
	if (!merges)
		return;
	set_init(&set, total);
	map->entries = NULL;
	map->n = map->cap = 0;
	for (size_t i = 0; i < n; i++)
		if (!is_merge_key(old[i].key) && set_add(&set, old[i].key->text))
			conf_map_add(doc, map, old[i].key, old[i].value);
	for (size_t i = 0; i < n; i++) {
		struct conf_node *value = old[i].value;

		if (!is_merge_key(old[i].key))
			continue;
		if (value->kind != CONF_SEQ)
			add_from(doc, map, value, &set);
		for (size_t k = 0; value->kind == CONF_SEQ && k < value->n; k++)
			add_from(doc, map, value->items[k], &set);
	}
	mem_free(set.slots);
}
