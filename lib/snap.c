/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libsnappy. */
#include <snappy-c.h>

#include "lib/check.h"
#include "lib/snap.h"

size_t snap_bound(size_t n)
{
	return snappy_max_compressed_length(n);
}

size_t snap_pack(const char *p, size_t n, char *out)
{
	size_t size = snap_bound(n);

	CHECK(snappy_compress(p, n, out, &size) == SNAPPY_OK);
	return size;
}

bool snap_size(struct str packed, size_t *ret_bytes)
{
	return packed.n && snappy_uncompressed_length(packed.p, packed.n, ret_bytes) == SNAPPY_OK;
}

bool snap_unpack(struct str packed, char *out, size_t n)
{
	return snappy_uncompress(packed.p, packed.n, out, &n) == SNAPPY_OK;
}
