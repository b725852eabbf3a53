/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share, and those that have a file of their own. */
#ifndef AGENT_CLI_COMMON_H
#define AGENT_CLI_COMMON_H

#include <stdio.h>

#include "agent/agent_conf.h"
#include "agent/cli_args.h"

/* Writes the text and frees it. */
void cli_print(FILE *to, struct buf *text);
/* Says what went wrong on stderr; returns 1. */
int cli_fail(const struct err *err);
/* As cli_fail(), for what the user got wrong: EXIT_WRONG. */
int cli_wrong(const struct err *err);

/* NULL when it is wrong: every error has been printed then. path: NULL is the default one. */
struct config *cli_load(const char *path, bool with_notices);
/* The same arguments; without --config, a first operand that ends in .yaml or .yml is one. */
struct cli_args cli_with_config(const struct cli_args *args);

struct control_answer;
/* Where the running agent listens: --socket, or what the configuration says. */
int cli_socket(const struct cli_args *args, struct buf *ret, struct err *err) MUST_USE;
/* Asks it: control_ask() there. */
int cli_ask(const struct cli_args *args, const char *method, const char *target, int timeout_ms,
	    struct control_answer *ret, struct err *err) MUST_USE;

/* Opens what an operand means: a path, or stdin for NULL and "-". Negative with err. */
int cli_open(const char *path, struct err *err);
/* Is stdout for somebody who wants to see colours? */
bool cli_is_coloured(void);

int cli_doctor(const struct cli_args *args);
int cli_dry_run(const struct cli_args *args);
int cli_explain(const struct cli_args *args);
int cli_redact(const struct cli_args *args);
int cli_status(const struct cli_args *args);
int cli_reload(const struct cli_args *args);
int cli_top(const struct cli_args *args);
int cli_tap(const struct cli_args *args);
int cli_test(const struct cli_args *args);
int cli_dead_letters(const struct cli_args *args);

#endif
