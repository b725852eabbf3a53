/* SPDX-License-Identifier: Apache-2.0 */
/* The command `explain`: its operands and flags. */
#include <errno.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "agent/explain.h"

/* "a=b,c=d". */
static int parse_labels(const char *text, struct explain_args *ret, struct label *labels,
			struct err *err)
{
	struct str rest = str_c(text);

	while (rest.n) {
		struct str value = str_cut(&rest, ','), name = str_cut(&value, '=');

		if (!value.p || !label_name_is_valid(name) || ret->nlabels == LABELS_MAX)
			return err_set(err, -EINVAL,
				       "--labels is a list like level=info,team=a, not '%s'", text);
		labels[ret->nlabels++] = (struct label){ name, value };
	}
	ret->labels = labels;
	return 0;
}

/* The operands, or what stdin has. */
static int read_lines(const struct cli_args *args, struct buf *ret, struct err *err)
{
	if (args->nrest == 0 || (args->nrest == 1 && !strcmp(args->rest[0], "-")))
		return offline_read(STDIN_FILENO, EXPLAIN_INPUT_MAX, ret, err);
	for (int i = 0; i < args->nrest; i++) {
		if (i)
			buf_ch(ret, '\n');
		buf_c(ret, args->rest[i]);
	}
	return 0;
}

static int run(const struct cli_args *args, const struct config *c)
{
	struct explain_args ex = { .as_json = args->json, .is_coloured = cli_is_coloured() };
	struct label labels[LABELS_MAX];
	struct buf lines = BUF_INIT, out = BUF_INIT;
	struct err err = ERR_NONE;
	int rc;

	if (offline_find(c, args->pipeline, args->input, &ex.way, &err) ||
	    parse_labels(args->labels ? args->labels : "", &ex, labels, &err))
		return cli_wrong(&err);
	rc = read_lines(args, &lines, &err);
	if (rc == 0)
		rc = explain(c, &ex, buf_as_str(&lines), &out, &err);
	cli_print(stdout, &out);
	buf_fini(&lines);
	return rc ? cli_fail(&err) : 0;
}

int cli_explain(const struct cli_args *given)
{
	struct cli_args args = cli_with_config(given);
	struct config *c = cli_load(args.config, false);
	int rc = c ? run(&args, c) : EXIT_WRONG;

	config_free(c);
	return rc;
}
