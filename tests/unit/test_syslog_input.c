/* SPDX-License-Identifier: Apache-2.0 */
/* The syslog input with real sockets on loopback, a lane (fused and with threads) and a sink that
 * keeps records as text or holds them back: what arrives, what is counted when nothing can be taken
 * in, and that every record and every credit is accounted for. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/un.h>
#include <unistd.h>

#include "inputs/intake.h"
#include "inputs/syslog/syslog.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "pipeline/block.h"
#include "pipeline/chain.h"
#include "pipeline/labels.h"
#include "pipeline/lane.h"
#include "tests/unit/test.h"

extern const struct input_ops input_syslog;

#define WAIT_NS (20 * NS_PER_S)
#define SENT_AT "2026-01-14T22:14:15Z"

struct rig {
	struct syslog_conf conf;
	struct conf_addr addrs[2];
	struct input input;
	struct intake intake;
	struct flow *flow;
	struct loop *loop;
	struct lane *lanes[2];
	struct lane_port *ports[2];
	struct sink sink;
	struct budget budget;
	int64_t total_bytes;
	char name[32];
	uint16_t port;
	pthread_mutex_t lock; /* of the following */
	struct buf text;
	struct block *held[65536];
	unsigned nheld;
	bool holds;
};

/* line {name=value ...} flags */
static void show(struct buf *out, const struct batch *b, const struct rec *r)
{
	buf_str(out, r->line);
	buf_c(out, " {");
	for (uint16_t i = 0; i < r->nattrs; i++) {
		struct str name = attr_name(&r->attrs[i]), value = attr_value(&r->attrs[i]);

		if (!str_is(name, "peer"))
			buf_printf(out, "%.*s=%.*s,", STR_ARG(name), STR_ARG(value));
		else if (!str_is(value, "127.0.0.1") && !str_is(value, "unix"))
			buf_c(out, "wrong peer,");
	}
	buf_c(out, "}");
	if (r->flags & REC_CUT)
		buf_c(out, " cut");
	if (r->flags & REC_PARTIAL)
		buf_c(out, " partial");
	if (r->flags & REC_UNPARSED)
		buf_c(out, " unparsed");
	if (r->flags & REC_TIME_GUESSED)
		buf_c(out, " guessed");
	if (r->time_ns < INT64_C(1768430000) * NS_PER_S)
		buf_printf(out, " @%d", (int)(r->time_ns / NS_PER_S));
	if (b->source->nlabels != 2)
		buf_c(out, " wrong labels");
	buf_ch(out, '\n');
}

static struct block *encode(void *ctx, const struct batch *b, struct arena *scratch)
{
	struct buf out = { .max = 1 << 30 };
	struct block *block;

	(void)ctx;
	(void)scratch;
	for (uint32_t i = 0; i < b->nrecs; i++)
		show(&out, b, &b->recs[i]);
	block = block_new(1, 0, out.n);
	block->nrecs = block->runs[0].nrecs = b->nrecs;
	memcpy(block->bytes, out.p, out.n);
	buf_fini(&out);
	return block;
}

static void settle(struct block *block)
{
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

static void take(void *ctx, uint32_t lane, struct block *block)
{
	struct rig *g = ctx;
	bool holds;

	(void)lane;
	pthread_mutex_lock(&g->lock);
	buf_put(&g->text, block->bytes, block->nbytes);
	holds = g->holds && g->nheld < ARRAY_LEN(g->held);
	if (holds)
		g->held[g->nheld++] = block;
	pthread_mutex_unlock(&g->lock);
	if (!holds)
		settle(block);
}

static void release(struct rig *g)
{
	unsigned n;

	pthread_mutex_lock(&g->lock);
	g->holds = false;
	n = g->nheld;
	g->nheld = 0;
	pthread_mutex_unlock(&g->lock);
	for (unsigned i = 0; i < n; i++)
		settle(g->held[i]);
}

static size_t text_bytes(struct rig *g)
{
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = g->text.n;
	pthread_mutex_unlock(&g->lock);
	return n;
}

static void clear_text(struct rig *g)
{
	pthread_mutex_lock(&g->lock);
	g->text.n = 0;
	pthread_mutex_unlock(&g->lock);
}

static bool has_text(struct rig *g, const char *part)
{
	bool has;

	pthread_mutex_lock(&g->lock);
	has = str_find(buf_as_str(&g->text), str_c(part)) < g->text.n;
	pthread_mutex_unlock(&g->lock);
	return has;
}

static bool is_text(struct rig *g, struct str want)
{
	bool is;

	pthread_mutex_lock(&g->lock);
	is = str_eq(buf_as_str(&g->text), want);
	if (!is)
		fprintf(stderr, "got: %.*s\n", STR_ARG(buf_as_str(&g->text)));
	pthread_mutex_unlock(&g->lock);
	return is;
}

static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(at);

	OK(bind(fd, (struct sockaddr *)&at, n) == 0);
	OK(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	close(fd);
	return ntohs(at.sin_port);
}

static unsigned nlanes; /* 1: fused, 2: with threads */

static struct rig *rig_new(const char *name, int64_t budget_bytes)
{
	struct rig *g = mem_zalloc(sizeof(*g));

	snprintf(g->name, sizeof(g->name), "%s-%u", name, nlanes);
	ROW(g->name);
	pthread_mutex_init(&g->lock, NULL);
	g->text.max = 1 << 30;
	g->total_bytes = budget_bytes;
	g->port = free_port();
	g->addrs[0] =
		(struct conf_addr){ CONF_UDP, STR("127.0.0.1"), g->port, STR_NONE, STR("udp") };
	g->addrs[1] =
		(struct conf_addr){ CONF_TCP, STR("127.0.0.1"), g->port, STR_NONE, STR("tcp") };
	g->conf = (struct syslog_conf){ .listen = { 2, g->addrs },
					.max_message = 4096,
					.timezone = STR("UTC"),
					.idle_timeout_ns = 3600 * NS_PER_S,
					.max_connections = 100,
					.receive_buffer = 1 << 20 };
	return g;
}

static void rig_open(struct rig *g)
{
	struct err err = ERR_NONE;

	budget_init(&g->budget, g->total_bytes);
	g->loop = loop_new("test");
	g->flow = flow_new(g->name, "out");
	g->sink = (struct sink){
		.ctx = g, .flow = g->flow, .is_blocking = true, .encode = encode, .submit = take
	};
	for (uint32_t i = 0; i < nlanes; i++) {
		struct chain_conf conf = { .pipeline = g->name,
					   .sinks = &g->sink,
					   .nsinks = 1,
					   .budget = &g->budget,
					   .lane = i,
					   .max_streams = 100 };
		struct chain *chain = NULL;

		g->lanes[i] = lane_new(i, nlanes == 1 ? g->loop : NULL, 1);
		conf.loop = lane_loop(g->lanes[i]);
		OK(chain_open(&conf, &chain, &err) == 0);
		lane_set_chain(g->lanes[i], 0, chain);
		if (nlanes > 1)
			g->ports[i] = lane_port_new(g->lanes[i], 0, 65536);
	}
	g->intake = (struct intake){ .lanes = g->lanes,
				     .nlanes = nlanes,
				     .flows = &g->flow,
				     .nflows = 1,
				     .ports = nlanes > 1 ? g->ports : NULL,
				     .port_capacity = 65536 };
	g->input = (struct input){ .ops = &input_syslog,
				   .name = g->name,
				   .conf = &g->conf,
				   .state = mem_zalloc(input_syslog.state_size),
				   .loop = g->loop,
				   .hostname = "host",
				   .intake = &g->intake,
				   .budget = &g->budget };
	input_setup(&g->input);
	OK(input_syslog.open(&g->input, &err) == 0);
	if (err.code)
		FAIL("%s", err.text);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_start(g->lanes[i]);
}

static void rig_start(struct rig *g)
{
	rig_open(g);
	input_syslog.start(&g->input);
}

static int64_t counted(struct rig *g, enum metric_id id, const char *reason)
{
	return metric_value(metric_get(id, "input", g->name, "reason", reason, NULL));
}

static int64_t dropped(struct rig *g, const char *reason)
{
	return counted(g, METRIC_INPUT_DROPPED, reason);
}

#define UNTIL(g, cond)                                                                             \
	do {                                                                                       \
		int64_t end_ns_ = clock_mono_ns() + WAIT_NS;                                       \
		while (!(cond) && clock_mono_ns() < end_ns_)                                       \
			loop_once((g)->loop, 5);                                                   \
		OK(cond);                                                                          \
	} while (0)

/* The ledger and the credit must balance. */
static void rig_free(struct rig *g)
{
	EQ_INT(metric_value(g->flow->held), 0);
	EQ_INT(metric_value(g->flow->in), metric_value(g->flow->delivered));
	EQ_INT(metric_value(g->input.records), metric_value(g->flow->delivered));
	EQ_INT(atomic_load(&g->budget.free_bytes), g->total_bytes);
	for (uint32_t i = 0; i < nlanes; i++) {
		lane_port_free(g->ports[i]);
		lane_free(g->lanes[i]);
	}
	flow_free(g->flow);
	mem_free(g->input.state);
	loop_free(g->loop);
	budget_fini(&g->budget);
	buf_fini(&g->text);
	mem_free(g);
}

/* Ends the way the agent does. */
static void rig_end(struct rig *g)
{
	input_syslog.stop(&g->input);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	release(g);
	UNTIL(g, input_syslog.is_idle(&g->input));
	input_syslog.close(&g->input);
	budget_forget(&g->budget, &g->input.waiter);
	rig_free(g);
}

static int sender(struct rig *g, int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(g->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), one = 1;

	OK(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 || errno == EINPROGRESS);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* All of it, giving the receiver its turn. */
static void put(struct rig *g, int fd, struct str s)
{
	int64_t end_ns = clock_mono_ns() + WAIT_NS;

	while (s.n && clock_mono_ns() < end_ns) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n > 0)
			s = str_skip(s, (size_t)n);
		else
			loop_once(g->loop, 1);
	}
	EQ_INT(s.n, 0);
}

static void expect(struct rig *g, const char *want)
{
	size_t n = strlen(want);

	UNTIL(g, text_bytes(g) >= n);
	OK(is_text(g, str_c(want)));
}

#define HEAD "facility=user,severity=notice,"

static void udp_messages(void)
{
	struct rig *g = rig_new("udp", 1 << 20);
	char big[5000];
	int fd;

	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<165>1 " SENT_AT " h a 7 ID47 [x a=\"1\"] five"));
	put(g, fd, STR("<38>Jan 14 22:14:15 web01 sshd[12]: three\n"));
	put(g, fd, STR("no header"));
	put(g, fd, STR("<13>1 2026-02-30T00:00:00Z h a p m - bad time"));
	send(fd, "", 0, 0);
	put(g, fd, STR("\n"));
	put(g, fd, STR("<189>29: *Mar  1 18:48:50: %SYS-5-X: cisco"));
	expect(g, "five {hostname=h,appname=a,procid=7,msgid=ID47,facility=local4,severity=notice,"
		  "structured_data=[x a=\"1\"],}\n"
		  "three {hostname=web01,appname=sshd,procid=12,facility=auth,severity=info,}\n"
		  "no header {} unparsed\n"
		  "bad time {hostname=h,appname=a,procid=p,msgid=m," HEAD
		  "timestamp=2026-02-30T00:00:00Z,}\n"
		  "cisco {appname=%SYS-5-X,facility=local7,severity=notice,sequence=29,}\n");
	EQ_INT(dropped(g, "empty"), 2);
	EQ_INT(counted(g, METRIC_INPUT_FLAGGED, "unparsed"), 1);
	EQ_INT(counted(g, METRIC_INPUT_FLAGGED, "bad_time"), 1);

	memset(big, 'x', sizeof(big));
	memcpy(big, "<13>", 4);
	clear_text(g);
	put(g, fd, str_make(big, sizeof(big)));
	UNTIL(g, text_bytes(g) > 4000);
	OK(str_ends(buf_as_str(&g->text), STR("x {" HEAD "full_length=5000,} cut\n")));
	EQ_INT(g->text.n, 4092 + strlen(" {" HEAD "full_length=5000,} cut\n"));
	close(fd);
	rig_end(g);
}

static void options(void)
{
	struct rig *g = rig_new("options", 1 << 20);
	int fd;

	g->conf.use_incoming_timestamp = true;
	g->conf.structured_data = SYSLOG_SD_EXPAND;
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<13>1 2020-01-01T00:00:01Z h a p m [x@1 k=\"q\\\"\"][bare] five"));
	put(g, fd, STR("<13>1 2020-02-30T00:00:00Z - - - - - bad"));
	put(g, fd, STR("<13>no time"));
	expect(g, "five {hostname=h,appname=a,procid=p,msgid=m," HEAD
		  "sd_x@1_k=q\",sd_bare=,} @1577836801\n"
		  "bad {" HEAD "timestamp=2020-02-30T00:00:00Z,} guessed\n"
		  "no time {" HEAD "}\n");
	close(fd);
	rig_end(g);

	g = rig_new("raw", 1 << 20);
	g->conf.use_incoming_timestamp = true;
	g->conf.line = SYSLOG_LINE_RAW;
	g->conf.structured_data = SYSLOG_SD_DROP;
	g->conf.timezone = STR("Etc/GMT-2"); /* two hours east */
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<13>1 - - - - - [x] five\n"));
	put(g, fd, STR("<13>Jan 01 2020 02:00:01 h a: three"));
	expect(g,
	       "<13>1 - - - - - [x] five {" HEAD "}\n"
	       "<13>Jan 01 2020 02:00:01 h a: three {hostname=h,appname=a," HEAD "} @1577836801\n");
	close(fd);
	rig_end(g);
}

/* Nothing is settled and credit runs out: each datagram is a record or counted as dropped. */
static void udp_without_credit(void)
{
	struct rig *g = rig_new("no-credit", 1 << 20);
	int64_t sent = 0;
	char text[300];
	int fd;

	g->holds = true;
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	memset(text, 'x', sizeof(text));
	memcpy(text, "<13>", 4);
	while (sent < 20000 || (dropped(g, "no_credit") == 0 && sent < 5000000)) {
		put(g, fd, str_make(text, sizeof(text)));
		if (++sent % 100 == 0)
			loop_once(g->loop, 0);
	}
	UNTIL(g,
	      metric_value(g->flow->in) + dropped(g, "no_credit") + dropped(g, "kernel") >= sent);
	OK(dropped(g, "no_credit") > 0);
	EQ_INT(metric_value(g->flow->in) + dropped(g, "no_credit") + dropped(g, "kernel"), sent);
	/* Credit is back: datagrams are taken again. */
	release(g);
	clear_text(g);
	put(g, fd, STR("<13>again"));
	expect(g, "again {" HEAD "}\n");
	close(fd);
	rig_end(g);
}

/* More than the socket's buffer holds while nobody receives: the kernel's drops are counted to the
 * datagram, also those behind the last one that was received. */
static void udp_kernel_drops(void)
{
	enum { SENT = 5000 };
	struct rig *g = rig_new("kernel", 16 << 20);
	int fd;

	g->conf.receive_buffer = 64 << 10;
	rig_open(g);
	fd = sender(g, SOCK_DGRAM);
	for (int i = 0; i < SENT; i++)
		OK(send(fd, "<13>x", 5, 0) == 5);
	input_syslog.start(&g->input);
	UNTIL(g, metric_value(g->flow->delivered) + dropped(g, "kernel") == SENT);
	OK(dropped(g, "kernel") > 0 && metric_value(g->flow->delivered) > 0);
	close(fd);
	rig_end(g);
}

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
	expect(g, "one {" HEAD "}\ntw\no\n<13 {" HEAD "}\n>three {} unparsed\nfour {" HEAD
		  "} partial\n");
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
	int64_t quiet_until_ns;
	struct str text;

	g->holds = true;
	g->conf.idle_timeout_ns = NS_PER_S / 10; /* not for those that are not read */
	rig_start(g);
	for (int c = 0; c < CONNS; c++)
		fds[c] = sender(g, SOCK_STREAM);
	quiet_until_ns = clock_mono_ns() + NS_PER_S / 4;
	while (clock_mono_ns() < quiet_until_ns) {
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
			if (sent > 0)
				quiet_until_ns = clock_mono_ns() + NS_PER_S / 4;
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

		if (str_ends(line, STR("partial")))
			continue;
		OK(c < CONNS && str_u64(str_sub(line, 2, str_chr(line, ' ')), &k));
		if (c < CONNS)
			EQ_INT(k, fds[c]++);
	}
	for (int c = 0; c < CONNS; c++)
		EQ_INT(fds[c], next[c]);
	rig_end(g);
}

static bool is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
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

/* Even when the receiving thread had no turn yet. */
static void stop_at_once(void)
{
	struct rig *g = rig_new("at-once", 4 << 20);
	int fd;

	rig_open(g);
	fd = sender(g, SOCK_DGRAM);
	for (int i = 0; i < 500; i++)
		OK(send(fd, "<13>datagram", 12, 0) == 12);
	input_syslog.start(&g->input);
	input_syslog.stop(&g->input);
	EQ_INT(metric_value(g->flow->in), 500);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	input_syslog.close(&g->input);
	close(fd);
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

static void unix_sockets(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct rig *g = rig_new("unix", 1 << 20);
	char dir[] = "/tmp/test_syslog_XXXXXX", paths[2][64];
	int fd;

	OK(mkdtemp(dir) != NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
		g->addrs[i] = (struct conf_addr){ .scheme = i ? CONF_UNIX : CONF_UNIXGRAM,
						  .path = str_c(paths[i]),
						  .text = str_c(paths[i]) };
	}
	rig_start(g);
	for (int i = 0; i < 2; i++) {
		fd = socket(AF_UNIX, i ? SOCK_STREAM : SOCK_DGRAM, 0);
		snprintf(at.sun_path, sizeof(at.sun_path), "%s", paths[i]);
		OK(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
		clear_text(g);
		put(g, fd, STR("<13>Jan 14 22:14:15 app[7]: local"));
		close(fd);
		expect(g, i ? "local {appname=app,procid=7," HEAD "} partial\n"
			    : "local {appname=app,procid=7," HEAD "}\n");
	}
	rig_end(g);
	unlink(paths[0]);
	unlink(paths[1]);
	rmdir(dir);
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
		RUN(udp_messages);
		RUN(options);
		RUN(udp_without_credit);
		RUN(udp_kernel_drops);
		RUN(tcp_messages);
		RUN(tcp_sizes);
		RUN(tcp_backpressure);
		RUN(tcp_limits);
		RUN(tcp_partial_flood);
		RUN(stop_drains);
		RUN(stop_at_once);
		RUN(abandoned);
		RUN(unix_sockets);
		RUN(no_descriptors);
	}
	return test_end();
}
