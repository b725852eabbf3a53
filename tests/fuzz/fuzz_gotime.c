/* SPDX-License-Identifier: Apache-2.0 */
/* Go time layouts: first line a layout, the rest a text. Any layout compiles, a warm cache gives
 * what a cold one gives, and the strict form of RFC 3339 means the same as by its layout. */
#include <stdlib.h>

#include "lib/check.h"
#include "pipeline/gotime.h"

#define NOW_NS (INT64_C(1768435200) * 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool check_parse(const struct gotime *g, struct gotime_cache *warm, struct str text,
			int64_t *ret_ns)
{
	struct gotime_cache cold = { 0 };
	int64_t ns = 0;
	bool is_time = gotime_parse(g, &cold, text, NOW_NS, &ns);

	*ret_ns = 0;
	CHECK(gotime_parse(g, warm, text, NOW_NS, ret_ns) == is_time);
	CHECK(!is_time || *ret_ns == ns);
	return is_time;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct gotime *rfc3339, *by_layout; /* the second never takes the fast way */
	static struct gotime_cache warm[2];
	struct str text = str_make((const char *)data, n), layout = str_cut(&text, '\n');
	struct gotime_cache cache = { 0 };
	struct gotime *g;
	int64_t ns, ns_by_layout;

	if (!rfc3339) {
		setenv("TZ", "Europe/Berlin", 1);
		rfc3339 = gotime_new(STR("RFC3339"), STR_NONE, NULL);
		by_layout = gotime_new(STR("2006-01-02T15:04:05.9Z07:00"), STR_NONE, NULL);
	}
	g = gotime_new(layout, n % 2 ? STR("America/New_York") : STR_NONE, NULL);
	CHECK(g || layout.n == 0 || layout.n > GOTIME_LAYOUT_BYTES_MAX);
	if (g)
		check_parse(g, &cache, text, &ns);
	gotime_free(g);
	CHECK(check_parse(rfc3339, &warm[0], text, &ns) ==
	      check_parse(by_layout, &warm[1], text, &ns_by_layout));
	CHECK(ns == ns_by_layout);
	return 0;
}
