/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace positions`: what is saved of the files that are read, and changing it. */
#ifndef AGENT_POSITIONS_CLI_H
#define AGENT_POSITIONS_CLI_H

#include "lib/err.h"

struct positions_args {
	const char *state_dir;
	const char *path;   /* a path, or a pattern; NULL: all */
	const char *input;  /* NULL: any */
	const char *offset; /* "beginning", "end" or a number of bytes */
	bool as_json, is_dry_run;
};

/* Each prints to stdout and returns 0; 1 when nothing matches or it cannot be done and EXIT_WRONG when
 * the arguments make no sense, with err set. list may run beside the agent; the others take the
 * lock of the state directory, except for a dry run. */
int positions_cli_list(const struct positions_args *args, struct err *err);
int positions_cli_set(const struct positions_args *args, struct err *err);
int positions_cli_forget(const struct positions_args *args, struct err *err);

#endif
