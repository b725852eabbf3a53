/* SPDX-License-Identifier: Apache-2.0 */
/* YAML merge keys. */
#ifndef AGENT_CONF_YAML_MERGE_H
#define AGENT_CONF_YAML_MERGE_H

#include "lib/conf_tree.h"

/* Replaces `<<: map` and `<<: [map, map]` in a map by the entries of those maps. What the map says
 * itself wins, then the earlier of the merged ones (yaml.org/type/merge.html). */
void conf_yaml_merge(struct conf_doc *doc, struct conf_node *map);

#endif
