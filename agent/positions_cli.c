/* SPDX-License-Identifier: Apache-2.0 */
/* Listing, setting and forgetting positions. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/positions_cli.h"
#include "agent/state_dir.h"
#include "inputs/file/glob.h"
#include "inputs/file/line_start.h"
#include "inputs/file/positions.h"
#include "lib/clock.h"
#include "lib/lockfile.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/rfc3339.h"

#define INPUTS_MAX 10000
#define SUFFIX ".log"

/* ---- which inputs, which files ------------------------------------------------------------ */

struct chosen {
	const struct positions_args *args;
	struct glob glob;
	bool has_glob;
	char **files; /* position files, sorted */
	size_t nfiles;
};

static struct str file_name(const char *path)
{
	return str_c(strrchr(path, '/') + 1);
}

/* The input's name, as it is in the configuration. */
static void input_of(const char *path, struct buf *out)
{
	struct str name = file_name(path);

	buf_clear(out);
	name.n -= strlen(SUFFIX);
	for (size_t i = 0; i < name.n; i++) {
		unsigned c = (uint8_t)name.p[i];

		/* As positions_path() wrote it: %2f, %25 or %2e. */
		if (c == '%' && name.n - i > 2 && name.p[i + 1] == '2') {
			c = name.p[i + 2] == 'f' ? '/' : name.p[i + 2] == 'e' ? '.' : '%';
			i += 2;
		}
		buf_ch(out, (char)c);
	}
	buf_cstr(out);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_chosen(struct chosen *c)
{
	for (size_t i = 0; i < c->nfiles; i++)
		mem_free(c->files[i]);
	mem_free(c->files);
	if (c->has_glob)
		glob_fini(&c->glob);
}

static int choose_files(struct chosen *c, struct err *err)
{
	struct buf path = BUF_INIT, input = BUF_INIT;
	struct dirent *d;
	DIR *dir;

	buf_printf(&path, "%s/positions", c->args->state_dir);
	dir = opendir(buf_cstr(&path));
	if (!dir && errno != ENOENT) {
		err_where(err, "%s", buf_cstr(&path));
		err_errno(err, errno, "cannot look into the state directory");
		buf_fini(&path);
		return 1;
	}
	while (dir && c->nfiles < INPUTS_MAX && (d = readdir(dir))) {
		struct str name = str_c(d->d_name);

		if (name.n <= strlen(SUFFIX) ||
		    !str_eq(str_skip(name, name.n - strlen(SUFFIX)), STR(SUFFIX)))
			continue;
		buf_clear(&path);
		buf_printf(&path, "%s/positions/%s", c->args->state_dir, d->d_name);
		input_of(buf_cstr(&path), &input);
		if (c->args->input && strcmp(buf_cstr(&input), c->args->input))
			continue;
		c->files = mem_realloc(c->files, (c->nfiles + 1) * sizeof(*c->files));
		c->files[c->nfiles++] = mem_strdup(buf_cstr(&path));
	}
	if (dir)
		closedir(dir);
	buf_fini(&path);
	buf_fini(&input);
	if (c->nfiles)
		qsort(c->files, c->nfiles, sizeof(*c->files), by_name);
	return 0;
}

static int choose(struct chosen *c, const struct positions_args *args, struct err *err)
{
	char base[GLOB_BYTES_MAX];
	int rc;

	*c = (struct chosen){ .args = args };
	if (access(args->state_dir, F_OK) != 0) {
		err_where(err, "%s", args->state_dir);
		err_errno(err, errno, "no state directory");
		return 1;
	}
	if (args->path) {
		if (!getcwd(base, sizeof(base)))
			base[0] = 0;
		if (glob_init(&c->glob, str_c(args->path),
			      str_make(base, strlen(base) > 1 ? strlen(base) : 0), err) < 0)
			return EXIT_WRONG;
		c->has_glob = true;
	}
	rc = choose_files(c, err);
	if (rc)
		free_chosen(c);
	return rc;
}

/* By its path as it is, or as a pattern. */
static bool is_chosen(const struct chosen *c, const struct pos *p)
{
	return !c->has_glob || str_is(p->path, c->args->path) || glob_match(&c->glob, p->path);
}

static int nothing(const struct chosen *c, struct err *err)
{
	if (c->args->path)
		err_set(err, -ENOENT, "no saved position is of %s%s%s", c->args->path,
			c->args->input ? " and input " : "", c->args->input ? c->args->input : "");
	else
		err_set(err, -ENOENT, "input %s has no saved positions", c->args->input);
	return 1;
}

/* ---- list --------------------------------------------------------------------------------- */

struct row {
	const char *input;
	const struct pos *pos;
	char now[POS_PATH_MAX + 1]; /* where it is; empty: nowhere near */
	bool is_moved;
	struct file_look look;
};

/* At its path, or under another name beside it. */
static void locate(struct row *r)
{
	struct str path = r->pos->path;
	const char *slash = memrchr(path.p, '/', path.n);
	size_t dir_n = (size_t)(slash - path.p) + 1;
	struct dirent *d;
	DIR *dir;

	memcpy(r->now, path.p, path.n);
	r->now[path.n] = 0;
	if (file_look_path(r->now, &r->look) && file_id_eq(&r->look.id, &r->pos->file))
		return;
	r->is_moved = true;
	r->now[dir_n] = 0;
	dir = opendir(r->now);
	while (dir && (d = readdir(dir))) {
		if (d->d_ino != r->pos->file.ino || dir_n + strlen(d->d_name) > POS_PATH_MAX)
			continue;
		memcpy(r->now + dir_n, d->d_name, strlen(d->d_name) + 1);
		if (file_look_path(r->now, &r->look) && file_id_eq(&r->look.id, &r->pos->file)) {
			closedir(dir);
			return;
		}
	}
	if (dir)
		closedir(dir);
	r->now[0] = 0;
}

/* What a compressed file has is known when it was read. */
static bool knows_size(const struct row *r)
{
	return r->now[0] && (!r->pos->archive || r->pos->archive->is_done);
}

static uint64_t behind(const struct row *r)
{
	if (r->pos->archive)
		return 0;
	return r->look.size > r->pos->offset ? r->look.size - r->pos->offset : 0;
}

static unsigned percent(const struct row *r)
{
	return behind(r) ? (unsigned)((double)r->pos->offset * 100 / (double)r->look.size) : 100;
}

static void put_age(struct buf *out, int64_t s)
{
	if (s < 120)
		buf_printf(out, "%llds", (long long)(s > 0 ? s : 0));
	else if (s < 7200)
		buf_printf(out, "%lldm", (long long)(s / 60));
	else if (s < 48 * 3600)
		buf_printf(out, "%lldh", (long long)(s / 3600));
	else
		buf_printf(out, "%lldd", (long long)(s / 86400));
}

static void put_text(struct buf *out, const struct row *r)
{
	const struct pos *p = r->pos;
	char size[24] = "-", left[24] = "-", share[8] = "-";
	struct buf age = BUF_INIT;

	if (r->now[0])
		snprintf(size, sizeof(size), "%llu", (unsigned long long)r->look.size);
	if (knows_size(r)) {
		snprintf(left, sizeof(left), "%llu", (unsigned long long)behind(r));
		snprintf(share, sizeof(share), "%u%%", percent(r));
	}
	if (p->last_ns)
		put_age(&age, (clock_wall_ns() - p->last_ns) / NS_PER_S);
	else
		buf_c(&age, "never");
	buf_printf(out, "%-12s %10llu %12s %12llu %12s %5s %6s  ", r->input,
		   (unsigned long long)p->file.ino, size, (unsigned long long)p->offset, left,
		   share, buf_cstr(&age));
	/* A name with control characters must not do things to a terminal. */
	for (size_t i = 0; i < p->path.n; i++)
		buf_ch(out,
		       (uint8_t)p->path.p[i] < 0x20 || p->path.p[i] == 0x7f ? '?' : p->path.p[i]);
	if (p->archive && r->now[0])
		buf_printf(out, "  (in archive %s)", strrchr(r->now, '/') + 1);
	else if (!r->now[0])
		buf_c(out, "  (gone)");
	else if (r->is_moved)
		buf_printf(out, "  (now %s)", strrchr(r->now, '/') + 1);
	buf_ch(out, '\n');
	buf_fini(&age);
}

static void put_json(struct buf *out, const struct row *r)
{
	const struct pos *p = r->pos;

	buf_c(out, "{\"input\":");
	buf_json_str(out, str_c(r->input));
	buf_c(out, ",\"path\":");
	buf_json_str(out, p->path);
	buf_printf(out, ",\"state\":\"%s\"", !r->now[0] ? "gone" : r->is_moved ? "moved" : "here");
	if (r->now[0] && r->is_moved) {
		buf_c(out, ",\"now\":");
		buf_json_str(out, str_c(r->now));
	}
	buf_printf(out, ",\"inode\":%llu,\"offset\":%llu", (unsigned long long)p->file.ino,
		   (unsigned long long)p->offset);
	if (p->archive)
		buf_printf(out, ",\"archive\":true,\"done\":%s",
			   p->archive->is_done ? "true" : "false");
	if (r->now[0])
		buf_printf(out, ",\"size\":%llu", (unsigned long long)r->look.size);
	if (knows_size(r))
		buf_printf(out, ",\"behind\":%llu,\"percent\":%u", (unsigned long long)behind(r),
			   percent(r));
	if (p->last_ns) {
		char text[RFC3339_MAX];

		buf_printf(out, ",\"last_read\":\"%.*s\",\"age_seconds\":%lld",
			   (int)rfc3339_utc(p->last_ns, 3, text), text,
			   (long long)((clock_wall_ns() - p->last_ns) / NS_PER_S));
	}
	buf_c(out, "}\n");
}

int positions_cli_list(const struct positions_args *args, struct err *err)
{
	struct buf out = BUF_INIT, input = BUF_INIT;
	struct row *row = mem_zalloc(sizeof(*row));
	size_t n = 0;
	struct chosen c;
	int rc = choose(&c, args, err);

	if (rc) {
		mem_free(row);
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < c.nfiles; i++) {
		struct positions *ps = positions_peek(c.files[i], err);

		if (!ps) {
			rc = 1;
			break;
		}
		input_of(c.files[i], &input);
		for (const struct pos *p = ps->first; p; p = p->next) {
			if (!is_chosen(&c, p))
				continue;
			if (!n++ && !args->as_json)
				buf_printf(&out, "%-12s %10s %12s %12s %12s %5s %6s  %s\n", "INPUT",
					   "INODE", "SIZE", "OFFSET", "BEHIND", "READ", "AGE",
					   "PATH");
			memset(row, 0, sizeof(*row));
			row->input = buf_cstr(&input);
			row->pos = p;
			locate(row);
			(args->as_json ? put_json : put_text)(&out, row);
		}
		positions_free(ps);
	}
	fwrite(out.p ? out.p : "", 1, out.n, stdout);
	if (rc == 0 && !n && (args->path || args->input))
		rc = nothing(&c, err);
	free_chosen(&c);
	buf_fini(&out);
	buf_fini(&input);
	mem_free(row);
	return rc;
}

/* ---- set and forget ----------------------------------------------------------------------- */

static int lock(const struct positions_args *args, int *ret, struct err *err)
{
	*ret = args->is_dry_run ? -1 : state_dir_take(args->state_dir, err);
	if (args->is_dry_run || *ret >= 0)
		return 0;
	if (*ret == -EBUSY) {
		char who[sizeof(err->text)];

		snprintf(who, sizeof(who), "%s", err->text);
		err_set(err, -EBUSY, "%s: stop the agent first, it would not notice the change",
			who);
	}
	return 1;
}

static struct positions *open_one(const struct positions_args *args, const char *file,
				  struct err *err)
{
	return args->is_dry_run ? positions_peek(file, err) : positions_open(file, err);
}

static int save(const struct positions_args *args, struct positions *ps, struct err *err)
{
	int rc = 0;

	if (!args->is_dry_run && !positions_save(ps)) {
		err_errno(err, errno, "cannot write the position file");
		rc = 1;
	}
	positions_free(ps);
	return rc;
}

struct target {
	struct file_look look;
	uint64_t offset, marker, head;
	uint32_t head_n;
};

/* Offset, and what is compared before reading goes on there. */
static int aim(const char *path, const char *offset, struct target *t, struct err *err)
{
	int fd = OS_RETRY(os->open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0));
	char head[HEAD_BYTES];
	struct decoder *d;
	uint64_t wish = 0;
	int rc = 0;

	err_where(err, "%s", path);
	if (fd < 0 || !file_look(fd, &t->look)) {
		err_errno(err, errno, "cannot open the file");
		if (fd >= 0)
			os->close(fd);
		return 1;
	}
	t->head_n = head_size(t->look.size);
	if (!S_ISREG(t->look.mode))
		rc = 1, err_set(err, -EINVAL, "not a regular file");
	else if (file_read(fd, head, t->head_n, 0) == (ssize_t)t->head_n &&
		 is_compressed(str_make(head, t->head_n)))
		rc = 1,
		err_set(err, -EINVAL,
			"a compressed file: its position cannot be set, only forgotten, and "
			"then it is read again");
	else if (!strcmp(offset, "end"))
		wish = t->look.size;
	else if (strcmp(offset, "beginning") && !str_u64(str_c(offset), &wish))
		rc = EXIT_WRONG,
		err_set(err, -EINVAL, "--offset is beginning, end or a number of bytes, not '%s'",
			offset);
	else if (wish > t->look.size)
		rc = EXIT_WRONG,
		err_set(err, -EINVAL, "offset %s is behind its end, it has %llu bytes", offset,
			(unsigned long long)t->look.size);
	if (rc == 0 && (!line_decoder(fd, NULL, &d) || !line_start(fd, d, wish, &t->offset) ||
			!marker_read(fd, t->offset, &t->marker) ||
			file_read(fd, head, t->head_n, 0) != (ssize_t)t->head_n))
		rc = 1, err_errno(err, errno, "cannot read the file");
	t->head = rc == 0 ? ident_hash(head, t->head_n) : 0;
	os->close(fd);
	if (rc == 0 && t->offset != wish)
		printf("offset %llu is inside a line, which begins at %llu\n",
		       (unsigned long long)wish, (unsigned long long)t->offset);
	return rc;
}

static void place(struct positions *ps, struct str path, const struct target *t, const char *input,
		  bool is_dry_run)
{
	struct pos *p = positions_find(ps, &t->look.id);

	printf("%s: input %s, " STR_FMT ": ", is_dry_run ? "would set" : "set", input,
	       STR_ARG(path));
	if (p)
		printf("from %llu ", (unsigned long long)p->offset);
	printf("to %llu of %llu bytes\n", (unsigned long long)t->offset,
	       (unsigned long long)t->look.size);
	if (!p)
		p = positions_add(ps, &t->look.id, path);
	if (!p)
		return;
	positions_restart(ps, p);
	if (t->head_n)
		positions_head(ps, p, t->head_n, t->head);
	if (t->offset)
		positions_skip(ps, p, t->offset, t->marker);
}

/* An input that never ran gets its file made. */
static void add_input(struct chosen *c)
{
	struct buf path = BUF_INIT;

	positions_path(&path, c->args->state_dir, c->args->input);
	c->files = mem_realloc(c->files, sizeof(*c->files));
	c->files[c->nfiles++] = mem_strdup(buf_cstr(&path));
	buf_fini(&path);
}

int positions_cli_set(const struct positions_args *args, struct err *err)
{
	struct positions_args any = *args;
	char absolute[POS_PATH_MAX];
	struct buf input = BUF_INIT;
	struct target target;
	struct chosen c;
	int rc, fd = -1;
	size_t n = 0;

	any.path = NULL; /* a path here, no pattern */
	if (!realpath(args->path, absolute)) {
		err_where(err, "%s", args->path);
		err_errno(err, errno, "cannot find the file");
		return 1;
	}
	if (args->path[0] == '/') /* as the agent knows it, symlinks and all */
		snprintf(absolute, sizeof(absolute), "%s", args->path);
	rc = choose(&c, &any, err);
	if (rc)
		return rc;
	rc = aim(absolute, args->offset, &target, err);
	if (rc == 0)
		rc = lock(args, &fd, err);
	if (rc == 0 && args->input && !c.nfiles)
		add_input(&c);
	for (size_t i = 0; rc == 0 && i < c.nfiles; i++) {
		struct positions *ps = open_one(args, c.files[i], err);

		if (!ps) {
			rc = 1;
			break;
		}
		input_of(c.files[i], &input);
		if (!args->input && !positions_find(ps, &target.look.id)) {
			positions_free(ps);
			continue;
		}
		n++;
		place(ps, str_c(absolute), &target, buf_cstr(&input), args->is_dry_run);
		rc = save(args, ps, err);
	}
	if (rc == 0 && !n) {
		err_set(err, -ENOENT, "no input has a position of it: name the input with --input");
		rc = 1;
	}
	lockfile_release(fd);
	free_chosen(&c);
	buf_fini(&input);
	return rc;
}

int positions_cli_forget(const struct positions_args *args, struct err *err)
{
	struct buf input = BUF_INIT;
	struct chosen c;
	int fd = -1, rc = choose(&c, args, err);
	size_t n = 0;

	if (rc)
		return rc;
	rc = lock(args, &fd, err);
	for (size_t i = 0; rc == 0 && i < c.nfiles; i++) {
		struct positions *ps = open_one(args, c.files[i], err);
		struct pos *next;

		if (!ps) {
			rc = 1;
			break;
		}
		input_of(c.files[i], &input);
		for (struct pos *p = ps->first; p; p = next) {
			next = p->next;
			if (!is_chosen(&c, p))
				continue;
			n++;
			printf("%s: input %s, " STR_FMT ", was at %llu\n",
			       args->is_dry_run ? "would forget" : "forgotten", buf_cstr(&input),
			       STR_ARG(p->path), (unsigned long long)p->offset);
			positions_drop(ps, p);
		}
		rc = save(args, ps, err);
	}
	if (rc == 0 && !n)
		rc = nothing(&c, err);
	lockfile_release(fd);
	free_chosen(&c);
	buf_fini(&input);
	return rc;
}
