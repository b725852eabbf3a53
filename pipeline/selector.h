/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors of the `match` stage: {name="value", other=~"re"} |= "text" != "text" |~ "re" !~ "re".
 * Promtail's own small grammar (promtail.md 7.6), not all of LogQL. Label expressions are anchored
 * on both ends, line filters are not; a missing label is the empty string; everything must hold.
 * Constant after selector_compile(). */
#ifndef PIPELINE_SELECTOR_H
#define PIPELINE_SELECTOR_H

#include "lib/err.h"
#include "lib/str.h"

#define SELECTOR_MATCHERS_MAX 64
#define SELECTOR_FILTERS_MAX 64

struct labels;
struct pattern_scratch;
struct selector;

/* Returns 0 and *ret (selector_free()), or -EINVAL with err "reason (at column N)". */
int selector_compile(struct str text, struct selector **ret, struct err *err);
void selector_free(struct selector *s);

/* Both return 1, 0, or PATTERN_ERROR (-1) when an expression hit its limit, so that nobody knows.
 * Labels may be NULL: none. */
int selector_match_labels(const struct selector *s, struct pattern_scratch *scratch,
			  const struct labels *labels);
int selector_match_line(const struct selector *s, struct pattern_scratch *scratch, struct str line);

#endif
