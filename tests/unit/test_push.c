/* SPDX-License-Identifier: Apache-2.0 */
/* The push encoder against protobuf-c, metadata rules, pieces and bodies. */
#include "test.h"

#include <snappy-c.h>

#include "lib/mem.h"
#include "lib/snap.h"
#include "outputs/loki/piece.h"
#include "outputs/loki/push.h"
#include "pipeline/labels.h"
#ifdef HAVE_ORACLE
#include "push_oracle.h"
#endif

#define T0 INT64_C(1795275944611804851)

static struct source source = { .magic = SOURCE_MAGIC };
static struct label_table *table;
static struct arena scratch;
static struct push_cuts cuts;

static const struct labels *labels_of(const char *job, const char *tenant)
{
	struct label items[] = { { STR("job"), str_c(job) }, { STR(LABEL_TENANT), str_c(tenant) } };

	return labels_intern(table, items, tenant ? 2 : 1);
}

static struct batch *new_batch(void)
{
	struct batch *b = batch_new(NULL, &source, 4096, false);

	b->labels = labels_of("test", NULL);
	return b;
}

static struct rec *add(struct batch *b, int64_t time_ns, const char *line)
{
	struct rec *r = batch_add(b);

	r->time_ns = time_ns;
	r->line = arena_dup(&b->arena, str_c(line));
	return r;
}

static void meta(struct batch *b, struct rec *r, const char *name, const char *value)
{
	rec_attr(b, r, key_intern(str_c(name)), ATTR_META, ATTR_STRING, str_c(value));
}

/* Encodes and frees the batch; every run is one open piece. */
static struct block *encode(struct batch *b)
{
	struct block *block;

	cuts = (struct push_cuts){ 0 };
	block = push_encode(b, PUSH_LINE_MAX, &scratch, &cuts);
	for (uint32_t i = 0; i < block->nruns; i++)
		block->runs[i].open_pieces = 1;
	arena_fini(&scratch);
	batch_free(b);
	return block;
}

static struct piece *pieces_of(const struct block *block)
{
	struct piece *p = mem_array(block->nruns, sizeof(*p));

	for (uint32_t i = 0; i < block->nruns; i++)
		p[i] = (struct piece){ (struct block *)(uintptr_t)block, i, block->runs[i].off,
				       block->runs[i].len, block->runs[i].nrecs };
	return p;
}

static struct buf body_of(struct piece *pieces, size_t n)
{
	struct buf body = BUF_INIT;
	size_t size;

	pieces_group(pieces, n);
	size = pieces_body_size(pieces, n);
	buf_reserve(&body, size);
	pieces_body(pieces, n, body.p);
	body.n = size;
	return body;
}

static struct push_entry entry_at(const struct block *b, uint32_t run, uint32_t i)
{
	struct str bytes = str_make(b->bytes + b->runs[run].off, b->runs[run].len);
	struct push_entry e = { 0 };

	do
		OK(push_next_entry(&bytes, &e));
	while (i--);
	return e;
}

/* "name=value;name=value;" */
static struct str meta_text(struct push_entry e)
{
	static struct buf text;
	struct str name, value;

	buf_clear(&text);
	while (push_next_pair(&e.meta, &name, &value))
		buf_printf(&text, STR_FMT "=" STR_FMT ";", STR_ARG(name), STR_ARG(value));
	OK(e.meta.n == 0);
	return buf_as_str(&text);
}

#ifdef HAVE_ORACLE

static uint64_t seed = 42;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static struct batch *random_batch(void)
{
	static const int64_t times[] = { 0,           1,  -1,        999999999, 1000000000,
					 -1000000000, T0, INT64_MAX, INT64_MIN, 1 << 20 };
	static const char *const names[] = { "a", "trace_id", "app",
					     "a_rather_long_name_for_a_pair" };
	static const char text[] = "The quick brown fox \0 jumps \303\274ber the lazy dog. ";
	struct batch *b = new_batch();
	uint32_t nrecs = 1 + below(40), nlabels = 1 + below(6);

	for (uint32_t i = 0; i < nrecs; i++) {
		struct rec *r = batch_add(b);
		uint32_t n = below(4) ? below(300) : below(2) ? 0 : 16000 + below(1000);
		char *line = arena_bytes(&b->arena, n);

		for (uint32_t j = 0; j < n; j++)
			line[j] = text[j % (sizeof(text) - 1)];
		r->line = str_make(line, n);
		r->time_ns = below(3) ? T0 + below(2000000000) : times[below(ARRAY_LEN(times))];
		if (below(3) == 0) {
			char job[16];

			snprintf(job, sizeof(job), "job %u", below(nlabels));
			r->labels = labels_of(job, NULL);
		}
		for (uint32_t j = below(ARRAY_LEN(names) + 1); j--;) {
			uint32_t m = below(3) ? below(20) : 200;

			rec_attr(b, r, key_intern(str_c(names[j])), ATTR_META, ATTR_STRING,
				 str_sub(r->line, 0, m));
			rec_attr(b, r, key_intern(STR("note")), ATTR_EXTRACTED, ATTR_STRING,
				 STR("not sent"));
		}
	}
	return b;
}

static void same_bytes_as_protobuf_c(void)
{
	for (int round = 0; round < 400; round++) {
		struct batch *b = random_batch();
		Loki__PushRequest *want = oracle_request(b), *got;
		size_t size = loki__push_request__get_packed_size(want);
		uint8_t *packed = mem_alloc(size);
		struct block *block;
		struct piece *pieces;
		struct buf body;

		loki__push_request__pack(want, packed);
		oracle_free(want);
		block = encode(b);
		pieces = pieces_of(block);
		body = body_of(pieces, block->nruns);
		EQ_INT(body.n, size);
		OK(body.n == size && memcmp(body.p, packed, size) == 0);
		got = loki__push_request__unpack(NULL, body.n, (uint8_t *)body.p);
		OK(got && got->n_streams == block->nruns);
		loki__push_request__free_unpacked(got, NULL);
		block_end(block, block->nruns);
		mem_free(pieces);
		mem_free(packed);
		buf_fini(&body);
	}
}

#endif

static void entries_read_back(void)
{
	static const int64_t times[] = { 0, 1, -1, T0, -T0, INT64_MAX, INT64_MIN + 1, 1000000000 };
	struct batch *b = new_batch();
	struct block *block;

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		meta(b, add(b, times[i], i % 2 ? "line" : ""), "k", i % 3 ? "v" : "");
	block = encode(b);
	EQ_INT(block->nrecs, ARRAY_LEN(times));
	EQ_INT(block->nruns, 1);
	for (uint32_t i = 0; i < ARRAY_LEN(times); i++) {
		struct push_entry e = entry_at(block, 0, i);

		EQ_INT(e.time_ns, times[i]);
		EQ_STR(e.line, i % 2 ? "line" : "");
		EQ_STR(meta_text(e), i % 3 ? "k=v;" : "k=;");
	}
	block_end(block, block->nruns);
}

static void streams_and_tenants(void)
{
	struct batch *b = new_batch();
	struct block *block;

	add(b, T0, "1");
	add(b, T0 + 1, "2")->labels = labels_of("other", NULL);
	add(b, T0 + 2, "3")->labels = labels_of("other", "acme");
	add(b, T0 + 3, "4");
	add(b, T0 + 4, "5")->labels = labels_of("other", NULL);
	block = encode(b);
	EQ_INT(block->nruns, 3);
	EQ_STR(block->runs[0].labels, "{job=\"test\"}");
	EQ_STR(block->runs[1].labels, "{job=\"other\"}");
	EQ_STR(block->runs[2].labels, "{job=\"other\"}");
	EQ_STR(block->runs[1].tenant, "");
	EQ_STR(block->runs[2].tenant, "acme");
	OK(block->runs[1].hash != block->runs[2].hash);
	EQ_INT(block->runs[0].nrecs, 2);
	EQ_INT(block->runs[1].nrecs, 2);
	EQ_STR(entry_at(block, 0, 0).line, "1");
	EQ_STR(entry_at(block, 0, 1).line, "4");
	EQ_STR(entry_at(block, 1, 0).line, "2");
	EQ_STR(entry_at(block, 1, 1).line, "5");
	EQ_STR(entry_at(block, 2, 0).line, "3");
	block_end(block, block->nruns);
}

static void metadata(void)
{
	static const struct {
		const char *names[4]; /* values are 1, 2, 3 */
		unsigned flags;
		const char *want;
	} rows[] = {
		{ { "a", "b" }, 0, "a=1;b=2;" },
		{ { "a.b" }, 0, "a_b=1;" },
		{ { "1x" }, 0, "key_1x=1;" },
		{ { "a__b", "a_b" }, 0, "a_b=1;a_b_2=2;" },
		{ { "__x", "__x__", "__a.b__" }, 0, "_x=1;__x__=2;__a_b__=3;" },
		{ { "a_", "a-" }, 0, "a_=1;a_2=2;" },
		{ { "____", "__-__", "x-.y" }, 0, "key=1;key_2=2;x_y=3;" },
		{ { "", "_", "___" }, 0, "key=1;key_2=2;key_3=3;" },
		{ { "\303\274" }, 0, "key=1;" },
		{ { "\303\274x" }, 0, "_x=1;" },
		{ { "a", "b", "a" }, 0, "a=3;b=2;" },
		{ { "a.b", "a_b", "a-b" }, 0, "a_b=1;a_b_2=2;a_b_3=3;" },
		{ { "a.b", "x", "a.b" }, 0, "a_b=3;x=2;" },
		{ { "tailrace_flags" }, 0, "tailrace_flags_2=1;" },
		{ { "a" }, REC_CUT | REC_BAD_UTF8, "a=1;tailrace_flags=cut,bad_utf8;" },
		{ { NULL },
		  REC_UNPARSED | REC_PARTIAL | REC_TIME_GUESSED,
		  "tailrace_flags=unparsed,partial,time_guessed;" },
		{ { NULL },
		  REC_REDACT_FAILED | REC_LABELS_FULL,
		  "tailrace_flags=redact_failed,labels_full;" },
		{ { NULL }, REC_SKIP, "" },
	};
	static const char *const values[] = { "1", "2", "3" };

	for (int is_inline = 0; is_inline < 2; is_inline++) {
		struct batch *b = new_batch();
		struct block *block;

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct rec *r = add(b, T0, "x");

			r->flags = (uint16_t)rows[i].flags;
			for (int j = 0; rows[i].names[j]; j++) {
				if (is_inline)
					rec_attr_inline(b, r, str_c(rows[i].names[j]), ATTR_META,
							str_c(values[j]));
				else
					meta(b, r, rows[i].names[j], values[j]);
			}
		}
		block = encode(b);
		for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
			ROW(rows[i].want);
			EQ_STR(meta_text(entry_at(block, 0, i)), rows[i].want);
		}
		EQ_INT(cuts.metadata, 0);
		block_end(block, block->nruns);
	}
}

static void not_sent(void)
{
	struct batch *b = new_batch();
	struct rec *r = add(b, T0, "x");
	struct block *block;

	rec_attr(b, r, key_intern(STR("e")), ATTR_EXTRACTED, ATTR_STRING, STR("1"));
	rec_attr(b, r, key_intern(STR("g")), ATTR_GONE, ATTR_STRING, STR("1"));
	rec_attr(b, r, key_intern(STR("n")), ATTR_META, ATTR_NULL, STR_NONE);
	rec_attr(b, r, key_intern(STR("m")), ATTR_META, ATTR_NUMBER, STR("2"));
	block = encode(b);
	EQ_STR(meta_text(entry_at(block, 0, 0)), "m=2;");
	block_end(block, block->nruns);
}

static size_t count_pairs(struct push_entry e, size_t *ret_bytes, bool *ret_is_flagged)
{
	struct str name, value;
	size_t n = 0;

	*ret_bytes = 0;
	*ret_is_flagged = false;
	while (push_next_pair(&e.meta, &name, &value)) {
		n++;
		*ret_bytes += name.n + value.n;
		if (str_is(name, REC_FLAGS_NAME))
			*ret_is_flagged = str_is(value, "metadata_cut");
	}
	return n;
}

static void limits_of_metadata(void)
{
	struct batch *b = new_batch();
	struct block *block;
	struct rec *r;
	char *large = mem_zalloc(70000);
	size_t bytes;
	bool is_flagged;

	r = add(b, T0, "many");
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "k%d", i);
		rec_attr_inline(b, r, str_c(name), ATTR_META, STR("v"));
	}
	r = add(b, T0, "large");
	rec_attr(b, r, key_intern(STR("large")), ATTR_META, ATTR_STRING, str_make(large, 65536));
	meta(b, r, "small", "1");
	r = add(b, T0, "fits");
	rec_attr(b, r, key_intern(STR("large")), ATTR_META, ATTR_STRING, str_make(large, 65000));
	r = add(b, T0, "grows");
	rec_attr(b, r, key_intern(STR("large")), ATTR_META, ATTR_STRING, str_make(large, 65000));
	rec_attr(b, r, key_intern(STR("large")), ATTR_META, ATTR_STRING, str_make(large, 65536));
	block = encode(b);
	EQ_INT(count_pairs(entry_at(block, 0, 0), &bytes, &is_flagged), 128);
	OK(is_flagged);
	EQ_INT(count_pairs(entry_at(block, 0, 1), &bytes, &is_flagged), 2);
	OK(is_flagged && bytes < 100);
	EQ_INT(count_pairs(entry_at(block, 0, 2), &bytes, &is_flagged), 1);
	OK(!is_flagged && bytes == 65005);
	EQ_INT(count_pairs(entry_at(block, 0, 3), &bytes, &is_flagged), 2);
	OK(is_flagged && bytes <= PUSH_META_BYTES);
	EQ_INT(cuts.metadata, 3);
	block_end(block, block->nruns);
	mem_free(large);
}

/* Values shared by all records of a batch must not multiply its size without end. */
static void metadata_of_a_batch_is_bounded(void)
{
	struct batch *b = new_batch();
	char *large = mem_zalloc(60000);
	struct block *block;

	for (int i = 0; i < 1000; i++)
		rec_attr(b, add(b, T0, "x"), key_intern(STR("large")), ATTR_META, ATTR_STRING,
			 str_make(large, 60000));
	block = encode(b);
	EQ_INT(block->nrecs, 1000);
	OK(block->nbytes < PUSH_META_BATCH_BYTES + 300000);
	OK(cuts.metadata > 800);
	block_end(block, block->nruns);
	mem_free(large);
}

static void long_lines(void)
{
	struct batch *b = new_batch();
	char *line = mem_alloc(PUSH_LINE_MAX + 10);
	struct push_entry e;
	struct block *block;

	memset(line, 'x', PUSH_LINE_MAX + 10);
	memcpy(line + PUSH_LINE_MAX - 1, "\303\274", 2);
	add(b, T0, "")->line = str_make(line, PUSH_LINE_MAX + 10);
	add(b, T0, "")->line = str_make(line, PUSH_LINE_MAX);
	block = encode(b);
	e = entry_at(block, 0, 0);
	EQ_INT(e.line.n, PUSH_LINE_MAX - 1);
	EQ_STR(meta_text(e), "tailrace_flags=cut;");
	e = entry_at(block, 0, 1);
	EQ_INT(e.line.n, PUSH_LINE_MAX);
	EQ_INT(e.meta.n, 0);
	EQ_INT(cuts.lines, 1);
	block_end(block, block->nruns);
	mem_free(line);
}

static void bodies_of_many_blocks(void)
{
	struct block *blocks[3];
	struct piece pieces[6];
	struct buf body, again;
	struct str streams, stream, labels;
	size_t n = 0;

	for (int i = 0; i < 3; i++) {
		struct batch *b = new_batch();
		char line[24];

		snprintf(line, sizeof(line), "a%d", i);
		add(b, T0 + i, line);
		snprintf(line, sizeof(line), "b%d", i);
		add(b, T0 + i, line)->labels = labels_of("other", NULL);
		blocks[i] = encode(b);
		for (uint32_t j = 0; j < 2; j++)
			pieces[n++] = (struct piece){ blocks[i], j, blocks[i]->runs[j].off,
						      blocks[i]->runs[j].len, 1 };
	}
	EQ_INT(pieces_group(pieces, 6), 2);
	for (int i = 0; i < 6; i++) {
		EQ_INT(pieces[i].run, i / 3);
		OK(pieces[i].block == blocks[i % 3]);
	}
	body = body_of(pieces, 6);
	again = body_of(pieces, 6);
	OK(str_eq(buf_as_str(&body), buf_as_str(&again)));
	streams = buf_as_str(&body);
	for (int i = 0; i < 2; i++) {
		OK(streams.n && streams.p[0] == 0x0a);
		OK((uint8_t)streams.p[1] < 0x80);
		stream = str_sub(streams, 2, 2 + (size_t)streams.p[1]);
		streams = str_skip(streams, 2 + stream.n);
		labels = str_sub(stream, 2, 2 + (size_t)stream.p[1]);
		EQ_STR(labels, i ? "{job=\"other\"}" : "{job=\"test\"}");
		stream = str_skip(stream, 2 + labels.n);
		for (int j = 0; j < 3; j++) {
			struct push_entry e;
			char line[24];

			snprintf(line, sizeof(line), "%c%d", i ? 'b' : 'a', j);
			OK(push_next_entry(&stream, &e));
			EQ_STR(e.line, line);
		}
		EQ_INT(stream.n, 0);
	}
	EQ_INT(streams.n, 0);
	for (int i = 0; i < 3; i++)
		block_end(blocks[i], 2);
	buf_fini(&body);
	buf_fini(&again);
}

static void cutting(void)
{
	struct batch *b = new_batch();
	struct piece p, head;
	struct block *block;
	uint32_t entry;

	for (int i = 0; i < 10; i++)
		add(b, T0, "0123456789");
	block = encode(b);
	p = (struct piece){ block, 0, 0, block->runs[0].len, 10 };
	entry = p.len / 10;
	head = piece_cut_bytes(&p, 3 * entry + 1);
	EQ_INT(head.nrecs, 3);
	EQ_INT(head.len, 3 * entry);
	EQ_INT(p.nrecs, 7);
	EQ_INT(p.off, 3 * entry);
	EQ_INT(block->runs[0].open_pieces, 2);
	head = piece_cut_bytes(&p, 1); /* one entry at least */
	EQ_INT(head.nrecs, 1);
	EQ_INT(block->runs[0].open_pieces, 3);
	head = piece_cut_entries(&p, 2);
	EQ_INT(head.nrecs, 2);
	EQ_INT(head.off, 4 * entry);
	EQ_INT(block->runs[0].open_pieces, 4);
	head = piece_cut_bytes(&p, 1000);
	EQ_INT(head.nrecs, 4);
	EQ_INT(p.nrecs, 0);
	EQ_INT(block->runs[0].open_pieces, 4);
	block_end(block, 1);
}

static void snappy_round_trip(void)
{
	static const size_t sizes[] = { 0, 1, 59, 60, 61, 4096, 65535, 65536, 65537, 1 << 20 };
	char *raw = mem_alloc(1 << 20), *back = mem_alloc(1 << 20);

	for (size_t i = 0; i < (1 << 20); i++)
		raw[i] = (char)(i % 7 ? 'a' + i % 23 : i * 2654435761u >> 24);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *packed = mem_alloc(snap_bound(sizes[i]));
		size_t n = snap_pack(raw, sizes[i], packed), back_n = 1 << 20;

		OK(snappy_uncompress(packed, n, back, &back_n) == SNAPPY_OK);
		OK(back_n == sizes[i] && memcmp(raw, back, back_n) == 0);
		mem_free(packed);
	}
	mem_free(raw);
	mem_free(back);
}

int main(void)
{
	table = label_table_new(1000);
#ifdef HAVE_ORACLE
	RUN(same_bytes_as_protobuf_c);
#endif
	RUN(entries_read_back);
	RUN(streams_and_tenants);
	RUN(metadata);
	RUN(not_sent);
	RUN(limits_of_metadata);
	RUN(metadata_of_a_batch_is_bounded);
	RUN(long_lines);
	RUN(bodies_of_many_blocks);
	RUN(cutting);
	RUN(snappy_round_trip);
	label_table_free(table);
	return test_end();
}
