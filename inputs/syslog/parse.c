/* SPDX-License-Identifier: Apache-2.0 */
/* The PRI and the choice of grammar, per message; keywords. */
#include "inputs/syslog/header.h"

#define PRI_MAX 191
#define PRI_DEFAULT 13 /* user.notice, RFC 3164 section 4.3.3 */

void syslog_parser_init(struct syslog_parser *p, int32_t utc_offset_s)
{
	*p = (struct syslog_parser){ .utc_offset_s = utc_offset_s };
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

static void forget_header(struct syslog_msg *m)
{
	struct syslog_msg old = *m;

	start(m, old.raw);
	m->facility = old.facility;
	m->severity = old.severity;
	m->has_pri = old.has_pri;
	m->flags = SYSLOG_BAD_HEADER;
}

void syslog_parse(struct syslog_parser *p, struct str input, int64_t now_ns, struct syslog_msg *ret)
{
	struct str s = trim_end(input);
	unsigned value = PRI_DEFAULT;
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
	if (!ret->has_pri && s.n && s.p[0] == '<') {
		ret->flags |= SYSLOG_BAD_PRI;
		ret->msg = s;
		return;
	}
	if (!ret->has_pri)
		ret->flags |= SYSLOG_NO_PRI;
	s = str_skip(s, n);
	if (ret->has_pri && s.n >= 2 && s.p[0] == '1' && s.p[1] == ' ') {
		if (syslog_header_5424(p, str_skip(s, 2), ret))
			return;
		forget_header(ret); /* and read it as anything else */
	}
	syslog_header_3164(p, s, now_ns, ret);
}

struct str syslog_severity_name(unsigned severity)
{
	static const struct str names[8] = {
		{ "emerg", 5 },   { "alert", 5 },  { "crit", 4 }, { "err", 3 },
		{ "warning", 7 }, { "notice", 6 }, { "info", 4 }, { "debug", 5 },
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
	default:
		return STR_NONE;
	}
}
