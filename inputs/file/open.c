/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a descriptor that is safe to read: a regular file, where `follow` allows it to be.
 *
 * What the name leads to is first taken hold of with O_PATH, which does nothing to a device or a
 * FIFO, then looked at, then opened for reading through that descriptor: whoever swaps names in
 * between gains nothing. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "inputs/file/archives.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define REFUSALS_MAX 10000

/* ---- refusals ----------------------------------------------------------------------------- */

static void free_refusal(struct file_input *fi, struct refusal *r)
{
	map_del(&fi->refused, &r->node);
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	mem_free((void *)(uintptr_t)r->path.p);
	fi->npassing -= r->may_pass;
	mem_free(r);
	fi->nrefusals--;
}

void open_swept(struct file_input *fi)
{
	struct refusal *next;

	for (struct refusal *r = fi->refusals; r; r = next) {
		next = r->next;
		if (r->round != fi->round)
			free_refusal(fi, r);
	}
}

static struct refusal *find_refusal(const struct file_input *fi, struct str path)
{
	for (struct map_node *n = map_first(&fi->refused, str_hash(path, 0)); n; n = map_next(n)) {
		struct refusal *r = container_of(n, struct refusal, node);

		if (str_eq(r->path, path))
			return r;
	}
	return NULL;
}

/* What the name leads to stays what it is until an event tells otherwise. */
static bool is_lasting(const char *reason)
{
	return !strcmp(reason, "not_regular") || !strcmp(reason, "directory") ||
	       !strcmp(reason, "compressed");
}

/* True when it was not known before. */
static bool note_refusal(struct file_input *fi, struct str path, uint64_t ino, const char *reason)
{
	struct refusal *r = find_refusal(fi, path);

	if (r)
		r->round = fi->round;
	if (r && r->ino == ino && strcmp(r->reason, reason) == 0)
		return false;
	if (!r) {
		if (fi->nrefusals == REFUSALS_MAX)
			return false; /* enough was said */
		r = mem_zalloc(sizeof(*r));
		r->path = str_make(mem_dup(path.p, path.n), path.n);
		r->next = fi->refusals;
		r->link = &fi->refusals;
		if (r->next)
			r->next->link = &r->next;
		fi->refusals = r;
		fi->nrefusals++;
		map_add(&fi->refused, &r->node, str_hash(path, 0));
	}
	r->ino = ino;
	r->reason = reason;
	fi->npassing -= r->may_pass;
	r->may_pass = !is_lasting(reason);
	fi->npassing += r->may_pass;
	r->round = fi->round;
	return true;
}

void open_refuse(struct file_input *fi, struct str path, uint64_t ino, const char *reason,
		 const char *advice)
{
	if (!note_refusal(fi, path, ino, reason))
		return;
	input_count_error(fi->in, reason);
	log_warn("file is not read", KV("path", path), KV_S("reason", reason),
		 KV_S("advice", advice));
}

bool open_is_refused(const struct file_input *fi, struct str path)
{
	return find_refusal(fi, path) != NULL;
}

/* It can be read now; when that ends, it is said again. */
static void forgive(struct file_input *fi, struct str path)
{
	struct refusal *r = fi->refusals ? find_refusal(fi, path) : NULL;

	if (!r)
		return;
	log_info("file can be read now", KV("path", path), KV_S("was", r->reason));
	free_refusal(fi, r);
}

void open_fini(struct file_input *fi)
{
	while (fi->refusals)
		free_refusal(fi, fi->refusals);
	map_fini(&fi->refused);
	for (size_t i = 0; i < fi->nroots; i++)
		mem_free(fi->roots[i]);
	mem_free(fi->roots);
	mem_free(TAKE(fi->own));
	fi->roots = NULL;
	fi->nroots = 0;
}

/* ---- what may be opened ------------------------------------------------------------------- */

static bool has_root(const struct file_input *fi, struct str root)
{
	for (size_t i = 0; i < fi->nroots; i++)
		if (str_eq(str_c(fi->roots[i]), root))
			return true;
	return false;
}

void open_init(struct file_input *fi)
{
	struct buf root = BUF_INIT;
	char own[PATH_MAX];

	if (fi->in->state_dir && realpath(fi->in->state_dir, own))
		fi->own = mem_strdup(own);
	for (size_t i = 0; i < fi->nglobs; i++) {
		for (size_t j = 0; j < fi->globs[i].n; j++) {
			buf_clear(&root);
			glob_root(&fi->globs[i].paths[j], &root);
			if (has_root(fi, buf_as_str(&root)))
				continue;
			fi->roots = mem_realloc(fi->roots, (fi->nroots + 1) * sizeof(*fi->roots));
			fi->roots[fi->nroots++] = mem_strdup(buf_cstr(&root));
		}
	}
	buf_fini(&root);
}

/* What is left of path below root; STR_NONE: it is not there. */
static struct str below(struct str path, struct str root)
{
	if (root.n == 1) /* "/" */
		root.n = 0;
	if (!str_starts(path, root) || path.n < root.n + 2 || path.p[root.n] != '/')
		return STR_NONE;
	return str_skip(path, root.n + 1);
}

/* Element by element and through no link, so that wherever names are swapped while it walks, it
 * never leaves the directory it began in; as openat2() with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
 * which not every kernel and sandbox lets through. */
static int open_below(const char *root, struct str rest)
{
	int flags = O_PATH | O_CLOEXEC | O_DIRECTORY, dir = OS_RETRY(os->open(root, flags, 0)), fd,
	    e;

	while (dir >= 0) {
		struct str elem = str_cut(&rest, '/');
		char name[NAME_MAX + 1];

		if (!rest.p)
			flags &= ~O_DIRECTORY;
		if (elem.n == 0 || elem.n > NAME_MAX || str_is(elem, ".") || str_is(elem, "..")) {
			os->close(dir);
			errno = ENOENT;
			return -1;
		}
		memcpy(name, elem.p, elem.n);
		name[elem.n] = 0;
		fd = OS_RETRY(os->openat(dir, name, flags | O_NOFOLLOW, 0));
		e = errno;
		os->close(dir);
		errno = e;
		if (!rest.p)
			return fd;
		dir = fd;
	}
	return -1;
}

/* O_PATH descriptor of what the path leads to, or -1. For `within`, where the links lead is asked
 * first, by names, which can change; that the way is below a root is then proved by going it. */
static int take_hold(const struct file_input *fi, struct str path)
{
	bool is_within = fi->conf->follow == FOLLOW_WITHIN;
	char real[PATH_MAX], root[PATH_MAX];
	struct str target = path;

	if (fi->conf->follow == FOLLOW_ALL)
		return OS_RETRY(os->open(path.p, O_PATH | O_CLOEXEC, 0));
	if (is_within && !realpath(path.p, real))
		return -1;
	if (is_within)
		target = str_c(real);
	for (size_t i = 0; i < fi->nroots; i++) {
		const char *from = fi->roots[i];
		struct str rest;

		if (is_within)
			from = realpath(from, root);
		rest = from ? below(target, str_c(from)) : STR_NONE;
		if (rest.p)
			return open_below(from, rest);
	}
	errno = EXDEV;
	return -1;
}

bool open_is_own(const struct file_input *fi, struct str path)
{
	return fi->own && (str_eq(path, str_c(fi->own)) || below(path, str_c(fi->own)).p);
}

bool open_may_enter(struct file_input *fi, struct str path)
{
	int fd;

	/* The way to where a pattern begins was chosen by whoever wrote the pattern. */
	for (size_t i = 0; i < fi->nroots; i++)
		if (str_eq(path, str_c(fi->roots[i])) || below(str_c(fi->roots[i]), path).p)
			return true;
	if (fi->conf->follow != FOLLOW_WITHIN)
		return fi->conf->follow == FOLLOW_ALL;
	fd = take_hold(fi, path);
	if (fd >= 0)
		os->close(fd);
	return fd >= 0;
}

/* ---- opening ------------------------------------------------------------------------------ */

static void refuse_permission(struct file_input *fi, struct str path, uint64_t ino)
{
	char advice[256];

	snprintf(advice, sizeof(advice),
		 "give user %u access: 'usermod -aG' with the group of the file (often adm) and "
		 "restart, or 'setfacl -m u:%u:r' on it (and u:%u:x on its directories), or "
		 "CAP_DAC_READ_SEARCH to read everything",
		 (unsigned)geteuid(), (unsigned)geteuid(), (unsigned)geteuid());
	open_refuse(fi, path, ino, "permission", advice);
}

static void refuse_error(struct file_input *fi, struct str path, uint64_t ino)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR: /* gone, or a link to nothing */
		break;
	case EACCES:
	case EPERM:
		refuse_permission(fi, path, ino);
		break;
	case EXDEV:
		open_refuse(fi, path, ino, "symlink",
			    "it leads out of the directories of `paths`; add where it leads, or "
			    "set `follow: all`");
		break;
	case EMFILE:
	case ENFILE:
		open_refuse(fi, path, ino, "descriptors", "raise the limit of open files");
		break;
	default:
		open_refuse(fi, path, ino, "open", strerror(errno));
	}
}

static void refuse_type(struct file_input *fi, struct str path, uint64_t ino, uint32_t mode)
{
	if (S_ISDIR(mode))
		open_refuse(fi, path, ino, "directory", "to read the files in it, write path/*");
	else if (S_ISLNK(mode))
		open_refuse(fi, path, ino, "symlink", "set `follow` to `within` or `all`");
	else
		open_refuse(fi, path, ino, "not_regular", "only regular files can be read");
}

/* Through whatever link or other name: by what the kernel calls it. */
static bool is_own_held(const struct file_input *fi, int held)
{
	char name[40], real[PATH_MAX];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", held);
	n = readlink(name, real, sizeof(real));
	return n > 0 && open_is_own(fi, str_make(real, (size_t)n));
}

/* The file behind an O_PATH descriptor, for reading. O_NONBLOCK and O_NOCTTY change nothing for a
 * regular file, and are there in case it ever is another. */
static int open_held(int held, struct str path, const struct file_look *look)
{
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, fd;
	struct file_look now;
	char name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", held);
	fd = OS_RETRY(os->open(name, flags, 0));
	if (fd >= 0 || errno != ENOENT)
		return fd;
	/* Without /proc: by name again, and it must be the same. */
	fd = OS_RETRY(os->open(path.p, flags, 0));
	if (fd >= 0 && (!file_look(fd, &now) || !file_id_eq(&now.id, &look->id))) {
		os->close(fd);
		errno = ENOENT;
		return -1;
	}
	return fd;
}

/* What the descriptor holds is read now, whatever it was refused for before. */
static bool is_archive(struct file_input *fi, int fd, struct str path, const struct file_look *look)
{
	char start[COMPRESSED_BYTES];

	if (look->size < sizeof(start) ||
	    file_read(fd, start, sizeof(start), 0) != (ssize_t)sizeof(start) ||
	    !is_compressed(str_make(start, sizeof(start))))
		return false;
	if (archives_note(fi, path, look, str_make(start, sizeof(start))))
		return true;
	open_refuse(fi, path, look->id.ino, "compressed",
		    "compressed files are not read; name them in exclude");
	return true;
}

/* No descriptor was left, but now there is one. */
static bool is_relieved(struct file_input *fi)
{
	return (errno == EMFILE || errno == ENFILE) && idle_close_one(fi);
}

/* Else the first read after each write would have the file's inode written to disk, for the time of
 * access. Only the owner and root may ask for it. */
static void leave_atime(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK | O_NOATIME);
}

int open_quietly(struct file_input *fi, struct str path, struct file_look *look)
{
	int held, fd = -1;

	do {
		held = fi->conf->follow == FOLLOW_ALL
			       ? OS_RETRY(os->open(path.p, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0))
			       : take_hold(fi, path);
	} while (held < 0 && is_relieved(fi));
	if (held < 0)
		return -1;
	if (file_look(held, look) && S_ISREG(look->mode) && !is_own_held(fi, held))
		fd = open_held(held, path, look);
	os->close(held);
	if (fd >= 0)
		leave_atime(fd);
	return fd;
}

int open_archive(struct file_input *fi, struct str path, struct file_look *look)
{
	int held, fd = -1;

	do {
		held = take_hold(fi, path);
	} while (held < 0 && is_relieved(fi));
	if (held < 0) {
		refuse_error(fi, path, 0);
		return -1;
	}
	if (!file_look(held, look)) {
		refuse_error(fi, path, 0);
	} else if (!S_ISREG(look->mode)) {
		refuse_type(fi, path, look->id.ino, look->mode);
	} else if (!is_own_held(fi, held)) {
		do {
			fd = open_held(held, path, look);
		} while (fd < 0 && is_relieved(fi));
		if (fd < 0)
			refuse_error(fi, path, look->id.ino);
	}
	os->close(held);
	if (fd >= 0)
		leave_atime(fd);
	return fd;
}

int open_regular(struct file_input *fi, struct str path, struct file_look *look)
{
	int fd = open_archive(fi, path, look);

	if (fd >= 0 && is_archive(fi, fd, path, look)) {
		os->close(fd);
		return -1;
	}
	if (fd >= 0)
		forgive(fi, path);
	return fd;
}
