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

/* The file is <state_dir>/dead-letters/<name>.jsonl (mode 0600), made when there is something to write;
 * its folder is made now. max_bytes: size beyond which nothing is added. NULL with err. */
struct deadletter *deadletter_new(const char *state_dir, const char *name, size_t max_bytes,
				  struct err *err);
void deadletter_free(struct deadletter *d);
const char *deadletter_path(const struct deadletter *d);

/* Adds the entries of the pieces and returns how many are now in the file (synced); the others found
 * no room, or an error says why (code 0 when there was none). status: of Loki's answer, 0 = it was
 * never sent. The file may be moved away at any time. */
uint64_t deadletter_write(struct deadletter *d, const struct piece *pieces, size_t n, int status,
			  struct str reason, struct err *err);

#endif
