/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use an HTTP server: credentials and their files, TLS with client certificates and files that
 * change, the PROXY header, networks. */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/certs.h"
#include "tests/unit/http_rig.h"

#define OK_ "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nGET /ok|"

static char dir[] = "/tmp/test_http_auth_XXXXXX";

static void credentials(void)
{
	static const struct {
		const char *field;
		bool is_ok;
	} rows[] = {
		{ "Basic dXNlcjpwYXNzOndvcmQ=", true }, /* user:pass:word */
		{ "basic  dXNlcjpwYXNzOndvcmQ= ", true },
		{ "Basic dXNlcjpwYXNzOndvcmQ", true },
		{ "Basic dXNlcjpwYXNz", false },         /* user:pass */
		{ "Basic OnBhc3M6d29yZA==", false },     /* :pass:word */
		{ "Basic dXNlcg==", false },             /* user */
		{ "Basic dXNlcjI6cGFzczp3b3Jk", false }, /* user2:pass:word */
		{ "Basic !", false },
		{ "ApiKey aWQ6a2V5", true }, /* id:key */
		{ "Basic aWQ6a2V5", false },
		{ "ApiKey dXNlcjpwYXNzOndvcmQ=", false },
		{ "Bearer token", true },
		{ "Bearer  other", true },
		{ "Bearer toke", false },
		{ "Bearer token2", false },
		{ "Bearer", false },
		{ "Bearer ", false },
		{ "Basic", false },
		{ "", false },
		{ "Bearer pass:word", false },
		{ "Digest token", false },
	};
	struct conf_pair user = { STR("user"), STR("pass:word"), true };
	struct conf_pair key = { STR("id"), STR("key"), true };
	struct str tokens[] = { STR("token"), STR("other") };
	struct http_auth_conf conf = { { 1, &user }, { 1, &key }, { 2, tokens } };
	struct err err = ERR_NONE;
	struct http_auth *a;

	EQ_INT(http_auth_new(&a, &conf, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].field);
		EQ_INT(http_auth_is_ok(a, str_c(rows[i].field)), rows[i].is_ok);
	}
	OK(!http_auth_is_ok(a, STR_NONE));
	http_auth_free(a);
	conf = (struct http_auth_conf){ 0 };
	EQ_INT(http_auth_new(&a, &conf, &err), 0);
	OK(!a);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	OK(f && fputs(text, f) >= 0);
	fclose(f);
}

/* A file that changes takes effect, one that is gone changes nothing. */
static void files(void)
{
	char path[128], ref[160];
	struct str tokens[1];
	struct http_auth_conf conf = { .tokens = { 1, tokens } };
	struct err err = ERR_NONE;
	struct http_auth *a;

	snprintf(path, sizeof(path), "%s/token", dir);
	snprintf(ref, sizeof(ref), "file:%s", path);
	tokens[0] = str_c(ref);
	OK(http_auth_new(&a, &conf, &err) < 0 && strstr(err.text, path) && !a);
	write_file(path, "one\n");
	EQ_INT(http_auth_new(&a, &conf, &err), 0);
	OK(http_auth_is_ok(a, STR("Bearer one")));
	write_file(path, "two\n");
	EQ_INT(http_auth_refresh(a, 10 * NS_PER_S, &err), 0);
	OK(!http_auth_is_ok(a, STR("Bearer one")) && http_auth_is_ok(a, STR("Bearer two")));
	unlink(path);
	OK(http_auth_refresh(a, 10 * NS_PER_S + 1, &err) == 0); /* not looked at so soon */
	OK(http_auth_refresh(a, 12 * NS_PER_S, &err) < 0);
	OK(http_auth_is_ok(a, STR("Bearer two")));
	http_auth_free(a);
}

static void unauthorized(void)
{
	struct http_rig *g = http_rig_new(CONF_UNIX);
	struct conf_pair user = { STR("user"), STR("pass:word"), true };
	int fd;

	g->conf.auth.users = (struct conf_map){ 1, &user };
	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd,
		 STR("GET /ok HTTP/1.1\r\nHost: a\r\nAuthorization: Basic "
		     "dXNlcjpwYXNzOndvcmQ=\r\n\r\n"
		     "POST /ok HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"
		     "Content-Length: 3\r\n\r\nabc"));
	http_expect(g, fd,
		    OK_ "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\n"
			"Content-Length: 33\r\n"
			"WWW-Authenticate: Basic realm=\"tailrace\", charset=\"UTF-8\"\r\n"
			"Connection: close\r\n\r\ncredentials are missing or wrong\n");
	EQ_INT(g->nrequests, 1);
	EQ_INT(http_refusals(g, "unauthorized"), 1);
	http_expect_end(g, fd);
	http_rig_free(g);
}

/* TLS */

struct client {
	struct http_rig *g;
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static struct client connect_tls(struct http_rig *g, const char *cert)
{
	struct client c = { g, SSL_CTX_new(TLS_client_method()), NULL, http_connect(g) };
	int64_t end_ns = clock_mono_ns() + WAIT_NS;
	char path[256];

	SSL_CTX_set_mode(c.ctx,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (int i = 0; i < 2 && cert; i++) {
		cert_path(path, sizeof(path), dir, cert, i ? "key" : "crt");
		OK((i ? SSL_CTX_use_PrivateKey_file(c.ctx, path, SSL_FILETYPE_PEM)
		      : SSL_CTX_use_certificate_file(c.ctx, path, SSL_FILETYPE_PEM)) == 1);
	}
	c.ssl = SSL_new(c.ctx);
	SSL_set_fd(c.ssl, c.fd);
	while (SSL_connect(c.ssl) != 1 && clock_mono_ns() < end_ns) {
		ERR_clear_error();
		loop_once(g->loop, 1);
	}
	OK(SSL_is_init_finished(c.ssl));
	return c;
}

/* Sends, and waits until that much has come, dates aside, or the connection ends. */
static void talk(struct client *c, struct str s, struct buf *text, size_t n)
{
	int64_t end_ns = clock_mono_ns() + WAIT_NS;
	char bytes[16384];

	while (clock_mono_ns() < end_ns && (s.n || text->n < n)) {
		int put = s.n ? SSL_write(c->ssl, s.p, (int)s.n) : 0, got;

		if (put > 0)
			s = str_skip(s, (size_t)put);
		ERR_clear_error();
		got = SSL_read(c->ssl, bytes, sizeof(bytes));
		if (got > 0)
			buf_put(text, bytes, (size_t)got);
		else if (SSL_get_error(c->ssl, got) != SSL_ERROR_WANT_READ)
			break;
		ERR_clear_error();
		http_undate(text);
		loop_once(c->g->loop, 1);
	}
}

static void disconnect(struct client *c, bool says_goodbye)
{
	if (says_goodbye)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

static struct http_rig *tls_rig(struct tls_conf tls)
{
	struct http_rig *g = http_rig_new(CONF_TLS);

	g->conf.stream.tls = tls;
	http_rig_start(g);
	return g;
}

static void tls(void)
{
	char paths[3][256];
	struct cert ca = cert_new(dir, "ca", "ca", NULL, NULL);
	struct cert server = cert_new(dir, "server", "localhost", NULL, &ca);
	struct cert client = cert_new(dir, "client", "shipper", NULL, &ca);
	struct tls_conf conf = { .cert_file = str_c(paths[0]), .key_file = str_c(paths[1]) };
	struct http_rig *g;
	struct buf text = BUF_INIT;
	struct str get = STR("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
	char *big = mem_zalloc(900000);
	struct client c;
	int fd;

	cert_path(paths[0], sizeof(paths[0]), dir, "server", "crt");
	cert_path(paths[1], sizeof(paths[1]), dir, "server", "key");
	cert_path(paths[2], sizeof(paths[2]), dir, "ca", "crt");
	g = tls_rig(conf);
	ROW("requests");
	c = connect_tls(g, NULL);
	talk(&c, get, &text, strlen(OK_));
	talk(&c, get, &text, 2 * strlen(OK_));
	EQ_STR(buf_as_str(&text), OK_ OK_);
	ROW("a body of many records, and as much back");
	buf_clear(&text);
	memset(big, 'x', 900000);
	talk(&c, STR("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"), &text, 0);
	talk(&c, str_make(big, 900000), &text, 900000);
	OK(str_ends(buf_as_str(&text), str_make(big, 900000)));
	ROW("who leaves");
	talk(&c, STR("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"), &text, 0);
	HTTP_UNTIL(g, g->works);
	disconnect(&c, true);
	HTTP_UNTIL(g, g->ngone == 1 && http_open(g) == 0);
	ROW("plain bytes");
	fd = http_connect(g);
	http_put(g, fd, get);
	HTTP_UNTIL(g, http_refusals(g, "tls") == 1);
	close(fd);
	http_rig_free(g);
	ROW("certificates of clients");
	conf.ca_file = str_c(paths[2]);
	conf.client_auth = TLS_CLIENT_REQUIRE;
	g = tls_rig(conf);
	c = connect_tls(g, "client");
	talk(&c, STR("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"), &text, 0);
	HTTP_UNTIL(g, g->works);
	EQ_STR(http_peer_name(g->works->c), "shipper");
	EQ_STR(http_peer(g->works->c), "127.0.0.1");
	buf_clear(&text);
	http_work_answer(g->works);
	talk(&c, STR_NONE, &text, 1);
	OK(str_starts(buf_as_str(&text), STR("HTTP/1.1 200 OK")));
	disconnect(&c, false);
	c = connect_tls(g, NULL);
	buf_clear(&text);
	talk(&c, get, &text, 1);
	EQ_INT(text.n, 0);
	disconnect(&c, false);
	HTTP_UNTIL(g, http_refusals(g, "tls") == 1);
	http_rig_free(g);
	cert_free(&ca);
	cert_free(&server);
	cert_free(&client);
	for (size_t i = 0; i < 3; i++)
		cert_unlink(dir, ((const char *[]){ "ca", "server", "client" })[i]);
	buf_fini(&text);
	mem_free(big);
}

static void networks(void)
{
	struct http_rig *g = http_rig_new(CONF_TCP);
	struct str loopback = STR("127.0.0.0/8"), other = STR("192.0.2.0/24");
	int fd;

	g->conf.stream.proxy_protocol = (struct conf_list){ 1, &loopback };
	g->conf.stream.allow = (struct conf_list){ 1, &other };
	http_rig_start(g);
	fd = http_connect(g);
	http_put(g, fd,
		 STR("PROXY TCP4 192.0.2.7 192.0.2.1 1000 80\r\nGET /hold HTTP/1.1\r\nHost: "
		     "a\r\n\r\n"));
	HTTP_UNTIL(g, g->works);
	EQ_STR(http_peer(g->works->c), "192.0.2.7");
	close(fd);
	HTTP_UNTIL(g, g->ngone == 1);
	fd = http_connect(g);
	http_put(g, fd, STR("PROXY TCP4 198.51.100.7 192.0.2.1 1000 80\r\n"));
	http_expect_end(g, fd);
	EQ_INT(http_refusals(g, "not_allowed"), 1);
	fd = http_connect(g);
	http_put(g, fd, STR("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"));
	HTTP_UNTIL(g, http_refusals(g, "proxy_header") == 1);
	close(fd);
	g->conf.stream.handshake_timeout_ns = 20 * NS_PER_MS;
	fd = http_connect(g);
	http_put(g, fd, STR("PROX"));
	http_expect_end(g, fd);
	EQ_INT(http_refusals(g, "handshake_timeout"), 1);
	http_rig_free(g);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN(credentials);
	RUN(files);
	RUN(unauthorized);
	RUN(tls);
	RUN(networks);
	rmdir(dir);
	return test_end();
}
