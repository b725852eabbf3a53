/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of byte streams: each row in one piece, byte by byte and cut in two at every place must
 * give the same messages. A message is shown as "text", with ! when cut (and its full length), ~ when
 * partial and ? when read while looking for the next count; X is a refused stream. */
#include "inputs/syslog/frame.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "tests/unit/test.h"

#define MAX 64

struct row {
	const char *name;
	unsigned mode;
	struct str in;
	const char *out;
};

#define A64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct row rows[] = {
	{ "LF", FRAME_AUTO, STR("<13>a\n<13>b\n"), "<13>a|<13>b|" },
	{ "CR LF", FRAME_AUTO, STR("<13>a\r\n<13>b\r\n"), "<13>a\\r|<13>b\\r|" },
	{ "NUL", FRAME_AUTO, STR("<13>a\0<13>b\0"), "<13>a|<13>b|" },
	{ "NUL LF", FRAME_AUTO, STR("<13>a\0\n<13>b\0\n"), "<13>a|<13>b|" },
	{ "blank lines", FRAME_AUTO, STR("\n\r\n\0<13>a\n\n\n<13>b\n\n"), "<13>a|<13>b|" },
	{ "no end", FRAME_AUTO, STR("<13>a\n<13>b"), "<13>a|<13>b~|" },
	{ "no PRI", FRAME_AUTO, STR("text\n 12 drummers\n"), "text| 12 drummers|" },
	{ "digits are no count", FRAME_AUTO, STR("12 drummers\n2026-01-14 x\n10.0.0.1\n7\n"),
	  "12 drummers|2026-01-14 x|10.0.0.1|7|" },
	{ "digits and no PRI", FRAME_AUTO, STR("5 <b>x\n5 <1234>x\n5 <>x\n"),
	  "5 <b>x|5 <1234>x|5 <>x|" },
	{ "ends in digits", FRAME_AUTO, STR("<13>a\n12"), "<13>a|12~|" },
	{ "octets", FRAME_AUTO, STR("5 <13>a6 <13>bc"), "<13>a|<13>bc|" },
	{ "octets with LF inside", FRAME_AUTO, STR("9 <13>a\n<1>8 <13>b\0cd"),
	  "<13>a\\n<1>|<13>b\\0cd|" },
	{ "octets and LF between", FRAME_AUTO, STR("5 <13>a\n6 <13>bc\r\n 5 <13>d\n"),
	  "<13>a|<13>bc|<13>d|" },
	{ "octets without PRI", FRAME_AUTO, STR("5 <13>a3 abc1 x"), "<13>a|abc|x|" },
	{ "octets at once", FRAME_OCTET, STR("3 abc1 x"), "abc|x|" },
	{ "octets cut short", FRAME_AUTO, STR("5 <13>a9 <13>b"), "<13>a|<13>b~9|" },
	{ "octets cut in count", FRAME_AUTO, STR("5 <13>a12"), "<13>a|" },
	{ "octets cut behind count", FRAME_AUTO, STR("5 <13>a12 "), "<13>a|" },
	{ "octets too long", FRAME_AUTO, STR("70 <13>" A64 "675 <13>b"),
	  "<13>012345678901234567890123456789012345678901234567890123456789!70|<13>b|" },
	{ "octets exactly", FRAME_AUTO,
	  STR("64 <13>"
	      "012345678901234567890123456789"
	      "012345678901234567890123456789"
	      "5 <13>b"),
	  "<13>012345678901234567890123456789012345678901234567890123456789|<13>b|" },
	{ "octets too long, cut short", FRAME_AUTO, STR("900 <13>" A64 "67"),
	  "<13>012345678901234567890123456789012345678901234567890123456789!900|" },
	{ "mixed", FRAME_AUTO, STR("<13>a\n5 <13>b<13>c\n5 <13>d5 <13>e<13>f"),
	  "<13>a|<13>b|<13>c|<13>d|<13>e|<13>f~|" },
	{ "out of step", FRAME_AUTO, STR("5 <13>axyz\n5 <13>b"), "<13>a|xyz?|<13>b|" },
	{ "minus", FRAME_AUTO, STR("5 <13>a-5 <13>b\n5 <13>c"), "<13>a|-5 <13>b?|<13>c|" },
	{ "zero", FRAME_AUTO, STR("5 <13>a0 5 <13>b"), "<13>a|X" },
	{ "leading zero", FRAME_AUTO, STR("5 <13>a05 <13>b"), "<13>a|X" },
	{ "hexadecimal", FRAME_AUTO, STR("5 <13>a0x5 <13>b"), "<13>a|X" },
	{ "eight digits", FRAME_AUTO, STR("5 <13>a10000000 <13>b"), "<13>a|X" },
	{ "2^64", FRAME_AUTO, STR("5 <13>a18446744073709551616 <13>b"), "<13>a|X" },
	{ "digits, no space", FRAME_AUTO, STR("5 <13>a12345"), "<13>a|" },
	{ "digits, then text", FRAME_AUTO, STR("5 <13>a12x"), "<13>a|X" },
	{ "space flood", FRAME_AUTO, STR("5 <13>a                  5 <13>b"), "<13>a|<13>b|" },
	{ "zero is text at first", FRAME_AUTO, STR("0 <13>a\n"), "0 <13>a|" },
	{ "long count is text at first", FRAME_AUTO, STR("123456789 <13>a\n"), "123456789 <13>a|" },
	{ "LF only", FRAME_LF, STR("5 <13>a\n5 <13>b"), "5 <13>a|5 <13>b~|" },
	{ "exactly the cap", FRAME_LF, STR(A64 "\nb\n"), A64 "|b|" },
	{ "exactly the cap, CR LF", FRAME_LF, STR(A64 "\r\nb\n"), A64 "|b|" },
	{ "one more", FRAME_LF, STR(A64 "x\nb\n"), A64 "!65|b|" },
	{ "two more", FRAME_LF, STR(A64 "xy\nb\n"), A64 "!66|b|" },
	{ "many more", FRAME_LF, STR(A64 A64 A64 "\nb\n"), A64 "!192|b|" },
	{ "many more, NUL", FRAME_LF, STR(A64 A64 A64 "\0b\n"), A64 "!192|b|" },
	{ "many more, no end", FRAME_LF, STR(A64 A64 A64), A64 "!~192|" },
	{ "one more, no end", FRAME_LF, STR(A64 "x"), A64 "!~65|" },
	{ "the cap, no end", FRAME_LF, STR(A64), A64 "~|" },
	{ "LF inside NUL", FRAME_AUTO, STR("<13>a\0<13>b\nc\n d\0<13>e\0"),
	  "<13>a|<13>b\\nc\\n d|<13>e|" },
	{ "LF inside NUL, at first", FRAME_AUTO, STR("<13>a\nb\0<13>c\nd\0"),
	  "<13>a|b|<13>c\\nd|" },
	{ "a stray NUL", FRAME_AUTO, STR("<13>a\n<13>b\0\n<13>c\n<13>d\n<1>e\nf\n<"),
	  "<13>a|<13>b|<13>c|<13>d|<1>e\\nf\\n<~|" },
	{ "LF inside NUL, not kept", FRAME_AUTO, STR("a\0" A64 "\n<13>b\0c\0"),
	  "a|" A64 "|<13>b|c|" },
	{ "LF behind what is kept", FRAME_AUTO, STR("a\0" A64 "x\n<13>b\0c\0"), "a|" A64 "!71|c|" },
	{ "LF far behind", FRAME_AUTO, STR("a\0" A64 A64 "\n<13>b\0c\0"), "a|" A64 "!134|c|" },
	{ "NUL, then octets", FRAME_AUTO,
	  STR("<13>a\0"
	      "5 <13>b"),
	  "<13>a|<13>b|" },
	{ "NUL only", FRAME_NUL, STR("5 <13>a\n<13>b\0\n<13>c\0d"), "5 <13>a\\n<13>b|<13>c|d~|" },
	{ "NUL only, too long", FRAME_NUL, STR(A64 "\n<13>b\0c\0"), A64 "!70|c|" },
	{ "nothing", FRAME_AUTO, STR(""), "" },
};

static void show(struct buf *out, const struct frame *f)
{
	for (size_t i = 0; i < f->bytes.n; i++)
		if (f->bytes.p[i] == '\n' || f->bytes.p[i] == '\r' || f->bytes.p[i] == '\0')
			buf_c(out, f->bytes.p[i] == '\n'   ? "\\n"
				   : f->bytes.p[i] == '\r' ? "\\r"
							   : "\\0");
		else
			buf_ch(out, f->bytes.p[i]);
	if (f->is_resync)
		buf_ch(out, '?');
	if (f->is_cut)
		buf_ch(out, '!');
	if (f->is_partial)
		buf_ch(out, '~');
	if (f->full_bytes != f->bytes.n)
		buf_printf(out, "%d", (int)f->full_bytes);
	buf_ch(out, '|');
}

/* As the TCP input does it: what is kept moves to fresh memory of its exact size before each read. */
static void feed(const struct row *row, const size_t *pieces, size_t npieces, struct buf *out)
{
	enum frame_result got = FRAME_MORE;
	struct str in = row->in;
	char *held = mem_alloc(1);
	struct framer f;
	struct frame frame;
	size_t nheld = 0;
	struct str avail = STR_NONE;

	framer_init(&f, row->mode, MAX);
	for (size_t i = 0; i < npieces && got != FRAME_BAD; i++) {
		struct str piece = str_sub(in, 0, pieces[i]);
		char *next = mem_alloc(nheld + piece.n + 1);

		in = str_skip(in, piece.n);
		if (nheld)
			memcpy(next, held, nheld);
		if (piece.n)
			memcpy(next + nheld, piece.p, piece.n);
		mem_free(held);
		held = mem_realloc(next, nheld + piece.n ? nheld + piece.n : 1);
		avail = str_make(held, nheld + piece.n);
		while ((got = frame_next(&f, &avail, &frame)) == FRAME_MESSAGE)
			show(out, &frame);
		if (got == FRAME_MORE)
			OK(avail.n <= MAX + FRAME_EXTRA);
		nheld = avail.n;
		if (nheld)
			memmove(held, avail.p, nheld);
		avail = str_make(held, nheld);
	}
	if (got == FRAME_BAD)
		buf_ch(out, 'X');
	else if (frame_end(&f, avail, &frame))
		show(out, &frame);
	mem_free(held);
}

static void one_split(const struct row *row, const size_t *pieces, size_t npieces)
{
	struct buf out = BUF_INIT;

	feed(row, pieces, npieces, &out);
	EQ_STR(buf_as_str(&out), row->out);
	buf_fini(&out);
}

static void all_splits(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		size_t *ones = mem_array(row->in.n + 1, sizeof(*ones));

		ROW(row->name);
		one_split(row, &row->in.n, 1);
		for (size_t at = 0; at <= row->in.n; at++) {
			size_t two[2] = { at, row->in.n - at };

			one_split(row, two, 2);
		}
		for (size_t k = 0; k < row->in.n; k++)
			ones[k] = 1;
		one_split(row, ones, row->in.n);
		mem_free(ones);
	}
}

/* Reading byte by byte scans each byte once: a megabyte of one line takes no quadratic time. The
 * counters say what was not delivered. */
static void counters(void)
{
	struct str avail;
	struct framer f;
	struct frame frame;
	char line[128];

	framer_init(&f, FRAME_AUTO, MAX);
	memset(line, 'x', sizeof(line));
	memcpy(line, "<13>", 4);
	avail = str_make(line, 100);
	EQ_INT(frame_next(&f, &avail, &frame), FRAME_MORE);
	EQ_INT(avail.n, MAX);
	EQ_INT(f.cut_bytes, 36);
	EQ_INT(f.scanned, MAX); /* these are not looked at again */
	line[MAX] = 'y';
	line[MAX + 1] = '\n';
	avail = str_make(line, MAX + 2);
	EQ_INT(frame_next(&f, &avail, &frame), FRAME_MESSAGE);
	EQ_INT(frame.full_bytes, 101);
	EQ_INT(f.cut_bytes, 37);
	OK(frame.is_cut && !avail.n);
	avail = STR("\n\n\0\r70 <13>");
	EQ_INT(frame_next(&f, &avail, &frame), FRAME_MORE);
	EQ_INT(f.stray_bytes, 4);
	EQ_INT(f.mode, FRAME_OCTET);
	memset(line, 'z', sizeof(line));
	avail = str_make(line, 65);
	EQ_INT(frame_next(&f, &avail, &frame), FRAME_MESSAGE);
	EQ_INT(frame.full_bytes, 70);
	EQ_INT(f.cut_bytes, 43);
	EQ_INT(avail.n, 1);
	EQ_INT(frame_next(&f, &avail, &frame), FRAME_MORE);
	EQ_INT(avail.n, 0);
	EQ_INT(f.discard, 5);
	OK(!frame_end(&f, avail, &frame));
	f.discard = 0;
	OK(!frame_end(&f, STR("12"), &frame));
	EQ_INT(f.stray_bytes, 6);
}

int main(void)
{
	RUN(all_splits);
	RUN(counters);
	return test_end();
}
