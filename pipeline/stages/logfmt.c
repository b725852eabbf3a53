/* SPDX-License-Identifier: Apache-2.0 */
/* Stage logfmt: fields of a logfmt text become extracted values. */
#include "pipeline/logfmt.h"
#include "pipeline/stages/names.h"
#include "pipeline/stages/source.h"

#define FIELDS_MAX 1024

struct logfmt_conf {
	struct conf_map mapping;
	struct str source;
};

static void logfmt_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct logfmt_conf *conf = arg;

	if (conf->mapping.n > FIELDS_MAX)
		conf_error(doc, conf_get(node, "mapping"), "more than %d fields", FIELDS_MAX);
}

static const struct conf_field logfmt_fields_table[] = {
	CONF_MAP(struct logfmt_conf, mapping, NULL,
		 "Names of extracted values, each with the field of the text it gets; without one, "
		 "the field of the same name. Of a field that occurs several times the last one "
		 "counts. A syntax error ends the reading, what stands before it is kept.",
		 .flags = CONF_REQUIRED, .example = "{level: , message: msg}"),
	CONF_STR(struct logfmt_conf, source, NULL, "Extracted value to read. Without it: the line.",
		 .flags = CONF_NONEMPTY),
};
static const struct conf_table logfmt_table =
	CONF_TABLE(struct logfmt_conf, logfmt_fields_table, .check = logfmt_check);

struct logfmt_target {
	uint32_t slot;
	uint16_t key;
};

struct logfmt_state {
	struct logfmt_fields *fields;
	struct logfmt_value *values; /* scratch, one per slot */
	struct source_text source;
	size_t ntargets;
	struct logfmt_target *targets;
	struct metric *errors;
};

static int logfmt_open(struct stage *s, struct err *err)
{
	const struct logfmt_conf *conf = s->conf;
	struct logfmt_state *l = s->state;
	int rc;

	l->errors = stage_errors(s);
	l->source = source_text(conf->source);
	l->fields = logfmt_fields_new();
	l->targets = mem_array(conf->mapping.n + 1, sizeof(*l->targets));
	for (size_t i = 0; i < conf->mapping.n; i++) {
		const struct conf_pair *pair = &conf->mapping.items[i];
		struct logfmt_target *target = &l->targets[l->ntargets++];

		rc = logfmt_fields_add(l->fields, pair_value(pair));
		if (rc < 0)
			return err_set(err, -E2BIG, "more than %d fields", FIELDS_MAX);
		target->slot = (uint32_t)rc;
		rc = intern_name(pair->key, &target->key, err);
		if (rc < 0)
			return rc;
	}
	l->values = mem_array(conf->mapping.n + 1, sizeof(*l->values));
	return 0;
}

static void set_extracted(struct batch *b, struct rec *r, uint16_t key,
			  const struct logfmt_value *v)
{
	size_t room = logfmt_unescape_size(v);
	struct str text = v->raw;

	if (!text.p)
		return;
	if (room) {
		text = logfmt_unescape(v, arena_room(&b->arena, room));
		arena_take(&b->arena, text.n);
	}
	rec_attr(b, r, key, ATTR_EXTRACTED, ATTR_STRING, text);
}

static void logfmt_run(struct stage *s, struct batch *b)
{
	const struct logfmt_state *l = s->state;
	uint64_t broken = 0;
	struct str text;

	BATCH_FOR(b, r)
	{
		if (!source_get(l->source, b, r, &text))
			continue;
		broken += !logfmt_extract(l->fields, text, l->values);
		for (size_t i = 0; i < l->ntargets; i++)
			set_extracted(b, r, l->targets[i].key, &l->values[l->targets[i].slot]);
	}
	if (broken)
		metric_add(l->errors, (int64_t)broken);
}

static void logfmt_close(struct stage *s)
{
	struct logfmt_state *l = s->state;

	logfmt_fields_free(l->fields);
	mem_free(l->values);
	mem_free(l->targets);
}

const struct stage_ops stage_logfmt = {
	.name = "logfmt",
	.summary = "extracts fields of a logfmt text",
	.conf = &logfmt_table,
	.state_size = sizeof(struct logfmt_state),
	.open = logfmt_open,
	.run = logfmt_run,
	.close = logfmt_close,
};
