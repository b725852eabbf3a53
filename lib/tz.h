/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones of the IANA database, read from the system's TZif files (RFC 8536). A zone is constant
 * once loaded, so threads share it. */
#ifndef LIB_TZ_H
#define LIB_TZ_H

#include "lib/err.h"
#include "lib/str.h"

struct tz;

/* A stretch of time with one offset: [from_s, to_s) since 1970 UTC. */
struct tz_span {
	int64_t from_s, to_s;
	int32_t offset_s; /* east of Greenwich is positive */
	bool is_dst;
	struct str name; /* abbreviation; owned by the zone */
};

/* Reads a zone by name: "" and "UTC", "Local" (TZ, else /etc/localtime, else UTC), or a file below
 * the system's zoneinfo folder. *ret is NULL for UTC. Returns 0 or -EINVAL with *err. */
int tz_load(struct tz **ret, struct str name, struct err *err);

/* A zone from the bytes of a TZif file of any version; NULL with *err when they are none. */
struct tz *tz_parse(struct str tzif, struct err *err);
void tz_free(struct tz *tz); /* NULL is fine */

/* What is in force at an instant. tz == NULL is UTC. */
struct tz_span tz_lookup(const struct tz *tz, int64_t unix_s);

/* The instant at which clocks of the zone show wall_s (seconds since 1970 as if it were UTC). Times
 * that clocks skip or show twice are taken as Go's time.Date does. *cache (zeroed before the first
 * call, one per zone and thread) saves the look-up while times stay between two changes. */
int64_t tz_from_wall(const struct tz *tz, struct tz_span *cache, int64_t wall_s);

/* The offset an abbreviation such as CEST has in this zone, preferably the one in force when clocks
 * show wall_s; false when the zone does not use it. */
bool tz_offset_of(const struct tz *tz, struct str abbreviation, int64_t wall_s,
		  int32_t *ret_offset_s);

#endif
