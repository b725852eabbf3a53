/* SPDX-License-Identifier: Apache-2.0 */
/* Encoder round trip: whatever is in the records, the body reads back as the same entries, metadata
 * keeps Loki's rules and is the same by the short way and the general one, and cutting and grouping lose nothing. Input: records, each a head (label set,
 * attributes, time, flags) and the bytes it announces. */
#include <snappy-c.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "lib/snap.h"
#include "outputs/loki/meta.h"
#include "outputs/loki/piece.h"
#include "outputs/loki/push.h"
#include "pipeline/labels.h"
#ifdef HAVE_ORACLE
#include "push.pb-c.h"
#endif

#define MAX_LINE 100
#define RECS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct source source = { .magic = SOURCE_MAGIC };
static const char *const keys[] = { "a",
				    "b",
				    "a.b",
				    "a_b",
				    "__",
				    "",
				    "1",
				    REC_FLAGS_NAME,
				    "abcdefghijklmnopqrstuvwxyz",
				    "abcdefghijklmnopqrstuvwxyz1" };
#define KEYS 80 /* with k10, k11 ..: more than the encoder keeps in mind */

static uint8_t byte(struct str *in)
{
	uint8_t b = in->n ? (uint8_t)in->p[0] : 0;

	*in = str_skip(*in, 1);
	return b;
}

static struct str slice(struct str *in)
{
	struct str s = str_sub(*in, 0, byte(in));

	*in = str_skip(*in, s.n);
	return s;
}

static uint16_t key_of(size_t n)
{
	char name[8];

	if (n < ARRAY_LEN(keys))
		return key_intern(str_c(keys[n]));
	snprintf(name, sizeof(name), "k%u", (unsigned)n);
	return key_intern(str_c(name));
}

static void add_record(struct batch *b, struct label_table *table, struct str *in)
{
	uint8_t head = byte(in), more = byte(in);
	struct rec *r = batch_add(b);
	uint64_t time = 0;

	for (int i = 0; i < 1 << (more & 3); i++)
		time = time << 8 | byte(in);
	r->time_ns = (int64_t)time;
	r->flags = (uint16_t)((more >> 2) * 8);
	if (head & 7) {
		char value[2] = { (char)('a' + (head & 7)), 0 };
		struct label items[] = { { STR("l"), str_c(value) },
					 { STR(LABEL_TENANT), STR("t") } };

		r->labels = labels_intern(table, items, head & 4 ? 2 : 1);
	}
	for (int i = (head >> 3) & 7; i; i--) {
		struct str name = slice(in);

		if (head & 64)
			rec_attr_inline(b, r, name, ATTR_META, slice(in));
		else
			rec_attr(b, r, key_of(name.n % KEYS), ATTR_META, ATTR_STRING, slice(in));
	}
	r->line = slice(in);
}

static bool is_only_underscores(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '_')
			return false;
	return true;
}

static void check_meta(struct str meta)
{
	struct str names[PUSH_META_PAIRS], value;
	size_t n = 0, bytes = 0;

	while (meta.n) {
		CHECK(n < PUSH_META_PAIRS);
		CHECK(push_next_pair(&meta, &names[n], &value));
		CHECK(label_name_is_valid(names[n]));
		CHECK(!is_only_underscores(names[n]));
		for (size_t i = 0; i < n; i++)
			CHECK(!str_eq(names[i], names[n]));
		bytes += names[n].n + value.n;
		n++;
	}
	CHECK(bytes <= PUSH_META_BYTES);
}

/* Metadata with flags always takes the general way: the same, and a pair for the flags. */
static void check_short_way(const struct batch *b)
{
	struct arena scratch[2] = { ARENA_INIT, ARENA_INIT };
	struct meta *m[2];
	bool was_cut[2];

	for (size_t i = 0; i < 2; i++) {
		arena_room(&scratch[i], 128 * 1024);
		m[i] = meta_new(&scratch[i]);
	}
	for (uint32_t i = 0; i < b->nrecs; i++) {
		struct rec r = b->recs[i];
		struct str a, more, name, value;

		if (!r.nattrs)
			continue;
		r.flags = 0;
		a = meta_encode(m[0], &r, 0, &was_cut[0]);
		more = meta_encode(m[1], &r, REC_CUT, &was_cut[1]);
		CHECK(!was_cut[0] && !was_cut[1] && str_starts(more, a));
		more = str_skip(more, a.n);
		CHECK(push_next_pair(&more, &name, &value) && !more.n);
		CHECK(str_is(name, REC_FLAGS_NAME) && str_is(value, "cut"));
	}
	for (size_t i = 0; i < 2; i++)
		arena_fini(&scratch[i]);
}

/* Every record once, in order within its label set. */
static void check_runs(const struct batch *b, const struct block *block)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < block->nruns; i++) {
		struct str bytes = str_make(block->bytes + block->runs[i].off, block->runs[i].len);
		struct push_entry e;

		for (uint32_t j = 0; j < b->nrecs; j++) {
			const struct rec *r = &b->recs[j];

			if (!str_eq(rec_labels(b, r)->text, block->runs[i].labels) ||
			    !str_eq(rec_labels(b, r)->tenant, block->runs[i].tenant))
				continue;
			CHECK(push_next_entry(&bytes, &e));
			CHECK(e.time_ns == r->time_ns);
			CHECK(e.line.n <= MAX_LINE);
			CHECK(e.line.n == r->line.n || r->line.n > MAX_LINE);
			CHECK(str_starts(r->line, e.line));
			check_meta(e.meta);
			total++;
		}
		CHECK(bytes.n == 0);
	}
	CHECK(total == b->nrecs);
}

static void check_body(struct block *block, uint8_t salt)
{
	struct piece pieces[RECS_MAX];
	size_t n = 0, size, packed_n, back_n;
	char *body, *packed, *back;

	for (uint32_t i = 0; i < block->nruns; i++) {
		struct piece p = { block, i, block->runs[i].off, block->runs[i].len,
				   block->runs[i].nrecs };

		block->runs[i].open_pieces = 1;
		while (p.nrecs)
			pieces[n++] = piece_cut_bytes(&p, salt);
	}
	pieces_group(pieces, n);
	size = back_n = pieces_body_size(pieces, n);
	body = mem_alloc(size);
	back = mem_alloc(size);
	packed = mem_alloc(snap_bound(size));
	pieces_body(pieces, n, body);
	packed_n = snap_pack(body, size, packed);
	CHECK(snappy_uncompress(packed, packed_n, back, &back_n) == SNAPPY_OK);
	CHECK(back_n == size && memcmp(body, back, size) == 0);
#ifdef HAVE_ORACLE
	{
		Loki__PushRequest *got =
			loki__push_request__unpack(NULL, size, (const uint8_t *)body);
		size_t entries = 0;

		CHECK(got);
		for (size_t i = 0; i < got->n_streams; i++)
			entries += got->streams[i]->n_entries;
		CHECK(entries == block->nrecs);
		CHECK(loki__push_request__get_packed_size(got) == size);
		loki__push_request__free_unpacked(got, NULL);
	}
#endif
	mem_free(body);
	mem_free(back);
	mem_free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct label_table *table = label_table_new(100);
	struct batch *b = batch_new(NULL, &source, 4096, false);
	struct str in = str_make((const char *)data, n);
	struct arena scratch = ARENA_INIT;
	struct push_cuts cuts = { 0 };
	struct block *block;
	struct label base = { STR("job"), STR("fuzz") };
	uint8_t salt = byte(&in);

	b->labels = labels_intern(table, &base, 1);
	do
		add_record(b, table, &in);
	while (in.n && b->nrecs < RECS_MAX);
	check_short_way(b);
	block = push_encode(b, MAX_LINE, &scratch, &cuts);
	CHECK(block->nrecs == b->nrecs);
	check_runs(b, block);
	check_body(block, salt);
	block_end(block, block->nruns);
	batch_free(b);
	arena_fini(&scratch);
	label_table_free(table);
	return 0;
}
