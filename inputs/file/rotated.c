/* SPDX-License-Identifier: Apache-2.0 */
/* How many files that no name of ours leads to are kept open: each costs a descriptor, and a deleted
 * one its space on the disk. Of too many the oldest is closed. One that was only renamed is finished
 * when there is room again; what was deleted is lost, and counted. */
#include <sys/stat.h>

#include "inputs/file/file.h"
#include "lib/log.h"
#include "lib/os.h"

static struct tail *oldest(struct file_input *fi)
{
	struct tail *ret = NULL;

	for (struct tail *t = fi->tails; t; t = t->next)
		if (t->is_nameless &&
		    (!ret || t->rare->rotated_ns < ret->rare->rotated_ns ||
		     (t->rare->rotated_ns == ret->rare->rotated_ns && ret->after == t)))
			ret = t;
	return ret;
}

static void count_lost(struct file_input *fi, struct str path, uint64_t bytes)
{
	log_error("a rotated file could not be read before it was gone", KV("path", path),
		  KV_I("lost_bytes", bytes),
		  KV_S("advice", "the output is away or too slow; max_rotated_files and "
				 "max_rotated_bytes say how much is kept open"));
	metric_add(metric_get(METRIC_FILE_BYTES_LOST, "input", fi->in->name, "reason", "rotated",
			      NULL),
		   (int64_t)bytes);
}

static void give_up(struct tail *t, bool is_deleted)
{
	struct file_input *fi = t->fi;

	if (is_deleted) {
		count_lost(fi, t->pos->path, t->behind);
	} else if (t->behind) {
		log_warn("too many rotated files are not read yet, the oldest is left for later",
			 KV("path", t->pos->path), KV_I("unread_bytes", t->behind));
		metric_add(fi->postponed, 1);
		t->pos->left_bytes = t->behind;
		fi->has_left = true;
	}
	tail_close(t);
}

void rotated_limit(struct file_input *fi)
{
	while (fi->nrotated > fi->conf->max_rotated_files ||
	       fi->rotated_bytes > fi->conf->max_rotated_bytes) {
		struct tail *t = oldest(fi);
		struct stat st = { .st_nlink = 0 };
		bool is_deleted = OS_RETRY(os->fstat(t->fd, &st)) == 0 && st.st_nlink == 0;

		/* Alone it has to be read sometime. */
		if (fi->nrotated == 1 && !is_deleted)
			return;
		give_up(t, is_deleted);
	}
}

bool rotated_has_room(const struct file_input *fi, uint64_t bytes)
{
	return fi->nrotated == 0 || (fi->nrotated < fi->conf->max_rotated_files &&
				     fi->rotated_bytes + bytes <= fi->conf->max_rotated_bytes);
}

void rotated_is_gone(struct file_input *fi, struct pos *p)
{
	if (p->left_bytes)
		count_lost(fi, p->path, p->left_bytes);
	p->left_bytes = 0;
}

void rotated_open(struct file_input *fi, int fd, const struct file_look *look, struct pos *p,
		  unsigned hops)
{
	uint64_t unread = look->size - p->offset;

	if (rotated_has_room(fi, unread)) {
		tail_new(fi, fd, look, STR_NONE, p, hops);
		return;
	}
	p->left_bytes = unread;
	fi->has_left = true;
	os->close(fd);
}
