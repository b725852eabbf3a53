/* SPDX-License-Identifier: Apache-2.0 */
/* Writing dead letters: opened for each group, as it is rare and lets the file be moved away. */
#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/own_file.h"
#include "lib/rfc3339.h"
#include "outputs/loki/deadletter.h"
#include "outputs/loki/push.h"

#define REASON_MAX 1024
#define GROUP_BYTES ((size_t)128 * 1024) /* written or read at once */
#define LINE_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct deadletter {
	char *path;
	size_t max_bytes; /* of one file */
	unsigned max_files;
	uint64_t deleted;
};

/* One open file and what is about to be written to it. */
struct group {
	int fd;
	size_t size; /* of the file: all of it whole lines */
	struct buf lines;
	uint64_t nlines;
	bool is_dirty; /* written to and not synced */
};

/* Somebody may have put something else there, and a letter that cannot be written is lost. */
static int check_path(const struct deadletter *d, const char *dir, struct err *err)
{
	int fd = own_file_open(d->path, O_RDWR | O_APPEND, err);

	if (fd >= 0) {
		os->close(fd);
		return 0;
	}
	if (err->code != -ENOENT) {
		err_where(err, "%s", d->path);
		return -1;
	}
	*err = ERR_NONE;
	if (access(dir, W_OK | X_OK) < 0)
		return err_errno(err, errno, "cannot write into the folder %s", dir);
	return 0;
}

struct deadletter *deadletter_new(const char *state_dir, const char *name, size_t max_bytes,
				  unsigned max_files, struct err *err)
{
	struct deadletter *d = mem_zalloc(sizeof(*d));
	struct buf path = BUF_INIT, dir = BUF_INIT;
	int rc;

	buf_printf(&path, "%s/dead-letters", state_dir);
	buf_printf(&dir, "%s", buf_cstr(&path));
	if (os->mkdir(buf_cstr(&path), 0700) < 0 && errno != EEXIST) {
		err_errno(err, errno, "cannot make the folder %s", buf_cstr(&path));
		buf_fini(&path);
		buf_fini(&dir);
		mem_free(d);
		return NULL;
	}
	buf_printf(&path, "/%s.jsonl", name);
	d->path = mem_strdup(buf_cstr(&path));
	d->max_files = max_files ? max_files : 1;
	d->max_bytes = max_bytes / d->max_files;
	rc = check_path(d, buf_cstr(&dir), err);
	buf_fini(&path);
	buf_fini(&dir);
	if (rc < 0) {
		deadletter_free(d);
		return NULL;
	}
	return d;
}

void deadletter_file(const struct deadletter *d, unsigned i, struct buf *ret)
{
	buf_clear(ret);
	buf_printf(ret, "%s", d->path);
	if (i)
		buf_printf(ret, ".%u", i);
	buf_cstr(ret);
}

uint64_t deadletter_take_deleted(struct deadletter *d)
{
	uint64_t n = d->deleted;

	d->deleted = 0;
	return n;
}

void deadletter_free(struct deadletter *d)
{
	if (!d)
		return;
	mem_free(d->path);
	mem_free(d);
}

const char *deadletter_path(const struct deadletter *d)
{
	return d->path;
}

int deadletter_move(const char *from, const char *to)
{
	struct err unused = ERR_NONE;
	int fd;

	if (os->rename(from, to) < 0)
		return -1;
	fd = own_file_open(to, O_RDWR, &unused);
	if (fd >= 0) {
		OS_RETRY(flock(fd, LOCK_EX));
		os->close(fd);
	}
	return 0;
}

/* Locked, so that a replay which moves it away does not read it while we write. 0, or 1 when it was moved
 * away before we had the lock. */
static int try_open(const struct deadletter *d, struct group *g, struct stat *st, struct err *err)
{
	struct stat named;

	g->fd = own_file_open(d->path, O_RDWR | O_CREAT | O_APPEND, err);
	if (g->fd < 0)
		return g->fd;
	OS_RETRY(flock(g->fd, LOCK_EX));
	if (os->fstat(g->fd, st) < 0)
		return err_errno(err, errno, "cannot look at it");
	if (os->stat(d->path, &named) == 0 && named.st_ino == st->st_ino &&
	    named.st_dev == st->st_dev)
		return 0;
	os->close(g->fd);
	g->fd = -1;
	return 1;
}

static int open_file(const struct deadletter *d, struct group *g, struct err *err)
{
	struct stat st;
	char last;
	int rc;

	while ((rc = try_open(d, g, &st, err)) > 0)
		;
	if (rc < 0)
		return rc;
	g->size = (size_t)st.st_size;
	/* A kill may have left half a line; it must not swallow the next one. */
	if (g->size && os->pread(g->fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		buf_ch(&g->lines, '\n');
	return 0;
}

/* Whole lines or nothing. */
static int write_group(struct group *g, struct err *err)
{
	size_t done = 0;

	while (done < g->lines.n) {
		ssize_t n = os->write(g->fd, g->lines.p + done, g->lines.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int errnum = n < 0 ? errno : ENOSPC;

			if (done)
				os->ftruncate(g->fd, (off_t)g->size);
			return err_errno(err, errnum, "cannot write it");
		}
		done += (size_t)n;
	}
	g->size += g->lines.n;
	buf_clear(&g->lines);
	return 0;
}

static void count_one(void *arg, struct str line)
{
	(void)line;
	++*(uint64_t *)arg;
}

/* Every file one further, the oldest is gone. */
static void rotate(struct deadletter *d)
{
	struct buf from = BUF_INIT, to = BUF_INIT;
	struct err err = ERR_NONE;

	deadletter_file(d, d->max_files - 1, &to);
	deadletter_read(to.p, count_one, &d->deleted, &err);
	for (unsigned i = d->max_files - 1; i > 0; i--) {
		deadletter_file(d, i - 1, &from);
		deadletter_file(d, i, &to);
		os->rename(from.p, to.p); /* or it is not there */
	}
	buf_fini(&from);
	buf_fini(&to);
}

static void put_entry(struct buf *b, const struct run *run, struct push_entry e, int status,
		      struct str reason)
{
	struct str name, value;
	char stamp[RFC3339_MAX];
	bool is_first = true;

	rfc3339_utc(e.time_ns, 9, stamp);
	buf_printf(b, "{\"time\":\"%s\"", stamp);
	if (run->tenant.n) {
		buf_c(b, ",\"tenant\":");
		buf_json_str(b, run->tenant);
	}
	buf_c(b, ",\"labels\":");
	buf_json_str(b, run->labels);
	buf_c(b, ",\"line\":");
	buf_json_str(b, e.line);
	buf_c(b, ",\"metadata\":{");
	while (push_next_pair(&e.meta, &name, &value)) {
		buf_c(b, is_first ? "" : ",");
		buf_json_str(b, name);
		buf_ch(b, ':');
		buf_json_str(b, value);
		is_first = false;
	}
	buf_printf(b, "},\"status\":%d,\"reason\":", status);
	buf_json_str(b, str_sub(reason, 0, REASON_MAX));
	buf_c(b, "}\n");
}

/* Writes what is there; *written counts it. */
static int finish_group(struct group *g, uint64_t *written, struct err *err)
{
	if (!g->nlines)
		return 0;
	if (write_group(g, err) < 0)
		return -1;
	*written += g->nlines;
	g->nlines = 0;
	g->is_dirty = true;
	return 0;
}

static void close_file(struct group *g, struct err *err)
{
	if (g->is_dirty && os->fdatasync(g->fd) < 0)
		err_errno(err, errno, "cannot sync it");
	if (g->fd >= 0)
		os->close(g->fd);
	g->is_dirty = false;
	g->fd = -1;
}

static bool fits(const struct deadletter *d, const struct group *g)
{
	return g->size + g->lines.n <= d->max_bytes && !g->lines.is_cut;
}

/* Adds one entry to the group, in a new file when this one is full. One that fits nowhere is left out: a
 * shorter one may still fit. Negative when nothing can be written. */
static int add(struct deadletter *d, struct group *g, const struct run *run, struct push_entry e,
	       int status, struct str reason, uint64_t *written, struct err *err)
{
	size_t before = g->lines.n;

	put_entry(&g->lines, run, e, status, reason);
	if (!fits(d, g) && d->max_files > 1 && g->size + before > 0) {
		g->lines.n = before;
		if (finish_group(g, written, err) < 0)
			return -1;
		close_file(g, err);
		rotate(d);
		if (open_file(d, g, err) < 0)
			return -1;
		before = g->lines.n;
		put_entry(&g->lines, run, e, status, reason);
	}
	if (!fits(d, g)) {
		g->lines.n = before;
		return 0;
	}
	g->nlines++;
	return g->lines.n < GROUP_BYTES ? 0 : finish_group(g, written, err);
}

uint64_t deadletter_write(struct deadletter *d, const struct piece *pieces, size_t n, int status,
			  struct str reason, struct err *err)
{
	struct group g = { .fd = -1 };
	uint64_t written = 0;

	*err = ERR_NONE;
	if (open_file(d, &g, err) < 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		struct str bytes = piece_bytes(&pieces[i]);
		struct push_entry e;

		while (push_next_entry(&bytes, &e))
			if (add(d, &g, piece_run(&pieces[i]), e, status, reason, &written, err) < 0)
				goto out;
	}
	finish_group(&g, &written, err);
out:
	close_file(&g, err);
	buf_fini(&g.lines);
	return written;
}

/* Hands out the whole lines of b and keeps the rest. */
static void take_lines(struct buf *b, void (*take)(void *arg, struct str line), void *arg)
{
	struct str rest = buf_as_str(b);
	size_t end;

	while ((end = str_chr(rest, '\n')) < rest.n || rest.n >= LINE_MAX_BYTES) {
		take(arg, str_sub(rest, 0, end));
		rest = str_skip(rest, end + 1);
	}
	if (rest.n)
		memmove(b->p, rest.p, rest.n);
	b->n = rest.n;
}

int deadletter_read(const char *path, void (*take)(void *arg, struct str line), void *arg,
		    struct err *err)
{
	int fd = own_file_open(path, O_RDONLY, err);
	struct buf b = BUF_INIT;
	off_t at = 0;
	ssize_t n = 0;

	if (fd == -ENOENT) {
		*err = ERR_NONE;
		return 0;
	}
	if (fd < 0)
		return fd;
	do {
		buf_reserve(&b, GROUP_BYTES);
		n = OS_RETRY(os->pread(fd, b.p + b.n, GROUP_BYTES, at));
		if (n < 0)
			err_errno(err, errno, "cannot read it");
		b.n += n > 0 ? (size_t)n : 0;
		at += n > 0 ? n : 0;
		take_lines(&b, take, arg);
	} while (n > 0);
	if (b.n)
		take(arg, buf_as_str(&b));
	os->close(fd);
	buf_fini(&b);
	return n < 0 ? err->code : 0;
}
