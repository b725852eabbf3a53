/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's push format (grafana/loki pkg/push/push.proto), written directly: a lane turns a batch into
 * finished entry bytes, grouped by stream, so that a request body later is a concatenation.
 *
 *	PushRequest { 1: repeated Stream }
 *	Stream      { 1: labels text, 2: repeated Entry }      (3, hash, is for the server)
 *	Entry       { 1: Timestamp { 1: seconds, 2: nanos }, 2: line, 3: repeated LabelPair }
 *	LabelPair   { 1: name, 2: value }
 *
 * The bytes of a run are its entries, each with its tag and length (field 2 of Stream). */
#ifndef OUTPUTS_LOKI_PUSH_H
#define OUTPUTS_LOKI_PUSH_H

#include "pipeline/batch.h"
#include "pipeline/block.h"

/* Loki's defaults (pkg/validation/limits.go): an entry over one of these is refused for good, so what
 * is too much is cut here, flagged and counted. */
#define PUSH_LINE_MAX ((size_t)256 * 1024)  /* max_line_size; the option max_line */
#define PUSH_META_BYTES ((size_t)64 * 1024) /* names and values of one entry */
#define PUSH_META_PAIRS 128
/* Of all metadata of one batch: values may be shared between records, the encoded form is not. */
#define PUSH_META_BATCH_BYTES ((size_t)8 * 1024 * 1024)

struct push_cuts {
	uint64_t lines, metadata; /* records cut to fit */
	uint64_t renamed;         /* pairs of metadata, see meta_renamed() */
};

/* Encodes every record of b (at least one). max_line: longest line, in bytes. scratch: working
 * memory. Adds to *cuts. The order of records within a stream is that of the batch; streams stand in
 * the order of their first record. The block is uncharged. */
struct block *push_encode(const struct batch *b, size_t max_line, struct arena *scratch,
			  struct push_cuts *cuts);

/* An entry as it stands in a run. Everything borrows the run's bytes. */
struct push_entry {
	struct str raw; /* with tag and length */
	int64_t time_ns;
	struct str line;
	struct str meta; /* of push_next_pair() */
};

/* Takes the bytes of one entry off the front; false at the end, or when what stands there is none
 * (then *bytes is not empty). */
bool push_next_raw(struct str *bytes, struct str *ret_raw);
/* As push_next_raw(), with its fields. */
bool push_next_entry(struct str *bytes, struct push_entry *ret);
bool push_next_pair(struct str *meta, struct str *ret_name, struct str *ret_value);

#endif
