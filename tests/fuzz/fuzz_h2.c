/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of HTTP/2 connections to a server with a handler that takes little at a time, answers some
 * requests at once, some later and some never: every request ends once, nothing is left. The first byte says
 * how the rest comes in pieces. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/h2_server.h"
#include "lib/log.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz {
	struct loop *loop;
	struct h2_conf conf;
	struct http_auth_conf auth;
	struct conf_addr addr;
	struct h2_server *server;
	struct h2_stream *waiting[128];
	size_t nwaiting, nopen;
	char path[64];
};

static void on_request(struct h2_stream *s, const struct http1_head *head)
{
	struct fuzz *f = h2_ctx(s);

	if (head->path.n % 3 == 1) {
		h2_answer(s, &(struct h2_answer){ .http_status = 200, .code = 12 });
		return;
	}
	f->nopen++;
	h2_set_user(s, f);
}

static size_t on_body(struct h2_stream *s, struct str bytes)
{
	struct fuzz *f = h2_user(s);

	CHECK(f && bytes.n);
	h2_resume(s);
	return bytes.n / 2 + 1;
}

static void end(struct fuzz *f, struct h2_stream *s)
{
	for (size_t i = 0; i < f->nwaiting; i++)
		if (f->waiting[i] == s)
			f->waiting[i--] = f->waiting[--f->nwaiting];
	f->nopen--;
	h2_set_user(s, NULL);
}

static void on_end(struct h2_stream *s)
{
	struct fuzz *f = h2_user(s);

	if (f->nwaiting < 100) {
		f->waiting[f->nwaiting++] = s;
		return;
	}
	end(f, s);
	h2_answer(s, &(struct h2_answer){ .http_status = 200, .message = STR("x") });
}

static void on_gone(struct h2_stream *s)
{
	end(h2_user(s), s);
}

static void refuse(struct h2_stream *s, unsigned http_status, const char *why)
{
	(void)why;
	h2_answer(s, &(struct h2_answer){ .http_status = 200, .code = http_status });
}

static const struct h2_ops ops = {
	.on_request = on_request,
	.on_body = on_body,
	.on_end = on_end,
	.on_gone = on_gone,
	.refuse = refuse,
};

static void open_server(struct fuzz *f)
{
	struct err err = ERR_NONE;

	snprintf(f->path, sizeof(f->path), "/tmp/fuzz_h2_%d.sock", (int)getpid());
	f->loop = loop_new("fuzz");
	f->addr =
		(struct conf_addr){ .scheme = CONF_UNIX, .path = str_c(f->path), .text = STR("x") };
	f->conf = (struct h2_conf){ .stream = { .listen = { 1, &f->addr },
						.max_connections = 10,
						.peer_ipv6_bits = 64,
						.handshake_timeout_ns = 60 * NS_PER_S,
						.socket_mode = STR("0600") },
				    .auth = &f->auth,
				    .header_timeout_ns = 60 * NS_PER_S,
				    .body_timeout_ns = 60 * NS_PER_S,
				    .idle_timeout_ns = 60 * NS_PER_S,
				    .max_streams = 100 };
	CHECK(h2_server_new(&f->server, f->loop, "fuzz", &f->conf, &ops, f, &err) == 0);
	h2_server_start(f->server);
}

static void drain(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct fuzz *f;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t piece;
	int fd;

	if (!n)
		return 0;
	if (!f) {
		f = mem_zalloc(sizeof(*f));
		log_setup(LOG_LVL_ERROR, LOG_LOGFMT);
		open_server(f);
	}
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(sun.sun_path, f->path, sizeof(f->path));
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	piece = data[0] ? data[0] : n;
	for (size_t at = 1; at < n; at += piece) {
		size_t k = n - at < piece ? n - at : piece;

		if (send(fd, data + at, k, MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
			break;
		loop_once(f->loop, 0);
		loop_once(f->loop, 0);
		drain(fd);
		if (f->nwaiting && data[0] % 2) {
			struct h2_stream *s = f->waiting[0];

			end(f, s);
			h2_answer(s, &(struct h2_answer){ .http_status = 200, .message = STR("") });
		}
	}
	close(fd);
	for (int i = 0; i < 1000 && !h2_server_is_idle(f->server); i++)
		loop_once(f->loop, 0);
	for (int i = 0; i < 5; i++)
		loop_once(f->loop, 0);
	CHECK(!f->nopen && !f->nwaiting);
	return 0;
}
