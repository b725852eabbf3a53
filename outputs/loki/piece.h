/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces: runs of blocks, or parts of runs cut between entries. A request is a list of pieces, and
 * the list alone decides its bytes. */
#ifndef OUTPUTS_LOKI_PIECE_H
#define OUTPUTS_LOKI_PIECE_H

#include "lib/buf.h"
#include "pipeline/block.h"

/* Part of one run. The pieces of a run that have not ended are counted in run->open_pieces; the last one to
 * end ends the run. */
struct piece {
	struct block *block;
	uint32_t run; /* index */
	uint32_t off; /* in the block's bytes */
	uint32_t len;
	uint32_t nrecs;
};

static inline struct run *piece_run(const struct piece *p)
{
	return &p->block->runs[p->run];
}

static inline struct str piece_bytes(const struct piece *p)
{
	return str_make(p->block->bytes + p->off, p->len);
}

bool piece_same_stream(const struct piece *a, const struct piece *b);

/* Cuts the first entries off p, up to max bytes but at least one entry, and returns them; p keeps the
 * rest, which may be nothing (then the run has no further piece: nothing was cut). */
struct piece piece_cut_bytes(struct piece *p, size_t max);
/* The same for nrecs entries, fewer than p has. */
struct piece piece_cut_entries(struct piece *p, uint32_t nrecs);

/* Makes pieces of one stream stand together, each stream where its first piece stood; their order
 * within the stream is kept. All are of one tenant. Returns the number of streams. */
uint32_t pieces_group(struct piece *pieces, size_t n);

/* Bytes of the PushRequest of grouped pieces: one Stream for each stream. */
size_t pieces_body_size(const struct piece *pieces, size_t n);
/* Writes them to out (pieces_body_size() bytes). */
void pieces_body(const struct piece *pieces, size_t n, char *out);

/* How pieces end; reason is for dropped ones. */
enum piece_end { PIECE_DELIVERED, PIECE_WITHDRAWN, PIECE_DROPPED, PIECE_LEFT };
/* Counts the records and ends the pieces: blocks of which nothing is left are freed. */
void pieces_end(const struct piece *pieces, size_t n, enum piece_end end, const char *reason);

#endif
