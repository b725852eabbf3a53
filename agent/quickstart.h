/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace run --quickstart`: a place with something to look at. */
#ifndef AGENT_QUICKSTART_H
#define AGENT_QUICKSTART_H

#include "lib/buf.h"
#include "lib/err.h"

/* Makes the demo folder (TAILRACE_QUICKSTART, else /tmp/tailrace-demo) with logs/demo.log and state/,
 * and sets the variable for conf.d/quickstart.yaml, whose path is put into config. */
int quickstart_prepare(struct buf *config, struct err *err) MUST_USE;

#endif
