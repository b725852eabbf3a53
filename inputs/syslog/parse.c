/* SPDX-License-Identifier: Apache-2.0 */
/* The PRI and the choice of grammar, per message; keywords. */
#include "inputs/syslog/header.h"
#include "lib/check.h"

#define PRI_MAX 191
#define PRI_DEFAULT 13 /* user.notice, RFC 3164 section 4.3.3 */

void syslog_parser_init(struct syslog_parser *p, int32_t utc_offset_s)
{
	*p = (struct syslog_parser){ .utc_offset_s = utc_offset_s };
}

void syslog_parser_zone(struct syslog_parser *p, const struct tz *tz, int64_t now_ns)
{
	if (p->tz != tz)
		p->span = (struct tz_span){ .from_s = 0 };
	p->tz = tz;
	p->utc_offset_s = tz ? tz_lookup(tz, now_ns / 1000000000).offset_s : 0;
}

/* "<0>".."<191>", at most three digits. Returns its length, 0 when it is not one. */
static size_t pri(struct str s, unsigned *ret)
{
	unsigned value = 0;
	size_t n = 1;

	for (; n < s.n && n < 4 && (unsigned char)(s.p[n] - '0') < 10; n++)
		value = value * 10 + (unsigned)(s.p[n] - '0');
	if (n == 1 || n >= s.n || s.p[n] != '>' || value > PRI_MAX)
		return 0;
	*ret = value;
	return n + 1;
}

/* "<999>", "<>", "<-1>": what was meant as a PRI. */
static size_t wrong_pri(struct str s)
{
	size_t n = word_at(s, 1) == '-' ? 2 : 1;

	n += word_digits(str_skip(s, n));
	return word_at(s, n) == '>' ? n + 1 : 0;
}

/* LF, CR and NUL are ends of message that the framing or the sender left. */
static struct str trim_end(struct str s)
{
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\0'))
		s.n--;
	return s;
}

static void start(struct syslog_msg *m, struct str raw)
{
	*m = (struct syslog_msg){ .format = SYSLOG_RAW, .time_ns = STAMP_NONE_NS, .raw = raw };
}

/* Forgets what was read behind the PRI. */
static void restart(struct syslog_msg *m, uint32_t flags)
{
	struct syslog_msg old = *m;

	start(m, old.raw);
	m->facility = old.facility;
	m->severity = old.severity;
	m->has_pri = old.has_pri;
	m->flags = flags;
}

/* A number and a space: its length. RFC 5424 has only seen version 1. */
static size_t version(struct str s)
{
	size_t n = word_digits(s);

	return n >= 1 && n <= 3 && word_at(s, n) == ' ' ? n + 1 : 0;
}

static bool is_iso(struct str s)
{
	return s.n > 19 && s.p[4] == '-' && s.p[7] == '-' && word_digits(s) == 4;
}

/* "<PRI>1 " without the rest of an RFC 5424 header: read it as anything else. A time of another kind
 * behind the version is somebody's habit (Cisco Meraki), RFC 5424's own says the header is broken. */
static void read_broken(struct syslog_parser *p, struct str s, size_t n, int64_t now_ns,
			struct syslog_msg *m)
{
	uint32_t flags = m->flags & SYSLOG_UNPARSED;
	struct str behind = str_skip(s, n);

	restart(m, flags | SYSLOG_ODD_HEADER);
	if (syslog_header_3164(p, behind, now_ns, m) && m->time_text.n) {
		m->flags |= is_iso(behind) ? (uint32_t)SYSLOG_BAD_HEADER : 0;
		return;
	}
	restart(m, flags | (s.p[0] == '1' ? (uint32_t)SYSLOG_BAD_HEADER : 0));
	syslog_header_3164(p, s, now_ns, m);
}

/* Behind the PRI. */
static void read_header(struct syslog_parser *p, struct str s, int64_t now_ns, struct syslog_msg *m)
{
	size_t n = s.n >= 2 && (unsigned char)(s.p[0] - '0') < 10 ? version(s) : 0;
	bool is_one = n == 2 && s.p[0] == '1';

	if (n && ((is_one && m->has_pri) || is_iso(str_skip(s, n)))) {
		if (syslog_header_5424(p, str_skip(s, n), m)) {
			m->flags |= is_one ? 0 : (uint32_t)SYSLOG_ODD_HEADER;
			return;
		}
		read_broken(p, s, n, now_ns, m);
	} else {
		syslog_header_3164(p, s, now_ns, m);
	}
}

/* A PRI that is none: when a header follows, it is read, else all is text. */
static void read_wrong_pri(struct syslog_parser *p, struct str s, int64_t now_ns,
			   struct syslog_msg *m)
{
	size_t n = wrong_pri(s);

	m->flags |= SYSLOG_BAD_PRI;
	if (n) {
		read_header(p, str_skip(s, n), now_ns, m);
		m->flags |= SYSLOG_ODD_HEADER;
		if (m->time_text.n && m->format != SYSLOG_RAW)
			return;
	}
	restart(m, SYSLOG_BAD_PRI);
	m->msg = s;
}

/* Whether the fields tell all of the header: between them is nothing but what separates them. */
static bool is_told(const struct syslog_msg *m, const char *behind_pri)
{
	const struct str parts[] = { m->seq,    m->hostname, m->time_text, m->appname,
				     m->procid, m->msgid,    m->sd };
	const char *p = behind_pri, *end = m->msg.p;
	bool begins_field = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		begins_field |= parts[i].n && parts[i].p == p;
	if (p < end && *p == '1' && !(m->flags & SYSLOG_UNPARSED) && !begins_field)
		p++; /* a version that RFC 5424 would have */
	while (p < end) {
		size_t i = 0;

		if (*p == ' ' || *p == ':' || *p == '[' || *p == ']' ||
		    (m->flags & SYSLOG_NO_SYNC && (*p == '*' || *p == '.')) ||
		    (m->flags & SYSLOG_BOM && (unsigned char)*p > 0x7f)) {
			p++;
			continue;
		}
		while (i < ARRAY_LEN(parts) &&
		       !(parts[i].n && p >= parts[i].p && p < parts[i].p + parts[i].n))
			i++;
		if (i == ARRAY_LEN(parts))
			return false;
		p = parts[i].p + parts[i].n;
	}
	return true;
}

void syslog_parse(struct syslog_parser *p, struct str input, int64_t now_ns, struct syslog_msg *ret)
{
	struct str s = trim_end(input);
	unsigned value = PRI_DEFAULT;
	bool is_padded;
	size_t n = 0;

	start(ret, s);
	if (s.n >= 4 && s.p[0] == '\xEF' && str_starts(s, STR("\xEF\xBB\xBF<")))
		s = str_skip(s, 3);
	if (s.n && s.p[0] == '<') {
		n = pri(s, &value);
		ret->has_pri = n > 0;
	}
	ret->facility = (uint8_t)(value >> 3);
	ret->severity = (uint8_t)(value & 7);
	is_padded = n > 3 && s.p[1] == '0'; /* "<013>" */
	if (ret->has_pri) {
		read_header(p, str_skip(s, n), now_ns, ret);
	} else if (s.n && s.p[0] == '<') {
		read_wrong_pri(p, s, now_ns, ret);
	} else {
		ret->flags |= SYSLOG_NO_PRI;
		read_header(p, s, now_ns, ret);
	}
	if (is_padded)
		ret->flags |= SYSLOG_ODD_HEADER;
	else if (__builtin_expect(ret->flags & SYSLOG_ODD_HEADER, 0) && is_told(ret, s.p + n))
		ret->flags &= ~(uint32_t)SYSLOG_ODD_HEADER;
}

struct str syslog_header_text(const struct syslog_msg *m)
{
	return str_make(m->raw.p, (size_t)(m->msg.p - m->raw.p));
}

void syslog_take_time(struct syslog_parser *p, const struct stamp *stamp, enum stamp_result got,
		      struct str text, struct syslog_msg *ret)
{
	int64_t wall_s;
	int32_t offset_s;

	ret->time_text = text;
	ret->time_ns = stamp->ns;
	if (got == STAMP_BAD) {
		ret->flags |= SYSLOG_BAD_TIME;
		return;
	}
	if (!p->tz || (stamp->has_zone && !stamp->zone_name.n))
		return;
	/* The parser has taken one offset for all times; they may be on the other side of a change
	 * to summer time, or name the zone in its own words. */
	wall_s = stamp->ns / 1000000000 + stamp->offset_s;
	if (!stamp->zone_name.n || !tz_offset_of(p->tz, stamp->zone_name, wall_s, &offset_s)) {
		if (stamp->has_zone)
			return;
		offset_s = (int32_t)(wall_s - tz_from_wall(p->tz, &p->span, wall_s));
	}
	ret->time_ns += (int64_t)(stamp->offset_s - offset_s) * 1000000000;
}

struct str syslog_severity_name(unsigned severity)
{
	static const struct str names[8] = {
		{ "emerg", 5 },   { "alert", 5 },  { "crit", 4 }, { "err", 3 },
		{ "warning", 7 }, { "notice", 6 }, { "info", 4 }, { "debug", 5 },
	};

	return severity < 8 ? names[severity] : STR_NONE;
}

struct str syslog_level_name(unsigned severity)
{
	static const struct str names[8] = {
		{ "fatal", 5 }, { "critical", 8 }, { "critical", 8 }, { "error", 5 },
		{ "warn", 4 },  { "info", 4 },     { "info", 4 },     { "debug", 5 },
	};

	return severity < 8 ? names[severity] : STR_NONE;
}

struct str syslog_facility_name(unsigned facility)
{
	static const struct str names[24] = {
		{ "kern", 4 },   { "user", 4 },     { "mail", 4 },     { "daemon", 6 },
		{ "auth", 4 },   { "syslog", 6 },   { "lpr", 3 },      { "news", 4 },
		{ "uucp", 4 },   { "cron", 4 },     { "authpriv", 8 }, { "ftp", 3 },
		{ "ntp", 3 },    { "security", 8 }, { "console", 7 },  { "solaris-cron", 12 },
		{ "local0", 6 }, { "local1", 6 },   { "local2", 6 },   { "local3", 6 },
		{ "local4", 6 }, { "local5", 6 },   { "local6", 6 },   { "local7", 6 },
	};

	return facility < 24 ? names[facility] : STR_NONE;
}

struct str syslog_format_name(unsigned format)
{
	static const char *const names[3] = { "raw", "rfc3164", "rfc5424" };

	return format < 3 ? str_c(names[format]) : STR_NONE;
}

struct str syslog_flag_name(uint32_t flag)
{
	switch (flag) {
	case SYSLOG_NO_PRI:
		return STR("no_pri");
	case SYSLOG_BAD_PRI:
		return STR("bad_pri");
	case SYSLOG_BAD_HEADER:
		return STR("bad_header");
	case SYSLOG_BAD_TIME:
		return STR("bad_time");
	case SYSLOG_BAD_SD:
		return STR("bad_sd");
	case SYSLOG_NO_SYNC:
		return STR("no_sync");
	case SYSLOG_BOM:
		return STR("bom");
	case SYSLOG_ODD_HEADER:
		return STR("odd_header");
	default:
		return STR_NONE;
	}
}
