/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the doctor, and looking at files for it. */
#include "lib/doctor.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/os.h"

#define LINES_MAX 2000

void doctor_fini(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		mem_free((void *)(uintptr_t)d->lines[i].subject);
		mem_free(d->lines[i].text);
		mem_free(d->lines[i].fix);
	}
	mem_free(d->lines);
	d->lines = NULL;
	d->n = d->room = 0;
}

void doctor_say(struct doctor *d, enum doctor_result result, const char *check, const char *fmt,
		...)
{
	char text[1024];
	va_list args;

	if (d->n == LINES_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (d->n == d->room) {
		d->room = d->room ? 2 * d->room : 64;
		d->lines = mem_realloc(d->lines, d->room * sizeof(*d->lines));
	}
	d->lines[d->n++] = (struct doctor_line){ .result = result,
						 .subject = mem_strdup(d->subject),
						 .check = check,
						 .text = mem_strdup(text) };
}

void doctor_fix(struct doctor *d, const char *fmt, ...)
{
	struct doctor_line *line = &d->lines[d->n - 1];
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	mem_free(line->fix);
	line->fix = mem_strdup(text);
}

enum doctor_result doctor_worst(const struct doctor *d)
{
	enum doctor_result worst = DOCTOR_OK;

	for (size_t i = 0; i < d->n; i++)
		if (d->lines[i].result > worst)
			worst = d->lines[i].result;
	return worst;
}

bool doctor_read(const struct doctor *d, const char *path, char *ret, size_t room)
{
	char full[4096];
	ssize_t n = -1;
	int fd;

	snprintf(full, sizeof(full), "%s%s", d->root, path);
	fd = OS_RETRY(os->open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0));
	if (fd >= 0) {
		n = OS_RETRY(os->read(fd, ret, room - 1));
		os->close(fd);
	}
	ret[n > 0 ? n : 0] = 0;
	return n >= 0;
}

bool doctor_number(const struct doctor *d, const char *path, uint64_t *ret)
{
	char text[64];

	return doctor_read(d, path, text, sizeof(text)) && str_u64(str_trim(str_c(text)), ret);
}

struct str doctor_field(const char *text, const char *name)
{
	struct str rest = str_c(text);

	while (rest.n) {
		struct str line = str_cut(&rest, '\n'), value = line, key = str_cut(&value, ':');

		if (str_is(key, name))
			return str_trim(value);
	}
	return STR_NONE;
}

bool doctor_can(const struct doctor *d, unsigned capability)
{
	uint64_t set = 0;
	char text[4096];
	struct str hex;

	if (!doctor_read(d, "/proc/self/status", text, sizeof(text)))
		return false;
	hex = doctor_field(text, "CapEff");
	for (size_t i = 0; i < hex.n && str_hex(hex.p[i]) >= 0; i++)
		set = set << 4 | (uint64_t)str_hex(hex.p[i]);
	return set >> capability & 1;
}

/* ---- permissions -------------------------------------------------------------------------- */

bool doctor_locked_dir(const char *path, char *ret, size_t room)
{
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		size_t n = p == path ? 1 : (size_t)(p - path);

		if (n >= room)
			return false;
		memcpy(ret, path, n);
		ret[n] = 0;
		if (faccessat(AT_FDCWD, ret, X_OK, AT_EACCESS) < 0)
			return errno == EACCES;
	}
	return false;
}

void doctor_fix_access(struct doctor *d, const char *path, bool is_dir)
{
	const struct group *group;
	mode_t need = is_dir ? 050 : 040;
	struct stat st;

	if (os->stat(path, &st) == 0 && (st.st_mode & need) == need && st.st_gid != 0 &&
	    (group = getgrgid(st.st_gid)))
		doctor_fix(d, "usermod -aG %s %s, and restart the service", group->gr_name,
			   d->user);
	else if (is_dir)
		doctor_fix(d, "setfacl -m u:%s:rx '%s'", d->user, path);
	else
		doctor_fix(d,
			   "setfacl -m u:%s:r '%s', and for files to come setfacl -dm u:%s:r on "
			   "its directory; or give the service CAP_DAC_READ_SEARCH",
			   d->user, path, d->user);
}

bool doctor_writable_dir(const char *dir)
{
	return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0;
}

bool doctor_readable(struct doctor *d, const char *check, const char *path)
{
	int fd = OS_RETRY(os->open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0));
	int e = errno;
	char dir[4096];

	if (fd >= 0) {
		os->close(fd);
		return true;
	}
	if (e == EACCES && doctor_locked_dir(path, dir, sizeof(dir))) {
		doctor_say(d, DOCTOR_FAIL, check, "user %s cannot get to %s: %s is closed to it",
			   d->user, path, dir);
		doctor_fix_access(d, dir, true);
	} else if (e == EACCES) {
		doctor_say(d, DOCTOR_FAIL, check, "user %s may not read %s", d->user, path);
		doctor_fix_access(d, path, false);
	} else {
		doctor_say(d, DOCTOR_FAIL, check, "cannot open %s: %s", path, strerror(e));
		if (e == ENOENT)
			doctor_fix(d, "make the file, or correct its path in the configuration");
	}
	return false;
}
