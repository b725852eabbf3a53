/* SPDX-License-Identifier: Apache-2.0 */
/* Between admin.c, which has the doors and the table of requests, and the files that answer them. */
#ifndef AGENT_ADMIN_IMPL_H
#define AGENT_ADMIN_IMPL_H

#include "agent/admin.h"
#include "agent/agent_impl.h"
#include "lib/http_server.h"

struct status_desk;
struct tap_desk;

struct admin_door {
	struct admin *admin;
	struct conf_addr addr;
	struct http_conf conf;
	struct http_server *server; /* NULL: closed */
	bool is_control;
	int64_t group; /* -1: none */
};

struct admin {
	struct agent *agent;
	struct admin_door port, control;
	struct status_desk *status;
	struct tap_desk *tap;
};

/* A request that is answered later is this, in what the handler keeps for it: http_set_user(c, &mine->held). */
struct admin_held {
	void (*gone)(struct admin_held *held); /* the client has left: no answer */
};

/* Plain text, or JSON. */
void admin_answer(struct http_conn *c, unsigned status, const char *type, const struct buf *body);

/* admin_status.c: /status, as JSON, or as text with ?format=text. Rates are those of the last second or seconds;
 * the first who asks waits for one. */
struct status_desk *status_desk_new(struct admin *admin);
void status_desk_free(struct status_desk *desk);
void admin_status(struct admin *admin, struct http_conn *c, const struct http1_head *head);

/* admin_tap.c: /tap */
struct tap_desk *tap_desk_new(struct admin *admin);
void tap_desk_stop(
	struct tap_desk
		*desk); /* nothing looks into lanes when the next mail of theirs has been run */
void tap_desk_free(struct tap_desk *desk);
void admin_tap(struct admin *admin, struct http_conn *c, const struct http1_head *head);

/* admin_page.c: the page at / */
void admin_page(struct admin *admin, struct http_conn *c, const struct http1_head *head);

/* admin_reload.c */
void admin_reload(struct admin *admin, struct http_conn *c, const struct http1_head *head);

#endif
