/* SPDX-License-Identifier: Apache-2.0 */
/* Do two option structs say the same? By value, whoever wrote it how: what a reload may keep. */
#include "lib/conf.h"

static bool is_same_node(const struct conf_node *a, const struct conf_node *b)
{
	bool is_nothing = !a || a->kind == CONF_NULL;

	if (is_nothing || !b || b->kind == CONF_NULL)
		return is_nothing && (!b || b->kind == CONF_NULL);
	if (a->kind != b->kind || a->n != b->n)
		return false;
	if (a->kind == CONF_SCALAR)
		return str_eq(a->text, b->text) && a->is_quoted == b->is_quoted;
	for (size_t i = 0; i < a->n; i++) {
		if (a->kind == CONF_SEQ && !is_same_node(a->items[i], b->items[i]))
			return false;
		if (a->kind == CONF_MAP_NODE &&
		    (!str_eq(a->entries[i].key->text, b->entries[i].key->text) ||
		     !is_same_node(a->entries[i].value, b->entries[i].value)))
			return false;
	}
	return true;
}

/* An empty text is not the same as none. */
static bool is_same_str(struct str a, struct str b)
{
	return !a.p == !b.p && str_eq(a, b);
}

static bool is_same_list(const struct conf_list *a, const struct conf_list *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (!str_eq(a->items[i], b->items[i]))
			return false;
	return a->n == b->n;
}

static bool is_same_addrs(const struct conf_addrs *a, const struct conf_addrs *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (!str_eq(a->items[i].text, b->items[i].text))
			return false;
	return a->n == b->n;
}

/* In the order written, which may matter. */
static bool is_same_map(const struct conf_map *a, const struct conf_map *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (!str_eq(a->items[i].key, b->items[i].key) ||
		    a->items[i].has_value != b->items[i].has_value ||
		    !is_same_str(a->items[i].value, b->items[i].value))
			return false;
	return a->n == b->n;
}

static bool is_same_sections(const struct conf_field *f, const struct conf_sections *a,
			     const struct conf_sections *b)
{
	size_t size = f->table->size;

	for (size_t i = 0; i < a->n && a->n == b->n; i++) {
		const char *one = (const char *)a->items + i * size;
		const char *other = (const char *)b->items + i * size;

		if (f->type == CONF_T_NAMED && !str_eq(*(const struct str *)(const void *)one,
						       *(const struct str *)(const void *)other))
			return false;
		if (!conf_is_same(f->table, one, other))
			return false;
	}
	return a->n == b->n;
}

bool conf_stages_are_same(const struct conf_stages *a, const struct conf_stages *b)
{
	size_t n = a ? a->n : 0;

	if (n != (b ? b->n : 0))
		return false;
	for (size_t i = 0; i < n; i++)
		if (a->items[i].plugin != b->items[i].plugin ||
		    !conf_is_same(a->items[i].plugin->conf, a->items[i].conf, b->items[i].conf))
			return false;
	return true;
}

static bool is_same_field(const struct conf_field *f, const void *a, const void *b)
{
	const struct secret *secret = a, *other = b;

	switch (f->type) {
	case CONF_T_BOOL:
	case CONF_T_INT:
	case CONF_T_SIZE:
	case CONF_T_TIME:
	case CONF_T_DOUBLE:
	case CONF_T_RATE:
	case CONF_T_ENUM:
	case CONF_T_FLAGS:
		return memcmp(a, b, f->size) == 0;
	case CONF_T_STR:
	case CONF_T_URL:
		return is_same_str(*(const struct str *)a, *(const struct str *)b);
	case CONF_T_ADDR:
		return is_same_str(((const struct conf_addr *)a)->text,
				   ((const struct conf_addr *)b)->text);
	case CONF_T_SECRET:
		return secret->source == other->source && is_same_str(secret->ref, other->ref);
	case CONF_T_LIST:
		return is_same_list(a, b);
	case CONF_T_SIZES:
		return ((const struct conf_sizes *)a)->n == ((const struct conf_sizes *)b)->n &&
		       (!((const struct conf_sizes *)a)->n ||
			!memcmp(((const struct conf_sizes *)a)->items,
				((const struct conf_sizes *)b)->items,
				((const struct conf_sizes *)a)->n * sizeof(size_t)));
	case CONF_T_ADDRS:
		return is_same_addrs(a, b);
	case CONF_T_MAP:
		return is_same_map(a, b);
	case CONF_T_STAGES:
		return conf_stages_are_same(a, b);
	case CONF_T_SECTION:
		return conf_is_same(f->table, a, b);
	case CONF_T_SECTIONS:
	case CONF_T_NAMED:
		return is_same_sections(f, a, b);
	case CONF_T_NODE:
		return is_same_node(*(const struct conf_node *const *)a,
				    *(const struct conf_node *const *)b);
	}
	return false;
}

bool conf_is_same(const struct conf_table *table, const void *a, const void *b)
{
	for (size_t i = 0; table && i < table->n; i++) {
		const struct conf_field *f = &table->fields[i];

		if (!is_same_field(f, (const char *)a + f->offset, (const char *)b + f->offset))
			return false;
	}
	return true;
}
