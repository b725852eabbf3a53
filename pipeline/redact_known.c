/* SPDX-License-Identifier: Apache-2.0 */
/* The table of detectors that are patterns. Formats of tokens are those their issuers publish for
 * secret scanning. */
#include "pipeline/redact_known.h"

#include <arpa/inet.h>

#include "lib/check.h"

/* clang does so by itself. */
#ifdef __clang__
#define VECTORISED
#else
#define VECTORISED __attribute__((optimize("O3")))
#endif

/* Plain loops over bytes, which the compiler turns into vector code when asked to. */
VECTORISED struct redact_counts redact_count(struct str text)
{
	size_t digits = 0, dashes = 0, colons = 0, dots = 0, doubles = 0;

	for (size_t from = 0; from < text.n; from += 128) {
		uint8_t n[5] = { 0 };
		size_t end = text.n - from < 128 ? text.n : from + 128;

		for (size_t i = from; i < end; i++) {
			n[0] = (uint8_t)(n[0] + ((uint8_t)(text.p[i] - '0') < 10));
			n[1] = (uint8_t)(n[1] + (text.p[i] == '-'));
			n[2] = (uint8_t)(n[2] + (text.p[i] == ':'));
			n[3] = (uint8_t)(n[3] + (text.p[i] == '.'));
		}
		for (size_t i = from ? from : 1; i < end; i++)
			n[4] = (uint8_t)(n[4] + ((text.p[i] == ':') & (text.p[i - 1] == ':')));
		digits += n[0];
		dashes += n[1];
		colons += n[2];
		dots += n[3];
		doubles += n[4];
	}
	return (struct redact_counts){ digits, dashes, doubles || colons >= 7,
				       colons >= 5 || dashes >= 5 || dots >= 2 };
}

bool redact_has_enough(const struct redact_counts *have, const struct redact_counts *least)
{
	return have->digits >= least->digits && have->dashes >= least->dashes &&
	       have->of_ipv6 >= least->of_ipv6 && have->of_mac >= least->of_mac;
}

static bool is_word(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- IBAN (ISO 13616): country, check digits, mod 97 ---- */

static const struct {
	char country[3];
	uint8_t length;
} ibans[] = {
	{ "AD", 24 }, { "AE", 23 }, { "AL", 28 }, { "AT", 20 }, { "AZ", 28 }, { "BA", 20 },
	{ "BE", 16 }, { "BG", 22 }, { "BH", 22 }, { "BI", 27 }, { "BR", 29 }, { "BY", 28 },
	{ "CH", 21 }, { "CR", 22 }, { "CY", 28 }, { "CZ", 24 }, { "DE", 22 }, { "DJ", 27 },
	{ "DK", 18 }, { "DO", 28 }, { "EE", 20 }, { "EG", 29 }, { "ES", 24 }, { "FI", 18 },
	{ "FK", 18 }, { "FO", 18 }, { "FR", 27 }, { "GB", 22 }, { "GE", 22 }, { "GI", 23 },
	{ "GL", 18 }, { "GR", 27 }, { "GT", 28 }, { "HN", 28 }, { "HR", 21 }, { "HU", 28 },
	{ "IE", 22 }, { "IL", 23 }, { "IQ", 23 }, { "IS", 26 }, { "IT", 27 }, { "JO", 30 },
	{ "KW", 30 }, { "KZ", 20 }, { "LB", 28 }, { "LC", 32 }, { "LI", 21 }, { "LT", 20 },
	{ "LU", 20 }, { "LV", 21 }, { "LY", 25 }, { "MC", 27 }, { "MD", 24 }, { "ME", 22 },
	{ "MK", 19 }, { "MN", 20 }, { "MR", 27 }, { "MT", 31 }, { "MU", 30 }, { "NI", 28 },
	{ "NL", 18 }, { "NO", 15 }, { "OM", 23 }, { "PK", 24 }, { "PL", 28 }, { "PS", 29 },
	{ "PT", 25 }, { "QA", 29 }, { "RO", 24 }, { "RS", 22 }, { "RU", 33 }, { "SA", 24 },
	{ "SC", 31 }, { "SD", 18 }, { "SE", 24 }, { "SI", 19 }, { "SK", 24 }, { "SM", 27 },
	{ "SO", 23 }, { "ST", 25 }, { "SV", 28 }, { "TL", 23 }, { "TN", 24 }, { "TR", 26 },
	{ "UA", 29 }, { "VA", 22 }, { "VG", 24 }, { "XK", 20 }, { "YE", 30 },
};

static unsigned iban_length(const char *p)
{
	for (size_t i = 0; i < ARRAY_LEN(ibans); i++)
		if (ibans[i].country[0] == (p[0] & ~32) && ibans[i].country[1] == (p[1] & ~32))
			return ibans[i].length;
	return 0;
}

static unsigned mod97(unsigned rest, char c)
{
	if (is_digit(c))
		return (rest * 10 + (unsigned)(c - '0')) % 97;
	return (rest * 100 + (unsigned)((c & ~32) - 'A' + 10)) % 97;
}

static size_t check_iban(struct str text, size_t start, size_t end)
{
	unsigned want = iban_length(text.p + start), n = 0, rest = 0;
	char kept[40];
	size_t i;

	for (i = start; i < end && n < want; i++)
		if (is_word(text.p[i]) && text.p[i] != '_')
			kept[n++] = text.p[i];
	if (!want || n < want || (i < text.n && is_word(text.p[i])))
		return 0;
	for (unsigned k = 0; k < n; k++)
		rest = mod97(rest, kept[(k + 4) % n]);
	return rest == 1 ? i : 0;
}

/* ---- addresses of machines ---- */

static size_t check_ipv6(struct str text, size_t start, size_t end)
{
	size_t colons = 0, digits = 0;
	unsigned char address[16];
	char copy[64];

	while (end > start && text.p[end - 1] == '.')
		end--;
	if ((start > 0 && (is_word(text.p[start - 1]) || text.p[start - 1] == ':' ||
			   text.p[start - 1] == '.')) ||
	    (end < text.n && (is_word(text.p[end]) || text.p[end] == ':')) ||
	    end - start >= sizeof(copy))
		return 0;
	memcpy(copy, text.p + start, end - start);
	copy[end - start] = 0;
	for (const char *c = copy; *c; c++) {
		colons += *c == ':';
		digits += is_digit(*c);
	}
	/* a::b is C++ as often as an address; :: alone hides nothing. */
	return (digits || colons > 3) && inet_pton(AF_INET6, copy, address) == 1 ? end : 0;
}

static size_t check_mac(struct str text, size_t start, size_t end)
{
	char gap = text.p[start + 2];
	bool is_long = start > 1 && text.p[start - 1] == gap && is_word(text.p[start - 2]);

	for (size_t i = start + 2; (gap == ':' || gap == '-') && i < end; i += 3)
		if (text.p[i] != gap)
			return 0;
	is_long |= end + 1 < text.n && text.p[end] == gap && is_word(text.p[end + 1]);
	return is_long ? 0 : end;
}

/* --token is key_value's business, who knows a sentence from a secret. */
static size_t check_command_line(struct str text, size_t start, size_t end)
{
	size_t i = start;

	while (i && (text.p[i - 1] == ' ' || text.p[i - 1] == '\t'))
		i--;
	while (i && is_word(text.p[i - 1]))
		i--;
	return i > 1 && text.p[i - 1] == '-' && text.p[i - 2] == '-' ? 0 : end;
}

/* ---- the table; kinds of splices are counted in this order ---- */

#define BEGIN "-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
#define END "-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"

/* Of a command line: further words up to an option, its value in a word of its own or not. */
#define OPTIONS "[^|;]*?\\s"
#define ARGUMENT "(\"[^\"]*\"|'[^']*'|[^\\s\"'<-][^\\s\"']*)"

#define LOGIN "[^|;]*?\\blogin" OPTIONS "-p\\s+" ARGUMENT

/* Prefixes are written out rather than as classes (ghp_|gho_, not gh[po]_): the literals of all are
 * looked for together, and from three bytes on that is cheap. */
const struct redact_known redact_known[REDACT_KNOWN] = {
	{ "jwt", "\\beyJ[A-Za-z0-9_-]{6,}(?:\\.[A-Za-z0-9_-]*){2,4}", .detector = REDACT_JWT },
	{ "url_password", "[A-Za-z][A-Za-z0-9+.-]*://[^\\s/?#@:\"'<>]*:([^\\s/\"'<>]+)@",
	  .detector = REDACT_URL_PASSWORD },
	{ "private_key", BEGIN "(?s:.*?" END "|.*)", .detector = REDACT_PRIVATE_KEY },
	{ "aws", "\\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\\b", .detector = REDACT_AWS },
	{ "gcp",
	  "\\bAIza[A-Za-z0-9_-]{35}|\\bya29\\.[A-Za-z0-9_.-]{20,}|\\bGOCSPX-[A-Za-z0-9_-]{28}",
	  .detector = REDACT_GCP },
	{ "azure",
	  "AccountKey=([A-Za-z0-9+/=]{40,})|[?&]sig=([A-Za-z0-9%+/=_-]{40,})|"
	  "\\b[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{31,34}",
	  .detector = REDACT_AZURE },
	{ "github",
	  "\\b(?:ghp_|gho_|ghu_|ghs_|ghr_)[A-Za-z0-9]{36,255}|\\bgithub_pat_[A-Za-z0-9_]{22,255}",
	  .detector = REDACT_GITHUB },
	{ "gitlab",
	  "\\b(?:glpat-|gloas-|gldt-|glrt-|glcbt-|glptt-|glft-|glimt-|glagent-|glsoat-|glffct-)"
	  "[A-Za-z0-9_.-]{20,300}",
	  .detector = REDACT_GITLAB },
	{ "slack",
	  "\\bxox[abeoprs](?:\\.xox[abp])?-[A-Za-z0-9-]{10,250}|\\bxapp-[0-9]-[A-Za-z0-9-]{20,250}|"
	  "hooks\\.slack\\.com/(?:services|workflows)/([A-Za-z0-9_/+-]{20,})",
	  .detector = REDACT_SLACK },
	{ "stripe",
	  "\\b(?:sk_live_|sk_test_|rk_live_|rk_test_)[A-Za-z0-9]{10,250}|\\bwhsec_[A-Za-z0-9+/"
	  "=]{32,}",
	  .detector = REDACT_STRIPE },
	{ "saas",
	  "\\bnpm_[A-Za-z0-9]{36}|\\bpypi-[A-Za-z0-9_-]{50,}|\\bSG\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-"
	  "9_-]"
	  "{43}|\\bdo[opr]_v1_[a-f0-9]{64}|\\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|"
	  "\\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}|\\bhf_[A-Za-z]{34}|"
	  "\\b(?:glsa_|glc_)[A-Za-z0-9_=+/"
	  "]{32,}|\\b(?:hvs|hvb|hvr)\\.[A-Za-z0-9_-]{24,}|\\bdp\\.[a-z]{2,4}\\."
	  "[A-Za-z0-9]{40,}|\\bATATT3[A-Za-z0-9_=-]{100,}",
	  .detector = REDACT_SAAS },
	{ "iban", "\\b[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,3})?",
	  .detector = REDACT_IBAN, .least = { .digits = 10 }, .check = check_iban },
	{ "ipv6", "(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}", .detector = REDACT_IPV6,
	  .least = { .of_ipv6 = 1 }, .check = check_ipv6 },
	{ "mac",
	  "\\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\\b|\\b[0-9A-Fa-f]{4}\\.[0-9A-Fa-f]{4}\\.[0-"
	  "9A-Fa-"
	  "f]{4}\\b",
	  .detector = REDACT_MAC, .least = { .of_mac = 1 }, .check = check_mac },
	{ "command_line",
	  "\\bsshpass\\s+-p\\s*" ARGUMENT "|\\b(?:mysql|mariadb)" OPTIONS "-p" ARGUMENT
	  "|\\bmongo" OPTIONS "-p\\s+" ARGUMENT "|\\bdocker\\s" LOGIN "|\\bpodman\\s" LOGIN
	  "|\\bhelm\\s" LOGIN "|\\bcurl" OPTIONS
	  "(?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\\s:\"']*:([^\\s\"']+)"
	  "|\\bredis-cli" OPTIONS "-a\\s+" ARGUMENT "|\\bldap[a-z]+" OPTIONS "-w\\s+" ARGUMENT
	  "|\\B-pass(?:in|out)?\\s+pass:([^\\s\"'<][^\\s\"']*)|\\B-(?:src|dest)?(?:storepass|"
	  "keypass)"
	  "\\s+" ARGUMENT "|\\B(?:-password|-passwd|-token|-secret)\\s+" ARGUMENT,
	  .detector = REDACT_COMMAND_LINE, .check = check_command_line },
	{ "us_ssn", "\\b[0-9]{3}-[0-9]{2}-[0-9]{4}\\b", .national = REDACT_US,
	  .least = { .digits = 9, .dashes = 2 }, .check = redact_check_us },
	{ "uk_nino", "(?i)\\b[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\\b",
	  .national = REDACT_UK, .least = { .digits = 6 }, .check = redact_check_uk },
	{ "de_steuer_id", "\\b[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}\\b", .national = REDACT_DE,
	  .least = { .digits = 11 }, .check = redact_check_de },
	{ "fr_nir",
	  "\\b[12378] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\\b",
	  .national = REDACT_FR, .least = { .digits = 14 }, .check = redact_check_fr },
	{ "es_dni", "(?i)\\b(?:[XYZ]-?[0-9]{7}|[0-9]{8})-?[A-Z]\\b", .national = REDACT_ES,
	  .least = { .digits = 7 }, .check = redact_check_es },
	{ "it_codice_fiscale",
	  "(?i)\\b[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]\\b",
	  .national = REDACT_IT, .check = redact_check_it },
	{ "nl_bsn", "\\b[0-9]{9}\\b|\\b[0-9]{4}\\.[0-9]{2}\\.[0-9]{3}\\b", .national = REDACT_NL,
	  .least = { .digits = 9 }, .check = redact_check_nl },
	{ "be_rijksregister", "\\b[0-9]{2}\\.?[0-9]{2}\\.?[0-9]{2}-?[0-9]{3}\\.?[0-9]{2}\\b",
	  .national = REDACT_BE, .least = { .digits = 11 }, .check = redact_check_be },
	{ "pl_pesel", "\\b[0-9]{11}\\b", .national = REDACT_PL, .least = { .digits = 11 },
	  .check = redact_check_pl },
	{ "se_personnummer", "\\b(?:19|20)?[0-9]{6}[-+]?[0-9]{4}\\b", .national = REDACT_SE,
	  .least = { .digits = 10 }, .check = redact_check_se },
	{ "ch_ahv", "\\b756\\.?[0-9]{4}\\.?[0-9]{4}\\.?[0-9]{2}\\b", .national = REDACT_CH,
	  .least = { .digits = 13 }, .check = redact_check_ch },
	{ "br_cpf", "\\b[0-9]{3}\\.?[0-9]{3}\\.?[0-9]{3}-?[0-9]{2}\\b", .national = REDACT_BR,
	  .least = { .digits = 11 }, .check = redact_check_br },
	{ "in_aadhaar", "\\b[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}\\b", .national = REDACT_IN,
	  .least = { .digits = 12 }, .check = redact_check_in },
	{ "ca_sin", "\\b[0-9]{3}[ -][0-9]{3}[ -][0-9]{3}\\b", .national = REDACT_CA,
	  .least = { .digits = 9 }, .check = redact_check_ca },
	/* Only what stands in front of a value, whose end the check looks for: a value may be long. Of
	 * elements the last letters of keys. */
	{ "key_value",
	  "\\\\u003[dD](.)|\\\\u0022 ?: ?(?:\\\\u0022)?(.)|\"[vV]alue\" ?: ?\"(.)"
	  "|(?:ord>|wd>|ret>|ken>|key>|Key>|ase>)([^<])",
	  .detector = REDACT_KEY_VALUE, .check = redact_check_notation },
};
