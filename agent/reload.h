/* SPDX-License-Identifier: Apache-2.0 */
/* A new configuration while the agent runs. It is built beside the old one; only when all of it could be built is
 * it put in its place, and what is the same in both stays as it is: sockets, connections, positions, labels, held records.
 *
 *	an input that is the same	goes on; its next batch goes through the new stages when the old ones
 *					have let go of what they held
 *	one that is gone		stops reading; its records are delivered
 *	a pipeline that is not the same	new stages, which begin with an empty memory
 *	an output that is gone		has `shutdown_timeout` to deliver what it holds; what it could not stays
 *					with its source, and is read or sent again
 *	one that is not the same	both of the above; the new one begins when the old one has ended, so
 *					that nothing overtakes
 */
#ifndef AGENT_RELOAD_H
#define AGENT_RELOAD_H

#include "lib/str.h"

struct agent;

/* Somebody who waits for the outcome. */
struct reload_request {
	struct reload_request *next;
	/* rc 0: the new configuration is in force. Negative: nothing has changed, and text, lines, says why. */
	void (*done)(struct reload_request *r, int rc, struct str text);
};

/* On the agent's thread; r may be NULL. Done at once or, while another one is under way, after that; requests that
 * wait then are answered together. */
void agent_reload(struct agent *a, struct reload_request *r);
/* r is not answered. */
void agent_reload_forget(struct agent *a, struct reload_request *r);

#endif
