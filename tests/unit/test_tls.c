/* SPDX-License-Identifier: Apache-2.0 */
/* lib/tls over a socket pair, with OpenSSL's own client at the other end, both in turns. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "tests/unit/certs.h"

static char dir[] = "/tmp/test_tls_XXXXXX";
static char paths[3][256];
static struct cert ca, stranger;

static struct tls_conf conf_for(const char *server)
{
	cert_path(paths[0], sizeof(paths[0]), dir, server, "crt");
	cert_path(paths[1], sizeof(paths[1]), dir, server, "key");
	cert_path(paths[2], sizeof(paths[2]), dir, "ca", "crt");
	return (struct tls_conf){ .cert_file = str_c(paths[0]), .key_file = str_c(paths[1]) };
}

struct pair {
	struct tls *server;
	SSL *client;
	SSL_CTX *ctx;
	int fds[2];
	int server_rc;
};

static void pair_open(struct pair *p, struct tls_server *s, const char *client_cert,
		      int max_version)
{
	char path[256];

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds) == 0);
	p->ctx = SSL_CTX_new(TLS_client_method());
	if (max_version)
		SSL_CTX_set_max_proto_version(p->ctx, max_version);
	SSL_CTX_set_security_level(p->ctx, 0);
	if (client_cert) {
		cert_path(path, sizeof(path), dir, client_cert, "crt");
		OK(SSL_CTX_use_certificate_file(p->ctx, path, SSL_FILETYPE_PEM) == 1);
		cert_path(path, sizeof(path), dir, client_cert, "key");
		OK(SSL_CTX_use_PrivateKey_file(p->ctx, path, SSL_FILETYPE_PEM) == 1);
	}
	p->client = SSL_new(p->ctx);
	SSL_set_fd(p->client, p->fds[1]);
	SSL_set_connect_state(p->client);
	p->server = tls_new(s, p->fds[0]);
	p->server_rc = -EAGAIN;
}

/* Both ends in turns until the server knows. */
static int shake(struct pair *p)
{
	for (int i = 0; i < 100 && p->server_rc == -EAGAIN; i++) {
		ERR_clear_error();
		SSL_do_handshake(p->client);
		p->server_rc = tls_handshake(p->server);
	}
	SSL_do_handshake(p->client);
	return p->server_rc;
}

static void pair_close(struct pair *p)
{
	tls_close(p->server);
	tls_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->ctx);
	close(p->fds[0]);
	close(p->fds[1]);
}

static void names(void)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{ "a.example.com", "a.example.com", true },
		{ "A.Example.com", "a.exAMPLE.com", true },
		{ "a.example.com", "b.example.com", false },
		{ "*.example.com", "a.example.com", true },
		{ "*.example.com", "a.b.example.com", false },
		{ "*.example.com", ".example.com", false },
		{ "*.example.com", "example.com", false },
		{ "*.example.com", "aexample.com", false },
		{ "*.example.com", "a.example.com.evil.net", false },
		{ "*.example.com", "*.example.com", true },
		{ "a.example.com", "*.example.com", false },
		{ "*", "a", false },
		{ "*.com", "a.com", true },
		{ "a.*.com", "a.b.com", false },
		{ "", "", true },
	};
	uint8_t hash[32];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].name);
		OK(tls_name_matches(str_c(rows[i].pattern), str_c(rows[i].name)) ==
		   rows[i].matches);
	}
	/* A NUL inside a name does not end it. */
	OK(!tls_name_matches(STR("a.example.com"), STR("a.example.com\0.evil.net")));
	OK(tls_fingerprint_parse(STR("SHA256:00:01:02:03:04:05:06:07:08:09:0a:0B:0c:0d:0e:0f:"
				     "10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:fF"),
				 hash));
	EQ_INT(hash[11], 0x0b);
	EQ_INT(hash[31], 0xff);
	OK(!tls_fingerprint_parse(STR("00:01"), hash));
	OK(!tls_fingerprint_parse(STR("g0"), hash));
	OK(!tls_fingerprint_parse(STR(""), hash));
}

static void bytes_through(void)
{
	struct tls_conf conf = conf_for("server");
	struct tls_server *s = NULL;
	struct err err = ERR_NONE;
	char got[40000], sent[40000];
	struct pair p;
	size_t n = 0;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		OK(tls_server_new(&s, &conf, &err) == 0);
		pair_open(&p, s, NULL, version);
		EQ_INT(shake(&p), 0);
		EQ_INT(tls_peer_name(p.server).n, 0);
		EQ_INT(tls_read(p.server, got, sizeof(got)), -EAGAIN);
		EQ_INT(tls_events(p.server), EPOLLIN);
		/* Many small records come in one read. */
		for (int i = 0; i < 100; i++)
			EQ_INT(SSL_write(p.client, "hello", 5), 5);
		EQ_INT(tls_read(p.server, got, sizeof(got)), 500);
		/* A short read leaves bytes inside, of which no event tells. */
		EQ_INT(SSL_write(p.client, "hello", 5), 5);
		EQ_INT(tls_read(p.server, got, 2), 2);
		OK(tls_has_more(p.server));
		EQ_INT(tls_read(p.server, got + 2, 100), 3);
		OK(!tls_has_more(p.server) && memcmp(got, "hello", 5) == 0);
		/* More than the socket takes. */
		memset(sent, 'x', sizeof(sent));
		for (n = 0; n < 4000000;) {
			ssize_t put = tls_write(p.server, sent, sizeof(sent));

			if (put == -EAGAIN)
				break;
			OK(put > 0);
			n += (size_t)put;
		}
		OK(n > 0 && n < 4000000);
		EQ_INT(tls_events(p.server), EPOLLOUT);
		while (n > 0) {
			int k = SSL_read(p.client, got, sizeof(got));

			if (k > 0)
				n -= (size_t)k < n ? (size_t)k : n;
			if (k <= 0 && tls_write(p.server, sent, sizeof(sent)) <= 0)
				break;
		}
		/* The end comes with the last bytes, and the client waits for the answer: no event
		 * tells of it. */
		EQ_INT(SSL_write(p.client, "last", 4), 4);
		SSL_shutdown(p.client);
		EQ_INT(tls_read(p.server, got, sizeof(got)), 4);
		OK(tls_has_more(p.server));
		EQ_INT(tls_read(p.server, got, sizeof(got)), 0);
		pair_close(&p);
		tls_server_free(s);
	}
	/* The other end goes without a word. */
	OK(tls_server_new(&s, &conf, &err) == 0);
	pair_open(&p, s, NULL, 0);
	EQ_INT(shake(&p), 0);
	EQ_INT(SSL_write(p.client, "last", 4), 4);
	shutdown(p.fds[1], SHUT_RDWR);
	EQ_INT(tls_read(p.server, got, sizeof(got)), 4);
	EQ_INT(tls_read(p.server, got, sizeof(got)), 0);
	pair_close(&p);
	tls_server_free(s);
}

/* One handshake under a rule: what comes out, and what is said about it. */
static void handshake(struct tls_conf conf, const char *client, int max_version, const char *name,
		      const char *error)
{
	struct tls_server *s = NULL;
	struct err err = ERR_NONE;
	struct pair p;

	OK(tls_server_new(&s, &conf, &err) == 0);
	pair_open(&p, s, client, max_version);
	EQ_INT(shake(&p), error ? -EPROTO : 0);
	if (error) {
		if (str_find(str_c(tls_error(p.server)), str_c(error)) ==
		    strlen(tls_error(p.server)))
			FAIL("\"%s\" does not say \"%s\"", tls_error(p.server), error);
		EQ_INT(tls_read(p.server, &p, 1), -EPROTO);
	} else {
		EQ_STR(tls_peer_name(p.server), name);
	}
	pair_close(&p);
	tls_server_free(s);
}

static void clients(void)
{
	struct tls_conf conf = conf_for("server"), c;
	struct str allowed[] = { STR("*.logs.example.com"), STR("192.0.2.7"), STR("only-cn") };
	char print[96] = "", digest[32];
	struct str prints[1];
	unsigned n;

	ROW("versions");
	c = conf;
	c.min_version = TLS_1_3;
	handshake(c, NULL, TLS1_2_VERSION, NULL, "unsupported protocol");
	handshake(c, NULL, TLS1_3_VERSION, "", NULL);
	handshake(conf, NULL, TLS1_1_VERSION, NULL, "unsupported protocol");

	ROW("authority");
	c = conf;
	c.ca_file = str_c(paths[2]);
	c.client_auth = TLS_CLIENT_REQUIRE;
	handshake(c, NULL, 0, NULL, "peer did not return a certificate");
	handshake(c, "web1", 0, "web1.logs.example.com", NULL);
	handshake(c, "stranger", 0, NULL, "CN=stranger) is refused");
	c.client_auth = TLS_CLIENT_REQUEST;
	handshake(c, NULL, 0, "", NULL);
	handshake(c, "stranger", 0, NULL, "CN=stranger) is refused");

	ROW("names");
	c.client_auth = TLS_CLIENT_REQUIRE;
	c.allowed_names = (struct conf_list){ 3, allowed };
	handshake(c, "web1", 0, "web1.logs.example.com", NULL);
	handshake(c, "deep", 0, NULL, "no name in the client's certificate");
	handshake(c, "wild", 0, NULL, "no name in the client's certificate");
	handshake(c, "ip", 0, "ip-cn", NULL);
	handshake(c, "only-cn", 0, "only-cn", NULL);
	/* The common name does not count beside a DNS name. */
	handshake(c, "both", 0, NULL, "no name in the client's certificate");

	ROW("fingerprints");
	X509_digest(stranger.x509, EVP_sha256(), (unsigned char *)digest, &n);
	for (unsigned i = 0; i < n; i++)
		snprintf(print + 2 * i, 3, "%02x", (unsigned char)digest[i]);
	prints[0] = str_c(print);
	c.allowed_fingerprints = (struct conf_list){ 1, prints };
	handshake(c, "stranger", 0, "stranger", NULL);
	c = conf;
	c.client_auth = TLS_CLIENT_REQUIRE;
	c.allowed_fingerprints = (struct conf_list){ 1, prints };
	handshake(c, "stranger", 0, "stranger", NULL);
	handshake(c, "web1", 0, NULL, "is not in allowed_fingerprints");
}

static void plain_bytes(void)
{
	struct tls_conf conf = conf_for("server");
	struct tls_server *s = NULL;
	struct err err = ERR_NONE;
	struct pair p;

	OK(tls_server_new(&s, &conf, &err) == 0);
	pair_open(&p, s, NULL, 0);
	OK(write(p.fds[1], "<13>plain text", 14) == 14);
	EQ_INT(tls_handshake(p.server), -EPROTO);
	EQ_STR(str_c(tls_error(p.server)), "not TLS but plain bytes: \"<13>plain text\"");
	pair_close(&p);

	pair_open(&p, s, NULL, 0);
	EQ_INT(tls_handshake(p.server), -EAGAIN);
	shutdown(p.fds[1], SHUT_RDWR);
	EQ_INT(tls_handshake(p.server), -EPROTO);
	OK(strstr(tls_error(p.server), "left during the handshake") || *tls_error(p.server));
	pair_close(&p);
	tls_server_free(s);
}

/* Time as tls_server_refresh() sees it. */
static int64_t later_ns;

static int later(clockid_t id, struct timespec *t)
{
	int rc = os_kernel.clock_gettime(id, t);

	t->tv_sec += later_ns / NS_PER_S;
	return rc;
}

static void reload(void)
{
	struct tls_conf conf = conf_for("changing");
	struct os_ops ops = os_kernel;
	struct tls_server *s = NULL;
	struct err err = ERR_NONE;
	struct pair old, new;
	struct cert c;
	char byte;
	FILE *f;

	ops.clock_gettime = later;
	os = &ops;
	c = cert_new(dir, "changing", "first", NULL, &ca);
	cert_free(&c);
	OK(tls_server_new(&s, &conf, &err) == 0);
	pair_open(&old, s, NULL, 0);
	EQ_INT(shake(&old), 0);
	EQ_INT(tls_server_refresh(s, &err), 0);

	c = cert_new(dir, "changing", "second", NULL, &ca);
	EQ_INT(tls_server_refresh(s, &err), 0); /* within the second */
	later_ns += 2 * NS_PER_S;
	EQ_INT(tls_server_refresh(s, &err), 1);
	pair_open(&new, s, NULL, 0);
	EQ_INT(shake(&new), 0);
	OK(X509_cmp(SSL_get0_peer_certificate(new.client), c.x509) == 0);
	OK(X509_cmp(SSL_get0_peer_certificate(old.client), c.x509) != 0);
	EQ_INT(SSL_write(old.client, "x", 1), 1);
	EQ_INT(tls_read(old.server, &byte, 1), 1);
	pair_close(&new);

	/* What is broken is said once, and what is there stays in use. */
	f = fopen(paths[0], "w");
	fclose(f);
	later_ns += 2 * NS_PER_S;
	OK(tls_server_refresh(s, &err) < 0 && strstr(err.text, "cannot use cert_file"));
	later_ns += 2 * NS_PER_S;
	EQ_INT(tls_server_refresh(s, &err), 0);
	pair_open(&new, s, NULL, 0);
	EQ_INT(shake(&new), 0);
	pair_close(&new);
	pair_close(&old);
	cert_free(&c);
	tls_server_free(s);
	os = &os_kernel;
}

static void bad_files(void)
{
	struct tls_conf conf = conf_for("server");
	struct tls_server *s = NULL;
	struct err err = ERR_NONE;

	conf.cert_file = STR("/nowhere/tls.crt");
	OK(tls_server_new(&s, &conf, &err) < 0);
	EQ_STR(str_c(err.text), "cannot use cert_file /nowhere/tls.crt: No such file or directory");
	conf = conf_for("server");
	conf.key_file = conf.cert_file;
	OK(tls_server_new(&s, &conf, &err) < 0 && strstr(err.text, "cannot use key_file"));
	conf.key_file = str_c(paths[2]);
	cert_path(paths[2], sizeof(paths[2]), dir, "stranger", "key");
	OK(tls_server_new(&s, &conf, &err) < 0 && strstr(err.text, "key_file"));
	conf = conf_for("server");
	conf.ca_file = conf.key_file;
	OK(tls_server_new(&s, &conf, &err) < 0 && strstr(err.text, "cannot use ca_file"));
}

int main(void)
{
	static const struct {
		const char *name, *cn, *alts;
	} rows[] = {
		{ "server", "server", "DNS:localhost" },
		{ "web1", "web1", "DNS:web1.logs.example.com,DNS:second.example.com" },
		{ "deep", "deep", "DNS:a.b.logs.example.com" },
		{ "wild", "wild", "DNS:*.example.com" },
		{ "ip", "ip-cn", "IP:192.0.2.7" },
		{ "only-cn", "only-cn", NULL },
		{ "both", "only-cn", "DNS:other.example.com" },
	};

	OK(mkdtemp(dir) != NULL);
	ca = cert_new(dir, "ca", "test authority", NULL, NULL);
	stranger = cert_new(dir, "stranger", "stranger", NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cert c = cert_new(dir, rows[i].name, rows[i].cn, rows[i].alts, &ca);

		cert_free(&c);
	}
	RUN(names);
	RUN(bytes_through);
	RUN(clients);
	RUN(plain_bytes);
	RUN(reload);
	RUN(bad_files);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cert_unlink(dir, rows[i].name);
	cert_unlink(dir, "changing");
	cert_unlink(dir, "stranger");
	cert_unlink(dir, "ca");
	rmdir(dir);
	cert_free(&ca);
	cert_free(&stranger);
	return test_end();
}
