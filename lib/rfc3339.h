/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text for people, files and protocols: 2026-11-21T15:45:44.611804851Z (RFC 3339). */
#ifndef LIB_RFC3339_H
#define LIB_RFC3339_H

#include "lib/str.h"

#define RFC3339_MAX 40

/* Writes time_ns (since 1970 UTC) with `digits` of the second's fraction (0 to 9, cut off, not rounded)
 * to out (RFC3339_MAX bytes), NUL-terminated. Returns the length. */
size_t rfc3339_utc(int64_t time_ns, unsigned digits, char *out);

/* Reads all of s. Also what is near to RFC 3339 and seen where it is asked for: a space for the T, no zone
 * (UTC), one without a colon, a comma in front of the fraction; what is behind its ninth digit is cut off. False for
 * anything else, days that do not exist, and times before 1678 or after 2261. */
bool rfc3339_read(struct str s, int64_t *ret_ns);

#endif
