/* SPDX-License-Identifier: Apache-2.0 */
/* A dead-letter file may have been edited by anybody: whatever its lines say, the entry made of one reads
 * back as what was read. */
#include <stdint.h>

#include "lib/check.h"
#include "outputs/loki/letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena arena = ARENA_INIT;
	struct buf out = BUF_INIT;
	struct str bytes, name, value, want_name, want_value;
	struct push_entry e;
	struct letter l;

	if (letter_read(str_make((const char *)data, n), &arena, &l)) {
		letter_encode(&l, &arena, &out);
		bytes = buf_as_str(&out);
		CHECK(push_next_entry(&bytes, &e) && bytes.n == 0);
		CHECK(e.time_ns == l.time_ns && str_eq(e.line, l.line));
		while (push_next_pair(&e.meta, &name, &value)) {
			do
				CHECK(letter_next_pair(&l.metadata, &arena, &want_name,
						       &want_value));
			while (!want_name.n);
			CHECK(str_eq(name, want_name) && str_eq(value, want_value));
		}
	}
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}
