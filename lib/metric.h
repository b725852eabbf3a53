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

/* Families that others keep: `render` appends their text. Added once however often it is called. */
void metrics_render_also(void (*render)(struct buf *out));

/* Prometheus text exposition format 0.0.4 of everything. */
void metrics_render(struct buf *out);

#endif
