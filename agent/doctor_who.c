/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor becomes who the service is, so that the kernel itself says what may be read and bound,
 * with ACLs, groups and capabilities. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/doctor.h"

#define SERVICE_USER "tailrace"
#define GROUPS_MAX 256

struct who {
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int ngroups;
	uint64_t caps;
};

static uint64_t word(struct str *rest, int base)
{
	uint64_t n = 0;

	while (rest->n && str_hex(rest->p[0]) < 0)
		*rest = str_skip(*rest, 1);
	for (; rest->n && str_hex(rest->p[0]) >= 0; *rest = str_skip(*rest, 1))
		n = n * (uint64_t)base + (uint64_t)str_hex(rest->p[0]);
	return n;
}

/* /proc/<pid>/status: "Uid: real effective saved fs", Gid, Groups, CapEff. */
static bool who_runs(const struct doctor *d, struct who *w)
{
	char path[64], text[8192];
	struct str uid, gid, groups, caps;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)d->agent);
	if (!doctor_read(d, path, text, sizeof(text)))
		return false;
	uid = doctor_field(text, "Uid");
	gid = doctor_field(text, "Gid");
	groups = doctor_field(text, "Groups");
	caps = doctor_field(text, "CapEff");
	if (!uid.n || !gid.n || !caps.n)
		return false;
	word(&uid, 10);
	word(&gid, 10);
	w->uid = (uid_t)word(&uid, 10);
	w->gid = (gid_t)word(&gid, 10);
	while (groups.n && w->ngroups < GROUPS_MAX)
		w->groups[w->ngroups++] = (gid_t)word(&groups, 10);
	w->caps = word(&caps, 16);
	return true;
}

static bool who_is(const char *name, struct who *w)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return false;
	w->uid = user->pw_uid;
	w->gid = user->pw_gid;
	w->ngroups = GROUPS_MAX;
	if (getgrouplist(name, w->gid, w->groups, &w->ngroups) < 0)
		w->ngroups = GROUPS_MAX;
	return true;
}

/* Groups that the unit gives beside the user's own; what a drop-in adds is not known. */
static void add_unit_groups(const struct doctor *d, struct who *w)
{
	static const char *const units[] = { "/etc/systemd/system/tailrace.service",
					     "/usr/lib/systemd/system/tailrace.service",
					     "/lib/systemd/system/tailrace.service" };
	static const char key[] = "\nSupplementaryGroups=";
	char text[16384], name[64];
	struct str line;
	size_t i = 0;

	while (i < ARRAY_LEN(units) && !doctor_read(d, units[i], text, sizeof(text)))
		i++;
	if (i == ARRAY_LEN(units))
		return;
	line = str_skip(str_c(text), str_find(str_c(text), str_c(key)));
	line = str_skip(line, sizeof(key) - 1);
	line = str_sub(line, 0, str_chr(line, '\n'));
	while (line.n && w->ngroups < GROUPS_MAX) {
		struct str word = str_cut(&line, ' ');
		const struct group *group;

		snprintf(name, sizeof(name), STR_FMT, STR_ARG(word));
		group = getgrnam(name);
		if (group)
			w->groups[w->ngroups++] = group->gr_gid;
	}
}

static int set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)caps, (uint32_t)caps, 0 },
		{ (uint32_t)(caps >> 32), (uint32_t)(caps >> 32), 0 },
	};

	return (int)syscall(SYS_capset, &head, data);
}

static int become(const struct who *w, struct err *err)
{
	if (setgroups((size_t)w->ngroups, w->groups) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(w->gid, w->gid, w->gid) < 0 ||
	    setresuid(w->uid, w->uid, w->uid) < 0 || set_caps(w->caps) < 0)
		return err_errno(err, errno, "cannot become user %u", (unsigned)w->uid);
	return 0;
}

static void tell(const struct doctor *d, struct buf *out)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);

	if (n <= 0) {
		n = 1;
		groups[0] = getegid();
	}

	buf_printf(out, "checked as user %s, groups", d->user);
	for (int i = 0; i < n; i++) {
		const struct group *g = getgrgid(groups[i]);

		if (g)
			buf_printf(out, " %s", g->gr_name);
		else
			buf_printf(out, " %u", (unsigned)groups[i]);
	}
	if (d->agent)
		buf_printf(out, ", as the running agent (process %d)", (int)d->agent);
}

int doctor_become(struct doctor *d, const char *user, struct buf *ret_text, struct err *err)
{
	static char name[64];
	struct who w = { 0 };
	const struct passwd *me;
	bool is_other;
	int rc = 0;

	if (user && !who_is(user, &w))
		return err_set(err, -ENOENT, "there is no user %s", user);
	is_other = user || (d->agent && who_runs(d, &w)) ||
		   (geteuid() == 0 && who_is(SERVICE_USER, &w));
	/* Nothing to change for who is that user, and no way for who is not root. */
	if (is_other && geteuid() == 0 && !d->agent)
		add_unit_groups(d, &w);
	if (is_other && geteuid() == 0)
		rc = become(&w, err);
	else if (is_other && w.uid != geteuid())
		rc = err_set(err, -EPERM,
			     "the service is user %u, so ask as root: sudo tailrace doctor",
			     (unsigned)w.uid);
	me = getpwuid(geteuid());
	if (me)
		snprintf(name, sizeof(name), "%s", me->pw_name);
	else
		snprintf(name, sizeof(name), "%u", (unsigned)geteuid());
	d->user = name;
	tell(d, ret_text);
	return rc;
}
