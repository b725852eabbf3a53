/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP/1 parser says about bytes, as text, whatever pieces they come in. */
#ifndef TESTS_UNIT_HTTP1_TOLD_H
#define TESTS_UNIT_HTTP1_TOLD_H

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/http1.h"
#include "lib/mem.h"

static inline void http1_tell_head(struct buf *out, const struct http1_head *h)
{
	buf_printf(out, STR_FMT " " STR_FMT "?" STR_FMT " 1.%u %s%s%lld\n", STR_ARG(h->method),
		   STR_ARG(h->path), STR_ARG(h->query), h->minor,
		   h->keeps_alive ? "keep " : "close ", h->expects_continue ? "expect " : "",
		   (long long)h->body_bytes);
	for (unsigned i = 0; i < h->nfields; i++)
		buf_printf(out, " " STR_FMT "=" STR_FMT "\n", STR_ARG(h->fields[i].name),
			   STR_ARG(h->fields[i].value));
}

/* Each piece is parsed in a buffer of its exact size. split(ctx, left): bytes of the next piece. Bodies
 * are joined, so that the pieces do not show. Tells at most max_requests requests; a request that does
 * not keep the connection is the last. Returns the bytes that were used. */
static inline size_t http1_tell(struct str in, size_t (*split)(void *ctx, size_t left), void *ctx,
				struct buf *out)
{
	static struct http1_event event;
	struct http1 h = { 0 };
	size_t at = 0, end = 0; /* of what is given */
	bool keeps = true, in_body = false;

	for (;;) {
		char *copy = mem_dup(in.p + at, end - at);
		struct str avail = str_make(copy, end - at);
		enum http1_result got;
		size_t left;

		CHECK(avail.n <= HTTP1_KEEP_MAX + (end - at));
		while ((got = http1_next(&h, &avail, &event)) != HTTP1_MORE && got != HTTP1_BAD) {
			if (got != HTTP1_BODY && in_body)
				buf_c(out, "|\n");
			if (got == HTTP1_HEAD) {
				http1_tell_head(out, &event.head);
				keeps = event.head.keeps_alive;
			} else if (got == HTTP1_BODY) {
				CHECK(event.body.n > 0);
				if (!in_body)
					buf_c(out, "|");
				buf_str(out, event.body);
			} else if (got == HTTP1_TRAILER) {
				buf_printf(out, "+" STR_FMT "=" STR_FMT "\n",
					   STR_ARG(event.trailer.name),
					   STR_ARG(event.trailer.value));
			} else {
				buf_c(out, ".\n");
			}
			in_body = got == HTTP1_BODY;
			if (got == HTTP1_END && !keeps)
				break;
		}
		left = avail.n;
		mem_free(copy);
		at = end - left;
		if (got == HTTP1_BAD) {
			CHECK(h.status >= 400 && h.why);
			buf_printf(out, "%s!%u %s\n", in_body ? "|\n" : "", h.status, h.why);
			return at;
		}
		CHECK(left <= HTTP1_KEEP_MAX);
		if (end == in.n || (got == HTTP1_END && !keeps)) {
			if (in_body)
				buf_c(out, "|\n");
			if (got == HTTP1_MORE && !http1_is_fresh(&h))
				buf_c(out, "...\n");
			return at;
		}
		end += split(ctx, in.n - end);
	}
}

static inline size_t http1_whole(void *ctx, size_t left)
{
	(void)ctx;
	return left;
}

static inline size_t http1_single(void *ctx, size_t left)
{
	(void)ctx;
	return left ? 1 : 0;
}

/* ctx: uint64_t */
static inline size_t http1_random(void *ctx, size_t left)
{
	uint64_t *seed = ctx;
	size_t n;

	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	n = 1 + (size_t)(*seed >> 33) % (*seed >> 62 ? 7 : 200);
	return n < left ? n : left;
}

#endif
