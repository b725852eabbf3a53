/* SPDX-License-Identifier: Apache-2.0 */
/* The commands. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/agent_conf.h"
#include "agent/cli.h"
#include "agent/cli_common.h"
#include "agent/conf_doc.h"
#include "agent/doc_cli.h"
#include "agent/positions_cli.h"
#include "agent/quickstart.h"
#include "agent/registry.h"
#include "lib/log.h"

#define FLAG(member, value_name, text)                                                             \
	{                                                                                          \
#member, value_name, offsetof(struct cli_args, member), text                       \
	}
#define CONFIG_FLAG                                                                                \
	FLAG(config, "FILE|DIR", "main file, or its folder (default " AGENT_CONF_DEFAULT_PATH ")")

/* ---- configuration ---- */

static int cmd_run(const struct cli_args *args)
{
	struct buf quickstart = BUF_INIT;
	struct err err = ERR_NONE;
	const char *path;
	struct config *c;
	int rc;

	agent_expect_stop();
	if (args->quickstart && quickstart_prepare(&quickstart, &err)) {
		buf_fini(&quickstart);
		return cli_fail(&err);
	}
	path = args->config ? args->config : args->quickstart ? buf_cstr(&quickstart) : NULL;
	c = cli_load(path, true);
	if (!c) {
		buf_fini(&quickstart);
		return EXIT_WRONG;
	}
	log_setup(c->agent.log.level, c->agent.log.format);
	rc = agent_run(c, path ? path : AGENT_CONF_DEFAULT_PATH, &err);
	buf_fini(&quickstart);
	if (rc && err.text[0])
		cli_fail(&err);
	config_free(c);
	return rc;
}

static int cmd_check(const struct cli_args *args)
{
	struct config *c = cli_load(args->config, true);
	struct err err = ERR_NONE;
	int rc;

	if (!c)
		return EXIT_WRONG;
	rc = agent_check(&c->plan, &err) < 0 ? EXIT_WRONG : 0;
	if (rc)
		cli_fail(&err);
	else
		printf("The configuration is fine: %zu file%s, %zu input%s, %zu pipeline%s, %zu "
		       "output%s.\n",
		       c->files.n, c->files.n == 1 ? "" : "s", c->plan.ninputs,
		       c->plan.ninputs == 1 ? "" : "s", c->plan.npipelines,
		       c->plan.npipelines == 1 ? "" : "s", c->plan.noutputs,
		       c->plan.noutputs == 1 ? "" : "s");
	config_free(c);
	return rc;
}

static int cmd_config(const struct cli_args *args)
{
	struct config *c = cli_load(args->config, false);
	struct buf text = BUF_INIT;

	if (!c)
		return EXIT_WRONG;
	config_render(c, &text, !args->plain);
	cli_print(stdout, &text);
	config_free(c);
	return 0;
}

/* ---- positions ---- */

static const struct {
	const char *name;
	int (*run)(const struct positions_args *args, struct err *err);
} positions_actions[] = {
	{ "list", positions_cli_list },
	{ "set", positions_cli_set },
	{ "forget", positions_cli_forget },
};

static const char *nth_action(const void *unused, size_t i)
{
	(void)unused;
	return i < ARRAY_LEN(positions_actions) ? positions_actions[i].name : NULL;
}

/* What each of them needs, said before anything is looked at. */
static int check_positions(const struct cli_args *args, const char *action, struct err *err)
{
	const char *format = args->format ? args->format : "text";

	if (strcmp(format, "text") && strcmp(format, "json"))
		return err_set(err, -EINVAL, "--format is text or json, not '%s'", format);
	if (!strcmp(action, "set") && (args->nrest < 2 || !args->offset))
		return err_set(err, -EINVAL,
			       "which file, and where to: positions set FILE --offset N, "
			       "beginning or end");
	if (!strcmp(action, "forget") && args->nrest < 2 && !args->input)
		return err_set(err, -EINVAL, "say what to forget: a path, a pattern, or --input");
	return 0;
}

static int positions_at(const struct cli_args *args, const char *state_dir, size_t action)
{
	struct positions_args positions = { .state_dir = state_dir,
					    .path = args->nrest > 1 ? args->rest[1] : NULL,
					    .input = args->input,
					    .offset = args->offset,
					    .as_json =
						    args->format && !strcmp(args->format, "json"),
					    .is_dry_run = args->dry_run };
	struct err err = ERR_NONE;
	int rc = positions_actions[action].run(&positions, &err);

	fflush(stdout);
	if (rc)
		cli_fail(&err);
	return rc;
}

static int cmd_positions(const struct cli_args *args)
{
	const char *name = args->nrest ? args->rest[0] : "list", *nearest;
	struct err err = ERR_NONE;
	struct config *c;
	size_t i = 0;
	int rc;

	while (i < ARRAY_LEN(positions_actions) && strcmp(positions_actions[i].name, name))
		i++;
	if (i == ARRAY_LEN(positions_actions)) {
		nearest = conf_nearest(str_c(name), nth_action, NULL);
		err_set(&err, -EINVAL, "positions can list, set and forget, not '%s'%s%s%s", name,
			nearest ? " (did you mean '" : "", nearest ? nearest : "",
			nearest ? "'?)" : "");
	}
	if (err.code || check_positions(args, name, &err)) {
		cli_fail(&err);
		return EXIT_WRONG;
	}
	if (args->state_dir)
		return positions_at(args, args->state_dir, i);
	c = cli_load(args->config, false);
	if (!c)
		return EXIT_WRONG;
	rc = positions_at(args, c->plan.state_dir, i);
	config_free(c);
	return rc;
}

static int cmd_version(const struct cli_args *args)
{
	(void)args;
	puts("tailrace " TAILRACE_VERSION);
	return 0;
}

static int cmd_help(const struct cli_args *args);

/* ---- the table ---- */

static const struct cli_flag run_flags[] = {
	CONFIG_FLAG,
	FLAG(quickstart, NULL, "with the demo folder and conf.d/quickstart.yaml"),
	{ 0 },
};
static const struct cli_flag check_flags[] = { CONFIG_FLAG, { 0 } };
static const struct cli_flag config_flags[] = {
	CONFIG_FLAG,
	FLAG(plain, NULL, "without the comments that say where values came from"),
	{ 0 },
};
static const struct cli_flag dry_run_flags[] = {
	CONFIG_FLAG,
	FLAG(pipeline, "NAME", "which pipeline, when there are several"),
	FLAG(input, "NAME", "from which input the lines seem to come"),
	FLAG(inputs, NULL, "read the files of the pipeline's first input, or of --input, once"),
	FLAG(limit, "N", "stop after so many lines"),
	FLAG(format, "text|json", "how records are printed (default text)"),
	FLAG(quiet, NULL, "print no records, only the summary"),
	{ 0 },
};
static const struct cli_flag explain_flags[] = {
	CONFIG_FLAG,
	FLAG(pipeline, "NAME", "which pipeline, when there are several"),
	FLAG(input, "NAME", "from which input the lines seem to come (default the first)"),
	FLAG(labels, "A=B,..", "labels over those of the input"),
	FLAG(json, NULL, "one JSON object a record"),
	{ 0 },
};
static const struct cli_flag positions_flags[] = {
	CONFIG_FLAG,
	{ "state-dir", "DIR", offsetof(struct cli_args, state_dir),
	  "instead of the one the configuration names" },
	FLAG(input, "NAME", "only of this input; needed to set a file no input has met"),
	FLAG(offset, "N", "set: bytes, `beginning` or `end`; moved back to where a line begins"),
	{ "dry-run", NULL, offsetof(struct cli_args, dry_run), "say what would be changed" },
	FLAG(format, "text|json", "list: how it is printed (default text)"),
	{ 0 },
};
static const struct cli_flag redact_flags[] = {
	CONFIG_FLAG,
	FLAG(pipeline, "NAME", "whose redact stages, when there are several pipelines"),
	FLAG(explain, NULL, "say which detector finds something where, and how often"),
	FLAG(json, NULL, "with --explain: one JSON object a hit"),
	{ 0 },
};
static const struct cli_flag test_flags[] = {
	CONFIG_FLAG,
	FLAG(run, "NAME", "only this test"),
	FLAG(junit, "FILE", "write a report in JUnit's XML, too"),
	{ 0 },
};
static const struct cli_flag dead_letters_flags[] = {
	CONFIG_FLAG,
	FLAG(format, "text|json", "list: how they are printed (default text)"),
	{ 0 },
};
static const struct cli_flag doctor_flags[] = {
	CONFIG_FLAG,
	FLAG(user, "NAME", "whom the service runs as (default: the running agent's, or tailrace)"),
	FLAG(json, NULL, "one JSON object a check"),
	{ 0 },
};
#define SOCKET_FLAG                                                                                \
	FLAG(socket, "PATH", "the agent's control socket (default: of the configuration)")
static const struct cli_flag status_flags[] = {
	CONFIG_FLAG,
	SOCKET_FLAG,
	FLAG(json, NULL, "everything as one JSON object"),
	{ 0 },
};
static const struct cli_flag top_flags[] = {
	CONFIG_FLAG,
	SOCKET_FLAG,
	FLAG(interval, "TIME", "between two looks (default 2s)"),
	FLAG(once, NULL, "one look, as `status`"),
	{ 0 },
};
static const struct cli_flag tap_flags[] = {
	CONFIG_FLAG,
	SOCKET_FLAG,
	FLAG(pipeline, "NAME", "which pipeline, when there are several"),
	FLAG(stage, "N|NAME",
	     "which stage, by the number that `status` shows, or by name (default: the "
	     "whole pipeline)"),
	FLAG(before, NULL, "what goes in, not what comes out"),
	FLAG(rate, "N", "records a second at most, 1 to 1000 (default 10)"),
	FLAG(limit, "N", "stop after so many records"),
	FLAG(json, NULL, "one JSON object a record"),
	{ 0 },
};
static const struct cli_flag reload_flags[] = { CONFIG_FLAG, SOCKET_FLAG, { 0 } };
static const struct cli_flag no_flags[] = { { 0 } };

static const struct cli_command commands[] = {
	{ "run", "", "start the agent", run_flags, 0, cmd_run },
	{ "check", "", "say everything that is wrong with a configuration", check_flags, 0,
	  cmd_check },
	{ "config", "", "print the values in force, and where each came from", config_flags, 0,
	  cmd_config },
	{ "doctor", "[CONFIG.yaml]",
	  "look for what will go wrong on this machine, and say what to type", doctor_flags, 1,
	  cli_doctor },
	{ "dry-run", "[CONFIG.yaml] [FILE...|-]",
	  "send any amount of lines through one pipeline; the result, and a summary of it",
	  dry_run_flags, CLI_REST_MAX, cli_dry_run },
	{ "explain", "[CONFIG.yaml] [LINE...|-]",
	  "show what each stage of a pipeline does to a line; secrets are hidden", explain_flags,
	  CLI_REST_MAX, cli_explain },
	{ "positions", "[list|set|forget] [FILE|PATTERN]",
	  "how far files are read; with the agent stopped, change that", positions_flags, 2,
	  cmd_positions },
	{ "redact", "[CONFIG.yaml] [FILE|-]",
	  "remove secrets from a file or stdin, as the stage does; or say where they are",
	  redact_flags, 2, cli_redact },
	{ "status", "", "what the running agent does: rates, lag, what is held, what was dropped",
	  status_flags, 0, cli_status },
	{ "top", "", "the same, again and again", top_flags, 0, cli_top },
	{ "tap", "", "look at some of the records that pass a stage, as redaction leaves them",
	  tap_flags, 0, cli_tap },
	{ "reload", "",
	  "the running agent takes its changed configuration; a wrong one changes nothing",
	  reload_flags, 0, cli_reload },
	{ "test", "[CONFIG.yaml]", "run the `tests` of a configuration", test_flags, 1, cli_test },
	{ "dead-letters", "[list|replay] [OUTPUT]",
	  "what Loki refused for good; replay sends it again, and keeps what is refused again",
	  dead_letters_flags, 2, cli_dead_letters },
	{ "help", "[NAME]", "this text; or about a command, an input, a stage or an output",
	  no_flags, 1, cmd_help },
	{ "version", "", "print the version", no_flags, 0, cmd_version },
};

static const char *nth_command(const void *unused, size_t i)
{
	(void)unused;
	return i < ARRAY_LEN(commands) ? commands[i].name : NULL;
}

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* ---- help ---- */

static void help_command(struct buf *out, const struct cli_command *command)
{
	buf_printf(out, "tailrace %s%s%s%s: %s\n", command->name,
		   command->flags->name ? " [flags]" : "", command->operands[0] ? " " : "",
		   command->operands, command->summary);
	for (const struct cli_flag *f = command->flags; f->name; f++) {
		char head[64];

		snprintf(head, sizeof(head), "--%s%s%s", f->name, f->value ? " " : "",
			 f->value ? f->value : "");
		buf_printf(out, "  %-22s %s\n", head, f->help);
	}
}

static void help_kind(struct buf *out, const char *title, enum conf_plugin_kind kind,
		      const struct conf_plugin *plugins, size_t n)
{
	buf_printf(out, "\n%s:\n", title);
	for (size_t i = 0; i < n; i++)
		if (plugins[i].kind == kind)
			buf_printf(out, "  %-22s %s\n", plugins[i].name, plugins[i].summary);
}

static void help_all(struct buf *out)
{
	size_t n;
	const struct conf_plugin *plugins = registry(&n);

	buf_c(out, "tailrace takes logs in, cleans them and pushes them to Grafana Loki.\n\n"
		   "Commands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		buf_printf(out, "  %-22s %s\n", commands[i].name, commands[i].summary);
	help_kind(out, "Inputs", CONF_INPUT, plugins, n);
	help_kind(out, "Stages", CONF_STAGE, plugins, n);
	help_kind(out, "Outputs", CONF_OUTPUT, plugins, n);
	buf_c(out, "\nMore: tailrace help <name>; tailrace help agent for the top-level options, "
		   "pipeline and tests\nfor those. To begin with: tailrace run --quickstart\n");
}

struct topics {
	const struct conf_plugin *plugins;
	size_t n;
};

/* What help knows besides commands and plugins. */
static const char *const own_topics[] = { "agent", "pipeline", "tests", NULL };

static const char *nth_topic(const void *ctx, size_t i)
{
	const struct topics *topics = ctx;

	if (i < ARRAY_LEN(commands))
		return commands[i].name;
	i -= ARRAY_LEN(commands);
	if (i < topics->n)
		return topics->plugins[i].name;
	i -= topics->n;
	return i < ARRAY_LEN(own_topics) ? own_topics[i] : NULL;
}

/* Everything of that name. */
static void help_topic(struct buf *out, const char *name, const struct topics *topics)
{
	static const enum conf_plugin_kind kinds[] = { CONF_INPUT, CONF_STAGE, CONF_OUTPUT };
	const struct cli_command *command = find_command(name);

	if (command)
		help_command(out, command);
	if (!strcmp(name, "agent"))
		conf_doc_help_table(out, &agent_conf_table, 0);
	if (!strcmp(name, "pipeline"))
		conf_doc_help_table(out, &pipeline_conf_table, 0);
	if (!strcmp(name, "tests"))
		conf_doc_help_table(out, &test_conf_table, 0);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct conf_plugin *plugin =
			conf_plugin_find(topics->plugins, topics->n, kinds[i], str_c(name));

		if (!plugin)
			continue;
		if (out->n)
			buf_ch(out, '\n');
		conf_doc_help(out, plugin);
	}
}

static int cmd_help(const struct cli_args *args)
{
	struct buf out = BUF_INIT;
	struct topics topics;
	const char *nearest;

	topics.plugins = registry(&topics.n);
	if (args->nrest == 0)
		help_all(&out);
	else
		help_topic(&out, args->rest[0], &topics);
	if (out.n) {
		cli_print(stdout, &out);
		return 0;
	}
	nearest = conf_nearest(str_c(args->rest[0]), nth_topic, &topics);
	fprintf(stderr, "tailrace: nothing is called '%s'", args->rest[0]);
	if (nearest)
		fprintf(stderr, " (did you mean '%s'?)", nearest);
	fputs("; `tailrace help` lists what there is\n", stderr);
	return EXIT_WRONG;
}

static int unknown_command(const char *name)
{
	const char *nearest = conf_nearest(str_c(name), nth_command, NULL);

	fprintf(stderr, "tailrace: there is no command '%s'", name);
	if (nearest)
		fprintf(stderr, " (did you mean '%s'?)", nearest);
	fputs("; `tailrace help` lists them\n", stderr);
	return EXIT_WRONG;
}

void cli_describe(struct doc_cli *ret)
{
	*ret = (struct doc_cli){ .commands = commands,
				 .ncommands = ARRAY_LEN(commands),
				 .topics = own_topics };
	ret->plugins = registry(&ret->nplugins);
}

int cli_main(int argc, char **argv)
{
	const struct cli_command *command;
	struct err err = ERR_NONE;
	struct cli_args args;
	const char *name = argc > 1 ? argv[1] : "help";

	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	else if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	command = find_command(name);
	if (!command)
		return unknown_command(name);
	if (cli_parse(command, argc - 2, argv + 2, &args, &err)) {
		cli_fail(&err);
		fprintf(stderr, "`tailrace help %s` says what it takes\n", name);
		return EXIT_WRONG;
	}
	if (args.help) {
		struct buf out = BUF_INIT;

		help_command(&out, command);
		cli_print(stdout, &out);
		return 0;
	}
	return command->run(&args);
}
