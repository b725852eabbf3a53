/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the body of a push (grafana/loki pkg/push/push.proto, and the JSON of its HTTP API) without I/O,
 * memory or recursion:
 *
 *	push_in_init(&in, is_json, body)
 *	while ((got = push_in_next(&in, &entry)) > 0)
 *		PUSH_IN_STREAM  in.labels: push_in_label() gives them
 *		PUSH_IN_ENTRY   entry, of the newest stream; push_in_meta(&entry, ..) gives its metadata
 *	PUSH_IN_END, or PUSH_IN_BAD and in.why
 *
 * All slices are of body, which is not changed; texts may be escaped (push_in_text()). */
#ifndef INPUTS_LOKIPUSH_PUSH_IN_H
#define INPUTS_LOKIPUSH_PUSH_IN_H

#include "lib/str.h"

enum push_in_result { PUSH_IN_BAD = -1, PUSH_IN_END, PUSH_IN_STREAM, PUSH_IN_ENTRY };

/* How a text stands in the body. */
enum push_in_form { PUSH_IN_PLAIN, PUSH_IN_JSON, PUSH_IN_GO };

struct push_in_text {
	struct str raw;
	enum push_in_form form;
};

/* Names and values one after the other: labels, or metadata. */
struct push_in_pairs {
	struct str rest;
	enum { PUSH_IN_PAIRS_SELECTOR, PUSH_IN_PAIRS_OBJECT, PUSH_IN_PAIRS_PROTO } form;
	bool is_begun;
};

struct push_in_entry {
	int64_t time_ns;
	struct push_in_text line;
	struct push_in_pairs meta;
};

struct push_in {
	bool is_json;
	const char *why;             /* PUSH_IN_BAD: a sentence without a period */
	struct str streams, entries; /* what is left of them */
	struct str
		label_text; /* of the newest stream, as it stands: the same text is the same stream */
	struct push_in_pairs labels;
	bool is_begun, entries_begun, is_over;
};

void push_in_init(struct push_in *in, bool is_json, struct str body);
enum push_in_result push_in_next(struct push_in *in, struct push_in_entry *ret);
/* 1: a pair; 0: the end; -1: malformed. */
int push_in_pair(struct push_in_pairs *pairs, struct push_in_text *name,
		 struct push_in_text *value);
/* Largest size of the text itself. */
static inline size_t push_in_text_size(const struct push_in_text *t)
{
	return t->form == PUSH_IN_PLAIN ? 0 : t->raw.n + 4;
}
/* The text itself; out has push_in_text_size() bytes (none: the slice is the text). p is NULL when an escape
 * is malformed. */
struct str push_in_text(const struct push_in_text *t, char *out);

#endif
