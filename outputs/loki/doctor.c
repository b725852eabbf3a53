/* SPDX-License-Identifier: Apache-2.0 */
/* What `tailrace doctor` looks at for this output: an empty push to every endpoint, by the output's own
 * way, so with its credentials, certificates and proxy. Loki answers 204 or, newer ones, 422 "at least one
 * valid stream is required", and stores nothing. */
#include "outputs/loki/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "outputs/loki/client.h"
#include "outputs/loki/loki.h"

#define CLOCK_WARN_S 30
#define CLOCK_FAIL_S 600 /* Loki's creation_grace_period */

struct visit {
	struct client_call call;
	struct doctor *d;
	const struct loki_conf *conf;
	char where[256]; /* without a password */
	bool is_done;
	double took_s;
};

/* In front of a host, user:password@ stays untold. */
static void tell_url(struct str url, char *ret, size_t room)
{
	size_t scheme = str_find(url, STR("://")) + 3;
	struct str rest = str_skip(url, scheme), host = str_sub(rest, 0, str_chr(rest, '/'));
	size_t at = str_chr(host, '@');

	snprintf(ret, room, STR_FMT STR_FMT, STR_ARG(str_sub(url, 0, scheme)),
		 STR_ARG(str_skip(rest, at < host.n ? at + 1 : 0)));
}

static bool has(struct str text, const char *part)
{
	return str_find(text, str_c(part)) < text.n;
}

/* No answer at all: by what the transport said. */
static void explain_error(struct visit *v, struct str error)
{
	static const struct {
		const char *part, *fix;
	} rows[] = {
		{ "OAuth2", "correct `oauth2`: token_url, client_id and client_secret" },
		{ "resolve proxy", "correct `proxy_url`; `getent hosts NAME` asks the resolver" },
		{ "from proxy", "put user:password@ into `proxy_url`, or ask who runs the proxy" },
		{ "CONNECT tunnel",
		  "put user:password@ into `proxy_url`, or ask who runs the proxy" },
		{ "resolve host",
		  "correct `url`; `getent hosts NAME` asks the resolver (/etc/resolv.conf)" },
		{ "expired", "renew the certificate of Loki, or set this clock: `timedatectl`" },
		{ "subject name", "write the name that the certificate is for into `url`" },
		{ "does not match", "write the name that the certificate is for into `url`" },
		{ "issuer", "name the authority of Loki's certificate in `tls.ca_file`" },
		{ "self-signed", "name the authority of Loki's certificate in `tls.ca_file`" },
		{ "self signed", "name the authority of Loki's certificate in `tls.ca_file`" },
		{ "certificate required", "set `tls.cert_file` and `tls.key_file`" },
		{ "alert", "Loki refuses our certificate: correct `tls.cert_file` and its key" },
		{ "wrong version", "there is no TLS at this port: write http:// in `url`" },
		{ "record overflow", "there is no TLS at this port: write http:// in `url`" },
		{ "HTTP/0.9",
		  "this port does not speak HTTP: correct it in `url`, or write https://" },
		{ "Empty reply", "this port does not speak HTTP: correct it in `url`" },
		{ "timed out", "a firewall, or a wrong address in `url`? `curl -v URL/ready`" },
		{ "connect", "start Loki, or correct host and port in `url`; `curl -v URL/ready`" },
		{ "certificate", "correct `tls`" },
	};

	doctor_say(v->d, DOCTOR_FAIL, "loki", "%s: " STR_FMT, v->where, STR_ARG(error));
	if (v->conf->proxy_url.n && has(error, "to connect")) {
		doctor_fix(v->d, "start the proxy, or correct `proxy_url`");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!has(error, rows[i].part))
			continue;
		doctor_fix(v->d, "%s", rows[i].fix);
		return;
	}
	doctor_fix(v->d, "curl -v %s/ready", v->where);
}

static void explain_401(struct visit *v, struct str body)
{
	const struct loki_conf *c = v->conf;

	doctor_say(v->d, DOCTOR_FAIL, "loki", "%s: 401, it does not accept who we are: " STR_FMT,
		   v->where, STR_ARG(body));
	if (has(body, "org id"))
		doctor_fix(v->d, "set `tenant`: this Loki has several");
	else if (c->basic_auth.username.n)
		doctor_fix(v->d, "correct `basic_auth`: username and password");
	else if (secret_is_set(&c->bearer_token))
		doctor_fix(v->d, "correct `bearer_token`: it is wrong or has expired");
	else if (c->oauth2.token_url.n)
		doctor_fix(v->d,
			   "correct `oauth2`: the token server gave a token that is not taken "
			   "here (scopes, audience)");
	else
		doctor_fix(v->d, "set `basic_auth`, `bearer_token` or `oauth2`, or `tenant`");
}

static void explain_status(struct visit *v, const struct answer *a, struct str body)
{
	static const struct {
		int status;
		const char *text, *fix;
	} rows[] = {
		{ 403, "these credentials may not push",
		  "give them the right to write logs (logs:write), or correct `tenant`" },
		{ 404, "there is no push API at this path",
		  "correct `url`: without a path /loki/api/v1/push is added" },
		{ 405, "there is no push API at this path",
		  "correct `url`: without a path /loki/api/v1/push is added" },
		{ 407, "the proxy wants credentials", "put user:password@ into `proxy_url`" },
		{ 413, "it takes no request at all",
		  "look at the limits of what is in front of it" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].status != a->status)
			continue;
		doctor_say(v->d, DOCTOR_FAIL, "loki", "%s: %d, %s%s" STR_FMT, v->where, a->status,
			   rows[i].text, body.n ? ": " : "", STR_ARG(body));
		doctor_fix(v->d, "%s", rows[i].fix);
		return;
	}
	doctor_say(v->d, DOCTOR_FAIL, "loki", "%s: answers %d%s" STR_FMT, v->where, a->status,
		   body.n ? ": " : "", STR_ARG(body));
	if (a->status >= 500)
		doctor_fix(v->d, "look at Loki's own log, and at %s/ready", v->where);
	else if (a->status >= 300 && a->status < 400)
		doctor_fix(v->d, "write where it leads into `url`: redirects are not followed");
	else
		doctor_fix(v->d, "is this Loki? curl -i %s/ready", v->where);
}

/* Loki's own clock judges what is too old or in the future. */
static void compare_clocks(struct visit *v, struct str date)
{
	struct tm tm = { 0 };
	char text[64];
	long long off_s;

	snprintf(text, sizeof(text), STR_FMT, STR_ARG(date));
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return;
	off_s = (long long)(v->d->now_s - (int64_t)timegm(&tm));
	if (llabs(off_s) <= CLOCK_WARN_S) {
		doctor_say(v->d, DOCTOR_OK, "clock", "within %d s of Loki's", CLOCK_WARN_S);
		return;
	}
	doctor_say(v->d, llabs(off_s) > CLOCK_FAIL_S ? DOCTOR_FAIL : DOCTOR_WARN, "clock",
		   "this clock is %lld s %s Loki's%s", llabs(off_s),
		   off_s > 0 ? "before" : "behind",
		   off_s > CLOCK_FAIL_S ? ", which refuses what is so far in the future" : "");
	doctor_fix(v->d, "timedatectl set-ntp true, on both machines");
}

static void on_answer(struct client_call *call, const struct answer *a)
{
	struct visit *v = container_of(call, struct visit, call);
	struct str body = str_sub(str_trim(a->body), 0, 200);
	enum verdict_kind kind = answer_judge(a, clock_wall_ns()).kind;

	v->is_done = true;
	if (!a->status)
		explain_error(v, a->error);
	else if (a->status == 401)
		explain_401(v, body);
	else if (a->status == 200 && kind == VERDICT_HOLD)
		explain_status(v, &(struct answer){ .status = 404 },
			       STR("it is a page for people"));
	else if (kind == VERDICT_DONE || has(body, "at least one valid stream"))
		doctor_say(v->d, DOCTOR_OK, "loki", "%s takes a push with these credentials",
			   v->where);
	else if (kind == VERDICT_RATE || kind == VERDICT_STREAM_LIMIT) {
		doctor_say(v->d, DOCTOR_WARN, "loki", "%s: 429, over its limits now: " STR_FMT,
			   v->where, STR_ARG(body));
		doctor_fix(v->d, "raise ingestion_rate_mb for this tenant in Loki's limits_config");
	} else
		explain_status(v, a, body);
	if (a->date.n)
		compare_clocks(v, a->date);
}

static void visit(struct doctor *d, const struct loki_conf *conf, struct str url)
{
	static const char empty_push[] = { 0 }; /* snappy: nothing */
	struct loki_conf one = *conf;
	struct visit v = { .d = d, .conf = conf };
	struct loop *loop = loop_new("doctor");
	struct err err = ERR_NONE;
	struct client *client;
	int64_t until_ns;

	one.url = url;
	one.failover_urls.n = 0;
	if (one.timeout_ns > d->deadline_ns)
		one.timeout_ns = d->deadline_ns;
	/* A token comes first, so there may be two requests. */
	until_ns = clock_mono_ns() + 2 * one.timeout_ns + NS_PER_S;
	tell_url(url, v.where, sizeof(v.where));
	client = client_new(loop, &one, &err);
	if (!client) {
		doctor_say(d, DOCTOR_FAIL, "credentials", "%s", err.text);
		doctor_fix(d, "correct what `password`, `bearer_token` or `client_secret` names");
	} else {
		v.call = (struct client_call){ .body = str_make(empty_push, sizeof(empty_push)),
					       .tenant = conf->tenant,
					       .done = on_answer };
		client->send(client, &v.call);
		while (!v.is_done && clock_mono_ns() < until_ns)
			loop_once(loop, 100);
		if (!v.is_done) {
			client->cancel(client, &v.call);
			explain_error(&v, STR("timed out"));
		}
		client->free(client);
	}
	loop_free(loop);
}

void loki_doctor(struct doctor *d, const char *name, const void *conf)
{
	const struct loki_conf *c = conf;

	(void)name;
	if (c->tls.cert_file.n || c->tls.ca_file.n)
		doctor_tls(d, c->tls.cert_file, c->tls.key_file, c->tls.ca_file);
	if (c->tls.insecure_skip_verify) {
		doctor_say(d, DOCTOR_WARN, "certificate",
			   "`insecure_skip_verify` is on: whoever is in between reads everything");
		doctor_fix(d, "name the authority in `tls.ca_file` instead");
	}
	visit(d, c, c->url);
	for (size_t i = 0; i < c->failover_urls.n; i++)
		visit(d, c, c->failover_urls.items[i]);
}
