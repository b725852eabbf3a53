/* SPDX-License-Identifier: Apache-2.0 */
/* The options that belong to no plugin. */
#include "agent/agent_conf.h"

static const struct conf_enum levels[] = {
	{ "debug", LOG_LVL_DEBUG, NULL },
	{ "info", LOG_LVL_INFO, NULL },
	{ "warn", LOG_LVL_WARN, NULL },
	{ "error", LOG_LVL_ERROR, NULL },
	{ 0 },
};

static const struct conf_enum formats[] = {
	{ "logfmt", LOG_LOGFMT, NULL },
	{ "json", LOG_JSON, NULL },
	{ 0 },
};

static const struct conf_field log_fields[] = {
	CONF_ENUM(struct agent_log_conf, level, "info", levels, "What is worth a line."),
	CONF_ENUM(struct agent_log_conf, format, "logfmt", formats, "How the lines are written."),
};
static const struct conf_table log_table = CONF_TABLE(struct agent_log_conf, log_fields);

static const struct conf_field admin_fields[] = {
	CONF_ADDR(struct agent_admin_conf, listen, "127.0.0.1:9099", CONF_TCP,
		  "Where `/metrics`, `/ready` and `/healthz` are served over HTTP, and to this "
		  "machine a page at `/`; `none` for nowhere."),
	CONF_STR(struct agent_admin_conf, socket, "control.sock",
		 "Unix socket of `tailrace status`, `top`, `tap` and `reload`; relative to "
		 "`state_dir`, `none` for nowhere. Root and the user of the agent may use it.",
		 .flags = CONF_NONEMPTY),
	CONF_STR(struct agent_admin_conf, group, NULL,
		 "Members of this group may use the socket as well. It then has to be in a folder "
		 "that they can enter, which `state_dir` is not.",
		 .flags = CONF_NONEMPTY, .example = "adm"),
};
static const struct conf_table admin_table = CONF_TABLE(struct agent_admin_conf, admin_fields);

static const struct conf_field agent_fields[] = {
	CONF_INT(struct agent_conf, threads, "1", "1", "64",
		 "Threads that run pipelines. 1: one thread reads and processes. More: that many "
		 "lanes beside the reading thread; records of one source stay in order."),
	CONF_SIZE(struct agent_conf, memory_bytes, "32MiB", "24MiB", "64GiB",
		  "Memory of the whole process: 21 MiB are its own, what is above holds records on "
		  "their way. When it is used up, files and connections are not read further.",
		  .key = "memory"),
	CONF_STR(struct agent_conf, state_dir, "/var/lib/tailrace",
		 "Folder for what must survive a restart: positions of files, refused records.",
		 .flags = CONF_NONEMPTY),
	CONF_STR(struct agent_conf, hostname, NULL,
		 "Value of the default label `host`. Without it the name of the machine.",
		 .flags = CONF_NONEMPTY, .example = "web1"),
	CONF_TIME(struct agent_conf, shutdown_timeout_ns, "10s", "0", "1h",
		  "How long a stop waits for outputs to take what is held.",
		  .key = "shutdown_timeout"),
	CONF_SECTION(struct agent_conf, log, struct agent_log_conf, &log_table,
		     "The agent's own log, on stderr."),
	CONF_SECTION(struct agent_conf, admin, struct agent_admin_conf, &admin_table,
		     "The operator's ways in: an HTTP port and a unix socket."),
	CONF_LIST(struct agent_conf, include, "[conf.d/*.yaml]",
		  "More files, relative to the main file; `[]` for none. Files of one pattern are "
		  "read "
		  "in the order of their names. Only in the main file."),
	CONF_NODE(struct agent_conf, inputs,
		  "Where records come from: a map from a name to the options of an input, `type` "
		  "among "
		  "them. The name becomes the default label `job`."),
	CONF_NODE(struct agent_conf, outputs,
		  "Where records go: a map from a name to the options of an output, `type` among "
		  "them."),
	CONF_NODE(struct agent_conf, pipelines,
		  "What happens in between: a map from a name to `from`, `stages` and `to`."),
	CONF_NODE(struct agent_conf, tests,
		  "What `tailrace test` tries: a map from a name to records and what must come of "
		  "them. Without effect when the agent runs."),
};
const struct conf_table agent_conf_table = CONF_TABLE(struct agent_conf, agent_fields);

#define ENABLED_TEXT                                                                               \
	"`false` switches it off. `enabled: ${NAME:+true}` switches it on when a variable is set."

static const struct conf_field input_item_fields[] = {
	CONF_STR(struct item_conf, type, NULL, "Which input this is.", .flags = CONF_REQUIRED),
	CONF_BOOL(struct item_conf, enabled, "true", ENABLED_TEXT),
};
const struct conf_table input_item_table = CONF_TABLE(struct item_conf, input_item_fields);

static const struct conf_enum when_full_names[] = {
	{ "block", WHEN_FULL_BLOCK, "stop reading what feeds this output until there is room" },
	{ "drop", WHEN_FULL_DROP, "throw away and count; delivery promises do not wait for it" },
	{ 0 },
};

static const struct conf_field output_item_fields[] = {
	CONF_STR(struct item_conf, type, NULL, "Which output this is.", .flags = CONF_REQUIRED),
	CONF_BOOL(struct item_conf, enabled, "true",
		  ENABLED_TEXT " Pipelines that name it then go without it."),
	CONF_ENUM(struct item_conf, when_full, NULL, when_full_names,
		  "What happens to records this output has no room for. Without it, what suits the "
		  "type: `block` for loki, `drop` for stdout."),
};
const struct conf_table output_item_table = CONF_TABLE(struct item_conf, output_item_fields);

static const struct conf_field pipeline_fields[] = {
	CONF_BOOL(struct pipeline_conf, enabled, "true", ENABLED_TEXT),
	CONF_LIST(struct pipeline_conf, from, NULL,
		  "Names of inputs. An input feeds one pipeline. One that is switched off is left "
		  "out.",
		  .flags = CONF_REQUIRED, .example = "[app]"),
	CONF_STAGES(struct pipeline_conf, stages, "What is done to every record, in this order."),
	CONF_LIST(struct pipeline_conf, to, NULL,
		  "Names of outputs; each gets every record. One that is switched off is left out.",
		  .flags = CONF_REQUIRED, .example = "[loki]"),
	CONF_INT(struct pipeline_conf, max_streams, "5000", "1", "1000000",
		 "Most distinct label sets per thread. Beyond it, labels that stages set become "
		 "structured metadata, so that one exploding label does no harm."),
	CONF_INT(struct pipeline_conf, max_labels, "15", "1", "64",
		 "Most labels of one stream, as Loki's `max_label_names_per_series`. Those that "
		 "come when "
		 "there are as many become structured metadata."),
	CONF_INT(struct pipeline_conf, max_label_values, "2500", "0", "1000000",
		 "Most different values that stages give one label within `label_window`, per "
		 "thread. A "
		 "label with more becomes structured metadata of the same name until the next "
		 "start, "
		 "which is logged, and counted in `tailrace_labels_moved_total`. 0: no limit."),
	CONF_TIME(struct pipeline_conf, label_window_ns, "1h", "1s", "8760h",
		  "See `max_label_values`.", .key = "label_window"),
};
const struct conf_table pipeline_conf_table = CONF_TABLE(struct pipeline_conf, pipeline_fields);
