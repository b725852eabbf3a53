/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a map of options into a C struct by its table. Goes on after an error, so that the user
 * sees all of them at once. */
#include <errno.h>
#include <string.h>

#include "lib/conf_doc_impl.h"
#include "lib/mem.h"

/* ---- names ---- */

static bool name_is(struct str key, const char *name, const char *alias)
{
	struct str rest = str_c(alias);

	if (str_is(key, name))
		return true;
	while (rest.n)
		if (str_eq(str_trim(str_cut(&rest, ',')), key))
			return true;
	return false;
}

static bool field_has_key(const struct conf_field *f, struct str key)
{
	return !(f->flags & CONF_BODY) && name_is(key, conf_field_key(f), f->alias);
}

const struct conf_node *conf_field_node(const struct conf_field *f, const struct conf_node *map)
{
	if (f->flags & CONF_BODY)
		return map;
	if (!map || map->kind != CONF_MAP_NODE)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (field_has_key(f, map->entries[i].key->text))
			return map->entries[i].value;
	return NULL;
}

/* All keys of some tables, one after the other, for the nearest-name hint. */
struct parts {
	const struct conf_part *items;
	size_t n;
};

static const struct conf_field *nth_field(const struct parts *parts, size_t i)
{
	for (size_t p = 0; p < parts->n; p++) {
		if (i < parts->items[p].table->n)
			return &parts->items[p].table->fields[i];
		i -= parts->items[p].table->n;
	}
	return NULL;
}

static const char *nth_key(const void *ctx, size_t i)
{
	const struct conf_field *f = nth_field(ctx, i);

	return f ? conf_field_key(f) : NULL;
}

static void unknown_key(struct conf_doc *doc, const struct parts *parts,
			const struct conf_node *key)
{
	const char *nearest = conf_nearest(key->text, nth_key, parts);

	if (nearest)
		conf_error(doc, key, "unknown option '" STR_FMT "' (did you mean '%s'?)",
			   STR_ARG(key->text), nearest);
	else
		conf_error(doc, key, "unknown option '" STR_FMT "'", STR_ARG(key->text));
}

/* The key node that gave field f its value before entry `end`, NULL when none did. */
static const struct conf_node *earlier_key(const struct conf_field *f, const struct conf_node *map,
					   size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (field_has_key(f, map->entries[i].key->text))
			return map->entries[i].key;
	return NULL;
}

/* Unknown keys, and one option under two of its names. (One name twice is found when the tree is
 * built.) */
static void check_keys(struct conf_doc *doc, const struct parts *parts, const struct conf_node *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct conf_node *key = map->entries[i].key, *first;
		const struct conf_field *f;
		size_t k = 0;

		while ((f = nth_field(parts, k)) && !field_has_key(f, key->text))
			k++;
		if (!f)
			unknown_key(doc, parts, key);
		else if ((first = earlier_key(f, map, i)) && !str_eq(first->text, key->text))
			conf_error(doc, key,
				   "'" STR_FMT "' is another name of '" STR_FMT
				   "', which is given at %s:%u:%u",
				   STR_ARG(key->text), STR_ARG(first->text),
				   first->file ? first->file : "", first->line, first->col);
	}
}

/* ---- defaults: text we wrote ourselves, so without quotes and nesting ---- */

static struct str inner(struct str text, char open, char close)
{
	text = str_trim(text);
	if (text.n >= 2 && text.p[0] == open && text.p[text.n - 1] == close)
		return str_trim(str_sub(text, 1, text.n - 1));
	return text;
}

/* A node as the loader would have made it from the default. */
static struct conf_node *default_node(struct conf_doc *doc, const struct conf_field *f)
{
	struct str text = str_c(f->def);
	struct conf_node *node;

	conf_doc_at(doc, NULL, 0, 0);
	if (f->type == CONF_T_MAP) {
		node = conf_node_map(doc);
		for (text = inner(text, '{', '}'); text.n;) {
			struct str value = str_cut(&text, ',');
			struct str key = str_trim(str_cut(&value, ':'));

			value = str_trim(value);
			conf_map_add(doc, node, conf_node_scalar(doc, key, true),
				     value.n ? conf_node_scalar(doc, value, true)
					     : conf_node_null(doc));
		}
	} else if (conf_item_type(f->type) != CONF_T_NODE) {
		node = conf_node_seq(doc);
		for (text = inner(text, '[', ']'); text.n;)
			conf_seq_add(doc, node,
				     conf_node_scalar(doc, str_trim(str_cut(&text, ',')), true));
	} else {
		node = conf_node_scalar(doc, text, true);
	}
	return node;
}

/* ---- values ---- */

static bool is_scalar(struct conf_doc *doc, const struct conf_node *node, const char *expected)
{
	if (node->kind == CONF_SCALAR)
		return true;
	conf_error(doc, node, "expected %s, found %s", expected, conf_kind_name(node->kind));
	return false;
}

/* `enabled: ${LOKI_URL:+true}` gives nothing when the variable is unset: that is a no. */
static bool is_empty_bool(const struct conf_node *node, enum conf_type type)
{
	return type == CONF_T_BOOL && node->is_expanded && node->text.n == 0;
}

static void read_single(struct conf_doc *doc, const struct conf_field *f, enum conf_type type,
			const struct conf_node *node, void *at)
{
	struct err why = ERR_NONE;

	doc->skipped += node->is_bad;
	if (node->is_bad || !is_scalar(doc, node, "a single value"))
		return;
	if (is_empty_bool(node, type)) {
		*(bool *)at = false;
		return;
	}
	if (!conf_value_parse(doc, f, type, node->text, at, &why)) {
		conf_error(doc, node, "%s", why.text);
		return;
	}
	if ((type == CONF_T_STR) && (f->flags & (CONF_REQUIRED | CONF_NONEMPTY)) &&
	    node->text.n == 0)
		conf_error(doc, node, "must not be empty");
}

static void read_secret(struct conf_doc *doc, const struct conf_field *f,
			const struct conf_node *node, struct secret *at)
{
	struct buf value = BUF_INIT;
	struct err why = ERR_NONE;

	read_single(doc, f, CONF_T_SECRET, node, at);
	/* Said now, with its line, rather than at the first push. */
	if (secret_is_set(at) && secret_read(at, &value, &why))
		conf_error(doc, node, "%s", why.text);
	secret_wipe(&value);
}

/* LIST, SIZES, ADDRS: all are { size_t n; items }. A single value is a list of one. */
static void read_list(struct conf_doc *doc, const struct conf_field *f,
		      const struct conf_node *node, void *at)
{
	struct conf_list *list = at;
	size_t size = conf_item_size(f->type);
	size_t n = node->kind == CONF_SEQ ? node->n : 1;
	char *items;

	if (node->kind == CONF_MAP_NODE) {
		conf_error(doc, node, "expected a list, found a map");
		return;
	}
	if (n == 0 && (f->flags & (CONF_REQUIRED | CONF_NONEMPTY)))
		conf_error(doc, node, "must not be empty");
	items = conf_alloc(doc, n * size);
	for (size_t i = 0; i < n; i++)
		read_single(doc, f, conf_item_type(f->type),
			    node->kind == CONF_SEQ ? node->items[i] : node, items + i * size);
	list->n = n;
	list->items = (void *)items;
}

static void read_flags(struct conf_doc *doc, const struct conf_field *f,
		       const struct conf_node *node, uint32_t *at)
{
	size_t n = node->kind == CONF_SEQ ? node->n : 1;

	*at = 0;
	if (node->kind == CONF_MAP_NODE) {
		conf_error(doc, node, "expected a list, found a map");
		return;
	}
	if (n == 0 && (f->flags & (CONF_REQUIRED | CONF_NONEMPTY)))
		conf_error(doc, node, "must not be empty");
	for (size_t i = 0; i < n; i++) {
		int bits = 0;

		read_single(doc, f, CONF_T_ENUM, node->kind == CONF_SEQ ? node->items[i] : node,
			    &bits);
		*at |= (uint32_t)bits;
	}
}

static void read_map(struct conf_doc *doc, const struct conf_field *f, const struct conf_node *node,
		     struct conf_map *at)
{
	if (node->kind != CONF_MAP_NODE) {
		conf_error(doc, node, "expected a map of names and values, found %s",
			   conf_kind_name(node->kind));
		return;
	}
	if (node->n == 0 && (f->flags & (CONF_REQUIRED | CONF_NONEMPTY)))
		conf_error(doc, node, "must not be empty");
	at->n = node->n;
	at->items = conf_alloc(doc, node->n * sizeof(at->items[0]));
	for (size_t i = 0; i < node->n; i++) {
		const struct conf_node *value = node->entries[i].value;

		at->items[i].key = node->entries[i].key->text;
		if (value->kind == CONF_NULL || !is_scalar(doc, value, "a text"))
			continue;
		at->items[i].value = value->text;
		at->items[i].has_value = true;
	}
}

static void make_sections(struct conf_doc *doc, const struct conf_field *f,
			  const struct conf_node *node, struct conf_sections *at)
{
	if (node->n == 0 && (f->flags & (CONF_REQUIRED | CONF_NONEMPTY)))
		conf_error(doc, node, "must not be empty");
	at->n = node->n;
	at->items = conf_alloc(doc, node->n * f->table->size);
}

static void read_sections(struct conf_doc *doc, const struct conf_field *f,
			  const struct conf_node *node, struct conf_sections *at)
{
	if (node->kind != CONF_SEQ) {
		conf_error(doc, node, "expected a list of maps, found %s",
			   conf_kind_name(node->kind));
		return;
	}
	make_sections(doc, f, node, at);
	for (size_t i = 0; i < node->n; i++)
		conf_read(doc, f->table, node->items[i], (char *)at->items + i * f->table->size);
}

static void read_named(struct conf_doc *doc, const struct conf_field *f,
		       const struct conf_node *node, struct conf_sections *at)
{
	if (node->kind != CONF_MAP_NODE) {
		conf_error(doc, node, "expected a map of names and options, found %s",
			   conf_kind_name(node->kind));
		return;
	}
	make_sections(doc, f, node, at);
	for (size_t i = 0; i < node->n; i++) {
		void *item = (char *)at->items + i * f->table->size;

		conf_read(doc, f->table, node->entries[i].value, item);
		*(struct str *)item = node->entries[i].key->text;
	}
}

void conf_field_read(struct conf_doc *doc, const struct conf_field *f, const struct conf_node *node,
		     void *at)
{
	switch (f->type) {
	case CONF_T_LIST:
	case CONF_T_SIZES:
	case CONF_T_ADDRS:
		read_list(doc, f, node, at);
		break;
	case CONF_T_FLAGS:
		read_flags(doc, f, node, at);
		break;
	case CONF_T_MAP:
		read_map(doc, f, node, at);
		break;
	case CONF_T_SECRET:
		read_secret(doc, f, node, at);
		break;
	case CONF_T_STAGES:
		conf_stages_read(doc, node, at);
		break;
	case CONF_T_SECTION:
		conf_read(doc, f->table, node, at);
		break;
	case CONF_T_SECTIONS:
		read_sections(doc, f, node, at);
		break;
	case CONF_T_NAMED:
		read_named(doc, f, node, at);
		break;
	case CONF_T_NODE:
		*(const struct conf_node **)at = node;
		break;
	default:
		read_single(doc, f, f->type, node, at);
	}
}

/* ---- tables ---- */

static void set_defaults(struct conf_doc *doc, const struct conf_table *table, void *ret)
{
	memset(ret, 0, table->size);
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_field *f = &table->fields[i];
		void *at = (char *)ret + f->offset;

		if (f->type == CONF_T_SECTION)
			set_defaults(doc, f->table, at);
		else if (f->def)
			conf_field_read(doc, f, default_node(doc, f), at);
	}
}

static bool is_given(const struct conf_field *f, const struct conf_node *node)
{
	return node && (node->kind != CONF_NULL || f->type == CONF_T_NODE);
}

static void read_table(struct conf_doc *doc, const struct conf_table *table,
		       const struct conf_node *map, void *ret)
{
	set_defaults(doc, table, ret);
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_field *f = &table->fields[i];
		const struct conf_node *node = conf_field_node(f, map);

		if (is_given(f, node))
			conf_field_read(doc, f, node, (char *)ret + f->offset);
		else if ((f->flags & CONF_REQUIRED) && (f->flags & CONF_BODY))
			conf_error(doc, map, "needs a value");
		else if (f->flags & CONF_REQUIRED)
			conf_error(doc, node ? node : map, "the option '%s' is required",
				   conf_field_key(f));
	}
}

int conf_read_parts(struct conf_doc *doc, const struct conf_part *items, size_t n,
		    const struct conf_node *map)
{
	struct parts parts = { items, n };
	size_t errors = doc->errors + doc->skipped;
	bool is_body =
		n == 1 && items[0].table->n == 1 && (items[0].table->fields[0].flags & CONF_BODY);

	if (map && map->kind != CONF_MAP_NODE && map->kind != CONF_NULL && n == 1 &&
	    items[0].table->ignores_others) {
		conf_notice(doc, map, "is ignored: expected a map of options, or nothing");
		map = NULL;
	}
	if (map && map->kind != CONF_MAP_NODE && map->kind != CONF_NULL && !is_body) {
		conf_error(doc, map, "expected a map of options, found %s",
			   conf_kind_name(map->kind));
		for (size_t i = 0; i < n; i++)
			set_defaults(doc, items[i].table, items[i].ret);
		return -EINVAL;
	}
	if (map && map->kind == CONF_MAP_NODE && !is_body)
		check_keys(doc, &parts, map);
	for (size_t i = 0; i < n; i++)
		read_table(doc, items[i].table, map, items[i].ret);
	for (size_t i = 0; i < n && doc->errors + doc->skipped == errors; i++)
		if (items[i].table->check)
			items[i].table->check(doc, map, items[i].ret);
	return doc->errors + doc->skipped == errors ? 0 : -EINVAL;
}

int conf_read(struct conf_doc *doc, const struct conf_table *table, const struct conf_node *map,
	      void *ret)
{
	struct conf_part part = { table, ret };

	return conf_read_parts(doc, &part, 1, map);
}
