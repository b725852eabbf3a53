/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY headers: what is complete stays so whatever follows, what is not says so at every byte, and
 * nothing beyond the header is looked at. */
#include "lib/proxy.h"
#include "lib/check.h"
#include "lib/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_make((const char *)data, n);
	struct proxy whole, part;
	enum proxy_result want = proxy_parse(in, &whole), got;
	char text[NET_ADDR_TEXT];

	for (size_t k = 0; k <= n; k++) {
		got = proxy_parse(str_sub(in, 0, k), &part);
		if (want == PROXY_OK && k < whole.used)
			CHECK(got == PROXY_MORE);
		else if (want == PROXY_OK)
			CHECK(got == PROXY_OK && part.used == whole.used &&
			      memcmp(&part.peer, &whole.peer, sizeof(part.peer)) == 0);
		else if (want == PROXY_MORE)
			CHECK(got == PROXY_MORE);
		else
			CHECK(got != PROXY_OK);
	}
	CHECK(want != PROXY_MORE || n < PROXY_MAX);
	if (want == PROXY_OK) {
		CHECK(whole.used <= n && whole.used <= PROXY_MAX);
		net_addr_text(&whole.peer, true, text);
	}
	return 0;
}
