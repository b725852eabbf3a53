/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of one command, parsed by a table of flags. */
#ifndef AGENT_CLI_ARGS_H
#define AGENT_CLI_ARGS_H

#include <stdbool.h>

#include "lib/err.h"

#define CLI_REST_MAX 64

/* Every value any command knows; what was not given is NULL or false. */
struct cli_args {
	const char *config, *pipeline, *format, *state_dir, *input, *offset, *labels, *junit, *run,
		*limit, *user, *socket, *interval, *stage, *rate;
	bool quickstart, plain, dry_run, help, json, explain, inputs, quiet, once, before;
	const char *rest[CLI_REST_MAX]; /* what is no flag */
	int nrest;
};

struct cli_flag {
	const char *name;  /* without the dashes; NULL ends the table */
	const char *value; /* what to call its value in the help; NULL: it has none */
	size_t offset;     /* in struct cli_args: const char * or bool */
	const char *help;
};

struct cli_command {
	const char *name;
	const char *operands; /* for the help: "[FILE]" */
	const char *summary;
	const struct cli_flag *flags;
	int max_rest;
	int (*run)(const struct cli_args *args);
};

/* --flag=value, --flag value, -h, and -- before operands. Returns 0 or -EINVAL. */
int cli_parse(const struct cli_command *command, int argc, char **argv, struct cli_args *ret,
	      struct err *err) MUST_USE;

#endif
