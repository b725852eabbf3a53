/* SPDX-License-Identifier: Apache-2.0 */
/* Stage json: values of a JSON object become extracted values. */
#include "pipeline/json.h"
#include "pipeline/stages/names.h"
#include "pipeline/stages/source.h"

struct json_conf {
	struct conf_map expressions;
	struct str source;
	bool drop_malformed;
};

static void json_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct json_conf *conf = arg;
	const struct conf_node *map = conf_get(node, "expressions");
	struct json_paths *paths = json_paths_new();

	for (size_t i = 0; i < conf->expressions.n; i++) {
		const struct conf_pair *pair = &conf->expressions.items[i];
		struct err err = ERR_NONE;

		if (json_paths_add(paths, pair_value(pair), &err) < 0)
			conf_error(doc, map_node(map, pair->key, pair->has_value), "%s", err.text);
	}
	json_paths_free(paths);
}

static const struct conf_field json_fields[] = {
	CONF_MAP(
		struct json_conf, expressions, NULL,
		"Names of extracted values, each with the path of what it gets: `a`, `a.b`, "
		"`a[0].b`, and in quotes what has other characters than letters, digits and `_`, "
		"`'\"foo-bar\".b'`. Without a path, the name is the path. What the object does not "
		"have, or has as `null`, becomes a value that counts as absent.",
		.flags = CONF_REQUIRED, .example = "{level: , status: response.status}"),
	CONF_STR(struct json_conf, source, NULL, "Extracted value to read. Without it: the line.",
		 .flags = CONF_NONEMPTY),
	CONF_BOOL(struct json_conf, drop_malformed, "false",
		  "Drops records whose text is no JSON object. Otherwise they pass unchanged."),
};
static const struct conf_table json_table =
	CONF_TABLE(struct json_conf, json_fields, .check = json_check);

struct json_target {
	uint32_t slot;
	uint16_t key;
};

struct json_state {
	struct json_paths *paths;
	struct json_value *values; /* scratch, one per slot */
	struct source_text source;
	size_t ntargets;
	struct json_target *targets;
	struct metric *errors;
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
		int slot = json_paths_add(j->paths, pair_value(pair), err);

		if (slot < 0)
			return slot;
		target->slot = (uint32_t)slot;
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

static void json_run(struct stage *s, struct batch *b)
{
	const struct json_conf *conf = s->conf;
	const struct json_state *j = s->state;
	uint64_t malformed = 0;
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
			set_extracted(b, r, j->targets[i].key, &j->values[j->targets[i].slot]);
	}
	if (malformed && conf->drop_malformed)
		chain_count_drop(s->chain, "json_malformed", malformed);
	else if (malformed)
		metric_add(j->errors, (int64_t)malformed);
}

static void json_close(struct stage *s)
{
	struct json_state *j = s->state;

	json_paths_free(j->paths);
	mem_free(j->values);
	mem_free(j->targets);
}

const struct stage_ops stage_json = {
	.name = "json",
	.summary = "extracts values of a JSON object",
	.conf = &json_table,
	.state_size = sizeof(struct json_state),
	.open = json_open,
	.run = json_run,
	.close = json_close,
};
