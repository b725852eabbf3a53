/* SPDX-License-Identifier: Apache-2.0 */
/* The times that syslog headers carry: RFC 3339 and "Mmm dd hh:mm:ss" with its variants. The
 * date is computed once a day and then recognised, which makes a time cost about 10 ns. */
#ifndef INPUTS_SYSLOG_STAMP_H
#define INPUTS_SYSLOG_STAMP_H

#include "lib/str.h"

#define STAMP_NONE_NS INT64_MIN

enum stamp_result {
	STAMP_NONE, /* does not look like this kind of time */
	STAMP_OK,
	STAMP_BAD, /* looks like one, but there is no such instant (or no year 1970..2261) */
};

struct stamp {
	int64_t ns;           /* Unix time UTC, STAMP_NONE_NS unless STAMP_OK */
	size_t used;          /* bytes taken from the input (not with STAMP_NONE) */
	bool has_year;        /* else the year was guessed */
	bool has_zone;        /* else the caller's offset was applied */
	int32_t offset_s;     /* that was applied, east of Greenwich */
	struct str zone_name; /* "CEST" when the zone is given by a name; a slice of the input */
};

#define STAMP_ZONE_MAX 6 /* letters of a zone's name */

/* Zeroed is empty. Never shared between threads. */
struct stamp_cache {
	uint64_t iso_ymd;  /* "YYYY-MM-" as loaded */
	uint64_t iso_d;    /* "DD" as loaded */
	int64_t iso_day;   /* its day number since 1970 */
	uint64_t bsd_text; /* "Mmm dd " as loaded */
	int64_t bsd_day;   /* its day number, guessed for now in [bsd_from_ns, bsd_to_ns) */
	int64_t bsd_from_ns, bsd_to_ns;
	int32_t bsd_offset_s;
};

/* "2024-03-01T10:00:00.123456+01:00": T or t or a space, a fraction (also after a comma; what is
 * finer than nanoseconds is left out), zone Z, z, +hh:mm, +hhmm, +hh or none. Second 60 is the next
 * minute's 0. */
enum stamp_result stamp_iso(struct stamp_cache *c, struct str s, int32_t utc_offset_s,
			    struct stamp *ret);

/* "Mar  1 10:00:00" and the forms in the table of stamp_forms.c. */
enum stamp_result stamp_bsd(struct stamp_cache *c, struct str s, int64_t now_ns,
			    int32_t utc_offset_s, struct stamp *ret);

/* Either, or seconds since 1970. */
enum stamp_result stamp_any(struct stamp_cache *c, struct str s, int64_t now_ns,
			    int32_t utc_offset_s, struct stamp *ret);

/* "+01:00", "-0800", "UTC+1", "CET" as a whole: seconds east of Greenwich. */
bool stamp_zone(struct str s, int32_t *ret_offset_s);

/* Days since 1970-01-01 of a date that exists; false when it does not or the year is out of
 * 1970..2261 (the range of nanoseconds in 64 bits). */
bool stamp_day(unsigned year, unsigned month, unsigned day, int64_t *ret_day);

#endif
