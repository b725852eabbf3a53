/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: labels as clients send them become sources, so that each keeps its order and its labels. */
#include "inputs/lokipush/lokipush.h"
#include "lib/mem.h"
#include "pipeline/labels.h"

#define LABEL_TEXT_MAX ((size_t)64 * 1024)      /* of a stream, as it comes */
#define SWEEP_BYTES_MIN (STREAMS_BYTES_MAX / 8) /* less is not worth a look */

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

static void free_stream(struct lokipush *lp, struct push_stream *s)
{
	lp->stream_bytes -= sizeof(*s) + 2 * s->key.n;
	map_del(&lp->streams, &s->node);
	source_fini(&s->source);
	mem_free((void *)(uintptr_t)s->key.p);
	mem_free(s);
}

static void sweep(struct lokipush *lp, bool all)
{
	for (size_t i = 0; i < lp->streams.cap; i++) {
		struct map_node *next;

		for (struct map_node *n = lp->streams.buckets[i]; n; n = next) {
			struct push_stream *s = container_of(n, struct push_stream, node);

			next = n->next;
			if (all || !s->nrefs)
				free_stream(lp, s);
		}
	}
}

void streams_fini(struct lokipush *lp)
{
	sweep(lp, true);
	map_fini(&lp->streams);
}

static struct push_stream *stream_new(struct lokipush *lp, const struct push_in *in,
				      struct str tenant, uint64_t hash)
{
	const struct conf_map *configured = &lp->conf->labels;
	struct push_stream *s = mem_zalloc(sizeof(*s));
	struct label labels[2 * LABELS_MAX];
	char *memory;
	int got = read_labels(in, labels, &memory);
	size_t n = got < 0 ? 0 : (size_t)got;

	for (size_t i = 0; i < configured->n && n < ARRAY_LEN(labels) - 1; i++)
		labels[n++] =
			(struct label){ configured->items[i].key, configured->items[i].value };
	if (tenant.n)
		labels[n++] = (struct label){ STR(LABEL_TENANT), tenant };
	source_init_labels(&s->source, lp->input, hash, labels, n);
	s->source.keeps_times = true;
	mem_free(memory);
	return s;
}

size_t stream_size(const struct push_in *in, struct str tenant)
{
	return sizeof(struct push_stream) + 2 * (tenant.n + in->label_text.n);
}

/* Not at each new one: each look is at all of them. */
static bool make_room(struct lokipush *lp, size_t bytes)
{
	if (lp->sweep_bytes < SWEEP_BYTES_MIN)
		lp->sweep_bytes = SWEEP_BYTES_MIN;
	if (lp->stream_bytes + bytes > lp->sweep_bytes) {
		sweep(lp, false);
		lp->sweep_bytes = 2 * lp->stream_bytes;
		if (lp->sweep_bytes > STREAMS_BYTES_MAX)
			lp->sweep_bytes = STREAMS_BYTES_MAX;
	}
	return lp->stream_bytes + bytes <= STREAMS_BYTES_MAX;
}

struct push_stream *stream_get(struct lokipush *lp, const struct push_in *in, struct str tenant)
{
	uint64_t hash = str_hash(in->label_text, str_hash(tenant, lp->seed));
	struct push_stream *s;
	char *key;

	for (struct map_node *n = map_first(&lp->streams, hash); n; n = map_next(n)) {
		s = container_of(n, struct push_stream, node);
		if (s->key.n == tenant.n + in->label_text.n &&
		    str_eq(str_sub(s->key, 0, tenant.n), tenant) &&
		    str_eq(str_skip(s->key, tenant.n), in->label_text))
			return s;
	}
	if (!make_room(lp, stream_size(in, tenant)))
		return NULL;
	s = stream_new(lp, in, tenant, hash);
	key = mem_alloc(tenant.n + in->label_text.n + 1);
	memcpy(key, tenant.p ? tenant.p : "", tenant.n);
	memcpy(key + tenant.n, in->label_text.p, in->label_text.n);
	s->key = str_make(key, tenant.n + in->label_text.n);
	map_add(&lp->streams, &s->node, hash);
	lp->stream_bytes += stream_size(in, tenant);
	return s;
}
