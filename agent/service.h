/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told: ready, stopping, how much flows, and that the loops turn (sd_notify(3)). Does nothing
 * when nobody set NOTIFY_SOCKET. */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include "lib/loop.h"

/* Totals since the start; what is held is of now. */
struct service_counts {
	int64_t in, delivered, dropped, held;
};

struct service_turn;

/* Embedded in its owner; everything is called on the thread of `loop`. */
struct service {
	struct loop *loop;
	int fd;
	int64_t period_ns, watchdog_ns; /* 0: not asked for */
	struct timer tick;
	struct service_turn *turns; /* one per watched loop */
	unsigned nturns;
	void (*count)(void *ctx, struct service_counts *ret);
	void *ctx;
	struct service_counts last;
	int64_t last_ns;
	char status[160]; /* as said last */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void service_init(struct service *s, struct loop *loop);
/* Before service_ready(): a loop of another thread that must turn, too, or the watchdog is not fed. At most nloops
 * of them, which outlive service_unwatch(). */
void service_watch(struct service *s, struct loop *const *loops, unsigned nloops);
/* Says READY=1, and from then on the rates and WATCHDOG=1: only while all loops turn. A loop that waits for its
 * output to come back does turn. */
void service_ready(struct service *s, void (*count)(void *ctx, struct service_counts *ret),
		   void *ctx);
/* Says that a new configuration is looked at, and that it is in force or was refused. */
void service_reloading(struct service *s);
void service_reloaded(struct service *s);
/* Says STOPPING=1, and that it may take that long. Not again. */
void service_stopping(struct service *s, int64_t timeout_ns);
/* The threads of the watched loops have ended. */
void service_unwatch(struct service *s);
/* Why there was no start. */
void service_failed(struct service *s, const char *text);
void service_fini(struct service *s); /* before its loop is freed */

#endif
