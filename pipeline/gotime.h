/* SPDX-License-Identifier: Apache-2.0 */
/* Reads times by a layout of Go's package time, as the timestamp stage of Promtail does: named
 * layouts, Unix numbers, layouts of one's own, with or without a year. Pure after load. */
#ifndef PIPELINE_GOTIME_H
#define PIPELINE_GOTIME_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/tz.h"

#define GOTIME_LAYOUT_BYTES_MAX 256

/* A compiled layout; constant, so threads share it. */
struct gotime;

/* What one thread remembers between calls with one layout; zeroed before the first. */
struct gotime_cache {
	char day[10]; /* a date in RFC 3339 form, */
	bool has_day;
	int64_t day_s; /* and when it begins in UTC */
	struct tz_span span;
	uint64_t unknown_zones; /* times whose zone abbreviation means nothing here: taken as UTC */
};

/* format: ANSIC UnixDate RubyDate RFC822 RFC822Z RFC850 RFC1123 RFC1123Z RFC3339 RFC3339Nano (these
 * ignore the location), Unix UnixMs UnixUs UnixNs, or any Go layout. location: as tz_load() takes
 * it; p == NULL when none is configured. NULL with *err when the format is empty or too long or the
 * location unknown. */
struct gotime *gotime_new(struct str format, struct str location, struct err *err);
void gotime_free(struct gotime *layout); /* NULL is fine */

/* Whether nothing in a layout stands for a part of a time: most likely a misspelt name. */
bool gotime_is_constant(const struct gotime *layout);

/* Reads a time. False when text does not have the layout, is no time (hour 24, 30 February), or
 * lies outside what nanoseconds since 1970 can say (1678 to 2261). now_ns gives the year to times
 * without one: the current, but last year's for December read in January and next year's for
 * January read in December; 29 February becomes 1 March where there is none. */
bool gotime_parse(const struct gotime *layout, struct gotime_cache *cache, struct str text,
		  int64_t now_ns, int64_t *ret_ns);

/* Appends a time as clocks of the zone (NULL: UTC) show it. layout: any Go layout, no names. */
void gotime_format(struct str layout, int64_t time_ns, const struct tz *zone, struct buf *out);

#endif
