/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as a tree of nodes that remember where they were written. Knows nothing about
 * YAML: the loader, tests and fuzzers build it with the functions below.
 *
 * Ownership: `struct conf_doc` is one generation of the configuration. It owns every node, every
 * byte of text, everything conf_read() allocates and the list of errors; conf_doc_free() frees all
 * of it together. Whoever keeps a str, list or map out of an option struct keeps the doc. */
#ifndef LIB_CONF_TREE_H
#define LIB_CONF_TREE_H

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/str.h"

struct conf_doc;
struct conf_plugin;

enum conf_kind {
	CONF_NULL, /* key without a value, ~ or null */
	CONF_SCALAR,
	CONF_SEQ,
	CONF_MAP_NODE,
};

struct conf_entry {
	struct conf_node *key; /* always a scalar */
	struct conf_node *value;
};

struct conf_node {
	enum conf_kind kind;
	bool is_quoted;     /* scalar: written in quotes or as a block, so never null */
	bool is_expanded;   /* scalar: ${...} was replaced in it */
	bool is_bad;        /* scalar: its error is reported already, options keep their default */
	uint32_t line, col; /* from 1; 0 = not from a file */
	const char *file;   /* as the user named it, lives in the doc */
	struct conf_node *parent; /* NULL at the root */
	struct str text;          /* scalar: the source text after ${} */
	size_t n, cap;            /* children */
	union {
		struct conf_node **items;   /* sequence */
		struct conf_entry *entries; /* map, in the order written */
	};
};

struct conf_doc *conf_doc_new(void);
void conf_doc_free(struct conf_doc *doc);

/* Memory that lives as long as the doc: zeroed, aligned for anything. */
void *conf_alloc(struct conf_doc *doc, size_t n);
/* A copy with a NUL behind it (not counted in n). Never a NULL p. */
struct str conf_dup(struct conf_doc *doc, struct str s);
/* Bytes handed out so far: what loaders cap. */
size_t conf_doc_bytes(const struct conf_doc *doc);

/* The position given to nodes that are made from here on; file is copied. */
void conf_doc_at(struct conf_doc *doc, const char *file, uint32_t line, uint32_t col);
struct conf_node *conf_node_null(struct conf_doc *doc);
struct conf_node *conf_node_scalar(struct conf_doc *doc, struct str text, bool is_quoted);
struct conf_node *conf_node_seq(struct conf_doc *doc);
struct conf_node *conf_node_map(struct conf_doc *doc);
void conf_seq_add(struct conf_doc *doc, struct conf_node *seq, struct conf_node *item);
/* Duplicates are not looked for here: see conf_map_duplicates(). */
void conf_map_add(struct conf_doc *doc, struct conf_node *map, struct conf_node *key,
		  struct conf_node *value);
/* Reports every key that stands twice, with both places. Returns how many. */
size_t conf_map_duplicates(struct conf_doc *doc, const struct conf_node *map);

/* The value of a key, NULL when absent or when map is NULL or no map. */
const struct conf_node *conf_get(const struct conf_node *map, const char *key);
/* "inputs.app.paths[2]"; "" for the root. */
void conf_path(const struct conf_node *node, struct buf *out);
/* "a map", "a list", "a text", "nothing": for messages. */
const char *conf_kind_name(enum conf_kind kind);

/* ---- errors: all of them are collected, none is printed here ------------------------------- */

struct conf_err {
	const char *file; /* NULL: no place in a file */
	uint32_t line, col;
	bool is_notice;
	const char *text; /* sentence without trailing period, with its hint */
};

/* "path: text" at the node (which may be NULL). Returns -EINVAL. */
int conf_error(struct conf_doc *doc, const struct conf_node *node, const char *fmt, ...)
	PRINTF(3, 4);
/* The same without the path, for errors about the file itself. */
int conf_error_at(struct conf_doc *doc, const char *file, uint32_t line, uint32_t col,
		  const char *fmt, ...) PRINTF(5, 6);
/* Something to tell the user that does not prevent the start. */
void conf_notice(struct conf_doc *doc, const struct conf_node *node, const char *fmt, ...)
	PRINTF(3, 4);

/* Errors without the notices; counting goes on past the 200 that are kept. */
size_t conf_error_count(const struct conf_doc *doc);
size_t conf_notice_count(const struct conf_doc *doc);
/* "file:line:col: text\n" for each, ordered by file and place; notices only when asked for. */
void conf_errors_print(struct conf_doc *doc, struct buf *out, bool is_notice);

/* The candidate nearest to a misspelt word, or NULL when none is near enough. `next` returns the
 * i-th candidate and NULL behind the last. */
const char *conf_nearest(struct str word, const char *(*next)(const void *ctx, size_t i),
			 const void *ctx);

#endif
