/* SPDX-License-Identifier: Apache-2.0 */
/* A lane runs batches of the sources pinned to it through their pipelines' chains. With `threads: 1`
 * the only lane lives on the I/O thread and is called directly; with N each has a thread and gets
 * batches through single-producer rings (ports), one per producing thread. */
#ifndef PIPELINE_LANE_H
#define PIPELINE_LANE_H

#include "lib/loop.h"
#include "lib/ring.h"
#include "pipeline/batch.h"

struct chain;
struct lane;

/* loop: a shared one (fused), or NULL for a thread of its own. chains are added before start. */
struct lane *lane_new(uint32_t index, struct loop *loop, size_t nchains);
void lane_free(struct lane *l);
struct loop *lane_loop(struct lane *l);
void lane_set_chain(struct lane *l, size_t pipeline, struct chain *c);
struct chain *lane_chain(const struct lane *l, size_t pipeline); /* NULL before it is set */
void lane_start(struct lane *l);
/* Waits until everything in the ports is through, flushes the stages and ends the thread. */
void lane_stop(struct lane *l);

/* True when the caller's thread is the lane's: lane_run() may be called. */
bool lane_is_fused(const struct lane *l);
void lane_run(struct lane *l, size_t pipeline, struct batch *b);

struct lane_port;
/* Made before lane_start(); capacity in batches. */
struct lane_port *lane_port_new(struct lane *l, size_t pipeline, size_t capacity);
void lane_port_push(struct lane_port *p, struct batch *b);
void lane_port_free(struct lane_port *p); /* the producer has ended and the lane has stopped */

#endif
