/* SPDX-License-Identifier: Apache-2.0 */
/* Which saved position is that of a file that was just met, if any. */
#include "inputs/file/archives.h"
#include "lib/log.h"

enum same resume_content_is(const struct pos *p, int fd, uint64_t size, uint64_t offset,
			    uint64_t marker)
{
	enum same head;

	if (size < offset || size < p->head_n)
		return SAME_NO;
	head = p->head_n ? hash_is(fd, 0, p->head_n, p->head) : SAME_YES;
	return head == SAME_YES ? marker_is(fd, offset, marker) : head;
}

/* On a file system without birth times, whose device has another number now. */
static bool is_renumbered(const struct pos *p, const struct file_look *look)
{
	return p->head_n && p->file.dev != look->id.dev && file_id_alike(&p->file, &look->id);
}

/* Same name, same first KiB, same bytes before the position, and the original is gone: an editor or
 * a restore wrote a new file in its place. Shorter files are taken as new: two logs easily begin
 * with the same line, and reading twice is better than never. */
static struct pos *find_replaced(struct file_input *fi, int fd, const struct file_look *look,
				 struct str path)
{
	struct pos *p = NULL;

	while ((p = positions_find_path(fi->positions, path, p)))
		if (!p->archive && !pos_is_gone(p) &&
		    ((p->head_n == HEAD_BYTES && !p->is_elsewhere) || is_renumbered(p, look)) &&
		    resume_content_is(p, fd, look->size, p->offset, p->marker) == SAME_YES)
			return p;
	return NULL;
}

/* There are as many positions as there may be: whole scans try again. */
static void count_unplaced(struct file_input *fi, struct str path)
{
	if (++fi->nunplaced <= fi->told_unplaced)
		return; /* counted by an earlier scan */
	input_count_error(fi->in, "too_many_files");
	if (!fi->told_unplaced++)
		log_error("too many files, new ones are not read", KV("path", path),
			  KV_I("files", fi->positions->n),
			  KV_S("advice", "narrower patterns, or several file inputs; files that "
					 "are gone make room after ten minutes"));
}

struct pos *resume_position(struct file_input *fi, int fd, const struct file_look *look,
			    struct str path, unsigned *ret_hops)
{
	struct positions *ps = fi->positions;
	struct pos *p = positions_find(ps, &look->id);
	enum start_at at;
	struct str origin;

	if (p && p->is_open) {
		fi->must_walk = true;
		return NULL; /* was closed, its last batches are on their way */
	}
	if (p && p->archive)
		positions_restart(ps, p); /* text has taken its place */
	/* When it cannot be read now: each read compares the marker again. */
	if (p && resume_content_is(p, fd, look->size, p->offset, p->marker) != SAME_NO) {
		if (p->file.dev != look->id.dev)
			positions_move(ps, p, &look->id);
		return p;
	}
	if (p && p->file.dev == look->id.dev) {
		struct pos *anew = copies_take_over_saved(fi, p, look, path);

		if (anew)
			return anew;
		log_info("file was rewritten, reading it from its beginning", KV("path", path));
		metric_add(fi->truncated, 1);
		archives_remember(fi, p);
		positions_restart(ps, p);
		return p;
	}
	p = find_replaced(fi, fd, look, path);
	if (p) {
		positions_move(ps, p, &look->id);
		return p;
	}
	origin = names_origin(fi, path, ret_hops);
	if (find_is_wanted(fi, origin))
		path = origin;
	at = start_of(fi, look, path);
	p = positions_add(ps, &look->id, path);
	if (p)
		start_at(fi, p, fd, look->size, at);
	else
		count_unplaced(fi, path);
	return p;
}
