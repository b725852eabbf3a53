/* SPDX-License-Identifier: Apache-2.0 */
/* The command `redact`. */
#include <errno.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "agent/offline.h"
#include "agent/redact_tool.h"

static int run(const struct cli_args *args, const struct conf_stages *stages)
{
	struct err err = ERR_NONE;
	int fd = cli_open(args->nrest ? args->rest[0] : NULL, &err), rc;

	if (fd < 0)
		return cli_fail(&err);
	rc = args->explain ? redact_tool_explain(stages, fd, args->json, stdout, &err)
			   : redact_tool_filter(stages, fd, stdout, &err);
	if (fd != STDIN_FILENO)
		close(fd);
	return rc ? cli_fail(&err) : 0;
}

static int run_configured(const struct cli_args *args, struct config *c)
{
	struct conf_stages stages;
	struct err err = ERR_NONE;
	struct offline_way way;

	if (offline_find(c, args->pipeline, NULL, &way, &err))
		return cli_wrong(&err);
	if (!redact_tool_find(c->doc, c->plan.pipelines[way.pipeline].stages, &stages)) {
		err_set(&err, -ENOENT, "the pipeline '%s' has no stage redact",
			c->plan.pipelines[way.pipeline].name);
		return cli_wrong(&err);
	}
	return run(args, &stages);
}

int cli_redact(const struct cli_args *given)
{
	struct cli_args args = cli_with_config(given);
	int rc;

	if (args.config || args.pipeline) {
		struct config *c = cli_load(args.config, false);

		rc = c ? run_configured(&args, c) : EXIT_WRONG;
		config_free(c);
	} else {
		struct conf_doc *doc = conf_doc_new();
		struct conf_stages stages;

		redact_tool_default(doc, &stages);
		rc = run(&args, &stages);
		conf_doc_free(doc);
	}
	return rc;
}
