/* SPDX-License-Identifier: Apache-2.0 */
/* What the detectors find, what they leave alone, and what happens when a search fails. */
#include "tests/unit/test.h"

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/redact.h"

static struct pattern_scratch *ps;
static struct redact_scratch scratch;

/* Short marks keep the tables readable: # for any secret. */
static struct redact *make(unsigned detectors, const struct redact_rule *rules, size_t n)
{
	struct redact_options o = {
		.detectors = detectors, .rules = rules, .nrules = n, .replacement = STR("#")
	};
	struct err err = ERR_NONE;
	struct redact *r;

	if (redact_new(&o, &r, &err)) {
		FAIL("%s", err.text);
		exit(1);
	}
	return r;
}

struct row {
	const char *in, *want; /* want NULL: unchanged */
	bool is_open;          /* the secret goes on to the end of the text */
};

/* Each row alone, and again at many places of longer texts, so that the vector code sees it across
 * its borders. */
static void check_rows(unsigned detectors, const struct row *rows, size_t n)
{
	struct redact *r = make(detectors, NULL, 0);
	struct buf text = BUF_INIT, want = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		ROW(rows[i].in);
		for (size_t pad = 0; pad < 140; pad++) {
			struct arena arena = ARENA_INIT;
			struct str exact, got;
			size_t behind = pad % 3 && !rows[i].is_open ? pad % 70 : 0;

			buf_clear(&text);
			buf_clear(&want);
			for (size_t k = 0; k < pad; k++)
				buf_ch(&text, k % 5 ? '~' : ' ');
			if (pad)
				buf_ch(&text, ' ');
			buf_put(&want, text.p, text.n);
			buf_c(&text, rows[i].in);
			buf_c(&want, rows[i].want ? rows[i].want : rows[i].in);
			for (size_t k = 0; k < behind; k++) {
				buf_c(&text, k ? "~" : " ");
				buf_c(&want, k ? "~" : " ");
			}
			exact = str_make(mem_dup(text.p, text.n), text.n);
			got = exact;
			EQ_INT(redact_text(r, &scratch, ps, &got, false, &arena),
			       rows[i].want != NULL);
			EQ_STR(got, buf_cstr(&want));
			mem_free((char *)exact.p);
			arena_fini(&arena);
		}
	}
	buf_fini(&text);
	buf_fini(&want);
	redact_free(r);
}

static void cards(void)
{
	static const struct row rows[] = {
		{ "4111111111111111", "#" },
		{ "pay 4111 1111 1111 1111 now", "pay # now" },
		{ "4111-1111-1111-1111", "#" },
		{ "card=5555555555554444;", "card=#;" },
		{ "378282246310005", "#" },
		{ "3782 822463 10005", "#" },
		{ "6011111111111117", "#" },
		{ "30569309025904", "#" },
		{ "3056 930902 5904", "#" },
		{ "3530111333300000", "#" },
		{ "6200000000000005", "#" },
		{ "4222222222222", "#" },
		{ "2223003122003222", "#" },
		{ "2200 0000 0000 0004", "#" },
		{ "6304 0000 0000 0000", "#" },
		{ "4111 1111 1111 1111 2026", "# 2026" },
		{ "2026 4111 1111 1111 1111", "2026 #" },
		{ "\\n4111111111111111\\n", "\\n#\\n" },
		{ "pan4111111111111111", "pan#" },
		{ "4111111111111111 5555555555554444", "# #" },
		/* not a card */
		{ "4111111111111112", NULL },
		{ "4111 1111-1111 1111", NULL },
		{ "4111  1111 1111 1111", NULL },
		{ "41111111111111111", NULL },
		{ "1111111111111117", NULL },
		{ "dead4111111111111111beef", NULL },
		{ "a4111111111111111", NULL },
		{ "0.4111111111111111", NULL },
		{ "00000000000000000000000000004111111111111111", NULL },
		{ "2026-11-20 10:00:00.123456", NULL },
		{ "1795168800123456789", NULL },
		{ "550e8400-e29b-41d4-a716-446655440000", NULL },
	};

	check_rows(REDACT_CARD, rows, ARRAY_LEN(rows));
}

static void emails(void)
{
	static const struct row rows[] = {
		{ "bob@example.com", "#" },
		{ "<bob.o'neil+x@mail.example.co.uk>", "<#>" },
		{ "user=bob@example.com,", "user=#," },
		{ "to bob@example.com.", "to #." },
		{ "'bob@example.com'", "'#'" },
		{ "a@b.io b@c.io", "# #" },
		{ "\"j\303\274rgen@m\303\274nchen.de\"", "\"#\"" },
		{ "bob%x_y-z@sub-domain.example-site.org/path", "#/path" },
		{ "https://u:pw@host.example/x", "https://u:#/x" },
		{ "x@1.2.3.com", "#" },
		/* none */
		{ "root@localhost", NULL },
		{ "@handle and a@ b", NULL },
		{ "[meta@32473 a=b]", NULL },
		{ "pkg@1.2.3", NULL },
		{ "a@b.c", NULL },
		{ "@example.com", NULL },
		{ "@@@@", NULL },
		{ "?q=bob%40example.com&x=1", "?q=#&x=1" },
		{ "u%3Dbob.b%40mail.example.com%26a@b.cd", "u%3D#" },
		{ "a@b.cd %40 x%40y bob%40x.yz", "# %40 x%40y #" },
		{ "user@1000.service logo@2x.png 50%401.5", NULL },
	};

	check_rows(REDACT_EMAIL, rows, ARRAY_LEN(rows));
}

static void addresses(void)
{
	static const struct row rows[] = {
		{ "10.0.0.1", "#" },
		{ "from 192.168.10.255:8080 to 8.8.8.8.", "from #:8080 to #." },
		{ "ip=255.255.255.255,", "ip=#," },
		{ "(1.2.3.4)", "(#)" },
		{ "10.0.0.1/24", "#/24" },
		{ "10.0.0.1.443 > 10.0.0.2.1234567:", "# > #:" },
		{ "::ffff:10.1.2.3", "::ffff:#" },
		{ "ip-10.1.2.3x", "ip-#x" },
		/* none */
		{ "256.1.1.1", NULL },
		{ "1.2.3", NULL },
		{ "1.2.3.", NULL },
		{ "1.3.6.1.4.1.32473", NULL },
		{ "1.2.3.1234", NULL },
		{ "1..2.3.4", NULL },
		{ "12.5ms 1.23 v2.0", NULL },
		{ "v1.2.3.4 version: 10.0.0.1 Chrome/120.0.0.0 x", NULL },
		{ "localhost/127.0.0.1:80 server=10.0.0.1", "localhost/#:80 server=#" },
		{ "2026.11.20", NULL },
	};

	check_rows(REDACT_IPV4, rows, ARRAY_LEN(rows));
}

static void schemes(void)
{
	static const struct row rows[] = {
		{ "Authorization: Bearer abcDEF123._~+/-x==", "Authorization: Bearer #" },
		{ "bearer ey12345678", "bearer #" },
		{ "BEARER  ABCdefGHI", "BEARER  #" },
		{ "x Basic dXNlcjpwYXNzd29yZA==", "x Basic #" },
		{ "{\"basic\":\"dXNlcjpwYXNz\"}", "{\"basic\":\"#\"}" },
		{ "Bearer%20eyJhbGciOiJIUzI1NiJ9.e30.x, next", "Bearer%20#, next" },
		{ "bearer abcdefghijklmnopqrstuvwxyz", "bearer #" },
		{ "Bearer tok3nnn. Then", "Bearer #. Then" },
		/* words */
		{ "basic authentication failed", NULL },
		{ "Basic Auth required", NULL },
		{ "basic auth/tls setup", NULL },
		{ "bearer of bad news", NULL },
		{ "Bearer Token", NULL },
		{ "basic 10", NULL },
		{ "\"token_type\":\"Bearer\",\"expires_in\":3600", NULL },
		{ "nonbasic dXNlcjpwYXNz", NULL },
		{ "bearerXYZ123456789", NULL },
		{ "be bear bea basi", NULL },
	};

	check_rows(REDACT_BEARER | REDACT_BASIC, rows, ARRAY_LEN(rows));
}

static void key_values(void)
{
	static const struct row rows[] = {
		{ "hello password=secret", "hello password=#" },
		{ "PASSWORD=x y", "PASSWORD=# y" },
		{ "db_password: hunter2", "db_password: #" },
		{ "userPasswd=a,user=bob", "userPasswd=#,user=bob" },
		{ "pwd = a;b;c d", "pwd = # d" },
		{ "password=pa,ss;w&rd|x)!", "password=#" },
		{ "?token=abc&x=1&api_key=K9 z", "?token=#&x=1&api_key=# z" },
		{ "{password=abc}", "{password=#}" },
		{ "(token=abc), next", "(token=#), next" },
		{ "apikey=1 api-key=2 access_key=3 private-key=4 secretKey=5",
		  "apikey=# api-key=# access_key=# private-key=# secretKey=#" },
		{ "aws_secret_access_key = AbC/dEf+1", "aws_secret_access_key = #" },
		{ "password\t=\tx y", "password\t=\t# y" },
		{ "{\"password\"\t: \"x y\"}", "{\"password\"\t: \"#\"}" },
		{ "Authorization:\tBearer\tabc def", "Authorization:\t# def" },
		{ "password => 'x y' z", "password => '#' z" },
		{ "password := \"x y\"", "password := \"#\"" },
		{ "{\"password\":\"a b\",\"user\":\"c\"}", "{\"password\":\"#\",\"user\":\"c\"}" },
		{ "{\"Token\" : \"a\\\"b\"}", "{\"Token\" : \"#\"}" },
		{ "{\"token\":123,\"a\":1}", "{\"token\":\"#\",\"a\":1}" },
		{ "{\"secret\":{\"a\":\"}\",\"b\":[1]},\"c\":2}", "{\"secret\":\"#\",\"c\":2}" },
		{ "{\"secret\":[\"a\",\"b\"]}", "{\"secret\":\"#\"}" },
		{ "\"msg\":\"login password=abc\",\"user\":\"bob\"",
		  "\"msg\":\"login password=#\",\"user\":\"bob\"" },
		{ "\"msg\":\"{\\\"password\\\":\\\"a b\\\",\\\"u\\\":1}\"",
		  "\"msg\":\"{\\\"password\\\":\\\"#\\\",\\\"u\\\":1}\"" },
		{ "\"msg\":\"set \\\"password=abc\\\" done\"",
		  "\"msg\":\"set \\\"password=#\\\" done\"" },
		{ "user[password]=x&b=1", "user[password]=#&b=1" },
		{ "user%5Bpassword%5D=x&b=1", "user%5Bpassword%5D=#&b=1" },
		{ "config[\"password\"] = \"x\"", "config[\"password\"] = \"#\"" },
		{ "password=\"no end here", "password=\"#", true },
		{ "password='it\\'s' x", "password='#' x" },
		{ "password=it's x", "password=# x" },
		{ "token=[a b", "token=#", true },
		{ "Authorization: Bearer abc def", "Authorization: # def" },
		{ "authorization=Basic dXNl user=bob", "authorization=# user=bob" },
		{ "authorization: hunter2 x", "authorization: # x" },
		{ "Authorization: Digest username=\"x\", response=\"y\"", "Authorization: #",
		  true },
		{ "-H 'Authorization: Bearer abc' -d 1", "-H 'Authorization: #' -d 1" },
		{ "proxy-authorization: token abc", "proxy-authorization: #" },
		{ "password=password=x", "password=#" },
		{ "password= x token: user=bob", "password= # token: #" },
		{ "\\\\\\\"password\\\\\\\":\\\\\\\"a b\\\\\\\",\\\\\\\"u",
		  "\\\\\\\"password\\\\\\\":\\\\\\\"#\\\\\\\",\\\\\\\"u" },
		{ "\"m\":\"{\\\"secret\\\":\\\"a\\\\\\\"b\\\"}\"",
		  "\"m\":\"{\\\"secret\\\":\\\"#\\\"}\"" },
		{ "passphrase=open sesame", "passphrase=# sesame" },
		{ "db_pass=a1 bindpw=b2 wpa_psk=c3 cvv=123 otp=123456",
		  "db_pass=# bindpw=# wpa_psk=# cvv=# otp=#" },
		{ "signing-key=a1 encryptionKey=b2 hmac.key=c3 AUTH_KEY=d4",
		  "signing-key=# encryptionKey=# hmac.key=# AUTH_KEY=#" },
		{ "X-Amz-Signature=0f1e&x=1", "X-Amz-Signature=#&x=1" },
		{ "> Cookie: sid=1; theme=dark", "> Cookie: #", true },
		{ "-H 'Set-Cookie: sid=1; Path=/' x", "-H 'Set-Cookie: #' x" },
		{ "run --password hunter --user bob", "run --password # --user bob" },
		{ "[\"--api-key\",\"x y\"]", "[\"--api-key\",\"#\"]" },
		{ "('--token', 'x') --db.passwd=1", "('--token', '#') --db.passwd=#" },
		{ "?q=password%3Dab%26x%3D1&b=password", "?q=password%3D#%26x%3D1&b=password" },
		{ "{%22token%22%3A%22a%20b%22%7D", "{%22token%22%3A%22#%20b%22%7D" },
		{ "token: abc123def x", "token: # x" },
		{ "token=unexpected", "token=#" },
		{ "password: hunter", "password: #" },
		{ "password: <hunter>", "password: #" },
		{ "token=<abc123>", "token=#" },
		{ "password=[a]", "password=#" },
		{ "password=a(b) c", "password=# c" },
		/* nothing to hide */
		{ "Unexpected token: identifier at 1:4", NULL },
		{ "syntax error, unexpected token: ')'", NULL },
		{ "invalid password: must have 8 characters", NULL },
		{ "login failed, password: incorrect.", NULL },
		{ "authorization: required", NULL },
		{ "tests pass: 12, compass=3 bypass=yes", NULL },
		{ "use --password to set it, --token is unset", NULL },
		{ "--password-file /x --tokens 3 --user a", NULL },
		{ "password=******** token=<redacted:key_value> secret=\"[FILTERED]\"", NULL },
		{ "password=<card:0123456789abcdef> pwd=${DB_PASSWORD} --token <token>", NULL },
		{ "PWD=/home/bob ; USER=root OLDPWD=/root \"PWD\":\"/x\"", NULL },
		{ "cookie=yes", NULL },
		{ "---- .. -- --- 100%3D 50%40", NULL },
		{ "password= ", NULL, true },
		{ "password=", NULL, true },
		{ "password= user=bob", NULL },
		{ "\"password\":null,\"token\":false,\"secret\":true", NULL },
		{ "password=\"\" token=''", NULL },
		{ "\"secret\":{} x", NULL },
		{ "passwords=3 tokens: 4 secretary=x keyed=1 count=2 method=GET", NULL },
		{ "monkey=1 key=2 turkey:3", NULL },
		{ "password reset", NULL },
		{ "10:00:00 a: b", NULL },
	};

	check_rows(REDACT_KEY_VALUE, rows, ARRAY_LEN(rows));
}

static void together(void)
{
	static const struct row rows[] = {
		{ "password=bob@example.com 4111111111111111", "password=# #" },
		{ "token=4111-1111-1111-1111 from 10.0.0.1", "token=# from #" },
		{ "Authorization: Bearer eyJx.y.z1, a@b.com", "Authorization: #, #" },
		{ "ts=2026-11-20T10:00:00.000Z level=info service=checkout host=node-01 "
		  "id=s003n0000001234 method=GET path=/api/v1/orders/1 status=200 "
		  "duration_ms=12.5 bytes=100 msg=\"request handled\"",
		  NULL },
	};

	check_rows(REDACT_ALL, rows, ARRAY_LEN(rows));
}

static void only_what_is_on(void)
{
	const char *text = "4111111111111111 a@b.com 10.0.0.1 bearer abc1234 basic abc1234 pwd=x";
	static const char *const want[] = {
		"# a@b.com 10.0.0.1 bearer abc1234 basic abc1234 pwd=x",
		"4111111111111111 # 10.0.0.1 bearer abc1234 basic abc1234 pwd=x",
		"4111111111111111 a@b.com # bearer abc1234 basic abc1234 pwd=x",
		"4111111111111111 a@b.com 10.0.0.1 bearer # basic abc1234 pwd=x",
		"4111111111111111 a@b.com 10.0.0.1 bearer abc1234 basic # pwd=x",
		"4111111111111111 a@b.com 10.0.0.1 bearer abc1234 basic abc1234 pwd=#",
	};

	for (unsigned k = 0; k < ARRAY_LEN(want); k++) {
		struct redact *r = make(1u << k, NULL, 0);
		struct arena arena = ARENA_INIT;
		struct str s = str_c(text);

		scratch.hits[k] = 0;
		ROW(want[k]);
		EQ_INT(redact_text(r, &scratch, ps, &s, false, &arena), 1);
		EQ_STR(s, want[k]);
		EQ_INT(scratch.hits[k], 1);
		arena_fini(&arena);
		redact_free(r);
	}
}

static void own_patterns(void)
{
	static const struct redact_rule rules[] = {
		{ STR("aws"), STR("AKIA[0-9A-Z]{4}"), STR_NONE },
		{ STR("id"), STR("emp=(?:E(\\d+)|x)"), STR("<id>") },
		{ STR("digits"), STR("\\d"), STR_NONE },
	};
	static const struct row rows[] = {
		{ "k AKIAABCD z", "k <redacted:aws> z" },
		{ "emp=E12 emp=x", "emp=E<id> <id>" },
		{ "n 1234", "n <redacted:digits>" },
		{ "AKIA1234", "<redacted:aws>" },
		{ "none", NULL },
	};
	struct redact_options o = { .rules = rules, .nrules = ARRAY_LEN(rules) };
	struct redact *r;

	EQ_INT(redact_new(&o, &r, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = ARENA_INIT;
		struct str s = str_c(rows[i].in);

		ROW(rows[i].in);
		EQ_INT(redact_text(r, &scratch, ps, &s, false, &arena), rows[i].want != NULL);
		EQ_STR(s, rows[i].want ? rows[i].want : rows[i].in);
		arena_fini(&arena);
	}
	EQ_STR(str_c(redact_kind_name(r, REDACT_KIND_RULES + 1)), "id");
	redact_free(r);
}

static void bad_options(void)
{
	static char long_text[200];
	struct redact_rule rule = { STR("x"), STR("a(?=b)"), STR_NONE };
	struct redact_options o = { .rules = &rule, .nrules = 1 };
	struct err err = ERR_NONE;
	struct redact *r;

	OK(redact_new(&o, &r, &err) < 0);
	EQ_STR(str_c(err.text), "pattern x: look-ahead is not supported (at column 2)");
	OK(r == NULL);
	rule.expression = STR("a");
	rule.name = STR_NONE;
	OK(redact_new(&o, &r, &err) < 0);
	memset(long_text, 'x', sizeof(long_text));
	rule.name = STR("x");
	rule.replacement = str_make(long_text, sizeof(long_text));
	OK(redact_new(&o, &r, &err) < 0);
	o.nrules = 0;
	o.replacement = rule.replacement;
	OK(redact_new(&o, &r, &err) < 0);
}

/* A search that cannot be completed masks all. */
static void fails_closed(void)
{
	static const struct redact_rule limit = { STR("x"), STR("(a+)+$"), STR_NONE };
	static const struct redact_rule utf = { STR("x"), STR("\\pL{99}"), STR_NONE };
	static const struct redact_rule grow = { STR("x"), STR("a"),
						 STR("0123456789012345678901234567890123456789") };
	struct redact *r = make(0, &limit, 1);
	struct arena arena = ARENA_INIT;
	size_t n = 100000;
	char *big = mem_alloc(n);
	struct str s = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! password=x");
	uint64_t failed = scratch.failed;

	EQ_INT(redact_text(r, &scratch, ps, &s, false, &arena), -1);
	EQ_STR(s, REDACT_ERROR_TEXT);
	EQ_INT(scratch.failed, failed + 1);
	redact_free(r);
	r = make(0, &utf, 1);
	s = STR("\377\377");
	EQ_INT(redact_text(r, &scratch, ps, &s, false, &arena), -1);
	EQ_STR(s, REDACT_ERROR_TEXT);
	redact_free(r);
	for (size_t i = 0; i < n; i++)
		big[i] = i % 2 ? 'b' : 'a';
	r = make(0, &grow, 1);
	s = str_make(big, n);
	EQ_INT(redact_text(r, &scratch, ps, &s, false, &arena), -1);
	EQ_STR(s, REDACT_ERROR_TEXT);
	redact_free(r);
	mem_free(big);
	arena_fini(&arena);
}

static void cut_texts(void)
{
	static const struct redact_rule rule = { STR("aws"), STR("AKIA [0-9A-Z]{8}"), STR_NONE };
	static const struct row rows[] = {
		{ "user joined 4111 1111 11", "user joined #" },
		{ "user joined 4111 1111 ", "user joined #" },
		{ "a 12 4111", "a 12 #" },
		{ "mail to john.d", "mail to #" },
		{ "x password=ab", "x #" },
		{ "\"password\":\"ab cd", "\"password\":\"#" },
		{ "x Bearer ab", "x Bearer #" },
		{ "k AKIA 01", "k #" },
		{ "all done ", NULL },
	};
	struct redact *r = make(REDACT_ALL, &rule, 1);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = ARENA_INIT;
		struct str s = str_c(rows[i].in);

		ROW(rows[i].in);
		EQ_INT(redact_text(r, &scratch, ps, &s, true, &arena), rows[i].want != NULL);
		EQ_STR(s, rows[i].want ? rows[i].want : rows[i].in);
		arena_fini(&arena);
	}
	redact_free(r);
}

static void parts(void)
{
	struct redact *r = make(REDACT_KEY_VALUE, NULL, 0);
	struct str text = STR("a password=secret b");
	struct arena arena = ARENA_INIT;
	bool changed;

	EQ_INT(redact_find(r, &scratch, ps, text, false), 1);
	EQ_STR(redact_write_part(r, &scratch, text, 11, 17, &arena, &changed), "#");
	OK(changed);
	EQ_STR(redact_write_part(r, &scratch, text, 13, 19, &arena, &changed), "# b");
	EQ_STR(redact_write_part(r, &scratch, text, 0, 12, &arena, &changed), "a password=#");
	EQ_STR(redact_write_part(r, &scratch, text, 0, 11, &arena, &changed), "a password=");
	OK(!changed);
	EQ_STR(redact_write_part(r, &scratch, text, 17, 19, &arena, &changed), " b");
	OK(!changed);
	EQ_STR(redact_write(r, &scratch, text, &arena), "a password=# b");
	arena_fini(&arena);
	redact_free(r);
}

static void names(void)
{
	struct redact *r = make(REDACT_KEY_VALUE, NULL, 0), *off = make(REDACT_CARD, NULL, 0);

	OK(redact_is_secret_name(r, STR("db.Password")));
	OK(redact_is_secret_name(r, STR("token")));
	OK(!redact_is_secret_name(r, STR("tokens")));
	OK(!redact_is_secret_name(r, STR("")));
	OK(!redact_is_secret_name(off, STR("password")));
	redact_free(r);
	redact_free(off);
}

/* Texts made to be slow: each must take time in proportion to its length. */
static void hostile_texts(void)
{
	static const char *const units[] = {
		"@",
		"a@",
		"password=",
		"password=\"",
		"password='",
		"password=[",
		"4111 1111 1111 ",
		"1.1.1.1.1.",
		"bearer ",
		"token=a,",
		"1111111111111a",
		"\\\"password\\\":\\\"",
		"pwd=,",
		"secret={\"",
		"a.b@c.",
		"authorization: digest ",
		"token=null ",
		"0123456789abcd",
		"basic:=\"basic:=",
		"password=\\",
		"password\\u003d",
		"password\\u0022:\\u0022",
		"password\\\\u0022:\\\\u0022",
		"<password>x",
		"\"name\":\"password\",\"value\":\"",
	};
	struct redact *r = make(REDACT_ALL, NULL, 0);
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		struct arena arena = ARENA_INIT;
		struct str s;

		ROW(units[i]);
		buf_clear(&b);
		while (b.n < 1000000)
			buf_c(&b, units[i]);
		s = buf_as_str(&b);
		redact_text(r, &scratch, ps, &s, true, &arena);
		OK(s.n > 0);
		arena_fini(&arena);
	}
	buf_fini(&b);
	redact_free(r);
}

int main(void)
{
	ps = pattern_scratch_new();
	RUN(cards);
	RUN(emails);
	RUN(addresses);
	RUN(schemes);
	RUN(key_values);
	RUN(together);
	RUN(only_what_is_on);
	RUN(own_patterns);
	RUN(bad_options);
	RUN(fails_closed);
	RUN(cut_texts);
	RUN(parts);
	RUN(names);
	RUN(hostile_texts);
	redact_scratch_fini(&scratch);
	pattern_scratch_free(ps);
	return test_end();
}
