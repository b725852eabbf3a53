/* SPDX-License-Identifier: Apache-2.0 */
/* Writing dead letters: opened for each group, as it is rare and lets the file be moved away. */
#include <errno.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/own_file.h"
#include "lib/rfc3339.h"
#include "outputs/loki/deadletter.h"
#include "outputs/loki/push.h"

#define REASON_MAX 1024
#define GROUP_BYTES ((size_t)128 * 1024) /* written at once */

struct deadletter {
	char *path;
	size_t max_bytes;
};

/* One open file and what is about to be written to it. */
struct group {
	int fd;
	size_t size; /* of the file: all of it whole lines */
	struct buf lines;
	uint64_t nlines;
};

struct deadletter *deadletter_new(const char *state_dir, const char *name, size_t max_bytes,
				  struct err *err)
{
	struct deadletter *d = mem_zalloc(sizeof(*d));
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s/dead-letters", state_dir);
	if (os->mkdir(buf_cstr(&path), 0700) < 0 && errno != EEXIST) {
		err_errno(err, errno, "cannot make the folder %s", buf_cstr(&path));
		buf_fini(&path);
		mem_free(d);
		return NULL;
	}
	buf_printf(&path, "/%s.jsonl", name);
	d->path = mem_strdup(buf_cstr(&path));
	d->max_bytes = max_bytes;
	buf_fini(&path);
	return d;
}

void deadletter_free(struct deadletter *d)
{
	if (!d)
		return;
	mem_free(d->path);
	mem_free(d);
}

const char *deadletter_path(const struct deadletter *d)
{
	return d->path;
}

static int open_file(const struct deadletter *d, struct group *g, struct err *err)
{
	struct stat st;
	char last;

	g->fd = own_file_open(d->path, O_RDWR | O_CREAT | O_APPEND, err);
	if (g->fd < 0)
		return g->fd;
	if (os->fstat(g->fd, &st) < 0)
		return err_errno(err, errno, "cannot look at it");
	g->size = (size_t)st.st_size;
	/* A kill may have left half a line; it must not swallow the next one. */
	if (g->size && os->pread(g->fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		buf_ch(&g->lines, '\n');
	return 0;
}

/* Whole lines or nothing. */
static int write_group(struct group *g, struct err *err)
{
	size_t done = 0;

	while (done < g->lines.n) {
		ssize_t n = os->write(g->fd, g->lines.p + done, g->lines.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int errnum = n < 0 ? errno : ENOSPC;

			if (done)
				os->ftruncate(g->fd, (off_t)g->size);
			return err_errno(err, errnum, "cannot write it");
		}
		done += (size_t)n;
	}
	g->size += g->lines.n;
	buf_clear(&g->lines);
	return 0;
}

static void put_entry(struct buf *b, const struct run *run, struct push_entry e, int status,
		      struct str reason)
{
	struct str name, value;
	char stamp[RFC3339_MAX];
	bool is_first = true;

	rfc3339_utc(e.time_ns, 9, stamp);
	buf_printf(b, "{\"time\":\"%s\"", stamp);
	if (run->tenant.n) {
		buf_c(b, ",\"tenant\":");
		buf_json_str(b, run->tenant);
	}
	buf_c(b, ",\"labels\":");
	buf_json_str(b, run->labels);
	buf_c(b, ",\"line\":");
	buf_json_str(b, e.line);
	buf_c(b, ",\"metadata\":{");
	while (push_next_pair(&e.meta, &name, &value)) {
		buf_c(b, is_first ? "" : ",");
		buf_json_str(b, name);
		buf_ch(b, ':');
		buf_json_str(b, value);
		is_first = false;
	}
	buf_printf(b, "},\"status\":%d,\"reason\":", status);
	buf_json_str(b, str_sub(reason, 0, REASON_MAX));
	buf_c(b, "}\n");
}

/* Adds one entry to the group; false when the file would grow too large. */
static bool add(const struct deadletter *d, struct group *g, const struct run *run,
		struct push_entry e, int status, struct str reason)
{
	size_t before = g->lines.n;

	put_entry(&g->lines, run, e, status, reason);
	if (g->size + g->lines.n > d->max_bytes || g->lines.is_cut) {
		g->lines.n = before;
		return false;
	}
	g->nlines++;
	return true;
}

uint64_t deadletter_write(struct deadletter *d, const struct piece *pieces, size_t n, int status,
			  struct str reason, struct err *err)
{
	struct group g = { .fd = -1 };
	uint64_t written = 0;

	*err = ERR_NONE;
	if (open_file(d, &g, err) < 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		struct str bytes = piece_bytes(&pieces[i]);
		struct push_entry e;

		while (push_next_entry(&bytes, &e)) {
			if (!add(d, &g, piece_run(&pieces[i]), e, status, reason))
				continue; /* a shorter one may still fit */
			if (g.lines.n < GROUP_BYTES)
				continue;
			if (write_group(&g, err) < 0)
				goto out;
			written += g.nlines;
			g.nlines = 0;
		}
	}
	if (g.nlines && write_group(&g, err) == 0)
		written += g.nlines;
	if (written && os->fdatasync(g.fd) < 0)
		err_errno(err, errno, "cannot sync it");
out:
	if (g.fd >= 0)
		os->close(g.fd);
	buf_fini(&g.lines);
	return written;
}
