/* SPDX-License-Identifier: Apache-2.0 */
/* From a file into a batch: one pread() into the arena, with the marker before the position in front,
 * then one record for each line. Nothing is copied; an unfinished line is simply read again with
 * what follows it. */
#include <errno.h>

#include "inputs/file/file.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/os.h"
#include "lib/utf8.h"

#define PROBE_MIN_BYTES 4096           /* of a line without end: searched on, not read again */
#define PROBE_WORK ((uint64_t)1 << 20) /* searched at most in one go */
#define READ_FLOOR ((size_t)4096)
#define CLOCK_BACK_NS (10 * NS_PER_S)

struct reader {
	struct tail *t;
	struct pos_range *again; /* the range that is read as it was, or NULL */
	size_t again_at;
	uint64_t limit; /* nothing behind it is read now */
	bool is_final;  /* what stands before limit without line end is a line */
};

static size_t max_read(const struct tail *t)
{
	size_t max = t->fi->in->batch_bytes;

	return max > READ_FLOOR + MARKER_BYTES ? max - MARKER_BYTES : READ_FLOOR;
}

/* A line may be longer than what is read at a time, but must not use up the credit by itself. */
static size_t max_line(const struct tail *t)
{
	const struct budget *budget = t->fi->in->budget;
	size_t max = t->fi->conf->max_line;
	size_t quarter = budget ? (size_t)budget->total_bytes / 4 : max;

	if (quarter < READ_FLOOR)
		quarter = READ_FLOOR;
	return max < quarter ? max : quarter;
}

/* Later than every time given before, by any file of the input: two files can be one stream in Loki.
 * Except when the clock was set back by more than a moment: it is right now, was wrong before. */
static int64_t next_time(struct file_input *fi)
{
	int64_t now_ns = clock_wall_ns();

	if (now_ns > fi->last_ns || fi->last_ns - now_ns > CLOCK_BACK_NS)
		return now_ns;
	return fi->last_ns + 1;
}

/* ---- records ------------------------------------------------------------------------------ */

static void cut_line(struct reader *r, struct batch *b, struct rec *rec, uint64_t full_bytes)
{
	rec->line.n = utf8_cut(rec->line, max_line(r->t));
	rec->flags |= REC_CUT;
	rec_attr(b, rec, r->t->fi->full_length_key, ATTR_META, ATTR_NUMBER,
		 arena_printf(&b->arena, "%llu", (unsigned long long)full_bytes));
	metric_add(r->t->fi->cut, 1);
}

/* One record for each line of text, up to BATCH_RECS_MAX. Returns the bytes used. */
static size_t add_lines(struct reader *r, struct batch *b, struct str text, int64_t t0_ns)
{
	const char *at = text.p, *end = text.p + text.n;
	size_t cap = max_line(r->t);

	while (at < end && b->nrecs < BATCH_RECS_MAX) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		const char *stop = nl ? nl : end;
		struct rec *rec = batch_add(b);

		stop -= stop > at && stop[-1] == '\r';
		rec->time_ns = t0_ns++;
		rec->line = str_make(at, (size_t)(stop - at));
		if (__builtin_expect(rec->line.n > cap, 0))
			cut_line(r, b, rec, rec->line.n);
		if (__builtin_expect(!nl, 0)) {
			rec->flags |= REC_PARTIAL;
			metric_add(r->t->fi->partial, 1);
			at = end;
			break;
		}
		at = nl + 1;
	}
	return (size_t)(at - text.p);
}

/* ---- one batch ---------------------------------------------------------------------------- */

/* Reads n bytes from offset on, and the marker before it, into a new batch; *ret is what came, in
 * the arena but not taken. */
static enum read_result get(struct reader *r, size_t n, struct batch **ret_batch, struct str *ret)
{
	struct tail *t = r->t;
	size_t before = marker_size(t->offset);
	struct batch *b = input_batch(t->fi->in, &t->source, before + n);
	ssize_t got;
	char *p;

	if (!b)
		return READ_NO_CREDIT;
	p = arena_room(&b->arena, before + n);
	got = file_read(t->fd, p, before + n, t->offset - before);
	if (got < 0) {
		log_warn("cannot read", KV("path", t->pos->path), KV_ERRNO(errno));
		input_count_error(t->fi->in, "read");
		batch_free(b);
		return READ_TROUBLE;
	}
	if (got <= (ssize_t)before) {
		batch_free(b); /* shrunk since it was looked at */
		return READ_END;
	}
	if (before && ident_hash(p, before) != t->marker) {
		batch_free(b);
		tail_restart(t);
		return READ_AGAIN;
	}
	*ret_batch = b;
	*ret = str_make(p + before, (size_t)got - before);
	return READ_BATCH;
}

/* The batch holds the lines of the next `bytes` of the file. */
static void finish(struct reader *r, struct batch *b, uint64_t bytes, int64_t t0_ns,
		   uint64_t marker, struct read_batch *ret)
{
	struct tail *t = r->t;
	struct pos_range range = { t->offset, t->offset + bytes, t0_ns, b->nrecs, marker };

	if (!r->again) {
		positions_range(t->fi->positions, t->pos, &range);
		t->fi->last_ns = t0_ns + b->nrecs - 1;
	} else if (range.end < r->again->end) {
		positions_split(t->pos, r->again_at, &range);
	}
	t->offset = range.end;
	t->marker = marker;
	b->ack = &tail_flight(t, &range, (size_t)bytes)->ack;
	*ret = (struct read_batch){ t, b, (size_t)bytes };
	tail_count_behind(t);
}

/* So many bytes that a batch is about full of records; 0: as many as fit. */
static void adapt(struct tail *t, const struct batch *b, size_t used)
{
	if (b->nrecs == BATCH_RECS_MAX)
		t->want_bytes = (uint32_t)used;
	else if (b->nrecs < BATCH_RECS_MAX / 4 * 3)
		t->want_bytes = t->want_bytes > max_read(t) ? 0 : t->want_bytes / 4 * 5;
	t->line_bytes = (uint32_t)(used / b->nrecs) + 1;
}

static enum read_result read_lines(struct reader *r, struct read_batch *ret)
{
	struct tail *t = r->t;
	uint64_t left = r->limit - t->offset;
	size_t max = max_read(t), want = t->want_bytes ? t->want_bytes : max, used, whole;
	struct batch *b;
	struct str text;
	enum read_result result;
	const char *last;
	int64_t t0_ns;

	if (want < READ_FLOOR)
		want = READ_FLOOR;
	if (want > max)
		want = max;
	if (want > left)
		want = (size_t)left;
	result = get(r, want, &b, &text);
	if (result != READ_BATCH)
		return result;
	last = memrchr(text.p, '\n', text.n);
	whole = last ? (size_t)(last - text.p) + 1 : 0;
	if (r->is_final && text.n == left)
		whole = text.n;
	if (!whole) {
		batch_free(b);
		t->partial = text.n;
		t->want_bytes = 0;
		return text.n == left ? READ_END : READ_AGAIN;
	}
	/* Taken before records are added: both come from the arena. */
	arena_take(&b->arena, (size_t)(text.p - arena_room(&b->arena, 0)) + whole);
	if (t->line_bytes) {
		size_t guess = whole / t->line_bytes + 16;

		batch_reserve(b, guess < BATCH_RECS_MAX ? (uint32_t)guess : BATCH_RECS_MAX);
	}
	t0_ns = r->again ? r->again->t0_ns : next_time(t->fi);
	used = add_lines(r, b, str_sub(text, 0, whole), t0_ns);
	t->partial = used == whole ? text.n - whole : 0;
	adapt(t, b, used);
	if (used == text.n && text.n == left)
		t->must_flush = false;
	{
		uint64_t end = t->offset + used;
		size_t n = marker_size(end);

		finish(r, b, used, t0_ns, ident_hash(text.p + used - n, n), ret);
	}
	return READ_BATCH;
}

/* ---- long lines --------------------------------------------------------------------------- */

/* Looks for the line end from where it is known that there is none before. Moves partial. READ_BATCH
 * when found, with the place behind it. */
static enum read_result search_end(struct reader *r, uint64_t *ret_end)
{
	struct tail *t = r->t;
	uint64_t work = 0;

	while (t->offset + t->partial < r->limit) {
		uint64_t from = t->offset + t->partial, left = r->limit - from;
		size_t n = left < PROBE_BYTES ? (size_t)left : PROBE_BYTES;
		const char *nl;
		ssize_t got;

		if (work >= PROBE_WORK)
			return READ_AGAIN;
		got = file_read(t->fd, t->fi->probe, n, from);
		if (got <= 0)
			return got < 0 ? READ_TROUBLE : READ_END;
		nl = memchr(t->fi->probe, '\n', (size_t)got);
		if (nl) {
			*ret_end = from + (size_t)(nl - t->fi->probe) + 1;
			return READ_BATCH;
		}
		t->partial += (size_t)got;
		work += (size_t)got;
		/* A file without line ends must not be searched for ever. */
		if (t->partial >= LINE_SCAN_MAX && !r->again)
			break;
	}
	*ret_end = t->offset + t->partial;
	return r->is_final || t->partial >= LINE_SCAN_MAX ? READ_BATCH : READ_END;
}

static bool is_cr(int fd, uint64_t at)
{
	char c;

	return file_read(fd, &c, 1, at) == 1 && c == '\r';
}

/* The line that ends at `end` and does not fit a read. */
static enum read_result read_long(struct reader *r, uint64_t end, bool has_end,
				  struct read_batch *ret)
{
	struct tail *t = r->t;
	uint64_t full = end - t->offset - has_end, marker;
	size_t cap = max_line(t), n = full < cap + 1 ? (size_t)full : cap + 1;
	enum read_result result;
	struct batch *b;
	struct rec *rec;
	struct str text;
	int64_t t0_ns;

	result = get(r, n, &b, &text);
	if (result != READ_BATCH)
		return result;
	if (text.n < n || !marker_read(t->fd, end, &marker)) {
		batch_free(b);
		return READ_TROUBLE;
	}
	arena_take(&b->arena, (size_t)(text.p - arena_room(&b->arena, 0)) + n);
	t0_ns = r->again ? r->again->t0_ns : next_time(t->fi);
	rec = batch_add(b);
	rec->time_ns = t0_ns;
	rec->line = text;
	if (n == full && text.p[n - 1] == '\r')
		rec->line.n--;
	if (rec->line.n > cap)
		cut_line(r, b, rec, full - (has_end && is_cr(t->fd, end - 2)));
	if (!has_end) {
		rec->flags |= REC_PARTIAL;
		metric_add(t->fi->partial, 1);
	}
	t->partial = 0;
	t->must_flush = false;
	finish(r, b, end - t->offset, t0_ns, marker, ret);
	return READ_BATCH;
}

static enum read_result read_far(struct reader *r, struct read_batch *ret)
{
	struct tail *t = r->t;
	uint64_t end = 0;
	enum read_result result = search_end(r, &end);

	if (result != READ_BATCH)
		return result;
	if (end - t->offset > max_read(t))
		return read_long(r, end, end > t->offset + t->partial, ret);
	if (t->want_bytes < end - t->offset)
		t->want_bytes = 0;
	return read_lines(r, ret);
}

/* ---- the beginning of the file ------------------------------------------------------------ */

/* Notes more of the beginning while the file is short. */
static enum read_result look_at_head(struct tail *t)
{
	uint32_t n = head_size(t->size);
	char head[HEAD_BYTES];

	if (t->pos->head_n >= n || file_read(t->fd, head, n, 0) != (ssize_t)n)
		return READ_BATCH;
	if (ident_hash(head, t->pos->head_n) != t->pos->head && t->pos->head_n) {
		tail_restart(t);
		return READ_AGAIN;
	}
	if (t->offset == 0 && t->pos->head_n < COMPRESSED_BYTES &&
	    is_compressed(str_make(head, n))) {
		open_refuse(t->fi, t->pos->path, t->id.ino, "compressed",
			    "compressed files are not read; name them in exclude");
		t->is_forgotten = true;
		tail_close(t);
		return READ_CLOSED;
	}
	positions_head(t->fi->positions, t->pos, n, ident_hash(head, n));
	return READ_BATCH;
}

/* The range that begins at offset, if it was read before a restart. */
static void find_again(struct reader *r)
{
	struct tail *t = r->t;

	for (size_t i = 0; t->is_replaying && i < t->pos->nranges; i++) {
		struct pos_range *range = pos_range_at(t->pos, i);

		if (range->start != t->offset)
			continue;
		if (range->end <= t->size) {
			r->again = range;
			r->again_at = i;
			r->limit = range->end;
			r->is_final = true;
			return;
		}
		positions_cut_ranges(t->pos, i); /* not all of it is there any more */
		break;
	}
	t->is_replaying = false;
}

enum read_result tail_read(struct tail *t, struct read_batch *ret)
{
	struct reader r = { .t = t };
	enum read_result result;

	CHECK_OBJ(t, TAIL_MAGIC);
	if (tail_must_wait(t))
		return READ_WAIT;
	if (!tail_look(t))
		return READ_CLOSED;
	if (t->is_unseen)
		return READ_TROUBLE;
	if (copies_hold(t))
		return t->fd < 0 ? READ_CLOSED : READ_WAIT;
	result = look_at_head(t);
	if (result != READ_BATCH)
		return result;
	r.limit = t->size;
	r.is_final = t->must_flush;
	find_again(&r);
	if (r.limit == t->offset)
		t->must_flush = false;
	if (r.limit == t->offset || (r.limit == t->offset + t->partial && !r.is_final))
		return READ_END;
	if (tail_is_late(t))
		return READ_WAIT;
	return t->partial >= PROBE_MIN_BYTES ? read_far(&r, ret) : read_lines(&r, ret);
}
