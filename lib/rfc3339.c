/* SPDX-License-Identifier: Apache-2.0 */
/* Digits of a calendar time. */
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
