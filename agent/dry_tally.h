/* SPDX-License-Identifier: Apache-2.0 */
/* What a dry run counts, from the probes of its chain: once a batch, not once a record, but for what
 * goes out. */
#ifndef AGENT_DRY_TALLY_H
#define AGENT_DRY_TALLY_H

#include <stdio.h>

#include "agent/counts.h"
#include "lib/map.h"
#include "pipeline/labels.h"

#define TALLY_STREAMS_MAX 100000 /* looked into */

struct tally_stream {
	struct map_node node; /* by the hash of its labels */
	struct tally_stream *next;
	uint64_t nrecs;
	uint32_t nlabels;
	struct label labels[];
};

struct tally {
	struct chain_trace trace; /* for the chain */
	uint64_t lines_in, bytes_in, lines_out, bytes_out;
	struct drops drops;
	struct counts redactions; /* by detector */
	struct map streams;
	struct tally_stream *first_stream;
	uint64_t nstreams; /* also those not looked into */
	struct arena arena;
	int64_t start_ns;
};

void tally_init(struct tally *t);
void tally_fini(struct tally *t);
void tally_print(struct tally *t, FILE *to);

#endif
