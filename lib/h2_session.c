/* SPDX-License-Identifier: Apache-2.0 */
/* What nghttp2 calls. A callback never frees a connection. */
#include <stdio.h>

#include "lib/h2_impl.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Requests */

struct h2_stream *h2_find(struct h2_conn *c, int32_t id)
{
	return id > 0 ? nghttp2_session_get_stream_user_data(c->session, id) : NULL;
}

static void stream_free(struct h2_stream *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	if (!s->conn->requests)
		s->conn->idle_ns = loop_now_ns(s->conn->server->loop);
	s->conn->server->nrequests--;
	buf_fini(&s->text);
	buf_fini(&s->fields);
	mem_free((void *)(uintptr_t)s->message.p);
	mem_free(s);
}

static void tell_gone(struct h2_stream *s)
{
	if (!s->is_told || s->is_answered)
		return;
	s->is_answered = true; /* no answer from within */
	s->conn->server->ops->on_gone(s);
	s->user = NULL;
}

void h2_session_end(struct h2_conn *c)
{
	while (c->requests) {
		tell_gone(c->requests);
		stream_free(c->requests);
	}
	nghttp2_session_del(TAKE(c->session));
}

void h2_refuse(struct h2_stream *s, unsigned http_status, const char *reason, const char *why)
{
	h2_refused(s->conn->server, reason);
	tell_gone(s);
	s->is_told = true;
	s->is_answered = false;
	s->conn->server->ops->refuse(s, http_status, why);
}

/* What is too much */

static bool take_token(struct h2_conn *c, struct h2_bucket *b, double most, double per_s)
{
	int64_t now_ns = loop_now_ns(c->server->loop);

	b->left += (double)(now_ns - b->at_ns) / (double)NS_PER_S * per_s;
	if (!b->at_ns || b->left > most)
		b->left = most;
	b->at_ns = now_ns;
	if (b->left < 1)
		return false;
	b->left--;
	return true;
}

/* The client is told, and closed. */
static void too_much(struct h2_conn *c, const char *reason)
{
	if (c->has_left)
		return;
	c->has_left = true;
	h2_refused(c->server, reason);
	log_warn("closing a connection: abuse", KV_S("server", c->server->name),
		 KV_S("peer", c->stream.address), KV_S("kind", reason));
	nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* Headers */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct h2_conn *c = ctx;
	struct h2_stream *s;

	c->header_ns = loop_now_ns(c->server->loop);
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = mem_zalloc(sizeof(*s));
	s->conn = c;
	s->id = frame->hd.stream_id;
	s->since_ns = c->header_ns;
	s->text.max = H2_HEADERS_BYTES;
	c->server->nrequests++;
	s->link = &c->requests;
	s->next = c->requests;
	if (s->next)
		s->next->link = &s->next;
	c->requests = s;
	return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
	struct h2_conn *c = ctx;
	struct h2_stream *s = h2_find(c, frame->hd.stream_id);

	(void)session, (void)flags;
	if (!s || s->is_told)
		return 0;
	s->header_bytes += name_n + value_n + 32;
	if (s->header_bytes > H2_HEADERS_BYTES ||
	    s->fields.n == HTTP1_FIELDS_MAX * sizeof(struct h2_field_at)) {
		h2_refused(c->server, "header_too_large");
		if (!take_token(c, &c->resets, H2_RESETS, H2_RESETS_RATE))
			too_much(c, "headers");
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
	}
	buf_put(&s->fields, &(struct h2_field_at){ s->text.n, name_n, s->text.n + name_n, value_n },
		sizeof(struct h2_field_at));
	buf_put(&s->text, name, name_n);
	buf_put(&s->text, value, value_n);
	return 0;
}

/* The fields, which nghttp2 has found to be those of a request. */
static void read_head(const struct h2_stream *s, struct http1_head *ret)
{
	ret->method = ret->path = ret->query = STR_NONE;
	ret->body_bytes = -1;
	ret->nfields = 0;
	for (size_t i = 0; i < s->fields.n; i += sizeof(struct h2_field_at)) {
		struct h2_field_at at;
		struct str name, value;

		memcpy(&at, s->fields.p + i, sizeof(at));
		name = str_make(s->text.p + at.name, at.name_n);
		value = str_make(s->text.p + at.value, at.value_n);
		if (str_is(name, ":method"))
			ret->method = value;
		else if (str_is(name, ":path"))
			ret->path = value;
		else
			ret->fields[ret->nfields++] = (struct http1_field){ name, value };
	}
}

static bool is_authorized(struct h2_conn *c, const struct http1_head *head)
{
	struct h2_server *s = c->server;
	struct err err = ERR_NONE;

	if (!s->auth)
		return true;
	if (http_auth_refresh(s->auth, loop_now_ns(s->loop), &err) < 0) {
		h2_refused(s, "auth_files");
		log_error("changed secrets cannot be read, the old ones stay",
			  KV_S("server", s->name), KV_ERR(&err));
	}
	return !http1_is_repeated(head, STR("authorization")) &&
	       http_auth_is_ok(s->auth, http1_field(head, STR("authorization")));
}

static void tell_request(struct h2_stream *s)
{
	struct h2_server *server = s->conn->server;
	struct http1_head *head = &server->head;

	read_head(s, head);
	if (server->is_stopping) {
		h2_refuse(s, 503, "stopping", "this server is being stopped");
	} else if (server->nrequests > H2_REQUESTS_MAX) {
		h2_refuse(s, 503, "too_many_requests", "too many requests are on their way");
	} else if (!is_authorized(s->conn, head)) {
		h2_refuse(s, 401, "unauthorized", "credentials are missing or wrong");
	} else {
		s->is_told = true;
		server->ops->on_request(s, head);
	}
	buf_fini(&s->text);
	buf_fini(&s->fields);
}

/* Frames */

static void end_body(struct h2_stream *s)
{
	s->is_complete = true;
	if (s->is_told && !s->is_answered)
		s->conn->server->ops->on_end(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct h2_conn *c = ctx;
	struct h2_stream *s = h2_find(c, frame->hd.stream_id);
	bool has_headers = frame->hd.type == NGHTTP2_HEADERS;
	bool has_data = frame->hd.type == NGHTTP2_DATA;
	bool is_last = (has_headers || has_data) && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)session;
	if (has_headers || frame->hd.type == NGHTTP2_SETTINGS)
		c->header_ns = 0;
	if (has_headers && s && !s->is_told) {
		c->frames.left += H2_REQUEST_FRAMES;
		tell_request(s);
	}
	if (is_last && s)
		end_body(s);
	/* Who has nothing to say may not say it often. */
	if (!has_headers && !is_last && !(has_data && frame->hd.length) &&
	    !take_token(c, &c->frames, H2_IDLE_FRAMES, H2_IDLE_FRAMES_RATE))
		too_much(c, "idle_frames");
	return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
			    void *ctx)
{
	struct h2_conn *c = ctx;

	(void)session, (void)frame, (void)code;
	h2_refused(c->server, "malformed");
	if (!take_token(c, &c->resets, H2_RESETS, H2_RESETS_RATE))
		too_much(c, "invalid_frames");
	return 0;
}

static int pause(struct h2_conn *c, struct h2_stream *s, struct str rest)
{
	buf_str(&c->held, rest);
	c->held_id = s->id;
	c->is_paused = true;
	c->server->kept_bytes += rest.n;
	return NGHTTP2_ERR_PAUSE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t n, void *ctx)
{
	struct h2_conn *c = ctx;
	struct h2_stream *s = h2_find(c, id);
	size_t took;

	(void)session, (void)flags;
	metric_add(c->server->body_bytes, (int64_t)n);
	if (!s || !s->is_told || s->is_answered)
		return 0;
	s->body_bytes += n;
	took = c->server->ops->on_body(s, str_make((const char *)data, n));
	CHECK(took <= n);
	if (took == n || s->is_answered)
		return 0;
	return pause(c, s, str_make((const char *)data + took, n - took));
}

bool h2_give_held(struct h2_conn *c)
{
	struct h2_stream *s = h2_find(c, c->held_id);
	size_t took = c->held.n;

	if (s && s->is_told && !s->is_answered)
		took = c->server->ops->on_body(s, buf_as_str(&c->held));
	if (took < c->held.n && s && !s->is_answered) {
		c->server->kept_bytes -= took;
		memmove(c->held.p, c->held.p + took, c->held.n - took);
		c->held.n -= took;
		return false;
	}
	c->server->kept_bytes -= c->held.n;
	buf_fini(&c->held);
	c->held_id = 0;
	return true;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
	struct h2_conn *c = ctx;
	struct h2_stream *s = h2_find(c, id);

	(void)session;
	if (!s)
		return 0;
	/* Requests that are sent to be taken back (CVE-2023-44487). */
	if (code != NGHTTP2_NO_ERROR && !s->is_answered &&
	    !take_token(c, &c->resets, H2_RESETS, H2_RESETS_RATE))
		too_much(c, "resets");
	nghttp2_session_set_stream_user_data(session, id, NULL);
	tell_gone(s);
	stream_free(s);
	return 0;
}

/* Answers */

/* The rest of a body that nobody wants: the answer is out, nothing is left to say (RFC 9113 8.1). */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct h2_stream *s = h2_find(ctx, frame->hd.stream_id);

	if (s && s->is_answered && !s->is_complete && frame->hd.type == NGHTTP2_HEADERS &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
	return 0;
}

static nghttp2_nv field(const char *name, struct str value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.p,
			     strlen(name), value.n, NGHTTP2_NV_FLAG_NO_COPY_NAME };
}

static ssize_t read_message(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
			    uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct h2_stream *s = source->ptr;
	struct str rest = str_skip(s->message, s->message_at);
	nghttp2_nv trailer = field("grpc-status", str_c(s->code));

	(void)ctx;
	rest = str_sub(rest, 0, room);
	if (rest.n)
		memcpy(out, rest.p, rest.n);
	s->message_at += rest.n;
	if (s->message_at == s->message.n) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, &trailer, 1);
	}
	return (ssize_t)rest.n;
}

static void submit(struct h2_stream *s, const struct h2_answer *a)
{
	nghttp2_data_provider body = { .source.ptr = s, .read_callback = read_message };
	nghttp2_nv nv[8];
	char status[12];
	size_t n = 0;

	snprintf(status, sizeof(status), "%u", a->http_status);
	snprintf(s->code, sizeof(s->code), "%u", a->code);
	nv[n++] = field(":status", str_c(status));
	nv[n++] = field("content-type", STR("application/grpc"));
	if (a->accept.n)
		nv[n++] = field("grpc-accept-encoding", a->accept);
	if (!a->message.p) {
		nv[n++] = field("grpc-status", str_c(s->code));
		if (a->text.n)
			nv[n++] = field("grpc-message", a->text);
		if (a->details.n)
			nv[n++] = field("grpc-status-details-bin", a->details);
	} else {
		s->message = str_make(mem_dup(a->message.p, a->message.n), a->message.n);
	}
	nghttp2_submit_response(s->conn->session, s->id, nv, n, a->message.p ? &body : NULL);
}

void h2_answer(struct h2_stream *s, const struct h2_answer *a)
{
	struct h2_server *server = s->conn->server;

	CHECK(s->is_told && !s->is_answered);
	s->is_answered = true;
	s->user = NULL;
	s->since_ns = loop_now_ns(server->loop);
	submit(s, a);
	metric_add(metric_get(METRIC_GRPC_REQUESTS, "server", server->name, "code", s->code, NULL),
		   1);
	h2_conn_settle(s->conn);
}

/* Sessions */

void h2_session_setup(struct h2_server *s)
{
	CHECK(nghttp2_session_callbacks_new(&s->callbacks) == 0);
	CHECK(nghttp2_option_new(&s->option) == 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(s->callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(s->callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(s->callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(s->callbacks,
								     on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(s->callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(s->callbacks, on_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(s->callbacks, on_sent);
	nghttp2_option_set_max_outbound_ack(s->option, 100);
}

int h2_session_new(struct h2_conn *c)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->server->conf->max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)H2_HEADERS_BYTES },
	};
	int rc = nghttp2_session_server_new2(&c->session, c->server->callbacks, c,
					     c->server->option);

	if (rc == 0)
		rc = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
					     ARRAY_LEN(settings));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
							   H2_WINDOW);
	return rc;
}
