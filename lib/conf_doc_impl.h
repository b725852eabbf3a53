/* SPDX-License-Identifier: Apache-2.0 */
/* What lib/conf*.c share; nobody else includes it. */
#ifndef LIB_CONF_DOC_IMPL_H
#define LIB_CONF_DOC_IMPL_H

#include "lib/arena.h"
#include "lib/conf.h"

#define CONF_DEPTH_MAX 64u
#define CONF_ERRORS_MAX 200u

struct conf_doc {
	unsigned magic;
	struct arena arena;
	size_t bytes;
	const char *file; /* position for new nodes */
	uint32_t line, col;
	struct conf_err *errs; /* heap */
	size_t nerrs, errors, notices;
	size_t skipped; /* values that were not read because their error was known before */
	const struct conf_plugin *plugins;
	size_t nplugins;
};

/* Parses the single value `text` as `type` (that of the field, or of the items of its list) into the
 * member at `at`, bounds included. On failure `why` is the sentence for the user and the member is
 * untouched. Never puts the text of a secret into `why`. Texts are borrowed. */
bool conf_value_parse(struct conf_doc *doc, const struct conf_field *f, enum conf_type type,
		      struct str text, void *at, struct err *why);

/* The type of one item, for the list types; CONF_T_NODE for the others. */
enum conf_type conf_item_type(enum conf_type list);
/* Bytes of one item in C. */
size_t conf_item_size(enum conf_type list);

/* As conf_read() for one field: the default when node is NULL. */
void conf_field_read(struct conf_doc *doc, const struct conf_field *f, const struct conf_node *node,
		     void *at);
void conf_stages_read(struct conf_doc *doc, const struct conf_node *node, struct conf_stages *ret);

#endif
