/* SPDX-License-Identifier: Apache-2.0 */
/* What label_drop and label_keep share: a list of names as the body, and sets of labels that change
 * the same way for every record that has them. */
#ifndef PIPELINE_STAGES_LABEL_LIST_H
#define PIPELINE_STAGES_LABEL_LIST_H

#include "pipeline/labels.h"
#include "pipeline/stage.h"

struct label_list_conf {
	struct conf_list names;
};

static inline bool label_list_has(const struct label_list_conf *conf, struct str name)
{
	for (size_t i = 0; i < conf->names.n; i++)
		if (str_eq(conf->names.items[i], name))
			return true;
	return false;
}

/* Removes the labels that are in the list (or not in it). */
static inline void label_list_remove(struct stage *s, struct batch *b, bool those_listed)
{
	const struct label_list_conf *conf = s->conf;
	const struct labels *last = NULL;
	struct label changes[LABELS_MAX];
	size_t n = 0;

	BATCH_FOR(b, r)
	{
		const struct labels *labels = rec_labels(b, r);

		if (labels != last) {
			n = 0;
			last = labels;
			for (uint32_t i = 0; labels && i < labels->n; i++)
				if (label_list_has(conf, labels->items[i].name) == those_listed)
					changes[n++] =
						(struct label){ labels->items[i].name, STR_NONE };
		}
		if (n)
			chain_set_labels(s->chain, b, r, changes, n);
	}
}

#endif
