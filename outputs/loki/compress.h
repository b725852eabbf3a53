/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy's block format, which Loki wants a push body in (not the framed one). */
#ifndef OUTPUTS_LOKI_COMPRESS_H
#define OUTPUTS_LOKI_COMPRESS_H

#include <stddef.h>

/* Largest result for n bytes. */
size_t compress_bound(size_t n);
/* Writes the compressed form of n bytes to out, which has room for compress_bound(n), and returns its
 * size. The same bytes give the same result. */
size_t compress_block(const char *p, size_t n, char *out);

#endif
