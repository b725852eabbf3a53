/* SPDX-License-Identifier: Apache-2.0 */
/* Level of a line: never reads beyond, looks at the head only, and a level that a value has is found
 * in a pair and in JSON, too. */
#include "lib/buf.h"
#include "lib/check.h"
#include "pipeline/level.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_forms(struct str word)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < word.n; i++)
		if (!((word.p[i] | 0x20) >= 'a' && (word.p[i] | 0x20) <= 'z'))
			return;
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&b);
		if (i == 0)
			buf_printf(&b, "a=b level=" STR_FMT " c", STR_ARG(word));
		else
			buf_printf(&b, "{\"level\":\"" STR_FMT "\"}", STR_ARG(word));
		CHECK(level_of_line(buf_as_str(&b), 99) == level_of_value(word));
	}
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str line = str_make((const char *)data, n);
	enum level level = level_of_line(line, 99), with = level_of_line(line, 3);

	CHECK(level <= LEVEL_FATAL && with != LEVEL_UNKNOWN);
	CHECK(level == level_of_line(str_sub(line, 0, LEVEL_HEAD_BYTES), 99));
	CHECK(level_name(level).n >= 4);
	level = level_of_value(line);
	if (n && n <= 13 && level)
		check_forms(line);
	return 0;
}
