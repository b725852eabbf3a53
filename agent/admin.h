/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics, /ready and /healthz over HTTP/1.1: GET and HEAD only, no bodies, few connections, short
 * deadlines. Its budget is its own; it never affects the pipeline. */
#ifndef AGENT_ADMIN_H
#define AGENT_ADMIN_H

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"

struct admin;

/* addr is borrowed; is_ready is read at each request to /ready; on_scrape(ctx) runs before /metrics is rendered. */
int admin_new(struct loop *loop, const struct conf_addr *addr, const bool *is_ready,
	      void (*on_scrape)(void *ctx), void *ctx, struct admin **ret, struct err *err);
void admin_free(struct admin *a);

#endif
