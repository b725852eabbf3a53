/* SPDX-License-Identifier: Apache-2.0 */
/* The positions of an input's files in memory: settled, on their way, remembered. */
#include <stdlib.h>

#include "inputs/file/positions.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* ---- memory ------------------------------------------------------------------------------- */

static uint64_t ino_hash(uint64_t ino)
{
	return ino * 0x9e3779b97f4a7c15;
}

static char *path_dup(struct str path)
{
	char *copy = mem_alloc(path.n + 1);

	memcpy(copy, path.p, path.n);
	copy[path.n] = 0;
	return copy;
}

struct pos *pos_insert(struct positions *ps, uint64_t num, const struct file_id *id,
		       struct str path)
{
	struct pos *p;

	if (ps->n >= ps->max || map_first(&ps->by_num, num))
		return NULL;
	p = mem_zalloc(sizeof(*p));
	p->num = p->order = num;
	p->file = *id;
	p->born_ns = id->btime_ns;
	p->path = str_make(path_dup(path), path.n);
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
	mem_free(p->archive);
	mem_free(p);
}

/* Of ten thousand quiet files none has any: their memory is given back. */
static void no_ranges(struct pos *p)
{
	mem_free(TAKE(p->ranges));
	p->first_range = p->nranges = p->ranges_cap = 0;
}

void pos_restart(struct pos *p)
{
	p->offset = p->marker = p->head = 0;
	p->head_n = 0;
	p->last_ns = 0;
	mem_free(TAKE(p->archive));
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
			p->ranges_cap = p->ranges_cap ? 2 * p->ranges_cap : 1;
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
	p->nranges = (uint32_t)n;
	*append_range(p) = *r;
	return true;
}

void positions_cut_ranges(struct pos *p, size_t i)
{
	if (i < p->nranges)
		p->nranges = (uint32_t)i;
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

	if (!p) {
		ps->lacks_room = true;
		return NULL;
	}
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

/* All but the file's own line. */
static void render_rest(const struct pos *p, struct buf *out)
{
	if (p->archive)
		positions_render_archive(p, out);
	positions_render_head(p, out);
	positions_render_settled(p, out);
	for (size_t i = 0; i < p->nranges; i++)
		positions_render_range(p, &p->ranges[p->first_range + i], out);
}

void positions_move(struct positions *ps, struct pos *p, const struct file_id *id)
{
	map_del(&ps->by_ino, &p->by_ino);
	p->file = *id;
	p->born_ns = id->btime_ns;
	map_add(&ps->by_ino, &p->by_ino, ino_hash(id->ino));
	/* A file's line cannot be changed: the whole entry is written again under a new number. */
	positions_render_event(p, 'D', &ps->pending);
	map_del(&ps->by_num, &p->by_num);
	p->num = ps->next_num++;
	map_add(&ps->by_num, &p->by_num, p->num);
	positions_render_file(p, &ps->pending);
	render_rest(p, &ps->pending);
}

void positions_archive(struct positions *ps, struct pos *p, const struct pos_archive *a)
{
	if (!p->archive)
		p->archive = mem_zalloc(sizeof(*p->archive));
	*p->archive = *a;
	positions_render_archive(p, &ps->pending);
}

void positions_gone(struct positions *ps, struct pos *p)
{
	mem_free(TAKE(p->archive));
	p->is_elsewhere = true;
	positions_move(ps, p, &(struct file_id){ 0 });
}

struct pos *positions_remember(struct positions *ps, const struct pos *p)
{
	struct pos *q = positions_add(ps, &(struct file_id){ 0 }, p->path);

	if (!q)
		return NULL;
	q->is_elsewhere = q->is_kept = true;
	q->head_n = p->head_n;
	q->head = p->head;
	q->offset = p->offset;
	q->marker = p->marker;
	q->last_ns = p->last_ns;
	q->uniq = p->uniq;
	for (size_t i = 0; i < p->nranges; i++)
		*append_range(q) = p->ranges[p->first_range + i];
	render_rest(q, &ps->pending);
	return q;
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

void positions_begun(struct positions *ps)
{
	if (ps->is_begun && ps->begun_s)
		return;
	ps->is_begun = true;
	ps->begun_s = clock_wall_ns() / NS_PER_S;
	positions_render_begun(ps, &ps->pending);
}

void positions_born(struct positions *ps, struct pos *p, int64_t born_ns)
{
	p->born_ns = born_ns;
	positions_render_born(p, &ps->pending);
}

bool positions_have_changes(const struct positions *ps)
{
	return ps->pending.n || ps->dirty || ps->is_damaged;
}

/* ---- what is remembered ------------------------------------------------------------------ */

static int by_seen(const void *a, const void *b)
{
	const struct pos *x = *(struct pos *const *)a, *y = *(struct pos *const *)b;

	if (x->seen_s != y->seen_s)
		return x->seen_s < y->seen_s ? 1 : -1; /* newest first */
	return x->num < y->num ? 1 : x->num > y->num ? -1 : 0;
}

/* An archive that was seen lately: without its position it would be read again. */
static bool is_there(const struct pos *p, int64_t now_s)
{
	return p->archive && p->seen_s + POS_FORGET_S >= now_s;
}

static bool is_old(const struct pos *p, int64_t now_s)
{
	return p->seen_s + (p->is_kept ? POS_FORGET_KEPT_S : POS_FORGET_S) < now_s;
}

void positions_forget_old(struct positions *ps)
{
	int64_t now_s = clock_wall_ns() / NS_PER_S;
	struct pos **closed = mem_array(ps->n + 1, sizeof(struct pos *));
	size_t n = 0, left = 0;

	for (struct pos *p = ps->first; p; p = p->next) {
		if (p->is_open || p->left_bytes)
			p->seen_s = now_s;
		else if (!is_there(p, now_s))
			closed[n++] = p;
	}
	qsort(closed, n, sizeof(struct pos *), by_seen);
	for (size_t i = 0; i < n; i++) {
		if (i >= POS_FORGOTTEN_MAX || is_old(closed[i], now_s))
			positions_drop(ps, closed[i]);
		else
			closed[left++] = closed[i];
	}
	n = left;
	while (n && ps->lacks_room && ps->n >= ps->max - ps->max / 10 &&
	       closed[n - 1]->seen_s + POS_GONE_S < now_s)
		positions_drop(ps, closed[--n]);
	ps->lacks_room = ps->lacks_room && ps->n >= ps->max;
	mem_free(closed);
}
