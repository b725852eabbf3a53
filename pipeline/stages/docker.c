/* SPDX-License-Identifier: Apache-2.0 */
/* Stage docker: lines of Docker's json-file log; long ones come in parts, which do not end with a
 * line feed. */
#include "lib/clock.h"
#include "pipeline/json.h"
#include "pipeline/stages/docker.h"

static const struct conf_field docker_fields[] = {
	PARTIAL_FIELDS(struct docker_conf, partial),
};
static const struct conf_table docker_table =
	CONF_TABLE(struct docker_conf, docker_fields, .ignores_others = true);

struct docker {
	struct partial partial;
	struct json_paths *paths;
	struct json_value *values; /* scratch */
	int log, stream, time;     /* slots */
	uint16_t output_key, stream_key, timestamp_key;
};

static int docker_open(struct stage *s, struct err *err)
{
	const struct docker_conf *conf = s->conf;
	struct docker *d = s->state;

	d->paths = json_paths_new();
	d->log = json_paths_add(d->paths, STR("log"));
	d->stream = json_paths_add(d->paths, STR("stream"));
	d->time = json_paths_add(d->paths, STR("time"));
	d->values = mem_array(json_paths_slots(d->paths), sizeof(*d->values));
	d->output_key = key_intern(STR("output"));
	d->stream_key = key_intern(STR("stream"));
	d->timestamp_key = key_intern(STR("timestamp"));
	return partial_open(&d->partial, s, &conf->partial, 0, err);
}

/* The slot's value as text; false when there is none. */
static bool get(const struct docker *d, struct batch *b, int slot, struct str *ret)
{
	const struct json_value *v = &d->values[slot];
	size_t room = json_text_size(v);
	char *out = room ? arena_room(&b->arena, room) : NULL;

	if (!json_text(v, out, ret))
		return false;
	if (out && ret->p == out)
		arena_take(&b->arena, ret->n);
	return true;
}

static void set_value(const struct docker_conf *conf, struct batch *b, struct rec *r, uint16_t key,
		      bool is_there, struct str value)
{
	if (!conf->sets_no_values)
		rec_attr(b, r, key, ATTR_EXTRACTED, is_there ? ATTR_STRING : ATTR_NULL,
			 is_there ? value : STR_NONE);
}

static void set_stream_label(struct stage *s, struct batch *b, struct rec *r, struct str stream)
{
	struct label change = { STR("stream"), stream.p ? stream : STR("") };

	if (utf8_is_valid(stream))
		chain_set_labels(s->chain, b, r, &change, 1);
}

static void read_line(struct stage *s, struct batch *b, struct rec *r, int64_t now_ns)
{
	const struct docker_conf *conf = s->conf;
	struct docker *d = s->state;
	struct str log, stream, time;
	bool has_log = get(d, b, d->log, &log), has_stream = get(d, b, d->stream, &stream);
	bool has_time = get(d, b, d->time, &time), is_last;
	struct held *held;

	if (conf->is_strict && (!has_log || !has_stream || !has_time)) {
		if (conf->flags_others)
			partial_is_other(&d->partial, r);
		return;
	}
	set_value(conf, b, r, d->output_key, has_log, log);
	set_value(conf, b, r, d->stream_key, has_stream, stream);
	set_value(conf, b, r, d->timestamp_key, has_time, time);
	if (has_time)
		partial_time(&d->partial, r, time, now_ns);
	if (has_stream && !str_eq(stream, STR("stdout")) && !str_eq(stream, STR("stderr"))) {
		set_stream_label(s, b, r, stream);
		has_stream = false;
	}
	if (!has_log)
		return;
	is_last = str_ends(log, STR("\n"));
	log.n -= is_last;
	if (is_last && str_ends(log, STR("\r")))
		log.n--;
	r->line = log;
	if (!has_stream)
		return;
	held = partial_stream(&d->partial, b, r,
			      str_eq(stream, STR("stdout")) ? STREAM_STDOUT : STREAM_STDERR);
	partial_join(&d->partial, held, b, r, is_last);
}

static void docker_run(struct stage *s, struct batch *b)
{
	struct docker *d = s->state;
	const struct docker_conf *conf = s->conf;
	int64_t now_ns = clock_wall_ns(), malformed = 0;

	partial_begin(&d->partial);
	BATCH_FOR(b, r)
	{
		if (json_extract(d->paths, r->line, d->values) == JSON_OBJECT)
			read_line(s, b, r, now_ns);
		else if (conf->flags_others)
			partial_is_other(&d->partial, r);
		else
			malformed++;
	}
	hold_stop(&d->partial.hold, b);
	if (malformed && !conf->is_strict)
		metric_add(d->partial.errors, malformed);
}

static void docker_flush(struct stage *s, struct source *source)
{
	hold_flush(&((struct docker *)s->state)->partial.hold, source);
}

static void docker_close(struct stage *s)
{
	struct docker *d = s->state;

	partial_close(&d->partial);
	json_paths_free(d->paths);
	mem_free(d->values);
}

const struct stage_ops stage_docker = {
	.name = "docker",
	.summary = "reads lines of Docker's json-file log, and joins those it has cut into parts",
	.doc = "A line `{\"log\": ..., \"stream\": ..., \"time\": ...}` becomes its `log` without "
	       "the "
	       "line end, with its time, the label `stream`, and the extracted values `output`, "
	       "`stream` and `timestamp`; other lines pass unchanged. A `log` without line end is "
	       "a "
	       "part of a longer line (Docker cuts at 16 KiB), which is joined with what follows "
	       "of "
	       "the same file and stream and has the time of its last part. The place of a part in "
	       "its file is not passed before the line is whole and settled.",
	.conf = &docker_table,
	.state_size = sizeof(struct docker),
	.takes_raw = true,
	.open = docker_open,
	.run = docker_run,
	.flush = docker_flush,
	.close = docker_close,
};
