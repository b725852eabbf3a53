/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression: kinds, members and frames that follow each other, what stands behind them, damage at every
 * byte, windows, bombs; all of it in one go and byte by byte. */
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/inflate.h"
#include "lib/mem.h"
#include "tests/unit/test.h"

static void put_deflated(struct buf *out, struct str text, int bits, int level)
{
	z_stream s = { 0 };
	size_t max = text.n + text.n / 100 + 100;

	OK(deflateInit2(&s, level, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	OK(buf_reserve(out, max));
	s.next_in = (Bytef *)(uintptr_t)text.p;
	s.avail_in = (uInt)text.n;
	s.next_out = (Bytef *)out->p + out->n;
	s.avail_out = (uInt)max;
	OK(deflate(&s, Z_FINISH) == Z_STREAM_END);
	out->n += max - s.avail_out;
	deflateEnd(&s);
}

static void put_gzip(struct buf *out, struct str text)
{
	put_deflated(out, text, 15 + 16, 6);
}

static void put_zstd(struct buf *out, struct str text, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t max = ZSTD_compressBound(text.n), n;
	ZSTD_inBuffer in = { text.p, text.n, 0 };
	ZSTD_outBuffer to;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	if (window_log)
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	OK(buf_reserve(out, max + 64));
	to = (ZSTD_outBuffer){ out->p + out->n, max + 64, 0 };
	do { /* streamed, so that the size is not known and the window is written as it is */
		n = ZSTD_compressStream2(c, &to, &in, ZSTD_e_continue);
	} while (in.pos < in.size && !ZSTD_isError(n));
	OK(ZSTD_compressStream2(c, &to, &in, ZSTD_e_end) == 0);
	out->n += to.pos;
	ZSTD_freeCCtx(c);
}

/* In pieces of at most `in_step` in and `out_step` out; 0: as much as there is. */
static enum inflate_result run(enum inflate_kind kind, struct str in, size_t in_step,
			       size_t out_step, struct buf *out, bool *ret_whole,
			       const char **ret_reason)
{
	struct inflate *z = inflate_new(kind);
	enum inflate_result r = INFLATE_OK;
	struct str piece = STR_NONE;
	char bytes[4096];
	size_t n;

	do {
		size_t left;

		if (!piece.n) {
			piece = str_sub(in, 0, in_step ? in_step : in.n);
			in = str_skip(in, piece.n);
		}
		left = piece.n;
		r = inflate_run(z, &piece, bytes, out_step ? out_step : sizeof(bytes), &n);
		buf_put(out, bytes, n);
		if (!n && left == piece.n && !in.n)
			break;
	} while (r == INFLATE_OK);
	*ret_whole = r == INFLATE_END || inflate_may_end(z);
	*ret_reason = r == INFLATE_BAD ? inflate_reason(z) : "";
	inflate_free(z);
	return r;
}

struct row {
	const char *name;
	enum inflate_kind kind;
	struct buf in;
	const char *want; /* what comes out, or how it begins */
	enum inflate_result result;
	bool is_whole;
	const char *reason;
};

static void check(struct row *row)
{
	static const size_t steps[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 1, 1 }, { 3, 2 } };

	ROW(row->name);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct buf out = BUF_INIT;
		const char *reason;
		bool whole;
		enum inflate_result r = run(row->kind, buf_as_str(&row->in), steps[i][0],
					    steps[i][1], &out, &whole, &reason);

		EQ_INT(r, row->result);
		EQ_INT(whole, row->is_whole);
		EQ_STR(buf_as_str(&out), row->want);
		EQ_STR(str_c(reason), row->reason ? row->reason : "");
		buf_fini(&out);
	}
	buf_fini(&row->in);
}

static void kinds(void)
{
	struct row r = { "gzip", INFLATE_AUTO, BUF_INIT, "some text\n", INFLATE_OK, true, NULL };
	struct str text = STR("some text\n");

	put_gzip(&r.in, text);
	check(&r);

	r = (struct row){
		"gzip, nothing in it", INFLATE_GZIP, BUF_INIT, "", INFLATE_OK, true, NULL
	};
	put_gzip(&r.in, STR(""));
	check(&r);

	r = (struct row){ "members",  INFLATE_AUTO, BUF_INIT, "some text\nsome text\nsome text\n",
			  INFLATE_OK, true,         NULL };
	put_gzip(&r.in, text);
	put_gzip(&r.in, text);
	put_gzip(&r.in, STR(""));
	put_gzip(&r.in, text);
	check(&r);

	r = (struct row){ "zeros behind", INFLATE_AUTO, BUF_INIT, "some text\n",
			  INFLATE_END,    true,         NULL };
	put_gzip(&r.in, text);
	buf_str(&r.in, STR("\0\0\0\0\0\0\0\0"));
	check(&r);

	r = (struct row){ "garbage behind", INFLATE_AUTO, BUF_INIT, "some text\n",
			  INFLATE_END,      true,         NULL };
	put_gzip(&r.in, text);
	buf_str(&r.in, STR("\x1fgarbage"));
	check(&r);

	r = (struct row){
		"half a magic behind", INFLATE_AUTO, BUF_INIT, "some text\n", INFLATE_OK, true, NULL
	};
	put_gzip(&r.in, text);
	buf_str(&r.in, STR("\x1f"));
	check(&r);

	r = (struct row){ "zlib", INFLATE_ZLIB, BUF_INIT, "some text\n", INFLATE_END, true, NULL };
	put_deflated(&r.in, text, 15, 9);
	check(&r);

	r = (struct row){ "zstd", INFLATE_AUTO, BUF_INIT, "some text\n", INFLATE_OK, true, NULL };
	put_zstd(&r.in, text, 0);
	check(&r);

	r = (struct row){ "frames, and some to skip",
			  INFLATE_AUTO,
			  BUF_INIT,
			  "some text\nsome text\n",
			  INFLATE_OK,
			  true,
			  NULL };
	buf_str(&r.in, STR("\x50\x2a\x4d\x18\3\0\0\0abc"));
	put_zstd(&r.in, text, 0);
	buf_str(&r.in, STR("\x5f\x2a\x4d\x18\0\0\0\0"));
	put_zstd(&r.in, text, 0);
	check(&r);

	r = (struct row){ "zstd and garbage", INFLATE_ZSTD, BUF_INIT, "some text\n",
			  INFLATE_END,        true,         NULL };
	put_zstd(&r.in, text, 0);
	buf_str(&r.in, STR("\x28\xb5garbage"));
	check(&r);

	r = (struct row){ "not the kind",
			  INFLATE_ZSTD,
			  BUF_INIT,
			  "",
			  INFLATE_BAD,
			  false,
			  "not compressed in a known way" };
	put_gzip(&r.in, text);
	check(&r);

	r = (struct row){ "no kind",
			  INFLATE_AUTO,
			  BUF_INIT,
			  "",
			  INFLATE_BAD,
			  false,
			  "not compressed in a known way" };
	buf_str(&r.in, text);
	check(&r);

	r = (struct row){ "nothing", INFLATE_AUTO, BUF_INIT, "", INFLATE_OK, false, NULL };
	check(&r);

	r = (struct row){ "checksum of gzip",    INFLATE_AUTO, BUF_INIT,
			  "some text\n",         INFLATE_BAD,  false,
			  "incorrect data check" };
	put_gzip(&r.in, text);
	r.in.p[r.in.n - 8] ^= 1;
	check(&r);

	r = (struct row){ "the second member is damaged",
			  INFLATE_AUTO,
			  BUF_INIT,
			  "some text\n",
			  INFLATE_BAD,
			  false,
			  "unknown compression method" };
	put_gzip(&r.in, text);
	buf_str(&r.in, STR("\x1f\x8b\x07\0\0\0\0\0\0\0"));
	check(&r);
}

/* Beyond it, a frame is refused before memory is taken; up to it, all of what is in the frame comes. */
static void windows(void)
{
	for (int log = 22; log <= 24; log++) {
		struct buf in = BUF_INIT, out = BUF_INIT, text = BUF_INIT;
		struct err err = ERR_NONE;
		char name[32];

		snprintf(name, sizeof(name), "window log %d", log);
		ROW(name);
		for (int i = 0; i < 400000; i++)
			buf_printf(&text, "line %d\n", i * 7 % 1000003);
		put_zstd(&in, buf_as_str(&text), log);
		EQ_INT(inflate_all(INFLATE_AUTO, buf_as_str(&in), (size_t)1 << 30, &out, &err),
		       log <= INFLATE_WINDOW_LOG ? 0 : -EBADMSG);
		OK(log <= INFLATE_WINDOW_LOG ? str_eq(buf_as_str(&out), buf_as_str(&text))
					     : strstr(err.text, "window over 8 MiB") != NULL);
		buf_fini(&in);
		buf_fini(&out);
		buf_fini(&text);
	}
}

/* Cut off, or with a bit turned, at every byte: what comes is a beginning (of what is cut off), and never a
 * crash or an end where there is none. */
static void damage(void)
{
	struct buf text = BUF_INIT;

	for (int i = 0; i < 300; i++)
		buf_printf(&text, "%d is a number that is written out %x\n", i * 7919, i * 104729);
	for (int kind = 0; kind < 3; kind++) {
		struct buf in = BUF_INIT;

		ROW(kind == 0 ? "gzip" : kind == 1 ? "zlib" : "zstd");
		if (kind == 2)
			put_zstd(&in, buf_as_str(&text), 0);
		else
			put_deflated(&in, buf_as_str(&text), kind ? 15 : 15 + 16, 6);
		for (size_t at = 0; at < in.n; at++) {
			enum inflate_kind k = kind == 0   ? INFLATE_GZIP
					      : kind == 1 ? INFLATE_ZLIB
							  : INFLATE_ZSTD;
			struct buf out = BUF_INIT;
			const char *reason;
			bool whole;

			OK(run(k, str_sub(buf_as_str(&in), 0, at), 0, 0, &out, &whole, &reason) ==
			   INFLATE_OK);
			OK(!whole && str_starts(buf_as_str(&text), buf_as_str(&out)));
			buf_clear(&out);
			in.p[at] ^= 0x10;
			run(k, buf_as_str(&in), 0, 0, &out, &whole, &reason);
			in.p[at] ^= 0x10;
			/* Names and times in a header are covered by nothing. */
			OK(!whole || str_eq(buf_as_str(&out), buf_as_str(&text)));
			buf_fini(&out);
		}
		buf_fini(&in);
	}
	buf_fini(&text);
}

/* What is before a damage in the middle comes out, block by block. */
static void before_damage(void)
{
	struct buf text = BUF_INIT;

	for (int i = 0; i < 200000; i++)
		buf_printf(&text, "%d %x\n", i, i % 7919 * 104729);
	for (int kind = 0; kind < 2; kind++) {
		struct buf in = BUF_INIT, out = BUF_INIT;
		const char *reason;
		bool whole;

		ROW(kind ? "zstd" : "gzip");
		if (kind)
			put_zstd(&in, buf_as_str(&text), 0);
		else
			put_gzip(&in, buf_as_str(&text));
		memset(in.p + in.n / 2, 0xff, 64);
		OK(run(INFLATE_AUTO, buf_as_str(&in), 0, 0, &out, &whole, &reason) == INFLATE_BAD);
		OK(!whole && out.n > text.n / 4);
		OK(memcmp(out.p, text.p, text.n / 4) == 0);
		buf_fini(&in);
		buf_fini(&out);
	}
	buf_fini(&text);
}

static void bodies(void)
{
	struct buf text = BUF_INIT, in = BUF_INIT, out = { .max = 1 << 20 };
	struct err err = ERR_NONE;

	for (int i = 0; i < 1 << 24; i++)
		buf_ch(&text, 0);
	ROW("bomb");
	put_gzip(&in, buf_as_str(&text));
	OK(in.n < 20000);
	EQ_INT(inflate_all(INFLATE_GZIP, buf_as_str(&in), 1 << 20, &out, &err), -EMSGSIZE);
	EQ_STR(str_c(err.text), "more than 1048576 bytes when decompressed");
	ROW("cut off");
	buf_clear(&in);
	buf_clear(&out);
	put_gzip(&in, STR("text"));
	EQ_INT(inflate_all(INFLATE_GZIP, str_sub(buf_as_str(&in), 0, in.n - 4), 1 << 20, &out,
			   &err),
	       -EBADMSG);
	EQ_STR(str_c(err.text), "compressed data at byte 20: cut off");
	ROW("as large as may be");
	buf_clear(&out);
	EQ_INT(inflate_all(INFLATE_GZIP, buf_as_str(&in), 4, &out, &err), 0);
	EQ_STR(buf_as_str(&out), "text");
	buf_fini(&text);
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	RUN(kinds);
	RUN(windows);
	RUN(damage);
	RUN(before_damage);
	RUN(bodies);
	return test_end();
}
