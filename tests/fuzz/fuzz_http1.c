/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1: how reads split the bytes changes nothing, slices stay within the bytes, and what we take for a
 * request http_parser (which served Node.js for a decade) takes for the same: same method, target, fields,
 * body and end. Where the two disagree, what goes through one and not the other is what smuggling is made
 * of, so each difference is listed:
 *
 *	we refuse, it takes     anything: we are the stricter one, and close
 *	we take, it refuses     methods it has no number for; versions beyond HTTP/1.1; a header of more than
 *				its 80 KiB (ours ends before); bytes in a target or in chunk extensions
 *				that its grammar leaves out; fields whose names only begin with
 *				Transfer-Encoding, which it takes for that
 *	both take               Upgrade and CONNECT: it stops and leaves the rest to another protocol
 */
#ifdef HAVE_HTTP_PARSER
#include <http_parser.h>
#include <stdio.h>
#endif

#include "tests/unit/http1_told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#ifdef HAVE_HTTP_PARSER

/* The first request as http_parser sees it, in the form of tell(). */
struct theirs {
	struct buf fields, body;
	struct str target;
	bool is_value, is_complete, is_foreign;
	unsigned method;
	uint64_t used;
	const char *begin;
};

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct theirs *t = p->data;

	t->target = str_make(at, n);
	return 0;
}

/* It leaves the space behind a value to others. */
static void end_value(struct theirs *t)
{
	while (t->is_value && t->fields.n &&
	       (t->fields.p[t->fields.n - 1] == ' ' || t->fields.p[t->fields.n - 1] == '\t'))
		t->fields.n--;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct theirs *t = p->data;

	end_value(t);
	buf_printf(&t->fields, "%s" STR_FMT, t->is_value ? "\n" : "", STR_ARG(str_make(at, n)));
	t->is_value = false;
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct theirs *t = p->data;

	if (!t->is_value)
		buf_c(&t->fields, "=");
	t->is_value = true;
	buf_put(&t->fields, at, n);
	return 0;
}

static int on_headers(http_parser *p)
{
	struct theirs *t = p->data;

	t->is_foreign = p->upgrade;
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct theirs *t = p->data;

	buf_put(&t->body, at, n);
	return 0;
}

static int on_complete(http_parser *p)
{
	struct theirs *t = p->data;

	end_value(t);
	t->is_complete = true;
	t->method = p->method;
	http_parser_pause(p, 1);
	return 0;
}

static void parse_theirs(struct str in, struct theirs *t, enum http_errno *ret)
{
	static const http_parser_settings settings = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_headers,
		.on_body = on_body,
		.on_message_complete = on_complete,
	};
	http_parser p;

	http_parser_init(&p, HTTP_REQUEST);
	p.data = t;
	t->begin = in.p;
	t->used = http_parser_execute(&p, &settings, in.p, in.n);
	*ret = HTTP_PARSER_ERRNO(&p);
	/* Paused at the last byte, which it has not passed. */
	if (t->is_complete && *ret == HPE_PAUSED)
		*ret = HPE_OK;
}

/* fields: lines of name=value */
static bool is_listed(enum http_errno e, struct str fields)
{
	struct str coding = STR("transfer-encoding"), line;

	while ((line = str_cut(&fields, '\n')).p)
		if ((e == HPE_INVALID_TRANSFER_ENCODING || e == HPE_UNEXPECTED_CONTENT_LENGTH) &&
		    str_ieq(str_sub(line, 0, coding.n), coding) && line.p[coding.n] != '=')
			return true;
	return e == HPE_INVALID_METHOD || e == HPE_INVALID_VERSION || e == HPE_INVALID_URL ||
	       e == HPE_INVALID_CHUNK_SIZE;
}

/* The first request as we see it. */
static void compare(struct str in)
{
	static struct http1_event event;
	struct http1 h = { 0 };
	struct theirs t = { 0 };
	struct buf fields = BUF_INIT, body = BUF_INIT;
	struct str avail = in, method, target;
	enum http1_result got;
	enum http_errno e;

	while ((got = http1_next(&h, &avail, &event)) != HTTP1_END) {
		if (got == HTTP1_MORE || got == HTTP1_BAD)
			goto out;
		if (got == HTTP1_BODY)
			buf_str(&body, event.body);
		for (unsigned i = 0; i < event.head.nfields && got == HTTP1_HEAD; i++)
			buf_printf(&fields, "%s" STR_FMT "=" STR_FMT, fields.n ? "\n" : "",
				   STR_ARG(event.head.fields[i].name),
				   STR_ARG(event.head.fields[i].value));
		if (got == HTTP1_TRAILER)
			buf_printf(&fields, "%s" STR_FMT "=" STR_FMT, fields.n ? "\n" : "",
				   STR_ARG(event.trailer.name), STR_ARG(event.trailer.value));
	}
	parse_theirs(in, &t, &e);
	method = event.head.method;
	if (t.is_foreign)
		goto out;
	if (e != HPE_OK) {
		if (!is_listed(e, buf_as_str(&fields)))
			fprintf(stderr, "it refuses: %s\n", http_errno_description(e));
		CHECK(is_listed(e, buf_as_str(&fields)));
		goto out;
	}
	CHECK(t.is_complete);
	CHECK(str_is(method, http_method_str((enum http_method)t.method)));
	target = t.target;
	CHECK(str_ends(target, event.head.query) || !event.head.query.n);
	CHECK(str_find(target, event.head.path) < target.n || str_is(event.head.path, "/"));
	CHECK(str_eq(buf_as_str(&fields), buf_as_str(&t.fields)));
	CHECK(str_eq(buf_as_str(&body), buf_as_str(&t.body)));
	CHECK(t.used == in.n - avail.n || t.used + 1 == in.n - avail.n);
out:
	buf_fini(&fields);
	buf_fini(&body);
	buf_fini(&t.fields);
	buf_fini(&t.body);
}

#else

static void compare(struct str in)
{
	(void)in;
}

#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_make((const char *)data, n);
	struct buf whole = BUF_INIT, part = BUF_INIT;
	size_t used = http1_tell(in, http1_whole, NULL, &whole);
	uint64_t seed = n ? data[n - 1] : 0;

	CHECK(http1_tell(in, http1_random, &seed, &part) <= n);
	CHECK(str_eq(buf_as_str(&whole), buf_as_str(&part)));
	if (n <= 512) {
		buf_clear(&part);
		http1_tell(in, http1_single, NULL, &part);
		CHECK(str_eq(buf_as_str(&whole), buf_as_str(&part)));
	}
	CHECK(used <= n);
	compare(in);
	buf_fini(&whole);
	buf_fini(&part);
	return 0;
}
