/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text for people and files: 2026-11-21T15:45:44.611804851Z (RFC 3339, UTC). */
#ifndef LIB_RFC3339_H
#define LIB_RFC3339_H

#include <stddef.h>
#include <stdint.h>

#define RFC3339_MAX 40

/* Writes time_ns (since 1970 UTC) with `digits` of the second's fraction (0 to 9, cut off, not rounded)
 * to out (RFC3339_MAX bytes), NUL-terminated. Returns the length. */
size_t rfc3339_utc(int64_t time_ns, unsigned digits, char *out);

#endif
