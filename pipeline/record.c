/* SPDX-License-Identifier: Apache-2.0 */
/* Flags as users read them. */
#include "lib/check.h"
#include "pipeline/record.h"

static const struct {
	uint32_t flag;
	const char *name;
} names[] = {
	{ REC_CUT, "cut" },
	{ REC_BAD_UTF8, "bad_utf8" },
	{ REC_UNPARSED, "unparsed" },
	{ REC_PARTIAL, "partial" },
	{ REC_TIME_GUESSED, "time_guessed" },
	{ REC_REDACT_FAILED, "redact_failed" },
	{ REC_LABELS_FULL, "labels_full" },
	{ REC_METADATA_CUT, "metadata_cut" },
};

struct str rec_flags_text(uint32_t flags, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str name = str_c(names[i].name);

		if (!(flags & names[i].flag))
			continue;
		if (n)
			out[n++] = ',';
		memcpy(out + n, name.p, name.n);
		n += name.n;
	}
	CHECK(n <= REC_FLAGS_TEXT_MAX);
	return str_make(out, n);
}
