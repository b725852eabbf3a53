/* SPDX-License-Identifier: Apache-2.0 */
/* What a template sees of a record: its extracted values, metadata and entry labels by name, and
 * what the stage adds under names of its own. */
#ifndef PIPELINE_STAGES_FILL_H
#define PIPELINE_STAGES_FILL_H

#include "lib/utf8.h"
#include "pipeline/labels.h"
#include "pipeline/stage.h"
#include "pipeline/template/template.h"

struct fill {
	const struct batch *batch;
	const struct rec *rec;
	struct str value; /* .Value; p == NULL: there is none */
	struct str entry; /* .Entry; likewise */
};

static inline bool fill_get(void *ctx, struct str name, struct str *ret)
{
	const struct fill *f = ctx;
	struct attr a;

	*ret = f->value;
	if (f->value.p && str_is(name, "Value"))
		return true;
	*ret = f->entry;
	if (f->entry.p && str_is(name, "Entry"))
		return true;
	if (!rec_find(f->batch, f->rec, name, &a) || a.type == ATTR_NULL)
		return false;
	*ret = attr_value(&a);
	return true;
}

static inline void fill_each(void *ctx, void (*add)(void *arg, struct str name, struct str value),
			     void *arg)
{
	const struct fill *f = ctx;
	const struct labels *labels = f->batch->labels;

	for (uint32_t i = 0; labels && i < labels->n; i++)
		add(arg, labels->items[i].name, labels->items[i].value);
	for (const struct attr *a = f->rec->attrs; a < f->rec->attrs + f->rec->nattrs; a++)
		if (a->kind != ATTR_GONE && a->type != ATTR_NULL)
			add(arg, attr_name(a), attr_value(a));
	if (f->value.p)
		add(arg, STR("Value"), f->value);
	if (f->entry.p)
		add(arg, STR("Entry"), f->entry);
}

/* What a template made, in the batch's arena. Its functions may cut characters or decode anything;
 * stages behind and Loki want UTF-8. */
static inline struct str fill_result(struct batch *b, const struct buf *made)
{
	struct str text = buf_as_str(made);

	if (utf8_is_valid(text))
		return arena_dup(&b->arena, text);
	return utf8_repair(text, arena_bytes(&b->arena, utf8_repaired_size(text)));
}

/* For conf_table.check. */
static inline void check_template(struct conf_doc *doc, const struct conf_node *node,
				  const char *key, struct str text)
{
	const struct conf_node *at = conf_get(node, key);
	struct err err = ERR_NONE;
	struct template *t;

	if (template_parse(text, &t, &err))
		conf_error(doc, at ? at : node, "%s: %s", err.where, err.text);
	template_free(t);
}

#endif
