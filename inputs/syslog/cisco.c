/* SPDX-License-Identifier: Apache-2.0 */
/* What Cisco devices put around the time: counters, names, marks of the clock, each with a colon.
 *
 *	IOS     29: rtr1: 000030: *Mar  1 18:48:50.483 CET: %SYS-5-CONFIG_I: text
 *	        29: 1w2d: %SYS-5-CONFIG_I: text            (time since the start)
 *	NX-OS   : 2026 Jan 14 22:14:15 UTC: %ETHPORT-5-IF_UP: text
 *	IOS XR  29: asr9k RP/0/RSP0/CPU0:Jan 14 22:14:15.123 UTC: ifmgr[210]: %PKT_INFRA-LINK-3-UPDOWN : text
 *	AireOS  wlc1: *spamApTask3: Jan 14 22:14:15.123: %CAPWAP-3-DTLS_DB_ERR: text
 *	ASA     Jan 14 2026 22:14:15 fw1 : %ASA-6-302013: text
 *
 * It is taken as a whole or not at all: it must end in a time or in front of a mnemonic. */
#include "inputs/syslog/header.h"

#define WORDS_MAX 6 /* counters and names in front */
#define ZONE_MAX 32 /* letters of a zone's name; people put cities there */

struct scan {
	struct str s;
	size_t at;
	struct str seq, host;
	bool has_mark;
};

static struct str rest(const struct scan *c)
{
	return str_skip(c->s, c->at);
}

static void spaces(struct scan *c)
{
	while (word_at(c->s, c->at) == ' ')
		c->at++;
}

/* "123: ", "101 21: ": counters side by side become one slice; of those around a name the last, which
 * is the device's own. */
static bool counter(struct scan *c)
{
	struct str s = rest(c);
	size_t n = word_digits(s);

	if (n && word_at(s, n) == ' ' && word_is_digit(word_at(s, n + 1)))
		n += 1 + word_digits(str_skip(s, n + 1));

	if (!n || n > 21 || word_at(s, n) != ':' || word_at(s, n + 1) != ' ')
		return false;
	c->seq = c->seq.n && c->seq.p + c->seq.n + 2 == s.p
			 ? str_make(c->seq.p, (size_t)(s.p + n - c->seq.p))
			 : str_sub(s, 0, n);
	c->at += n + 2;
	return true;
}

/* "node:" right before the time, "RP/0/RSP0/CPU0:". */
static bool node(struct scan *c)
{
	struct str s = rest(c);
	size_t n = word_span(s, WORD_HOST);

	if (n < 3 || str_chr(str_sub(s, 0, n), '/') == n || word_at(s, n) != ':')
		return false;
	c->at += n + 1;
	return true;
}

/* "rtr1: ", "rtr1 : ", "10.1.2.3: "; without a colon only before a node. */
static bool name(struct scan *c)
{
	struct str s = rest(c), word;
	size_t n = word_span(s, WORD_HOST), address = word_span(s, WORD_ADDRESS);
	struct scan behind = *c;

	if (address > n && address <= HOST_MAX && word_at(s, address) == ' ' && address > 2 &&
	    word_is_address(str_sub(s, 0, address - 1)))
		n = address - 1;
	if (!n || n > HOST_MAX || c->host.n)
		return false;
	word = str_sub(s, 0, n);
	behind.at += n + 1;
	if (word_at(s, n) == ':' && word_at(s, n + 1) == ' ')
		c->at += n + 2;
	else if (word_at(s, n) == ' ' && word_at(s, n + 1) == ':' && word_at(s, n + 2) == ' ')
		c->at += n + 3;
	else if (word_at(s, n) == ' ' && node(&behind))
		c->at += n + 1;
	else
		return false;
	c->host = word;
	return true;
}

/* "*task: " of AireOS. */
static bool task(struct scan *c)
{
	struct str s = rest(c);
	size_t n;

	if (word_at(s, 0) != '*')
		return false;
	n = word_span(str_skip(s, 1), WORD_TAG);
	if (!n || n > TAG_MAX || word_at(s, n + 1) != ':' || word_at(s, n + 2) != ' ')
		return false;
	c->at += n + 3;
	return true;
}

/* "1w2d", "1d02h", "00:00:46", "2y3w": how long the device has been up, before ": %". */
static size_t uptime(struct str s)
{
	size_t n = 0, digits = word_digits(s);

	if (!digits)
		return 0;
	while (n < 12 && (word_is_digit(word_at(s, n)) || word_at(s, n) == 'y' ||
			  word_at(s, n) == 'w' || word_at(s, n) == 'd' || word_at(s, n) == 'h' ||
			  (word_at(s, n) == ':' && word_is_digit(word_at(s, n + 1)))))
		n++;
	return n > digits && word_at(s, n) == ':' && word_at(s, n + 1) == ' ' &&
			       word_at(s, n + 2) == '%'
		       ? n
		       : 0;
}

/* " CET" that no table knows, before ": %". Without the percent sign it is the tag of a message
 * without a host. */
static size_t zone_word(struct str s)
{
	size_t n = 1;

	if (word_at(s, 0) != ' ')
		return 0;
	while (n <= ZONE_MAX && (word_is_alpha(word_at(s, n)) || word_at(s, n) == '_'))
		n++;
	return n > 1 && word_at(s, n) == ':' && word_at(s, n + 1) == ' ' && word_at(s, n + 2) == '%'
		       ? n
		       : 0;
}

bool syslog_cisco_tail(struct str s)
{
	char c = word_at(s, 1);

	return c == ':' ? word_at(s, 2) == ' ' : (unsigned char)(c - 'A') < 26 && zone_word(s);
}

/* The time at c with its mark. */
static bool any_time(struct syslog_parser *p, struct scan *c, int64_t now_ns, struct stamp *stamp,
		     struct syslog_msg *m)
{
	struct str s = rest(c);
	bool has_mark = word_at(s, 0) == '*' || word_at(s, 0) == '.';
	enum stamp_result got;
	size_t n;

	s = str_skip(s, has_mark ? 1 : 0);
	got = stamp_any(&p->stamps, s, now_ns, p->utc_offset_s, stamp);
	n = got == STAMP_NONE ? uptime(s) : stamp->used;
	if (!n || (n < s.n && s.p[n] != ' ' && s.p[n] != ':'))
		return false;
	if (got == STAMP_NONE) { /* a time, but not of a day */
		got = STAMP_BAD;
		*stamp = (struct stamp){ .ns = STAMP_NONE_NS, .used = n };
	}
	n += zone_word(str_skip(s, n));
	syslog_take_time(p, stamp, got, str_sub(s, 0, n), m);
	c->has_mark = has_mark;
	c->at += n + (has_mark ? 1 : 0);
	return true;
}

/* Behind the time: the colon, also after a space. Without one a host follows. */
static bool colon(struct scan *c)
{
	size_t from = c->at;

	spaces(c);
	if (word_at(c->s, c->at) != ':') {
		c->at = from;
		return false;
	}
	c->at++;
	return true;
}

size_t syslog_cisco(struct syslog_parser *p, struct str s, int64_t now_ns, struct syslog_msg *m,
		    bool *ret_has_host)
{
	struct scan c = { .s = s };
	struct stamp stamp;
	bool has_time = false, has_words = true, has_colon = true;

	for (size_t i = 0; i < WORDS_MAX && has_words && !has_time; i++) {
		spaces(&c);
		if (word_at(s, c.at) == ':') { /* NX-OS, ASA's EMBLEM */
			c.at++;
			spaces(&c);
		}
		has_time = any_time(p, &c, now_ns, &stamp, m);
		has_words = !has_time && (counter(&c) || node(&c) || task(&c) || name(&c));
	}
	spaces(&c);
	if (has_time)
		has_colon = colon(&c);
	else if (!c.at || !word_is_mnemonic(rest(&c)))
		return 0;
	spaces(&c);
	if (c.seq.n)
		m->seq = c.seq;
	if (c.host.n)
		m->hostname = c.host;
	if (c.has_mark)
		m->flags |= SYSLOG_NO_SYNC;
	*ret_has_host = has_time && !has_colon;
	return c.at;
}
