/* SPDX-License-Identifier: Apache-2.0 */
/* The whole configuration: the agent's own options, named inputs, outputs and pipelines, checked and
 * resolved into the plan the agent is built from. */
#ifndef AGENT_AGENT_CONF_H
#define AGENT_AGENT_CONF_H

#include "agent/agent.h"
#include "agent/conf_env.h"
#include "agent/conf_test.h"
#include "lib/conf.h"
#include "lib/log.h"

#define AGENT_CONF_DEFAULT_PATH "/etc/tailrace/tailrace.yaml"

struct agent_log_conf {
	enum log_level level;
	enum log_format format;
};

struct agent_admin_conf {
	struct conf_addr listen;
	struct str socket, group;
};

/* Top-level options. */
struct agent_conf {
	unsigned threads;
	size_t memory_bytes;
	struct str state_dir;
	struct str hostname;
	int64_t shutdown_timeout_ns;
	struct agent_log_conf log;
	struct agent_admin_conf admin;
	struct conf_list include;
	const struct conf_node *inputs, *outputs, *pipelines, *tests;
};
extern const struct conf_table agent_conf_table;

/* Options every input, output and pipeline has. */
struct item_conf {
	struct str type;
	bool enabled;
	unsigned when_full; /* outputs: enum when_full */
};
enum when_full { WHEN_FULL_UNSET, WHEN_FULL_BLOCK, WHEN_FULL_DROP };
extern const struct conf_table input_item_table, output_item_table;

struct pipeline_conf {
	bool enabled;
	struct conf_list from, to;
	struct conf_stages stages;
	unsigned max_streams, max_labels, max_label_values;
	int64_t label_window_ns;
};
extern const struct conf_table pipeline_conf_table;

/* One named input or output. plugin is NULL when its type was not understood. */
struct config_item {
	const char *name;
	const struct conf_node *node;
	const struct conf_plugin *plugin;
	struct item_conf item;
	void *conf;
	bool is_used;      /* by an enabled pipeline */
	size_t plan_index; /* when used */
};

struct config_pipeline {
	const char *name;
	const struct conf_node *node;
	struct pipeline_conf conf;
};

struct config_test {
	const char *name;
	const struct conf_node *node;
	uint32_t line, col; /* of its name */
	struct test_conf conf;
};

/* One generation of the configuration. Whoever uses something of it holds a reference; config_free() gives
 * one back, and the last frees all, the plan included. One thread. */
struct config {
	unsigned magic, refs;
	struct conf_doc *doc; /* errors and notices are here */
	struct conf_list files;
	struct conf_node *root;
	struct agent_conf agent;
	struct config_item *inputs, *outputs;
	struct config_pipeline *pipelines;
	struct config_test *tests;
	size_t ninputs, noutputs, npipelines, ntests;
	struct plan plan; /* filled when there were no errors */
};

/* Loads, checks everything and resolves names. Never NULL: the caller looks at
 * conf_error_count(c->doc). env may be NULL (the environment); plugins must outlive the config. */
struct config *config_load(const char *path, const struct conf_env *env,
			   const struct conf_plugin *plugins, size_t nplugins);
struct config *config_keep(struct config *c); /* another reference */
void config_free(struct config *c);

/* The effective configuration as YAML; with_origin: where each value came from, as a comment.
 * Secrets are not in it. */
void config_render(const struct config *c, struct buf *out, bool with_origin);

#endif
