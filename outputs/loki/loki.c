/* SPDX-License-Identifier: Apache-2.0 */
/* The loki output: options and the life of an instance. */
#include "outputs/loki/loki.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/loki/clamp.h"
#include "outputs/loki/doctor.h"
#include "outputs/loki/headers.h"
#include "outputs/loki/push.h"
#include "outputs/loki/replay.h"
#include "outputs/loki/shard.h"
#include "outputs/output.h"

struct loki {
	const struct loki_conf *conf;
	struct client *client;
	struct deadletter *dead;
	struct sender *sender;
	struct metric *lines_cut, *metadata_cut, *renamed, *clamped;
	uint16_t clamp_key;
};

static const struct conf_field backoff_fields[] = {
	CONF_TIME(struct loki_backoff, min_ns, "500ms", "10ms", "1m",
		  "Longest wait after the first failure; it doubles with every further one.",
		  .key = "min"),
	CONF_TIME(struct loki_backoff, max_ns, "30s", "100ms", "10m",
		  "Longest wait ever. Retries go on for as long as it takes.", .key = "max"),
};
static const struct conf_table backoff_table = CONF_TABLE(struct loki_backoff, backoff_fields);

static const struct conf_field basic_auth_fields[] = {
	CONF_STR(struct loki_basic_auth, username, NULL, "User name.",
		 .flags = CONF_REQUIRED | CONF_NONEMPTY, .example = "tailrace"),
	CONF_SECRET(struct loki_basic_auth, password,
		    "Password, best as `file:/path` or `env:NAME`.", .flags = CONF_REQUIRED,
		    .example = "file:/etc/tailrace/loki-password"),
};
static const struct conf_table basic_auth_table =
	CONF_TABLE(struct loki_basic_auth, basic_auth_fields);

static const struct conf_enum client_auths[] = {
	{ "basic", LOKI_CLIENT_BASIC, "in the `Authorization` header" },
	{ "post", LOKI_CLIENT_POST, "as `client_id` and `client_secret` in the form" },
	{ 0 },
};
static const struct conf_field oauth2_fields[] = {
	CONF_STR(struct loki_oauth2, client_id, NULL, "Who we are.",
		 .flags = CONF_REQUIRED | CONF_NONEMPTY, .example = "tailrace"),
	CONF_SECRET(struct loki_oauth2, client_secret,
		    "The secret for it, best as `file:/path` or `env:NAME`. Read for every token.",
		    .flags = CONF_REQUIRED, .example = "file:/etc/tailrace/oauth2-secret"),
	CONF_URL(struct loki_oauth2, token_url, NULL, "Where tokens are given out.",
		 .flags = CONF_REQUIRED, .example = "https://login.example.com/oauth2/token"),
	CONF_LIST(struct loki_oauth2, scopes, NULL, "Scopes to ask for."),
	CONF_MAP(struct loki_oauth2, parameters, NULL,
		 "More fields of the request, as `audience` or `resource`.", .flags = CONF_PRIVATE),
	CONF_ENUM(struct loki_oauth2, client_auth, "basic", client_auths,
		  "How the secret is sent."),
};
static const struct conf_table oauth2_table = CONF_TABLE(struct loki_oauth2, oauth2_fields);

static const struct conf_field tls_fields[] = {
	CONF_STR(struct loki_tls, ca_file, NULL,
		 "Certificates (PEM) to trust instead of the system's.", .flags = CONF_NONEMPTY,
		 .example = "/etc/tailrace/ca.pem"),
	CONF_STR(struct loki_tls, cert_file, NULL, "Our own certificate (PEM), for mutual TLS.",
		 .flags = CONF_NONEMPTY, .example = "/etc/tailrace/client.pem"),
	CONF_STR(struct loki_tls, key_file, NULL, "Its private key (PEM).", .flags = CONF_NONEMPTY,
		 .example = "/etc/tailrace/client.key"),
	CONF_BOOL(struct loki_tls, insecure_skip_verify, "false",
		  "Accept any certificate. Whoever is in between then reads everything."),
};
static const struct conf_table tls_table = CONF_TABLE(struct loki_tls, tls_fields);

static const struct conf_field dead_letter_fields[] = {
	CONF_SIZE(struct loki_dead_letter, max_size, "64MiB", "0", "1TiB",
		  "Largest size of all files together; what has no room is only counted."),
	CONF_INT(struct loki_dead_letter, max_files, "4", "1", "100",
		 "Files it is divided into. When all are full, the oldest is deleted and counted; "
		 "with a "
		 "single file the oldest letters are kept, and new ones only counted."),
};
static const struct conf_table dead_letter_table =
	CONF_TABLE(struct loki_dead_letter, dead_letter_fields);

static const struct conf_field loki_fields[] = {
	CONF_URL(struct loki_conf, url, NULL,
		 "Where Loki is. `/loki/api/v1/push` is added when there is no path.",
		 .flags = CONF_REQUIRED, .example = "http://127.0.0.1:3100"),
	CONF_LIST(
		struct loki_conf, failover_urls, NULL,
		"More addresses of the same Loki, tried in turn while the ones before them do not "
		"answer, or answer 502, 503 or 504. `url` is tried again every minute.",
		.example = "[\"http://10.0.0.2:3100\"]"),
	CONF_URL(struct loki_conf, proxy_url, NULL,
		 "HTTP proxy to go by, with `user:password@` when it asks for them. Proxies that "
		 "the "
		 "environment names are not used.",
		 .example = "http://proxy.example.com:3128"),
	CONF_STR(struct loki_conf, tenant, NULL,
		 "Tenant (`X-Scope-OrgID`) of records that no stage gave one.",
		 .flags = CONF_NONEMPTY, .example = "team-a"),
	CONF_SIZE(struct loki_conf, batch_size, "1MiB", "1KiB", "3MiB",
		  "Size of a request before compression at which it is sent."),
	CONF_TIME(struct loki_conf, batch_wait_ns, "1s", "1ms", "1m",
		  "How long records wait for more of them when a request is not full.",
		  .key = "batch_wait"),
	CONF_TIME(struct loki_conf, timeout_ns, "10s", "100ms", "10m",
		  "Time for a request and its answer.", .key = "timeout"),
	CONF_INT(struct loki_conf, shards, "4", "1", "32",
		 "Requests under way at once, at most. A stream always goes by the same one of "
		 "them, "
		 "so its order is kept."),
	CONF_SECTION(struct loki_conf, backoff, struct loki_backoff, &backoff_table,
		     "Waiting between retries, with full jitter."),
	CONF_SECTION(struct loki_conf, basic_auth, struct loki_basic_auth, &basic_auth_table,
		     "HTTP basic authentication."),
	CONF_SECRET(struct loki_conf, bearer_token,
		    "Token for `Authorization: Bearer`, best as `file:/path` or `env:NAME`. Read "
		    "again when Loki refuses it.",
		    .example = "file:/etc/tailrace/loki-token"),
	CONF_SECTION(
		struct loki_conf, oauth2, struct loki_oauth2, &oauth2_table,
		"OAuth2 client credentials: a token is fetched, kept, and fetched again before it "
		"ends or when Loki refuses it. `tls` holds for the token server, too.",
		.flags = CONF_OPTIONAL),
	CONF_MAP(struct loki_conf, headers, NULL, "More header lines for every request.",
		 .flags = CONF_PRIVATE),
	CONF_SECTION(struct loki_conf, tls, struct loki_tls, &tls_table, "For `https` URLs."),
	CONF_SIZE(
		struct loki_conf, max_line, "256KiB", "1KiB", "768KiB",
		"Longest line sent; of a longer one the beginning is, with a flag in the metadata. "
		"Loki refuses what is over its `max_line_size`."),
	CONF_TIME(
		struct loki_conf, clamp_older_ns, "0s", "0s", "8760h",
		"Records older than this get the time this long ago, and `tailrace_time` in the "
		"metadata keeps theirs. Loki refuses what is over its `reject_old_samples_max_age` "
		"(7 days). 0: times stay, and such records become dead letters.",
		.key = "clamp_older_than"),
	CONF_TIME(struct loki_conf, clamp_newer_ns, "0s", "0s", "8760h",
		  "The same for records further than this in the future. Loki refuses what is over "
		  "its "
		  "`creation_grace_period` (10 minutes).",
		  .key = "clamp_newer_than"),
	CONF_SECTION(struct loki_conf, dead_letter, struct loki_dead_letter, &dead_letter_table,
		     "The file for records that Loki refuses for good, "
		     "`dead-letters/<output>.jsonl` in the state folder."),
};

static void at_key(struct conf_doc *doc, const struct conf_node *node, const char *key,
		   const char *text)
{
	const struct conf_node *at = conf_get(node, key);

	conf_error(doc, at ? at : node, "%s", text);
}

static void check_headers(struct conf_doc *doc, const struct conf_node *node,
			  const struct conf_map *headers)
{
	const struct conf_node *map = conf_get(node, "headers");

	if (headers->n > HEADERS_MAX - 5)
		at_key(doc, node, "headers", "too many header lines, at most 64 are allowed");
	for (size_t i = 0; i < headers->n; i++) {
		const struct conf_pair *p = &headers->items[i];

		if (!header_name_is_allowed(p->key))
			at_key(doc, map, p->key.p,
			       "not a header name, or one that is set by other options");
		else if (!header_value_is_valid(p->value))
			at_key(doc, map, p->key.p,
			       "a header value is not empty and has no line break in it");
	}
}

static void loki_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct loki_conf *c = conf;

	if (c->tenant.n && !tenant_is_valid(c->tenant))
		at_key(doc, node, "tenant",
		       "a tenant is at most 150 letters, digits and !-_.*'(), and not . or ..");
	if (c->backoff.max_ns < c->backoff.min_ns)
		at_key(doc, node, "backoff", "max is less than min");
	if (secret_is_set(&c->basic_auth.password) + secret_is_set(&c->bearer_token) +
		    (c->oauth2.token_url.n != 0) >
	    1)
		at_key(doc, node, secret_is_set(&c->bearer_token) ? "bearer_token" : "basic_auth",
		       "basic_auth, bearer_token and oauth2 exclude each other");
	if (c->failover_urls.n > 8)
		at_key(doc, node, "failover_urls", "at most 8 of them");
	for (size_t i = 0; i < c->failover_urls.n; i++) {
		struct err err = ERR_NONE;

		if (!conf_parse_url(c->failover_urls.items[i], &err))
			at_key(doc, node, "failover_urls", err.text);
		else if (str_chr(c->failover_urls.items[i], '@') < c->failover_urls.items[i].n)
			at_key(doc, node, "failover_urls",
			       "no password here, it would be shown: basic_auth has a place for "
			       "it");
	}
	if (!c->tls.cert_file.n != !c->tls.key_file.n)
		at_key(doc, node, "tls", "cert_file and key_file belong together");
	check_headers(doc, node, &c->headers);
}

static const struct conf_table loki_table =
	CONF_TABLE(struct loki_conf, loki_fields, .check = loki_check);

static uint64_t random_seed(void)
{
	uint64_t seed = (uint64_t)clock_mono_ns();

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed ^= (uint64_t)clock_wall_ns(); /* only jitter hangs on it */
	return seed;
}

static int loki_open(struct output *out, struct err *err)
{
	struct loki *l = out->state;
	const struct loki_conf *c = l->conf = out->conf;

	l->dead = deadletter_new(out->state_dir, out->name, c->dead_letter.max_size,
				 c->dead_letter.max_files, err);
	if (!l->dead)
		return -EINVAL;
	l->client = client_new(out->loop, c, err);
	if (!l->client)
		return -EINVAL;
	l->sender = sender_new(&(struct sender_conf){ .output = out->name,
						      .loop = out->loop,
						      .client = l->client,
						      .dead = l->dead,
						      .tenant = c->tenant,
						      .nshards = c->shards,
						      .request_bytes = c->batch_size,
						      .linger_ns = c->batch_wait_ns,
						      .timeout_ns = c->timeout_ns,
						      .backoff_min_ns = c->backoff.min_ns,
						      .backoff_max_ns = c->backoff.max_ns,
						      .seed = random_seed() });
	l->lines_cut = metric_get(METRIC_OUTPUT_CUT, "output", out->name, "what", "line", NULL);
	l->metadata_cut =
		metric_get(METRIC_OUTPUT_CUT, "output", out->name, "what", "metadata", NULL);
	l->renamed = metric_get(METRIC_OUTPUT_RENAMED, "output", out->name, NULL);
	l->clamped = metric_get(METRIC_OUTPUT_CLAMPED, "output", out->name, NULL);
	l->clamp_key = key_intern(STR(CLAMP_NAME));
	return 0;
}

static void loki_start(struct output *out)
{
	sigset_t pipe;

	(void)out;
	/* TLS libraries write to sockets without MSG_NOSIGNAL. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
}

static const struct batch *clamp(const struct loki *l, const struct batch *b, struct arena *scratch)
{
	int64_t now_ns = clock_wall_ns(), older = l->conf->clamp_older_ns,
		newer = l->conf->clamp_newer_ns;
	uint64_t n;

	b = clamp_times(b, older ? now_ns - older : INT64_MIN, newer ? now_ns + newer : INT64_MAX,
			l->clamp_key, scratch, &n);
	if (n)
		metric_add(l->clamped, (int64_t)n);
	return b;
}

static struct block *loki_encode(struct output *out, const struct batch *b, struct arena *scratch)
{
	const struct loki *l = out->state;
	struct push_cuts cuts = { 0 };
	struct block *block;

	if (l->conf->clamp_older_ns || l->conf->clamp_newer_ns)
		b = clamp(l, b, scratch);
	block = push_encode(b, l->conf->max_line, scratch, &cuts);
	if (cuts.renamed)
		metric_add(l->renamed, (int64_t)cuts.renamed);
	if (cuts.lines)
		metric_add(l->lines_cut, (int64_t)cuts.lines);
	if (cuts.metadata)
		metric_add(l->metadata_cut, (int64_t)cuts.metadata);
	return block;
}

static void loki_deliver(struct output *out, struct block *b)
{
	sender_take(((struct loki *)out->state)->sender, b);
}

static void loki_flush(struct output *out)
{
	sender_flush(((struct loki *)out->state)->sender);
}

static void loki_stop(struct output *out)
{
	sender_stop(((struct loki *)out->state)->sender);
}

static void loki_close(struct output *out)
{
	struct loki *l = out->state;

	sender_free(l->sender);
	if (l->client)
		l->client->free(l->client);
	deadletter_free(l->dead);
	*l = (struct loki){ 0 };
}

const struct output_ops output_loki = {
	.name = "loki",
	.summary = "Grafana Loki, by its push API",
	.doc = "Records are pushed as snappy-compressed protobuf. What Loki has not accepted (204 "
	       "or "
	       "200) is sent again, the same bytes, for as long as it takes; what it refuses for "
	       "good goes to a dead-letter file, entry by entry, with the reason.",
	.conf = &loki_table,
	.state_size = sizeof(struct loki),
	.is_blocking_by_default = true,
	.open = loki_open,
	.start = loki_start,
	.encode = loki_encode,
	.deliver = loki_deliver,
	.flush = loki_flush,
	.stop = loki_stop,
	.close = loki_close,
	.replay = loki_replay,
	.doctor = loki_doctor,
};
