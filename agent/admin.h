/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's ways in, both HTTP/1.1 with few connections and short deadlines: the admin port, which only
 * tells, and the control socket, which also does things. Their budget is their own; they never affect the
 * pipeline. What is answered is the table in admin.c. */
#ifndef AGENT_ADMIN_H
#define AGENT_ADMIN_H

#include "lib/err.h"

struct admin;
struct agent;

/* Opens both as the plan of `a` says. A port that cannot be opened is an error, a socket only a line in the log. */
int admin_new(struct agent *a, struct admin **ret, struct err *err);
/* Before lanes or chains go away: what looks into them lets go, at once, or by mails to the lanes that are under way
 * at the return. Any number of times; both doors stay open. */
void admin_stop(struct admin *admin);
void admin_free(struct admin *admin);

#endif
