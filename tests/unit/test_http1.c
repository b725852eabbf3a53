/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1: requests of every form, the forms that are refused, limits, and that reads may split them
 * anywhere. Texts within HTTP. */
#include "lib/base64.h"
#include "lib/http_text.h"
#include "tests/unit/http1_told.h"
#include "tests/unit/test.h"

#define H "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\n" H

static const struct {
	const char *name, *in, *want;
} rows[] = {
	{ "GET", "GET / HTTP/1.1\r\n" H "\r\n", "GET /? 1.1 keep 0\n Host=a\n.\n" },
	{ "query", "GET /a/b?c=%20d&e?f HTTP/1.1\r\n" H "\r\n",
	  "GET /a/b?c=%20d&e?f 1.1 keep 0\n Host=a\n.\n" },
	{ "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET /? 1.0 close 0\n.\n" },
	{ "HTTP/1.0 that stays", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	  "GET /? 1.0 keep 0\n Connection=Keep-Alive\n.\n" },
	{ "HTTP/1.3 is 1.1", "GET / HTTP/1.3\r\n" H "\r\n", "GET /? 1.1 keep 0\n Host=a\n.\n" },
	{ "close", "GET / HTTP/1.1\r\n" H "Connection: te, Close\r\n\r\nGET /",
	  "GET /? 1.1 close 0\n Host=a\n Connection=te, Close\n.\n" },
	{ "absolute", "GET http://b:8/c?d HTTP/1.1\r\n" H "\r\n",
	  "GET /c?d 1.1 keep 0\n Host=a\n.\n" },
	{ "absolute without path", "GET HTTPS://b HTTP/1.1\r\n" H "\r\n",
	  "GET /? 1.1 keep 0\n Host=a\n.\n" },
	{ "absolute, query alone", "GET http://b?c HTTP/1.1\r\n" H "\r\n",
	  "GET /?c 1.1 keep 0\n Host=a\n.\n" },
	{ "asterisk", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS *? 1.1 keep 0\n Host=a\n.\n" },
	{ "blank line in front", "\r\nGET / HTTP/1.1\r\n" H "\r\n",
	  "GET /? 1.1 keep 0\n Host=a\n.\n" },
	{ "space around values", "GET / HTTP/1.1\r\nHost:\t a b \t\r\nx:\r\n\r\n",
	  "GET /? 1.1 keep 0\n Host=a b\n x=\n.\n" },
	{ "pipelined", "GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n",
	  "GET /1? 1.1 keep 0\n Host=a\n.\nGET /2? 1.1 keep 0\n Host=a\n.\n" },
	{ "length", POST "Content-Length: 5\r\n\r\nhello" POST "content-length:0\r\n\r\n",
	  "POST /? 1.1 keep 5\n Host=a\n Content-Length=5\n|hello|\n.\n"
	  "POST /? 1.1 keep 0\n Host=a\n content-length=0\n.\n" },
	{ "expect", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
	  "POST /? 1.1 keep expect 1\n Host=a\n Expect=100-Continue\n Content-Length=1\n|x|\n.\n" },
	{ "expect without a body", POST "Expect: 100-continue\r\n\r\n",
	  "POST /? 1.1 keep 0\n Host=a\n Expect=100-continue\n.\n" },
	{ "HTTP/1.0 expects nothing", "POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx",
	  "POST /? 1.0 close 1\n Expect=x\n Content-Length=1\n|x|\n.\n" },
	{ "chunked",
	  POST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A\r\n, world.\r\n\r\n0\r\n\r\n",
	  "POST /? 1.1 keep -1\n Host=a\n Transfer-Encoding=Chunked\n|hello, world.\r\n|\n.\n" },
	{ "chunk extensions",
	  POST "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0 ; \"c\"\r\n\r\n",
	  "POST /? 1.1 keep -1\n Host=a\n Transfer-Encoding=chunked\n|x|\n.\n" },
	{ "trailers", POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nc:\r\n\r\n",
	  "POST /? 1.1 keep -1\n Host=a\n Transfer-Encoding=chunked\n|x|\n+A=b\n+c=\n.\n" },
	{ "incomplete head", "GET / HTTP/1.1\r\n" H, "...\n" },
	{ "incomplete body", POST "Content-Length: 5\r\n\r\nhell",
	  "POST /? 1.1 keep 5\n Host=a\n Content-Length=5\n|hell|\n...\n" },
	{ "nothing", "", "" },

	{ "TLS", "\x16\x03\x01\x02", "!400 this is not HTTP\n" },
	{ "two blank lines", "\r\n\r\nGET / HTTP/1.1\r\n", "!400 this is not HTTP\n" },
	{ "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	  "!505 only HTTP/1.1 and HTTP/1.0 are spoken here\n" },
	{ "HTTP/0.9", "GET /\r\n\r\n", "!400 the request line is malformed\n" },
	{ "no version", "GET / HTTP\r\n\r\n", "!400 the request line is malformed\n" },
	{ "letter case", "GET / http/1.1\r\n\r\n", "!400 the request line is malformed\n" },
	{ "two spaces", "GET  / HTTP/1.1\r\n\r\n", "!400 the request line is malformed\n" },
	{ "space behind", "GET / HTTP/1.1 \r\n\r\n", "!400 the request line is malformed\n" },
	{ "method", "G(T / HTTP/1.1\r\n" H "\r\n", "!400 the request method is malformed\n" },
	{ "target", "GET /\x7f HTTP/1.1\r\n" H "\r\n", "!400 the request target is malformed\n" },
	{ "target above ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n",
	  "!400 the request target is malformed\n" },
	{ "fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", "!400 the request target is malformed\n" },
	{ "authority", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n",
	  "!400 the request target is no path\n" },
	{ "no path", "GET a HTTP/1.1\r\n" H "\r\n", "!400 the request target is no path\n" },
	{ "only a scheme", "GET http:// HTTP/1.1\r\n" H "\r\n",
	  "!400 the request target is no path\n" },
	{ "LF alone", "GET / HTTP/1.1\nHost: a\n\n", "!400 a line ends in LF without CR\n" },
	{ "LF alone in a field", "GET / HTTP/1.1\r\nHost: a\n\r\n",
	  "!400 a line ends in LF without CR\n" },
	{ "CR alone", "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
	  "!400 a CR stands within a line\n" },
	{ "two CR", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "!400 a CR stands within a line\n" },
	{ "folded", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
	  "!400 a header field is folded over lines\n" },
	{ "folded first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
	  "!400 a header field is folded over lines\n" },
	{ "no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", "!400 a header field has no colon\n" },
	{ "space in front of the colon", POST "Content-Length : 1\r\n\r\nx",
	  "!400 space stands in front of a header field's colon\n" },
	{ "no name", POST ": 1\r\n\r\n", "!400 the name of a header field is malformed\n" },
	{ "name", POST "Transfer\x0b-Encoding: chunked\r\n\r\n",
	  "!400 the name of a header field is malformed\n" },
	{ "value", POST "a: b\x01\r\n\r\n",
	  "!400 the value of a header field has a control character\n" },
	{ "no host", "GET / HTTP/1.1\r\n\r\n", "!400 there must be one Host field\n" },
	{ "two hosts", POST H "\r\n", "!400 there must be one Host field\n" },
	{ "lengths", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	  "!400 there are several Content-Length\n" },
	{ "list of lengths", POST "Content-Length: 1, 1\r\n\r\nx",
	  "!400 Content-Length is not a number\n" },
	{ "sign", POST "Content-Length: +1\r\n\r\nx", "!400 Content-Length is not a number\n" },
	{ "negative", POST "Content-Length: -1\r\n\r\nx", "!400 Content-Length is not a number\n" },
	{ "hexadecimal", POST "Content-Length: 0x1\r\n\r\nx",
	  "!400 Content-Length is not a number\n" },
	{ "empty length", POST "Content-Length:\r\n\r\nx",
	  "!400 Content-Length is not a number\n" },
	{ "huge length", POST "Content-Length: 18446744073709551617\r\n\r\nx",
	  "!413 the body is too large\n" },
	{ "beyond 2^63", POST "Content-Length: 9223372036854775808\r\n\r\nx",
	  "!413 the body is too large\n" },
	{ "both", POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "!400 there are both Content-Length and Transfer-Encoding\n" },
	{ "chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n",
	  "!400 chunked is not the last Transfer-Encoding\n" },
	{ "chunked on two lines",
	  POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	  "!400 chunked is not the last Transfer-Encoding\n" },
	{ "chunked, then another", POST "Transfer-Encoding: chunked, identity\r\n\r\n",
	  "!400 chunked is not the last Transfer-Encoding\n" },
	{ "another, then chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
	  "!501 of Transfer-Encoding only chunked is known\n" },
	{ "coding in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n",
	  "!400 Transfer-Encoding is malformed\n" },
	{ "coding behind a tab",
	  POST "Transfer-Encoding: \x0b"
	       "chunked\r\n\r\n",
	  "!400 the value of a header field has a control character\n" },
	{ "empty coding", POST "Transfer-Encoding: \r\n\r\n",
	  "!400 Transfer-Encoding is malformed\n" },
	{ "empty coding behind", POST "Transfer-Encoding: chunked,\r\n\r\n",
	  "!400 chunked is not the last Transfer-Encoding\n" },
	{ "chunked HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "!400 HTTP/1.0 has no Transfer-Encoding\n" },
	{ "other expectation", POST "Expect: tea\r\n\r\n",
	  "!417 of Expect only 100-continue is known\n" },
};

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
	const char *name, *chunks, *want; /* behind the head, told without it */
} chunks[] = {
	{ "no size", "\r\n", "!400 a chunk header is malformed\n" },
	{ "no digit", "x\r\n", "!400 a chunk header is malformed\n" },
	{ "0x", "0x1\r\nx\r\n0\r\n\r\n", "!400 a chunk header is malformed\n" },
	{ "sign", "+1\r\nx\r\n0\r\n\r\n", "!400 a chunk header is malformed\n" },
	{ "space in front", " 1\r\nx\r\n0\r\n\r\n", "!400 a chunk header is malformed\n" },
	{ "space behind", "1 \r\nx\r\n0\r\n\r\n", "!400 a chunk header is malformed\n" },
	{ "LF alone", "1\nx\r\n0\r\n\r\n", "!400 a line ends in LF without CR\n" },
	{ "CR in an extension", "1;a\rb\r\nx\r\n0\r\n\r\n", "!400 a CR stands within a line\n" },
	{ "control in an extension", "1;a\x01\r\nx\r\n", "!400 a chunk header is malformed\n" },
	{ "overflow", "10000000000000001\r\nx\r\n", "!413 a chunk is too large\n" },
	{ "2^63", "8000000000000000\r\nx\r\n", "!413 a chunk is too large\n" },
	{ "end is LF", "1\r\nx\n0\r\n\r\n", "|x|\n!400 a chunk does not end where it must\n" },
	{ "longer than said", "1\r\nxy\r\n0\r\n\r\n",
	  "|x|\n!400 a chunk does not end where it must\n" },
	{ "end is CR CR", "1\r\nx\r\r0\r\n\r\n", "|x|\n!400 a chunk does not end where it must\n" },
	{ "folded trailer", "0\r\n a\r\n\r\n", "!400 a header field is folded over lines\n" },
	{ "trailer without colon", "0\r\na\r\n\r\n", "!400 a header field has no colon\n" },
	{ "length in a trailer", "0\r\nContent-length: 1\r\n\r\n",
	  "!400 a trailer tells the length of the body\n" },
	{ "trailer with LF", "0\r\na: b\n\r\n", "!400 a line ends in LF without CR\n" },
};

static void check(const char *name, struct str in, const char *want)
{
	struct buf text = BUF_INIT;
	uint64_t seed = 7;

	ROW(name);
	http1_tell(in, http1_whole, NULL, &text);
	EQ_STR(buf_as_str(&text), want);
	buf_clear(&text);
	http1_tell(in, http1_single, NULL, &text);
	EQ_STR(buf_as_str(&text), want);
	for (int i = 0; i < 20; i++) {
		buf_clear(&text);
		http1_tell(in, http1_random, &seed, &text);
		EQ_STR(buf_as_str(&text), want);
	}
	buf_fini(&text);
}

static void requests(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].name, str_c(rows[i].in), rows[i].want);
	check("NUL in a field", STR("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
	      "!400 a NUL byte stands in the header\n");
	check("NUL in the request line", STR("GET /\0 HTTP/1.1\r\n\r\n"),
	      "!400 a NUL byte stands in the header\n");
}

static void chunk_rows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		char in[512], want[512];

		snprintf(in, sizeof(in), "%s%s", CHUNKED, chunks[i].chunks);
		snprintf(want, sizeof(want),
			 "POST /? 1.1 keep -1\n Host=a\n Transfer-Encoding=chunked\n%s",
			 chunks[i].want);
		check(chunks[i].name, str_c(in), want);
	}
}

static void repeat(struct buf *b, const char *text, size_t n)
{
	while (n--)
		buf_c(b, text);
}

/* The status of the answer to it, 0 when it is taken. */
static unsigned status_of(const struct buf *in, bool by_bytes)
{
	struct buf text = BUF_INIT;
	struct str told, line;
	uint64_t status = 0;

	http1_tell(buf_as_str(in), by_bytes ? http1_single : http1_whole, NULL, &text);
	told = buf_as_str(&text);
	while ((line = str_cut(&told, '\n')).p)
		if (str_starts(line, STR("!")))
			str_u64(str_sub(line, 1, 4), &status);
	buf_fini(&text);
	return (unsigned)status;
}

/* At the limit it is taken, one beyond refused. */
static void limits(void)
{
	static const struct {
		const char *name, *before, *unit, *after;
		size_t most;
		unsigned status;
	} limit_rows[] = {
		{ "request line", "GET /", "x", " HTTP/1.1\r\n" H "\r\n",
		  HTTP1_LINE_MAX - sizeof("GET / HTTP/1.1") + 1, 414 },
		{ "header", "GET / HTTP/1.1\r\n" H "a:", "x", "\r\n\r\n",
		  HTTP1_FIELDS_BYTES - sizeof("Host: aa:") + 1, 431 },
		{ "fields", "GET / HTTP/1.1\r\n" H, "a:\r\n", "\r\n", HTTP1_FIELDS_MAX - 1, 431 },
		{ "chunk header", CHUNKED "1;", "x", "\r\nx\r\n0\r\n\r\n", HTTP1_CHUNK_LINE_MAX - 2,
		  400 },
		{ "extensions", CHUNKED, "1;xxxxxxx\r\nx\r\n", "0\r\n\r\n",
		  HTTP1_EXTENSIONS_MAX / 8, 400 },
		{ "trailers", CHUNKED "0\r\na:", "x", "\r\n\r\n", HTTP1_TRAILERS_BYTES - 2, 431 },
		{ "number of trailers", CHUNKED "0\r\n", "a:\r\n", "\r\n", HTTP1_FIELDS_MAX, 431 },
	};

	for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++)
		for (size_t more = 0; more < 2; more++) {
			struct buf in = BUF_INIT;

			ROW(limit_rows[i].name);
			buf_c(&in, limit_rows[i].before);
			repeat(&in, limit_rows[i].unit, limit_rows[i].most + more);
			buf_c(&in, limit_rows[i].after);
			EQ_INT(status_of(&in, false), more ? limit_rows[i].status : 0);
			EQ_INT(status_of(&in, true), more ? limit_rows[i].status : 0);
			/* Also while there is no end in sight. */
			if (more && limit_rows[i].after[0] == '\r' && in.p[in.n - 3] == 'x') {
				in.n -= strlen(limit_rows[i].after);
				EQ_INT(status_of(&in, false), 0);
				buf_c(&in, "x");
				EQ_INT(status_of(&in, false), limit_rows[i].status);
			}
			buf_fini(&in);
		}
}

static const struct {
	const char *accept;
	int thousandths;
} accept_rows[] = {
	{ "a/b", 1000 },
	{ "A/B; version=1 ;q=0.5", 500 },
	{ "x/y, a/b;q=0.25,*/*;q=0.1", 250 },
	{ "a/b;q=0.1, a/b;v=2;Q=0.75", 750 },
	{ "a/b;q=", 0 },
	{ "a/b;q=x", 0 },
	{ "a/b;q=0", 0 },
	{ "a/bc, */*, a/*", 0 },
	{ ",;,;;=,", 0 },
	{ "", 0 },
};

static void texts(void)
{
	static const struct {
		const char *in, *plain, *form;
	} escapes[] = {
		{ "a%20b+c", "a b+c", "a b c" },
		{ "%C3%a4", "\xc3\xa4", "\xc3\xa4" },
		{ "%", NULL, NULL },
		{ "%2", NULL, NULL },
		{ "%2g", NULL, NULL },
		{ "a%00", NULL, NULL },
		{ "", "", "" },
	};
	static const struct {
		const char *in, *want;
	} base64s[] = {
		{ "", "" },
		{ "TQ==", "M" },
		{ "TWE=", "Ma" },
		{ "TWFu", "Man" },
		{ "TQ", "M" },
		{ "TWE", "Ma" },
		{ "T", NULL },
		{ "TQ=", NULL },
		{ "TQ===", NULL },
		{ "TR==", NULL },
		{ "T Q=", NULL },
		{ "====", NULL },
		{ "-_-_", "\xfb\xff\xbf" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "TWFuTWE=", "ManMa" },
	};
	char date[HTTP_DATE_TEXT];
	struct str query = STR("&a=1&b&=c&a=2"), name, value;

	for (size_t i = 0; i < 2 * ARRAY_LEN(escapes); i++) {
		const char *want = i % 2 ? escapes[i / 2].form : escapes[i / 2].plain;
		struct buf out = BUF_INIT;

		ROW(escapes[i / 2].in);
		EQ_INT(http_unescape(str_c(escapes[i / 2].in), i % 2, &out), want != NULL);
		if (want)
			EQ_STR(buf_as_str(&out), want);
		buf_fini(&out);
	}
	for (size_t i = 0; i < ARRAY_LEN(base64s); i++) {
		struct buf out = BUF_INIT;

		ROW(base64s[i].in);
		buf_c(&out, ">");
		EQ_INT(base64_decode(str_c(base64s[i].in), &out), base64s[i].want != NULL);
		EQ_STR(str_skip(buf_as_str(&out), 1), base64s[i].want ? base64s[i].want : "");
		if (base64s[i].want && i < 4) { /* those that are written so */
			buf_clear(&out);
			base64_encode(str_c(base64s[i].want), &out);
			EQ_STR(buf_as_str(&out), base64s[i].in);
		}
		buf_fini(&out);
	}
	ROW("queries");
	EQ_STR(http_query_find(query, STR("a")), "1");
	OK(http_query_find(query, STR("b")).p && !http_query_find(query, STR("d")).p);
	for (int n = 0; n < 4; n++)
		OK(http_query_next(&query, &name, &value));
	EQ_STR(value, "2");
	OK(!http_query_next(&query, &name, &value));
	ROW("dates");
	http_date(784111777, date);
	EQ_STR(str_c(date), "Sun, 06 Nov 1994 08:49:37 GMT");
	http_date(0, date);
	EQ_STR(str_c(date), "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date(951868799, date);
	EQ_STR(str_c(date), "Tue, 29 Feb 2000 23:59:59 GMT");
	ROW("types");
	OK(http_is_type(STR("Application/JSON ; charset=utf-8"), STR("application/json")));
	OK(!http_is_type(STR("application/jsonx"), STR("application/json")));
	for (size_t i = 0; i < ARRAY_LEN(accept_rows); i++) {
		ROW(accept_rows[i].accept);
		EQ_INT(1000 * http_accepts(str_c(accept_rows[i].accept), STR("a/b")),
		       accept_rows[i].thousandths);
	}
}

static void fields(void)
{
	struct http1_event event;
	struct http1 h = { 0 };
	struct str in = STR("GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\na: 2\r\nb:\r\n\r\n");

	EQ_INT(http1_next(&h, &in, &event), HTTP1_HEAD);
	EQ_STR(http1_field(&event.head, STR("a")), "1");
	OK(http1_field(&event.head, STR("B")).p);
	OK(!http1_field(&event.head, STR("c")).p);
}

int main(void)
{
	RUN(requests);
	RUN(chunk_rows);
	RUN(limits);
	RUN(texts);
	RUN(fields);
	return test_end();
}
