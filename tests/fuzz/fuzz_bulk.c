/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of events: the same documents however the body is split, whether or not some have to come again. The first byte says
 * how. */
#include "inputs/beats/bulk.h"
#include "lib/check.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void put(struct buf *out, const struct docs *d, struct str doc)
{
	CHECK(doc.n <= d->max);
	buf_printf(out, "%zu%d%d:", doc.n, d->is_cut, bulk_action(doc));
	buf_str(out, doc);
}

static void told(struct str in, size_t step, bool is_lines, bool waits, struct buf *out)
{
	struct docs d;
	struct str doc;
	bool later = false;
	int got = 0;

	docs_init(&d, is_lines, 40);
	while (in.n && got >= 0) {
		char *exact = mem_dup(in.p, in.n < step ? in.n : step);
		struct str avail = str_make(exact, in.n < step ? in.n : step);

		in = str_skip(in, avail.n);
		while ((got = docs_next(&d, &avail, &doc)) > 0) {
			later = waits && !later;
			if (later) {
				docs_later(&d, &avail);
				continue;
			}
			put(out, &d, doc);
			docs_take(&d);
		}
		CHECK(got < 0 || !avail.n);
		CHECK(d.kept.n <= d.max);
		mem_free(exact);
	}
	if (got >= 0 && (got = docs_end(&d, &doc)) > 0)
		put(out, &d, doc);
	buf_printf(out, "%d", got < 0);
	docs_fini(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	struct str in;

	if (n < 2)
		return 0;
	in = str_make((const char *)data + 1, n - 1);
	told(in, in.n, data[0] & 1, false, &whole);
	told(in, 1 + (data[0] >> 2), data[0] & 1, data[0] & 2, &pieces);
	CHECK(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
