/* SPDX-License-Identifier: Apache-2.0 */
/* How soon a file that was written to is looked at. A look costs the same for one new line and for
 * ten. So time is divided into rounds, which last the longer the more files were looked at in them;
 * a file is looked at once in a round, at its first event (a quiet file's line does not wait), and
 * once more when the round is over if there were others. One in which a look found many lines rests
 * for some rounds more: they do not wait alone. Few files are never held up: their round is over
 * before the watch tells of them again.
 *
 * Where so much is written that events cost more than the looks they lead to, the watch is muted
 * (watch_census_end()), and all files of the directory are looked at in every round they do not rest. */
#include "inputs/file/file.h"
#include "lib/clock.h"

#define ROUND_MAX_NS (60 * NS_PER_MS) /* the longest that a quiet file's line waits for its look */
#define MANY_LINES 4                  /* found by one look */
#define REST_ROUNDS (PACE_LISTS - 1)

static int64_t round_end_ns(const struct file_input *fi)
{
	size_t looks = fi->pace_looks > fi->nunheard ? fi->pace_looks : fi->nunheard;
	int64_t ns = (int64_t)looks * fi->pace_look_ns;

	if (fi->nunheard && ns < WATCH_PACE_NS)
		ns = WATCH_PACE_NS;
	return fi->pace_began_ns + (ns < ROUND_MAX_NS ? ns : ROUND_MAX_NS);
}

static bool is_unheard(const struct tail *t)
{
	return t->active && t->active->is_unheard;
}

/* It had its look of this round, or rests. */
static bool has_had_look(const struct tail *t)
{
	return t->pace_round - t->fi->pace_round <= REST_ROUNDS;
}

static struct pace_list *due_in(struct file_input *fi, uint32_t round)
{
	return &fi->held[round % PACE_LISTS];
}

static void on_round_end(struct timer *timer);

static void set_timer(struct file_input *fi)
{
	if (fi->nheld && !fi->pace_timer.slot && !fi->is_stopped)
		loop_timer_set(fi->in->loop, &fi->pace_timer, round_end_ns(fi), on_round_end);
}

/* Up to the round behind its last one. */
static void hold(struct tail *t)
{
	struct pace_list *list = due_in(t->fi, t->pace_round + 1);

	if (!list->first)
		list->end = &list->first;
	t->next_held = NULL;
	t->held_link = list->end;
	*list->end = t;
	list->end = &t->next_held;
	t->fi->nheld++;
}

void pace_forget(struct tail *t)
{
	if (!t->held_link)
		return;
	*t->held_link = t->next_held;
	if (t->next_held)
		t->next_held->held_link = t->held_link;
	else
		due_in(t->fi, t->pace_round + 1)->end = t->held_link;
	t->held_link = NULL;
	t->fi->nheld--;
}

/* Where no event will tell, the next one is due as well. */
static void look_now(struct tail *t)
{
	t->pace_round = t->fi->pace_round;
	t->fi->pace_looks++;
	tail_ready(t);
	if (is_unheard(t))
		hold(t);
}

static void begin_round(struct file_input *fi)
{
	struct pace_list *due = due_in(fi, ++fi->pace_round);
	struct tail *t;

	loop_timer_del(fi->in->loop, &fi->pace_timer);
	fi->pace_looks = due->nresting;
	due->nresting = 0;
	fi->pace_began_ns = clock_mono_ns();
	while ((t = due->first)) {
		pace_forget(t);
		look_now(t);
	}
	set_timer(fi);
}

static void set_unheard(struct tail *t, bool unheard)
{
	struct file_input *fi = t->fi;

	if (unheard == is_unheard(t))
		return;
	active_of(t)->is_unheard = unheard;
	fi->nunheard += unheard ? 1U : (size_t)-1;
	pace_forget(t);
	if (unheard)
		look_now(t);
	else
		tail_ready(t); /* what was written before it was heard again */
	set_timer(fi);
}

void pace_moved(struct tail *t)
{
	set_unheard(t, !t->is_closed && t->path.p && watch_is_muted(t->fi->watch, t->path));
}

void pace_hear(struct tail *t)
{
	set_unheard(t, false);
}

/* What waits to be read has grown in all of them. */
static uint32_t growths(const struct tail *t, uint32_t rounds)
{
	return t->is_ready ? rounds : t->active ? t->active->ngrown : 0;
}

/* Once in a while when there is much to do: is it worth its price to hear of it? */
static void take_census(struct file_input *fi)
{
	uint32_t rounds = fi->pace_round - fi->census_round;
	int64_t now_ns = clock_mono_ns();

	if (now_ns - fi->census_ns < fi->census_every_ns || !rounds ||
	    (!fi->nunheard && (int64_t)fi->pace_looks * fi->pace_look_ns < WATCH_PACE_NS))
		return;
	watch_census_begin(fi->watch);
	links_count(fi);
	for (struct tail *t = fi->tails; t; t = t->next) {
		if (t->path.p && !t->is_closed)
			watch_census_file(fi->watch, t->path, growths(t, rounds));
		if (t->active)
			t->active->ngrown = 0;
	}
	if (watch_census_end(fi->watch, rounds))
		for (struct tail *t = fi->tails; t; t = t->next)
			pace_moved(t);
	fi->census_ns = now_ns;
	fi->census_round = fi->pace_round;
}

/* Not in begin_round(), which can be called while events are handed out. */
static void on_round_end(struct timer *timer)
{
	struct file_input *fi = container_of(timer, struct file_input, pace_timer);

	if (clock_mono_ns() < round_end_ns(fi)) { /* it has become longer */
		set_timer(fi);
		return;
	}
	take_census(fi);
	begin_round(fi);
}

void pace_found(struct tail *t, size_t nlines)
{
	struct file_input *fi = t->fi;
	bool is_held = t->held_link != NULL;

	if (nlines < MANY_LINES || t->pace_round != fi->pace_round)
		return;
	pace_forget(t);
	t->pace_round += REST_ROUNDS;
	if (is_held)
		hold(t);
	/* As if it had been looked at in them. */
	t->active->ngrown += REST_ROUNDS;
	for (uint32_t i = 1; i <= REST_ROUNDS; i++)
		due_in(fi, fi->pace_round + i)->nresting++;
}

void pace_written(struct tail *t)
{
	struct file_input *fi = t->fi;

	if (t->is_ready || t->held_link || t->is_closed)
		return;
	if (!has_had_look(t)) {
		look_now(t);
		return;
	}
	if (!fi->nheld && clock_mono_ns() >= round_end_ns(fi)) {
		begin_round(fi);
		look_now(t);
		return;
	}
	hold(t);
	set_timer(fi);
}
