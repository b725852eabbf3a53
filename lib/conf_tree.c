/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration tree: nodes, their places, and the memory behind them. */
#include <stdlib.h>
#include <string.h>

#include "lib/conf_doc_impl.h"
#include "lib/mem.h"

#define DOC_MAGIC 0xc04fd0c1u

struct conf_doc *conf_doc_new(void)
{
	struct conf_doc *doc = mem_zalloc(sizeof(*doc));

	doc->magic = DOC_MAGIC;
	return doc;
}

void conf_doc_free(struct conf_doc *doc)
{
	if (!doc)
		return;
	CHECK_OBJ(doc, DOC_MAGIC);
	doc->magic = 0;
	arena_fini(&doc->arena);
	mem_free(doc->errs);
	mem_free(doc);
}

void *conf_alloc(struct conf_doc *doc, size_t n)
{
	void *p = arena_alloc(&doc->arena, n ? n : 1);

	doc->bytes += n;
	memset(p, 0, n ? n : 1);
	return p;
}

struct str conf_dup(struct conf_doc *doc, struct str s)
{
	char *p = arena_bytes(&doc->arena, s.n + 1);

	doc->bytes += s.n + 1;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return str_make(p, s.n);
}

size_t conf_doc_bytes(const struct conf_doc *doc)
{
	return doc->bytes;
}

void conf_doc_at(struct conf_doc *doc, const char *file, uint32_t line, uint32_t col)
{
	/* Most calls name the file of the call before: compare, so that it is kept once. */
	if (!file)
		doc->file = NULL;
	else if (!doc->file || strcmp(doc->file, file))
		doc->file = conf_dup(doc, str_c(file)).p;
	doc->line = line;
	doc->col = col;
}

static struct conf_node *node_new(struct conf_doc *doc, enum conf_kind kind)
{
	struct conf_node *node = conf_alloc(doc, sizeof(*node));

	node->kind = kind;
	node->file = doc->file;
	node->line = doc->line;
	node->col = doc->col;
	return node;
}

struct conf_node *conf_node_null(struct conf_doc *doc)
{
	return node_new(doc, CONF_NULL);
}

struct conf_node *conf_node_scalar(struct conf_doc *doc, struct str text, bool is_quoted)
{
	struct conf_node *node = node_new(doc, CONF_SCALAR);

	node->text = conf_dup(doc, text);
	node->is_quoted = is_quoted;
	return node;
}

struct conf_node *conf_node_seq(struct conf_doc *doc)
{
	return node_new(doc, CONF_SEQ);
}

struct conf_node *conf_node_map(struct conf_doc *doc)
{
	return node_new(doc, CONF_MAP_NODE);
}

/* Room for one more child of `size` bytes; the old array stays in the arena (at most doubling). */
static void *grow(struct conf_doc *doc, void *items, size_t n, size_t *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 4;
	more = conf_alloc(doc, *cap * size);
	if (n)
		memcpy(more, items, n * size);
	return more;
}

void conf_seq_add(struct conf_doc *doc, struct conf_node *seq, struct conf_node *item)
{
	CHECK(seq->kind == CONF_SEQ && item != seq);
	seq->items = grow(doc, seq->items, seq->n, &seq->cap, sizeof(seq->items[0]));
	seq->items[seq->n++] = item;
	item->parent = seq;
}

void conf_map_add(struct conf_doc *doc, struct conf_node *map, struct conf_node *key,
		  struct conf_node *value)
{
	CHECK(map->kind == CONF_MAP_NODE && key->kind == CONF_SCALAR && value != map);
	map->entries = grow(doc, map->entries, map->n, &map->cap, sizeof(map->entries[0]));
	map->entries[map->n++] = (struct conf_entry){ key, value };
	key->parent = map;
	value->parent = map;
}

static int by_key(const void *a, const void *b)
{
	const struct conf_entry *const *x = a, *const *y = b;
	int d = str_cmp((*x)->key->text, (*y)->key->text);

	return d ? d : (*x < *y ? -1 : *x > *y);
}

size_t conf_map_duplicates(struct conf_doc *doc, const struct conf_node *map)
{
	const struct conf_entry **sorted;
	size_t found = 0;

	if (map->kind != CONF_MAP_NODE || map->n < 2)
		return 0;
	sorted = mem_array(map->n, sizeof(struct conf_entry *));
	for (size_t i = 0; i < map->n; i++)
		sorted[i] = &map->entries[i];
	qsort(sorted, map->n, sizeof(struct conf_entry *), by_key);
	for (size_t i = 1; i < map->n; i++) {
		const struct conf_node *first = sorted[i - 1]->key, *again = sorted[i]->key;

		if (!str_eq(first->text, again->text))
			continue;
		found++;
		conf_error(doc, again, "'" STR_FMT "' is given twice, first at %s:%u:%u",
			   STR_ARG(again->text), first->file ? first->file : "", first->line,
			   first->col);
	}
	mem_free(sorted);
	return found;
}

const struct conf_node *conf_get(const struct conf_node *map, const char *key)
{
	if (!map || map->kind != CONF_MAP_NODE)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (str_is(map->entries[i].key->text, key))
			return map->entries[i].value;
	return NULL;
}

static void path_step(const struct conf_node *node, struct buf *out)
{
	const struct conf_node *parent = node->parent;

	for (size_t i = 0; i < parent->n; i++) {
		if (parent->kind == CONF_SEQ && parent->items[i] == node) {
			buf_printf(out, "[%zu]", i);
			return;
		}
		if (parent->kind == CONF_MAP_NODE && parent->entries[i].value == node) {
			if (out->n)
				buf_ch(out, '.');
			buf_str(out, parent->entries[i].key->text);
			return;
		}
	}
	/* A key: its place is that of the map. */
}

void conf_path(const struct conf_node *node, struct buf *out)
{
	const struct conf_node *chain[CONF_DEPTH_MAX + 1];
	size_t n = 0;

	for (; node && node->parent && n < ARRAY_LEN(chain); node = node->parent)
		chain[n++] = node;
	while (n)
		path_step(chain[--n], out);
}

const char *conf_kind_name(enum conf_kind kind)
{
	switch (kind) {
	case CONF_NULL:
		return "nothing";
	case CONF_SCALAR:
		return "a single value";
	case CONF_SEQ:
		return "a list";
	case CONF_MAP_NODE:
		break;
	}
	return "a map";
}
