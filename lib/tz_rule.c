/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX TZ rule strings. */
#include "lib/civil.h"
#include "lib/tz_rule.h"

#define DAY_S 86400

static bool name(struct str *s, struct str *ret)
{
	size_t n = 0;

	if (s->n && s->p[0] == '<') {
		n = str_chr(*s, '>');
		*ret = str_sub(*s, 1, n);
		if (n == s->n)
			return false;
		*s = str_skip(*s, n + 1);
		return true;
	}
	while (n < s->n && (s->p[n] | 32) >= 'a' && (s->p[n] | 32) <= 'z')
		n++;
	*ret = str_sub(*s, 0, n);
	*s = str_skip(*s, n);
	return n >= 3;
}

static bool number(struct str *s, int least, int most, int *ret)
{
	size_t n = 0;
	uint64_t v;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (n > 4 || !str_u64(str_sub(*s, 0, n), &v) || (int)v < least || (int)v > most)
		return false;
	*ret = (int)v;
	*s = str_skip(*s, n);
	return true;
}

static bool take(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool time_of_day(struct str *s, int32_t *ret_s)
{
	int hours, minutes = 0, seconds = 0;
	bool is_negative = take(s, '-');

	if (!is_negative)
		take(s, '+');
	if (!number(s, 0, 24 * 7, &hours))
		return false;
	if (take(s, ':') &&
	    (!number(s, 0, 59, &minutes) || (take(s, ':') && !number(s, 0, 59, &seconds))))
		return false;
	*ret_s = (hours * 60 + minutes) * 60 + seconds;
	if (is_negative)
		*ret_s = -*ret_s;
	return true;
}

static bool day(struct str *s, struct tz_rule_day *ret)
{
	bool is_valid;

	ret->at_s = 2 * 3600;
	if (!take(s, ','))
		return false;
	if (take(s, 'J')) {
		ret->kind = 'J';
		is_valid = number(s, 1, 365, &ret->day);
	} else if (take(s, 'M')) {
		ret->kind = 'M';
		is_valid = number(s, 1, 12, &ret->month) && take(s, '.') &&
			   number(s, 1, 5, &ret->week) && take(s, '.') &&
			   number(s, 0, 6, &ret->day);
	} else {
		ret->kind = 'N';
		is_valid = number(s, 0, 365, &ret->day);
	}
	return is_valid && (!take(s, '/') || time_of_day(s, &ret->at_s));
}

bool tz_rule_parse(struct str text, struct tz_rule *ret)
{
	struct str s = text;

	*ret = (struct tz_rule){ 0 };
	if (!name(&s, &ret->std_name) || !time_of_day(&s, &ret->std_offset_s))
		return false;
	ret->std_offset_s = -ret->std_offset_s; /* POSIX counts westwards */
	if (s.n == 0)
		return true;
	ret->has_dst = true;
	ret->dst_offset_s = ret->std_offset_s + 3600;
	if (!name(&s, &ret->dst_name))
		return false;
	if (s.n && s.p[0] != ',') {
		if (!time_of_day(&s, &ret->dst_offset_s))
			return false;
		ret->dst_offset_s = -ret->dst_offset_s;
	}
	if (s.n == 0)
		s = STR(",M3.2.0,M11.1.0");
	return day(&s, &ret->start) && day(&s, &ret->end) && s.n == 0;
}

/* When the rule's moment comes in a year, since 1970 UTC. */
static int64_t moment(const struct tz_rule_day *d, int64_t year, int32_t offset_s)
{
	int64_t days;

	if (d->kind == 'M') {
		int64_t first = civil_days(year, d->month, 1);
		int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */

		days = first + (d->day - weekday + 7) % 7 + 7 * (d->week - 1);
		if (days >= first + civil_month_days(year, d->month))
			days -= 7;
	} else {
		days = civil_days(year, 1, 1) + d->day;
		if (d->kind == 'J') /* 29 February is never counted */
			days -= !(civil_is_leap(year) && d->day >= 60);
	}
	return days * DAY_S + d->at_s - offset_s;
}

struct tz_span tz_rule_lookup(const struct tz_rule *rule, int64_t unix_s)
{
	struct tz_span std = { INT64_MIN, INT64_MAX, rule->std_offset_s, false, rule->std_name };
	struct tz_span dst = { 0, 0, rule->dst_offset_s, true, rule->dst_name };
	int64_t year, start, end;

	if (!rule->has_dst)
		return std;
	year = civil_year(unix_s, NULL);
	/* Exact at the changes, and cut at the year's ends, which is enough for every caller. */
	std.from_s = civil_days(year, 1, 1) * DAY_S;
	std.to_s = civil_days(year + 1, 1, 1) * DAY_S;
	start = moment(&rule->start, year, rule->std_offset_s);
	end = moment(&rule->end, year, rule->dst_offset_s);
	if (end < start) { /* the southern half: winter lies inside the year */
		struct tz_span swap = { std.from_s, std.to_s, dst.offset_s, true, dst.name };
		int64_t t = start;

		dst = std;
		std = swap;
		start = end;
		end = t;
	}
	dst.from_s = start;
	dst.to_s = end;
	if (unix_s < start) {
		std.to_s = start;
		return std;
	}
	if (unix_s >= end) {
		std.from_s = end;
		return std;
	}
	return dst;
}
