/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of hold*.c: what is open between batches. */
#ifndef PIPELINE_HOLD_IMPL_H
#define PIPELINE_HOLD_IMPL_H

#include "pipeline/hold.h"

void held_list_add(struct held_list *l, struct held *d);
void held_list_del(struct held_list *l, struct held *d);

/* At the end of a batch: what d has open in b, or joined to what was stored before. */
void hold_store(struct hold *h, struct held *d, struct batch *b, int64_t deadline_ns);
/* No position may stand behind what is open, nor between this batch and those that it comes from:
 * they settle not before this one does, and this one not before what is open. */
void hold_keep_acks(struct hold *h, struct batch *b);
/* Everything but the line, of what is stored. */
void hold_load(const struct held *d, struct batch *b, struct rec *r);
/* Nothing is open any more. */
void hold_release(struct hold *h, struct held *d);

#endif
