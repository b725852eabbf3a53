/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace doctor`: all checks of a configuration, in order, and how they are shown. */
#ifndef AGENT_DOCTOR_H
#define AGENT_DOCTOR_H

#include "agent/agent_conf.h"
#include "lib/doctor.h"

/* What adjtimex(2) said; a parameter so that tests are not about the clock of their machine. */
struct doctor_clock {
	bool is_known, is_synced;
	int64_t error_ms; /* at most, as estimated */
};
struct doctor_clock doctor_clock_ask(void);

/* The process that holds the lock of this state directory, by /proc/locks, which does not disturb it;
 * 0: none. */
pid_t doctor_find_agent(const struct doctor *d, const char *state_dir);

/* Becomes, for good, who the service is: user, groups and capabilities of the running agent; else
 * the user of this name; else, as root, the user `tailrace` if there is one; else stays. Says who that is
 * in *ret_text. Negative with err. */
int doctor_become(struct doctor *d, const char *user, struct buf *ret_text, struct err *err);

/* Adds everything that is to be said about a configuration without errors. */
void doctor_run(struct doctor *d, const struct config *c, const struct doctor_clock *clock);

/* The parts of it. */
void doctor_state(struct doctor *d, const struct config *c);
void doctor_limits(struct doctor *d, const struct config *c, const struct doctor_clock *clock);
void doctor_secrets(struct doctor *d, const struct config *c);

void doctor_show(const struct doctor *d, struct buf *out, bool is_coloured);
void doctor_show_json(const struct doctor *d, struct buf *out);

#endif
