/* SPDX-License-Identifier: Apache-2.0 */
/* Requests out of a byte stream: where heads, bodies, chunks and trailers begin and end. */
#include "lib/http1_impl.h"

enum {
	ST_HEAD, /* zero: the beginning */
	ST_LENGTH,
	ST_CHUNK_LINE,
	ST_CHUNK_DATA,
	ST_CHUNK_END,
	ST_TRAILERS,
	ST_END,
	ST_BAD,
};

enum http1_result http1_bad(struct http1 *h, unsigned status, const char *why)
{
	h->state = ST_BAD;
	h->status = status;
	h->why = why;
	return HTTP1_BAD;
}

/* The line end at the beginning of avail, in CR LF. MORE with h->seen, or BAD; BODY stands for found.
 * max: bytes without the line end. */
static enum http1_result find_line(struct http1 *h, struct str avail, size_t max, unsigned status,
				   const char *too_long, struct str *ret)
{
	size_t len = h->seen + str_chr(str_skip(avail, h->seen), '\n');

	if (len > max + 1)
		return http1_bad(h, status, too_long);
	if (len >= avail.n) {
		h->seen = avail.n;
		return HTTP1_MORE;
	}
	h->seen = 0;
	if (!len || avail.p[len - 1] != '\r')
		return http1_bad(h, 400, "a line ends in LF without CR");
	*ret = str_sub(avail, 0, len - 1);
	if (memchr(ret->p, '\r', ret->n))
		return http1_bad(h, 400, "a CR stands within a line");
	if (memchr(ret->p, 0, ret->n))
		return http1_bad(h, 400, "a NUL byte stands in the header");
	return HTTP1_BODY;
}

/* One line more of the head is well-formed; END behind the empty one. */
static enum http1_result scan_line(struct http1 *h, struct str *avail)
{
	struct str rest = str_skip(*avail, h->line_at), line;
	bool is_first = h->lines == 0;
	size_t max = is_first ? HTTP1_LINE_MAX : HTTP1_FIELDS_BYTES - h->field_bytes;
	enum http1_result got;

	/* So that TLS, or whatever else it is, is not waited for. */
	if (is_first && rest.n && !http1_is_token_byte(rest.p[0]) && rest.p[0] != '\r')
		return http1_bad(h, 400, "this is not HTTP");
	got = find_line(h, rest, max, is_first ? 414 : 431,
			is_first ? "the request line is too long" : "the header is too long",
			&line);
	if (got != HTTP1_BODY)
		return got;
	if (is_first && !line.n) {
		if (h->has_blank)
			return http1_bad(h, 400, "this is not HTTP");
		h->has_blank = true; /* RFC 9112 2.2: at least one is to be ignored */
		*avail = str_skip(*avail, 2);
		return HTTP1_BODY;
	}
	h->line_at += line.n + 2;
	if (!is_first)
		h->field_bytes += line.n;
	if (!line.n)
		return HTTP1_END;
	if (h->lines++ > HTTP1_FIELDS_MAX)
		return http1_bad(h, 431, "there are too many header fields");
	return HTTP1_BODY;
}

static enum http1_result next_head(struct http1 *h, struct str *avail, struct http1_head *ret)
{
	enum http1_result got;
	struct str lines;

	do {
		got = scan_line(h, avail);
	} while (got == HTTP1_BODY);
	if (got != HTTP1_END)
		return got;
	lines = str_sub(*avail, 0, h->line_at);
	if (!http1_parse_head(h, lines, ret))
		return HTTP1_BAD;
	*avail = str_skip(*avail, lines.n);
	h->left = ret->body_bytes > 0 ? (uint64_t)ret->body_bytes : 0;
	h->state = ret->body_bytes < 0 ? ST_CHUNK_LINE : h->left ? ST_LENGTH : ST_END;
	return HTTP1_HEAD;
}

static enum http1_result take_body(struct http1 *h, struct str *avail, struct str *ret)
{
	*ret = str_sub(*avail, 0, h->left < avail->n ? (size_t)h->left : avail->n);
	if (!ret->n)
		return HTTP1_MORE;
	*avail = str_skip(*avail, ret->n);
	h->left -= ret->n;
	if (!h->left)
		h->state = h->state == ST_LENGTH ? ST_END : ST_CHUNK_END;
	return HTTP1_BODY;
}

/* Nobody uses them, everybody must skip them (RFC 9112 7.1.1). */
static bool is_extension(struct str s)
{
	s = str_trim(s);
	if (!s.n || s.p[0] != ';')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 ? s.p[i] != '\t' : s.p[i] == 0x7f)
			return false;
	return true;
}

static enum http1_result next_chunk(struct http1 *h, struct str *avail)
{
	enum http1_result got;
	struct str line;
	size_t digits = 0;

	got = find_line(h, *avail, HTTP1_CHUNK_LINE_MAX, 400, "a chunk header is too long", &line);
	if (got != HTTP1_BODY)
		return got;
	*avail = str_skip(*avail, line.n + 2);
	h->left = 0;
	for (; digits < line.n && str_hex(line.p[digits]) >= 0; digits++) {
		if (h->left >> 59) /* the sum of all fits an int64_t where it is counted */
			return http1_bad(h, 413, "a chunk is too large");
		h->left = h->left * 16 + (unsigned)str_hex(line.p[digits]);
	}
	if (!digits || (digits < line.n && !is_extension(str_skip(line, digits))))
		return http1_bad(h, 400, "a chunk header is malformed");
	h->extensions += line.n - digits;
	if (h->extensions > HTTP1_EXTENSIONS_MAX)
		return http1_bad(h, 400, "the chunk extensions are too long");
	h->state = h->left ? ST_CHUNK_DATA : ST_TRAILERS;
	return HTTP1_END; /* go on */
}

static enum http1_result end_chunk(struct http1 *h, struct str *avail)
{
	if (avail->n && avail->p[0] != '\r')
		return http1_bad(h, 400, "a chunk does not end where it must");
	if (avail->n < 2)
		return HTTP1_MORE;
	if (avail->p[1] != '\n')
		return http1_bad(h, 400, "a chunk does not end where it must");
	*avail = str_skip(*avail, 2);
	h->state = ST_CHUNK_LINE;
	return HTTP1_END;
}

static enum http1_result next_trailer(struct http1 *h, struct str *avail, struct http1_field *ret)
{
	enum http1_result got;
	struct str line;

	got = find_line(h, *avail, HTTP1_TRAILERS_BYTES - h->trailer_bytes, 431,
			"the trailers are too long", &line);
	if (got != HTTP1_BODY)
		return got;
	*avail = str_skip(*avail, line.n + 2);
	if (!line.n) {
		h->state = ST_END;
		return HTTP1_END;
	}
	h->trailer_bytes += line.n;
	if (h->ntrailers++ == HTTP1_FIELDS_MAX)
		return http1_bad(h, 431, "there are too many trailers");
	if (!http1_parse_field(h, line, ret))
		return HTTP1_BAD;
	/* RFC 9110 6.5.1: somebody in front might believe them. */
	if (str_ieq(ret->name, STR("content-length")) ||
	    str_ieq(ret->name, STR("transfer-encoding")))
		return http1_bad(h, 400, "a trailer tells the length of the body");
	return HTTP1_TRAILER;
}

/* One step; HTTP1_END: go on, unless the state says that the request has ended. */
static enum http1_result step(struct http1 *h, struct str *avail, struct http1_event *ret)
{
	switch (h->state) {
	case ST_HEAD:
		return next_head(h, avail, &ret->head);
	case ST_LENGTH:
	case ST_CHUNK_DATA:
		return take_body(h, avail, &ret->body);
	case ST_CHUNK_LINE:
		return next_chunk(h, avail);
	case ST_CHUNK_END:
		return end_chunk(h, avail);
	case ST_TRAILERS:
		return next_trailer(h, avail, &ret->trailer);
	case ST_END:
		return HTTP1_END;
	default:
		return HTTP1_BAD;
	}
}

enum http1_result http1_next(struct http1 *h, struct str *avail, struct http1_event *ret)
{
	enum http1_result got;

	do {
		got = step(h, avail, ret);
	} while (got == HTTP1_END && h->state != ST_END);
	if (got == HTTP1_END)
		*h = (struct http1){ 0 };
	return got;
}

bool http1_is_fresh(const struct http1 *h)
{
	return h->state == ST_HEAD && !h->lines && !h->seen && !h->has_blank;
}
