/* SPDX-License-Identifier: Apache-2.0 */
/* Go's text/template with the functions that Promtail's stages offer (text/template 1.23, sprig
 * 3.3, Promtail's own): what `template` and `replace` fill in. Its meaning is promtail.md 9.2.
 *
 *	parse.c     text into a tree, with every mistake located
 *	run.c       walks the tree
 *	func_*.c    the functions, a table each
 *
 * Bounded: depth, steps, memory and output of one execution have caps, and exceeding one is an
 * execution error like any other. */
#ifndef PIPELINE_TEMPLATE_TEMPLATE_H
#define PIPELINE_TEMPLATE_TEMPLATE_H

#include "lib/err.h"
#include "pipeline/value.h"

#define TEMPLATE_TEXT_MAX 65536               /* bytes of a template */
#define TEMPLATE_OUTPUT_MAX ((size_t)1 << 20) /* bytes of one result */

/* A parsed template; constant, so threads share it. Borrows nothing. */
struct template;

/* 0, or -EINVAL with err "line:column: reason". */
int template_parse(struct str text, struct template **ret, struct err *err);
void template_free(struct template *t);

/* The names a template sees as .name. */
struct template_data {
	void *ctx;
	/* False when there is none of that name. */
	bool (*get)(void *ctx, struct str name, struct str *ret);
	/* All of them, in any order, later ones win; for `range` and other uses of the bare dot. */
	void (*each)(void *ctx, void (*add)(void *arg, struct str name, struct str value),
		     void *arg);
};

struct pattern_scratch;

/* What one thread keeps between executions: memory, compiled expressions. */
struct template_runner;
/* scratch is borrowed and outlives the runner. */
struct template_runner *template_runner_new(struct pattern_scratch *scratch);
void template_runner_free(struct template_runner *r);

/* Appends the result to out. 0, or negative with err: then what stands in out is to be thrown
 * away, and Promtail leaves the record as it is. now_ns: what `now` gives. */
int template_run(const struct template *t, struct template_runner *r,
		 const struct template_data *data, int64_t now_ns, struct buf *out,
		 struct err *err);

#endif
