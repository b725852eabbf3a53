/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks what arrived: decodes push bodies and accounts every numbered line. Knows the corpus, so
 * it can also tell whether the bytes of a line are right and whether a secret came through.
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/corpus.h"

struct verify;

struct verify *verify_new(const struct corpus_options *corpus, bool check_content);
void verify_free(struct verify *v);
void verify_reset(struct verify *v);

/* One request body: snappy block format around a PushRequest. Broken bodies are counted. */
void verify_body(struct verify *v, const uint8_t *body, size_t len);
/* How many different numbered lines have arrived. */
uint64_t verify_unique(const struct verify *v);
/* Lines in [first, first + lines) of every source seen that did not arrive; with lines 0, up to
 * the highest number seen of each source. */
void verify_expect(struct verify *v, uint64_t first, uint64_t lines, unsigned sources);
/* Appends `"name":value,...` without braces. */
void verify_summary(const struct verify *v, FILE *out);

#endif
