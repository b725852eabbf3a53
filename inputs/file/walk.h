/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the files that patterns mean, and the directories whose changes can change the answer.
 * Symlinks are followed; a directory is entered once for each place in the pattern, so that loops
 * of links end. */
#ifndef INPUTS_FILE_WALK_H
#define INPUTS_FILE_WALK_H

#include "inputs/file/glob.h"

#define WALK_DIRS_MAX 100000 /* entered in one walk */

enum {                   /* what in a directory is of interest */
       WALK_FILES = 1,   /* files in it may match */
       WALK_SUBDIRS = 2, /* directories in it may lead to matches */
};

struct walk_file {
	struct str path;      /* absolute, NUL-terminated; valid during the call */
	uint64_t ino;         /* 0 when not known */
	unsigned char d_type; /* DT_REG, DT_LNK ...; DT_DIR only for a plain name */
};

struct walk_ops {
	/* Before the directory is read, so that a watch misses nothing. May come several times. */
	void (*dir)(void *ctx, struct str path, unsigned what);
	void (*file)(void *ctx, const struct walk_file *f);
	/* May this directory be entered? Asked once it is known to lead on. */
	bool (*enter)(void *ctx, struct str path, bool is_link);
	/* A directory that cannot be read. */
	void (*trouble)(void *ctx, struct str path, int errnum);
};

/* Returns the number of directories it entered; WALK_DIRS_MAX means that it gave up. */
unsigned walk_glob(const struct glob *g, const struct walk_ops *ops, void *ctx);

#endif
