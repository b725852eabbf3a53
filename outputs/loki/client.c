/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes over HTTP/1.1 and kept connections: no redirects, no proxy or .netrc from the environment, and
 * little is read of what comes back. With OAuth2, calls wait here while a token is fetched. */
#include <errno.h>
#include <stdio.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "outputs/loki/client.h"
#include "outputs/loki/headers.h"
#include "outputs/loki/loki.h"
#include "outputs/loki/token.h"
#include "outputs/loki/transfer.h"

#define ANSWER_HEADERS_MAX ((size_t)64 * 1024) /* all lines, those of 100s included */
#define HEADER_VALUE_MAX 64
#define UPLOAD_BYTES (128L * 1024)
#define CONNECT_MS 5000L
/* A name that moves: a connection that still works is given up after this long, and one that is made anew knows the
 * address of the last seconds only. */
#define CONNECTION_LIFE_S 300L
#define ADDRESS_LIFE_S 5L
#define BACK_NS (60 * NS_PER_S)        /* then the first endpoint is tried again */
#define TOKEN_FRESH_NS (10 * NS_PER_S) /* one refused when younger than this is no stale one */
#define ENDPOINTS_MAX 9

/* The shared lines as libcurl wants them. Counted: they may be read again while requests with the old
 * ones are under way. */
struct lines {
	unsigned refs;
	struct headers *headers;
	struct curl_slist list[HEADERS_MAX];
};

/* OAuth2. A call that finds no token waits for the request that is under way. */
struct token_state {
	struct slot *slot; /* of the request; NULL = none is under way */
	struct client_call *waiting;
	struct lines *lines;
	struct buf form;
	int64_t got_ns, until_ns; /* monotonic; until_ns 0 = there is none */
};

struct curl_client {
	struct client ops;
	const struct loki_conf *conf;
	struct transfers *transfers;
	struct lines *lines;
	struct slot *idle; /* kept with their handles */
	char *urls[ENDPOINTS_MAX];
	unsigned nurls, at; /* at: the one in use */
	int64_t back_ns;    /* when to go back to the first */
	struct token_state token;
};

/* One transfer: the handle, and what was read of the answer. */
struct slot {
	struct transfer transfer;
	struct slot *next;
	struct curl_client *client;
	struct client_call *call;
	CURL *easy;
	unsigned url;             /* that it went to */
	struct lines *lines;      /* a reference while under way */
	struct curl_slist tenant; /* stands in front of the shared ones */
	char tenant_line[200];
	char error[CURL_ERROR_SIZE];
	char retry_after[HEADER_VALUE_MAX], content_type[HEADER_VALUE_MAX], date[HEADER_VALUE_MAX];
	size_t body_n, retry_after_n, content_type_n, date_n, header_bytes;
	bool is_body_full;
	size_t body_max;
	char body[];
};

/* Header lines */

/* Takes the headers over. */
static struct lines *lines_new(struct headers *headers)
{
	struct lines *l = mem_zalloc(sizeof(*l));

	l->refs = 1;
	l->headers = headers;
	for (size_t i = 0; i < headers->n; i++)
		l->list[i] = (struct curl_slist){ headers->lines[i],
						  i + 1 < headers->n ? &l->list[i + 1] : NULL };
	return l;
}

static void lines_put(struct lines *l)
{
	if (!l || --l->refs)
		return;
	headers_free(l->headers);
	mem_free(l);
}

/* The answer */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct slot *slot = arg;
	size_t room = slot->body_max - slot->body_n;

	n *= size;
	if (n > room) {
		memcpy(slot->body + slot->body_n, p, room);
		slot->body_n += room;
		slot->is_body_full = true;
		return 0; /* ends the transfer; the status is all we need */
	}
	memcpy(slot->body + slot->body_n, p, n);
	slot->body_n += n;
	return n;
}

/* The value of the header when the line is one of that name. A long one is cut. */
static void keep_header(struct str line, struct str name, char *value, size_t *n)
{
	if (!str_ieq(str_sub(line, 0, name.n), name))
		return;
	line = str_sub(str_trim(str_skip(line, name.n)), 0, HEADER_VALUE_MAX);
	memcpy(value, line.p, line.n);
	*n = line.n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct slot *slot = arg;
	struct str line;

	n *= size;
	slot->header_bytes += n;
	if (slot->header_bytes > ANSWER_HEADERS_MAX)
		return 0;
	line = str_make(p, n);
	keep_header(line, STR("retry-after:"), slot->retry_after, &slot->retry_after_n);
	keep_header(line, STR("content-type:"), slot->content_type, &slot->content_type_n);
	keep_header(line, STR("date:"), slot->date, &slot->date_n);
	return n;
}

static long status_of(const struct slot *slot, CURLcode result)
{
	long status = 0;

	if (result == CURLE_OK || slot->is_body_full)
		curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static struct str error_of(const struct slot *slot, CURLcode result)
{
	return str_c(slot->error[0] ? slot->error : curl_easy_strerror(result));
}

/* The next endpoint takes over from one that does not answer, or only a gateway in its place. */
static void look_at_endpoint(struct curl_client *c, const struct slot *slot, int status)
{
	if (c->nurls == 1 || slot->url != c->at)
		return;
	if (status && status != 502 && status != 503 && status != 504)
		return;
	c->at = (c->at + 1) % c->nurls;
	c->back_ns = clock_mono_ns() + BACK_NS;
	/* By number: a URL may have a password in it. */
	log_warn("another endpoint takes over", KV_I("from", slot->url), KV_I("to", c->at),
		 KV_I("status", status));
}

static void on_finished(struct transfer *t, CURLcode result)
{
	struct slot *slot = container_of(t, struct slot, transfer);
	struct curl_client *c = slot->client;
	struct client_call *call = slot->call;
	struct answer a = { .body = str_make(slot->body, slot->body_n),
			    .retry_after = str_make(slot->retry_after, slot->retry_after_n),
			    .content_type = str_make(slot->content_type, slot->content_type_n),
			    .date = str_make(slot->date, slot->date_n) };

	a.status = (int)status_of(slot, result);
	if (!a.status)
		a.error = error_of(slot, result);
	look_at_endpoint(c, slot, a.status);
	lines_put(TAKE(slot->lines));
	slot->call = NULL;
	call->slot = NULL;
	call->done(call, &a);
	/* Only now: what done() sends must not overwrite the answer. */
	slot->next = c->idle;
	c->idle = slot;
}

/* Transfers */

static void set_text(CURL *easy, CURLoption option, struct str text)
{
	if (text.n)
		curl_easy_setopt(easy, option, text.p); /* options end with a NUL, see conf.h */
}

static void set_tls(CURL *easy, const struct loki_tls *tls)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->insecure_skip_verify ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->insecure_skip_verify ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CONNECTION_LIFE_S);
	set_text(easy, CURLOPT_CAINFO, tls->ca_file);
	set_text(easy, CURLOPT_SSLCERT, tls->cert_file);
	set_text(easy, CURLOPT_SSLKEY, tls->key_file);
	/* A resumed session would go on with the certificate of before. */
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

static void set_up(struct slot *slot, const struct curl_client *c)
{
	CURL *easy = slot->easy;
	long timeout_ms = (long)(c->conf->timeout_ns / NS_PER_MS);

	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, c->conf->proxy_url.n ? c->conf->proxy_url.p : "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* the environment's does not count either */
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, ADDRESS_LIFE_S);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
			 timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "tailrace/" TAILRACE_VERSION);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
	set_tls(easy, &c->conf->tls);
}

static struct slot *new_slot(struct curl_client *c, size_t body_max,
			     void (*done)(struct transfer *, CURLcode))
{
	struct slot *slot = mem_zalloc(sizeof(*slot) + body_max);

	slot->client = c;
	slot->body_max = body_max;
	slot->easy = curl_easy_init();
	CHECK(slot->easy); /* out of memory */
	slot->transfer = (struct transfer){ slot->easy, done };
	set_up(slot, c);
	return slot;
}

static struct slot *take_slot(struct curl_client *c)
{
	struct slot *slot = c->idle;

	if (!slot)
		return new_slot(c, ANSWER_BODY_MAX, on_finished);
	c->idle = slot->next;
	return slot;
}

static void free_slot(struct slot *slot)
{
	curl_easy_cleanup(slot->easy);
	mem_free(slot);
}

static void set_headers(struct slot *slot, struct str tenant)
{
	struct curl_slist *list;

	slot->lines = slot->client->lines;
	slot->lines->refs++;
	list = slot->lines->list;
	if (tenant.n) {
		CHECK(tenant_is_valid(tenant));
		snprintf(slot->tenant_line, sizeof(slot->tenant_line), "X-Scope-OrgID: " STR_FMT,
			 STR_ARG(tenant));
		slot->tenant = (struct curl_slist){ slot->tenant_line, list };
		list = &slot->tenant;
	}
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, list);
}

static void start(struct curl_client *c, struct client_call *call)
{
	struct slot *slot = take_slot(c);

	if (c->at && clock_mono_ns() >= c->back_ns)
		c->at = 0;
	slot->call = call;
	call->slot = slot;
	slot->url = c->at;
	slot->body_n = slot->retry_after_n = slot->content_type_n = slot->date_n =
		slot->header_bytes = 0;
	slot->is_body_full = false;
	slot->error[0] = 0;
	set_headers(slot, call->tenant);
	curl_easy_setopt(slot->easy, CURLOPT_URL, c->urls[c->at]);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, call->body.p);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
	transfers_add(c->transfers, &slot->transfer);
}

/* Tokens */

static void end_token_request(struct curl_client *c)
{
	struct slot *slot = TAKE(c->token.slot);

	lines_put(TAKE(c->token.lines));
	secret_wipe(&c->token.form);
	if (!slot)
		return;
	explicit_bzero(slot->body, slot->body_n);
	free_slot(slot);
}

static void on_token(struct transfer *t, CURLcode result)
{
	struct slot *slot = container_of(t, struct slot, transfer);
	struct curl_client *c = slot->client;
	struct client_call *call = TAKE(c->token.waiting), *next;
	struct err err = ERR_NONE;
	struct buf token = BUF_INIT;
	struct headers *headers;
	long status = status_of(slot, result);
	char why[sizeof(err.text) + 24];
	int64_t life_ns = 0;

	if (!status)
		err_set(&err, -EIO, STR_FMT, STR_ARG(error_of(slot, result)));
	else if (status != 200)
		err_set(&err, -EACCES, "it was answered %ld", status);
	else if (token_read(str_make(slot->body, slot->body_n), &token, &life_ns, &err) == 0 &&
		 (headers = headers_new(c->conf, &err))) {
		headers_bearer(headers, buf_as_str(&token));
		lines_put(c->lines);
		c->lines = lines_new(headers);
		c->token.got_ns = clock_mono_ns();
		c->token.until_ns = c->token.got_ns + life_ns;
	}
	secret_wipe(&token);
	end_token_request(c);
	if (err.code)
		log_error("cannot get an OAuth2 token, records are held", KV_ERR(&err));
	snprintf(why, sizeof(why), "no OAuth2 token: %s", err.text);
	for (; call; call = next) {
		next = call->next;
		if (err.code)
			call->done(call, &(struct answer){ .error = str_c(why) });
		else
			start(c, call);
	}
}

/* False with err when the secret cannot be read. */
static bool ask_for_token(struct curl_client *c, struct err *err)
{
	struct headers *headers = token_request(&c->conf->oauth2, &c->token.form, err);
	struct slot *slot;

	if (!headers)
		return false;
	slot = c->token.slot = new_slot(c, TOKEN_ANSWER_MAX, on_token);
	c->token.lines = lines_new(headers);
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, c->token.lines->list);
	curl_easy_setopt(slot->easy, CURLOPT_URL, c->conf->oauth2.token_url.p);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, c->token.form.p);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->token.form.n);
	transfers_add(c->transfers, &slot->transfer);
	return true;
}

/* The calls */

static bool needs_token(const struct curl_client *c)
{
	return c->conf->oauth2.token_url.n && clock_mono_ns() >= c->token.until_ns;
}

static void client_send(struct client *client, struct client_call *call)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);
	struct client_call **last = &c->token.waiting;
	struct err err = ERR_NONE;

	if (!needs_token(c)) {
		start(c, call);
		return;
	}
	if (!c->token.slot && !ask_for_token(c, &err)) {
		log_error("cannot ask for an OAuth2 token", KV_ERR(&err));
		start(c, call); /* without one: Loki's 401 brings it back here, later */
		return;
	}
	while (*last)
		last = &(*last)->next;
	call->slot = NULL;
	call->next = NULL;
	*last = call;
}

static void client_cancel(struct client *client, struct client_call *call)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);
	struct slot *slot = TAKE(call->slot);
	struct client_call **at = &c->token.waiting;

	if (!slot) {
		while (*at != call)
			at = &(*at)->next;
		*at = call->next;
		return;
	}
	CHECK(slot->call == call);
	transfers_remove(c->transfers, &slot->transfer);
	lines_put(TAKE(slot->lines));
	slot->call = NULL;
	slot->next = c->idle;
	c->idle = slot;
}

static bool client_reread(struct client *client)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);
	struct err err = ERR_NONE;
	struct headers *fresh;

	if (c->conf->oauth2.token_url.n) {
		c->token.until_ns = 0;
		return clock_mono_ns() - c->token.got_ns > TOKEN_FRESH_NS;
	}
	fresh = headers_new(c->conf, &err);
	if (!fresh) {
		log_error("cannot read credentials again, keeping the old ones", KV_ERR(&err));
		return false;
	}
	if (headers_are_equal(fresh, c->lines->headers)) {
		headers_free(fresh);
		return false;
	}
	lines_put(c->lines);
	c->lines = lines_new(fresh);
	return true;
}

static void client_free(struct client *client)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);

	if (c->token.slot)
		transfers_remove(c->transfers, &c->token.slot->transfer);
	end_token_request(c);
	while (c->idle) {
		struct slot *slot = c->idle;

		c->idle = slot->next;
		free_slot(slot);
	}
	transfers_free(c->transfers);
	lines_put(c->lines);
	for (unsigned i = 0; i < c->nurls; i++)
		mem_free(c->urls[i]);
	mem_free(c);
}

/* Making one */

/* The push path is added to a URL that has none. */
static char *push_url(struct str url)
{
	size_t scheme = str_find(url, STR("://"));
	struct str rest = str_skip(url, scheme + 3);
	size_t slash = str_chr(rest, '/');
	char *text = mem_alloc(url.n + sizeof("/loki/api/v1/push"));
	bool has_path = slash + 1 < rest.n || str_chr(rest, '?') < rest.n;
	size_t n = has_path || slash == rest.n ? url.n : url.n - 1;

	memcpy(text, url.p, n);
	text[n] = 0;
	if (!has_path)
		memcpy(text + n, "/loki/api/v1/push", sizeof("/loki/api/v1/push"));
	return text;
}

struct client *client_new(struct loop *loop, const struct loki_conf *conf, struct err *err)
{
	struct headers *headers = headers_new(conf, err);
	struct curl_client *c;

	if (!headers)
		return NULL;
	c = mem_zalloc(sizeof(*c));
	c->ops = (struct client){ client_send, client_cancel, client_reread, client_free };
	c->conf = conf;
	c->lines = lines_new(headers);
	c->urls[c->nurls++] = push_url(conf->url);
	for (size_t i = 0; i < conf->failover_urls.n && c->nurls < ENDPOINTS_MAX; i++)
		c->urls[c->nurls++] = push_url(conf->failover_urls.items[i]);
	c->transfers = transfers_new(loop, (long)conf->shards);
	return &c->ops;
}
