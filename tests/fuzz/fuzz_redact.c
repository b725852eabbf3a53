/* SPDX-License-Identifier: Apache-2.0 */
/* One byte of detectors, one of flags, then the text. The vector pass and the plain one must agree;
 * splices must be in order and inside the text. */
#include <stdint.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/redact_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_order(const struct redact_scratch *s, size_t n)
{
	for (uint32_t i = 0; i < s->n; i++) {
		CHECK(s->splices[i].start < s->splices[i].end);
		CHECK(s->splices[i].end <= n);
		CHECK(i == 0 || s->splices[i - 1].end <= s->splices[i].start);
	}
}

static void compare(const uint8_t *p, size_t n, unsigned detectors,
		    void (*scan)(struct redact_search *, unsigned))
{
	static struct redact_scratch a, b;
	struct redact_search sa = { p, n, &a, 0, 0, 0, 0 }, sb = { p, n, &b, 0, 0, 0, 0 };

	a.n = b.n = 0;
	redact_scan(&sa, detectors);
	scan(&sb, detectors);
	CHECK(a.n == b.n);
	for (uint32_t i = 0; i < a.n; i++)
		CHECK(a.splices[i].start == b.splices[i].start &&
		      a.splices[i].end == b.splices[i].end &&
		      a.splices[i].kind == b.splices[i].kind);
}

/* Every detector there is; masks, so that what is kept is looked at. */
static const struct redact *all(void)
{
	static const struct redact_options o = { .detectors = REDACT_ALL,
						 .national = REDACT_NATIONAL_ALL,
						 .action = REDACT_MASK,
						 .keep_first = 1,
						 .keep_last = 4 };
	static struct redact *r;

	if (!r)
		CHECK(redact_new(&o, &r, NULL) == 0);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct redact_rule rules[] = {
		{ STR("jwt"), STR("eyJ[\\w-]+\\.[\\w-]+"), STR_NONE },
		{ STR("group"), STR("id=(\\d+)?"), STR("") },
	};
	static struct pattern_scratch *ps;
	static struct redact_scratch scratch;
	struct redact_options o = { .rules = rules, .nrules = 2 };
	struct arena arena = ARENA_INIT;
	struct str text, out;
	struct redact *r;
	bool changed;
	char *exact;
	int rc;

	if (n < 2)
		return 0;
	if (!ps)
		ps = pattern_scratch_new();
	o.detectors = data[0] & REDACT_SCANNED;
	exact = mem_alloc(n > 2 ? n - 2 : 1);
	memcpy(exact, data + 2, n - 2);
	text = str_make(exact, n - 2);
	CHECK(redact_new(&o, &r, NULL) == 0);
	compare((const uint8_t *)text.p, text.n, o.detectors, redact_scan_plain);
#ifdef __x86_64__
	compare((const uint8_t *)text.p, text.n, o.detectors, redact_scan_sse2);
#endif
	rc = redact_find(r, &scratch, ps, text, data[1] & 1);
	if (rc >= 0) {
		check_order(&scratch, text.n);
		out = redact_write(r, &scratch, text, &arena);
		CHECK(rc > 0 || out.p == text.p);
		redact_write_part(r, &scratch, text, text.n / 3, text.n / 2, &arena, &changed);
	}
	redact_free(r);
	if (data[1] & 2) {
		rc = redact_find(all(), &scratch, ps, text, data[1] & 1);
		if (rc >= 0) {
			check_order(&scratch, text.n);
			redact_write(all(), &scratch, text, &arena);
		}
	}
	arena_fini(&arena);
	mem_free(exact);
	return 0;
}
