/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that clients bring: labels and a tenant become sources, so that each keeps its order. */
#include "inputs/clients.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define SWEEP_BYTES_MIN (STREAMS_BYTES_MAX / 8) /* less is not worth a look */

void streams_init(struct client_streams *s, struct input *in, const struct conf_map *labels)
{
	*s = (struct client_streams){
		.input = in,
		.labels = labels,
		.seed = (uint64_t)clock_mono_ns() ^ (uint64_t)(uintptr_t)s,
	};
}

static void free_stream(struct client_streams *s, struct client_stream *stream)
{
	s->bytes -= sizeof(*stream) + 2 * stream->key.n;
	map_del(&s->map, &stream->node);
	source_fini(&stream->source);
	mem_free((void *)(uintptr_t)stream->key.p);
	mem_free(stream);
}

static void sweep(struct client_streams *s, bool all)
{
	for (size_t i = 0; i < s->map.cap; i++) {
		struct map_node *next;

		for (struct map_node *n = s->map.buckets[i]; n; n = next) {
			struct client_stream *stream = container_of(n, struct client_stream, node);

			next = n->next;
			if (all || !stream->nrefs)
				free_stream(s, stream);
		}
	}
}

void streams_fini(struct client_streams *s)
{
	sweep(s, true);
	map_fini(&s->map);
}

size_t stream_size(struct str tenant, struct str text)
{
	return sizeof(struct client_stream) + 2 * (tenant.n + text.n);
}

/* Not at each new one: each look is at all of them. */
static bool make_room(struct client_streams *s, size_t bytes)
{
	if (s->sweep_bytes < SWEEP_BYTES_MIN)
		s->sweep_bytes = SWEEP_BYTES_MIN;
	if (s->bytes + bytes > s->sweep_bytes) {
		sweep(s, false);
		s->sweep_bytes = 2 * s->bytes;
		if (s->sweep_bytes > STREAMS_BYTES_MAX)
			s->sweep_bytes = STREAMS_BYTES_MAX;
	}
	return s->bytes + bytes <= STREAMS_BYTES_MAX;
}

static uint64_t hash_of(const struct client_streams *s, struct str tenant, struct str text)
{
	return str_hash(text, str_hash(tenant, s->seed));
}

struct client_stream *stream_find(const struct client_streams *s, struct str tenant,
				  struct str text)
{
	for (struct map_node *n = map_first(&s->map, hash_of(s, tenant, text)); n;
	     n = map_next(n)) {
		struct client_stream *stream = container_of(n, struct client_stream, node);

		if (stream->key.n == tenant.n + text.n &&
		    str_eq(str_sub(stream->key, 0, tenant.n), tenant) &&
		    str_eq(str_skip(stream->key, tenant.n), text))
			return stream;
	}
	return NULL;
}

struct client_stream *stream_add(struct client_streams *s, struct str tenant, struct str text,
				 const struct label *labels, size_t n)
{
	uint64_t hash = hash_of(s, tenant, text);
	struct label all[2 * LABELS_MAX + 1];
	struct client_stream *stream;
	size_t nall = 0;
	char *key;

	if (!make_room(s, stream_size(tenant, text)))
		return NULL;
	for (size_t i = 0; i < n && nall < LABELS_MAX; i++)
		/* Who may write labels must not choose the tenant by that; Loki takes an empty one for none. */
		if (labels[i].value.n && !str_is(labels[i].name, LABEL_TENANT))
			all[nall++] = labels[i];
	for (size_t i = 0; s->labels && i < s->labels->n && nall < ARRAY_LEN(all) - 1; i++)
		all[nall++] = (struct label){ s->labels->items[i].key, s->labels->items[i].value };
	if (tenant.n)
		all[nall++] = (struct label){ STR(LABEL_TENANT), tenant };
	stream = mem_zalloc(sizeof(*stream));
	source_init_labels(&stream->source, s->input, hash, all, nall);
	stream->source.keeps_times = true;
	key = mem_alloc(tenant.n + text.n + 1);
	if (tenant.n)
		memcpy(key, tenant.p, tenant.n);
	if (text.n)
		memcpy(key + tenant.n, text.p, text.n);
	stream->key = str_make(key, tenant.n + text.n);
	map_add(&s->map, &stream->node, hash);
	s->bytes += stream_size(tenant, text);
	return stream;
}
