/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy's block format, which the body of a push to Loki has (not the framed one). */
#ifndef LIB_SNAP_H
#define LIB_SNAP_H

#include <stddef.h>

#include "lib/str.h"

/* Largest result for n bytes. */
size_t snap_bound(size_t n);
/* Writes the compressed form of n bytes to out, which has room for snap_bound(n), and returns its
 * size. The same bytes give the same result. */
size_t snap_pack(const char *p, size_t n, char *out);

/* What it says it is uncompressed, which is to be capped before that is allocated. False: not Snappy. */
bool snap_size(struct str packed, size_t *ret_bytes);
/* Writes that many to out. False: damaged. */
bool snap_unpack(struct str packed, char *out, size_t n);

#endif
