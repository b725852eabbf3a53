/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share: loading with all errors said, and the like. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "agent/registry.h"

void cli_print(FILE *to, struct buf *text)
{
	if (text->n)
		fwrite(text->p, 1, text->n, to);
	buf_fini(text);
}

int cli_fail(const struct err *err)
{
	fprintf(stderr, "tailrace: %s%s%s\n", err->where, err->where[0] ? ": " : "", err->text);
	return 1;
}

int cli_wrong(const struct err *err)
{
	cli_fail(err);
	return EXIT_WRONG;
}

struct config *cli_load(const char *path, bool with_notices)
{
	size_t nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	struct config *c =
		config_load(path ? path : AGENT_CONF_DEFAULT_PATH, NULL, plugins, nplugins);
	struct buf text = BUF_INIT;
	size_t errors = conf_error_count(c->doc);

	conf_errors_print(c->doc, &text, false);
	cli_print(stderr, &text);
	if (errors) {
		fprintf(stderr, "tailrace: %zu error%s in the configuration, nothing was started\n",
			errors, errors == 1 ? "" : "s");
		config_free(c);
		return NULL;
	}
	if (with_notices && conf_notice_count(c->doc)) {
		text = BUF_INIT;
		conf_errors_print(c->doc, &text, true);
		fputs("For your information:\n", stderr);
		cli_print(stderr, &text);
	}
	return c;
}

struct cli_args cli_with_config(const struct cli_args *args)
{
	struct cli_args a = *args;
	struct str first = str_c(a.nrest ? a.rest[0] : "");

	if (a.config || (!str_ends(first, STR(".yaml")) && !str_ends(first, STR(".yml"))))
		return a;
	a.config = a.rest[0];
	a.nrest--;
	memmove(a.rest, a.rest + 1, (size_t)a.nrest * sizeof(*a.rest));
	a.rest[a.nrest] = NULL;
	return a;
}

int cli_open(const char *path, struct err *err)
{
	int fd;

	if (!path || !strcmp(path, "-"))
		return STDIN_FILENO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, errno, "cannot open %s", path) : fd;
}

bool cli_is_coloured(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}
