/* SPDX-License-Identifier: Apache-2.0 */
/* Stage cri: lines as containerd and CRI-O write them; long ones come in parts. */
#include "lib/clock.h"
#include "pipeline/stages/cri.h"

static void cri_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct cri_conf *conf = arg;

	if (conf->max_partial_line_size_truncate && !conf->max_partial_line_size)
		conf_error(
			doc, conf_get(node, "max_partial_line_size_truncate"),
			"needs max_partial_line_size: without it, nothing would be left of a line");
}

static const struct conf_field cri_fields[] = {
	CONF_INT(struct cri_conf, max_partial_lines, "0", "0", "1000000",
		 "Most unfinished lines, one of each stream of a file, per thread; the oldest is "
		 "sent "
		 "unfinished then. 0: as many as the memory for data allows."),
	CONF_SIZE(
		struct cri_conf, max_partial_line_size, "0", "0", "16MiB",
		"With `max_partial_line_size_truncate`: the longest joined line, when that is less "
		"than `max_bytes`.",
		.flags = CONF_ADVANCED),
	CONF_BOOL(struct cri_conf, max_partial_line_size_truncate, "false",
		  "Whether `max_partial_line_size` counts.", .flags = CONF_ADVANCED),
	PARTIAL_FIELDS(struct cri_conf, partial),
};
static const struct conf_table cri_table =
	CONF_TABLE(struct cri_conf, cri_fields, .check = cri_check);

/* Also what \s means to RE2, which is what white space is in these lines. */
static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

static bool word(struct str *rest, struct str *ret)
{
	size_t n = str_chr(*rest, ' ');

	if (!n || n == rest->n)
		return false;
	*ret = str_sub(*rest, 0, n);
	for (size_t i = 0; i < n; i++)
		if (is_space(ret->p[i]))
			return false;
	*rest = str_skip(*rest, n + 1);
	return true;
}

bool cri_parse(struct str line, struct cri_line *ret)
{
	struct str stream;

	if (!word(&line, &ret->time) || !word(&line, &stream) || !word(&line, &ret->flags))
		return false;
	ret->content = line;
	if (str_eq(stream, STR("stdout")))
		ret->stream = STREAM_STDOUT;
	else if (str_eq(stream, STR("stderr")))
		ret->stream = STREAM_STDERR;
	else
		return false;
	return true;
}

struct cri {
	struct partial partial;
	uint16_t time_key, stream_key, flags_key, content_key;
};

static int cri_open(struct stage *s, struct err *err)
{
	const struct cri_conf *conf = s->conf;
	struct partial_conf partial = conf->partial;
	struct cri *c = s->state;

	if (conf->max_partial_line_size_truncate && conf->max_partial_line_size < partial.max_bytes)
		partial.max_bytes = conf->max_partial_line_size;
	c->time_key = key_intern(STR("time"));
	c->stream_key = key_intern(STR("stream"));
	c->flags_key = key_intern(STR("flags"));
	c->content_key = key_intern(STR("content"));
	return partial_open(&c->partial, s, &partial, conf->max_partial_lines, err);
}

static void set_values(const struct cri *c, struct batch *b, struct rec *r,
		       const struct cri_line *line)
{
	rec_attr(b, r, c->time_key, ATTR_EXTRACTED, ATTR_STRING, line->time);
	rec_attr(b, r, c->stream_key, ATTR_EXTRACTED, ATTR_STRING,
		 line->stream == STREAM_STDOUT ? STR("stdout") : STR("stderr"));
	rec_attr(b, r, c->flags_key, ATTR_EXTRACTED, ATTR_STRING, line->flags);
	rec_attr(b, r, c->content_key, ATTR_EXTRACTED, ATTR_STRING, line->content);
}

static void cri_run(struct stage *s, struct batch *b)
{
	const struct cri_conf *conf = s->conf;
	struct cri *c = s->state;
	int64_t now_ns = clock_wall_ns();
	struct cri_line line;
	struct held *d;

	partial_begin(&c->partial);
	BATCH_FOR(b, r)
	{
		if (!cri_parse(r->line, &line)) {
			if (conf->flags_others)
				partial_is_other(&c->partial, r);
			continue;
		}
		if (!partial_time(&c->partial, r, line.time, now_ns) && conf->is_strict) {
			r->flags &= (uint16_t)~REC_TIME_GUESSED;
			if (conf->flags_others)
				r->flags |= REC_UNPARSED;
			continue;
		}
		r->line = line.content;
		if (!conf->sets_no_values)
			set_values(c, b, r, &line);
		d = partial_stream(&c->partial, b, r, line.stream);
		partial_join(&c->partial, d, b, r, !str_eq(line.flags, STR("P")));
	}
	hold_stop(&c->partial.hold, b);
}

static void cri_flush(struct stage *s, struct source *source)
{
	hold_flush(&((struct cri *)s->state)->partial.hold, source);
}

static void cri_close(struct stage *s)
{
	partial_close(&((struct cri *)s->state)->partial);
}

const struct stage_ops stage_cri = {
	.name = "cri",
	.summary = "reads lines of containerd and CRI-O, and joins those they have cut into parts",
	.doc = "A line `TIME stdout|stderr FLAGS CONTENT` becomes CONTENT, with its time, the "
	       "label "
	       "`stream`, and the extracted values `time`, `stream`, `flags` and `content`; other "
	       "lines pass unchanged. Parts (flags `P`) are joined with what follows of the same "
	       "file "
	       "and stream, also across a rotation; the joined line has the time of its last part. "
	       "The place of a part in its file is not passed before the line is whole and "
	       "settled.",
	.conf = &cri_table,
	.state_size = sizeof(struct cri),
	.takes_raw = true,
	.open = cri_open,
	.run = cri_run,
	.flush = cri_flush,
	.close = cri_close,
};
