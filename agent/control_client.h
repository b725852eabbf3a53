/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' side of the control socket: one request, one answer, blocking. */
#ifndef AGENT_CONTROL_CLIENT_H
#define AGENT_CONTROL_CLIENT_H

#include "lib/buf.h"
#include "lib/err.h"

struct control_answer {
	unsigned status; /* of HTTP */
	struct buf body; /* buf_fini() it */
};

/* Asks over the socket at `path`; target: "/status?format=text". timeout_ms is for the whole. Returns 0, or negative
 * with err when there was no answer (-ENOENT, -ECONNREFUSED: no agent runs there). */
int control_ask(const char *path, const char *method, const char *target, int timeout_ms,
		struct control_answer *ret, struct err *err) MUST_USE;

#endif
