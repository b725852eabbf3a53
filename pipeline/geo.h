/* SPDX-License-Identifier: Apache-2.0 */
/* MaxMind databases: what is written about an address. libmaxminddb is loaded when the first database
 * is opened, so a program that has none does not need it. Pure look-ups; one thread for each struct. */
#ifndef PIPELINE_GEO_H
#define PIPELINE_GEO_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"

struct geo;

/* Maps the file. A file that is no database, a library that is not installed, or a program that was
 * built without it gives an error. */
int geo_open(const char *path, struct geo **ret, struct err *err);
void geo_close(struct geo *g);
/* Reads the file anew when it is another one by now. 1: it was. 0: it is the same, or not there.
 * Negative: it is no database, said once for each such file. *g is what it was but for 1. */
int geo_renew(struct geo **g, struct err *err);

/* Where something stands in an entry: names and numbers of a list ("-1": the last), ended by NULL. */
#define GEO_PATH_MAX 16

/* Finds the address (IPv4 or IPv6 in text); false when it is none, or the database knows nothing of
 * it. What it found stays until the next call. */
bool geo_find(struct geo *g, struct str address);
/* Appends what stands at the path as text; false when there is nothing, or a map or list. */
bool geo_get(struct geo *g, const char *const *path, struct buf *out);

#endif
