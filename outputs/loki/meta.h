/* SPDX-License-Identifier: Apache-2.0 */
/* Structured metadata of a record, as Loki takes it: valid names, each once, within its limits.
 * An empty name, or one of underscores only, would make Loki answer 500 to the whole request for
 * ever, so every name is made valid here. */
#ifndef OUTPUTS_LOKI_META_H
#define OUTPUTS_LOKI_META_H

#include "pipeline/labels.h"
#include "pipeline/record.h"

struct arena;
struct meta;

/* For one batch; everything in scratch memory. */
struct meta *meta_new(struct arena *scratch);
/* Pairs that got a number behind their name so far. */
uint64_t meta_renamed(const struct meta *m);

/* The metadata of r as fields 3 of an Entry, in scratch memory; empty when there is none. Of two
 * values with one name the later is sent; when only making names valid made them equal, the later
 * gets a number behind it. What does not fit is left out (*ret_was_cut). Flags of the record, this
 * one included, are sent as one pair, REC_FLAGS_NAME. extra_flags: REC_* that hold besides
 * r->flags. */
struct str meta_encode(struct meta *m, const struct rec *r, uint32_t extra_flags,
		       bool *ret_was_cut);

#endif
