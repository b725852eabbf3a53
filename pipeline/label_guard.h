/* SPDX-License-Identifier: Apache-2.0 */
/* Watches how many different values each label has. A label with more new ones in a window than there
 * may be is closed for good: from then on it is no label any more (label_table). One thread. */
#ifndef PIPELINE_LABEL_GUARD_H
#define PIPELINE_LABEL_GUARD_H

#include <stdbool.h>

#include "lib/str.h"

struct label_guard;

/* max_values 0: nothing is ever closed. */
struct label_guard *label_guard_new(size_t max_values, int64_t window_ns);
void label_guard_free(struct label_guard *g);

bool label_guard_is_closed(const struct label_guard *g, struct str name);
/* A value was seen (again, or for the first time); true when that closes the label. Monotonic time. */
bool label_guard_see(struct label_guard *g, struct str name, struct str value, int64_t now_ns);

#endif
