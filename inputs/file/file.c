/* SPDX-License-Identifier: Apache-2.0 */
/* The file input: options, the life of an instance, and its turns. */
#include <errno.h>
#include <unistd.h>

#include "inputs/file/doctor.h"
#include "inputs/file/archives.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"

#define RESCAN_GAP_NS (200 * NS_PER_MS) /* between scans that events ask for */
#define LOOKS_MAX 4                     /* at names, before files are read */
#define TURN_STEPS 256
#define ACTIVE_KEEP_NS (2 * NS_PER_S)

/* ---- turns -------------------------------------------------------------------------------- */

static struct tail *next_tail(struct file_input *fi)
{
	struct tail *t = fi->ready_first;

	if (!t)
		return NULL;
	fi->ready_first = t->next_ready;
	if (!fi->ready_first)
		fi->ready_last = NULL;
	t->is_ready = false;
	return t;
}

/* Without credit the file is the first to be read when there is some. */
static void put_back(struct file_input *fi, struct tail *t)
{
	t->is_ready = true;
	t->next_ready = fi->ready_first;
	fi->ready_first = t;
	if (!fi->ready_last)
		fi->ready_last = t;
}

/* One step of one file. False ends the turn. */
static bool step(struct file_input *fi, struct tail *t, struct read_batch *ret, size_t *n)
{
	switch (tail_read(t, ret)) {
	case READ_BATCH:
		++*n;
		pace_found(t, ret->batch->nrecs);
		if (t->is_replaying || tail_unread(t))
			tail_ready(t); /* at the end of the queue: others first */
		else
			tail_at_end(t);
		return true;
	case READ_AGAIN:
		tail_ready(t);
		return true;
	case READ_END:
		tail_at_end(t);
		return true;
	case READ_TROUBLE:
		tail_trouble(t);
		return true;
	case READ_NO_CREDIT:
		put_back(fi, t);
		fi->is_paused = true;
		return false;
	case READ_WAIT:
	case READ_CLOSED:
		return true;
	}
	return true;
}

/* Reads a batch from each of some files; notes what was read where, in one write; and only then
 * gives it away: whatever happens afterwards, the same lines get the same times again. */
static bool turn(struct poller *p)
{
	struct file_input *fi = container_of(p, struct file_input, poller);
	struct read_batch batches[TURN_BATCHES];
	size_t n = 0, bytes = 0, before;
	struct tail *t;
	unsigned steps;
	bool has_more;

	has_more = archives_step(fi);
	if (fi->is_paused || !fi->ready_first)
		return has_more;
	/* A file that was found may have its name from one that was renamed a moment ago, and is older. */
	for (steps = 0; steps < LOOKS_MAX && fi->drained_looks != fi->looks; steps++) {
		fi->drained_looks = fi->looks;
		watch_drain(fi->watch);
	}
	for (steps = 0; steps < TURN_STEPS && n < TURN_BATCHES && bytes < TURN_BYTES; steps++) {
		t = next_tail(fi);
		if (!t)
			break;
		before = n;
		if (!step(fi, t, &batches[n], &n))
			break;
		if (n > before)
			bytes += batches[before].bytes;
	}
	if (!positions_flush(fi->positions))
		metric_add(fi->position_errors, 1);
	for (size_t i = 0; i < n; i++)
		input_submit(fi->in, batches[i].batch, batches[i].bytes);
	return n > 0 || !fi->is_paused || has_more;
}

/* ---- what the watch tells ----------------------------------------------------------------- */

static void on_scan(struct timer *timer);

static void on_modified(void *ctx, struct str path)
{
	find_modified(ctx, path);
}

static void on_file_modified(void *ctx, struct watch_file *f)
{
	(void)ctx;
	pace_written(container_of(f, struct rare, watched)->tail);
}

static void on_named(void *ctx, struct str path, enum watch_name what, uint32_t cookie)
{
	names_note(ctx, path, what, cookie);
}

static void on_names_told(void *ctx)
{
	find_noted_names(ctx);
}

/* Not from within the watch's own events, and not for each of a thousand new directories. */
static void on_rescan(void *ctx, bool is_lost)
{
	struct file_input *fi = ctx;
	int64_t at_ns = fi->scanned_at_ns + RESCAN_GAP_NS;

	fi->must_walk = true;

	if (is_lost) {
		input_count_error(fi->in, "events_lost");
		log_info("inotify dropped events, looking at every file",
			 KV_S("input", fi->in->name));
	}
	if (!fi->scan_timer.slot || fi->scan_timer.at_ns > at_ns)
		loop_timer_set(fi->in->loop, &fi->scan_timer, at_ns, on_scan);
}

static void on_permitted(void *ctx, struct str path)
{
	struct map_node *at = NULL;

	if (open_is_refused(ctx, path) || links_to(ctx, path, &at).p)
		on_rescan(ctx, false);
}

static const struct watch_ops watch_ops = { .modified = on_modified,
					    .file_modified = on_file_modified,
					    .named = on_named,
					    .permitted = on_permitted,
					    .names_told = on_names_told,
					    .rescan = on_rescan };

static void on_poll(struct timer *timer)
{
	struct file_input *fi = container_of(timer, struct file_input, poll_timer);
	struct tail *next;

	if (watch_names_changed(fi->watch, true))
		find_scan(fi);
	for (struct tail *t = fi->tails; t; t = next) {
		next = t->next;
		if (t->path.p && watch_is_polled(fi->watch, t->path))
			tail_poll(t);
	}
	if (watch_has_polled(fi->watch))
		loop_timer_in(fi->in->loop, timer, fi->conf->poll_interval_ns, on_poll);
}

static void on_scan(struct timer *timer)
{
	struct file_input *fi = container_of(timer, struct file_input, scan_timer);

	find_scan_if_needed(fi);
	if (!fi->scan_timer.slot)
		loop_timer_in(fi->in->loop, timer, fi->conf->scan_interval_ns, on_scan);
	if (watch_has_polled(fi->watch) && !fi->poll_timer.slot)
		loop_timer_in(fi->in->loop, &fi->poll_timer, fi->conf->poll_interval_ns, on_poll);
}

/* ---- options ------------------------------------------------------------------------------ */

static const struct conf_enum start_names[] = {
	{ "beginning", START_BEGINNING, "everything that is in them" },
	{ "end", START_END, "only what comes later; at later starts everything that is new" },
	{ "last", START_LAST,
	  "goes on where each was left, at every start; of files whose name was never followed "
	  "only what comes later" },
	{ NULL, 0, NULL },
};

static const struct conf_enum watch_names[] = {
	{ "auto", WATCH_AUTO, "inotify, and polling where it does not see changes" },
	{ "inotify", WATCH_INOTIFY, "inotify and the scan only" },
	{ "poll", WATCH_POLL, "polling only" },
	{ NULL, 0, NULL },
};

static const struct conf_enum follow_names[] = {
	{ "all", FOLLOW_ALL, "wherever they lead" },
	{ "within", FOLLOW_WITHIN, "only to what is below a directory that a pattern begins in" },
	{ "none", FOLLOW_NONE, "not at all below those directories" },
	{ NULL, 0, NULL },
};

static const struct conf_enum archives_names[] = {
	{ "auto", ARCHIVES_AUTO,
	  "what was not read of a log, when it was rotated and compressed, and archives of logs "
	  "that were written to after the first start" },
	{ "read", ARCHIVES_READ, "also those that are older than the first start" },
	{ "skip", ARCHIVES_SKIP, "none" },
	{ NULL, 0, NULL },
};

static const struct conf_field file_fields[] = {
	CONF_LIST(struct file_conf, paths, NULL,
		  "Files to read, as patterns: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any "
		  "directories.",
		  .flags = CONF_REQUIRED, .alias = "path", .example = "[/var/log/*.log]"),
	CONF_LIST(struct file_conf, exclude, NULL, "Files not to read, as patterns.",
		  .example = "[/var/log/*.gz]"),
	CONF_ENUM(struct file_conf, follow, "all", follow_names,
		  "Which symlinks are followed. Where others may write into a log directory, "
		  "`within` keeps them from having any file read that the agent can open."),
	CONF_ENUM(
		struct file_conf, start, "beginning", start_names,
		"Where to begin with files that are there when the agent starts and have no saved "
		"position. A file that has one always goes on there, and one that appears while "
		"the agent runs is always read from its beginning."),
	CONF_TIME(struct file_conf, ignore_older_ns, "0", "0", "87600h",
		  "A file that was last written longer ago than this when it is met for the first "
		  "time is not read; when it is written to again, what is new in it is. 0: all "
		  "are read.",
		  .key = "ignore_older"),
	CONF_MAP(struct file_conf, labels, NULL,
		 "Labels added to every record, beside `job`, `host` and `filename`.",
		 .example = "{env: prod}"),
	CONF_SIZE(
		struct file_conf, max_line, "256KiB", "1KiB", "16MiB",
		"Longest line; a longer one is cut, flagged, and has its full length as metadata "
		"`tailrace_full_length`. Never more than a quarter of the pipeline's data memory."),
	CONF_ENUM(
		struct file_conf, format, "raw", file_format_names,
		"How lines are written: container runtimes wrap what a program wrote, and cut long "
		"lines into parts, which are joined again. `max_line` and `partial_wait` hold for "
		"the joined line. Not for extracted values: those have the stages of that name."),
	CONF_SECTION(struct file_conf, multiline, struct multiline_conf, &multiline_table,
		     "Joins the lines of one record before anything else, as the stage `multiline` "
		     "does.",
		     .flags = CONF_OPTIONAL),
	CONF_STR(struct file_conf, encoding, "utf-8",
		 "Encoding of the files, by any name of the "
		 "[WHATWG Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels): "
		 "`utf-16le`, `latin1`, `windows-1251`, `shift_jis`, `gb18030` ... Lines become "
		 "UTF-8. "
		 "A byte order mark is removed, and for UTF-8 and UTF-16 it is stronger than this "
		 "option.",
		 .example = "latin1"),
	CONF_TIME(struct file_conf, rotate_wait_ns, "5s", "10ms", "24h",
		  "A file that was renamed or deleted is read on until nothing was written to it "
		  "for this long.",
		  .key = "rotate_wait"),
	CONF_TIME(struct file_conf, partial_wait_ns, "5s", "0", "24h",
		  "A last line without line end is sent when nothing was written for this long. 0: "
		  "only when the file is rotated away.",
		  .key = "partial_wait"),
	CONF_ENUM(
		struct file_conf, archives, "auto", archives_names,
		"Which compressed files (gzip and zstd, known by their first bytes) that match the "
		"patterns are read. Each is read once, and never what was read before it was "
		"compressed. `start` and `ignore_older` hold for them, too."),
	CONF_SIZE(struct file_conf, max_archive_size, "64GiB", "1MiB", "1000000GiB",
		  "No more than this is read of the content of one compressed file.",
		  .flags = CONF_ADVANCED),
	CONF_ENUM(struct file_conf, watch, "auto", watch_names, "How changes are noticed.",
		  .flags = CONF_ADVANCED),
	CONF_TIME(struct file_conf, poll_interval_ns, "1s", "10ms", "1h",
		  "How often files are looked at where inotify does not see changes.",
		  .key = "poll_interval", .flags = CONF_ADVANCED),
	CONF_TIME(struct file_conf, scan_interval_ns, "10s", "100ms", "1h",
		  "How often files are looked for, in case an event was missed. Where the "
		  "directories show "
		  "that no name has changed, all of it is done only every sixth time.",
		  .key = "scan_interval", .flags = CONF_ADVANCED),
	CONF_INT(
		struct file_conf, max_open_files, "4096", "1", "1000000",
		"Descriptors for files. Of more files, those that were read longest ago are closed "
		"and opened again when they change.",
		.flags = CONF_ADVANCED),
	CONF_INT(struct file_conf, max_rotated_files, "1000", "1", "1000000",
		 "Files that were renamed or deleted and are kept open until all of them is "
		 "delivered. Of more the oldest is closed: one that was renamed is finished when "
		 "there is room, what was not read of a deleted one is counted as lost.",
		 .flags = CONF_ADVANCED),
	CONF_SIZE(struct file_conf, max_rotated_bytes, "64GiB", "1MiB", "1000000GiB",
		  "The same for the bytes in them that were not read.", .flags = CONF_ADVANCED),
};

static int compile(const struct conf_list *list, struct glob **ret, size_t *ret_n, struct err *err)
{
	char base[GLOB_BYTES_MAX];
	size_t n;

	if (!getcwd(base, sizeof(base)))
		return err_errno(err, errno, "cannot find the working directory");
	n = strlen(base);
	*ret = mem_array(list->n + 1, sizeof(struct glob));
	for (*ret_n = 0; *ret_n < list->n; ++*ret_n) {
		/* "/" ends with a slash, no other directory does. */
		int r = glob_init(&(*ret)[*ret_n], list->items[*ret_n],
				  str_make(base, n > 1 ? n : 0), err);

		if (r < 0)
			return r;
	}
	return 0;
}

static void free_globs(struct glob *globs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		glob_fini(&globs[i]);
	mem_free(globs);
}

static void check_list(struct conf_doc *doc, const struct conf_node *at,
		       const struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct err err = ERR_NONE;
		struct glob g;

		if (glob_init(&g, list->items[i], STR("/base"), &err) < 0)
			conf_error(doc, at, "pattern \"" STR_FMT "\": %s", STR_ARG(list->items[i]),
				   err.text);
		glob_fini(&g);
	}
}

static void file_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct file_conf *c = conf;
	const struct conf_node *at = conf_get(node, "paths");
	struct err err = ERR_NONE;

	if (!at)
		at = conf_get(node, "path");
	check_list(doc, at ? at : node, &c->paths);
	at = conf_get(node, "exclude");
	check_list(doc, at ? at : node, &c->exclude);
	at = conf_get(node, "encoding");
	if (encoding_check(c->encoding, &err) < 0)
		conf_error(doc, at ? at : node, "%s", err.text);
}

static const struct conf_table file_table =
	CONF_TABLE(struct file_conf, file_fields, .check = file_check);

/* ---- life --------------------------------------------------------------------------------- */

static void get_metrics(struct file_input *fi)
{
	const char *name = fi->in->name;

	fi->inotify_dirs = metric_get(METRIC_FILE_DIRS, "input", name, "by", "inotify", NULL);
	fi->polled_dirs = metric_get(METRIC_FILE_DIRS, "input", name, "by", "polling", NULL);
	fi->open_files = metric_get(METRIC_FILES_OPEN, "input", name, NULL);
	fi->behind = metric_get(METRIC_FILE_BYTES_BEHIND, "input", name, NULL);
	fi->lost_rewritten =
		metric_get(METRIC_FILE_BYTES_LOST, "input", name, "reason", "rewritten", NULL);
	fi->rotated = metric_get(METRIC_FILE_EVENTS, "input", name, "event", "rotated", NULL);
	fi->truncated = metric_get(METRIC_FILE_EVENTS, "input", name, "event", "rewritten", NULL);
	fi->deleted = metric_get(METRIC_FILE_EVENTS, "input", name, "event", "deleted", NULL);
	fi->copied = metric_get(METRIC_FILE_EVENTS, "input", name, "event", "copied", NULL);
	fi->too_old = metric_get(METRIC_FILE_EVENTS, "input", name, "event", "too_old", NULL);
	fi->postponed = metric_get(METRIC_FILE_EVENTS, "input", name, "event", "postponed", NULL);
	fi->position_errors = metric_get(METRIC_POSITION_ERRORS, "input", name, NULL);
	fi->cut = metric_get(METRIC_INPUT_FLAGGED, "input", name, "reason", "cut", NULL);
	fi->bad_encoding =
		metric_get(METRIC_INPUT_FLAGGED, "input", name, "reason", "bad_utf8", NULL);
	fi->descriptors = metric_get(METRIC_FILE_DESCRIPTORS, "input", name, NULL);
	fi->gone_closed =
		metric_get(METRIC_FILE_EVENTS, "input", name, "event", "gone_closed", NULL);
	fi->nul_bytes = metric_get(METRIC_FILE_NUL_BYTES, "input", name, NULL);
	fi->partial = metric_get(METRIC_INPUT_FLAGGED, "input", name, "reason", "partial", NULL);
}

static int open_positions(struct file_input *fi, struct err *err)
{
	struct buf path = BUF_INIT;

	if (fi->in->state_dir) {
		positions_path(&path, fi->in->state_dir, fi->in->name);
		fi->positions = positions_open(buf_cstr(&path), err);
	} else {
		fi->positions = positions_open(NULL, err);
	}
	buf_fini(&path);
	if (!fi->positions)
		return err->code;
	fi->last_ns = fi->positions->newest_ns;
	if (fi->positions->bad_lines || positions_lost_files(fi->positions)) {
		input_count_error(fi->in, "bad_positions");
		log_warn("position file is damaged: files without a position are read from their "
			 "beginning, others may go on a little earlier",
			 KV_S("path", fi->positions->path),
			 KV_I("lines_lost", fi->positions->bad_lines),
			 KV_I("files_lost", positions_lost_files(fi->positions)),
			 KV_I("files_kept", fi->positions->n));
	}
	return 0;
}

static int file_open(struct input *in, struct err *err)
{
	struct file_input *fi = in->state;
	int r;

	fi->magic = FILE_INPUT_MAGIC;
	fi->in = in;
	fi->met_fd = -1;
	fi->conf = in->conf;
	fi->full_length_key = key_intern(STR("tailrace_full_length"));
	get_metrics(fi);
	idle_init(fi);
	r = compile(&fi->conf->paths, &fi->globs, &fi->nglobs, err);
	if (r == 0)
		r = compile(&fi->conf->exclude, &fi->excludes, &fi->nexcludes, err);
	open_init(fi);
	if (r == 0)
		r = decoder_new(fi->conf->encoding, &fi->decoder, err);
	if (r == 0)
		r = open_positions(fi, err);
	if (r < 0)
		return r;
	fi->probe = mem_alloc(PROBE_BYTES);
	archives_init(fi);
	fi->pace_look_ns = PACE_LOOK_NS;
	fi->census_every_ns = PACE_CENSUS_NS;
	fi->active_keep_ns = ACTIVE_KEEP_NS;
	fi->watch = watch_new(in->loop, (enum watch_mode)fi->conf->watch, &watch_ops, fi);
	return 0;
}

static void file_start(struct input *in)
{
	struct file_input *fi = in->state;

	CHECK_OBJ(fi, FILE_INPUT_MAGIC);
	fi->is_started = true;
	loop_poller_add(in->loop, &fi->poller, turn);
	find_start(fi);
	if (!fi->tails)
		log_info("no file matches yet", KV_S("input", in->name));
	loop_timer_in(in->loop, &fi->scan_timer, fi->conf->scan_interval_ns, on_scan);
	if (watch_has_polled(fi->watch))
		loop_timer_in(in->loop, &fi->poll_timer, fi->conf->poll_interval_ns, on_poll);
}

static void file_resume(struct input *in)
{
	struct file_input *fi = in->state;

	fi->is_paused = false;
}

static void file_stop(struct input *in)
{
	struct file_input *fi = in->state;

	if (!fi->is_started || fi->is_stopped)
		return;
	fi->is_stopped = true;
	archives_stop(fi);
	loop_poller_del(in->loop, &fi->poller);
	loop_timer_del(in->loop, &fi->scan_timer);
	loop_timer_del(in->loop, &fi->poll_timer);
	loop_timer_del(in->loop, &fi->pace_timer);
	active_stop(fi);
	watch_free(TAKE(fi->watch));
	metric_set(fi->inotify_dirs, 0);
	metric_set(fi->polled_dirs, 0);
}

static bool file_is_idle(struct input *in)
{
	const struct file_input *fi = in->state;

	return fi->nflights == 0;
}

static void file_close(struct input *in)
{
	struct file_input *fi = in->state;

	if (!fi->in)
		return;
	file_stop(in);
	watch_free(TAKE(fi->watch));
	loop_timer_del(in->loop, &fi->save_timer);
	if (fi->positions && !positions_save(fi->positions))
		metric_add(fi->position_errors, 1);
	while (fi->tails)
		tail_free(fi->tails);
	archives_fini(fi);
	positions_free(fi->positions);
	free_globs(fi->globs, fi->nglobs);
	free_globs(fi->excludes, fi->nexcludes);
	names_fini(fi);
	open_fini(fi);
	links_fini(fi);
	map_fini(&fi->by_path);
	map_fini(&fi->by_id);
	map_fini(&fi->by_label);
	mem_free(fi->probe);
	decoder_free(TAKE(fi->decoder));
	fi->in = NULL;
}

extern const struct input_ops input_file;
const struct input_ops input_file = {
	.name = "file",
	.summary = "Reads lines from files and follows them through rotation",
	.conf = &file_table,
	.state_size = sizeof(struct file_input),
	.is_alone = true,
	.stages = file_stages,
	.open = file_open,
	.start = file_start,
	.resume = file_resume,
	.stop = file_stop,
	.is_idle = file_is_idle,
	.close = file_close,
	.doctor = file_doctor,
};
