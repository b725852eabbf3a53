/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog over TLS (RFC 5425): messages, pauses, ends, and those who speak something else. */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/certs.h"
#include "tests/unit/syslog_rig.h"

static char dir[] = "/tmp/test_syslog_tls_XXXXXX";
static char paths[3][256];

static struct rig *tls_rig(const char *name, int64_t bytes)
{
	struct rig *g = rig_new(name, bytes);

	g->addrs[1].scheme = CONF_TLS;
	g->conf.tls =
		(struct tls_conf){ .cert_file = str_c(paths[0]), .key_file = str_c(paths[1]) };
	return g;
}

struct client {
	struct rig *g;
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static struct client connect_tls(struct rig *g, bool with_cert)
{
	struct client c = { .g = g,
			    .ctx = SSL_CTX_new(TLS_client_method()),
			    .fd = sender(g, SOCK_STREAM) };
	int64_t end_ns = clock_mono_ns() + WAIT_NS;

	SSL_CTX_set_mode(c.ctx,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (with_cert) {
		OK(SSL_CTX_use_certificate_file(c.ctx, paths[0], SSL_FILETYPE_PEM) == 1);
		OK(SSL_CTX_use_PrivateKey_file(c.ctx, paths[1], SSL_FILETYPE_PEM) == 1);
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

static void put_tls(struct client *c, struct str s)
{
	int64_t end_ns = clock_mono_ns() + WAIT_NS;

	while (s.n && clock_mono_ns() < end_ns) {
		int n = SSL_write(c->ssl, s.p, (int)s.n);

		ERR_clear_error();
		if (n > 0)
			s = str_skip(s, (size_t)n);
		else
			loop_once(c->g->loop, 1);
	}
	EQ_INT(s.n, 0);
}

static void disconnect(struct client *c)
{
	SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

static void tls_messages(void)
{
	struct rig *g = tls_rig("tls", 1 << 20);
	struct client c;

	g->conf.metadata |= SYSLOG_META_CERTIFICATE;
	g->conf.tls.client_auth = TLS_CLIENT_REQUEST;
	g->conf.tls.ca_file = str_c(paths[2]);
	rig_start(g);
	c = connect_tls(g, false);
	put_tls(&c, STR("11 <13>tw\no\n<1"));
	put_tls(&c, STR("7 <13>one"));
	expect(g, "tw\no\n<1 {" HEAD "}\none {" HEAD "}\n");
	put_tls(&c, STR("9 <13>half"));
	disconnect(&c);
	clear_text(g);
	expect(g, "half {" HEAD "full_length=9,} partial\n");

	clear_text(g);
	c = connect_tls(g, true);
	put_tls(&c, STR("<13>lf\n"));
	expect(g, "lf {" HEAD "peer_name=sender.example.com,}\n");
	disconnect(&c);
	UNTIL(g, input_syslog.is_idle(&g->input));
	rig_end(g);
}

/* What was read from the socket and stays inside TLS when a turn is over: no event tells of it. */
static void tls_turns(void)
{
	struct rig *g = tls_rig("tls-turns", 8 << 20);
	struct buf text = BUF_INIT;
	int64_t want = 0;

	rig_start(g);
	for (int lines = 280; lines < 380; lines += 7) {
		struct client c = connect_tls(g, false);

		text.n = 0;
		for (int i = 0; i < lines; i++)
			buf_printf(&text, "<13>%095d\n", i);
		put_tls(&c, buf_as_str(&text));
		want += lines;
		UNTIL(g, metric_value(g->flow->delivered) == want);
		disconnect(&c);
	}
	buf_fini(&text);
	rig_end(g);
}

/* Credit runs out in the middle of records: nothing is lost, nothing is doubled. */
static void tls_backpressure(void)
{
	enum { LINES = 200000 };
	struct rig *g = tls_rig("tls-pressure", 1 << 20);
	struct client c;
	struct str text;
	char line[128];
	int sent = 0, n = 0, stuck = 0, seen = 0;

	g->holds = true;
	rig_start(g);
	c = connect_tls(g, false);
	while (sent < LINES && stuck < 200) {
		if (!n)
			n = snprintf(line, sizeof(line), "<13>%06d %060d\n", sent, 0);
		if (SSL_write(c.ssl, line, n) == n) {
			n = stuck = 0;
			if (++sent % 100 == 0)
				loop_once(g->loop, 0);
		} else {
			ERR_clear_error();
			stuck++;
			loop_once(g->loop, 1);
		}
	}
	OK(sent < LINES && metric_value(g->input.paused) > 0);
	release(g);
	if (n) {
		put_tls(&c, str_make(line, (size_t)n));
		sent++;
	}
	disconnect(&c);
	UNTIL(g, input_syslog.is_idle(&g->input));
	text = buf_as_str(&g->text);
	while (text.n) {
		struct str l = str_cut(&text, '\n');
		uint64_t k = UINT64_MAX;

		if (!str_u64(str_sub(l, 0, 6), &k) || k != (uint64_t)seen)
			FAIL("line %d is \"%.*s\"", seen, STR_ARG(l));
		seen++;
	}
	EQ_INT(seen, sent);
	rig_end(g);
}

static void not_tls(void)
{
	struct rig *g = tls_rig("not-tls", 1 << 20);
	int fds[3];

	g->conf.handshake_timeout_ns = NS_PER_S / 5;
	rig_start(g);
	fds[0] = sender(g, SOCK_STREAM);
	put(g, fds[0], STR("<13>plain\n"));
	UNTIL(g, is_closed(fds[0]) || errno == ECONNRESET);
	EQ_INT(counted(g, METRIC_INPUT_ERRORS, "tls"), 1);
	/* One that says nothing, and one that says half. Neither holds credit. */
	fds[1] = sender(g, SOCK_STREAM);
	fds[2] = sender(g, SOCK_STREAM);
	put(g, fds[2], STR("\x16\x03\x01\x02"));
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "handshake_timeout") == 2);
	EQ_INT(atomic_load(&g->budget.free_bytes), g->total_bytes);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	EQ_INT(text_bytes(g), 0);
	rig_end(g);

	/* The other way round. */
	g = rig_new("hello", 1 << 20);
	rig_start(g);
	fds[0] = sender(g, SOCK_STREAM);
	put(g, fds[0], STR("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "tls") == 1);
	close(fds[0]);
	EQ_INT(text_bytes(g), 0);
	rig_end(g);
}

int main(void)
{
	struct cert ca, c;

	OK(mkdtemp(dir) != NULL);
	ca = cert_new(dir, "ca", "test authority", NULL, NULL);
	c = cert_new(dir, "both", "both", "DNS:sender.example.com", &ca);
	cert_path(paths[0], sizeof(paths[0]), dir, "both", "crt");
	cert_path(paths[1], sizeof(paths[1]), dir, "both", "key");
	cert_path(paths[2], sizeof(paths[2]), dir, "ca", "crt");
	for (nlanes = 1; nlanes <= 2; nlanes++) {
		RUN(tls_messages);
		RUN(tls_turns);
		RUN(tls_backpressure);
		RUN(not_tls);
	}
	cert_free(&c);
	cert_free(&ca);
	cert_unlink(dir, "both");
	cert_unlink(dir, "ca");
	rmdir(dir);
	return test_end();
}
