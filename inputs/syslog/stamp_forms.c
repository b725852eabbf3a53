/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of time that devices have come up with, as a table, and what they put behind the time of
 * day: fraction, AM or PM, zone by number or name, year. */
#include "inputs/syslog/stamp_scan.h"
#include "lib/check.h"

/* a weekday, b month's name, d day, m and D month and day as numbers, K yyyymmdd, Y year, T time of
 * day, C hhmmss; a space is one space, anything else is itself. Tried in this order. */
static const char *const letter_forms[] = {
	"b d T",     /* RFC 3164 */
	"b d Y T",   /* Cisco ASA */
	"a b d T",   /* LinkSys, ctime() */
	"a b d Y T", /* weekday and year */
	"a d b Y T", /* RFC 5322 */
};
static const char *const digit_forms[] = {
	"Y b d T",                                  /* Cisco NX-OS, Brocade */
	"d b Y T", "d-b-Y T", "dbY T",              /* Check Point */
	"d b T",   "Y/m/D T", "Y/m/D-T", "Y:m:D-T", /* Sophos UTM */
	"Y.m.D T", "m/D/Y T", "m/D/Y:T",            /* Citrix */
	"D.m.Y T", "D-m-Y T", "Y-m-D T", "KtC",     "K T", "K C",
};

/* The month at s, of three letters or as a whole word: 1..12, or 0. */
static unsigned month_name(struct scan *s)
{
	static const char *const names[12] = { "january",   "february", "march",    "april",
					       "may",       "june",     "july",     "august",
					       "september", "october",  "november", "december" };
	unsigned word = (unsigned)(peek(s, 0) | 0x20) << 16 | (unsigned)(peek(s, 1) | 0x20) << 8 |
			(unsigned)(peek(s, 2) | 0x20);
	size_t n = 3;

	if (!is_alpha(peek(s, 0)) || !is_alpha(peek(s, 1)) || !is_alpha(peek(s, 2)))
		return 0;
	while (n < 9 && is_alpha(peek(s, n)))
		n++;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		struct str name = str_c(names[i]);

		if (word !=
		    ((unsigned)name.p[0] << 16 | (unsigned)name.p[1] << 8 | (unsigned)name.p[2]))
			continue;
		if (n != 3 && !(n == 4 && i == 8) && !str_ieq(str_make(s->p + s->at, n), name))
			return 0;
		s->at += n;
		return i + 1;
	}
	return 0;
}

static bool weekday(struct scan *s)
{
	static const char names[] = "sunmontuewedthufrisat";
	char word[3] = { (char)(peek(s, 0) | 0x20), (char)(peek(s, 1) | 0x20),
			 (char)(peek(s, 2) | 0x20) };

	for (size_t i = 0; i < 7; i++)
		if (memcmp(names + i * 3, word, 3) == 0) {
			s->at += peek(s, 3) == ',' ? 4 : 3;
			return true;
		}
	return false;
}

/* One or two digits. */
static bool number(struct scan *s, unsigned *ret)
{
	return scan_digits(s, 2, ret) || scan_digits(s, 1, ret);
}

static bool year(struct scan *s, unsigned *ret)
{
	size_t from = s->at;

	if (scan_digits(s, 4, ret) && *ret >= 1970 && *ret <= 2261)
		return true;
	s->at = from;
	*ret = 0;
	return false;
}

/* Day of a month, also padded with a second space, also with a comma behind. */
static bool day(struct scan *s, unsigned *ret)
{
	if (peek(s, 0) == ' ')
		s->at++;
	if (!number(s, ret))
		return false;
	if (peek(s, 0) == ',')
		s->at++;
	return true;
}

/* yyyymmdd, or hhmmss as three numbers. */
static bool run_of_digits(struct scan *s, const uint8_t *widths, unsigned *values)
{
	for (size_t k = 0; k < 3; k++) {
		values[k] = 0;
		for (size_t i = 0; i < widths[k]; i++, s->at++) {
			if (!is_digit(peek(s, 0)))
				return false;
			values[k] = values[k] * 10 + (unsigned)(peek(s, 0) - '0');
		}
	}
	return !is_digit(peek(s, 0));
}

static bool time_of_day(struct scan *s, struct parts *p)
{
	struct scan at = *s;
	unsigned hour, minute, second;
	enum stamp_result got = scan_clock(s, &p->second);

	if (got == STAMP_NONE) { /* an hour of one digit */
		if (!scan_digits(&at, 1, &hour) || peek(&at, 0) != ':')
			return false;
		at.at++;
		if (!scan_digits(&at, 2, &minute) || peek(&at, 0) != ':')
			return false;
		at.at++;
		if (!scan_digits(&at, 2, &second))
			return false;
		*s = at;
		p->second = (int64_t)(hour * 3600 + minute * 60 + second);
		got = minute > 59 || second > 60 ? STAMP_BAD : STAMP_OK;
	}
	p->is_bad |= got == STAMP_BAD;
	return !is_digit(peek(s, 0));
}

static bool compact_date(struct scan *s, struct parts *p)
{
	static const uint8_t widths[3] = { 4, 2, 2 };
	unsigned values[3];

	if (!run_of_digits(s, widths, values))
		return false;
	p->year = values[0];
	p->month = values[1];
	p->day = values[2];
	return p->year >= 1970 && p->year <= 2261;
}

static bool compact_time(struct scan *s, struct parts *p)
{
	static const uint8_t widths[3] = { 2, 2, 2 };
	unsigned values[3];

	if (!run_of_digits(s, widths, values))
		return false;
	p->second = (int64_t)(values[0] * 3600 + values[1] * 60 + values[2]);
	p->is_bad |= values[0] > 23 || values[1] > 59 || values[2] > 60;
	return true;
}

static bool part(struct scan *s, char what, struct parts *p)
{
	switch (what) {
	case 'a':
		return weekday(s);
	case 'b':
		p->month = month_name(s);
		return p->month > 0;
	case 'd':
		return day(s, &p->day);
	case 'm':
		return number(s, &p->month);
	case 'D':
		return number(s, &p->day);
	case 'Y':
		return year(s, &p->year);
	case 'T':
		return time_of_day(s, p);
	case 'K':
		return compact_date(s, p);
	case 'C':
		return compact_time(s, p);
	case 't': /* a letter T, as T is taken */
		what = 'T';
		/* fall through */
	default:
		return s->at < s->n && s->p[s->at++] == what;
	}
}

/* A NUL inside the text is no end. */
static bool is_word_end(const struct scan *s, size_t ahead)
{
	char c = peek(s, ahead);

	return s->at + ahead >= s->n || c == ' ' || c == ':' || c == ',';
}

/* AM and PM, also without a space in front. */
static bool half_of_day(struct scan *s, struct parts *p)
{
	size_t skip = peek(s, 0) == ' ';
	char half = (char)(peek(s, skip) | 0x20);

	if ((half != 'a' && half != 'p') || (peek(s, skip + 1) | 0x20) != 'm' ||
	    (!is_word_end(s, skip + 2) && peek(s, skip + 2) != '.') || p->second >= 13 * 3600)
		return false;
	s->at += skip + 2;
	p->second = p->second % (12 * 3600) + (half == 'p' ? 12 * 3600 : 0);
	return true;
}

/* Names that only their owner's zone can tell (IST, AST, GST) take the caller's offset. */
#define UNCLEAR INT16_MAX

static const struct {
	char name[6];
	int16_t minutes;
} zones[] = {
	{ "UTC", 0 },     { "GMT", 0 },       { "UCT", 0 },       { "WET", 0 },
	{ "WEST", 60 },   { "BST", 60 },      { "CET", 60 },      { "CEST", 120 },
	{ "MET", 60 },    { "MEST", 120 },    { "EET", 120 },     { "EEST", 180 },
	{ "MSK", 180 },   { "TRT", 180 },     { "IDT", 180 },     { "WAT", 60 },
	{ "CAT", 120 },   { "SAST", 120 },    { "EAT", 180 },     { "PKT", 300 },
	{ "ICT", 420 },   { "WIB", 420 },     { "HKT", 480 },     { "SGT", 480 },
	{ "PHT", 480 },   { "AWST", 480 },    { "JST", 540 },     { "KST", 540 },
	{ "ACST", 570 },  { "ACDT", 630 },    { "AEST", 600 },    { "AEDT", 660 },
	{ "NZST", 720 },  { "NZDT", 780 },    { "EST", -300 },    { "EDT", -240 },
	{ "CST", -360 },  { "CDT", -300 },    { "MST", -420 },    { "MDT", -360 },
	{ "PST", -480 },  { "PDT", -420 },    { "AKST", -540 },   { "AKDT", -480 },
	{ "HST", -600 },  { "ADT", -180 },    { "NST", -210 },    { "NDT", -150 },
	{ "BRT", -180 },  { "BRST", -120 },   { "ART", -180 },    { "CLT", -240 },
	{ "CLST", -180 }, { "IST", UNCLEAR }, { "AST", UNCLEAR }, { "GST", UNCLEAR },
};

static bool zone_offset(struct str name, int32_t *offset_s, bool *ret_is_clear)
{
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		if (name.p[0] != zones[i].name[0] || !str_is(name, zones[i].name))
			continue;
		*ret_is_clear = zones[i].minutes != UNCLEAR;
		if (*ret_is_clear)
			*offset_s = zones[i].minutes * 60;
		return true;
	}
	return false;
}

/* "+1", "-05:30", "+0100" as scan_zone(), and a single digit. */
static enum stamp_result offset(struct scan *s, int32_t *ret_s)
{
	char sign = peek(s, 0);

	if ((sign == '+' || sign == '-') && is_digit(peek(s, 1)) && !is_digit(peek(s, 2))) {
		*ret_s = (peek(s, 1) - '0') * (sign == '-' ? -3600 : 3600);
		s->at += 2;
		if (peek(s, 0) == ':' && is_digit(peek(s, 1)) && is_digit(peek(s, 2)))
			s->at += 3;
		return STAMP_OK;
	}
	return scan_zone(s, ret_s);
}

/* "FSR-1" is a host. */
static bool may_have_offset(struct str name)
{
	return !name.n || str_is(name, "UTC") || str_is(name, "GMT") || str_is(name, "TZ");
}

/* " CET", " UTC+1", " +0100", " TZ-6". A name that nobody knows is one only before a year. */
static bool zone(struct scan *s, struct parts *p)
{
	struct scan at = *s;
	int32_t offset_s = p->offset_s;
	enum stamp_result number;
	struct scan behind;
	struct str name;
	bool is_clear = true;
	unsigned y;
	size_t from;

	if (peek(&at, 0) == ' ' && is_alpha(peek(&at, 1)) && !is_alpha(peek(&at, 2)))
		return false; /* a word of one letter is no zone */
	if (peek(&at, 0) == ' ')
		at.at++;
	from = at.at;
	while (at.at - from < STAMP_ZONE_MAX && is_upper(peek(&at, 0)))
		at.at++;
	name = str_make(at.p + from, at.at - from);
	if (name.n == 1 && name.p[0] == 'Z') {
		at.at--;
		name = STR_NONE;
	}
	number = may_have_offset(name) && (!name.n || peek(&at, 0) != 'Z') ? offset(&at, &offset_s)
									   : STAMP_NONE;
	if (number == STAMP_NONE && !name.n)
		return false;
	if (!is_word_end(&at, 0) || name.n == 1)
		return false;
	if (number == STAMP_NONE && !zone_offset(name, &offset_s, &is_clear)) {
		behind = at;
		behind.at++;
		if (peek(&at, 0) != ' ' || !year(&behind, &y))
			return false;
		is_clear = false;
	}
	s->at = at.at;
	p->is_bad |= number == STAMP_BAD;
	p->offset_s = offset_s;
	p->has_zone = is_clear;
	p->zone_name = number == STAMP_NONE ? name : STR_NONE;
	return true;
}

/* A year as a word: a space, a colon and a space, or the end must follow ("2001:db8::1" is a
 * host). */
static void year_behind(struct scan *s, struct parts *p)
{
	struct scan at = *s;
	char after;

	if (p->year || peek(&at, 0) != ' ')
		return;
	at.at++;
	if (!year(&at, &p->year))
		return;
	after = peek(&at, peek(&at, 0) == ':' ? 1 : 0);
	if (after == ' ' || at.at == at.n)
		s->at = at.at;
	else
		p->year = 0;
}

void stamp_tail(struct scan *s, struct parts *p)
{
	bool has_zone;

	/* H3C: "22:14:15:123 2026" */
	if (peek(s, 0) == ':' && is_digit(peek(s, 1)) && is_digit(peek(s, 2)) &&
	    is_digit(peek(s, 3)) && peek(s, 4) == ' ') {
		p->nanos = ((peek(s, 1) - '0') * 100 + (peek(s, 2) - '0') * 10 + peek(s, 3) - '0') *
			   INT64_C(1000000);
		s->at += 4;
	} else {
		scan_fraction(s, &p->nanos);
	}
	if (half_of_day(s, p) && !p->nanos) /* Cisco UCM: "05:50:19 AM.484" */
		scan_fraction(s, &p->nanos);
	has_zone = zone(s, p);
	year_behind(s, p);
	if (!has_zone)
		zone(s, p);
}

static bool form(struct scan *s, const char *f, struct parts *ret)
{
	struct parts p = { .offset_s = ret->offset_s };
	struct scan at = *s;

	for (; *f; f++)
		if (!part(&at, *f, &p))
			return false;
	if (p.month > 12 && p.day <= 12) { /* 14/01/2026 */
		unsigned swap = p.month;

		p.month = p.day;
		p.day = swap;
	}
	stamp_tail(&at, &p);
	*s = at;
	*ret = p;
	return true;
}

/* Whether a form of digits may fit, by the number of them and what stands behind. */
static bool may_fit(const char *f, size_t digits, char next)
{
	if (f[0] == 'Y' ? digits != 4 : f[0] == 'K' ? digits != 8 : digits > 2)
		return false;
	return f[1] == 'b' ? is_alpha(next) : f[1] == 't' ? next == 'T' : next == f[1];
}

bool stamp_form(struct scan *s, struct parts *ret)
{
	size_t digits = 0;
	char first = '\0'; /* of a form of letters */

	bool is_letter = is_alpha(peek(s, 0));
	const char *const *forms = is_letter ? letter_forms : digit_forms;
	size_t n = is_letter ? ARRAY_LEN(letter_forms) : ARRAY_LEN(digit_forms);

	if (!is_letter && !is_digit(peek(s, 0)))
		return false;
	if (is_letter) {
		struct scan word = *s;

		first = month_name(&word) ? 'b' : weekday(&word) ? 'a' : '\0';
	}
	while (digits < 9 && is_digit(peek(s, digits)))
		digits++;
	for (size_t i = 0; i < n; i++)
		if ((is_letter ? forms[i][0] == first
			       : may_fit(forms[i], digits, peek(s, digits))) &&
		    form(s, forms[i], ret))
			return true;
	return false;
}

bool stamp_zone(struct str s, int32_t *ret_offset_s)
{
	struct scan scan = { s.p, s.n, 0 };
	struct parts p = { .year = 1, .offset_s = 0 };

	if (!zone(&scan, &p) || scan.at != s.n || p.is_bad || !p.has_zone)
		return false;
	*ret_offset_s = p.offset_s;
	return true;
}
