/* SPDX-License-Identifier: Apache-2.0 */
/* Position files: any bytes load, what they say makes sense, and what is written back says the same.
 * Each line of the input is applied as it is, and with its checksum put right. */
#include "inputs/file/positions.h"
#include "lib/check.h"
#include "lib/crc32c.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void apply_fixed(struct positions *ps, struct str text)
{
	struct buf line = BUF_INIT;

	buf_printf(&line, "%08x ", crc32c(text));
	buf_str(&line, text);
	positions_apply(ps, buf_as_str(&line));
	buf_fini(&line);
}

static void apply_all(struct positions *ps, struct str text, bool is_fixing)
{
	while (text.n) {
		struct str line = str_cut(&text, '\n');

		if (is_fixing)
			apply_fixed(ps, line);
		else
			positions_apply(ps, line);
	}
}

/* Ranges follow each other without a gap from the settled offset on. */
static void check_sense(struct positions *ps)
{
	for (struct pos *p = ps->first; p; p = p->next) {
		uint64_t at = p->offset;

		CHECK(p->path.n > 1 && p->head_n <= HEAD_BYTES && p->offset <= INT64_MAX);
		for (size_t i = 0; i < p->nranges; i++) {
			const struct pos_range *r = pos_range_at(p, i);

			CHECK(r->start == at && r->end > r->start && r->n > 0 && r->t0_ns >= 0);
			at = r->end;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct positions *ps = positions_open(NULL, NULL), *again = positions_open(NULL, NULL);
	struct str text = str_make((const char *)data, n);
	struct buf first = BUF_INIT, second = BUF_INIT;

	apply_all(ps, text, false);
	apply_all(ps, text, true);
	check_sense(ps);
	positions_render(ps, &first);
	apply_all(again, buf_as_str(&first), false);
	check_sense(again);
	positions_render(again, &second);
	CHECK(str_eq(buf_as_str(&first), buf_as_str(&second)));
	buf_fini(&first);
	buf_fini(&second);
	positions_free(ps);
	positions_free(again);
	return 0;
}
