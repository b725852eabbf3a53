/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: writing them, and sending them as the client takes them. */
#include <errno.h>

#include "lib/http_impl.h"
#include "lib/http_text.h"

static void put_head(struct http_conn *c, const struct http_answer *a)
{
	struct buf *out = &c->out;
	char date[HTTP_DATE_TEXT];

	http_date(clock_wall_ns() / NS_PER_S, date);
	buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", a->status, http_status_name(a->status),
		   date);
	if (a->type)
		buf_printf(out, "Content-Type: %s\r\n", a->type);
	if (a->status != 204)
		buf_printf(out, "Content-Length: %zu\r\n", a->body.n);
	if (a->retry_after_s)
		buf_printf(out, "Retry-After: %u\r\n", a->retry_after_s);
	if (a->status == 415)
		buf_c(out, "Accept-Encoding: gzip, deflate\r\n");
	if (a->status == 401 && c->server->auth)
		buf_printf(out, "WWW-Authenticate: %s\r\n", http_auth_challenge(c->server->auth));
	if (a->fields)
		buf_c(out, a->fields);
	buf_printf(out, "%s\r\n", c->closes ? "Connection: close\r\n" : "");
}

void http_put_answer(struct http_conn *c, const struct http_answer *a)
{
	c->closes |= a->closes || !c->keeps_alive || c->is_incomplete || c->server->is_stopping;
	put_head(c, a);
	if (!c->is_head && a->status != 204)
		buf_str(&c->out, a->body);
	metric_add(http_code(c->server, a->status), 1);
	http_decode_fini(c);
	c->user = NULL;
	c->is_paused = false;
	c->state = HTTP_ANSWER;
	c->since_ns = loop_now_ns(c->server->loop);
}

void http_put_continue(struct http_conn *c)
{
	c->expects = false;
	buf_c(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

bool http_flush(struct http_conn *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = stream_send(&c->stream, c->out.p + c->sent, c->out.n - c->sent);

		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		c->sent += (size_t)n;
		if (c->state == HTTP_ANSWER && c->server->conf->min_body_rate <= 0)
			c->since_ns = loop_now_ns(c->server->loop);
	}
	buf_fini(&c->out); /* idle connections hold nothing */
	c->sent = 0;
	return true;
}

void http_answer(struct http_conn *c, const struct http_answer *a)
{
	CHECK(c->state == HTTP_BODY || c->state == HTTP_HELD);
	http_put_answer(c, a);
	http_conn_settle(c);
}

void http_answer_text(struct http_conn *c, unsigned status, const char *text)
{
	struct buf body = BUF_INIT;

	buf_printf(&body, "%s\n", text ? text : http_status_name(status));
	http_answer(c, &(struct http_answer){ .status = status,
					      .type = "text/plain; charset=utf-8",
					      .body = buf_as_str(&body) });
	buf_fini(&body);
}
