/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies with a Content-Encoding: what comes out is bounded by max_body, and not more of it is kept than
 * one piece that the handler had no credit for. */
#include "lib/http_impl.h"
#include "lib/mem.h"

bool http_decode_begin(struct http_conn *c, const struct http1_head *head)
{
	struct http_server *s = c->server;
	struct str coding = http1_field(head, STR("content-encoding"));
	bool is_gzip = str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip"));

	if (!coding.n || str_ieq(coding, STR("identity")) ||
	    (s->ops->own_coding && str_ieq(coding, str_c(s->ops->own_coding))))
		return true;
	if (!is_gzip && !str_ieq(coding, STR("deflate"))) {
		http_refused(s, "content_encoding");
		http_conn_refuse(c, 415, "this Content-Encoding is not known");
		return false;
	}
	s->kept_bytes += HTTP_INFLATE_BYTES;
	c->inflate = inflate_new(is_gzip ? INFLATE_GZIP : INFLATE_ZLIB);
	c->plain_bytes = 0;
	if (http_make_kept_room(c))
		return true;
	http_refused(s, "memory");
	http_conn_refuse(c, 503, "too many bodies are being decompressed");
	return false;
}

void http_decode_fini(struct http_conn *c)
{
	if (!c->inflate)
		return;
	c->server->kept_bytes -= HTTP_INFLATE_BYTES + c->plain.n;
	inflate_free(TAKE(c->inflate));
	buf_fini(&c->plain);
	c->has_more = c->is_over = false;
}

/* The handler's part; the rest stays. */
static void give(struct http_conn *c, struct str bytes)
{
	size_t took = c->server->ops->on_body(c, bytes);

	CHECK(took <= bytes.n);
	if (c->state != HTTP_BODY) /* answered: nobody wants more */
		return;
	bytes = str_skip(bytes, took);
	c->server->kept_bytes += bytes.n - c->plain.n;
	if (c->plain.n) {
		memmove(c->plain.p, bytes.p, bytes.n);
		c->plain.n = bytes.n;
	} else {
		buf_str(&c->plain, bytes);
	}
	if (bytes.n)
		http_pause(c);
	else
		buf_fini(&c->plain);
}

void http_decode_offer(struct http_conn *c, struct str *avail)
{
	struct str in = str_sub(*avail, 0, c->pending);
	enum inflate_result got;
	size_t n;

	if (c->plain.n) {
		give(c, buf_as_str(&c->plain));
		return;
	}
	got = c->is_over ? INFLATE_END
			 : inflate_run(c->inflate, &in, c->server->plain, HTTP_READ_BYTES, &n);
	if (c->is_over)
		n = 0;
	if (got == INFLATE_END) {
		in.n = 0;
		c->is_over = true;
	}
	*avail = str_skip(*avail, c->pending - in.n);
	c->pending = in.n;
	c->has_more = got == INFLATE_OK && n == HTTP_READ_BYTES;
	c->plain_bytes += n;
	if (c->plain_bytes > c->server->conf->max_body) {
		http_refused(c->server, "too_large");
		http_conn_refuse(c, 413, "the body is larger than max_body");
		return;
	}
	if (n)
		give(c, str_make(c->server->plain, n));
	if (got == INFLATE_BAD && c->state == HTTP_BODY) {
		http_refused(c->server, "malformed");
		http_conn_refuse(c, 400, "the compressed body is damaged");
	}
}

bool http_decode_may_end(const struct http_conn *c)
{
	return !c->inflate || c->is_over || inflate_may_end(c->inflate);
}
