/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that hold events one after the other, and Elasticsearch's `_bulk` among them, without I/O.
 *
 *	docs_init(&d, is_lines, max)
 *	while ((got = docs_next(&d, &avail, &doc)) > 0)
 *		use(doc), then docs_take(&d); or docs_later(&d, &avail): it comes again
 *	docs_end(&d, &doc)     the last one, at the end of the body
 *
 * is_lines: each line is one, empty ones are none. Otherwise each JSON object is, wherever line ends are, alone or in an
 * array. What a piece of the body does not complete is kept, up to max bytes of a document. */
#ifndef INPUTS_BEATS_BULK_H
#define INPUTS_BEATS_BULK_H

#include "lib/buf.h"

struct docs {
	bool is_lines;
	size_t max;
	struct buf kept;
	size_t skipped; /* bytes of the document beyond max */
	bool is_ready;  /* what is kept is complete */
	bool is_cut;    /* of the newest document only max bytes are there */
	const char *before;
	/* Within an object. */
	unsigned depth;
	bool in_string, is_escaped;
};

void docs_init(struct docs *d, bool is_lines, size_t max);
void docs_fini(struct docs *d);
/* 1: doc, which is a slice of avail or kept by d; 0: all of avail was taken; -1: no JSON. */
int docs_next(struct docs *d, struct str *avail, struct str *doc);
void docs_take(struct docs *d);
/* The newest cannot be used now. */
void docs_later(struct docs *d, struct str *avail);
/* As docs_next(). */
int docs_end(struct docs *d, struct str *doc);

/* Actions: `{"create": {"_index": ..}}`. */

enum bulk_action { BULK_INDEX, BULK_CREATE, BULK_UPDATE, BULK_DELETE, BULK_NONE };
enum bulk_action bulk_action(struct str line);

/* What becomes of each, in order, as runs. */
struct bulk_run {
	uint32_t n;
	uint8_t action;
	uint16_t status;
};
struct bulk_items {
	struct bulk_run *runs;
	size_t n, cap, nitems;
};
/* Returns how many bytes of memory that took. */
size_t bulk_add(struct bulk_items *items, enum bulk_action action, unsigned status);
void bulk_fini(struct bulk_items *items);
/* {"took":0,"errors":false,"items":[{"create":{"status":201}},..]}: keys in this order, without a space, as Fluent Bit
 * looks for them (plugins/out_es/es.c). */
void bulk_answer(const struct bulk_items *items, struct buf *out);

#endif
