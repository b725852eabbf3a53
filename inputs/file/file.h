/* SPDX-License-Identifier: Apache-2.0 */
/* The file input's own types: the instance, and a tail for each open file. Private to this folder.
 *
 *	file.c   options, life of the instance, turns (read, note positions, submit)
 *	find.c   which files there are: scans, events, rotation
 *	names.c  names that came and went, as the last events told
 *	resume.c which saved position is that of a file that was just met
 *	moved.c  what happened while we were away
 *	open.c   from a name to a descriptor that is safe to read
 *	links.c  symlinks to files, and what happens where they lead
 *	tail.c   life of one file: from opening to its last ack
 *	start.c  where to begin with a file that is met for the first time
 *	copies.c copies of a log: finished when it was emptied, never read twice
 *	rotated.c how many files without a name are kept open
 *	archives.c, survey.c, unpack.c compressed files (archives.h)
 *	idle.c   fewer descriptors than files
 *	active.c what a file has only while it is being read
 *	pace.c   how soon a file that was written to is looked at
 *	read.c   one batch from one file
 *	format.c what container formats and multiline stand for
 */
#ifndef INPUTS_FILE_FILE_H
#define INPUTS_FILE_FILE_H

#include "inputs/file/encoding.h"
#include "inputs/file/glob.h"
#include "inputs/file/positions.h"
#include "inputs/file/watch.h"
#include "inputs/input.h"
#include "lib/clock.h"
#include "lib/map.h"
#include "pipeline/stages/multiline.h"

#define TURN_BATCHES 64 /* submitted together */
#define PACE_LOOK_NS (100 * INT64_C(1000))
#define PACE_CENSUS_NS (NS_PER_S / 2)
#define PACE_LISTS 4 /* a busy file is looked at once in so many rounds */
#define TURN_BYTES ((size_t)1 << 20)
#define AHEAD_BYTES_MAX ((size_t)64 << 20) /* settled beyond the position, of one file */
#define LINE_SCAN_MAX ((uint64_t)64 << 20) /* without a line end, then it counts as a line */

enum file_start { START_BEGINNING, START_END, START_LAST };
enum file_follow { FOLLOW_ALL, FOLLOW_WITHIN, FOLLOW_NONE };
enum file_archives { ARCHIVES_SKIP, ARCHIVES_AUTO, ARCHIVES_READ };
enum file_format { FORMAT_RAW, FORMAT_CRI, FORMAT_DOCKER, FORMAT_AUTO };

struct file_conf {
	struct conf_list paths, exclude;
	unsigned start;  /* enum file_start */
	unsigned watch;  /* enum watch_mode */
	unsigned follow; /* enum file_follow */
	size_t max_line;
	int64_t rotate_wait_ns, partial_wait_ns, poll_interval_ns, scan_interval_ns;
	int64_t ignore_older_ns; /* 0: off */
	unsigned max_open_files, max_rotated_files;
	size_t max_rotated_bytes;
	unsigned archives; /* enum file_archives */
	size_t max_archive_size;
	struct str encoding;
	struct conf_map labels;
	unsigned format; /* enum file_format */
	struct multiline_conf multiline;
};

struct tail;
struct archives;
struct unpack;

/* Why a file was refused, so that it is said once. */
struct refusal {
	struct map_node node; /* by path */
	struct refusal *next, **link;
	struct str path; /* owned */
	uint64_t ino, round;
	const char *reason;
	bool may_pass; /* without an event: its directories, groups or limits changed */
};

/* A name that a file came to: from another one (renamed) or out of nothing (created). A ring of the
 * last ones, to find out what a file was called that is met under its rotated name first. */
struct arrival {
	struct str from, to; /* owned; from.p == NULL: created */
};
#define ARRIVALS 512 /* a power of two */

/* Files that wait for a round to begin. */
struct pace_list {
	struct tail *first, **end;
	uint32_t nresting; /* others, which are not looked at in it */
};

struct file_input {
	unsigned magic;
	struct input *in;
	const struct file_conf *conf;
	struct glob *globs, *excludes;
	size_t nglobs, nexcludes;
	char **roots; /* directories that the patterns begin in */
	size_t nroots;
	char *own; /* the state directory */
	struct watch *watch;
	struct positions *positions;
	struct archives *archives; /* NULL: they are not read */
	struct tail *tails;
	struct map by_path, by_id, by_label;
	struct tail *ready_first, *ready_last;
	struct pace_list held[PACE_LISTS]; /* by the round that they are due in (pace.c) */
	size_t nheld;
	struct timer pace_timer; /* end of the round, when there are any */
	int64_t pace_began_ns;   /* monotonic */
	int64_t pace_look_ns;    /* of a round, for each look in it */
	uint32_t pace_round, pace_looks;
	int64_t census_every_ns, census_ns; /* monotonic: the last one */
	uint32_t census_round;
	size_t nunheard; /* actives with is_unheard */
	struct poller poller;
	struct timer scan_timer, poll_timer, save_timer;
	int64_t scanned_at_ns;               /* monotonic */
	int64_t last_ns;                     /* newest time given to a line, of all files */
	struct tail *used_first, *used_last; /* open and with a name; read longest ago first */
	struct active *actives;
	struct timer active_timer; /* gives back those that are not needed; when there are any */
	int64_t active_keep_ns;    /* they are kept for so long at least, twice that at most */
	size_t nopen, nfds, max_fds, nflights;
	size_t ncopies;         /* tails with copy_of */
	size_t nretired;        /* tails to be freed when nobody looks */
	size_t nrotated;        /* open, and no name leads to them */
	uint64_t rotated_bytes; /* of them, not read */
	uint64_t round;         /* of scans */
	struct refusal *refusals;
	struct map refused;
	size_t nrefusals, npassing; /* with may_pass */
	struct hop *hops;           /* links.c */
	struct map hops_by_target;
	struct arrival arrivals[ARRIVALS];
	uint32_t narrivals;  /* ever noted */
	struct str departed; /* owned: the last name that a rename took away */
	uint32_t departed_cookie;
	uint64_t looks;         /* scans and looks at noted names, */
	uint64_t drained_looks; /* and when the watch was asked for more before a read */
	struct buf names;       /* noted, each with a NUL behind it */
	uint16_t full_length_key;
	bool is_started, is_stopped, is_paused, is_first_scan;
	bool must_walk;       /* the next scan may not be a short one */
	unsigned short_scans; /* since the last whole one */
	bool is_searching;    /* for a copy */
	int met_fd;           /* -1, or of a file that is just being met, */
	struct str met_path;  /* under this name */
	bool has_left;        /* files that had to be closed before their end */
	size_t nunplaced;     /* files that the last whole scan found no room for in positions, */
	size_t told_unplaced; /* and those before it, which were counted */
	char *probe;          /* PROBE_BYTES to look for line ends in */
	struct metric *inotify_dirs, *polled_dirs, *open_files, *behind, *lost_rewritten, *rotated,
		*truncated, *deleted, *copied, *too_old, *postponed, *position_errors, *cut,
		*partial;
	struct decoder *decoder; /* of files without byte order mark; NULL: UTF-8 */
	struct metric *bad_encoding, *nul_bytes, *descriptors, *gone_closed;
};
#define FILE_INPUT_MAGIC 0xf11e1u
#define PROBE_BYTES 65536

/* The ends of the last batches that did not begin at 0, and the markers there. */
#define PAST_ENDS 4 /* a power of two */
struct past_ends {
	struct {
		uint64_t offset, marker;
	} at[PAST_ENDS];
	uint32_t n; /* ever noted of what the file holds now */
};

/* What a file needs while it is read, waits for something, or has batches on their way; most of ten
 * thousand files do not. Given back when it was not used for a while (active.c). */
struct active {
	struct tail *tail;
	struct active *next, **link; /* all of the input */
	struct source source;
	struct ack_line line;
	struct timer timer;
	int64_t grown_ns;    /* monotonic: when new bytes were seen last */
	int64_t asked_ns;    /* the same, by statx(); 0: it must be asked now */
	unsigned troubles;   /* in a row */
	uint32_t generation; /* counts rewrites: acks of older ones move nothing */
	uint32_t want_bytes; /* so that a batch is about full of records */
	uint32_t line_bytes; /* recent mean */
	uint32_t last_bytes; /* of the last batch */
	uint32_t ngrown;     /* how often new bytes were seen since the last census (pace.c) */
	bool is_unheard;     /* no event tells of its bytes: looked at in every round */
	bool is_used;        /* since the last time that it was asked */
};

/* What few files ever need; kept until the tail is freed. */
struct rare {
	struct tail *tail;
	struct watch_file watched;       /* where the watch of its directory is not enough */
	struct tail *copy_of;            /* as far as we can see; then nothing is read from it */
	uint64_t like_size, like_marker; /* so much of it was seen to be the same, and ends so */
	char *last_path;       /* idle.c: where a closed file without a name may be; owned */
	int64_t rotated_ns;    /* monotonic */
	struct unpack *unpack; /* of an archive */
};

/* There is one of these and a struct pos for each file that is there, read or not: every byte counts. */
struct tail {
	/* What an event looks at is in one cache line: most say no more than what is known. */
	struct map_node by_path;
	struct str path;     /* where it is now, NUL-terminated; p == NULL: nowhere we look. Owned,
			      * unless it is pos->path */
	uint32_t pace_round; /* the last one in which it is not looked at any more */
	bool is_ready : 1;   /* in the queue */
	bool is_closed : 1;  /* nothing more is read; waits for its acks */
	bool is_replaying : 1; /* ranges of pos from offset on are read again as they were */
	bool is_rotated : 1;   /* no path that we watch leads to it */
	bool is_at_end : 1;    /* everything seen was read once */
	bool is_nameless : 1;  /* as it counts in nrotated */
	bool is_unseen : 1;    /* the last look at it failed */
	bool must_flush : 1;   /* an unfinished line goes out now */
	bool is_ahead : 1;     /* waits for its oldest batches to settle */
	bool is_forgotten : 1; /* its position is dropped with it */
	bool is_copy : 1;      /* the log it is read as was copied here */
	bool has_waited : 1;   /* for the last bytes of the older file */
	bool is_listed : 1;    /* in order of use */
	bool knows_decoder : 1;
	bool is_packed : 1;                  /* an archive: its bytes come from rare->unpack */
	bool is_changed : 1;                 /* one that is not what it was */
	bool is_read_up : 1;                 /* all of one was read */
	struct tail **held_link, *next_held; /* pace.c */
	struct file_input *fi;
	int fd; /* -1: closed, for good (is_closed) or until it is needed (idle.c) */
	unsigned magic;
	struct tail *next_ready;
	struct tail *next, **link; /* all of the input */
	struct map_node by_id, by_label;
	struct tail *after; /* an older file of the same name: read to its end first */
	struct tail *used_before, *used_after;
	struct file_id id;
	struct pos *pos;
	struct active *active;  /* or NULL */
	struct rare *rare;      /* or NULL */
	struct past_ends *past; /* or NULL */
	uint64_t offset;        /* next byte to read */
	uint64_t partial;       /* bytes from offset on that are known to have no line end */
	uint64_t blank;      /* bytes behind those that are no text yet: zeros, half a character */
	uint64_t size;       /* as seen last */
	uint64_t behind;     /* as it counts in the metric */
	uint64_t marker;     /* hash of what stands before offset */
	int64_t mtime_ns;    /* as seen last */
	uint64_t seen_round; /* scan that found it at its path */
	uint64_t found_look; /* which look at names found it */
	unsigned hops;       /* renames it had been through then */
	struct decoder *decoder; /* NULL: UTF-8 */
};
#define TAIL_MAGIC 0x7a11u

/* One batch on its way: a range of a file. */
struct flight {
	struct ack ack;
	struct tail *tail;
	uint64_t end, marker;
	int64_t last_ns;
	uint32_t generation;
};

/* ---- tail.c ------------------------------------------------------------------------------- */

uint64_t tail_id_hash(const struct file_id *id);
/* Takes fd; path is copied. pos tells where to begin. hops: renames it is known
 * to have been through. */
struct tail *tail_new(struct file_input *fi, int fd, const struct file_look *look, struct str path,
		      struct pos *pos, unsigned hops);
/* Puts it into the queue for reading. */
void tail_ready(struct tail *t);
/* The path it can be found at now; STR_NONE: it was rotated away. */
void tail_set_path(struct tail *t, struct str path);
/* Its bytes are not those that were read: goes on in their copy, or starts again at 0. */
void tail_restart(struct tail *t);
/* Continues in another file with the same content. Takes fd, gives back the one it had. */
int tail_replace(struct tail *t, int fd, const struct file_look *look);
/* Everything there is was read: lets newer files of its name go on, sets the timers. */
void tail_at_end(struct tail *t);
/* An error that may pass: again in a moment. One that stays does not hold up newer files for ever. */
void tail_trouble(struct tail *t);
/* Reads no more. It is freed when its last batch has settled. */
void tail_close(struct tail *t);
/* As tail_close() for one that nothing was read from since it was written anew, without freeing it:
 * its position goes, too. */
void tail_retire(struct tail *t);
void tail_free_retired(struct file_input *fi);
/* At once, whatever is on its way; nobody may hold a batch of it any more. */
void tail_free(struct tail *t);
/* Brings size and times up to date, notices a rewrite. False: it was closed, perhaps freed. */
bool tail_look(struct tail *t);
/* The same, and compares what stands before the position. */
bool tail_look_closely(struct tail *t);
void tail_count_behind(struct tail *t);
/* As file_read(). */
ssize_t tail_bytes(const struct tail *t, void *p, size_t n, uint64_t at);
/* Bytes that were seen and not looked at. */
static inline uint64_t tail_unread(const struct tail *t)
{
	uint64_t known = t->offset + t->partial + t->blank;

	return t->size > known ? t->size - known : 0;
}
/* An older file of the same name is not at its end yet, or too much is settled ahead. */
bool tail_must_wait(struct tail *t);
/* t has new bytes, but its older file got more as well, perhaps without an event: a program writes
 * to the one until it opens the other, so that comes first, and t is woken when it is read. */
bool tail_is_late(struct tail *t);
/* Puts it into the queue when there is something to read; true when it did. May free it. */
bool tail_poll(struct tail *t);
/* Batches on their way. */
static inline bool tail_has_flights(const struct tail *t)
{
	return t->active && t->active->line.outstanding;
}
/* The file that this one is a copy of, as far as we can see, or NULL. */
static inline struct tail *tail_original(const struct tail *t)
{
	return t->rare ? t->rare->copy_of : NULL;
}
/* An ack that settles when the batch that carries it has. */
struct flight *tail_flight(struct tail *t, const struct pos_range *r, size_t bytes);

/* ---- active.c ----------------------------------------------------------------------------- */

/* New bytes were seen. Returns the time, monotonic. */
static inline int64_t active_grew(struct active *a)
{
	a->ngrown++;
	return a->grown_ns = clock_mono_ns();
}
/* Made when there is none. */
struct active *active_of(struct tail *t);
struct rare *active_rare(struct tail *t);
/* Frees both parts, and past. */
void active_free(struct tail *t);
/* No timer of any file expires any more. */
void active_stop(struct file_input *fi);

/* ---- idle.c ------------------------------------------------------------------------------- */

/* Raises the limit of descriptors and says how many may be used. */
void idle_init(struct file_input *fi);
/* The tail has this descriptor now; others are closed when there are too many. */
void idle_take(struct tail *t, int fd);
/* The same, and hands out the one it had, or -1. */
int idle_swap(struct tail *t, int fd);
/* Is being read: the last to be closed. */
void idle_used(struct tail *t);
void idle_close(struct tail *t);
/* One that was last written longer ago than ignore_older and is read to its end needs no descriptor. */
void idle_close_old(struct tail *t);
/* False when there is none to close. */
bool idle_close_one(struct file_input *fi);
/* No name of ours will lead to it. Call it while path is still the last one. */
void idle_name_lost(struct tail *t);
enum idle_open { IDLE_OPEN, IDLE_LATER /* try again */, IDLE_GONE /* it was deleted */ };
enum idle_open idle_open(struct tail *t);
/* Was the file deleted? */
bool idle_is_gone(struct tail *t);
/* A closed one was deleted: counts and closes it for good; it is perhaps freed. */
void idle_gone(struct tail *t);
/* Of a closed one: does its name still lead to what was seen last? */
bool idle_is_unchanged(const struct tail *t);

/* ---- pace.c ------------------------------------------------------------------------------- */

/* An event says that there is more in it: puts it into the queue, perhaps in a moment. */
void pace_written(struct tail *t);
/* A look found so many lines. */
void pace_found(struct tail *t, size_t nlines);
/* Not held any more. */
void pace_forget(struct tail *t);
/* It has another path, in a directory that is heard or not. */
void pace_moved(struct tail *t);
/* Needs no looks without an event any more. */
void pace_hear(struct tail *t);

/* ---- read.c ------------------------------------------------------------------------------- */

enum read_result {
	READ_END,       /* nothing more for now */
	READ_BATCH,     /* *ret is filled */
	READ_AGAIN,     /* some work was done; call again */
	READ_NO_CREDIT, /* wait for resume() */
	READ_TROUBLE,   /* could not be read; tail_trouble() tries again */
	READ_WAIT,      /* for an older file, or for acks: tail_ready() will be called */
	READ_CLOSED,    /* the tail must not be used any more */
};

struct read_batch {
	struct tail *tail;
	struct batch *batch;
	size_t bytes; /* of the file */
};

/* The next batch of a tail, at most one. Notes its range with the positions. */
enum read_result tail_read(struct tail *t, struct read_batch *ret);

/* ---- format.c ----------------------------------------------------------------------------- */

extern const struct conf_enum file_format_names[];
/* As input_ops.stages. */
size_t file_stages(struct conf_doc *doc, const void *conf, struct input_stage *ret);

/* ---- open.c ------------------------------------------------------------------------------- */

/* After the patterns are compiled. */
void open_init(struct file_input *fi);
void open_fini(struct file_input *fi);
/* A descriptor of the regular file that this name leads to, or -1: it is gone, or refused. */
int open_regular(struct file_input *fi, struct str path, struct file_look *look);
/* The same for one that is compressed, which open_regular() leaves to archives.h. */
int open_archive(struct file_input *fi, struct str path, struct file_look *look);
/* The same for a file that nobody asked for by name: nothing is said, and it may not be a symlink. */
int open_quietly(struct file_input *fi, struct str path, struct file_look *look);
/* In our own state directory, where every line read makes another be written. */
bool open_is_own(const struct file_input *fi, struct str path);
/* May the directory that this symlink leads to be looked into? */
bool open_may_enter(struct file_input *fi, struct str path);
/* A file we do not read; said and counted once. */
void open_refuse(struct file_input *fi, struct str path, uint64_t ino, const char *reason,
		 const char *advice);
/* After a scan: what was refused before and not in it is gone. */
void open_swept(struct file_input *fi);
bool open_is_refused(const struct file_input *fi, struct str path);

/* ---- links.c ------------------------------------------------------------------------------ */

/* This name is a symlink that may be followed: what happens at any step of its way is heard of. */
void links_note(struct file_input *fi, struct str link);
/* The links that lead through this path, one by one: *at is NULL first; STR_NONE behind the last. */
struct str links_to(const struct file_input *fi, struct str target, struct map_node **at);
/* Tells the watch which directories they lead into. */
void links_count(struct file_input *fi);
/* After a scan: links that were not noted in it are gone. */
void links_swept(struct file_input *fi);
void links_fini(struct file_input *fi);

/* ---- find.c ------------------------------------------------------------------------------- */

/* What was rotated away while nobody looked is found by identity; then a first scan. */
void find_start(struct file_input *fi);
void find_scan(struct file_input *fi);
/* The same when something can have changed; else no more than is needed to know that. */
void find_scan_if_needed(struct file_input *fi);
/* All names that were noted are looked at. */
void find_noted_names(struct file_input *fi);
/* Something was written to the file of this name. */
void find_modified(struct file_input *fi, struct str path);
/* By the patterns. */
bool find_is_wanted(const struct file_input *fi, struct str path);
struct tail *find_path(struct file_input *fi, struct str path);
struct tail *find_tail(struct file_input *fi, const struct file_id *id);

/* ---- names.c ------------------------------------------------------------------------------ */

/* A name came, went, or means another file: noted, and looked at when all were told, because what
 * the first means can depend on the last. */
void names_note(struct file_input *fi, struct str path, enum watch_name what, uint32_t cookie);
/* What the file that is at `path` now was called first, as far as the last events tell, and how many
 * renames ago. */
struct str names_origin(const struct file_input *fi, struct str path, unsigned *ret_hops);
/* The name that a file of this name has now, as far as the last events tell. */
struct str names_now(const struct file_input *fi, struct str path);
void names_fini(struct file_input *fi);

/* ---- resume.c ----------------------------------------------------------------------------- */

/* Does the file still have, in the places that were noted, what was read there? */
enum same resume_content_is(const struct pos *p, int fd, uint64_t size, uint64_t offset,
			    uint64_t marker);
/* The position to read a file from that has no tail. NULL: not now, a later scan tries again. */
struct pos *resume_position(struct file_input *fi, int fd, const struct file_look *look,
			    struct str path, unsigned *ret_hops);

/* ---- moved.c ------------------------------------------------------------------------------ */

/* Opens all that are not where they were, or those that had to be left. */
void moved_find(struct file_input *fi, bool only_left);

/* ---- start.c ------------------------------------------------------------------------------ */

/* Where to begin with a file that has no position: asked before it is given one. */
enum start_at { AT_BEGINNING, AT_LAST_LINE /* behind the last line end */, AT_SIZE };
enum start_at start_of(struct file_input *fi, const struct file_look *look, struct str path);
/* Puts a fresh position there. */
void start_at(struct file_input *fi, struct pos *p, int fd, uint64_t size, enum start_at at);

/* ---- copies.c ----------------------------------------------------------------------------- */

/* Could a copy or a rotated file of this name be called that? Names without their directory. */
bool copies_is_name(struct str of, struct str name);
/* Calls fn with every path that one called `path` may be a copy of, until it returns true. Paths have
 * a NUL behind them. */
bool copies_each_original(struct str path, bool (*fn)(void *ctx, struct str original), void *ctx);
/* After t was found emptied or rewritten: when there is a copy of what it was, t goes on in it, and
 * what is there now has a tail of its own. */
bool copies_take_over(struct tail *t);
/* The same for a file that has no tail yet: p goes on in the copy. The position for the file itself,
 * or NULL when there is no copy. */
struct pos *copies_take_over_saved(struct file_input *fi, struct pos *p,
				   const struct file_look *original, struct str path);
/* True: nothing is to be read from it now (and perhaps ever: its descriptor may be gone). */
bool copies_hold(struct tail *t);
/* t is closed or emptied: copies of it stand for themselves, from where it was settled. */
void copies_let_go(struct tail *t);

/* ---- rotated.c ---------------------------------------------------------------------------- */

/* Closes the oldest of too many. Tails may be gone afterwards. */
void rotated_limit(struct file_input *fi);
/* Is there room for one more, with so many bytes to read? */
bool rotated_has_room(const struct file_input *fi, uint64_t bytes);
/* What had to be closed is nowhere to be found now that there is room. */
void rotated_is_gone(struct file_input *fi, struct pos *p);
/* Reads a file that has no name any more that we look for, now or when there is room. Takes fd. */
void rotated_open(struct file_input *fi, int fd, const struct file_look *look, struct pos *p,
		  unsigned hops);

#endif
