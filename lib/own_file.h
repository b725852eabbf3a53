/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a file of our own: lock, refused records. */
#ifndef LIB_OWN_FILE_H
#define LIB_OWN_FILE_H

#include "lib/err.h"

/* `flags` as for open(2), O_CREAT with mode 0600. Never follows a symbolic link, never waits, and takes nothing but a
 * regular file: what else stands there would be read as ours, or written in its place. Returns a descriptor or a
 * negative code (-ENOENT when it is not there); the text says what stands there and leaves the path to the caller. */
int own_file_open(const char *path, int flags, struct err *err);

#endif
