/* SPDX-License-Identifier: Apache-2.0 */
/* Flattened JSON takes exactly the objects that the other reader takes, and finds the same values: each name
 * that comes out without dots and escapes is a path there. */
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/json_flat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_plain(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!((name.p[i] | 32) >= 'a' && (name.p[i] | 32) <= 'z'))
			return false;
	return name.n && name.n < 100;
}

static bool is_inside(struct str inner, struct str outer)
{
	return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str doc = str_make((const char *)data, n), name;
	struct json_paths *paths = json_paths_new();
	struct json_value values[64], value, last[8];
	struct json_flat f;
	int slots[8], got = JSON_MALFORMED, want;
	size_t nslots = 0, i;
	bool has_escape = n && memchr(data, '\\', n);

	if (json_flat_begin(&f, doc)) {
		while ((got = json_flat_next(&f, &name, &value)) > 0) {
			CHECK(name.n <= JSON_FLAT_NAME_MAX && is_inside(value.raw, doc));
			if (has_escape || !is_plain(name) || nslots == 8)
				continue;
			want = json_paths_add(paths, name);
			CHECK(want > 0);
			for (i = 0; i < nslots && slots[i] != want; i++)
				;
			slots[i] = want;
			last[i] = value;
			nslots += i == nslots;
		}
	}
	want = json_extract(paths, doc, values);
	CHECK(want < 0 ? got < 0 : (want == JSON_OBJECT) == (got == 0));
	/* Of equal names the last counts; one that is an object then has given nothing. */
	for (i = 0; i < nslots && got == 0; i++)
		CHECK(values[slots[i]].type == JSON_OBJECT ||
		      (values[slots[i]].type == last[i].type &&
		       values[slots[i]].raw.p == last[i].raw.p &&
		       values[slots[i]].raw.n == last[i].raw.n));
	json_paths_free(paths);
	return 0;
}
