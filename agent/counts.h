/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by name and reason for the tools, and how records that stages drop are counted by stage: the
 * chain tells the reason first and the stage when it has run. */
#ifndef AGENT_COUNTS_H
#define AGENT_COUNTS_H

#include "lib/arena.h"
#include "pipeline/chain.h"

#define COUNTS_MAX 256 /* distinct names and reasons; what is beyond is left out */

struct count {
	struct str name, reason; /* in the arena; never NULL */
	uint64_t n;
};

struct counts {
	struct arena arena;
	struct count items[COUNTS_MAX];
	size_t n;
};

void counts_add(struct counts *c, struct str name, struct str reason, uint64_t n);
uint64_t counts_sum(const struct counts *c);
void counts_fini(struct counts *c);

/* Zero-initialise; drops_fini(). */
struct drops {
	struct counts by_stage;
	struct counts pending; /* of the stage that is running, which is not known yet */
};

/* From chain_trace.dropped, and from CHAIN_RAN. */
void drops_add(struct drops *d, const char *reason, uint64_t n);
void drops_ran(struct drops *d, const struct stage *s);
void drops_fini(struct drops *d);

#endif
