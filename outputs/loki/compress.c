/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libsnappy. */
#include <snappy-c.h>

#include "lib/check.h"
#include "outputs/loki/compress.h"

size_t compress_bound(size_t n)
{
	return snappy_max_compressed_length(n);
}

size_t compress_block(const char *p, size_t n, char *out)
{
	size_t size = compress_bound(n);

	CHECK(snappy_compress(p, n, out, &size) == SNAPPY_OK);
	return size;
}
