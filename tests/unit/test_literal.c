/* SPDX-License-Identifier: Apache-2.0 */
/* The vector search against a plain one, over random texts of few letters. */
#include "tests/unit/test.h"

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/literal.h"
#include "pipeline/text_run.h"

static uint32_t rng = 12345;

static uint32_t below(uint32_t n)
{
	rng = rng * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)rng * n >> 32);
}

static void fill(char *p, size_t n)
{
	static const char letters[] = "aabBcK=\303";

	for (size_t i = 0; i < n; i++)
		p[i] = letters[below(8)];
}

static size_t naive(struct str text, struct str needle, bool fold, size_t from)
{
	for (size_t i = from; i + needle.n <= text.n; i++) {
		struct str here = str_sub(text, i, i + needle.n);

		if (fold ? str_ieq(here, needle) : str_eq(here, needle))
			return i;
	}
	return LITERAL_NONE;
}

static void single(void)
{
	for (int round = 0; round < 20000; round++) {
		size_t n = below(150), k = below(5), from = below(20);
		char *text = mem_alloc(n ? n : 1), needle[8]; /* exact size: ASan sees overreads */
		struct literal l;
		bool fold = below(2);

		fill(text, n);
		fill(needle, k);
		literal_init(&l, str_make(needle, k), fold);
		EQ_INT(literal_find(&l, str_make(text, n), from),
		       from > n ? LITERAL_NONE
				: naive(str_make(text, n), str_make(needle, k), fold, from));
		mem_free(text);
	}
}

static void sets(void)
{
	static struct literal_set set;

	for (int round = 0; round < 20000; round++) {
		size_t n = below(200), from = below(20), want = LITERAL_NONE;
		char *text = mem_alloc(n ? n : 1), needle[8];

		fill(text, n);
		set.n = 1 + below(round % 2 ? 12 : 3);
		for (uint32_t i = 0; i < set.n; i++) {
			size_t k = 1 + below(6), at;
			bool fold = below(2);

			fill(needle, k);
			literal_init(&set.items[i], str_make(needle, k), fold);
			at = naive(str_make(text, n), str_make(needle, k), fold, from);
			want = at < want ? at : want;
		}
		literal_set_init(&set);
		EQ_INT(literal_set_find(&set, str_make(text, n), from), want);
		mem_free(text);
	}
}

/* Many texts at once: lines of one buffer, some of them moved elsewhere. */
static void texts(void)
{
	static struct literal_set set;

	for (int round = 0; round < 20000; round++) {
		size_t n = 1 + below(400);
		char *text = mem_alloc(n), *moved[TEXT_RUN_MAX] = { NULL }, needle[8];
		struct str rest = str_make(text, n), lines[TEXT_RUN_MAX];
		uint64_t want = 0;
		uint32_t nlines = 0;

		fill(text, n);
		for (size_t i = 0; i < n; i++)
			if (below(12) == 0)
				text[i] = '\n';
		while (rest.n && nlines < TEXT_RUN_MAX) {
			struct str line = str_cut(&rest, '\n');

			if (below(8) == 0)
				line.p = moved[nlines] =
					mem_dup(line.n ? line.p : "", line.n + !line.n);
			lines[nlines++] = line;
		}
		set.n = 1 + below(round % 2 ? 12 : 3);
		for (uint32_t i = 0; i < set.n; i++) {
			size_t k = 1 + below(6);
			bool fold = below(2);

			fill(needle, k);
			if (below(4) == 0)
				needle[below((uint32_t)k)] = '\n'; /* in no line */
			literal_init(&set.items[i], str_make(needle, k), fold);
			for (uint32_t l = 0; l < nlines; l++)
				if (naive(lines[l], str_make(needle, k), fold, 0) != LITERAL_NONE)
					want |= UINT64_C(1) << l;
		}
		literal_set_init(&set);
		EQ_INT(literal_set_texts(&set, lines, nlines), want);
		for (uint32_t l = 0; l < nlines; l++)
			mem_free(moved[l]);
		mem_free(text);
	}
}

static void rarity(void)
{
	struct literal at, dot, word;

	literal_init(&at, STR("@"), false);
	literal_init(&dot, STR("."), false);
	literal_init(&word, STR("AKIA"), false);
	OK(literal_rarity(&at) > literal_rarity(&dot));
	OK(literal_rarity(&word) > literal_rarity(&at));
}

int main(void)
{
	RUN(single);
	RUN(sets);
	RUN(texts);
	RUN(rarity);
	return test_end();
}
