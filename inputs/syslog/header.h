/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the message parser. Private to this folder.
 *
 *	parse.c       PRI, choice of grammar, time zones, keywords
 *	parse5424.c   RFC 5424
 *	parse3164.c   RFC 3164 and its relatives: time, host, tag
 *	words.c       what a host and what a tag look like
 *	cisco.c       what Cisco devices put around the time
 *	body.c        fields that the text itself names: key=value, NetApp, Solaris
 */
#ifndef INPUTS_SYSLOG_HEADER_H
#define INPUTS_SYSLOG_HEADER_H

#include "inputs/syslog/message.h"

#define HOST_MAX 255
#define TAG_MAX 255
#define PID_MAX 128

/* s begins behind "<PRI>1 ". False when no RFC 5424 header is there; what was
 * read until then may be in ret. */
bool syslog_header_5424(struct syslog_parser *p, struct str s, struct syslog_msg *ret);

/* s begins behind the PRI, or is the whole when there is none. False when neither a time nor a
 * tag was recognised; msg is then all of s. */
bool syslog_header_3164(struct syslog_parser *p, struct str s, int64_t now_ns,
			struct syslog_msg *ret);

/* The time of the header, in the parser's zone where it names none; text is what it was. */
void syslog_take_time(struct syslog_parser *p, const struct stamp *stamp, enum stamp_result got,
		      struct str text, struct syslog_msg *ret);

/* What stands around and instead of the time in messages of Cisco devices, as far as ": " or the
 * host behind it. Returns its length, 0 when there is none; has_host: a host may follow. */
size_t syslog_cisco(struct syslog_parser *p, struct str s, int64_t now_ns, struct syslog_msg *ret,
		    bool *ret_has_host);

/* Whether Cisco's colon is behind a time, at s: " : ", " XYZ: %". */
bool syslog_cisco_tail(struct str s);

/* Host, time and tag that the text names; fills what the header left open, takes nothing away. */
void syslog_body(struct syslog_parser *p, struct syslog_msg *m);

/* Which bytes a word may consist of. HOST is what rsyslog takes for a host name plus '@', '/' and
 * '_'; TAG leaves out what starts JSON, quotes and key=value text. Above ASCII: never. */
enum { WORD_HOST = 1, WORD_TAG = 2, WORD_ADDRESS = 4 };
size_t word_span(struct str s, unsigned class);

static inline char word_at(struct str s, size_t i)
{
	return i < s.n ? s.p[i] : '\0';
}

static inline bool word_is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* Number of digits at the start. */
static inline size_t word_digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && word_is_digit(s.p[n]))
		n++;
	return n;
}

static inline bool word_is_alpha(char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26;
}

/* A name or address that a space follows; returns its length, 0 when the first word is something
 * else. */
size_t word_host(struct str s, struct str *ret);
/* "10.1.2.3", "2001:db8::1%eth0". */
bool word_is_address(struct str word);

struct tag {
	struct str name, pid;
	size_t used; /* with colon and one space; 0: the name is sure, but it is part of the text */
	bool is_odd; /* what stands between the parts is not "name[pid]: " */
};

/* A tag at the start of s; sure is what has both colon and space, or a pid. */
bool word_tag(struct str s, struct tag *ret);
/* "host name[123]: " and "host name: " of letters, digits and . _ - / @, at once; false for anything else, and
 * where the words have a meaning of their own. t->used counts from the start of s. */
bool word_host_and_tag(struct str s, struct str *ret_host, struct tag *t);
/* "%FAC-SEV-MNEMONIC" and a colon or a space: what Cisco devices have for a tag. */
bool word_is_mnemonic(struct str s);
/* Event formats whose name, of n bytes, is part of the text: "CEF:0|", "LEEF:2.0|", with or without a space. */
bool word_is_event_format(struct str s, size_t n);
/* A word for a severity or level in any case, as far as it reaches. */
size_t word_level(struct str s, unsigned *ret_severity);

/* Moves msg behind a UTF-8 byte order mark (RFC 5424 section 6.4). */
static inline void syslog_skip_bom(struct syslog_msg *m)
{
	if (__builtin_expect(m->msg.n >= 3 && m->msg.p[0] == '\xEF', 0) &&
	    str_starts(m->msg, STR("\xEF\xBB\xBF"))) {
		m->msg = str_skip(m->msg, 3);
		m->flags |= SYSLOG_BOM;
	}
}

#endif
