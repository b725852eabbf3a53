/* SPDX-License-Identifier: Apache-2.0 */
/* JSON piece by piece, for readers that know what they expect: each takes it off the front of s, white space
 * before it included. Pure, no recursion, no memory. */
#ifndef PIPELINE_JSON_SCAN_H
#define PIPELINE_JSON_SCAN_H

#include "pipeline/json.h"

void json_skip_space(struct str *s);
/* False when something else stands there. */
bool json_take(struct str *s, char c);
/* Of a string what stands between the quotes: json_unescape(). */
bool json_take_string(struct str *s, struct str *ret_raw, bool *ret_is_escaped);
/* A number, true, false or null, or what looks like it. */
bool json_take_word(struct str *s, struct str *ret);
/* Any value; *ret is what it is made of. What is within objects and arrays is not looked at closely. */
bool json_take_value(struct str *s, struct str *ret);
/* The next element of an array or object whose opening was taken: 1; 0 behind its end; -1. */
int json_next_item(struct str *s, char end, bool *is_begun);

#endif
