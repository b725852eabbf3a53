/* SPDX-License-Identifier: Apache-2.0 */
/* Who may send how much: networks, proxies, caps and rates per peer, slow senders, a flood; and whose
 * sockets they are. */
#include <sys/un.h>

#include "tests/unit/syslog_rig.h"

static struct str net[1];

static struct conf_list only(const char *text)
{
	net[0] = str_c(text);
	return (struct conf_list){ 1, net };
}

static void allowed_networks(void)
{
	struct rig *g = rig_new("allow", 1 << 20);
	int udp, tcp;

	g->conf.allow = only("10.0.0.0/8");
	rig_start(g);
	tcp = sender(g, SOCK_STREAM);
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "not_allowed") == 1);
	udp = sender(g, SOCK_DGRAM);
	put(g, udp, STR("<13>x"));
	put(g, udp, STR("<13>x"));
	UNTIL(g, dropped(g, "not_allowed") == 2);
	close(tcp);
	close(udp);
	EQ_INT(metric_value(g->flow->in), 0);
	rig_end(g);

	g = rig_new("allow-us", 1 << 20);
	g->conf.allow = only("127.0.0.0/8");
	rig_start(g);
	udp = sender(g, SOCK_DGRAM);
	put(g, udp, STR("<13>datagram"));
	expect(g, "datagram {" HEAD "}\n");
	clear_text(g);
	tcp = sender(g, SOCK_STREAM);
	put(g, tcp, STR("<13>stream\n"));
	expect(g, "stream {" HEAD "}\n");
	close(tcp);
	close(udp);
	rig_end(g);
}

static void proxy_headers(void)
{
	static const char v2[] =
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\x7f\0\0\x01\x04\xd2\x02"
		"\x02<13>two\n";
	struct rig *g = rig_new("proxy", 1 << 20);
	int fd;

	g->conf.proxy_protocol = only("127.0.0.0/8");
	rig_start(g);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n<13>one\n<13>more\n"));
	expect(g, "one {" HEAD "peer=192.0.2.1,}\nmore {" HEAD "peer=192.0.2.1,}\n");
	close(fd);
	/* Byte by byte. */
	clear_text(g);
	fd = sender(g, SOCK_STREAM);
	for (size_t i = 0; i < sizeof(v2) - 1; i++) {
		put(g, fd, str_make(v2 + i, 1));
		loop_once(g->loop, 0);
	}
	expect(g, "two {" HEAD "peer=192.0.2.9,}\n");
	close(fd);
	clear_text(g);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("PROXY UNKNOWN\r\n<13>health\n"));
	expect(g, "health {" HEAD "}\n");
	close(fd);
	/* Without one it is refused; so is silence; a health check is no error. */
	clear_text(g);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("<13>forged\n"));
	UNTIL(g, counted(g, METRIC_INPUT_ERRORS, "proxy_header") == 1);
	close(fd);
	fd = sender(g, SOCK_STREAM);
	shutdown(fd, SHUT_WR);
	UNTIL(g, is_closed(fd));
	EQ_INT(counted(g, METRIC_INPUT_ERRORS, "proxy_header"), 1);
	EQ_INT(text_bytes(g), 0);
	close(fd);
	rig_end(g);

	/* From elsewhere it is text like any other. */
	g = rig_new("no-proxy", 1 << 20);
	g->conf.proxy_protocol = only("10.0.0.1");
	rig_start(g);
	fd = sender(g, SOCK_STREAM);
	put(g, fd, STR("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n<13>one\n"));
	expect(g, "PROXY TCP4 192.0.2.1 127.0.0.1 1 2 {parse_error=no_pri,} unparsed\none {" HEAD
		  "}\n");
	close(fd);
	rig_end(g);
}

static void caps_per_peer(void)
{
	struct rig *g = rig_new("peers", 1 << 20);
	int fds[4];

	g->conf.max_peer_connections = 2;
	g->conf.proxy_protocol = only("127.0.0.1");
	rig_start(g);
	for (int i = 0; i < 4; i++) {
		fds[i] = sender(g, SOCK_STREAM);
		put(g, fds[i],
		    i == 3 ? STR("PROXY TCP4 192.0.2.2 127.0.0.1 1 2\r\n<13>other\n")
			   : STR("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n<13>same\n"));
	}
	UNTIL(g, has_text(g, "other") && metric_value(g->flow->in) == 3);
	EQ_INT(counted(g, METRIC_INPUT_ERRORS, "too_many_peer_connections"), 1);
	/* A place that is free again is given again. */
	close(fds[0]);
	UNTIL(g, metric_value(g->input.records) == 3 &&
			 atomic_load(&g->budget.free_bytes) == g->total_bytes);
	loop_once(g->loop, 5);
	clear_text(g);
	fds[0] = sender(g, SOCK_STREAM);
	put(g, fds[0], STR("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n<13>again\n"));
	UNTIL(g, has_text(g, "again"));
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	rig_end(g);
}

/* A stream over its rate waits and loses nothing; datagrams are dropped and counted. */
static void rates(void)
{
	enum { LINES = 30 };
	struct rig *g = rig_new("rate", 1 << 20);
	int tcp, udp;

	g->conf.peer_rate = 100;
	rig_start(g);
	tcp = sender(g, SOCK_STREAM);
	for (int i = 0; i < LINES; i++) /* ten at once, five times what a second has in all */
		put(g, tcp,
		    STR("<13>a\n<13>b\n<13>c\n<13>d\n<13>e\n<13>f\n<13>g\n<13>h\n<13>i\n<13>j\n"));
	UNTIL(g, metric_value(g->flow->delivered) == LINES * 10);
	OK(counted(g, METRIC_INPUT_ERRORS, "rate_per_peer") > 0);
	udp = sender(g, SOCK_DGRAM);
	for (int i = 0; i < 1000; i++)
		put(g, udp, STR("<13>datagram"));
	UNTIL(g,
	      metric_value(g->flow->delivered) - LINES * 10 + dropped(g, "rate_per_peer") == 1000);
	OK(dropped(g, "rate_per_peer") > 500 &&
	   metric_value(g->flow->delivered) >= LINES * 10 + 100);
	close(tcp);
	close(udp);
	rig_end(g);
}

static void slow_senders(void)
{
	struct rig *g = rig_new("slow", 1 << 20);
	int drip = sender(g, SOCK_STREAM), quick;

	close(drip);
	g->conf.message_timeout_ns = NS_PER_S / 4;
	rig_start(g);
	drip = sender(g, SOCK_STREAM);
	quick = sender(g, SOCK_STREAM);
	/* A byte now and then keeps a connection busy, but not for ever; whole messages do. */
	for (int i = 0; counted(g, METRIC_INPUT_ERRORS, "message_timeout") == 0 && i < 2000; i++) {
		send(drip, i ? "x" : "<13>x", i ? 1 : 5, MSG_NOSIGNAL);
		put(g, quick, STR("<13>whole\n"));
		loop_once(g->loop, 2);
		usleep(5000);
	}
	EQ_INT(counted(g, METRIC_INPUT_ERRORS, "message_timeout"), 1);
	UNTIL(g, has_text(g, "partial"));
	OK(!is_closed(quick));
	close(drip);
	close(quick);
	rig_end(g);
}

/* One floods a pipeline that stands still; when a little credit comes back, the others are served. */
static void flood(void)
{
	enum { CONNS = 200 };
	struct rig *g = rig_new("flood", 4 << 20);
	int fds[CONNS], floods;
	struct buf text = BUF_INIT;
	char line[64];
	int64_t end_ns;

	g->conf.max_connections = 1000;
	g->conf.proxy_protocol = only("127.0.0.1");
	rig_start(g);
	buf_c(&text, "PROXY TCP4 192.0.2.66 127.0.0.1 1 2\r\n");
	for (int i = 0; i < 20000; i++)
		buf_c(&text, "<13>flood flood flood flood flood flood flood flood flood flood\n");
	floods = sender(g, SOCK_STREAM);
	for (int i = 0; i < CONNS; i++)
		fds[i] = sender(g, SOCK_STREAM);
	g->holds = true;
	/* Until no more is read of it. */
	for (size_t at = 0; metric_value(g->input.paused) == 0;) {
		ssize_t n = send(floods, text.p + at, text.n - at, MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		if (at == text.n)
			at = 37 + 64 * 10; /* a whole line on, behind the header */
		loop_once(g->loop, 0);
	}
	/* It has its share, which is not all. */
	OK(atomic_load(&g->budget.free_bytes) > g->total_bytes / 8);
	for (int i = 0; i < CONNS; i++) {
		snprintf(line, sizeof(line),
			 "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n<13>honest %d\n", i);
		put(g, fds[i], str_c(line));
	}
	UNTIL(g, has_text(g, "honest 199") && has_text(g, "honest 0 "));
	for (int i = 0; i < CONNS; i++) {
		snprintf(line, sizeof(line), "honest %d ", i);
		UNTIL(g, has_text(g, line));
	}
	/* The flood goes on when its records are settled. */
	clear_text(g);
	release(g);
	end_ns = clock_mono_ns() + WAIT_NS;
	while (!has_text(g, "flood") && clock_mono_ns() < end_ns) {
		send(floods, text.p + 37, 64, MSG_NOSIGNAL);
		loop_once(g->loop, 1);
	}
	OK(has_text(g, "flood"));
	for (int i = 0; i < CONNS; i++)
		close(fds[i]);
	close(floods);
	buf_fini(&text);
	rig_end(g);
}

static bool has_urgent(struct rig *g)
{
	bool ret = false;

	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < g->nheld; i++)
		ret |= g->held[i]->is_urgent;
	pthread_mutex_unlock(&g->lock);
	return ret;
}

/* Many machines behind one address, a line each that is not settled: what counts is what they hold, not the room
 * their connections had to read into. The last batch before they have to wait does not wait for company at the
 * output: nothing else would come. */
static void little_of_many(void)
{
	enum { CONNS = 30 };
	struct rig *g = rig_new("little", 4 << 20);
	char line[32];
	int fds[CONNS], i;

	g->conf.max_peer_bytes = 64 << 10;
	g->holds = true;
	rig_start(g);
	for (i = 0; i < CONNS; i++) {
		fds[i] = sender(g, SOCK_STREAM);
		snprintf(line, sizeof(line), "<13>little %d\n", i);
		put(g, fds[i], str_c(line));
		snprintf(line, sizeof(line), "little %d ", i);
		UNTIL(g, has_text(g, line) || metric_value(g->input.paused) > 0);
	}
	EQ_INT(metric_value(g->input.paused), 0);
	for (i = 0; metric_value(g->input.paused) == 0 && i < 100000; i++) {
		put(g, fds[0], STR("<13>more\n"));
		loop_once(g->loop, 0);
	}
	OK(metric_value(g->input.paused) > 0);
	UNTIL(g, has_urgent(g));
	release(g);
	for (i = 0; i < CONNS; i++)
		close(fds[i]);
	rig_end(g);
}

static void credentials(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct rig *g = rig_new("cred", 1 << 20);
	char dir[] = "/tmp/test_syslog_XXXXXX", paths[2][64], want[256];
	struct stat st;
	int fd, n;

	OK(mkdtemp(dir) != NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
		g->addrs[i] = (struct conf_addr){ .scheme = i ? CONF_UNIX : CONF_UNIXGRAM,
						  .path = str_c(paths[i]),
						  .text = str_c(paths[i]) };
	}
	g->conf.metadata = SYSLOG_META_CREDENTIALS;
	g->conf.socket_mode = STR("0620");
	rig_start(g);
	for (int i = 0; i < 2; i++) {
		OK(stat(paths[i], &st) == 0 && (st.st_mode & 07777) == 0620);
		fd = socket(AF_UNIX, i ? SOCK_STREAM : SOCK_DGRAM, 0);
		snprintf(at.sun_path, sizeof(at.sun_path), "%s/%d", dir, i);
		OK(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
		clear_text(g);
		put(g, fd, STR("<13>a\n"));
		put(g, fd, STR("<13>b\n"));
		n = snprintf(want, sizeof(want),
			     " {" HEAD "peer_pid=%d,peer_uid=%u,peer_gid=%u,}\n", getpid(),
			     getuid(), getgid());
		UNTIL(g, text_bytes(g) == 2 * ((size_t)n + 1));
		OK(has_text(g, want));
		close(fd);
	}
	rig_end(g);
	for (int i = 0; i < 2; i++)
		unlink(paths[i]);
	rmdir(dir);
}

/* Without a host both families come in, by one socket; several sockets per address; a count in front. */
static void sockets(void)
{
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct rig *g = rig_new("sockets", 8 << 20);
	int fds[20], fd = socket(AF_INET6, SOCK_DGRAM, 0);
	unsigned next[20] = { 0 };
	struct str text;

	g->addrs[0].host = STR_NONE;
	g->conf.threads = 4;
	rig_start(g);
	at6.sin6_port = htons(g->port);
	if (connect(fd, (struct sockaddr *)&at6, sizeof(at6)) == 0) {
		put(g, fd, STR("<13>six"));
		expect(g, "six {" HEAD "peer=::1,}\n");
		clear_text(g);
	}
	close(fd);
	for (int i = 0; i < 20; i++)
		fds[i] = sender(g, SOCK_DGRAM);
	for (int k = 0; k < 200; k++) {
		for (int i = 0; i < 20; i++) {
			char line[32];
			int n = snprintf(line, sizeof(line), "<13>%02d:%d", i, k);

			put(g, fds[i], str_make(line, (size_t)n));
		}
		if (k % 10 == 9) /* never more than the kernel holds */
			UNTIL(g, metric_value(g->flow->delivered) >= (k + 1) * 20);
	}
	pthread_mutex_lock(&g->lock);
	text = buf_as_str(&g->text);
	while (text.n) { /* each sender in order */
		struct str line = str_cut(&text, '\n');
		uint64_t i = 99, k = 0;

		OK(str_u64(str_sub(line, 0, 2), &i) && i < 20 &&
		   str_u64(str_sub(line, 3, str_chr(line, ' ')), &k));
		if (i < 20)
			EQ_INT(k, next[i]++);
	}
	pthread_mutex_unlock(&g->lock);
	for (int i = 0; i < 20; i++) {
		EQ_INT(next[i], 200);
		close(fds[i]);
	}
	clear_text(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("7 <13>abc"));
	UNTIL(g, text_bytes(g) > 0);
	put(g, fd, STR("9 <13>abc"));
	UNTIL(g, has_text(g, "9 <13>abc {parse_error=no_pri,} unparsed\n"));
	OK(has_text(g, "abc {" HEAD "}\n"));
	close(fd);
	rig_end(g);
}

int main(void)
{
	for (nlanes = 1; nlanes <= 2; nlanes++) {
		RUN(allowed_networks);
		RUN(proxy_headers);
		RUN(caps_per_peer);
		RUN(rates);
		RUN(slow_senders);
		RUN(flood);
		RUN(little_of_many);
		RUN(credentials);
		RUN(sockets);
	}
	return test_end();
}
