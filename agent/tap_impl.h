/* SPDX-License-Identifier: Apache-2.0 */
/* Between tap_follow.c (on lanes) and tap.c (on the main thread). */
#ifndef AGENT_TAP_IMPL_H
#define AGENT_TAP_IMPL_H

#include "agent/explain_impl.h"
#include "agent/tap.h"
#include "lib/loop.h"

#define TAP_RECORDS_MAX 8 /* of one batch */
#define TAP_BYTES                                                                                  \
	((size_t)3 << 20) /* what a tap takes: copies, patterns, what is not fetched yet */

/* One record that is followed. */
struct followed {
	uint32_t index; /* in the batch */
	struct explain_trail *trail;
	struct explain_found *found;
	const struct view *shown; /* at the point; NULL: was not there */
	const struct explain_step *shown_at;
	bool is_clear; /* has met every redact stage there is in front of it */
};

struct tapped {
	struct mail mail;
	struct tap_lane *lane;
	const struct batch *b;
	const char *input;
	struct explain e; /* its arena is that of all */
	struct followed records[TAP_RECORDS_MAX];
	size_t n;
	struct tapped *next;
};

struct tap_lane {
	struct mail attach_mail, detach_mail;
	struct tap *tap;
	struct loop *loop;
	struct chain *chain;
	struct chain_trace trace;
	const struct stage *point;       /* NULL: the whole pipeline */
	const struct stage *last_redact; /* of the pipeline; NULL: there is none */
	size_t nstages;
	struct tapped *under_way;
	uint32_t turn; /* begins with another record each time */
};

struct tap {
	struct agent *agent;
	const struct config *config;
	size_t pipeline;
	struct budget *budget; /* of the pipeline, from which it has TAP_BYTES */
	bool is_before, as_json, is_closed, is_fused;
	unsigned rate;
	char where[64];
	_Atomic int credit;   /* records that may still be sampled now */
	_Atomic int nbatches; /* under way */
	_Atomic uint64_t too_long;
	struct timer refill;
	struct explain_asker **askers; /* by input of the pipeline */
	size_t naskers;
	uint64_t series, nasked;
	struct buf out;
	uint64_t skipped; /* no room in out */
	struct tap_lane *lanes;
	uint32_t nlanes, nattached;
	struct tap *next_closed;
};

/* The trace of a lane, which finds itself in ctx. */
struct chain_trace tap_trace(struct tap_lane *lane);
const struct explain_step *tap_last_step(const struct explain_trail *t);
/* tap.c: a batch has been followed to its end. Main thread. */
void tap_shown(struct mail *m);

#endif
