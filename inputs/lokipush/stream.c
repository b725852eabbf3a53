/* SPDX-License-Identifier: Apache-2.0 */
/* Labels as clients send them. */
#include "inputs/lokipush/lokipush.h"
#include "lib/mem.h"
#include "pipeline/labels.h"

#define LABEL_TEXT_MAX ((size_t)64 * 1024) /* of a stream, as it comes */

/* Each text of its labels once; the caller frees *memory. Returns how many, or -1. */
static int read_labels(const struct push_in *in, struct label *labels, char **memory)
{
	struct push_in_pairs pairs = in->labels;
	struct push_in_text name, value;
	char *p = *memory = mem_alloc(2 * in->label_text.n + 8 * LABELS_MAX);
	size_t n = 0;
	int got;

	while ((got = push_in_pair(&pairs, &name, &value)) > 0) {
		struct str name_text, value_text;

		if (n == LABELS_MAX)
			return -1;
		name_text = push_in_text(&name, p);
		p += push_in_text_size(&name);
		value_text = push_in_text(&value, p);
		p += push_in_text_size(&value);
		if (!name_text.p || !value_text.p || !label_name_is_valid(name_text))
			return -1;
		/* Who may write labels must not choose the tenant by that. */
		if (str_is(name_text, LABEL_TENANT))
			continue;
		if (value_text.n) /* Loki takes an empty one for none */
			labels[n++] = (struct label){ name_text, value_text };
	}
	return got < 0 ? -1 : (int)n;
}

const char *stream_check(const struct lokipush *lp, const struct push_in *in)
{
	struct label labels[LABELS_MAX];
	char *memory;
	int n;

	if (in->label_text.n > LABEL_TEXT_MAX)
		return "labels of a stream are too long";
	n = read_labels(in, labels, &memory);
	mem_free(memory);
	return n < 0                           ? "labels of a stream are malformed, or too many"
	       : n == 0 && !lp->conf->labels.n ? "a stream has no labels"
					       : NULL;
}

size_t push_stream_size(const struct push_in *in, struct str tenant)
{
	return stream_size(tenant, in->label_text);
}

struct client_stream *push_stream(struct lokipush *lp, const struct push_in *in, struct str tenant)
{
	struct client_stream *s = stream_find(&lp->streams, tenant, in->label_text);
	struct label labels[LABELS_MAX];
	char *memory;
	int n;

	if (s)
		return s;
	n = read_labels(in, labels, &memory);
	s = stream_add(&lp->streams, tenant, in->label_text, labels, n < 0 ? 0 : (size_t)n);
	mem_free(memory);
	return s;
}
