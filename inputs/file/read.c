/* SPDX-License-Identifier: Apache-2.0 */
/* From a file into a batch: one pread() into the arena, with the marker before the position in front,
 * then one record for each line. Nothing is copied; an unfinished line is simply read again with
 * what follows it. */
#include <errno.h>
#include <unistd.h>

#include "inputs/file/archives.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/utf8.h"

#define PROBE_MIN_BYTES 4096           /* of a line without end: searched on, not read again */
#define PROBE_WORK ((uint64_t)1 << 20) /* searched at most in one go */
#define READ_FLOOR ((size_t)4096)
#define CLOCK_BACK_NS (10 * NS_PER_S)
#define ASK_EVERY_NS NS_PER_S /* how long a file is, when it grows all the time */
#define GUESS_MAX ((size_t)16384)
#define RECS_SPARE 16

struct reader {
	struct tail *t;
	struct pos_range *again; /* the range that is read as it was, or NULL */
	size_t again_at;
	uint64_t limit; /* nothing behind it is read now */
	bool is_final;  /* what stands before limit without line end is a line */
	bool is_guess;  /* limit is more than there will be */
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

	if (t->decoder)
		quarter /= 2; /* it is there twice for a moment */
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

/* A line as it stands in the file, or the beginning of one that has full_bytes, becomes UTF-8 and no
 * longer than allowed. */
static void make_line(struct reader *r, struct batch *b, struct rec *rec, uint64_t full_bytes)
{
	struct tail *t = r->t;
	size_t cap = max_line(t), raw_max = decoder_bytes_for(t->decoder, cap);
	bool is_bad = false, is_cut = full_bytes > raw_max;

	if (t->decoder)
		rec->line =
			decoder_run(t->decoder, str_sub(rec->line, 0, raw_max), &b->arena, &is_bad);
	if (is_bad) {
		rec->flags |= REC_BAD_UTF8;
		metric_add(t->fi->bad_encoding, 1);
	}
	if (is_cut || rec->line.n > cap)
		cut_line(r, b, rec, full_bytes);
}

/* What concerns the whole batch. */
static void made_lines(const struct tail *t, struct batch *b)
{
	if (t->decoder)
		batch_recharge(b);
	if (t->offset == 0 && str_starts(b->recs[0].line, BOM))
		b->recs[0].line = str_skip(b->recs[0].line, BOM.n);
}

/* One record for each line of text, up to BATCH_RECS_MAX. Returns the bytes used. */
static size_t add_lines(struct reader *r, struct batch *b, struct str text, int64_t t0_ns)
{
	const struct decoder *d = r->t->decoder;
	const char *at = text.p, *end = text.p + text.n;
	size_t unit = decoder_unit(d), plain_max = d ? 0 : max_line(r->t);

	while (at < end && b->nrecs < BATCH_RECS_MAX) {
		struct str rest = str_make(at, (size_t)(end - at));
		const char *nl = d ? decoder_line_end(d, rest) : memchr(rest.p, '\n', rest.n);
		const char *stop = nl ? nl : end;
		struct rec *rec = batch_add(b);

		rec->time_ns = t0_ns++;
		rec->line = decoder_without_cr(d, str_make(at, (size_t)(stop - at)));
		if (__builtin_expect(rec->line.n > plain_max, 0))
			make_line(r, b, rec, rec->line.n);
		if (__builtin_expect(!nl, 0)) {
			rec->flags |= REC_PARTIAL;
			metric_add(r->t->fi->partial, 1);
			at = end;
			break;
		}
		at = nl + unit;
	}
	made_lines(r->t, b);
	return (size_t)(at - text.p);
}

/* ---- one batch ---------------------------------------------------------------------------- */

static enum read_result trouble(struct tail *t)
{
	log_warn("cannot read", KV("path", t->pos->path), KV_ERRNO(errno));
	input_count_error(t->fi->in, "read");
	return READ_TROUBLE;
}

/* Fewer bytes than there should be: an error, or it has shrunk since it was looked at. */
static enum read_result came_short(struct tail *t, ssize_t got)
{
	return got < 0 ? trouble(t) : READ_END;
}

/* What a read tells that was tried for more than there is: up to where there is something. A file that
 * shrank, is another one, or grew by more than was tried for is asked, next time. */
static enum read_result learn(struct reader *r, uint64_t got, bool is_same, bool is_full)
{
	struct tail *t = r->t;

	if (!is_same || is_full || got < t->partial) {
		t->active->asked_ns = 0;
		return READ_AGAIN;
	}
	if (got == t->partial)
		return READ_END;
	active_grew(t->active);
	r->limit = t->size = t->offset + got;
	return READ_BATCH;
}

/* To read n bytes into; for few lines with room for their records behind them. */
static size_t room_for(const struct reader *r, size_t n)
{
	const struct active *a = r->t->active;
	size_t likely = r->is_guess ? a->last_bytes + a->last_bytes / 2 + MARKER_BYTES : n;

	if (!a->line_bytes || likely > GUESS_MAX)
		return n;
	likely += (likely / a->line_bytes + RECS_SPARE) * sizeof(struct rec);
	return likely > n ? likely : n;
}

/* Reads n bytes from offset on, and the marker before it, into a new batch; *ret is what came, in
 * the arena but not taken. */
static enum read_result get(struct reader *r, size_t n, struct batch **ret_batch, struct str *ret)
{
	struct tail *t = r->t;
	struct source *source = &active_of(t)->source;
	size_t before = marker_size(t->offset), room = room_for(r, before + n);
	struct batch *b = input_batch(t->fi->in, source, room);
	enum read_result result = READ_BATCH;
	bool is_same = false;
	ssize_t got;
	char *p;

	if (!b)
		return READ_NO_CREDIT;
	p = arena_room(&b->arena, room);
	got = r->is_guess ? OS_RETRY(os->pread(t->fd, p, before + n, (off_t)(t->offset - before)))
			  : tail_bytes(t, p, before + n, t->offset - before);
	if (got >= (ssize_t)before)
		is_same = !before || ident_hash(p, before) == t->marker;
	if (got < 0)
		result = trouble(t);
	else if (r->is_guess)
		result = learn(r, (uint64_t)got - (is_same ? before : 0), is_same,
			       (size_t)got == before + n);
	else if (got <= (ssize_t)before)
		result = READ_END; /* shrunk since it was looked at */
	else if (!is_same)
		result = READ_AGAIN;
	if (result != READ_BATCH) {
		batch_free(b);
		if (result == READ_AGAIN && !r->is_guess)
			tail_restart(t);
		return result;
	}
	*ret_batch = b;
	*ret = str_make(p + before, (size_t)got - before);
	return READ_BATCH;
}

static void note_end(struct tail *t)
{
	struct past_ends *past = t->past;

	if (!t->offset)
		return;
	if (!past)
		past = t->past = mem_zalloc(sizeof(*past));
	past->at[past->n % PAST_ENDS].offset = t->offset;
	past->at[past->n++ % PAST_ENDS].marker = t->marker;
}

/* The batch holds the lines of the next `bytes` of the file. */
static enum read_result finish(struct reader *r, struct batch *b, uint64_t bytes, int64_t t0_ns,
			       uint64_t marker, struct read_batch *ret)
{
	struct tail *t = r->t;
	size_t weight = b->nrecs ? (size_t)bytes : 0;
	struct pos_range range = { t->offset, t->offset + bytes, t0_ns, b->nrecs, marker };

	if (!r->again) {
		positions_range(t->fi->positions, t->pos, &range);
		t->fi->last_ns = t0_ns + b->nrecs - 1;
	} else if (range.end < r->again->end) {
		positions_split(t->pos, r->again_at, &range);
	}
	note_end(t);
	t->offset = range.end;
	t->marker = marker;
	b->ack = &tail_flight(t, &range, weight)->ack;
	*ret = (struct read_batch){ t, b, weight };
	tail_count_behind(t);
	return READ_BATCH;
}

/* The marker before offset. READ_BATCH when it is there. */
static enum read_result get_marker(struct tail *t, uint64_t offset, uint64_t *ret)
{
	char bytes[MARKER_BYTES];
	size_t n = marker_size(offset);
	ssize_t got = tail_bytes(t, bytes, n, offset - n);

	if (got != (ssize_t)n)
		return came_short(t, got);
	*ret = ident_hash(bytes, n);
	return READ_BATCH;
}

/* So many bytes that a batch is about full of records; 0: as many as fit. */
static void adapt(struct tail *t, const struct batch *b, size_t used)
{
	struct active *a = t->active;

	if (b->nrecs == BATCH_RECS_MAX)
		a->want_bytes = (uint32_t)used;
	else if (b->nrecs < BATCH_RECS_MAX / 4 * 3)
		a->want_bytes = a->want_bytes > max_read(t) ? 0 : a->want_bytes / 4 * 5;
	a->line_bytes = (uint32_t)(used / b->nrecs) + 1;
	a->last_bytes = (uint32_t)used;
}

/* No line end up to the end of text, or up to zeros. */
static enum read_result leave_unfinished(struct reader *r, struct str text, uint64_t left,
					 struct nul_run nuls)
{
	struct tail *t = r->t;
	size_t odd = text.n % decoder_unit(t->decoder);

	t->partial = text.n - odd;
	tail_count_behind(t);
	t->active->want_bytes = 0;
	if (!nuls.n && text.n == left) {
		t->blank = odd;
		t->must_flush = false;
		return READ_END;
	}
	t->blank = nuls.n;
	return READ_AGAIN;
}

static size_t bytes_to_read(const struct tail *t, uint64_t left)
{
	size_t max = max_read(t), want = t->active->want_bytes ? t->active->want_bytes : max;

	if (want < READ_FLOOR)
		want = READ_FLOOR;
	if (want > max)
		want = max;
	return want < left ? want : (size_t)left;
}

static enum read_result read_lines(struct reader *r, struct read_batch *ret)
{
	struct tail *t = r->t;
	size_t unit = decoder_unit(t->decoder), used, whole, n;
	enum read_result result;
	struct nul_run nuls;
	struct batch *b;
	struct str text;
	const char *last;
	uint64_t left;
	int64_t t0_ns;

	result = get(r, bytes_to_read(t, r->limit - t->offset), &b, &text);
	if (result != READ_BATCH)
		return result;
	left = r->limit - t->offset;
	nuls = decoder_find_nuls(t->decoder, text);
	if (nuls.n)
		text.n = nuls.start;
	last = decoder_last_line_end(t->decoder, text);
	whole = last ? (size_t)(last - text.p) + unit : 0;
	if (r->is_final && text.n == left)
		whole = text.n - text.n % unit;
	if (!whole) {
		batch_free(b);
		return leave_unfinished(r, text, left, nuls);
	}
	/* Taken before records are added: both come from the arena. */
	arena_take(&b->arena, (size_t)(text.p - arena_room(&b->arena, 0)) + whole);
	if (t->active->line_bytes) {
		size_t guess = whole / t->active->line_bytes + RECS_SPARE;

		batch_reserve(b, guess < BATCH_RECS_MAX ? (uint32_t)guess : BATCH_RECS_MAX);
	}
	t0_ns = r->again ? r->again->t0_ns : next_time(t->fi);
	used = add_lines(r, b, str_sub(text, 0, whole), t0_ns);
	t->partial = used == whole ? (text.n - whole) / unit * unit : 0;
	adapt(t, b, used);
	if (used == text.n && text.n == left)
		t->must_flush = false;
	n = marker_size(t->offset + used);
	return finish(r, b, used, t0_ns, ident_hash(text.p + used - n, n), ret);
}

/* ---- long lines --------------------------------------------------------------------------- */

/* Zeros at the end of what was read may be the beginning of a hole. */
static size_t without_nuls(struct str s, size_t unit)
{
	size_t n = s.n;

	while (n && s.n - n < NUL_RUN_MIN && !s.p[n - 1])
		n--;
	n -= n % unit;
	return n ? n : s.n;
}

/* Looks for the line end from where it is known that there is none before. Moves partial. READ_BATCH
 * when found, with the place behind it. */
static enum read_result search_end(struct reader *r, uint64_t *ret_end)
{
	struct tail *t = r->t;
	size_t unit = decoder_unit(t->decoder);
	uint64_t work = 0;

	while (t->offset + t->partial + unit <= r->limit) {
		uint64_t from = t->offset + t->partial, left = r->limit - from;
		size_t n = left < PROBE_BYTES ? (size_t)left / unit * unit : PROBE_BYTES;
		ssize_t got = tail_bytes(t, t->fi->probe, n, from);
		struct nul_run nuls;
		struct str text;
		const char *nl;

		if (work >= PROBE_WORK)
			return READ_AGAIN;
		if (got < (ssize_t)unit)
			return got < 0 ? trouble(t) : READ_END;
		text = str_make(t->fi->probe, (size_t)got);
		text.n = (uint64_t)got < left ? without_nuls(text, unit) : text.n / unit * unit;
		nl = decoder_line_end(t->decoder, text);
		nuls = decoder_find_nuls(t->decoder,
					 nl ? str_make(text.p, (size_t)(nl - text.p)) : text);
		if (nuls.n) {
			t->partial += nuls.start;
			t->blank = nuls.n;
			return READ_AGAIN;
		}
		if (nl) {
			*ret_end = from + (size_t)(nl - text.p) + unit;
			return READ_BATCH;
		}
		t->partial += text.n;
		work += text.n;
		/* A file without line ends must not be searched for ever. */
		if (t->partial >= LINE_SCAN_MAX && !r->again)
			break;
	}
	*ret_end = t->offset + t->partial;
	if (r->is_final || t->partial >= LINE_SCAN_MAX)
		return READ_BATCH;
	t->blank = (r->limit - *ret_end) % unit;
	return READ_END;
}

/* Of the line end that stands before `end`. */
static size_t cr_before(const struct tail *t, uint64_t end)
{
	size_t unit = decoder_unit(t->decoder);
	char bytes[2];
	bool is_there = tail_bytes(t, bytes, unit, end - unit) == (ssize_t)unit;

	return is_there && !decoder_without_cr(t->decoder, str_make(bytes, unit)).n ? unit : 0;
}

/* The line that ends at `end` and does not fit a read. */
static enum read_result read_long(struct reader *r, uint64_t end, bool has_end,
				  struct read_batch *ret)
{
	struct tail *t = r->t;
	uint64_t full = end - t->offset - (has_end ? decoder_unit(t->decoder) : 0), marker;
	size_t most = decoder_bytes_for(t->decoder, max_line(t)), n;
	enum read_result result;
	struct batch *b;
	struct rec *rec;
	struct str text;
	int64_t t0_ns;

	full -= cr_before(t, t->offset + full);
	n = full < most ? (size_t)full : most;
	result = get(r, n, &b, &text);
	if (result != READ_BATCH)
		return result;
	result = text.n < n ? READ_END : get_marker(t, end, &marker);
	if (result != READ_BATCH) {
		batch_free(b);
		return result;
	}
	arena_take(&b->arena, (size_t)(text.p - arena_room(&b->arena, 0)) + n);
	t0_ns = r->again ? r->again->t0_ns : next_time(t->fi);
	rec = batch_add(b);
	rec->time_ns = t0_ns;
	rec->line = text;
	if (!has_end) {
		rec->flags |= REC_PARTIAL;
		metric_add(t->fi->partial, 1);
	}
	make_line(r, b, rec, full);
	made_lines(t, b);
	t->partial = 0;
	t->must_flush = false;
	return finish(r, b, end - t->offset, t0_ns, marker, ret);
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
	if (t->active->want_bytes < end - t->offset)
		t->active->want_bytes = 0;
	return read_lines(r, ret);
}

static enum read_result read_on(struct reader *r, struct read_batch *ret)
{
	return r->t->partial >= PROBE_MIN_BYTES ? read_far(r, ret) : read_lines(r, ret);
}

/* ---- holes -------------------------------------------------------------------------------- */

/* A writer that does not append leaves a hole when its file is truncated, a crash can leave zeros
 * anywhere: they end the line before them and are passed over. Zeros that nothing follows are room
 * that was reserved: they are not passed, there may be a line in their place any moment. */

static uint64_t next_data(const struct tail *t, uint64_t at, uint64_t limit)
{
	off_t data;

	if (t->fd < 0 || t->is_packed)
		return at;
	data = os->lseek(t->fd, (off_t)at, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? limit : at;
	return (uint64_t)data < limit ? (uint64_t)data : limit;
}

static size_t leading_nuls(struct str s)
{
	size_t n = 0;

	while (n < s.n && !s.p[n])
		n++;
	return n;
}

/* The batch that stands for the zeros up to `end`: no records, but the position passes them. */
static enum read_result pass_nuls(struct reader *r, uint64_t end, struct read_batch *ret)
{
	struct tail *t = r->t;
	struct batch *b = input_batch(t->fi->in, &active_of(t)->source, 0);
	enum read_result result;
	uint64_t marker;

	if (!b)
		return READ_NO_CREDIT;
	result = get_marker(t, end, &marker);
	if (result != READ_BATCH) {
		batch_free(b);
		return result;
	}
	metric_add(t->fi->nul_bytes, (int64_t)(end - t->offset));
	t->blank = 0;
	return finish(r, b, end - t->offset, r->again ? r->again->t0_ns : next_time(t->fi), marker,
		      ret);
}

/* From the zeros that are known on: what is behind them? */
static enum read_result read_blank(struct reader *r, struct read_batch *ret)
{
	struct tail *t = r->t;
	uint64_t start = t->offset + t->partial, at = start + t->blank, work = 0;
	size_t unit = decoder_unit(t->decoder), n = 0, nuls = 0;
	bool is_data = false;
	ssize_t got;

	/* What stands in an archive is final, so it need not be known what is behind them. */
	if (t->is_packed && t->partial) {
		t->blank = 0;
		r->limit = start;
		r->is_final = true;
		return read_on(r, ret);
	}
	while (at < r->limit && !is_data) {
		if (work >= PROBE_WORK)
			return READ_AGAIN;
		at = next_data(t, at, r->limit);
		n = r->limit - at < PROBE_BYTES ? (size_t)(r->limit - at) : PROBE_BYTES;
		got = n ? tail_bytes(t, t->fi->probe, n, at) : 0;
		if (got < 0 || (n && !got))
			return came_short(t, got);
		nuls = leading_nuls(str_make(t->fi->probe, (size_t)got));
		is_data = nuls < (size_t)got;
		at += nuls;
		at -= is_data ? (at - start) % unit : 0;
		work += nuls;
		t->blank = at - start;
	}
	if (!is_data && !r->again && !(r->is_final && t->partial)) {
		t->must_flush = false;
		return READ_END;
	}
	n = t->blank < PROBE_BYTES ? (size_t)t->blank : PROBE_BYTES;
	got = tail_bytes(t, t->fi->probe, n, start);
	if (got != (ssize_t)n)
		return came_short(t, got);
	if (leading_nuls(str_make(t->fi->probe, n)) < n) {
		t->blank = 0; /* reserved room, and somebody has begun to use it */
		return READ_AGAIN;
	}
	if (!t->partial)
		return pass_nuls(r, at, ret);
	r->limit = start;
	r->is_final = true;
	t->blank = 0;
	return read_on(r, ret);
}

/* ---- the beginning of the file ------------------------------------------------------------ */

/* Notes more of the beginning while the file is short. */
static enum read_result look_at_head(struct tail *t)
{
	uint32_t n = head_size(t->size);
	struct file_look look;
	char head[HEAD_BYTES];

	if (t->pos->head_n >= n || tail_bytes(t, head, n, 0) != (ssize_t)n)
		return READ_BATCH;
	if (ident_hash(head, t->pos->head_n) != t->pos->head && t->pos->head_n) {
		tail_restart(t);
		return READ_AGAIN;
	}
	if (t->offset == 0 && t->pos->head_n < COMPRESSED_BYTES && !t->is_packed &&
	    is_compressed(str_make(head, n))) {
		if (!file_look(t->fd, &look) ||
		    !archives_note(t->fi, t->path.p ? t->path : t->pos->path, &look,
				   str_make(head, n)))
			open_refuse(t->fi, t->pos->path, t->id.ino, "compressed",
				    "compressed files are not read; name them in exclude");
		t->is_forgotten = true;
		tail_close(t);
		return READ_CLOSED;
	}
	positions_head(t->fi->positions, t->pos, n, ident_hash(head, n));
	return READ_BATCH;
}

static enum read_result choose_decoder(struct tail *t)
{
	char head[4];
	ssize_t got = tail_bytes(t, head, BOM.n, 0);

	if (got < 0)
		return trouble(t);
	t->decoder = decoder_for(str_make(head, (size_t)got), t->fi->decoder);
	t->knows_decoder = got >= 2; /* a single byte may be half of one */
	return READ_BATCH;
}

/* Number of ranges in front of the first that begins at `offset` or behind it; they are in order. */
static size_t ranges_before(struct pos *p, uint64_t offset)
{
	size_t low = 0, high = p->nranges;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (pos_range_at(p, mid)->start < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The range that begins at offset, if it was read before a restart. */
static void find_again(struct reader *r)
{
	struct tail *t = r->t;
	size_t i = t->is_replaying ? ranges_before(t->pos, t->offset) : 0;
	struct pos_range *range;

	if (t->is_replaying && i < t->pos->nranges) {
		range = pos_range_at(t->pos, i);
		if (range->start == t->offset && range->end <= t->size) {
			r->again = range;
			r->again_at = i;
			r->limit = range->end;
			r->is_final = true;
			return;
		}
		if (range->start == t->offset)
			positions_cut_ranges(t->pos, i); /* not all of it is there any more */
	}
	t->is_replaying = false;
}

/* It grew a moment ago, was read to its end, and there is nothing that makes it a special one. */
static bool is_steady(const struct tail *t)
{
	const struct active *a = t->active;

	return a && loop_now_ns(t->fi->in->loop) - a->asked_ns < ASK_EVERY_NS && t->fd >= 0 &&
	       !t->after && !t->rare && !t->is_rotated && !t->is_replaying && !t->must_flush &&
	       !t->is_unseen && !t->blank && t->knows_decoder && t->pos->head_n == HEAD_BYTES &&
	       t->size == t->offset + t->partial &&
	       2 * ((size_t)t->partial + a->last_bytes) < GUESS_MAX;
}

/* How long it is shows when it is read: nothing is asked before. The bytes before the position tell,
 * as always, whether it is what it was. */
static enum read_result read_guess(struct tail *t, struct read_batch *ret)
{
	struct reader r = { .t = t, .is_guess = true };
	size_t likely = t->active->last_bytes + (size_t)t->partial;

	/* So that all of it is in a small chunk, mostly. */
	r.limit = t->offset +
		  (likely < READ_FLOOR / 2 ? READ_FLOOR - MARKER_BYTES : 2 * likely + READ_FLOOR);
	idle_used(t);
	return read_lines(&r, ret);
}

enum read_result tail_read(struct tail *t, struct read_batch *ret)
{
	struct reader r = { .t = t };
	enum read_result result;

	CHECK_OBJ(t, TAIL_MAGIC);
	if (tail_must_wait(t))
		return READ_WAIT;
	if (is_steady(t))
		return read_guess(t, ret);
	if (!tail_look(t))
		return READ_CLOSED;
	if (t->is_unseen)
		return READ_TROUBLE;
	result = t->is_packed ? archives_prepare(t) : READ_BATCH;
	if (result != READ_BATCH)
		return result;
	if (!t->is_packed && copies_hold(t))
		return t->is_closed ? READ_CLOSED : READ_END; /* nobody waits for it */
	if (t->fd < 0 && !t->is_replaying && !tail_unread(t) && !t->must_flush)
		return READ_END;
	if (idle_open(t) != IDLE_OPEN)
		return READ_TROUBLE;
	idle_used(t);
	result = look_at_head(t);
	if (result != READ_BATCH)
		return result;
	if (!t->knows_decoder)
		result = choose_decoder(t);
	if (result != READ_BATCH)
		return result;
	r.limit = t->size;
	r.is_final = t->must_flush;
	find_again(&r);
	if (!r.again && tail_must_wait(t))
		return READ_WAIT; /* what was read again may be all that there may be */
	if (r.limit == t->offset)
		t->must_flush = false;
	if (r.limit == t->offset || (r.limit <= t->offset + t->partial + t->blank && !r.is_final))
		return READ_END;
	if (tail_is_late(t))
		return READ_WAIT;
	active_of(t);
	return t->blank ? read_blank(&r, ret) : read_on(&r, ret);
}
