/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libcurl: its multi interface, driven by our loop. HTTP/1.1 over kept connections,
 * no redirects, no proxy or .netrc from the environment, and little is read of what comes back. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "outputs/loki/client.h"
#include "outputs/loki/headers.h"
#include "outputs/loki/loki.h"

#define ANSWER_HEADERS_MAX ((size_t)64 * 1024) /* all lines, those of 100s included */
#define HEADER_VALUE_MAX 64
#define UPLOAD_BYTES (128L * 1024)
#define CONNECT_MS 5000L
#define CONNECTION_LIFE_S 600L /* a new address of the same name is found, some time */

/* The shared lines as libcurl wants them. Counted: they may be read again while requests with the old
 * ones are under way. */
struct lines {
	unsigned refs;
	struct headers *headers;
	struct curl_slist list[HEADERS_MAX];
};

struct curl_client {
	struct client ops;
	struct loop *loop;
	const struct loki_conf *conf;
	CURLM *multi;
	struct timer timer;
	struct lines *lines;
	struct slot *idle; /* kept with their handles */
	char *url;
};

/* One transfer: the handle, and what was read of the answer. */
struct slot {
	struct slot *next;
	struct curl_client *client;
	struct client_call *call;
	CURL *easy;
	struct lines *lines;      /* a reference while under way */
	struct curl_slist tenant; /* stands in front of the shared ones */
	char tenant_line[200];
	char error[CURL_ERROR_SIZE];
	char body[ANSWER_BODY_MAX], retry_after[HEADER_VALUE_MAX], content_type[HEADER_VALUE_MAX];
	size_t body_n, retry_after_n, content_type_n, header_bytes;
	bool is_body_full;
};

/* A socket that curl wants to be told about. */
struct sock {
	struct io io;
	struct curl_client *client;
};

bool tenant_is_valid(struct str tenant)
{
	static const char marks[] = "!-_.*'()";

	if (!tenant.n || tenant.n > 150 || str_is(tenant, ".") || str_is(tenant, ".."))
		return false;
	for (size_t i = 0; i < tenant.n; i++) {
		char c = tenant.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !memchr(marks, c, sizeof(marks) - 1))
			return false;
	}
	return true;
}

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
	size_t room = sizeof(slot->body) - slot->body_n;

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
	return n;
}

static void finish(struct slot *slot, CURLcode result)
{
	struct curl_client *c = slot->client;
	struct client_call *call = slot->call;
	struct answer a = { .body = str_make(slot->body, slot->body_n),
			    .retry_after = str_make(slot->retry_after, slot->retry_after_n),
			    .content_type = str_make(slot->content_type, slot->content_type_n) };
	long status = 0;

	if (result == CURLE_OK || slot->is_body_full)
		curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	else
		a.error = str_c(slot->error[0] ? slot->error : curl_easy_strerror(result));
	a.status = (int)status;
	curl_multi_remove_handle(c->multi, slot->easy);
	lines_put(TAKE(slot->lines));
	slot->call = NULL;
	call->slot = NULL;
	call->done(call, &a);
	/* Only now: what done() sends must not overwrite the answer. */
	slot->next = c->idle;
	c->idle = slot;
}

static void look_for_finished(struct curl_client *c)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left))) {
		CURLcode result = msg->data.result;
		char *slot = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot);
		finish((struct slot *)(void *)slot, result);
	}
}

/* curl and the loop */

static void on_ready(struct io *io, uint32_t events)
{
	struct sock *sock = container_of(io, struct sock, io);
	struct curl_client *c = sock->client;
	int what = 0, running;

	/* Errors are found by reading, after what came before them. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		what |= CURL_CSELECT_IN;
	if (events & (EPOLLOUT | EPOLLERR))
		what |= CURL_CSELECT_OUT;
	curl_multi_socket_action(c->multi, io->fd, what, &running);
	look_for_finished(c); /* sock may be gone */
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct curl_client *c = arg;
	struct sock *sock = socket_arg;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock)
			loop_io_del(c->loop, &sock->io);
		mem_free(sock);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (sock) {
		loop_io_set(c->loop, &sock->io, events);
		return 0;
	}
	sock = mem_zalloc(sizeof(*sock));
	sock->client = c;
	loop_io_add(c->loop, &sock->io, fd, events, on_ready);
	curl_multi_assign(c->multi, fd, sock);
	return 0;
}

static void on_expired(struct timer *t)
{
	struct curl_client *c = container_of(t, struct curl_client, timer);
	int running;

	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look_for_finished(c);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct curl_client *c = arg;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_del(c->loop, &c->timer);
	else
		loop_timer_in(c->loop, &c->timer, timeout_ms * NS_PER_MS, on_expired);
	return 0;
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
}

static void set_up(struct slot *slot, const struct curl_client *c)
{
	CURL *easy = slot->easy;
	long timeout_ms = (long)(c->conf->timeout_ns / NS_PER_MS);

	curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
	curl_easy_setopt(easy, CURLOPT_URL, c->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
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

static struct slot *take_slot(struct curl_client *c)
{
	struct slot *slot = c->idle;

	if (slot) {
		c->idle = slot->next;
		return slot;
	}
	slot = mem_zalloc(sizeof(*slot));
	slot->client = c;
	slot->easy = curl_easy_init();
	CHECK(slot->easy); /* out of memory */
	set_up(slot, c);
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

static void client_send(struct client *client, struct client_call *call)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);
	struct slot *slot = take_slot(c);

	slot->call = call;
	call->slot = slot;
	slot->body_n = slot->retry_after_n = slot->content_type_n = slot->header_bytes = 0;
	slot->is_body_full = false;
	slot->error[0] = 0;
	set_headers(slot, call->tenant);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, call->body.p);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
	CHECK(curl_multi_add_handle(c->multi, slot->easy) == CURLM_OK);
}

static void client_cancel(struct client *client, struct client_call *call)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);
	struct slot *slot = TAKE(call->slot);

	CHECK(slot && slot->call == call);
	curl_multi_remove_handle(c->multi, slot->easy);
	lines_put(TAKE(slot->lines));
	slot->call = NULL;
	slot->next = c->idle;
	c->idle = slot;
}

static bool client_reread(struct client *client)
{
	struct curl_client *c = container_of(client, struct curl_client, ops);
	struct err err = ERR_NONE;
	struct headers *fresh = headers_new(c->conf, &err);

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

	while (c->idle) {
		struct slot *slot = c->idle;

		c->idle = slot->next;
		free_slot(slot);
	}
	curl_multi_cleanup(c->multi);
	loop_timer_del(c->loop, &c->timer);
	lines_put(c->lines);
	mem_free(c->url);
	mem_free(c);
}

/* Making one */

static void init_curl(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

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
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct headers *headers = headers_new(conf, err);
	struct curl_client *c;

	if (!headers)
		return NULL;
	pthread_once(&once, init_curl);
	c = mem_zalloc(sizeof(*c));
	c->ops = (struct client){ client_send, client_cancel, client_reread, client_free };
	c->loop = loop;
	c->conf = conf;
	c->lines = lines_new(headers);
	c->url = push_url(conf->url);
	c->multi = curl_multi_init();
	CHECK(c->multi);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)conf->shards);
	curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return &c->ops;
}
