/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is appended to and rotated: path is the newest, path.1 the one before it, and so on. Only
 * whole lines are in it. One thread. */
#ifndef OUTPUTS_FILE_ARCHIVE_H
#define OUTPUTS_FILE_ARCHIVE_H

#include "lib/err.h"
#include "lib/str.h"

struct archive {
	const char *path; /* borrowed */
	size_t max_bytes; /* of one file; one line may be more */
	unsigned max_files;
	bool takes_back;       /* what could not be synced; for who writes it again */
	int64_t every_ns;      /* a new file at each full multiple of it, UTC; 0 = never */
	int fd;                /* -1: not open */
	uint64_t size, synced; /* size: all of it whole lines */
	uint64_t dev, ino;
	int64_t period; /* number of the interval that its last line is of */
	int64_t looked_ns;
};

/* Opens or makes the file. path and the limits are set. Negative with err. */
int archive_open(struct archive *a, struct err *err) MUST_USE;
/* Adds lines and takes them off the front; opens a new file when this one is full or old, or was moved
 * away by somebody. Negative with err: what is left was not written. */
int archive_write(struct archive *a, struct str *lines, struct err *err) MUST_USE;
/* What was written is on the disk, also after a power cut. Negative with err; with takes_back everything
 * since the last archive_sync() is then out of the file again. A file that is full is always synced. */
int archive_sync(struct archive *a, struct err *err) MUST_USE;
void archive_close(struct archive *a);

#endif
