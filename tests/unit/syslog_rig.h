/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the syslog input share: an instance with real sockets on loopback, a lane (fused or
 * with threads), and a sink that keeps records as text or holds them back. Ends with the ledger. */
#ifndef TESTS_UNIT_SYSLOG_RIG_H
#define TESTS_UNIT_SYSLOG_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
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

#define WAIT_NS (60 * NS_PER_S)
/* The metadata of every message with <13>. */
#define HEAD "facility=user,severity=notice,detected_level=info,"

struct rig {
	struct syslog_conf conf;
	struct conf_addr addrs[2];
	struct input input;
	struct chain *chains[2];
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

/* As the README lists them; what is not there comes last, as it stands in the record. */
static inline size_t place(struct str name)
{
	static const char *const names[] = {
		"hostname",       "appname",  "procid",    "msgid",  "facility",        "severity",
		"detected_level", "sequence", "is_synced", "header", "structured_data",
	};
	size_t i = 0;

	while (i < ARRAY_LEN(names) && !str_is(name, names[i]) &&
	       !(i + 1 == ARRAY_LEN(names) && str_starts(name, STR("sd_"))))
		i++;
	return i + str_starts(name, STR("timestamp")) + 2 * str_is(name, "parse_error") +
	       3 * str_is(name, "full_length");
}

/* line {name=value ...} flags */
static inline void show(struct buf *out, const struct batch *b, const struct rec *r)
{
	buf_str(out, r->line);
	buf_c(out, " {");
	for (size_t at = 0; at < 16; at++)
		for (uint16_t i = 0; i < r->nattrs; i++) {
			struct str name = attr_name(&r->attrs[i]);
			struct str value = attr_value(&r->attrs[i]);

			if (r->attrs[i].kind == ATTR_EXTRACTED || place(name) != at ||
			    (str_is(name, "peer") &&
			     (str_is(value, "127.0.0.1") || str_is(value, "unix"))))
				continue;
			buf_printf(out, "%.*s=%.*s,", STR_ARG(name), STR_ARG(value));
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

static inline struct block *encode(void *ctx, const struct batch *b, struct arena *scratch)
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

static inline void settle(struct block *block)
{
	flow_delivered(block->flow, block->nrecs);
	block_end(block, block->nruns);
}

static inline void take(void *ctx, uint32_t lane, struct block *block)
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

static inline void release(struct rig *g)
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

static inline void hold(struct rig *g)
{
	pthread_mutex_lock(&g->lock);
	g->holds = true;
	pthread_mutex_unlock(&g->lock);
}

/* Blocks that are held. */
static inline unsigned held(struct rig *g)
{
	unsigned n;

	pthread_mutex_lock(&g->lock);
	n = g->nheld;
	pthread_mutex_unlock(&g->lock);
	return n;
}

static inline size_t text_bytes(struct rig *g)
{
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = g->text.n;
	pthread_mutex_unlock(&g->lock);
	return n;
}

static inline void clear_text(struct rig *g)
{
	pthread_mutex_lock(&g->lock);
	g->text.n = 0;
	pthread_mutex_unlock(&g->lock);
}

static inline bool has_text(struct rig *g, const char *part)
{
	bool has;

	pthread_mutex_lock(&g->lock);
	has = str_find(buf_as_str(&g->text), str_c(part)) < g->text.n;
	pthread_mutex_unlock(&g->lock);
	return has;
}

static inline bool is_text(struct rig *g, struct str want)
{
	bool is;

	pthread_mutex_lock(&g->lock);
	is = str_eq(buf_as_str(&g->text), want);
	if (!is)
		fprintf(stderr, "got: %.*s\n", STR_ARG(buf_as_str(&g->text)));
	pthread_mutex_unlock(&g->lock);
	return is;
}

static inline uint16_t free_port(void)
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

static inline struct rig *rig_new(const char *name, int64_t budget_bytes)
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
					.message_timeout_ns = 3600 * NS_PER_S,
					.handshake_timeout_ns = 3600 * NS_PER_S,
					.socket_mode = STR("0666"),
					.metadata = SYSLOG_META_ADDRESS,
					.threads = 1,
					.max_connections = 100,
					.receive_buffer = 1 << 20 };
	return g;
}

static inline void rig_open(struct rig *g)
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

		g->lanes[i] = lane_new(i, nlanes == 1 ? g->loop : NULL);
		conf.loop = lane_loop(g->lanes[i]);
		OK(chain_open(&conf, &g->chains[i], &err) == 0);
		lane_add_chain(g->lanes[i], g->chains[i]);
		if (nlanes > 1)
			g->ports[i] = lane_port_new(g->lanes[i], 65536);
	}
	g->intake = (struct intake){ .way.chains = g->chains,
				     .lanes = g->lanes,
				     .nlanes = nlanes,
				     .flows = &g->flow,
				     .nflows = 1,
				     .budget = &g->budget,
				     .ports = nlanes > 1 ? g->ports : NULL,
				     .port_capacity = 65536 };
	g->input = (struct input){ .ops = &input_syslog,
				   .name = g->name,
				   .conf = &g->conf,
				   .state = mem_zalloc(input_syslog.state_size),
				   .loop = g->loop,
				   .hostname = "host",
				   .intake = &g->intake };
	input_setup(&g->input);
	OK(input_syslog.open(&g->input, &err) == 0);
	if (err.code)
		FAIL("%s", err.text);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_start(g->lanes[i]);
}

static inline void rig_start(struct rig *g)
{
	rig_open(g);
	input_syslog.start(&g->input);
}

static inline int64_t counted(struct rig *g, enum metric_id id, const char *reason)
{
	return metric_value(metric_get(id, "input", g->name, "reason", reason, NULL));
}

static inline int64_t dropped(struct rig *g, const char *reason)
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
static inline void rig_free(struct rig *g)
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
static inline void rig_end(struct rig *g)
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

static inline int sender(struct rig *g, int type)
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
static inline void put(struct rig *g, int fd, struct str s)
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

static inline void expect(struct rig *g, const char *want)
{
	size_t n = strlen(want);

	UNTIL(g, text_bytes(g) >= n);
	OK(is_text(g, str_c(want)));
}

static inline bool is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

#endif
