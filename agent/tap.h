/* SPDX-License-Identifier: Apache-2.0 */
/* A live sample of records at one point of a pipeline, as its redact stages would leave them. A sampled record is
 * followed through the whole pipeline before anything of it is shown, as `explain` does: what a redact stage masks in
 * it later, or would mask in any of its states, is hidden. One that was dropped or held in front of a redact stage is
 * not shown at all, as nobody can say what that stage would have found.
 *
 * While a tap is open a lane copies a few records of a batch now and then; when none is, nothing. */
#ifndef AGENT_TAP_H
#define AGENT_TAP_H

#include "lib/buf.h"
#include "lib/err.h"

#define TAP_RATE_MAX 1000

struct agent;
struct tap;

struct tap_conf {
	struct str pipeline; /* empty: the only one */
	struct str
		stage; /* its number as in the status ("2.1"), or its name when that is the only one; empty: the whole pipeline */
	bool is_before; /* what goes in, not what comes out */
	unsigned rate;  /* records a second at most, 1 to TAP_RATE_MAX */
	bool as_json;
};

/* Main thread. ret: to be closed with tap_close(). */
int tap_open(struct agent *a, const struct tap_conf *conf, struct tap **ret,
	     struct err *err) MUST_USE;
/* What has come since the last time, oldest first; ended by line feeds. */
void tap_take(struct tap *t, struct buf *ret);
/* Detaches; frees t later, when no lane knows of it any more. */
void tap_close(struct tap *t);
/* At the end of all, when no lane runs: frees those that were closed and are not free yet. */
void tap_forget_all(void);

#endif
