/* SPDX-License-Identifier: Apache-2.0 */
/* The running agent: builds threads and wiring from a plan, runs until it is told to stop, drains. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "inputs/input.h"
#include "lib/conf.h"
#include "outputs/output.h"

/* What the configuration says, names resolved. */
struct plan_input {
	const char *name;
	const struct input_ops *ops;
	const void *conf;
	const struct conf_stages
		*stages; /* of its own options, in front of the pipeline's; or NULL */
};

struct plan_output {
	const char *name;
	const struct output_ops *ops;
	const void *conf;
	bool is_blocking; /* when_full: block */
};

struct plan_pipeline {
	const char *name;
	size_t nfrom, nto;
	const size_t *from; /* indices into inputs; an input feeds one pipeline */
	const size_t *to;   /* indices into outputs */
	const struct conf_stages *stages;
	size_t max_streams;
	struct label_limits label_limits;
};

struct config;

struct plan {
	const struct config *config; /* it is of; NULL in tests */
	unsigned threads;
	size_t memory_bytes; /* of the whole process, 24 MiB or more */
	const char *state_dir;
	const char *hostname;
	struct conf_addr admin;   /* scheme 0: none */
	const char *admin_socket; /* NULL: none */
	const char *admin_group;  /* may use it, too; or NULL */
	int64_t shutdown_timeout_ns;
	size_t ninputs, noutputs, npipelines;
	const struct plan_input *inputs;
	const struct plan_output *outputs;
	const struct plan_pipeline *pipelines;
};

/* From here until agent_run() watches for them, SIGTERM and SIGINT end the process with 0: nothing has been started.
 * The first thing `run` does. */
void agent_expect_stop(void);

struct config;

/* Runs until SIGTERM or SIGINT and a drain. path: where SIGHUP reads a new configuration, see reload.h. Returns the
 * exit code: 0; 1 when it could not start (err says why). */
int agent_run(struct config *config, const char *path, struct err *err);

/* Opens everything that can fail without touching sockets or state: stages, patterns. */
int agent_check(const struct plan *plan, struct err *err);

#endif
