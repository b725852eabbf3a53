/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a compiled Go time layout over a text, as parse() of Go's time/format.go does. */
#include "lib/civil.h"
#include "pipeline/gotime_layout.h"

struct parts {
	int year, month, day, year_day; /* month, day, year_day: -1 when not given */
	int hour, minute, second;
	int64_t ns;
	bool is_am, is_pm, is_utc;
	int offset_s; /* -1 when not given, as in Go */
	struct str zone_name;
};

static bool mark_at(struct str s, size_t i)
{
	return i < s.n && (s.p[i] == '.' || s.p[i] == ',');
}

/* One or two digits, or exactly two; at most `max`. */
static bool take_2(struct str *s, bool is_fixed, int min, int max, int *ret)
{
	size_t n = gotime_digit_at(*s, 1) ? 2 : 1;

	if (!gotime_digit_at(*s, 0) || (is_fixed && n == 1))
		return false;
	*ret = s->p[0] - '0';
	if (n == 2)
		*ret = *ret * 10 + s->p[1] - '0';
	*s = str_skip(*s, n);
	return *ret >= min && *ret <= max;
}

static bool take_literal(struct str *s, struct str literal)
{
	while (literal.n) {
		if (literal.p[0] == ' ') {
			if (s->n && s->p[0] != ' ')
				return false;
			while (literal.n && literal.p[0] == ' ')
				literal = str_skip(literal, 1);
			while (s->n && s->p[0] == ' ')
				*s = str_skip(*s, 1);
			continue;
		}
		if (s->n == 0 || s->p[0] != literal.p[0])
			return false;
		literal = str_skip(literal, 1);
		*s = str_skip(*s, 1);
	}
	return true;
}

/* Letters match in either case. Returns the index, -1 when no name matches; with is_short only the
 * first three letters count. */
static int take_name(struct str *s, const char *const *names, int n, bool is_short)
{
	for (int i = 0; i < n; i++) {
		struct str name = str_c(names[i]);

		if (is_short)
			name.n = 3;
		if (str_ieq(str_sub(*s, 0, name.n), name)) {
			*s = str_skip(*s, name.n);
			return i;
		}
	}
	return -1;
}

static bool take_month_name(struct str *s, bool is_short, int *ret)
{
	static const char *const months[] = { "January",   "February", "March",    "April",
					      "May",       "June",     "July",     "August",
					      "September", "October",  "November", "December" };

	*ret = take_name(s, months, 12, is_short) + 1;
	return *ret > 0;
}

static bool take_weekday(struct str *s, bool is_short)
{
	static const char *const days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday" };

	return take_name(s, days, 7, is_short) >= 0;
}

/* Exactly n digits. (Go's parser also lets a sign pass for one.) */
static bool take_digits(struct str *s, size_t n, int *ret)
{
	uint64_t v;

	if (s->n < n || !str_u64(str_sub(*s, 0, n), &v))
		return false;
	*ret = (int)v;
	*s = str_skip(*s, n);
	return true;
}

static bool take_year_2(struct str *s, int *ret)
{
	if (!take_digits(s, 2, ret))
		return false;
	*ret += *ret >= 69 ? 1900 : 2000;
	return true;
}

static bool take_year_day(struct str *s, bool is_fixed, int *ret)
{
	size_t n = 0;

	for (int i = 0; i < 2 && !is_fixed; i++)
		if (s->n && s->p[0] == ' ')
			*s = str_skip(*s, 1);
	*ret = 0;
	while (n < 3 && gotime_digit_at(*s, n))
		*ret = *ret * 10 + s->p[n++] - '0';
	*s = str_skip(*s, n);
	return n == 3 || (n > 0 && !is_fixed);
}

static bool take_pm(struct str *s, struct str am, struct str pm, struct parts *t)
{
	struct str word = str_sub(*s, 0, 2);

	if (str_eq(word, pm))
		t->is_pm = true;
	else if (str_eq(word, am))
		t->is_am = true;
	else
		return false;
	*s = str_skip(*s, 2);
	return true;
}

static bool take_offset(struct str *s, const struct gotime_step *step, struct parts *t)
{
	int part[3] = { 0 }; /* some people write offsets of 24 hours, 60 minutes or 60 seconds */
	char sign;

	if (step->op == OP_OFFSET_OR_Z && s->n && s->p[0] == 'Z') {
		t->is_utc = true;
		*s = str_skip(*s, 1);
		return true;
	}
	if (s->n == 0 || (s->p[0] != '+' && s->p[0] != '-'))
		return false;
	sign = s->p[0];
	*s = str_skip(*s, 1);
	for (int i = 0; i < step->parts; i++) {
		if (i > 0 && step->has_colons && !take_literal(s, STR(":")))
			return false;
		if (!take_2(s, true, 0, i ? 60 : 24, &part[i]))
			return false;
	}
	t->offset_s = (part[0] * 60 + part[1]) * 60 + part[2];
	if (sign == '-')
		t->offset_s = -t->offset_s;
	return true;
}

/* Length of a sign and a number of hours up to 23, 0 when there is none. */
static size_t signed_hours(struct str s)
{
	size_t n = 1;
	int hours = 0;

	if (s.n == 0 || (s.p[0] != '-' && s.p[0] != '+'))
		return 0;
	for (; gotime_digit_at(s, n) && hours <= 23; n++)
		hours = hours * 10 + s.p[n] - '0';
	return n > 1 && hours <= 23 ? n : 0;
}

static bool take_zone_name(struct str *s, struct parts *t)
{
	size_t n = 0;

	if (str_starts(*s, STR("UTC"))) {
		t->is_utc = true;
		*s = str_skip(*s, 3);
		return true;
	}
	if (s->n < 3)
		return false;
	if (str_starts(*s, STR("ChST")) || str_starts(*s, STR("MeST"))) {
		n = 4;
	} else if (str_starts(*s, STR("GMT"))) {
		n = 3 + signed_hours(str_skip(*s, 3));
	} else if (s->p[0] == '+' || s->p[0] == '-') {
		n = signed_hours(*s);
	} else {
		while (n < 6 && n < s->n && s->p[n] >= 'A' && s->p[n] <= 'Z')
			n++;
		if (n < 3 || n == 6 || (n == 5 && s->p[4] != 'T') ||
		    (n == 4 && s->p[3] != 'T' && !str_starts(*s, STR("WITA"))))
			return false;
	}
	t->zone_name = str_sub(*s, 0, n);
	*s = str_skip(*s, n);
	return n > 0;
}

/* A mark and all digits behind it. */
static void take_fraction(struct str *s, int64_t *ret_ns)
{
	size_t n = 1;

	while (gotime_digit_at(*s, n))
		n++;
	*ret_ns = gotime_fraction_ns(str_sub(*s, 1, n));
	*s = str_skip(*s, n);
}

static bool take_fixed_fraction(struct str *s, size_t digits, int64_t *ret_ns)
{
	struct str run = str_sub(*s, 1, 1 + digits);

	if (!mark_at(*s, 0) || run.n < digits)
		return false;
	for (size_t i = 0; i < digits && i < 9; i++)
		if (!gotime_digit_at(run, i))
			return false;
	*ret_ns = gotime_fraction_ns(run);
	*s = str_skip(*s, 1 + digits);
	return true;
}

static bool take_second(struct str *s, const struct gotime *g, size_t i, struct parts *t)
{
	if (!take_2(s, g->steps[i].is_fixed, 0, 59, &t->second))
		return false;
	if (!mark_at(*s, 0) || !gotime_digit_at(*s, 1))
		return true;
	/* A fraction that the layout does not mention is read here. */
	for (i++; i < g->nsteps && g->steps[i].op == OP_LITERAL; i++)
		;
	if (i == g->nsteps || (g->steps[i].op != OP_FRACTION && g->steps[i].op != OP_FRACTION_MORE))
		take_fraction(s, &t->ns);
	return true;
}

static bool take_step(struct str *s, const struct gotime *g, size_t i, struct parts *t)
{
	const struct gotime_step *step = &g->steps[i];

	switch ((enum gotime_op)step->op) {
	case OP_LITERAL:
		return take_literal(s, step->literal);
	case OP_YEAR:
		return take_digits(s, 4, &t->year);
	case OP_YEAR_2:
		return take_year_2(s, &t->year);
	case OP_MONTH:
		return take_2(s, step->is_fixed, 1, 12, &t->month);
	case OP_MONTH_NAME:
	case OP_MONTH_SHORT:
		return take_month_name(s, step->op == OP_MONTH_SHORT, &t->month);
	case OP_DAY_PADDED:
		if (s->n && s->p[0] == ' ')
			*s = str_skip(*s, 1);
		return take_2(s, false, 0, 99, &t->day);
	case OP_DAY:
		return take_2(s, step->is_fixed, 0, 99, &t->day);
	case OP_YEAR_DAY:
		return take_year_day(s, step->is_fixed, &t->year_day);
	case OP_WEEKDAY_NAME:
	case OP_WEEKDAY_SHORT:
		return take_weekday(s, step->op == OP_WEEKDAY_SHORT);
	case OP_HOUR:
		return take_2(s, false, 0, 23, &t->hour);
	case OP_HOUR_12:
		return take_2(s, step->is_fixed, 0, 12, &t->hour);
	case OP_MINUTE:
		return take_2(s, step->is_fixed, 0, 59, &t->minute);
	case OP_SECOND:
		return take_second(s, g, i, t);
	case OP_PM:
		return take_pm(s, STR("AM"), STR("PM"), t);
	case OP_PM_LOWER:
		return take_pm(s, STR("am"), STR("pm"), t);
	case OP_ZONE_NAME:
		return take_zone_name(s, t);
	case OP_OFFSET:
	case OP_OFFSET_OR_Z:
		return take_offset(s, step, t);
	case OP_FRACTION:
		return take_fixed_fraction(s, step->digits, &t->ns);
	case OP_FRACTION_MORE:
		if (mark_at(*s, 0) && gotime_digit_at(*s, 1))
			take_fraction(s, &t->ns);
		return true;
	}
	return false;
}

/* Fills month and day from the day of the year. */
static bool apply_year_day(struct parts *t)
{
	int left = t->year_day, month = 1;

	if (left < 1 || left > 365 + civil_is_leap(t->year))
		return false;
	for (; left > civil_month_days(t->year, month); month++)
		left -= civil_month_days(t->year, month);
	if ((t->month >= 0 && t->month != month) || (t->day >= 0 && t->day != left))
		return false;
	t->month = month;
	t->day = left;
	return true;
}

/* Completes and validates the date; the year of layouts without one is 0 here. */
static bool complete(struct parts *t)
{
	if (t->is_pm && t->hour < 12)
		t->hour += 12;
	else if (t->is_am && t->hour == 12)
		t->hour = 0;
	if (t->year_day >= 0 && !apply_year_day(t))
		return false;
	if (t->month < 0)
		t->month = 1;
	if (t->day < 0)
		t->day = 1;
	return t->day >= 1 && t->day <= civil_month_days(t->year, t->month);
}

static void guess_year(const struct gotime *g, struct parts *t, int64_t now_ns)
{
	int64_t now_s = now_ns / GOTIME_NS_PER_S;
	int month;

	now_s += tz_lookup(g->zone, now_s).offset_s;
	t->year = (int)civil_year(now_s, &month);
	if (t->month == 12 && month == 1)
		t->year--;
	else if (t->month == 1 && month == 12)
		t->year++;
}

static int64_t to_unix(const struct gotime *g, struct gotime_cache *cache, const struct parts *t)
{
	int64_t wall_s = civil_days(t->year, t->month, t->day) * S_PER_DAY + t->hour * 3600 +
			 t->minute * 60 + t->second;
	int32_t offset_s;

	if (t->is_utc)
		return wall_s;
	if (t->offset_s != -1)
		return wall_s - t->offset_s;
	if (t->zone_name.n == 0)
		return tz_from_wall(g->zone, &cache->span, wall_s);
	if (tz_offset_of(g->has_location ? g->zone : g->local, t->zone_name, wall_s, &offset_s))
		return wall_s - offset_s;
	/* Go invents a zone of that name with offset 0, GMT+3 included. */
	if (!str_is(t->zone_name, "GMT"))
		cache->unknown_zones++;
	return wall_s;
}

bool gotime_run(const struct gotime *g, struct gotime_cache *cache, struct str s, int64_t now_ns,
		int64_t *ret_ns)
{
	struct parts t = { .month = -1, .day = -1, .year_day = -1, .offset_s = -1 };

	for (size_t i = 0; i < g->nsteps; i++)
		if (!take_step(&s, g, i, &t))
			return false;
	if (s.n || !complete(&t))
		return false;
	if (g->has_no_year)
		guess_year(g, &t, now_ns);
	return gotime_make_ns(to_unix(g, cache, &t), t.ns, ret_ns);
}
