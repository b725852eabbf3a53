/* SPDX-License-Identifier: Apache-2.0 */
/* A lane runs batches of the sources pinned to it through their pipelines' chains. With `threads: 1`
 * the only lane lives on the I/O thread and is called directly; with N each has a thread and gets
 * batches through single-producer rings (ports), one per producing thread.
 *
 * A batch says by itself where it goes (its way), so chains come and go while a lane runs: what was
 * submitted before goes through the old one, in order, what is submitted later through the new one. */
#ifndef PIPELINE_LANE_H
#define PIPELINE_LANE_H

#include <stdatomic.h>

#include "lib/loop.h"
#include "lib/ring.h"
#include "pipeline/batch.h"

struct chain;
struct lane;

/* Where the batches of one input go. Outlives them. */
struct way {
	struct chain **chains;    /* of its pipeline, by lane */
	uint32_t entry;           /* into them: the stages of the input in front, or 0 */
	_Atomic int64_t nbatches; /* submitted and not yet through the chain */
};

/* loop: a shared one (fused), or NULL for a thread of its own. */
struct lane *lane_new(uint32_t index, struct loop *loop);
void lane_free(struct lane *l); /* closes its chains */
struct loop *lane_loop(struct lane *l);
/* Before lane_start(), or on the lane's thread (a mail to its loop). A chain is the lane's from add to
 * del, which closes it: it was flushed, and no batch is on its way to it. */
void lane_add_chain(struct lane *l, struct chain *c);
void lane_del_chain(struct lane *l, struct chain *c);
void lane_start(struct lane *l);

/* No producer pushes any more: everything in the ports is run, then the stages are flushed. What is
 * still in the ports at *deadline_ns (monotonic; it may be brought forward meanwhile) is given up,
 * chain_give_up(). The loop turns meanwhile. NULL: there is no deadline. */
void lane_end(struct lane *l, const _Atomic int64_t *deadline_ns);
bool lane_has_ended(const struct lane *l);
/* Waits for that, and ends the thread. */
void lane_join(struct lane *l);
static inline void lane_stop(struct lane *l)
{
	lane_end(l, NULL);
	lane_join(l);
}

/* True when the caller's thread is the lane's: lane_run() may be called. */
bool lane_is_fused(const struct lane *l);
void lane_run(struct lane *l, struct batch *b);

struct lane_port;
/* On the thread that starts the lane, as is free; capacity in batches. */
struct lane_port *lane_port_new(struct lane *l, size_t capacity);
void lane_port_push(struct lane_port *p, struct batch *b);
void lane_port_free(struct lane_port *p); /* the producer has ended; what is in it is still run */

#endif
