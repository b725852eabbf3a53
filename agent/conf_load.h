/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a configuration, merged into one tree. */
#ifndef AGENT_CONF_LOAD_H
#define AGENT_CONF_LOAD_H

#include "agent/conf_env.h"
#include "lib/conf.h"

#define CONF_LOAD_FILES_MAX 256u

/* path is a file, or a folder: then its tailrace.yaml is the main file; a folder without one is read
 * whole, *.yaml in name order. Beside the main file those of its `include` patterns are read (files
 * of one pattern in name order); without that option `conf.d/<any>.yaml`.
 *
 * The maps inputs, outputs and pipelines merge across files; the same name twice, or another
 * top-level option in two files, is an error that shows both places. Returns the merged root (a map,
 * maybe empty), never NULL; the caller looks at conf_error_count(). ret_files (may be NULL): every
 * file that was read, owned by the doc. */
struct conf_node *conf_load(struct conf_doc *doc, const char *path, const struct conf_env *env,
			    struct conf_list *ret_files);

#endif
