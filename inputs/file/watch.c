/* SPDX-License-Identifier: Apache-2.0 */
/* inotify on directories, with the decision which of them need polling. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "inputs/file/walk.h"
#include "inputs/file/watch.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/os.h"

#define EVENT_BYTES 32768
#define READS_PER_ROUND 4
#define STAMP_GRAIN_NS (2 * NS_PER_S)
#define MISSES_MAX 2 /* then a directory is polled */

/* Not in every linux/magic.h. */
#define GFS2_MAGIC 0x01161970
#define LUSTRE_MAGIC 0x0bd00bd0
#define VBOXSF_MAGIC 0x786f4256

/* What changes when a name comes or goes. */
struct stamp {
	uint64_t dev, ino;
	int64_t mtime_ns, ctime_ns;
	bool is_old; /* changes after it would show: the clock of file systems is coarse */
};

/* One directory under one path. */
struct dir {
	struct map_node by_path, by_names_wd, by_bytes_wd;
	struct dir *next;
	struct str path;        /* owned, NUL-terminated */
	int names_wd, bytes_wd; /* -1: none */
	unsigned what;
	unsigned round; /* of watch_begin() that named it */
	unsigned misses;
	bool is_polled;
	bool is_limited;    /* polled for want of watches, which may come */
	struct stamp stamp; /* before it was read last */
	bool is_sure;       /* a file system where inotify is known to tell everything */
	bool is_muted, has_links;
	uint64_t nevents, nfiles, growths; /* of bytes since the last census; of the one going on */
};

struct source_fd {
	struct io io;
	struct watch *watch;
	int fd;
	bool is_bytes;
};

struct watch {
	struct loop *loop;
	enum watch_mode mode;
	const struct watch_ops *ops;
	void *ctx;
	struct source_fd names, bytes;
	struct timer pace;
	struct dir *dirs;
	struct map by_path, by_names_wd, by_bytes_wd, files_by_wd;
	size_t ndirs;
	unsigned round, polled, muted;
	bool has_told_watches, has_told_instances;
	struct buf path;            /* of the last event */
	const struct dir *path_dir; /* whose path it begins with, with the slash, or NULL */
	size_t path_dir_n;
	char events[EVENT_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
};

/* ---- directories -------------------------------------------------------------------------- */

enum fs { FS_UNKNOWN, FS_BLIND, FS_SURE };

static enum fs fs_of(const char *path)
{
	struct statfs s;

	if (statfs(path, &s) != 0)
		return FS_UNKNOWN;
	switch ((uint32_t)s.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case V9FS_MAGIC:
	case CODA_SUPER_MAGIC:
	case AFS_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case GFS2_MAGIC:
	case OCFS2_SUPER_MAGIC:
	case LUSTRE_MAGIC:
	case VBOXSF_MAGIC:
		return FS_BLIND;
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return FS_SURE;
	default:
		return FS_UNKNOWN;
	}
}

static struct stamp stamp_of(const char *path)
{
	struct stamp s = { .dev = 0 };
	int64_t now_ns = clock_wall_ns();
	struct stat st;

	if (OS_RETRY(os->stat(path, &st)) != 0)
		return s;
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	s.mtime_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	s.ctime_ns = st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec;
	s.is_old = now_ns - s.mtime_ns > STAMP_GRAIN_NS && now_ns - s.ctime_ns > STAMP_GRAIN_NS;
	return s;
}

static bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns;
}

static struct dir *find_dir(const struct watch *w, struct str path)
{
	struct map_node *n;

	for (n = map_first(&w->by_path, str_hash(path, 0)); n; n = map_next(n)) {
		struct dir *d = container_of(n, struct dir, by_path);

		if (str_eq(d->path, path))
			return d;
	}
	return NULL;
}

static struct dir *dir_of(const struct watch *w, struct str file_path)
{
	size_t n = file_path.n;

	while (n && file_path.p[n - 1] != '/')
		n--;
	return n ? find_dir(w, str_sub(file_path, 0, n > 1 ? n - 1 : 1)) : NULL;
}

static void start_polling(struct watch *w, struct dir *d, const char *why)
{
	if (d->is_polled)
		return;
	d->is_polled = true;
	w->polled++;
	if (w->mode != WATCH_POLL)
		log_info("polling a directory", KV("path", d->path), KV_S("why", why));
}

/* Other paths of the same directory share the kernel's descriptor. */
static bool is_shared(const struct map *m, const struct map_node *node)
{
	struct map_node *n = map_first(m, node->hash);

	return n != node || map_next(n);
}

static void drop_wd(const struct source_fd *fd, struct map *m, struct map_node *node, int *wd)
{
	if (*wd < 0)
		return;
	if (!is_shared(m, node))
		inotify_rm_watch(fd->fd, *wd);
	map_del(m, node);
	*wd = -1;
}

static void drop_dir(struct watch *w, struct dir **at)
{
	struct dir *d = *at;

	*at = d->next;
	drop_wd(&w->names, &w->by_names_wd, &d->by_names_wd, &d->names_wd);
	drop_wd(&w->bytes, &w->by_bytes_wd, &d->by_bytes_wd, &d->bytes_wd);
	map_del(&w->by_path, &d->by_path);
	w->polled -= d->is_polled;
	w->muted -= d->is_muted;
	w->ndirs--;
	if (w->path_dir == d)
		w->path_dir = NULL;
	mem_free((void *)(uintptr_t)d->path.p);
	mem_free(d);
}

static void add_wd(struct watch *w, struct dir *d, struct source_fd *fd, struct map *m,
		   struct map_node *node, int *wd, uint32_t mask)
{
	int new_wd = inotify_add_watch(fd->fd, d->path.p, mask | IN_ONLYDIR);

	if (new_wd >= 0 && new_wd == *wd)
		return;
	/* Another directory has the path now. The kernel drops the watch of one that is gone by itself,
	 * not of one that was moved. */
	drop_wd(fd, m, node, wd);
	*wd = new_wd;
	if (new_wd >= 0) {
		map_add(m, node, (uint64_t)new_wd);
		return;
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return; /* gone again */
	if (errno == ENOSPC && !w->has_told_watches)
		log_warn("inotify watches are used up, files are polled",
			 KV_S("advice", "sysctl -w fs.inotify.max_user_watches=1048576"),
			 KV("first", d->path));
	w->has_told_watches |= errno == ENOSPC;
	d->is_limited = errno == ENOSPC || errno == ENOMEM;
	start_polling(w, d, errno == EACCES ? "not readable" : "no inotify watch left");
}

static void add_watches(struct watch *w, struct dir *d)
{
	bool was_limited = d->is_limited;
	enum fs fs;

	d->is_limited = false;
	if (w->mode == WATCH_POLL || w->names.fd < 0) {
		d->is_limited = w->mode != WATCH_POLL;
		start_polling(w, d, "no inotify instance left");
		return;
	}
	add_wd(w, d, &w->names, &w->by_names_wd, &d->by_names_wd, &d->names_wd,
	       IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |
		       IN_MOVE_SELF);
	if (d->what & WALK_FILES && !d->is_muted && (!d->is_polled || was_limited))
		add_wd(w, d, &w->bytes, &w->by_bytes_wd, &d->by_bytes_wd, &d->bytes_wd, IN_MODIFY);
	if (was_limited && !d->is_limited && d->is_polled) {
		d->is_polled = false;
		w->polled--;
		log_info("no longer polling a directory", KV("path", d->path));
	}
	fs = fs_of(d->path.p);
	d->is_sure = fs == FS_SURE;
	if (w->mode == WATCH_AUTO && !d->is_polled && fs == FS_BLIND)
		start_polling(w, d, "inotify does not see changes on this file system");
}

static void open_both(struct watch *w);

void watch_begin(struct watch *w)
{
	if (w->names.fd < 0 && w->mode != WATCH_POLL)
		open_both(w);
	w->round++;
}

void watch_dir(struct watch *w, struct str path, unsigned what)
{
	struct dir *d = find_dir(w, path);
	char *copy;

	if (d && d->round == w->round && (d->what & what) == what)
		return;
	if (!d) {
		d = mem_zalloc(sizeof(*d));
		copy = mem_alloc(path.n + 1);
		memcpy(copy, path.p, path.n);
		copy[path.n] = 0;
		d->path = str_make(copy, path.n);
		d->names_wd = d->bytes_wd = -1;
		d->next = w->dirs;
		w->dirs = d;
		w->ndirs++;
		map_add(&w->by_path, &d->by_path, str_hash(path, 0));
	}
	if (d->round != w->round)
		d->stamp = stamp_of(d->path.p);
	d->what = d->round == w->round ? d->what | what : what;
	d->round = w->round;
	add_watches(w, d);
}

void watch_end(struct watch *w)
{
	for (struct dir **at = &w->dirs; *at;) {
		if ((*at)->round != w->round)
			drop_dir(w, at);
		else
			at = &(*at)->next;
	}
}

/* ---- files -------------------------------------------------------------------------------- */

void watch_file(struct watch *w, struct watch_file *f, int fd)
{
	char name[40];
	int wd;

	watch_file_drop(w, f);
	if (w->bytes.fd < 0)
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(w->bytes.fd, name, IN_MODIFY);
	if (wd < 0)
		return;
	f->wd = wd;
	map_add(&w->files_by_wd, &f->by_wd, (uint64_t)wd);
}

void watch_file_drop(struct watch *w, struct watch_file *f)
{
	if (f->by_wd.is_in && w)
		drop_wd(&w->bytes, &w->files_by_wd, &f->by_wd, &f->wd);
}

/* mask: IN_MODIFY, or the watch is no more. */
static void file_event(struct watch *w, const struct inotify_event *e)
{
	struct map_node *n, *next;

	for (n = map_first(&w->files_by_wd, (uint64_t)e->wd); n; n = next) {
		next = map_next(n);
		if (e->mask & IN_MODIFY)
			w->ops->file_modified(w->ctx, container_of(n, struct watch_file, by_wd));
		else
			map_del(&w->files_by_wd, n);
	}
}

/* ---- events ------------------------------------------------------------------------------- */

static struct str event_path(struct watch *w, const struct dir *d, const struct inotify_event *e)
{
	/* Mostly the directory is that of the last event. */
	if (w->path_dir != d) {
		buf_clear(&w->path);
		buf_str(&w->path, d->path);
		if (d->path.n > 1)
			buf_ch(&w->path, '/');
		w->path_dir = d;
		w->path_dir_n = w->path.n;
	}
	w->path.n = w->path_dir_n;
	buf_put(&w->path, e->name, strnlen(e->name, e->len));
	buf_cstr(&w->path);
	return buf_as_str(&w->path);
}

static bool is_symlink(const char *path)
{
	struct statx s;

	return os->statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &s) == 0 &&
	       S_ISLNK(s.stx_mode);
}

static void name_event(struct watch *w, struct dir *d, const struct inotify_event *e)
{
	struct str path;

	if (e->len == 0)
		return;
	path = event_path(w, d, e);
	if (e->mask & IN_ATTRIB) {
		w->ops->permitted(w->ctx, path);
		return;
	}
	if (e->mask & IN_ISDIR) {
		if (d->what & WALK_SUBDIRS)
			w->ops->rescan(w->ctx, false);
		return;
	}
	if (d->what & WALK_SUBDIRS && e->mask & (IN_CREATE | IN_MOVED_TO) && is_symlink(path.p))
		w->ops->rescan(w->ctx, false); /* perhaps to a directory */
	if (d->what & WALK_FILES)
		w->ops->named(w->ctx, path,
			      e->mask & IN_CREATE       ? NAME_CREATED
			      : e->mask & IN_DELETE     ? NAME_DELETED
			      : e->mask & IN_MOVED_FROM ? NAME_MOVED_FROM
							: NAME_MOVED_TO,
			      e->cookie);
}

/* The directory is gone or elsewhere: the next pass decides what its paths mean. */
static void lose_dirs(struct watch *w, struct source_fd *fd, int wd)
{
	struct map *m = fd->is_bytes ? &w->by_bytes_wd : &w->by_names_wd;
	struct map_node *n, *next;
	bool is_ours = false;

	for (n = map_first(m, (uint64_t)wd); n; n = next) {
		struct dir *d = fd->is_bytes ? container_of(n, struct dir, by_bytes_wd)
					     : container_of(n, struct dir, by_names_wd);

		next = map_next(n);
		map_del(m, n);
		*(fd->is_bytes ? &d->bytes_wd : &d->names_wd) = -1;
		is_ours = true;
	}
	if (is_ours)
		w->ops->rescan(w->ctx, false);
}

static void handle(struct watch *w, struct source_fd *fd, const struct inotify_event *e)
{
	struct map *m = fd->is_bytes ? &w->by_bytes_wd : &w->by_names_wd;
	struct map_node *n, *next;

	if (e->mask & IN_Q_OVERFLOW) {
		w->ops->rescan(w->ctx, true);
		return;
	}
	if (fd->is_bytes && e->len == 0)
		file_event(w, e);
	if (e->mask & (IN_IGNORED | IN_UNMOUNT)) {
		lose_dirs(w, fd, e->wd);
		return;
	}
	if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
		/* A moved directory keeps its watch, which would tell old paths. */
		if (e->mask & IN_MOVE_SELF)
			inotify_rm_watch(fd->fd, e->wd);
		lose_dirs(w, fd, e->wd);
		return;
	}
	for (n = map_first(m, (uint64_t)e->wd); n; n = next) {
		next = map_next(n);
		if (!fd->is_bytes) {
			name_event(w, container_of(n, struct dir, by_names_wd), e);
		} else if (e->len) {
			struct dir *d = container_of(n, struct dir, by_bytes_wd);

			d->nevents++;
			w->ops->modified(w->ctx, event_path(w, d, e));
		}
	}
}

/* Returns whether there was anything. */
static bool read_events(struct watch *w, struct source_fd *fd)
{
	bool any = false;

	for (int i = 0; fd->fd >= 0 && i < READS_PER_ROUND; i++) {
		ssize_t n = os->read(fd->fd, w->events, sizeof(w->events));
		const char *p = w->events, *end = p + (n > 0 ? n : 0);

		if (n <= 0)
			break;
		any = true;
		while (p < end) {
			const struct inotify_event *e = (const void *)p;

			handle(w, fd, e);
			p += sizeof(*e) + e->len;
		}
		if ((size_t)n < sizeof(w->events) / 2)
			break;
	}
	if (any && !fd->is_bytes)
		w->ops->names_told(w->ctx);
	return any;
}

static void on_ready(struct io *io, uint32_t events);

static void on_pace(struct timer *t)
{
	struct watch *w = container_of(t, struct watch, pace);

	loop_io_add(w->loop, &w->bytes.io, w->bytes.fd, EPOLLIN, on_ready);
}

static void on_ready(struct io *io, uint32_t events)
{
	struct source_fd *fd = container_of(io, struct source_fd, io);
	struct watch *w = fd->watch;

	(void)events;
	if (!read_events(w, fd) || !fd->is_bytes)
		return;
	/* Not merely asking for nothing: inotify would wake epoll_wait() for each write() all the
	 * same, inside the kernel. */
	loop_io_del(w->loop, io);
	loop_timer_in(w->loop, &w->pace, WATCH_PACE_NS, on_pace);
}

void watch_drain(struct watch *w)
{
	read_events(w, &w->names);
	read_events(w, &w->bytes);
}

/* ---- polling ------------------------------------------------------------------------------ */

void watch_count(const struct watch *w, size_t *ret_all, size_t *ret_polled)
{
	*ret_all = w->ndirs;
	*ret_polled = w->polled;
}

bool watch_has_polled(const struct watch *w)
{
	return w->polled > 0;
}

bool watch_is_polled(const struct watch *w, struct str file_path)
{
	const struct dir *d = w->polled ? dir_of(w, file_path) : NULL;

	return d && d->is_polled;
}

bool watch_names_changed(struct watch *w, bool only_polled)
{
	for (const struct dir *d = w->dirs; d && (!only_polled || w->polled); d = d->next) {
		struct stamp now;

		if (only_polled && !d->is_polled)
			continue;
		now = stamp_of(d->path.p);
		if (!stamp_eq(&d->stamp, &now) || (!only_polled && !d->stamp.is_old))
			return true;
	}
	return false;
}

bool watch_is_sure(const struct watch *w)
{
	for (const struct dir *d = w->dirs; d; d = d->next)
		if (d->what & WALK_FILES && (d->is_polled || !d->is_sure || d->misses))
			return false;
	return true;
}

bool watch_missed(struct watch *w, struct str file_path)
{
	struct dir *d = dir_of(w, file_path);

	if (!d || d->is_polled || w->mode != WATCH_AUTO || ++d->misses < MISSES_MAX)
		return false;
	start_polling(w, d, "inotify did not tell of changes");
	return true;
}

/* ---- muting ------------------------------------------------------------------------------- */

#define EVENTS_PER_LOOK 2 /* more cost more than a look */

void watch_census_begin(struct watch *w)
{
	for (struct dir *d = w->dirs; d; d = d->next) {
		d->nfiles = d->growths = 0;
		d->has_links = false;
	}
}

void watch_census_file(struct watch *w, struct str path, uint64_t growths)
{
	struct dir *d = dir_of(w, path);

	if (!d)
		return;
	d->nfiles++;
	d->growths += growths;
}

/* Written to under one name, looked at under another: must be heard. */
void watch_census_link(struct watch *w, struct str target)
{
	struct dir *d = dir_of(w, target);

	if (d)
		d->has_links = true;
}

static bool must_mute(const struct watch *w, const struct dir *d, uint64_t rounds)
{
	uint64_t looks = d->nfiles * rounds;

	if (d->is_muted)
		return d->growths >= looks / 4 && d->nfiles && !d->has_links;
	return d->bytes_wd >= 0 && d->nfiles && !d->has_links && !d->is_polled &&
	       !is_shared(&w->by_bytes_wd, &d->by_bytes_wd) && d->growths >= looks / 2 &&
	       d->nevents > looks * EVENTS_PER_LOOK;
}

static void mute(struct watch *w, struct dir *d, bool is_muted)
{
	d->is_muted = is_muted;
	w->muted += is_muted ? 1U : -1U;
	if (is_muted) {
		drop_wd(&w->bytes, &w->by_bytes_wd, &d->by_bytes_wd, &d->bytes_wd);
		return;
	}
	add_watches(w, d);
	if (d->is_polled)
		w->ops->rescan(w->ctx, false); /* no watch was left for it: begins polling */
}

bool watch_census_end(struct watch *w, uint64_t rounds)
{
	bool has_changed = false;

	for (struct dir *d = w->dirs; d; d = d->next) {
		if (must_mute(w, d, rounds) != d->is_muted) {
			mute(w, d, !d->is_muted);
			has_changed = true;
		}
		d->nevents = 0;
	}
	return has_changed;
}

bool watch_is_muted(const struct watch *w, struct str file_path)
{
	const struct dir *d = w && w->muted ? dir_of(w, file_path) : NULL;

	return d && d->is_muted;
}

/* ---- life --------------------------------------------------------------------------------- */

static void open_fd(struct watch *w, struct source_fd *fd, bool is_bytes)
{
	fd->watch = w;
	fd->is_bytes = is_bytes;
	fd->fd = w->mode == WATCH_POLL ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd->fd >= 0)
		loop_io_add(w->loop, &fd->io, fd->fd, EPOLLIN, on_ready);
	else if (w->mode != WATCH_POLL && !w->has_told_instances)
		log_warn("inotify is not available, files are polled", KV_ERRNO(errno),
			 KV_S("advice", "sysctl -w fs.inotify.max_user_instances=1024"));
	w->has_told_instances |= fd->fd < 0;
}

static void close_fd(struct watch *w, struct source_fd *fd)
{
	if (fd->fd < 0)
		return;
	loop_io_del(w->loop, &fd->io);
	if (fd->is_bytes)
		loop_timer_del(w->loop, &w->pace);
	os->close(fd->fd);
	fd->fd = -1;
}

static void open_both(struct watch *w)
{
	open_fd(w, &w->names, false);
	open_fd(w, &w->bytes, true);
	/* One without the other would hear half: poll then. */
	if (w->names.fd < 0 || w->bytes.fd < 0) {
		close_fd(w, &w->names);
		close_fd(w, &w->bytes);
	}
}

struct watch *watch_new(struct loop *loop, enum watch_mode mode, const struct watch_ops *ops,
			void *ctx)
{
	struct watch *w = mem_zalloc(sizeof(*w));

	w->loop = loop;
	w->mode = mode;
	w->ops = ops;
	w->ctx = ctx;
	open_both(w);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	loop_timer_del(w->loop, &w->pace);
	close_fd(w, &w->names);
	close_fd(w, &w->bytes);
	while (w->dirs)
		drop_dir(w, &w->dirs);
	map_fini(&w->by_path);
	map_fini(&w->by_names_wd);
	map_fini(&w->by_bytes_wd);
	map_fini(&w->files_by_wd);
	buf_fini(&w->path);
	mem_free(w);
}
