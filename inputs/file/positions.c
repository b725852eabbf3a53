/* SPDX-License-Identifier: Apache-2.0 */
/* The positions of an input's files in memory, and the file they are kept in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "inputs/file/positions.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define REWRITE_BYTES (8u << 20) /* and eight times what a fresh file has */
#define LINE_MAX_BYTES (3 * POS_PATH_MAX + 256)
#define RENDER_MAX ((size_t)1 << 30)
/* Never through a link, never waiting for the other end of a pipe: what lies there may be a trap. */
#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define RETRY_NS (10 * NS_PER_S) /* between attempts on a disk that refuses */

/* ---- memory ------------------------------------------------------------------------------- */

static uint64_t ino_hash(uint64_t ino)
{
	return ino * 0x9e3779b97f4a7c15;
}

struct pos *pos_insert(struct positions *ps, uint64_t num, const struct file_id *id,
		       struct str path)
{
	struct pos *p;

	if (ps->n >= POS_MAX || map_first(&ps->by_num, num))
		return NULL;
	p = mem_zalloc(sizeof(*p));
	p->num = num;
	p->file = *id;
	p->path = str_make(mem_dup(path.p, path.n), path.n);
	p->prev = ps->last;
	if (ps->last)
		ps->last->next = p;
	else
		ps->first = p;
	ps->last = p;
	ps->n++;
	map_add(&ps->by_num, &p->by_num, num);
	map_add(&ps->by_ino, &p->by_ino, ino_hash(id->ino));
	map_add(&ps->by_path, &p->by_path, str_hash(p->path, 0));
	return p;
}

static void forget_dirty(struct positions *ps, struct pos *p)
{
	struct pos **at = &ps->dirty;

	if (!p->is_dirty)
		return;
	while (*at != p)
		at = &(*at)->next_dirty;
	*at = p->next_dirty;
	p->is_dirty = false;
}

void pos_remove(struct positions *ps, struct pos *p)
{
	forget_dirty(ps, p);
	map_del(&ps->by_num, &p->by_num);
	map_del(&ps->by_ino, &p->by_ino);
	map_del(&ps->by_path, &p->by_path);
	if (p->prev)
		p->prev->next = p->next;
	else
		ps->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		ps->last = p->prev;
	ps->n--;
	mem_free((void *)(uintptr_t)p->path.p);
	mem_free(p->ranges);
	mem_free(p);
}

static void no_ranges(struct pos *p)
{
	p->first_range = p->nranges = 0;
}

void pos_restart(struct pos *p)
{
	p->offset = p->marker = p->head = 0;
	p->head_n = 0;
	no_ranges(p);
}

void pos_settle(struct pos *p, uint64_t offset, uint64_t marker, int64_t last_ns)
{
	p->offset = offset;
	p->marker = marker;
	p->last_ns = last_ns;
	while (p->nranges && pos_range_at(p, 0)->end <= offset) {
		p->first_range++;
		p->nranges--;
	}
	if (!p->nranges) {
		no_ranges(p);
		return;
	}
	/* Inside a range: it was split when it was read again. The rest goes on with the next time. */
	struct pos_range *r = pos_range_at(p, 0);
	int64_t done = last_ns + 1 - r->t0_ns;

	if (r->start == offset)
		return;
	if (r->start > offset || done <= 0 || done >= r->n) {
		no_ranges(p);
		return;
	}
	r->start = offset;
	r->n -= (uint32_t)done;
	r->t0_ns = last_ns + 1;
}

static struct pos_range *append_range(struct pos *p)
{
	if (p->first_range + p->nranges == p->ranges_cap) {
		/* Settled ones are shifted out before more memory is taken. */
		if (p->first_range > p->ranges_cap / 2) {
			memmove(p->ranges, p->ranges + p->first_range,
				p->nranges * sizeof(*p->ranges));
			p->first_range = 0;
		} else {
			p->ranges_cap = p->ranges_cap ? 2 * p->ranges_cap : 4;
			p->ranges = mem_realloc(p->ranges, p->ranges_cap * sizeof(*p->ranges));
		}
	}
	p->nranges++;
	return pos_range_at(p, p->nranges - 1);
}

bool pos_add_range(struct pos *p, const struct pos_range *r)
{
	size_t n = p->nranges;

	while (n && pos_range_at(p, n - 1)->start >= r->start)
		n--;
	if (r->start != (n ? pos_range_at(p, n - 1)->end : p->offset) || n >= POS_RANGES_MAX)
		return false;
	p->nranges = n;
	*append_range(p) = *r;
	return true;
}

void positions_cut_ranges(struct pos *p, size_t i)
{
	if (i < p->nranges)
		p->nranges = i;
}

void positions_split(struct pos *p, size_t i, const struct pos_range *head)
{
	struct pos_range whole = *pos_range_at(p, i);

	CHECK(head->start == whole.start && head->end < whole.end);
	append_range(p);
	memmove(pos_range_at(p, i + 1), pos_range_at(p, i),
		(p->nranges - 1 - i) * sizeof(struct pos_range));
	*pos_range_at(p, i) = *head;
	whole.start = head->end;
	whole.t0_ns += head->n;
	whole.n = whole.n > head->n ? whole.n - head->n : 1;
	*pos_range_at(p, i + 1) = whole;
}

/* ---- what the input does ------------------------------------------------------------------ */

struct pos *positions_find(struct positions *ps, const struct file_id *id)
{
	struct pos *other_dev = NULL;

	for (struct map_node *n = map_first(&ps->by_ino, ino_hash(id->ino)); n; n = map_next(n)) {
		struct pos *p = container_of(n, struct pos, by_ino);

		if (file_id_eq(&p->file, id))
			return p;
		if (p->file.ino == id->ino && id->btime_ns && p->file.btime_ns == id->btime_ns &&
		    !p->is_open && !other_dev)
			other_dev = p;
	}
	return other_dev;
}

struct map_node *positions_with_ino(const struct positions *ps, uint64_t ino)
{
	return map_first(&ps->by_ino, ino_hash(ino));
}

struct pos *positions_find_path(struct positions *ps, struct str path, struct pos *before)
{
	struct map_node *n =
		before ? map_next(&before->by_path) : map_first(&ps->by_path, str_hash(path, 0));

	for (; n; n = map_next(n)) {
		struct pos *p = container_of(n, struct pos, by_path);

		if (!p->is_open && str_eq(p->path, path))
			return p;
	}
	return NULL;
}

struct pos *positions_add(struct positions *ps, const struct file_id *id, struct str path)
{
	struct pos *p = pos_insert(ps, ps->next_num, id, path);

	if (!p)
		return NULL;
	ps->next_num++;
	p->seen_s = clock_wall_ns() / NS_PER_S;
	positions_render_file(p, &ps->pending);
	return p;
}

void positions_drop(struct positions *ps, struct pos *p)
{
	positions_render_event(p, 'D', &ps->pending);
	pos_remove(ps, p);
}

void positions_move(struct positions *ps, struct pos *p, const struct file_id *id)
{
	map_del(&ps->by_ino, &p->by_ino);
	p->file = *id;
	map_add(&ps->by_ino, &p->by_ino, ino_hash(id->ino));
	/* A file's line cannot be changed: the whole entry is written again under a new number. */
	positions_render_event(p, 'D', &ps->pending);
	map_del(&ps->by_num, &p->by_num);
	p->num = ps->next_num++;
	map_add(&ps->by_num, &p->by_num, p->num);
	positions_render_file(p, &ps->pending);
	positions_render_head(p, &ps->pending);
	positions_render_settled(p, &ps->pending);
	for (size_t i = 0; i < p->nranges; i++)
		positions_render_range(p, pos_range_at(p, i), &ps->pending);
}

void positions_head(struct positions *ps, struct pos *p, uint32_t n, uint64_t head)
{
	p->head_n = n;
	p->head = head;
	positions_render_head(p, &ps->pending);
}

void positions_restart(struct positions *ps, struct pos *p)
{
	pos_restart(p);
	positions_render_event(p, 'T', &ps->pending);
}

void positions_skip(struct positions *ps, struct pos *p, uint64_t offset, uint64_t marker)
{
	pos_settle(p, offset, marker, p->last_ns);
	positions_render_settled(p, &ps->pending);
}

void positions_range(struct positions *ps, struct pos *p, const struct pos_range *r)
{
	CHECK(pos_add_range(p, r));
	positions_render_range(p, r, &ps->pending);
}

void positions_settle(struct positions *ps, struct pos *p, uint64_t offset, uint64_t marker,
		      int64_t last_ns, const struct uniq *uniq)
{
	pos_settle(p, offset, marker, last_ns);
	p->uniq = *uniq;
	if (p->is_dirty)
		return;
	p->is_dirty = true;
	p->next_dirty = ps->dirty;
	ps->dirty = p;
}

bool positions_have_changes(const struct positions *ps)
{
	return ps->pending.n || ps->dirty || ps->is_damaged;
}

/* ---- the file ----------------------------------------------------------------------------- */

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

static int by_seen(const void *a, const void *b)
{
	const struct pos *x = *(struct pos *const *)a, *y = *(struct pos *const *)b;

	if (x->seen_s != y->seen_s)
		return x->seen_s < y->seen_s ? 1 : -1; /* newest first */
	return x->num < y->num ? 1 : x->num > y->num ? -1 : 0;
}

/* Files that nobody has open are kept for a day, and not too many of them: they may come back. */
static void forget_old(struct positions *ps)
{
	int64_t now_s = clock_wall_ns() / NS_PER_S;
	struct pos **closed = mem_array(ps->n + 1, sizeof(struct pos *));
	size_t n = 0;

	for (struct pos *p = ps->first; p; p = p->next) {
		if (p->is_open)
			p->seen_s = now_s;
		else
			closed[n++] = p;
	}
	qsort(closed, n, sizeof(struct pos *), by_seen);
	while (n && (n > POS_FORGOTTEN_MAX || closed[n - 1]->seen_s + POS_FORGET_S < now_s))
		pos_remove(ps, closed[--n]);
	mem_free(closed);
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
	buf_clear(&ps->pending);
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
	render_dirty(ps);
	if (ps->is_damaged || ps->pending.is_cut || !write_all(ps->fd, buf_as_str(&ps->pending))) {
		/* Half a line may be there now; only a new file is sure to be whole. */
		if (!ps->is_damaged)
			trouble(ps, "append");
		ps->is_damaged = true;
		buf_clear(&ps->pending); /* the new file will have it */
		return false;
	}
	ps->file_bytes += ps->pending.n;
	buf_clear(&ps->pending);
	return true;
}

bool positions_save(struct positions *ps)
{
	if (!ps->path) {
		render_dirty(ps);
		buf_clear(&ps->pending);
		return true;
	}
	forget_old(ps);
	if (rewrite(ps))
		return true;
	append(ps); /* what is there is as good as a new file */
	return false;
}

bool positions_flush(struct positions *ps)
{
	uint64_t limit = 8 * ps->saved_bytes > REWRITE_BYTES ? 8 * ps->saved_bytes : REWRITE_BYTES;
	bool is_long = ps->file_bytes + ps->pending.n > limit;

	if (!positions_have_changes(ps))
		return true;
	if (!ps->path || ((ps->is_damaged || is_long) && clock_mono_ns() >= ps->retry_at_ns))
		return positions_save(ps);
	return append(ps);
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

static int load(struct positions *ps, struct err *err)
{
	int fd = OS_RETRY(os->open(ps->path, O_RDONLY | OPEN_FLAGS, 0));
	struct buf text = BUF_INIT;
	bool is_skipping = false;
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		ps->is_first_start = true;
		return 0;
	}
	if (fd < 0)
		return err_errno(err, errno, "cannot read the position file");
	do {
		buf_reserve(&text, 65536);
		n = os->read(fd, text.p + text.n, 65536);
		if (n < 0 && errno != EINTR) {
			int e = errno;

			os->close(fd);
			buf_fini(&text);
			return err_errno(err, e, "cannot read the position file");
		}
		if (n > 0)
			text.n += (size_t)n;
		apply_lines(ps, &text, &is_skipping);
	} while (n != 0);
	ps->bad_lines += text.n > 0; /* torn by a kill */
	buf_fini(&text);
	os->close(fd);
	return 0;
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
		p->num = ps->next_num++;
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

struct positions *positions_open(const char *path, struct err *err)
{
	struct positions *ps = mem_zalloc(sizeof(*ps));
	const char *slash = path ? strrchr(path, '/') : NULL;
	int r = 0;

	ps->fd = -1;
	ps->next_num = 1;
	ps->pending.max = 64u << 20;
	ps->is_first_start = !path;
	if (!path)
		return ps;
	CHECK(slash);
	ps->path = mem_strdup(path);
	ps->dir_path = mem_strdup(path);
	ps->dir_path[slash - path] = 0;
	ps->temp_path = mem_alloc(strlen(path) + 5);
	snprintf(ps->temp_path, strlen(path) + 5, "%s.new", path);
	err_where(err, "%s", path);
	if (os->mkdir(ps->dir_path, 0700) != 0 && errno != EEXIST)
		r = err_errno(err, errno, "cannot make the directory of the position file");
	if (r == 0)
		r = load(ps, err);
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
