/* SPDX-License-Identifier: Apache-2.0 */
/* The way of an input's batches into its pipeline, made by the agent: which lanes there are, which
 * flows count its records. */
#ifndef INPUTS_INTAKE_H
#define INPUTS_INTAKE_H

#include "inputs/input.h"
#include "pipeline/block.h"
#include "pipeline/lane.h"

struct intake {
	size_t pipeline; /* index of its chain in every lane */
	struct lane **lanes;
	uint32_t nlanes;
	struct flow **flows; /* one per output of the pipeline */
	size_t nflows;
	struct lane_port **ports; /* of the I/O thread, one per lane; NULL when the lane is fused */
	size_t port_capacity;
};

/* Sets up the counters, credit and size limits of an instance whose name, ops, conf, loop, intake
 * and budget are set. */
void input_setup(struct input *in);

#endif
