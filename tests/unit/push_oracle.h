/* SPDX-License-Identifier: Apache-2.0 */
/* What a PushRequest should be, built with protobuf-c from a batch, field by field. Used by the unit
 * test and the fuzz target of the encoder. */
#ifndef TESTS_UNIT_PUSH_ORACLE_H
#define TESTS_UNIT_PUSH_ORACLE_H

#include <stdlib.h>

#include "push.pb-c.h"

#include "pipeline/batch.h"
#include "pipeline/labels.h"

static inline ProtobufCBinaryData oracle_bytes(struct str s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)(uintptr_t)s.p };
}

/* One entry without metadata. */
static inline Loki__Entry *oracle_entry(const struct rec *r)
{
	Loki__Entry *e = malloc(sizeof(*e));
	Loki__Timestamp *t = malloc(sizeof(*t));
	int64_t ns = r->time_ns % 1000000000;

	loki__entry__init(e);
	loki__timestamp__init(t);
	t->seconds = r->time_ns / 1000000000 - (ns < 0);
	t->nanos = (int32_t)(ns < 0 ? ns + 1000000000 : ns);
	e->timestamp = t;
	e->line = oracle_bytes(r->line);
	return e;
}

static inline void oracle_pair(Loki__Entry *e, struct str name, struct str value)
{
	Loki__LabelPair *p = malloc(sizeof(*p));

	loki__label_pair__init(p);
	p->name = oracle_bytes(name);
	p->value = oracle_bytes(value);
	e->structured_metadata =
		realloc(e->structured_metadata, (e->n_structured_metadata + 1) * sizeof(void *));
	e->structured_metadata[e->n_structured_metadata++] = p;
}

/* Streams in the order of their first record. Metadata as it stands, so the caller gives only what
 * needs no change. */
static inline Loki__PushRequest *oracle_request(const struct batch *b)
{
	Loki__PushRequest *req = malloc(sizeof(*req));

	loki__push_request__init(req);
	req->streams = calloc(b->nrecs, sizeof(void *));
	for (uint32_t i = 0; i < b->nrecs; i++) {
		const struct rec *r = &b->recs[i];
		struct str labels = rec_labels(b, r)->text;
		Loki__Entry *e = oracle_entry(r);
		Loki__Stream *s = NULL;

		for (uint16_t j = 0; j < r->nattrs; j++)
			if (r->attrs[j].kind == ATTR_META)
				oracle_pair(e, attr_name(&r->attrs[j]), attr_value(&r->attrs[j]));
		for (size_t j = 0; j < req->n_streams && !s; j++)
			if (str_eq(labels, str_make((char *)req->streams[j]->labels.data,
						    req->streams[j]->labels.len)))
				s = req->streams[j];
		if (!s) {
			s = malloc(sizeof(*s));
			loki__stream__init(s);
			s->labels = oracle_bytes(labels);
			s->entries = calloc(b->nrecs, sizeof(void *));
			req->streams[req->n_streams++] = s;
		}
		s->entries[s->n_entries++] = e;
	}
	return req;
}

/* Only what oracle_request() allocated: the texts are borrowed. */
static inline void oracle_free(Loki__PushRequest *req)
{
	for (size_t i = 0; i < req->n_streams; i++) {
		for (size_t j = 0; j < req->streams[i]->n_entries; j++) {
			Loki__Entry *e = req->streams[i]->entries[j];

			for (size_t k = 0; k < e->n_structured_metadata; k++)
				free(e->structured_metadata[k]);
			free(e->structured_metadata);
			free(e->timestamp);
			free(e);
		}
		free(req->streams[i]->entries);
		free(req->streams[i]);
	}
	free(req->streams);
	free(req);
}

#endif
