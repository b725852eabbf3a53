/* SPDX-License-Identifier: Apache-2.0 */
/* Help and reference pages from the option tables. */
#include "agent/conf_doc.h"
#include "agent/agent_conf.h"

#define COLUMNS 80

const char *conf_doc_kind(enum conf_plugin_kind kind)
{
	return kind == CONF_INPUT ? "input" : kind == CONF_OUTPUT ? "output" : "stage";
}

const struct conf_table *conf_doc_common(enum conf_plugin_kind kind)
{
	return kind == CONF_INPUT    ? &input_item_table
	       : kind == CONF_OUTPUT ? &output_item_table
				     : NULL;
}

/* ---- what a value looks like ---- */

static void names(struct buf *out, const struct conf_enum *list, const char *last)
{
	for (const struct conf_enum *e = list; e->name; e++) {
		if (e != list)
			buf_c(out, e[1].name ? ", " : last);
		buf_c(out, e->name);
	}
}

static void bounds(struct buf *out, const struct conf_field *f)
{
	if (f->min && f->max)
		buf_printf(out, " from %s to %s", f->min, f->max);
	else if (f->min)
		buf_printf(out, ", at least %s", f->min);
	else if (f->max)
		buf_printf(out, ", at most %s", f->max);
}

static void schemes(struct buf *out, unsigned bits)
{
	static const char *const texts[] = { "udp://host:port",   "tcp://host:port",
					     "unix:///path",      "unixgram:///path",
					     "tls://host:port",   "systemd://name",
					     "systemd+tls://name" };
	bool is_first = true;

	if ((bits & (bits - 1)) == 0 && (bits & (CONF_UDP | CONF_TCP))) {
		buf_c(out, "host:port");
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		if (!(bits & (1u << i)))
			continue;
		if (!is_first)
			buf_c(out, " or ");
		is_first = false;
		buf_c(out, texts[i]);
	}
}

void conf_doc_type(struct buf *out, const struct conf_field *f)
{
	static const char *const words[] = {
		[CONF_T_STR] = "text",
		[CONF_T_URL] = "URL",
		[CONF_T_BOOL] = "true or false",
		[CONF_T_INT] = "number",
		[CONF_T_SIZE] = "size",
		[CONF_T_TIME] = "duration",
		[CONF_T_DOUBLE] = "number",
		[CONF_T_RATE] = "rate",
		[CONF_T_ENUM] = "",
		[CONF_T_FLAGS] = "list of ",
		[CONF_T_ADDR] = "",
		[CONF_T_SECRET] = "secret",
		[CONF_T_LIST] = "list of texts",
		[CONF_T_SIZES] = "list of sizes",
		[CONF_T_ADDRS] = "list of ",
		[CONF_T_MAP] = "map of texts",
		[CONF_T_STAGES] = "list of stages",
		[CONF_T_SECTION] = "options",
		[CONF_T_SECTIONS] = "list of options",
		[CONF_T_NAMED] = "map of options by name",
		[CONF_T_NODE] = "map",
	};

	buf_c(out, words[f->type]);
	if (f->names)
		names(out, f->names, f->type == CONF_T_ENUM ? " or " : ", ");
	if (f->schemes)
		schemes(out, f->schemes);
	bounds(out, f);
}

static const char *default_text(const struct conf_field *f)
{
	return f->def ? f->def : "";
}

void conf_doc_in_order(struct buf *out, const struct conf_table *table, unsigned indent,
		       void (*each)(struct buf *, const struct conf_field *, unsigned))
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < table->n; i++)
			if (!(table->fields[i].flags & CONF_ADVANCED) == !pass)
				each(out, &table->fields[i], indent);
}

/* ---- terminal ---- */

static void spaces(struct buf *out, unsigned n)
{
	while (n--)
		buf_ch(out, ' ');
}

/* Words of text in lines of COLUMNS. Lines that are indented (code) or begin a list stay apart. */
static void wrapped(struct buf *out, struct str text, unsigned indent)
{
	while (text.n) {
		struct str line = str_cut(&text, '\n');
		size_t col = indent;

		spaces(out, indent);
		if (line.n &&
		    (line.p[0] == ' ' || line.p[0] == '|' || str_starts(line, STR("```")))) {
			buf_str(out, line);
			line = STR_NONE;
		}
		while (line.n) {
			struct str word = str_cut(&line, ' ');

			if (col > indent && col + 1 + word.n > COLUMNS) {
				buf_ch(out, '\n');
				spaces(out, indent);
				col = indent;
			} else if (col > indent) {
				buf_ch(out, ' ');
				col++;
			}
			buf_str(out, word);
			col += word.n;
		}
		buf_ch(out, '\n');
	}
}

static void help_enum(struct buf *out, const struct conf_enum *list, unsigned indent)
{
	for (; list && list->name; list++) {
		struct buf line = BUF_INIT;

		if (!list->doc)
			continue;
		buf_printf(&line, "%s: %s", list->name, list->doc);
		wrapped(out, buf_as_str(&line), indent);
		buf_fini(&line);
	}
}

static void help_field(struct buf *out, const struct conf_field *f, unsigned indent)
{
	struct buf head = BUF_INIT;

	spaces(out, indent);
	buf_c(&head, f->flags & CONF_BODY ? "(the value itself)" : conf_field_key(f));
	buf_c(&head, "  ");
	conf_doc_type(&head, f);
	if (f->flags & CONF_REQUIRED)
		buf_c(&head, "; required");
	else if (f->def)
		buf_printf(&head, "; default %s", f->def);
	if (f->alias)
		buf_printf(&head, "; also called %s", f->alias);
	buf_str(out, buf_as_str(&head));
	buf_ch(out, '\n');
	buf_fini(&head);
	wrapped(out, str_c(f->doc), indent + 4);
	help_enum(out, f->names, indent + 6);
	if (f->table)
		conf_doc_help_table(out, f->table, indent + 4);
}

void conf_doc_help_table(struct buf *out, const struct conf_table *table, unsigned indent)
{
	conf_doc_in_order(out, table, indent, help_field);
}

/* Without its period, if it has one. */
static struct str summary(const struct conf_plugin *plugin)
{
	struct str s = str_c(plugin->summary);

	if (str_ends(s, STR(".")))
		s.n--;
	return s;
}

void conf_doc_help(struct buf *out, const struct conf_plugin *plugin)
{
	const struct conf_table *common = conf_doc_common(plugin->kind);

	buf_printf(out, "%s (%s): " STR_FMT "\n\n", plugin->name, conf_doc_kind(plugin->kind),
		   STR_ARG(summary(plugin)));
	if (plugin->doc) {
		wrapped(out, str_c(plugin->doc), 0);
		buf_ch(out, '\n');
	}
	if (plugin->alias)
		buf_printf(out, "Also called: %s\n\n", plugin->alias);
	buf_c(out, "Options:\n");
	if (common)
		conf_doc_help_table(out, common, 2);
	conf_doc_help_table(out, plugin->conf, 2);
	if (!common && plugin->conf->n == 0)
		buf_c(out, "  none\n");
	buf_c(out, "\nTo start from:\n\n");
	conf_doc_sample(out, plugin);
}

/* ---- Markdown ---- */

/* Inside a table cell a bar would end it. */
static void cell(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '|')
			buf_ch(out, '\\');
		buf_ch(out, text.p[i] == '\n' ? ' ' : text.p[i]);
	}
}

static void page_row(struct buf *out, const struct conf_field *f, unsigned unused)
{
	struct buf type = BUF_INIT;

	(void)unused;
	conf_doc_type(&type, f);
	buf_printf(out, "| %s%s%s | ", f->flags & CONF_BODY ? "(the value)" : "`",
		   f->flags & CONF_BODY ? "" : conf_field_key(f), f->flags & CONF_BODY ? "" : "`");
	cell(out, buf_as_str(&type));
	buf_c(out, " | ");
	if (f->flags & CONF_REQUIRED)
		buf_c(out, "**required**");
	else if (f->def)
		buf_printf(out, "`%s`", default_text(f));
	buf_c(out, " | ");
	cell(out, str_c(f->doc));
	for (const struct conf_enum *e = f->names; e && e->name; e++) {
		if (!e->doc)
			continue;
		buf_printf(out, " `%s`: ", e->name);
		cell(out, str_c(e->doc));
		buf_ch(out, '.');
	}
	if (f->alias)
		buf_printf(out, " Also called `%s`.", f->alias);
	buf_c(out, " |\n");
	buf_fini(&type);
}

static void page_table(struct buf *out, const struct conf_table *common,
		       const struct conf_table *table)
{
	buf_c(out, "| Option | Value | Default | Meaning |\n|---|---|---|---|\n");
	if (common)
		conf_doc_in_order(out, common, 0, page_row);
	conf_doc_in_order(out, table, 0, page_row);
	for (size_t i = 0; i < table->n; i++) {
		if (!table->fields[i].table)
			continue;
		buf_printf(out, "\n### Options of `%s`\n\n", conf_field_key(&table->fields[i]));
		page_table(out, NULL, table->fields[i].table);
	}
}

static const char made_by[] = "<!-- Generated from the option tables: edit those, then run "
			      "`test_conf_doc --update`. -->\n\n";

void conf_doc_page(struct buf *out, const struct conf_plugin *plugin)
{
	const struct conf_table *common = conf_doc_common(plugin->kind);

	buf_c(out, made_by);
	buf_printf(out, "# %s `%s`\n\n" STR_FMT ".\n\n",
		   plugin->kind == CONF_INPUT    ? "Input"
		   : plugin->kind == CONF_OUTPUT ? "Output"
						 : "Stage",
		   plugin->name, STR_ARG(summary(plugin)));
	if (plugin->alias)
		buf_printf(out, "Also called `%s`.\n\n", plugin->alias);
	if (plugin->doc)
		buf_printf(out, "%s\n\n", plugin->doc);
	buf_c(out, "## Options\n\n");
	if (!common && plugin->conf->n == 0)
		buf_c(out, "None.\n");
	else
		page_table(out, common, plugin->conf);
	buf_c(out, "\n## To start from\n\n```yaml\n");
	conf_doc_sample(out, plugin);
	buf_c(out, "```\n");
}

void conf_doc_agent_page(struct buf *out)
{
	buf_c(out, made_by);
	buf_c(out, "# The agent\n\nOptions at the top level of the configuration.\n\n");
	page_table(out, NULL, &agent_conf_table);
	buf_c(out,
	      "\n## Inputs\n\nOptions every entry of `inputs` has, besides those of its type.\n\n");
	page_table(out, NULL, &input_item_table);
	buf_c(out, "\n## Outputs\n\nOptions every entry of `outputs` has, besides those of its "
		   "type.\n\n");
	page_table(out, NULL, &output_item_table);
	buf_c(out, "\n## Pipelines\n\nOptions of every entry of `pipelines`.\n\n");
	page_table(out, NULL, &pipeline_conf_table);
	buf_c(out, "\n## Tests\n\nOptions of every entry of `tests`, see [Try a "
		   "pipeline](../try.md#test).\n\n");
	page_table(out, NULL, &test_conf_table);
}

void conf_doc_metrics_page(struct buf *out)
{
	buf_c(out, made_by);
	buf_c(out,
	      "# Metrics\n\n"
	      "`/metrics` of the admin port: the Prometheus text format, or OpenMetrics 1.0 for "
	      "who "
	      "asks for it (`Accept: application/openmetrics-text`). A family is there once it has "
	      "a "
	      "series. What the stage [`metrics`](stage-metrics.md) makes comes behind these.\n\n");
	metrics_describe(out);
	buf_c(out, "\nFor every `pipeline` and `output`, at any quiet moment, "
		   "`tailrace_records_in_total` is the sum of `tailrace_records_delivered_total`, "
		   "`_filtered_`, `_joined_`, `_withdrawn_`, `_dropped_` and "
		   "`tailrace_records_held`.\n\n"
		   "What to be told of:\n\n"
		   "```yaml\n"
		   "- alert: TailraceDrops\n"
		   "  expr: rate(tailrace_records_dropped_total[5m]) > 0\n"
		   "- alert: TailraceBehind\n"
		   "  expr: tailrace_output_oldest_seconds > 300\n"
		   "- alert: TailraceOutputDown\n"
		   "  expr: tailrace_output_up == 0\n"
		   "  for: 5m\n"
		   "```\n");
}

static void index_kind(struct buf *out, const char *title, enum conf_plugin_kind kind,
		       const struct conf_plugin *plugins, size_t n)
{
	buf_printf(out, "\n## %s\n\n", title);
	for (size_t i = 0; i < n; i++)
		if (plugins[i].kind == kind)
			buf_printf(out, "- [`%s`](%s-%s.md): " STR_FMT "\n", plugins[i].name,
				   conf_doc_kind(kind), plugins[i].name,
				   STR_ARG(summary(&plugins[i])));
}

void conf_doc_index(struct buf *out, const struct conf_plugin *plugins, size_t n)
{
	buf_c(out, made_by);
	buf_c(out,
	      "# Reference\n\n"
	      "The same text is in the program: `tailrace help <name>`. "
	      "[schema.json](schema.json) tells an editor the options as you type.\n\n"
	      "- [The agent](agent.md): top-level options, and what inputs, outputs and pipelines "
	      "have in common\n"
	      "- [Metrics](metrics.md): what `/metrics` has\n\n"
	      "How values are written:\n\n"
	      "| Value | Examples |\n|---|---|\n"
	      "| size | `64KiB`, `1MiB`, `512`; `KB`, `MB` and `GB` are powers of 1024, too |\n"
	      "| duration | `500ms`, `10s`, `1m30s`, `2h`, `1d` |\n"
	      "| rate | `100` per second, `10/m`, `1MiB/s` |\n"
	      "| true or false | also `yes`, `no`, `on`, `off` |\n"
	      "| host:port | `127.0.0.1:9099`, `[::1]:514`, `:514` for every address |\n"
	      "| secret | `file:/path` or `env:NAME`, else the secret itself; never shown |\n"
	      "| list | a single value is a list of one |\n"
	      "| any value | `${NAME}`, `${NAME:-default}`, `${NAME:+text if set}`; `$$` is a "
	      "dollar "
	      "|\n");
	index_kind(out, "Inputs", CONF_INPUT, plugins, n);
	index_kind(out, "Stages", CONF_STAGE, plugins, n);
	index_kind(out, "Outputs", CONF_OUTPUT, plugins, n);
}
