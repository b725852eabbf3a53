/* SPDX-License-Identifier: Apache-2.0 */
/* Appending, rotating, syncing. */
#include "outputs/file/archive.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/os.h"
#include "lib/own_file.h"

static int64_t period_of(const struct archive *a, int64_t wall_ns)
{
	return a->every_ns ? wall_ns / a->every_ns : 0;
}

int archive_open(struct archive *a, struct err *err)
{
	struct stat st;
	char last = '\n';

	archive_close(a);
	a->fd = own_file_open(a->path, O_RDWR | O_CREAT | O_APPEND, err);
	if (a->fd < 0 || os->fstat(a->fd, &st) < 0) {
		if (a->fd >= 0)
			err_errno(err, errno, "cannot look at it");
		archive_close(a);
		err_where(err, "%s", a->path);
		return err->code;
	}
	a->size = a->synced = (uint64_t)st.st_size;
	a->dev = st.st_dev;
	a->ino = st.st_ino;
	a->period = period_of(a, a->size ? (int64_t)st.st_mtim.tv_sec * NS_PER_S : clock_wall_ns());
	/* A kill may have left half a line; it must not swallow the next one. */
	if (a->size && os->pread(a->fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
	    os->write(a->fd, "\n", 1) == 1)
		a->size++;
	return 0;
}

void archive_close(struct archive *a)
{
	if (a->fd >= 0)
		os->close(a->fd);
	a->fd = -1;
}

/* Somebody else's rotation (logrotate, mv): the name is to have a file again. At most once a second. */
static bool is_moved(struct archive *a)
{
	int64_t now_ns = clock_mono_ns();
	struct stat st;

	if (a->looked_ns && now_ns - a->looked_ns < NS_PER_S)
		return false;
	a->looked_ns = now_ns;
	return os->stat(a->path, &st) < 0 ? errno == ENOENT
					  : st.st_dev != a->dev || st.st_ino != a->ino;
}

static void shift(const struct archive *a)
{
	struct buf from = BUF_INIT, to = BUF_INIT;

	for (unsigned i = a->max_files - 1; i > 0; i--) {
		buf_clear(&from);
		buf_clear(&to);
		buf_c(&from, a->path);
		if (i > 1)
			buf_printf(&from, ".%u", i - 1);
		buf_printf(&to, "%s.%u", a->path, i);
		os->rename(buf_cstr(&from), buf_cstr(&to)); /* or it is not there */
	}
	if (a->max_files < 2)
		os->unlink(a->path);
	buf_fini(&from);
	buf_fini(&to);
}

static int new_file_if_due(struct archive *a, size_t n, struct err *err)
{
	bool is_due = a->fd >= 0 && a->size &&
		      (a->size + n > a->max_bytes || period_of(a, clock_wall_ns()) != a->period);

	if (a->fd >= 0 && !is_due && !is_moved(a))
		return 0;
	if (a->fd >= 0 && archive_sync(a, err) < 0 && a->takes_back)
		return err->code;
	*err = ERR_NONE;
	if (is_due)
		shift(a);
	return archive_open(a, err);
}

static int write_whole(struct archive *a, struct str s, struct err *err)
{
	size_t done = 0;

	while (done < s.n) {
		ssize_t n = OS_RETRY(os->write(a->fd, s.p + done, s.n - done));

		if (n <= 0) {
			int errnum = n < 0 ? errno : ENOSPC;

			if (done && os->ftruncate(a->fd, (off_t)a->size) < 0)
				archive_close(a); /* the half line is ended by the next open */
			err_where(err, "%s", a->path);
			return err_errno(err, errnum, "cannot write to it");
		}
		done += (size_t)n;
	}
	a->size += s.n;
	a->period = period_of(a, clock_wall_ns());
	return 0;
}

/* The lines that fit into the file, at least one. */
static size_t fitting(const struct archive *a, struct str lines)
{
	size_t room = a->max_bytes > a->size ? a->max_bytes - a->size : 0;
	const char *end;

	if (lines.n <= room)
		return lines.n;
	end = room ? memrchr(lines.p, '\n', room) : NULL;
	if (end)
		return (size_t)(end - lines.p) + 1;
	room = str_chr(lines, '\n') + 1;
	return room < lines.n ? room : lines.n;
}

int archive_write(struct archive *a, struct str *lines, struct err *err)
{
	while (lines->n) {
		size_t n;

		if (new_file_if_due(a, fitting(a, *lines), err) < 0)
			return err->code;
		n = fitting(a, *lines); /* a new one has more room */
		if (write_whole(a, str_sub(*lines, 0, n), err) < 0)
			return err->code;
		*lines = str_skip(*lines, n);
	}
	return 0;
}

int archive_sync(struct archive *a, struct err *err)
{
	if (a->fd < 0 || a->synced == a->size)
		return 0;
	if (os->fdatasync(a->fd) < 0) {
		int errnum = errno;

		/* A second try would succeed and mean nothing: the kernel has given the pages up. */
		if (a->takes_back && os->ftruncate(a->fd, (off_t)a->synced) == 0)
			a->size = a->synced;
		a->synced = a->size;
		err_where(err, "%s", a->path);
		return err_errno(err, errnum, "cannot sync it");
	}
	a->synced = a->size;
	return 0;
}
