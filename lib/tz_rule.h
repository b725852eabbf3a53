/* SPDX-License-Identifier: Apache-2.0 */
/* The rule at the end of a TZif file (POSIX TZ with RFC 8536's extensions), such as
 * CET-1CEST,M3.5.0,M10.5.0/3: what holds behind the last change in the file. */
#ifndef LIB_TZ_RULE_H
#define LIB_TZ_RULE_H

#include "lib/tz.h"

struct tz_rule_day {
	char kind; /* 'J' day 1-365 without leap day, 'N' day 0-365, 'M' */
	int month, week, day;
	int32_t at_s; /* local time of day, may be negative or beyond 24 h */
};

struct tz_rule {
	struct str std_name, dst_name; /* borrowed; abbreviations without <> */
	int32_t std_offset_s, dst_offset_s;
	bool has_dst;
	struct tz_rule_day start, end; /* of summer time */
};

bool tz_rule_parse(struct str text, struct tz_rule *ret); /* ret borrows text */
struct tz_span tz_rule_lookup(const struct tz_rule *rule, int64_t unix_s);

#endif
