/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up plugins by name, and stage lists, which name a plugin in every item. */
#include <errno.h>

#include "lib/conf_doc_impl.h"

void conf_doc_plugins(struct conf_doc *doc, const struct conf_plugin *plugins, size_t n)
{
	doc->plugins = plugins;
	doc->nplugins = n;
}

static bool plugin_is(const struct conf_plugin *plugin, struct str name)
{
	struct str rest = str_c(plugin->alias);

	if (str_is(name, plugin->name))
		return true;
	while (rest.n)
		if (str_eq(str_trim(str_cut(&rest, ',')), name))
			return true;
	return false;
}

const struct conf_plugin *conf_plugin_find(const struct conf_plugin *plugins, size_t n,
					   enum conf_plugin_kind kind, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (plugins[i].kind == kind && plugin_is(&plugins[i], name))
			return &plugins[i];
	return NULL;
}

struct of_kind {
	const struct conf_plugin *plugins;
	size_t n;
	enum conf_plugin_kind kind;
};

static const char *nth_of_kind(const void *ctx, size_t i)
{
	const struct of_kind *all = ctx;

	for (size_t k = 0; k < all->n; k++)
		if (all->plugins[k].kind == all->kind && i-- == 0)
			return all->plugins[k].name;
	return NULL;
}

const char *conf_plugin_nearest(const struct conf_plugin *plugins, size_t n,
				enum conf_plugin_kind kind, struct str name)
{
	struct of_kind all = { plugins, n, kind };

	return conf_nearest(name, nth_of_kind, &all);
}

static void unknown_stage(struct conf_doc *doc, const struct conf_node *at, struct str name)
{
	const char *nearest = conf_plugin_nearest(doc->plugins, doc->nplugins, CONF_STAGE, name);

	if (nearest)
		conf_error(doc, at, "unknown stage '" STR_FMT "' (did you mean '%s'?)",
			   STR_ARG(name), nearest);
	else
		conf_error(doc, at, "unknown stage '" STR_FMT "'", STR_ARG(name));
}

/* Name and body of one item: `- name: body`, or `- name` for a stage without options. */
static bool split_item(struct conf_doc *doc, const struct conf_node *item,
		       const struct conf_node **ret_name, const struct conf_node **ret_body)
{
	*ret_name = item;
	*ret_body = NULL;
	if (item->kind == CONF_SCALAR)
		return true;
	if (item->kind != CONF_MAP_NODE || item->n > 1) {
		conf_error(doc, item,
			   item->kind == CONF_MAP_NODE
				   ? "a stage is one name with its options below it, found %s with "
				     "several keys (are the options indented below the name?)"
				   : "expected a stage (`- name: options`), found %s",
			   conf_kind_name(item->kind));
		return false;
	}
	if (item->n == 0)
		return false; /* `- {}` does nothing */
	*ret_name = item->entries[0].key;
	*ret_body = item->entries[0].value;
	return true;
}

static bool read_stage(struct conf_doc *doc, const struct conf_node *item, struct conf_stage *ret)
{
	const struct conf_node *name, *body;
	const struct conf_plugin *plugin;

	if (!split_item(doc, item, &name, &body))
		return false;
	plugin = conf_plugin_find(doc->plugins, doc->nplugins, CONF_STAGE, name->text);
	if (!plugin) {
		unknown_stage(doc, name, name->text);
		return false;
	}
	if (!body) {
		/* A bare name: as if nothing stood behind a colon. */
		struct conf_node *none;

		conf_doc_at(doc, item->file, item->line, item->col);
		none = conf_node_null(doc);
		none->parent = (struct conf_node *)item;
		body = none;
	}
	ret->plugin = plugin;
	ret->node = body;
	ret->conf = conf_alloc(doc, plugin->conf->size);
	return conf_read(doc, plugin->conf, body, ret->conf) == 0;
}

void conf_stages_read(struct conf_doc *doc, const struct conf_node *node, struct conf_stages *ret)
{
	ret->node = node;
	if (node->kind != CONF_SEQ) {
		conf_error(doc, node, "expected a list of stages, found %s",
			   conf_kind_name(node->kind));
		return;
	}
	if (!doc->plugins)
		return;
	ret->items = conf_alloc(doc, node->n * sizeof(ret->items[0]));
	for (size_t i = 0; i < node->n; i++)
		if (read_stage(doc, node->items[i], &ret->items[ret->n]))
			ret->n++;
}

int conf_stages_each(const struct conf_stages *list,
		     int (*fn)(void *ctx, const struct conf_stage *s), void *ctx)
{
	int rc = 0;

	for (size_t i = 0; list && i < list->n && rc == 0; i++) {
		const struct conf_stage *s = &list->items[i];
		const struct conf_table *t = s->plugin->conf;

		rc = fn(ctx, s);
		for (size_t k = 0; t && k < t->n && rc == 0; k++)
			if (t->fields[k].type == CONF_T_STAGES)
				rc = conf_stages_each(
					(const void *)((const char *)s->conf + t->fields[k].offset),
					fn, ctx);
	}
	return rc;
}
