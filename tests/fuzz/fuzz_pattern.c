/* SPDX-License-Identifier: Apache-2.0 */
/* Expression, NUL, subject. Byte mode with prefilter must find exactly what UTF mode finds. */
#include <stdint.h>

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/pattern.h"
#include "pipeline/text_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Lines in which the search over all of them sees nothing have no match. */
static void compare_lines(const struct pattern *fast, const struct pattern *slow,
			  struct pattern_scratch *scratch, struct str text)
{
	struct str lines[TEXT_RUN_MAX];
	uint32_t n = 0;
	uint64_t found;

	while (text.n && n < TEXT_RUN_MAX)
		lines[n++] = str_cut(&text, '\n');
	found = n ? pattern_texts(fast, lines, n) : 0;
	for (uint32_t i = 0; i < n; i++)
		if (!(found >> i & 1))
			CHECK(pattern_match(slow, scratch, lines[i], 0, NULL) != PATTERN_MATCH);
}

static void compare(const struct pattern *fast, const struct pattern *slow, struct str subject)
{
	static struct pattern_scratch *scratch;
	size_t a[PATTERN_OVECTOR_MAX], b[PATTERN_OVECTOR_MAX], start;
	struct pattern_find fa = { 0 }, fb = { 0 };
	int ra, rb;

	if (!scratch)
		scratch = pattern_scratch_new();
	compare_lines(fast, slow, scratch, subject);
	for (int i = 0; i < 100; i++) {
		ra = pattern_find_next(fast, scratch, subject, &fa, a);
		rb = pattern_find_next(slow, scratch, subject, &fb, b);
		if (ra < 0 || rb < 0)
			return; /* they count their steps differently */
		CHECK(ra == rb);
		if (ra != PATTERN_MATCH)
			break;
		for (unsigned g = 0; g < 2 * (pattern_groups(fast) + 1); g++) {
			CHECK(a[g] == b[g]);
			CHECK(a[g] == PATTERN_UNSET || a[g] <= subject.n);
		}
	}
	if (pattern_match_cut(fast, scratch, subject, 0, &start) == PATTERN_MATCH)
		CHECK(start <= subject.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str input = str_make((const char *)data, n), expr, subject;
	struct pattern *fast = NULL, *slow = NULL;
	unsigned flags;
	char *repaired;
	int rc;

	if (n < 2 || n > 4096)
		return 0;
	flags = data[0] & (PATTERN_ANCHORED | PATTERN_DOT_ALL);
	input = str_skip(input, 1);
	expr = str_cut(&input, '\0');
	rc = pattern_compile(expr, flags, &fast, NULL);
	CHECK((rc == 0) == (fast != NULL));
	rc = pattern_compile(expr, flags | PATTERN_FORCE_UTF, &slow, NULL);
	if (fast && !rc) {
		repaired = mem_alloc(utf8_repaired_size(input) + 1);
		subject = utf8_repair(input, repaired);
		compare(fast, slow, subject);
		mem_free(repaired);
	}
	pattern_free(fast);
	pattern_free(slow);
	return 0;
}
