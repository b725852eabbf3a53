/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the loki output. */
#ifndef OUTPUTS_LOKI_LOKI_H
#define OUTPUTS_LOKI_LOKI_H

#include "lib/conf.h"

struct loki_backoff {
	int64_t min_ns, max_ns;
};

struct loki_basic_auth {
	struct str username;
	struct secret password;
};

enum loki_client_auth { LOKI_CLIENT_BASIC, LOKI_CLIENT_POST };

struct loki_oauth2 {
	struct str client_id, token_url; /* empty = no OAuth2 */
	struct secret client_secret;
	struct conf_list scopes;
	struct conf_map parameters;
	unsigned client_auth; /* enum loki_client_auth */
};

struct loki_tls {
	struct str ca_file, cert_file, key_file;
	bool insecure_skip_verify;
};

struct loki_dead_letter {
	size_t max_size;
	unsigned max_files;
};

struct loki_conf {
	struct str url, tenant, proxy_url;
	struct conf_list failover_urls;
	size_t batch_size, max_line;
	int64_t batch_wait_ns, timeout_ns;
	int64_t clamp_older_ns, clamp_newer_ns; /* 0 = off */
	unsigned shards;
	struct loki_backoff backoff;
	struct loki_basic_auth basic_auth;
	struct secret bearer_token;
	struct loki_oauth2 oauth2;
	struct conf_map headers;
	struct loki_tls tls;
	struct loki_dead_letter dead_letter;
};

#endif
