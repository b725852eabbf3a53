/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that stand in memory as an input read them: one search goes through all of them, and what it
 * comes across belongs to the text where it lies. */
#ifndef PIPELINE_TEXT_RUN_H
#define PIPELINE_TEXT_RUN_H

#include "lib/str.h"

#define TEXT_RUN_MAX 64 /* texts looked through together, so that what is said of them is a word */

/* How many of texts[0..n), n >= 1, stand one behind the other with nothing but a line end between, "\n"
 * or "\r\n": at least 1. Texts of two chunks never do: a chunk's header is between them. */
static inline uint32_t text_run(const struct str *texts, uint32_t n)
{
	uint32_t i = 1;

	for (; i < n; i++) {
		uintptr_t end = (uintptr_t)texts[i - 1].p + texts[i - 1].n;
		uintptr_t gap = (uintptr_t)texts[i].p - end;

		if (gap - 1 > 1 || texts[i].p[-1] != '\n' || (gap == 2 && texts[i].p[-2] != '\r'))
			break;
	}
	return i;
}

#endif
