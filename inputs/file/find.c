/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are there, and which of them are those we know? A file is opened once and everything
 * about it is asked of the descriptor, so that a rotation in between cannot mix up two files. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "inputs/file/archives.h"
#include "inputs/file/walk.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define WHOLE_SCAN_EVERY 6
#define BLIND_AFTER_NS (2 * NS_PER_S) /* a change this old should have been told by inotify */

/* ---- names -------------------------------------------------------------------------------- */

static void drop(struct str *s)
{
	mem_free((void *)(uintptr_t)s->p);
	*s = STR_NONE;
}

static struct str keep(struct str s)
{
	return str_make(mem_dup(s.p, s.n), s.n);
}

void find_note_name(struct file_input *fi, struct str path, enum watch_name what, uint32_t cookie)
{
	struct map_node *at = NULL;
	struct str link;
	bool is_from = fi->departed.p && what == NAME_MOVED_TO && cookie == fi->departed_cookie;

	if (what == NAME_MOVED_FROM) {
		drop(&fi->departed);
		fi->departed = keep(path);
		fi->departed_cookie = cookie;
	} else if (what != NAME_DELETED) {
		struct arrival *a = &fi->arrivals[fi->narrivals++ % ARRIVALS];

		drop(&a->from);
		drop(&a->to);
		a->to = keep(path);
		if (is_from) {
			a->from = fi->departed;
			fi->departed = STR_NONE;
		}
	}
	buf_put(&fi->names, path.p, path.n + 1);
	while ((link = links_to(fi, path, &at)).p)
		buf_put(&fi->names, link.p, link.n + 1);
}

/* What the file that is at `path` now was called first, as far as the last events tell: the newest
 * arrival at a name, then the newest before it at the name it came from, and so on. */
static struct str origin_of(const struct file_input *fi, struct str path, unsigned *ret_hops)
{
	uint32_t oldest = fi->narrivals > ARRIVALS ? fi->narrivals - ARRIVALS : 0;

	for (uint32_t i = fi->narrivals; i > oldest; i--) {
		const struct arrival *a = &fi->arrivals[(i - 1) % ARRIVALS];

		if (!str_eq(a->to, path))
			continue;
		if (!a->from.p)
			break;
		path = a->from;
		++*ret_hops;
	}
	return path;
}

struct str find_renamed(const struct file_input *fi, struct str path)
{
	uint32_t oldest = fi->narrivals > ARRIVALS ? fi->narrivals - ARRIVALS : 0;

	for (uint32_t i = oldest; i != fi->narrivals; i++) {
		const struct arrival *a = &fi->arrivals[i % ARRIVALS];

		if (a->from.p && str_eq(a->from, path))
			path = a->to;
	}
	return path;
}

void find_fini(struct file_input *fi)
{
	for (size_t i = 0; i < ARRIVALS; i++) {
		drop(&fi->arrivals[i].from);
		drop(&fi->arrivals[i].to);
	}
	drop(&fi->departed);
	buf_fini(&fi->names);
}

/* ---- known files -------------------------------------------------------------------------- */

struct tail *find_path(struct file_input *fi, struct str path)
{
	struct map_node *n;

	for (n = map_first(&fi->by_path, str_hash(path, 0)); n; n = map_next(n)) {
		struct tail *t = container_of(n, struct tail, by_path);

		if (str_eq(t->path, path))
			return t;
	}
	return NULL;
}

static bool is_excluded(const struct file_input *fi, struct str path)
{
	bool is_out = open_is_own(fi, path);

	for (size_t i = 0; i < fi->nexcludes && !is_out; i++)
		is_out = glob_match(&fi->excludes[i], path);
	return is_out;
}

bool find_is_wanted(const struct file_input *fi, struct str path)
{
	bool is_in = false;

	for (size_t i = 0; i < fi->nglobs && !is_in; i++)
		is_in = glob_match(&fi->globs[i], path);
	return is_in && !is_excluded(fi, path);
}

static bool leads_to(struct str path, const struct file_id *id)
{
	struct file_look look;

	return file_look_path(path.p, &look) && file_id_eq(&look.id, id);
}

/* False: it was closed. What was written anew before it was rotated is still a log, so it is looked
 * at first; when it goes on in a copy then, there is another tail at its path. */
static bool rotate(struct tail *t)
{
	struct file_input *fi = t->fi;
	struct str path = keep(t->path);
	bool is_there = tail_look_closely(t);
	struct tail *at_path = is_there ? find_path(fi, path) : NULL;

	if (at_path) {
		metric_add(fi->rotated, 1);
		tail_set_path(at_path, STR_NONE);
	}
	drop(&path);
	return is_there;
}

/* ---- saved positions ---------------------------------------------------------------------- */

/* Does the file still have, in the places that were noted, what was read there? */
static enum same content_is(const struct pos *p, int fd, uint64_t size, uint64_t offset,
			    uint64_t marker)
{
	enum same head;

	if (size < offset || size < p->head_n)
		return SAME_NO;
	head = p->head_n ? hash_is(fd, 0, p->head_n, p->head) : SAME_YES;
	return head == SAME_YES ? marker_is(fd, offset, marker) : head;
}

/* On a file system without birth times, whose device has another number now. */
static bool is_renumbered(const struct pos *p, const struct file_look *look)
{
	return p->head_n && p->file.dev != look->id.dev && file_id_alike(&p->file, &look->id);
}

/* Same name, same first KiB, same bytes before the position, and the original is gone: an editor or
 * a restore wrote a new file in its place. Shorter files are taken as new: two logs easily begin
 * with the same line, and reading twice is better than never. */
static struct pos *find_replaced(struct file_input *fi, int fd, const struct file_look *look,
				 struct str path)
{
	struct pos *p = NULL;

	while ((p = positions_find_path(fi->positions, path, p)))
		if (!p->archive && !pos_is_gone(p) &&
		    ((p->head_n == HEAD_BYTES && !p->is_elsewhere) || is_renumbered(p, look)) &&
		    content_is(p, fd, look->size, p->offset, p->marker) == SAME_YES)
			return p;
	return NULL;
}

/* There are as many positions as there may be: whole scans try again. */
static void count_unplaced(struct file_input *fi, struct str path)
{
	if (++fi->nunplaced <= fi->told_unplaced)
		return; /* counted by an earlier scan */
	input_count_error(fi->in, "too_many_files");
	if (!fi->told_unplaced++)
		log_error("too many files, new ones are not read", KV("path", path),
			  KV_I("files", fi->positions->n),
			  KV_S("advice", "narrower patterns, or several file inputs; files that "
					 "are gone make room after ten minutes"));
}

/* The position to read a file from that has no tail. NULL: not now, a later scan tries again. */
static struct pos *position_of(struct file_input *fi, int fd, const struct file_look *look,
			       struct str path, unsigned *ret_hops)
{
	struct positions *ps = fi->positions;
	struct pos *p = positions_find(ps, &look->id);
	enum start_at at;
	struct str origin;

	if (p && p->is_open) {
		fi->must_walk = true;
		return NULL; /* was closed, its last batches are on their way */
	}
	if (p && p->archive)
		positions_restart(ps, p); /* text has taken its place */
	/* When it cannot be read now: each read compares the marker again. */
	if (p && content_is(p, fd, look->size, p->offset, p->marker) != SAME_NO) {
		if (p->file.dev != look->id.dev)
			positions_move(ps, p, &look->id);
		return p;
	}
	if (p && p->file.dev == look->id.dev) {
		struct pos *anew = copies_take_over_saved(fi, p, look, path);

		if (anew)
			return anew;
		log_info("file was rewritten, reading it from its beginning", KV("path", path));
		metric_add(fi->truncated, 1);
		archives_remember(fi, p);
		positions_restart(ps, p);
		return p;
	}
	p = find_replaced(fi, fd, look, path);
	if (p) {
		positions_move(ps, p, &look->id);
		return p;
	}
	origin = origin_of(fi, path, ret_hops);
	if (find_is_wanted(fi, origin))
		path = origin;
	at = start_of(fi, look, path);
	p = positions_add(ps, &look->id, path);
	if (p)
		start_at(fi, p, fd, look->size, at);
	else
		count_unplaced(fi, path);
	return p;
}

/* ---- discovery ---------------------------------------------------------------------------- */

/* The file that has this descriptor has a tail already. */
static void meet_again(struct file_input *fi, struct tail *t, struct str path)
{
	struct tail *there;

	t->seen_round = fi->round;
	if (t->path.p && (str_eq(t->path, path) || leads_to(t->path, &t->id)))
		return; /* another name of it: a hard link, or a link */
	there = find_path(fi, path);
	if (there)
		rotate(there);
	tail_set_path(t, path);
	t->seen_round = fi->round;
}

struct tail *find_tail(struct file_input *fi, const struct file_id *id)
{
	struct map_node *n;

	for (n = map_first(&fi->by_id, tail_id_hash(id)); n; n = map_next(n)) {
		struct tail *t = container_of(n, struct tail, by_id);

		if (t->id.dev != id->dev || t->id.ino != id->ino)
			continue;
		if (t->fd >= 0 || file_id_eq(&t->id, id))
			return t;
		idle_gone(t); /* and its inode is used again */
		return NULL;
	}
	return NULL;
}

/* The name leads to another file than before. True when the tail goes on in it (takes fd). */
static bool succeed(struct tail *t, int fd, const struct file_look *look)
{
	if (t->pos->head_n == HEAD_BYTES && idle_is_gone(t) &&
	    content_is(t->pos, fd, look->size, t->offset, t->marker) == SAME_YES) {
		log_info("file was replaced by one with the same content",
			 KV("path", t->pos->path));
		fd = tail_replace(t, fd, look);
		if (fd >= 0)
			os->close(fd);
		return true;
	}
	rotate(t);
	return false;
}

static void look_at_name(struct file_input *fi, struct str path);

/* If one has a tail, a look shows whether it was emptied; else it is opened first, so that what is
 * known of it is at hand. */
static bool look_at_original(void *ctx, struct str path)
{
	struct file_input *fi = ctx;
	struct tail *t = find_path(fi, path);

	if (t)
		tail_look_closely(t);
	else if (positions_find_path(fi->positions, path, NULL))
		look_at_name(fi, path);
	return false;
}

/* Perhaps the file at `path` is what is missing of a log that was emptied. */
static void look_at_originals(struct file_input *fi, int fd, struct str path)
{
	struct str met_path = fi->met_path;
	int met_fd = fi->met_fd;

	fi->met_fd = fd;
	fi->met_path = path;
	copies_each_original(path, look_at_original, fi);
	fi->met_fd = met_fd;
	fi->met_path = met_path;
}

static void discover(struct file_input *fi, struct str path)
{
	struct file_look look = { .size = 0 };
	struct tail *t, *other;
	unsigned hops = 0;
	struct pos *p;
	int fd;

	fd = open_regular(fi, path, &look);
	if (fd < 0)
		return;
	if (!positions_find(fi->positions, &look.id))
		look_at_originals(fi, fd, path);
	t = find_path(fi, path);
	other = find_tail(fi, &look.id);
	if (other) {
		os->close(fd);
		meet_again(fi, other, path);
		return;
	}
	if (t && succeed(t, fd, &look)) {
		t->seen_round = fi->round;
		return;
	}
	p = position_of(fi, fd, &look, path, &hops);
	if (!p) {
		os->close(fd);
		return;
	}
	tail_new(fi, fd, &look, path, p, hops)->seen_round = fi->round;
}

/* Reads a file that has no name any more that we look for, now or when there is room. Takes fd. */
static void open_rotated(struct file_input *fi, int fd, const struct file_look *look, struct pos *p,
			 unsigned hops)
{
	uint64_t unread = look->size - p->offset;

	if (rotated_has_room(fi, unread)) {
		tail_new(fi, fd, look, STR_NONE, p, hops);
		return;
	}
	p->left_bytes = unread;
	fi->has_left = true;
	os->close(fd);
}

/* Created under a name that we look for, renamed before we came to look. */
static void discover_late(struct file_input *fi, struct str path)
{
	struct file_look look = { .size = 0 };
	unsigned hops = 0;
	struct pos *p;
	int fd;

	fd = open_regular(fi, path, &look);
	if (fd < 0)
		return;
	p = find_tail(fi, &look.id) ? NULL : position_of(fi, fd, &look, path, &hops);
	if (!p || (p->offset && p->offset == look.size)) /* one that was read to its end */
		os->close(fd);
	else
		open_rotated(fi, fd, &look, p, hops);
}

/* ---- scans -------------------------------------------------------------------------------- */

static void on_dir(void *ctx, struct str path, unsigned what)
{
	struct file_input *fi = ctx;

	watch_dir(fi->watch, path, what);
}

/* With `within`, only what was let in; where a link leads to nothing, that cannot be told. */
static void note_link(struct file_input *fi, struct str path)
{
	if (fi->conf->follow == FOLLOW_ALL || (find_path(fi, path) && !open_is_refused(fi, path)))
		links_note(fi, path);
}

static void on_file(void *ctx, const struct walk_file *f)
{
	struct file_input *fi = ctx;
	struct tail *t = find_path(fi, f->path);

	if (is_excluded(fi, f->path))
		return;
	/* Not the number alone: another file system may be mounted there, or a file made again. */
	if (t && f->ino && t->id.ino == f->ino && leads_to(f->path, &t->id))
		t->seen_round = fi->round;
	else if (!archives_is_known(fi, f->path, f->ino))
		discover(fi, f->path);
	if (f->d_type == DT_LNK)
		note_link(fi, f->path);
}

static bool on_enter(void *ctx, struct str path, bool is_link)
{
	return !open_is_own(ctx, path) && (!is_link || open_may_enter(ctx, path));
}

static void on_trouble(void *ctx, struct str path, int errnum)
{
	open_refuse(ctx, path, 0, "directory_unreadable",
		    errnum == EACCES ? "give the agent's user r and x on it: its group, or setfacl"
				     : strerror(errnum));
}

static const struct walk_ops walk_ops = { on_dir, on_file, on_enter, on_trouble };

/* Files that were not met at their path, and changes that nobody told us of. */
static void check_tails(struct file_input *fi)
{
	int64_t now_ns = clock_wall_ns();
	struct tail *next;

	for (struct tail *t = fi->tails; t; t = next) {
		int64_t mtime_ns = t->mtime_ns;

		next = t->next;
		if (t->is_closed)
			continue;
		if (t->path.p && t->seen_round != fi->round && !leads_to(t->path, &t->id) &&
		    !rotate(t))
			continue;
		if (t->is_ready || t->held_link || !tail_look(t))
			continue;
		if (!tail_unread(t)) {
			idle_close_old(t);
			continue;
		}
		if (t->path.p && !t->after && !t->is_ahead && t->mtime_ns != mtime_ns &&
		    now_ns - t->mtime_ns > BLIND_AFTER_NS)
			watch_missed(fi->watch, t->path);
		tail_ready(t);
	}
}

static void count_dirs(struct file_input *fi)
{
	size_t all, polled;

	watch_count(fi->watch, &all, &polled);
	metric_set(fi->inotify_dirs, (int64_t)(all - polled));
	metric_set(fi->polled_dirs, (int64_t)polled);
}

/* Which files were found, under which names, is kept even when there is no credit to read them. */
static void note_found(struct file_input *fi)
{
	rotated_limit(fi);
	tail_free_retired(fi);
	if (!positions_flush(fi->positions))
		metric_add(fi->position_errors, 1);
}

static void find_moved(struct file_input *fi, bool only_left);

void find_scan(struct file_input *fi)
{
	watch_drain(fi->watch);
	fi->round++;
	fi->looks++;
	fi->must_walk = false;
	fi->short_scans = 0;
	fi->nunplaced = 0;
	watch_begin(fi->watch);
	for (size_t i = 0; i < fi->nglobs; i++)
		if (walk_glob(&fi->globs[i], &walk_ops, fi) >= WALK_DIRS_MAX)
			open_refuse(fi, fi->globs[i].text, 0, "too_many_directories",
				    "the rest of the pattern is not looked at; make it narrower");
	watch_end(fi->watch);
	open_swept(fi);
	links_swept(fi);
	check_tails(fi);
	count_dirs(fi);
	if (fi->has_left && rotated_has_room(fi, 0))
		find_moved(fi, true);
	fi->told_unplaced = fi->nunplaced;
	note_found(fi);
	fi->scanned_at_ns = clock_mono_ns();
}

/* Created under a name that we look for and renamed before we came to look. */
static bool was_wanted(const struct file_input *fi, struct str path)
{
	unsigned hops = 0;
	struct str origin = origin_of(fi, path, &hops);

	return hops && find_is_wanted(fi, origin);
}

/* Directories change their times when a name comes or goes: with none changed, the patterns have the
 * same answer. Where inotify surely tells of every write, files need not be looked at either. A whole
 * scan now and then finds what neither can show, such as a file that is mounted over another. */
void find_scan_if_needed(struct file_input *fi)
{
	watch_drain(fi->watch);
	if (fi->must_walk || (fi->told_unplaced && !fi->positions->lacks_room) || fi->npassing ||
	    fi->has_left || ++fi->short_scans == WHOLE_SCAN_EVERY ||
	    watch_names_changed(fi->watch, false)) {
		find_scan(fi);
		return;
	}
	if (!watch_is_sure(fi->watch))
		check_tails(fi);
	count_dirs(fi);
	note_found(fi);
	fi->scanned_at_ns = clock_mono_ns();
}

static void look_at_name(struct file_input *fi, struct str path)
{
	struct tail *t = find_path(fi, path);
	struct statx s;

	if (OS_RETRY(os->statx(AT_FDCWD, path.p, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO,
			       &s)) != 0) {
		if (t && errno == ENOENT)
			rotate(t);
		return;
	}
	if (t && S_ISREG(s.stx_mode) && t->id.ino == s.stx_ino && leads_to(path, &t->id))
		return;
	if (find_is_wanted(fi, path)) {
		discover(fi, path);
		if (S_ISLNK(s.stx_mode))
			note_link(fi, path);
	} else if (S_ISREG(s.stx_mode) && was_wanted(fi, path)) {
		discover_late(fi, path);
	}
}

void find_noted_names(struct file_input *fi)
{
	struct buf names = fi->names;

	fi->names = BUF_INIT;
	fi->looks++;
	for (size_t at = 0; at < names.n;) {
		struct str path = str_c(names.p + at);

		look_at_name(fi, path);
		at += path.n + 1;
	}
	buf_fini(&names);
	note_found(fi);
}

static bool wake(struct file_input *fi, struct str path)
{
	struct tail *t = find_path(fi, path);

	if (t)
		pace_written(t);
	else if (!fi->positions->lacks_room && find_is_wanted(fi, path) &&
		 !open_is_refused(fi, path))
		look_at_name(fi, path); /* its creation was not told */
	return t != NULL;
}

void find_modified(struct file_input *fi, struct str path)
{
	struct map_node *at = NULL;
	struct str link;

	if (wake(fi, path))
		return;
	while ((link = links_to(fi, path, &at)).p)
		wake(fi, link);
}

/* ---- what happened while we were away ----------------------------------------------------- */

/* One that was moved: found by identity, under whatever name. */
struct moved {
	struct pos *pos;
	char *path;
};

struct search {
	struct file_input *fi;
	struct moved *moved;
	size_t n, cap;
	struct buf path;
};

static void look_at_entry(struct search *s, const struct dirent *d, size_t dir_n)
{
	struct map_node *n = positions_with_ino(s->fi->positions, d->d_ino);

	for (; n; n = map_next(n)) {
		struct pos *p = container_of(n, struct pos, by_ino);
		struct file_look look;
		const char *path;

		if (!p->is_missing || p->file.ino != d->d_ino)
			continue;
		s->path.n = dir_n;
		buf_c(&s->path, d->d_name);
		path = buf_cstr(&s->path);
		/* One that cannot be looked at now is not given up. */
		if (file_look_path(path, &look) && !file_id_alike(&look.id, &p->file))
			continue;
		if (s->n == s->cap) {
			s->cap = s->cap ? 2 * s->cap : 16;
			s->moved = mem_realloc(s->moved, s->cap * sizeof(*s->moved));
		}
		p->is_missing = false;
		p->is_elsewhere = true;
		s->moved[s->n++] = (struct moved){ p, mem_strdup(path) };
	}
}

/* Looks for everything that is missing. */
static void search_dir(void *ctx, struct str path, unsigned what)
{
	struct search *s = ctx;
	struct dirent *d;
	size_t n;
	DIR *dir;

	if (!(what & WALK_FILES))
		return;
	buf_clear(&s->path);
	buf_str(&s->path, path);
	if (path.p[path.n - 1] != '/')
		buf_ch(&s->path, '/');
	n = s->path.n;
	dir = opendir(buf_cstr(&s->path));
	while (dir && (d = readdir(dir)))
		if (d->d_type == DT_REG || d->d_type == DT_UNKNOWN)
			look_at_entry(s, d, n);
	if (dir)
		closedir(dir);
}

static void no_file(void *ctx, const struct walk_file *f)
{
	(void)ctx;
	(void)f;
}

static bool search_enter(void *ctx, struct str path, bool is_link)
{
	struct search *s = ctx;

	return on_enter(s->fi, path, is_link);
}

static void no_trouble(void *ctx, struct str path, int errnum)
{
	(void)ctx;
	(void)path;
	(void)errnum; /* the first scan tells */
}

/* Wherever logs are: files are moved between directories, too. */
static void search_missing(struct search *s, size_t missing)
{
	static const struct walk_ops search_ops = { search_dir, no_file, search_enter, no_trouble };

	for (size_t i = 0; i < s->fi->nglobs && s->n < missing; i++)
		walk_glob(&s->fi->globs[i], &search_ops, s);
	for (struct pos *p = s->fi->positions->first; p; p = p->next) {
		if (!p->is_missing)
			continue;
		p->is_missing = false;
		rotated_is_gone(s->fi, p);
	}
}

static int by_num(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return x->pos->order < y->pos->order ? -1 : x->pos->order > y->pos->order;
}

/* Opens it when there is something left to read in it. */
static void finish_moved(struct file_input *fi, const struct moved *m)
{
	struct file_look look = { .size = 0 };
	int fd;

	fd = open_regular(fi, str_c(m->path), &look);
	if (fd < 0)
		return;
	if (!file_id_alike(&look.id, &m->pos->file))
		m->pos->is_elsewhere = false; /* its inode is in use again */
	if (find_tail(fi, &look.id) || !file_id_alike(&look.id, &m->pos->file) ||
	    content_is(m->pos, fd, look.size, m->pos->offset, m->pos->marker) == SAME_NO ||
	    look.size == m->pos->offset) {
		os->close(fd);
		return;
	}
	if (look.id.dev != m->pos->file.dev)
		positions_move(fi->positions, m->pos, &look.id);
	log_info("finishing a file that was rotated", KV("path", m->pos->path),
		 KV_S("now", m->path), KV_I("unread_bytes", look.size - m->pos->offset));
	open_rotated(fi, fd, &look, m->pos, 0);
}

/* All that are not where they were, or those that had to be left. */
static void find_moved(struct file_input *fi, bool only_left)
{
	struct search s = { .fi = fi };
	struct buf path = BUF_INIT;
	size_t missing = 0;

	fi->has_left = false;
	for (struct pos *p = fi->positions->first; p; p = p->next) {
		struct file_look look;

		fi->has_left |= p->is_open && p->left_bytes; /* its last batches are on their way */
		if (p->is_open || p->archive || pos_is_gone(p) || (only_left && !p->left_bytes))
			continue;
		buf_clear(&path);
		buf_str(&path, p->path);
		p->is_missing =
			find_is_wanted(fi, p->path) && !(file_look_path(buf_cstr(&path), &look) &&
							 file_id_alike(&look.id, &p->file));
		missing += p->is_missing;
	}
	search_missing(&s, missing);
	if (s.n)
		qsort(s.moved, s.n, sizeof(*s.moved), by_num);
	for (size_t i = 0; i < s.n; i++) {
		finish_moved(fi, &s.moved[i]);
		mem_free(s.moved[i].path);
	}
	mem_free(s.moved);
	buf_fini(&s.path);
	buf_fini(&path);
}

void find_start(struct file_input *fi)
{
	find_moved(fi, false);
	fi->is_first_scan = true;
	find_scan(fi);
	fi->is_first_scan = false;
	positions_begun(fi->positions);
	note_found(fi);
}
