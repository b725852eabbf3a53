/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials are kept as digests: no secret stays in memory, and comparing takes the same time whatever
 * the lengths. */
#include "lib/http_auth.h"

#include <errno.h>

#include "lib/base64.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/mem.h"
#include "lib/secret.h"

#define DIGEST_BYTES 32
#define REFRESH_NS NS_PER_S
#define CREDENTIALS_MAX ((size_t)8192) /* decoded */

enum scheme { SCHEME_BASIC, SCHEME_API_KEY, SCHEME_BEARER };

struct credential {
	enum scheme scheme;
	struct str name; /* of the user or key; p is NULL for tokens */
	struct secret secret;
	unsigned char digest[DIGEST_BYTES_MAX];
};

struct http_auth {
	const struct http_auth_conf *conf;
	struct credential *credentials;
	size_t n;
	int64_t read_ns;
};

/* The scheme is part of it, so that a token is not good as a password. */
static bool digest_of(enum scheme scheme, struct str name, struct str secret, unsigned char *out)
{
	const struct str parts[] = { str_make((const char[]){ (char)('0' + scheme) }, 1), name,
				     name.p ? STR(":") : STR_NONE, secret };

	return digest(DIGEST_SHA256, parts, ARRAY_LEN(parts), out) == DIGEST_BYTES;
}

/* Reads them all; nothing changes when one cannot be read. */
static int read_all(struct http_auth *a, struct err *err)
{
	struct credential *fresh = mem_array(a->n, sizeof(*fresh));
	struct buf text = BUF_INIT;
	int rc = 0;

	memcpy(fresh, a->credentials, a->n * sizeof(*fresh));
	for (size_t i = 0; i < a->n && !rc; i++) {
		rc = secret_read(&fresh[i].secret, &text, err);
		if (!rc &&
		    !digest_of(fresh[i].scheme, fresh[i].name, buf_as_str(&text), fresh[i].digest))
			rc = err_set(err, -EINVAL, "the library refuses SHA-256");
		secret_wipe(&text);
	}
	if (!rc)
		memcpy(a->credentials, fresh, a->n * sizeof(*fresh));
	mem_free(fresh);
	return rc;
}

static void add(struct http_auth *a, enum scheme scheme, struct str name, struct str secret)
{
	a->credentials[a->n++] = (struct credential){ .scheme = scheme,
						      .name = name,
						      .secret = secret_parse(secret) };
}

int http_auth_new(struct http_auth **ret, const struct http_auth_conf *conf, struct err *err)
{
	size_t n = conf->users.n + conf->api_keys.n + conf->tokens.n;
	struct http_auth *a;
	int rc;

	*ret = NULL;
	if (!n)
		return 0;
	a = mem_zalloc(sizeof(*a));
	a->conf = conf;
	a->credentials = mem_array(n, sizeof(*a->credentials));
	for (size_t i = 0; i < conf->users.n; i++)
		add(a, SCHEME_BASIC, conf->users.items[i].key, conf->users.items[i].value);
	for (size_t i = 0; i < conf->api_keys.n; i++)
		add(a, SCHEME_API_KEY, conf->api_keys.items[i].key, conf->api_keys.items[i].value);
	for (size_t i = 0; i < conf->tokens.n; i++)
		add(a, SCHEME_BEARER, STR_NONE, conf->tokens.items[i]);
	rc = read_all(a, err);
	if (rc < 0) {
		http_auth_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void http_auth_free(struct http_auth *a)
{
	if (!a)
		return;
	mem_free(a->credentials);
	mem_free(a);
}

int http_auth_refresh(struct http_auth *a, int64_t now_ns, struct err *err)
{
	if (now_ns - a->read_ns < REFRESH_NS)
		return 0;
	a->read_ns = now_ns;
	return read_all(a, err);
}

static unsigned differs(const unsigned char *a, const unsigned char *b)
{
	unsigned bits = 0;

	for (size_t i = 0; i < DIGEST_BYTES; i++)
		bits |= (unsigned)(a[i] ^ b[i]);
	return bits;
}

static bool matches_any(const struct http_auth *a, enum scheme scheme, struct str text)
{
	unsigned char sent[DIGEST_BYTES_MAX];
	bool is_ok = false;

	if (!digest_of(scheme, STR_NONE, text, sent))
		return false;
	for (size_t i = 0; i < a->n; i++)
		is_ok |= !differs(sent, a->credentials[i].digest);
	return is_ok;
}

bool http_auth_is_ok(const struct http_auth *a, struct str field)
{
	struct str scheme = str_cut(&field, ' '), text = str_trim(field);
	struct buf decoded = { .max = CREDENTIALS_MAX };
	bool is_ok = false;

	if (str_ieq(scheme, STR("bearer")))
		return matches_any(a, SCHEME_BEARER, text);
	if (!str_ieq(scheme, STR("basic")) && !str_ieq(scheme, STR("apikey")))
		return false;
	if (base64_decode(text, &decoded))
		is_ok = matches_any(a,
				    str_ieq(scheme, STR("basic")) ? SCHEME_BASIC : SCHEME_API_KEY,
				    buf_as_str(&decoded));
	secret_wipe(&decoded);
	return is_ok;
}

const char *http_auth_challenge(const struct http_auth *a)
{
	return a->conf->users.n      ? "Basic realm=\"tailrace\", charset=\"UTF-8\""
	       : a->conf->api_keys.n ? "ApiKey"
				     : "Bearer realm=\"tailrace\"";
}

/* Options */

static const struct conf_field auth_fields[] = {
	CONF_MAP(
		struct http_auth_conf, users, NULL,
		"Names and passwords for HTTP basic authentication. A password may be `file:/path` "
		"or `env:NAME`; files are read again when they change.",
		.flags = CONF_PRIVATE, .example = "{shipper: \"file:/etc/tailrace/password\"}"),
	CONF_MAP(struct http_auth_conf, api_keys, NULL,
		 "Ids and keys for `Authorization: ApiKey`, as Elasticsearch's clients send them; "
		 "given as passwords are.",
		 .flags = CONF_PRIVATE, .example = "{beats: \"file:/etc/tailrace/api_key\"}"),
	CONF_LIST(struct http_auth_conf, tokens, NULL,
		  "Tokens for `Authorization: Bearer`; given as passwords are.",
		  .flags = CONF_PRIVATE, .example = "[\"file:/etc/tailrace/token\"]"),
};

static void auth_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct http_auth_conf *c = conf;

	for (size_t i = 0; i < c->users.n; i++)
		if (!c->users.items[i].key.n ||
		    memchr(c->users.items[i].key.p, ':', c->users.items[i].key.n))
			conf_error(doc, conf_get(node, "users"),
				   "a name cannot be empty or have a colon in it (RFC 7617)");
}

const struct conf_table http_auth_conf_table =
	CONF_TABLE(struct http_auth_conf, auth_fields, .check = auth_check);
