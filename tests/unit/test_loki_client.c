/* SPDX-License-Identifier: Apache-2.0 */
/* The libcurl client against a server that answers whatever a row says, on a socket of its own. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "outputs/loki/client.h"
#include "outputs/loki/headers.h"
#include "outputs/loki/loki.h"

/* ---- a server of one thread: reads a request, writes the reply it was given ------------------- */

static struct server {
	pthread_mutex_t lock; /* of all that follows but fd and port */
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *reply; /* as it stands; NULL = close without a word, "RST" = reset */
	const char *flood; /* sent again and again behind it until the peer closes */
	size_t flooded;
	bool closes;           /* behind the reply */
	char request[1 << 16]; /* the last one, head and body */
	size_t request_n;
	int connections, requests;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void answer_with(const char *reply, const char *flood, bool closes)
{
	pthread_mutex_lock(&server.lock);
	server.reply = reply;
	server.flood = flood;
	server.closes = closes;
	pthread_mutex_unlock(&server.lock);
}

#define OK_204 "HTTP/1.1 204 No Content\r\n\r\n"

/* Bytes of the first request in s, 0 when it is not whole. */
static size_t request_size(struct str s)
{
	size_t head = str_find(s, STR("\r\n\r\n")), length = 0;
	struct str rest = str_skip(s, str_find(s, STR("Content-Length: ")) + 16);

	if (head == s.n)
		return 0;
	for (; rest.n && rest.p[0] >= '0' && rest.p[0] <= '9'; rest = str_skip(rest, 1))
		length = length * 10 + (size_t)(rest.p[0] - '0');
	return s.n >= head + 4 + length ? head + 4 + length : 0;
}

/* Reads one request. False when the peer has closed. */
static bool read_request(int fd)
{
	static char bytes[sizeof(server.request)];
	size_t n = 0;

	while (!request_size(str_make(bytes, n))) {
		ssize_t got = read(fd, bytes + n, sizeof(bytes) - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	pthread_mutex_lock(&server.lock);
	memcpy(server.request, bytes, n);
	server.request_n = n;
	server.requests++;
	pthread_mutex_unlock(&server.lock);
	return true;
}

/* False when the connection is to be closed. */
static bool reply(int fd)
{
	struct linger now = { 1, 0 };
	const char *text, *flood;
	size_t flooded = 0;
	bool closes;

	pthread_mutex_lock(&server.lock);
	text = server.reply;
	flood = server.flood;
	closes = server.closes || flood || !text || strcmp(text, "RST") == 0;
	pthread_mutex_unlock(&server.lock);
	if (text && strcmp(text, "RST") == 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	else if (text && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return false;
	while (flood) {
		ssize_t n = send(fd, flood, strlen(flood), MSG_NOSIGNAL);

		if (n <= 0)
			break;
		flooded += (size_t)n;
	}
	pthread_mutex_lock(&server.lock);
	server.flooded += flooded;
	pthread_mutex_unlock(&server.lock);
	return !closes;
}

static void *serve(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		pthread_mutex_lock(&server.lock);
		server.connections++;
		pthread_mutex_unlock(&server.lock);
		while (read_request(fd) && reply(fd))
			;
		close(fd);
	}
	return NULL;
}

static void server_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(server.fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	CHECK(listen(server.fd, 16) == 0);
	getsockname(server.fd, (struct sockaddr *)&a, &n);
	server.port = ntohs(a.sin_port);
	CHECK(pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

static void server_stop(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
}

/* ---- one client, one call ---------------------------------------------------------------------- */

static struct loop *loop;
static struct loki_conf conf;
static struct client *client;
static char url[64];
static char got_body[ANSWER_BODY_MAX + 1], got_retry[100], got_error[300];
static int got_status;
static bool is_done;

static void on_done(struct client_call *call, const struct answer *a)
{
	(void)call;
	is_done = true;
	got_status = a->status;
	snprintf(got_body, sizeof(got_body), STR_FMT, STR_ARG(a->body));
	snprintf(got_retry, sizeof(got_retry), STR_FMT, STR_ARG(a->retry_after));
	snprintf(got_error, sizeof(got_error), STR_FMT, STR_ARG(a->error));
}

static void set_up(const char *path)
{
	struct err err = ERR_NONE;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
	conf.url = str_c(url);
	conf.timeout_ns = conf.timeout_ns ? conf.timeout_ns : 5 * NS_PER_S;
	conf.shards = 4;
	client = client_new(loop, &conf, &err);
	if (!client)
		FAIL("%s", err.text);
	CHECK(client);
	pthread_mutex_lock(&server.lock);
	server.connections = server.requests = 0;
	server.flooded = 0;
	pthread_mutex_unlock(&server.lock);
	answer_with(OK_204, NULL, false);
}

static void tear_down(void)
{
	client->free(client);
	conf = (struct loki_conf){ 0 };
}

/* Returns the status. */
static int push(const char *body, const char *tenant)
{
	struct client_call call = { .body = str_c(body), .tenant = str_c(tenant), .done = on_done };
	int64_t end_ns = clock_mono_ns() + 20 * NS_PER_S;

	is_done = false;
	client->send(client, &call);
	OK(!is_done);
	while (!is_done && clock_mono_ns() < end_ns)
		loop_once(loop, 1000);
	OK(is_done);
	return got_status;
}

static bool request_has(const char *text)
{
	struct str request;
	bool has;

	pthread_mutex_lock(&server.lock);
	request = str_make(server.request, server.request_n);
	has = str_find(request, str_c(text)) < request.n;
	pthread_mutex_unlock(&server.lock);
	return has;
}

static void what_is_sent(void)
{
	struct conf_pair extra[] = { { STR("X-Extra"), STR(" yes "), true } };

	conf.headers = (struct conf_map){ 1, extra };
	set_up("");
	EQ_INT(push("the body", "acme"), 204);
	OK(request_has("POST /loki/api/v1/push HTTP/1.1\r\n"));
	OK(request_has("\r\nContent-Type: application/x-protobuf\r\n"));
	OK(request_has("\r\nContent-Length: 8\r\n"));
	OK(request_has("\r\nX-Scope-OrgID: acme\r\n"));
	OK(request_has("\r\nUser-Agent: tailrace/" TAILRACE_VERSION "\r\n"));
	OK(request_has("\r\nX-Extra: yes\r\n"));
	OK(request_has("\r\n\r\nthe body"));
	OK(!request_has("Expect"));
	OK(!request_has("Authorization"));
	OK(!request_has("Accept-Encoding"));
	/* The connection is kept, and the tenant is of the call. */
	EQ_INT(push("two", "other"), 204);
	OK(request_has("\r\nX-Scope-OrgID: other\r\n"));
	EQ_INT(push("three", NULL), 204);
	OK(!request_has("X-Scope-OrgID"));
	pthread_mutex_lock(&server.lock);
	EQ_INT(server.connections, 1);
	EQ_INT(server.requests, 3);
	pthread_mutex_unlock(&server.lock);
	tear_down();
}

static void paths(void)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "", "POST /loki/api/v1/push HTTP" },
		{ "/", "POST /loki/api/v1/push HTTP" },
		{ "/api/prom/push", "POST /api/prom/push HTTP" },
		{ "/x/", "POST /x/ HTTP" },
		{ "/?a=b", "POST /?a=b HTTP" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].path);
		set_up(rows[i].path);
		EQ_INT(push("x", NULL), 204);
		OK(request_has(rows[i].want));
		tear_down();
	}
}

static void credentials(void)
{
	char path[] = "/tmp/tailrace-test-XXXXXX";
	char ref[64];
	int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, "token-1\n", 8) == 8);
	conf.bearer_token = (struct secret){ SECRET_FILE, str_c(path) };
	set_up("");
	push("x", NULL);
	OK(request_has("\r\nAuthorization: Bearer token-1\r\n"));
	OK(!client->reread(client));
	CHECK(pwrite(fd, "token-2\n", 8, 0) == 8);
	OK(client->reread(client));
	push("x", NULL);
	OK(request_has("\r\nAuthorization: Bearer token-2\r\n"));
	/* What cannot be a header line is not used; nor is an empty file. */
	CHECK(pwrite(fd, "a\r\nB: c\n", 8, 0) == 8);
	OK(!client->reread(client));
	CHECK(ftruncate(fd, 0) == 0);
	OK(!client->reread(client));
	push("x", NULL);
	OK(request_has("\r\nAuthorization: Bearer token-2\r\n"));
	tear_down();

	snprintf(ref, sizeof(ref), "pass\303\244");
	conf.basic_auth.username = STR("me");
	conf.basic_auth.password = (struct secret){ SECRET_INLINE, str_c(ref) };
	set_up("");
	push("x", NULL);
	OK(request_has("\r\nAuthorization: Basic bWU6cGFzc8Ok\r\n"));
	tear_down();
	close(fd);
	unlink(path);
}

static void answers(void)
{
	static char headers[100000], big[20000];
	static const struct {
		const char *name, *reply;
		bool closes;
		int status;
		const char *body, *retry_after;
	} rows[] = {
		{ "text", "HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nno.\n", false, 400,
		  "no.\n", "" },
		{ "260", "HTTP/1.1 260 Blocked\r\nContent-Length: 2\r\n\r\nno", false, 260, "no",
		  "" },
		{ "retry", "HTTP/1.1 429 X\r\nretry-AFTER:  17 \r\nContent-Length: 0\r\n\r\n",
		  false, 429, "", "17" },
		{ "chunked",
		  "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", false,
		  500, "ab", "" },
		{ "redirect",
		  "HTTP/1.1 302 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
		  false, 302, "", "" },
		{ "204 with a body", "HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nab", true, 204, "",
		  "" },
		{ "until close", "HTTP/1.1 500 X\r\nConnection: close\r\n\r\nabc", true, 500, "abc",
		  "" },
		{ "gzip stays as it is",
		  "HTTP/1.1 400 X\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
		  false, 400, "\x1f\x8b", "" },
		{ "one 100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 X\r\n\r\n", false, 204, "",
		  "" },
		{ "no status line", "hello\r\n\r\n", true, 0, "", "" },
		{ "HTTP/0.9", "<html>", true, 0, "", "" },
		{ "cut in the head", "HTTP/1.1 204 No", true, 0, "", "" },
		{ "cut in the body", "HTTP/1.1 400 X\r\nContent-Length: 100\r\n\r\nabc", true, 0,
		  "abc", "" },
		{ "nothing", NULL, true, 0, "", "" },
		{ "reset", "RST", true, 0, "", "" },
		{ "many headers", headers, true, 0, "", "" },
	};

	memset(big, 'x', sizeof(big) - 1);
	strcpy(headers, "HTTP/1.1 204 X\r\n");
	while (strlen(headers) < 90000)
		strcat(headers,
		       "X-Some-Header-Or-Other-With-A-Long-Name: and a value of some length that "
		       "goes on and on and on and on and on and on\r\n");
	strcat(headers, "\r\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].name);
		set_up("");
		answer_with(rows[i].reply, NULL, rows[i].closes);
		EQ_INT(push("x", NULL), rows[i].status);
		EQ_STR(str_c(got_body), rows[i].body);
		EQ_STR(str_c(got_retry), rows[i].retry_after);
		OK((got_error[0] != 0) == (rows[i].status == 0));
		/* Whatever came, the next one works. */
		answer_with(OK_204, NULL, false);
		EQ_INT(push("x", NULL), 204);
		tear_down();
	}
	set_up("");
	snprintf(headers, sizeof(headers), "HTTP/1.1 400 X\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(big), big);
	answer_with(headers, NULL, true);
	EQ_INT(push("x", NULL), 400);
	EQ_INT(strlen(got_body), ANSWER_BODY_MAX);
	tear_down();
}

/* What the server got rid of before the client had enough. */
static size_t flooded(void)
{
	size_t n = 0;

	while (!n) {
		usleep(1000);
		pthread_mutex_lock(&server.lock);
		n = server.flooded;
		pthread_mutex_unlock(&server.lock);
	}
	return n;
}

/* A gigabyte, or no end at all, is not read. */
static void floods(void)
{
	static const struct {
		const char *name, *reply, *flood;
		int status;
	} rows[] = {
		{ "body", "HTTP/1.1 400 X\r\nContent-Length: 1000000000\r\n\r\n",
		  "0123456789abcdef", 400 },
		{ "endless body", "HTTP/1.1 500 X\r\n\r\n", "0123456789abcdef", 500 },
		{ "100s", "", "HTTP/1.1 100 Continue\r\n\r\n", 0 },
		{ "headers", "HTTP/1.1 204 X\r\n", "X-Header: value\r\n", 0 },
		{ "one header", "HTTP/1.1 204 X\r\nX-Header: ", "valuevaluevaluevaluevalue", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].name);
		set_up("");
		answer_with(rows[i].reply, rows[i].flood, true);
		EQ_INT(push("x", NULL), rows[i].status);
		tear_down(); /* closes */
		OK(flooded() < 32 << 20);
	}
}

static void time_runs_out(void)
{
	conf.timeout_ns = 300 * NS_PER_MS;
	set_up("");
	answer_with("", NULL, false); /* and the connection stays open */
	EQ_INT(push("x", NULL), 0);
	OK(str_find(str_c(got_error), STR("timed out")) < strlen(got_error));
	tear_down();
}

static void nobody_listens(void)
{
	struct err err = ERR_NONE;
	char refused[] = "http://127.0.0.1:1";

	conf = (struct loki_conf){ .url = str_c(refused), .timeout_ns = NS_PER_S, .shards = 1 };
	client = client_new(loop, &conf, &err);
	EQ_INT(push("x", NULL), 0);
	OK(got_error[0]);
	tear_down();
}

static void cancelling(void)
{
	struct client_call call = { .body = STR("x"), .done = on_done };

	set_up("");
	answer_with("", NULL, false);
	is_done = false;
	client->send(client, &call);
	for (int i = 0; i < 5; i++)
		loop_once(loop, 10);
	client->cancel(client, &call);
	for (int i = 0; i < 5; i++)
		loop_once(loop, 10);
	OK(!is_done);
	answer_with(OK_204, NULL, false);
	EQ_INT(push("y", NULL), 204);
	tear_down();
}

static void header_rules(void)
{
	static const struct {
		const char *name, *value;
		bool want_name, want_value;
	} rows[] = {
		{ "X-A", "b", true, true },
		{ "x_a.b~", "b c\t", true, false },
		{ "", "", false, false },
		{ "X A", "b\r\nX: y", false, false },
		{ "X:", "b\n", false, false },
		{ "content-LENGTH", " ", false, false },
		{ "Host", "\x7f", false, false },
		{ "Authorization", "caf\303\251", false, true },
		{ "X-Scope-OrgID", "x", false, true },
		{ "Transfer-Encoding", "x", false, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].name);
		EQ_INT(header_name_is_allowed(str_c(rows[i].name)), rows[i].want_name);
		EQ_INT(header_value_is_valid(str_c(rows[i].value)), rows[i].want_value);
	}
	OK(!header_value_is_valid(str_make("a\0b", 3)));
}

static void tenant_rules(void)
{
	static const struct {
		const char *tenant;
		bool want;
	} rows[] = {
		{ "a", true },         { "Team-1_x.y*(z)!'", true },
		{ "", false },         { ".", false },
		{ "..", false },       { "...", true },
		{ "a|b", false },      { "a/b", false },
		{ "a b", false },      { "a\r\nb", false },
		{ "\303\244", false },
	};
	char longest[152];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].tenant);
		EQ_INT(tenant_is_valid(str_c(rows[i].tenant)), rows[i].want);
	}
	memset(longest, 'a', sizeof(longest));
	OK(tenant_is_valid(str_make(longest, 150)));
	OK(!tenant_is_valid(str_make(longest, 151)));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	/* Not to be used, whatever the environment says. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	loop = loop_new("test");
	server_start();
	RUN(what_is_sent);
	RUN(paths);
	RUN(credentials);
	RUN(answers);
	RUN(floods);
	RUN(time_runs_out);
	RUN(nobody_listens);
	RUN(cancelling);
	RUN(header_rules);
	RUN(tenant_rules);
	server_stop();
	loop_free(loop);
	return test_end();
}
