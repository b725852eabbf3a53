/* SPDX-License-Identifier: Apache-2.0 */
/* POST /reload: answered when the new configuration is in force, or with what is wrong with it. */
#include <errno.h>

#include "agent/admin_impl.h"
#include "agent/reload.h"
#include "lib/mem.h"

struct waiter {
	struct admin_held held;
	struct reload_request request;
	struct agent *agent;
	struct http_conn *c;
};

static void gone(struct admin_held *held)
{
	struct waiter *w = container_of(held, struct waiter, held);

	agent_reload_forget(w->agent, &w->request);
	mem_free(w);
}

static void done(struct reload_request *r, int rc, struct str text)
{
	struct waiter *w = container_of(r, struct waiter, request);
	struct buf body = BUF_INIT;

	buf_str(&body, rc == 0 ? STR("reloaded\n") : text);
	admin_answer(w->c,
		     rc == 0            ? 200
		     : rc == -ECANCELED ? 503
					: 422,
		     "text/plain; charset=utf-8", &body);
	buf_fini(&body);
	mem_free(w);
}

void admin_reload(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	struct waiter *w = mem_zalloc(sizeof(*w));

	(void)head;
	*w = (struct waiter){
		.held = { gone }, .request = { .done = done }, .agent = a->agent, .c = c
	};
	http_set_user(c, &w->held);
	agent_reload(a->agent, &w->request);
}
