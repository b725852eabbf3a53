/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a text with its secrets replaced, masked or hashed. */
#include "lib/digest.h"
#include "lib/utf8.h"
#include "pipeline/redact_impl.h"

#define GROWTH_MAX 4                /* times the text */
#define GROWTH_FREE ((size_t)65536) /* bytes that are fine in any case */
#define MASK_WHOLE_FROM 64          /* characters; of longer secrets nothing is kept */
#define HASH_BYTES 8

static char *put(char *out, struct str s)
{
	if (s.n)
		memcpy(out, s.p, s.n);
	return out + s.n;
}

static bool is_constant(const struct redact *r, unsigned kind)
{
	return r->action == REDACT_REPLACE || r->action == REDACT_DROP || kind == REDACT_KIND_CUT ||
	       kind == REDACT_KIND_PRIVATE_KEY;
}

/* Most bytes that stand in place of a secret. */
static size_t room_for(const struct redact *r, unsigned kind, size_t secret_bytes)
{
	if (is_constant(r, kind))
		return r->texts[kind].n;
	if (r->action == REDACT_MASK)
		return secret_bytes;
	/* When the digest is refused, the replacement. */
	return strlen(r->names[kind]) + 2 * HASH_BYTES + 3 + r->texts[kind].n;
}

static size_t character(struct str s)
{
	size_t n = utf8_valid_char(s);

	return n ? n : 1;
}

static char *put_masked(const struct redact *r, struct str secret, char *out)
{
	size_t n = 0, first = r->keep_first, last = r->keep_last, took;

	for (struct str s = secret; s.n; s = str_skip(s, character(s)))
		n++;
	if (n > MASK_WHOLE_FROM || first + last > n / 2)
		first = last = 0;
	for (size_t i = 0; i < n; i++, secret = str_skip(secret, took)) {
		took = character(secret);
		out = put(out, i < first || i >= n - last ? str_sub(secret, 0, took) : STR("*"));
	}
	return out;
}

static char *put_hash(const struct redact *r, unsigned kind, struct str secret, char *out)
{
	unsigned char sum[DIGEST_BYTES_MAX];

	if (!digest_hmac_sha256(buf_as_str(&r->hash_key), secret, sum))
		return put(out, r->texts[kind]);
	*out++ = '<';
	out = put(out, str_c(r->names[kind]));
	*out++ = ':';
	for (size_t i = 0; i < HASH_BYTES; i++) {
		*out++ = "0123456789abcdef"[sum[i] >> 4];
		*out++ = "0123456789abcdef"[sum[i] & 15];
	}
	*out++ = '>';
	return out;
}

static char *put_secret(const struct redact *r, unsigned kind, struct str secret, char *out)
{
	if (is_constant(r, kind))
		return put(out, r->texts[kind]);
	return r->action == REDACT_MASK ? put_masked(r, secret, out)
					: put_hash(r, kind, secret, out);
}

static char *put_splice(const struct redact *r, const struct redact_splice *x, struct str text,
			char *out)
{
	if (x->is_quoted)
		*out++ = '"';
	out = put_secret(r, x->kind, str_sub(text, x->start, x->end), out);
	if (x->is_quoted)
		*out++ = '"';
	return out;
}

static void tell(const struct redact_scratch *s, unsigned kind, struct str secret,
		 struct str replacement)
{
	if (s->found)
		s->found(s->found_ctx, kind, secret, replacement);
}

struct str redact_failed(struct redact_scratch *s, struct str text)
{
	s->failed++;
	tell(s, REDACT_KIND_CUT, text, STR(REDACT_ERROR_TEXT));
	return STR(REDACT_ERROR_TEXT);
}

/* Splices [first, last) over the bytes [from, to). */
static struct str write_range(const struct redact *r, struct redact_scratch *s, struct str text,
			      size_t from, size_t to, struct redact_splice *first,
			      const struct redact_splice *last, struct arena *arena)
{
	size_t bytes = to - from;
	char *start, *out;

	for (const struct redact_splice *x = first; x < last; x++)
		bytes += room_for(r, x->kind, x->end - x->start) + (x->is_quoted ? 2 : 0);
	if (bytes > GROWTH_FREE && bytes / GROWTH_MAX > to - from)
		return redact_failed(s, str_sub(text, from, to));
	start = out = arena_bytes(arena, bytes);
	for (const struct redact_splice *x = first; x < last; x++) {
		char *before;

		if (x->start > from)
			out = put(out, str_sub(text, from, x->start));
		before = out;
		out = put_splice(r, x, text, out);
		tell(s, x->kind,
		     str_sub(text, x->start > from ? x->start : from, x->end < to ? x->end : to),
		     str_make(before, (size_t)(out - before)));
		from = x->end;
		s->hits[x->kind]++;
	}
	if (from < to)
		out = put(out, str_sub(text, from, to));
	return str_make(start, (size_t)(out - start));
}

struct str redact_write(const struct redact *r, struct redact_scratch *s, struct str text,
			struct arena *arena)
{
	if (!s->list.n)
		return text;
	return write_range(r, s, text, 0, text.n, s->list.items, s->list.items + s->list.n, arena);
}

struct str redact_write_part(const struct redact *r, struct redact_scratch *s, struct str text,
			     size_t from, size_t to, struct arena *arena, bool *ret_changed)
{
	struct redact_splice *first = s->list.items, *last, *end;

	*ret_changed = false;
	if (!s->list.n)
		return str_sub(text, from, to);
	last = first + s->list.n;
	while (first < last && first->end <= from)
		first++;
	for (end = first; end < last && end->start < to;)
		end++;
	if (first == end)
		return str_sub(text, from, to);
	*ret_changed = true;
	return write_range(r, s, text, from, to, first, end, arena);
}

int redact_text(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str *text, bool is_cut, struct arena *arena)
{
	uint64_t failures = s->failed;
	int n = redact_find(r, s, ps, *text, is_cut);

	if (n < 0)
		*text = redact_failed(s, *text);
	else if (n > 0)
		*text = redact_write(r, s, *text, arena);
	return s->failed != failures ? -1 : n > 0;
}

bool redact_is_secret_name(const struct redact *r, struct str name)
{
	return r->detectors & REDACT_KEY_VALUE &&
	       redact_key_kind((const uint8_t *)name.p, name.n) != REDACT_KEY_NONE;
}

struct str redact_name_text(const struct redact *r, struct redact_scratch *s, struct str value,
			    struct arena *arena)
{
	struct str text = r->texts[REDACT_KIND_NAME];

	s->hits[REDACT_KIND_NAME]++;
	if (!is_constant(r, REDACT_KIND_NAME)) {
		char *out = arena_bytes(arena, room_for(r, REDACT_KIND_NAME, value.n));

		text = str_make(out, (size_t)(put_secret(r, REDACT_KIND_NAME, value, out) - out));
	}
	tell(s, REDACT_KIND_NAME, value, text);
	return text;
}
