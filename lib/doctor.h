/* SPDX-License-Identifier: Apache-2.0 */
/* What `tailrace doctor` finds: lines, each with what to type when something is wrong. Inputs and
 * outputs bring their own checks (input_ops.doctor, output_ops.doctor), which look and never change
 * anything.
 *
 *	doctor_say(d, DOCTOR_FAIL, "permission", "cannot read %s", path);
 *	doctor_fix(d, "usermod -aG adm %s", d->user);
 */
#ifndef LIB_DOCTOR_H
#define LIB_DOCTOR_H

#include <sys/types.h>

#include "lib/buf.h"
#include "lib/conf.h"

enum doctor_result { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_line {
	enum doctor_result result;
	const char *subject; /* "input app", or the check's own: "clock" */
	const char *check;   /* constant */
	char *text, *fix;    /* fix may be NULL */
};

struct doctor {
	const char *root;    /* stands in front of /proc and /sys; "" but in tests */
	pid_t agent;         /* that runs with this state directory; 0: none */
	const char *user;    /* who the checks are made as: the user of the service */
	const char *subject; /* of the lines that follow */
	const char *state_dir;
	int64_t now_s, deadline_ns; /* wall clock; for one request over the network */
	/* What everything together needs, added up by the checks of the inputs. */
	struct {
		uint64_t watches, instances, descriptors;
	} needs;
	struct doctor_line *lines;
	size_t n, room;
};

void doctor_fini(struct doctor *d);
void doctor_say(struct doctor *d, enum doctor_result result, const char *check, const char *fmt,
		...) PRINTF(4, 5);
/* Of the last line: a command, or what to write into which file. */
void doctor_fix(struct doctor *d, const char *fmt, ...) PRINTF(2, 3);
/* The worst of all. */
enum doctor_result doctor_worst(const struct doctor *d);

/* The first bytes of <root><path>, NUL-terminated; false when it cannot be read. */
bool doctor_read(const struct doctor *d, const char *path, char *ret, size_t room);
/* The number that is all there is in it. */
bool doctor_number(const struct doctor *d, const char *path, uint64_t *ret);
/* Behind "name:" in such a text (/proc/x/status); STR_NONE when it is not there. */
struct str doctor_field(const char *text, const char *name);
/* Has the process a capability (its number), by /proc/self/status? */
bool doctor_can(const struct doctor *d, unsigned capability);

/* A file must be readable; true when it is, and then nothing is said. */
bool doctor_readable(struct doctor *d, const char *check, const char *path);
/* What to type so that the user may read (a directory: search and list) this. */
void doctor_fix_access(struct doctor *d, const char *path, bool is_dir);
/* The first directory on the way to path that the user may not search; false: there is none. */
bool doctor_locked_dir(const char *path, char *ret, size_t room);

/* May the user make files in this directory? */
bool doctor_writable_dir(const char *dir);

/* Can this address be listened on? Binds for an instant, without listening. */
void doctor_listen(struct doctor *d, const struct conf_addr *addr);
/* Certificate, key and authorities, each empty or a path: readable, belong together, not expired. */
void doctor_tls(struct doctor *d, struct str cert_file, struct str key_file, struct str ca_file);

#endif
