/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: requests and answers over real sockets, also byte by byte; held answers, credit, who
 * leaves, who is slow, limits, stopping. */
#include <zlib.h>

#include "tests/unit/http_rig.h"

#define H "Host: a\r\n"
#define OK_(n) "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " n "\r\n"
#define CLOSE "Connection: close\r\n"
#define TEXT(status, n)                                                                            \
	"HTTP/1.1 " status "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " n     \
	"\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\n" H

static const struct {
	const char *name, *in, *want;
	bool ends;
} rows[] = {
	{ "GET", "GET /ok HTTP/1.1\r\n" H "\r\n", OK_("8") "\r\nGET /ok|", false },
	{ "HEAD", "HEAD /ok HTTP/1.1\r\n" H "\r\n", OK_("9") "\r\n", false },
	{ "HTTP/1.0", "GET /ok HTTP/1.0\r\n\r\n", OK_("8") CLOSE "\r\nGET /ok|", true },
	{ "HTTP/1.0 that stays", "GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	  OK_("8") "\r\nGET /ok|", false },
	{ "close", "GET /ok HTTP/1.1\r\n" H CLOSE "\r\n", OK_("8") CLOSE "\r\nGET /ok|", true },
	{ "body", POST("/ok") "Content-Length: 5\r\n\r\nhello", OK_("14") "\r\nPOST /ok|hello",
	  false },
	{ "chunks",
	  POST("/ok") "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nx: y\r\n\r\n",
	  OK_("14") "\r\nPOST /ok|hello", false },
	{ "pipelined",
	  "GET /1 HTTP/1.1\r\n" H
	  "\r\n" POST("/2") "Content-Length: 1\r\n\r\nxHEAD /3 HTTP/1.1\r\n" H
			    "\r\nGET /4 HTTP/1.1\r\n" H "\r\n",
	  OK_("7") "\r\nGET /1|" OK_("9") "\r\nPOST /2|x" OK_("8") "\r\n" OK_("7") "\r\nGET /4|",
	  false },
	{ "refused by the handler", "GET /no HTTP/1.1\r\n" H "\r\nGET /ok HTTP/1.1\r\n" H "\r\n",
	  TEXT("404 Not Found", "10") "\r\nNot Found\n" OK_("8") "\r\nGET /ok|", false },
	{ "refused with a body", POST("/no") "Content-Length: 5\r\n\r\nhello",
	  TEXT("404 Not Found", "10") CLOSE "\r\nNot Found\n", true },
	{ "too large", POST("/ok") "Content-Length: 1048577\r\n\r\n",
	  TEXT("413 Content Too Large", "33") CLOSE "\r\nthe body is larger than max_body\n",
	  true },
	{ "malformed", "GET /ok HTTP/1.1\n\n",
	  TEXT("400 Bad Request", "29") CLOSE "\r\na line ends in LF without CR\n", true },
	{ "not HTTP", "\x16\x03\x01", TEXT("400 Bad Request", "17") CLOSE "\r\nthis is not HTTP\n",
	  true },
	{ "malformed chunk", POST("/ok") "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
	  TEXT("400 Bad Request", "35") CLOSE "\r\na chunk does not end where it must\n", true },
	{ "coding", POST("/ok") "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
	  TEXT("415 Unsupported Media Type", "35") "Accept-Encoding: gzip, deflate\r\n" CLOSE
						   "\r\nthis Content-Encoding is not known\n",
	  true },
};

/* Short reads and writes, and writes that find no room. */

static size_t io_max = SIZE_MAX;

static ssize_t short_recv(int fd, void *p, size_t n, int flags)
{
	return recv(fd, p, n < io_max ? n : io_max, flags);
}

static ssize_t short_send(int fd, const void *p, size_t n, int flags)
{
	static unsigned turn;

	if (io_max != SIZE_MAX && turn++ % 3 == 0) {
		errno = EAGAIN;
		return -1;
	}
	return send(fd, p, n < io_max ? n : io_max, flags);
}

static void requests(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);

	http_rig_start(g);
	for (size_t i = 0; i < 3 * ARRAY_LEN(rows); i++) {
		size_t k = i % ARRAY_LEN(rows);
		int fd = http_connect(g);

		ROW(rows[k].name);
		io_max = i < ARRAY_LEN(rows) ? SIZE_MAX : i < 2 * ARRAY_LEN(rows) ? 1 : 7;
		http_put(g, fd, str_c(rows[k].in));
		http_expect(g, fd, rows[k].want);
		if (rows[k].ends) {
			http_expect_end(g, fd);
		} else { /* the connection is as good as new */
			http_put(g, fd, STR("GET /again HTTP/1.1\r\n" H "\r\n"));
			http_expect(g, fd, OK_("11") "\r\nGET /again|");
			close(fd);
		}
		HTTP_UNTIL(g, http_open(g) == 0);
	}
	io_max = SIZE_MAX;
	ROW("");
	EQ_INT(g->ngone, 3); /* the malformed chunk */
	EQ_INT(http_refusals(g, "malformed"), 9);
	EQ_INT(http_refusals(g, "too_large"), 3);
	http_rig_free(g);
}

static void expect_continue(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	static const char head[] =
		POST("/wait") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	int fd;

	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd, STR(POST("/ok") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
	http_expect(g, fd, "HTTP/1.1 100 Continue\r\n\r\n");
	http_put(g, fd, STR("hi"));
	http_expect(g, fd, OK_("11") "\r\nPOST /ok|hi");
	/* Who did not wait is not told. */
	http_put(g, fd, STR(POST("/ok") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"));
	http_expect(g, fd, OK_("11") "\r\nPOST /ok|hi");
	/* Without credit there is no going on. */
	http_put(g, fd, str_c(head));
	HTTP_UNTIL(g, g->works);
	loop_once(g->loop, 10);
	http_expect(g, fd, "");
	http_resume(g->works->c);
	http_expect(g, fd, "HTTP/1.1 100 Continue\r\n\r\n");
	http_put(g, fd, STR("hi"));
	http_expect(g, fd, OK_("13") "\r\nPOST /wait|hi");
	/* A refusal takes its place. */
	http_put(g, fd, STR(POST("/no") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
	http_expect(g, fd, TEXT("404 Not Found", "10") CLOSE "\r\nNot Found\n");
	http_expect_end(g, fd);
	http_rig_free(g);
}

static void held_answers(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	int fd, other;

	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd,
		 STR(POST("/hold") "Content-Length: 2\r\n\r\nhiGET /next HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, g->nends == 1);
	other = http_connect(g); /* nobody else waits */
	http_put(g, other, STR("GET /ok HTTP/1.1\r\n" H "\r\n"));
	http_expect(g, other, OK_("8") "\r\nGET /ok|");
	EQ_INT(g->nrequests, 2); /* what is pipelined waits */
	http_work_answer(g->works);
	http_expect(g, fd, OK_("13") "\r\nPOST /hold|hi" OK_("10") "\r\nGET /next|");
	/* Who leaves is known at once, also with more sent behind. */
	for (int i = 0; i < 3; i++) {
		http_put(g, other, STR("GET /hold HTTP/1.1\r\n" H "\r\nGET /behind"));
		HTTP_UNTIL(g, g->works);
		if (i == 1)
			shutdown(other, SHUT_WR);
		else
			close(other);
		HTTP_UNTIL(g, !g->works);
		EQ_INT(g->ngone, i + 1);
		if (i == 1)
			close(other);
		other = http_connect(g);
	}
	close(other);
	/* One that has closed its side before it was held gets what is answered at once. */
	other = http_connect(g);
	http_put(g, other, STR("GET /ok HTTP/1.1\r\n" H "\r\n"));
	shutdown(other, SHUT_WR);
	http_expect(g, other, OK_("8") "\r\nGET /ok|");
	http_expect_end(g, other);
	/* And one within its body is gone. */
	other = http_connect(g);
	http_put(g, other, STR(POST("/ok") "Content-Length: 2\r\n\r\nh"));
	HTTP_UNTIL(g, g->works);
	close(other);
	HTTP_UNTIL(g, g->ngone == 4);
	close(fd);
	HTTP_UNTIL(g, http_open(g) == 0);
	http_rig_free(g);
}

static void credit(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	struct buf text = BUF_INIT;
	static char big[600000];
	int fd;

	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd,
		 STR(POST("/picky") "Content-Length: 10\r\n\r\n0123456789" POST(
			 "/picky") "Transfer-Encoding: "
				   "chunked\r\n\r\n4\r\n0123\r\n1\r\n4\r\n0\r\n\r\n"));
	for (int i = 0; i < 4 + 3; i++) {
		HTTP_UNTIL(g, g->works);
		if (i < 3)
			EQ_INT(g->works->text.n, strlen("POST /picky|") + 3 * (size_t)(i + 1));
		http_resume(g->works->c);
		loop_once(g->loop, 5);
		loop_once(g->loop, 5);
		if (!g->works)
			break;
	}
	http_expect(g, fd,
		    OK_("22") "\r\nPOST /picky|0123456789" OK_("17") "\r\nPOST /picky|01234");
	/* Not read without credit: the socket fills, nothing grows. */
	memset(big, 'x', sizeof(big));
	buf_printf(&text, POST("/wait") "Content-Length: %zu\r\n\r\n", sizeof(big));
	http_put(g, fd, buf_as_str(&text));
	HTTP_UNTIL(g, g->works);
	for (int i = 0; i < 20; i++) {
		send(fd, big, sizeof(big), MSG_NOSIGNAL);
		loop_once(g->loop, 1);
	}
	OK(send(fd, big, sizeof(big), MSG_NOSIGNAL) < 0 && errno == EAGAIN);
	EQ_INT(g->works->text.n, strlen("POST /wait|"));
	close(fd);
	HTTP_UNTIL(g, g->ngone == 1);
	buf_fini(&text);
	http_rig_free(g);
}

/* zlib: a test may use it to compress. */
static struct str compressed(int window_bits, struct str plain, char *out, size_t cap)
{
	z_stream z = { 0 };

	OK(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)plain.p;
	z.avail_in = (unsigned)plain.n;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)cap;
	OK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&z);
	return str_make(out, cap - z.avail_out);
}

static void codings(void)
{
	static const struct {
		const char *name, *coding, *path;
		size_t bytes, cut;
		int window_bits;
		const char *want; /* NULL: the body, whole */
	} coding_rows[] = {
		{ "gzip", "gzip", "/ok", 1000, 0, 31, NULL },
		{ "x-gzip", "X-Gzip", "/ok", 1000, 0, 31, NULL },
		{ "deflate", "deflate", "/ok", 1000, 0, 15, NULL },
		{ "more than one piece", "gzip", "/ok", 300000, 0, 31, NULL },
		{ "at the limit", "gzip", "/ok", 1 << 20, 0, 31, NULL },
		{ "taken slowly", "gzip", "/picky", 1000, 0, 31, NULL },
		{ "nothing in it", "gzip", "/ok", 0, 0, 31, NULL },
		{ "beyond it", "gzip", "/ok", (1 << 20) + 1, 0, 31, "HTTP/1.1 413 " },
		{ "cut off", "gzip", "/ok", 1000, 8, 31, "HTTP/1.1 400 " },
		{ "another one", "gzip", "/ok", 1000, 0, 15, "HTTP/1.1 400 " },
	};
	struct http_rig *g = http_rig_new(CONF_UNIX);
	char *plain = mem_zalloc((1 << 20) + 1), *out = mem_alloc(1 << 20);
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < (1 << 20) + 1; i++)
		plain[i] = (char)('a' + i * i / 7 % 26);
	http_rig_start(g);
	for (size_t i = 0; i < 2 * ARRAY_LEN(coding_rows); i++) {
		size_t k = i / 2;
		struct str body = str_make(plain, coding_rows[k].bytes), sent;
		int fd = http_connect(g);

		ROW(coding_rows[k].name);
		io_max = i % 2 ? 1000 : SIZE_MAX;
		sent = compressed(coding_rows[k].window_bits, body, out, 1 << 20);
		sent.n -= coding_rows[k].cut;
		buf_clear(&text);
		buf_printf(&text, POST("%s") "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
			   coding_rows[k].path, coding_rows[k].coding, sent.n);
		buf_str(&text, sent);
		http_put(g, fd, buf_as_str(&text));
		buf_clear(&text);
		if (coding_rows[k].want) {
			HTTP_UNTIL(g, http_take(fd, &text));
			OK(str_starts(buf_as_str(&text), str_c(coding_rows[k].want)));
		} else {
			HTTP_UNTIL(g, (g->works ? http_resume(g->works->c) : (void)0,
				       http_take(fd, &text), !g->works) &&
					      str_ends(buf_as_str(&text), body) && text.n > body.n);
		}
		close(fd);
		HTTP_UNTIL(g, http_open(g) == 0);
	}
	io_max = SIZE_MAX;
	mem_free(plain);
	mem_free(out);
	buf_fini(&text);
	http_rig_free(g);
}

/* A client that does not take its answer, and then does. */
static void slow_reader(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	struct buf text = BUF_INIT;
	int fd;

	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd, STR("GET /hold HTTP/1.1\r\n" H "\r\nGET /ok HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, g->works);
	for (int i = 0; i < 100000; i++)
		buf_c(&g->works->text, "0123456789");
	http_work_answer(g->works);
	for (int i = 0; i < 20; i++)
		loop_once(g->loop, 1);
	EQ_INT(g->nrequests, 1);
	HTTP_UNTIL(g, (http_take(fd, &text), g->nrequests == 2));
	HTTP_UNTIL(g, (http_take(fd, &text), str_ends(buf_as_str(&text), STR("GET /ok|"))));
	OK(text.n > 1000000 && text.n < 1001000);
	/* One that never does is closed. */
	g->conf.body_timeout_ns = 20 * NS_PER_MS;
	http_put(g, fd, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, g->works);
	for (int i = 0; i < 100000; i++)
		buf_c(&g->works->text, "0123456789");
	http_work_answer(g->works);
	HTTP_UNTIL(g, http_open(g) == 0);
	close(fd);
	buf_fini(&text);
	http_rig_free(g);
}

static void timeouts(void)
{
	static const struct {
		const char *name, *in, *reason;
		const char *want;
	} timeout_rows[] = {
		{ "header", "GET / HTTP/1.1\r\nHos", "header_timeout",
		  TEXT("408 Request Timeout", "25") CLOSE "\r\nthe header took too long\n" },
		{ "body", POST("/ok") "Content-Length: 5\r\n\r\nhel", "body_timeout",
		  TEXT("408 Request Timeout", "23") CLOSE "\r\nthe body took too long\n" },
		{ "idle", "", "idle", "" },
		{ "idle again", "GET /ok HTTP/1.1\r\n" H "\r\n", "idle", OK_("8") "\r\nGET /ok|" },
	};
	struct http_rig *g = http_rig_new(CONF_UNIX);
	int fd;

	g->conf.header_timeout_ns = g->conf.body_timeout_ns = g->conf.idle_timeout_ns =
		20 * NS_PER_MS;
	http_rig_start(g);
	for (size_t i = 0; i < ARRAY_LEN(timeout_rows); i++) {
		ROW(timeout_rows[i].name);
		fd = http_connect(g);
		http_put(g, fd, str_c(timeout_rows[i].in));
		http_expect(g, fd, timeout_rows[i].want);
		http_expect_end(g, fd);
		EQ_INT(http_refusals(g, timeout_rows[i].reason), i < 2);
	}
	/* Neither a held nor a paused request is the client's fault. */
	ROW("held");
	fd = http_connect(g);
	http_put(g, fd, STR(POST("/wait-hold") "Content-Length: 2\r\n\r\nh"));
	HTTP_UNTIL(g, g->works);
	for (int i = 0; i < 30; i++)
		loop_once(g->loop, 2);
	g->conf.body_timeout_ns = WAIT_NS;
	g->works->is_held = true;
	http_resume(g->works->c);
	http_put(g, fd, STR("i"));
	HTTP_UNTIL(g, g->nends == 2);
	for (int i = 0; i < 30; i++)
		loop_once(g->loop, 2);
	http_work_answer(g->works);
	http_expect(g, fd, OK_("18") "\r\nPOST /wait-hold|hi");
	close(fd);
	HTTP_UNTIL(g, http_open(g) == 0);
	http_rig_free(g);
}

/* 1,000 that say nothing or half a header, and one that has something to say. */
static void many(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	enum { N = 1000 };
	int *fds = mem_array(N, sizeof(int)), fd;

	http_rig_start(g);
	for (int i = 0; i < N; i++) {
		fds[i] = http_connect(g);
		http_put(g, fds[i], i % 2 ? STR("GET /ok HTTP/1.1\r\nHost: ") : STR_NONE);
		loop_once(g->loop, 0);
	}
	HTTP_UNTIL(g, http_open(g) == N);
	fd = http_connect(g);
	http_put(g, fd, STR("GET /ok HTTP/1.1\r\n" H "\r\n"));
	http_expect(g, fd, OK_("8") "\r\nGET /ok|");
	for (int i = 0; i < N; i++) {
		http_put(g, fds[i],
			 i % 2 ? STR("a\r\n\r\n") : STR("GET /ok HTTP/1.1\r\n" H "\r\n"));
		http_expect(g, fds[i], OK_("8") "\r\nGET /ok|");
		close(fds[i]);
	}
	close(fd);
	HTTP_UNTIL(g, http_open(g) == 0);
	mem_free(fds);
	http_rig_free(g);
}

static void limits(void)
{
	struct http_rig *g = http_rig_new(CONF_TCP);
	int fds[4];

	g->conf.stream.max_connections = 3;
	g->conf.stream.max_peer_connections = 4;
	http_rig_start(g);
	ROW("who says nothing makes room");
	for (int i = 0; i < 3; i++) {
		fds[i] = http_connect(g);
		http_put(g, fds[i], i ? STR("GET /hold HTTP/1.1\r\n" H "\r\n") : STR_NONE);
		HTTP_UNTIL(g, http_open(g) == i + 1 && g->nworks == (size_t)i);
	}
	fds[3] = http_connect(g);
	http_put(g, fds[3], STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, g->nworks == 3);
	http_expect_end(g, fds[0]);
	ROW("all are busy");
	fds[0] = http_connect(g);
	http_expect_end(g, fds[0]);
	EQ_INT(http_refusals(g, "too_many_connections"), 1);
	ROW("of one peer");
	g->conf.stream.max_connections = 100;
	g->conf.stream.max_peer_connections = 3;
	fds[0] = http_connect(g);
	http_expect_end(g, fds[0]);
	EQ_INT(http_refusals(g, "too_many_peer_connections"), 1);
	while (g->works)
		http_work_answer(g->works);
	for (int i = 1; i < 4; i++)
		close(fds[i]);
	HTTP_UNTIL(g, http_open(g) == 0);
	http_rig_free(g);
}

/* What all of them may keep is bounded: heads without end. */
static void memory(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	static char head[32000];
	enum { N = 200 };
	int fds[N];

	memset(head, 'x', sizeof(head));
	memcpy(head, "GET / HTTP/1.1\r\na: ", 19);
	http_rig_start(g);
	for (int i = 0; i < N; i++) {
		fds[i] = http_connect(g);
		http_put(g, fds[i], str_make(head, sizeof(head)));
	}
	HTTP_UNTIL(g, http_refusals(g, "memory") > 0);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	HTTP_UNTIL(g, http_open(g) == 0);
	fds[0] = http_connect(g);
	http_put(g, fds[0], STR("GET /ok HTTP/1.1\r\n" H "\r\n"));
	http_expect(g, fds[0], OK_("8") "\r\nGET /ok|");
	close(fds[0]);
	http_rig_free(g);
}

/* Who sends most of a header goes first: others are still served, also whose header is cut. */
static void memory_of_others(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	static char head[32000];
	struct buf text = BUF_INIT;
	enum { N = 150 };
	int fds[N], fd;

	memset(head, 'x', sizeof(head));
	memcpy(head, "GET / HTTP/1.1\r\na: ", 19);
	http_rig_start(g);
	for (int i = 0; i < N; i++) {
		fds[i] = http_connect(g);
		http_put(g, fds[i], str_make(head, sizeof(head)));
	}
	HTTP_UNTIL(g, http_refusals(g, "memory") > 0);
	for (int i = 0; i < 3; i++)
		loop_once(g->loop, 1);
	fd = http_connect(g);
	buf_printf(&text, "GET /ok HTTP/1.1\r\na: %.4000s", head + 19);
	http_put(g, fd, buf_as_str(&text));
	for (int i = 0; i < 3; i++)
		loop_once(g->loop, 1);
	http_put(g, fd, STR("\r\nHost: a\r\n\r\n"));
	http_expect(g, fd, OK_("8") "\r\nGET /ok|");
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(fd);
	HTTP_UNTIL(g, http_open(g) == 0);
	buf_fini(&text);
	http_rig_free(g);
}

/* What is pipelined behind held requests is no way to memory, nor to keep others out. */
static void memory_behind_held(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	static char behind[60000];
	struct buf text = BUF_INIT;
	enum { N = 100 };
	int fds[N], fd;

	memset(behind, 'x', sizeof(behind));
	buf_printf(&text, "GET /hold HTTP/1.1\r\n" H "\r\n");
	buf_put(&text, behind, sizeof(behind));
	http_rig_start(g);
	for (int i = 0; i < N; i++) {
		fds[i] = http_connect(g);
		http_put(g, fds[i], buf_as_str(&text));
	}
	HTTP_UNTIL(g, g->nworks == N);
	OK(http_refusals(g, "memory") > 0);
	fd = http_connect(g);
	http_put(g, fd, STR("GET /ok HTTP/1.1\r\nHos"));
	for (int i = 0; i < 3; i++)
		loop_once(g->loop, 1);
	http_put(g, fd, STR("t: a\r\n\r\n"));
	http_expect(g, fd, OK_("8") "\r\nGET /ok|");
	while (g->works)
		http_work_answer(g->works);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(fd);
	HTTP_UNTIL(g, http_open(g) == 0);
	buf_fini(&text);
	http_rig_free(g);
}

/* A thousand requests in one read are not answered in one turn of the loop. */
static void takes_turns(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	struct buf text = BUF_INIT;
	enum { N = 1000 };
	size_t most = 0, before;
	int fd;

	http_rig_start(g);
	fd = http_connect(g);
	for (int i = 0; i < N; i++)
		buf_c(&text, "GET /ok HTTP/1.1\r\n" H "\r\n");
	OK(send(fd, text.p, text.n, MSG_NOSIGNAL) == (ssize_t)text.n);
	buf_clear(&text);
	do {
		before = g->nrequests;
		loop_once(g->loop, 1);
		if (g->nrequests - before > most)
			most = g->nrequests - before;
		http_take(fd, &text);
	} while (g->nrequests == 0 || g->nrequests != before);
	EQ_INT(g->nrequests, N);
	OK(most <= 20);
	close(fd);
	HTTP_UNTIL(g, http_open(g) == 0);
	buf_fini(&text);
	http_rig_free(g);
}

/* One that takes a byte now and then does not stay for ever. */
static void trickling_reader(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	int64_t end_ns = clock_mono_ns() + WAIT_NS;
	char some[4096];
	int fd;

	g->conf.body_timeout_ns = 500 * NS_PER_MS;
	g->conf.min_body_rate = 1e9;
	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, g->works);
	for (int i = 0; i < 1000000; i++)
		buf_c(&g->works->text, "0123456789");
	http_work_answer(g->works);
	for (size_t took = 0; took < 9000000 && http_open(g) && clock_mono_ns() < end_ns;) {
		ssize_t n = recv(fd, some, sizeof(some), 0);

		took += n > 0 ? (size_t)n : 0;
		loop_once(g->loop, 5);
	}
	EQ_INT(http_refusals(g, "body_timeout"), 1);
	close(fd);
	http_rig_free(g);
}

static void stopping(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	int idle, half, held;

	http_rig_start(g);
	idle = http_connect(g);
	half = http_connect(g);
	held = http_connect(g);
	http_put(g, half, STR(POST("/ok") "Content-Length: 2\r\n\r\nh"));
	http_put(g, held, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, http_open(g) == 3 && g->nworks == 2);
	http_server_stop(g->server);
	EQ_INT(g->ngone, 1);
	OK(!http_server_is_idle(g->server));
	http_expect_end(g, idle);
	http_expect(
		g, half,
		"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Length: 29\r\nRetry-After: 1\r\n" CLOSE
		"\r\nthis server is being stopped\n");
	http_expect_end(g, half);
	http_work_answer(g->works);
	http_expect(g, held, OK_("10") CLOSE "\r\nGET /hold|");
	OK(http_server_is_idle(g->server));
	http_expect_end(g, held);
	http_rig_free(g);
	/* And at once, with everything open. */
	g = http_rig_new(CONF_UNIX);
	http_rig_start(g);
	held = http_connect(g);
	http_put(g, held, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
	HTTP_UNTIL(g, g->works);
	http_rig_free(g);
	close(held);
}

int main(void)
{
	static struct os_ops faulty;

	faulty = os_kernel;
	faulty.recv = short_recv;
	faulty.send = short_send;
	os = &faulty;
	RUN(requests);
	RUN(expect_continue);
	RUN(held_answers);
	RUN(credit);
	RUN(codings);
	RUN(slow_reader);
	RUN(timeouts);
	RUN(many);
	RUN(limits);
	RUN(memory);
	RUN(memory_of_others);
	RUN(memory_behind_held);
	RUN(takes_turns);
	RUN(trickling_reader);
	RUN(stopping);
	return test_end();
}
