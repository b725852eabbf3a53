/* SPDX-License-Identifier: Apache-2.0 */
/* JSON schema of the configuration, for editors. It is a little more generous than the agent: a
 * ${...} is allowed wherever a value is. */
#include <inttypes.h>

#include "agent/agent_conf.h"
#include "agent/conf_doc.h"

static const char scalar[] = "{\"type\": [\"string\", \"number\", \"boolean\"]}";

static void text(struct buf *out, const char *s)
{
	buf_json_str(out, str_c(s));
}

static void enum_list(struct buf *out, const struct conf_enum *names)
{
	buf_c(out, "{\"anyOf\": [{\"enum\": [");
	for (const struct conf_enum *e = names; e->name; e++) {
		if (e != names)
			buf_c(out, ", ");
		text(out, e->name);
	}
	/* Names such as `none` or `off` may be read as something else than text by an editor. */
	buf_c(out,
	      "]}, {\"type\": \"string\", \"pattern\": \"[$][{]\"}, {\"type\": \"boolean\"}]}");
}

static void object(struct buf *out, const struct conf_table *first, const struct conf_table *second,
		   const char *type);

static void list_of(struct buf *out, const char *item)
{
	buf_printf(out, "{\"anyOf\": [%s, {\"type\": \"array\", \"items\": %s}]}", scalar, item);
}

static void shape(struct buf *out, const struct conf_field *f)
{
	switch (f->type) {
	case CONF_T_BOOL:
		buf_c(out, "{\"anyOf\": [{\"type\": \"boolean\"}, {\"type\": \"string\"}]}");
		break;
	case CONF_T_INT:
	case CONF_T_DOUBLE:
		buf_c(out, "{\"type\": [\"number\", \"string\"]}");
		break;
	case CONF_T_ENUM:
		enum_list(out, f->names);
		break;
	case CONF_T_FLAGS: {
		struct buf item = BUF_INIT;

		enum_list(&item, f->names);
		list_of(out, buf_cstr(&item));
		buf_fini(&item);
		break;
	}
	case CONF_T_LIST:
	case CONF_T_SIZES:
	case CONF_T_ADDRS:
		list_of(out, scalar);
		break;
	case CONF_T_MAP:
		buf_c(out,
		      "{\"type\": \"object\", \"additionalProperties\": {\"type\": [\"string\", "
		      "\"number\", \"boolean\", \"null\"]}}");
		break;
	case CONF_T_STAGES:
		buf_c(out, "{\"$ref\": \"#/definitions/stages\"}");
		break;
	case CONF_T_SECTION:
		object(out, f->table, NULL, NULL);
		break;
	case CONF_T_SECTIONS:
		buf_c(out, "{\"type\": \"array\", \"items\": ");
		object(out, f->table, NULL, NULL);
		buf_ch(out, '}');
		break;
	case CONF_T_NAMED:
		buf_c(out, "{\"type\": \"object\", \"additionalProperties\": ");
		object(out, f->table, NULL, NULL);
		buf_ch(out, '}');
		break;
	case CONF_T_NODE:
		buf_c(out, "{}");
		break;
	default:
		buf_c(out, scalar);
	}
}

/* "name": {description, default, allOf: [shape]}; null stands for "not given". */
static void property(struct buf *out, const char *name, const struct conf_field *f)
{
	text(out, name);
	buf_c(out, ": {\"description\": ");
	text(out, f->doc);
	if (f->def) {
		buf_c(out, ", \"default\": ");
		text(out, f->def);
	}
	buf_c(out, ", \"anyOf\": [{\"type\": \"null\"}, ");
	shape(out, f);
	buf_c(out, "]}");
}

static void properties(struct buf *out, const struct conf_table *table, bool *is_first)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_field *f = &table->fields[i];
		struct str rest = str_c(f->alias);
		char name[64];

		buf_c(out, *is_first ? "\n" : ",\n");
		*is_first = false;
		property(out, conf_field_key(f), f);
		while (rest.n) {
			struct str alias = str_trim(str_cut(&rest, ','));

			CHECK(alias.n < sizeof(name));
			memcpy(name, alias.p, alias.n);
			name[alias.n] = 0;
			buf_c(out, ",\n");
			property(out, name, f);
		}
	}
}

static void required(struct buf *out, const struct conf_table *table, bool *is_first)
{
	for (size_t i = 0; i < table->n; i++) {
		/* One with an alias may be given under that name. */
		if (!(table->fields[i].flags & CONF_REQUIRED) || table->fields[i].alias)
			continue;
		if (!*is_first)
			buf_c(out, ", ");
		*is_first = false;
		text(out, conf_field_key(&table->fields[i]));
	}
}

/* Options of one or two tables; type: the value of the option `type`. */
static void object(struct buf *out, const struct conf_table *first, const struct conf_table *second,
		   const char *type)
{
	bool is_first = true;

	buf_c(out, "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
	properties(out, first, &is_first);
	if (second)
		properties(out, second, &is_first);
	buf_c(out, "}, \"required\": [");
	is_first = true;
	required(out, first, &is_first);
	if (second)
		required(out, second, &is_first);
	buf_c(out, "]");
	if (type)
		buf_printf(out, ", \"$comment\": \"%s\"", type);
	buf_c(out, "}");
}

/* A map from names to items; which options an item has follows from its type. */
static void items(struct buf *out, enum conf_plugin_kind kind, const struct conf_plugin *plugins,
		  size_t n)
{
	bool is_first = true;

	buf_c(out,
	      "{\"type\": [\"object\", \"null\"], \"additionalProperties\": {\"type\": \"object\", "
	      "\"required\": [\"type\"], \"properties\": {\"type\": {\"enum\": [");
	for (size_t i = 0; i < n; i++) {
		if (plugins[i].kind != kind)
			continue;
		if (!is_first)
			buf_c(out, ", ");
		is_first = false;
		text(out, plugins[i].name);
	}
	buf_c(out, "]}}, \"allOf\": [");
	is_first = true;
	for (size_t i = 0; i < n; i++) {
		if (plugins[i].kind != kind)
			continue;
		buf_printf(out,
			   "%s\n{\"if\": {\"properties\": {\"type\": {\"const\": \"%s\"}}}, "
			   "\"then\": ",
			   is_first ? "" : ",", plugins[i].name);
		is_first = false;
		object(out, conf_doc_common(kind), plugins[i].conf, plugins[i].name);
		buf_c(out, "}");
	}
	buf_c(out, "]}}");
}

static void stage_body(struct buf *out, const struct conf_plugin *plugin)
{
	const struct conf_table *table = plugin->conf;

	if (table->n == 1 && (table->fields[0].flags & CONF_BODY)) {
		shape(out, &table->fields[0]);
		return;
	}
	buf_c(out, "{\"anyOf\": [{\"type\": \"null\"}, ");
	object(out, table, NULL, plugin->name);
	buf_c(out, "]}");
}

static void stages(struct buf *out, const struct conf_plugin *plugins, size_t n)
{
	bool is_first = true;

	buf_c(out,
	      "{\"type\": [\"array\", \"null\"], \"items\": {\"anyOf\": [{\"type\": \"string\"}, "
	      "{\"type\": \"object\", \"maxProperties\": 1, \"additionalProperties\": false, "
	      "\"properties\": {");
	for (size_t i = 0; i < n; i++) {
		struct str rest = str_c(plugins[i].alias);
		struct str name = str_c(plugins[i].name);

		if (plugins[i].kind != CONF_STAGE)
			continue;
		do {
			buf_c(out, is_first ? "\n" : ",\n");
			is_first = false;
			buf_json_str(out, name);
			buf_c(out, ": ");
			stage_body(out, &plugins[i]);
			name = str_trim(str_cut(&rest, ','));
		} while (name.n);
	}
	buf_c(out, "}}]}}");
}

void conf_doc_schema(struct buf *out, const struct conf_plugin *plugins, size_t n)
{
	struct conf_table own = agent_conf_table;
	bool is_first = true;

	own.n -= 4; /* inputs, outputs, pipelines and tests follow in full */
	buf_c(out, "{\"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
		   "\"title\": \"Tailrace configuration\",\n\"type\": \"object\",\n"
		   "\"additionalProperties\": false,\n\"properties\": {");
	properties(out, &own, &is_first);
	buf_c(out, ",\n\"inputs\": ");
	items(out, CONF_INPUT, plugins, n);
	buf_c(out, ",\n\"outputs\": ");
	items(out, CONF_OUTPUT, plugins, n);
	buf_c(out,
	      ",\n\"pipelines\": {\"type\": [\"object\", \"null\"], \"additionalProperties\": ");
	object(out, &pipeline_conf_table, NULL, NULL);
	buf_c(out, "},\n\"tests\": {\"type\": [\"object\", \"null\"], \"additionalProperties\": ");
	object(out, &test_conf_table, NULL, NULL);
	buf_c(out, "}},\n\"definitions\": {\"stages\": ");
	stages(out, plugins, n);
	buf_c(out, "}}\n");
}
