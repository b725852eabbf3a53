/* SPDX-License-Identifier: Apache-2.0 */
/* Who may: the Authorization field of a request (RFC 7617 Basic, RFC 6750 Bearer, and the ApiKey of
 * Elasticsearch's clients) against what is configured. Files are read again, so that a rotated secret
 * takes effect, and a removed one ends. */
#ifndef LIB_HTTP_AUTH_H
#define LIB_HTTP_AUTH_H

#include "lib/conf.h"
#include "lib/err.h"

struct http_auth_conf {
	struct conf_map users, api_keys; /* name -> secret */
	struct conf_list tokens;         /* secrets */
};

extern const struct conf_table http_auth_conf_table;

struct http_auth;
/* NULL in *ret when nothing is configured: everybody may. conf is borrowed. */
int http_auth_new(struct http_auth **ret, const struct http_auth_conf *conf, struct err *err);
void http_auth_free(struct http_auth *a);
/* Reads the secrets again, at most once a second. 0, or negative with err: the old ones stay. */
int http_auth_refresh(struct http_auth *a, int64_t now_ns, struct err *err);
/* field: the Authorization field as sent; p is NULL without. Takes the same time for every wrong one. */
bool http_auth_is_ok(const struct http_auth *a, struct str field);
/* For WWW-Authenticate. */
const char *http_auth_challenge(const struct http_auth *a);

#endif
