/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed files that wait to be looked into, and those that are read. */
#include <errno.h>

#include "inputs/file/archives_impl.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define WAITING_MAX 100000
#define STEP_BYTES ((size_t)256 << 10) /* of content, in one go */

/* ---- waiting ------------------------------------------------------------------------------ */

static uint64_t id_hash(const struct file_id *id)
{
	return tail_id_hash(id);
}

static struct waiting *find_waiting(const struct archives *a, const struct file_id *id)
{
	for (struct map_node *n = map_first(&a->by_id, id_hash(id)); n; n = map_next(n)) {
		struct waiting *w = container_of(n, struct waiting, by_id);

		if (file_id_eq(&w->look.id, id))
			return w;
	}
	return NULL;
}

void archives_drop(struct archives *a, struct waiting *w)
{
	map_del(&a->by_id, &w->by_id);
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	a->n--;
	mem_free((void *)(uintptr_t)w->path.p);
	mem_free(w);
}

static void set_path(struct waiting *w, struct str path)
{
	char *copy = mem_alloc(path.n + 1);

	memcpy(copy, path.p, path.n);
	copy[path.n] = 0;
	mem_free((void *)(uintptr_t)w->path.p);
	w->path = str_make(copy, path.n);
}

bool archives_same_look(const struct pos_archive *a, const struct file_look *look)
{
	int64_t mtime_ns = look->mtime_ns > 0 ? look->mtime_ns : 0;

	return a->size == look->size && a->mtime_ns == mtime_ns;
}

/* Not while it may still be written: gzip(1) gives it the time of what it has compressed at the end. */
static void wait_for_quiet(struct file_input *fi, struct waiting *w)
{
	int64_t age_ns = clock_wall_ns() - w->look.mtime_ns, wait_ns = fi->conf->rotate_wait_ns;

	w->changed_ns = clock_mono_ns();
	w->ready_ns = w->changed_ns;
	if (age_ns < wait_ns)
		w->ready_ns += wait_ns;
	w->held_by = 0;
}

static void on_due(struct timer *timer)
{
	struct archives *a = container_of(timer, struct archives, timer);

	a->is_due = true;
}

/* The next that may be looked into; the oldest first. Sets the timer when there is none. */
static struct waiting *next_waiting(struct archives *a)
{
	int64_t now_ns = clock_mono_ns(), soonest_ns = INT64_MAX;
	struct waiting *ret = NULL;

	for (struct waiting *w = a->first; w; w = w->next) {
		if (w->held_by && archives_is_held(a->fi, w))
			continue;
		if (w->ready_ns > now_ns) {
			soonest_ns = w->ready_ns < soonest_ns ? w->ready_ns : soonest_ns;
			continue;
		}
		if (!ret || w->look.mtime_ns < ret->look.mtime_ns)
			ret = w;
	}
	if (!ret && soonest_ns != INT64_MAX)
		loop_timer_set(a->fi->in->loop, &a->timer, soonest_ns, on_due);
	return ret;
}

static void look_again(struct archives *a)
{
	if (a->first)
		loop_timer_in(a->fi->in->loop, &a->timer, 0, on_due);
}

static void begin_waiting(struct file_input *fi, struct str path, const struct file_look *look)
{
	struct archives *a = fi->archives;
	struct waiting *w = mem_zalloc(sizeof(*w));

	w->look = *look;
	w->at = start_of(fi, look, path);
	set_path(w, path);
	wait_for_quiet(fi, w);
	w->next = a->first;
	w->link = &a->first;
	if (w->next)
		w->next->link = &w->next;
	a->first = w;
	a->n++;
	map_add(&a->by_id, &w->by_id, id_hash(&look->id));
	look_again(a);
}

bool archives_note(struct file_input *fi, struct str path, const struct file_look *look,
		   struct str head)
{
	struct archives *a = fi->archives;
	struct waiting *w;
	struct pos *p;

	if (!a || a->is_stopped || !is_unpackable(head))
		return false;
	p = positions_find(fi->positions, &look->id);
	if (p && p->archive && archives_same_look(p->archive, look) &&
	    (p->archive->is_done || p->is_open)) {
		p->seen_s = clock_wall_ns() / NS_PER_S;
		return true;
	}
	w = find_waiting(a, &look->id);
	if (!w && a->n == WAITING_MAX)
		return false;
	if (!w) {
		begin_waiting(fi, path, look);
		return true;
	}
	if (!str_eq(w->path, path))
		set_path(w, path);
	if (w->look.size == look->size && w->look.mtime_ns == look->mtime_ns)
		return true;
	w->look = *look;
	wait_for_quiet(fi, w);
	look_again(a);
	return true;
}

bool archives_is_known(struct file_input *fi, struct str path, uint64_t ino)
{
	struct map_node *n = fi->archives && ino ? positions_with_ino(fi->positions, ino) : NULL;
	struct file_look look;

	for (; n; n = map_next(n)) {
		struct pos *p = container_of(n, struct pos, by_ino);

		if (!p->archive || !p->archive->is_done || p->file.ino != ino)
			continue;
		if (!file_look_path(path.p, &look) || !file_id_eq(&look.id, &p->file) ||
		    !archives_same_look(p->archive, &look))
			return false;
		p->seen_s = clock_wall_ns() / NS_PER_S;
		return true;
	}
	return false;
}

/* ---- one at a time ------------------------------------------------------------------------ */

static void begin_survey(struct archives *a, struct waiting *w)
{
	struct file_look look;
	int fd = open_archive(a->fi, w->path, &look);

	if (fd >= 0 && file_id_eq(&look.id, &w->look.id) && look.size == w->look.size &&
	    look.mtime_ns == w->look.mtime_ns) {
		a->survey = survey_new(a->fi, w, fd);
		return;
	}
	if (fd < 0 || !file_id_eq(&look.id, &w->look.id)) {
		archives_drop(a, w); /* when it is there under another name, a scan finds it */
	} else {
		w->look = look;
		wait_for_quiet(a->fi, w);
	}
	if (fd >= 0)
		os->close(fd);
}

bool archives_step(struct file_input *fi)
{
	struct archives *a = fi->archives;
	struct waiting *w;

	if (!a || a->is_stopped)
		return false;
	if (a->survey) {
		if (survey_step(a->survey, STEP_BYTES))
			survey_free(TAKE(a->survey));
		a->is_due |= !a->survey;
		return true;
	}
	if (a->reading || !a->is_due)
		return false;
	w = next_waiting(a);
	a->is_due = w != NULL;
	if (w)
		begin_survey(a, w);
	return w != NULL;
}

bool archives_are_idle(const struct file_input *fi)
{
	const struct archives *a = fi->archives;

	if (!a)
		return true;
	for (const struct waiting *w = a->first; w; w = w->next)
		if (!w->held_by || !archives_is_held(a->fi, w))
			return false;
	return !a->survey && !a->reading;
}

void archives_init(struct file_input *fi)
{
	struct archives *a;

	if (fi->conf->archives == ARCHIVES_SKIP)
		return;
	a = fi->archives = mem_zalloc(sizeof(*a));
	a->fi = fi;
	a->known = metric_get(METRIC_FILE_EVENTS, "input", fi->in->name, "event", "archive_known",
			      NULL);
	a->read = metric_get(METRIC_FILE_EVENTS, "input", fi->in->name, "event", "archive_read",
			     NULL);
	a->old =
		metric_get(METRIC_FILE_EVENTS, "input", fi->in->name, "event", "archive_old", NULL);
	for (struct pos *p = fi->positions->first; p; p = p->next)
		p->is_kept = archives_may_come(fi, p->path);
}

void archives_stop(struct file_input *fi)
{
	if (!fi->archives || fi->archives->is_stopped)
		return;
	fi->archives->is_stopped = true;
	loop_timer_del(fi->in->loop, &fi->archives->timer);
	survey_free(TAKE(fi->archives->survey));
}

void archives_fini(struct file_input *fi)
{
	struct archives *a = fi->archives;

	if (!a)
		return;
	archives_stop(fi);
	while (a->first)
		archives_drop(a, a->first);
	map_fini(&a->by_id);
	mem_free(TAKE(fi->archives));
}

/* ---- what is remembered of logs ----------------------------------------------------------- */

static bool match(const struct file_input *fi, struct buf *name, struct str dir, struct str stem,
		  struct str extension)
{
	static const char *const middles[] = { "", ".1", "-20260101" };
	static const char *const ends[] = { ".gz", ".zst" };

	for (size_t i = 0; i < 2 * ARRAY_LEN(middles) * ARRAY_LEN(ends); i++) {
		const char *middle = middles[i / 4];

		buf_clear(name);
		buf_str(name, dir);
		buf_str(name, stem);
		buf_c(name, i & 1 ? middle : "");
		buf_str(name, extension);
		buf_c(name, i & 1 ? "" : middle);
		buf_c(name, ends[i / 2 % 2]);
		buf_cstr(name);
		if (find_is_wanted(fi, buf_as_str(name)))
			return true;
	}
	return false;
}

/* Asked with names that logrotate and others give, beside the log and where the patterns begin. */
bool archives_may_come(const struct file_input *fi, struct str path)
{
	const char *slash = memrchr(path.p, '/', path.n);
	struct str dir = str_sub(path, 0, slash ? (size_t)(slash - path.p) + 1 : 0);
	struct str name = str_skip(path, dir.n);
	const char *dot = name.n > 1 ? memrchr(name.p + 1, '.', name.n - 1) : NULL;
	struct str stem = str_sub(name, 0, dot ? (size_t)(dot - name.p) : name.n);
	struct buf buf = BUF_INIT, root = BUF_INIT;
	bool ret;

	if (!fi->archives)
		return false;
	ret = match(fi, &buf, dir, stem, str_skip(name, stem.n));
	for (size_t i = 0; i < fi->nroots && !ret; i++) {
		buf_clear(&root);
		buf_printf(&root, "%s/", fi->roots[i][1] ? fi->roots[i] : "");
		ret = match(fi, &buf, buf_as_str(&root), stem, str_skip(name, stem.n));
	}
	buf_fini(&buf);
	buf_fini(&root);
	return ret;
}

static bool is_worth_it(const struct file_input *fi, const struct pos *p)
{
	return p->head_n && (p->offset || p->nranges) && archives_may_come(fi, p->path);
}

void archives_remember(struct file_input *fi, const struct pos *p)
{
	if (!p->archive && is_worth_it(fi, p))
		positions_remember(fi->positions, p);
	if (fi->archives && !fi->archives->is_stopped)
		look_again(fi->archives); /* one that waited for this file */
}

void archives_forget(struct file_input *fi, struct pos *p)
{
	if (is_worth_it(fi, p))
		positions_gone(fi->positions, p);
	else
		positions_drop(fi->positions, p);
}

/* ---- a tail ------------------------------------------------------------------------------- */

bool archives_look(struct tail *t)
{
	const struct unpack *u = t->rare->unpack;

	/* It was longer when it was surveyed. */
	if (u->state != UNPACK_MORE && u->pos < t->size) {
		t->size = u->pos;
		t->is_changed = true;
	}
	t->is_unseen = false;
	t->must_flush = true; /* it ends where it ends */
	tail_count_behind(t);
	return true;
}

enum read_result archives_prepare(struct tail *t)
{
	int r;

	if (t->is_changed) {
		tail_close(t);
		return READ_CLOSED;
	}
	r = unpack_keep(t->rare->unpack, t->offset - marker_size(t->offset), STEP_BYTES);
	if (r < 0)
		return READ_TROUBLE;
	return r ? READ_BATCH : READ_AGAIN;
}

void archives_changed(struct tail *t)
{
	t->is_changed = true;
}

void archives_end(struct tail *t)
{
	struct pos_archive *a = t->pos->archive;
	struct file_look look;

	t->is_read_up = !t->is_changed && file_look(t->fd, &look) && archives_same_look(a, &look);
	tail_close(t);
}

void archives_give_up(struct tail *t)
{
	log_error("an archive cannot be read, it is tried again when it is met again",
		  KV("path", t->pos->path));
	tail_close(t);
}

void archives_detach(struct tail *t)
{
	struct archives *a = t->fi->archives;

	if (!t->is_packed)
		return;
	unpack_fini(t->rare->unpack);
	mem_free(TAKE(t->rare->unpack));
	t->is_packed = false;
	a->reading = NULL;
	if (!a->is_stopped)
		look_again(a);
}

void archives_tail_gone(struct tail *t)
{
	struct file_input *fi = t->fi;

	if (!fi->archives)
		return;
	t->pos->is_kept = archives_may_come(fi, t->pos->path);
	if (t->is_read_up && !tail_has_flights(t)) {
		struct pos_archive a = *t->pos->archive;

		a.is_done = true;
		positions_archive(fi->positions, t->pos, &a);
	}
	if (!fi->archives->is_stopped)
		look_again(fi->archives);
}
