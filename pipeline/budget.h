/* SPDX-License-Identifier: Apache-2.0 */
/* Backpressure: bytes of records in flight, as credits. One budget per pipeline, so that a dead
 * output stops only the sources that feed it. Any thread. */
#ifndef PIPELINE_BUDGET_H
#define PIPELINE_BUDGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "lib/loop.h"

/* Someone who was refused and wants to hear when credit is back. Embedded in an input. */
struct budget_waiter {
	struct mail mail;
	struct budget_waiter *next;
	struct loop *loop;
	void (*resume)(struct budget_waiter *w); /* on loop's thread, once per budget_wait() */
	bool is_waiting;                         /* under the budget's lock */
	_Atomic bool is_posted;                  /* the mail is under way */
};

struct budget {
	_Atomic int64_t free_bytes;
	_Atomic int64_t total_bytes;
	_Atomic int64_t mark_bytes; /* free credit at which waiters are resumed */
	_Atomic int64_t held_bytes; /* taken for what stages hold: comes back only from them */
	_Atomic bool has_waiters;
	pthread_mutex_t lock; /* of the list; never taken when there is credit */
	struct budget_waiter *waiters;
};

void budget_init(struct budget *b, int64_t total_bytes);
void budget_fini(struct budget *b);
/* What is taken stays taken, also when that is more than there is now. */
void budget_resize(struct budget *b, int64_t total_bytes);
/* Bytes taken. */
int64_t budget_used(const struct budget *b);
/* False (nothing taken) when free credit is below n. */
bool budget_take(struct budget *b, size_t n);
/* Takes even below zero: for what must go on so that credit can come back at all. */
void budget_force(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);
/* Registers w, who was refused n bytes; it is resumed when at least a quarter of the total, and n, is
 * free. Idempotent. */
void budget_wait(struct budget *b, struct budget_waiter *w, size_t n);
/* w is not resumed after this returns, unless its mail is already under way (same loop). */
void budget_forget(struct budget *b, struct budget_waiter *w);
/* Bytes taken for what a stage holds (negative: given back). */
void budget_hold(struct budget *b, int64_t bytes);
/* Stages hold more than a quarter: they must let go, or it could happen that nothing else is left
 * that would ever give credit back. (A dead output is no reason: what it has in memory comes back
 * when it lives.) */
bool budget_holds_much(const struct budget *b);

#endif
