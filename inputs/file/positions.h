/* SPDX-License-Identifier: Apache-2.0 */
/* How far each file of an input is settled, in a form that survives a kill at any instant, and what
 * was on its way then: the ranges that were read, with the time their first line got. After a kill
 * the same ranges are read again with the same times, so that Loki recognises every entry that it
 * already has.
 *
 * On disk: an append-only text file, one change a line, each with its checksum (positions_text.c).
 * It is rewritten, with fsync and rename, when it has grown. Any bytes can be loaded: a line that
 * does not add up is skipped and counted, what is no position file or was written by a newer version
 * is set aside (<name>.aside-N). */
#ifndef INPUTS_FILE_POSITIONS_H
#define INPUTS_FILE_POSITIONS_H

#include "inputs/file/ident.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/map.h"
#include "pipeline/uniq.h"

#define POS_VERSION 2u       /* of the file; 1 has no begin of use and no births */
#define POS_MAX 200000       /* files */
#define POS_RANGES_MAX 65536 /* of one file on their way */
#define POS_PATH_MAX 4096
#define POS_FORGOTTEN_MAX 10000  /* files that nobody has open */
#define POS_FORGET_S (24 * 3600) /* how long they are kept, */
#define POS_FORGET_KEPT_S                                                                          \
	(35 * 24 * 3600) /* and those whose archive may be met: longer than a month */
#define POS_GONE_S 600   /* when there is no room */

/* Bytes [start, end) of a file, read and not settled: n lines with times from t0_ns on. */
struct pos_range {
	uint64_t start, end;
	int64_t t0_ns;
	uint32_t n;
	uint64_t marker; /* before end */
};

/* Of a compressed file: offset, marker and head are of its content, and this is how it looked then. */
struct pos_archive {
	uint64_t size;
	int64_t mtime_ns;
	bool is_done; /* all of it that can be read was */
};

struct pos {
	struct map_node by_num, by_ino, by_path;
	struct pos *next, *prev; /* in order of num */
	struct pos *next_dirty;
	uint64_t num;                /* of its lines in the file */
	uint64_t order;              /* in which files were found: num before it was moved */
	struct file_id file;         /* all 0: gone, and only kept to recognise its archive */
	struct pos_archive *archive; /* or NULL; owned */
	int64_t born_ns; /* when its content began: of several of one path, the older is read first */
	struct str path; /* where it was found first: the label; owned, NUL-terminated */
	uint32_t head_n; /* bytes in head */
	uint64_t head;
	uint64_t offset;          /* everything before it is settled */
	uint64_t marker;          /* before offset */
	int64_t last_ns;          /* newest time given to a settled line */
	struct uniq uniq;         /* behind the settled lines */
	struct pos_range *ranges; /* without gaps from offset on */
	uint32_t first_range, nranges, ranges_cap;
	uint64_t left_bytes;   /* not read when it had to be closed: still to be finished */
	int64_t seen_s;        /* Unix time when it was open last */
	bool is_open : 1;      /* a tail has it */
	bool is_dirty : 1;     /* settled further than written */
	bool is_elsewhere : 1; /* was seen under another name: no new file is its continuation */
	bool is_missing : 1;   /* scratch of the start: not where it was */
	bool is_kept : 1;      /* an archive of it may be met */
};

/* What the file says of itself, to tell how much of it is missing: files are numbered, the numbers
 * of later ones follow. */
struct pos_header {
	uint64_t version, files, next; /* as it was rewritten */
	uint64_t highest, read;        /* number of a file seen; files that could be read */
};

struct positions {
	char *path, *temp_path, *dir_path; /* NULL: nothing is kept on disk */
	int fd;
	struct map by_num, by_ino, by_path;
	struct pos *first, *last;
	size_t n, max;
	bool lacks_room; /* one could not be added */
	uint64_t next_num;
	struct buf pending; /* lines to write */
	struct pos *dirty;
	uint64_t file_bytes, saved_bytes;
	bool is_damaged;     /* a write failed: what is on disk is not the whole truth */
	int64_t retry_at_ns; /* monotonic; then the rewrite is tried again */
	bool is_first_start; /* no scan was ever finished */
	bool is_begun;       /* one was, */
	int64_t begun_s;     /* then (Unix time); 0: not known */
	struct pos_header header;
	uint64_t bad_lines;             /* skipped at load */
	int64_t tidy_at_ns, room_at_ns; /* monotonic */
	size_t tidy_n;
	int64_t newest_ns; /* newest time ever given, of all files */
};

/* <state_dir>/positions/<input>.log; any name of an input makes a file name. */
void positions_path(struct buf *out, const char *state_dir, const char *input);

/* path: of the position file; its directory is made. NULL keeps everything in memory only. The file
 * is rewritten at once, so that trouble with it shows at start. */
struct positions *positions_open(const char *path, struct err *err);
/* To look at: nothing is written, then or later, so the file may be in use. */
struct positions *positions_peek(const char *path, struct err *err);
/* Files that a damaged position file had and that could not be read. */
uint64_t positions_lost_files(const struct positions *ps);
/* Does not write. */
void positions_free(struct positions *ps);

/* The file with this identity: same device, inode and birth time, else (device numbers change when
 * the machine starts) same inode and birth time. NULL when there is none. */
struct pos *positions_find(struct positions *ps, const struct file_id *id);
/* A file that had this path and that nobody has open; the newest first, then those before it. */
struct pos *positions_find_path(struct positions *ps, struct str path, struct pos *before);
/* Files with this inode number (and perhaps others): nodes are by_ino. */
struct map_node *positions_with_ino(const struct positions *ps, uint64_t ino);
/* NULL when there are too many; when some of them are long gone, the next flush makes room. */
struct pos *positions_add(struct positions *ps, const struct file_id *id, struct str path);
void positions_drop(struct positions *ps, struct pos *p);
/* The same content under a new identity. */
void positions_move(struct positions *ps, struct pos *p, const struct file_id *id);
void positions_head(struct positions *ps, struct pos *p, uint32_t n, uint64_t head);
/* The file was rewritten: offset 0, nothing on its way. */
void positions_restart(struct positions *ps, struct pos *p);
/* Everything before offset is none of our business. */
void positions_skip(struct positions *ps, struct pos *p, uint64_t offset, uint64_t marker);
/* A range that is about to be submitted; the caller flushes before it does. */
void positions_range(struct positions *ps, struct pos *p, const struct pos_range *r);
/* Ranges from the i-th on will not be read again as they were. In memory only: on disk, the range
 * that is read instead takes their place. */
void positions_cut_ranges(struct pos *p, size_t i);
/* The i-th range was read in two parts, the first of which is `head`. In memory only. */
void positions_split(struct pos *p, size_t i, const struct pos_range *head);
/* Everything before offset is settled. */
void positions_settle(struct positions *ps, struct pos *p, uint64_t offset, uint64_t marker,
		      int64_t last_ns, const struct uniq *uniq);

/* The first scan is done: what is found from now on is new. */
void positions_begun(struct positions *ps);
/* How the compressed file looks that p is of. */
void positions_archive(struct positions *ps, struct pos *p, const struct pos_archive *a);
/* The file is gone, but its content may be met in an archive. */
void positions_gone(struct positions *ps, struct pos *p);
/* The same for what a file had before it was rewritten: a position of its own, as p is now. NULL when there are
 * too many. */
struct pos *positions_remember(struct positions *ps, const struct pos *p);
static inline bool pos_is_gone(const struct pos *p)
{
	return !p->file.ino && !p->file.dev;
}

/* Its content began then, later than the file was made. */
void positions_born(struct positions *ps, struct pos *p, int64_t born_ns);
/* Drops files that nobody has open: what was not seen for a day, and the oldest of too many. When there
 * was no room for a file, the oldest that are gone for ten minutes as well, up to a tenth of all. */
void positions_forget_old(struct positions *ps);

static inline struct pos_range *pos_range_at(struct pos *p, size_t i)
{
	return &p->ranges[p->first_range + i];
}

/* One write() of what has changed, no fsync; rewrites the file when it has grown too long. False
 * when the disk refuses: everything goes on, and a later flush tries to rewrite the file. How far
 * files are settled is not in it: after a kill, what was settled since is read again, and is the same. */
bool positions_flush(struct positions *ps);
/* The same with how far files are settled: one line for each, however many batches it had. */
bool positions_flush_settled(struct positions *ps);
/* Rewrites the file, with fsync. */
bool positions_save(struct positions *ps);
bool positions_have_changes(const struct positions *ps);

/* ---- text (positions_text.c), pure -------------------------------------------------------- */

/* Takes in one line without its end. False when it is damaged or makes no sense. */
bool positions_apply(struct positions *ps, struct str line);
/* Every file, from nothing. */
void positions_render(const struct positions *ps, struct buf *out);
void positions_render_file(const struct pos *p, struct buf *out);
void positions_render_head(const struct pos *p, struct buf *out);
void positions_render_range(const struct pos *p, const struct pos_range *r, struct buf *out);
void positions_render_settled(const struct pos *p, struct buf *out);
void positions_render_begun(const struct positions *ps, struct buf *out);
void positions_render_archive(const struct pos *p, struct buf *out);
void positions_render_born(const struct pos *p, struct buf *out);
/* type: 'T' rewritten, 'D' dropped. */
void positions_render_event(const struct pos *p, char type, struct buf *out);

/* The parts of the functions above that change memory only. pos_insert(): NULL when the number is
 * taken or there are POS_MAX. */
struct pos *pos_insert(struct positions *ps, uint64_t num, const struct file_id *id,
		       struct str path);
void pos_remove(struct positions *ps, struct pos *p);
void pos_restart(struct pos *p);
void pos_settle(struct pos *p, uint64_t offset, uint64_t marker, int64_t last_ns);
/* Takes the place of ranges that begin at or behind it. False when it would leave a gap. */
bool pos_add_range(struct pos *p, const struct pos_range *r);

#endif
