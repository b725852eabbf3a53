/* SPDX-License-Identifier: Apache-2.0 */
/* From an encoding of the WHATWG standard to UTF-8, one line at a time, and where lines end in it. */
#include "inputs/file/encoding.h"

#include <errno.h>
#include <iconv.h>

#include "inputs/file/encoding_names.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define REPLACEMENT 0xfffdu
#define NO_ICONV ((iconv_t)-1)

struct decoder {
	enum encoding_kind kind;
	iconv_t iconv;       /* ENCODING_MULTI */
	uint16_t chars[256]; /* ENCODING_BYTE: what each byte stands for */
};

/* ---- names -------------------------------------------------------------------------------- */

static struct str next_label(struct str *labels)
{
	return str_cut(labels, ' ');
}

static const struct encoding *find(struct str name, struct str *ret_nearest)
{
	size_t best = 4;

	name = str_trim(name);
	*ret_nearest = STR_NONE;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		struct str labels = str_c(encodings[i].labels);

		while (labels.n) {
			struct str label = next_label(&labels);
			size_t distance;

			if (str_ieq(label, name))
				return &encodings[i];
			distance = str_distance(label, name, 4);
			if (distance < best) {
				best = distance;
				*ret_nearest = label;
			}
		}
	}
	return NULL;
}

static const struct encoding *find_or_say(struct str name, struct err *err)
{
	struct str nearest;
	const struct encoding *e = find(name, &nearest);

	if (e)
		return e;
	if (nearest.p)
		err_set(err, -EINVAL,
			"there is no encoding \"" STR_FMT "\", did you mean \"" STR_FMT "\"?",
			STR_ARG(name), STR_ARG(nearest));
	else
		err_set(err, -EINVAL,
			"there is no encoding \"" STR_FMT "\"; the names are those of "
			"https://encoding.spec.whatwg.org/#names-and-labels",
			STR_ARG(name));
	return NULL;
}

int encoding_check(struct str name, struct err *err)
{
	return find_or_say(name, err) ? 0 : -EINVAL;
}

/* ---- decoders ----------------------------------------------------------------------------- */

/* One byte is asked of the C library at a time. The standard gives bytes 0x80 to 0x9f that the
 * tables of Windows leave empty to the control characters of that number. */
static uint16_t char_of(iconv_t cd, uint8_t byte)
{
	char in = (char)byte, *from = &in;
	uint16_t out = 0;
	char *to = (char *)&out;
	size_t n = 1, room = sizeof(out);

	iconv(cd, NULL, NULL, NULL, NULL);
	/* The second call makes it give what it held back to combine (CP1255, CP1258). */
	if (iconv(cd, &from, &n, &to, &room) != (size_t)-1 &&
	    iconv(cd, NULL, NULL, &to, &room) != (size_t)-1 && room == 0)
		return out;
	return byte >= 0x80 && byte < 0xa0 ? byte : REPLACEMENT;
}

int decoder_new(struct str name, struct decoder **ret, struct err *err)
{
	const struct encoding *e = find_or_say(name, err);
	struct decoder *d;

	*ret = NULL;
	if (!e)
		return -EINVAL;
	if (e->kind == ENCODING_UTF8)
		return 0;
	d = mem_zalloc(sizeof(*d));
	d->kind = e->kind;
	d->iconv = NO_ICONV;
	if (e->kind == ENCODING_BYTE || e->kind == ENCODING_MULTI) {
		d->iconv =
			iconv_open(e->kind == ENCODING_BYTE ? "UTF-16LE" : "UTF-8", e->converter);
		if (d->iconv == NO_ICONV) {
			decoder_free(d);
			return err_set(err, -ENOTSUP,
				       "the C library has no converter %s (package libc6 or "
				       "gconv-modules)",
				       e->converter);
		}
	}
	if (e->kind == ENCODING_BYTE)
		for (unsigned i = 0; i < 256; i++)
			d->chars[i] = char_of(d->iconv, (uint8_t)i);
	*ret = d;
	return 0;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	if (d->iconv != NO_ICONV)
		iconv_close(d->iconv);
	mem_free(d);
}

struct decoder *decoder_for(struct str head, struct decoder *configured)
{
	static struct decoder utf16[] = { { .kind = ENCODING_UTF16LE },
					  { .kind = ENCODING_UTF16BE } };

	if (str_starts(head, STR("\xff\xfe")))
		return &utf16[0];
	if (str_starts(head, STR("\xfe\xff")))
		return &utf16[1];
	return str_starts(head, BOM) ? NULL : configured;
}

static bool is_wide(const struct decoder *d)
{
	return d && (d->kind == ENCODING_UTF16LE || d->kind == ENCODING_UTF16BE);
}

size_t decoder_unit(const struct decoder *d)
{
	return is_wide(d) ? 2 : 1;
}

size_t decoder_bytes_for(const struct decoder *d, size_t n)
{
	return d ? 2 * n + 2 : n;
}

/* ---- decoding ----------------------------------------------------------------------------- */

static size_t ascii_prefix(struct str s)
{
	size_t i = 0;
	uint64_t word;

	for (; i + sizeof(word) <= s.n; i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		if (word & 0x8080808080808080)
			break;
	}
	while (i < s.n && !((uint8_t)s.p[i] & 0x80))
		i++;
	return i;
}

static struct str taken(struct arena *arena, char *out, size_t n)
{
	arena_take(arena, n);
	return str_make(out, n);
}

static struct str decode_bytes(const struct decoder *d, struct str s, struct arena *arena,
			       bool *is_bad)
{
	size_t n = ascii_prefix(s);
	char *out;

	if (n == s.n)
		return s;
	out = arena_room(arena, 3 * s.n);
	memcpy(out, s.p, n);
	for (size_t i = n; i < s.n; i++) {
		uint16_t c = d->chars[(uint8_t)s.p[i]];

		*is_bad |= c == REPLACEMENT;
		n += utf8_encode(c, out + n);
	}
	return taken(arena, out, n);
}

static uint32_t unit_at(const struct decoder *d, const char *p)
{
	uint8_t a = (uint8_t)p[0], b = (uint8_t)p[1];

	return d->kind == ENCODING_UTF16LE ? (uint32_t)(a | b << 8) : (uint32_t)(a << 8 | b);
}

static struct str decode_wide(const struct decoder *d, struct str s, struct arena *arena,
			      bool *is_bad)
{
	char *out = arena_room(arena, s.n / 2 * 3 + 3);
	size_t n = 0, i;

	for (i = 0; i + 2 <= s.n; i += 2) {
		uint32_t c = unit_at(d, s.p + i), low;

		if (c >= 0xd800 && c < 0xdc00 && i + 4 <= s.n &&
		    (low = unit_at(d, s.p + i + 2)) >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = REPLACEMENT;
			*is_bad = true;
		}
		n += utf8_encode(c, out + n);
	}
	if (i < s.n) {
		n += utf8_encode(REPLACEMENT, out + n);
		*is_bad = true;
	}
	return taken(arena, out, n);
}

/* A byte that begins no character is replaced alone, so that what follows it is seen. */
static struct str decode_multi(const struct decoder *d, struct str s, struct arena *arena,
			       bool *is_bad)
{
	size_t max = 4 * s.n + 16, room = max, left = s.n;
	char *out = arena_room(arena, max), *to = out, *from = (char *)(uintptr_t)s.p;

	iconv(d->iconv, NULL, NULL, NULL, NULL);
	while (left && iconv(d->iconv, &from, &left, &to, &room) == (size_t)-1) {
		if (errno == E2BIG || room < 3)
			break;
		to += utf8_encode(REPLACEMENT, to);
		room -= 3;
		*is_bad = true;
		if (errno == EINVAL)
			break; /* an unfinished character at the end */
		from++;
		left--;
	}
	iconv(d->iconv, NULL, NULL, &to, &room);
	return taken(arena, out, (size_t)(to - out));
}

struct str decoder_run(struct decoder *d, struct str line, struct arena *arena, bool *is_bad)
{
	switch (d->kind) {
	case ENCODING_UTF8:
		break;
	case ENCODING_UTF16LE:
	case ENCODING_UTF16BE:
		return decode_wide(d, line, arena, is_bad);
	case ENCODING_BYTE:
		return decode_bytes(d, line, arena, is_bad);
	case ENCODING_MULTI:
		return decode_multi(d, line, arena, is_bad);
	}
	return line;
}

/* ---- line ends and holes ------------------------------------------------------------------ */

/* The byte of a line end that is not zero: its place in the unit. */
static size_t lf_place(const struct decoder *d)
{
	return d->kind == ENCODING_UTF16BE;
}

const char *decoder_line_end(const struct decoder *d, struct str s)
{
	const char *at = s.p, *end = s.p + s.n, *hit;

	if (!is_wide(d))
		return s.n ? memchr(s.p, '\n', s.n) : NULL;
	while (at < end && (hit = memchr(at, '\n', (size_t)(end - at)))) {
		size_t place = (size_t)(hit - s.p) % 2;
		const char *unit = hit - place;

		if (place == lf_place(d) && end - unit >= 2 && unit[!place] == 0)
			return unit;
		at = hit + 1;
	}
	return NULL;
}

const char *decoder_last_line_end(const struct decoder *d, struct str s)
{
	if (!is_wide(d))
		return s.n ? memrchr(s.p, '\n', s.n) : NULL;
	for (size_t i = s.n / 2 * 2; i >= 2; i -= 2)
		if (unit_at(d, s.p + i - 2) == '\n')
			return s.p + i - 2;
	return NULL;
}

struct str decoder_cr(const struct decoder *d)
{
	if (!is_wide(d))
		return STR("\r");
	return lf_place(d) ? STR("\0\r") : STR("\r\0");
}

struct nul_run decoder_find_nuls(const struct decoder *d, struct str s)
{
	size_t unit = decoder_unit(d), at = 0;

	while (at < s.n) {
		const char *nul = memchr(s.p + at, 0, s.n - at);
		size_t start, end;

		if (!nul)
			break;
		start = end = (size_t)(nul - s.p);
		while (end < s.n && !s.p[end])
			end++;
		at = end;
		start += start % unit; /* the end of a character before it */
		end -= end % unit;     /* the beginning of one behind it */
		if (end >= start + NUL_RUN_MIN)
			return (struct nul_run){ start, end - start };
	}
	return (struct nul_run){ 0, 0 };
}
