/* SPDX-License-Identifier: Apache-2.0 */
/* TZif files: whatever their bytes, a look-up gives a stretch with a bounded offset that holds the
 * instant asked for. */
#include "lib/check.h"
#include "lib/tz.h"

#define YEAR_S INT64_C(31556952)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tz *tz = tz_parse(str_make((const char *)data, n), NULL);
	struct tz_span cache = { 0 };
	int32_t offset_s;

	if (!tz)
		return 0;
	for (int64_t t = -300 * YEAR_S; t < 600 * YEAR_S; t += 5 * YEAR_S / 3) {
		struct tz_span span = tz_lookup(tz, t);
		int64_t unix_s = tz_from_wall(tz, &cache, t);

		CHECK(span.offset_s > -200 * 3600 && span.offset_s < 200 * 3600);
		CHECK(unix_s - t > -200 * 3600 && unix_s - t < 200 * 3600);
		if (tz_offset_of(tz, span.name, t, &offset_s))
			CHECK(offset_s > -200 * 3600 && offset_s < 200 * 3600);
	}
	tz_free(tz);
	return 0;
}
