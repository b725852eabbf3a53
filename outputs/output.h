/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs: one folder each, one const descriptor, listed in agent/registry.c. A lane asks the output
 * to encode each finished batch into a block (on the lane's thread); blocks then travel to the
 * output's own thread, which delivers them and says how every record ended. */
#ifndef OUTPUTS_OUTPUT_H
#define OUTPUTS_OUTPUT_H

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/metric.h"
#include "lib/ring.h"
#include "pipeline/ack.h"
#include "pipeline/batch.h"
#include "pipeline/block.h"
#include "pipeline/budget.h"
#include "pipeline/labels.h"

struct doctor;
struct output;

/* How dead letters ended that were sent again. */
struct replay_sum {
	uint64_t delivered, refused, unreadable;
};

struct output_ops {
	const char *name; /* the configuration's `type` */
	const char *summary;
	const char *doc; /* Markdown below the summary on the reference page; may be NULL */
	const struct conf_table *conf;
	size_t state_size;           /* zeroed */
	bool is_blocking_by_default; /* settles records; else `when_full: drop`, holds no cursor */
	int (*open)(struct output *out, struct err *err);
	void (*start)(struct output *out); /* on the output's thread */
	/* Lane thread, several at once: state is read-only here. Encodes the records of the batch
	 * (dropped ones are gone) into a new block, block_new(). */
	struct block *(*encode)(struct output *out, const struct batch *b, struct arena *scratch);
	/* Output thread: takes over the block. Ends every record of it through block_* below. */
	void (*deliver)(struct output *out, struct block *b);
	/* Output thread: send what is there without lingering; called when draining. */
	void (*flush)(struct output *out);
	/* Output thread, last call: for what could not be delivered in time block_left() and
	 * block_abandon_end(), run by run. Nothing is held afterwards. */
	void (*stop)(struct output *out);
	void (*close)(struct output *out);
	/* A command, without an instance: sends what is in the dead-letter files again and waits for it.
	 * NULL: this output has none. 0, or negative with err. */
	int (*replay)(const char *name, const void *conf, const char *state_dir,
		      struct replay_sum *ret, struct err *err);
	/* What `tailrace doctor` should look at, without an instance: lib/doctor.h. May be NULL. */
	void (*doctor)(struct doctor *d, const char *name, const void *conf);
};

struct output {
	unsigned magic;
	const struct output_ops *ops;
	const char *name;
	const void *conf;
	void *state;
	struct loop *loop;     /* its own thread */
	const char *state_dir; /* for dead letters; exists */
	bool is_blocking;      /* when_full: block */
	struct budget
		*budget; /* with when_full: drop, its own small one; else NULL (the pipeline's) */
	struct held_blocks held; /* held.n: submitted and not freed; 0 = drained */
	struct ring *ports;      /* one per lane */
	uint32_t nlanes;
	struct poller poller;
	struct mail start_mail, flush_mail, stop_mail; /* may all be under way at once */
};
#define OUTPUT_MAGIC 0x007907u

/* Lane thread: hands a block over. */
void output_submit(struct output *out, uint32_t lane, struct block *b);

#endif
