/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the Lumberjack protocol: what comes out is the same however the input is split. */
#include "tests/unit/test.h"

#include "tests/unit/lumber_told.h"

static struct buf out = BUF_INIT, in = BUF_INIT, inner = BUF_INIT;

static void tells(const char *name, const char *want)
{
	size_t steps[] = { 1, 2, 3, 7, 64, in.n ? in.n : 1 };

	ROW(name);
	in.max = out.max = 0;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		lumber_told(buf_as_str(&in), steps[i], 100, 10, &out);
		EQ_STR(buf_as_str(&out), want);
	}
	buf_clear(&in);
	buf_clear(&inner);
}

static void frames(void)
{
	put_window(&in, 2);
	put_event(&in, 1, STR("one"));
	put_event(&in, 2, STR("two"));
	tells("plain", "W2 J1/3:one J2/3:two idle");
	put_window(&in, 2);
	put_event(&inner, 1, STR("one"));
	put_event(&inner, 2, STR("two"));
	put_packed(&in, buf_as_str(&inner));
	put_window(&in, 1);
	put_event(&in, 7, STR("x"));
	tells("compressed, then plain", "W2 C J1/3:one J2/3:two W1 J7/1:x idle");
	put_window(&in, 2);
	put_event(&inner, 1, STR("one"));
	put_packed(&in, buf_as_str(&inner));
	put_packed(&in, buf_as_str(&inner));
	tells("two compressed frames", "W2 C J1/3:one C J1/3:one idle");
	put_window(&in, 0);
	put_packed(&in, STR(""));
	tells("nothing", "W0 C idle");
	put_window(&in, 3);
	put_event(&in, 1, STR("one"));
	tells("more to come", "W3 J1/3:one ");
}

static void long_events_are_cut(void)
{
	struct buf text = BUF_INIT, want = BUF_INIT;

	for (int i = 0; i < 10000; i++)
		buf_ch(&text, 'x');
	buf_printf(&want, "W2 %sJ1/10000:%.100s J2/1:y idle", "", text.p);
	put_window(&in, 2);
	put_event(&in, 1, buf_as_str(&text));
	put_event(&in, 2, STR("y"));
	tells("plain", buf_cstr(&want));
	buf_clear(&want);
	buf_printf(&want, "W2 C J1/10000:%.100s J2/1:y idle", text.p);
	put_window(&in, 2);
	put_event(&inner, 1, buf_as_str(&text));
	put_event(&inner, 2, STR("y"));
	put_packed(&in, buf_as_str(&inner));
	tells("compressed", buf_cstr(&want));
	buf_fini(&text);
	buf_fini(&want);
}

static void what_is_refused(void)
{
	static const struct {
		const char *name;
		struct str bytes;
		const char *want;
	} rows[] = {
		{ "version 1", STR("1W\0\0\0\1"),
		  "BAD(version 1 of the protocol, which only logstash-forwarder speaks)" },
		{ "TLS", STR("\x16\x03\x01\x02\x00\x01"), "BAD(TLS on a port that is not tls://)" },
		{ "HTTP", STR("GET / HTTP/1.1\r\n"),
		  "BAD(this looks like HTTP, not like the Lumberjack protocol)" },
		{ "noise", STR("hello"), "BAD(no frame of the Lumberjack protocol, version 2)" },
		{ "type", STR("2X"), "BAD(a frame of a type that is not known)" },
		{ "an answer", STR("2A\0\0\0\0"), "BAD(a frame of a type that is not known)" },
		{ "pairs", STR("2W\0\0\0\1\62D\0\0\0\1\0\0\0\0"),
		  "W1 BAD(a frame of type D, which only logstash-forwarder sends)" },
		{ "giant window", STR("2W\0\0\0\xb"),
		  "BAD(a window of more events than max_window)" },
		{ "giant window", STR("2W\xff\xff\xff\xff"),
		  "BAD(a window of more events than max_window)" },
		{ "window in window", STR("2W\0\0\0\1\62W\0\0\0\1"),
		  "W1 BAD(a window begins before the last one is complete)" },
		{ "no window", STR("2J\0\0\0\1\0\0\0\1x"),
		  "BAD(an event that belongs to no window)" },
		{ "empty event", STR("2W\0\0\0\1\62J\0\0\0\1\0\0\0\0"),
		  "W1 BAD(an event without bytes)" },
		{ "giant event", STR("2W\0\0\0\1\62J\0\0\0\1\xff\0\0\0"),
		  "W1 BAD(an event of more than 64 MiB)" },
		{ "empty frame", STR("2C\0\0\0\0"), "BAD(a compressed frame without bytes)" },
		{ "giant frame", STR("2C\xff\0\0\0"),
		  "BAD(a compressed frame of more than 64 MiB)" },
		{ "damaged", STR("2C\0\0\0\4xxxx"),
		  "C BAD(a compressed frame is damaged, or cut off)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_str(&in, rows[i].bytes);
		tells(rows[i].name, rows[i].want);
	}
	put_window(&inner, 1);
	put_packed(&in, buf_as_str(&inner));
	tells("a window inside", "C BAD(a window begins within a compressed frame)");
	put_packed(&inner, STR("x"));
	put_packed(&in, buf_as_str(&inner));
	tells("nested", "C BAD(a compressed frame within another)");
	put_window(&in, 1);
	put_event(&inner, 1, STR("one"));
	put_packed(&in, str_sub(buf_as_str(&inner), 0, inner.n - 1));
	tells("ends within an event", "W1 C BAD(a compressed frame is damaged, or cut off)");
	put_window(&in, 1);
	put_event(&inner, 1, STR("one"));
	put_packed(&in, buf_as_str(&inner));
	in.p[11]++; /* the frame says that there is one byte more */
	buf_c(&in, "2");
	tells("something behind its end",
	      "W1 C J1/3:one BAD(a compressed frame is damaged, or cut off)");
	put_window(&in, 1);
	put_event(&inner, 1, STR("one"));
	put_packed(&in, buf_as_str(&inner));
	in.p[11]--; /* and one less */
	tells("its end is missing", "W1 C J1/3:one BAD(a compressed frame is damaged, or cut off)");
}

/* A compressed frame with n events of LUMBER_FRAME_MAX bytes. */
static void put_bomb(struct buf *to, uint32_t n)
{
	static char zeros[1 << 20];
	z_stream z = { 0 };
	char packed[16384];

	buf_clear(&out);
	deflateInit(&z, 9);
	for (size_t i = 0; i < n * (LUMBER_FRAME_MAX / sizeof(zeros) + 1); i++) {
		bool is_head = i % (LUMBER_FRAME_MAX / sizeof(zeros) + 1) == 0;

		buf_clear(&inner);
		put_event(&inner, 1, STR(""));
		inner.p[6] = (char)(LUMBER_FRAME_MAX >> 24);
		z.next_in = (Bytef *)(is_head ? inner.p : zeros);
		z.avail_in = is_head ? 10 : sizeof(zeros);
		do {
			z.next_out = (Bytef *)packed;
			z.avail_out = sizeof(packed);
			deflate(&z, Z_NO_FLUSH);
			buf_put(&out, packed, sizeof(packed) - z.avail_out);
		} while (!z.avail_out);
	}
	z.next_out = (Bytef *)packed;
	z.avail_out = sizeof(packed);
	OK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	buf_put(&out, packed, sizeof(packed) - z.avail_out);
	deflateEnd(&z);
	buf_c(to, "2C");
	put_u32(to, (uint32_t)out.n);
	buf_str(to, buf_as_str(&out));
}

/* 64 MiB of an event are passed over in small memory; more than 256 MiB of one frame are not. */
static void bombs(void)
{
	unsigned char ack[LUMBER_ACK_BYTES];

	put_window(&in, 5);
	put_bomb(&in, 4);
	lumber_told(buf_as_str(&in), 4096, 0, 10, &out);
	EQ_STR(buf_as_str(&out), "W5 C J1/67108864: J1/67108864: J1/67108864: "
				 "BAD(a compressed frame that holds more than 256 MiB)");
	lumber_ack(0x01020304, ack);
	OK(memcmp(ack, "2A\1\2\3\4", 6) == 0);
}

int main(void)
{
	RUN(frames);
	RUN(long_events_are_cut);
	RUN(what_is_refused);
	RUN(bombs);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&inner);
	return test_end();
}
