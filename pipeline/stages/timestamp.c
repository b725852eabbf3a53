/* SPDX-License-Identifier: Apache-2.0 */
/* Stage timestamp: an extracted value becomes the record's time. */
#include "lib/clock.h"
#include "lib/log.h"
#include "pipeline/gotime.h"
#include "pipeline/last_times.h"
#include "pipeline/stages/names.h"

/* Promtail's bound on what fudge remembers. */
#define STREAMS_MAX 10000
#define FORMATS_MAX 32

enum { ON_FAILURE_FUDGE, ON_FAILURE_SKIP };

struct timestamp_conf {
	struct str source, format;
	struct conf_list fallback_formats;
	struct str location;
	unsigned action_on_failure;
};

static void check_format(struct conf_doc *doc, const struct conf_node *node, struct str format)
{
	struct err err = ERR_NONE;
	struct gotime *g = gotime_new(format, STR_NONE, &err);

	if (!g)
		conf_error(doc, node, "%s", err.text);
	else if (gotime_is_constant(g))
		conf_notice(doc, node,
			    "'" STR_FMT "' has nothing in it that stands for a part of a time",
			    STR_ARG(format));
	gotime_free(g);
}

static void timestamp_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct timestamp_conf *conf = arg;
	const struct conf_node *fallbacks = conf_get(node, "fallback_formats");
	struct err err = ERR_NONE;
	struct tz *tz;

	if (conf->location.p && tz_load(&tz, conf->location, &err) < 0)
		conf_error(doc, conf_get(node, "location"), "%s", err.text);
	else if (conf->location.p)
		tz_free(tz);
	check_format(doc, conf_get(node, "format"), conf->format);
	if (conf->fallback_formats.n >= FORMATS_MAX)
		conf_error(doc, fallbacks, "more than %d formats", FORMATS_MAX - 1);
	for (size_t i = 0; i < conf->fallback_formats.n; i++)
		check_format(doc,
			     fallbacks && fallbacks->kind == CONF_SEQ ? fallbacks->items[i]
								      : fallbacks,
			     conf->fallback_formats.items[i]);
}

static const struct conf_enum on_failure[] = {
	{ "fudge", ON_FAILURE_FUDGE,
	  "the last time of the same stream plus 1 ns; without one, as `skip`" },
	{ "skip", ON_FAILURE_SKIP, "the record keeps the time it has" },
	{ NULL },
};

static const struct conf_field timestamp_fields[] = {
	CONF_STR(struct timestamp_conf, source, NULL, "Extracted value with the time.",
		 .flags = CONF_REQUIRED, .example = "time"),
	CONF_STR(
		struct timestamp_conf, format, NULL,
		"How it is written: `ANSIC`, `UnixDate`, `RubyDate`, `RFC822`, `RFC822Z`, "
		"`RFC850`, "
		"`RFC1123`, `RFC1123Z`, `RFC3339`, `RFC3339Nano`, `Unix` (seconds, with or without "
		"a fraction), `UnixMs`, `UnixUs`, `UnixNs`, or Go's reference time 2 January 2006, "
		"15:04:05 written in the same way (`2006-01-02 15:04:05.000`). Without a year in "
		"it, the current year is taken, the last one for December read in January and the "
		"next one for January read in December.",
		.flags = CONF_REQUIRED, .example = "RFC3339"),
	CONF_LIST(struct timestamp_conf, fallback_formats, NULL,
		  "Formats to try, in this order, when the first does not fit."),
	CONF_STR(struct timestamp_conf, location, NULL,
		 "IANA time zone of times that name none (`Europe/Berlin`; `Local` is the "
		 "machine's). Without it: UTC. The named formats do not look at it.",
		 .example = "Europe/Berlin"),
	CONF_ENUM(struct timestamp_conf, action_on_failure, "fudge", on_failure,
		  "What a record gets whose value is absent or cannot be read."),
};
static const struct conf_table timestamp_table =
	CONF_TABLE(struct timestamp_conf, timestamp_fields, .check = timestamp_check);

struct timestamp {
	uint16_t source;
	size_t nformats;
	struct gotime *formats[FORMATS_MAX];
	struct gotime_cache caches[FORMATS_MAX];
	struct last_times *last; /* NULL with skip */
	struct metric *errors;
	bool has_warned;
};

static int add_format(struct timestamp *t, struct str format, struct str location, struct err *err)
{
	struct gotime *g = gotime_new(format, location, err);

	if (!g)
		return -EINVAL;
	t->formats[t->nformats++] = g;
	return 0;
}

static int timestamp_open(struct stage *s, struct err *err)
{
	const struct timestamp_conf *conf = s->conf;
	struct timestamp *t = s->state;
	int rc = intern_name(conf->source, &t->source, err);

	t->errors = stage_errors(s);
	if (rc == 0)
		rc = add_format(t, conf->format, conf->location, err);
	for (size_t i = 0; rc == 0 && i < conf->fallback_formats.n && i < FORMATS_MAX - 1; i++)
		rc = add_format(t, conf->fallback_formats.items[i], conf->location, err);
	if (conf->action_on_failure == ON_FAILURE_FUDGE)
		t->last = last_times_new(STREAMS_MAX);
	return rc;
}

static bool read_time(struct timestamp *t, struct str text, int64_t now_ns, int64_t *ret_ns)
{
	for (size_t i = 0; i < t->nformats; i++)
		if (gotime_parse(t->formats[i], &t->caches[i], text, now_ns, ret_ns))
			return true;
	return false;
}

/* Known here or not, Go takes the time as UTC then, and so does everybody's history. */
static void warn_unknown_zone(struct stage *s)
{
	struct timestamp *t = s->state;

	for (size_t i = 0; i < t->nformats && !t->has_warned; i++) {
		if (!t->caches[i].unknown_zones)
			continue;
		t->has_warned = true;
		log_warn("time zone abbreviation is not one of the location's: taken as UTC",
			 KV_S("pipeline", chain_pipeline(s->chain)));
	}
}

static void timestamp_run(struct stage *s, struct batch *b)
{
	struct timestamp *t = s->state;
	int64_t now_ns = clock_wall_ns(), failed = 0, ns;
	struct str text;

	BATCH_FOR(b, r)
	{
		if (rec_get_str(b, r, t->source, &text) && read_time(t, text, now_ns, &ns)) {
			r->flags &= (uint16_t)~REC_TIME_GUESSED;
		} else {
			failed++;
			if (!t->last || !last_times_get(t->last, rec_labels(b, r)->hash, &ns) ||
			    ns == INT64_MAX)
				continue;
			ns++;
		}
		r->time_ns = ns;
		if (t->last)
			last_times_set(t->last, rec_labels(b, r)->hash, ns);
	}
	if (failed)
		metric_add(t->errors, failed);
	if (!t->has_warned)
		warn_unknown_zone(s);
}

static void timestamp_close(struct stage *s)
{
	struct timestamp *t = s->state;

	for (size_t i = 0; i < t->nformats; i++)
		gotime_free(t->formats[i]);
	last_times_free(t->last);
}

const struct stage_ops stage_timestamp = {
	.name = "timestamp",
	.summary = "sets the time from an extracted value",
	.conf = &timestamp_table,
	.state_size = sizeof(struct timestamp),
	.open = timestamp_open,
	.run = timestamp_run,
	.close = timestamp_close,
};
