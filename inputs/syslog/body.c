/* SPDX-License-Identifier: Apache-2.0 */
/* Host, program, event and time that the text of a message names itself. They are only looked up
 * where the header has left them open, and nothing is taken away from the text. */
#include "inputs/syslog/header.h"
#include "lib/check.h"

#define PAIRS_MAX 32
#define NETSCREEN STR("NetScreen device_id=")
#define SCAN_MAX 1024 /* of the text; what identifies the sender stands in front */

/* key=value, key="value": one pair of s. */
static bool next_pair(struct str *s, struct str *key, struct str *value)
{
	size_t n = 0, end;

	while (s->n && (s->p[0] == ' ' || s->p[0] == ',' || s->p[0] == ';'))
		*s = str_skip(*s, 1);
	while (word_is_alpha(word_at(*s, n)) || word_is_digit(word_at(*s, n)) ||
	       word_at(*s, n) == '_')
		n++;
	if (!n || word_at(*s, n) != '=')
		return false;
	*key = str_sub(*s, 0, n);
	*s = str_skip(*s, n + 1);
	if (word_at(*s, 0) == '"') {
		*s = str_skip(*s, 1);
		end = str_chr(*s, '"');
		*value = str_sub(*s, 0, end);
		*s = str_skip(*s, end + 1);
	} else {
		for (end = 0; end < s->n && s->p[end] != ' ' && s->p[end] != ',';)
			end++;
		*value = str_sub(*s, 0, end);
		*s = str_skip(*s, end);
	}
	return true;
}

struct pairs {
	struct str host, date, time, zone, epoch;
};

static void keep(struct pairs *p, struct str key, struct str value)
{
	if (!p->host.n && (str_is(key, "devname") || str_is(key, "device_name")))
		p->host = value;
	else if (str_is(key, "date"))
		p->date = value;
	else if (str_is(key, "time"))
		p->time = value;
	else if (str_is(key, "tz") || str_is(key, "timezone"))
		p->zone = value;
	else if (str_is(key, "timestamp") && value.n >= 19 && value.p[4] == '-')
		p->time = value;
	else if (str_is(key, "eventtime"))
		p->epoch = value;
}

/* FortiOS: seconds, milli-, micro- or nanoseconds since 1970, by the number of digits. */
static bool epoch_ns(struct str s, int64_t *ret)
{
	uint64_t value;

	if (!str_u64(s, &value))
		return false;
	if (s.n != 10 && s.n != 13 && s.n != 16 && s.n != 19)
		return false;
	for (size_t n = s.n; n < 19; n++)
		value *= 10;
	if (value > INT64_MAX)
		return false;
	*ret = (int64_t)value;
	return true;
}

/* date=2026-01-14 time=22:14:15, or time="2026-01-14 22:14:15". */
static void take_pairs_time(struct syslog_parser *parser, const struct pairs *p,
			    struct syslog_msg *m)
{
	char text[48];
	size_t n = 0;
	int32_t offset_s = parser->utc_offset_s;
	bool has_zone = p->zone.n && stamp_zone(p->zone, &offset_s);
	struct stamp stamp;
	enum stamp_result got;

	if (p->date.n + p->time.n + 2 > sizeof(text) || !p->time.n)
		return;
	if (p->date.n) {
		memcpy(text, p->date.p, p->date.n);
		n = p->date.n;
		text[n++] = ' ';
	}
	memcpy(text + n, p->time.p, p->time.n);
	n += p->time.n;
	text[n++] = ' ';
	got = stamp_any(&parser->stamps, str_make(text, n), 0, offset_s, &stamp);
	if (got != STAMP_OK || !stamp.has_year)
		return;
	stamp.zone_name = STR_NONE;
	stamp.has_zone |= has_zone;
	syslog_take_time(parser, &stamp, got, p->date.n ? p->date : p->time, m);
	if (p->date.n && p->time.p > p->date.p)
		m->time_text = str_make(p->date.p, (size_t)(p->time.p + p->time.n - p->date.p));
}

/* Fortinet, Sophos, SonicWall: all of the text is key=value, with names of their own for what a
 * header would say. */
static void key_value(struct syslog_parser *parser, struct syslog_msg *m)
{
	struct str s = str_sub(m->msg, 0, SCAN_MAX), key, value;
	struct pairs p = { .host = STR_NONE };

	for (size_t i = 0; i < PAIRS_MAX && next_pair(&s, &key, &value); i++)
		if (s.n || m->msg.n <= SCAN_MAX) /* not cut, in a character even */
			keep(&p, key, value);
	if (!m->hostname.n && p.host.n <= HOST_MAX)
		m->hostname = p.host;
	if (m->time_text.n)
		return;
	if (p.epoch.n && epoch_ns(p.epoch, &m->time_ns))
		m->time_text = p.epoch;
	else
		take_pairs_time(parser, &p, m);
}

/* NetApp: "[node:event:severity]: text", "[node: process: event:severity]: text". */
static void netapp(struct syslog_msg *m)
{
	struct str inside, parts[4], part;
	size_t close = str_chr(str_sub(m->msg, 0, TAG_MAX), ']'), n = 0;
	unsigned severity;

	if (word_at(m->msg, close) != ']' || word_at(m->msg, close + 1) != ':')
		return;
	inside = str_sub(m->msg, 1, close);
	while (inside.n && n < 4) {
		part = str_cut(&inside, ':');
		while (part.n && part.p[0] == ' ')
			part = str_skip(part, 1);
		if (!part.n || word_span(part, WORD_HOST) != part.n)
			return;
		parts[n++] = part;
	}
	if (n == 2 && !inside.n && m->hostname.n && str_chr(parts[0], '.') < parts[0].n &&
	    word_level(parts[1], &severity) == parts[1].n)
		m->msgid = parts[0]; /* 7-mode: "[event:severity]: " */
	if (n < 3 || inside.n || word_level(parts[n - 1], &severity) != parts[n - 1].n)
		return;
	if (!m->hostname.n)
		m->hostname = parts[0];
	m->msgid = parts[n - 2];
	m->appname = n == 4 ? parts[1] : STR_NONE;
}

/* Solaris: "[ID 800047 auth.info] text". */
static void solaris(struct syslog_msg *m)
{
	struct str s = str_skip(m->msg, 4);
	size_t n = word_digits(s);

	if (n && n <= 10 && word_at(s, n) == ' ' && !m->msgid.n)
		m->msgid = str_sub(s, 0, n);
}

/* Juniper ScreenOS: "name: NetScreen device_id=name  [Root]system-notification-00257: text". */
static void netscreen(struct syslog_msg *m)
{
	struct str name = str_skip(m->msg, NETSCREEN.n);

	name = str_sub(name, 0, word_span(name, WORD_HOST));
	if (!m->hostname.n && name.n <= HOST_MAX)
		m->hostname = name;
}

/* MikroTik: "system,error,critical text": topics in small letters, one of them a level. */
static bool is_topics(struct str word)
{
	struct str topic;
	bool has_level = false;
	unsigned severity;

	if (str_chr(word, ',') == word.n)
		return false;
	while (word.p) {
		topic = str_cut(&word, ',');
		for (size_t i = 0; i < topic.n; i++)
			if ((unsigned char)(topic.p[i] - 'a') >= 26 && topic.p[i] != '-' &&
			    !word_is_digit(topic.p[i]))
				return false;
		if (!topic.n)
			return false;
		has_level |= word_level(topic, &severity) == topic.n;
	}
	return has_level;
}

/* Senders whose first word is a name without a colon. */
static void first_word(struct syslog_msg *m)
{
	static const struct str names[] = {
		{ "CISE_", 5 },          /* Cisco ISE */
		{ "CSCOacs_", 8 },       /* Cisco ACS */
		{ "CPPM_", 5 },          /* Aruba ClearPass */
		{ "MSWinEventLog", 13 }, /* Snare, through relays that write #011 or \011 for tabs, too */
		{ "LinuxAudit", 10 },    { "LinuxKAudit", 11 },
		{ "CheckPoint", 10 }, /* "CheckPoint 18160: [" */
	};
	struct str word = str_sub(m->msg, 0, str_chr(str_sub(m->msg, 0, TAG_MAX), ' '));

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char after = word_at(m->msg, names[i].n);

		if (!str_starts(m->msg, names[i]))
			continue;
		if (names[i].p[names[i].n - 1] == '_')
			m->appname = str_sub(m->msg, 0, word_span(m->msg, WORD_TAG));
		else if (after == '\t' || after == ' ' || after == '#' || after == '\\')
			m->appname = str_sub(m->msg, 0, names[i].n);
	}
	if (word_at(m->msg, word.n) == ' ' && is_topics(word))
		m->appname = word;
}

void syslog_body(struct syslog_parser *p, struct syslog_msg *m)
{
	size_t spaces = 0;
	char c;

	while (spaces < 4 && word_at(m->msg, spaces) == ' ') /* SonicWall */
		spaces++;
	c = word_at(m->msg, spaces);

	if (c == '[' && !spaces) {
		if (str_starts(m->msg, STR("[ID ")))
			solaris(m);
		else if (!m->appname.n)
			netapp(m);
	} else if (c == 'N' && str_starts(m->msg, NETSCREEN)) {
		netscreen(m);
	} else if (!m->appname.n && word_is_alpha(c)) {
		first_word(m);
		if (!m->appname.n && (!m->time_text.n || !m->hostname.n) &&
		    str_chr(str_sub(m->msg, 0, 24), '=') < 24)
			key_value(p, m);
	}
}
