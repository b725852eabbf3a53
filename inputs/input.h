/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs: one folder each, one const descriptor, listed in agent/registry.c. An input makes batches,
 * charged to the budget of its pipeline, gives them to its lane, and hears through acks when they
 * are settled. All callbacks run on the input's loop (the I/O thread); an input may have receiving
 * threads of its own (UDP).
 *
 * How a record gets in:
 *	b = input_batch(in, source, bytes);    NULL: no credit. Stop reading; resume() is called.
 *	r = batch_add(b); r->line = ...; r->time_ns = ...;
 *	ack_init(&mine->ack, in->loop, my_settled); ack_line_add(&source_line, &mine->ack);
 *	mine->ack.replays = true;              when what is not settled will be read or sent again
 *	b->ack = &mine->ack;
 *	input_submit(in, b);                   given away; may already be settled on return
 */
#ifndef INPUTS_INPUT_H
#define INPUTS_INPUT_H

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/metric.h"
#include "pipeline/ack.h"
#include "pipeline/batch.h"
#include "pipeline/budget.h"
#include "pipeline/labels.h"

struct input;
struct doctor;
struct intake;

/* A stage by its name, with the option struct it is to have. */
struct input_stage {
	const char *name;
	const void *conf;
};
#define INPUT_STAGES_MAX 4

struct input_ops {
	const char *name; /* the configuration's `type` */
	const char *summary;
	const char *doc; /* Markdown below the summary on the reference page; may be NULL */
	const struct conf_table *conf;
	size_t state_size; /* zeroed */
	/* What it saves under its name belongs to one instance at a time: a reload opens the new one when the
	 * old one has closed. Others are opened beside each other. */
	bool is_alone;
	/* Stages that its options stand for (joining lines), which its records go through in front of
	 * their pipeline's. Writes at most INPUT_STAGES_MAX and returns how many; their option structs
	 * live as long as doc. May be NULL. */
	size_t (*stages)(struct conf_doc *doc, const void *conf, struct input_stage *ret);
	/* Binds sockets, opens directories, reads saved positions. Nothing is read yet. */
	int (*open)(struct input *in, struct err *err);
	void (*start)(struct input *in);  /* begin to read; cannot fail */
	void (*resume)(struct input *in); /* there is credit again (only after a refusal) */
	void (*stop)(struct input *in);   /* submits nothing after this returns; acks still come */
	/* True when every batch is settled (or nobody waits for it): the drain is over. */
	bool (*is_idle)(struct input *in);
	/* What `tailrace doctor` should look at, without an instance: lib/doctor.h. May be NULL. */
	void (*doctor)(struct doctor *d, const char *name, const void *conf);
	void (*close)(struct input *in); /* accepts a half-opened instance */
};

struct input {
	unsigned magic;
	const struct input_ops *ops;
	const char *name; /* from the configuration */
	const void *conf; /* option struct of ops->conf */
	void *state;
	struct loop *loop;     /* the I/O thread */
	const char *state_dir; /* for what must survive a restart; exists */
	const char *hostname;  /* for the default label `host` */
	struct intake *intake; /* the way into the pipeline, made by the agent, who may change it */
	struct budget *budget; /* of the pipeline; changes with it */
	struct budget_waiter waiter;
	size_t batch_bytes; /* largest text a batch may have: a quarter of the pipeline's data
				  * share, at most ARENA_CHUNK_BYTES; cap of one message */
	uint32_t nlanes;
	uint32_t entry;        /* for tools without lanes: source.entry */
	struct ack_count acks; /* of its batches */
	size_t charged_bytes;  /* see input_take() */
	struct input_port *ports;
	_Atomic int nswitching; /* ports that have not heard of the newest intake */
	struct metric *records, *bytes, *paused; /* input_submit() counts records and bytes */
};
#define INPUT_MAGIC 0x1f907eu

/* A batch with room for `bytes` of text; NULL when there is no credit: ops->resume will be called.
 * Only from the loop's thread (receiving threads have input_port_batch()). */
struct batch *input_batch(struct input *in, struct source *source, size_t bytes);

/* Credit for what an input keeps that is no batch; it goes with the input to another pipeline. Only from the
 * loop's thread. */
bool input_take(struct input *in, size_t bytes); /* false: there is none; no resume() comes of it */
void input_force(struct input *in, size_t bytes);
void input_give(struct input *in, size_t bytes);

/* Gives the batch (with b->ack set, or NULL when nobody waits) to the lane of its source and counts
 * it. An empty batch is freed and its ack settled. Order per source is the order of calls.
 * With `threads: 1` the lane runs inside this call. Only from the loop's thread. */
void input_submit(struct input *in, struct batch *b, size_t source_bytes);

/* A receiving thread's own way in, by its loop: made in open(), used by that one thread only. */
struct input_port *input_port_new(struct input *in, struct source *source, struct loop *loop);
/* As input_batch(), without registering for resume(). */
struct batch *input_port_batch(struct input_port *p, struct source *source, size_t bytes);
void input_port_submit(struct input_port *p, struct batch *b, size_t source_bytes);
void input_port_free(struct input_port *p); /* after the thread has ended */

/* Fills s: lane chosen by `key` (stable), base labels = `extra` over the configured ones over the
 * defaults job=<input name>, host=<hostname>. The labels are copied and owned by s until
 * source_fini(). configured: option `labels` of the input. */
void source_init(struct source *s, struct input *in, uint64_t key,
		 const struct conf_map *configured, const struct label *extra, size_t nextra);
/* As source_init() with exactly these labels, for records that come with theirs. */
void source_init_labels(struct source *s, struct input *in, uint64_t key,
			const struct label *labels, size_t n);
void source_fini(struct source *s);

/* Counters by reason, cached by nobody: rare paths only. */
void input_count_error(struct input *in, const char *reason);
void input_count_dropped(struct input *in, const char *reason, uint64_t n);
void input_count_flagged(struct input *in, const char *reason, uint64_t n);

#endif
