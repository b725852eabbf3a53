/* SPDX-License-Identifier: Apache-2.0 */
/* How soon a file that was written to is looked at. A look costs the same for one new line and for
 * ten. So time is divided into rounds, which last the longer the more files were looked at in them;
 * a file is looked at once in a round, at its first event (a quiet file's line does not wait), and
 * once more when the round is over if there were others. Few files are never held up: their round is
 * over before the watch tells of them again.
 *
 * Where so much is written that events cost more than the looks they lead to, the watch is muted
 * (watch_census_end()), and all files of the directory are looked at in every round. */
#include "inputs/file/file.h"
#include "lib/clock.h"

#define ROUND_MAX_NS (80 * NS_PER_MS) /* the longest that a line waits for its look */

static int64_t round_end_ns(const struct file_input *fi)
{
	size_t looks = fi->pace_looks > fi->nunheard ? fi->pace_looks : fi->nunheard;
	int64_t ns = (int64_t)looks * fi->pace_look_ns;

	if (fi->nunheard && ns < WATCH_PACE_NS)
		ns = WATCH_PACE_NS;
	return fi->pace_began_ns + (ns < ROUND_MAX_NS ? ns : ROUND_MAX_NS);
}

static void look_now(struct tail *t)
{
	t->pace_round = t->fi->pace_round;
	t->fi->pace_looks++;
	tail_ready(t);
}

static void on_round_end(struct timer *timer);

/* Those that no event tells of; and so again. */
static void look_at_unheard(struct file_input *fi)
{
	if (!fi->nunheard)
		return;
	for (struct active *a = fi->actives; a; a = a->next)
		if (a->is_unheard && !a->tail->is_ready)
			look_now(a->tail);
	if (!fi->is_stopped)
		loop_timer_set(fi->in->loop, &fi->pace_timer, round_end_ns(fi), on_round_end);
}

static void begin_round(struct file_input *fi)
{
	struct tail *t;

	loop_timer_del(fi->in->loop, &fi->pace_timer);
	fi->pace_round++;
	fi->pace_looks = 0;
	fi->pace_began_ns = clock_mono_ns();
	while ((t = fi->held)) {
		pace_forget(t);
		look_now(t);
	}
	look_at_unheard(fi);
}

static void set_unheard(struct tail *t, bool is_unheard)
{
	struct file_input *fi = t->fi;

	if (is_unheard == (t->active && t->active->is_unheard))
		return;
	active_of(t)->is_unheard = is_unheard;
	fi->nunheard += is_unheard ? 1U : (size_t)-1;
	tail_ready(t); /* what was written before it was heard again */
	if (is_unheard && !fi->pace_timer.slot && !fi->is_stopped)
		loop_timer_set(fi->in->loop, &fi->pace_timer, round_end_ns(fi), on_round_end);
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

	take_census(fi);
	begin_round(fi);
}

void pace_forget(struct tail *t)
{
	if (!t->held_link)
		return;
	*t->held_link = t->next_held;
	if (t->next_held)
		t->next_held->held_link = t->held_link;
	else
		t->fi->held_end = t->held_link;
	t->held_link = NULL;
}

void pace_written(struct tail *t)
{
	struct file_input *fi = t->fi;

	if (t->is_ready || t->held_link || t->is_closed)
		return;
	if (t->pace_round != fi->pace_round) {
		look_now(t);
		return;
	}
	if (!fi->held) {
		if (clock_mono_ns() >= round_end_ns(fi)) {
			begin_round(fi);
			look_now(t);
			return;
		}
		loop_timer_set(fi->in->loop, &fi->pace_timer, round_end_ns(fi), on_round_end);
		fi->held_end = &fi->held;
	}
	t->next_held = NULL;
	t->held_link = fi->held_end;
	*fi->held_end = t;
	fi->held_end = &t->next_held;
}
