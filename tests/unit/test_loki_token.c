/* SPDX-License-Identifier: Apache-2.0 */
/* OAuth2: what is asked, and what answers are taken. */
#include "test.h"

#include "lib/check.h"
#include "lib/clock.h"
#include "outputs/loki/token.h"

static void answers(void)
{
	static const struct {
		const char *json, *token;
		int64_t life_s;
	} rows[] = {
		{ "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":3600}", "abc",
		  3540 },
		{ "{\"expires_in\":\"3600\",\"access_token\":\"a\\/b\"}", "a/b", 3540 },
		{ " {\"access_token\":\"abc\",\"expires_in\":100.5} ", "abc", 80 },
		{ "{\"access_token\":\"abc\",\"expires_in\":1}", "abc", 1 },
		{ "{\"access_token\":\"abc\",\"expires_in\":99999999999999}", "abc", 86340 },
		{ "{\"access_token\":\"abc\"}", "abc", 300 },
		{ "{\"access_token\":\"abc\",\"expires_in\":-5}", "abc", 300 },
		{ "{\"access_token\":\"abc\",\"expires_in\":null}", "abc", 300 },
		{ "{\"access_token\":\"\"}", NULL, 0 },
		{ "{\"access_token\":\"a\\r\\nX: y\"}", NULL, 0 },
		{ "{\"access_token\":7}", NULL, 0 },
		{ "{\"error\":\"invalid_client\"}", NULL, 0 },
		{ "[]", NULL, 0 },
		{ "", NULL, 0 },
		{ "<html>", NULL, 0 },
		{ "{\"access_token\":\"abc\"", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf token = BUF_INIT;
		struct err err = ERR_NONE;
		int64_t life_ns = 0;
		int rc = token_read(str_c(rows[i].json), &token, &life_ns, &err);

		ROW(rows[i].json);
		EQ_INT(rc == 0, rows[i].token != NULL);
		if (rows[i].token) {
			EQ_STR(buf_as_str(&token), rows[i].token);
			EQ_INT(life_ns, rows[i].life_s * NS_PER_S);
		} else {
			OK(err.text[0]);
		}
		buf_fini(&token);
	}
}

static void requests(void)
{
	char secret[] = "p&=\303\244 +";
	struct str scopes[] = { STR("logs:write"), STR("x") };
	struct conf_pair more[] = { { STR("audience"), STR("https://loki/?a=b"), true } };
	struct loki_oauth2 conf = { .client_id = STR("me:1"),
				    .client_secret = { SECRET_INLINE, str_c(secret) },
				    .scopes = { 2, scopes },
				    .parameters = { 1, more } };
	struct buf form = BUF_INIT;
	struct err err = ERR_NONE;
	struct headers *h = token_request(&conf, &form, &err);

	OK(h && h->n == 3);
	EQ_STR(buf_as_str(&form), "grant_type=client_credentials&scope=logs%3Awrite%20x&"
				  "audience=https%3A%2F%2Floki%2F%3Fa%3Db");
	/* me%3A1:p%26%3D%C3%A4%20%2B */
	EQ_STR(str_c(h->lines[2]), "Authorization: Basic bWUlM0ExOnAlMjYlM0QlQzMlQTQlMjAlMkI=");
	headers_free(h);
	buf_clear(&form);
	conf.client_auth = LOKI_CLIENT_POST;
	conf.scopes.n = conf.parameters.n = 0;
	h = token_request(&conf, &form, &err);
	OK(h && h->n == 2);
	EQ_STR(buf_as_str(&form), "grant_type=client_credentials&client_id=me%3A1&"
				  "client_secret=p%26%3D%C3%A4%20%2B");
	headers_free(h);
	buf_fini(&form);
	conf.client_secret = (struct secret){ SECRET_FILE, STR("/nowhere/at/all") };
	OK(!token_request(&conf, &form, &err) && err.text[0]);
	buf_fini(&form);
}

int main(void)
{
	RUN(answers);
	RUN(requests);
	return test_end();
}
