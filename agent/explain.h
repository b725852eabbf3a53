/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace explain`: what each stage does to a line. */
#ifndef AGENT_EXPLAIN_H
#define AGENT_EXPLAIN_H

#include "agent/offline.h"

#define EXPLAIN_INPUT_MAX ((size_t)256 << 10)
#define EXPLAIN_LINES_MAX 1000

struct explain_args {
	struct offline_way way;
	const struct label *labels; /* over those of the input */
	size_t nlabels;
	bool as_json, is_coloured;
};

/* Takes lines (separated by line feeds) through the pipeline and writes what happened to out. What
 * the pipeline's redact stages mask, or would mask if they came first, is hidden everywhere. Returns
 * 0 or negative. */
int explain(const struct config *c, const struct explain_args *args, struct str lines,
	    struct buf *out, struct err *err) MUST_USE;

#endif
