/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by agent_conf.c and agent_conf_plan.c. */
#ifndef AGENT_AGENT_CONF_IMPL_H
#define AGENT_AGENT_CONF_IMPL_H

#include "agent/agent_conf.h"

/* Checks the names pipelines use, and fills c->plan when the configuration has no error. */
void config_resolve(struct config *c);
/* Where the control socket is, also when something else is wrong. */
void config_find_socket(struct config *c);

#endif
