/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting, grouping, writing and ending pieces. */
#include "lib/check.h"
#include "lib/mem.h"
#include "outputs/loki/piece.h"
#include "outputs/loki/push.h"
#include "lib/wire.h"

bool piece_same_stream(const struct piece *a, const struct piece *b)
{
	const struct run *x = piece_run(a), *y = piece_run(b);

	return x == y || (x->hash == y->hash && str_eq(x->labels, y->labels));
}

/* The first nrecs entries, which have len bytes. */
static struct piece cut(struct piece *p, uint32_t len, uint32_t nrecs)
{
	struct piece head = *p;

	head.len = len;
	head.nrecs = nrecs;
	p->off += len;
	p->len -= len;
	p->nrecs -= nrecs;
	if (p->nrecs)
		piece_run(p)->open_pieces++;
	CHECK((p->nrecs == 0) == (p->len == 0));
	return head;
}

struct piece piece_cut_bytes(struct piece *p, size_t max)
{
	struct str rest = piece_bytes(p), raw;
	uint32_t len = 0, nrecs = 0;

	if (p->len <= max)
		return cut(p, p->len, p->nrecs);
	while (push_next_raw(&rest, &raw)) {
		if (nrecs && len + raw.n > max)
			break;
		len += (uint32_t)raw.n;
		nrecs++;
	}
	return cut(p, len, nrecs);
}

struct piece piece_cut_entries(struct piece *p, uint32_t nrecs)
{
	struct str rest = piece_bytes(p), raw;

	CHECK(nrecs < p->nrecs);
	for (uint32_t i = 0; i < nrecs; i++)
		CHECK(push_next_raw(&rest, &raw));
	return cut(p, p->len - (uint32_t)rest.n, nrecs);
}

/* Streams are found by hash in an open table of their first pieces; pieces of one stream are chained
 * in order. */
struct chain_link {
	uint32_t last; /* of a first piece: the newest of its stream */
	uint32_t next;
	bool is_first;
};

#define NO_PIECE UINT32_MAX

static uint32_t find_stream(const struct piece *pieces, uint32_t i, uint32_t *table, size_t mask)
{
	size_t slot = piece_run(&pieces[i])->hash & mask;

	while (table[slot] != NO_PIECE && !piece_same_stream(&pieces[table[slot]], &pieces[i]))
		slot = (slot + 1) & mask;
	if (table[slot] == NO_PIECE)
		table[slot] = i;
	return table[slot];
}

static uint32_t group_many(struct piece *pieces, size_t n)
{
	size_t mask = 16;
	struct chain_link *links = mem_array(n, sizeof(*links));
	struct piece *sorted = mem_array(n, sizeof(*sorted));
	uint32_t *table, nstreams = 0;
	size_t at = 0;

	while (mask < 2 * n)
		mask *= 2;
	table = mem_array(mask, sizeof(*table));
	memset(table, 0xff, mask * sizeof(*table));
	mask--;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = find_stream(pieces, i, table, mask);

		links[i] = (struct chain_link){ i, NO_PIECE, first == i };
		if (first != i)
			links[links[first].last].next = i;
		links[first].last = i;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!links[i].is_first)
			continue;
		nstreams++;
		for (uint32_t j = i; j != NO_PIECE; j = links[j].next)
			sorted[at++] = pieces[j];
	}
	memcpy(pieces, sorted, n * sizeof(*pieces));
	mem_free(table);
	mem_free(sorted);
	mem_free(links);
	return nstreams;
}

uint32_t pieces_group(struct piece *pieces, size_t n)
{
	size_t same = 1;

	CHECK(n && n < NO_PIECE);
	while (same < n && piece_same_stream(&pieces[0], &pieces[same]))
		same++;
	return same == n ? 1 : group_many(pieces, n);
}

/* The end of the stream that begins at i, and the size of its message. */
static size_t stream_end(const struct piece *pieces, size_t n, size_t i, size_t *ret_size)
{
	size_t size = wire_field_size(piece_run(&pieces[i])->labels.n), first = i;

	for (; i < n && piece_same_stream(&pieces[first], &pieces[i]); i++)
		size += pieces[i].len;
	*ret_size = size;
	return i;
}

size_t pieces_body_size(const struct piece *pieces, size_t n)
{
	size_t total = 0, size;

	for (size_t i = 0; i < n;) {
		i = stream_end(pieces, n, i, &size);
		total += wire_field_size(size);
	}
	return total;
}

void pieces_body(const struct piece *pieces, size_t n, char *out)
{
	uint8_t *p = (uint8_t *)out;

	for (size_t i = 0, end, size; i < n;) {
		end = stream_end(pieces, n, i, &size);
		p = wire_put_head(p, WIRE_TAG_BYTES(1), size);
		p = wire_put_bytes(p, WIRE_TAG_BYTES(1), piece_run(&pieces[i])->labels);
		for (; i < end; i++) {
			memcpy(p, pieces[i].block->bytes + pieces[i].off, pieces[i].len);
			p += pieces[i].len;
		}
	}
}

static void count(struct block *b, enum piece_end end, const char *reason, uint64_t nrecs)
{
	switch (end) {
	case PIECE_DELIVERED:
		flow_delivered(b->flow, nrecs);
		break;
	case PIECE_WITHDRAWN:
		flow_withdrawn(b->flow, nrecs);
		break;
	case PIECE_DROPPED:
		flow_dropped(b->flow, reason, nrecs);
		break;
	case PIECE_LEFT:
		block_left(b, nrecs);
		break;
	}
}

void pieces_end(const struct piece *pieces, size_t n, enum piece_end end, const char *reason)
{
	size_t i = 0;

	while (i < n) {
		struct block *b = pieces[i].block;
		uint64_t nrecs = 0;
		uint32_t runs = 0;

		for (; i < n && pieces[i].block == b; i++) {
			struct run *run = piece_run(&pieces[i]);

			CHECK(run->open_pieces);
			nrecs += pieces[i].nrecs;
			runs += --run->open_pieces == 0;
		}
		count(b, end, reason, nrecs);
		if (runs && end == PIECE_LEFT)
			block_abandon_end(b, runs);
		else if (runs)
			block_end(b, runs);
	}
}
