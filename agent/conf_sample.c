/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration to start from, out of an option table. */
#include "agent/agent_conf.h"
#include "agent/conf_doc.h"
#include "agent/conf_yaml.h"

static void spaces(struct buf *out, unsigned n)
{
	while (n--)
		buf_ch(out, ' ');
}

/* The first sentence: enough beside a sample. */
static struct str first_sentence(const char *text)
{
	struct str s = str_c(text);

	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == '.' && (s.p[i + 1] == ' ' || s.p[i + 1] == '\n'))
			return str_sub(s, 0, i);
	if (str_ends(s, STR(".")))
		s.n--;
	return s;
}

/* Plain where YAML allows it: defaults may begin with * or hold a colon and a space. */
static void value(struct buf *out, const struct conf_field *f)
{
	const char *text = f->def ? f->def : f->example;

	if (!text || !text[0]) {
		buf_c(out, text ? "\"\"" : "");
	} else if (f->def && (f->type == CONF_T_STR || f->type == CONF_T_ADDR)) {
		conf_render_text(out, str_c(text));
	} else if (f->def && (f->type == CONF_T_LIST || f->type == CONF_T_ADDRS)) {
		/* In a flow list `a://b` and `*` are fine inside quotes only. */
		struct str rest = str_c(text);

		if (rest.n && rest.p[0] == '[')
			rest = str_sub(rest, 1, rest.n - 1);
		buf_ch(out, '[');
		while (rest.n) {
			conf_render_text(out, str_trim(str_cut(&rest, ',')));
			if (rest.n)
				buf_c(out, ", ");
		}
		buf_ch(out, ']');
	} else {
		buf_c(out, text);
	}
}

/* How a sample is written: `wanted` optional options with an example are not commented out. */
struct sample {
	struct buf *out;
	unsigned wanted;
};

static void sample_table(struct sample *s, const struct conf_table *table, unsigned indent,
			 bool is_comment, bool is_item);

static bool is_live(struct sample *s, const struct conf_field *f)
{
	if (f->flags & CONF_REQUIRED)
		return true;
	if (f->def || !f->example || !s->wanted)
		return false;
	s->wanted--;
	return true;
}

static void sample_field(struct sample *s, const struct conf_field *f, unsigned indent,
			 bool is_comment, bool is_first_of_item)
{
	struct str doc = first_sentence(f->doc);
	bool is_off = is_comment || !is_live(s, f);

	if (f->flags & CONF_ADVANCED)
		return;
	spaces(s->out, indent);
	buf_printf(s->out, "# " STR_FMT "\n", STR_ARG(doc));
	/* `- ` of a list item stands in the two columns in front of its first option. */
	spaces(s->out, is_first_of_item ? indent - 2 : indent);
	buf_printf(s->out, "%s%s%s:", is_off ? "# " : "", is_first_of_item ? "- " : "",
		   conf_field_key(f));
	if (f->table) {
		buf_ch(s->out, '\n');
		sample_table(s, f->table, indent + (f->type == CONF_T_SECTIONS ? 4 : 2), is_off,
			     f->type == CONF_T_SECTIONS);
		return;
	}
	if (f->def || f->example) {
		buf_ch(s->out, ' ');
		value(s->out, f);
	}
	buf_ch(s->out, '\n');
}

static void sample_table(struct sample *s, const struct conf_table *table, unsigned indent,
			 bool is_comment, bool is_item)
{
	for (size_t i = 0; i < table->n; i++)
		sample_field(s, &table->fields[i], indent, is_comment, is_item && i == 0);
}

static void sample_stage(struct sample *s, const struct conf_plugin *plugin)
{
	const struct conf_table *table = plugin->conf;

	buf_printf(s->out, "stages:\n  - %s:", plugin->name);
	if (table->n == 1 && (table->fields[0].flags & CONF_BODY)) {
		buf_ch(s->out, ' ');
		value(s->out, &table->fields[0]);
		buf_ch(s->out, '\n');
		return;
	}
	buf_ch(s->out, '\n');
	sample_table(s, table, 6, false, false);
}

static void sample_item(struct sample *s, const struct conf_plugin *plugin)
{
	const struct conf_table *common = conf_doc_common(plugin->kind);

	buf_printf(s->out, "%ss:\n  main:\n    type: %s\n", conf_doc_kind(plugin->kind),
		   plugin->name);
	for (size_t i = 1; i < common->n; i++)
		sample_field(s, &common->fields[i], 4, true, false);
	sample_table(s, plugin->conf, 4, false, false);
}

/* Whether the plugin's own rules accept the sample (some want one of several options). */
static bool is_accepted(const struct conf_plugin *plugin, struct str sample)
{
	struct conf_doc *doc = conf_doc_new();
	const struct conf_node *node = conf_yaml_parse(doc, "sample", sample, NULL);
	bool is_fine = false;
	void *conf = conf_alloc(doc, plugin->conf->size);

	if (node && plugin->kind == CONF_STAGE) {
		node = conf_get(node, "stages");
		if (node && node->kind == CONF_SEQ && node->n == 1)
			is_fine = !conf_read(doc, plugin->conf,
					     conf_get(node->items[0], plugin->name), conf);
	} else if (node) {
		struct item_conf item;
		struct conf_part parts[] = {
			{ conf_doc_common(plugin->kind), &item },
			{ plugin->conf, conf },
		};

		node = conf_get(node, plugin->kind == CONF_INPUT ? "inputs" : "outputs");
		is_fine = !conf_read_parts(doc, parts, 2, conf_get(node, "main"));
	}
	conf_doc_free(doc);
	return is_fine;
}

void conf_doc_sample(struct buf *out, const struct conf_plugin *plugin)
{
	size_t from = out->n;

	for (unsigned wanted = 0; wanted <= plugin->conf->n; wanted++) {
		struct sample s = { out, wanted };

		out->n = from;
		if (plugin->kind == CONF_STAGE)
			sample_stage(&s, plugin);
		else
			sample_item(&s, plugin);
		if (is_accepted(plugin, str_skip(buf_as_str(out), from)))
			return;
	}
}
