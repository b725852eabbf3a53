/* SPDX-License-Identifier: Apache-2.0 */
/* The way of one input's batches into its pipeline, made by the agent: which lanes there are, which
 * flows count its records. */
#ifndef INPUTS_INTAKE_H
#define INPUTS_INTAKE_H

#include "inputs/input.h"
#include "pipeline/block.h"
#include "pipeline/lane.h"

struct intake {
	struct way way;
	struct lane **lanes;
	uint32_t nlanes;
	struct flow **flows; /* one per output of the pipeline */
	size_t nflows;
	struct budget *budget;    /* of the pipeline */
	struct lane_port **ports; /* of the I/O thread, one per lane; NULL when the lane is fused */
	size_t port_capacity;
};

/* Sets up the counters, credit and size limits of an instance whose name, ops, conf, loop and intake
 * are set. */
void input_setup(struct input *in);
/* A running input: what it submits from now on goes that way, what its receiving threads do as soon as they
 * hear of it. */
void input_switch(struct input *in, struct intake *to);
/* They have. */
bool input_has_switched(const struct input *in);

#endif
