/* SPDX-License-Identifier: Apache-2.0 */
/* Stage unpack: what pack put into a line becomes labels again. */
#include "pipeline/stages/names.h"
#include "pipeline/value.h"

struct unpack_conf {
	char unused;
};
static const struct conf_field unpack_fields[1];
static const struct conf_table unpack_table = { .size = sizeof(struct unpack_conf),
						.fields = unpack_fields };

#define MEMORY_MAX ((size_t)8 << 20)

struct unpack {
	struct arena arena;
	struct metric *errors;
};

static int unpack_open(struct stage *s, struct err *err)
{
	struct unpack *u = s->state;

	(void)err;
	u->errors = stage_errors(s);
	return 0;
}

/* False when the line is not what pack makes. */
static bool unpack(struct stage *s, struct batch *b, struct rec *r)
{
	struct unpack *u = s->state;
	struct label changes[LABELS_MAX];
	struct value object, entry;
	size_t n = 0;

	if (!value_from_json(&u->arena, r->line, u->arena.bytes + MEMORY_MAX, &object))
		return false;
	entry = value_get(object, STR("_entry"), NULL);
	if (entry.kind != VALUE_STRING)
		return false;
	for (size_t i = 0; i < object.map->n && n < LABELS_MAX; i++) {
		const struct value_pair *pair = &object.map->pairs[i];

		if (pair->value.kind == VALUE_STRING && label_name_is_valid(pair->key) &&
		    !str_is(pair->key, "_entry") && utf8_is_valid(pair->value.s))
			changes[n++] = (struct label){ pair->key, pair->value.s };
	}
	r->line = arena_dup(&b->arena, entry.s);
	if (n)
		chain_set_labels(s->chain, b, r, changes, n);
	return true;
}

static void unpack_run(struct stage *s, struct batch *b)
{
	struct unpack *u = s->state;
	int64_t failed = 0;

	BATCH_FOR(b, r)
	{
		failed += !unpack(s, b, r);
		arena_reset(&u->arena);
	}
	if (failed)
		metric_add(u->errors, failed);
}

static void unpack_close(struct stage *s)
{
	struct unpack *u = s->state;

	arena_fini(&u->arena);
}

const struct stage_ops stage_unpack = {
	.name = "unpack",
	.summary = "makes labels of what `pack` put into the line",
	.doc = "The line becomes what `_entry` holds; every other text of the object becomes a "
	       "label. A "
	       "line that is no such object passes unchanged, which is counted.\n",
	.conf = &unpack_table,
	.state_size = sizeof(struct unpack),
	.open = unpack_open,
	.run = unpack_run,
	.close = unpack_close,
};
