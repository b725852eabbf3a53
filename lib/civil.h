/* SPDX-License-Identifier: Apache-2.0 */
/* The proleptic Gregorian calendar as arithmetic on days since 1970-01-01. */
#ifndef LIB_CIVIL_H
#define LIB_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define S_PER_DAY INT64_C(86400)

static inline bool civil_is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* month 1 to 12 */
static inline int civil_month_days(int64_t year, int month)
{
	if (month == 2)
		return civil_is_leap(year) ? 29 : 28;
	return 30 + ((month + (month >> 3)) & 1);
}

/* Days from 1970-01-01 to a date; month 1 to 12, any day number counts on from the month's start.
 * The year begins in March here, so that leap days come last. */
static inline int64_t civil_days(int64_t year, int month, int64_t day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

/* The year and month (1 to 12) that contain a second since 1970 UTC. */
static inline int64_t civil_year(int64_t unix_s, int *ret_month)
{
	int64_t days = unix_s / S_PER_DAY - (unix_s % S_PER_DAY < 0) + 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int month = (int)((5 * day_of_year + 2) / 153);

	month += month < 10 ? 3 : -9;
	if (ret_month)
		*ret_month = month;
	return year_of_era + era * 400 + (month <= 2);
}

#endif
