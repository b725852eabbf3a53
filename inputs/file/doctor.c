/* SPDX-License-Identifier: Apache-2.0 */
/* What `tailrace doctor` looks at for this input: can every file that the patterns mean be read, and
 * what do they need of the system? */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "inputs/file/doctor.h"
#include "inputs/file/walk.h"
#include "lib/mem.h"
#include "lib/os.h"

#define NAMED_MAX 5       /* that are told one by one */
#define OPENED_MAX 100000 /* looked at per pattern */

struct look {
	struct doctor *d;
	const struct file_conf *conf;
	const char *base;
	struct glob glob, *exclude;
	size_t nexclude;
	size_t files, good, bad, links, troubles;
};

static bool is_excluded(const struct look *l, struct str path)
{
	for (size_t i = 0; i < l->nexclude; i++)
		if (glob_match(&l->exclude[i], path))
			return true;
	return false;
}

static bool is_below(const char *path, const char *root)
{
	size_t n = strlen(root);

	return n == 1 || (strncmp(path, root, n) == 0 && path[n] == '/');
}

/* `within`: below a directory that a pattern begins in, whichever. */
static bool is_within(const struct look *l, const char *path)
{
	char real[PATH_MAX], root[PATH_MAX];
	struct err err = ERR_NONE;
	bool is_in = false;

	if (!realpath(path, real))
		return true; /* it leads to nothing; that is not its fault */
	for (size_t i = 0; i < l->conf->paths.n && !is_in; i++) {
		struct glob g;

		if (glob_init(&g, l->conf->paths.items[i], str_c(l->base), &err) < 0)
			continue;
		for (size_t j = 0; j < g.n && !is_in; j++) {
			struct buf text = BUF_INIT;

			glob_root(&g.paths[j], &text);
			is_in = realpath(buf_cstr(&text), root) && is_below(real, root);
			buf_fini(&text);
		}
		glob_fini(&g);
	}
	return is_in;
}

static bool is_followed(const struct look *l, const char *path)
{
	struct stat st;

	if (l->conf->follow == FOLLOW_ALL)
		return true;
	if (l->conf->follow == FOLLOW_WITHIN)
		return is_within(l, path);
	return lstat(path, &st) < 0 || !S_ISLNK(st.st_mode);
}

static void on_file(void *ctx, const struct walk_file *f)
{
	struct look *l = ctx;
	const char *path = f->path.p;
	struct stat st;
	int fd;

	if (is_excluded(l, f->path) || l->files == OPENED_MAX)
		return;
	if (!is_followed(l, path)) {
		if (l->links++ < NAMED_MAX) {
			doctor_say(l->d, DOCTOR_WARN, "symlink",
				   "%s is a symlink that `follow: %s` does not follow", path,
				   l->conf->follow == FOLLOW_NONE ? "none" : "within");
			doctor_fix(l->d, "set `follow` to `%s`, or add where it leads to `paths`",
				   l->conf->follow == FOLLOW_NONE ? "within" : "all");
		}
		return;
	}
	if (os->stat(path, &st) < 0 ? errno != EACCES : !S_ISREG(st.st_mode))
		return; /* gone, a link to nothing, or nothing that is read */
	l->files++;
	fd = OS_RETRY(os->open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0));
	if (fd >= 0) {
		os->close(fd);
		l->good++;
	} else if (l->bad++ < NAMED_MAX) {
		doctor_readable(l->d, "permission", path);
	}
}

static void on_dir(void *ctx, struct str path, unsigned what)
{
	(void)ctx, (void)path, (void)what;
}

static bool on_enter(void *ctx, struct str path, bool is_link)
{
	const struct look *l = ctx;

	return !is_link || l->conf->follow == FOLLOW_ALL ||
	       (l->conf->follow == FOLLOW_WITHIN && is_within(l, path.p));
}

static void on_trouble(void *ctx, struct str path, int errnum)
{
	struct look *l = ctx;

	if (errnum == ENOENT || errnum == ENOTDIR || l->troubles++ >= NAMED_MAX)
		return;
	doctor_say(l->d, DOCTOR_FAIL, "directory", "user %s cannot look into " STR_FMT ": %s",
		   l->d->user, STR_ARG(path), strerror(errnum));
	if (errnum == EACCES)
		doctor_fix_access(l->d, path.p, true);
}

/* No file was found: is a directory on the way closed, or is there really none? */
static void say_nothing_found(struct look *l, struct str pattern)
{
	char dir[PATH_MAX];

	for (size_t i = 0; i < l->glob.n; i++) {
		struct buf root = BUF_INIT;
		bool is_locked;

		glob_root(&l->glob.paths[i], &root);
		buf_c(&root, "/x");
		is_locked = doctor_locked_dir(buf_cstr(&root), dir, sizeof(dir));
		buf_fini(&root);
		if (!is_locked)
			continue;
		doctor_say(l->d, DOCTOR_FAIL, "directory", STR_FMT ": %s is closed to user %s",
			   STR_ARG(pattern), dir, l->d->user);
		doctor_fix_access(l->d, dir, true);
		return;
	}
	doctor_say(l->d, DOCTOR_WARN, "files", STR_FMT " matches no file now", STR_ARG(pattern));
	doctor_fix(l->d, "if there should be some: ls -l '" STR_FMT "', and correct `paths`",
		   STR_ARG(pattern));
}

static void look_at(struct look *l, struct str pattern)
{
	static const struct walk_ops ops = { on_dir, on_file, on_enter, on_trouble };
	struct err err = ERR_NONE;
	unsigned dirs;

	l->files = l->good = l->bad = l->links = l->troubles = 0;
	if (glob_init(&l->glob, pattern, str_c(l->base), &err) < 0)
		return; /* `check` says so */
	dirs = walk_glob(&l->glob, &ops, l);
	/* Names and bytes are watched apart; a file by itself has its directory watched. */
	if (l->conf->watch != WATCH_POLL)
		l->d->needs.watches += 2 * (dirs ? (uint64_t)dirs : 1);
	if (l->bad > NAMED_MAX)
		doctor_say(l->d, DOCTOR_FAIL, "permission", STR_FMT ": %zu more cannot be read",
			   STR_ARG(pattern), l->bad - NAMED_MAX);
	if (l->good)
		doctor_say(l->d, DOCTOR_OK, "files", STR_FMT ": %zu of %zu files can be read",
			   STR_ARG(pattern), l->good, l->files);
	else if (!l->files && !l->links && !l->troubles)
		say_nothing_found(l, pattern);
	glob_fini(&l->glob);
}

void file_doctor(struct doctor *d, const char *name, const void *conf)
{
	struct look l = { .d = d, .conf = conf };
	char base[GLOB_BYTES_MAX] = "";
	struct err err = ERR_NONE;

	(void)name;
	l.base = getcwd(base, sizeof(base)) && strlen(base) > 1 ? base : "";
	l.exclude = mem_array(l.conf->exclude.n + 1, sizeof(*l.exclude));
	for (size_t i = 0; i < l.conf->exclude.n; i++)
		if (glob_init(&l.exclude[l.nexclude], l.conf->exclude.items[i], str_c(l.base),
			      &err) == 0)
			l.nexclude++;
	for (size_t i = 0; i < l.conf->paths.n; i++)
		look_at(&l, l.conf->paths.items[i]);
	if (l.conf->watch != WATCH_POLL)
		d->needs.instances += 2;
	d->needs.descriptors += l.conf->max_open_files;
	for (size_t i = 0; i < l.nexclude; i++)
		glob_fini(&l.exclude[i]);
	mem_free(l.exclude);
}
