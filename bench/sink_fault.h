/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script of a misbehaving Loki. A comma-separated list of ACTION[*COUNT], one action per push:
 *
 *   ok          204                        503, 429@2    that status, Retry-After: 2
 *   slow:MS     204 after MS milliseconds  500+          that status, but the body counts as stored
 *   reset       TCP reset, nothing stored  reset+        stored, then TCP reset: the ambiguous case
 *   hang        reads the body and never answers
 *
 * After the last action everything is `ok`, or the script starts again when it loops.
 */
#ifndef BENCH_SINK_FAULT_H
#define BENCH_SINK_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault_kind { FAULT_OK, FAULT_STATUS, FAULT_SLOW, FAULT_RESET, FAULT_HANG };

struct fault {
	enum fault_kind kind;
	bool stored; /* whether the body counts as delivered */
	unsigned status;
	unsigned retry_after_s;
	unsigned delay_ms;
	unsigned long count;
};

#define FAULTS_MAX 64

struct fault_script {
	struct fault steps[FAULTS_MAX];
	unsigned n, at;
	unsigned long done; /* of the current step */
	bool loop;
};

/* Dies on a mistake. `text` may be NULL: all ok. */
void fault_parse(struct fault_script *s, const char *text);
struct fault fault_next(struct fault_script *s);
/* Loki's own wording for a status, as an agent would have to read it. */
const char *fault_text(unsigned status);

#endif
