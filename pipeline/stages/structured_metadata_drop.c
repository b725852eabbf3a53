/* SPDX-License-Identifier: Apache-2.0 */
/* Stage structured_metadata_drop: removes metadata. */
#include "lib/mem.h"
#include "pipeline/stages/names.h"

struct structured_metadata_drop_conf {
	struct conf_list names;
};

static const struct conf_field structured_metadata_drop_fields[] = {
	CONF_LIST(struct structured_metadata_drop_conf, names, NULL,
		  "Names of the metadata to remove.",
		  .flags = CONF_BODY | CONF_REQUIRED | CONF_NONEMPTY, .example = "[peer, msgid]"),
};
static const struct conf_table structured_metadata_drop_table =
	CONF_TABLE(struct structured_metadata_drop_conf, structured_metadata_drop_fields);

struct structured_metadata_drop {
	size_t n;
	uint16_t *keys;
};

static int structured_metadata_drop_open(struct stage *s, struct err *err)
{
	const struct structured_metadata_drop_conf *conf = s->conf;
	struct structured_metadata_drop *d = s->state;
	int rc = 0;

	d->keys = mem_array(conf->names.n + 1, sizeof(*d->keys));
	for (; d->n < conf->names.n && rc == 0; d->n++)
		rc = intern_name(conf->names.items[d->n], &d->keys[d->n], err);
	return rc;
}

static bool is_named(const struct structured_metadata_drop *d, const struct attr *a)
{
	for (size_t i = 0; i < d->n; i++)
		if (a->key == d->keys[i] ||
		    (a->key == KEY_INLINE && str_eq(attr_name(a), key_name(d->keys[i]))))
			return true;
	return false;
}

static void structured_metadata_drop_run(struct stage *s, struct batch *b)
{
	const struct structured_metadata_drop *d = s->state;

	BATCH_FOR(b, r)
	for (struct attr *a = r->attrs; a < r->attrs + r->nattrs; a++)
		if (a->kind == ATTR_META && is_named(d, a))
			a->kind = ATTR_GONE;
}

static void structured_metadata_drop_close(struct stage *s)
{
	struct structured_metadata_drop *d = s->state;

	mem_free(d->keys);
}

const struct stage_ops stage_structured_metadata_drop = {
	.name = "structured_metadata_drop",
	.summary = "removes structured metadata by name",
	.conf = &structured_metadata_drop_table,
	.state_size = sizeof(struct structured_metadata_drop),
	.open = structured_metadata_drop_open,
	.run = structured_metadata_drop_run,
	.close = structured_metadata_drop_close,
};
