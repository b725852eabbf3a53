/* SPDX-License-Identifier: Apache-2.0 */
/* The file that positions are kept in: read at start, appended to, rewritten; and what is done when
 * it is not one, or the disk refuses. */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "inputs/file/positions.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define REWRITE_BYTES (8u << 20) /* and eight times what a fresh file has */
#define PENDING_KEEPS_BYTES 65536
#define LINE_MAX_BYTES (3 * POS_PATH_MAX + 256)
#define RENDER_MAX ((size_t)1 << 30)
/* Never through a link, never waiting for the other end of a pipe: what lies there may be a trap. */
#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define RETRY_NS (10 * NS_PER_S)  /* between attempts on a disk that refuses */
#define ROOM_NS (10 * NS_PER_S)   /* the same when there was no room for one */
#define TIDY_NS (NS_PER_S * 3600) /* between looks for files to forget */
#define READ_TRIES 10             /* of a file that cannot be read */
#define READ_WAIT_NS (100 * NS_PER_MS)
#define ASIDE_MAX 1000 /* files set aside, of one input */

/* ---- writing ------------------------------------------------------------------------------ */

static bool write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = os->write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = str_skip(s, (size_t)n);
	}
	return true;
}

static bool trouble(struct positions *ps, const char *what)
{
	int e = errno;

	ps->retry_at_ns = clock_mono_ns() + RETRY_NS;
	log_error("cannot keep positions, a restart may send lines again", KV_S("what", what),
		  KV_S("path", ps->path), KV_ERRNO(e));
	errno = e;
	return false;
}

static bool sync_dir(const struct positions *ps)
{
	int fd = OS_RETRY(os->open(ps->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
	bool ok = fd >= 0 && OS_RETRY(os->fsync(fd)) == 0;

	if (fd >= 0)
		os->close(fd);
	return ok;
}

/* Of ten thousand new files it holds megabytes. */
static void clear_pending(struct positions *ps)
{
	size_t max = ps->pending.max;

	if (ps->pending.cap > PENDING_KEEPS_BYTES) {
		buf_fini(&ps->pending);
		ps->pending.max = max;
	}
	buf_clear(&ps->pending);
}

static bool rewrite(struct positions *ps)
{
	struct buf text = { .max = RENDER_MAX };
	int fd = OS_RETRY(os->open(ps->temp_path,
				   O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | OPEN_FLAGS, 0600));

	if (fd < 0)
		return trouble(ps, "create");
	positions_render(ps, &text);
	if (!write_all(fd, buf_as_str(&text)) || OS_RETRY(os->fsync(fd)) != 0 ||
	    os->rename(ps->temp_path, ps->path) != 0 || !sync_dir(ps)) {
		int e;

		trouble(ps, "rewrite");
		e = errno;
		os->close(fd);
		os->unlink(ps->temp_path);
		buf_fini(&text);
		errno = e;
		return false;
	}
	if (ps->fd >= 0)
		os->close(ps->fd);
	ps->fd = fd;
	ps->file_bytes = ps->saved_bytes = text.n;
	ps->is_damaged = false;
	clear_pending(ps);
	while (ps->dirty) {
		ps->dirty->is_dirty = false;
		ps->dirty = ps->dirty->next_dirty;
	}
	buf_fini(&text);
	return true;
}

/* Settled positions become lines only now: one for each file, however many batches it had. */
static void render_dirty(struct positions *ps)
{
	while (ps->dirty) {
		ps->dirty->is_dirty = false;
		positions_render_settled(ps->dirty, &ps->pending);
		ps->dirty = ps->dirty->next_dirty;
	}
}

static bool append(struct positions *ps)
{
	if (ps->is_damaged || ps->pending.is_cut || !write_all(ps->fd, buf_as_str(&ps->pending))) {
		/* Half a line may be there now; only a new file is sure to be whole. */
		if (!ps->is_damaged)
			trouble(ps, "append");
		ps->is_damaged = true;
		clear_pending(ps); /* the new file will have it */
		return false;
	}
	ps->file_bytes += ps->pending.n;
	clear_pending(ps);
	return true;
}

bool positions_save(struct positions *ps)
{
	if (!ps->path) {
		render_dirty(ps);
		clear_pending(ps);
		return true;
	}
	positions_forget_old(ps);
	if (rewrite(ps))
		return true;
	render_dirty(ps);
	append(ps); /* what is there is as good as a new file */
	return false;
}

/* Rotated files are forgotten in time, also when the position file grows slowly. */
static void tidy(struct positions *ps)
{
	int64_t now_ns = clock_mono_ns();

	if (ps->lacks_room && now_ns >= ps->room_at_ns) {
		ps->room_at_ns = now_ns + ROOM_NS;
		positions_forget_old(ps);
	}
	if (now_ns < ps->tidy_at_ns && ps->n < ps->tidy_n)
		return;
	if (ps->tidy_at_ns)
		positions_forget_old(ps);
	ps->tidy_at_ns = now_ns + TIDY_NS;
	ps->tidy_n = ps->n + POS_FORGOTTEN_MAX / 10;
}

bool positions_flush(struct positions *ps)
{
	uint64_t limit = 8 * ps->saved_bytes > REWRITE_BYTES ? 8 * ps->saved_bytes : REWRITE_BYTES;
	bool is_long = ps->file_bytes + ps->pending.n > limit;

	tidy(ps);
	if (!ps->pending.n && !ps->is_damaged)
		return true;
	if (!ps->path || ((ps->is_damaged || is_long) && clock_mono_ns() >= ps->retry_at_ns))
		return positions_save(ps);
	return append(ps);
}

bool positions_flush_settled(struct positions *ps)
{
	render_dirty(ps);
	return positions_flush(ps);
}

/* ---- opening ------------------------------------------------------------------------------ */

/* Applies the complete lines of *text and keeps the rest; a line longer than any of ours is dropped
 * up to its end. */
static void apply_lines(struct positions *ps, struct buf *text, bool *is_skipping)
{
	struct str rest = buf_as_str(text);

	while (memchr(rest.p ? rest.p : "", '\n', rest.n)) {
		struct str line = str_cut(&rest, '\n');

		if (*is_skipping || !positions_apply(ps, line))
			ps->bad_lines++;
		*is_skipping = false;
	}
	if (rest.n > LINE_MAX_BYTES) {
		*is_skipping = true;
		rest.n = 0;
	}
	if (rest.n)
		memmove(text->p, rest.p, rest.n);
	text->n = rest.n;
}

static void forget_all(struct positions *ps)
{
	while (ps->first)
		pos_remove(ps, ps->first);
	ps->bad_lines = 0;
	ps->is_begun = false;
	ps->header = (struct pos_header){ 0 };
}

/* Out of the way, under a name that says why; whoever wrote it may want it back. */
static int set_aside(struct positions *ps, const char *why, struct err *err)
{
	size_t max = strlen(ps->path) + 40;
	char *to = mem_alloc(max);
	struct file_look look;
	int r = 0;

	for (int i = 1; i <= ASIDE_MAX; i++) {
		snprintf(to, max, "%s.aside-%d", ps->path, i);
		if (!file_look_path(to, &look))
			break;
	}
	if (os->rename(ps->path, to) != 0)
		r = err_errno(err, errno, "this is no position file, and it cannot be renamed");
	else
		log_warn("position file was set aside, all files are read from their beginning",
			 KV_S("path", ps->path), KV_S("now", to), KV_S("reason", why));
	mem_free(to);
	forget_all(ps);
	ps->is_first_start = false; /* what we knew is gone: rather twice than never */
	return r;
}

/* All of the file, line by line; -1 (errno) when a part cannot be read. */
static int read_lines(struct positions *ps, int fd)
{
	struct buf text = BUF_INIT;
	bool is_skipping = false;
	int r = 0;
	ssize_t n;

	do {
		buf_reserve(&text, 65536);
		n = os->read(fd, text.p + text.n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -1;
		if (n > 0)
			text.n += (size_t)n;
		apply_lines(ps, &text, &is_skipping);
		if (ps->header.version > POS_VERSION)
			break;
	} while (n != 0 && r == 0);
	ps->bad_lines += text.n > 0 && n == 0; /* torn by a kill */
	buf_fini(&text);
	return r;
}

/* 0, or errno. */
static int read_all(struct positions *ps)
{
	int fd = OS_RETRY(os->open(ps->path, O_RDONLY | OPEN_FLAGS, 0)), e;

	if (fd < 0)
		return errno;
	e = read_lines(ps, fd) < 0 ? errno : 0;
	os->close(fd);
	return e;
}

/* What a link, a directory, a socket, a device without a driver or a pipe in use say when they are
 * opened or read; a file does not. */
static bool is_no_file(int e)
{
	return e == ELOOP || e == EISDIR || e == ENXIO || e == ENODEV || e == EAGAIN;
}

/* What may pass, such as a bad read or a lack of descriptors or memory, is tried for a second. */
static int read_patiently(struct positions *ps)
{
	int e = read_all(ps);

	for (int i = 0; i < READ_TRIES && e && e != ENOENT && !is_no_file(e); i++) {
		if (i == 0)
			log_warn("cannot read the position file, trying again",
				 KV_S("path", ps->path), KV_ERRNO(e));
		nanosleep(&(struct timespec){ .tv_nsec = READ_WAIT_NS }, NULL);
		forget_all(ps);
		e = read_all(ps);
	}
	return e;
}

/* What can be no position file does not keep us from starting. One that cannot be read does: it may be
 * good, and without it everything would be sent again. */
static int load(struct positions *ps, bool is_ours, struct err *err)
{
	const struct pos_header *h = &ps->header;
	int e = read_patiently(ps);

	if (e == ENOENT) {
		ps->is_first_start = true;
		return 0;
	}
	if (e && is_ours && is_no_file(e))
		return set_aside(ps, strerror(e), err);
	if (e)
		return err_errno(err, e,
				 "cannot read the position file; move it away to have all files "
				 "read from their beginning");
	if (h->version > POS_VERSION && !is_ours)
		return err_set(err, -EINVAL,
			       "written by a newer version (format %llu, this one knows %u)",
			       (unsigned long long)h->version, POS_VERSION);
	if (h->version > POS_VERSION)
		return set_aside(ps, "written by a newer version", err);
	/* Damaged: rather as if it had been in use. */
	ps->is_first_start = h->version == POS_VERSION && !ps->is_begun && !ps->bad_lines &&
			     !h->highest && !h->files;
	ps->is_begun = !ps->is_first_start;
	return 0;
}

uint64_t positions_lost_files(const struct positions *ps)
{
	const struct pos_header *h = &ps->header;
	uint64_t later = h->highest >= h->next ? h->highest - h->next + 1 : 0;

	if (h->version != POS_VERSION || h->files + later <= h->read)
		return 0;
	return h->files + later - h->read;
}

/* Numbers from 1 in order; everything counts as seen now, so that a machine that was off for a week
 * forgets nothing; the newest time in use. */
static void settle_in(struct positions *ps)
{
	int64_t now_s = clock_wall_ns() / NS_PER_S;

	map_fini(&ps->by_num);
	ps->next_num = 1;
	for (struct pos *p = ps->first; p; p = p->next) {
		p->by_num.is_in = false;
		p->num = p->order = ps->next_num++;
		map_add(&ps->by_num, &p->by_num, p->num);
		p->seen_s = now_s;
		if (p->last_ns > ps->newest_ns)
			ps->newest_ns = p->last_ns;
		for (size_t i = 0; i < p->nranges; i++) {
			const struct pos_range *r = pos_range_at(p, i);

			if (r->t0_ns + r->n - 1 > ps->newest_ns)
				ps->newest_ns = r->t0_ns + r->n - 1;
		}
	}
}

void positions_path(struct buf *out, const char *state_dir, const char *input)
{
	buf_printf(out, "%s/positions/", state_dir);
	for (const char *c = input; *c; c++) {
		if (*c == '/' || *c == '%' || (c == input && *c == '.'))
			buf_printf(out, "%%%02x", (unsigned)(uint8_t)*c);
		else
			buf_ch(out, *c);
	}
	buf_c(out, ".log");
}

static struct positions *new_at(const char *path)
{
	struct positions *ps = mem_zalloc(sizeof(*ps));
	const char *slash = path ? strrchr(path, '/') : NULL;

	ps->fd = -1;
	ps->next_num = 1;
	ps->max = POS_MAX;
	ps->pending.max = 64u << 20;
	if (!path)
		return ps;
	CHECK(slash);
	ps->path = mem_strdup(path);
	ps->dir_path = mem_strdup(path);
	ps->dir_path[slash - path] = 0;
	ps->temp_path = mem_alloc(strlen(path) + 5);
	snprintf(ps->temp_path, strlen(path) + 5, "%s.new", path);
	return ps;
}

struct positions *positions_open(const char *path, struct err *err)
{
	struct positions *ps = new_at(path);
	int r = 0;

	ps->is_first_start = !path;
	if (!path)
		return ps;
	err_where(err, "%s", path);
	if (os->mkdir(ps->dir_path, 0700) != 0 && errno != EEXIST)
		r = err_errno(err, errno, "cannot make the directory of the position file");
	if (r == 0)
		r = load(ps, true, err);
	if (r == 0) {
		settle_in(ps);
		/* A place that cannot be written is a mistake to be told at start; a full or failing
		 * disk is trouble that may pass. */
		ps->is_damaged = !rewrite(ps);
		if (ps->is_damaged && (errno == EACCES || errno == EPERM || errno == EROFS ||
				       errno == ENOENT || errno == ENOTDIR))
			r = err_errno(err, errno, "cannot write the position file");
	}
	if (r < 0) {
		positions_free(ps);
		return NULL;
	}
	return ps;
}

struct positions *positions_peek(const char *path, struct err *err)
{
	struct positions *ps = new_at(path);

	err_where(err, "%s", path);
	if (load(ps, false, err) < 0) {
		positions_free(ps);
		return NULL;
	}
	mem_free(TAKE(ps->path)); /* never written */
	return ps;
}

void positions_free(struct positions *ps)
{
	if (!ps)
		return;
	while (ps->first)
		pos_remove(ps, ps->first);
	map_fini(&ps->by_num);
	map_fini(&ps->by_ino);
	map_fini(&ps->by_path);
	buf_fini(&ps->pending);
	if (ps->fd >= 0)
		os->close(ps->fd);
	mem_free(ps->path);
	mem_free(ps->temp_path);
	mem_free(ps->dir_path);
	mem_free(ps);
}
