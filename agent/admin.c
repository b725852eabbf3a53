/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's HTTP port. */
#include "agent/admin.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http_server.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metric.h"

#define TIMEOUT_NS (5 * NS_PER_S)

struct admin {
	struct http_conf conf;
	struct http_server *server;
	const bool *is_ready;
	void (*on_scrape)(void *ctx);
	void *ctx;
};

static void answer_metrics(struct http_conn *c, struct admin *a)
{
	struct buf body = BUF_INIT;

	a->on_scrape(a->ctx);
	metrics_render(&body);
	http_answer(c, &(struct http_answer){ .status = 200,
					      .type = "text/plain; version=0.0.4; charset=utf-8",
					      .body = buf_as_str(&body) });
	buf_fini(&body);
}

static void on_request(struct http_conn *c, const struct http1_head *head)
{
	struct admin *a = http_ctx(c);

	if (!str_is(head->method, "GET") && !str_is(head->method, "HEAD"))
		http_answer(c, &(struct http_answer){ .status = 405,
						      .type = "text/plain",
						      .body = STR("only GET\n"),
						      .fields = "Allow: GET, HEAD\r\n" });
	else if (str_is(head->path, "/metrics"))
		answer_metrics(c, a);
	else if (str_is(head->path, "/ready"))
		http_answer_text(c, *a->is_ready ? 200 : 503, *a->is_ready ? "ready" : "not ready");
	else if (str_is(head->path, "/healthz"))
		http_answer_text(c, 200, "ok");
	else
		http_answer_text(c, 404, "try /metrics, /ready or /healthz");
}

/* Everything is answered before a body comes. */
static const struct http_ops ops = { .on_request = on_request };

int admin_new(struct loop *loop, const struct conf_addr *addr, const bool *is_ready,
	      void (*on_scrape)(void *ctx), void *ctx, struct admin **ret, struct err *err)
{
	struct admin *a = mem_zalloc(sizeof(*a));
	int rc;

	a->conf = (struct http_conf){
		.stream = { .listen = { 1, (struct conf_addr *)(uintptr_t)addr },
			    .max_connections = 16,
			    .peer_ipv6_bits = 64,
			    .handshake_timeout_ns = TIMEOUT_NS },
		.header_timeout_ns = TIMEOUT_NS,
		.body_timeout_ns = TIMEOUT_NS,
		.min_body_rate = 1024,
		.idle_timeout_ns = 60 * NS_PER_S,
		.max_body = SIZE_MAX, /* on_request() has more to say */
	};
	a->is_ready = is_ready;
	a->on_scrape = on_scrape;
	a->ctx = ctx;
	rc = http_server_new(&a->server, loop, "admin", &a->conf, &ops, a, err);
	if (rc < 0) {
		mem_free(a);
		return rc;
	}
	http_server_start(a->server);
	log_info("admin port is open", KV("address", addr->text));
	*ret = a;
	return 0;
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	http_server_free(a->server);
	mem_free(a);
}
