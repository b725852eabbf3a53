/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages and shell completion, made from the table of commands and the option tables. packaging/man and
 * packaging/completion are what these functions write; a test fails when they are not. */
#ifndef AGENT_DOC_CLI_H
#define AGENT_DOC_CLI_H

#include "agent/cli_args.h"
#include "lib/buf.h"
#include "lib/conf.h"

struct doc_cli {
	const struct cli_command *commands;
	size_t ncommands;
	const struct conf_plugin *plugins;
	size_t nplugins;
	const char *const *topics; /* of `help`, besides the names above; NULL ends them */
};

/* tailrace(1) and tailrace.yaml(5), in man(7). */
void doc_man_program(struct buf *out, const struct doc_cli *doc);
void doc_man_conf(struct buf *out, const struct doc_cli *doc);

void doc_completion_bash(struct buf *out, const struct doc_cli *doc);
void doc_completion_zsh(struct buf *out, const struct doc_cli *doc);
void doc_completion_fish(struct buf *out, const struct doc_cli *doc);

#endif
