/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of any bytes: what comes out is the same at once and in pieces. The first byte says how large those are. */
#include "tests/unit/lumber_told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	struct str in;

	if (n < 2)
		return 0;
	in = str_make((const char *)data + 1, n - 1);
	lumber_told(in, in.n, 300, 1000, &whole);
	lumber_told(in, 1 + data[0], 300, 1000, &pieces);
	CHECK(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
