/* SPDX-License-Identifier: Apache-2.0 */
/* Every plugin there is. The lists in registry.c are the only place that names them. */
#ifndef AGENT_REGISTRY_H
#define AGENT_REGISTRY_H

#include "lib/conf.h"

/* All plugins, for configuration and documents; ops points to the descriptor. Built at the first
 * call (before threads), lives as long as the process. */
const struct conf_plugin *registry(size_t *ret_n);

#endif
