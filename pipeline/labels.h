/* SPDX-License-Identifier: Apache-2.0 */
/* Interned stream label sets. A lane owns a table; a set is made once and then found by hash, so a
 * record carries one pointer. Sets are rendered once, in the form Loki parses and Go prints:
 * {a="x", b="y"}, names sorted (promtail.md 9.7). */
#ifndef PIPELINE_LABELS_H
#define PIPELINE_LABELS_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/str.h"

/* Loki's defaults (pkg/validation/limits.go): longer values are cut, wider sets refused there. */
#define LABEL_VALUE_MAX 2048
#define LABEL_NAME_MAX 1024
#define LABELS_MAX 64
#define LABELS_LOKI 15 /* of a stream; more are refused there */
/* Not sent: chooses the tenant of the stream (X-Scope-OrgID). */
#define LABEL_TENANT "__tenant_id__"

struct label {
	struct str name, value; /* value p == NULL: remove the label */
};

struct labels {
	uint64_t hash; /* of the content: the same in every lane and process */
	uint32_t n;
	uint32_t group; /* scratch of the encoder, valid while group_batch is the current */
	uint64_t group_batch;
	uint64_t used_at; /* epoch of the table */
	uint32_t pins;    /* held beyond a batch by a stage; only its lane touches it */
	uint32_t spare;
	struct str text;      /* {a="b", ...} without the tenant */
	struct str tenant;    /* empty = the output's own */
	struct labels *next;  /* in the table's bucket */
	struct label items[]; /* sorted by name, including the tenant */
};

struct label_table;

/* max_sets: the guard against too many streams, whatever makes them. */
struct label_table *label_table_new(size_t max_sets);

/* What labels_guarded() keeps to; 0 = no limit. */
struct label_limits {
	unsigned max_labels;   /* of one set, without the tenant */
	size_t max_new_values; /* different ones of one label that changes bring within window_ns; a
				* label that has more is none from then on */
	int64_t window_ns;
};
void label_table_limit(struct label_table *t, const struct label_limits *limits);
void label_table_free(struct label_table *t);

/* The set with exactly these labels (any order; empty names ignored; later duplicates win). Values
 * are cut at LABEL_VALUE_MAX, invalid UTF-8 is repaired. Pointer valid until label_table_sweep().
 * NULL when the table is full. */
const struct labels *labels_intern(struct label_table *t, const struct label *items, size_t n);

/* By bits, the first 64 changes: those that are no labels because theirs has too many values, or a set
 * too many labels; and those whose value was cut. All of them are the caller's to keep elsewhere. */
#define LABEL_MOVES_MAX 64
struct label_moves {
	uint64_t exploded, surplus, cut;
};

/* The same within the limits of the table, for what keeps its labels, without looking at them again: *known is zeroed at first, or a
 * copy of that of other items. */
struct labels_known {
	const struct labels *set;
	const struct label *items;
	uint64_t table; /* which one, since it last threw sets out */
	struct label_moves moves;
};
const struct labels *labels_intern_known(struct label_table *t, struct labels_known *known,
					 const struct label *items, size_t n);

/* The same for a set that must be: finds room for LABELS_RESERVED of them beyond the guard. */
const struct labels *labels_intern_reserved(struct label_table *t, const struct label *items,
					    size_t n);
#define LABELS_RESERVED 256

/* base with some labels set or (value.p == NULL) removed. Costs one hash look-up when this
 * combination was seen before. NULL when the table is full. */
const struct labels *labels_with(struct label_table *t, const struct labels *base,
				 const struct label *changes, size_t n);

/* As labels_with(), within the limits of the table. Only the values of such changes are watched. */
const struct labels *labels_guarded(struct label_table *t, const struct labels *base,
				    const struct label *changes, size_t n, struct label_moves *ret);

/* p == NULL when there is none. */
struct str labels_get(const struct labels *l, struct str name);

/* Ends a batch: old sets are thrown out when the table is nearly full. */
void label_table_sweep(struct label_table *t);
/* Throws out what was not used since the last call. False: only pinned sets are left. */
bool label_table_forget(struct label_table *t);
size_t label_table_size(const struct label_table *t);

void labels_pin(const struct labels *l);
void labels_unpin(const struct labels *l);

/* Grafana's rule for tenants (dskit/tenant). */
bool tenant_is_valid(struct str tenant);

/* Prometheus legacy name rule [a-zA-Z_][a-zA-Z0-9_]*. */
bool label_name_is_valid(struct str name);
/* Writes a valid name made from any text into out (LABEL_NAME_MAX bytes): bad bytes become '_',
 * a leading digit gets '_' in front, empty or only underscores becomes "key". */
struct str label_name_sanitise(struct str name, char *out);

#endif
