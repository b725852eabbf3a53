/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are not plain lines of UTF-8: other encodings, byte order marks, carriage returns,
 * zeros and holes. */
#include "inputs/file/encoding.h"
#include "lib/utf8.h"
#include "tests/unit/file_rig.h"

/* ---- names -------------------------------------------------------------------------------- */

static void encoding_names(void)
{
	static const char *const good[] = { "utf-8",     "UTF8",          "Latin1",  "iso-8859-1",
					    "utf-16",    "UTF-16BE",      "koi8-r",  "cp1251",
					    "Shift_JIS", "sjis",          "euc-kr",  "gbk",
					    "big5",      "windows-31j",   " utf-8 ", "iso-8859-8-i",
					    "macintosh", "x-mac-cyrillic" };
	static const char *const labels[] = {
		"utf-8",        "utf-16le",     "utf-16be",     "windows-1252", "ibm866",
		"iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",
		"iso-8859-7",   "iso-8859-8",   "iso-8859-10",  "iso-8859-13",  "iso-8859-14",
		"iso-8859-15",  "iso-8859-16",  "koi8-r",       "koi8-u",       "macintosh",
		"windows-874",  "windows-1250", "windows-1251", "windows-1253", "windows-1254",
		"windows-1255", "windows-1256", "windows-1257", "windows-1258", "x-mac-cyrillic",
		"gb18030",      "gbk",          "big5",         "euc-jp",       "iso-2022-jp",
		"shift_jis",    "euc-kr",
	};
	struct err err = ERR_NONE;
	struct decoder *d;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		EQ_INT(encoding_check(str_c(good[i]), &err), 0);
	/* Each converter is there. */
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		ROW(labels[i]);
		EQ_INT(decoder_new(str_c(labels[i]), &d, &err), 0);
		OK((d == NULL) == (i == 0));
		decoder_free(d);
	}
	OK(encoding_check(STR("latin-1"), &err) < 0);
	EQ_STR(str_c(err.text), "there is no encoding \"latin-1\", did you mean \"latin1\"?");
	OK(encoding_check(STR("utf-7"), &err) < 0);
	EQ_STR(str_c(err.text), "there is no encoding \"utf-7\", did you mean \"utf-8\"?");
	OK(encoding_check(STR("iso-2022-kr"), &err) < 0); /* `replacement` */
	OK(encoding_check(STR("ebcdic-at-de-a"), &err) < 0);
	OK(strstr(err.text, "encoding.spec.whatwg.org") != NULL);
}

/* ---- decoding ----------------------------------------------------------------------------- */

static void decoded_lines(void)
{
	static const struct {
		const char *encoding;
		struct str in;
		const char *want;
		bool is_bad;
	} rows[] = {
		{ "latin1", STR("plain"), "plain", false },
		{ "latin1", STR("caf\xe9 \x80 \x81"), "café € \xc2\x81", false },
		{ "iso-8859-15", STR("\xa4"), "€", false },
		{ "iso-8859-7", STR("\xe1\xd2"), "α\xef\xbf\xbd", true },
		{ "windows-1251", STR("\xcf\xf0\xe8\xe2\xe5\xf2"), "Привет", false },
		{ "koi8-r", STR("\xf0\xd2\xc9\xd7\xc5\xd4"), "Привет", false },
		{ "windows-1255", STR("\xf9\xec\xe5\xed"), "שלום", false },
		{ "windows-874", STR("\xca\xc7\xd1\xca"), "สวัส", false },
		{ "macintosh", STR("\x8e"), "é", false },
		{ "ibm866", STR("\x8f"), "П", false },
		{ "shift_jis", STR("a\x93\xfa\x96{\\"), "a日本\\", false },
		{ "shift_jis", STR("\xb1\x81"), "ｱ\xef\xbf\xbd", true },
		{ "shift_jis",
		  STR("\xff"
		      "b"),
		  "\xef\xbf\xbd"
		  "b",
		  true },
		{ "euc-jp", STR("\xc6\xfc\xcb\xdc"), "日本", false },
		{ "iso-2022-jp", STR("\x1b$BF|K\\\x1b(Bx"), "日本x", false },
		{ "gbk", STR("\xd6\xd0\xce\xc4"), "中文", false },
		{ "gb18030", STR("\x81\x30\x81\x30\x94\x39\xda\x33"),
		  "\xc2\x80"
		  "💩",
		  false },
		{ "big5", STR("\xa4\xa4\xa4\xe5"), "中文", false },
		{ "euc-kr", STR("\xc7\xd1\xb1\xdb"), "한글", false },
		{ "utf-16le", STR("a\0\xe9\0=\xd8\xa9\xdc"), "aé💩", false },
		{ "utf-16be", STR("\0a\0\xe9\xd8=\xdc\xa9"), "aé💩", false },
		{ "utf-16le",
		  STR("=\xd8"
		      "a\0\xa9\xdc"),
		  "\xef\xbf\xbd"
		  "a\xef\xbf\xbd",
		  true },
		{ "utf-16le", STR("a\0b"), "a\xef\xbf\xbd", true },
	};
	struct err err = ERR_NONE;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = ARENA_INIT;
		struct decoder *d = NULL;
		bool is_bad = false;

		ROW(rows[i].encoding);
		OK(decoder_new(str_c(rows[i].encoding), &d, &err) == 0 && d);
		EQ_STR(decoder_run(d, rows[i].in, &arena, &is_bad), rows[i].want);
		EQ_INT(is_bad, rows[i].is_bad);
		decoder_free(d);
		arena_fini(&arena);
	}
}

/* ---- through the input -------------------------------------------------------------------- */

static struct rig *rig_with(const char *encoding)
{
	struct rig *g = rig_new("*.log");

	g->conf.encoding = str_c(encoding);
	g->conf.partial_wait_ns = 0;
	return g;
}

static void put(const struct rig *g, struct str bytes)
{
	put_bytes(g, "a.log", bytes.p, bytes.n, O_APPEND);
}

static void encoded_files(void)
{
	static const struct {
		const char *name, *encoding;
		struct str in;
		const char *want;
	} rows[] = {
		{ "UTF-8 with a mark", "utf-8", STR("\xef\xbb\xbfone\n\xef\xbb\xbftwo\n"),
		  "one\n\xef\xbb\xbftwo\n" },
		{ "only a mark", "utf-8", STR("\xef\xbb\xbf\ntwo\n"), "\ntwo\n" },
		{ "UTF-16LE, mark", "utf-8", STR("\xff\xfeo\0n\0e\0\r\0\n\0t\0\n\0"), "one\nt\n" },
		{ "UTF-16BE, mark", "utf-8", STR("\xfe\xff\0o\0n\0e\0\r\0\n\0t\0\n"), "one\nt\n" },
		{ "the mark wins", "utf-16le", STR("\xfe\xff\0o\0\n"), "o\n" },
		{ "UTF-8's mark wins", "latin1", STR("\xef\xbb\xbf\xc3\xa9\n"), "é\n" },
		{ "UTF-16LE", "utf-16le", STR("o\0\n\0\xe9\0\n\0"), "o\né\n" },
		{ "UTF-16BE", "utf-16be", STR("\0o\0\n\0\xe9\0\n"), "o\né\n" },
		{ "0A that is no line end, LE", "utf-16le", STR("\x0a\x0a\x0a\x01\n\0\0\x0a\n\0"),
		  "\xe0\xa8\x8a\xc4\x8a\n\xe0\xa8\x80\n" },
		{ "0A that is no line end, BE", "utf-16be", STR("\x0a\x0a\x01\x0a\0\n\x0a\0\0\n"),
		  "\xe0\xa8\x8a\xc4\x8a\n\xe0\xa8\x80\n" },
		{ "Latin-1", "latin1", STR("caf\xe9\r\n\r\n\xa3\n"), "café\n\n£\n" },
		{ "a line end behind a lead byte", "shift_jis", STR("a\x81\nb\n"),
		  "a\xef\xbf\xbd\nb\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *g = rig_with(rows[i].encoding);

		ROW(rows[i].name);
		put(g, rows[i].in);
		rig_start(g);
		EXPECT(g, rows[i].want);
		EQ_INT(rig_input(g)->positions->first->offset, rows[i].in.n);
		rig_stop(g);
		/* The position is one of the file, the encoding is found out again. */
		rig_forget(g);
		put(g, rows[i].in);
		rig_start(g);
		UNTIL(g, g->ngot >= 1);
		rig_end(g);
	}
}

static void bytes_repaired_and_flagged(void)
{
	struct rig *g = rig_with("utf-16le");
	int64_t before = counter(METRIC_INPUT_FLAGGED, "reason", "bad_utf8");

	put(g, STR("=\xd8"
		   "x\0\n\0y\0\n\0"));
	rig_start(g);
	EXPECT(g, "\xef\xbf\xbdx\ny\n");
	EQ_INT(g->got[0].flags & REC_BAD_UTF8, REC_BAD_UTF8);
	EQ_INT(g->got[1].flags & REC_BAD_UTF8, 0);
	EQ_INT(counter(METRIC_INPUT_FLAGGED, "reason", "bad_utf8") - before, 1);
	rig_end(g);
	ROW("UTF-8");
	g = rig_with("utf-8");
	put(g, STR("a\xff\xc3\nb\0c\n"));
	rig_start(g);
	UNTIL(g, g->ngot == 2);
	EQ_STR(str_c(g->got[0].line), "a\xef\xbf\xbd\xef\xbf\xbd");
	EQ_INT(g->got[0].flags & REC_BAD_UTF8, REC_BAD_UTF8);
	EQ_INT(g->got[1].n, 3); /* a NUL or two are text */
	EQ_INT(g->got[1].flags, 0);
	rig_end(g);
}

static void carriage_returns(void)
{
	struct rig *g = rig_new("*.log");

	put(g, STR("crlf\r\n 10%\r 20%\r100%\nold\rmac\r"));
	rig_start(g);
	EXPECT(g, "crlf\n 10%\r 20%\r100%\nold\rmac\n");
	EQ_INT(g->got[2].flags & REC_PARTIAL, REC_PARTIAL);
	rig_end(g);
}

/* Begun at its end, a file is begun at a whole unit: the half character behind it comes. */
static void encoded_from_the_end(void)
{
	static const char *const marks[] = { "\xff\xfe", "" };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		struct rig *g = rig_with("utf-16le");

		g->conf.start = START_END;
		put(g, str_c(marks[i]));
		put(g, STR("o\0l\0d\0\n\0n\0e"));
		rig_start(g);
		rig_run(g, 20);
		put(g, STR("\0w\0\n\0"));
		EXPECT(g, "new\n");
		EQ_INT(g->got[0].flags, 0);
		rig_end(g);
	}
}

/* Half a character at the end waits, and is not searched for all the time. */
static void half_a_character(void)
{
	struct rig *g = rig_with("utf-16le");

	g->conf.partial_wait_ns = 20 * NS_PER_MS;
	put(g, STR("a\0\n\0b\0c"));
	rig_start(g);
	EXPECT(g, "a\nb\n");
	EQ_INT(g->got[1].flags & REC_PARTIAL, REC_PARTIAL);
	rig_run(g, 50);
	EQ_INT(rig_input(g)->tails->blank, 1);
	put(g, STR("\0\n\0"));
	EXPECT(g, "a\nb\nc\n");
	rig_end(g);
}

static void long_encoded_lines(void)
{
	static const size_t sizes[] = { 1023, 1024, 1025, 5000, 140000, 300001 };
	static const char *const encodings[] = { "utf-16le", "utf-16be", "latin1", "shift_jis" };

	for (size_t e = 0; e < ARRAY_LEN(encodings); e++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			size_t unit = e < 2 ? 2 : 1, n = sizes[i];
			struct rig *g = rig_with(encodings[e]);
			char row[64], *p = mem_zalloc((n + 3) * unit);

			snprintf(row, sizeof(row), "%s %zu", encodings[e], n);
			ROW(row);
			g->conf.max_line = 1024;
			for (size_t k = 0; k < n + 3; k++)
				p[k * unit + (e == 1)] = k < n ? 'x' : "\r\ny"[k - n];
			put(g, str_make(p, (n + 3) * unit));
			put(g, e == 0 ? STR("\n\0") : e == 1 ? STR("\0\n") : STR("\n"));
			mem_free(p);
			rig_start(g);
			UNTIL(g, g->ngot == 2);
			EQ_INT(g->got[0].n, n < 1024 ? n : 1024);
			EQ_INT(g->got[0].flags, n > 1024 ? REC_CUT : 0);
			EQ_INT(g->got[0].full_length / unit, n > 1024 ? n : 0);
			EQ_STR(str_c(g->got[1].line), "y");
			rig_end(g);
		}
	}
}

/* ---- however it is written ---------------------------------------------------------------- */

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(random_state >> 4) * n >> 28);
}

/* Bytes that are likely to mean something in some encoding, holes, and line ends. */
static size_t random_bytes(char *p, size_t max)
{
	static const char likely[] =
		"\n\n\r\0\0ab \x81\x30\x93\xfa\xd8\xdc\x1b$B(\xe9\xff\xfe\xef\xbb";
	size_t n = 0;

	while (n < max) {
		uint32_t what = random_below(200);

		if (what == 0) {
			size_t run = 10 + random_below(50);

			for (; run && n < max; run--)
				p[n++] = 0;
		} else {
			p[n++] = what < 160 ? likely[random_below(sizeof(likely) - 1)]
					    : (char)random_below(256);
		}
	}
	return n;
}

/* Written and read in pieces, a file gives the lines that it gives when it is read whole. */
static void random_pieces(void)
{
	static const char *const encodings[] = { "utf-8",   "utf-16le",    "utf-16be", "latin1",
						 "gb18030", "iso-2022-jp", "shift_jis" };
	static char bytes[6000];

	for (uint32_t seed = 0; seed < 14; seed++) {
		const char *encoding = encodings[seed % ARRAY_LEN(encodings)];
		struct rig *whole = rig_with(encoding), *pieces;
		size_t n;

		random_state = seed;
		ROW(encoding);
		n = random_bytes(bytes, sizeof(bytes) / 2) * 2;
		memcpy(bytes + n / 2, bytes, n / 2);
		bytes[n - 2] = seed % 7 == 2 ? 0 : '\n'; /* an end for the last */
		bytes[n - 1] = seed % 7 == 1 ? 0 : '\n';
		put(whole, str_make(bytes, n));
		rig_start(whole);
		UNTIL(whole, whole->ngot && rig_input(whole)->tails->offset == n);
		rig_stop(whole);
		pieces = rig_with(encoding);
		rig_start(pieces);
		for (size_t at = 0; at < n;) {
			size_t k = 1 + random_below(random_below(4) ? 50 : 2000);

			k = k < n - at ? k : n - at;
			put(pieces, str_make(bytes + at, k));
			at += k;
			if (rig_input(pieces)->tails)
				tail_ready(rig_input(pieces)->tails); /* sooner than events */
			UNTIL(pieces,
			      rig_input(pieces)->tails && rig_input(pieces)->tails->size == at);
		}
		UNTIL(pieces, pieces->ngot >= whole->ngot);
		EQ_INT(pieces->ngot, whole->ngot);
		for (size_t i = 0; i < pieces->ngot && i < whole->ngot; i++) {
			OK(str_eq(str_make(pieces->got[i].line, pieces->got[i].n),
				  str_make(whole->got[i].line, whole->got[i].n)));
			OK(utf8_is_valid(str_make(whole->got[i].line, whole->got[i].n)));
		}
		rig_end(pieces);
		rig_start(whole);
		rig_end(whole);
	}
}

/* ---- holes -------------------------------------------------------------------------------- */

static void put_at(const struct rig *g, uint64_t at, struct str bytes)
{
	int fd = open(rig_path(g, "a.log"), O_WRONLY | O_CREAT, 0644);

	OK(pwrite(fd, bytes.p, bytes.n, (off_t)at) == (ssize_t)bytes.n);
	close(fd);
}

static int64_t nul_bytes(void)
{
	return metric_value(metric_get(METRIC_FILE_NUL_BYTES, "input", "test", NULL));
}

/* A writer without O_APPEND goes on where it was after a truncation. */
static void hole_after_truncation(void)
{
	struct rig *g = rig_new("*.log");
	int64_t before = nul_bytes();

	put(g, STR("before the truncation\n"));
	rig_start(g);
	EXPECT(g, "before the truncation\n");
	OK(truncate(rig_path(g, "a.log"), 0) == 0);
	put_at(g, 22, STR("after it\n"));
	put_at(g, 1 << 20, STR("and far\nbehind\n"));
	EXPECT(g, "before the truncation\nafter it\nand far\nbehind\n");
	EQ_INT(nul_bytes() - before, (1 << 20) - 9);
	rig_stop(g);
	rig_forget(g);
	put(g, STR("next\n"));
	rig_start(g);
	EXPECT(g, "next\n");
	rig_end(g);
}

/* A tebibyte of nothing is jumped over. */
static void sparse_file(void)
{
	struct rig *g = rig_new("*.log");
	int64_t before = nul_bytes();

	put(g, STR("first\nhalf"));
	put_at(g, (uint64_t)1 << 40, STR("last\n"));
	rig_start(g);
	EXPECT(g, "first\nhalf\nlast\n");
	EQ_INT(g->got[1].flags & REC_PARTIAL, REC_PARTIAL);
	EQ_INT(nul_bytes() - before, ((int64_t)1 << 40) - 10);
	rig_end(g);
}

/* Zeros that are really there, and long lines around them. */
static void runs_of_zeros(void)
{
	static const size_t runs[] = { 15, 16, 4095, 65536, 3000000 };
	static const size_t lines[] = { 1, 5000, 70000, 300000 };

	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		for (size_t k = 0; k < ARRAY_LEN(lines); k++) {
			struct rig *g = rig_new("*.log");
			size_t n = lines[k] + runs[i];
			char *p = mem_zalloc(n + 7), row[64];

			snprintf(row, sizeof(row), "%zu bytes, %zu zeros", lines[k], runs[i]);
			ROW(row);
			memset(p, 'x', lines[k]);
			memcpy(p + n, "\nafter\n", 7);
			g->conf.max_line = 1 << 20;
			put(g, STR("line\n"));
			put(g, str_make(p, n));
			put(g, str_make(p, lines[k])); /* behind the zeros */
			put(g, str_make(p + n, 7));
			mem_free(p);
			rig_start(g);
			if (runs[i] < NUL_RUN_MIN) {
				UNTIL(g, g->ngot == 3);
				EQ_INT(g->got[1].n, 2 * lines[k] + runs[i]);
			} else {
				UNTIL(g, g->ngot == 4);
				EQ_INT(g->got[1].n, lines[k]);
				EQ_INT(g->got[1].flags, REC_PARTIAL);
				EQ_INT(g->got[2].n, lines[k]);
				EQ_INT(g->got[2].flags, 0);
			}
			EQ_STR(str_c(g->got[g->ngot - 1].line), "after");
			rig_end(g);
		}
	}
}

/* Reserved, and written later: nothing of it may be taken for a hole. */
static void reserved_room(void)
{
	struct rig *g = rig_new("*.log");
	int64_t before = nul_bytes();

	put(g, STR("one\n"));
	OK(truncate(rig_path(g, "a.log"), 200000) == 0);
	rig_start(g);
	EXPECT(g, "one\n");
	put_at(g, 4, STR("two\n"));
	EXPECT(g, "one\ntwo\n");
	put_at(g, 8, STR("thr"));
	rig_run(g, 50);
	put_at(g, 11, STR("ee\nfour\n"));
	EXPECT(g, "one\ntwo\nthree\nfour\n");
	/* Given back at the end, as some do. */
	OK(truncate(rig_path(g, "a.log"), 19) == 0);
	put(g, STR("five\n"));
	EXPECT(g, "one\ntwo\nthree\nfour\nfive\n");
	EQ_INT(nul_bytes(), before);
	/* Rotated with room left: closed all the same. */
	OK(truncate(rig_path(g, "a.log"), 200000) == 0);
	rig_run(g, 20);
	OK(rename(rig_path(g, "a.log"), rig_path(g, "a.1")) == 0);
	UNTIL(g, !rig_input(g)->tails);
	rig_end(g);
}

static void holes_after_a_kill(void)
{
	struct rig *g = rig_new("*.log");
	int64_t times[3];

	put(g, STR("first\n"));
	put_at(g, 100000, STR("second\nthird\n"));
	g->holds = true;
	rig_start(g);
	UNTIL(g, g->ngot == 3);
	for (int i = 0; i < 3; i++)
		times[i] = g->got[i].time_ns;
	rig_kill(g);
	rig_forget(g);
	rig_start(g);
	EXPECT(g, "first\nsecond\nthird\n");
	for (int i = 0; i < 3; i++)
		EQ_INT(g->got[i].time_ns, times[i]);
	rig_end(g);
}

int main(void)
{
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(encoding_names);
	RUN(decoded_lines);
	RUN(encoded_files);
	RUN(bytes_repaired_and_flagged);
	RUN(carriage_returns);
	RUN(encoded_from_the_end);
	RUN(half_a_character);
	RUN(long_encoded_lines);
	RUN(random_pieces);
	RUN(hole_after_truncation);
	RUN(sparse_file);
	RUN(runs_of_zeros);
	RUN(reserved_room);
	RUN(holes_after_a_kill);
	return test_end();
}
