/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding in two passes: sizes, then bytes. */
#include <endian.h>
#include <stdatomic.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/utf8.h"
#include "outputs/loki/meta.h"
#include "outputs/loki/push.h"
#include "lib/wire.h"
#include "pipeline/labels.h"

/* What the first pass finds out about a record. */
struct plan {
	const char *meta;
	uint32_t meta_n;
	uint32_t line_n;  /* after cutting */
	uint32_t entry_n; /* without tag and length */
	uint32_t group;
	uint32_t ns; /* of the timestamp */
	uint32_t stamp_n;
};

/* One stream of the batch. */
struct group {
	const struct labels *labels;
	size_t bytes;
	uint32_t nrecs;
	uint8_t *at; /* second pass: where its next entry goes */
};

struct groups {
	struct arena *scratch;
	struct group *items;
	uint32_t n, cap;
	uint64_t serial; /* of this encoding: marks the label sets seen in it */
	const struct labels *last;
	uint32_t last_group;
};

/* The seconds of a timestamp as field 1, ready to be copied: records that follow each other mostly
 * share them, which saves a division and a varint each. */
struct second {
	uint64_t start_ns; /* wraps for times before 1970 */
	bool is_before_1970;
	uint32_t n;
	uint8_t bytes[16];
};

static void second_set(struct second *second, int64_t time_ns)
{
	int64_t s =
		time_ns / NS_PER_S - (time_ns % NS_PER_S < 0); /* rounded down (timestamp.proto) */
	uint8_t *p = second->bytes;

	second->is_before_1970 = s < 0;
	second->start_ns = (uint64_t)s * (uint64_t)NS_PER_S;
	if (s)
		p = wire_put(wire_put(p, WIRE_TAG_VARINT(1)), (uint64_t)s);
	second->n = (uint32_t)(p - second->bytes);
}

/* Nanoseconds within the second, which is set to the one of time_ns. */
static inline uint32_t second_of(struct second *second, int64_t time_ns)
{
	if ((uint64_t)time_ns - second->start_ns >= (uint64_t)NS_PER_S ||
	    (time_ns < 0) != second->is_before_1970)
		second_set(second, time_ns);
	return (uint32_t)((uint64_t)time_ns - second->start_ns);
}

static struct group *group_add(struct groups *g, const struct labels *labels)
{
	struct group *more;

	if (g->n == g->cap) {
		g->cap = g->cap ? 4 * g->cap : 8;
		more = arena_alloc(g->scratch, g->cap * sizeof(*more));
		if (g->n)
			memcpy(more, g->items, g->n * sizeof(*more));
		g->items = more;
	}
	g->items[g->n] = (struct group){ .labels = labels };
	return &g->items[g->n++];
}

static inline uint32_t group_of(struct groups *g, const struct labels *labels)
{
	struct labels *mark =
		(struct labels *)(uintptr_t)labels; /* our fields in it, see labels.h */

	if (labels == g->last)
		return g->last_group;
	if (labels->group_batch != g->serial) {
		mark->group_batch = g->serial;
		mark->group = g->n;
		group_add(g, labels);
	}
	g->last = labels;
	g->last_group = labels->group;
	return labels->group;
}

/* Fills p for one record: rare parts (metadata, flags, long lines) aside. */
static void plan_extras(struct plan *p, const struct rec *r, size_t max_line, struct meta *meta,
			struct push_cuts *cuts)
{
	uint32_t flags = 0;
	bool was_cut;
	struct str bytes;

	if (r->line.n > max_line) {
		p->line_n = (uint32_t)utf8_cut(r->line, max_line);
		flags |= REC_CUT;
		cuts->lines++;
	}
	bytes = meta_encode(meta, r, flags, &was_cut);
	cuts->metadata += was_cut;
	p->meta = bytes.p;
	p->meta_n = (uint32_t)bytes.n;
}

static void plan_records(struct plan *plans, const struct batch *b, size_t max_line,
			 struct groups *groups, struct push_cuts *cuts)
{
	struct second second = { .n = 0 };
	struct meta *meta = NULL;

	for (uint32_t i = 0; i < b->nrecs; i++) {
		const struct rec *r = &b->recs[i];
		struct plan *p = &plans[i];
		struct group *g;

		p->ns = second_of(&second, r->time_ns);
		p->stamp_n = second.n + (p->ns ? 1 + wire_size(p->ns) : 0);
		p->group = group_of(groups, rec_labels(b, r));
		p->meta_n = 0;
		p->line_n = (uint32_t)r->line.n;
		if (r->nattrs || (r->flags & REC_FLAGS) || r->line.n > max_line) {
			if (!meta)
				meta = meta_new(groups->scratch);
			plan_extras(p, r, max_line, meta, cuts);
		}
		p->entry_n = 2 + p->stamp_n + p->meta_n;
		if (p->line_n)
			p->entry_n += 1 + wire_size(p->line_n) + p->line_n;
		g = &groups->items[p->group];
		g->nrecs++;
		g->bytes += 1 + wire_size(p->entry_n) + p->entry_n;
	}
	if (meta)
		cuts->renamed += meta_renamed(meta);
}

/* v, below 2^35, as a varint without branches: writes 8 bytes, returns how many count. */
static inline uint32_t put_varint_wide(uint8_t *p, uint64_t v)
{
	uint32_t n = wire_size(v);
	uint64_t w = (v & 0x7f) | (v & 0x3f80) << 1 | (v & 0x1fc000) << 2 | (v & 0xfe00000) << 3 |
		     (v & 0x7f0000000) << 4;

	w |= UINT64_C(0x8080808080808080) & ((UINT64_C(1) << (8 * (n - 1))) - 1);
	w = htole64(w);
	memcpy(p, &w, sizeof(w));
	return n;
}

/* A line this long leaves room for stores that write more than counts: what is too much is
 * overwritten by the line itself. */
#define WIDE_LINE 32

static inline uint8_t *put_stamp_wide(uint8_t *p, const struct plan *plan,
				      const struct second *second)
{
	memcpy(p, second->bytes, sizeof(second->bytes));
	p += second->n;
	if (plan->ns) {
		*p++ = WIRE_TAG_VARINT(2);
		p += put_varint_wide(p, plan->ns);
	}
	return p;
}

static uint8_t *put_stamp(uint8_t *p, const struct plan *plan, const struct second *second)
{
	memcpy(p, second->bytes, second->n);
	p += second->n;
	if (plan->ns) {
		*p++ = WIRE_TAG_VARINT(2);
		p = wire_put(p, plan->ns);
	}
	return p;
}

static inline uint8_t *put_entry(uint8_t *p, const struct plan *plan, const struct rec *r,
				 struct second *second)
{
	second_of(second, r->time_ns);
	p = wire_put_head(p, WIRE_TAG_BYTES(2), plan->entry_n);
	*p++ = WIRE_TAG_BYTES(1);
	*p++ = (uint8_t)plan->stamp_n;
	p = plan->line_n >= WIDE_LINE ? put_stamp_wide(p, plan, second)
				      : put_stamp(p, plan, second);
	if (plan->line_n)
		p = wire_put_bytes(p, WIRE_TAG_BYTES(2), str_make(r->line.p, plan->line_n));
	if (plan->meta_n) {
		memcpy(p, plan->meta, plan->meta_n);
		p += plan->meta_n;
	}
	return p;
}

static struct block *make_block(const struct groups *groups)
{
	size_t bytes = 0, text = 0;
	struct block *block;

	for (uint32_t i = 0; i < groups->n; i++) {
		bytes += groups->items[i].bytes;
		text += groups->items[i].labels->text.n + groups->items[i].labels->tenant.n;
	}
	CHECK(bytes <= UINT32_MAX); /* 4,096 records of at most max_line, and capped metadata */
	block = block_new(groups->n, text, bytes);
	bytes = 0;
	for (uint32_t i = 0; i < groups->n; i++) {
		struct group *g = &groups->items[i];

		block->runs[i] = (struct run){
			.labels = block_text(block, g->labels->text),
			.tenant = block_text(block, g->labels->tenant),
			.hash = g->labels->hash,
			.off = (uint32_t)bytes,
			.len = (uint32_t)g->bytes,
			.nrecs = g->nrecs,
		};
		block->nrecs += g->nrecs;
		g->at = (uint8_t *)block->bytes + bytes;
		bytes += g->bytes;
	}
	return block;
}

struct block *push_encode(const struct batch *b, size_t max_line, struct arena *scratch,
			  struct push_cuts *cuts)
{
	static _Atomic uint64_t serials;
	struct groups groups = { .scratch = scratch };
	struct plan *plans = arena_alloc(scratch, b->nrecs * sizeof(*plans));
	struct second second = { .n = 0 };
	struct block *block;

	groups.serial = 1 + atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed);
	plan_records(plans, b, max_line, &groups, cuts);
	block = make_block(&groups);
	block->made_ns = clock_mono_ns();
	for (uint32_t i = 0; i < b->nrecs; i++) {
		struct group *g = &groups.items[plans[i].group];

		g->at = put_entry(g->at, &plans[i], &b->recs[i], &second);
	}
	for (uint32_t i = 0; i < groups.n; i++)
		CHECK((char *)groups.items[i].at ==
		      block->bytes + block->runs[i].off + block->runs[i].len);
	return block;
}
