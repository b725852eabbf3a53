/* SPDX-License-Identifier: Apache-2.0 */
/* What happened while we were away: files that are not where they were left are found by identity,
 * under whatever name, and finished. */
#include <dirent.h>
#include <stdlib.h>

#include "inputs/file/file.h"
#include "inputs/file/walk.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

/* One that was moved: found by identity, under whatever name. */
struct moved {
	struct pos *pos;
	char *path;
};

struct search {
	struct file_input *fi;
	struct moved *moved;
	size_t n, cap;
	struct buf path;
};

static void look_at_entry(struct search *s, const struct dirent *d, size_t dir_n)
{
	struct map_node *n = positions_with_ino(s->fi->positions, d->d_ino);

	for (; n; n = map_next(n)) {
		struct pos *p = container_of(n, struct pos, by_ino);
		struct file_look look;
		const char *path;

		if (!p->is_missing || p->file.ino != d->d_ino)
			continue;
		s->path.n = dir_n;
		buf_c(&s->path, d->d_name);
		path = buf_cstr(&s->path);
		/* One that cannot be looked at now is not given up. */
		if (file_look_path(path, &look) && !file_id_alike(&look.id, &p->file))
			continue;
		if (s->n == s->cap) {
			s->cap = s->cap ? 2 * s->cap : 16;
			s->moved = mem_realloc(s->moved, s->cap * sizeof(*s->moved));
		}
		p->is_missing = false;
		p->is_elsewhere = true;
		s->moved[s->n++] = (struct moved){ p, mem_strdup(path) };
	}
}

/* Looks for everything that is missing. */
static void search_dir(void *ctx, struct str path, unsigned what)
{
	struct search *s = ctx;
	struct dirent *d;
	size_t n;
	DIR *dir;

	if (!(what & WALK_FILES))
		return;
	buf_clear(&s->path);
	buf_str(&s->path, path);
	if (path.p[path.n - 1] != '/')
		buf_ch(&s->path, '/');
	n = s->path.n;
	dir = opendir(buf_cstr(&s->path));
	while (dir && (d = readdir(dir)))
		if (d->d_type == DT_REG || d->d_type == DT_UNKNOWN)
			look_at_entry(s, d, n);
	if (dir)
		closedir(dir);
}

static void no_file(void *ctx, const struct walk_file *f)
{
	(void)ctx;
	(void)f;
}

static bool search_enter(void *ctx, struct str path, bool is_link)
{
	struct search *s = ctx;

	return !open_is_own(s->fi, path) && (!is_link || open_may_enter(s->fi, path));
}

static void no_trouble(void *ctx, struct str path, int errnum)
{
	(void)ctx;
	(void)path;
	(void)errnum; /* the first scan tells */
}

/* Wherever logs are: files are moved between directories, too. */
static void search_missing(struct search *s, size_t missing)
{
	static const struct walk_ops search_ops = { search_dir, no_file, search_enter, no_trouble };

	for (size_t i = 0; i < s->fi->nglobs && s->n < missing; i++)
		walk_glob(&s->fi->globs[i], &search_ops, s);
	for (struct pos *p = s->fi->positions->first; p; p = p->next) {
		if (!p->is_missing)
			continue;
		p->is_missing = false;
		rotated_is_gone(s->fi, p);
	}
}

static int by_num(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return x->pos->order < y->pos->order ? -1 : x->pos->order > y->pos->order;
}

/* Opens it when there is something left to read in it. */
static void finish_moved(struct file_input *fi, const struct moved *m)
{
	struct file_look look = { .size = 0 };
	int fd;

	fd = open_regular(fi, str_c(m->path), &look);
	if (fd < 0)
		return;
	if (!file_id_alike(&look.id, &m->pos->file))
		m->pos->is_elsewhere = false; /* its inode is in use again */
	if (find_tail(fi, &look.id) || !file_id_alike(&look.id, &m->pos->file) ||
	    resume_content_is(m->pos, fd, look.size, m->pos->offset, m->pos->marker) == SAME_NO ||
	    look.size == m->pos->offset) {
		os->close(fd);
		return;
	}
	if (look.id.dev != m->pos->file.dev)
		positions_move(fi->positions, m->pos, &look.id);
	log_info("finishing a file that was rotated", KV("path", m->pos->path),
		 KV_S("now", m->path), KV_I("unread_bytes", look.size - m->pos->offset));
	rotated_open(fi, fd, &look, m->pos, 0);
}

void moved_find(struct file_input *fi, bool only_left)
{
	struct search s = { .fi = fi };
	struct buf path = BUF_INIT;
	size_t missing = 0;

	fi->has_left = false;
	for (struct pos *p = fi->positions->first; p; p = p->next) {
		struct file_look look;

		fi->has_left |= p->is_open && p->left_bytes; /* its last batches are on their way */
		if (p->is_open || p->archive || pos_is_gone(p) || (only_left && !p->left_bytes))
			continue;
		buf_clear(&path);
		buf_str(&path, p->path);
		p->is_missing =
			find_is_wanted(fi, p->path) && !(file_look_path(buf_cstr(&path), &look) &&
							 file_id_alike(&look.id, &p->file));
		missing += p->is_missing;
	}
	search_missing(&s, missing);
	if (s.n)
		qsort(s.moved, s.n, sizeof(*s.moved), by_num);
	for (size_t i = 0; i < s.n; i++) {
		finish_moved(fi, &s.moved[i]);
		mem_free(s.moved[i].path);
	}
	mem_free(s.moved);
	buf_fini(&s.path);
	buf_fini(&path);
}
