/* SPDX-License-Identifier: Apache-2.0 */
/* How soon a file that was written to is looked at. A look costs the same for one new line and for
 * ten. So time is divided into rounds, which last the longer the more files were looked at in them;
 * a file is looked at once in a round, at its first event (a quiet file's line does not wait), and
 * once more when the round is over if there were others. Few files are never held up: their round is
 * over before the watch tells of them again. */
#include "inputs/file/file.h"
#include "lib/clock.h"

#define ROUND_MAX_NS (80 * NS_PER_MS) /* the longest that a line waits for its look */

static int64_t round_end_ns(const struct file_input *fi)
{
	int64_t ns = (int64_t)fi->pace_looks * fi->pace_look_ns;

	return fi->pace_began_ns + (ns < ROUND_MAX_NS ? ns : ROUND_MAX_NS);
}

static void look_now(struct tail *t)
{
	t->pace_round = t->fi->pace_round;
	t->fi->pace_looks++;
	tail_ready(t);
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
}

static void on_round_end(struct timer *timer)
{
	begin_round(container_of(timer, struct file_input, pace_timer));
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
