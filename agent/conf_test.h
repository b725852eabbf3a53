/* SPDX-License-Identifier: Apache-2.0 */
/* The tests of a configuration: entries of `tests`, run by `tailrace test`. */
#ifndef AGENT_CONF_TEST_H
#define AGENT_CONF_TEST_H

#include "lib/conf.h"

struct config;
struct config_test;

/* A record given to the pipeline. */
struct test_record_conf {
	struct str line, time;
	struct conf_map labels, metadata, extracted;
};

/* What must come of one; what is not said may be anything. */
struct test_expect_conf {
	struct str line, contains, time, tenant;
	struct conf_map labels, metadata, extracted;
	struct conf_list without;
};

struct test_conf {
	struct str pipeline, input, now, lines;
	struct conf_map labels;
	struct conf_sections records, expect;
	struct conf_map dropped, metrics;
};
extern const struct conf_table test_conf_table;

#define TEST_RECORDS_MAX 1000
#define TEST_LABELS_MAX 16 /* of a record, and of a test, over those of the input */
#define TEST_DEFAULT_NOW "2026-01-01T00:00:00Z"

/* Reads an RFC 3339 time. */
bool test_conf_time(struct str text, int64_t *ret_ns);

/* Runs one, with the clock of the process standing still. Returns whether it passed; if not,
 * what differed is written to diff, as a unified diff. */
bool conf_test_run(const struct config *c, const struct config_test *test, struct buf *diff);

/* One test that was run, for the report. */
struct conf_test_result {
	const struct config_test *test;
	bool is_passed;
	struct buf diff;
	int64_t took_ns;
};
/* JUnit XML, as CI systems read it. */
void conf_test_junit(const struct conf_test_result *results, size_t n, struct buf *out);

#endif
