/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by conf_test*.c: what a run of a test left behind. */
#ifndef AGENT_CONF_TEST_IMPL_H
#define AGENT_CONF_TEST_IMPL_H

#include "agent/agent_conf.h"
#include "agent/counts.h"
#include "agent/view.h"

struct conf_test_outcome {
	struct arena arena;
	const struct view **got;
	size_t ngot, cap;
	struct drops drops;
	struct buf metrics_before, metrics_after;
};

/* Writes the lines of a diff for what differs; returns whether all is as expected. has_expect: also
 * no record at all was asked for. */
bool conf_test_compare(const struct conf_test_outcome *o, const struct test_conf *test,
		       bool has_expect, struct buf *diff);

/* How much the series that the name (and labels, name{a="b"}) selects grew; of gauges the value. False
 * when there is none. */
bool conf_test_metric(const struct conf_test_outcome *o, struct str selector, double *ret);

#endif
