/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of a log. copytruncate copies a file and then empties it: what was not read of it is in the
 * copy, which is another file that begins with the same bytes. It takes the place of the original
 * with all that is known of it, so it is finished from where we were and never read twice; the
 * original goes on as a new file.
 *
 * A copy whose name matches the patterns is met before its original is emptied, and while it is
 * written. As long as it is a beginning of the original nothing is read from it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "inputs/file/file.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define ENTRIES_MAX 100000 /* of a directory, looked at for one copy */

/* ---- names -------------------------------------------------------------------------------- */

static bool is_separator(char c)
{
	return c == '.' || c == '-' || c == '_';
}

static size_t name_at(struct str path)
{
	const char *slash = memrchr(path.p, '/', path.n);

	return slash ? (size_t)(slash - path.p) + 1 : 0;
}

bool copies_is_name(struct str of, struct str name)
{
	const char *dot = of.n > 1 ? memrchr(of.p + 1, '.', of.n - 1) : NULL;
	struct str stem = str_sub(of, 0, dot ? (size_t)(dot - of.p) : of.n);
	struct str extension = str_skip(of, stem.n);

	if (name.n <= of.n)
		return false;
	if (str_starts(name, of))
		return is_separator(name.p[of.n]);
	return extension.n && str_starts(name, stem) && is_separator(name.p[stem.n]) &&
	       str_eq(str_skip(name, name.n - extension.n), extension);
}

/* The i-th place where path could have been made longer, to what it was then; false: no more. */
static bool original_name(struct str path, size_t *at, bool *with_extension, struct buf *out)
{
	size_t from = name_at(path);
	const char *dot = memrchr(path.p + from, '.', path.n - from);
	size_t dot_at = dot ? (size_t)(dot - path.p) : path.n;

	for (;;) {
		if (*with_extension) {
			*with_extension = false;
			if (*at < dot_at && dot_at < path.n) {
				buf_clear(out);
				buf_str(out, str_sub(path, 0, *at));
				buf_str(out, str_skip(path, dot_at));
				return true;
			}
		}
		for (++*at; *at < path.n && !is_separator(path.p[*at]); ++*at)
			;
		if (*at >= path.n)
			return false;
		*with_extension = true;
		buf_clear(out);
		buf_str(out, str_sub(path, 0, *at));
		return true;
	}
}

bool copies_each_original(struct str path, bool (*fn)(void *ctx, struct str original), void *ctx)
{
	struct buf name = BUF_INIT;
	size_t at = name_at(path);
	bool with_extension = false, is_done = false;

	while (!is_done && original_name(path, &at, &with_extension, &name)) {
		buf_cstr(&name);
		is_done = fn(ctx, buf_as_str(&name));
	}
	buf_fini(&name);
	return is_done;
}

/* ---- the copy of a file that was emptied -------------------------------------------------- */

struct search {
	struct file_input *fi;
	struct tail *tail; /* of the original, or NULL */
	struct pos *pos;
	uint64_t offset, marker;
	int fd; /* the best one so far */
	struct file_look look;
};

/* Nothing was ever read from it, or not since it was written anew. */
static bool is_fresh(const struct pos *p)
{
	return p->last_ns == 0 && p->nranges == 0;
}

static bool is_overwritten(const struct pos *p, int fd, const struct file_look *look)
{
	return look->size < p->offset || marker_is(fd, p->offset, p->marker) == SAME_NO;
}

/* What is known of a file is in the way of its being the copy, unless nothing was read from it, or
 * from what it holds now. A tail that was closed still needs its position. */
static bool may_give_way(const struct search *s, int fd, const struct file_look *look)
{
	struct tail *other = find_tail(s->fi, &look->id);
	const struct pos *known;

	if (other == s->tail && other)
		return false;
	/* An older copy that this one was written over may not have been looked at since. */
	if (other && !tail_look_closely(other))
		return false;
	known = positions_find(s->fi->positions, &look->id);
	if (!known || other)
		return !known || (known != s->pos && is_fresh(known));
	return !known->is_open && known != s->pos &&
	       (is_fresh(known) || is_overwritten(known, fd, look));
}

/* Shorter than what was read: the log was written to, and read, between copying and emptying. It
 * was seen to be a beginning of the log, or has what was read last before its end. */
static bool is_read_copy(const struct search *s, int fd, const struct file_look *look)
{
	const struct tail *t = s->tail, *other = find_tail(s->fi, &look->id);
	const struct past_ends *past = t ? t->past : NULL;

	if (!t || !look->size)
		return false;
	if (other && tail_original(other) == t && other->rare->like_size == look->size &&
	    marker_is(fd, other->rare->like_size, other->rare->like_marker) == SAME_YES)
		return true;
	if (look->size < s->pos->head_n || hash_is(fd, 0, s->pos->head_n, s->pos->head) != SAME_YES)
		return false;
	for (unsigned i = past ? past->n : 0; i > 0 && past->n - i < PAST_ENDS; i--) {
		uint64_t end = past->at[(i - 1) % PAST_ENDS].offset;

		if (end <= look->size)
			return marker_is(fd, end, past->at[(i - 1) % PAST_ENDS].marker) == SAME_YES;
	}
	return false;
}

static bool is_copy(const struct search *s, int fd, const struct file_look *look)
{
	if (look->size < s->offset)
		return is_read_copy(s, fd, look);
	return look->size >= s->pos->head_n &&
	       hash_is(fd, 0, s->pos->head_n, s->pos->head) == SAME_YES &&
	       marker_is(fd, s->offset, s->marker) == SAME_YES;
}

/* What has all that is not read goes before what has not; then, because logs that repeat themselves
 * have copies that look alike, it is the youngest. */
static bool is_better(const struct search *s, const struct file_look *look)
{
	bool is_whole = look->size >= s->offset;

	if (s->fd < 0 || is_whole != (s->look.size >= s->offset))
		return s->fd < 0 || is_whole;
	return look->mtime_ns >= s->look.mtime_ns;
}

/* Takes fd. */
static void judge(struct search *s, int fd)
{
	struct file_look look;

	if (!file_look(fd, &look) || !S_ISREG(look.mode) || !may_give_way(s, fd, &look) ||
	    !is_copy(s, fd, &look) || !is_better(s, &look)) {
		os->close(fd);
		return;
	}
	if (s->fd >= 0)
		os->close(s->fd);
	s->fd = fd;
	s->look = look;
}

static void look_at(struct search *s, const char *path)
{
	struct file_look look;
	int fd = open_quietly(s->fi, str_c(path), &look);

	if (fd >= 0)
		judge(s, fd);
}

static void look_at_open(struct search *s, int open_fd)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", open_fd);
	fd = OS_RETRY(os->open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0));
	if (fd >= 0)
		judge(s, fd);
}

/* A copy that we have open may have been compressed and deleted meanwhile. */
static void look_at_all_open(struct search *s, struct str path)
{
	const struct file_input *fi = s->fi;

	for (struct tail *copy = fi->tails; copy; copy = copy->next)
		if (copy->fd >= 0 && is_fresh(copy->pos) && copies_is_name(path, copy->pos->path))
			look_at_open(s, copy->fd);
	if (fi->met_fd >= 0 && copies_is_name(path, fi->met_path))
		look_at_open(s, fi->met_fd);
}

/* A descriptor of the copy among the files beside path and those that are open, or -1. */
static int find_copy(struct search *s, struct str path)
{
	size_t dir_n = name_at(path), n = 0;
	struct buf entry = BUF_INIT;
	struct dirent *d;
	DIR *dir;

	s->fd = -1;
	/* Of what was never looked at nobody knows a copy. One search can find that copies of the
	 * copy are to be looked for; that ends here. */
	if (!s->pos->head_n || s->fi->is_searching)
		return -1;
	s->fi->is_searching = true;
	buf_str(&entry, str_sub(path, 0, dir_n));
	dir = opendir(buf_cstr(&entry));
	while (dir && n++ < ENTRIES_MAX && (d = readdir(dir))) {
		if ((d->d_type != DT_REG && d->d_type != DT_UNKNOWN) ||
		    !copies_is_name(str_skip(path, dir_n), str_c(d->d_name)))
			continue;
		entry.n = dir_n;
		buf_c(&entry, d->d_name);
		look_at(s, buf_cstr(&entry));
	}
	if (dir)
		closedir(dir);
	buf_fini(&entry);
	look_at_all_open(s, path);
	s->fi->is_searching = false;
	return s->fd;
}

static void tell(struct file_input *fi, const struct search *s)
{
	uint64_t unread = s->look.size > s->offset ? s->look.size - s->offset : 0;

	log_info("file was copied and emptied, finishing the copy", KV("path", s->pos->path),
		 KV_I("offset", s->offset), KV_I("unread_bytes", unread));
	metric_add(fi->truncated, 1);
	metric_add(fi->copied, 1);
}

/* A position of its own, which nothing was read by, is in the way. */
static void make_way(struct file_input *fi, const struct file_look *look, struct str *ret_path)
{
	struct tail *other = find_tail(fi, &look->id);
	struct pos *p = positions_find(fi->positions, &look->id);

	if (other) {
		if (other->path.p)
			*ret_path = str_make(mem_dup(other->path.p, other->path.n), other->path.n);
		positions_move(fi->positions, other->pos, &(struct file_id){ 0 });
		tail_retire(other);
	} else if (p) {
		positions_drop(fi->positions, p);
	}
}

static struct pos *begin_anew(struct file_input *fi, const struct file_look *look, struct str path)
{
	struct pos *p = positions_add(fi->positions, &look->id, path);

	if (p)
		positions_born(fi->positions, p, clock_wall_ns());
	return p;
}

/* The copy ends before what was read of t: so does all that is known of t. */
static bool cut_to(struct tail *t, int fd, uint64_t size)
{
	struct pos *p = t->pos;
	uint64_t marker;
	size_t n = 0;

	if (!marker_read(fd, size, &marker))
		return false;
	while (n < p->nranges && pos_range_at(p, n)->start < size)
		n++;
	positions_cut_ranges(p, n);
	if (n && pos_range_at(p, n - 1)->end > size) {
		pos_range_at(p, n - 1)->end = size;
		pos_range_at(p, n - 1)->marker = marker;
	}
	if (p->offset > size)
		positions_skip(t->fi->positions, p, size, marker);
	if (p->head_n > size)
		p->head_n = 0; /* noted again, as far as there is one */
	for (struct ack *a = t->active ? t->active->line.first : NULL; a; a = a->next_in_line) {
		struct flight *f = container_of(a, struct flight, ack);

		if (f->generation == t->active->generation && f->end > size) {
			f->end = size;
			f->marker = marker;
		}
	}
	t->offset = size;
	t->marker = marker;
	t->partial = t->blank = 0;
	t->must_flush = t->is_replaying = false;
	return true;
}

bool copies_take_over(struct tail *t)
{
	struct file_input *fi = t->fi;
	struct search s = {
		.fi = fi, .tail = t, .pos = t->pos, .offset = t->offset, .marker = t->marker
	};
	uint64_t seen = t->size;
	struct str path = STR_NONE, copy_path = STR_NONE;
	struct file_look original;
	struct pos *p;
	int fd;

	if (find_copy(&s, t->path.p ? t->path : t->pos->path) < 0)
		return false;
	/* It may have been closed so that the copy could be opened. */
	if (idle_open(t) != IDLE_OPEN || !file_look(t->fd, &original) ||
	    (s.look.size < t->offset && !cut_to(t, s.fd, s.look.size))) {
		os->close(s.fd);
		return false;
	}
	tell(fi, &s);
	if (seen > s.offset && seen > s.look.size) /* written after it was copied, and never read */
		metric_add(fi->lost_rewritten,
			   (int64_t)(seen - (s.look.size > s.offset ? s.look.size : s.offset)));
	mem_free(TAKE(t->past));
	if (t->path.p)
		path = str_make(mem_dup(t->path.p, t->path.n), t->path.n);
	make_way(fi, &s.look, &copy_path);
	tail_set_path(t, copy_path);
	fd = tail_replace(t, s.fd, &s.look);
	t->is_copy = true;
	p = begin_anew(fi, &original, t->pos->path);
	if (p)
		tail_new(fi, fd, &original, path, p, 0)->seen_round = fi->round;
	else
		os->close(fd);
	mem_free((void *)(uintptr_t)path.p);
	mem_free((void *)(uintptr_t)copy_path.p);
	return true;
}

struct pos *copies_take_over_saved(struct file_input *fi, struct pos *p,
				   const struct file_look *original, struct str path)
{
	struct search s = { .fi = fi, .pos = p, .offset = p->offset, .marker = p->marker };
	struct str copy_path = STR_NONE;
	struct pos *anew;
	struct tail *t;

	if (find_copy(&s, path) < 0)
		return NULL;
	tell(fi, &s);
	make_way(fi, &s.look, &copy_path);
	positions_move(fi->positions, p, &s.look.id);
	t = tail_new(fi, s.fd, &s.look, copy_path, p, 0);
	t->seen_round = fi->round;
	t->is_copy = true;
	anew = begin_anew(fi, original, p->path);
	mem_free((void *)(uintptr_t)copy_path.p);
	return anew;
}

/* ---- a copy that is met as a file of its own ---------------------------------------------- */

static bool same_bytes(int a, int b, uint64_t at, size_t n)
{
	char x[HEAD_BYTES], y[HEAD_BYTES];

	return file_read(a, x, n, at) == (ssize_t)n && file_read(b, y, n, at) == (ssize_t)n &&
	       memcmp(x, y, n) == 0;
}

static bool is_beginning_of(struct tail *copy, struct tail *t)
{
	size_t n = copy->size < HEAD_BYTES ? (size_t)copy->size : HEAD_BYTES;
	size_t marker_n = marker_size(copy->size);

	return !t->is_closed && t != copy && t->size >= copy->size &&
	       idle_open(copy) == IDLE_OPEN && idle_open(t) == IDLE_OPEN &&
	       same_bytes(copy->fd, t->fd, 0, n) &&
	       same_bytes(copy->fd, t->fd, copy->size - marker_n, marker_n);
}

static void set_original(struct tail *copy, struct tail *t)
{
	if (tail_original(copy) == t)
		return;
	copy->fi->ncopies += (size_t)(t != NULL) - (size_t)(tail_original(copy) != NULL);
	active_rare(copy)->copy_of = t;
	tail_count_behind(copy);
}

static void note_alike(struct tail *copy)
{
	bool is_read = idle_open(copy) == IDLE_OPEN &&
		       marker_read(copy->fd, copy->size, &copy->rare->like_marker);

	copy->rare->like_size = is_read ? copy->size : 0;
}

/* What is settled of the original is settled of its copy. Not before it is known to be one, and not
 * when it was written anew since it was compared. */
static void skip_settled(struct tail *copy)
{
	const struct pos *p = copy->rare->copy_of->pos;
	uint64_t at = copy->rare->like_size < p->offset ? copy->rare->like_size : p->offset, marker;

	if (at <= copy->offset || idle_open(copy) != IDLE_OPEN ||
	    marker_is(copy->fd, copy->rare->like_size, copy->rare->like_marker) != SAME_YES ||
	    !marker_read(copy->fd, at, &marker))
		return;
	positions_skip(copy->fi->positions, copy->pos, at, marker);
	copy->offset = at;
	copy->marker = marker;
	copy->partial = 0;
}

static bool is_original(void *ctx, struct str path)
{
	struct tail *copy = ctx, *t = find_path(copy->fi, path);

	/* Looking at it may show that it was emptied, and give it what the copy has. */
	if (!t || t == copy || !tail_look_closely(t) || copy->is_closed)
		return copy->is_closed;
	if (is_beginning_of(copy, t)) {
		set_original(copy, t);
		return true;
	}
	tail_look_closely(t); /* it may have been emptied while they were compared */
	return copy->is_closed;
}

bool copies_hold(struct tail *t)
{
	struct tail *original = tail_original(t);

	if (!t->size || !is_fresh(t->pos))
		return false;
	if (original && (!tail_look_closely(original) || tail_original(t) != original ||
			 t->is_closed || !is_beginning_of(t, original)))
		original = NULL;
	if (t->is_closed)
		return true;
	if (!original) {
		set_original(t, NULL);
		/* One that was a copy and was written over goes by the name of the log itself. */
		if (!(t->is_copy && is_original(t, t->pos->path)) &&
		    !copies_each_original(t->path.p ? t->path : t->pos->path, is_original, t))
			return false;
	}
	if (t->is_closed)
		return true;
	note_alike(t);
	if (t->is_rotated)
		tail_retire(t); /* nobody needs it: the original has it all */
	return true;
}

void copies_let_go(struct tail *t)
{
	if (tail_original(t))
		set_original(t, NULL);
	if (!t->fi->ncopies)
		return;
	for (struct tail *copy = t->fi->tails; copy; copy = copy->next) {
		if (tail_original(copy) != t)
			continue;
		skip_settled(copy);
		set_original(copy, NULL);
		tail_ready(copy);
	}
}
