/* SPDX-License-Identifier: Apache-2.0 */
/* Writes times by a layout of Go's package time (Time.Format). */
#include <stdio.h>

#include "lib/civil.h"
#include "pipeline/gotime_layout.h"

struct moment {
	int64_t year, day_of_year, seconds; /* of the day */
	int month, day, weekday;
	int32_t ns;
	struct tz_span span;
};

static struct moment split(int64_t time_ns, const struct tz *zone)
{
	int64_t s = time_ns / GOTIME_NS_PER_S - (time_ns % GOTIME_NS_PER_S < 0), days;
	struct moment m = { .span = tz_lookup(zone, s) };

	m.ns = (int32_t)(time_ns - s * GOTIME_NS_PER_S);
	s += m.span.offset_s;
	days = s / S_PER_DAY - (s % S_PER_DAY < 0);
	m.seconds = s - days * S_PER_DAY;
	m.year = civil_year(s, &m.month);
	m.day = (int)(days - civil_days(m.year, m.month, 1) + 1);
	m.day_of_year = days - civil_days(m.year, 1, 1) + 1;
	m.weekday = (int)(((days + 4) % 7 + 7) % 7);
	return m;
}

static void put_offset(const struct moment *m, const struct gotime_step *step, struct buf *out)
{
	int offset = m->span.offset_s, s = offset < 0 ? -offset : offset;
	const char *colon = step->has_colons ? ":" : "";

	if (step->op == OP_OFFSET_OR_Z && offset == 0) {
		buf_ch(out, 'Z');
		return;
	}
	buf_printf(out, "%c%02d", offset < 0 ? '-' : '+', s / 3600);
	if (step->parts > 1)
		buf_printf(out, "%s%02d", colon, s / 60 % 60);
	if (step->parts > 2)
		buf_printf(out, "%s%02d", colon, s % 60);
}

static void put_fraction(const struct moment *m, const struct gotime_step *step, struct buf *out)
{
	char digits[16];
	int n = step->digits > 9 ? 9 : step->digits;

	snprintf(digits, sizeof(digits), "%09d", (int)m->ns);
	if (step->op == OP_FRACTION_MORE)
		while (n && digits[n - 1] == '0')
			n--;
	if (n)
		buf_printf(out, ".%.*s", n, digits);
}

static void put_name(const char *const *names, int i, bool is_short, struct buf *out)
{
	struct str name = str_c(names[i]);

	buf_str(out, is_short ? str_sub(name, 0, 3) : name);
}

static void put_step(const struct moment *m, const struct gotime_step *step, struct buf *out)
{
	static const char *const months[] = { "January",   "February", "March",    "April",
					      "May",       "June",     "July",     "August",
					      "September", "October",  "November", "December" };
	static const char *const weekdays[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
						"Thursday", "Friday", "Saturday" };
	int hour = (int)(m->seconds / 3600), minute = (int)(m->seconds / 60 % 60);
	const char *two = step->is_fixed ? "%02d" : "%d";
	int number = -1;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	switch ((enum gotime_op)step->op) {
	case OP_LITERAL:
		buf_str(out, step->literal);
		break;
	case OP_YEAR:
		buf_printf(out, "%04lld", (long long)m->year);
		break;
	case OP_YEAR_2:
		buf_printf(out, "%02lld", (long long)(m->year % 100));
		break;
	case OP_MONTH:
		number = m->month;
		break;
	case OP_MONTH_NAME:
	case OP_MONTH_SHORT:
		put_name(months, m->month - 1, step->op == OP_MONTH_SHORT, out);
		break;
	case OP_DAY:
		number = m->day;
		break;
	case OP_DAY_PADDED:
		buf_printf(out, "%2d", m->day);
		break;
	case OP_YEAR_DAY:
		buf_printf(out, step->is_fixed ? "%03lld" : "%3lld", (long long)m->day_of_year);
		break;
	case OP_WEEKDAY_NAME:
	case OP_WEEKDAY_SHORT:
		put_name(weekdays, m->weekday, step->op == OP_WEEKDAY_SHORT, out);
		break;
	case OP_HOUR:
		buf_printf(out, "%02d", hour);
		break;
	case OP_HOUR_12:
		number = hour % 12 ? hour % 12 : 12;
		break;
	case OP_MINUTE:
		number = minute;
		break;
	case OP_SECOND:
		number = (int)(m->seconds % 60);
		break;
	case OP_PM:
		buf_c(out, hour >= 12 ? "PM" : "AM");
		break;
	case OP_PM_LOWER:
		buf_c(out, hour >= 12 ? "pm" : "am");
		break;
	case OP_ZONE_NAME:
		buf_str(out, m->span.name.n ? m->span.name : STR("UTC"));
		break;
	case OP_OFFSET:
	case OP_OFFSET_OR_Z:
		put_offset(m, step, out);
		break;
	case OP_FRACTION:
	case OP_FRACTION_MORE:
		put_fraction(m, step, out);
		break;
	}
	if (number >= 0)
		buf_printf(out, two, number);
#pragma GCC diagnostic pop
}

void gotime_format(struct str layout, int64_t time_ns, const struct tz *zone, struct buf *out)
{
	struct moment m = split(time_ns, zone);
	struct gotime_step step;

	while (gotime_next_step(&layout, &step))
		put_step(&m, &step, out);
}
