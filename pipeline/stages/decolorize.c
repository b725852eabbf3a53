/* SPDX-License-Identifier: Apache-2.0 */
/* Stage decolorize: removes the escape sequences by which terminals show colours. */
#include "pipeline/pattern.h"
#include "pipeline/stages/names.h"

/* Promtail's, from pkg/logql/log/fmt.go of Loki. */
#define SEQUENCE                                                                                   \
	"[\\x{1b}\\x{9b}][\\[\\]()#;?]*(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\\x07)|(?:(?:\\d{" \
	"1,4}(?:"                                                                                  \
	";\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))"

/* Promtail takes any body and ignores it; we have no options. */
struct decolorize_conf {
	char unused;
};
static const struct conf_field decolorize_fields[1];
static const struct conf_table decolorize_table = { .size = sizeof(struct decolorize_conf),
						    .fields = decolorize_fields,
						    .ignores_others = true };

struct decolorize {
	struct pattern *pattern;
	struct metric *errors;
};

static int decolorize_open(struct stage *s, struct err *err)
{
	struct decolorize *d = s->state;

	d->errors = stage_errors(s);
	return pattern_compile(STR(SEQUENCE), 0, &d->pattern, err);
}

/* ESC, or U+009B in UTF-8: nearly no line has one. */
static bool may_have_colour(struct str line)
{
	return str_chr(line, '\x1b') < line.n || str_find(line, STR("\xc2\x9b")) < line.n;
}

static void decolorize_run(struct stage *s, struct batch *b)
{
	const struct decolorize *d = s->state;
	struct pattern_scratch *scratch = chain_scratch(s->chain);
	size_t ov[PATTERN_OVECTOR_MAX];
	int64_t given_up = 0;

	BATCH_FOR(b, r)
	{
		struct pattern_find find = { 0 };
		size_t n = 0, end = 0;
		struct str line = r->line;
		char *out;
		int rc;

		if (!may_have_colour(line))
			continue;
		out = arena_bytes(&b->arena, line.n);
		while ((rc = pattern_find_next(d->pattern, scratch, line, &find, ov)) ==
		       PATTERN_MATCH) {
			memcpy(out + n, line.p + end, ov[0] - end);
			n += ov[0] - end;
			end = ov[1];
		}
		given_up += rc < 0;
		memcpy(out + n, line.p + end, line.n - end);
		if (end)
			r->line = str_make(out, n + line.n - end);
	}
	if (given_up)
		metric_add(d->errors, given_up);
}

static void decolorize_close(struct stage *s)
{
	struct decolorize *d = s->state;

	pattern_free(d->pattern);
}

const struct stage_ops stage_decolorize = {
	.name = "decolorize",
	.summary = "removes the colours of terminals from the line",
	.conf = &decolorize_table,
	.state_size = sizeof(struct decolorize),
	.open = decolorize_open,
	.run = decolorize_run,
	.close = decolorize_close,
};
