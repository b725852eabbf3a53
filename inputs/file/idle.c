/* SPDX-License-Identifier: Apache-2.0 */
/* Fewer descriptors than files: of the files that have a name, those that were read longest ago are
 * closed and opened again when they change. A file without a name is never closed by this. One that
 * loses its name while it is closed is looked for by its identity; when it is not found, it was
 * deleted, and what we knew to be unread is counted as lost. */
#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "inputs/file/file.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define LEAST 4      /* two files are compared, while others are named */
#define RESERVED 128 /* descriptors of the limit that are for others than tailed files */

/* ---- by use ------------------------------------------------------------------------------- */

static void leave(struct tail *t)
{
	struct file_input *fi = t->fi;

	if (!t->is_listed)
		return;
	t->is_listed = false;
	if (t->used_before)
		t->used_before->used_after = t->used_after;
	else
		fi->used_first = t->used_after;
	if (t->used_after)
		t->used_after->used_before = t->used_before;
	else
		fi->used_last = t->used_before;
}

void idle_used(struct tail *t)
{
	struct file_input *fi = t->fi;

	leave(t);
	if (t->fd < 0 || t->is_rotated)
		return;
	t->is_listed = true;
	t->used_after = NULL;
	t->used_before = fi->used_last;
	if (fi->used_last)
		fi->used_last->used_after = t;
	else
		fi->used_first = t;
	fi->used_last = t;
}

static void set_fd(struct tail *t, int fd)
{
	int64_t change = (fd >= 0) - (t->fd >= 0);

	t->fd = fd;
	t->fi->nfds += (size_t)change;
	metric_add(t->fi->descriptors, change);
}

void idle_take(struct tail *t, int fd)
{
	struct file_input *fi = t->fi;

	set_fd(t, fd);
	idle_used(t);
	while (fi->nfds > fi->max_fds && fi->used_first && fi->used_first != t)
		idle_close(fi->used_first);
}

int idle_swap(struct tail *t, int fd)
{
	int old = t->fd;

	set_fd(t, fd);
	idle_used(t);
	return old;
}

void idle_close(struct tail *t)
{
	leave(t);
	if (t->fd < 0)
		return;
	os->close(t->fd);
	set_fd(t, -1);
}

static bool is_old(const struct tail *t)
{
	int64_t ns = t->fi->conf->ignore_older_ns;

	return ns && clock_wall_ns() - t->mtime_ns > ns;
}

void idle_close_old(struct tail *t)
{
	if (t->fd >= 0 && t->path.p && !tail_unread(t) && !t->partial && is_old(t))
		idle_close(t);
}

bool idle_close_one(struct file_input *fi)
{
	if (!fi->used_first)
		return false;
	idle_close(fi->used_first);
	return true;
}

void idle_init(struct file_input *fi)
{
	struct rlimit limit;

	fi->max_fds = fi->conf->max_open_files;
	if (fi->max_fds < LEAST)
		fi->max_fds = LEAST;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	/* The usual soft limit of 1024 is for programs that use select(2). */
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < fi->max_fds + RESERVED)
		fi->max_fds = limit.rlim_cur > 2 * RESERVED ? (size_t)limit.rlim_cur - RESERVED
							    : (size_t)limit.rlim_cur / 2;
}

/* ---- opening again ------------------------------------------------------------------------ */

enum lead { LEADS_THERE, LEADS_ELSEWHERE, LEADS_TO_REUSED /* inode: the file is gone */ };

static enum lead lead_of(const char *path, const struct file_id *id)
{
	struct file_look look;

	if (!file_look_path(path, &look) || look.id.dev != id->dev || look.id.ino != id->ino)
		return LEADS_ELSEWHERE;
	return file_id_eq(&look.id, id) && S_ISREG(look.mode) ? LEADS_THERE : LEADS_TO_REUSED;
}

static bool leads_to(const char *path, const struct file_id *id)
{
	return lead_of(path, id) == LEADS_THERE;
}

static void set_last_path(struct tail *t, struct str path)
{
	char *copy = mem_alloc(path.n + 1);

	memcpy(copy, path.p, path.n);
	copy[path.n] = 0;
	mem_free(active_rare(t)->last_path);
	t->rare->last_path = copy;
}

void idle_name_lost(struct tail *t)
{
	leave(t);
	if (t->fd < 0 && t->path.p)
		set_last_path(t, t->path);
}

/* Every closed file without a name that is in this directory: many can be renamed at once. */
static void search_dir(struct file_input *fi, const struct tail *lost, struct str dir_path)
{
	struct buf path = BUF_INIT;
	struct dirent *d;
	DIR *dir;

	buf_str(&path, dir_path);
	dir = opendir(buf_cstr(&path));
	while (dir && (d = readdir(dir))) {
		struct file_id id = { lost->id.dev, d->d_ino, 0 };
		struct map_node *n = map_first(&fi->by_id, tail_id_hash(&id));

		for (; n; n = map_next(n)) {
			struct tail *t = container_of(n, struct tail, by_id);

			if (t->id.ino != d->d_ino || t->fd >= 0 || (t->path.p && t != lost))
				continue;
			path.n = dir_path.n;
			buf_c(&path, d->d_name);
			if (leads_to(buf_cstr(&path), &t->id))
				set_last_path(t, buf_as_str(&path));
		}
	}
	if (dir)
		closedir(dir);
	buf_fini(&path);
}

/* last_path leads to the file afterwards, if anything does. */
static bool search(struct tail *t)
{
	struct str dir;
	char *old;

	if (!t->rare || !t->rare->last_path)
		return false;
	if (leads_to(t->rare->last_path, &t->id))
		return true;
	set_last_path(t, names_now(t->fi, str_c(t->rare->last_path)));
	if (leads_to(t->rare->last_path, &t->id))
		return true;
	dir = str_c(t->rare->last_path);
	while (dir.n && dir.p[dir.n - 1] != '/')
		dir.n--;
	old = mem_strdup(t->rare->last_path);
	search_dir(t->fi, t, str_make(old, dir.n));
	mem_free(old);
	return leads_to(t->rare->last_path, &t->id);
}

enum idle_open idle_open(struct tail *t)
{
	const char *path = t->path.p;
	struct file_look look;
	enum lead lead;
	int fd;

	if (t->fd >= 0)
		return IDLE_OPEN;
	lead = path ? lead_of(path, &t->id) : LEADS_THERE;
	if (lead == LEADS_TO_REUSED || (!path && !search(t)))
		return IDLE_GONE;
	if (lead == LEADS_ELSEWHERE)
		return IDLE_LATER; /* its name will be taken from it in a moment */
	if (!path)
		path = t->rare->last_path;
	fd = open_regular(t->fi, str_c(path), &look);
	if (fd >= 0 && !file_id_eq(&look.id, &t->id)) {
		os->close(fd);
		fd = -1;
	}
	if (fd < 0)
		return IDLE_LATER;
	idle_take(t, fd);
	return IDLE_OPEN;
}

bool idle_is_gone(struct tail *t)
{
	struct stat st;

	if (t->fd >= 0)
		return OS_RETRY(os->fstat(t->fd, &st)) == 0 && st.st_nlink == 0;
	if (t->path.p)
		set_last_path(t, t->path);
	return !search(t);
}

void idle_gone(struct tail *t)
{
	if (!t->behind && is_old(t)) {
		metric_add(t->fi->deleted, 1);
	} else {
		log_warn("file was deleted while it was closed to save descriptors",
			 KV("path", t->pos->path), KV_I("lost_bytes", t->behind),
			 KV_S("advice", "a larger max_open_files keeps more files open"));
		metric_add(t->fi->gone_closed, 1);
	}
	metric_add(metric_get(METRIC_FILE_BYTES_LOST, "input", t->fi->in->name, "reason", "closed",
			      NULL),
		   (int64_t)t->behind);
	t->is_forgotten = true;
	tail_close(t);
}

/* ---- looking without a descriptor --------------------------------------------------------- */

bool idle_is_unchanged(const struct tail *t)
{
	struct file_look look;

	return t->path.p && file_look_path(t->path.p, &look) && file_id_eq(&look.id, &t->id) &&
	       look.size == t->size && look.mtime_ns == t->mtime_ns;
}
