/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics that a configuration makes from records: families with names, help and type from there,
 * and series by the labels of records. Several stages and lanes may have the same family; each lane
 * writes series of its own, without a lock, and /metrics shows their sum. A series that was idle for
 * long is shown once more and then forgotten. */
#ifndef PIPELINE_SERIES_H
#define PIPELINE_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"

struct labels;
struct series;
struct series_set; /* the series of one family that one lane writes */

#define SERIES_MAX_OF_FAMILY 10000
#define SERIES_BUCKETS_MAX 64

enum series_type { SERIES_COUNTER, SERIES_GAUGE, SERIES_HISTOGRAM };

struct series_conf {
	struct str name; /* a valid metric name */
	struct str help;
	enum series_type type;
	int64_t max_idle_ns;
	size_t nbuckets; /* of a histogram: upper bounds, growing, without infinity */
	double buckets[SERIES_BUCKETS_MAX];
};

/* Fails when the family exists with another type or other buckets. */
int series_open(const struct series_conf *conf, struct series_set **ret, struct err *err);
void series_close(struct series_set *s);

/* A batch begins: label sets found before may be gone. Monotonic time. */
void series_begin(struct series_set *s, int64_t now_ns);
/* The series with these labels, but for those whose names begin with "__" (NULL: none), valid until
 * the next call; NULL when there are too many, which is counted. */
struct series *series_find(struct series_set *s, const struct labels *labels);

void series_add(struct series *s, double value);     /* counters and gauges */
void series_set(struct series *s, double value);     /* gauges: the latest of all lanes counts */
void series_observe(struct series *s, double value); /* histograms */

#endif
