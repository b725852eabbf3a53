/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks and the ledger of how records end. */
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/ack.h"
#include "pipeline/block.h"
#include "pipeline/budget.h"

struct flow *flow_new(const char *pipeline, const char *output)
{
	struct flow *f = mem_zalloc(sizeof(*f));
	static const enum metric_id ids[] = { METRIC_RECORDS_IN, METRIC_DELIVERED, METRIC_FILTERED,
					      METRIC_JOINED,     METRIC_WITHDRAWN, METRIC_HELD };
	struct metric **at[] = { &f->in,     &f->delivered, &f->filtered,
				 &f->joined, &f->withdrawn, &f->held };

	f->pipeline = mem_dup(pipeline, strlen(pipeline) + 1);
	f->output = mem_dup(output, strlen(output) + 1);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		*at[i] = metric_get(ids[i], "pipeline", pipeline, "output", output, NULL);
	return f;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	mem_free(f->pipeline);
	mem_free(f->output);
	mem_free(f);
}

static void end(struct flow *f, struct metric *m, uint64_t n)
{
	metric_add(m, (int64_t)n);
	metric_add(f->held, -(int64_t)n);
}

void flow_delivered(struct flow *f, uint64_t n)
{
	end(f, f->delivered, n);
}

void flow_filtered(struct flow *f, uint64_t n)
{
	end(f, f->filtered, n);
}

void flow_joined(struct flow *f, uint64_t n)
{
	end(f, f->joined, n);
}

void flow_withdrawn(struct flow *f, uint64_t n)
{
	end(f, f->withdrawn, n);
}

void flow_dropped(struct flow *f, const char *reason, uint64_t n)
{
	end(f,
	    metric_get(METRIC_DROPPED, "pipeline", f->pipeline, "output", f->output, "reason",
		       reason, NULL),
	    n);
	atomic_fetch_add(&f->dropped_total, (int64_t)n);
}

struct block *block_new(uint32_t nruns, size_t text, size_t nbytes)
{
	size_t need = sizeof(struct block) + nruns * sizeof(struct run) + text + nbytes;
	/* Nearly full ones take a recycled chunk, the others exactly what they need. */
	size_t size = need > ARENA_CHUNK_BYTES / 2 && need <= ARENA_CHUNK_BYTES ? ARENA_CHUNK_BYTES
										: need;
	struct chunk *chunk = chunk_get(size);
	struct block *b = (struct block *)(chunk + 1);

	*b = (struct block){ .magic = BLOCK_MAGIC, .nruns = nruns, .open_runs = nruns };
	b->runs = (struct run *)(b + 1);
	memset(b->runs, 0, nruns * sizeof(*b->runs));
	b->text_p = (char *)(b->runs + nruns);
	b->text_end = b->text_p + text;
	b->bytes = b->text_end;
	b->nbytes = nbytes;
	b->chunk = chunk;
	return b;
}

struct str block_text(struct block *b, struct str s)
{
	char *p = b->text_p;

	CHECK(s.n <= (size_t)(b->text_end - p));
	if (s.n)
		memcpy(p, s.p, s.n);
	b->text_p += s.n;
	return str_make(p, s.n);
}

size_t block_size(const struct block *b)
{
	return sizeof(struct chunk) + b->chunk->size;
}

bool block_is_withdrawn(const struct block *b)
{
	return b->ack && ack_is_withdrawn(b->ack);
}

void block_left(struct block *b, uint64_t n)
{
	if (b->ack && ack_replays(b->ack))
		atomic_fetch_add(&b->flow->left, (int64_t)n);
	else
		flow_dropped(b->flow, "shutdown", n);
}

bool block_abandon_end(struct block *b, uint32_t nruns)
{
	/* With the last run: until then block_left() must see that somebody waits. */
	if (nruns == b->open_runs && b->ack && ack_replays(b->ack))
		ack_abandon(TAKE(b->ack));
	return block_end(b, nruns);
}

static void publish_oldest(struct held_blocks *held)
{
	atomic_store_explicit(&held->oldest_ns, held->first ? held->first->made_ns : 0,
			      memory_order_relaxed);
}

void block_taken(struct block *b)
{
	struct held_blocks *held = b->held;

	b->prev = held->last;
	if (held->last)
		held->last->next = b;
	else
		held->first = b;
	held->last = b;
	if (held->first == b)
		publish_oldest(held);
}

static void let_go(struct block *b)
{
	struct held_blocks *held = b->held;
	bool is_first = held->first == b;

	if (b->prev || is_first) { /* else it was never taken */
		*(b->prev ? &b->prev->next : &held->first) = b->next;
		*(b->next ? &b->next->prev : &held->last) = b->prev;
	}
	if (is_first)
		publish_oldest(held);
	atomic_fetch_sub(&held->n, 1);
}

bool block_end(struct block *b, uint32_t n)
{
	struct budget *budget = b->budget;
	size_t charged = b->charged_bytes;

	CHECK_OBJ(b, BLOCK_MAGIC);
	CHECK(n <= b->open_runs);
	b->open_runs -= n;
	if (b->open_runs)
		return false;
	ack_put(TAKE(b->ack));
	if (b->held)
		let_go(b);
	b->magic = 0;
	chunk_put(b->chunk);
	if (budget)
		budget_give(budget, charged);
	return true;
}
