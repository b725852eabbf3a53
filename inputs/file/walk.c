/* SPDX-License-Identifier: Apache-2.0 */
/* Walks directories with the set of pattern elements that their entries may match, as bits: each
 * directory is read once, however many ways lead through "**". */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "inputs/file/walk.h"
#include "lib/buf.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/os.h"

/* A directory that was entered with these states. */
struct visit {
	struct map_node node;
	struct visit *next;
	uint64_t dev, ino, states;
};

/* A symlink in a directory that was read: gone after when all that is no link was. */
struct later {
	struct later *next;
	struct str path; /* owned */
	uint64_t states;
};

struct walk {
	const struct glob_path *g;
	const struct walk_ops *ops;
	void *ctx;
	struct buf path; /* of the directory or entry at hand */
	struct map visited;
	struct visit *visits;
	struct later *links, **last_link;
	unsigned entered, depth;
	bool is_plain; /* no pattern in it */
};

#define DEPTH_MAX 128 /* directories open at the same time */

static uint64_t bit(size_t i)
{
	return UINT64_C(1) << i;
}

/* "**" also means no directory at all. */
static uint64_t closure(const struct walk *w, uint64_t states)
{
	for (size_t i = 0; i < w->g->n; i++)
		if (states & bit(i) && w->g->elems[i].kind == GLOB_DIRS)
			states |= bit(i + 1);
	return states;
}

/* What is left to match behind an entry of this name; bit n: nothing, it is found. */
static uint64_t advance(const struct walk *w, uint64_t states, struct str name)
{
	uint64_t next = 0;

	for (size_t i = 0; i < w->g->n; i++) {
		if (!(states & bit(i)))
			continue;
		if (w->g->elems[i].kind == GLOB_DIRS)
			next |= bit(i);
		else if (glob_elem_match(&w->g->elems[i], name))
			next |= bit(i + 1);
	}
	return closure(w, next);
}

static unsigned interest(const struct walk *w, uint64_t states)
{
	unsigned what = 0;

	for (size_t i = 0; i < w->g->n; i++) {
		bool is_last = i + 1 == w->g->n, is_dirs = w->g->elems[i].kind == GLOB_DIRS;

		if (!(states & bit(i)))
			continue;
		if (is_last)
			what |= WALK_FILES;
		if (!is_last || is_dirs)
			what |= WALK_SUBDIRS;
	}
	return what;
}

/* The only element, when it is a plain name: no need to read the directory. */
static const struct glob_elem *only_name(const struct walk *w, uint64_t states)
{
	size_t i = (size_t)__builtin_ctzll(states);

	if (states != bit(i) || i >= w->g->n || w->g->elems[i].kind != GLOB_NAME)
		return NULL;
	return &w->g->elems[i];
}

static bool is_new_visit(struct walk *w, const struct stat *st, uint64_t states)
{
	uint64_t key[3] = { st->st_dev, st->st_ino, states };
	uint64_t hash = str_hash(str_make((const char *)key, sizeof(key)), 0);
	struct visit *v;

	for (struct map_node *n = map_first(&w->visited, hash); n; n = map_next(n)) {
		v = container_of(n, struct visit, node);
		if (v->dev == st->st_dev && v->ino == st->st_ino && v->states == states)
			return false;
	}
	v = mem_zalloc(sizeof(*v));
	v->dev = st->st_dev;
	v->ino = st->st_ino;
	v->states = states;
	v->next = w->visits;
	w->visits = v;
	map_add(&w->visited, &v->node, hash);
	return true;
}

static struct str dir_path(const struct walk *w)
{
	return w->path.n ? buf_as_str(&w->path) : STR("/");
}

static void enter(struct walk *w, uint64_t states);

/* w->path is the entry's. Returns whether it is a directory. */
static bool entry(struct walk *w, uint64_t next, unsigned char d_type, uint64_t ino)
{
	bool is_dir = d_type == DT_DIR;
	struct stat st;

	if (d_type == DT_LNK) {
		bool is_there = OS_RETRY(os->stat(buf_cstr(&w->path), &st)) == 0;

		is_dir = is_there && S_ISDIR(st.st_mode);
		ino = is_there ? st.st_ino : 0;
	}
	if (is_dir) {
		/* Nobody who writes a plain name means a directory; with a pattern it is chance. */
		if (next == bit(w->g->n) && w->is_plain) {
			buf_cstr(&w->path);
			w->ops->file(w->ctx,
				     &(struct walk_file){ buf_as_str(&w->path), ino, DT_DIR });
		}
		if (!(next & ~bit(w->g->n)))
			return true;
		buf_cstr(&w->path);
		if (!w->ops->enter(w->ctx, buf_as_str(&w->path), d_type == DT_LNK))
			return true;
		if (w->depth++ < DEPTH_MAX)
			enter(w, next);
		else
			w->ops->trouble(w->ctx, dir_path(w), ELOOP);
		w->depth--;
		return true;
	}
	if (next & bit(w->g->n)) {
		buf_cstr(&w->path);
		w->ops->file(w->ctx, &(struct walk_file){ buf_as_str(&w->path), ino, d_type });
	}
	return false;
}

/* So that a file has the name that it has without links, wherever it has one. */
static void put_off(struct walk *w, uint64_t next)
{
	struct later *l = mem_zalloc(sizeof(*l));

	l->path = str_make(mem_dup(w->path.p, w->path.n), w->path.n);
	l->states = next;
	*w->last_link = l;
	w->last_link = &l->next;
}

static void enter_links(struct walk *w)
{
	while (w->links) {
		struct later *l = w->links;

		buf_clear(&w->path);
		buf_str(&w->path, l->path);
		w->links = l->next;
		if (!w->links)
			w->last_link = &w->links;
		if (w->entered < WALK_DIRS_MAX)
			entry(w, l->states, DT_LNK, 0);
		mem_free((void *)(uintptr_t)l->path.p);
		mem_free(l);
	}
	buf_clear(&w->path);
}

/* As it is kept in a struct dirent. */
static unsigned char d_type_of(const struct statx *stx)
{
	return (unsigned char)((stx->stx_mode & S_IFMT) >> 12);
}

/* Not every file system tells. */
static unsigned char type_of(struct walk *w, const struct dirent *d)
{
	struct statx stx;

	if (d->d_type != DT_UNKNOWN ||
	    OS_RETRY(os->statx(AT_FDCWD, buf_cstr(&w->path), AT_SYMLINK_NOFOLLOW, STATX_TYPE,
			       &stx)) != 0)
		return d->d_type;
	return d_type_of(&stx);
}

/* Appends /name to the path; the caller cuts it off again. */
static bool push(struct walk *w, struct str name)
{
	if (w->path.n + name.n + 2 > 4096)
		return false;
	buf_ch(&w->path, '/');
	buf_str(&w->path, name);
	return true;
}

static void read_dir(struct walk *w, uint64_t states)
{
	size_t n = w->path.n;
	struct dirent *d;
	struct stat st;
	DIR *dir;

	dir = opendir(w->path.n ? buf_cstr(&w->path) : "/");
	if (!dir) {
		if (errno != ENOENT && errno != ENOTDIR)
			w->ops->trouble(w->ctx, dir_path(w), errno);
		return;
	}
	if (OS_RETRY(os->fstat(dirfd(dir), &st)) == 0 && is_new_visit(w, &st, states)) {
		w->entered++;
		w->ops->dir(w->ctx, dir_path(w), interest(w, states));
		while (w->entered < WALK_DIRS_MAX && (d = readdir(dir))) {
			struct str name = str_c(d->d_name);
			unsigned char d_type;
			uint64_t next;

			if (str_is(name, ".") || str_is(name, ".."))
				continue;
			next = advance(w, states, name);
			if (!next || !push(w, name))
				continue;
			d_type = type_of(w, d);
			if (d_type == DT_LNK)
				put_off(w, next);
			else
				entry(w, next, d_type, d->d_ino);
			w->path.n = n;
		}
	}
	closedir(dir);
}

/* One plain name in the directory w->path. */
static void look_up(struct walk *w, uint64_t states, const struct glob_elem *e)
{
	struct str name = e->text;
	bool is_last = (states & bit(w->g->n - 1)) != 0;
	size_t n = w->path.n;
	bool is_way = false;
	struct statx stx;

	if (is_last)
		w->ops->dir(w->ctx, dir_path(w), WALK_FILES);
	if (!push(w, name))
		return;
	if (OS_RETRY(os->statx(AT_FDCWD, buf_cstr(&w->path), AT_SYMLINK_NOFOLLOW,
			       STATX_TYPE | STATX_INO, &stx)) == 0)
		is_way = entry(w, advance(w, states, name), d_type_of(&stx), stx.stx_ino);
	else if (errno != ENOENT && errno != ENOTDIR)
		w->ops->trouble(w->ctx, dir_path(w), errno);
	w->path.n = n;
	/* Watched where it will appear. */
	if (!is_last && !is_way)
		w->ops->dir(w->ctx, dir_path(w), WALK_SUBDIRS);
}

static void enter(struct walk *w, uint64_t states)
{
	const struct glob_elem *e = only_name(w, states);

	if (e)
		look_up(w, states, e);
	else
		read_dir(w, states);
}

unsigned walk_glob(const struct glob *g, const struct walk_ops *ops, void *ctx)
{
	struct walk w = { .ops = ops, .ctx = ctx };
	struct stat st;

	w.last_link = &w.links;

	for (size_t i = 0; i < g->n; i++) {
		w.g = &g->paths[i];
		w.is_plain = true;
		for (size_t j = 0; j < w.g->n; j++)
			w.is_plain &= w.g->elems[j].kind == GLOB_NAME;
		enter(&w, closure(&w, bit(0)));
		enter_links(&w);
		while (w.visits) {
			struct visit *v = w.visits;

			w.visits = v->next;
			mem_free(v);
		}
		map_fini(&w.visited);
	}
	/* A file whose name is the pattern itself. */
	buf_clear(&w.path);
	buf_str(&w.path, g->text);
	if (!w.is_plain && os->stat(buf_cstr(&w.path), &st) == 0 && S_ISREG(st.st_mode))
		ops->file(ctx, &(struct walk_file){ buf_as_str(&w.path), 0, DT_UNKNOWN });
	buf_fini(&w.path);
	return w.entered;
}
