/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering records as text and JSON. */
#include "lib/rfc3339.h"
#include "lib/utf8.h"
#include "outputs/render.h"
#include "pipeline/labels.h"

static const char *const severity_names[] = { "emergency", "alert",  "critical", "error",
					      "warning",   "notice", "info",     "debug" };

static void put_time(struct buf *out, int64_t time_ns, unsigned digits)
{
	char text[RFC3339_MAX];

	buf_put(out, text, rfc3339_utc(time_ns, digits, text));
}

static void put_flags(struct buf *out, const struct rec *r)
{
	char text[REC_FLAGS_TEXT_MAX];

	buf_str(out, rec_flags_text(r->flags, text));
}

void render_printable(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = utf8_valid_char(str_skip(s, i));

		if (c == '\t') {
			buf_ch(out, '\t');
		} else if (c < 0x20 || c == 0x7f || n == 0) {
			buf_printf(out, "\\x%02x", c);
		} else if (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0) { /* C1 controls */
			buf_printf(out, "\\u%04x", (unsigned char)s.p[i + 1]);
		} else {
			buf_put(out, s.p + i, n);
		}
		i += n ? n : 1;
	}
}

/* The level as the record says it: label, attribute or syslog severity. */
static struct str level_of(const struct batch *b, const struct rec *r)
{
	struct str level = labels_get(rec_labels(b, r), STR("level"));

	if (level.n)
		return level;
	for (unsigned i = r->nattrs; i-- > 0;)
		if (r->attrs[i].kind != ATTR_GONE && str_is(attr_name(&r->attrs[i]), "level"))
			return attr_value(&r->attrs[i]);
	if (r->severity < sizeof(severity_names) / sizeof(severity_names[0]))
		return str_c(severity_names[r->severity]);
	return STR_NONE;
}

static const char *color_of(struct str level)
{
	static const struct {
		const char *prefix, *color;
	} table[] = { { "emerg", "\033[1;31m" }, { "alert", "\033[1;31m" },
		      { "crit", "\033[1;31m" },  { "fatal", "\033[1;31m" },
		      { "err", "\033[31m" },     { "warn", "\033[33m" },
		      { "notice", "\033[36m" },  { "info", "\033[32m" },
		      { "debug", "\033[2m" },    { "trace", "\033[2m" } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct str prefix = str_c(table[i].prefix);

		if (str_ieq(str_sub(level, 0, prefix.n), prefix))
			return table[i].color;
	}
	return "";
}

void render_text(struct buf *out, const struct batch *b, const struct rec *r, bool color)
{
	const char *on = color ? color_of(level_of(b, r)) : "", *dim = color ? "\033[2m" : "";
	const char *off = color ? "\033[0m" : "";

	buf_c(out, dim);
	put_time(out, r->time_ns, 3);
	buf_ch(out, ' ');
	render_printable(out, rec_labels(b, r)->text);
	buf_printf(out, "%s %s", off, on);
	render_printable(out, r->line);
	if (*on)
		buf_c(out, off);
	buf_c(out, dim);
	for (unsigned i = 0; i < r->nattrs; i++) {
		if (r->attrs[i].kind != ATTR_META)
			continue;
		buf_ch(out, ' ');
		render_printable(out, attr_name(&r->attrs[i]));
		buf_ch(out, '=');
		render_printable(out, attr_value(&r->attrs[i]));
	}
	if (r->flags & REC_FLAGS) {
		buf_c(out, " " REC_FLAGS_NAME "=");
		put_flags(out, r);
	}
	buf_c(out, off);
	buf_ch(out, '\n');
}

void render_json(struct buf *out, const struct batch *b, const struct rec *r)
{
	const struct labels *labels = rec_labels(b, r);
	bool is_first = true;

	buf_c(out, "{\"time\":\"");
	put_time(out, r->time_ns, 9);
	buf_c(out, "\",\"labels\":{");
	for (uint32_t i = 0; i < labels->n; i++) {
		buf_c(out, i ? "," : "");
		buf_json_str(out, labels->items[i].name);
		buf_ch(out, ':');
		buf_json_str(out, labels->items[i].value);
	}
	buf_c(out, "},\"line\":");
	buf_json_str(out, r->line);
	buf_c(out, ",\"metadata\":{");
	for (unsigned i = 0; i < r->nattrs; i++) {
		if (r->attrs[i].kind != ATTR_META)
			continue;
		buf_c(out, is_first ? "" : ",");
		is_first = false;
		buf_json_str(out, attr_name(&r->attrs[i]));
		buf_ch(out, ':');
		buf_json_str(out, attr_value(&r->attrs[i]));
	}
	if (r->flags & REC_FLAGS) {
		buf_c(out, is_first ? "" : ",");
		buf_c(out, "\"" REC_FLAGS_NAME "\":\"");
		put_flags(out, r);
		buf_ch(out, '"');
	}
	buf_c(out, "}}\n");
}

struct block *render_block(const struct batch *b, bool is_json, bool color)
{
	struct buf text = BUF_INIT;
	struct block *block;

	for (uint32_t i = 0; i < b->nrecs; i++) {
		if (is_json)
			render_json(&text, b, &b->recs[i]);
		else
			render_text(&text, b, &b->recs[i], color);
	}
	block = block_new(1, 0, text.n);
	block->nrecs = block->runs[0].nrecs = b->nrecs;
	if (text.n)
		memcpy(block->bytes, text.p, text.n);
	buf_fini(&text);
	return block;
}
