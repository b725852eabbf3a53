/* SPDX-License-Identifier: Apache-2.0 */
/* A test program in a page: tables of rows, a failure prints the row and the run goes on, the
 * exit code says whether anything failed.
 *
 *	int main(void) { RUN(numbers); RUN(names); return test_end(); }
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

static int test_failures, test_checks;
static const char *test_name = "", *test_row = "";

/* What the following checks are about; shown when one fails. */
#define ROW(name) (test_row = (name))

#define RUN(fn)                                                                                    \
	do {                                                                                       \
		test_name = #fn;                                                                   \
		test_row = "";                                                                     \
		fn();                                                                              \
	} while (0)

#define FAIL(...)                                                                                  \
	do {                                                                                       \
		test_failures++;                                                                   \
		fprintf(stderr, "%s:%d: %s [%s]: ", __FILE__, __LINE__, test_name, test_row);      \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fputc('\n', stderr);                                                               \
	} while (0)

#define OK(cond)                                                                                   \
	do {                                                                                       \
		test_checks++;                                                                     \
		if (!(cond))                                                                       \
			FAIL("%s", #cond);                                                         \
	} while (0)

#define EQ_INT(got, want)                                                                          \
	do {                                                                                       \
		int64_t g_ = (int64_t)(got), w_ = (int64_t)(want);                                 \
		test_checks++;                                                                     \
		if (g_ != w_)                                                                      \
			FAIL("%s is %" PRId64 ", want %" PRId64, #got, g_, w_);                    \
	} while (0)

/* got: struct str, want: C string. */
#define EQ_STR(got, want)                                                                          \
	do {                                                                                       \
		struct str g_ = (got), w_ = str_c(want);                                           \
		test_checks++;                                                                     \
		if (!str_eq(g_, w_))                                                               \
			FAIL("%s is \"" STR_FMT "\", want \"" STR_FMT "\"", #got, STR_ARG(g_),     \
			     STR_ARG(w_));                                                         \
	} while (0)

static inline int test_end(void)
{
	printf("%d checks, %d failed\n", test_checks, test_failures);
	return test_failures ? 1 : 0;
}

#endif
