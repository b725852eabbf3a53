/* SPDX-License-Identifier: Apache-2.0 */
/* Records in files: for archives and tests. A record is delivered when it is written, or with
 * `sync: always` when it is on the disk. A full disk holds everything, or with `when_full: drop` costs
 * what comes meanwhile, counted. */
#include <errno.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/doctor.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/file/archive.h"
#include "outputs/output.h"
#include "outputs/render.h"

#define RETRY_NS NS_PER_S

enum { FORMAT_JSON, FORMAT_TEXT };
enum { SYNC_NEVER, SYNC_SECOND, SYNC_ALWAYS };

struct file_conf {
	struct str path;
	unsigned format, sync;
	size_t max_size;
	unsigned max_files;
	int64_t rotate_every_ns;
};

static const struct conf_enum formats[] = {
	{ "json", FORMAT_JSON, "one JSON object a line: time, labels, line, metadata" },
	{ "text", FORMAT_TEXT, "a line for people: time, labels, line, metadata" },
	{ 0 }
};
static const struct conf_enum syncs[] = {
	{ "never", SYNC_NEVER, "when the system does; a file that is full is always synced" },
	{ "second", SYNC_SECOND, "once a second" },
	{ "always", SYNC_ALWAYS, "before a record counts as delivered" },
	{ 0 },
};
static const struct conf_field file_fields[] = {
	CONF_STR(struct file_conf, path, NULL,
		 "The file, in a folder that is there. Full ones become `path.1`, `path.2` and so "
		 "on.",
		 .flags = CONF_REQUIRED | CONF_NONEMPTY,
		 .example = "/var/log/tailrace/archive.jsonl"),
	CONF_ENUM(struct file_conf, format, "json", formats, "How a record is written."),
	CONF_SIZE(struct file_conf, max_size, "64MiB", "4KiB", "1TiB",
		  "Size of one file, at most."),
	CONF_INT(struct file_conf, max_files, "8", "1", "10000",
		 "Files that are kept, the newest included; the oldest is deleted."),
	CONF_TIME(
		struct file_conf, rotate_every_ns, "0s", "0s", "8760h",
		"A new file at each multiple of this time, counted in UTC (`24h`: at midnight), if "
		"there is something for it. 0: only by size.",
		.key = "rotate_every"),
	CONF_ENUM(struct file_conf, sync, "never", syncs,
		  "When records are on the disk, and not only with the system."),
};

static void file_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct file_conf *c = conf;

	if (c->path.p[0] != '/')
		conf_error(doc, conf_get(node, "path"), "a path from the root, beginning with /");
	if (c->rotate_every_ns && c->rotate_every_ns < NS_PER_S)
		conf_error(doc, conf_get(node, "rotate_every"), "at least a second, or 0");
}

static const struct conf_table file_table =
	CONF_TABLE(struct file_conf, file_fields, .check = file_check);

struct item {
	struct item *next;
	struct block *block;
	struct str rest; /* not in the file yet */
};

struct file_state {
	struct output *out;
	struct archive archive;
	struct item *first, *last; /* blocks that are not delivered yet */
	struct item *unwritten;    /* the first of them that is not in the file; NULL = all are */
	struct timer timer;        /* retry, or the next sync */
	bool is_failing;
	struct metric *up;
};

static int file_open(struct output *out, struct err *err)
{
	const struct file_conf *conf = out->conf;
	struct file_state *s = out->state;

	s->out = out;
	s->archive = (struct archive){ .path = conf->path.p,
				       .max_bytes = conf->max_size,
				       .max_files = conf->max_files,
				       .takes_back = conf->sync == SYNC_ALWAYS,
				       .every_ns = conf->rotate_every_ns,
				       .fd = -1 };
	s->up = metric_get(METRIC_OUTPUT_UP, "output", out->name, NULL);
	return archive_open(&s->archive, err);
}

static struct block *file_encode(struct output *out, const struct batch *b, struct arena *scratch)
{
	const struct file_conf *conf = out->conf;

	(void)scratch;
	return render_block(b, conf->format == FORMAT_JSON, false);
}

static struct block *pop(struct file_state *s)
{
	struct item *item = s->first;
	struct block *block = item->block;

	if (s->unwritten == item)
		s->unwritten = item->next;
	s->first = item->next;
	if (!s->first)
		s->last = NULL;
	mem_free(item);
	return block;
}

static void on_timer(struct timer *t);

static void failed(struct file_state *s, const struct err *err)
{
	if (!s->is_failing)
		log_error(s->out->is_blocking ? "cannot write: records are held until this works"
					      : "cannot write: records are dropped and counted",
			  KV_S("output", s->out->name), KV_ERR(err));
	s->is_failing = true;
	metric_set(s->up, 0);
	while (!s->out->is_blocking && s->first) {
		struct block *block = pop(s);

		flow_dropped(block->flow, "disk", block->nrecs);
		block_end(block, 1);
	}
	if (s->first)
		loop_timer_in(s->out->loop, &s->timer, RETRY_NS, on_timer);
}

static void delivered(struct file_state *s)
{
	while (s->first && s->first != s->unwritten) {
		struct block *block = pop(s);

		flow_delivered(block->flow, block->nrecs);
		block_end(block, 1);
	}
	if (s->is_failing)
		log_info("writing works again", KV_S("output", s->out->name));
	s->is_failing = false;
	metric_set(s->up, 1);
}

/* What the archive has taken back. Some of a block may be in an older file, which was synced: it is there
 * twice then. */
static void write_again(struct file_state *s)
{
	s->unwritten = s->first;
	for (struct item *item = s->first; item; item = item->next)
		item->rest = str_make(item->block->bytes, item->block->nbytes);
}

static void write_all(struct file_state *s)
{
	const struct file_conf *conf = s->out->conf;
	struct err err = ERR_NONE;

	while (s->unwritten) {
		if (archive_write(&s->archive, &s->unwritten->rest, &err) < 0) {
			if (conf->sync == SYNC_ALWAYS && s->archive.synced == s->archive.size)
				write_again(s); /* a sync before a rotation failed */
			failed(s, &err);
			return;
		}
		s->unwritten = s->unwritten->next;
		if (conf->sync != SYNC_ALWAYS)
			delivered(s);
	}
	if (conf->sync == SYNC_ALWAYS && s->first) {
		if (archive_sync(&s->archive, &err) < 0) {
			write_again(s);
			failed(s, &err);
			return;
		}
		delivered(s);
	}
	if (conf->sync == SYNC_SECOND && !s->timer.slot)
		loop_timer_in(s->out->loop, &s->timer, NS_PER_S, on_timer);
}

static void on_timer(struct timer *t)
{
	struct file_state *s = container_of(t, struct file_state, timer);
	const struct file_conf *conf = s->out->conf;
	struct err err = ERR_NONE;

	if (conf->sync == SYNC_SECOND && archive_sync(&s->archive, &err) < 0)
		log_error("cannot sync what was written", KV_S("output", s->out->name),
			  KV_ERR(&err));
	if (s->first)
		write_all(s);
}

static void file_deliver(struct output *out, struct block *b)
{
	struct file_state *s = out->state;
	struct item *item = mem_zalloc(sizeof(*item));

	item->block = b;
	item->rest = str_make(b->bytes, b->nbytes);
	if (s->last)
		s->last->next = item;
	else
		s->first = item;
	s->last = item;
	if (!s->unwritten)
		s->unwritten = item;
	if (!s->is_failing || !s->out->is_blocking)
		write_all(s);
}

static void file_flush(struct output *out)
{
	struct file_state *s = out->state;

	if (s->first)
		write_all(s);
}

static void file_stop(struct output *out)
{
	struct file_state *s = out->state;
	struct err err = ERR_NONE;

	file_flush(out);
	loop_timer_del(out->loop, &s->timer);
	if (archive_sync(&s->archive, &err) < 0)
		log_error("cannot sync what was written", KV_S("output", out->name), KV_ERR(&err));
	while (s->first) {
		struct block *block = pop(s);

		block_left(block, block->nrecs);
		block_abandon_end(block, 1);
	}
}

static void file_close(struct output *out)
{
	struct file_state *s = out->state;

	if (s->out)
		archive_close(&s->archive);
}

static void file_output_doctor(struct doctor *d, const char *name, const void *conf)
{
	const struct file_conf *c = conf;
	struct str dir = str_sub(c->path, 0, (size_t)(strrchr(c->path.p, '/') - c->path.p));
	char folder[4096];

	(void)name;
	snprintf(folder, sizeof(folder), STR_FMT "/", STR_ARG(dir));
	if (doctor_writable_dir(folder)) {
		doctor_say(d, DOCTOR_OK, "folder", "%s can be written", folder);
		return;
	}
	doctor_say(d, DOCTOR_FAIL, "folder", "user %s cannot make files in %s: %s", d->user, folder,
		   strerror(errno));
	doctor_fix(d, "install -d -o %s '%s'", d->user, folder);
}

extern const struct output_ops output_file;
const struct output_ops output_file = {
	.name = "file",
	.summary = "writes records to files that are rotated, as JSON lines or text",
	.doc = "For archives and tests. All files together are no larger than `max_size` times "
	       "`max_files`. When the disk is full, records are held and sources wait; with "
	       "`when_full: drop` they are dropped and counted. A file that something else moved "
	       "away (logrotate) is made anew.",
	.conf = &file_table,
	.state_size = sizeof(struct file_state),
	.is_blocking_by_default = true,
	.open = file_open,
	.encode = file_encode,
	.deliver = file_deliver,
	.flush = file_flush,
	.stop = file_stop,
	.close = file_close,
	.doctor = file_output_doctor,
};
