/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that times are made of. Private to stamp*.c. */
#ifndef INPUTS_SYSLOG_STAMP_SCAN_H
#define INPUTS_SYSLOG_STAMP_SCAN_H

#include "inputs/syslog/stamp.h"

#define SECOND_NS 1000000000LL
#define DAY_S 86400LL

/* Bounded cursor: peek() past the end gives 0, which no form of time contains. */
struct scan {
	const char *p;
	size_t n, at;
};

static inline char peek(const struct scan *s, size_t ahead)
{
	return s->at + ahead < s->n ? s->p[s->at + ahead] : '\0';
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static inline bool is_upper(char c)
{
	return (unsigned char)(c - 'A') < 26;
}

static inline bool is_alpha(char c)
{
	return is_upper((char)(c & ~0x20));
}

/* Exactly `count` digits, not followed by another one. */
static inline bool scan_digits(struct scan *s, size_t count, unsigned *ret)
{
	unsigned value = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_digit(peek(s, i)))
			return false;
		value = value * 10 + (unsigned)(s->p[s->at + i] - '0');
	}
	if (is_digit(peek(s, count)))
		return false;
	s->at += count;
	*ret = value;
	return true;
}

/* "hh:mm:ss" as seconds. NONE when the shape differs, BAD when the numbers cannot be. */
enum stamp_result scan_clock(struct scan *s, int64_t *ret_s);
/* ".123" or ",123" in nanoseconds (0 without one), what is finer is left out. A dot before a space goes, too. */
bool scan_fraction(struct scan *s, int64_t *ret_ns);
/* Z, +hh:mm, +hhmm, +hh: seconds east of Greenwich. */
enum stamp_result scan_zone(struct scan *s, int32_t *ret_s);

/* What a form of time gave. */
struct parts {
	unsigned year, month, day; /* year 0: none */
	int64_t second, nanos;     /* of the day, of the second */
	int32_t offset_s;          /* the caller's, unless the text has one */
	struct str zone_name;
	bool is_bad; /* the shape of a time with impossible numbers */
	bool has_zone;
};

/* Any of the table of forms, with what may follow the time of day. */
bool stamp_form(struct scan *s, struct parts *ret);
/* What may follow the time of day: fraction, AM or PM, zone, year. */
void stamp_tail(struct scan *s, struct parts *p);

#endif
