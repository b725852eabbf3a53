/* SPDX-License-Identifier: Apache-2.0 */
/* Stage json: values of a JSON object become extracted values. */
#include "pipeline/jmespath/jmespath.h"
#include "pipeline/json.h"
#include "pipeline/stages/names.h"
#include "pipeline/stages/source.h"

struct json_conf {
	struct conf_map expressions;
	struct str source;
	bool drop_malformed;
};

/* A plain path is read while the document is scanned; everything else of JMESPath needs the document
 * as a value. Returns the path's slot, 0 with *ret for an expression, or negative. */
static int compile(struct json_paths *paths, struct str text, struct jmespath **ret,
		   struct err *err)
{
	int slot = json_paths_add(paths, text);

	*ret = NULL;
	return slot >= 0 ? slot : jmespath_compile(text, ret, err);
}

static void json_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct json_conf *conf = arg;
	const struct conf_node *map = conf_get(node, "expressions");
	struct json_paths *paths = json_paths_new();

	for (size_t i = 0; i < conf->expressions.n; i++) {
		const struct conf_pair *pair = &conf->expressions.items[i];
		struct err err = ERR_NONE;
		struct jmespath *expression;

		if (compile(paths, pair_value(pair), &expression, &err) < 0)
			conf_error(doc, map_node(map, pair->key, pair->has_value),
				   "'" STR_FMT "': %s", STR_ARG(pair_value(pair)), err.text);
		jmespath_free(expression);
	}
	json_paths_free(paths);
}

static const struct conf_field json_fields[] = {
	CONF_MAP(
		struct json_conf, expressions, NULL,
		"Names of extracted values, each with a JMESPath expression of what it gets: `a`, "
		"`a.b`, `a[0].b`, and in quotes what has other characters than letters, digits and "
		"`_`, `'\"foo-bar\".b'`. Without an expression, the name is one. What the object "
		"does "
		"not have, or has as `null`, becomes a value that counts as absent.",
		.flags = CONF_REQUIRED, .example = "{level: , status: response.status}"),
	CONF_STR(struct json_conf, source, NULL, "Extracted value to read. Without it: the line.",
		 .flags = CONF_NONEMPTY),
	CONF_BOOL(struct json_conf, drop_malformed, "false",
		  "Drops records whose text is no JSON object. Otherwise they pass unchanged."),
};
static const struct conf_table json_table =
	CONF_TABLE(struct json_conf, json_fields, .check = json_check);

struct json_target {
	uint32_t slot; /* of a plain path; 0: */
	struct jmespath *expression;
	uint16_t key;
};

struct json_state {
	struct json_paths *paths;
	struct json_value *values; /* scratch, one per slot */
	struct source_text source;
	size_t ntargets;
	struct json_target *targets;
	struct metric *errors;
	size_t nexpressions;
	struct arena arena; /* for documents as values */
	struct buf text;
};

static int json_open(struct stage *s, struct err *err)
{
	const struct json_conf *conf = s->conf;
	struct json_state *j = s->state;

	j->errors = stage_errors(s);
	j->source = source_text(conf->source);
	j->paths = json_paths_new();
	j->targets = mem_array(conf->expressions.n + 1, sizeof(*j->targets));
	for (size_t i = 0; i < conf->expressions.n; i++) {
		const struct conf_pair *pair = &conf->expressions.items[i];
		struct json_target *target = &j->targets[j->ntargets++];
		int slot = compile(j->paths, pair_value(pair), &target->expression, err);

		if (slot < 0)
			return slot;
		target->slot = (uint32_t)slot;
		j->nexpressions += target->expression != NULL;
		slot = intern_name(pair->key, &target->key, err);
		if (slot < 0)
			return slot;
	}
	j->values = mem_array(json_paths_slots(j->paths), sizeof(*j->values));
	return 0;
}

static void set_extracted(struct batch *b, struct rec *r, uint16_t key, const struct json_value *v)
{
	size_t room = json_text_size(v);
	char *out = room ? arena_room(&b->arena, room) : NULL;
	enum attr_type type = ATTR_STRING;
	struct str text;

	if (!json_text(v, out, &text)) {
		rec_attr(b, r, key, ATTR_EXTRACTED, ATTR_NULL, STR_NONE);
		return;
	}
	if (out && text.p == out)
		arena_take(&b->arena, text.n);
	if (v->type == JSON_NUMBER)
		type = ATTR_NUMBER;
	else if (v->type == JSON_BOOL)
		type = ATTR_BOOL;
	rec_attr(b, r, key, ATTR_EXTRACTED, type, text);
}

/* Promtail's: numbers without exponent, what is no scalar as JSON again. */
static void set_from_value(struct json_state *j, struct batch *b, struct rec *r, uint16_t key,
			   struct value v)
{
	struct value_json_style style = { .is_html_safe = true };
	enum attr_type type = ATTR_STRING;

	buf_clear(&j->text);
	if (v.kind == VALUE_STRING) {
		buf_str(&j->text, v.s);
	} else if (value_is_number(v)) {
		type = ATTR_NUMBER;
		value_write_float(&j->text, value_number(v), false);
	} else {
		type = v.kind == VALUE_BOOL ? ATTR_BOOL : ATTR_STRING;
		value_to_json(&j->text, v, style);
	}
	if (v.kind == VALUE_NULL)
		rec_attr(b, r, key, ATTR_EXTRACTED, ATTR_NULL, STR_NONE);
	else
		rec_attr(b, r, key, ATTR_EXTRACTED, type,
			 arena_dup(&b->arena, buf_as_str(&j->text)));
}

#define DOCUMENT_MEMORY_MAX ((size_t)8 << 20)
#define DOCUMENT_MEMORY_KEPT ((size_t)512 * 1024)

/* False when an expression failed, or the document is too large for them. */
static bool run_expressions(struct json_state *j, struct batch *b, struct rec *r, struct str text)
{
	size_t max = j->arena.bytes + DOCUMENT_MEMORY_MAX;
	struct value doc, v;
	bool is_fine = value_from_json(&j->arena, text, max, &doc);

	for (size_t i = 0; i < j->ntargets; i++) {
		const struct json_target *target = &j->targets[i];

		if (!target->expression)
			continue;
		if (is_fine && jmespath_search(target->expression, doc, &j->arena, max, &v, NULL))
			set_from_value(j, b, r, target->key, v);
		else
			is_fine = false;
	}
	if (j->arena.bytes > DOCUMENT_MEMORY_KEPT)
		arena_fini(&j->arena);
	return is_fine;
}

static void json_run(struct stage *s, struct batch *b)
{
	const struct json_conf *conf = s->conf;
	struct json_state *j = s->state;
	uint64_t malformed = 0;
	int64_t failed = 0;
	struct str text;

	BATCH_FOR(b, r)
	{
		int root;

		if (!source_get(j->source, b, r, &text))
			continue;
		root = json_extract(j->paths, text, j->values);
		if (root != JSON_OBJECT && root != JSON_NULL) {
			malformed++;
			if (conf->drop_malformed)
				r->flags |= REC_DROP;
			continue;
		}
		for (size_t i = 0; i < j->ntargets; i++)
			if (!j->targets[i].expression)
				set_extracted(b, r, j->targets[i].key,
					      &j->values[j->targets[i].slot]);
		if (j->nexpressions && root == JSON_OBJECT && !run_expressions(j, b, r, text))
			failed++;
	}
	if (failed)
		metric_add(j->errors, failed);
	if (malformed && conf->drop_malformed)
		stage_dropped(s, b, "json_malformed", malformed);
	else if (malformed)
		metric_add(j->errors, (int64_t)malformed);
}

static void json_close(struct stage *s)
{
	struct json_state *j = s->state;

	for (size_t i = 0; i < j->ntargets; i++)
		jmespath_free(j->targets[i].expression);
	json_paths_free(j->paths);
	arena_fini(&j->arena);
	buf_fini(&j->text);
	mem_free(j->values);
	mem_free(j->targets);
}

const struct stage_ops stage_json = {
	.name = "json",
	.summary = "extracts values of a JSON object",
	.doc = "Plain paths are read while the line is scanned, and cost next to nothing each. "
	       "Everything "
	       "else of JMESPath (indices from the end, slices, wildcards, filters, `||`, "
	       "functions...) "
	       "builds the document in memory first, about ten times the work. Unknown functions "
	       "and "
	       "wrong numbers of arguments are errors at load. Numbers come out without exponent, "
	       "lists "
	       "and objects as JSON. Keys of objects are visited in alphabetical order.\n",
	.conf = &json_table,
	.state_size = sizeof(struct json_state),
	.open = json_open,
	.run = json_run,
	.close = json_close,
};
