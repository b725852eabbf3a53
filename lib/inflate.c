/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression: zlib for gzip and zlib, libzstd for zstd. */
#include <errno.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "lib/check.h"
#include "lib/inflate.h"
#include "lib/mem.h"

#define MAGIC_BYTES 4

struct inflate {
	enum inflate_kind kind; /* INFLATE_AUTO: not known yet */
	char held[MAGIC_BYTES]; /* seen and not decided what they begin */
	size_t nheld;
	bool is_between; /* members or frames: the input may end, and so may what belongs to it */
	bool has_any;    /* a member or frame was begun */
	bool is_over;
	const char *reason; /* NULL: good so far */
	uint64_t taken;     /* bytes of input */
	z_stream zlib;
	bool has_zlib;
	ZSTD_DCtx *zstd;
	size_t zstd_want; /* bytes to the next step of a frame */
	bool zstd_has;    /* perhaps more that is to come out, without input */
};

struct inflate *inflate_new(enum inflate_kind kind)
{
	struct inflate *z = mem_zalloc(sizeof(*z));

	z->kind = kind;
	z->is_between = true;
	return z;
}

void inflate_free(struct inflate *z)
{
	if (!z)
		return;
	if (z->has_zlib)
		inflateEnd(&z->zlib);
	ZSTD_freeDCtx(z->zstd);
	mem_free(z);
}

static enum inflate_result bad(struct inflate *z, const char *reason)
{
	z->reason = reason;
	return INFLATE_BAD;
}

/* ---- what follows ------------------------------------------------------------------------- */

static const struct str gzip_magic = { "\x1f\x8b", 2 }, zstd_magic = { "\x28\xb5\x2f\xfd", 4 };

static bool is_skippable(struct str s)
{
	return s.n >= 4 && ((uint8_t)s.p[0] & 0xf0) == 0x50 &&
	       str_eq(str_sub(s, 1, 4), STR("\x2a\x4d\x18"));
}

/* Could s, which is short, be the beginning of a magic? */
static bool begins(struct str s, struct str magic)
{
	return s.n < magic.n && str_starts(magic, s);
}

enum next { NEXT_MORE, NEXT_GZIP, NEXT_ZSTD, NEXT_OTHER };

static enum next next_of(struct str s)
{
	static const struct str skippable_rest = { "\x2a\x4d\x18", 3 };

	if (str_starts(s, gzip_magic))
		return NEXT_GZIP;
	if (str_starts(s, zstd_magic) || is_skippable(s))
		return NEXT_ZSTD;
	if (begins(s, gzip_magic) || begins(s, zstd_magic) ||
	    (s.n < 4 && ((uint8_t)s.p[0] & 0xf0) == 0x50 &&
	     str_starts(skippable_rest, str_skip(s, 1))))
		return NEXT_MORE;
	return NEXT_OTHER;
}

static bool begin_zlib(struct inflate *z)
{
	/* 16: with the gzip header. */
	int bits = z->kind == INFLATE_GZIP ? 15 + 16 : 15;
	int r = z->has_zlib ? inflateReset(&z->zlib) : inflateInit2(&z->zlib, bits);

	z->has_zlib |= r == Z_OK;
	return r == Z_OK;
}

static bool begin_zstd(struct inflate *z)
{
	if (!z->zstd)
		z->zstd = ZSTD_createDCtx();
	z->zstd_want = 1;
	return z->zstd && !ZSTD_isError(ZSTD_DCtx_reset(z->zstd, ZSTD_reset_session_only)) &&
	       !ZSTD_isError(
		       ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, INFLATE_WINDOW_LOG));
}

/* Between members: is there another? Held bytes are taken from the input; they are given to the member
 * before the rest. */
static enum inflate_result begin(struct inflate *z, struct str *in)
{
	enum next next;

	if (z->kind != INFLATE_ZLIB) {
		while (z->nheld < MAGIC_BYTES && in->n &&
		       (!z->nheld || next_of(str_make(z->held, z->nheld)) == NEXT_MORE)) {
			z->held[z->nheld++] = in->p[0];
			*in = str_skip(*in, 1);
			z->taken++;
		}
		if (!z->nheld)
			return INFLATE_OK;
		next = next_of(str_make(z->held, z->nheld));
		if (next == NEXT_MORE)
			return INFLATE_OK;
		if (z->kind == INFLATE_AUTO)
			z->kind = next == NEXT_GZIP   ? INFLATE_GZIP
				  : next == NEXT_ZSTD ? INFLATE_ZSTD
						      : INFLATE_AUTO;
		if (next != (z->kind == INFLATE_GZIP ? NEXT_GZIP : NEXT_ZSTD)) {
			/* As gzip(1) has it: padding of a tape, or a signature. */
			z->is_over = z->has_any;
			return z->is_over ? INFLATE_END : bad(z, "not compressed in a known way");
		}
	} else if (z->has_any) {
		z->is_over = true;
		return INFLATE_END;
	} else if (!in->n) {
		return INFLATE_OK;
	}
	if (!(z->kind == INFLATE_ZSTD ? begin_zstd(z) : begin_zlib(z)))
		return bad(z, "no memory");
	z->is_between = false;
	z->has_any = true;
	return INFLATE_OK;
}

/* ---- what is in it ------------------------------------------------------------------------ */

struct room {
	char *p;
	size_t n;
};

static enum inflate_result run_zlib(struct inflate *z, struct str *in, struct room *out)
{
	uInt in_n = in->n < UINT32_MAX ? (uInt)in->n : UINT32_MAX;
	uInt out_n = out->n < UINT32_MAX ? (uInt)out->n : UINT32_MAX;
	int r;

	z->zlib.next_in = (Bytef *)(uintptr_t)in->p;
	z->zlib.avail_in = in_n;
	z->zlib.next_out = (Bytef *)out->p;
	z->zlib.avail_out = out_n;
	r = inflate(&z->zlib, Z_NO_FLUSH);
	*in = str_skip(*in, in_n - z->zlib.avail_in);
	out->p += out_n - z->zlib.avail_out;
	out->n -= out_n - z->zlib.avail_out;
	if (r == Z_STREAM_END)
		z->is_between = true;
	else if (r == Z_NEED_DICT)
		return bad(z, "needs a dictionary");
	else if (r == Z_MEM_ERROR)
		return bad(z, "no memory");
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return bad(z, z->zlib.msg ? z->zlib.msg : "damaged");
	return INFLATE_OK;
}

static const char *zstd_reason(size_t r)
{
	switch (ZSTD_getErrorCode(r)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return "window over 8 MiB";
	case ZSTD_error_checksum_wrong:
		return "checksum";
	case ZSTD_error_dictionary_wrong:
		return "needs a dictionary";
	case ZSTD_error_memory_allocation:
		return "no memory";
	default:
		return "damaged";
	}
}

/* With an error, nothing comes out of a call, so a call is given no more than the rest of a block: what it
 * wants, but for the header of the next one, which it would like to have, too. */
static size_t zstd_step(const struct inflate *z)
{
	return z->zstd_want > 3 ? z->zstd_want - 3 : z->zstd_want;
}

static enum inflate_result run_zstd(struct inflate *z, struct str *in, struct room *out)
{
	size_t most = zstd_step(z);
	ZSTD_inBuffer from = { in->p, in->n < most ? in->n : most, 0 };
	ZSTD_outBuffer to = { out->p, out->n, 0 };
	size_t r;

	if (z->zstd_has)
		from.size = 0;
	else if (!from.size)
		return INFLATE_OK; /* many calls that cannot get anywhere are an error to it */
	r = ZSTD_decompressStream(z->zstd, &to, &from);
	if (ZSTD_isError(r))
		return bad(z, zstd_reason(r));
	*in = str_skip(*in, from.pos);
	out->p += to.pos;
	out->n -= to.pos;
	z->is_between = r == 0;
	z->zstd_want = r;
	z->zstd_has = to.pos == to.size;
	return INFLATE_OK;
}

static enum inflate_result run_member(struct inflate *z, struct str *in, struct room *out)
{
	size_t before = in->n;
	enum inflate_result r = (z->kind == INFLATE_ZSTD ? run_zstd : run_zlib)(z, in, out);

	z->taken += before - in->n;
	return r;
}

/* One step: the beginning of a member, bytes held, or some of the input. */
static enum inflate_result step(struct inflate *z, struct str *in, struct room *out)
{
	struct str held = str_make(z->held, z->nheld);
	enum inflate_result r;

	if (z->is_between)
		return begin(z, in);
	if (!held.n)
		return run_member(z, in, out);
	r = run_member(z, &held, out);
	z->taken -= z->nheld - held.n; /* counted when they were held */
	memmove(z->held, held.p, held.n);
	z->nheld = held.n;
	return r;
}

enum inflate_result inflate_run(struct inflate *z, struct str *in, char *out, size_t cap,
				size_t *ret_n)
{
	struct room room = { out, cap };
	bool is_moving = true;

	CHECK(cap);
	while (is_moving && room.n && !z->reason && !z->is_over) {
		size_t in_n = in->n, room_n = room.n, held_n = z->nheld;
		bool was_between = z->is_between, had = z->zstd_has;

		step(z, in, &room);
		is_moving = in_n != in->n || room_n != room.n || held_n != z->nheld ||
			    was_between != z->is_between || had != z->zstd_has;
	}
	*ret_n = cap - room.n;
	if (z->reason)
		return INFLATE_BAD;
	return z->is_over ? INFLATE_END : INFLATE_OK;
}

bool inflate_may_end(const struct inflate *z)
{
	return z->has_any && z->is_between && !z->reason;
}

const char *inflate_reason(const struct inflate *z)
{
	return z->reason ? z->reason : "cut off";
}

uint64_t inflate_offset(const struct inflate *z)
{
	return z->taken;
}

int inflate_all(enum inflate_kind kind, struct str in, size_t max, struct buf *out, struct err *err)
{
	struct inflate *z = inflate_new(kind);
	enum inflate_result r = INFLATE_OK;
	size_t got = 0, n = 1, left;
	char bytes[16384];
	int code = 0;

	while (code == 0 && r == INFLATE_OK && (in.n || n)) {
		left = in.n;
		r = inflate_run(z, &in, bytes, sizeof(bytes), &n);
		if (n > max - got)
			code = err_set(err, -EMSGSIZE, "more than %zu bytes when decompressed",
				       max);
		else
			buf_put(out, bytes, n);
		got += n;
		if (left == in.n && !n)
			break;
	}
	if (code == 0 && r != INFLATE_END && !inflate_may_end(z))
		code = err_set(err, -EBADMSG, "compressed data at byte %llu: %s",
			       (unsigned long long)inflate_offset(z), inflate_reason(z));
	inflate_free(z);
	return code;
}
