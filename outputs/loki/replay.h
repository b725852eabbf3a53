/* SPDX-License-Identifier: Apache-2.0 */
/* Sending dead letters again, by the output's own way. */
#ifndef OUTPUTS_LOKI_REPLAY_H
#define OUTPUTS_LOKI_REPLAY_H

#include "lib/err.h"
#include "outputs/output.h"

int loki_replay(const char *name, const void *conf, const char *state_dir, struct replay_sum *ret,
		struct err *err);

#endif
