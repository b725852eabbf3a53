/* SPDX-License-Identifier: Apache-2.0 */
/* A record as it is at one moment, copied: for tools that look at it after it is gone. */
#ifndef AGENT_VIEW_H
#define AGENT_VIEW_H

#include "lib/arena.h"
#include "pipeline/labels.h"
#include "pipeline/record.h"

struct view_attr {
	struct str name, value;
	uint8_t kind, type; /* enum attr_kind, enum attr_type */
};

/* A record between two stages. */
struct view {
	struct str line;
	int64_t time_ns;
	uint32_t flags, nlabels, nattrs;
	struct label *labels; /* the tenant among them */
	struct view_attr *attrs;
};

/* labels: those in force. Of attributes of one kind and name only the newest. */
struct view *view_of(struct arena *arena, const struct rec *r, const struct label *labels,
		     uint32_t n);

#endif
