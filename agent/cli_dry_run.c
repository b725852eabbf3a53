/* SPDX-License-Identifier: Apache-2.0 */
/* The command `dry-run`. */
#include <errno.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "agent/dry_run.h"

/* What the flags mean, as far as no configuration is needed. */
static int read_flags(const struct cli_args *args, struct dry_run_args *ret, struct err *err)
{
	const char *format = args->format ? args->format : "text";

	if (strcmp(format, "text") && strcmp(format, "json"))
		return err_set(err, -EINVAL, "--format is text or json, not '%s'", format);
	if (args->limit && (!str_u64(str_c(args->limit), &ret->limit) || !ret->limit))
		return err_set(err, -EINVAL, "--limit is a number of lines, not '%s'", args->limit);
	if (args->inputs && args->nrest)
		return err_set(err, -EINVAL, "either files or --inputs");
	*ret = (struct dry_run_args){ .limit = ret->limit,
				      .has_input = args->input != NULL,
				      .reads_input = args->inputs,
				      .paths = args->rest,
				      .npaths = args->nrest,
				      .as_json = !strcmp(format, "json"),
				      .is_quiet = args->quiet,
				      .summary = stderr };
	return 0;
}

int cli_dry_run(const struct cli_args *given)
{
	struct cli_args args = cli_with_config(given);
	struct dry_run_args dry = { 0 };
	struct err err = ERR_NONE;
	struct config *c;
	int rc;

	if (read_flags(&args, &dry, &err))
		return cli_wrong(&err);
	c = cli_load(args.config, false);
	if (!c)
		return EXIT_WRONG;
	if (offline_find(c, args.pipeline, args.input, &dry.way, &err))
		rc = cli_wrong(&err);
	else
		rc = agent_dry_run(c, &dry, &err) < 0 ? cli_fail(&err) : 0;
	config_free(c);
	return rc;
}
