/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

/* Exit codes: 0 fine, 1 could not do it, 2 the configuration or the command line is wrong. */
#define EXIT_WRONG 2

/* Runs the command that argv names and returns the exit code of the program. */
int cli_main(int argc, char **argv);

/* What there is, for documents. */
struct doc_cli;
void cli_describe(struct doc_cli *ret);

#endif
