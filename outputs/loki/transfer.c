/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and the timer of libcurl on our loop. */
#include "outputs/loki/transfer.h"

#include <pthread.h>
#include <sys/epoll.h>

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"

struct transfers {
	struct loop *loop;
	CURLM *multi;
	struct timer timer;
};

/* A socket that curl wants to be told about. */
struct sock {
	struct io io;
	struct transfers *transfers;
};

static void look_for_finished(struct transfers *ts)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(ts->multi, &left))) {
		CURLcode result = msg->data.result;
		char *arg = NULL;
		struct transfer *t;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &arg);
		t = (struct transfer *)(void *)arg;
		curl_multi_remove_handle(ts->multi, t->easy);
		t->done(t, result);
	}
}

static void on_ready(struct io *io, uint32_t events)
{
	struct sock *sock = container_of(io, struct sock, io);
	struct transfers *ts = sock->transfers;
	int what = 0, running;

	/* Errors are found by reading, after what came before them. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		what |= CURL_CSELECT_IN;
	if (events & (EPOLLOUT | EPOLLERR))
		what |= CURL_CSELECT_OUT;
	curl_multi_socket_action(ts->multi, io->fd, what, &running);
	look_for_finished(ts); /* sock may be gone */
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct transfers *ts = arg;
	struct sock *sock = socket_arg;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock)
			loop_io_del(ts->loop, &sock->io);
		mem_free(sock);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (sock) {
		loop_io_set(ts->loop, &sock->io, events);
		return 0;
	}
	sock = mem_zalloc(sizeof(*sock));
	sock->transfers = ts;
	loop_io_add(ts->loop, &sock->io, fd, events, on_ready);
	curl_multi_assign(ts->multi, fd, sock);
	return 0;
}

static void on_expired(struct timer *t)
{
	struct transfers *ts = container_of(t, struct transfers, timer);
	int running;

	curl_multi_socket_action(ts->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look_for_finished(ts);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct transfers *ts = arg;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_del(ts->loop, &ts->timer);
	else
		loop_timer_in(ts->loop, &ts->timer, timeout_ms * NS_PER_MS, on_expired);
	return 0;
}

void transfers_add(struct transfers *ts, struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	CHECK(curl_multi_add_handle(ts->multi, t->easy) == CURLM_OK);
}

void transfers_remove(struct transfers *ts, struct transfer *t)
{
	curl_multi_remove_handle(ts->multi, t->easy);
}

static void init_curl(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct transfers *transfers_new(struct loop *loop, long max_idle_connections)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct transfers *ts = mem_zalloc(sizeof(*ts));

	pthread_once(&once, init_curl);
	ts->loop = loop;
	ts->multi = curl_multi_init();
	CHECK(ts->multi);
	curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
	curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
	curl_multi_setopt(ts->multi, CURLMOPT_MAXCONNECTS, max_idle_connections);
	curl_multi_setopt(ts->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return ts;
}

void transfers_free(struct transfers *ts)
{
	if (!ts)
		return;
	curl_multi_cleanup(ts->multi);
	loop_timer_del(ts->loop, &ts->timer);
	mem_free(ts);
}
