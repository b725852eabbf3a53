/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors from any bytes; what compiles is then asked about its own text. */
#include <stdint.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct pattern_scratch *scratch;
	struct str text = str_make((const char *)data, n);
	struct selector *s;
	struct err err = ERR_NONE;
	int rc;

	if (!scratch)
		scratch = pattern_scratch_new();
	rc = selector_compile(text, &s, &err);
	CHECK((rc == 0) == (s != NULL));
	CHECK(rc == 0 || err.text[0]);
	if (s) {
		rc = selector_match_labels(s, scratch, NULL);
		CHECK(rc >= -1 && rc <= 1);
		rc = selector_match_line(s, scratch, text);
		CHECK(rc >= -1 && rc <= 1);
	}
	selector_free(s);
	return 0;
}
