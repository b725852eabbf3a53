/* SPDX-License-Identifier: Apache-2.0 */
/* Where entries go that Loki refused for good: a bounded file of JSON lines, for a person to look at or
 * to send again. Only the output's thread uses it.
 *
 *	{"time":"2026-11-21T15:45:44.611804851Z","tenant":"acme","labels":"{job=\"app\"}",
 *	 "line":"...","metadata":{"k":"v"},"status":400,"reason":"..."}            (on one line) */
#ifndef OUTPUTS_LOKI_DEADLETTER_H
#define OUTPUTS_LOKI_DEADLETTER_H

#include "lib/err.h"
#include "outputs/loki/piece.h"

struct deadletter;

#define DEADLETTER_FILES_MAX 100

/* The file is <state_dir>/dead-letters/<name>.jsonl (mode 0600), made when there is something to write;
 * older ones are .jsonl.1 and so on, max_files of them together, and max_bytes. With one file the oldest
 * letters are kept when it is full, with several the newest. That they can be written is checked
 * now. NULL with err. */
struct deadletter *deadletter_new(const char *state_dir, const char *name, size_t max_bytes,
				  unsigned max_files, struct err *err);
void deadletter_free(struct deadletter *d);
const char *deadletter_path(const struct deadletter *d);
/* Renames one of the files; who was writing to it has finished when this returns. 0, or -1 with errno. */
int deadletter_move(const char *from, const char *to);
/* The name of the i-th file, 0 is the newest; replaces what *ret has. */
void deadletter_file(const struct deadletter *d, unsigned i, struct buf *ret);
/* Calls take() for each line of such a file, without its line break; one of 16 MiB and more comes in
 * pieces. 0, also when there is no such file; negative with err. */
int deadletter_read(const char *path, void (*take)(void *arg, struct str line), void *arg,
		    struct err *err);
/* Letters that were deleted to make room, since the last call. */
uint64_t deadletter_take_deleted(struct deadletter *d);

/* Adds the entries of the pieces and returns how many are now in the file (synced); the others found
 * no room, or an error says why (code 0 when there was none). status: of Loki's answer, 0 = it was
 * never sent. The file may be moved away at any time. */
uint64_t deadletter_write(struct deadletter *d, const struct piece *pieces, size_t n, int status,
			  struct str reason, struct err *err);

#endif
