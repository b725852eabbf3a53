/* SPDX-License-Identifier: Apache-2.0 */
/* Hears that files change: inotify on directories, or polling where inotify is missing or blind
 * (network file systems, FUSE). Two inotify instances: names (files that appear, vanish, are
 * renamed) are told at once, so that a file can be opened before it is gone again; bytes are told at
 * most every WATCH_PACE_NS, so that a writer of single lines does not cost a wake-up for each.
 *
 * What it says are hints. Whoever hears one looks at the file. */
#ifndef INPUTS_FILE_WATCH_H
#define INPUTS_FILE_WATCH_H

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "lib/str.h"

#define WATCH_PACE_NS (20 * INT64_C(1000000))

enum watch_mode { WATCH_AUTO, WATCH_INOTIFY, WATCH_POLL };

/* One file by itself, whatever its names: for those that are written to by a name that is in no
 * watched directory (hard links, bind mounts of a single file). In a zeroed struct of the caller's. */
struct watch_file {
	struct map_node by_wd;
	int wd;
};

enum watch_name { NAME_CREATED, NAME_DELETED, NAME_MOVED_FROM, NAME_MOVED_TO };

struct watch_ops {
	void (*modified)(void *ctx, struct str path);
	void (*file_modified)(void *ctx, struct watch_file *f);
	/* A name came, went, or is another file now. The two ends of a rename have the same cookie. */
	void (*named)(void *ctx, struct str path, enum watch_name what, uint32_t cookie);
	/* Permissions of this name may have changed. */
	void (*permitted)(void *ctx, struct str path);
	/* All names that were waiting have been told: now look at them. */
	void (*names_told)(void *ctx);
	/* Directories changed, or (lost) the kernel had to drop events: look at everything. */
	void (*rescan)(void *ctx, bool is_lost);
};

struct watch;

/* Paths given to ops are valid during the call. */
struct watch *watch_new(struct loop *loop, enum watch_mode mode, const struct watch_ops *ops,
			void *ctx);
void watch_free(struct watch *w);

/* One pass over the directories to watch: begin, every directory, end. Those not named since begin
 * are dropped. what: WALK_FILES and WALK_SUBDIRS. */
void watch_begin(struct watch *w);
void watch_dir(struct watch *w, struct str path, unsigned what);
void watch_end(struct watch *w);

/* fd: of the file. Nothing happens where inotify is not used, or has none left. */
void watch_file(struct watch *w, struct watch_file *f, int fd);
void watch_file_drop(struct watch *w, struct watch_file *f);

/* How many directories there are, and how many of them are polled. */
void watch_count(const struct watch *w, size_t *ret_all, size_t *ret_polled);
/* Some directory must be polled. */
bool watch_has_polled(const struct watch *w);
/* The directory of this file must be polled. */
bool watch_is_polled(const struct watch *w, struct str file_path);
/* Has a name come or gone, in some directory or in a polled one, since the last pass? Asks the
 * directories, not inotify; not sure means yes. */
bool watch_names_changed(struct watch *w, bool only_polled);
/* On every file system with files in it, inotify tells of each write. */
bool watch_is_sure(const struct watch *w);
/* A file has changed and inotify did not say so. After a few times its directory is polled. Returns
 * true when that was decided now. */
bool watch_missed(struct watch *w, struct str file_path);
/* Events of bytes are worth their price as long as they spare looks. A census finds directories where
 * they do not: begin, each file in a directory with how often it was seen to grow, each path that a
 * link leads to, end. `rounds`: how often each file could have been looked at since the last one. Where
 * there were several events for each look, and most looks find something, a directory is muted: nothing
 * is told of bytes in it (of names, as always), and somebody must look at its files. Where few of those
 * looks find anything, it is heard again. Returns whether any was muted or not any more. */
void watch_census_begin(struct watch *w);
void watch_census_file(struct watch *w, struct str path, uint64_t growths);
void watch_census_link(struct watch *w, struct str target);
bool watch_census_end(struct watch *w, uint64_t rounds);
/* The directory of this file is muted. */
bool watch_is_muted(const struct watch *w, struct str file_path);
/* Hands out the events that are waiting, before what they are about is judged by other means. */
void watch_drain(struct watch *w);

#endif
