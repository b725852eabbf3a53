/* SPDX-License-Identifier: Apache-2.0 */
/* YAML text into a configuration tree. The only user of libyaml. */
#ifndef AGENT_CONF_YAML_H
#define AGENT_CONF_YAML_H

#include "agent/conf_env.h"
#include "lib/conf_tree.h"

/* What one file may hold; refused beyond, before anything grows. */
#define CONF_YAML_FILE_MAX_BYTES ((size_t)4 << 20)
#define CONF_YAML_DEPTH_MAX 64u
#define CONF_YAML_NODES_MAX 200000u /* with every alias written out */
#define CONF_YAML_ANCHORS_MAX 1000u
#define CONF_YAML_ENV_MAX_BYTES ((size_t)4 << 20)  /* text that came out of ${...} */
#define CONF_YAML_DOC_MAX_BYTES ((size_t)64 << 20) /* all files of a doc together */

/* The tree of one document, built in doc; its errors are in doc too. NULL when the text cannot be
 * understood at all (the first mistake is reported); with other mistakes (duplicate keys, unset
 * variables, foreign tags) the tree is whole, and the caller looks at conf_error_count(). An empty
 * file gives a null node. Values get ${...} replaced, keys do not. Plain scalars keep their text:
 * `yes`, `1e3` and `0123` are what stands there, only `~`, `null` and nothing are null. Anchors,
 * aliases and merge keys (<<) work within the budget above; tags other than !!str and its siblings
 * are refused, as are further documents. */
struct conf_node *conf_yaml_parse(struct conf_doc *doc, const char *file, struct str text,
				  const struct conf_env *env);

#endif
