/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for Loki with three faces, one epoll loop and no threads:
 *   drain    counts requests and bytes and answers 204, as cheaply as possible
 *   verify   also keeps the bodies and, whenever nothing is arriving, decodes and accounts them;
 *            so checking never takes part in the timed traffic
 *   fault    either of them, answering by a script (see sink_fault.h)
 * Prints "listening PORT" at the start, "progress N" after each decoding round, "done N" when
 * --until is reached, and a JSON summary at SIGTERM. GET /summary, GET /ready, POST /reset.
 */
#include "bench/sink_fault.h"
#include "bench/util.h"
#include "bench/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 16384u
#define BODY_MAX (64u << 20)
#define SCRATCH_BYTES (1u << 20)
#define BACKLOG_MAX (2ULL << 30)
#define QUIET_MS 20
#define EVENTS 64

struct body {
	struct body *next;
	size_t len;
	uint8_t bytes[];
};

struct conn {
	struct conn *next, **at; /* in sink.conns */
	struct conn *next_waiting;
	int fd;
	bool in_body, waiting, closing;
	uint64_t answer_at_ns; /* of a slow answer; UINT64_MAX: never */
	size_t head_used;
	size_t body_len, body_got;
	struct body *body; /* NULL when bodies are not kept */
	bool is_push;
	char path[64];
	char head[HEAD_MAX];
};

struct sink {
	int ep, listener;
	bool keep;
	uint64_t until;
	bool until_said;
	struct fault_script script;
	struct verify *verify;
	struct body *backlog, **backlog_end;
	uint64_t backlog_bytes;
	struct conn *conns, *waiting;
	uint8_t *scratch;
	uint64_t requests, stored, body_bytes, head_bytes, raw_hint, connections, faults;
	uint64_t last_ns, first_ns; /* monotonic, of body arrival */
};

static void print_summary(struct sink *s, FILE *out)
{
	fprintf(out,
		"{\"requests\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"faults\":%" PRIu64
		",\"connections\":%" PRIu64 ",\"body_bytes\":%" PRIu64 ",\"head_bytes\":%" PRIu64
		",\"raw_hint\":%" PRIu64 ",\"span_s\":%.3f,\"sink_cpu_ns\":%" PRIu64,
		s->requests, s->stored, s->faults, s->connections, s->body_bytes, s->head_bytes,
		s->raw_hint, (double)(s->last_ns - s->first_ns) / 1e9, cpu_ns());
	if (s->verify) {
		fputc(',', out);
		verify_summary(s->verify, out);
	}
	fputs("}\n", out);
	fflush(out);
}

static void decode_one(struct sink *s)
{
	struct body *b = s->backlog;

	s->backlog = b->next;
	if (!s->backlog)
		s->backlog_end = &s->backlog;
	s->backlog_bytes -= b->len;
	verify_body(s->verify, b->bytes, b->len);
	free(b);
}

static void say_progress(struct sink *s)
{
	uint64_t n = verify_unique(s->verify);

	printf("progress %" PRIu64 "\n", n);
	if (s->until && n >= s->until && !s->until_said) {
		printf("done %" PRIu64 "\n", n);
		s->until_said = true;
	}
	fflush(stdout);
}

static void decode_all(struct sink *s)
{
	while (s->backlog)
		decode_one(s);
}

static void close_conn(struct sink *s, struct conn *c)
{
	for (struct conn **at = &s->waiting; *at; at = &(*at)->next_waiting) {
		if (*at == c) {
			*at = c->next_waiting;
			break;
		}
	}
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	close(c->fd);
	free(c->body);
	free(c);
}

/* Answers are far smaller than a socket buffer, so a short write means a peer not worth having. */
static bool answer(struct conn *c, const char *bytes, size_t n)
{
	return send(c->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool answer_text(struct conn *c, unsigned status, unsigned retry_after_s, const char *text)
{
	char out[4096], retry[48] = "";

	if (status == 204)
		return answer(c, "HTTP/1.1 204 No Content\r\n\r\n", 27);
	if (retry_after_s)
		snprintf(retry, sizeof(retry), "Retry-After: %u\r\n", retry_after_s);
	int n = snprintf(out, sizeof(out),
			 "HTTP/1.1 %u Scripted\r\nContent-Type: text/plain; charset=utf-8\r\n%s"
			 "Content-Length: %zu\r\n\r\n%s",
			 status, retry, strlen(text), text);
	return n > 0 && (size_t)n < sizeof(out) && answer(c, out, (size_t)n);
}

static bool answer_summary(struct sink *s, struct conn *c)
{
	char *json = NULL, head[128];
	size_t len = 0;

	if (s->verify)
		decode_all(s);
	FILE *f = open_memstream(&json, &len);
	if (!f)
		die_errno("open_memstream");
	print_summary(s, f);
	fclose(f);
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 len);
	bool ok = answer(c, head, (size_t)n) && answer(c, json, len);
	free(json);
	return ok;
}

static void reset_counts(struct sink *s)
{
	decode_all(s);
	if (s->verify)
		verify_reset(s->verify);
	s->requests = s->stored = s->body_bytes = s->head_bytes = s->raw_hint = s->faults = 0;
	s->first_ns = s->last_ns = 0;
	s->until_said = false;
}

static void store(struct sink *s, struct conn *c)
{
	s->stored++;
	if (!s->verify || !c->body)
		return;
	*s->backlog_end = c->body;
	s->backlog_end = &c->body->next;
	s->backlog_bytes += c->body->len;
	c->body = NULL;
	if (s->backlog_bytes > BACKLOG_MAX)
		decode_one(s); /* out of room: checking has to share the time after all */
}

static void wait_for(struct sink *s, struct conn *c, uint64_t at_ns)
{
	struct epoll_event ev = { .events = EPOLLRDHUP, .data.ptr = c };

	epoll_ctl(s->ep, EPOLL_CTL_MOD, c->fd, &ev);
	c->waiting = true;
	c->answer_at_ns = at_ns;
	c->next_waiting = s->waiting;
	s->waiting = c;
}

/* A push has arrived whole. False: the connection is finished. */
static bool serve_push(struct sink *s, struct conn *c)
{
	struct fault f = fault_next(&s->script);

	s->requests++;
	s->last_ns = mono_ns();
	if (!s->first_ns)
		s->first_ns = s->last_ns;
	s->faults += f.kind != FAULT_OK;
	if (f.stored)
		store(s, c);
	free(c->body);
	c->body = NULL;
	switch (f.kind) {
	case FAULT_SLOW:
		wait_for(s, c, mono_ns() + f.delay_ms * 1000000ULL);
		return true;
	case FAULT_HANG:
		wait_for(s, c, UINT64_MAX);
		return true;
	case FAULT_RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			   sizeof(struct linger));
		return false;
	default:
		return answer_text(c, f.status, f.retry_after_s, fault_text(f.status));
	}
}

static bool serve_other(struct sink *s, struct conn *c)
{
	if (!strcmp(c->path, "/summary"))
		return answer_summary(s, c);
	if (!strcmp(c->path, "/reset")) {
		reset_counts(s);
		return answer_text(c, 200, 0, "ok\n");
	}
	if (!strcmp(c->path, "/ready"))
		return answer_text(c, 200, 0, "ready\n");
	return answer_text(c, 404, 0, "404 page not found\n");
}

static bool serve(struct sink *s, struct conn *c)
{
	bool keep = c->is_push ? serve_push(s, c) : serve_other(s, c);

	c->in_body = false;
	return keep && !c->closing;
}

/* Reads what matters of a complete head of `n` bytes. False: not worth an answer. */
static bool parse_head(struct sink *s, struct conn *c, size_t n)
{
	char *line = c->head, *end = c->head + n;
	bool expect = false;

	c->head[n - 1] = '\0';
	c->is_push = !strncmp(line, "POST /loki/api/v1/push ", 23);
	if (sscanf(line, "%*7s %63s", c->path) != 1)
		return false;
	c->body_len = c->body_got = 0;
	while ((line = memchr(line, '\n', (size_t)(end - line))) && ++line < end) {
		if (!strncasecmp(line, "content-length:", 15))
			c->body_len = strtoul(line + 15, NULL, 10);
		else if (!strncasecmp(line, "expect: 100", 11))
			expect = true;
		else if (!strncasecmp(line, "connection: close", 17))
			c->closing = true;
		else if (!strncasecmp(line, "transfer-encoding:", 18))
			return answer_text(c, 411, 0, "length required\n") && false;
	}
	if (c->body_len > BODY_MAX)
		return answer_text(c, 413, 0, fault_text(413)) && false;
	c->in_body = true;
	if (c->is_push) {
		s->head_bytes += n;
		s->body_bytes += c->body_len;
		if (s->keep) {
			c->body = xmalloc(sizeof(*c->body) + c->body_len);
			c->body->next = NULL;
			c->body->len = c->body_len;
		}
	}
	return !expect || answer(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* The length in front of a snappy block tells how much was sent, without decoding it. */
static void note_raw(struct sink *s, const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 5 && i < n; i++) {
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (p[i] < 0x80)
			break;
	}
	s->raw_hint += v;
}

static void take_body(struct sink *s, struct conn *c, const uint8_t *p, size_t n)
{
	if (c->is_push && !c->body_got)
		note_raw(s, p, n);
	if (c->body && p != c->body->bytes + c->body_got)
		memcpy(c->body->bytes + c->body_got, p, n);
	c->body_got += n;
}

/* Works off what is in c->head: heads, and the body bytes that came with them. */
static bool pump(struct sink *s, struct conn *c)
{
	for (;;) {
		if (!c->in_body) {
			char *end = memmem(c->head, c->head_used, "\r\n\r\n", 4);
			if (!end)
				return c->head_used < HEAD_MAX;
			size_t n = (size_t)(end - c->head) + 4;
			if (!parse_head(s, c, n))
				return false;
			c->head_used -= n;
			memmove(c->head, c->head + n, c->head_used);
		}
		size_t take = c->body_len - c->body_got;
		if (take > c->head_used)
			take = c->head_used;
		if (take) {
			take_body(s, c, (uint8_t *)c->head, take);
			c->head_used -= take;
			memmove(c->head, c->head + take, c->head_used);
		}
		if (c->body_got < c->body_len)
			return true;
		if (!serve(s, c))
			return false;
		if (c->waiting)
			return true;
	}
}

static bool readable(struct sink *s, struct conn *c)
{
	for (;;) {
		uint8_t *at = (uint8_t *)c->head + c->head_used;
		size_t room = HEAD_MAX - c->head_used;
		if (c->in_body) {
			at = c->body ? c->body->bytes + c->body_got : s->scratch;
			room = c->body_len - c->body_got;
			if (!c->body && room > SCRATCH_BYTES)
				room = SCRATCH_BYTES;
		}
		ssize_t r = recv(c->fd, at, room, MSG_DONTWAIT);
		if (r < 0)
			return errno == EAGAIN || errno == EINTR;
		if (r == 0)
			return false;
		if (c->in_body) {
			take_body(s, c, at, (size_t)r);
			if (c->body_got < c->body_len)
				continue;
			if (!serve(s, c))
				return false;
		} else {
			c->head_used += (size_t)r;
			if (!pump(s, c))
				return false;
		}
		if (c->waiting)
			return true;
	}
}

static void accept_one(struct sink *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	struct conn *c = xmalloc(sizeof(*c));
	memset(c, 0, sizeof(*c) - sizeof(c->head));
	c->fd = fd;
	c->next = s->conns;
	c->at = &s->conns;
	if (c->next)
		c->next->at = &c->next;
	s->conns = c;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	if (epoll_ctl(s->ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die_errno("epoll_ctl");
	s->connections++;
}

/* Answers the slow ones that are due; returns the milliseconds to the next, or -1. */
static int serve_waiting(struct sink *s)
{
	uint64_t next = UINT64_MAX, now = s->waiting ? mono_ns() : 0;

	for (struct conn **at = &s->waiting; *at;) {
		struct conn *c = *at;
		if (c->answer_at_ns > now) {
			if (c->answer_at_ns < next)
				next = c->answer_at_ns;
			at = &c->next_waiting;
			continue;
		}
		*at = c->next_waiting;
		c->waiting = false;
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
		epoll_ctl(s->ep, EPOLL_CTL_MOD, c->fd, &ev);
		if (!answer_text(c, 204, 0, "") || c->closing || !pump(s, c)) {
			close_conn(s, c);
			at = &s->waiting;
		}
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000) + 1;
}

static void loop(struct sink *s)
{
	struct epoll_event events[EVENTS];
	bool quiet = false;

	while (!stop_requested) {
		int timeout = serve_waiting(s);
		if (s->backlog)
			timeout = quiet ? 0 : QUIET_MS;
		int n = epoll_wait(s->ep, events, EVENTS, timeout);
		quiet = n == 0;
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (!c)
				accept_one(s);
			else if (c->waiting || !readable(s, c))
				close_conn(s, c); /* waiting: the peer gave up */
		}
		if (quiet && s->backlog) {
			decode_one(s);
			if (!s->backlog)
				say_progress(s);
		}
	}
}

static void open_listener(struct sink *s, const char *addr)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	struct epoll_event ev = { .events = EPOLLIN };

	parse_addr(addr, &sa);
	s->ep = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(s->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(s->listener, 128) < 0)
		die_errno("listen %s", addr);
	if (epoll_ctl(s->ep, EPOLL_CTL_ADD, s->listener, &ev) < 0)
		die_errno("epoll_ctl");
	getsockname(s->listener, (struct sockaddr *)&sa, &len);
	printf("listening %u\n", ntohs(sa.sin_port));
	fflush(stdout);
}

static _Noreturn void usage(void)
{
	fputs("usage: sink [--listen HOST:PORT] [--verify] [--fault SCRIPT [--fault-loop]]\n"
	      "  --until N                 say \"done\" after N different numbered lines\n"
	      "  --expect FIRST:LINES:SOURCES   what should arrive, for \"lost\"\n"
	      "  --content                 compare each line with the corpus it comes from:\n"
	      "  --corpus, --seed, --hits, --base-time   as given to gen\n"
	      "fault actions: ok, STATUS[@RETRY_AFTER][+], slow:MS, reset[+], hang; each "
	      "[*COUNT]\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct corpus_options corpus = CORPUS_OPTIONS_DEFAULT;
	struct sink s = { .backlog_end = &s.backlog };
	const char *listen_addr = "127.0.0.1:0", *script = NULL;
	bool content = false, loop_script = false;
	unsigned long first = 0, lines = 0;
	unsigned sources = 0;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
		if (!strcmp(a, "--verify")) {
			s.keep = true;
		} else if (!strcmp(a, "--content")) {
			s.keep = content = true;
		} else if (!strcmp(a, "--fault-loop")) {
			loop_script = true;
		} else if (!v) {
			usage();
		} else if (i++, corpus_option(&corpus, a, v)) {
			continue;
		} else if (!strcmp(a, "--listen")) {
			listen_addr = v;
		} else if (!strcmp(a, "--fault")) {
			script = v;
		} else if (!strcmp(a, "--until")) {
			s.until = parse_size(a, v);
		} else if (!strcmp(a, "--expect")) {
			if (sscanf(v, "%lu:%lu:%u", &first, &lines, &sources) != 3)
				usage();
		} else {
			usage();
		}
	}
	/* Bodies come and go by the thousand: keep their memory instead of asking the kernel again.
	 */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	fault_parse(&s.script, script);
	s.script.loop = loop_script;
	if (s.keep) {
		s.verify = verify_new(&corpus, content);
		verify_expect(s.verify, first, lines, sources);
	}
	s.scratch = xmalloc(SCRATCH_BYTES);
	stop_on_signal();
	open_listener(&s, listen_addr);
	loop(&s);
	if (s.verify)
		decode_all(&s);
	print_summary(&s, stdout);
	while (s.conns) /* told to stop before it saw their ends */
		close_conn(&s, s.conns);
	verify_free(s.verify);
	free(s.scratch);
	return 0;
}
