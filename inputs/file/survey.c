/* SPDX-License-Identifier: Apache-2.0 */
/* An archive is decompressed once to see what is in it: how much, is it damaged, and is it the content of a
 * log that is known? Then it is decided what becomes of it. */
#include <errno.h>

#include "inputs/file/archives_impl.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define PIECE ((size_t)64 << 10)
#define CANDIDATES_MAX 1000
#define CUT_OFF_WAITS 12 /* rotate_waits until one that is cut off is read as it is */
#define TAR_MAGIC_AT 257

/* A position that may be of this content: it begins with the same bytes. */
struct candidate {
	uint64_t num, offset;
	uint64_t marker;
	bool is_same; /* the bytes before the offset are, too */
	bool is_checked;
};

struct survey {
	struct file_input *fi;
	struct waiting *w;
	int fd;
	struct unpack unpack;
	char head[HEAD_BYTES];
	uint64_t prefix[HEAD_BYTES + 1]; /* hash of so many bytes */
	size_t head_n;
	char tail[MARKER_BYTES + PIECE]; /* what came last, behind the bytes before it */
	bool knows_head;
	bool is_read;     /* all of it, as the file of */
	uint64_t read_as; /* the position of this number */
	struct candidate *candidates;
	size_t ncandidates;
	uint64_t end_marker;
};

struct survey *survey_new(struct file_input *fi, struct waiting *w, int fd)
{
	struct survey *s = mem_zalloc(sizeof(*s));

	s->fi = fi;
	s->w = w;
	s->fd = fd;
	unpack_init(&s->unpack, fd, fi->conf->max_archive_size);
	return s;
}

void survey_free(struct survey *s)
{
	if (!s)
		return;
	unpack_fini(&s->unpack);
	if (s->fd >= 0)
		os->close(s->fd);
	mem_free(s->candidates);
	mem_free(s);
}

/* ---- whose content is it? ----------------------------------------------------------------- */

/* What names of a log and of its archives have in common: app.log, app.log.2.gz, app-20260101.log.zst. */
static struct str first_name(struct str path)
{
	const char *slash = memrchr(path.p, '/', path.n);
	struct str name = str_skip(path, slash ? (size_t)(slash - path.p) + 1 : 0);
	size_t n = 1;

	while (n < name.n && name.p[n] != '.' && name.p[n] != '-' && name.p[n] != '_')
		n++;
	return str_sub(name, 0, n);
}

static void hash_head(struct survey *s)
{
	uint64_t h = ident_hash(NULL, 0);

	s->prefix[0] = h;
	for (size_t i = 0; i < s->head_n; i++)
		s->prefix[i + 1] = h = ident_hash_on(h, s->head + i, 1);
}

static void find_candidates(struct survey *s)
{
	struct str name = first_name(s->w->path);
	size_t cap = 0;

	hash_head(s);
	s->knows_head = true;
	for (struct pos *p = s->fi->positions->first; p; p = p->next) {
		bool is_self = file_id_eq(&p->file, &s->w->look.id);

		if (!p->head_n || p->head_n > s->head_n || s->prefix[p->head_n] != p->head ||
		    (is_self && !p->archive) || (!is_self && !str_eq(first_name(p->path), name)))
			continue;
		if (s->ncandidates == CANDIDATES_MAX)
			return;
		if (s->ncandidates == cap) {
			cap = cap ? 2 * cap : 8;
			s->candidates = mem_realloc(s->candidates, cap * sizeof(*s->candidates));
		}
		s->candidates[s->ncandidates++] = (struct candidate){ .num = p->num,
								      .offset = p->offset,
								      .marker = p->marker };
	}
}

/* The content up to pos is known, the last n bytes of it stand in front of `end`. */
static void compare(struct survey *s, const char *end, size_t n)
{
	for (size_t i = 0; i < s->ncandidates; i++) {
		struct candidate *c = &s->candidates[i];
		size_t marker_n = marker_size(c->offset);
		uint64_t back = s->unpack.pos - c->offset;

		if (c->is_checked || c->offset > s->unpack.pos)
			continue;
		if (c->offset <= s->head_n)
			c->is_same =
				ident_hash(s->head + c->offset - marker_n, marker_n) == c->marker ||
				!c->offset;
		else if (back + marker_n <= n)
			c->is_same = ident_hash(end - back - marker_n, marker_n) == c->marker;
		c->is_checked = true;
	}
}

static void take_in(struct survey *s, size_t n)
{
	char *fresh = s->tail + MARKER_BYTES;
	size_t room = HEAD_BYTES - s->head_n;
	bool is_over = s->unpack.state != UNPACK_MORE;

	memcpy(s->head + s->head_n, fresh, n < room ? n : room);
	s->head_n += n < room ? n : room;
	if (!s->knows_head && (s->head_n == HEAD_BYTES || is_over))
		find_candidates(s);
	if (s->knows_head)
		compare(s, fresh + n, n + MARKER_BYTES);
	if (is_over && s->unpack.pos <= MARKER_BYTES)
		s->end_marker = ident_hash(s->head, (size_t)s->unpack.pos);
	else if (is_over)
		s->end_marker = ident_hash(fresh + n - MARKER_BYTES, MARKER_BYTES);
	memmove(s->tail, s->tail + n, MARKER_BYTES);
}

/* ---- positions ---------------------------------------------------------------------------- */

static struct pos *by_num(const struct positions *ps, uint64_t num)
{
	struct map_node *n = map_first(&ps->by_num, num);

	return n ? container_of(n, struct pos, by_num) : NULL;
}

bool archives_is_held(struct file_input *fi, const struct waiting *w)
{
	const struct pos *p = by_num(fi->positions, w->held_by);

	return p && p->is_open && p->offset >= w->held_offset;
}

static struct pos_archive look_of(const struct survey *s, bool is_done)
{
	const struct file_look *look = &s->w->look;

	return (struct pos_archive){ look->size, look->mtime_ns > 0 ? look->mtime_ns : 0, is_done };
}

/* A position of its own for a file that p is not of, or not any more, and that has no more than was read as p. */
static void note_read(struct survey *s, const struct pos *p, const struct file_id *id,
		      const struct pos_archive *a)
{
	struct positions *ps = s->fi->positions;
	struct pos *q = positions_add(ps, id, p->path);

	if (!q)
		return;
	positions_archive(ps, q, a);
	positions_head(ps, q, p->head_n, p->head);
	if (p->offset)
		positions_skip(ps, q, p->offset, p->marker);
}

/* The archive is where p's content is now; it keeps its place among the files of its name. */
static void move_here(struct survey *s, struct pos *p)
{
	struct positions *ps = s->fi->positions;
	struct file_id from = p->file;
	int64_t born_ns = p->born_ns;

	if (file_id_eq(&from, &s->w->look.id))
		return;
	positions_move(ps, p, &s->w->look.id);
	if (born_ns != p->born_ns)
		positions_born(ps, p, born_ns);
	/* One with less of the log, that may still be there. */
	if (p->archive && p->archive->is_done)
		note_read(s, p, &from, p->archive);
}

/* A position of its own that has all of the content behind it. */
static void note_done(struct survey *s, struct str path, uint64_t offset, uint64_t marker)
{
	struct positions *ps = s->fi->positions;
	struct pos_archive a = look_of(s, true);
	struct pos *p = positions_add(ps, &s->w->look.id, path);
	uint32_t n = head_size(s->head_n);

	if (!p)
		return;
	positions_archive(ps, p, &a);
	positions_head(ps, p, n, s->prefix[n]);
	if (offset)
		positions_skip(ps, p, offset, marker);
}

/* ---- what becomes of it ------------------------------------------------------------------- */

/* All of it is in a file that we have open, or had a moment ago: it waits for that. */
static bool is_in_open_file(struct survey *s, const struct pos *p)
{
	struct tail *t = find_tail(s->fi, &p->file);

	if (!t)
		return true; /* its last batches are on their way */
	if (t->pos != p || !tail_look(t) || t->is_unseen)
		return t->pos == p;
	if (idle_open(t) != IDLE_OPEN)
		return false;
	return t->size >= s->unpack.pos &&
	       marker_is(t->fd, s->unpack.pos, s->end_marker) == SAME_YES;
}

static bool must_wait(struct survey *s)
{
	struct waiting *w = s->w;
	int64_t whole_ns = w->changed_ns + CUT_OFF_WAITS * s->fi->conf->rotate_wait_ns;
	struct pos *p;

	for (size_t i = 0; i < s->ncandidates; i++) {
		p = by_num(s->fi->positions, s->candidates[i].num);
		if (!p || !p->is_open || (!p->archive && !is_in_open_file(s, p)))
			continue;
		/* An archive that is open was read: its last batches are on their way. */
		if (!p->archive && find_tail(s->fi, &p->file) && p->offset >= s->unpack.pos) {
			s->is_read = true; /* all of it was, whatever becomes of the file */
			s->read_as = p->num;
			return false;
		}
		w->held_by = p->num;
		w->held_offset = p->offset;
		return true;
	}
	if (s->unpack.state != UNPACK_CUT_OFF || clock_mono_ns() >= whole_ns)
		return false;
	w->ready_ns = whole_ns;
	return true;
}

/* A log was emptied since its position was noted, perhaps found so only now: what is remembered of it
 * has another. */
static bool is_outdated(const struct survey *s)
{
	for (size_t i = 0; i < s->ncandidates; i++) {
		const struct pos *p = by_num(s->fi->positions, s->candidates[i].num);

		if (!p || p->offset < s->candidates[i].offset)
			return true;
	}
	return false;
}

/* It has less content than was read of a log that begins with the same KiB. */
static bool is_shorter(const struct survey *s, const struct candidate *c, const struct pos *p)
{
	return s->unpack.state == UNPACK_CUT_OFF && p->head_n == HEAD_BYTES &&
	       c->offset > s->unpack.pos;
}

/* The position that was read furthest; its own before others, and what is gone before what is there. */
static struct pos *choose(struct survey *s)
{
	struct pos *best = NULL;

	for (size_t i = 0; i < s->ncandidates; i++) {
		struct candidate *c = &s->candidates[i];
		struct pos *p = by_num(s->fi->positions, c->num);

		if (!p || p->is_open || p->offset != c->offset ||
		    (!c->is_same && !is_shorter(s, c, p)))
			continue;
		if (file_id_eq(&p->file, &s->w->look.id))
			return p;
		if (!best || p->offset > best->offset)
			best = p;
	}
	return best;
}

static void tell_damage(const struct survey *s)
{
	const struct unpack *u = &s->unpack;
	const char *reason = u->state == UNPACK_CUT_OFF   ? "archive_cut_off"
			     : u->state == UNPACK_DAMAGED ? "archive_damaged"
							  : "archive_too_long";

	if (u->state == UNPACK_WHOLE)
		return;
	input_count_error(s->fi->in, reason);
	log_error("an archive is read as far as it goes", KV("path", s->w->path),
		  KV_S("reason", unpack_reason(u)), KV_I("at", unpack_where(u)),
		  KV_I("content_bytes", u->pos));
}

static size_t front_bytes(const struct file_input *fi)
{
	size_t batch = fi->in->batch_bytes > 4096 ? fi->in->batch_bytes : 4096;
	size_t line = decoder_bytes_for(fi->decoder, fi->conf->max_line);

	return 2 * MARKER_BYTES + (batch > line ? batch : 2 * line) + 2 * PROBE_BYTES;
}

/* p is of the archive now. Takes the descriptor. */
static void read_it(struct survey *s, struct pos *p)
{
	struct file_input *fi = s->fi;
	struct file_look look = s->w->look;
	struct pos_archive a = look_of(s, false);
	struct unpack *u;
	struct tail *t;

	positions_archive(fi->positions, p, &a);
	tell_damage(s);
	log_info("reading an archive", KV("path", s->w->path), KV("log", p->path),
		 KV_I("from", p->offset), KV_I("content_bytes", s->unpack.pos));
	metric_add(fi->archives->read, 1);
	look.size = s->unpack.pos;
	look.nlink = 1;
	t = tail_new(fi, s->fd, &look, STR_NONE, p, 0);
	u = active_rare(t)->unpack = mem_alloc(sizeof(*u));
	unpack_init(u, s->fd, fi->conf->max_archive_size);
	unpack_window(u, front_bytes(fi));
	t->is_packed = true;
	s->fd = -1;
	fi->archives->reading = t;
}

/* Somebody else's: was there before us, too old, or we begin with what comes. */
static bool is_left(const struct survey *s)
{
	const struct file_input *fi = s->fi;
	int64_t begun_ns = fi->positions->begun_s * NS_PER_S;

	return s->w->at != AT_BEGINNING ||
	       (fi->conf->archives == ARCHIVES_AUTO && s->w->look.mtime_ns < begun_ns);
}

static void leave(struct survey *s)
{
	if (!s->fi->archives->has_left)
		log_info("an archive that is older than the first start is not read, nor others "
			 "like it",
			 KV("path", s->w->path),
			 KV_S("advice", "to read them, set `archives: read`"));
	s->fi->archives->has_left = true;
	metric_add(s->fi->archives->old, 1);
	note_done(s, s->w->path, 0, 0);
}

static bool is_no_text(const struct survey *s)
{
	struct str head = str_make(s->head, s->head_n);

	return is_compressed(head) ||
	       str_eq(str_sub(head, TAR_MAGIC_AT, TAR_MAGIC_AT + 5), STR("ustar"));
}

static void refuse(struct survey *s)
{
	input_count_error(s->fi->in, "archive_of_files");
	log_warn(
		"file is not read", KV("path", s->w->path), KV_S("reason", "archive_of_files"),
		KV_S("advice", "it holds a tar or compressed file, not lines; name it in exclude"));
	note_done(s, s->w->path, 0, 0);
}

static void decide(struct survey *s)
{
	struct positions *ps = s->fi->positions;
	struct pos *self = positions_find(ps, &s->w->look.id), *p = choose(s);

	if (s->is_read) {
		if (self)
			positions_drop(ps, self);
		note_done(s, by_num(ps, s->read_as)->path, s->unpack.pos, s->end_marker);
		metric_add(s->fi->archives->known, 1);
		return;
	}
	if (p && p->file.dev != s->w->look.id.dev && self == p)
		positions_move(ps, p, &s->w->look.id);
	if (self && self != p)
		positions_drop(ps, self); /* what the file has now is something else */
	if (p && s->unpack.pos <= p->offset) {
		struct pos_archive a = look_of(s, true);

		metric_add(s->fi->archives->known, p != self);
		if (p != self && !pos_is_gone(p)) {
			note_done(s, p->path, p->offset, p->marker);
			return;
		}
		move_here(s, p);
		positions_archive(ps, p, &a);
	} else if (p) {
		move_here(s, p);
		read_it(s, p);
	} else if (is_no_text(s)) {
		refuse(s);
	} else if (is_left(s)) {
		leave(s);
	} else {
		p = positions_add(ps, &s->w->look.id, s->w->path);
		if (p)
			read_it(s, p);
	}
}

/* Nothing that is known has this beginning, and it is not read for itself. */
static bool is_clear(const struct survey *s)
{
	return s->knows_head && !s->ncandidates && (is_left(s) || is_no_text(s));
}

static bool end(struct survey *s)
{
	const struct pos *self = positions_find(s->fi->positions, &s->w->look.id);

	if (self && self->is_open) {
		s->w->ready_ns = clock_mono_ns() + s->fi->conf->rotate_wait_ns;
	} else if (!must_wait(s) && !is_outdated(s)) {
		decide(s);
		archives_drop(s->fi->archives, s->w);
	}
	return true;
}

bool survey_step(struct survey *s, size_t max)
{
	for (size_t done = 0; done < max; done += PIECE) {
		ssize_t got = unpack_next(&s->unpack, s->tail + MARKER_BYTES, PIECE);

		if (got < 0) {
			log_warn("cannot read", KV("path", s->w->path), KV_ERRNO(errno));
			input_count_error(s->fi->in, "read");
			s->w->ready_ns =
				clock_mono_ns() + CUT_OFF_WAITS * s->fi->conf->rotate_wait_ns;
			return true;
		}
		take_in(s, (size_t)got);
		if (s->unpack.state != UNPACK_MORE || is_clear(s))
			return end(s);
	}
	return false;
}
