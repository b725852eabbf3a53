/* SPDX-License-Identifier: Apache-2.0 */
/* Stage timestamp and the table of last times behind its `fudge`. */
#include "tests/unit/stage_test.h"

#include "lib/metric.h"
#include "pipeline/last_times.h"

extern const struct stage_ops stage_json, stage_logfmt, stage_labels, stage_timestamp;

static struct conf_plugin plugins[4];

static void init_plugins(void)
{
	const struct stage_ops *ops[] = { &stage_json, &stage_logfmt, &stage_labels,
					  &stage_timestamp };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		plugins[i] = (struct conf_plugin){ .kind = CONF_STAGE,
						   .name = ops[i]->name,
						   .conf = ops[i]->conf,
						   .ops = ops[i] };
}

#define EXTRACT "- logfmt: {mapping: {t: }}\n"

static void formats(void)
{
	static const struct stage_test_row rows[] = {
		{ EXTRACT "- timestamp: {source: t, format: Unix}", "t=5",
		  "t=5; time=5000000000; t=5" },
		{ EXTRACT "- timestamp: {source: t, format: RFC3339}", "t=1970-01-01T00:00:02.5Z",
		  "t=1970-01-01T00:00:02.5Z; time=2500000000; t=1970-01-01T00:00:02.5Z" },
		{ EXTRACT "- timestamp: {source: t, format: '2006-01-02', location: Asia/Kolkata}",
		  "t=1970-01-02", "t=1970-01-02; time=66600000000000; t=1970-01-02" },
		{ EXTRACT "- timestamp: {source: t, format: '2006-01-02', location: ''}",
		  "t=1970-01-02", "t=1970-01-02; time=86400000000000; t=1970-01-02" },
		/* the named formats do not look at the location */
		{ EXTRACT "- timestamp: {source: t, format: ANSIC, location: Asia/Kolkata}",
		  "t=\"Thu Jan  1 00:00:03 1970\"",
		  "t=\"Thu Jan  1 00:00:03 1970\"; time=3000000000; t=Thu Jan  1 00:00:03 1970" },
		/* a number of JSON, exact */
		{ "- json: {expressions: {t: }}\n- timestamp: {source: t, format: UnixNs}",
		  "{\"t\":1700000000123456789}",
		  "{\"t\":1700000000123456789}; time=1700000000123456789; "
		  "t=1700000000123456789(number)" },
		{ EXTRACT
		  "- timestamp: {source: t, format: RFC3339, fallback_formats: [Unix, UnixMs]}",
		  "t=7", "t=7; time=7000000000; t=7" },
		{ EXTRACT
		  "- timestamp: {source: t, format: RFC3339, fallback_formats: [ANSIC, '06']}",
		  "t=71", "t=71; time=31536000000000000; t=71" },
		/* nothing known yet: both actions keep the time */
		{ EXTRACT "- timestamp: {source: t, format: Unix}", "t=x", "t=x; t=x" },
		{ EXTRACT "- timestamp: {source: t, format: Unix}", "x", "x" },
		{ EXTRACT "- timestamp: {source: t, format: Unix, action_on_failure: skip}", "x",
		  "x" },
		{ "- json: {expressions: {t: }}\n- timestamp: {source: t, format: Unix}",
		  "{\"t\":null}", "{\"t\":null}; t=null" },
	};

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
}

static void failures(void)
{
	static const char lines[] = "t=1\nx\nt=bad\nt=3\nx";
	static const struct stage_test_row rows[] = {
		{ EXTRACT "- timestamp: {source: t, format: Unix}", lines,
		  "t=1; time=1000000000; t=1\nx; time=1000000001\nt=bad; time=1000000002; t=bad\n"
		  "t=3; time=3000000000; t=3\nx; time=3000000001" },
		{ EXTRACT "- timestamp: {source: t, format: Unix, action_on_failure: fudge}",
		  "t=1\nx", "t=1; time=1000000000; t=1\nx; time=1000000001" },
		{ EXTRACT "- timestamp: {source: t, format: Unix, action_on_failure: skip}", lines,
		  "t=1; time=1000000000; t=1\nx\nt=bad; t=bad\nt=3; time=3000000000; t=3\nx" },
		/* per stream */
		{ "- logfmt: {mapping: {t: , s: }}\n- labels: {s: }\n"
		  "- timestamp: {source: t, format: Unix}",
		  "s=a t=1\ns=b\ns=b t=2\ns=a\ns=b",
		  "s=a t=1; time=1000000000; {app=\"web\", job=\"t\", s=\"a\"}; t=1; s=a\n"
		  "s=b; {app=\"web\", job=\"t\", s=\"b\"}; s=b\n"
		  "s=b t=2; time=2000000000; {app=\"web\", job=\"t\", s=\"b\"}; t=2; s=b\n"
		  "s=a; time=1000000001; {app=\"web\", job=\"t\", s=\"a\"}; s=a\n"
		  "s=b; time=2000000001; {app=\"web\", job=\"t\", s=\"b\"}; s=b" },
	};
	struct metric *errors =
		metric_get(METRIC_STAGE_ERRORS, "pipeline", "test", "stage", "timestamp", NULL);
	int64_t before = metric_value(errors);

	stage_test_rows(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows), NULL);
	EQ_INT(metric_value(errors) - before, 3 + 1 + 3 + 3);
}

static struct rec seen;

static void guessed(struct batch *b, struct rec *r)
{
	(void)b;
	r->flags |= REC_TIME_GUESSED;
}

static void keep_flags(struct stage *s, struct batch *b)
{
	(void)s;
	seen = b->recs[b->nrecs - 1];
}

/* A time that was read is no guess of the input any more. */
static void flags(void)
{
	static const struct stage_ops keep = { .name = "keep", .run = keep_flags };
	static const struct conf_table empty = { 0 };
	struct conf_plugin all[5];

	memcpy(all, plugins, sizeof(plugins));
	all[4] = (struct conf_plugin){
		.kind = CONF_STAGE, .name = "keep", .conf = &empty, .ops = &keep
	};
	stage_test_run(all, 5,
		       EXTRACT "- timestamp: {source: t, format: Unix}\n- keep:", STR("t=1"),
		       guessed);
	EQ_INT(seen.flags & REC_TIME_GUESSED, 0);
	stage_test_run(all, 5,
		       EXTRACT "- timestamp: {source: t, format: Unix}\n- keep:", STR("t=x"),
		       guessed);
	EQ_INT(seen.flags & REC_TIME_GUESSED, REC_TIME_GUESSED);
}

static void errors(void)
{
	static const struct stage_test_row rows[] = {
		{ "- timestamp: {}", NULL, "source" },
		{ "- timestamp: {}", NULL, "format" },
		{ "- timestamp: {source: '', format: Unix}", NULL, "source" },
		{ "- timestamp: {source: t, format: ''}", NULL, "format" },
		{ "- timestamp: {source: t, format: Unix, location: Europe/Berln}", NULL,
		  "f:2:50: stages[0].timestamp.location: unknown time zone 'Europe/Berln'" },
		{ "- timestamp: {source: t, format: Unix, action_on_failure: drop}", NULL,
		  "fudge" },
		{ "- timestamp: {source: t, format: Unix, fallback_formats: [Unix, '']}", NULL,
		  "the format is empty" },
		{ "- timestamp:", NULL, "source" },
	};

	stage_test_errors(plugins, ARRAY_LEN(plugins), rows, ARRAY_LEN(rows));
}

/* Against a model: a list by age, searched from one end. */
static void last_times(void)
{
	enum { MAX = 200 };
	struct last_times *t = last_times_new(MAX);
	struct {
		uint64_t stream;
		int64_t ns;
	} model[MAX + 1];
	size_t n = 0;
	uint64_t random = 1;

	for (int64_t step = 0; step < 50000; step++) {
		uint64_t stream;
		int64_t ns = -1;
		size_t i;

		random = random * 6364136223846793005u + 1442695040888963407u;
		stream = (random >> 33) % (step < 20000 ? 150 : 400);
		for (i = 0; i < n && model[i].stream != stream; i++)
			;
		if (last_times_get(t, stream, &ns) != (i < n) || (i < n && ns != model[i].ns))
			FAIL("step %" PRId64 ": stream %" PRIu64, step, stream);
		if (i == n && random & 1)
			continue;
		last_times_set(t, stream, step);
		if (i == n && n < MAX)
			n++;
		else if (i == n)
			i--; /* the oldest goes */
		memmove(&model[1], &model[0], i * sizeof(model[0]));
		model[0].stream = stream;
		model[0].ns = step;
	}
	OK(n == MAX);
	last_times_free(t);
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	init_plugins();
	RUN(formats);
	RUN(failures);
	RUN(flags);
	RUN(errors);
	RUN(last_times);
	buf_fini(&stage_test_out);
	return test_end();
}
