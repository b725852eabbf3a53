/* SPDX-License-Identifier: Apache-2.0 */
/* Digits of a calendar time, written and read. */
#include "lib/rfc3339.h"

#include "lib/civil.h"
#include "lib/clock.h"

static char *put(char *p, uint64_t v, unsigned digits)
{
	for (unsigned i = digits; i--; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

size_t rfc3339_utc(int64_t time_ns, unsigned digits, char *out)
{
	int64_t s = time_ns / NS_PER_S - (time_ns % NS_PER_S < 0);
	uint64_t ns = (uint64_t)time_ns - (uint64_t)s * (uint64_t)NS_PER_S;
	int64_t days = s / S_PER_DAY - (s % S_PER_DAY < 0), year;
	uint64_t in_day = (uint64_t)(s - days * S_PER_DAY);
	char *p = out;
	int month;

	year = civil_year(s, &month); /* 64 bits of ns reach from 1677 to 2262 */
	p = put(p, (uint64_t)year, 4);
	*p++ = '-';
	p = put(p, (uint64_t)month, 2);
	*p++ = '-';
	p = put(p, (uint64_t)(days - civil_days(year, month, 1) + 1), 2);
	*p++ = 'T';
	p = put(p, in_day / 3600, 2);
	*p++ = ':';
	p = put(p, in_day / 60 % 60, 2);
	*p++ = ':';
	p = put(p, in_day % 60, 2);
	if (digits) {
		*p++ = '.';
		for (unsigned i = 9; i > digits; i--)
			ns /= 10;
		p = put(p, ns, digits);
	}
	*p++ = 'Z';
	*p = 0;
	return (size_t)(p - out);
}

/* n digits at *s, which is moved on; -1: they are none. */
static int take(struct str *s, unsigned n)
{
	int v = 0;

	if (s->n < n)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		unsigned digit = (unsigned char)s->p[i] - (unsigned)'0';

		if (digit > 9)
			return -1;
		v = 10 * v + (int)digit;
	}
	*s = str_make(s->p + n, s->n - n);
	return v;
}

static bool take_byte(struct str *s, char a, char b)
{
	if (!s->n || (s->p[0] != a && s->p[0] != b))
		return false;
	*s = str_make(s->p + 1, s->n - 1);
	return true;
}

static bool take_fraction(struct str *s, int64_t *ret_ns)
{
	int64_t unit = NS_PER_S / 10;

	*ret_ns = 0;
	if (!take_byte(s, '.', ','))
		return true;
	if (!s->n || (unsigned char)(s->p[0] - '0') > 9)
		return false;
	for (; s->n && (unsigned char)(s->p[0] - '0') <= 9; unit /= 10) {
		*ret_ns += unit * (s->p[0] - '0');
		*s = str_make(s->p + 1, s->n - 1);
	}
	return true;
}

/* All that is left: how many seconds it is ahead of UTC. */
static bool take_zone(struct str *s, int64_t *ret_s)
{
	int hour, minute, sign;

	*ret_s = 0;
	if (!s->n || take_byte(s, 'Z', 'z'))
		return s->n == 0;
	sign = s->p[0] == '-' ? -1 : 1;
	if (!take_byte(s, '+', '-') || (hour = take(s, 2)) < 0)
		return false;
	take_byte(s, ':', ':');
	minute = take(s, 2);
	*ret_s = sign * (hour * 3600 + minute * 60);
	return s->n == 0 && hour < 24 && minute >= 0 && minute < 60;
}

bool rfc3339_read(struct str s, int64_t *ret_ns)
{
	int year, month, day, hour, minute, second;
	int64_t fraction, ahead, unix_s;

	if ((year = take(&s, 4)) < 1678 || year > 2261 || !take_byte(&s, '-', '-') ||
	    (month = take(&s, 2)) < 1 || month > 12 || !take_byte(&s, '-', '-') ||
	    (day = take(&s, 2)) < 1 || day > civil_month_days(year, month))
		return false;
	if (!(take_byte(&s, 'T', 't') || take_byte(&s, ' ', ' ')) || (hour = take(&s, 2)) < 0 ||
	    hour > 23 || !take_byte(&s, ':', ':') || (minute = take(&s, 2)) < 0 || minute > 59 ||
	    !take_byte(&s, ':', ':') || (second = take(&s, 2)) < 0 || second > 60)
		return false;
	if (!take_fraction(&s, &fraction) || !take_zone(&s, &ahead))
		return false;
	unix_s = civil_days(year, month, day) * S_PER_DAY + hour * 3600 + minute * 60 + second;
	*ret_ns = (unix_s - ahead) * NS_PER_S + fraction;
	return true;
}
