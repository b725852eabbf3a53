/* SPDX-License-Identifier: Apache-2.0 */
/* Stage level: finds out the level of a record and says it in Loki's words. */
#include "pipeline/level.h"
#include "pipeline/stages/names.h"
#include "pipeline/stages/source.h"

enum { TO_METADATA, TO_LABEL, TO_EXTRACTED };

struct level_conf {
	struct str source, name;
	unsigned to;
	bool unknown;
};

static void level_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct level_conf *conf = arg;

	if (!label_name_is_valid(conf->name))
		conf_error(doc, conf_get(node, "name"), "'" STR_FMT "' is no valid label name",
			   STR_ARG(conf->name));
}

static const struct conf_enum level_places[] = {
	{ "metadata", TO_METADATA, "structured metadata" },
	{ "label", TO_LABEL, "a label of the stream: eight streams at most for each there was" },
	{ "extracted", TO_EXTRACTED, "an extracted value for later stages" },
	{ 0 },
};

static const struct conf_field level_fields[] = {
	CONF_STR(
		struct level_conf, source, NULL,
		"Name of an extracted value that is the level (`WARNING`, `wrn`, `4`). Without it, "
		"or when a record does not have it, the line is looked at.",
		.flags = CONF_NONEMPTY, .example = "severity"),
	CONF_STR(struct level_conf, name, "level", "Name under which the level is written."),
	CONF_ENUM(struct level_conf, to, "metadata", level_places, "What the level becomes."),
	CONF_BOOL(struct level_conf, unknown, "false",
		  "Writes `unknown` to records whose level was not found; else they pass as they "
		  "are."),
};
static const struct conf_table level_table =
	CONF_TABLE(struct level_conf, level_fields, .check = level_check);

struct level_state {
	uint16_t source, name;
};

static int level_open(struct stage *s, struct err *err)
{
	const struct level_conf *conf = s->conf;
	struct level_state *state = s->state;
	int rc = intern_name(conf->name, &state->name, err);

	if (rc == 0 && conf->source.p)
		rc = intern_name(conf->source, &state->source, err);
	return rc;
}

static enum level detect(const struct level_conf *conf, const struct level_state *state,
			 const struct batch *b, const struct rec *r)
{
	struct str value;
	enum level level;

	if (conf->source.p && rec_get_str(b, r, state->source, &value)) {
		level = level_of_value(value);
		if (level)
			return level;
	}
	return level_of_line(r->line, r->severity);
}

static void level_run(struct stage *s, struct batch *b)
{
	const struct level_conf *conf = s->conf;
	const struct level_state *state = s->state;

	BATCH_FOR(b, r)
	{
		enum level level = detect(conf, state, b, r);
		struct label label = { conf->name, level_name(level) };

		if (!level && !conf->unknown)
			continue;
		if (conf->to == TO_LABEL)
			chain_set_labels(s->chain, b, r, &label, 1);
		else
			rec_attr(b, r, state->name,
				 conf->to == TO_METADATA ? ATTR_META : ATTR_EXTRACTED, ATTR_STRING,
				 label.value);
	}
}

const struct stage_ops stage_level = {
	.name = "level",
	.summary = "finds out the level of a record, in whatever form it is written",
	.doc = "Levels are `trace`, `debug`, `info`, `warn`, `error`, `critical`, `fatal` and "
	       "`unknown`, as Loki's own detection (`detected_level`) has them; Loki takes over a "
	       "label or metadata `level`. In this order it is looked for in\n\n"
	       "1. a JSON object or `key=value` pairs: `level`, `lvl`, `severity`, `log.level` and "
	       "their likes, as words, as numbers of syslog (0 to 7) or of bunyan and pino (10 to "
	       "60)\n"
	       "2. the letter in front of a line of klog: `E0102 15:04:05`\n"
	       "3. a priority in front: `<11>`, `<3>`\n"
	       "4. brackets: `[ERROR]`, `[ warn ]`, `[W]`\n"
	       "5. the severity of the syslog message\n"
	       "6. a word by itself near the beginning: the first one, one in upper case, or one "
	       "with a colon behind it\n\n"
	       "The first 1,024 bytes of a line are looked at.",
	.conf = &level_table,
	.state_size = sizeof(struct level_state),
	.open = level_open,
	.run = level_run,
};
