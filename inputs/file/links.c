/* SPDX-License-Identifier: Apache-2.0 */
/* Symlinks to files: what happens where they lead is told by another directory, under another name.
 * So every step of the way is known here, by its name, and its directory is watched. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "inputs/file/file.h"
#include "inputs/file/walk.h"
#include "lib/mem.h"

#define HOPS_MAX 8

/* `link` leads through `target`, which may be a link, a file, or nothing yet. */
struct hop {
	struct map_node by_target;
	struct hop *next;
	struct str link, target; /* owned, NUL-terminated */
	uint64_t round;          /* of the scan that saw it last */
};

static struct str keep(struct str s)
{
	char *p = mem_alloc(s.n + 1);

	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return str_make(p, s.n);
}

static void free_hop(struct file_input *fi, struct hop **at)
{
	struct hop *h = *at;

	*at = h->next;
	map_del(&fi->hops_by_target, &h->by_target);
	mem_free((void *)(uintptr_t)h->link.p);
	mem_free((void *)(uintptr_t)h->target.p);
	mem_free(h);
}

static struct str dir_of(struct str path)
{
	size_t n = path.n;

	while (n > 1 && path.p[n - 1] != '/')
		n--;
	return str_sub(path, 0, n > 1 ? n - 1 : 1);
}

static void note_hop(struct file_input *fi, struct str link, struct str target)
{
	uint64_t hash = str_hash(target, 0);
	struct hop *h = NULL;

	for (struct map_node *n = map_first(&fi->hops_by_target, hash); n; n = map_next(n)) {
		h = container_of(n, struct hop, by_target);
		if (str_eq(h->link, link) && str_eq(h->target, target))
			break;
		h = NULL;
	}
	if (!h) {
		h = mem_zalloc(sizeof(*h));
		h->link = keep(link);
		h->target = keep(target);
		h->next = fi->hops;
		fi->hops = h;
		map_add(&fi->hops_by_target, &h->by_target, hash);
	}
	h->round = fi->round;
	watch_dir(fi->watch, dir_of(h->target), WALK_FILES);
}

/* Where a link leads by one step, as a path without links before its last name. False: it is none,
 * or the directory it leads to is not there. */
static bool next_hop(struct buf *path)
{
	char to[PATH_MAX], real[PATH_MAX];
	ssize_t n = readlink(buf_cstr(path), to, sizeof(to));
	struct str target = str_make(to, n > 0 ? (size_t)n : 0), dir, name;
	bool is_absolute = n > 0 && to[0] == '/';
	struct buf full = BUF_INIT;

	if (n <= 0 || n == (ssize_t)sizeof(to) || to[n - 1] == '/')
		return false;
	if (!is_absolute) {
		buf_str(&full, dir_of(buf_as_str(path)));
		buf_ch(&full, '/');
	}
	buf_str(&full, target);
	dir = dir_of(buf_as_str(&full));
	name = str_skip(buf_as_str(&full), dir.n + (dir.n > 1));
	buf_clear(path);
	buf_str(path, dir);
	if (realpath(buf_cstr(path), real)) {
		buf_clear(path);
		buf_c(path, real);
		if (path->n > 1)
			buf_ch(path, '/');
		buf_str(path, name);
	} else {
		buf_clear(path);
	}
	buf_fini(&full);
	return path->n > 0;
}

void links_note(struct file_input *fi, struct str link)
{
	struct buf path = BUF_INIT;

	buf_str(&path, link);
	for (int i = 0; i < HOPS_MAX && next_hop(&path); i++)
		note_hop(fi, link, buf_as_str(&path));
	buf_fini(&path);
}

struct str links_to(const struct file_input *fi, struct str target, struct map_node **at)
{
	struct map_node *n =
		*at ? map_next(*at) : map_first(&fi->hops_by_target, str_hash(target, 0));

	for (; n; n = map_next(n)) {
		const struct hop *h = container_of(n, struct hop, by_target);

		*at = n;
		if (str_eq(h->target, target))
			return h->link;
	}
	return STR_NONE;
}

void links_count(struct file_input *fi)
{
	for (const struct hop *h = fi->hops; h; h = h->next)
		watch_census_link(fi->watch, h->target);
}

void links_swept(struct file_input *fi)
{
	for (struct hop **at = &fi->hops; *at;) {
		if ((*at)->round != fi->round)
			free_hop(fi, at);
		else
			at = &(*at)->next;
	}
}

void links_fini(struct file_input *fi)
{
	while (fi->hops)
		free_hop(fi, &fi->hops);
	map_fini(&fi->hops_by_target);
}
