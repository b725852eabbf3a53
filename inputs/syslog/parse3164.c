/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3164 and its relatives: an optional time in one of many forms, an optional host, an optional
 * tag. Each part is cut off only when it is beyond doubt; what is left is MSG, so a wrong guess can
 * cost a field but never text. What is not `time host tag[pid]: ` marks the header as odd: parse.c
 * then looks whether the fields still tell all of it. */
#include "inputs/syslog/header.h"

static struct str skip_spaces(struct str s)
{
	while (s.n && s.p[0] == ' ')
		s = str_skip(s, 1);
	return s;
}

/* AIX: "Message forwarded from HOST: tag: text", or just "From HOST: ". */
static size_t forwarded_host(struct str s, struct str *ret)
{
	size_t lead = str_starts(s, STR("Message forwarded from ")) ? 23
		      : str_starts(s, STR("From "))                 ? 5
								    : 0;
	size_t n;

	if (!lead)
		return 0;
	n = word_span(str_skip(s, lead), WORD_HOST | WORD_ADDRESS);
	if (n > 1 && s.p[lead + n - 1] == ':')
		n--;
	if (!n || n > HOST_MAX || word_at(s, lead + n) != ':')
		return 0;
	*ret = str_sub(s, lead, lead + n);
	return lead + n + 1;
}

/* "last message repeated 3 times" of a sender that puts no host in front. */
static bool is_repeat(struct str s)
{
	if (word_at(s, 0) != 'l' && word_at(s, 0) != 'm' && word_at(s, 0) != '-')
		return false;
	return str_starts(s, STR("last message ")) || str_starts(s, STR("message repeated ")) ||
	       str_starts(s, STR("--- last message ")) || str_starts(s, STR("-- "));
}

static bool sure_tag(struct str s)
{
	struct tag tag;

	return word_tag(s, &tag) && tag.used;
}

/* Whether the first word does. */
static bool ends_in_colon(struct str s)
{
	size_t n = str_chr(s, ' ');

	return n && n < s.n && s.p[n - 1] == ':';
}

/* "10.1.2.3: text", "fw1: %ASA-6-302013: text", "U7PG2,788a,v4.0: hostapd: text", "n1: n1: text": the
 * word in front of the colon is a host when it is an address, or when the real tag follows. */
static size_t colon_host(struct str s, struct str *ret)
{
	size_t n = word_span(s, WORD_HOST | WORD_ADDRESS), tag = word_span(s, WORD_TAG);
	struct str word, behind;

	n = tag > n ? tag + 1 : n;
	if (n < 2 || n > HOST_MAX || word_at(s, n - 1) != ':' || word_at(s, n) != ' ')
		return 0;
	word = str_sub(s, 0, n - 1);
	behind = str_skip(s, n + 1);
	if (!word_is_address(word) && !word_is_mnemonic(behind) &&
	    !(str_chr(word, ',') < word.n && sure_tag(behind)) &&
	    !(str_starts(behind, word) && word_at(behind, word.n) == ':'))
		return 0;
	*ret = word;
	return n + 1;
}

/* WatchGuard: "80AB00000". */
static bool is_serial(struct str word)
{
	bool has_digit = false;

	for (size_t i = 0; i < word.n; i++) {
		if (!word_is_digit(word.p[i]) && (word.p[i] < 'A' || word.p[i] > 'F'))
			return false;
		has_digit |= word_is_digit(word.p[i]);
	}
	return word.n >= 8 && has_digit;
}

/* Between host and tag: F5's level, AIX's "auth|security:info", ProCurve's event number, a serial
 * number, a second address. How long it is, with the space; 0 when no tag follows. */
static size_t before_tag(struct str s, struct syslog_msg *m, bool *ret_is_told)
{
	struct str word = str_sub(s, 0, str_chr(str_sub(s, 0, HOST_MAX), ' '));
	struct str behind = str_skip(s, word.n + 1);
	unsigned severity;
	size_t n = 0;

	if (word_at(word, 0) == '<') { /* Aruba: "<10.1.1.2 A8:BD:27:C0:00:00> cli[1]: " */
		n = str_find(s, STR("> "));
		return n < HOST_MAX && sure_tag(str_skip(s, n + 2)) ? n + 2 : 0;
	}
	if (word_at(word, 0) == '%' &&
	    str_chr(word, ':') < word.n) /* Dell: "%STKUNIT1-M:CP %FAC-" */
		return word_is_mnemonic(behind) ? word.n + 1 : 0;
	if (str_is(word, "%$")) { /* NX-OS: "%$ VDC-1 %$ %FAC-SEV-MNEMONIC: " */
		n = str_find(behind, STR(" %$ "));
		return n < HOST_MAX && word_is_mnemonic(str_skip(behind, n + 4)) ? n + 7 : 0;
	}
	while (n < word.n && (word_is_digit(word.p[n]) || word.p[n] == '|' ||
			      (word.p[n] >= 'a' && word.p[n] <= 'z')))
		n++;
	if (word.n < 3 || !behind.n || !sure_tag(behind))
		return 0;
	if (n == word.n && word_level(word, &severity) == n) {
		/* What the PRI says, too, needs not be kept. */
		*ret_is_told = m->has_pri && str_eq(word, syslog_severity_name(m->severity));
		return n + 1;
	}
	if (word_at(word, n) == ':' &&
	    n + 1 + word_level(str_skip(word, n + 1), &severity) == word.n)
		return word.n + 1;
	if (word.n == 5 && word.p[0] == '0' && word_digits(word) == 5) {
		m->msgid = word;
		return word.n + 1;
	}
	return word_is_address(word) || is_serial(word) ? word.n + 1 : 0;
}

/* WatchGuard: "80B602F10EB4E (2026-01-14T21:14:15) firewall: ". */
static size_t serial_and_time(struct str s)
{
	size_t n = str_chr(str_sub(s, 0, HOST_MAX), ' '), close;

	if (!is_serial(str_sub(s, 0, n)) || word_at(s, n + 1) != '(')
		return 0;
	close = n + 1 + str_chr(str_sub(s, n + 1, n + 40), ')');
	return word_at(s, close) == ')' && word_at(s, close + 1) == ' ' &&
			       sure_tag(str_skip(s, close + 2))
		       ? close + 2
		       : 0;
}

/* A relay has put its own time and host in front of a Cisco device's message. */
static struct str relayed_cisco(struct syslog_parser *p, struct str s, int64_t now_ns,
				struct syslog_msg *m)
{
	struct syslog_msg inner = *m;
	bool has_host;
	size_t n;

	n = syslog_cisco(p, s, now_ns, &inner, &has_host);
	if (!n || !word_is_mnemonic(str_skip(s, n)))
		return s;
	if ((inner.flags & (SYSLOG_NO_SYNC | SYSLOG_BAD_TIME)) || inner.time_ns == STAMP_NONE_NS) {
		inner.time_ns = m->time_ns;
		inner.time_text = m->time_text;
		inner.flags =
			(inner.flags & ~(uint32_t)SYSLOG_BAD_TIME) | (m->flags & SYSLOG_BAD_TIME);
	}
	inner.flags |= SYSLOG_ODD_HEADER;
	*m = inner;
	return str_skip(s, n);
}

/* A relay has put its own time and host in front of a whole message: "Jan 14 22:14:15 host tag: ", or
 * "1 1386337316.2 host " of Cisco Meraki. */
static struct str relayed(struct syslog_parser *p, struct str s, int64_t now_ns,
			  struct syslog_msg *m)
{
	struct stamp stamp;
	struct str host, rest;
	unsigned severity;
	size_t n;
	size_t version = str_starts(s, STR("1 ")) ? 2 : 0;
	struct str time = str_skip(s, version);

	if (stamp_any(&p->stamps, time, now_ns, p->utc_offset_s, &stamp) != STAMP_OK ||
	    word_at(time, stamp.used) != ' ')
		return s;
	rest = skip_spaces(str_skip(time, stamp.used));
	n = colon_host(rest, &host);
	if (!n)
		n = word_host(rest, &host);
	rest = skip_spaces(str_skip(rest, n));
	if (word_at(rest, 0) == ':' && word_is_mnemonic(str_skip(rest, 2)))
		rest = str_skip(rest, 2);
	if (!n || word_level(host, &severity) == host.n || (!version && !sure_tag(rest)))
		return s;
	m->hostname = host;
	m->flags = (m->flags & ~(uint32_t)SYSLOG_BAD_TIME) | SYSLOG_ODD_HEADER;
	syslog_take_time(p, &stamp, STAMP_OK, str_sub(time, 0, stamp.used), m);
	return rest;
}

/* UniFi: "f09fc2123456,UAP-AC-Pro-Gen2-6.5.28+14491: hostapd[1]: " behind a host. */
static struct str behind_model(struct str s, struct syslog_msg *m)
{
	size_t n = word_span(s, WORD_TAG);

	if (word_span(s, WORD_ADDRESS) != 12 || word_at(s, n) != ':' || word_at(s, n + 1) != ' ' ||
	    !sure_tag(str_skip(s, n + 2)))
		return s;
	m->flags |= SYSLOG_ODD_HEADER;
	return str_skip(s, n + 2);
}

/* What may stand between host and tag, from the one byte that tells. */
static struct str behind_host(struct syslog_parser *p, struct str s, int64_t now_ns,
			      struct syslog_msg *m)
{
	char c = word_at(s, 0);

	if ((c >= 'A' && c <= 'Z' && word_at(s, 3) == ' ') || word_at(s, 10) == 'T' ||
	    (c == '1' && word_at(s, 1) == ' ' && word_digits(str_skip(s, 2)) == 10))
		return relayed(p, s, now_ns, m);
	if (word_at(s, 12) == ',')
		return behind_model(s, m);
	if (word_is_digit(c) || c == ':' || c == '*' || c == '.')
		return relayed_cisco(p, s, now_ns, m);
	if (m->hostname.n && c == m->hostname.p[0] && str_starts(s, m->hostname) &&
	    word_at(s, m->hostname.n) == ' ' && sure_tag(str_skip(s, m->hostname.n + 1))) {
		m->flags |= SYSLOG_ODD_HEADER; /* UniFi OS says it twice */
		return str_skip(s, m->hostname.n + 1);
	}
	return s;
}

static bool take_tag(struct str *s, struct syslog_msg *m)
{
	struct tag tag;

	if (!word_tag(*s, &tag))
		return false;
	m->appname = tag.name;
	m->procid = tag.pid;
	*s = str_skip(*s, tag.used);
	if (tag.is_odd)
		m->flags |= SYSLOG_ODD_HEADER;
	return tag.used > 0;
}

/* Untangle: "INFO  uvm[0]: ", Radware: "WARNING 12 Anomalies" have no host. In capitals only: a machine may be
 * called `debug`. How long the word is with its spaces. */
static size_t level_for_host(struct str s)
{
	unsigned severity;
	size_t n = word_at(s, 0) >= 'A' && word_at(s, 0) <= 'Z' && word_at(s, 1) < 'a'
			   ? word_level(s, &severity)
			   : 0;

	if (!n || word_at(s, n) != ' ')
		return 0;
	while (word_at(s, n) == ' ')
		n++;
	return n;
}

/* Behind the time: host and tag. */
static struct str host_and_tag(struct syslog_parser *p, struct str s, int64_t now_ns,
			       struct syslog_msg *m)
{
	bool is_told = false;
	struct str from;
	size_t n;

	if (is_repeat(s))
		return s;
	if (word_at(s, 0) == ' ') {
		s = skip_spaces(s);
		m->flags |= SYSLOG_ODD_HEADER;
	}
	/* No host, in RFC 5424's words. */
	if (str_starts(s, STR("- ")) && sure_tag(str_skip(s, 2))) {
		s = str_skip(s, 2);
		m->flags |= SYSLOG_ODD_HEADER;
	}
	n = level_for_host(s);
	if (n && !sure_tag(str_skip(s, n)))
		return s;
	if (n) {
		s = str_skip(s, n);
		m->flags |= SYSLOG_ODD_HEADER;
		take_tag(&s, m);
		return s;
	}
	n = word_at(s, 0) == 'M' || word_at(s, 0) == 'F' ? forwarded_host(s, &m->hostname) : 0;
	if (n || (ends_in_colon(s) && (n = colon_host(s, &m->hostname))))
		m->flags |= SYSLOG_ODD_HEADER;
	else
		n = word_host(s, &m->hostname);
	if (n) {
		s = str_skip(s, n + (word_at(s, n) == ' ' ? 1 : 0));
		s = behind_host(p, s, now_ns, m);
		if (word_at(s, 0) == 'M' && (n = forwarded_host(s, &m->hostname))) {
			s = str_skip(s, n + (word_at(s, n) == ' ' ? 1 : 0));
			m->flags |= SYSLOG_ODD_HEADER;
		}
	}
	from = s;
	if (take_tag(&s, m))
		return s;
	/* Not at once: then more than a space stands between host and tag. */
	s = skip_spaces(s);
	n = before_tag(s, m, &is_told);
	if (!n && word_is_digit(word_at(s, 0)))
		n = serial_and_time(s);
	if (n || s.p != from.p) {
		s = str_skip(s, n);
		m->appname = m->procid = STR_NONE;
		if (take_tag(&s, m)) {
			m->flags |= is_told ? 0 : (uint32_t)SYSLOG_ODD_HEADER;
			return s;
		}
	}
	return from;
}

/* Old PIX firewalls put a colon behind the time and a host all the same: it must have a tag, and behind a
 * counter a mnemonic. */
static void take_host_and_tag(struct str *s, struct syslog_msg *m)
{
	struct str host, rest;
	size_t n = word_host(*s, &host);

	rest = skip_spaces(str_skip(*s, n));
	if (!n || (m->seq.n && !word_is_mnemonic(rest)) || !take_tag(&rest, m))
		return;
	m->hostname = host;
	*s = rest;
}

/* RFC 5424 without a version behind the PRI; looked for when there is no tag. */
static bool without_version(struct syslog_parser *p, struct str s, struct syslog_msg *m)
{
	struct syslog_msg try = *m;

	if (!syslog_header_5424(p, s, &try) || (try.flags & SYSLOG_BAD_SD) ||
	    (!try.sd.n && try.procid.n && word_digits(try.procid) != try.procid.n))
		return false;
	try.flags |= SYSLOG_ODD_HEADER;
	*m = try;
	return true;
}

/* Without a time: a host is one before a tag with a pid, or with commas as UniFi has them. */
static bool lone_host(struct str *s, struct syslog_msg *m)
{
	struct str host, rest;
	struct tag tag;
	size_t n = word_span(*s, WORD_HOST);

	if (!n || word_at(*s, n) != ' ' || !word_host(*s, &host))
		return false;
	rest = str_skip(*s, n + 1);
	if (!word_tag(rest, &tag) || !tag.used || tag.is_odd ||
	    (!tag.pid.n && str_chr(tag.name, ',') == tag.name.n))
		return false;
	m->hostname = host;
	*s = rest;
	return take_tag(s, m);
}

/* Without a time: a tag that cannot be ordinary text. */
static bool lone_tag(struct str *s, struct syslog_msg *m)
{
	struct tag tag;
	unsigned severity;

	if (word_is_mnemonic(*s))
		return take_tag(s, m);
	if (!word_tag(*s, &tag) || !tag.used)
		return m->has_pri && lone_host(s, m);
	if (word_digits(tag.name) == tag.name.n)
		return false;
	if (!tag.pid.n && (!m->has_pri || word_level(tag.name, &severity) == tag.name.n))
		return false;
	return take_tag(s, m);
}

bool syslog_header_3164(struct syslog_parser *p, struct str s, int64_t now_ns, struct syslog_msg *m)
{
	struct str rest = skip_spaces(s);
	struct stamp stamp;
	enum stamp_result got;
	bool is_header = true, has_host = false;
	struct str host;
	struct tag tag;
	size_t n;

	m->msg = s;
	m->time_ns = STAMP_NONE_NS;
	if (!rest.n || rest.p[0] == '{')
		return false;
	got = stamp_any(&p->stamps, rest, now_ns, p->utc_offset_s, &stamp);
	if (got != STAMP_NONE && word_at(rest, stamp.used) == ' ' &&
	    word_host_and_tag(str_skip(rest, stamp.used + 1), &host, &tag)) {
		syslog_take_time(p, &stamp, got, str_sub(rest, 0, stamp.used), m);
		m->hostname = host;
		m->appname = tag.name;
		m->procid = tag.pid;
		m->msg = str_skip(rest, stamp.used + 1 + tag.used);
	} else if (got != STAMP_NONE && word_at(rest, stamp.used) == ' ' &&
		   !syslog_cisco_tail(str_skip(rest, stamp.used))) {
		syslog_take_time(p, &stamp, got, str_sub(rest, 0, stamp.used), m);
		m->msg = host_and_tag(p, str_skip(rest, stamp.used + 1), now_ns, m);
		if (!m->appname.n && word_at(rest, 10) == 'T' && without_version(p, rest, m))
			return true;
	} else if (got != STAMP_NONE && word_at(rest, stamp.used) == '\t') { /* Zscaler */
		syslog_take_time(p, &stamp, got, str_sub(rest, 0, stamp.used), m);
		m->msg = str_skip(rest, stamp.used + 1);
		m->flags |= SYSLOG_ODD_HEADER;
	} else if (rest.p[0] != '[' && (n = syslog_cisco(p, rest, now_ns, m, &has_host))) {
		m->flags |= SYSLOG_ODD_HEADER;
		rest = str_skip(rest, n);
		if (has_host)
			rest = host_and_tag(p, rest, now_ns, m);
		else if (!take_tag(&rest, m) && !m->hostname.n)
			take_host_and_tag(&rest, m);
		m->msg = rest;
	} else if (got != STAMP_NONE && stamp.used == rest.n) {
		syslog_take_time(p, &stamp, got, rest, m);
		m->msg = str_skip(rest, rest.n);
	} else {
		is_header = lone_tag(&rest, m);
		m->msg = is_header ? rest : s;
	}
	if (is_header)
		m->format = SYSLOG_3164;
	syslog_skip_bom(m);
	syslog_body(p, m);
	return is_header;
}
