/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace dry-run`: any amount of lines through one pipeline, and a summary of what became of them. */
#ifndef AGENT_DRY_RUN_H
#define AGENT_DRY_RUN_H

#include <stdio.h>

#include "agent/offline.h"

struct dry_run_args {
	struct offline_way way;
	bool has_input;           /* records have the labels of way's input; else job="stdin" */
	const char *const *paths; /* "-" is stdin; none: stdin */
	int npaths;
	bool reads_input; /* the files of way's input, once, instead */
	uint64_t limit;   /* lines; 0: all */
	bool as_json;     /* records on stdout as JSON lines, else as text */
	bool is_quiet;    /* no records on stdout */
	FILE *summary;
};

/* Writes to stdout what an output would get. No input, output or state is touched. Lines longer than
 * 1 MiB are cut and flagged. Returns 0 or negative. */
int agent_dry_run(const struct config *c, const struct dry_run_args *args,
		  struct err *err) MUST_USE;

#endif
