/* SPDX-License-Identifier: Apache-2.0 */
/* The option tables of every plugin are complete, and docs/reference, the man pages and the completion are what they
 * say. `test_conf_doc --update` rewrites those. */
#include "tests/unit/test.h"

#include "agent/agent_conf.h"
#include "agent/cli.h"
#include "agent/conf_doc.h"
#include "agent/conf_yaml.h"
#include "agent/doc_cli.h"
#include "agent/registry.h"

#define REFERENCE SOURCE_DIR "/docs/reference"
#define PACKAGING SOURCE_DIR "/packaging"
#define EXAMPLES GOLDEN_DIR "/stages"

static const struct conf_plugin *plugins;
static size_t nplugins;

static char row[256];

static void check_table(const char *owner, const struct conf_table *table);

static void check_field(const char *owner, const struct conf_field *f,
			const struct conf_table *table)
{
	struct str doc = str_c(f->doc);

	snprintf(row, sizeof(row), "%s %s", owner, conf_field_key(f));
	ROW(row);
	OK(doc.n > 4 && doc.p[0] != ' ');
	OK(doc.n && strchr(".)`", doc.p[doc.n - 1])); /* whole sentences */
	OK(str_find(doc, STR("\n")) == doc.n || !(f->flags & CONF_BODY));
	/* A required option has no default, but something to show in a sample. */
	OK(!(f->flags & CONF_REQUIRED) || !f->def);
	OK(!(f->flags & CONF_REQUIRED) || f->example || f->type == CONF_T_STAGES ||
	   f->type == CONF_T_SECTION || str_is(str_c(conf_field_key(f)), "type"));
	OK(!(f->flags & CONF_BODY) || table->n == 1);
	OK((f->type != CONF_T_ENUM && f->type != CONF_T_FLAGS) || f->names);
	for (const char *c = conf_field_key(f); *c; c++)
		OK((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_' || *c == '-');
	for (size_t i = 0; i < table->n; i++)
		OK(&table->fields[i] == f ||
		   strcmp(conf_field_key(&table->fields[i]), conf_field_key(f)) != 0);
	if (f->table)
		check_table(owner, f->table);
}

static void check_table(const char *owner, const struct conf_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		check_field(owner, &table->fields[i], table);
}

/* Defaults parse and lie within their own bounds: reading an empty map complains about nothing but
 * what is required. */
static void check_defaults(const char *owner, const struct conf_table *table)
{
	struct conf_doc *doc = conf_doc_new();
	struct conf_table alone = *table;
	void *conf = conf_alloc(doc, table->size);
	struct buf errors = BUF_INIT;
	struct str rest;

	alone.check = NULL; /* rules between options may ask for one of several */

	snprintf(row, sizeof(row), "%s defaults", owner);
	ROW(row);
	conf_doc_plugins(doc, plugins, nplugins);
	conf_read(doc, &alone, NULL, conf);
	conf_errors_print(doc, &errors, false);
	rest = buf_as_str(&errors);
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		if (!str_ends(line, STR("is required")) && !str_is(line, "needs a value"))
			FAIL(STR_FMT, STR_ARG(line));
	}
	buf_fini(&errors);
	conf_doc_free(doc);
}

static void test_tables(void)
{
	check_table("agent", &agent_conf_table);
	check_defaults("agent", &agent_conf_table);
	check_table("input", &input_item_table);
	check_table("output", &output_item_table);
	check_table("pipeline", &pipeline_conf_table);
	check_defaults("pipeline", &pipeline_conf_table);
	for (size_t i = 0; i < nplugins; i++) {
		const struct conf_plugin *p = &plugins[i];

		ROW(p->name);
		OK(p->summary && strlen(p->summary) > 8);
		OK(p->conf != NULL);
		if (!p->conf)
			continue;
		check_table(p->name, p->conf);
		check_defaults(p->name, p->conf);
	}
}

/* A sample is YAML that the table itself accepts, as it stands and with its comments taken away. */
static void check_sample(const struct conf_plugin *plugin, struct str sample)
{
	struct conf_doc *doc = conf_doc_new();
	struct buf errors = BUF_INIT;
	struct conf_node *root;
	struct pipeline_conf pipeline;
	const struct conf_node *map;

	conf_doc_plugins(doc, plugins, nplugins);
	root = conf_yaml_parse(doc, "sample", sample, NULL);
	if (plugin->kind == CONF_STAGE) {
		conf_map_add(doc, root, conf_node_scalar(doc, STR("from"), true),
			     conf_node_scalar(doc, STR("a"), true));
		conf_map_add(doc, root, conf_node_scalar(doc, STR("to"), true),
			     conf_node_scalar(doc, STR("b"), true));
		conf_read(doc, &pipeline_conf_table, root, &pipeline);
	} else {
		struct item_conf item;
		struct conf_part parts[] = {
			{ conf_doc_common(plugin->kind), &item },
			{ plugin->conf, conf_alloc(doc, plugin->conf->size) },
		};

		map = conf_get(root, plugin->kind == CONF_INPUT ? "inputs" : "outputs");
		map = conf_get(map, "main");
		OK(map != NULL);
		conf_read_parts(doc, parts, 2, map);
	}
	conf_errors_print(doc, &errors, false);
	if (errors.n)
		FAIL("%s\n" STR_FMT, buf_cstr(&errors), STR_ARG(sample));
	buf_fini(&errors);
	conf_doc_free(doc);
}

static void test_samples(void)
{
	for (size_t i = 0; i < nplugins; i++) {
		struct buf sample = BUF_INIT;

		snprintf(row, sizeof(row), "%s sample", plugins[i].name);
		ROW(row);
		if (!plugins[i].conf)
			continue;
		conf_doc_sample(&sample, &plugins[i]);
		check_sample(&plugins[i], buf_as_str(&sample));
		buf_fini(&sample);
	}
}

static void test_help(void)
{
	for (size_t i = 0; i < nplugins; i++) {
		struct buf help = BUF_INIT;

		ROW(plugins[i].name);
		if (!plugins[i].conf)
			continue;
		conf_doc_help(&help, &plugins[i]);
		for (size_t k = 0; k < plugins[i].conf->n; k++) {
			const struct conf_field *f = &plugins[i].conf->fields[k];

			OK((f->flags & CONF_BODY) ||
			   str_find(buf_as_str(&help), str_c(conf_field_key(f))) < help.n);
		}
		buf_fini(&help);
	}
}

static void test_reference(void)
{
	EQ_INT(conf_doc_write(REFERENCE, EXAMPLES, plugins, nplugins, true), 0);
}

static void test_cli(void)
{
	struct doc_cli doc;

	cli_describe(&doc);
	EQ_INT(conf_doc_write_cli(PACKAGING, &doc, true), 0);
}

int main(int argc, char **argv)
{
	plugins = registry(&nplugins);
	if (argc > 1 && !strcmp(argv[1], "--update")) {
		int n = conf_doc_write(REFERENCE, EXAMPLES, plugins, nplugins, false);

		struct doc_cli doc;
		int ncli;

		cli_describe(&doc);
		ncli = conf_doc_write_cli(PACKAGING, &doc, false);
		printf("%d files of docs/reference and %d of packaging rewritten\n", n, ncli);
		return n < 0 || ncli < 0;
	}
	RUN(test_tables);
	RUN(test_samples);
	RUN(test_help);
	RUN(test_reference);
	RUN(test_cli);
	return test_end();
}
