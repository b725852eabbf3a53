/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a compressed file, read at an offset. */
#include <errno.h>

#include "inputs/file/unpack.h"
#include "lib/check.h"
#include "lib/inflate.h"
#include "lib/mem.h"

#define IN_BYTES ((size_t)64 << 10)
#define PIECE ((size_t)64 << 10) /* of content, decompressed at a time */

/* Two pieces of the content: from a place on, without a gap, as much as fits; and what came last. */
struct unpack_window {
	char *front, *back;
	uint64_t front_at;
	size_t front_n, front_cap;
	size_t back_n; /* ends at pos */
	char head[HEAD_BYTES];
	size_t head_n;
};
#define BACK_CAP (2 * UNPACK_BACK)

/* ---- from the beginning to the end -------------------------------------------------------- */

void unpack_init(struct unpack *u, int fd, uint64_t limit)
{
	*u = (struct unpack){ .fd = fd, .limit = limit };
	u->inflate = inflate_new(INFLATE_AUTO);
	u->in = mem_alloc(IN_BYTES);
}

void unpack_fini(struct unpack *u)
{
	inflate_free(TAKE(u->inflate));
	mem_free(TAKE(u->in));
	if (!u->window)
		return;
	mem_free(u->window->front);
	mem_free(u->window->back);
	mem_free(TAKE(u->window));
}

static void begin_again(struct unpack *u)
{
	inflate_free(u->inflate);
	u->inflate = inflate_new(INFLATE_AUTO);
	u->left = STR_NONE;
	u->pos = u->packed_pos = 0;
	u->state = UNPACK_MORE;
	u->window->front_n = u->window->back_n = 0;
	u->window->front_at = 0;
}

/* False: it cannot be read. */
static bool fill(struct unpack *u)
{
	ssize_t got = file_read(u->fd, u->in, IN_BYTES, u->packed_pos);

	if (got < 0)
		return false;
	u->packed_pos += (uint64_t)got;
	u->left = str_make(u->in, (size_t)got);
	return true;
}

ssize_t unpack_next(struct unpack *u, char *out, size_t cap)
{
	enum inflate_result r;
	size_t n = 0, before;

	if (u->state != UNPACK_MORE)
		return 0;
	if (!u->left.n && !fill(u))
		return -1;
	before = u->left.n;
	r = inflate_run(u->inflate, &u->left, out, cap, &n);
	if (n > u->limit - u->pos) {
		n = (size_t)(u->limit - u->pos);
		u->state = UNPACK_TOO_LONG;
	} else if (r == INFLATE_END) {
		u->state = UNPACK_WHOLE;
	} else if (r == INFLATE_BAD) {
		u->state = UNPACK_DAMAGED;
	} else if (!before && !n) {
		u->state = inflate_may_end(u->inflate) ? UNPACK_WHOLE : UNPACK_CUT_OFF;
	}
	u->pos += n;
	return (ssize_t)n;
}

const char *unpack_reason(const struct unpack *u)
{
	if (u->state == UNPACK_TOO_LONG)
		return "it has more content than max_archive_size";
	return inflate_reason(u->inflate);
}

uint64_t unpack_where(const struct unpack *u)
{
	return inflate_offset(u->inflate);
}

/* ---- at an offset ------------------------------------------------------------------------- */

void unpack_window(struct unpack *u, size_t front_bytes)
{
	struct unpack_window *w = u->window = mem_zalloc(sizeof(*w));

	w->front_cap = front_bytes > BACK_CAP ? front_bytes : BACK_CAP;
	w->front = mem_alloc(w->front_cap);
	w->back = mem_alloc(BACK_CAP);
}

/* -1: cannot be read. */
static ssize_t advance(struct unpack *u)
{
	struct unpack_window *w = u->window;
	uint64_t at = u->pos, next;
	const char *p;
	ssize_t got;
	size_t n;

	if (w->back_n + PIECE > BACK_CAP) {
		memmove(w->back, w->back + w->back_n - UNPACK_BACK, UNPACK_BACK);
		w->back_n = UNPACK_BACK;
	}
	p = w->back + w->back_n;
	got = unpack_next(u, w->back + w->back_n, PIECE);
	if (got <= 0)
		return got;
	n = (size_t)got;
	w->back_n += n;
	if (at < sizeof(w->head)) {
		size_t room = sizeof(w->head) - (size_t)at;

		memcpy(w->head + at, p, n < room ? n : room);
		w->head_n = at + n < sizeof(w->head) ? (size_t)at + n : sizeof(w->head);
	}
	next = w->front_at + w->front_n;
	if (next >= at && next < at + n) {
		size_t skip = (size_t)(next - at), room = w->front_cap - w->front_n;
		size_t take = n - skip < room ? n - skip : room;

		memcpy(w->front + w->front_n, p + skip, take);
		w->front_n += take;
	}
	return got;
}

static uint64_t back_at(const struct unpack *u)
{
	return u->pos - u->window->back_n;
}

int unpack_keep(struct unpack *u, uint64_t from, size_t max)
{
	struct unpack_window *w = u->window;
	uint64_t front_end = w->front_at + w->front_n, until = u->pos + max;
	size_t gone;

	if (from == w->front_at && (w->front_n || from == u->pos))
		return 1;
	if (from < w->front_at || (front_end != u->pos && from < back_at(u)))
		begin_again(u);
	if (from >= w->front_at && from <= front_end && front_end == u->pos) {
		gone = (size_t)(from - w->front_at);
		memmove(w->front, w->front + gone, w->front_n - gone);
		w->front_n -= gone;
		w->front_at = from;
		return 1;
	}
	/* Not in one piece with what follows: nothing in front is of use. */
	w->front_n = 0;
	w->front_at = UINT64_MAX;
	while (u->pos < from && u->state == UNPACK_MORE) {
		if (u->pos >= until) {
			w->front_at = 0;
			return 0;
		}
		if (advance(u) < 0)
			return -1;
	}
	if (from > u->pos)
		from = u->pos;
	w->front_at = from;
	w->front_n = (size_t)(u->pos - from);
	memcpy(w->front, w->back + w->back_n - w->front_n, w->front_n);
	return 1;
}

static bool copy(const struct unpack *u, void *p, size_t n, uint64_t at)
{
	const struct unpack_window *w = u->window;

	if (!n)
		return true;
	if (at >= w->front_at && at + n <= w->front_at + w->front_n)
		memcpy(p, w->front + (at - w->front_at), n);
	else if (at >= back_at(u))
		memcpy(p, w->back + (at - back_at(u)), n);
	else if (at + n <= w->head_n)
		memcpy(p, w->head + at, n);
	else
		return false;
	return true;
}

/* Bytes that came, as far as the run has got. */
static size_t there(const struct unpack *u, size_t n, uint64_t at)
{
	uint64_t got = u->pos > at ? u->pos - at : 0;

	return got < n ? (size_t)got : n;
}

ssize_t unpack_read(struct unpack *u, void *p, size_t n, uint64_t at)
{
	while (u->pos < at + n && u->state == UNPACK_MORE)
		if (advance(u) < 0)
			return -1;
	if (copy(u, p, there(u, n, at), at))
		return (ssize_t)there(u, n, at);
	/* Rare: whoever asks for it has not said that it is needed. */
	begin_again(u);
	u->window->front_at = at;
	while (u->pos < at + n && u->state == UNPACK_MORE)
		if (advance(u) < 0)
			return -1;
	n = there(u, n, at);
	if (copy(u, p, n, at))
		return (ssize_t)n;
	errno = EIO;
	return -1;
}
