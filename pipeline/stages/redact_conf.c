/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the stage redact: the table and its checks. */
#include "pipeline/stages/redact_conf.h"

#include "pipeline/pattern.h"

struct redact_options redact_conf_options(const struct redact_conf *conf, struct redact_rule *rules)
{
	const struct redact_pattern_conf *patterns = conf->patterns.items;

	for (size_t i = 0; i < conf->patterns.n; i++)
		rules[i] = (struct redact_rule){ patterns[i].name, patterns[i].expression,
						 patterns[i].replacement };
	return (struct redact_options){ .detectors = conf->detectors,
					.national = conf->national_ids,
					.rules = rules,
					.nrules = conf->patterns.n,
					.replacement = conf->replacement };
}

/* Eight of these would cost more than all the rest of the agent together. */
static void warn_if_slow(struct conf_doc *doc, const struct conf_node *at, struct str expr)
{
	struct pattern *p;

	if (pattern_compile(expr, 0, &p, NULL) == 0 && !pattern_has_prefilter(p))
		conf_notice(doc, at,
			    "no text is in every match of this pattern, so it is tried at every "
			    "byte of every line");
	pattern_free(p);
}

static void check_action(struct conf_doc *doc, const struct conf_node *node,
			 const struct redact_conf *conf)
{
	struct buf key = BUF_INIT;

	if (conf->action == REDACT_HASH && !secret_is_set(&conf->hash_key))
		conf_error(doc, conf_get(node, "action"),
			   "hash needs hash_key: without one, values could be guessed");
	if (conf->action == REDACT_HASH && secret_read(&conf->hash_key, &key, NULL) == 0 &&
	    key.n < REDACT_HASH_KEY_MIN)
		conf_error(doc, conf_get(node, "hash_key"),
			   "needs at least %d bytes, this one has %zu: a short key can be guessed, "
			   "and with it the values (try `openssl rand -hex 32`)",
			   REDACT_HASH_KEY_MIN, key.n);
	secret_wipe(&key);
	if (conf->action != REDACT_HASH && secret_is_set(&conf->hash_key))
		conf_error(doc, conf_get(node, "hash_key"), "is for action: hash");
	if (conf->action != REDACT_MASK && (conf->keep_first || conf->keep_last))
		conf_error(doc, conf_get(node, conf->keep_first ? "keep_first" : "keep_last"),
			   "is for action: mask");
}

static void redact_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct redact_conf *conf = arg;
	const struct conf_node *list = conf_get(node, "patterns");
	struct redact_rule rules[REDACT_RULES_MAX];
	struct redact *r;

	if (conf->patterns.n > REDACT_RULES_MAX) {
		conf_error(doc, list, "more than %d patterns", REDACT_RULES_MAX);
		return;
	}
	if (!conf->detectors && !conf->national_ids && !conf->patterns.n)
		conf_error(doc, node, "needs detectors, national_ids or patterns");
	check_action(doc, node, conf);
	/* One by one, so that every mistake is reported at its place. */
	for (size_t i = 0; i <= conf->patterns.n; i++) {
		struct redact_options o = redact_conf_options(conf, rules);
		struct err err = ERR_NONE;
		const struct conf_node *at = node;

		o.nrules = i < conf->patterns.n;
		o.rules = rules + i;
		if (i < conf->patterns.n)
			o.replacement = STR_NONE;
		else
			at = conf_get(node, "replacement");
		if (i < conf->patterns.n && list && list->kind == CONF_SEQ && i < list->n)
			at = list->items[i];
		if (redact_new(&o, &r, &err))
			conf_error(doc, at, "%s", err.text);
		else if (i < conf->patterns.n)
			warn_if_slow(doc, at, rules[i].expression);
		redact_free(r);
	}
}

static const struct conf_enum redact_detectors[] = {
	{ "card", REDACT_CARD, "payment card numbers: issuer, length and check digit are right" },
	{ "email", REDACT_EMAIL, "e-mail addresses" },
	{ "ipv4", REDACT_IPV4, "IPv4 addresses" },
	{ "bearer", REDACT_BEARER, "the token behind `Bearer`" },
	{ "basic", REDACT_BASIC, "the credentials behind `Basic`" },
	{ "key_value", REDACT_KEY_VALUE,
	  "values of keys that end in password, passwd, pwd, pass, passphrase, secret, token, "
	  "api_key, access_key, private_key and the like, credentials, authorization, cookie: "
	  "`key=value`, `key: value`, JSON, `--key value`, percent-encoded" },
	{ "jwt", REDACT_JWT, "JSON web tokens" },
	{ "url_password", REDACT_URL_PASSWORD, "the password in `scheme://user:password@host`" },
	{ "private_key", REDACT_PRIVATE_KEY,
	  "PEM and PGP private keys, also over up to 100 lines of one source" },
	{ "aws", REDACT_AWS, "AWS access key ids" },
	{ "gcp", REDACT_GCP, "Google API keys, OAuth tokens and client secrets" },
	{ "azure", REDACT_AZURE, "Azure storage keys, SAS signatures, client secrets" },
	{ "github", REDACT_GITHUB, "GitHub tokens" },
	{ "gitlab", REDACT_GITLAB, "GitLab tokens" },
	{ "slack", REDACT_SLACK, "Slack tokens and webhooks" },
	{ "stripe", REDACT_STRIPE, "Stripe secret keys" },
	{ "saas", REDACT_SAAS,
	  "tokens of npm, PyPI, SendGrid, DigitalOcean, Shopify, OpenAI, Anthropic, Hugging Face, "
	  "Grafana, Vault, Doppler, Atlassian" },
	{ "iban", REDACT_IBAN, "bank account numbers: country, length and check digits are right" },
	{ "ipv6", REDACT_IPV6, "IPv6 addresses" },
	{ "mac", REDACT_MAC, "MAC addresses" },
	{ "command_line", REDACT_COMMAND_LINE,
	  "passwords of `mysql -p`, `sshpass -p`, `curl -u`, `docker login -p`, `redis-cli -a`, "
	  "`ldapsearch -w`, `keytool -storepass`, `openssl -passin`, `-password x`" },
	{ NULL },
};

static const struct conf_enum redact_national_ids[] = {
	{ "us", REDACT_US, "Social Security numbers, with dashes" },
	{ "uk", REDACT_UK, "National Insurance numbers" },
	{ "de", REDACT_DE, "Steuer-Identifikationsnummern" },
	{ "fr", REDACT_FR, "numeros de securite sociale" },
	{ "es", REDACT_ES, "DNI and NIE" },
	{ "it", REDACT_IT, "codici fiscali" },
	{ "nl", REDACT_NL, "burgerservicenummers" },
	{ "be", REDACT_BE, "rijksregisternummers" },
	{ "pl", REDACT_PL, "PESEL" },
	{ "se", REDACT_SE, "personnummer" },
	{ "ch", REDACT_CH, "AHV numbers" },
	{ "br", REDACT_BR, "CPF" },
	{ "in", REDACT_IN, "Aadhaar" },
	{ "ca", REDACT_CA, "Social Insurance numbers, in groups" },
	{ NULL },
};

static const struct conf_enum redact_actions[] = {
	{ "replace", REDACT_REPLACE, "by `replacement`" },
	{ "mask", REDACT_MASK, "each character by `*`, but for keep_first and keep_last" },
	{ "hash", REDACT_HASH,
	  "by `<DETECTOR:16 hexadecimal digits>`, a keyed hash (HMAC-SHA-256, cut to 64 bits): "
	  "equal "
	  "values stay equal and can be joined, and cannot be guessed without the key" },
	{ "drop", REDACT_DROP, "the whole record is dropped, and counted as `redact`" },
	{ NULL },
};

static const struct conf_field redact_pattern_fields[] = {
	CONF_STR(struct redact_pattern_conf, name, NULL,
		 "Stands in the replacement and in `tailrace_redacted_total`.",
		 .flags = CONF_REQUIRED, .example = "employee"),
	CONF_STR(struct redact_pattern_conf, expression, NULL,
		 "Regular expression in Go's RE2 syntax. What its first group captures is "
		 "replaced, the whole match when there is none.",
		 .flags = CONF_REQUIRED, .example = "\\bE[0-9]{6}\\b"),
	CONF_STR(struct redact_pattern_conf, replacement, NULL,
		 "Instead of `<redacted:NAME>`; at most 128 bytes."),
};
static const struct conf_table redact_pattern_table =
	CONF_TABLE(struct redact_pattern_conf, redact_pattern_fields);

static const struct conf_field redact_fields[] = {
	CONF_FLAGS(
		struct redact_conf, detectors,
		"[card, email, bearer, basic, key_value, jwt, url_password, private_key, aws, gcp, "
		"azure, github, gitlab, slack, stripe, saas, command_line]",
		redact_detectors, "What to look for."),
	CONF_FLAGS(
		struct redact_conf, national_ids, "[]", redact_national_ids,
		"Identity, tax and insurance numbers of these countries, where their check digits "
		"are right. Numbers of nine digits with one check digit are met by chance, too: "
		"turn "
		"on what your logs hold."),
	CONF_SECTIONS(struct redact_conf, patterns, &redact_pattern_table,
		      "Own patterns, at most 64."),
	CONF_ENUM(struct redact_conf, action, "replace", redact_actions,
		  "What becomes of a secret. Private keys and what a line ends in whose rest is "
		  "missing (flags `cut` and `partial`) are replaced in any case."),
	CONF_INT(struct redact_conf, keep_first, "0", "0", "32",
		 "Characters that action `mask` leaves at the front. Of secrets where they and "
		 "`keep_last` would be more than half, and of those longer than 64, nothing is "
		 "left."),
	CONF_INT(struct redact_conf, keep_last, "0", "0", "32", "The same at the end.",
		 .example = "4"),
	CONF_SECRET(struct redact_conf, hash_key, "Key of action `hash`, at least 16 bytes."),
	CONF_STR(struct redact_conf, replacement, NULL,
		 "What stands in place of a secret, instead of `<redacted:DETECTOR>`; at most 128 "
		 "bytes.",
		 .example = "'****'"),
	CONF_LIST(struct redact_conf, except, NULL,
		  "Names of labels, metadata and extracted values that are left as they are.",
		  .example = "[host]"),
};
const struct conf_table redact_table =
	CONF_TABLE(struct redact_conf, redact_fields, .check = redact_check);
