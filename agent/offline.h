/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline without an agent around it, for the tools: records are given to it as if an input had
 * read them. No input, output, socket or state is touched, and no timer of a stage runs unless there
 * is a loop. */
#ifndef AGENT_OFFLINE_H
#define AGENT_OFFLINE_H

#include "agent/agent_conf.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"

/* Which pipeline, and which of its inputs the records seem to come from. */
struct offline_way {
	size_t pipeline; /* in plan.pipelines */
	size_t from;     /* in its inputs */
};

/* By names, of which both may be NULL: the only pipeline, or the one that the input feeds; the first
 * input. Returns 0 or -EINVAL. */
int offline_find(const struct config *c, const char *pipeline, const char *input,
		 struct offline_way *ret, struct err *err) MUST_USE;
const char *offline_input_name(const struct config *c, struct offline_way way);

struct offline_conf {
	const struct config *config; /* without errors; outlives it */
	struct offline_way way;
	bool has_own_labels; /* those below are all; else those of the input come first */
	const struct label *labels;
	size_t nlabels;
	const struct chain_trace *trace; /* may be NULL */
	struct sink *sink;               /* may be NULL */
	struct loop *loop;               /* may be NULL */
};

struct offline {
	struct input input; /* only its name */
	struct source source;
	struct label labels[LABELS_MAX];
	struct chain *chain;
};

/* Returns 0 or negative; offline_close() takes it in any case. */
int offline_open(struct offline *o, const struct offline_conf *conf, struct err *err) MUST_USE;
/* What stages hold goes on; nothing runs through it any more. Series of the stage metrics are there
 * until it is closed. */
void offline_finish(struct offline *o);
void offline_close(struct offline *o); /* finishes it, too */
/* Another source of the same input, for records of a chain that was opened with its labels; the caller
 * flushes the chain and calls source_fini(). */
void offline_source(struct offline *o, const struct config *c, const struct label *extra,
		    size_t nextra, struct source *ret);

/* The clock of the process stands still at that time, until it runs again. */
void offline_stop_clock(int64_t wall_ns);
void offline_run_clock(void);

/* Reads fd to its end, line by line, "\n" or "\r\n" behind each. What of a line is beyond max_line bytes is
 * left out, and is_cut says so. */
struct offline_reader {
	void *ctx;
	size_t max_line;
	/* False: enough. */
	bool (*line)(void *ctx, struct str line, bool is_cut);
	/* Everything read so far was given to line(). False: enough. May be NULL. */
	bool (*pause)(void *ctx);
};
int offline_lines(int fd, const struct offline_reader *reader, struct err *err) MUST_USE;

/* Reads fd to its end, at most max_bytes; 0 or negative. */
int offline_read(int fd, size_t max_bytes, struct buf *ret, struct err *err) MUST_USE;

#endif
