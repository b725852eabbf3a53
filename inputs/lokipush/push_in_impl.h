/* SPDX-License-Identifier: Apache-2.0 */
/* Between push_in.c and its two formats. */
#ifndef INPUTS_LOKIPUSH_PUSH_IN_IMPL_H
#define INPUTS_LOKIPUSH_PUSH_IN_IMPL_H

#include "inputs/lokipush/push_in.h"

enum push_in_result push_in_bad(struct push_in *in, const char *why);

void push_in_json_init(struct push_in *in, struct str body);
enum push_in_result push_in_json_next(struct push_in *in, struct push_in_entry *ret);
int push_in_json_pair(struct push_in_pairs *pairs, struct push_in_text *name,
		      struct push_in_text *value);

enum push_in_result push_in_proto_next(struct push_in *in, struct push_in_entry *ret);
int push_in_proto_pair(struct push_in_pairs *pairs, struct push_in_text *name,
		       struct push_in_text *value);

#endif
