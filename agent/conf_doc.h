/* SPDX-License-Identifier: Apache-2.0 */
/* Documents made from the option tables: help for the terminal, reference pages, samples and a JSON
 * schema for editors. docs/reference is what these functions write; a test fails when it is not. */
#ifndef AGENT_CONF_DOC_H
#define AGENT_CONF_DOC_H

#include "lib/buf.h"
#include "lib/conf.h"

/* "input", "stage", "output". */
const char *conf_doc_kind(enum conf_plugin_kind kind);
/* The options every plugin of a kind has besides its own; NULL for stages. */
const struct conf_table *conf_doc_common(enum conf_plugin_kind kind);

/* What a value looks like, in words: "size from 1KiB to 1MiB". */
void conf_doc_type(struct buf *out, const struct conf_field *f);

/* Options in front, rarely needed ones behind: calls `each` for every field in that order. */
void conf_doc_in_order(struct buf *out, const struct conf_table *table, unsigned indent,
		       void (*each)(struct buf *, const struct conf_field *, unsigned));

/* For a terminal of 80 columns. */
void conf_doc_help(struct buf *out, const struct conf_plugin *plugin);
void conf_doc_help_table(struct buf *out, const struct conf_table *table, unsigned indent);

/* A page of docs/reference. */
void conf_doc_page(struct buf *out, const struct conf_plugin *plugin);
/* The page of the agent's own options. */
void conf_doc_agent_page(struct buf *out);
/* What /metrics has. */
void conf_doc_metrics_page(struct buf *out);
/* README.md there: the list of all pages. */
void conf_doc_index(struct buf *out, const struct conf_plugin *plugins, size_t n);

/* YAML to start from: what is required with its example, the rest as comments with defaults. */
void conf_doc_sample(struct buf *out, const struct conf_plugin *plugin);

/* JSON schema (draft 7) of the whole configuration. */
void conf_doc_schema(struct buf *out, const struct conf_plugin *plugins, size_t n);

/* Writes all of it below dir, or with is_check compares; returns how many files differ (each is said
 * on stderr), negative when a file cannot be written. examples: a folder with <stage>.yaml, .in and
 * .out, which the pages of stages end with. */
int conf_doc_write(const char *dir, const char *examples, const struct conf_plugin *plugins,
		   size_t n, bool is_check);

/* The same for man pages and completion, in the folders man and completion below dir. */
struct doc_cli;
int conf_doc_write_cli(const char *dir, const struct doc_cli *doc, bool is_check);

#endif
