/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of the syslog input: framing, sizes, backpressure, limits, ends. */
#include "tests/unit/syslog_rig.h"

static void tcp_messages(void)
{
	struct rig *g = rig_new("tcp", 1 << 20);
	int64_t bytes;
	int fd;

	rig_start(g);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("<13>one\n12 <13>tw\no\n<1"));
	expect(g, "one {" HEAD "}\n");
	put(g, fd, STR("3>three\r\n<13>fo"));
	put(g, fd, STR("ur"));
	close(fd);
	expect(g, "one {" HEAD "}\ntw\no\n<13 {" HEAD
		  "}\n>three {parse_error=no_pri,} unparsed\nfour {" HEAD "} partial\n");
	EQ_INT(counted(g, METRIC_INPUT_ERRORS, "framing"), 1);

	/* Between messages a connection holds no credit. */
	bytes = metric_value(g->input.bytes);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("\n\n"));
	UNTIL(g, metric_value(g->input.bytes) == bytes + 2 &&
			 atomic_load(&g->budget.free_bytes) == g->total_bytes);
	close(fd);

	/* Byte by byte. */
	clear_text(g);
	fd = sender(g, SOCK_STREAM);
	for (const char *p = "<13>slow\n"; *p; p++) {
		put(g, fd, str_make(p, 1));
		loop_once(g->loop, 0);
	}
	expect(g, "slow {" HEAD "}\n");
	put(g, fd, STR("5 <13>a0000"));
	close(fd);
	expect(g, "slow {" HEAD "}\na {" HEAD "}\n");
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "framing") == 2);
	UNTIL(g, input_syslog.is_idle(&g->input));
	rig_end(g);
}

/* Numbered lines of every length around the caps come out in order, once, cut where they must. */
static void tcp_sizes(void)
{
	struct rig *g = rig_new("sizes", 1 << 20);
	struct buf sent = { .max = 1 << 28 }, want = { .max = 1 << 28 };
	int fd;

	g->conf.max_message = 65536;
	rig_start(g);
	for (int k = 0; k < 60; k++) {
		size_t n = k % 3 ? (size_t)k * 37 : 65520 + (size_t)k, start = sent.n;

		buf_printf(&sent, "<13>#%d ", k);
		while (sent.n - start < n)
			buf_ch(&sent, (char)('a' + k % 26));
		buf_str(&want, str_sub(buf_as_str(&sent), start + 4, start + 65536));
		buf_ch(&sent, '\n');
		buf_c(&want, " {" HEAD);
		if (k % 3 == 0 && 65520 + k > 65536)
			buf_printf(&want, "full_length=%d,} cut\n", 65520 + k);
		else
			buf_c(&want, "}\n");
	}
	fd = sender(g, SOCK_STREAM);
	put(g, fd, buf_as_str(&sent));
	UNTIL(g, text_bytes(g) >= want.n);
	OK(is_text(g, buf_as_str(&want)));
	close(fd);
	buf_fini(&sent);
	buf_fini(&want);
	rig_end(g);
}

/* Without credit nothing is read, so the sender stands still; nothing is lost when it returns. */
static void tcp_backpressure(void)
{
	enum { CONNS = 3, LINES = 30000 };
	struct rig *g = rig_new("pressure", 1 << 20);
	int fds[CONNS], next[CONNS] = { 0 };
	bool is_full[CONNS] = { false };
	int64_t end_ns = clock_mono_ns() + WAIT_NS, quiet_until_ns = 0;
	struct str text;
	int quiet = 0; /* rounds: a busy machine may let the time alone pass */

	g->holds = true;
	g->conf.idle_timeout_ns = NS_PER_S / 10; /* not for those that are not read */
	rig_start(g);
	for (int c = 0; c < CONNS; c++)
		fds[c] = sender(g, SOCK_STREAM);
	while (clock_mono_ns() < end_ns && (quiet++ < 1000 || clock_mono_ns() < quiet_until_ns)) {
		for (int c = 0; c < CONNS; c++) {
			char line[200];
			int n = snprintf(line, sizeof(line), "<13>%d:%d %0100d\n", c, next[c], 0);
			ssize_t sent = is_full[c] || next[c] == LINES
					       ? -1
					       : send(fds[c], line, (size_t)n, MSG_NOSIGNAL);

			if (sent == n)
				next[c]++;
			else if (sent > 0) /* the rest of the line is never sent */
				is_full[c] = true;
			if (sent > 0) {
				quiet = 0;
				quiet_until_ns = clock_mono_ns() + NS_PER_S / 4;
			}
		}
		loop_once(g->loop, 0);
	}
	OK(metric_value(g->input.paused) > 0);
	OK(atomic_load(&g->budget.free_bytes) > -(int64_t)(256 << 10) * CONNS);
	OK(text_bytes(g) < 4u << 20);
	release(g);
	for (int c = 0; c < CONNS; c++)
		close(fds[c]);
	UNTIL(g, input_syslog.is_idle(&g->input));
	text = buf_as_str(&g->text);
	memset(fds, 0, sizeof(fds));
	while (text.n) {
		struct str line = str_cut(&text, '\n');
		unsigned c = (unsigned)(line.p[0] - '0');
		uint64_t k = 0;

		if (str_find(line, STR(" partial")) < line.n) /* cut anywhere, also in its PRI */
			continue;
		OK(c < CONNS && str_u64(str_sub(line, 2, str_chr(line, ' ')), &k));
		if (c < CONNS)
			EQ_INT(k, fds[c]++);
	}
	for (int c = 0; c < CONNS; c++)
		EQ_INT(fds[c], next[c]);
	rig_end(g);
}

/* We were not there for longer than idle_timeout: what has come meanwhile is read, also where more
 * connections have something than are told of at once. */
static void idle_after_a_stall(void)
{
	enum { CONNS = 150 };
	struct rig *g = rig_new("stall", 16 << 20);
	int fds[CONNS];

	g->conf.idle_timeout_ns = NS_PER_S;
	g->conf.max_connections = CONNS;
	rig_start(g);
	for (int c = 0; c < CONNS; c++)
		fds[c] = sender(g, SOCK_STREAM);
	put(g, fds[CONNS - 1], STR("<13>first\n"));
	UNTIL(g, text_bytes(g) > 0);
	for (int c = 0; c < CONNS; c++)
		OK(send(fds[c], "<13>late\n", 9, MSG_NOSIGNAL) == 9);
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL);
	for (int i = 0; i < 20; i++)
		loop_once(g->loop, 0);
	for (int c = 0; c < CONNS; c++)
		close(fds[c]);
	UNTIL(g, input_syslog.is_idle(&g->input));
	EQ_INT(metric_value(g->input.records), CONNS + 1);
	rig_end(g);
}

static void tcp_limits(void)
{
	struct rig *g = rig_new("limits", 1 << 20);
	int fds[4];

	g->conf.max_connections = 2;
	g->conf.idle_timeout_ns = NS_PER_S / 4;
	rig_start(g);
	for (int i = 0; i < 4; i++)
		fds[i] = sender(g, SOCK_STREAM);
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "too_many_connections") == 2);
	put(g, fds[0], STR("<13>unterminated"));
	/* Both idle out, the one with its last message. */
	UNTIL(g, is_closed(fds[0]) && is_closed(fds[1]));
	expect(g, "unterminated {" HEAD "} partial\n");
	OK(is_closed(fds[2]) && is_closed(fds[3]));
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	rig_end(g);
}

/* Many senders that never end their message cannot use up the credit: some are closed, and an
 * honest one still gets through. */
static void tcp_partial_flood(void)
{
	enum { CONNS = 60 };
	struct rig *g = rig_new("partial", 1 << 20);
	int fds[CONNS], fd;
	struct buf half = BUF_INIT;

	g->conf.max_message = 65536;
	rig_start(g);
	buf_c(&half, "<13>first\n<13>");
	for (int i = 0; i < 60000; i++)
		buf_ch(&half, 'x');
	for (int i = 0; i < CONNS; i++) {
		fds[i] = sender(g, SOCK_STREAM);
		for (int k = 0; k < 3; k++) {
			size_t third = half.n / 3;

			send(fds[i], half.p + (size_t)k * third, third, MSG_NOSIGNAL);
			loop_once(g->loop, 0);
		}
	}
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "too_many_partial") > 10);
	fd = sender(g, SOCK_STREAM);
	clear_text(g);
	put(g, fd, STR("<13>honest\n"));
	UNTIL(g, has_text(g, "honest"));
	for (int i = 0; i < CONNS; i++)
		close(fds[i]);
	close(fd);
	buf_fini(&half);
	rig_end(g);
}

/* What the kernel has taken from senders when the agent is told to stop is still delivered. */
static void stop_drains(void)
{
	struct rig *g = rig_new("stop", 4 << 20);
	struct buf stream = BUF_INIT;
	int udp, tcp;

	rig_open(g);
	udp = sender(g, SOCK_DGRAM);
	for (int i = 0; i < 100; i++)
		OK(send(udp, "<13>datagram", 12, 0) == 12);
	input_syslog.start(&g->input);
	tcp = sender(g, SOCK_STREAM);
	put(g, tcp, STR("<13>first\n"));
	UNTIL(g, has_text(g, "first"));
	for (int i = 0; i < 1000; i++)
		buf_c(&stream, "<13>stream\n");
	buf_c(&stream, "<13>rest");
	OK(send(tcp, stream.p, stream.n, 0) == (ssize_t)stream.n); /* one segment or two */
	buf_fini(&stream);
	input_syslog.stop(&g->input);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	EQ_INT(metric_value(g->flow->in), 1102);
	UNTIL(g, input_syslog.is_idle(&g->input));
	input_syslog.close(&g->input);
	OK(is_closed(tcp));
	close(udp);
	close(tcp);
	rig_free(g);
}

/* The deadline of a stop is over while records are still held: no leak, nothing freed twice. */
static void abandoned(void)
{
	struct rig *g = rig_new("abandoned", 1 << 20);
	int fd;

	g->holds = true;
	rig_start(g);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("<13>one\n<13>two"));
	UNTIL(g, text_bytes(g) > 0);
	input_syslog.stop(&g->input);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	OK(!input_syslog.is_idle(&g->input));
	for (unsigned i = 0; i < g->nheld; i++) {
		ack_abandon(TAKE(g->held[i]->ack));
		settle(g->held[i]);
	}
	g->nheld = 0;
	loop_once(g->loop, 0);
	input_syslog.close(&g->input);
	close(fd);
	g->holds = false;
	EQ_INT(metric_value(g->flow->in), 2);
	rig_free(g);
}

/* No descriptors left: no busy loop, and accepted again later. */
static int accepts_refused;

static int accept_fails(int fd, struct sockaddr *addr, socklen_t *n, int flags)
{
	if (accepts_refused++ < 1) {
		errno = EMFILE;
		return -1;
	}
	return os_kernel.accept4(fd, addr, n, flags);
}

static void no_descriptors(void)
{
	struct os_ops faulty = os_kernel;
	struct rig *g = rig_new("emfile", 1 << 20);
	int fd;

	faulty.accept4 = accept_fails;
	accepts_refused = 0;
	os = &faulty;
	rig_start(g);
	fd = sender(g, SOCK_STREAM);
	for (int i = 0; i < 50; i++)
		loop_once(g->loop, 1);
	EQ_INT(accepts_refused, 1);
	put(g, fd, STR("<13>later\n"));
	expect(g, "later {" HEAD "}\n");
	EQ_INT(counted(g, METRIC_INPUT_ERRORS, "accept"), 1);
	close(fd);
	rig_end(g);
	os = &os_kernel;
}

int main(void)
{
	for (nlanes = 1; nlanes <= 2; nlanes++) {
		RUN(tcp_messages);
		RUN(tcp_sizes);
		RUN(tcp_backpressure);
		RUN(idle_after_a_stall);
		RUN(tcp_limits);
		RUN(tcp_partial_flood);
		RUN(stop_drains);
		RUN(abandoned);
		RUN(no_descriptors);
	}
	return test_end();
}
