/* SPDX-License-Identifier: Apache-2.0 */
/* From files to a checked configuration: every input, output and stage read by its table. */
#include <errno.h>
#include <unistd.h>

#include "agent/agent_conf.h"
#include "agent/agent_conf_impl.h"
#include "agent/conf_load.h"
#include "lib/mem.h"
#include "outputs/output.h"

#define CONFIG_MAGIC 0xc04f16u
#define NAME_MAX_BYTES 64

/* Names are labels, metric labels and names of state files. */
static void check_name(struct conf_doc *doc, const struct conf_node *key)
{
	struct str name = key->text;
	bool is_fine =
		name.n > 0 && name.n <= NAME_MAX_BYTES && name.p[0] != '.' && name.p[0] != '-';

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-' || c == '.'))
			is_fine = false;
	}
	if (!is_fine)
		conf_error(doc, key,
			   "'" STR_FMT
			   "' is no name: letters, digits, _ - and . (not in front), at "
			   "most 64",
			   STR_ARG(name));
}

/* The map of names behind a top-level key; NULL when there is none. */
static const struct conf_node *named(struct conf_doc *doc, const struct conf_node *node)
{
	if (!node || node->kind == CONF_NULL)
		return NULL;
	if (node->kind == CONF_MAP_NODE)
		return node;
	conf_error(doc, node, "expected a map of names, found %s", conf_kind_name(node->kind));
	return NULL;
}

static const char *kind_name(enum conf_plugin_kind kind)
{
	return kind == CONF_INPUT ? "input" : kind == CONF_OUTPUT ? "output" : "stage";
}

/* Which plugin; NULL when that is not understood, which is reported. */
static const struct conf_plugin *find_type(struct conf_doc *doc, const struct conf_node *node,
					   enum conf_plugin_kind kind,
					   const struct conf_plugin *plugins, size_t n)
{
	const struct conf_node *type = conf_get(node, "type");
	const struct conf_plugin *plugin;
	const char *nearest;

	if (node->kind != CONF_MAP_NODE) {
		conf_error(doc, node, "expected the options of an %s, found %s", kind_name(kind),
			   conf_kind_name(node->kind));
		return NULL;
	}
	if (!type || type->kind != CONF_SCALAR) {
		conf_error(doc, type ? type : node, "the option 'type' is required");
		return NULL;
	}
	plugin = conf_plugin_find(plugins, n, kind, type->text);
	if (plugin)
		return plugin;
	nearest = conf_plugin_nearest(plugins, n, kind, type->text);
	if (nearest)
		conf_error(doc, type, "unknown %s type '" STR_FMT "' (did you mean '%s'?)",
			   kind_name(kind), STR_ARG(type->text), nearest);
	else
		conf_error(doc, type, "unknown %s type '" STR_FMT "'", kind_name(kind),
			   STR_ARG(type->text));
	return NULL;
}

static void read_item(struct config *c, enum conf_plugin_kind kind, struct config_item *item,
		      const struct conf_plugin *plugins, size_t n)
{
	struct conf_part parts[2] = {
		{ kind == CONF_INPUT ? &input_item_table : &output_item_table, &item->item },
	};

	item->plugin = find_type(c->doc, item->node, kind, plugins, n);
	if (!item->plugin)
		return;
	item->conf = conf_alloc(c->doc, item->plugin->conf->size);
	parts[1] = (struct conf_part){ item->plugin->conf, item->conf };
	conf_read_parts(c->doc, parts, 2, item->node);
	if (kind == CONF_OUTPUT && item->item.when_full == WHEN_FULL_UNSET) {
		const struct output_ops *ops = item->plugin->ops;

		item->item.when_full =
			ops->is_blocking_by_default ? WHEN_FULL_BLOCK : WHEN_FULL_DROP;
	}
}

static struct config_item *read_items(struct config *c, enum conf_plugin_kind kind,
				      const struct conf_node *node,
				      const struct conf_plugin *plugins, size_t nplugins,
				      size_t *ret_n)
{
	const struct conf_node *map = named(c->doc, node);
	struct config_item *items = conf_alloc(c->doc, (map ? map->n : 0) * sizeof(*items));

	*ret_n = map ? map->n : 0;
	for (size_t i = 0; i < *ret_n; i++) {
		check_name(c->doc, map->entries[i].key);
		items[i].name = map->entries[i].key->text.p;
		items[i].node = map->entries[i].value;
		read_item(c, kind, &items[i], plugins, nplugins);
	}
	return items;
}

static void read_pipelines(struct config *c)
{
	const struct conf_node *map = named(c->doc, c->agent.pipelines);

	c->npipelines = map ? map->n : 0;
	c->pipelines = conf_alloc(c->doc, c->npipelines * sizeof(*c->pipelines));
	for (size_t i = 0; i < c->npipelines; i++) {
		struct config_pipeline *p = &c->pipelines[i];

		check_name(c->doc, map->entries[i].key);
		p->name = map->entries[i].key->text.p;
		p->node = map->entries[i].value;
		conf_read(c->doc, &pipeline_conf_table, p->node, &p->conf);
	}
}

static void read_tests(struct config *c)
{
	const struct conf_node *map = named(c->doc, c->agent.tests);

	c->ntests = map ? map->n : 0;
	c->tests = conf_alloc(c->doc, c->ntests * sizeof(*c->tests));
	for (size_t i = 0; i < c->ntests; i++) {
		struct config_test *t = &c->tests[i];
		const struct conf_node *key = map->entries[i].key;

		*t = (struct config_test){ .name = key->text.p,
					   .node = map->entries[i].value,
					   .line = key->line,
					   .col = key->col };
		conf_read(c->doc, &test_conf_table, t->node, &t->conf);
	}
}

static void set_hostname(struct config *c)
{
	char name[256] = "";

	if (c->agent.hostname.p)
		return;
	if (gethostname(name, sizeof(name) - 1))
		name[0] = 0;
	c->agent.hostname = conf_dup(c->doc, name[0] ? str_c(name) : STR("localhost"));
}

struct config *config_load(const char *path, const struct conf_env *env,
			   const struct conf_plugin *plugins, size_t nplugins)
{
	struct config *c = mem_zalloc(sizeof(*c));
	bool is_whole;

	c->magic = CONFIG_MAGIC;
	c->refs = 1;
	c->doc = conf_doc_new();
	conf_doc_plugins(c->doc, plugins, nplugins);
	c->root = conf_load(c->doc, path, env, &c->files);
	is_whole = conf_error_count(c->doc) == 0;
	conf_read(c->doc, &agent_conf_table, c->root, &c->agent);
	config_find_socket(c);
	/* A file that could not be read at all says enough: what it would have held is missing, so
	 * complaints about the rest would be noise. */
	if (!is_whole && c->root->n == 0)
		return c;
	set_hostname(c);
	c->inputs = read_items(c, CONF_INPUT, c->agent.inputs, plugins, nplugins, &c->ninputs);
	c->outputs = read_items(c, CONF_OUTPUT, c->agent.outputs, plugins, nplugins, &c->noutputs);
	read_pipelines(c);
	read_tests(c);
	if (is_whole)
		config_resolve(c);
	return c;
}

struct config *config_keep(struct config *c)
{
	CHECK_OBJ(c, CONFIG_MAGIC);
	c->refs++;
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	CHECK_OBJ(c, CONFIG_MAGIC);
	if (--c->refs)
		return;
	c->magic = 0;
	conf_doc_free(c->doc);
	mem_free(c);
}

/* ---- writing ---- */

static void render_items(struct buf *out, const char *title, const struct conf_table *common,
			 const struct config_item *items, size_t n, bool with_origin)
{
	buf_printf(out, "%s:%s\n", title, n ? "" : " {}");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "  %s:\n", items[i].name);
		conf_render(out, common, items[i].node, &items[i].item, 4, with_origin);
		conf_render(out, items[i].plugin->conf, items[i].node, items[i].conf, 4,
			    with_origin);
	}
}

void config_render(const struct config *c, struct buf *out, bool with_origin)
{
	/* Without the last four rows: three are rendered by their own tables, and tests are not in
	 * force. And without include: what it named is merged in here. */
	struct conf_table own = agent_conf_table;

	own.n -= 5;
	conf_render(out, &own, c->root, &c->agent, 0, with_origin);
	buf_c(out, "include: []\n");
	render_items(out, "inputs", &input_item_table, c->inputs, c->ninputs, with_origin);
	render_items(out, "outputs", &output_item_table, c->outputs, c->noutputs, with_origin);
	buf_printf(out, "pipelines:%s\n", c->npipelines ? "" : " {}");
	for (size_t i = 0; i < c->npipelines; i++) {
		buf_printf(out, "  %s:\n", c->pipelines[i].name);
		conf_render(out, &pipeline_conf_table, c->pipelines[i].node, &c->pipelines[i].conf,
			    4, with_origin);
	}
}
