/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace reload`: the running agent reads its configuration anew. */
#include <errno.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "agent/control_client.h"
#include "agent/registry.h"

#define TIMEOUT_MS 120000 /* it waits for one that is under way */

int cli_reload(const struct cli_args *args)
{
	struct control_answer answer = { 0 };
	struct config *c = NULL;
	struct err err = ERR_NONE;
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	const char *path = args->socket;
	int rc;

	/* What is wrong in it the agent says, and counts. */
	if (!path) {
		c = config_load(args->config ? args->config : AGENT_CONF_DEFAULT_PATH, NULL,
				plugins, nplugins);
		path = c->plan.admin_socket;
	}
	rc = path ? control_ask(path, "POST", "/reload", TIMEOUT_MS, &answer, &err)
		  : err_set(&err, -ENOENT, "admin.socket is none");
	config_free(c);
	if (rc < 0)
		return cli_fail(&err);
	if (answer.status == 200) {
		cli_print(stdout, &answer.body);
		return 0;
	}
	cli_print(stderr, &answer.body);
	fputs("tailrace: nothing was changed\n", stderr);
	return EXIT_WRONG;
}
