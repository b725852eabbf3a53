/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes push bodies and accounts every numbered line: loss, duplicates, order, content, leaks. */
#include "bench/verify.h"
#include "bench/util.h"

#include <inttypes.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 1000
#define RAW_MAX (256u << 20)
#define NUMBER_MAX (1ULL << 32) /* bitmap of at most 512 MiB per source */
#define LABELS_SHOWN 8

/* All lines of one source, as a growing bitmap. */
struct source {
	uint64_t *seen;
	size_t words;
	uint64_t highest; /* number + 1; 0 when nothing came */
	uint64_t unique;
};

/* Order is promised per stream, so the last number is kept per stream and source. */
struct stream {
	char *labels;
	size_t labels_len;
	uint64_t hash;
	uint64_t entries;
	uint64_t last_time_ns;
	uint64_t *last; /* number + 1, by source */
	unsigned n_last;
	struct stream *next; /* same bucket */
};

struct verify {
	struct corpus corpus;
	bool check_content;
	struct source sources[SOURCES_MAX];
	struct stream *buckets[4096];
	uint64_t n_streams;
	uint8_t *raw;
	size_t raw_cap;

	uint64_t first, lines;
	unsigned expect_sources;

	uint64_t bodies, raw_bytes, entries, line_bytes, unique, duplicates, unnumbered;
	uint64_t decode_errors, disorder, time_disorder, mismatches, leaks, metadata_entries;
	char first_bad[160];
};

/* One bounded protobuf reader. */
struct pb {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t pb_varint(struct pb *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (r->p == r->end)
			break;
		uint8_t b = *r->p++;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	r->bad = true;
	r->p = r->end;
	return 0;
}

static struct pb pb_bytes(struct pb *r)
{
	uint64_t n = pb_varint(r);
	struct pb sub = { r->p, r->p, false };

	if (n > (uint64_t)(r->end - r->p)) {
		r->bad = true;
		r->p = r->end;
		return sub;
	}
	sub.end = r->p + n;
	r->p += n;
	return sub;
}

/* Next field number, 0 at the end. Unknown fields are skipped with pb_skip. */
static unsigned pb_field(struct pb *r, unsigned *type)
{
	if (r->p == r->end)
		return 0;
	uint64_t key = pb_varint(r);
	*type = (unsigned)(key & 7);
	return (unsigned)(key >> 3);
}

static void pb_skip(struct pb *r, unsigned type)
{
	unsigned n = type == 1 ? 8 : type == 5 ? 4 : 0;

	if (type == 0) {
		pb_varint(r);
	} else if (type == 2) {
		pb_bytes(r);
	} else if (!n || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		r->p = r->end;
	} else {
		r->p += n;
	}
}

struct verify *verify_new(const struct corpus_options *corpus, bool check_content)
{
	struct verify *v = xmalloc(sizeof(*v));

	memset(v, 0, sizeof(*v));
	v->check_content = check_content;
	if (check_content)
		corpus_init(&v->corpus, corpus);
	return v;
}

void verify_reset(struct verify *v)
{
	for (unsigned i = 0; i < SOURCES_MAX; i++)
		free(v->sources[i].seen);
	for (size_t i = 0; i < sizeof(v->buckets) / sizeof(v->buckets[0]); i++) {
		for (struct stream *s = v->buckets[i], *next; s; s = next) {
			next = s->next;
			free(s->labels);
			free(s->last);
			free(s);
		}
	}
	struct verify fresh = { .corpus = v->corpus,
				.check_content = v->check_content,
				.raw = v->raw,
				.raw_cap = v->raw_cap,
				.first = v->first,
				.lines = v->lines,
				.expect_sources = v->expect_sources };
	*v = fresh;
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	verify_reset(v);
	if (v->check_content)
		corpus_fini(&v->corpus);
	free(v->raw);
	free(v);
}

static struct stream *stream_of(struct verify *v, const uint8_t *labels, size_t n)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ labels[i]) * 1099511628211ULL;
	struct stream **at = &v->buckets[h % (sizeof(v->buckets) / sizeof(v->buckets[0]))];
	for (; *at; at = &(*at)->next) {
		if ((*at)->hash == h && (*at)->labels_len == n && !memcmp((*at)->labels, labels, n))
			return *at;
	}
	struct stream *s = xmalloc(sizeof(*s));
	*s = (struct stream){ .labels = xmalloc(n), .labels_len = n, .hash = h };
	memcpy(s->labels, labels, n);
	*at = s;
	v->n_streams++;
	return s;
}

/* True when the number is new. */
static bool mark(struct verify *v, unsigned source, uint64_t number)
{
	struct source *s = &v->sources[source];
	size_t word = number / 64;

	if (word >= s->words) {
		size_t words = s->words ? s->words : 1024;
		while (words <= word)
			words *= 2;
		s->seen = xrealloc(s->seen, words * sizeof(s->seen[0]));
		memset(s->seen + s->words, 0, (words - s->words) * sizeof(s->seen[0]));
		s->words = words;
	}
	if (s->seen[word] >> (number % 64) & 1)
		return false;
	s->seen[word] |= 1ULL << (number % 64);
	s->unique++;
	v->unique++;
	if (number >= s->highest)
		s->highest = number + 1;
	return true;
}

static void check_order(struct verify *v, struct stream *s, unsigned source, uint64_t number)
{
	if (source >= s->n_last) {
		unsigned n = source + 8;
		s->last = xrealloc(s->last, n * sizeof(s->last[0]));
		memset(s->last + s->n_last, 0, (n - s->n_last) * sizeof(s->last[0]));
		s->n_last = n;
	}
	if (number < s->last[source])
		v->disorder++;
	else
		s->last[source] = number + 1;
}

static bool same(const struct corpus_line *l, const char *want, size_t from, const uint8_t *line,
		 size_t n)
{
	size_t id = l->id_at - from, rest = id + CORPUS_ID_LEN;

	return n == l->len - from && !memcmp(line, want + from, id) &&
	       !memcmp(line + rest, want + from + rest, n - rest);
}

static void bad_line(struct verify *v, uint64_t *counter, const uint8_t *line, size_t n)
{
	size_t used = 0;

	(*counter)++;
	if (v->first_bad[0])
		return;
	for (size_t i = 0; i < n && used < sizeof(v->first_bad) - 1; i++) {
		bool plain = line[i] >= ' ' && line[i] < 0x7f && line[i] != '"' && line[i] != '\\';
		v->first_bad[used++] = plain ? (char)line[i] : '.';
	}
}

/* `entry` is all of it, structured metadata too: a secret must not hide there either. */
static void check_line(struct verify *v, unsigned source, uint64_t number, struct pb entry,
		       const uint8_t *line, size_t n)
{
	const struct corpus_line *l = corpus_get(&v->corpus, source, number);
	const char *want = v->corpus.bytes + l->at;

	if (l->secret_len) {
		/* How it was hidden is the agent's choice; that it is gone is not. */
		if (memmem(entry.p, (size_t)(entry.end - entry.p), want + l->secret_at,
			   l->secret_len))
			bad_line(v, &v->leaks, line, n);
	} else if (!same(l, want, 0, line, n) &&
		   !(l->msg_at && same(l, want, l->msg_at, line, n))) {
		bad_line(v, &v->mismatches, line, n);
	}
}

/* The id is wherever "id" is followed by it: `id=s003n...` or `"id":"s003n..."`. */
static bool find_id(const uint8_t *line, size_t n, unsigned *source, uint64_t *number)
{
	const uint8_t *p = line, *end = line + n;

	while ((p = memmem(p, (size_t)(end - p), "id", 2))) {
		p += 2;
		const uint8_t *q = p;
		while (q < end && q < p + 3 && (*q == '=' || *q == '"' || *q == ':'))
			q++;
		if (q > p && (size_t)(end - q) >= CORPUS_ID_LEN &&
		    corpus_get_id((const char *)q, source, number))
			return true;
	}
	return false;
}

static void count_line(struct verify *v, struct stream *s, struct pb entry, const uint8_t *line,
		       size_t n)
{
	unsigned source;
	uint64_t number;

	v->line_bytes += n;
	if (!find_id(line, n, &source, &number) || number >= NUMBER_MAX) {
		v->unnumbered++;
		return;
	}
	if (mark(v, source, number))
		check_order(v, s, source, number);
	else
		v->duplicates++;
	if (v->check_content)
		check_line(v, source, number, entry, line, n);
}

static uint64_t entry_time(struct pb *r)
{
	uint64_t s = 0, ns = 0;
	unsigned type, field;

	while ((field = pb_field(r, &type))) {
		if (field == 1 && type == 0)
			s = pb_varint(r);
		else if (field == 2 && type == 0)
			ns = pb_varint(r);
		else
			pb_skip(r, type);
	}
	return s * NS_PER_S + ns;
}

static void count_entry(struct verify *v, struct stream *s, struct pb *r)
{
	struct pb line = { 0 }, entry = *r;
	uint64_t time_ns = 0;
	bool metadata = false;
	unsigned type, field;

	while ((field = pb_field(r, &type))) {
		if (field == 1 && type == 2) {
			struct pb t = pb_bytes(r);
			time_ns = entry_time(&t);
			r->bad |= t.bad;
		} else if (field == 2 && type == 2) {
			line = pb_bytes(r);
		} else {
			metadata |= field == 3;
			pb_skip(r, type);
		}
	}
	v->entries++;
	v->metadata_entries += metadata;
	s->entries++;
	/* Equal instants with equal lines vanish in Loki, so each must be later than the last. */
	if (time_ns <= s->last_time_ns)
		v->time_disorder++;
	else
		s->last_time_ns = time_ns;
	if (line.p)
		count_line(v, s, entry, line.p, (size_t)(line.end - line.p));
	else
		v->unnumbered++;
}

static void count_stream(struct verify *v, struct pb *r)
{
	struct pb entries = *r;
	struct stream *s = NULL;
	unsigned type, field;

	while ((field = pb_field(r, &type))) {
		if (field == 1 && type == 2) {
			struct pb labels = pb_bytes(r);
			s = stream_of(v, labels.p, (size_t)(labels.end - labels.p));
		} else {
			pb_skip(r, type);
		}
	}
	if (!s || r->bad) {
		r->bad = true;
		return;
	}
	while ((field = pb_field(&entries, &type))) {
		if (field == 2 && type == 2) {
			struct pb e = pb_bytes(&entries);
			count_entry(v, s, &e);
			r->bad |= e.bad;
		} else {
			pb_skip(&entries, type);
		}
	}
}

void verify_body(struct verify *v, const uint8_t *body, size_t len)
{
	size_t n;

	v->bodies++;
	if (snappy_uncompressed_length((const char *)body, len, &n) != SNAPPY_OK || n > RAW_MAX) {
		v->decode_errors++;
		return;
	}
	if (n > v->raw_cap) {
		v->raw = xrealloc(v->raw, n);
		v->raw_cap = n;
	}
	if (snappy_uncompress((const char *)body, len, (char *)v->raw, &n) != SNAPPY_OK) {
		v->decode_errors++;
		return;
	}
	v->raw_bytes += n;
	struct pb r = { v->raw, v->raw + n, false };
	unsigned type, field;
	while ((field = pb_field(&r, &type))) {
		if (field == 1 && type == 2) {
			struct pb s = pb_bytes(&r);
			count_stream(v, &s);
			r.bad |= s.bad;
		} else {
			pb_skip(&r, type);
		}
	}
	v->decode_errors += r.bad;
}

uint64_t verify_unique(const struct verify *v)
{
	return v->unique;
}

void verify_expect(struct verify *v, uint64_t first, uint64_t lines, unsigned sources)
{
	v->first = first;
	v->lines = lines;
	v->expect_sources = sources;
}

static uint64_t lost_of(const struct verify *v, unsigned source)
{
	const struct source *s = &v->sources[source];
	uint64_t end = v->lines ? v->first + v->lines : s->highest, there = 0;

	if (end <= v->first)
		return 0;
	for (size_t w = 0; w < s->words; w++) {
		uint64_t bits = s->seen[w], base = w * 64;
		if (base + 64 <= v->first || base >= end)
			continue;
		if (base < v->first)
			bits &= ~0ULL << (v->first - base);
		if (base + 64 > end)
			bits &= ~0ULL >> (base + 64 - end);
		there += (uint64_t)__builtin_popcountll(bits);
	}
	return end - v->first - there;
}

void verify_summary(const struct verify *v, FILE *out)
{
	uint64_t lost = 0;
	unsigned sources = 0, shown = 0;

	for (unsigned i = 0; i < SOURCES_MAX; i++) {
		sources += v->sources[i].unique > 0;
		if (v->sources[i].unique || i < v->expect_sources)
			lost += lost_of(v, i);
	}
	fprintf(out,
		"\"bodies\":%" PRIu64 ",\"raw_bytes\":%" PRIu64 ",\"entries\":%" PRIu64
		",\"line_bytes\":%" PRIu64 ",\"streams\":%" PRIu64
		",\"sources\":%u,\"unique\":%" PRIu64 ",\"lost\":%" PRIu64
		",\"duplicates\":%" PRIu64 ",\"disorder\":%" PRIu64 ",\"time_disorder\":%" PRIu64
		",\"unnumbered\":%" PRIu64 ",\"mismatches\":%" PRIu64 ",\"leaks\":%" PRIu64
		",\"metadata_entries\":%" PRIu64 ",\"decode_errors\":%" PRIu64,
		v->bodies, v->raw_bytes, v->entries, v->line_bytes, v->n_streams, sources,
		v->unique, lost, v->duplicates, v->disorder, v->time_disorder, v->unnumbered,
		v->mismatches, v->leaks, v->metadata_entries, v->decode_errors);
	fprintf(out, ",\"first_bad\":\"%s\",\"labels\":[", v->first_bad);
	for (size_t i = 0; i < sizeof(v->buckets) / sizeof(v->buckets[0]); i++) {
		for (const struct stream *s = v->buckets[i]; s && shown < LABELS_SHOWN;
		     s = s->next) {
			fprintf(out, "%s\"", shown++ ? "," : "");
			for (size_t k = 0; k < s->labels_len; k++) {
				char c = s->labels[k];
				if (c == '"' || c == '\\')
					fputc('\\', out);
				fputc(c >= ' ' ? c : '?', out);
			}
			fputc('"', out);
		}
	}
	fputc(']', out);
}
