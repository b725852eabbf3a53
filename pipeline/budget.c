/* SPDX-License-Identifier: Apache-2.0 */
/* Credits: one atomic counter, and a list of those who were refused. */
#include "lib/check.h"
#include "pipeline/budget.h"

void budget_init(struct budget *b, int64_t total_bytes)
{
	*b = (struct budget){ .total_bytes = total_bytes };
	atomic_init(&b->free_bytes, total_bytes);
	atomic_init(&b->mark_bytes, total_bytes / 4);
	pthread_mutex_init(&b->lock, NULL);
}

void budget_fini(struct budget *b)
{
	CHECK(!b->waiters);
	pthread_mutex_destroy(&b->lock);
}

void budget_resize(struct budget *b, int64_t total_bytes)
{
	int64_t more = total_bytes - atomic_exchange(&b->total_bytes, total_bytes);

	atomic_store(&b->mark_bytes, total_bytes / 4);
	if (more < 0)
		budget_force(b, (size_t)-more);
	else
		budget_give(b, (size_t)more);
}

int64_t budget_used(const struct budget *b)
{
	struct budget *budget = (struct budget *)(uintptr_t)b; /* reading is not const in C11 */

	return atomic_load(&budget->total_bytes) - atomic_load(&budget->free_bytes);
}

bool budget_take(struct budget *b, size_t n)
{
	int64_t free_bytes = atomic_load_explicit(&b->free_bytes, memory_order_relaxed);

	do {
		/* What is larger than the whole budget is let in alone, or it would wait for ever. */
		if (free_bytes < (int64_t)n && free_bytes < b->total_bytes)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&b->free_bytes, &free_bytes, free_bytes - (int64_t)n, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

void budget_force(struct budget *b, size_t n)
{
	atomic_fetch_sub_explicit(&b->free_bytes, (int64_t)n, memory_order_relaxed);
}

static void run_resume(struct mail *m)
{
	struct budget_waiter *w = container_of(m, struct budget_waiter, mail);

	atomic_store(&w->is_posted, false);
	w->resume(w);
}

static void wake_waiters(struct budget *b)
{
	struct budget_waiter *w, *next;

	pthread_mutex_lock(&b->lock);
	w = TAKE(b->waiters);
	atomic_store(&b->has_waiters, false);
	atomic_store(&b->mark_bytes, b->total_bytes / 4);
	for (; w; w = next) {
		next = w->next; /* from the post on, w belongs to its loop */
		w->next = NULL;
		w->is_waiting = false;
		atomic_store(&w->is_posted, true);
		loop_post(w->loop, &w->mail, run_resume);
	}
	pthread_mutex_unlock(&b->lock);
}

static bool has_room(const struct budget *b)
{
	struct budget *budget = (struct budget *)(uintptr_t)b; /* reading is not const in C11 */

	return atomic_load(&budget->free_bytes) >= atomic_load(&budget->mark_bytes);
}

void budget_give(struct budget *b, size_t n)
{
	atomic_fetch_add(&b->free_bytes, (int64_t)n);
	if (atomic_load(&b->has_waiters) && has_room(b))
		wake_waiters(b);
}

void budget_wait(struct budget *b, struct budget_waiter *w, size_t n)
{
	int64_t want = (int64_t)n < b->total_bytes ? (int64_t)n : b->total_bytes;

	pthread_mutex_lock(&b->lock);
	/* Resumed any earlier it would only be refused again, and again. */
	if (want > atomic_load(&b->mark_bytes))
		atomic_store(&b->mark_bytes, want);
	/* Refused again while its mail is under way: that one resumes it, and a mail that is in a
	 * mailbox already must not be posted again. */
	if (atomic_load(&w->is_posted)) {
		pthread_mutex_unlock(&b->lock);
		return;
	}
	if (!w->is_waiting) {
		w->is_waiting = true;
		w->next = b->waiters;
		b->waiters = w;
	}
	atomic_store(&b->has_waiters, true);
	pthread_mutex_unlock(&b->lock);
	/* Credit that came back between the refusal and the registration. */
	if (has_room(b))
		wake_waiters(b);
}

void budget_forget(struct budget *b, struct budget_waiter *w)
{
	pthread_mutex_lock(&b->lock);
	for (struct budget_waiter **at = &b->waiters; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			break;
		}
	}
	w->is_waiting = false;
	pthread_mutex_unlock(&b->lock);
}

void budget_hold(struct budget *b, int64_t bytes)
{
	atomic_fetch_add_explicit(&b->held_bytes, bytes, memory_order_relaxed);
	if (bytes > 0)
		budget_force(b, (size_t)bytes);
	else if (bytes < 0)
		budget_give(b, (size_t)-bytes);
}

bool budget_holds_much(const struct budget *b)
{
	struct budget *budget = (struct budget *)(uintptr_t)b;

	return atomic_load_explicit(&budget->held_bytes, memory_order_relaxed) > b->total_bytes / 4;
}
