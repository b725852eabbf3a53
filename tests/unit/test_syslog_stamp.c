/* SPDX-License-Identifier: Apache-2.0 */
/* The times of syslog headers: values, shapes, refusals, the guess of the year, and that the cache
 * never changes an answer. */
#include <time.h>

#include "inputs/syslog/stamp.h"
#include "lib/check.h"
#include "tests/unit/test.h"

#define S INT64_C(1000000000)
#define NOW (INT64_C(1768435200) * S) /* 2026-01-15 00:00:00 UTC */

static int64_t utc_s(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };

	return (int64_t)timegm(&tm);
}

static void days(void)
{
	int64_t day;

	for (int year = 1970; year <= 2261; year++)
		for (int month = 1; month <= 12; month++) {
			OK(stamp_day((unsigned)year, (unsigned)month, 1, &day));
			EQ_INT(day, utc_s(year, month, 1, 0, 0, 0) / 86400);
		}
	OK(stamp_day(2000, 2, 29, &day) && stamp_day(2024, 2, 29, &day));
	OK(!stamp_day(2100, 2, 29, &day) && !stamp_day(2023, 2, 29, &day));
	OK(!stamp_day(1969, 12, 31, &day) && !stamp_day(2262, 1, 1, &day));
	OK(!stamp_day(2024, 0, 1, &day) && !stamp_day(2024, 13, 1, &day));
	OK(!stamp_day(2024, 4, 31, &day) && !stamp_day(2024, 4, 0, &day));
}

struct row {
	const char *text;
	int result;
	int64_t ns;
	size_t used;
};

static const struct row iso_rows[] = {
	{ "2024-03-01T10:00:00Z", STAMP_OK, 1709287200 * S, 20 },
	{ "2024-03-01t10:00:00z rest", STAMP_OK, 1709287200 * S, 20 },
	{ "2024-03-01 10:00:00 host", STAMP_OK, 1709287200 * S, 19 },
	{ "2024-03-01T10:00:00", STAMP_OK, 1709287200 * S, 19 },
	{ "2024-03-01T10:00:00.5Z", STAMP_OK, 1709287200 * S + S / 2, 22 },
	{ "2024-03-01 10:00:00,123 x", STAMP_OK, 1709287200 * S + 123000000, 23 },
	{ "2024-03-01T10:00:00.123456Z", STAMP_OK, 1709287200 * S + 123456000, 27 },
	{ "2024-03-01T10:00:00.123456789Z", STAMP_OK, 1709287200 * S + 123456789, 30 },
	{ "2024-03-01T10:00:00.1234567890Z", STAMP_OK, 1709287200 * S + 123456789, 31 },
	{ "2024-03-01T10:00:00.Z", STAMP_OK, 1709287200 * S, 19 },
	{ "2024-03-01T10:00:00+01:00", STAMP_OK, 1709283600 * S, 25 },
	{ "2024-03-01T10:00:00-05:30", STAMP_OK, 1709307000 * S, 25 },
	{ "2024-03-01T10:00:00+0100", STAMP_OK, 1709283600 * S, 24 },
	{ "2024-03-01T10:00:00+01 x", STAMP_OK, 1709283600 * S, 22 },
	{ "2024-03-01T10:00:00+24:00", STAMP_BAD, 0, 25 },
	{ "2024-03-01T10:00:00+99:99", STAMP_BAD, 0, 25 },
	{ "2024-03-01T10:00:00+01:7 ", STAMP_BAD, 0, 23 },
	{ "2024-02-29T23:59:60Z", STAMP_OK, 1709251200 * S, 20 },
	{ "2023-02-29T10:00:00Z", STAMP_BAD, 0, 20 },
	{ "2024-02-30T10:00:00Z", STAMP_BAD, 0, 20 },
	{ "2024-13-01T10:00:00Z", STAMP_BAD, 0, 20 },
	{ "2024-03-01T24:00:00Z", STAMP_BAD, 0, 20 },
	{ "2024-03-01T10:60:00Z", STAMP_BAD, 0, 20 },
	{ "2024-03-01T10:00:61Z", STAMP_BAD, 0, 20 },
	{ "0000-03-01T10:00:00Z", STAMP_BAD, 0, 20 },
	{ "9999-12-31T23:59:59Z", STAMP_BAD, 0, 20 },
	{ "2261-12-31T23:59:59Z", STAMP_OK, INT64_C(9214646399) * S, 20 },
	{ "2024-03-01T10:00:0", STAMP_NONE, 0, 0 },
	{ "2024-03-01X10:00:00Z", STAMP_NONE, 0, 0 },
	{ "2024-3-01T10:00:00Z ", STAMP_NONE, 0, 0 },
	{ "2024-03-01T10:0a:00Z", STAMP_NONE, 0, 0 },
	{ "2024-03-01T10-00-00Z", STAMP_NONE, 0, 0 },
	{ "202a-03-01T10:00:00Z", STAMP_NONE, 0, 0 },
	{ "2024-03-01T10:00:\xb0\xb0Z", STAMP_NONE, 0, 0 },
	{ "", STAMP_NONE, 0, 0 },
};

static const struct row bsd_rows[] = {
	{ "Jan 14 22:14:15 host", STAMP_OK, 1768428855 * S, 15 },
	{ "jan 14 22:14:15", STAMP_OK, 1768428855 * S, 15 },
	{ "JAN 14 22:14:15 x", STAMP_OK, 1768428855 * S, 15 },
	{ "Jan  4 22:14:15 x", STAMP_OK, 1767564855 * S, 15 },
	{ "Jan 04 22:14:15 x", STAMP_OK, 1767564855 * S, 15 },
	{ "Jan 4 22:14:15 x", STAMP_OK, 1767564855 * S, 14 },
	{ "Dec 31 23:59:59 x", STAMP_OK, 1767225599 * S, 15 },
	{ "Jan 14 22:14:15.123 x", STAMP_OK, 1768428855 * S + 123000000, 19 },
	{ "Jan 14 2025 22:14:15 x", STAMP_OK, 1736892855 * S, 20 },
	{ "2025 Jan 14 22:14:15 x", STAMP_OK, 1736892855 * S, 20 },
	{ "2025 Jan  4 22:14:15.5 x", STAMP_OK, 1736028855 * S + S / 2, 22 },
	{ "Jan 14 22:14:15 2025 x", STAMP_OK, 1736892855 * S, 20 },
	{ "Wed Jan 14 22:14:15 x", STAMP_OK, 1768428855 * S, 19 },
	{ "Wed, Jan 14 22:14:15 x", STAMP_OK, 1768428855 * S, 20 },
	{ "Jan 14 22:14:15 UTC host", STAMP_OK, 1768428855 * S, 19 },
	{ "Jan 14 22:14:15 UTCX host", STAMP_OK, 1768428855 * S, 15 },
	{ "Jan 14 22:14:15 Ghost x", STAMP_OK, 1768428855 * S, 15 },
	{ "Jan 14 22:14:15Z host", STAMP_OK, 1768428855 * S, 16 },
	{ "Jan 14 22:14:15+01:00 host", STAMP_OK, 1768425255 * S, 21 },
	{ "Jan 14 23:59:60 x", STAMP_OK, 1768435200 * S, 15 },
	{ "Feb 30 10:00:00 x", STAMP_BAD, 0, 15 },
	{ "Feb 29 10:00:00 x", STAMP_BAD, 0, 15 }, /* no leap year from 2025 to 2027 */
	{ "Jan 32 10:00:00 x", STAMP_BAD, 0, 15 },
	{ "Jan  0 10:00:00 x", STAMP_BAD, 0, 15 },
	{ "Jan 14 25:00:00 x", STAMP_BAD, 0, 15 },
	{ "Jan 14 2500 22:14:15 x", STAMP_NONE, 0, 0 },
	{ "Jan 14 22:14 x  x", STAMP_NONE, 0, 0 },
	{ "Jan 14  22:14:15 x", STAMP_NONE, 0, 0 },
	{ "Jax 14 22:14:15 x", STAMP_NONE, 0, 0 },
	{ "January 14 22:14:15", STAMP_OK, 1768428855 * S, 19 },
	{ "Janus 14 22:14:15 x", STAMP_NONE, 0, 0 },
	{ "Jan 14 10:14:15 PM host", STAMP_OK, 1768428855 * S, 18 },
	{ "Jan 14 10:14:15PM host", STAMP_OK, 1768428855 * S, 17 },
	{ "Jan 14 10:14:15 am host", STAMP_OK, 1768385655 * S, 18 },
	{ "Jan 14 12:14:15 AM host", STAMP_OK, 1768349655 * S, 18 },
	{ "Jan 14 12:14:15 PM host", STAMP_OK, 1768392855 * S, 18 },
	{ "Jan 14 22:14:15 PM host", STAMP_OK, 1768428855 * S, 15 }, /* PM is a host */
	{ "Jan 14 10:14:15 PMX", STAMP_OK, 1768385655 * S, 15 },
	{ "Jan 14 2026 10:14:15 PM.484 UTC", STAMP_OK, 1768428855 * S + 484000000, 31 },
	{ "1/14/2026 10:14:15 PM host", STAMP_OK, 1768428855 * S, 21 },
	{ "1/14/2026 9:14:15 PM host", STAMP_OK, 1768425255 * S, 20 },
	{ "14/01/2026 22:14:15 x", STAMP_OK, 1768428855 * S, 19 },
	{ "01/14/2026:22:14:15 GMT x", STAMP_OK, 1768428855 * S, 23 },
	{ "14.01.2026 22:14:15 x", STAMP_OK, 1768428855 * S, 19 },
	{ "2026/01/14 22:14:15 x", STAMP_OK, 1768428855 * S, 19 },
	{ "2026:01:14-22:14:15 x", STAMP_OK, 1768428855 * S, 19 },
	{ "14-01-2026 22:14:15 x", STAMP_OK, 1768428855 * S, 19 },
	{ "2026-1-14 22:14:15 x", STAMP_OK, 1768428855 * S, 18 },
	{ "Jan 14 10:14:15 pM CET x", STAMP_OK, 1768425255 * S, 22 },
	{ "14Jan2026 22:14:15 x", STAMP_OK, 1768428855 * S, 18 },
	{ "14-Jan-2026 22:14:15 x", STAMP_OK, 1768428855 * S, 20 },
	{ "Wed, 14 Jan 2026 22:14:15 +0100 x", STAMP_OK, 1768425255 * S, 31 },
	{ "20260114T221415Z x", STAMP_OK, 1768428855 * S, 16 },
	{ "20260114 22:14:15 x", STAMP_OK, 1768428855 * S, 17 },
	{ "Jan 14 22:14:15:123 2026 x", STAMP_OK, 1768428855 * S + 123000000, 24 },
	{ "Jan 14 22:14:15 CET x", STAMP_OK, 1768425255 * S, 19 },
	{ "Jan 14 22:14:15 EST x", STAMP_OK, 1768446855 * S, 19 },
	{ "Jan 14 22:14:15 IST x", STAMP_OK, 1768428855 * S, 19 }, /* whose? */
	{ "Jan 14 22:14:15 CET 2026 x", STAMP_OK, 1768425255 * S, 24 },
	{ "Jan 14 22:14:15 2026 CET x", STAMP_OK, 1768425255 * S, 24 },
	{ "Jan 14 22:14:15 XYZ 2026 x", STAMP_OK, 1768428855 * S, 24 },
	{ "Jan 14 22:14:15 XYZ x", STAMP_OK, 1768428855 * S, 15 },
	{ "Jan 14 22:14:15 UTC+1 x", STAMP_OK, 1768425255 * S, 21 },
	{ "Jan 14 22:14:15 GMT-05:00 x", STAMP_OK, 1768446855 * S, 25 },
	{ "Jan 14 22:14:15 -0500 x", STAMP_OK, 1768446855 * S, 21 },
	{ "Jan 14 22:14:15 - x", STAMP_OK, 1768428855 * S, 15 },
	{ "Jan 14 22:14:15 Zebra", STAMP_OK, 1768428855 * S, 15 },
	{ "13/13/2026 22:14:15 x", STAMP_BAD, 0, 19 },
	{ "20261314T221415Z x", STAMP_BAD, 0, 16 },
	{ "14 Jan 22:14:15 x", STAMP_OK, 1768428855 * S, 15 },
	{ "Jan", STAMP_NONE, 0, 0 },
	{ "", STAMP_NONE, 0, 0 },
};

/* Each prefix is read from memory of its exact size, so that ASan sees a read past the end. */
static void no_over_read(const char *text, bool is_iso)
{
	for (size_t n = 0; n <= strlen(text); n++) {
		struct stamp_cache cache = { 0 };
		struct stamp stamp;
		char *copy = malloc(n ? n : 1);

		memcpy(copy, text, n);
		if (is_iso)
			stamp_iso(&cache, str_make(copy, n), 0, &stamp);
		else
			stamp_bsd(&cache, str_make(copy, n), NOW, 0, &stamp);
		free(copy);
	}
}

static void check_row(const struct row *row, bool is_iso, struct stamp_cache *cache)
{
	struct str text = str_c(row->text);
	struct stamp stamp = { 0 };
	enum stamp_result got =
		is_iso ? stamp_iso(cache, text, 0, &stamp) : stamp_bsd(cache, text, NOW, 0, &stamp);

	ROW(row->text);
	EQ_INT(got, row->result);
	if (row->result == STAMP_NONE)
		return;
	EQ_INT(stamp.used, row->used);
	EQ_INT(stamp.ns, row->result == STAMP_OK ? row->ns : STAMP_NONE_NS);
}

static void rows(void)
{
	struct stamp_cache warm = { 0 };

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(iso_rows); i++) {
			struct stamp_cache cold = { 0 };

			check_row(&iso_rows[i], true, &cold);
			check_row(&iso_rows[i], true, &warm);
			no_over_read(iso_rows[i].text, true);
		}
		for (size_t i = 0; i < ARRAY_LEN(bsd_rows); i++) {
			struct stamp_cache cold = { 0 };

			check_row(&bsd_rows[i], false, &cold);
			check_row(&bsd_rows[i], false, &cold);
			check_row(&bsd_rows[i], false, &warm);
			no_over_read(bsd_rows[i].text, false);
		}
	}
}

/* From every day of two years, every instant within 180 days gets its own year back. */
static void year_guess(void)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct stamp_cache cache = { 0 };

	for (int64_t now = utc_s(2027, 1, 1, 12, 0, 0); now < utc_s(2029, 3, 1, 0, 0, 0);
	     now += 86400) {
		for (int64_t at = now - 180 * 86400; at <= now + 180 * 86400; at += 19 * 86400) {
			time_t when = (time_t)at;
			struct stamp stamp;
			struct tm tm;
			char text[64];

			gmtime_r(&when, &tm);
			snprintf(text, sizeof(text), "%.3s %2d %02d:%02d:%02d x",
				 months + tm.tm_mon * 3, tm.tm_mday, tm.tm_hour, tm.tm_min,
				 tm.tm_sec);
			ROW(text);
			EQ_INT(stamp_bsd(&cache, str_c(text), now * S, 0, &stamp), STAMP_OK);
			EQ_INT(stamp.ns, at * S);
		}
	}
}

/* The cached guess is for one day: half a year later, or earlier, the same text is another year. */
static void guess_expires(void)
{
	const int64_t half_year = 183 * 86400 * S;
	struct stamp_cache cache = { 0 };
	struct stamp now, later, earlier;
	struct str text = STR("Jan 14 22:14:15 x");

	EQ_INT(stamp_bsd(&cache, text, NOW, 0, &now), STAMP_OK);
	EQ_INT(stamp_bsd(&cache, text, NOW + half_year, 0, &later), STAMP_OK);
	EQ_INT(later.ns - now.ns, 365 * 86400 * S);
	EQ_INT(stamp_bsd(&cache, text, NOW, 0, &now), STAMP_OK);
	EQ_INT(stamp_bsd(&cache, text, NOW - 2 * half_year, 0, &earlier), STAMP_OK);
	EQ_INT(now.ns - earlier.ns, 365 * 86400 * S);
}

static void offsets(void)
{
	struct stamp_cache cache = { 0 };
	struct stamp stamp;

	/* An hour east: local 00:30 on January 1 is December 31, 23:30 UTC. */
	EQ_INT(stamp_bsd(&cache, STR("Jan  1 00:30:00 x"), NOW, 3600, &stamp), STAMP_OK);
	EQ_INT(stamp.ns, (utc_s(2025, 12, 31, 23, 30, 0)) * S);
	EQ_INT(stamp_bsd(&cache, STR("Jan  1 00:31:00 x"), NOW, 3600, &stamp), STAMP_OK);
	EQ_INT(stamp.ns, (utc_s(2025, 12, 31, 23, 31, 0)) * S);
	EQ_INT(stamp_iso(&cache, STR("2026-01-01T00:30:00 x"), 3600, &stamp), STAMP_OK);
	EQ_INT(stamp.ns, (utc_s(2025, 12, 31, 23, 30, 0)) * S);
	OK(!stamp.has_zone && stamp.has_year);
	EQ_INT(stamp_iso(&cache, STR("2026-01-01T00:30:00Z"), 3600, &stamp), STAMP_OK);
	EQ_INT(stamp.ns, (utc_s(2026, 1, 1, 0, 30, 0)) * S);
	OK(stamp.has_zone);
}

int main(void)
{
	RUN(days);
	RUN(rows);
	RUN(year_guess);
	RUN(guess_expires);
	RUN(offsets);
	return test_end();
}
