/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a dead-letter file, read back. Pure. */
#ifndef OUTPUTS_LOKI_LETTER_H
#define OUTPUTS_LOKI_LETTER_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "outputs/loki/push.h"

struct letter {
	int64_t time_ns;
	struct str tenant, labels, line, reason;
	struct str metadata; /* the inside of a JSON object; of letter_next_pair() */
	int64_t status;
};

/* Reads a line that deadletter_write() wrote, in whatever state it is now; false when it is none. Texts
 * are in the arena or in `json`. */
bool letter_read(struct str json, struct arena *arena, struct letter *ret);
/* Takes a pair off the front; false at the end. */
bool letter_next_pair(struct str *metadata, struct arena *arena, struct str *ret_name,
		      struct str *ret_value);
/* Adds it as an entry of a run (push.h). */
void letter_encode(const struct letter *letter, struct arena *arena, struct buf *out);

#endif
