/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one file: opened, read, rewritten, rotated away, closed, settled. */
#include <errno.h>
#include <unistd.h>

#include "inputs/file/archives.h"
#include "inputs/file/unpack.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define ROTATED_POLL_NS (250 * NS_PER_MS)
#define TROUBLES_MAX 40 /* ten seconds */
#define SAVE_DELAY_NS NS_PER_S

uint64_t tail_id_hash(const struct file_id *id)
{
	return (id->ino ^ id->dev << 48) * 0x9e3779b97f4a7c15;
}

static struct tail *from_label(struct map_node *n)
{
	return container_of(n, struct tail, by_label);
}

/* ---- queue -------------------------------------------------------------------------------- */

void tail_ready(struct tail *t)
{
	struct file_input *fi = t->fi;

	if (t->is_ready || t->is_closed)
		return;
	t->is_ready = true;
	t->next_ready = NULL;
	if (fi->ready_last)
		fi->ready_last->next_ready = t;
	else
		fi->ready_first = t;
	fi->ready_last = t;
}

static void leave_queue(struct tail *t)
{
	struct tail **at = &t->fi->ready_first, *before = NULL;

	if (!t->is_ready)
		return;
	for (; *at != t; at = &(*at)->next_ready)
		before = *at;
	*at = t->next_ready;
	if (t->fi->ready_last == t)
		t->fi->ready_last = before;
	t->is_ready = false;
}

/* Files of the same name are read one after the other. The one before, and through files that nobody has
 * written to yet, the one before that: what stands before a file with bytes in it is final, because its
 * writer has moved on. */
static struct tail *before(const struct tail *t)
{
	return t->size ? NULL : t->after;
}

static bool follows(const struct tail *t, const struct tail *older)
{
	for (const struct tail *o = t->after; o; o = before(o))
		if (o == older)
			return true;
	return false;
}

static void wake_followers(struct tail *t)
{
	struct map_node *n;

	for (n = map_first(&t->fi->by_label, t->by_label.hash); n; n = map_next(n))
		if (follows(from_label(n), t))
			tail_ready(from_label(n));
}

static bool has_late_lines(struct tail *older)
{
	return !older->is_closed && !(older->active && older->active->troubles) &&
	       tail_look(older) && !older->is_unseen && tail_unread(older);
}

bool tail_is_late(struct tail *t)
{
	struct tail *older, *next;

	/* Once for what t has: an older file that is flooded must not hold it up for ever. */
	for (older = t->has_waited ? NULL : t->after; older; older = next) {
		next = before(older); /* a look may end the tail */
		if (!has_late_lines(older))
			continue;
		t->has_waited = true;
		older->is_at_end = false;
		tail_ready(older);
		return true;
	}
	t->has_waited = false;
	return false;
}

bool tail_must_wait(struct tail *t)
{
	for (const struct tail *older = t->after; older; older = before(older))
		if (!older->is_at_end)
			return true;
	/* Ranges that are read again are there already, and nobody settles them before that. */
	t->is_ahead = (t->active && t->active->line.ahead_bytes > AHEAD_BYTES_MAX) ||
		      (!t->is_replaying && t->pos->nranges >= POS_RANGES_MAX);
	return t->is_ahead;
}

ssize_t tail_bytes(const struct tail *t, void *p, size_t n, uint64_t at)
{
	return t->is_packed ? unpack_read(t->rare->unpack, p, n, at) : file_read(t->fd, p, n, at);
}

/* ---- state -------------------------------------------------------------------------------- */

void tail_count_behind(struct tail *t)
{
	uint64_t now = !t->is_closed && t->size > t->offset && !tail_original(t)
			       ? t->size - t->offset - t->blank
			       : 0;
	bool is_nameless = !t->is_closed && t->is_rotated && !t->pos->archive;

	if (now == t->behind && is_nameless == t->is_nameless)
		return;
	/* It counts in both sums, or in the first only. */
	t->fi->rotated_bytes += (is_nameless ? now : 0) - (t->is_nameless ? t->behind : 0);
	metric_add(t->fi->behind, (int64_t)(now - t->behind));
	t->behind = now;
	t->fi->nrotated += (size_t)is_nameless - (size_t)t->is_nameless;
	t->is_nameless = is_nameless;
}

/* What somebody writes over a file that was rotated away is no log: the next copy, or shred(1). */
static void skip_foreign(struct tail *t)
{
	struct file_look look;
	uint64_t marker;

	if (!file_look(t->fd, &look) || !look.size || !marker_read(t->fd, look.size, &marker))
		return;
	positions_skip(t->fi->positions, t->pos, look.size, marker);
	t->offset = t->size = look.size;
	t->marker = marker;
}

void tail_restart(struct tail *t)
{
	uint64_t lost = t->size > t->offset ? t->size - t->offset - t->blank : 0;

	if (t->is_packed) {
		archives_changed(t);
		return;
	}
	if (copies_take_over(t))
		return;
	copies_let_go(t);
	archives_remember(t->fi, t->pos);
	log_info("file was rewritten, reading it from its beginning", KV("path", t->pos->path),
		 KV_I("offset", t->offset), KV_I("unread_bytes", lost));
	metric_add(t->fi->truncated, 1);
	metric_add(t->fi->lost_rewritten, (int64_t)lost);
	positions_restart(t->fi->positions, t->pos);
	t->offset = t->partial = t->blank = t->size = t->marker = 0;
	mem_free(TAKE(t->past));
	if (t->active)
		t->active->generation++;
	t->must_flush = t->is_replaying = t->knows_decoder = false;
	if (t->is_rotated)
		skip_foreign(t);
	tail_count_behind(t);
}

static void identify(struct tail *t, const struct file_id *id)
{
	map_del(&t->fi->by_id, &t->by_id);
	t->id = *id;
	map_add(&t->fi->by_id, &t->by_id, tail_id_hash(&t->id));
	positions_move(t->fi->positions, t->pos, &t->id);
}

/* Opens a closed one. False: it was deleted meanwhile. */
static bool look_closed(struct tail *t)
{
	enum idle_open result;

	t->is_unseen = false;
	if (idle_is_unchanged(t))
		return true;
	result = idle_open(t);
	t->is_unseen = result == IDLE_LATER;
	if (result != IDLE_GONE)
		return true;
	idle_gone(t);
	return false;
}

bool tail_look(struct tail *t)
{
	int64_t mtime_ns;
	uint64_t size;
	struct file_look look;

	if (t->is_packed)
		return archives_look(t);
	if (t->fd < 0 && !look_closed(t))
		return false;
	if (t->fd < 0)
		return true;
	t->is_unseen = !file_look(t->fd, &look);
	if (t->is_unseen) {
		log_warn("cannot look at a file", KV("path", t->pos->path), KV_ERRNO(errno));
		input_count_error(t->fi->in, "stat");
		if (errno != ESTALE)
			return true; /* tried again: nothing is given up for a passing error */
		tail_close(t);
		return false;
	}
	size = look.size;
	mtime_ns = look.mtime_ns;
	/* Copied up: an overlay file has another identity from its first write on. */
	if (!file_id_eq(&look.id, &t->id))
		identify(t, &look.id);
	/* A changed time without new bytes: perhaps rewritten with as many. */
	if (size < t->offset ||
	    (size == t->offset + t->partial && t->offset && mtime_ns != t->mtime_ns &&
	     marker_is(t->fd, t->offset, t->marker) == SAME_NO)) {
		tail_restart(t);
		return tail_look(t);
	}
	if (size < t->offset + t->partial)
		t->partial = 0;
	if (size != t->size || (t->blank && mtime_ns != t->mtime_ns)) {
		t->blank = 0; /* looked at again: there may be text now */
		if (t->active)
			t->active->asked_ns = active_grew(t->active);
		t->must_flush = false; /* the line goes on */
	}
	t->size = size;
	t->mtime_ns = mtime_ns;
	tail_count_behind(t);
	return true;
}

bool tail_look_closely(struct tail *t)
{
	if (!tail_look(t))
		return false;
	if (!t->is_packed && !t->is_unseen && t->fd >= 0 &&
	    marker_is(t->fd, t->offset, t->marker) == SAME_NO)
		tail_restart(t);
	return !t->is_closed;
}

bool tail_poll(struct tail *t)
{
	if (t->is_closed || t->is_ready || t->held_link || !tail_look(t) || !tail_unread(t))
		return false;
	tail_ready(t);
	return true;
}

static void on_timer(struct timer *timer)
{
	struct active *a = container_of(timer, struct active, timer);
	struct tail *t = a->tail;
	int64_t rotated_ns = t->rare ? t->rare->rotated_ns : 0;
	int64_t since_ns = a->grown_ns > rotated_ns ? a->grown_ns : rotated_ns;
	int64_t wait_ns =
		t->is_rotated ? t->fi->conf->rotate_wait_ns : t->fi->conf->partial_wait_ns;

	if (a->troubles)
		tail_ready(t); /* reading looks, too */
	if (t->is_ready || !tail_look(t))
		return;
	if (t->is_unseen) {
		tail_trouble(t);
	} else if (tail_unread(t)) {
		tail_ready(t);
	} else if (!t->is_at_end || clock_mono_ns() - since_ns < wait_ns) {
		tail_at_end(t);
	} else if (t->partial) {
		t->must_flush = true;
		tail_ready(t);
	} else if (t->is_rotated && tail_has_flights(t)) {
		tail_at_end(t); /* not all of it is settled */
	} else if (t->is_rotated) {
		tail_close(t);
	}
}

void tail_trouble(struct tail *t)
{
	struct active *a = active_of(t);

	if (++a->troubles > TROUBLES_MAX && t->is_packed) {
		archives_give_up(t);
		return;
	}
	if (a->troubles > TROUBLES_MAX && !t->is_at_end) {
		t->is_at_end = true;
		wake_followers(t);
	}
	loop_timer_in(t->fi->in->loop, &a->timer, ROTATED_POLL_NS, on_timer);
}

void tail_at_end(struct tail *t)
{
	const struct file_conf *conf = t->fi->conf;

	if (t->is_packed) {
		archives_end(t);
		return;
	}
	if (t->active)
		t->active->troubles = 0;
	if (!t->is_at_end) {
		t->is_at_end = true;
		wake_followers(t);
	}
	if (t->is_rotated) {
		/* Nobody tells us where it is now, so it is asked. */
		int64_t wait_ns = conf->rotate_wait_ns < ROTATED_POLL_NS ? conf->rotate_wait_ns
									 : ROTATED_POLL_NS;

		loop_timer_in(t->fi->in->loop, &active_of(t)->timer, wait_ns, on_timer);
	} else if (t->partial && conf->partial_wait_ns) {
		struct active *a = active_of(t);

		loop_timer_set(t->fi->in->loop, &a->timer, a->grown_ns + conf->partial_wait_ns,
			       on_timer);
	} else {
		if (t->active)
			loop_timer_del(t->fi->in->loop, &t->active->timer);
		idle_close_old(t);
	}
}

/* ---- acks --------------------------------------------------------------------------------- */

static void on_save(struct timer *timer)
{
	struct file_input *fi = container_of(timer, struct file_input, save_timer);

	if (!positions_flush_settled(fi->positions))
		metric_add(fi->position_errors, 1);
	/* What the disk did not take is tried again. */
	if (fi->positions->is_damaged)
		loop_timer_in(fi->in->loop, &fi->save_timer, 10 * NS_PER_S, on_save);
}

static void settle(struct tail *t, struct flight *f)
{
	struct pos *p = t->pos;

	if (f->generation == t->active->generation)
		positions_settle(t->fi->positions, p, f->end, f->marker, f->last_ns,
				 &f->ack.uniq_after);
	else
		p->uniq = f->ack.uniq_after; /* the bytes are gone, the times are used */
	t->fi->nflights--;
	mem_free(f);
}

static void on_settled(struct ack *a)
{
	struct tail *t = container_of(a, struct flight, ack)->tail;
	struct file_input *fi = t->fi;
	struct ack *next;

	CHECK_OBJ(t, TAIL_MAGIC);
	for (a = ack_line_settle(&t->active->line, a); a; a = next) {
		next = a->next_in_line;
		settle(t, container_of(a, struct flight, ack));
	}
	if (positions_have_changes(fi->positions) && !fi->save_timer.slot)
		loop_timer_in(fi->in->loop, &fi->save_timer, SAVE_DELAY_NS, on_save);
	if (t->is_closed && !tail_has_flights(t))
		tail_free(t);
	else if (t->is_ahead)
		tail_ready(t);
}

struct flight *tail_flight(struct tail *t, const struct pos_range *r, size_t bytes)
{
	struct flight *f = mem_zalloc(sizeof(*f));

	ack_init(&f->ack, t->fi->in->loop, on_settled);
	f->ack.replays = true; /* the position stays before it until it is settled */
	f->ack.bytes = bytes;
	f->tail = t;
	f->end = r->end;
	f->marker = r->marker;
	f->last_ns = r->t0_ns + r->n - 1;
	f->generation = t->active->generation;
	ack_line_add(&t->active->line, &f->ack);
	t->fi->nflights++;
	return f;
}

/* ---- life --------------------------------------------------------------------------------- */

static struct str str_dup(struct str s)
{
	char *copy = mem_alloc(s.n + 1);

	memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return str_make(copy, s.n);
}

static void free_path(struct tail *t)
{
	if (t->path.p != t->pos->path.p)
		mem_free((void *)(uintptr_t)t->path.p);
	t->path = STR_NONE;
}

void tail_set_path(struct tail *t, struct str path)
{
	struct file_input *fi = t->fi;

	if (!path.p)
		idle_name_lost(t);
	map_del(&fi->by_path, &t->by_path);
	free_path(t);
	t->is_rotated = !path.p;
	if (path.p) {
		/* Mostly it is where it was found first. */
		t->path = str_eq(path, t->pos->path) ? t->pos->path : str_dup(path);
		map_add(&fi->by_path, &t->by_path, str_hash(path, 0));
	} else {
		/* Once more to its end, before a newer file of its name is read. */
		active_rare(t)->rotated_ns = clock_mono_ns();
		t->is_at_end = false;
	}
	tail_count_behind(t);
	pace_moved(t);
	tail_ready(t);
}

/* Its name is still the one that all files of its label had first. */
static bool has_first_name(const struct tail *t)
{
	struct file_look look;

	return t->path.p && str_eq(t->path, t->pos->path) && file_look_path(t->path.p, &look) &&
	       file_id_eq(&look.id, &t->id);
}

/* By birth, which has the grain of the kernel's clock or is not told; then the one that has the name now;
 * then by when they were found; of those found together, what was renamed more often is older. */
static bool is_younger(const struct tail *a, const struct tail *b)
{
	if (a->pos->born_ns && b->pos->born_ns && a->pos->born_ns != b->pos->born_ns)
		return a->pos->born_ns > b->pos->born_ns;
	if (has_first_name(a) != has_first_name(b))
		return has_first_name(a);
	if (a->found_look != b->found_look)
		return a->found_look > b->found_look;
	if (a->hops != b->hops)
		return a->hops < b->hops;
	return a->pos->order > b->pos->order;
}

/* Whose neighbour was born in the same tick: how they came is known now, and after a restart it is not. */
static void tell_apart(struct tail *t, const struct tail *younger)
{
	int64_t born_ns = t->pos->born_ns;

	if (born_ns && younger && younger->pos->born_ns == born_ns)
		born_ns--;
	else if (born_ns && t->after && t->after->pos->born_ns == born_ns)
		born_ns += 1000;
	if (born_ns != t->pos->born_ns)
		positions_born(t->fi->positions, t->pos, born_ns);
}

/* Files of the same name are read from the oldest to the youngest: t between its neighbours. */
static void line_up(struct tail *t)
{
	uint64_t hash = str_hash(t->pos->path, 1);
	struct tail *younger = NULL;
	struct map_node *n;

	for (n = map_first(&t->fi->by_label, hash); n; n = map_next(n)) {
		struct tail *other = from_label(n);

		if (!str_eq(other->pos->path, t->pos->path))
			continue;
		if (is_younger(other, t)) {
			if (!younger || is_younger(younger, other))
				younger = other;
		} else if (!t->after || is_younger(other, t->after)) {
			t->after = other;
		}
	}
	if (younger)
		younger->after = t;
	tell_apart(t, younger);
	/* It may have grown since it was looked at: to its end once more, before t is read. */
	if (t->after && !t->after->is_closed) {
		t->after->is_at_end = false;
		tail_ready(t->after);
	}
	map_add(&t->fi->by_label, &t->by_label, hash);
}

struct tail *tail_new(struct file_input *fi, int fd, const struct file_look *look, struct str path,
		      struct pos *pos, unsigned hops)
{
	struct tail *t = mem_zalloc(sizeof(*t));

	t->magic = TAIL_MAGIC;
	t->fi = fi;
	t->fd = -1;
	t->id = look->id;
	t->pos = pos;
	t->offset = pos->offset;
	t->marker = pos->marker;
	t->is_replaying = pos->nranges > 0;
	t->found_look = fi->looks;
	t->hops = hops;
	t->size = look->size;
	t->mtime_ns = look->mtime_ns;
	t->next = fi->tails;
	t->link = &fi->tails;
	if (t->next)
		t->next->link = &t->next;
	fi->tails = t;
	pos->is_open = true;
	pos->left_bytes = 0;
	map_add(&fi->by_id, &t->by_id, tail_id_hash(&t->id));
	fi->nopen++;
	metric_add(fi->open_files, 1);
	tail_count_behind(t);
	tail_set_path(t, path);
	if (!pos->archive)
		line_up(t); /* nobody waits until an archive is read */
	idle_take(t, fd);
	if (look->nlink > 1 || look->is_mount)
		watch_file(fi->watch, &active_rare(t)->watched, fd);
	return t;
}

int tail_replace(struct tail *t, int fd, const struct file_look *look)
{
	int old = idle_swap(t, fd);

	identify(t, &look->id);
	tail_ready(t);
	return old;
}

static void detach(struct tail *t)
{
	if (t->is_closed)
		return;
	copies_let_go(t);
	t->is_closed = true;
	t->fi->must_walk |= t->path.p != NULL; /* whatever it is called by is not read now */
	leave_queue(t);
	pace_forget(t);
	pace_hear(t);
	if (t->active)
		loop_timer_del(t->fi->in->loop, &t->active->timer);
	map_del(&t->fi->by_id, &t->by_id);
	map_del(&t->fi->by_path, &t->by_path);
	if (t->rare)
		watch_file_drop(t->fi->watch, &t->rare->watched);
	archives_detach(t);
	idle_close(t);
	t->fi->nopen--;
	metric_add(t->fi->open_files, -1);
	tail_count_behind(t);
}

void tail_retire(struct tail *t)
{
	/* Batches on their way are of what was overwritten: the last of their acks frees it. */
	detach(t);
	t->is_at_end = t->is_forgotten = true;
	wake_followers(t);
	t->fi->nretired++;
}

void tail_free_retired(struct file_input *fi)
{
	struct tail *next;

	if (!fi->nretired)
		return;
	fi->nretired = 0;
	for (struct tail *t = fi->tails; t; t = next) {
		next = t->next;
		if (t->is_closed && !tail_has_flights(t))
			tail_free(t);
	}
}

void tail_close(struct tail *t)
{
	if (t->is_closed)
		return;
	if (t->fd >= 0 && idle_is_gone(t)) {
		t->is_forgotten = true;
		metric_add(t->fi->deleted, 1);
	}
	detach(t);
	t->is_at_end = true;
	wake_followers(t);
	if (!tail_has_flights(t))
		tail_free(t);
}

static void unlink_followers(struct tail *t)
{
	struct map_node *n;

	for (n = map_first(&t->fi->by_label, t->by_label.hash); n; n = map_next(n)) {
		if (from_label(n)->after == t) {
			from_label(n)->after = t->after;
			tail_ready(from_label(n));
		}
	}
}

void tail_free(struct tail *t)
{
	struct file_input *fi = t->fi;

	CHECK_OBJ(t, TAIL_MAGIC);
	detach(t);
	unlink_followers(t);
	map_del(&fi->by_label, &t->by_label);
	while (t->active && t->active->line.first) {
		struct flight *f = container_of(t->active->line.first, struct flight, ack);

		t->active->line.first = f->ack.next_in_line;
		mem_free(f);
		fi->nflights--;
	}
	t->pos->is_open = false;
	t->pos->is_elsewhere = true;
	t->pos->seen_s = clock_wall_ns() / NS_PER_S;
	free_path(t);
	archives_tail_gone(t);
	if (t->is_forgotten)
		archives_forget(fi, t->pos);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	active_free(t);
	t->magic = 0;
	mem_free(t);
}
