/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5424 headers and structured data, a little more tolerant than the grammar of section 6:
 * runs of spaces, longer names, bytes above ASCII, PARAM-VALUE without quotes, and a missing or broken
 * STRUCTURED-DATA, which then is part of MSG. Control characters are never part of a header field. */
#include "inputs/syslog/header.h"
#include "inputs/syslog/span.h"

/* The grammar says 255, 48, 128 and 32; senders are less strict, memory is not endless. */
#define FIELD_MAX 255
#define SD_NAME_MAX 255

static const char *skip_spaces(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* One field and the spaces behind it; NULL when it is empty, too long or has a control byte. */
static const char *field(const char *p, const char *end, struct str *ret)
{
	const char *from = p;

	p = span_field(p, end);
	if (p == from || p - from > FIELD_MAX || (p < end && *p != ' '))
		return NULL;
	*ret = p - from == 1 && *from == '-' ? STR_NONE : str_make(from, (size_t)(p - from));
	return skip_spaces(p, end);
}

/* HOSTNAME, APP-NAME, PROCID and MSGID where they and the spaces behind them fit into 64 bytes, as they
 * nearly always do; NULL where they do not, or something is unusual. */
static inline const char *short_fields(const char *p, const char *end, struct syslog_msg *m)
{
	struct str *const fields[4] = { &m->hostname, &m->appname, &m->procid, &m->msgid };
	uint64_t marks, spaces;
	unsigned from = 0;

	if (end - p < 66)
		return NULL;
	marks = span64_no_field(p, &spaces);
	for (unsigned i = 0; i < 4; i++) {
		unsigned at = marks ? (unsigned)__builtin_ctzll(marks) : 0;

		if (at <= from || !(spaces >> at & 1))
			return NULL;
		*fields[i] =
			at - from == 1 && p[from] == '-' ? STR_NONE : str_make(p + from, at - from);
		from = at + 1;
		marks &= marks - 1;
	}
	return p[from] == ' ' ? NULL : p + from;
}

static const char *fields(const char *p, const char *end, struct syslog_msg *m)
{
	const char *after = short_fields(p, end, m);

	if (after)
		return after;
	if (!(p = field(p, end, &m->hostname)) || !(p = field(p, end, &m->appname)) ||
	    !(p = field(p, end, &m->procid)))
		return NULL;
	return field(p, end, &m->msgid);
}

static inline const char *sd_name(const char *p, const char *end)
{
	const char *from = p;

	p = span_name(p, end);
	return p > from && p - from <= SD_NAME_MAX ? p : NULL;
}

/* Behind the closing quote of a value whose first byte is at p. */
static inline const char *sd_quoted(const char *p, const char *end)
{
	while ((p = span_value(p, end)) < end) {
		if (*p == '"')
			return p + 1;
		if (end - p < 2)
			break;
		p += 2;
	}
	return NULL;
}

/* A value and where it ends, p being behind the '='; NULL when its quotes are not closed. VMware has none:
 * [Originator@6876 sub=Vimsvc user=root] */
static const char *sd_value(const char *p, const char *end, struct str *ret)
{
	const char *quote = skip_spaces(p, end), *after = p; /* a= "b" */

	if (quote < end && *quote == '"') {
		after = sd_quoted(quote + 1, end);
		*ret = str_make(quote + 1, after ? (size_t)(after - quote) - 2 : 0);
	} else {
		while ((after = span_name(after, end)) < end && *after == '=')
			after++;
		*ret = str_make(p, (size_t)(after - p));
	}
	return after;
}

/* Behind the last ']', or NULL when the elements do not follow section 6.3. */
static const char *sd_end(const char *p, const char *end)
{
	const char *after;
	struct str value;

	while (p < end && *p == '[') {
		p = sd_name(skip_spaces(p + 1, end), end);
		if (!p)
			return NULL;
		for (;;) {
			p = skip_spaces(p, end);
			if (p < end && *p == ']')
				break;
			after = end - p >= 16 ? span16_param(p) : NULL;
			if (after) {
				p = after;
				continue;
			}
			p = sd_name(p, end);
			if (!p || p == end || *p != '=' || !(p = sd_value(p + 1, end, &value)))
				return NULL;
		}
		p++;
	}
	return p < end && *p != ' ' ? NULL : p;
}

static void structured_data(const char *p, const char *end, struct syslog_msg *ret)
{
	const char *after = NULL;

	ret->sd = STR_NONE;
	if (p < end && *p == '-' && (p + 1 == end || p[1] == ' '))
		after = p + 1;
	else if (p < end && *p == '[')
		after = sd_end(p, end);
	if (!after) {
		ret->flags |= SYSLOG_BAD_SD;
		after = p;
	} else {
		if (*p == '[')
			ret->sd = str_make(p, (size_t)(after - p));
		if (after < end) /* the one SP of the grammar; further ones are MSG */
			after++;
	}
	ret->msg = str_make(after, (size_t)(end - after));
	syslog_skip_bom(ret);
}

/* The nil value or a time. A field that is neither makes the header invalid, one that looks like
 * a time but cannot be is kept as text. */
static const char *timestamp(struct syslog_parser *parser, const char *p, const char *end,
			     struct syslog_msg *m)
{
	struct str text = str_make(p, (size_t)(end - p));
	struct stamp stamp;
	enum stamp_result got;

	if (text.n >= 2 && text.p[0] == '-' && text.p[1] == ' ')
		return skip_spaces(p + 1, end);
	got = stamp_iso(&parser->stamps, text, parser->utc_offset_s, &stamp);
	if (got == STAMP_NONE || stamp.used >= text.n || text.p[stamp.used] != ' ')
		return NULL;
	syslog_take_time(parser, &stamp, got, str_make(p, stamp.used), m);
	return skip_spaces(p + stamp.used, end);
}

/* Check Point: "<134>1 TIME HOST CEF:0|Check Point|..." ends the header early. */
static void event_for_appname(struct syslog_msg *m, const char *end)
{
	struct str text = str_make(m->appname.p, (size_t)(end - m->appname.p));

	if (!word_is_event_format(text, str_chr(text, ':')))
		return;
	m->appname = m->procid = m->msgid = m->sd = STR_NONE;
	m->flags = (m->flags & ~(uint32_t)SYSLOG_BOM) | SYSLOG_BAD_SD;
	m->msg = text;
}

bool syslog_header_5424(struct syslog_parser *parser, struct str s, struct syslog_msg *m)
{
	const char *p = s.p, *end = s.p + s.n;

	p = timestamp(parser, skip_spaces(p, end), end, m);
	if (!p || !(p = fields(p, end, m)))
		return false;
	structured_data(p, end, m);
	m->format = SYSLOG_5424;
	if (m->appname.n > 5 && m->appname.p[m->appname.p[0] == 'L' ? 4 : 3] == ':')
		event_for_appname(m, end);
	return true;
}

void syslog_sd_init(struct syslog_sd *it, struct str sd)
{
	*it = (struct syslog_sd){ .rest = sd };
}

/* Enters the next element: its id. False at the end. */
static bool next_element(struct syslog_sd *it)
{
	size_t n;

	if (it->rest.n < 2 || it->rest.p[0] != '[')
		return false;
	do
		it->rest = str_skip(it->rest, 1);
	while (it->rest.n && it->rest.p[0] == ' ');
	n = (size_t)(span_name(it->rest.p, it->rest.p + it->rest.n) - it->rest.p);
	it->id = str_sub(it->rest, 0, n);
	it->rest = str_skip(it->rest, n);
	it->is_bare = true;
	return true;
}

/* Removes the backslash before '"', '\' and ']'; before anything else it is text. */
static bool unescape(struct str raw, char **mem, size_t *room, struct str *ret)
{
	char *out = *mem;
	size_t n = 0;

	if (*room < raw.n)
		return false;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.n &&
		    (raw.p[i + 1] == '"' || raw.p[i + 1] == '\\' || raw.p[i + 1] == ']'))
			i++;
		out[n++] = raw.p[i];
	}
	*ret = str_make(out, n);
	*mem += n;
	*room -= n;
	return true;
}

/* name="value" or name=value at the start of rest. False when the shape is wrong (never after the parser). */
static bool read_param(struct syslog_sd *it, char **mem, size_t *room, struct syslog_sd_param *ret)
{
	size_t name = str_chr(it->rest, '=');
	const char *end = it->rest.p + it->rest.n, *after;
	struct str raw;

	if (name + 1 >= it->rest.n || !(after = sd_value(it->rest.p + name + 1, end, &raw)))
		return false;
	ret->id = it->id;
	ret->name = str_sub(it->rest, 0, name);
	if (after[-1] != '"' || str_chr(raw, '\\') == raw.n)
		ret->value = raw;
	else if (!unescape(raw, mem, room, &ret->value))
		return false;
	it->rest = str_make(after, (size_t)(end - after));
	return true;
}

bool syslog_sd_next(struct syslog_sd *it, char **mem, size_t *room, struct syslog_sd_param *ret)
{
	for (;;) {
		if (!it->id.n) {
			if (!next_element(it))
				return false;
		}
		while (it->rest.n && it->rest.p[0] == ' ')
			it->rest = str_skip(it->rest, 1);
		if (!it->rest.n)
			return false;
		if (it->params == SYSLOG_SD_PARAMS_MAX) {
			it->is_cut =
				it->is_bare || it->rest.n > 1; /* not if just the ']' is left */
			return false;
		}
		if (it->rest.p[0] == ']') {
			*ret = (struct syslog_sd_param){ .id = it->id };
			it->rest = str_skip(it->rest, 1);
			it->id = STR_NONE;
			if (!it->is_bare)
				continue;
			it->params++;
			return true;
		}
		it->is_bare = false;
		if (!read_param(it, mem, room, ret)) {
			it->is_cut = true;
			return false;
		}
		it->params++;
		return true;
	}
}
