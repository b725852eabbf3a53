/* SPDX-License-Identifier: Apache-2.0 */
/* Writing option values the way a user would: the effective configuration, with secrets hidden.
 * What comes out can be read in again and gives the same values. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/conf_doc_impl.h"

static const char secret_mark[] = "<secret>";

void conf_render_size(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB" };
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units)) {
		bytes /= 1024;
		unit++;
	}
	buf_printf(out, "%" PRIu64 "%s", bytes, units[unit]);
}

void conf_render_time(struct buf *out, int64_t ns)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = { { "h", 3600000000000 }, { "m", 60000000000 }, { "s", 1000000000 },
		      { "ms", 1000000 },      { "us", 1000 },       { "ns", 1 } };

	if (ns == 0)
		buf_ch(out, '0');
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (ns / units[i].ns)
			buf_printf(out, "%" PRId64 "%s", ns / units[i].ns, units[i].unit);
		ns %= units[i].ns;
	}
}

/* Plain YAML scalars that mean what they say in block and flow context alike. */
static bool is_plain(struct str text)
{
	static const char *const words[] = {
		"null", "~", "true", "false", "yes", "no", "on", "off"
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_ieq(text, str_c(words[i])))
			return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			       (c >= '0' && c <= '9') || c == '/' || c == '_';

		if (!is_word && !(i > 0 && memchr(".-+=@", c, 5)) &&
		    !(c == ':' && i > 0 && i + 1 < text.n && text.p[i + 1] != ' '))
			return false;
	}
	return text.n > 0;
}

/* Variables are not looked for in keys, so a dollar stays single. */
static void render_key(struct buf *out, struct str text)
{
	if (is_plain(text))
		buf_str(out, text);
	else
		buf_json_str(out, text);
}

void conf_render_text(struct buf *out, struct str text)
{
	struct buf quoted = BUF_INIT;

	if (is_plain(text)) {
		buf_str(out, text);
		return;
	}
	buf_json_str(&quoted, text);
	/* A dollar that would begin something is doubled, as the user has to. */
	for (size_t i = 0; i < quoted.n; i++) {
		buf_ch(out, quoted.p[i]);
		if (quoted.p[i] == '$' && (quoted.p[i + 1] == '$' || quoted.p[i + 1] == '{'))
			buf_ch(out, '$');
	}
	buf_fini(&quoted);
}

static void render_double(struct buf *out, double v)
{
	char text[40];

	/* The shortest that reads back as the same number. */
	for (int digits = 6; digits <= 17; digits++) {
		double again;

		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (str_double(str_c(text), &again) && again >= v && again <= v)
			break;
	}
	buf_c(out, text);
}

/* "http://user:<secret>@host/": the password is between the second colon and the last @ of the
 * authority. */
static void render_url(struct buf *out, struct str url)
{
	size_t from = str_find(url, STR("://")), end, at = 0;

	if (from >= url.n) {
		conf_render_text(out, url);
		return;
	}
	from += 3;
	for (end = from; end < url.n && url.p[end] != '/' && url.p[end] != '?'; end++)
		if (url.p[end] == '@')
			at = end;
	while (from < at && url.p[from] != ':')
		from++;
	if (from >= at) {
		conf_render_text(out, url);
		return;
	}
	buf_ch(out, '"');
	buf_str(out, str_sub(url, 0, from + 1));
	buf_c(out, secret_mark);
	buf_str(out, str_skip(url, at));
	buf_ch(out, '"');
}

static void render_enum(struct buf *out, const struct conf_enum *names, int value)
{
	for (; names->name; names++) {
		if (names->value == value) {
			conf_render_text(out, str_c(names->name));
			return;
		}
	}
	buf_printf(out, "%d", value);
}

static void render_flags(struct buf *out, const struct conf_enum *names, uint32_t bits)
{
	bool is_first = true;

	buf_ch(out, '[');
	for (; names->name; names++) {
		uint32_t bit = (uint32_t)names->value;

		/* Names that stand for several others (all) are said by the others. */
		if (bit == 0 || (bit & (bit - 1)) || !(bits & bit))
			continue;
		if (!is_first)
			buf_c(out, ", ");
		is_first = false;
		conf_render_text(out, str_c(names->name));
	}
	buf_ch(out, ']');
}

static void render_map(struct buf *out, const struct conf_map *map, bool is_private)
{
	buf_ch(out, '{');
	for (size_t i = 0; i < map->n; i++) {
		if (i)
			buf_c(out, ", ");
		render_key(out, map->items[i].key);
		buf_c(out, ": ");
		if (!map->items[i].has_value)
			buf_c(out, "null");
		else if (is_private)
			buf_c(out, secret_mark);
		else
			conf_render_text(out, map->items[i].value);
	}
	buf_ch(out, '}');
}

static void render_node(struct buf *out, const struct conf_node *node)
{
	if (!node || node->kind == CONF_NULL)
		buf_c(out, "null");
	else if (node->kind == CONF_SCALAR)
		conf_render_text(out, node->text);
	else
		buf_ch(out, node->kind == CONF_SEQ ? '[' : '{');
	for (size_t i = 0; node && i < node->n; i++) {
		if (i)
			buf_c(out, ", ");
		if (node->kind == CONF_MAP_NODE) {
			render_key(out, node->entries[i].key->text);
			buf_c(out, ": ");
		}
		render_node(out, node->kind == CONF_SEQ ? node->items[i] : node->entries[i].value);
	}
	if (node && (node->kind == CONF_SEQ || node->kind == CONF_MAP_NODE))
		buf_ch(out, node->kind == CONF_SEQ ? ']' : '}');
}

static void render_list(struct buf *out, const struct conf_field *f, const void *at)
{
	const struct conf_list *list = at;
	const struct conf_sizes *sizes = at;
	const struct conf_addrs *addrs = at;

	buf_ch(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			buf_c(out, ", ");
		if (f->type == CONF_T_LIST)
			conf_render_text(out, list->items[i]);
		else if (f->type == CONF_T_SIZES)
			conf_render_size(out, sizes->items[i]);
		else
			conf_render_text(out, addrs->items[i].text);
	}
	buf_ch(out, ']');
}

static void render_int(struct buf *out, const struct conf_field *f, const void *at)
{
	if (f->size == sizeof(int))
		buf_printf(out, "%" PRId64,
			   f->is_unsigned ? (int64_t) * (const unsigned *)at
					  : (int64_t) * (const int *)at);
	else
		buf_printf(out, "%" PRId64, *(const int64_t *)at);
}

static void render_str(struct buf *out, const struct conf_field *f, struct str text)
{
	if (!text.p)
		buf_c(out, "null");
	else if (f->flags & CONF_PRIVATE)
		buf_c(out, secret_mark);
	else if (f->type == CONF_T_URL)
		render_url(out, text);
	else
		conf_render_text(out, text);
}

void conf_render_value(struct buf *out, const struct conf_field *f, const void *conf)
{
	const void *at = (const char *)conf + f->offset;

	switch (f->type) {
	case CONF_T_STR:
	case CONF_T_URL:
		render_str(out, f, *(const struct str *)at);
		break;
	case CONF_T_BOOL:
		buf_c(out, *(const bool *)at ? "true" : "false");
		break;
	case CONF_T_INT:
		render_int(out, f, at);
		break;
	case CONF_T_SIZE:
		conf_render_size(out, *(const size_t *)at);
		break;
	case CONF_T_TIME:
		conf_render_time(out, *(const int64_t *)at);
		break;
	case CONF_T_DOUBLE:
	case CONF_T_RATE:
		render_double(out, *(const double *)at);
		break;
	case CONF_T_ENUM:
		render_enum(out, f->names, *(const int *)at);
		break;
	case CONF_T_FLAGS:
		render_flags(out, f->names, *(const uint32_t *)at);
		break;
	case CONF_T_ADDR:
		if (((const struct conf_addr *)at)->scheme)
			conf_render_text(out, ((const struct conf_addr *)at)->text);
		else
			buf_c(out, f->def ? "none" : "null");
		break;
	case CONF_T_SECRET:
		buf_c(out, secret_is_set(at) ? secret_mark : "null");
		break;
	case CONF_T_LIST:
	case CONF_T_SIZES:
	case CONF_T_ADDRS:
		render_list(out, f, at);
		break;
	case CONF_T_MAP:
		render_map(out, at, f->flags & CONF_PRIVATE);
		break;
	case CONF_T_NODE:
		render_node(out, *(const struct conf_node *const *)at);
		break;
	case CONF_T_STAGES:
	case CONF_T_SECTION:
	case CONF_T_SECTIONS:
	case CONF_T_NAMED:
		break;
	}
}

/* ---- whole structs ---- */

static void spaces(struct buf *out, unsigned n)
{
	while (n--)
		buf_ch(out, ' ');
}

static void end_line(struct buf *out, const struct conf_node *node, bool with_origin)
{
	if (with_origin && node && node->file)
		buf_printf(out, "  # %s:%u", node->file, node->line);
	else if (with_origin)
		buf_c(out, "  # default");
	buf_ch(out, '\n');
}

static void render_sections(struct buf *out, const struct conf_field *f,
			    const struct conf_node *node, const void *conf, unsigned indent,
			    bool with_origin)
{
	const struct conf_sections *list = (const void *)((const char *)conf + f->offset);

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_node *item =
			node && node->kind == CONF_SEQ && i < node->n ? node->items[i] : NULL;

		spaces(out, indent);
		buf_c(out, "-\n");
		conf_render(out, f->table, item, (const char *)list->items + i * f->table->size,
			    indent + 2, with_origin);
	}
}

static void render_named(struct buf *out, const struct conf_field *f, const struct conf_node *node,
			 const struct conf_sections *list, unsigned indent, bool with_origin)
{
	for (size_t i = 0; i < list->n; i++) {
		const void *item = (const char *)list->items + i * f->table->size;
		const struct conf_node *from = node && node->kind == CONF_MAP_NODE && i < node->n
						       ? node->entries[i].value
						       : NULL;

		spaces(out, indent);
		render_key(out, *(const struct str *)item);
		buf_ch(out, ':');
		end_line(out, from, with_origin);
		conf_render(out, f->table, from, item, indent + 2, with_origin);
	}
}

static void render_field(struct buf *out, const struct conf_field *f, const struct conf_node *node,
			 const void *conf, unsigned indent, bool with_origin)
{
	const void *at = (const char *)conf + f->offset;
	bool is_block = (f->type == CONF_T_SECTION && (node || !(f->flags & CONF_OPTIONAL))) ||
			((f->type == CONF_T_SECTIONS || f->type == CONF_T_NAMED) &&
			 ((const struct conf_sections *)at)->n) ||
			(f->type == CONF_T_STAGES && ((const struct conf_stages *)at)->n);

	spaces(out, indent);
	buf_printf(out, "%s:", conf_field_key(f));
	if (!is_block) {
		buf_ch(out, ' ');
		if (f->type == CONF_T_SECTION)
			buf_c(out, "null");
		else if (f->type == CONF_T_SECTIONS || f->type == CONF_T_STAGES)
			buf_c(out, node ? "[]" : "null");
		else if (f->type == CONF_T_NAMED)
			buf_c(out, node ? "{}" : "null");
		conf_render_value(out, f, conf);
		end_line(out, node, with_origin);
		return;
	}
	buf_ch(out, '\n');
	if (f->type == CONF_T_SECTION)
		conf_render(out, f->table, node, at, indent + 2, with_origin);
	else if (f->type == CONF_T_SECTIONS)
		render_sections(out, f, node, conf, indent + 2, with_origin);
	else if (f->type == CONF_T_NAMED)
		render_named(out, f, node, at, indent + 2, with_origin);
	else
		conf_render_stages(out, at, indent + 2, with_origin);
}

void conf_render(struct buf *out, const struct conf_table *table, const struct conf_node *map,
		 const void *conf, unsigned indent, bool with_origin)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_node *node = conf_field_node(&table->fields[i], map);

		if (node && node->kind == CONF_NULL)
			node = NULL;
		render_field(out, &table->fields[i], node, conf, indent, with_origin);
	}
}

void conf_render_stages(struct buf *out, const struct conf_stages *stages, unsigned indent,
			bool with_origin)
{
	for (size_t i = 0; i < stages->n; i++) {
		const struct conf_stage *stage = &stages->items[i];
		const struct conf_table *table = stage->plugin->conf;

		spaces(out, indent);
		buf_printf(out, "- %s:", stage->plugin->name);
		if (table->n == 1 && table->fields[0].type == CONF_T_NAMED) {
			end_line(out, stage->node, with_origin);
			render_named(out, &table->fields[0], stage->node, stage->conf, indent + 4,
				     with_origin);
			continue;
		}
		if (table->n == 1 && (table->fields[0].flags & CONF_BODY)) {
			buf_ch(out, ' ');
			conf_render_value(out, &table->fields[0], stage->conf);
			end_line(out, stage->node, with_origin);
			continue;
		}
		if (table->n == 0)
			buf_c(out, " {}");
		end_line(out, stage->node, with_origin);
		conf_render(out, table, stage->node, stage->conf, indent + 4, with_origin);
	}
}
