/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog messages from the pieces that real ones are made of, and changes to a message that respect
 * its words: the fuzzer's mutator, and random input for the property tests. */
#ifndef TESTS_FUZZ_SYSLOG_MUTATE_H
#define TESTS_FUZZ_SYSLOG_MUTATE_H

#include <stdint.h>

#include "lib/check.h"
#include "lib/str.h"

struct pieces {
	const char *const *items;
	size_t n;
};

/* What may stand at one place of a message; "" leaves it out. */
enum place {
	PRI,
	VERSION,
	PREFIX,
	TIME,
	ZONE,
	HOST,
	BEFORE_TAG,
	TAG,
	PROCID,
	MSGID,
	SD,
	BODY,
	PLACES
};

static const char *const mutate_pri[] = { "<13>",  "<0>",   "<191>",
					  "<192>", "<013>", "<>",
					  "<-1>",  "<1",    "\xef\xbb\xbf<13>",
					  "",      "<13> ", "<13>\t" };
static const char *const mutate_version[] = { "1 ", "1  ", "2 ", "0 ", "999 ", "1", "" };
static const char *const mutate_prefix[] = { "",
					     "29: ",
					     "29: 000030: ",
					     ": ",
					     "*",
					     ".",
					     "rtr1: ",
					     "10.1.2.3: ",
					     "2001:db8::1: ",
					     "*emWeb: ",
					     "101 21: ",
					     "asr9k RP/0/RSP0/CPU0:",
					     "RP/0/RSP0/CPU0:",
					     "1w2d: ",
					     "00:00:46: ",
					     ":",
					     "wlc1 : " };
static const char *const mutate_time[] = { "Jan 14 22:14:15",
					   "Jan  4 22:14:15",
					   "jan 4 1:02:03",
					   "Feb 29 00:00:00",
					   "Dec 31 23:59:60",
					   "2026 Jan 14 22:14:15",
					   "Jan 14 2026 22:14:15",
					   "Jan 14 22:14:15.123",
					   "Jan 14 22:14:15 2026",
					   "Wed, 14 Jan 2026 22:14:15",
					   "14Jan2026 22:14:15",
					   "2026/01/14 22:14:15",
					   "01/14/2026:22:14:15",
					   "2026:01:14-22:14:15",
					   "1768428855.123456",
					   "1768428855",
					   "2026-01-14T22:14:15Z",
					   "2026-01-14T22:14:15.123456789012+01:00",
					   "2026-01-14 22:14:15,123",
					   "20260114T221415Z",
					   "-",
					   "1970-01-01T00:00:00+23:59",
					   "2261-12-31T23:59:60-23:59",
					   "Jan 14 10:14:15 PM",
					   "",
					   "Jan 32 25:61:61",
					   "Jan 14 22:14:15:123 2026",
					   "January 14 22:14:15" };
static const char *const mutate_zone[] = {
	" ",       " CET ", ": ", " CET: ", " : ",        " NewYork: ",    " UTC+1 ",
	" -0500 ", "  ",    "\t", "",       " IST 2026 ", " PM.484 UTC : "
};
static const char *const mutate_host[] = { "web01 ",
					   "10.1.2.3 ",
					   "2001:db8::1 ",
					   "[10.1.2.3] ",
					   "fe80::1%eth0 ",
					   "h\xc3\xb6st ",
					   "U7LR,0418d6,v3.9 ",
					   "U7LR,0418d6,v3.9: ",
					   "",
					   "- ",
					   "Message forwarded from aix7: ",
					   "fw1: ",
					   "fw1 : ",
					   "10.1.1.1:514 ",
					   "h. ",
					   "relay Jan 14 22:14:15 web01 ",
					   "relay 82: *Jan 14 22:14:15.1: ",
					   "relay 1 1768428855.1 MX84 ",
					   "n1: n1: ",
					   "last message repeated 3 times" };
static const char *const mutate_before_tag[] = {
	"",           "",          "", "notice ", "auth|security:info ", "00077 ", "%$ VDC-1 %$ ",
	"80AB00000 ", "10.1.1.1 ", " "
};
static const char *const mutate_tag[] = { "app: ",
					  "app[1]: ",
					  "app[1] ",
					  "app[1]:",
					  "app:",
					  "app",
					  "%SYS-5-CONFIG_I: ",
					  "%ASA-6-302013 ",
					  "%PKT_INFRA-LINK-3-UPDOWN : ",
					  "nginx:1.25/web[12]: ",
					  "Google Chrome Helper[12]: ",
					  "CRON [12]: ",
					  "postfix[smtpd][12]: ",
					  "CEF:0|V|P|1|2|n|3|",
					  "LEEF:2.0|",
					  "@cee: ",
					  "-: ",
					  "93: ",
					  "",
					  "- ",
					  "0-PPE-0 : ",
					  "/usr/sbin/cron ",
					  "app[",
					  "app[]",
					  "[app]: ",
					  "app:\t",
					  "CISE_X ",
					  "app:{" };
static const char *const mutate_procid[] = { "1 ", "- ", "[APP/0] ", "" };
static const char *const mutate_msgid[] = { "ID47 ", "- ", "" };
static const char *const mutate_sd[] = { "- ",
					 "-",
					 "[a@1 b=\"c\"] ",
					 "[a][b]",
					 "[a b=\"\\\"\\\\\\]\\x\"] ",
					 "[a b=\"\xef\xbb\xbfv\" c=\"\"]",
					 "[a b=\"c\"]text",
					 "[a b=c] ",
					 "[a b=\"c\" ] ",
					 "[a:\"b\"; c:\"d\"] ",
					 "[",
					 "[a ",
					 "[a b=\"",
					 "" };
static const char *const mutate_body[] = {
	"text",
	"",
	" ",
	"{\"a\":1}",
	"[n1:wafl.full:notice]: x",
	"[ID 800047 auth.info] x",
	"date=2026-01-14 time=22:14:15 devname=\"FG100\" tz=\"+0100\"",
	"eventtime=1768425255123456789 devname=x",
	"id=firewall time=\"2026-01-14 22:14:15\"",
	"\xef\xbb\xbftext",
	"a\nb",
	"a\0b",
	"\xff\xfe",
	"text\r\n",
	"text\n\n",
	"ERROR: x",
	"last message repeated 2 times",
	"MSWinEventLog\t1",
	"key=value: x",
	"http://x/ y",
	"%"
};

#define MUTATE(a)                                                                                  \
	{                                                                                          \
		mutate_##a, ARRAY_LEN(mutate_##a)                                                  \
	}
static const struct pieces mutate_places[PLACES] = {
	MUTATE(pri),    MUTATE(version), MUTATE(prefix),     MUTATE(time),
	MUTATE(zone),   MUTATE(host),    MUTATE(before_tag), MUTATE(tag),
	MUTATE(procid), MUTATE(msgid),   MUTATE(sd),         MUTATE(body),
};

/* xorshift64*; state is never 0. */
static inline uint32_t mutate_random(uint64_t *state, uint32_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545F4914F6CDD1Du) >> 33) % below;
}

static inline size_t mutate_put(char *out, size_t n, size_t max, const char *piece)
{
	size_t len = strlen(piece);

	len = len < max - n ? len : max - n;
	memcpy(out + n, piece, len);
	return n + len;
}

/* A whole message in one of the two grammars, most of it what it should be. */
static inline size_t mutate_message(char *out, size_t max, uint64_t *state)
{
	static const enum place rfc5424[] = {
		PRI, VERSION, TIME, HOST, TAG, PROCID, MSGID, SD, BODY
	};
	static const enum place rfc3164[] = {
		PRI, PREFIX, TIME, ZONE, HOST, BEFORE_TAG, TAG, BODY
	};
	bool is_5424 = mutate_random(state, 3) == 0;
	const enum place *places = is_5424 ? rfc5424 : rfc3164;
	size_t count = is_5424 ? ARRAY_LEN(rfc5424) : ARRAY_LEN(rfc3164), n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct pieces *p = &mutate_places[places[i]];
		bool is_usual = mutate_random(state, 3) == 0;

		n = mutate_put(out, n, max,
			       p->items[is_usual ? 0 : mutate_random(state, (uint32_t)p->n)]);
		if (is_5424 && places[i] == TIME)
			n = mutate_put(out, n, max, " ");
	}
	return n;
}

/* Puts a piece in, over or in front of a word of the message; or takes the word out. */
static inline size_t mutate_word(char *p, size_t n, size_t max, uint64_t *state)
{
	const struct pieces *from = &mutate_places[mutate_random(state, PLACES)];
	const char *piece = from->items[mutate_random(state, (uint32_t)from->n)];
	size_t at = n ? mutate_random(state, (uint32_t)n) : 0, end, len = strlen(piece);

	while (at && p[at - 1] != ' ')
		at--;
	end = at;
	while (end < n && p[end] != ' ')
		end++;
	switch (mutate_random(state, 3)) {
	case 0:
		end = at;
		break;
	case 1:
		len = 0;
		break;
	default:
		break;
	}
	if (n - (end - at) + len > max)
		return n;
	memmove(p + at + len, p + end, n - end);
	memcpy(p + at, piece, len);
	return n - (end - at) + len;
}

#endif
