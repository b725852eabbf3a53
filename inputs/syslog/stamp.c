/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the times of syslog headers. */
#include <stdlib.h>

#include "inputs/syslog/span.h"
#include "inputs/syslog/stamp.h"

#define SECOND_NS 1000000000LL
#define DAY_S 86400LL
#define BSD_TEXT 0x00ffffffffffffffu /* of a loaded word: the seven bytes "Mmm dd " */

static const uint32_t pow10_table[10] = { 1000000000, 100000000, 10000000, 1000000, 100000,
					  10000,      1000,      100,      10,      1 };

/* Bounded cursor: at() past the end gives 0, which no form of time contains. */
struct scan {
	const char *p;
	size_t n, at;
};

static char peek(const struct scan *s, size_t ahead)
{
	return s->at + ahead < s->n ? s->p[s->at + ahead] : '\0';
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* Exactly `count` digits, not followed by another one. */
static bool digits(struct scan *s, size_t count, unsigned *ret)
{
	unsigned value = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_digit(peek(s, i)))
			return false;
		value = value * 10 + (unsigned)(s->p[s->at + i] - '0');
	}
	if (is_digit(peek(s, count)))
		return false;
	s->at += count;
	*ret = value;
	return true;
}

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
static inline enum stamp_result clock_time(struct scan *s, int64_t *ret_s)
{
	uint64_t word;
	unsigned hour, minute, second;

	if (s->n - s->at < 8)
		return STAMP_NONE;
	/* Digits become their value and colons 0; adding 0x76 carries what is above 9 to bit 7. */
	word = span_load(s->p + s->at) ^ 0x30303a30303a3030u;
	if ((word & 0x0000ff0000ff0000u) || ((word + 0x7676767676767676u) & SPAN_HIGHS) ||
	    (word & SPAN_HIGHS))
		return STAMP_NONE;
	s->at += 8;
	hour = (unsigned)(word & 15) * 10 + (unsigned)(word >> 8 & 15);
	minute = (unsigned)(word >> 24 & 15) * 10 + (unsigned)(word >> 32 & 15);
	second = (unsigned)(word >> 48 & 15) * 10 + (unsigned)(word >> 56 & 15);
	*ret_s = (int64_t)(hour * 3600 + minute * 60 + second);
	return hour > 23 || minute > 59 || second > 60 ? STAMP_BAD : STAMP_OK;
}

/* ".123": nanoseconds. More than 9 digits are no fraction of a second we believe. */
static enum stamp_result fraction(struct scan *s, int64_t *ret_ns)
{
	const char *p = s->p + s->at + 1, *end = s->p + s->n;
	uint32_t value = 0;
	size_t n = 0;

	*ret_ns = 0;
	if ((peek(s, 0) != '.' && peek(s, 0) != ',') || !is_digit(peek(s, 1)))
		return STAMP_NONE;
	for (; p < end && is_digit(*p); n++, p++)
		value = n < 9 ? value * 10 + (uint32_t)(*p - '0') : value;
	s->at += n + 1;
	if (n > 9)
		return STAMP_BAD;
	*ret_ns = (int64_t)value * pow10_table[n];
	return STAMP_OK;
}

/* Z, +hh:mm, +hhmm, +hh: seconds east of Greenwich. */
static enum stamp_result zone(struct scan *s, int32_t *ret_s)
{
	char sign = peek(s, 0);
	unsigned hour, minute = 0;
	size_t from = s->at;

	if (sign == 'Z' || sign == 'z') {
		s->at++;
		*ret_s = 0;
		return STAMP_OK;
	}
	if (sign != '+' && sign != '-')
		return STAMP_NONE;
	s->at++;
	if (digits(s, 4, &hour)) {
		minute = hour % 100;
		hour /= 100;
	} else if (digits(s, 2, &hour)) {
		if (peek(s, 0) == ':' && is_digit(peek(s, 1))) {
			s->at++;
			if (!digits(s, 2, &minute))
				minute = 99;
		}
	} else {
		s->at = from;
		return STAMP_NONE;
	}
	if (hour > 23 || minute > 59)
		return STAMP_BAD;
	*ret_s = (int32_t)(hour * 3600 + minute * 60) * (sign == '-' ? -1 : 1);
	return STAMP_OK;
}

static enum stamp_result finish(struct stamp *ret, const struct scan *s, bool is_good, int64_t ns)
{
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
	if (!digits(&scan, 4, &year) || peek(&scan, 0) != '-')
		return STAMP_NONE;
	scan.at++;
	if (!digits(&scan, 2, &month) || peek(&scan, 0) != '-')
		return STAMP_NONE;
	scan.at++;
	if (!digits(&scan, 2, &day))
		return STAMP_NONE;
	if (!stamp_day(year, month, day, ret_day))
		return STAMP_BAD;
	c->iso_ymd = ymd;
	c->iso_d = d;
	c->iso_day = *ret_day;
	return STAMP_OK;
}

enum stamp_result stamp_iso(struct stamp_cache *c, struct str s, int32_t utc_offset_s,
			    struct stamp *ret)
{
	struct scan scan = { s.p, s.n, 11 };
	enum stamp_result date, time, frac, offset;
	int64_t day = 0, second = 0, nanos;

	if (s.n < 19 || s.p[4] != '-' || s.p[7] != '-' ||
	    (s.p[10] != 'T' && s.p[10] != ' ' && s.p[10] != 't'))
		return STAMP_NONE;
	date = iso_date(c, s, &day);
	time = date == STAMP_NONE ? STAMP_NONE : clock_time(&scan, &second);
	if (time == STAMP_NONE)
		return STAMP_NONE;
	frac = fraction(&scan, &nanos);
	offset = zone(&scan, &utc_offset_s);
	ret->has_year = true;
	ret->has_zone = offset == STAMP_OK;
	return finish(ret, &scan,
		      date == STAMP_OK && time == STAMP_OK && frac != STAMP_BAD &&
			      offset != STAMP_BAD,
		      (day * DAY_S + second - utc_offset_s) * SECOND_NS + nanos);
}

/* 1..12, or 0. */
static unsigned month_number(const struct scan *s)
{
#define MONTH(a, b, c) ((a) | (b) << 8 | (c) << 16)
	switch (MONTH((unsigned char)peek(s, 0) | 0x20, (unsigned char)peek(s, 1) | 0x20,
		      (unsigned char)peek(s, 2) | 0x20)) {
	case MONTH('j', 'a', 'n'):
		return 1;
	case MONTH('f', 'e', 'b'):
		return 2;
	case MONTH('m', 'a', 'r'):
		return 3;
	case MONTH('a', 'p', 'r'):
		return 4;
	case MONTH('m', 'a', 'y'):
		return 5;
	case MONTH('j', 'u', 'n'):
		return 6;
	case MONTH('j', 'u', 'l'):
		return 7;
	case MONTH('a', 'u', 'g'):
		return 8;
	case MONTH('s', 'e', 'p'):
		return 9;
	case MONTH('o', 'c', 't'):
		return 10;
	case MONTH('n', 'o', 'v'):
		return 11;
	case MONTH('d', 'e', 'c'):
		return 12;
	default:
		return 0;
	}
#undef MONTH
}

static bool is_weekday(const struct scan *s)
{
	static const char names[] = "sunmontuewedthufrisat";
	char word[3] = { (char)(peek(s, 0) | 0x20), (char)(peek(s, 1) | 0x20),
			 (char)(peek(s, 2) | 0x20) };

	for (size_t i = 0; i < 7; i++)
		if (memcmp(names + i * 3, word, 3) == 0)
			return true;
	return false;
}

/* Four digits in the years we believe, as a word: a space, a colon and a space, or the end must
 * follow ("2001:db8::1" is a host). */
static bool year_number(struct scan *s, unsigned *ret)
{
	size_t from = s->at;
	char after;

	if (digits(s, 4, ret) && *ret >= 1970 && *ret <= 2261) {
		after = peek(s, peek(s, 0) == ':' ? 1 : 0);
		if (after == ' ' || s->at == s->n)
			return true;
	}
	s->at = from;
	*ret = 0;
	return false;
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

/* Behind the time of day: fraction, zone and year in the forms that occur. */
static bool bsd_tail(struct scan *s, unsigned *year, int32_t *utc_offset_s, int64_t *ret_ns,
		     struct stamp *ret)
{
	bool is_good = fraction(s, ret_ns) != STAMP_BAD;
	enum stamp_result offset = zone(s, utc_offset_s);
	struct scan word = *s;
	char after;

	if (!*year && peek(s, 0) == ' ') {
		word.at++;
		if (year_number(&word, year))
			s->at = word.at;
	}
	if (offset == STAMP_NONE && peek(s, 0) == ' ') {
		struct str rest = str_make(s->p + s->at + 1, s->n - s->at - 1);

		after = peek(s, 4);
		if ((str_starts(rest, STR("UTC")) || str_starts(rest, STR("GMT"))) &&
		    (after == ' ' || after == ':' || after == '\0')) {
			s->at += 4;
			*utc_offset_s = 0;
			offset = STAMP_OK;
		}
	}
	ret->has_zone = offset == STAMP_OK;
	return is_good && offset != STAMP_BAD;
}

/* The date in front: "Mar  1 ", "Sun Mar 1 ", "2024 Mar  1 ", "Mar 01 2024 ". */
static bool bsd_date(struct scan *s, unsigned *year, unsigned *month, unsigned *day)
{
	if (is_digit(peek(s, 0))) { /* Brocade, NX-OS */
		if (!year_number(s, year) || peek(s, 0) != ' ')
			return false;
		s->at++;
	}
	*month = month_number(s);
	if (!*month && !*year && is_weekday(s)) { /* LinkSys */
		s->at += peek(s, 3) == ',' ? 4 : 3;
		if (peek(s, 0) != ' ')
			return false;
		s->at++;
		*month = month_number(s);
	}
	if (!*month || peek(s, 3) != ' ')
		return false;
	s->at += peek(s, 4) == ' ' ? 5 : 4;
	if (!digits(s, 2, day) && !digits(s, 1, day))
		return false;
	if (peek(s, 0) == ',')
		s->at++;
	if (peek(s, 0) != ' ')
		return false;
	s->at++;
	if (!*year && year_number(s, year)) { /* Cisco ASA */
		if (peek(s, 0) != ' ')
			return false;
		s->at++;
	}
	return true;
}

/* Any variant. */
static enum stamp_result bsd_any(struct stamp_cache *c, struct scan s, int64_t now_ns,
				 int32_t utc_offset_s, struct stamp *ret)
{
	unsigned year = 0, month, day;
	int64_t day_number = 0, second = 0, nanos = 0, today;
	enum stamp_result time;
	bool is_good;

	if (!bsd_date(&s, &year, &month, &day))
		return STAMP_NONE;
	time = clock_time(&s, &second);
	if (time == STAMP_NONE)
		return STAMP_NONE;
	is_good = bsd_tail(&s, &year, &utc_offset_s, &nanos, ret) && time == STAMP_OK;
	ret->has_year = year != 0;
	today = floor_day(now_ns + utc_offset_s * SECOND_NS);
	if (year)
		is_good = stamp_day(year, month, day, &day_number) && is_good;
	else
		is_good = nearest_day(month, day, today, &day_number) && is_good;
	if (is_good && !year && !ret->has_zone && s.p[6] == ' ' && s.p[9] == ':') {
		c->bsd_text = span_load(s.p) & BSD_TEXT;
		c->bsd_day = day_number;
		c->bsd_from_ns = (today * DAY_S - utc_offset_s) * SECOND_NS;
		c->bsd_to_ns = c->bsd_from_ns + DAY_S * SECOND_NS;
	}
	return finish(ret, &s, is_good,
		      (day_number * DAY_S + second - utc_offset_s) * SECOND_NS + nanos);
}

enum stamp_result stamp_bsd(struct stamp_cache *c, struct str input, int64_t now_ns,
			    int32_t utc_offset_s, struct stamp *ret)
{
	struct scan s = { input.p, input.n, 7 };
	int64_t second;
	char next;

	/* The same day as last time, a plain time, and a word that is neither year nor zone. */
	if (s.n > 16 && (span_load(s.p) & BSD_TEXT) == c->bsd_text && s.p[15] == ' ' &&
	    now_ns >= c->bsd_from_ns && now_ns < c->bsd_to_ns) {
		next = s.p[16];
		if (!is_digit(next) && next != 'U' && next != 'G' &&
		    clock_time(&s, &second) == STAMP_OK) {
			ret->has_year = ret->has_zone = false;
			return finish(ret, &s, true,
				      (c->bsd_day * DAY_S + second - utc_offset_s) * SECOND_NS);
		}
	}
	s.at = 0;
	return bsd_any(c, s, now_ns, utc_offset_s, ret);
}
