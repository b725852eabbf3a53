/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of HTTP/1.1 (RFC 9112) as a parser without I/O: bytes in, events out. The caller
 * keeps the bytes; what comes out does not depend on how reads split them.
 *
 *	avail = the bytes read and not yet parsed
 *	while ((got = http1_next(&h, &avail, &event)) != HTTP1_MORE)
 *		HTTP1_HEAD     event.head; its slices are of avail
 *		HTTP1_BODY     event.body, a slice of avail, without the framing
 *		HTTP1_TRAILER  event.trailer, a slice of avail
 *		HTTP1_END      the request is complete; the next one may follow
 *		HTTP1_BAD      answer h.status and h.why, close: what follows cannot be told apart
 *	HTTP1_MORE: avail is what must be kept, at most HTTP1_KEEP_MAX bytes; read more right behind it
 *
 * Strict where servers disagree, so that nobody in front of us can be made to see other requests than
 * we do (request smuggling): lines end in CR LF and hold neither alone, no folded lines, no space in
 * front of a colon, one Content-Length of digits only or one `Transfer-Encoding: chunked`, never both. */
#ifndef LIB_HTTP1_H
#define LIB_HTTP1_H

#include "lib/str.h"

#define HTTP1_LINE_MAX ((size_t)8192)      /* request line */
#define HTTP1_FIELDS_BYTES ((size_t)32768) /* header fields together */
#define HTTP1_FIELDS_MAX 100
#define HTTP1_CHUNK_LINE_MAX ((size_t)1024)
#define HTTP1_EXTENSIONS_MAX ((size_t)8192) /* chunk extensions of one body together */
#define HTTP1_TRAILERS_BYTES ((size_t)8192)
#define HTTP1_KEEP_MAX (HTTP1_LINE_MAX + HTTP1_FIELDS_BYTES + 2 * (HTTP1_FIELDS_MAX + 2))

enum http1_result { HTTP1_MORE, HTTP1_HEAD, HTTP1_BODY, HTTP1_TRAILER, HTTP1_END, HTTP1_BAD };

struct http1_field {
	struct str name, value; /* the value without surrounding space; may be empty */
};

struct http1_head {
	struct str method;
	struct str path;  /* still percent-encoded; begins with '/', or is "*" */
	struct str query; /* behind the first '?' */
	unsigned minor;   /* HTTP/1.minor: 0 or 1 */
	bool keeps_alive, expects_continue;
	int64_t body_bytes; /* by Content-Length, 0 without; -1: chunked */
	unsigned nfields;
	struct http1_field fields[HTTP1_FIELDS_MAX];
};

struct http1_event {
	struct http1_head head;
	struct http1_field trailer;
	struct str body; /* never empty */
};

/* One per connection; zeroed is its beginning. No memory of its own. */
struct http1 {
	unsigned state;
	unsigned status; /* HTTP1_BAD: what to answer */
	const char *why; /* a sentence without a period */
	/* Head and trailers: the lines up to here are well-formed ... */
	size_t line_at, lines;
	size_t seen;          /* ... and this much of the next has no line end */
	size_t field_bytes;   /* of the lines behind the first */
	bool has_blank;       /* an empty line in front of it was passed over */
	uint64_t left;        /* of the body, or of the chunk */
	size_t extensions;    /* bytes */
	size_t trailer_bytes; /* passed */
	unsigned ntrailers;
};

enum http1_result http1_next(struct http1 *h, struct str *avail, struct http1_event *ret);
/* Nothing of a request has been seen yet. */
bool http1_is_fresh(const struct http1 *h);

/* Value of the first field of that name, letter case aside; p is NULL when there is none. */
struct str http1_field(const struct http1_head *head, struct str name);
/* There are several: who stands in front of us may go by another one. */
bool http1_is_repeated(const struct http1_head *head, struct str name);

#endif
