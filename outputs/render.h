/* SPDX-License-Identifier: Apache-2.0 */
/* A record as people (text) or programs (JSON lines) read it. */
#ifndef OUTPUTS_RENDER_H
#define OUTPUTS_RENDER_H

#include "lib/buf.h"
#include "pipeline/batch.h"
#include "pipeline/block.h"

/* One line: time, labels, line, metadata as key=value. With color, by the record's level. Control
 * characters of the data are escaped, so that a log cannot drive the terminal. */
void render_text(struct buf *out, const struct batch *b, const struct rec *r, bool color);
/* {"time":"2006-01-02T15:04:05.999999999Z","labels":{..},"line":"..","metadata":{..}} */
void render_json(struct buf *out, const struct batch *b, const struct rec *r);

/* The records of a batch in one run: JSON lines, or text. */
struct block *render_block(const struct batch *b, bool is_json, bool color);

/* Everything that could move a cursor is shown, not sent; colors of the log itself, too. */
void render_printable(struct buf *out, struct str s);

#endif
