/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a TLS server, and the texts in them. */
#include "lib/tls.h"

static const struct conf_enum auths[] = {
	{ "none", TLS_CLIENT_NONE, "no certificate is asked for" },
	{ "request", TLS_CLIENT_REQUEST, "a client may have none, a wrong one is refused" },
	{ "require", TLS_CLIENT_REQUIRE, "no connection without one" },
	{ 0 },
};

static const struct conf_enum versions[] = {
	{ "1.2", TLS_1_2, NULL },
	{ "1.3", TLS_1_3, NULL },
	{ 0 },
};

static const struct conf_field tls_fields[] = {
	CONF_STR(struct tls_conf, cert_file, NULL,
		 "Certificate with its chain, PEM. Changed files are taken up by the next "
		 "connection; "
		 "those that are open stay.",
		 .example = "/etc/tailrace/tls.crt"),
	CONF_STR(struct tls_conf, key_file, NULL, "Its private key, PEM, without a password.",
		 .example = "/etc/tailrace/tls.key"),
	CONF_STR(struct tls_conf, ca_file, NULL,
		 "Authorities that certificates of clients may come from, PEM.",
		 .example = "/etc/tailrace/ca.crt"),
	CONF_ENUM(struct tls_conf, client_auth, "none", auths, "Certificates of clients."),
	CONF_LIST(
		struct tls_conf, allowed_names, NULL,
		"Names one of which a client's certificate must have (DNS or IP address; the "
		"common name when it has no DNS name). `*.example.com` stands for one label. None: "
		"every certificate of the authorities.",
		.example = "[\"*.logs.example.com\"]"),
	CONF_LIST(struct tls_conf, allowed_fingerprints, NULL,
		  "SHA-256 fingerprints of certificates that are accepted whoever signed them."),
	CONF_ENUM(struct tls_conf, min_version, "1.2", versions, "Oldest TLS version accepted."),
};

static void tls_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct tls_conf *c = conf;
	const struct conf_node *at = conf_get(node, "client_auth");
	uint8_t hash[32];

	if (!c->cert_file.n != !c->key_file.n)
		conf_error(doc, node, "cert_file and key_file go together");
	if (c->client_auth != TLS_CLIENT_NONE && !c->ca_file.n && !c->allowed_fingerprints.n)
		conf_error(doc, at ? at : node,
			   "needs ca_file or allowed_fingerprints to tell whom to accept");
	if (c->client_auth == TLS_CLIENT_NONE &&
	    (c->ca_file.n || c->allowed_names.n || c->allowed_fingerprints.n))
		conf_error(doc, at ? at : node,
			   "is none, so ca_file, allowed_names and allowed_fingerprints would do "
			   "nothing; write require");
	if (c->allowed_names.n && !c->ca_file.n)
		conf_error(doc, conf_get(node, "allowed_names"), "needs ca_file");
	for (size_t i = 0; i < c->allowed_fingerprints.n; i++)
		if (!tls_fingerprint_parse(c->allowed_fingerprints.items[i], hash))
			conf_error(doc, conf_get(node, "allowed_fingerprints"),
				   "\"" STR_FMT "\" is not a SHA-256 fingerprint (64 hex digits)",
				   STR_ARG(c->allowed_fingerprints.items[i]));
}

const struct conf_table tls_conf_table =
	CONF_TABLE(struct tls_conf, tls_fields, .check = tls_check);

/* Names and fingerprints */

bool tls_name_matches(struct str pattern, struct str name)
{
	size_t dot = str_chr(name, '.');

	if (str_ieq(pattern, name))
		return true;
	return str_starts(pattern, STR("*.")) && dot > 0 && name.p[0] != '*' &&
	       str_ieq(str_skip(pattern, 1), str_skip(name, dot));
}

bool tls_fingerprint_parse(struct str text, uint8_t ret[32])
{
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		struct str prefix = i ? STR("sha-256:") : STR("sha256:");

		if (str_ieq(str_sub(text, 0, prefix.n), prefix))
			text = str_skip(text, prefix.n);
	}
	for (size_t i = 0; i < text.n; i++) {
		int digit = str_hex(text.p[i]);

		if (text.p[i] == ':')
			continue;
		if (digit < 0 || n == 64)
			return false;
		ret[n / 2] = (uint8_t)(n % 2 ? ret[n / 2] | digit : digit << 4);
		n++;
	}
	return n == 64;
}
