/* SPDX-License-Identifier: Apache-2.0 */
/* The directory for what survives a restart: made when needed, used by one agent at a time. */
#ifndef AGENT_STATE_DIR_H
#define AGENT_STATE_DIR_H

#include "lib/err.h"

/* Makes the directory and its parents (mode 0700) and locks it. Returns a descriptor for
 * lockfile_release(), or negative: -EBUSY when another agent uses it. */
int state_dir_take(const char *path, struct err *err);

#endif
