/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests: an authority, and what it signs, as PEM files in a directory. */
#ifndef TESTS_UNIT_CERTS_H
#define TESTS_UNIT_CERTS_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "tests/unit/test.h"

struct cert {
	EVP_PKEY *key;
	X509 *x509;
};

static inline void cert_path(char *out, size_t n, const char *dir, const char *name,
			     const char *ext)
{
	snprintf(out, n, "%s/%s.%s", dir, name, ext);
}

/* cn: common name. alts: "DNS:a,IP:127.0.0.1" or NULL. issuer NULL: signs itself, as an authority.
 * Writes <dir>/<name>.crt and .key, by rename, as a careful administrator does. */
static inline struct cert cert_new(const char *dir, const char *name, const char *cn,
				   const char *alts, const struct cert *issuer)
{
	struct cert c = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *subject = X509_get_subject_name(c.x509);
	static long serial = 1;
	char path[256], temp[264];
	X509V3_CTX v3;
	FILE *f;

	X509_set_version(c.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c.x509), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1,
				   0);
	X509_set_issuer_name(c.x509, issuer ? X509_get_subject_name(issuer->x509) : subject);
	X509_set_pubkey(c.x509, c.key);
	X509V3_set_ctx(&v3, issuer ? issuer->x509 : c.x509, c.x509, NULL, NULL, 0);
	for (int i = 0; i < 2; i++) {
		const char *value = i ? alts : issuer ? NULL : "critical,CA:TRUE";
		X509_EXTENSION *e;

		if (!value)
			continue;
		e = X509V3_EXT_conf_nid(NULL, &v3, i ? NID_subject_alt_name : NID_basic_constraints,
					value);
		OK(e && X509_add_ext(c.x509, e, -1));
		X509_EXTENSION_free(e);
	}
	OK(X509_sign(c.x509, issuer ? issuer->key : c.key, EVP_sha256()) > 0);
	for (int i = 0; i < 2; i++) {
		cert_path(path, sizeof(path), dir, name, i ? "key" : "crt");
		snprintf(temp, sizeof(temp), "%s.new", path);
		f = fopen(temp, "w");
		if (i)
			OK(f && PEM_write_PrivateKey(f, c.key, NULL, NULL, 0, NULL, NULL));
		else
			OK(f && PEM_write_X509(f, c.x509));
		fclose(f);
		OK(rename(temp, path) == 0);
	}
	return c;
}

static inline void cert_free(struct cert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->x509);
}

static inline void cert_unlink(const char *dir, const char *name)
{
	char path[256];

	for (int i = 0; i < 2; i++) {
		cert_path(path, sizeof(path), dir, name, i ? "key" : "crt");
		unlink(path);
	}
}

#endif
