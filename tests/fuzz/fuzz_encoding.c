/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of encoded bytes: whatever they are, and however they are read in pieces, the same lines come
 * out, in valid UTF-8. The first byte chooses the encoding, the second how the rest is split. */
#include "inputs/file/encoding.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct decoder *choose(uint8_t i)
{
	static const char *const names[] = {
		"utf-8",       "utf-16le",  "utf-16be", "windows-1252", "gb18030", "big5",
		"iso-2022-jp", "shift_jis", "euc-jp",   "euc-kr",       "koi8-r",  "windows-1255",
	};
	static struct decoder *made[ARRAY_LEN(names)];
	struct err err = ERR_NONE;

	i %= ARRAY_LEN(names);
	if (!made[i])
		CHECK(decoder_new(str_c(names[i]), &made[i], &err) == 0);
	return made[i];
}

static void put_line(struct decoder *d, struct str line, struct buf *out)
{
	struct arena arena = ARENA_INIT;
	bool is_bad = false;
	struct str text = decoder_without_cr(d, line);

	if (d) {
		text = decoder_run(d, text, &arena, &is_bad);
		CHECK(utf8_is_valid(text));
	}
	buf_str(out, text);
	buf_c(out, "|");
	arena_fini(&arena);
}

/* Lines and holes up to the end of what is there; returns the bytes used. */
static size_t take(struct decoder *d, struct str s, struct buf *out)
{
	size_t unit = decoder_unit(d), used = 0;

	for (;;) {
		struct str rest = str_skip(s, used);
		struct nul_run nuls = decoder_find_nuls(d, rest);
		struct str text = str_sub(rest, 0, nuls.n ? nuls.start : rest.n);
		const char *nl = decoder_line_end(d, text), *last = decoder_last_line_end(d, text);

		CHECK((nl == NULL) == (last == NULL) && nl <= last);
		if (nl) {
			put_line(d, str_make(text.p, (size_t)(nl - text.p)), out);
			used += (size_t)(nl - text.p) + unit;
		} else if (nuls.n && nuls.start + nuls.n < rest.n / unit * unit) {
			if (nuls.start)
				put_line(d, text, out);
			used += nuls.start + nuls.n;
		} else {
			return used;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	size_t used = 0, seen = 0, all;
	struct decoder *d;
	uint32_t state;
	struct str s;

	if (n < 2 || n > 20000)
		return 0;
	d = choose(data[0]);
	state = data[1];
	s = str_make((const char *)data + 2, n - 2);
	all = take(d, s, &whole);
	while (seen < s.n) {
		state = state * 1664525 + 1013904223;
		seen += 1 + (state >> 16) % 37;
		seen = seen < s.n ? seen : s.n;
		used += take(d, str_sub(s, used, seen), &pieces);
	}
	CHECK(used == all && str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
