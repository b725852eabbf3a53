/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3164 and its relatives: an optional time in one of many forms, an optional host, an optional
 * tag. Each part is taken only when it is beyond doubt; what is left is MSG, so a wrong guess can
 * cost a field but never text. */
#include "inputs/syslog/header.h"

#define HOST_MAX 255
#define TAG_MAX 128
#define PID_MAX 128

enum { HOST = 1, TAG = 2, ADDRESS = 4 };

/* Which bytes a word may consist of. HOST is what rsyslog takes for a host name plus '@', '/' and
 * '_'; TAG leaves out what starts JSON, quotes and key=value text. Above ASCII: never. */
static const uint8_t classes[256] = {
	['a' ... 'f'] = HOST | TAG | ADDRESS,
	['A' ... 'F'] = HOST | TAG | ADDRESS,
	['g' ... 'z'] = HOST | TAG,
	['G' ... 'Z'] = HOST | TAG,
	['0' ... '9'] = HOST | TAG | ADDRESS,
	['.'] = HOST | TAG | ADDRESS,
	['-'] = HOST | TAG,
	['_'] = HOST | TAG,
	['@'] = HOST | TAG,
	['/'] = HOST | TAG,
	[':'] = ADDRESS,
	['%'] = TAG | ADDRESS,
	['#'] = TAG,
	['('] = TAG,
	[')'] = TAG,
	['+'] = TAG,
	['*'] = TAG,
	['~'] = TAG,
	['!'] = TAG,
	['$'] = TAG,
	['&'] = TAG,
	['|'] = TAG,
};

static size_t span(struct str s, unsigned class)
{
	size_t n = 0;

	while (n < s.n && (classes[(unsigned char)s.p[n]] & class))
		n++;
	return n;
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static char at(struct str s, size_t i)
{
	return i < s.n ? s.p[i] : '\0';
}

/* Address with at least two colons, optionally with a zone: "fe80::1%eth0". */
static bool is_ipv6(struct str word)
{
	size_t n = span(word, ADDRESS), colons = 0;

	for (size_t i = 0; i < n; i++) {
		if (word.p[i] == '%')
			return i > 2 && colons >= 2;
		colons += word.p[i] == ':';
	}
	return n == word.n && colons >= 2 && word.p[n - 1] != '.' &&
	       (word.p[n - 1] != ':' || word.p[n - 2] == ':');
}

/* "name ", "10.1.2.3 ", "2001:db8::1 ", "[10.1.2.3] ": the host and how far it reaches; 0 when
 * the first word is something else. */
static size_t host_word(struct str s, struct str *ret)
{
	size_t n = span(s, HOST);
	struct str word;

	if (n && at(s, n) == ' ') {
		if (n > HOST_MAX || s.p[n - 1] == '/' || s.p[n - 1] == '@' || s.p[0] == '@')
			return 0;
		*ret = str_sub(s, 0, n);
		return n;
	}
	if (at(s, n) != ':' && at(s, 0) != '[' && at(s, n) != '%')
		return 0;
	n = str_chr(str_sub(s, 0, HOST_MAX + 1), ' ');
	if (n > HOST_MAX || n == s.n)
		return 0;
	word = str_sub(s, 0, n);
	if (n > 2 && word.p[0] == '[' && word.p[n - 1] == ']')
		word = str_sub(word, 1, n - 1);
	if (!is_ipv6(word) && (word.n == n || span(word, HOST) != word.n))
		return 0;
	*ret = word;
	return n;
}

/* "tag: ", "tag[pid]: ", "tag[pid] ", "tag[pid]:text": sets appname and procid and returns how
 * far it reaches, with one space; 0 when there is no tag. */
static size_t tag_word(struct str s, struct syslog_msg *m)
{
	size_t n = span(s, TAG), close;
	struct str pid = STR_NONE;
	size_t tag = n;

	if (!n || n > TAG_MAX)
		return 0;
	if (at(s, n) == '[') {
		for (close = n + 1; close < s.n && s.p[close] > ' ' && s.p[close] != ']';)
			close++;
		if (at(s, close) != ']' || close == n + 1 || close - n > PID_MAX)
			return 0;
		pid = str_sub(s, n + 1, close);
		n = close + 1;
		if (at(s, n) == ':')
			n++;
		else if (n < s.n && s.p[n] != ' ')
			return 0;
	} else if (at(s, n) == ':' && (n + 1 == s.n || s.p[n + 1] == ' ')) {
		n++;
	} else {
		return 0;
	}
	m->appname = str_sub(s, 0, tag);
	m->procid = pid;
	return n < s.n && s.p[n] == ' ' ? n + 1 : n;
}

/* "%FAC-SEV-MNEMONIC: " or "%FAC-SLOT-SEV-MNEMONIC: ": what Cisco devices have for a tag. */
static bool is_cisco_tag(struct str s)
{
	size_t n = 1, dashes = 0;

	if (at(s, 0) != '%')
		return false;
	for (; n < s.n && n < TAG_MAX && (span(str_sub(s, n, n + 1), TAG)); n++)
		dashes += s.p[n] == '-';
	return dashes >= 2 && at(s, n) == ':';
}

static enum stamp_result any_time(struct syslog_parser *p, struct str s, int64_t now_ns,
				  struct stamp *ret)
{
	enum stamp_result got;
	char after;

	if (is_digit(at(s, 0)) && at(s, 4) == '-')
		got = stamp_iso(&p->stamps, s, p->utc_offset_s, ret);
	else
		got = stamp_bsd(&p->stamps, s, now_ns, p->utc_offset_s, ret);
	if (got == STAMP_NONE)
		return got;
	after = at(s, ret->used);
	return ret->used == s.n || after == ' ' || after == ':' ? got : STAMP_NONE;
}

/* " CET" before ": %": a zone by a name that only its owner knows. Without the percent sign it is
 * the tag of a message without a host. */
static size_t zone_word(struct str s)
{
	size_t n = 1;

	if (at(s, 0) != ' ')
		return 0;
	while (n < s.n && n <= 6 && s.p[n] >= 'A' && s.p[n] <= 'Z')
		n++;
	return n > 1 && at(s, n) == ':' && at(s, n + 1) == ' ' && at(s, n + 2) == '%' ? n : 0;
}

/* Digits and ": ". */
static size_t cisco_seq(struct str s, size_t from)
{
	size_t n = from;

	while (n < s.n && n - from < 10 && is_digit(s.p[n]))
		n++;
	return n > from && at(s, n) == ':' && at(s, n + 1) == ' ' ? n + 2 : 0;
}

/* Time with what Cisco IOS puts before and behind it:
 * "000123: host: *Mar  1 18:48:50.483 CET: %SYS-5-CONFIG_I: text". Returns how far it reaches, 0
 * when there is no time. With a colon behind the time there is no host. */
static size_t cisco_time(struct syslog_parser *p, struct str s, int64_t now_ns,
			 struct syslog_msg *m, bool *ret_colon)
{
	size_t from = 0, next = cisco_seq(s, 0);
	struct str seq = STR_NONE, host = STR_NONE;
	uint32_t flags = 0;
	struct stamp stamp;
	enum stamp_result got;

	if (next) {
		from = next;
		next = cisco_seq(s, from); /* message counter and service sequence number */
		from = next ? next : from;
		seq = str_sub(s, 0, from - 2);
	} else if (at(s, 0) == ':' && at(s, 1) == ' ') { /* NX-OS */
		from = 2;
	}
	next = from + span(str_skip(s, from), HOST);
	if (seq.n && next > from && next - from <= HOST_MAX && at(s, next) == ':' &&
	    at(s, next + 1) == ' ') { /* logging origin-id */
		host = str_sub(s, from, next);
		from = next + 2;
	}
	if (at(s, from) == '*' || at(s, from) == '.') {
		flags = SYSLOG_NO_SYNC;
		from++;
	}
	got = any_time(p, str_skip(s, from), now_ns, &stamp);
	if (got == STAMP_NONE)
		return 0;
	m->seq = seq;
	m->hostname = host;
	m->flags |= flags | (got == STAMP_BAD ? (uint32_t)SYSLOG_BAD_TIME : 0);
	m->time_ns = stamp.ns;
	next = from + stamp.used;
	next += zone_word(str_skip(s, next));
	m->time_text = str_sub(s, from, next);
	*ret_colon = at(s, next) == ':';
	return next + (*ret_colon ? 1 : 0);
}

/* A sequence number, a mark, or a time that is followed by more than a space. */
static bool may_be_cisco(struct str s, enum stamp_result time)
{
	return time != STAMP_NONE || is_digit(s.p[0]) || s.p[0] == '*' || s.p[0] == '.' ||
	       s.p[0] == ':';
}

/* AIX: "Message forwarded from HOST: tag: text". */
static size_t forwarded_host(struct str s, struct str *ret)
{
	static const struct str lead = { "Message forwarded from ", 23 };
	size_t n;

	if (at(s, 0) != 'M' || !str_starts(s, lead))
		return 0;
	n = span(str_skip(s, lead.n), HOST);
	if (!n || n > HOST_MAX || at(s, lead.n + n) != ':')
		return 0;
	*ret = str_sub(s, lead.n, lead.n + n);
	return lead.n + n + 1;
}

static struct str skip_spaces(struct str s)
{
	while (s.n && s.p[0] == ' ')
		s = str_skip(s, 1);
	return s;
}

/* Behind the time: host and tag. */
static struct str host_and_tag(struct str s, bool is_cisco, struct syslog_msg *m)
{
	size_t n = 0;

	if (!is_cisco) {
		n = forwarded_host(s, &m->hostname);
		if (!n)
			n = host_word(s, &m->hostname);
		if (n) {
			s = str_skip(s, n + (at(s, n) == ' ' ? 1 : 0));
			if (at(s, 0) == ':' && at(s, 1) == ' ' && at(s, 2) == '%')
				s = str_skip(s, 2); /* ASA: "host : %ASA-6-.." */
		}
	}
	return str_skip(s, tag_word(s, m));
}

bool syslog_header_3164(struct syslog_parser *p, struct str s, int64_t now_ns,
			struct syslog_msg *ret)
{
	struct str rest = skip_spaces(s);
	struct stamp stamp;
	enum stamp_result got;
	bool is_cisco = false, is_header = true;
	size_t n;

	ret->msg = s;
	ret->time_ns = STAMP_NONE_NS;
	if (!rest.n || rest.p[0] == '{' || rest.p[0] == '[')
		return false;
	got = any_time(p, rest, now_ns, &stamp);
	if (got != STAMP_NONE && at(rest, stamp.used) == ' ' &&
	    !zone_word(str_skip(rest, stamp.used))) {
		ret->time_ns = stamp.ns;
		ret->time_text = str_sub(rest, 0, stamp.used);
		if (got == STAMP_BAD)
			ret->flags |= SYSLOG_BAD_TIME;
		rest = host_and_tag(str_skip(rest, stamp.used + 1), false, ret);
	} else if (may_be_cisco(rest, got) && (n = cisco_time(p, rest, now_ns, ret, &is_cisco))) {
		rest = skip_spaces(str_skip(rest, n));
		rest = host_and_tag(rest, is_cisco, ret);
	} else {
		/* Without a time only a tag that cannot be ordinary text. */
		n = 0;
		if (is_cisco_tag(rest) || at(rest, span(rest, TAG)) == '[')
			n = tag_word(rest, ret);
		is_header = n > 0;
		rest = n ? str_skip(rest, n) : s;
	}
	ret->msg = rest;
	if (is_header)
		ret->format = SYSLOG_3164;
	syslog_skip_bom(ret);
	return is_header;
}
