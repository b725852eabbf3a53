/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of names shared by the JSON walker and the path compiler; nobody else needs it. */
#ifndef PIPELINE_JSON_PATHS_H
#define PIPELINE_JSON_PATHS_H

#include "pipeline/json.h"

#define JSON_ROOT 1 /* slot of the whole document; slot 0 means "nothing" */

struct json_node {
	struct str key; /* owned; p == NULL: an array index */
	uint32_t index;
	uint32_t parent, first_child, next; /* slots, 0 = none */
	uint64_t key_lengths;               /* bit n: a child's name has n bytes (63: 63 or more) */
};

/* Owns its nodes and their names. */
struct json_paths {
	struct json_node *nodes; /* index = slot */
	uint32_t n, cap;
};

#endif
