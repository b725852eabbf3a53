/* SPDX-License-Identifier: Apache-2.0 */
/* The way to Loki over HTTP, small enough to be replaced: tests put a scripted one in its place. */
#ifndef OUTPUTS_LOKI_CLIENT_H
#define OUTPUTS_LOKI_CLIENT_H

#include "lib/err.h"
#include "lib/str.h"
#include "outputs/loki/answer.h"
#include "pipeline/labels.h"

struct loop;

/* One request. Embedded in its sender; body and tenant stay as they are until done() or cancel(). */
struct client_call {
	struct str body;   /* compressed */
	struct str tenant; /* X-Scope-OrgID; empty = not sent; tenant_is_valid() */
	/* On the loop's thread, never from inside send(). The answer is borrowed. May send again. */
	void (*done)(struct client_call *call, const struct answer *a);
	void *slot; /* the client's, while the call is under way */
	struct client_call *next;
};

struct client {
	void (*send)(struct client *c, struct client_call *call);
	/* Forgets a call that is under way: done() is not called. */
	void (*cancel)(struct client *c, struct client_call *call);
	/* Reads credentials again. True when they changed. */
	bool (*reread)(struct client *c);
	void (*free)(struct client *c); /* no call is under way */
};

struct loki_conf;

/* The real one: libcurl. Everything runs on loop's thread, except this call, which may come before
 * the thread runs. conf is borrowed. NULL with err. */
struct client *client_new(struct loop *loop, const struct loki_conf *conf, struct err *err);

#endif
