/* SPDX-License-Identifier: Apache-2.0 */
/* The detectors that are patterns, what becomes of a secret, and private keys over several lines. */
#include "tests/unit/test.h"

#include "lib/check.h"
#include "pipeline/pattern.h"
#include "pipeline/redact.h"

static struct pattern_scratch *ps;
static struct redact_scratch scratch;

struct row {
	const char *in, *want; /* want NULL: unchanged */
};

static void check(const struct redact_options *o, const struct row *rows, size_t n)
{
	struct err err = ERR_NONE;
	struct redact *r;

	if (redact_new(o, &r, &err)) {
		FAIL("%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct arena arena = ARENA_INIT;
		struct str s = str_c(rows[i].in);

		ROW(rows[i].in);
		EQ_INT(redact_text(r, &scratch, ps, &s, false, &arena), rows[i].want != NULL);
		EQ_STR(s, rows[i].want ? rows[i].want : rows[i].in);
		arena_fini(&arena);
	}
	redact_free(r);
}

#define A36 "abcdefghijklmnopqrstuvwxyz0123456789"

/* Tokens are put together here, so that nobody's scanner takes this file for a leak. */
static void tokens(void)
{
	static const struct row rows[] = {
		{ "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln z", "t=<redacted:jwt> z" },
		{ "eyJhbGciOiJub25lIn0.e30.", "<redacted:jwt>" },
		{ "mysql -u root -ps3cret db; ls -p x",
		  "mysql -u root -p<redacted:command_line> db; ls -p x" },
		{ "COMMAND=/usr/bin/mysqldump -p's3 cret' db",
		  "COMMAND=/usr/bin/mysqldump -p<redacted:command_line> db" },
		{ "sshpass -p s3cret ssh -p 22 h",
		  "sshpass -p <redacted:command_line> ssh -p 22 h" },
		{ "mongosh --port 1 -p s3cret", "mongosh --port 1 -p <redacted:command_line>" },
		{ "docker --debug login -u u -p s3cret r",
		  "docker --debug login -u u -p <redacted:command_line> r" },
		{ "curl -sS -u 'bob:s3cret' http://h/",
		  "curl -sS -u 'bob:<redacted:command_line>' http://h/" },
		{ "redis-cli -h h -a s3cret ping",
		  "redis-cli -h h -a <redacted:command_line> ping" },
		{ "ldapsearch -x -w s3cret -b dc=x",
		  "ldapsearch -x -w <redacted:command_line> -b dc=x" },
		{ "keytool -list -storepass s3cret",
		  "keytool -list -storepass <redacted:command_line>" },
		{ "openssl rsa -passin pass:s3cret",
		  "openssl rsa -passin pass:<redacted:command_line>" },
		{ "app -password s3cret -v", "app -password <redacted:command_line> -v" },
		{ "docker run -p 80:80 x; mkdir -p a; mysql -p -u x; curl -u bob http://h:80/",
		  NULL },
		{ "eyJ nothing", NULL },
		{ "dsn postgres://bob:s3cret@db:5432/x?y",
		  "dsn postgres://bob:<redacted:url_password>@db:5432/x?y" },
		{ "redis://:pa$$w0rd@h", "redis://:<redacted:url_password>@h" },
		/* an @ that should have been encoded */
		{ "postgres://u:p@ss@w0rd@host/db",
		  "postgres://u:<redacted:url_password>@host/db" },
		{ "https://example.com:8080/a@b", NULL },
		{ "https://bob@example.com/", NULL },
		{ "AKIA"
		  "IOSFODNN7EXAMPLE",
		  "<redacted:aws>" },
		{ "AKIA"
		  "IOSFODNN7EXAMPL",
		  NULL },
		{ "key AIza"
		  "SyA1234567890abcdefghijklmnopqrstuv.",
		  "key <redacted:gcp>." },
		{ "AccountName=x;AccountKey=" A36 A36 "==;E",
		  "AccountName=x;AccountKey=<redacted:azure>;E" },
		{ "https://a/b?sv=1&sig=" A36 "%3D%3D&x=1",
		  "https://a/b?sv=1&sig=<redacted:azure>&x=1" },
		{ "ghp_" A36, "<redacted:github>" },
		{ "ghp_short", NULL },
		{ "github_pat_" A36, "<redacted:github>" },
		{ "glpat-"
		  "abcdefghij0123456789",
		  "<redacted:gitlab>" },
		{ "xoxb-"
		  "1234567890-abcdef",
		  "<redacted:slack>" },
		{ "https://hooks.slack.com/services/"
		  "T00000000/B00000000/XXXX",
		  "https://hooks.slack.com/services/<redacted:slack>" },
		{ "sk_live_"
		  "abcdefghijklmnop",
		  "<redacted:stripe>" },
		{ "pk_live_abcdefghijklmnop", NULL },
		{ "npm_" A36 " sk-ant-" A36, "<redacted:saas> <redacted:saas>" },
		{ "task-force-sk-is-not-a-key", NULL },
	};
	struct redact_options o = { .detectors = REDACT_ALL & ~(unsigned)REDACT_SCANNED };

	check(&o, rows, ARRAY_LEN(rows));
}

static void addresses_and_accounts(void)
{
	static const struct row rows[] = {
		{ "DE89370400440532013000", "#" },
		{ "to DE89 3704 0044 0532 0130 00 now", "to # now" },
		{ "GB82 WEST 1234 5698 7654 32", "#" },
		{ "NO93 8601 1117 947, EUR 5", "#, EUR 5" },
		{ "NL91ABNA0417164300 and BE68 5390 0754 7034", "# and #" },
		{ "DE89370400440532013001", NULL },
		{ "XX89370400440532013000", NULL },
		{ "AB12 3456 7890 1234 5678", NULL },
		{ "::1", "#" },
		{ "from [2001:db8::1]:443", "from [#]:443" },
		{ "fe80::1ff:fe23:4567:890a%eth0", "#%eth0" },
		{ "2001:0db8:85a3:0000:0000:8a2e:0370:7334.", "#." },
		{ "::ffff:192.0.2.1", "#" },
		{ "10:00:00", NULL },
		{ "2026-11-21T10:20:30.123Z", NULL },
		{ "std::string a::b Abc::Def", NULL },
		{ "key: value: x", NULL },
		{ "00:1A:2b:3c:4d:5e up", "# up" },
		{ "00-1A-2b-3c-4d-5e", "#" },
		{ "001a.2b3c.4d5e", "#" },
		{ "00:1A:2b:3c:4d:5e:6f", NULL },
		{ "12:34:56:78:90", NULL },
	};
	struct redact_options o = { .detectors = REDACT_IBAN | REDACT_IPV6 | REDACT_MAC,
				    .replacement = STR("#") };

	check(&o, rows, ARRAY_LEN(rows));
}

static void national_ids(void)
{
	static const struct {
		unsigned country;
		struct row rows[4];
	} countries[] = {
		{ REDACT_US,
		  { { "ssn 078-05-1120.", "ssn #." },
		    { "666-12-3456", NULL },
		    { "000-12-3456", NULL },
		    { "078051120", NULL } } },
		{ REDACT_UK,
		  { { "AB 12 34 56 C", "#" },
		    { "ab123456c", "#" },
		    { "BG123456C", NULL },
		    { "AB123456E", NULL } } },
		{ REDACT_DE,
		  { { "86095742719", "#" },
		    { "65 929 970 489", "#" },
		    { "86095742718", NULL },
		    { "11111111111", NULL } } },
		{ REDACT_FR,
		  { { "184067505600280", "#" },
		    { "1 84 06 2A 056 002 40", "#" },
		    { "184067505600281", NULL },
		    { "484067505600280", NULL } } },
		{ REDACT_ES,
		  { { "12345678Z", "#" },
		    { "X1234567L", "#" },
		    { "12345678A", NULL },
		    { "1234567Z", NULL } } },
		{ REDACT_IT,
		  { { "RSSMRA85T10A562S", "#" },
		    { "rssmra85t10a562s", "#" },
		    { "RSSMRA85T10A562T", NULL },
		    { "RSSMRA85T10A562", NULL } } },
		{ REDACT_NL,
		  { { "111222333", "#" },
		    { "1112.22.333", "#" },
		    { "111222334", NULL },
		    { "000000000", NULL } } },
		{ REDACT_BE,
		  { { "85.07.30-033.28", "#" },
		    { "17073003384", "#" },
		    { "85073003329", NULL },
		    { "85133003328", NULL } } },
		{ REDACT_PL,
		  { { "44051401359", "#" },
		    { "44051401358", NULL },
		    { "44951401359", NULL },
		    { "4405140135", NULL } } },
		{ REDACT_SE,
		  { { "811228-9874", "#" },
		    { "198112289874", "#" },
		    { "811228-9873", NULL },
		    { "811328-9874", NULL } } },
		{ REDACT_CH,
		  { { "756.1234.5678.97", "#" },
		    { "7561234567897", "#" },
		    { "7561234567898", NULL },
		    { "7571234567897", NULL } } },
		{ REDACT_BR,
		  { { "111.444.777-35", "#" },
		    { "11144477735", "#" },
		    { "11144477734", NULL },
		    { "11111111111", NULL } } },
		{ REDACT_IN,
		  { { "2341 2341 2346", "#" },
		    { "234123412346", "#" },
		    { "234123412347", NULL },
		    { "134123412346", NULL } } },
		{ REDACT_CA,
		  { { "130 692 544", "#" },
		    { "130-692-544", "#" },
		    { "046 454 287", NULL },
		    { "046454286", NULL } } },
	};

	for (size_t i = 0; i < ARRAY_LEN(countries); i++) {
		struct redact_options o = { .national = countries[i].country,
					    .replacement = STR("#") };

		check(&o, countries[i].rows, ARRAY_LEN(countries[i].rows));
	}
}

static void actions(void)
{
	static const struct row masked[] = {
		{ "card 4111111111111111.", "card ************1111." },
		{ "mail bob@example.com", "mail ***********.com" },
		{ "password=short", "password=*****" }, /* half of it may not stay */
		{ "password=gr\xc3\xbc\xc3\x9f"
		  "e-und-mehr",
		  "password=**********mehr" },
	};
	struct redact_options mask = { .detectors = REDACT_SCANNED,
				       .action = REDACT_MASK,
				       .keep_last = 4 };
	struct redact_options hash = { .detectors = REDACT_SCANNED,
				       .action = REDACT_HASH,
				       .hash_key = STR("0123456789abcdef") };
	struct arena arena = ARENA_INIT;
	struct str s = STR("a@b.example a@b.example c@b.example"), first, second, third;
	struct redact *r;

	check(&mask, masked, ARRAY_LEN(masked));
	OK(redact_new(&hash, &r, NULL) == 0);
	OK(redact_text(r, &scratch, ps, &s, false, &arena) == 1);
	first = str_cut(&s, ' ');
	second = str_cut(&s, ' ');
	third = s;
	/* printf a@b.example | openssl dgst -sha256 -hmac 0123456789abcdef */
	EQ_STR(first, "<email:e9926fca69a8040d>");
	OK(str_eq(first, second) && !str_eq(first, third));
	redact_free(r);
	hash.hash_key = STR("0123456789abcde");
	OK(redact_new(&hash, &r, NULL) < 0);
	arena_fini(&arena);
}

#define BEGIN_KEY                                                                                  \
	"-----BEGIN RSA PRIVATE"                                                                   \
	" KEY-----"
#define END_KEY                                                                                    \
	"-----END RSA PRIVATE"                                                                     \
	" KEY-----"

static void private_keys(void)
{
	static const struct row rows[] = {
		{ "k " BEGIN_KEY "\\nMIIE\\nxyz=\\n" END_KEY " z", "k # z" },
		{ "a\n" BEGIN_KEY "\nMIIE\n" END_KEY "\nb", "a\n#\nb" },
		{ "x " BEGIN_KEY, "x #" },
		{ "-----BEGIN PUBLIC KEY-----", NULL },
		{ "-----BEGIN PGP PRIVATE KEY BLOCK----- abc", "#" },
	};
	struct redact_options o = { .detectors = REDACT_PRIVATE_KEY, .replacement = STR("#") };
	struct str open = STR("x " BEGIN_KEY " abc"), closed = STR(BEGIN_KEY " abc " END_KEY);
	struct redact *r;

	check(&o, rows, ARRAY_LEN(rows));
	OK(redact_new(&o, &r, NULL) == 0);
	EQ_INT(redact_find(r, &scratch, ps, open, false), 1);
	OK(redact_opens_block(&scratch));
	EQ_INT(redact_find(r, &scratch, ps, closed, false), 1);
	OK(!redact_opens_block(&scratch));
	EQ_INT(redact_end_of_block(STR(END_KEY)), 9);
	EQ_INT(redact_end_of_block(STR("MIIEabc")), 8);
	redact_free(r);
}

int main(void)
{
	ps = pattern_scratch_new();
	RUN(tokens);
	RUN(addresses_and_accounts);
	RUN(national_ids);
	RUN(actions);
	RUN(private_keys);
	pattern_scratch_free(ps);
	redact_scratch_fini(&scratch);
	return test_end();
}
