/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL: the only file that knows it. Reads and writes go through lib/os.h, by a BIO of our
 * own. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/tls.h"

#define LOOK_NS NS_PER_S             /* files are looked at this often at most */
#define CERTS_MAX ((size_t)64 << 10) /* of a client: bytes of its chain */
#define FIRST_BYTES 24               /* kept to tell plain text from a failed handshake */
#define NAME_MAX_BYTES ((size_t)255)
#define RECORD_HANDSHAKE 0x16

/* What TLS 1.2 may use: forward secrecy and authenticated encryption, as RFC 9325 and RFC 9662 ask. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"

/* Files as last looked at: another inode, size or time is another file. */
struct stamp {
	uint64_t ino;
	int64_t size, mtime_ns;
};

struct tls_server {
	const char *alpn;
	const struct tls_conf *conf;
	SSL_CTX *ctx;
	BIO_METHOD *bio;
	struct stamp stamps[3];
	int64_t looked_ns;
};

struct tls {
	const struct tls_server *server;
	SSL *ssl;
	int fd;
	bool is_open; /* the handshake is done */
	bool is_broken;
	bool has_ended; /* the descriptor */
	bool wants_write;
	bool holds_end; /* of the stream, met behind bytes that were handed out first */
	unsigned nfirst;
	char first[FIRST_BYTES];
	char why[256], error[384];
	char *name;
};

/* Names and fingerprints of certificates */

static bool has_allowed_fingerprint(const struct tls_conf *conf, X509 *cert)
{
	uint8_t have[EVP_MAX_MD_SIZE], want[32];
	unsigned n = 0;

	if (X509_digest(cert, EVP_sha256(), have, &n) != 1 || n != sizeof(want))
		return false;
	for (size_t i = 0; i < conf->allowed_fingerprints.n; i++)
		if (tls_fingerprint_parse(conf->allowed_fingerprints.items[i], want) &&
		    memcmp(have, want, n) == 0)
			return true;
	return false;
}

static struct str asn1_text(const ASN1_STRING *s)
{
	return str_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* Names of the certificate, one by one: alternative names, then, when there is no DNS name among them,
 * the common name (RFC 6125 section 6.4.4). `each` returns true to end it. Lengths count, so a NUL inside
 * a name is a byte like others. */
static bool names_of(X509 *cert, bool (*each)(void *ctx, struct str name, bool is_dns), void *ctx)
{
	GENERAL_NAMES *alts = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	bool is_done = false, has_dns = false;
	char ip[INET6_ADDRSTRLEN];

	for (int i = 0; i < sk_GENERAL_NAME_num(alts) && !is_done; i++) {
		const GENERAL_NAME *alt = sk_GENERAL_NAME_value(alts, i);

		if (alt->type == GEN_DNS) {
			has_dns = true;
			is_done = each(ctx, asn1_text(alt->d.dNSName), true);
		} else if (alt->type == GEN_IPADD) {
			struct str raw = asn1_text(alt->d.iPAddress);

			if (raw.n == 4 || raw.n == 16) {
				inet_ntop(raw.n == 4 ? AF_INET : AF_INET6, raw.p, ip, sizeof(ip));
				is_done = each(ctx, str_c(ip), false);
			}
		}
	}
	if (!is_done && !has_dns && at >= 0)
		is_done = each(
			ctx, asn1_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))),
			true);
	GENERAL_NAMES_free(alts);
	return is_done;
}

static bool is_allowed_name(void *ctx, struct str name, bool is_dns)
{
	const struct conf_list *allowed = ctx;

	for (size_t i = 0; i < allowed->n; i++)
		if (is_dns ? tls_name_matches(allowed->items[i], name)
			   : str_ieq(allowed->items[i], name))
			return true;
	return false;
}

static bool take_name(void *ctx, struct str name, bool is_dns)
{
	struct tls *t = ctx;

	if (!is_dns)
		return false;
	name = str_sub(name, 0, NAME_MAX_BYTES);
	t->name = mem_zalloc(name.n + 1);
	memcpy(t->name, name.p, name.n);
	return true;
}

/* In place of OpenSSL's own check of a client's chain. */
static int verify(X509_STORE_CTX *store, void *arg)
{
	const struct tls_server *s = arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	struct conf_list allowed = s->conf->allowed_names;
	char subject[128] = "";

	if (has_allowed_fingerprint(s->conf, cert)) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
	if (!s->conf->ca_file.n) {
		snprintf(t->why, sizeof(t->why),
			 "the fingerprint of the client's certificate (%s) is not in "
			 "allowed_fingerprints",
			 subject);
	} else if (X509_verify_cert(store) <= 0) {
		snprintf(t->why, sizeof(t->why), "the client's certificate (%s) is refused: %s",
			 subject, X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
		return 0;
	} else if (!allowed.n || names_of(cert, is_allowed_name, &allowed)) {
		return 1;
	} else {
		snprintf(t->why, sizeof(t->why),
			 "no name in the client's certificate (%s) is in allowed_names", subject);
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* The server */

static int no_password(char *buf, int n, int is_writing, void *ctx)
{
	(void)buf, (void)n, (void)is_writing, (void)ctx;
	return 0; /* OpenSSL would ask on the terminal */
}

static int file_error(struct err *err, const char *option, struct str path)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
						    : ERR_reason_error_string(code);

	return err_set(err, -EINVAL, "cannot use %s " STR_FMT ": %s", option, STR_ARG(path),
		       reason ? reason : "not understood");
}

static int load_files(SSL_CTX *ctx, const struct tls_conf *c, struct err *err)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, c->cert_file.p) != 1)
		return file_error(err, "cert_file", c->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, c->key_file.p, SSL_FILETYPE_PEM) != 1)
		return file_error(err, "key_file", c->key_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return err_set(err, -EINVAL,
			       "key_file " STR_FMT " does not belong to cert_file " STR_FMT,
			       STR_ARG(c->key_file), STR_ARG(c->cert_file));
	if (c->ca_file.n) {
		STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(c->ca_file.p);

		if (!names || SSL_CTX_load_verify_locations(ctx, c->ca_file.p, NULL) != 1) {
			sk_X509_NAME_pop_free(names, X509_NAME_free);
			return file_error(err, "ca_file", c->ca_file);
		}
		SSL_CTX_set_client_CA_list(ctx, names);
	}
	return 0;
}

static int select_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
		       const unsigned char *offered, unsigned n, void *arg)
{
	const struct tls_server *s = arg;
	struct str rest = str_make((const char *)offered, n);

	(void)ssl;
	if (!s->alpn)
		return SSL_TLSEXT_ERR_NOACK;
	while (rest.n) {
		struct str name = str_sub(rest, 1, 1 + (size_t)(unsigned char)rest.p[0]);

		if (str_is(name, s->alpn)) {
			*ret = (const unsigned char *)name.p;
			*ret_n = (unsigned char)name.n;
			return SSL_TLSEXT_ERR_OK;
		}
		rest = str_skip(rest, 1 + name.n);
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int load(const struct tls_server *s, SSL_CTX **ret, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc, mode = SSL_VERIFY_NONE;

	CHECK(ctx);
	SSL_CTX_set_min_proto_version(ctx, s->conf->min_version == TLS_1_3 ? TLS1_3_VERSION
									   : TLS1_2_VERSION);
	CHECK(SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* No resumption: a certificate is looked at each time. And a ticket that a client leaves unread
	 * when it closes makes its kernel send a reset, which can lose what it sent last. */
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* Idle connections keep no buffers; busy ones read many records at a time. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_max_cert_list(ctx, CERTS_MAX);
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	if (s->conf->client_auth != TLS_CLIENT_NONE)
		mode = SSL_VERIFY_PEER;
	if (s->conf->client_auth == TLS_CLIENT_REQUIRE)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify, (void *)(uintptr_t)s);
	SSL_CTX_set_alpn_select_cb(ctx, select_alpn, (void *)(uintptr_t)s);
	rc = load_files(ctx, s->conf, err);
	if (rc < 0)
		SSL_CTX_free(ctx);
	else
		*ret = ctx;
	return rc;
}

static void look(const struct tls_conf *c, struct stamp stamps[3])
{
	struct str paths[3] = { c->cert_file, c->key_file, c->ca_file };
	struct stat st;

	memset(stamps, 0, 3 * sizeof(*stamps));
	for (int i = 0; i < 3; i++)
		if (paths[i].n && os->stat(paths[i].p, &st) == 0)
			stamps[i] =
				(struct stamp){ st.st_ino, st.st_size,
						st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec };
}

/* The BIO */

static int bio_read(BIO *bio, char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t got = OS_RETRY(os->recv(t->fd, p, (size_t)n, MSG_DONTWAIT));

	BIO_clear_retry_flags(bio);
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (got == 0)
		t->has_ended = true;
	for (ssize_t i = 0; i < got && t->nfirst < FIRST_BYTES; i++)
		t->first[t->nfirst++] = p[i];
	return (int)got;
}

static int bio_write(BIO *bio, const char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t put = OS_RETRY(os->send(t->fd, p, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL));

	BIO_clear_retry_flags(bio);
	if (put < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)put;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	const struct tls *t = BIO_get_data(bio);

	(void)num, (void)ptr;
	return cmd == BIO_CTRL_FLUSH || (cmd == BIO_CTRL_EOF && t->has_ended);
}

static BIO_METHOD *bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "os");

	CHECK(m);
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

int tls_server_new(struct tls_server **ret, const struct tls_conf *conf, struct err *err)
{
	struct tls_server *s = mem_zalloc(sizeof(*s));
	int rc;

	s->conf = conf;
	look(conf, s->stamps);
	rc = load(s, &s->ctx, err);
	if (rc < 0) {
		mem_free(s);
		return rc;
	}
	s->bio = bio_method();
	s->looked_ns = clock_mono_ns();
	*ret = s;
	return 0;
}

void tls_server_alpn(struct tls_server *s, const char *protocol)
{
	s->alpn = protocol;
}

void tls_server_free(struct tls_server *s)
{
	if (!s)
		return;
	SSL_CTX_free(s->ctx);
	BIO_meth_free(s->bio);
	mem_free(s);
}

int tls_cert_end(struct str path, int64_t *ret_s, struct err *err)
{
	BIO *bio = BIO_new_file(path.p, "r");
	X509 *cert;
	struct tm tm;
	int rc = 0;

	ERR_clear_error();
	cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	if (!cert || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		rc = err_set(err, -EINVAL, "no certificate is in " STR_FMT, STR_ARG(path));
	else
		*ret_s = (int64_t)timegm(&tm);
	X509_free(cert);
	BIO_free(bio);
	return rc;
}

int tls_server_refresh(struct tls_server *s, struct err *err)
{
	int64_t now_ns = clock_mono_ns();
	struct stamp stamps[3];
	SSL_CTX *ctx;
	int rc;

	if (now_ns - s->looked_ns < LOOK_NS)
		return 0;
	s->looked_ns = now_ns;
	look(s->conf, stamps);
	if (memcmp(stamps, s->stamps, sizeof(stamps)) == 0)
		return 0;
	memcpy(s->stamps, stamps, sizeof(stamps));
	rc = load(s, &ctx, err);
	if (rc < 0)
		return rc;
	SSL_CTX_free(s->ctx); /* lives on while connections use it */
	s->ctx = ctx;
	return 1;
}

/* Connections */

struct tls *tls_new(struct tls_server *s, int fd)
{
	struct tls *t = mem_zalloc(sizeof(*t));
	BIO *bio = BIO_new(s->bio);

	t->server = s;
	t->fd = fd;
	t->ssl = SSL_new(s->ctx);
	CHECK(t->ssl && bio);
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_close(struct tls *t)
{
	ERR_clear_error();
	if (t->is_open && !t->is_broken)
		SSL_shutdown(t->ssl);
	t->is_broken = true;
	SSL_free(TAKE(t->ssl)); /* the name is still asked for */
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	mem_free(t->name);
	mem_free(t);
}

static void explain(struct tls *t, int errnum)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (t->nfirst && t->first[0] != RECORD_HANDSHAKE && !t->is_open)
		snprintf(t->error, sizeof(t->error), "not TLS but plain bytes: \"%.*s\"",
			 (int)t->nfirst, t->first);
	else if (t->why[0])
		snprintf(t->error, sizeof(t->error), "%s", t->why);
	else if (reason)
		snprintf(t->error, sizeof(t->error), "%s", reason);
	else if (t->has_ended || !errnum)
		snprintf(t->error, sizeof(t->error), "the peer left during the handshake");
	else
		snprintf(t->error, sizeof(t->error), "%s", strerror(errnum));
}

/* What a call that did not succeed means. */
static int outcome(struct tls *t, int errnum)
{
	switch (SSL_get_error(t->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		t->wants_write = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		if (t->is_open)
			return 0;
		break;
	default:
		break;
	}
	t->is_broken = true;
	explain(t, errnum);
	return -EPROTO;
}

int tls_handshake(struct tls *t)
{
	int rc;

	if (t->is_open)
		return 0;
	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(t->ssl);
	if (rc != 1) {
		rc = outcome(t, errno);
		return rc ? rc : -EPROTO;
	}
	t->is_open = true;
	t->wants_write = false;
	if (SSL_get0_peer_certificate(t->ssl))
		names_of(SSL_get0_peer_certificate(t->ssl), take_name, t);
	return 0;
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
	size_t got = 0, k;
	bool is_over = false;
	int rc = 0;

	t->holds_end = false;
	if (t->is_broken)
		return -EPROTO;
	/* A record at a time is what OpenSSL gives; many may be here. */
	do {
		ERR_clear_error();
		errno = 0;
		if (!SSL_read_ex(t->ssl, (char *)p + got, n - got, &k)) {
			rc = outcome(t, errno);
			is_over = rc != -EAGAIN;
			break;
		}
		got += k;
	} while (got < n && SSL_has_pending(t->ssl));
	t->holds_end = got && is_over;
	return got ? (ssize_t)got : rc;
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
	size_t put;

	if (t->is_broken)
		return -EPROTO;
	ERR_clear_error();
	errno = 0;
	return SSL_write_ex(t->ssl, p, n, &put) ? (ssize_t)put : outcome(t, errno);
}

uint32_t tls_events(const struct tls *t)
{
	return t->wants_write ? EPOLLOUT : EPOLLIN;
}

bool tls_has_more(const struct tls *t)
{
	return t->holds_end || (!t->is_broken && SSL_has_pending(t->ssl));
}

const char *tls_error(const struct tls *t)
{
	return t->error;
}

struct str tls_peer_name(const struct tls *t)
{
	return str_c(t->name);
}
