/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are there, and which of them are those we know? A file is opened once and everything
 * about it is asked of the descriptor, so that a rotation in between cannot mix up two files. */
#include <dirent.h>
#include <errno.h>

#include "inputs/file/archives.h"
#include "inputs/file/walk.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define WHOLE_SCAN_EVERY 6
#define BLIND_AFTER_NS (2 * NS_PER_S) /* a change this old should have been told by inotify */

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
	struct str path = str_make(mem_dup(t->path.p, t->path.n), t->path.n);
	bool is_there = tail_look_closely(t);
	struct tail *at_path = is_there ? find_path(fi, path) : NULL;

	if (at_path) {
		metric_add(fi->rotated, 1);
		tail_set_path(at_path, STR_NONE);
	}
	mem_free((void *)(uintptr_t)path.p);
	return is_there;
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
	    resume_content_is(t->pos, fd, look->size, t->offset, t->marker) == SAME_YES) {
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
	p = resume_position(fi, fd, &look, path, &hops);
	if (!p) {
		os->close(fd);
		return;
	}
	tail_new(fi, fd, &look, path, p, hops)->seen_round = fi->round;
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
	p = find_tail(fi, &look.id) ? NULL : resume_position(fi, fd, &look, path, &hops);
	if (!p || (p->offset && p->offset == look.size)) /* one that was read to its end */
		os->close(fd);
	else
		rotated_open(fi, fd, &look, p, hops);
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
		moved_find(fi, true);
	fi->told_unplaced = fi->nunplaced;
	note_found(fi);
	fi->scanned_at_ns = clock_mono_ns();
}

/* Created under a name that we look for and renamed before we came to look. */
static bool was_wanted(const struct file_input *fi, struct str path)
{
	unsigned hops = 0;
	struct str origin = names_origin(fi, path, &hops);

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

void find_start(struct file_input *fi)
{
	moved_find(fi, false);
	fi->is_first_scan = true;
	find_scan(fi);
	fi->is_first_scan = false;
	positions_begun(fi->positions);
	note_found(fi);
}
