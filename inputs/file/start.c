/* SPDX-License-Identifier: Apache-2.0 */
/* Where to begin with a file that is met for the first time. */
#include "inputs/file/file.h"
#include "inputs/file/line_start.h"
#include "lib/clock.h"
#include "lib/log.h"

/* A name that was never followed. One that was has been rotated: what is there now is its next file. */
static bool is_new_name(const struct positions *ps, struct str path)
{
	struct map_node *n = map_first(&ps->by_path, str_hash(path, 0));

	for (; n; n = map_next(n))
		if (str_eq(container_of(n, struct pos, by_path)->path, path))
			return false;
	return true;
}

enum start_at start_of(struct file_input *fi, const struct file_look *look, struct str path)
{
	const struct file_conf *conf = fi->conf;

	if (conf->ignore_older_ns && clock_wall_ns() - look->mtime_ns > conf->ignore_older_ns) {
		metric_add(fi->too_old, 1);
		log_debug("file is older than ignore_older, it is read when it is written to",
			  KV("path", path));
		return AT_SIZE;
	}
	if (!fi->is_first_scan || conf->start == START_BEGINNING)
		return AT_BEGINNING;
	if (conf->start == START_END)
		return fi->positions->is_first_start ? AT_LAST_LINE : AT_BEGINNING;
	return is_new_name(fi->positions, path) ? AT_LAST_LINE : AT_BEGINNING;
}

void start_at(struct file_input *fi, struct pos *p, int fd, uint64_t size, enum start_at at)
{
	uint64_t offset, marker;
	struct decoder *d;

	if (at == AT_BEGINNING || !line_decoder(fd, fi->decoder, &d))
		return;
	offset = size - size % decoder_unit(d);
	if (at == AT_LAST_LINE && !line_start(fd, d, size, &offset))
		return;
	if (offset && marker_read(fd, offset, &marker))
		positions_skip(fi->positions, p, offset, marker);
}
