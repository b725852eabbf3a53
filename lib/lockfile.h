/* SPDX-License-Identifier: Apache-2.0 */
/* One process per state directory: an advisory lock on a file in it, which ends with the process,
 * however that ends. */
#ifndef LIB_LOCKFILE_H
#define LIB_LOCKFILE_H

#include "lib/err.h"

/* Creates `path` (mode 0600) when needed and locks it; the file then holds our process id. Returns a
 * descriptor to keep, or a negative code: -EBUSY when another process has it (the text says which). */
int lockfile_take(const char *path, struct err *err);
/* -1 is fine. The file stays, so that nobody locks a name that is about to vanish. */
void lockfile_release(int fd);

#endif
