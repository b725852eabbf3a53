/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration to start from, out of an option table. */
#include "agent/conf_doc.h"

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

static void sample_table(struct buf *out, const struct conf_table *table, unsigned indent,
			 bool is_comment);

static void sample_field(struct buf *out, const struct conf_field *f, unsigned indent,
			 bool is_comment)
{
	struct str doc = first_sentence(f->doc);
	bool is_off = is_comment || (!(f->flags & CONF_REQUIRED) && !(f->example && !f->def));

	if (f->flags & CONF_ADVANCED)
		return;
	spaces(out, indent);
	buf_printf(out, "# " STR_FMT "\n", STR_ARG(doc));
	spaces(out, indent);
	buf_printf(out, "%s%s:", is_off ? "# " : "", conf_field_key(f));
	if (f->table) {
		buf_c(out, f->type == CONF_T_SECTIONS && !is_off ? " []\n" : "\n");
		sample_table(out, f->table, indent + 2, is_off);
		return;
	}
	if (f->def || f->example) {
		buf_ch(out, ' ');
		value(out, f);
	}
	buf_ch(out, '\n');
}

static void sample_table(struct buf *out, const struct conf_table *table, unsigned indent,
			 bool is_comment)
{
	for (size_t i = 0; i < table->n; i++)
		sample_field(out, &table->fields[i], indent, is_comment);
}

/* True when something of the table would be written without a # in front. */
static bool has_live(const struct conf_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_field *f = &table->fields[i];

		if (!(f->flags & CONF_ADVANCED) &&
		    ((f->flags & CONF_REQUIRED) || (f->example && !f->def)))
			return true;
	}
	return false;
}

static void sample_stage(struct buf *out, const struct conf_plugin *plugin)
{
	const struct conf_table *table = plugin->conf;

	buf_printf(out, "stages:\n  - %s:", plugin->name);
	if (table->n == 1 && (table->fields[0].flags & CONF_BODY)) {
		buf_ch(out, ' ');
		value(out, &table->fields[0]);
		buf_ch(out, '\n');
		return;
	}
	buf_c(out, has_live(table) ? "\n" : " {}\n");
	sample_table(out, table, 6, false);
}

void conf_doc_sample(struct buf *out, const struct conf_plugin *plugin)
{
	const struct conf_table *common = conf_doc_common(plugin->kind);

	if (plugin->kind == CONF_STAGE) {
		sample_stage(out, plugin);
		return;
	}
	buf_printf(out, "%ss:\n  %s:\n    type: %s\n", conf_doc_kind(plugin->kind),
		   plugin->kind == CONF_INPUT ? "app" : "main", plugin->name);
	for (size_t i = 1; i < common->n; i++)
		sample_field(out, &common->fields[i], 4, true);
	sample_table(out, plugin->conf, 4, false);
}
