/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed files: which of them hold something that was not read, and reading that once.
 *
 * One at a time is decompressed from its beginning to its end, to see how much is in it, whether it is
 * damaged, and whether it is the content of a log that is known: same beginning, same bytes before the
 * position. If something in it is to be read, it is decompressed once more for that, as a tail like any
 * other whose bytes come from unpack.h. Private to this folder. */
#ifndef INPUTS_FILE_ARCHIVES_H
#define INPUTS_FILE_ARCHIVES_H

#include "inputs/file/file.h"

/* After the positions are open. Nothing is done with `archives: skip`. */
void archives_init(struct file_input *fi);
/* No timer and no work from now on. */
void archives_stop(struct file_input *fi);
/* After the last tail is gone. */
void archives_fini(struct file_input *fi);

/* A file was met that is_compressed(). False: such files are not read. */
bool archives_note(struct file_input *fi, struct str path, const struct file_look *look,
		   struct str head);
/* The file of this name and inode is an archive that was read; so it need not be opened. */
bool archives_is_known(struct file_input *fi, struct str path, uint64_t ino);
/* A little work, if there is any. True: there is more. */
bool archives_step(struct file_input *fi);
/* Nothing is read, or waits to be looked into, but for what is in a file that is open. */
bool archives_are_idle(const struct file_input *fi);

/* May what is read as `path` be met in an archive, by the patterns? */
bool archives_may_come(const struct file_input *fi, struct str path);
/* What p was of is not in its file any more, but perhaps in an archive. */
void archives_remember(struct file_input *fi, const struct pos *p);
/* The same for one whose file is deleted: p is of nothing now, or dropped. */
void archives_forget(struct file_input *fi, struct pos *p);

/* ---- a tail of an archive (t->is_packed) ----------------------------------------------------- */

/* As tail_look(). */
bool archives_look(struct tail *t);
/* READ_BATCH: the bytes before its offset, and what follows, can be had. */
enum read_result archives_prepare(struct tail *t);
/* Its content is not what it was. */
void archives_changed(struct tail *t);
/* It was read to its end: it is closed, perhaps freed. */
void archives_end(struct tail *t);
/* It cannot be read. The same. */
void archives_give_up(struct tail *t);
/* It reads no more. */
void archives_detach(struct tail *t);
/* The last of any tail; its position is still there. */
void archives_tail_gone(struct tail *t);

#endif
