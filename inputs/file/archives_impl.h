/* SPDX-License-Identifier: Apache-2.0 */
/* What archives.c and survey.c share. */
#ifndef INPUTS_FILE_ARCHIVES_IMPL_H
#define INPUTS_FILE_ARCHIVES_IMPL_H

#include "inputs/file/archives.h"
#include "inputs/file/unpack.h"

/* A compressed file that was met, and is to be looked into. */
struct waiting {
	struct map_node by_id;
	struct waiting *next, **link;
	struct str path; /* owned, NUL-terminated */
	struct file_look look;
	int64_t changed_ns; /* monotonic: when that was seen */
	int64_t ready_ns;   /* monotonic: not before */
	uint64_t
		held_by; /* number of the position of a file that is there and has all of it; or 0 */
	uint64_t held_offset;
	enum start_at at;
};

struct archives {
	struct file_input *fi;
	struct map by_id;
	struct waiting *first;
	size_t n;
	struct timer timer; /* one of them is ready then */
	bool is_due, is_stopped;
	bool has_left;         /* one that is too old, so that it is said once */
	struct survey *survey; /* at most one of these two */
	struct tail *reading;
	struct metric *known, *read, *old;
};

void archives_drop(struct archives *a, struct waiting *w);
bool archives_same_look(const struct pos_archive *a, const struct file_look *look);

/* ---- survey.c ----------------------------------------------------------------------------- */

/* Takes fd. */
struct survey *survey_new(struct file_input *fi, struct waiting *w, int fd);
void survey_free(struct survey *s);
/* True: it is done, and what is to be done about the file was: w may be gone, a tail may read it. */
bool survey_step(struct survey *s, size_t max);
/* Is the file that has all of it still there, as it was? */
bool archives_is_held(struct file_input *fi, const struct waiting *w);

#endif
