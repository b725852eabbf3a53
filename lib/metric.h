/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus metrics. A series is one atomic 64-bit value; the data path adds once per batch.
 * Families are listed in metrics.def and nowhere else. Series live as long as the process. */
#ifndef LIB_METRIC_H
#define LIB_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/buf.h"

enum metric_id {
#define METRIC(id, name, type, help) METRIC_##id,
#include "lib/metrics.def"
#undef METRIC
	METRIC_MAX
};

struct metric {
	_Atomic int64_t value;
};

/* The series of a family with these labels, made when it is not there yet (any thread, takes a
 * lock: call at start or on rare paths and keep the pointer). Pairs of name, value; NULL ends.
 *	metric_get(METRIC_DROPPED, "pipeline", p->name, "reason", "too_long", NULL)
 * Past 10,000 series a shared overflow series is returned. */
struct metric *metric_get(enum metric_id id, ...) __attribute__((sentinel));

static inline void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

static inline void metric_set(struct metric *m, int64_t v)
{
	atomic_store_explicit(&m->value, v, memory_order_relaxed);
}

static inline int64_t metric_value(const struct metric *m)
{
	return atomic_load_explicit(&((struct metric *)(uintptr_t)m)->value, memory_order_relaxed);
}

/* One of the series of a family. */
struct metric_point {
	struct str labels; /* as in the text format: a="b",c="d" */
	size_t index;      /* within its family, fixed for life */
	int64_t value;
};
/* Calls fn for each series of the family; fn makes no series. */
void metric_walk(enum metric_id id, void (*fn)(void *ctx, const struct metric_point *point),
		 void *ctx);
/* The value of a label, as it is written there; p is NULL when there is none of that name. */
struct str metric_label(struct str labels, const char *name);

/* All values at one moment. Zeroed is one without series. */
struct metric_sample {
	size_t n[METRIC_MAX];
	int64_t *values[METRIC_MAX];
};
void metric_sample_take(struct metric_sample *ret);
/* 0 when there was no such series then. */
int64_t metric_sample_get(const struct metric_sample *s, enum metric_id id, size_t index);
void metric_sample_fini(struct metric_sample *s);

/* How they are written: the Prometheus text format 0.0.4, or OpenMetrics 1.0.0. */
enum metric_format { METRIC_TEXT, METRIC_OPEN };
const char *metric_media_type(enum metric_format format);

/* Families that others keep: `render` appends their text. Added once however often it is called. */
void metrics_render_also(void (*render)(struct buf *out, enum metric_format format));
/* "# HELP" and "# TYPE" of a family; help is escaped already. A counter of OpenMetrics is named without its
 * _total; one that has none is of unknown type there. */
void metric_render_head(struct buf *out, struct str name, const char *type, struct str help,
			enum metric_format format);

/* Everything. */
void metrics_render(struct buf *out, enum metric_format format);
/* The list of families, as Markdown. */
void metrics_describe(struct buf *out);

#endif
