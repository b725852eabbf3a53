/* SPDX-License-Identifier: Apache-2.0 */
/* One byte of detectors, one of flags, then the text. The vector pass and the plain one must agree;
 * splices must be in order and inside the text. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/redact_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_order(const struct redact_scratch *s, size_t n)
{
	for (uint32_t i = 0; i < s->list.n; i++) {
		CHECK(s->list.items[i].start < s->list.items[i].end);
		CHECK(s->list.items[i].end <= n);
		CHECK(i == 0 || s->list.items[i - 1].end <= s->list.items[i].start);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct redact_splice *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end != y->end ? (x->end < y->end ? -1 : 1) : x->kind - y->kind;
}

/* In any order: it depends on how a line is cut into groups of bytes. */
static void check_same(struct redact_splice *a, struct redact_splice *b, uint32_t n)
{
	qsort(a, n, sizeof(*a), by_place);
	qsort(b, n, sizeof(*b), by_place);
	for (uint32_t i = 0; i < n; i++)
		CHECK(a[i].start == b[i].start && a[i].end == b[i].end && a[i].kind == b[i].kind);
}

static void compare(struct str text, unsigned detectors, redact_scan_fn *scan)
{
	static struct redact_splices a, b;
	uint32_t first;

	a.n = b.n = 0;
	redact_scan(&text, 1, detectors, &a, &first);
	scan(&text, 1, detectors, &b, &first);
	CHECK(a.n == b.n);
	if (a.n)
		check_same(a.items, b.items, a.n);
}

/* Lines looked at together must have what each has alone, by every way to look. */
static void compare_lines(struct str text, unsigned detectors)
{
	static struct redact_splices together, alone;
	uint32_t first[TEXT_RUN_MAX + 1], none, n = 0;
	struct str lines[TEXT_RUN_MAX];
	redact_scan_fn *const ways[] = {
		redact_scan,
		redact_scan_plain,
#ifdef __x86_64__
		redact_scan_sse2,
#endif
	};

	while (text.n && n < TEXT_RUN_MAX) {
		struct str line = str_cut(&text, '\n');

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		lines[n++] = line;
	}
	if (!n)
		return;
	CHECK(text_run(lines, n) == n);
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		together.n = 0;
		ways[w](lines, n, detectors, &together, first);
		first[n] = together.n;
		for (uint32_t i = 0; i < n; i++) {
			alone.n = 0;
			redact_scan_plain(&lines[i], 1, detectors, &alone, &none);
			CHECK(first[i + 1] - first[i] == alone.n);
			if (alone.n)
				check_same(together.items + first[i], alone.items, alone.n);
		}
	}
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
	compare(text, o.detectors, redact_scan_plain);
#ifdef __x86_64__
	compare(text, o.detectors, redact_scan_sse2);
#endif
	compare_lines(text, o.detectors);
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
