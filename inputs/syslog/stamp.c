/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the times of syslog headers: RFC 3339, the plain RFC 3164 time, the guess of the year. The
 * rarer forms are in stamp_forms.c. */
#include <stdlib.h>

#include "inputs/syslog/span.h"
#include "inputs/syslog/stamp_scan.h"

#define BSD_TEXT 0x00ffffffffffffffu /* of a loaded word: the seven bytes "Mmm dd " */

static const uint32_t pow10_table[10] = { 1000000000, 100000000, 10000000, 1000000, 100000,
					  10000,      1000,      100,      10,      1 };

bool stamp_day(unsigned year, unsigned month, unsigned day, int64_t *ret_day)
{
	static const uint8_t month_days[13] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	unsigned era_year, day_of_year, shifted;

	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1)
		return false;
	if (day > month_days[month] + (month == 2 && is_leap ? 1u : 0u))
		return false;
	/* The year begins in March, so that the leap day is its last. */
	era_year = year - (month <= 2 ? 1 : 0);
	shifted = month > 2 ? month - 3 : month + 9;
	day_of_year = (153 * shifted + 2) / 5 + day - 1;
	*ret_day = (int64_t)(era_year * 365 + era_year / 4 - era_year / 100 + era_year / 400 +
			     day_of_year) -
		   719468;
	return true;
}

/* "hh:mm:ss" as seconds. NONE when the shape differs, BAD when the numbers cannot be. */
static inline enum stamp_result clock_of(const char *p, int64_t *ret_s)
{
	/* Digits become their value and colons 0; adding 0x76 carries what is above 9 to bit 7. */
	uint64_t word = span_load(p) ^ 0x30303a30303a3030u;
	unsigned hour, minute, second;

	if ((word & 0x0000ff0000ff0000u) || ((word + 0x7676767676767676u) & SPAN_HIGHS) ||
	    (word & SPAN_HIGHS))
		return STAMP_NONE;
	hour = (unsigned)(word & 15) * 10 + (unsigned)(word >> 8 & 15);
	minute = (unsigned)(word >> 24 & 15) * 10 + (unsigned)(word >> 32 & 15);
	second = (unsigned)(word >> 48 & 15) * 10 + (unsigned)(word >> 56 & 15);
	*ret_s = (int64_t)(hour * 3600 + minute * 60 + second);
	return hour > 23 || minute > 59 || second > 60 ? STAMP_BAD : STAMP_OK;
}

enum stamp_result scan_clock(struct scan *s, int64_t *ret_s)
{
	enum stamp_result got = s->n - s->at < 8 ? STAMP_NONE : clock_of(s->p + s->at, ret_s);

	if (got != STAMP_NONE)
		s->at += 8;
	return got;
}

/* Up to 7 digits of the 8 bytes at p, all at once: how many, and their value. 0 when there are more. */
static inline size_t few_digits(const char *p, uint32_t *ret)
{
	uint64_t word = span_load(p) ^ SPAN_ONES * '0';
	uint64_t others = ((word + SPAN_ONES * 0x76) | word) & SPAN_HIGHS;
	size_t n = others ? (size_t)__builtin_ctzll(others) >> 3 : 0;

	if (!n)
		return 0;
	word <<= 8 * (8 - n); /* zeros in front */
	word = (word * 10 + (word >> 8)) & 0x00ff00ff00ff00ffu;
	word = (word * 100 + (word >> 16)) & 0x0000ffff0000ffffu;
	*ret = (uint32_t)((word & 0xffff) * 10000 + (word >> 32));
	return n;
}

bool scan_fraction(struct scan *s, int64_t *ret_ns)
{
	const char *p = s->p + s->at + 1, *end = s->p + s->n;
	uint32_t value = 0;
	size_t n = 0;

	*ret_ns = 0;
	if (peek(s, 0) != '.' && peek(s, 0) != ',')
		return false;
	if (!is_digit(peek(s, 1))) {
		s->at += peek(s, 0) == '.' && peek(s, 1) == ' ';
		return false;
	}
	if (!SYSLOG_PLAIN && end - p >= 8 && (n = few_digits(p, &value)) > 0) {
		s->at += n + 1;
		*ret_ns = (int64_t)value * pow10_table[n];
		return true;
	}
	for (; p < end && is_digit(*p); n++, p++)
		value = n < 9 ? value * 10 + (uint32_t)(*p - '0') : value;
	s->at += n + 1;
	*ret_ns = (int64_t)value * pow10_table[n < 9 ? n : 9];
	return true;
}

enum stamp_result scan_zone(struct scan *s, int32_t *ret_s)
{
	char sign = peek(s, 0);
	unsigned hour, minute = 0;
	size_t from = s->at;
	const char *p = s->p + s->at;

	if (sign == 'Z' || sign == 'z') {
		s->at++;
		*ret_s = 0;
		return STAMP_OK;
	}
	if (sign != '+' && sign != '-')
		return STAMP_NONE;
	if (!SYSLOG_PLAIN && s->n - s->at > 6 && p[6] == ' ' && p[3] == ':' && is_digit(p[1]) &&
	    is_digit(p[2]) && is_digit(p[4]) && is_digit(p[5])) { /* as RFC 3339 has it */
		hour = (unsigned)(p[1] - '0') * 10 + (unsigned)(p[2] - '0');
		minute = (unsigned)(p[4] - '0') * 10 + (unsigned)(p[5] - '0');
		s->at += 6;
		goto known;
	}
	s->at++;
	if (scan_digits(s, 4, &hour)) {
		minute = hour % 100;
		hour /= 100;
	} else if (scan_digits(s, 2, &hour)) {
		if (peek(s, 0) == ':' && is_digit(peek(s, 1))) {
			s->at++;
			if (!scan_digits(s, 2, &minute))
				minute = 99;
		}
	} else {
		s->at = from;
		return STAMP_NONE;
	}
known:
	if (hour > 23 || minute > 59)
		return STAMP_BAD;
	*ret_s = (int32_t)(hour * 3600 + minute * 60) * (sign == '-' ? -1 : 1);
	return STAMP_OK;
}

static enum stamp_result finish(struct stamp *ret, const struct scan *s, bool is_good, int64_t ns)
{
	is_good = is_good && ns >= 0; /* a zone can put it before 1970 */
	ret->used = s->at;
	ret->ns = is_good ? ns : STAMP_NONE_NS;
	return is_good ? STAMP_OK : STAMP_BAD;
}

/* The date, from the cache on all but the first message of a day. */
static enum stamp_result iso_date(struct stamp_cache *c, struct str s, int64_t *ret_day)
{
	struct scan scan = { s.p, s.n, 0 };
	unsigned year, month, day;
	uint64_t ymd = span_load(s.p), d = span_load(s.p + 8) & 0xffff;

	if (ymd == c->iso_ymd && d == c->iso_d) {
		*ret_day = c->iso_day;
		return STAMP_OK;
	}
	if (!scan_digits(&scan, 4, &year) || peek(&scan, 0) != '-')
		return STAMP_NONE;
	scan.at++;
	if (!scan_digits(&scan, 2, &month) || peek(&scan, 0) != '-')
		return STAMP_NONE;
	scan.at++;
	if (!scan_digits(&scan, 2, &day))
		return STAMP_NONE;
	if (!stamp_day(year, month, day, ret_day))
		return STAMP_BAD;
	c->iso_ymd = ymd;
	c->iso_d = d;
	c->iso_day = *ret_day;
	return STAMP_OK;
}

/* As most senders write it, on the day of the last one: "...Thh:mm:ss.ffffffZ". False: not that. */
static inline bool iso_usual(const struct stamp_cache *c, struct str s, struct stamp *ret)
{
	uint32_t fraction;
	int64_t second;
	uint64_t date;
	size_t n;

	if (SYSLOG_PLAIN || s.n < 30 || span_load(s.p) != c->iso_ymd || s.p[4] != '-' ||
	    s.p[19] != '.') /* a fresh cache is zeros */
		return false;
	date = span_load(s.p + 8);
	n = few_digits(s.p + 20, &fraction);
	if ((date & 0xffffff) != (c->iso_d | (uint64_t)'T' << 16) || !n || s.p[20 + n] != 'Z' ||
	    clock_of(s.p + 11, &second) != STAMP_OK)
		return false;
	*ret = (struct stamp){
		.used = 21 + n,
		.has_year = true,
		.has_zone = true,
		.ns = (c->iso_day * DAY_S + second) * SECOND_NS +
		      (int64_t)fraction * pow10_table[n],
	};
	return true;
}

enum stamp_result stamp_iso(struct stamp_cache *c, struct str s, int32_t utc_offset_s,
			    struct stamp *ret)
{
	struct scan scan = { s.p, s.n, 11 };
	enum stamp_result date, time, offset;
	int64_t day = 0, second = 0, nanos;

	if (iso_usual(c, s, ret))
		return STAMP_OK;
	if (s.n < 19 || s.p[4] != '-' || s.p[7] != '-' ||
	    (s.p[10] != 'T' && s.p[10] != ' ' && s.p[10] != 't'))
		return STAMP_NONE;
	date = iso_date(c, s, &day);
	time = date == STAMP_NONE ? STAMP_NONE : scan_clock(&scan, &second);
	if (time == STAMP_NONE)
		return STAMP_NONE;
	scan_fraction(&scan, &nanos);
	offset = scan_zone(&scan, &utc_offset_s);
	ret->has_year = true;
	ret->has_zone = offset == STAMP_OK;
	ret->offset_s = utc_offset_s;
	ret->zone_name = STR_NONE;
	return finish(ret, &scan, date == STAMP_OK && time == STAMP_OK && offset != STAMP_BAD,
		      (day * DAY_S + second - utc_offset_s) * SECOND_NS + nanos);
}

static int64_t floor_day(int64_t ns)
{
	int64_t day_ns = DAY_S * SECOND_NS;

	return ns / day_ns - (ns % day_ns < 0);
}

/* The day with this month and day nearest to today; false for February 29 without a leap year
 * close by. */
static bool nearest_day(unsigned month, unsigned day, int64_t today, int64_t *ret_day)
{
	unsigned year = (unsigned)(1970 + today * 400 / 146097);
	int64_t best = INT64_MAX, candidate;

	for (unsigned y = year - 1; y <= year + 1; y++) {
		if (!stamp_day(y, month, day, &candidate))
			continue;
		if (best == INT64_MAX || llabs(candidate - today) < llabs(best - today))
			best = candidate;
	}
	if (best == INT64_MAX)
		return false;
	*ret_day = best;
	return true;
}

/* What may follow "hh:mm:ss " and still be part of the time: a year, a zone, AM or PM. */
static bool may_be_tail(struct str s)
{
	size_t n = 0;

	if (is_digit(s.p[0]))
		return s.n <= 4 || s.p[4] == ' ' || s.p[4] == ':';
	if (s.p[0] == '+' || s.p[0] == '-')
		return true;
	if ((unsigned char)(s.p[0] - 'a') < 26 && (s.n < 2 || (s.p[1] | 0x20) != 'm'))
		return false; /* "am", "pm" */
	while (n < s.n && n < STAMP_ZONE_MAX && is_alpha(s.p[n]))
		n++;
	return n >= 2 && (n == s.n || s.p[n] == ' ' || s.p[n] == ':' || s.p[n] == '+' ||
			  s.p[n] == '-' || s.p[n] == ',' || s.p[n] == '.');
}

/* Remembers what day "Mmm dd " is, for as long as today is today. */
static void remember(struct stamp_cache *c, struct str s, const struct parts *p, int64_t today,
		     int64_t day)
{
	if (p->year || p->has_zone || s.p[6] != ' ' || s.p[9] != ':')
		return;
	c->bsd_text = span_load(s.p) & BSD_TEXT;
	c->bsd_day = day;
	c->bsd_offset_s = p->offset_s;
	c->bsd_from_ns = (today * DAY_S - p->offset_s) * SECOND_NS;
	c->bsd_to_ns = c->bsd_from_ns + DAY_S * SECOND_NS;
}

/* The day of the parts, guessing the year where there is none. */
static enum stamp_result from_parts(struct stamp_cache *c, const struct scan *s,
				    const struct parts *p, int64_t now_ns, struct stamp *ret)
{
	int64_t day = 0, today = floor_day(now_ns + p->offset_s * SECOND_NS);
	bool is_good;

	if (p->year)
		is_good = stamp_day(p->year, p->month, p->day, &day);
	else if (s->n >= 8 && (span_load(s->p) & BSD_TEXT) == c->bsd_text &&
		 now_ns >= c->bsd_from_ns && now_ns < c->bsd_to_ns &&
		 p->offset_s == c->bsd_offset_s && (is_good = true))
		day = c->bsd_day;
	else
		is_good = nearest_day(p->month, p->day, today, &day);
	is_good = is_good && !p->is_bad;
	ret->has_year = p->year != 0;
	ret->has_zone = p->has_zone;
	ret->offset_s = p->offset_s;
	ret->zone_name = p->zone_name;
	if (is_good)
		remember(c, str_make(s->p, s->n), p, today, day);
	return finish(ret, s, is_good,
		      (day * DAY_S + p->second - p->offset_s) * SECOND_NS + p->nanos);
}

enum stamp_result stamp_bsd(struct stamp_cache *c, struct str input, int64_t now_ns,
			    int32_t utc_offset_s, struct stamp *ret)
{
	struct scan s = { input.p, input.n, 7 };
	struct parts parts = { .offset_s = utc_offset_s };
	int64_t second;

	/* The same day as last time and a plain time. */
	if (!SYSLOG_PLAIN && s.n > 16 && (span_load(s.p) & BSD_TEXT) == c->bsd_text &&
	    s.p[15] == ' ' && now_ns >= c->bsd_from_ns && now_ns < c->bsd_to_ns &&
	    utc_offset_s == c->bsd_offset_s && !may_be_tail(str_skip(input, 16)) &&
	    clock_of(s.p + 7, &second) == STAMP_OK) {
		s.at += 8;
		ret->has_year = ret->has_zone = false;
		ret->zone_name = STR_NONE;
		ret->offset_s = utc_offset_s;
		return finish(ret, &s, true,
			      (c->bsd_day * DAY_S + second - utc_offset_s) * SECOND_NS);
	}
	s.at = 0;
	if (!stamp_form(&s, &parts))
		return STAMP_NONE;
	return from_parts(c, &s, &parts, now_ns, ret);
}

/* Seconds since 1970 as ten digits, alone or with a fraction (Cisco Meraki). */
static enum stamp_result epoch(struct str s, struct stamp *ret)
{
	struct scan scan = { s.p, s.n, 10 };
	int64_t seconds = 0, nanos;

	for (size_t i = 0; i < 10; i++) {
		if (i >= s.n || !is_digit(s.p[i]))
			return STAMP_NONE;
		seconds = seconds * 10 + (s.p[i] - '0');
	}
	scan_fraction(&scan, &nanos);
	if (peek(&scan, 0) != ' ' || seconds > UINT32_MAX)
		return STAMP_NONE;
	*ret = (struct stamp){ .has_year = true, .has_zone = true };
	return finish(ret, &scan, true, seconds * SECOND_NS + nanos);
}

/* RFC 3339 with a zone behind a space: "2026-01-14 22:14:15 +0100", "... UTC". */
static enum stamp_result iso_with_tail(struct stamp_cache *c, struct str s, int32_t utc_offset_s,
				       struct stamp *ret)
{
	enum stamp_result got = stamp_iso(c, s, utc_offset_s, ret);
	struct parts parts = { .year = 1, .offset_s = utc_offset_s };
	struct scan scan = { s.p, s.n, ret->used };
	int64_t second;

	if (got != STAMP_OK || ret->has_zone || peek(&scan, 0) != ' ')
		return got;
	second = parts.second = (ret->ns / SECOND_NS + utc_offset_s) % DAY_S;
	stamp_tail(&scan, &parts);
	if (parts.is_bad)
		return got;
	ret->ns += (utc_offset_s - parts.offset_s + parts.second - second) * SECOND_NS;
	ret->used = scan.at;
	ret->has_zone = parts.has_zone;
	ret->offset_s = parts.offset_s;
	ret->zone_name = parts.zone_name;
	return got;
}

enum stamp_result stamp_any(struct stamp_cache *c, struct str s, int64_t now_ns,
			    int32_t utc_offset_s, struct stamp *ret)
{
	enum stamp_result got = STAMP_NONE;

	if (!s.n || (!is_digit(s.p[0]) && !is_alpha(s.p[0])))
		return STAMP_NONE;
	if (is_digit(s.p[0]) && s.n > 19) {
		if (s.p[4] == '-')
			got = iso_with_tail(c, s, utc_offset_s, ret);
		else if (s.p[10] == '.' || s.p[10] == ' ')
			got = epoch(s, ret);
	}
	return got == STAMP_NONE ? stamp_bsd(c, s, now_ns, utc_offset_s, ret) : got;
}
