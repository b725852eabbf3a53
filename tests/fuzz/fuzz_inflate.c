/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression. The first byte chooses the kind, the second how input and output are split: that must make
 * no difference. And what is compressed here comes back as it was, or as a beginning of it when it is cut. */
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/check.h"
#include "lib/inflate.h"
#include "lib/mem.h"

#define OUT_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct result {
	struct buf out;
	enum inflate_result result;
	bool may_end;
	const char *reason;
};

static struct result run(enum inflate_kind kind, struct str in, size_t in_step, size_t out_step)
{
	static char bytes[65536];
	struct inflate *z = inflate_new(kind);
	struct result r = { .result = INFLATE_OK };
	struct str piece = STR_NONE;
	size_t n = 0, left = 0;

	do {
		if (!piece.n) {
			piece = str_sub(in, 0, in_step ? in_step : in.n);
			in = str_skip(in, piece.n);
		}
		left = piece.n;
		r.result = inflate_run(z, &piece, bytes, out_step ? out_step : sizeof(bytes), &n);
		CHECK(n <= (out_step ? out_step : sizeof(bytes)));
		buf_put(&r.out, bytes, n);
	} while (r.result == INFLATE_OK && r.out.n < OUT_MAX && (n || piece.n < left || in.n));
	r.may_end = inflate_may_end(z);
	r.reason = r.result == INFLATE_BAD ? inflate_reason(z) : "";
	inflate_free(z);
	return r;
}

static void same(enum inflate_kind kind, struct str in, size_t step)
{
	struct result a = run(kind, in, 0, 0), b = run(kind, in, step, 0),
		      c = run(kind, in, 0, step);

	if (a.out.n < OUT_MAX) {
		CHECK(a.result == b.result && a.result == c.result);
		CHECK(a.may_end == b.may_end && a.may_end == c.may_end);
		CHECK(str_eq(str_c(a.reason), str_c(b.reason)));
		CHECK(str_eq(str_c(a.reason), str_c(c.reason)));
		CHECK(str_eq(buf_as_str(&a.out), buf_as_str(&b.out)));
		CHECK(str_eq(buf_as_str(&a.out), buf_as_str(&c.out)));
	}
	buf_fini(&a.out);
	buf_fini(&b.out);
	buf_fini(&c.out);
}

static size_t gzip(struct str text, int level, char *out, size_t max)
{
	z_stream s = { 0 };

	CHECK(deflateInit2(&s, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	s.next_in = (Bytef *)(uintptr_t)text.p;
	s.avail_in = (uInt)text.n;
	s.next_out = (Bytef *)out;
	s.avail_out = (uInt)max;
	CHECK(deflate(&s, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&s);
	return max - s.avail_out;
}

static void back(struct str text, unsigned how)
{
	size_t max = ZSTD_compressBound(text.n) + compressBound(text.n) + 100, n;
	char *packed = mem_alloc(max);
	struct result r;

	if (how % 2)
		n = gzip(text, (int)(how / 2 % 10), packed, max);
	else
		n = ZSTD_compress(packed, max, text.p, text.n, (int)(how / 2 % 8));
	r = run(INFLATE_AUTO, str_make(packed, n), 0, 0);
	CHECK(r.result == INFLATE_OK && r.may_end && str_eq(buf_as_str(&r.out), text));
	buf_fini(&r.out);
	r = run(INFLATE_AUTO, str_make(packed, n - 1 - how % (n - 1)), 0, 0);
	CHECK(r.result == INFLATE_OK && !r.may_end && str_starts(text, buf_as_str(&r.out)));
	buf_fini(&r.out);
	mem_free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in;

	if (n < 2)
		return 0;
	in = str_make((const char *)data + 2, n - 2);
	if (data[0] % 8 == 7)
		back(in, data[1]);
	else
		same((enum inflate_kind)(data[0] % 4), in, 1 + data[1] % 40);
	return 0;
}
