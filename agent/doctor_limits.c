/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor on what the system allows: inotify, descriptors, memory, core dumps, the clock. */
#include <stdio.h>
#include <sys/timex.h>

#include "agent/doctor.h"

#define OWN_DESCRIPTORS 64
#define UNLIMITED UINT64_MAX

static void check_limit(struct doctor *d, const char *sysctl, const char *path, uint64_t need,
			const char *what)
{
	uint64_t most;

	if (!need || !doctor_number(d, path, &most))
		return;
	if (need <= most / 2) {
		doctor_say(d, DOCTOR_OK, "inotify", "%s allows %llu %s, %llu are needed", sysctl,
			   (unsigned long long)most, what, (unsigned long long)need);
		return;
	}
	doctor_say(d, DOCTOR_WARN, "inotify",
		   "%s allows %llu %s for all programs of a user, %llu are needed%s", sysctl,
		   (unsigned long long)most, what, (unsigned long long)need,
		   need > most ? ": what is beyond is polled" : "");
	doctor_fix(d, "sysctl -w %s=%llu, and the same in /etc/sysctl.d/tailrace.conf", sysctl,
		   (unsigned long long)(4 * need > 2 * most ? 4 * need : 2 * most));
}

static struct str next_word(struct str *rest)
{
	*rest = str_trim(*rest);
	return str_cut(rest, ' ');
}

/* Hard or soft limit of a line of /proc/x/limits: name, soft, hard, unit. */
static bool find_limit(const char *text, const char *name, bool is_hard, uint64_t *ret)
{
	struct str all = str_c(text), rest = str_skip(all, str_find(all, str_c(name)));
	struct str value;

	rest = str_skip(rest, strlen(name));
	value = next_word(&rest);
	if (is_hard)
		value = next_word(&rest);
	*ret = UNLIMITED;
	return str_is(value, "unlimited") || str_u64(value, ret);
}

static void check_descriptors(struct doctor *d, const char *limits)
{
	uint64_t need = d->needs.descriptors + OWN_DESCRIPTORS, most;

	/* The agent raises its soft limit itself. */
	if (!find_limit(limits, "Max open files", true, &most))
		return;
	if (need <= most) {
		doctor_say(d, DOCTOR_OK, "descriptors", "%llu may be needed, the limit is higher",
			   (unsigned long long)need);
		return;
	}
	doctor_say(d, DOCTOR_WARN, "descriptors",
		   "%llu may be needed, the limit is %llu: files are closed and opened again",
		   (unsigned long long)need, (unsigned long long)most);
	doctor_fix(d,
		   "systemctl edit tailrace, there [Service] LimitNOFILE=%llu; or lower "
		   "`max_open_files`",
		   (unsigned long long)need);
}

static void check_core(struct doctor *d, const char *limits)
{
	uint64_t most;

	if (!d->agent) {
		doctor_say(d, DOCTOR_OK, "core dumps", "the agent switches its own off");
	} else if (find_limit(limits, "Max core file size", false, &most) && most == 0) {
		doctor_say(d, DOCTOR_OK, "core dumps", "the running agent makes none");
	} else {
		doctor_say(d, DOCTOR_WARN, "core dumps",
			   "the running agent may leave one, with records in it");
		doctor_fix(d, "systemctl edit tailrace, there [Service] LimitCORE=0");
	}
}

/* The lowest memory.max on the way up from our group, or the running agent's. */
static uint64_t cgroup_memory(const struct doctor *d)
{
	uint64_t least = UNLIMITED, most;
	char text[4096], path[4200], from[64] = "/proc/self/cgroup";
	struct str rest, group = STR_NONE;

	if (d->agent)
		snprintf(from, sizeof(from), "/proc/%d/cgroup", (int)d->agent);
	doctor_read(d, from, text, sizeof(text));
	for (rest = str_c(text); rest.n && !group.p;) {
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, STR("0::/")))
			group = str_skip(line, 3);
	}
	while (group.p) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup" STR_FMT "/memory.max",
			 STR_ARG(group));
		if (doctor_number(d, path, &most) && most < least)
			least = most;
		if (group.n <= 1)
			break;
		while (group.n && group.p[--group.n] != '/')
			;
	}
	return least;
}

static void check_memory(struct doctor *d, uint64_t memory)
{
	uint64_t need = memory + memory / 4, most = cgroup_memory(d), available;
	char text[4096];
	struct str left;

	if (most == UNLIMITED) {
		doctor_say(d, DOCTOR_OK, "memory", "%llu MiB, and no cgroup limits it",
			   (unsigned long long)(memory >> 20));
	} else if (most >= need) {
		doctor_say(d, DOCTOR_OK, "memory", "%llu MiB, the cgroup allows %llu",
			   (unsigned long long)(memory >> 20), (unsigned long long)(most >> 20));
	} else {
		doctor_say(d, most < memory ? DOCTOR_FAIL : DOCTOR_WARN, "memory",
			   "`memory` is %llu MiB, but the cgroup allows %llu: the kernel may kill "
			   "the agent",
			   (unsigned long long)(memory >> 20), (unsigned long long)(most >> 20));
		doctor_fix(d,
			   "systemctl edit tailrace, there [Service] MemoryMax=%lluM; or lower "
			   "`memory`",
			   (unsigned long long)(need >> 20));
	}
	if (!doctor_read(d, "/proc/meminfo", text, sizeof(text)))
		return;
	left = doctor_field(text, "MemAvailable");
	if (str_u64(str_cut(&left, ' '), &available) && available << 10 < memory) {
		doctor_say(d, DOCTOR_WARN, "memory", "only %llu MiB are available now",
			   (unsigned long long)(available >> 10));
		doctor_fix(d, "lower `memory`, or stop something: free -m");
	}
}

struct doctor_clock doctor_clock_ask(void)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	return (struct doctor_clock){ .is_known = state >= 0,
				      .is_synced = state != TIME_ERROR && !(t.status & STA_UNSYNC),
				      .error_ms = t.esterror / 1000 };
}

static void check_clock(struct doctor *d, const struct doctor_clock *clock)
{
	if (!clock->is_known)
		return;
	if (clock->is_synced) {
		doctor_say(d, DOCTOR_OK, "clock", "it is synchronised, within %lld ms",
			   (long long)clock->error_ms + 1);
		return;
	}
	doctor_say(d, DOCTOR_WARN, "clock",
		   "nothing synchronises it: Loki refuses what is from "
		   "the future");
	doctor_fix(d, "timedatectl set-ntp true; or apt install chrony");
}

void doctor_limits(struct doctor *d, const struct config *c, const struct doctor_clock *clock)
{
	char limits[4096], path[64] = "/proc/self/limits";

	check_limit(d, "fs.inotify.max_user_watches", "/proc/sys/fs/inotify/max_user_watches",
		    d->needs.watches, "directories");
	check_limit(d, "fs.inotify.max_user_instances", "/proc/sys/fs/inotify/max_user_instances",
		    d->needs.instances, "instances");
	if (d->agent)
		snprintf(path, sizeof(path), "/proc/%d/limits", (int)d->agent);
	doctor_read(d, path, limits, sizeof(limits));
	check_descriptors(d, limits);
	check_memory(d, c->plan.memory_bytes);
	check_core(d, limits);
	check_clock(d, clock);
}
