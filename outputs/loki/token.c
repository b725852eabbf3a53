/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a token request, and reading the answer. */
#include "outputs/loki/token.h"

#include <errno.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "pipeline/json.h"

#define LIFE_MAX_S (24 * 3600)
#define EARLY_S 60

/* application/x-www-form-urlencoded */
static void put_encoded(struct buf *b, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    memchr("-_.~", c, 4)) {
			buf_ch(b, (char)c);
		} else {
			buf_ch(b, '%');
			buf_ch(b, hex[c >> 4]);
			buf_ch(b, hex[c & 15]);
		}
	}
}

static void put_field(struct buf *form, struct str name, struct str value)
{
	if (form->n)
		buf_ch(form, '&');
	put_encoded(form, name);
	buf_ch(form, '=');
	put_encoded(form, value);
}

static void put_scopes(struct buf *form, const struct conf_list *scopes)
{
	struct buf all = BUF_INIT;

	for (size_t i = 0; i < scopes->n; i++) {
		buf_c(&all, i ? " " : "");
		buf_str(&all, scopes->items[i]);
	}
	if (all.n)
		put_field(form, STR("scope"), buf_as_str(&all));
	buf_fini(&all);
}

struct headers *token_request(const struct loki_oauth2 *conf, struct buf *form, struct err *err)
{
	struct buf secret = BUF_INIT, id = BUF_INIT, code = BUF_INIT;
	struct headers *h;

	if (secret_read(&conf->client_secret, &secret, err) < 0) {
		secret_wipe(&secret);
		return NULL;
	}
	buf_reserve(form, 3 * secret.n + 4096);
	buf_reserve(&code, 3 * secret.n + 16); /* nothing is left behind by growing */
	put_field(form, STR("grant_type"), STR("client_credentials"));
	put_scopes(form, &conf->scopes);
	for (size_t i = 0; i < conf->parameters.n; i++)
		put_field(form, conf->parameters.items[i].key, conf->parameters.items[i].value);
	h = headers_for_form();
	if (conf->client_auth == LOKI_CLIENT_BASIC) {
		/* Section 2.3.1: both encoded before they are put together. */
		put_encoded(&id, conf->client_id);
		put_encoded(&code, buf_as_str(&secret));
		headers_basic(h, buf_as_str(&id), buf_as_str(&code));
	} else {
		put_field(form, STR("client_id"), conf->client_id);
		put_field(form, STR("client_secret"), buf_as_str(&secret));
	}
	secret_wipe(&secret);
	secret_wipe(&code);
	buf_fini(&id);
	return h;
}

/* Seconds, as a number or, from some, as a string. */
static int64_t life_ns(const struct json_value *v)
{
	uint64_t s;

	if ((v->type != JSON_NUMBER && v->type != JSON_STRING) ||
	    !str_u64(str_sub(v->raw, 0, str_chr(v->raw, '.')), &s) || !s)
		return TOKEN_LIFE_NS;
	if (s > LIFE_MAX_S)
		s = LIFE_MAX_S;
	s -= s / 5 < EARLY_S ? s / 5 : EARLY_S;
	return (int64_t)s * NS_PER_S;
}

int token_read(struct str json, struct buf *ret, int64_t *ret_life_ns, struct err *err)
{
	struct json_paths *paths = json_paths_new();
	int token = json_paths_add(paths, STR("access_token"));
	int expires = json_paths_add(paths, STR("expires_in"));
	struct json_value values[8] = { 0 };
	struct str text;
	int rc = -EINVAL;

	buf_clear(ret);
	CHECK(token > 0 && expires > 0 && json_paths_slots(paths) <= ARRAY_LEN(values));
	if (json_extract(paths, json, values) != JSON_OBJECT) {
		err_set(err, rc, "the answer is no JSON object");
	} else if (values[token].type != JSON_STRING) {
		err_set(err, rc, "there is no access_token in the answer");
	} else {
		buf_reserve(ret, values[token].raw.n + 1);
		text = json_unescape(values[token].raw, ret->p);
		if (text.p != ret->p)
			memcpy(ret->p, text.p, text.n);
		ret->n = text.n;
		rc = 0;
		if (!header_value_is_valid(buf_as_str(ret)))
			rc = err_set(err, -EINVAL, "the access_token cannot be sent in a header");
		*ret_life_ns = life_ns(&values[expires]);
	}
	json_paths_free(paths);
	return rc;
}
