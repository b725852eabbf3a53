/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an output instance, for the agent: setup, open, start, flush, stop, close, teardown. */
#ifndef OUTPUTS_OUTPUT_RUN_H
#define OUTPUTS_OUTPUT_RUN_H

#include "outputs/output.h"

/* Makes the loop and the rings of an instance whose name, ops and conf are set. */
void output_setup(struct output *out, uint32_t nlanes, size_t port_capacity);
void output_start(struct output *out);
/* Any thread: send what is there without lingering. Not again before it has run. */
void output_flush(struct output *out);
/* Nothing submitted is unsettled. */
bool output_is_drained(const struct output *out);
/* Ends the thread; what is left is counted (output_ops.stop). No lane runs any more. */
void output_stop(struct output *out);
void output_teardown(struct output *out);

#endif
