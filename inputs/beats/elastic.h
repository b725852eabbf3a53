/* SPDX-License-Identifier: Apache-2.0 */
/* The own types of the input that looks like Elasticsearch. All of it lives on the I/O thread.
 *
 *	elastic.c          options, life of the instance
 *	elastic_http.c     paths: what a client asks before it sends, and what it is told
 *	elastic_request.c  a request with events: read as it comes, answered when they are settled
 *	bulk.h, event.h    bodies and events: both do no I/O
 */
#ifndef INPUTS_BEATS_ELASTIC_H
#define INPUTS_BEATS_ELASTIC_H

#include "inputs/beats/bulk.h"
#include "inputs/beats/event.h"
#include "inputs/clients.h"
#include "lib/http_server.h"

#define ELASTIC_ITEMS_MAX 65536 /* of a request: its answer has 30 bytes for each */
#define ELASTIC_RETRY_S 1

struct elastic_conf {
	struct http_conf http;
	struct conf_map labels;
	struct str path, version;
	unsigned line;
	size_t max_event;
	int64_t hold_ns;
};
enum { ELASTIC_LINE_MESSAGE, ELASTIC_LINE_JSON };

struct elastic {
	struct input *input;
	const struct elastic_conf *conf;
	struct http_server *http;
	struct asks asks;
	struct client_streams streams;
	size_t max_event;
	struct event_names *names;
	struct event_reader reader;
	struct event_tally tally;
	bool is_stopping;
};

enum elastic_kind {
	ELASTIC_BULK,
	ELASTIC_INGEST,
	ELASTIC_PASS, /* the body means nothing to us */
};

struct elastic_request {
	struct ask ask; /* not of ELASTIC_PASS */
	struct elastic *elastic;
	struct http_conn *conn; /* NULL: answered or gone */
	enum elastic_kind kind;
	const char *answer; /* of ELASTIC_PASS, a literal */
	struct docs docs;
	size_t docs_bytes;       /* charged for what docs keeps */
	enum bulk_action action; /* whose document is awaited, or BULK_NONE */
	struct bulk_items items;
	struct event_equals equals;
	bool is_ended; /* the body is complete */
};

extern const struct ask_ops elastic_asks;
extern const struct http_ops elastic_http;

/* A request begins. answer: for ELASTIC_PASS. NULL: too many streams. */
struct elastic_request *elastic_request_new(struct elastic *e, struct http_conn *c,
					    enum elastic_kind kind, struct str tenant,
					    const char *answer);
size_t elastic_request_bytes(struct elastic_request *r, struct str bytes);
void elastic_request_end(struct elastic_request *r);
void elastic_request_gone(struct elastic_request *r);

/* elastic_http.c */
void elastic_answer(struct http_conn *c, unsigned status, struct str body);
void elastic_refuse(struct http_conn *c, unsigned status, const char *why);

#endif
