/* SPDX-License-Identifier: Apache-2.0 */
/* Stage redact: replaces secrets in the line, in metadata and extracted values, and in labels. */
#include "lib/mem.h"
#include "lib/metric.h"
#include "lib/secret.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/pattern.h"
#include "pipeline/redact.h"
#include "pipeline/stage.h"

/* ---- options ---- */

struct redact_pattern_conf {
	struct str name;
	struct str expression;
	struct str replacement;
};

struct redact_conf {
	uint32_t detectors, national_ids;
	struct conf_sections patterns;
	unsigned action; /* enum redact_action */
	int64_t keep_first, keep_last;
	struct secret hash_key;
	struct str replacement;
	struct conf_list except;
};

static struct redact_options options_of(const struct redact_conf *conf, struct redact_rule *rules)
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
		struct redact_options o = options_of(conf, rules);
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
static const struct conf_table redact_table =
	CONF_TABLE(struct redact_conf, redact_fields, .check = redact_check);

/* ---- state ---- */

enum { NAME_UNKNOWN, NAME_PLAIN, NAME_SECRET, NAME_EXCEPT };

#define BLOCKS_MAX 256 /* sources in the middle of a private key at one time */

/* A source (or those it goes on from) whose next lines are the rest of a private key. By series, as
 * another source may get the memory of one that ended. */
struct open_block {
	uint64_t series;
	unsigned lines;
};

#define SETS_MAX 256 /* a power of two */

/* A label set and what became of it, by its hash. Sets come again and again while secrets in them
 * are rare, so each is searched once a batch; sets may be gone after it. */
struct clean_set {
	const struct labels *from, *to;
	uint32_t run;
};

struct redact_state {
	struct redact *redact;
	struct redact_scratch scratch;
	struct metric *hits[REDACT_KINDS_MAX], *failed;
	size_t nkinds;
	uint8_t names[KEY_MAX]; /* by key: one of NAME_*, found out at the first sight */
	struct clean_set sets[SETS_MAX];
	uint32_t run;          /* number of the current one */
	const struct rec *rec; /* being looked at, for a trace; NULL: none in particular */
	struct open_block blocks[BLOCKS_MAX];
	size_t nblocks;
};

/* With the action, which the check leaves out: its key may be out of reach there. */
static int make(const struct redact_conf *conf, struct redact **ret, struct err *err)
{
	struct redact_rule rules[REDACT_RULES_MAX];
	struct redact_options o = options_of(conf, rules);
	struct buf key = BUF_INIT;
	int rc = 0;

	if (conf->action == REDACT_HASH)
		rc = secret_read(&conf->hash_key, &key, err);
	o.action = (enum redact_action)conf->action;
	o.keep_first = (unsigned)conf->keep_first;
	o.keep_last = (unsigned)conf->keep_last;
	o.hash_key = buf_as_str(&key);
	if (rc == 0)
		rc = redact_new(&o, ret, err);
	secret_wipe(&key);
	return rc;
}

static void tell(void *ctx, unsigned kind, struct str secret, struct str replacement)
{
	const struct stage *s = ctx;
	const struct redact_state *x = s->state;
	const struct chain_trace *trace = chain_trace(s->chain);

	trace->redacted(trace->ctx, x->rec, redact_kind_name(x->redact, kind), secret, replacement);
}

static int redact_open(struct stage *s, struct err *err)
{
	const struct redact_conf *conf = s->conf;
	struct redact_state *x = s->state;
	const char *pipeline = chain_pipeline(s->chain);
	int rc = make(conf, &x->redact, err);

	if (rc)
		return rc;
	x->nkinds = REDACT_KIND_RULES + conf->patterns.n;
	for (unsigned k = 0; k < x->nkinds; k++)
		x->hits[k] = metric_get(METRIC_REDACTED, "pipeline", pipeline, "detector",
					redact_kind_name(x->redact, k), NULL);
	x->failed = metric_get(METRIC_REDACT_FAILED, "pipeline", pipeline, NULL);
	return 0;
}

static void redact_close(struct stage *s)
{
	struct redact_state *x = s->state;

	redact_free(x->redact);
	redact_scratch_fini(&x->scratch);
}

/* ---- names ---- */

static int name_kind(const struct stage *s, struct str name)
{
	const struct redact_conf *conf = s->conf;
	const struct redact_state *x = s->state;

	for (size_t i = 0; i < conf->except.n; i++)
		if (str_eq(conf->except.items[i], name))
			return NAME_EXCEPT;
	return redact_is_secret_name(x->redact, name) ? NAME_SECRET : NAME_PLAIN;
}

static int attr_kind_of_name(const struct stage *s, const struct attr *a)
{
	struct redact_state *x = s->state;

	if (a->key == KEY_INLINE)
		return name_kind(s, attr_name(a));
	if (x->names[a->key] == NAME_UNKNOWN)
		x->names[a->key] = (uint8_t)name_kind(s, key_name(a->key));
	return x->names[a->key];
}

/* ---- a record ---- */

static void set_value(struct batch *b, struct rec *r, unsigned i, struct str value)
{
	struct attr *a = &r->attrs[i];
	enum attr_kind kind = a->kind;

	if (a->key == KEY_INLINE) { /* the name stands in front of the value */
		a->kind = ATTR_GONE;
		rec_attr_inline(b, r, attr_name(a), kind, value);
		return;
	}
	a->p = value.p;
	a->n = (uint32_t)value.n;
	a->type = ATTR_STRING;
}

static bool is_part_of(struct str line, struct str value)
{
	return value.n && value.p >= line.p && value.p + value.n <= line.p + line.n;
}

#define PART_MIN 4 /* bytes; of shorter values too many are met by chance */

/* What of a value stands nowhere in the line but inside of secrets. False: none of it. */
static bool redact_part(struct redact_state *x, struct batch *b, struct str line, int n,
			struct str *value)
{
	struct str found = STR_NONE;
	size_t at = 0, next;

	if (value->n < PART_MIN)
		return false;
	while ((next = str_find(str_skip(line, at), *value)) < line.n - at) {
		bool changed = true;
		struct str part = STR(REDACT_ERROR_TEXT);

		at += next;
		if (n > 0)
			part = redact_write_part(x->redact, &x->scratch, line, at, at + value->n,
						 &b->arena, &changed);
		if (!changed)
			return false;
		found = found.p ? found : part;
		at += value->n;
	}
	*value = found.p ? found : *value;
	return found.p != NULL;
}

/* Values that are slices of the line share its fate: `password=x` is found in the line, while the
 * slice `x` alone would tell nothing. So do copies of such slices, as of labels that became metadata.
 * n: result of redact_find() on the line. */
static void redact_slices(struct stage *s, struct batch *b, struct rec *r, struct str line, int n)
{
	struct redact_state *x = s->state;

	for (unsigned i = 0, end = r->nattrs; n && i < end; i++) {
		struct attr *a = &r->attrs[i];
		struct str value = attr_value(a);
		size_t from = (size_t)(value.p - line.p);
		bool changed = true;

		if (a->kind == ATTR_GONE || attr_kind_of_name(s, a) != NAME_PLAIN)
			continue;
		if (!is_part_of(line, value))
			changed = redact_part(x, b, line, n, &value);
		else if (n < 0)
			value = STR(REDACT_ERROR_TEXT);
		else
			value = redact_write_part(x->redact, &x->scratch, line, from,
						  from + value.n, &b->arena, &changed);
		if (changed)
			set_value(b, r, i, value);
	}
}

static bool redact_values(struct stage *s, struct batch *b, struct rec *r, struct str line)
{
	struct redact_state *x = s->state;
	bool failed = false;

	for (unsigned i = 0, end = r->nattrs; i < end; i++) {
		struct attr *a = &r->attrs[i];
		struct str value = attr_value(a);
		int kind, rc;

		if (a->kind == ATTR_GONE || a->type == ATTR_NULL || !a->n)
			continue;
		kind = attr_kind_of_name(s, a);
		if (kind == NAME_SECRET)
			set_value(b, r, i,
				  redact_name_text(x->redact, &x->scratch, value, &b->arena));
		if (kind != NAME_PLAIN || is_part_of(line, value))
			continue;
		rc = redact_text(x->redact, &x->scratch, chain_scratch(s->chain), &value, false,
				 &b->arena);
		failed |= rc < 0;
		if (rc)
			set_value(b, r, i, value);
	}
	return failed;
}

static struct open_block *block_of(struct redact_state *x, uint64_t series)
{
	for (size_t i = 0; i < x->nblocks; i++)
		if (x->blocks[i].series == series)
			return &x->blocks[i];
	return NULL;
}

static void open_block(struct redact_state *x, uint64_t series)
{
	struct open_block *block = block_of(x, series), *least = &x->blocks[0];

	for (size_t i = 1; i < x->nblocks; i++)
		if (x->blocks[i].lines < least->lines)
			least = &x->blocks[i];
	if (!block)
		block = x->nblocks < BLOCKS_MAX ? &x->blocks[x->nblocks++] : least;
	*block = (struct open_block){ series, REDACT_BLOCK_LINES };
}

static void close_block(struct redact_state *x, struct open_block *block)
{
	*block = x->blocks[--x->nblocks];
}

/* A line of a private key goes as a whole. Its end may be in it, and the beginning of the next
 * behind that. */
static int find_in_block(struct stage *s, struct open_block *block, struct str line)
{
	struct redact_state *x = s->state;
	size_t end = redact_end_of_block(line);

	if (end <= line.n) {
		redact_find(x->redact, &x->scratch, chain_scratch(s->chain), str_skip(line, end),
			    false);
		if (redact_opens_block(&x->scratch))
			block->lines = REDACT_BLOCK_LINES;
		else
			close_block(x, block);
	} else if (--block->lines == 0) {
		close_block(x, block);
	}
	redact_cover(&x->scratch, REDACT_KIND_PRIVATE_KEY, line);
	return (int)x->scratch.n;
}

static int find_in_line(struct stage *s, struct batch *b, const struct rec *r)
{
	struct redact_state *x = s->state;
	uint64_t series = b->source->series;
	struct open_block *block = x->nblocks ? block_of(x, series) : NULL;
	int n;

	if (block && redact_is_in_block(r->line))
		return find_in_block(s, block, r->line);
	if (block && --block->lines == 0)
		close_block(x, block);
	n = redact_find(x->redact, &x->scratch, chain_scratch(s->chain), r->line,
			(r->flags & (REC_CUT | REC_PARTIAL)) != 0);
	if (redact_opens_block(&x->scratch))
		open_block(x, series);
	return n;
}

/* Labels that were cut out of the line share its fate, as other values do, which are slices of it. */
static void redact_label_parts(struct stage *s, struct batch *b, struct rec *r, struct str line,
			       int n)
{
	const struct labels *l = r->labels;
	struct label changes[LABELS_MAX];
	size_t nchanges = 0;

	for (uint32_t i = 0; i < l->n && nchanges < LABELS_MAX; i++) {
		struct label c = l->items[i];

		if (name_kind(s, c.name) == NAME_PLAIN && !str_is(c.name, LABEL_TENANT) &&
		    redact_part(s->state, b, line, n, &c.value))
			changes[nchanges++] = c;
	}
	if (nchanges)
		r->labels = labels_with(chain_labels(s->chain), l, changes, nchanges);
}

static void redact_rec(struct stage *s, struct batch *b, struct rec *r)
{
	struct redact_state *x = s->state;
	struct str line = r->line;
	/* Before the slices: what stands in place of one is not searched again. */
	bool failed = redact_values(s, b, r, line);
	int n = find_in_line(s, b, r);

	if (n < 0) {
		r->line = redact_failed(&x->scratch, line);
	} else if (n > 0) {
		uint64_t before = x->scratch.failed;

		r->line = redact_write(x->redact, &x->scratch, line, &b->arena);
		if (x->scratch.failed != before)
			n = -1;
	}
	redact_slices(s, b, r, line, n);
	if (n && r->labels)
		redact_label_parts(s, b, r, line, n);
	if (failed || n < 0)
		r->flags |= REC_REDACT_FAILED;
}

/* ---- labels ---- */

/* The same set without secrets: itself mostly. NULL when the table has no room for the new one. */
static const struct labels *clean_labels(struct stage *s, struct batch *b, const struct labels *l)
{
	struct redact_state *x = s->state;
	struct label changes[LABELS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < l->n && n < LABELS_MAX; i++) {
		struct label c = l->items[i];
		int kind = name_kind(s, c.name);

		if (kind == NAME_EXCEPT || str_is(c.name, LABEL_TENANT))
			continue;
		if (kind == NAME_SECRET)
			c.value = redact_name_text(x->redact, &x->scratch, c.value, &b->arena);
		else if (!redact_text(x->redact, &x->scratch, chain_scratch(s->chain), &c.value,
				      false, &b->arena))
			continue;
		changes[n++] = c;
	}
	return n ? labels_with(chain_labels(s->chain), l, changes, n) : l;
}

static const struct labels *clean_labels_cached(struct stage *s, struct batch *b,
						const struct labels *l)
{
	struct redact_state *x = s->state;
	struct clean_set *set = &x->sets[l->hash % SETS_MAX];

	if (set->from != l || set->run != x->run)
		*set = (struct clean_set){ l, clean_labels(s, b, l), x->run };
	return set->to;
}

/* Inside a match: the batch's labels stay, for the records that were not selected. */
static void redact_selected_labels(struct batch *b, const struct labels *clean)
{
	const struct labels *l = b->labels;

	BATCH_FOR(b, r)
	{
		if (!r->labels)
			r->labels = clean;
		/* Stages read the labels of the batch where nothing newer has the name. */
		for (uint32_t i = 0; i < l->n; i++) {
			struct str value = labels_get(clean, l->items[i].name);

			if (!str_eq(value, l->items[i].value))
				rec_attr_inline(b, r, l->items[i].name, ATTR_EXTRACTED, value);
		}
	}
}

/* False when the batch's own labels have a secret and there is no room for others. */
static bool redact_batch_labels(struct stage *s, struct batch *b)
{
	const struct labels *clean = b->labels ? clean_labels(s, b, b->labels) : NULL;
	bool all = true;

	if (clean == b->labels)
		return true;
	if (!clean)
		return false;
	for (uint32_t i = 0; i < b->nrecs; i++)
		all &= !(b->recs[i].flags & REC_SKIP);
	if (all)
		b->labels = clean;
	else
		redact_selected_labels(b, clean);
	return true;
}

/* ---- the stage ---- */

static void count(struct redact_state *x)
{
	for (size_t k = 0; k < x->nkinds; k++) {
		if (!x->scratch.hits[k])
			continue;
		metric_add(x->hits[k], (int64_t)x->scratch.hits[k]);
		x->scratch.hits[k] = 0;
	}
	if (x->scratch.failed)
		metric_add(x->failed, (int64_t)x->scratch.failed);
	x->scratch.failed = 0;
}

static uint64_t hits(const struct redact_state *x)
{
	uint64_t n = x->scratch.failed;

	for (size_t k = 0; k < x->nkinds; k++)
		n += x->scratch.hits[k];
	return n;
}

static void redact_run(struct stage *s, struct batch *b)
{
	struct redact_state *x = s->state;
	const struct redact_conf *conf = s->conf;
	bool drops = conf->action == REDACT_DROP;
	const struct chain_trace *trace = chain_trace(s->chain);
	uint64_t before = drops ? hits(x) : 0, dropped = 0, found = 0;
	bool batch_done, in_labels;

	x->scratch.found = trace && trace->redacted ? tell : NULL;
	x->scratch.found_ctx = s;
	x->rec = NULL;
	batch_done = redact_batch_labels(s, b);
	in_labels = drops && hits(x) != before;
	x->run++;
	BATCH_FOR(b, r)
	{
		const struct labels *labels = r->labels;

		before = drops ? hits(x) : 0;
		x->rec = r;
		redact_rec(s, b, r);
		if (r->labels)
			r->labels = clean_labels_cached(s, b, r->labels);
		if (drops && (hits(x) != before || r->labels != labels || (!labels && in_labels))) {
			r->flags |= REC_DROP;
			found++;
			continue;
		}
		if (labels ? r->labels != NULL : batch_done)
			continue;
		/* No room for another label set: rather no record than one with its secret. */
		r->flags |= REC_DROP;
		dropped++;
	}
	if (found)
		stage_dropped(s, b, "redact", found);
	if (dropped)
		stage_dropped(s, b, "redact_failed", dropped);
	count(x);
}

const struct stage_ops stage_redact = {
	.name = "redact",
	.summary = "replaces passwords, tokens, card numbers and other secrets",
	.conf = &redact_table,
	.state_size = sizeof(struct redact_state),
	.open = redact_open,
	.run = redact_run,
	.close = redact_close,
};
