/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text, as Loki's own OTLP endpoint writes them (collector pdata, Value.AsString). */
#ifndef INPUTS_OTLP_TEXT_H
#define INPUTS_OTLP_TEXT_H

#include "inputs/otlp/walk.h"
#include "lib/arena.h"
#include "lib/buf.h"

/* A string is itself; booleans and numbers as JSON has them, but NaN, Infinity and -Infinity; bytes as
 * base64; arrays and maps as JSON, keys sorted, bytes and what is no number in JSON as strings; without a
 * value it is empty. A slice of the value, or of out, which is written to; *ret_was_cut when it has more
 * than out->max. */
struct str otlp_text(const struct otlp_any *v, struct buf *out, bool *ret_was_cut);

#endif
