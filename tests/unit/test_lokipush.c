/* SPDX-License-Identifier: Apache-2.0 */
/* The Loki push receiver under attack: streams that nobody can count, labels that are not the client's
 * to choose, requests that wait for credit while others push theirs out. */
#include "tests/unit/syslog_rig.h"

#include "inputs/lokipush/lokipush.h"

extern const struct input_ops input_loki;

/* The syslog rig's lanes and sink, with this input on top. */
struct push_rig {
	struct rig *rig;
	struct lokipush_conf conf;
	struct conf_addr addr;
};

static void push_open(struct push_rig *p, const char *name, int64_t budget_bytes)
{
	struct err err = ERR_NONE;
	struct rig *g = p->rig = rig_new(name, budget_bytes);
	struct input *in = &g->input;

	rig_open(g);
	/* In place of the syslog input, which was not started. */
	in->ops->stop(in);
	in->ops->close(in);
	mem_free(in->state);
	p->addr = (struct conf_addr){ CONF_TCP, STR("127.0.0.1"), g->port, STR_NONE, STR("tcp") };
	p->conf = (struct lokipush_conf){ .http = { .stream = { .listen = { 1, &p->addr },
								.max_connections = 100,
								.peer_ipv6_bits = 64,
								.handshake_timeout_ns = WAIT_NS },
						    .header_timeout_ns = WAIT_NS,
						    .body_timeout_ns = WAIT_NS,
						    .idle_timeout_ns = WAIT_NS,
						    .max_body = 64 << 20 },
					  .hold_ns = WAIT_NS };
	in->ops = &input_loki;
	in->conf = &p->conf;
	in->state = mem_zalloc(input_loki.state_size);
	if (input_loki.open(in, &err) < 0)
		FAIL("%s", err.text);
	input_loki.start(in);
}

static void push_end(struct push_rig *p)
{
	struct rig *g = p->rig;

	input_loki.stop(&g->input);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	release(g);
	UNTIL(g, input_loki.is_idle(&g->input));
	input_loki.close(&g->input);
	budget_forget(&g->budget, &g->input.waiter);
	rig_free(g);
}

static int send_push(struct push_rig *p, struct str body, const char *fields)
{
	struct buf text = BUF_INIT;
	int fd = sender(p->rig, SOCK_STREAM);

	buf_printf(
		&text,
		"POST /loki/api/v1/push HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
		"%sContent-Length: %zu\r\n\r\n",
		fields, body.n);
	buf_str(&text, body);
	put(p->rig, fd, buf_as_str(&text));
	buf_fini(&text);
	return fd;
}

/* The status of the answer, 0 when there is none yet. */
static int status_of(int fd)
{
	char text[512] = "";

	return recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 12 ? atoi(text + 9) : 0;
}

static int answered(struct push_rig *p, int fd)
{
	int status = 0;

	UNTIL(p->rig, status || (status = status_of(fd)));
	close(fd);
	return status;
}

/* n streams of one entry; their labels are padded. */
static struct str many_streams(struct buf *body, const char *name, size_t n, size_t pad)
{
	body->max = 1 << 30;
	buf_clear(body);
	buf_c(body, "{\"streams\":[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(body, "%s{\"stream\":{\"%s\":\"%zu", i ? "," : "", name, i);
		for (size_t k = 0; k < pad; k++)
			buf_ch(body, 'x');
		buf_c(body, "\"},\"values\":[[\"1768430000000000000\",\"line\"]]}");
	}
	buf_c(body, "]}");
	return buf_as_str(body);
}

static struct lokipush *state_of(struct push_rig *p)
{
	return p->rig->input.state;
}

static struct request *first(struct push_rig *p)
{
	struct ask *a = state_of(p)->asks.first;

	return a ? container_of(a, struct request, ask) : NULL;
}

/* Streams stay known, but not for ever and not beyond a bound, however long their labels are. */
static void streams_are_bounded(void)
{
	struct push_rig p = { 0 };
	struct buf body = BUF_INIT;
	char name[16];

	push_open(&p, "bounded", 256 << 20);
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		EQ_INT(answered(&p, send_push(&p, many_streams(&body, name, 60, 50000), "")), 204);
		OK(state_of(&p)->streams.bytes <= STREAMS_BYTES_MAX);
	}
	EQ_INT(answered(&p, send_push(&p, many_streams(&body, "long", 1, 70000), "")), 400);
	EQ_INT(answered(&p, send_push(&p, many_streams(&body, "many", 100000, 0), "")), 400);
	/* What is on its way counts, too. */
	hold(p.rig);
	close(send_push(&p, many_streams(&body, "held1", 70, 50000), ""));
	UNTIL(p.rig, held(p.rig) == 70);
	int one = send_push(&p, many_streams(&body, "held2", 70, 50000), "");

	UNTIL(p.rig, held(p.rig) == 140);
	EQ_INT(answered(&p, send_push(&p, many_streams(&body, "held3", 70, 50000), "")), 503);
	release(p.rig);
	EQ_INT(answered(&p, one), 204);
	EQ_INT(answered(&p, send_push(&p, many_streams(&body, "held3", 70, 50000), "")), 204);
	buf_fini(&body);
	push_end(&p);
}

/* A request that waits for credit holds its stream, although no batch does. */
static void waiting_keeps_its_stream(void)
{
	struct push_rig p = { 0 };
	struct push_in_entry entry;
	struct push_in in;
	int64_t took;
	int fd;

	push_open(&p, "waiting", 128 << 20);
	/* Enough for a body, which is charged in steps, and not for a batch. */
	took = atomic_load(&p.rig->budget.free_bytes) - 64 * 1024 - 100;
	OK(budget_take(&p.rig->budget, (size_t)took));
	fd = send_push(&p,
		       STR("{\"streams\":[{\"stream\":{\"a\":\"2\"},\"values\":["
			   "[\"1768430000000000000\",\"second\"]]}]}"),
		       "");
	UNTIL(p.rig, first(&p) && first(&p)->stage == PUSH_WALK && first(&p)->ask.waits);
	/* As if others had brought many in the meantime. */
	state_of(&p)->streams.sweep_bytes = 0;
	state_of(&p)->streams.bytes += STREAMS_BYTES_MAX;
	push_in_init(&in, true, STR("{\"streams\":[{\"stream\":{\"b\":\"1\"},\"values\":[]}]}"));
	OK(push_in_next(&in, &entry) == PUSH_IN_STREAM);
	OK(!push_stream(state_of(&p), &in, STR_NONE));
	state_of(&p)->streams.bytes -= STREAMS_BYTES_MAX;
	state_of(&p)->streams.sweep_bytes = 0;
	budget_give(&p.rig->budget, (size_t)took);
	EQ_INT(answered(&p, fd), 204);
	OK(has_text(p.rig, "second"));
	push_end(&p);
}

static void the_tenant_is_in_the_header(void)
{
	static const char stream[] =
		"{\"streams\":[{\"stream\":{\"a\":\"1\",\"__tenant_id__\":\"other\"},"
		"\"values\":[[\"1768430000000000000\",\"x\"]]}]}";
	static const struct {
		const char *fields;
		int status;
	} rows[] = {
		{ "", 204 },
		{ "X-Scope-OrgID: mine\r\n", 204 },
		{ "X-Scope-OrgID: mine\r\nx-scope-orgid: other\r\n", 400 },
		{ "X-Scope-OrgID: a|b\r\n", 400 },
		{ "X-Scope-OrgID: a/b\r\n", 400 },
	};
	struct push_rig p = { 0 };

	push_open(&p, "tenant", 64 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		EQ_INT(answered(&p, send_push(&p, str_c(stream), rows[i].fields)), rows[i].status);
	/* rig: "wrong labels" unless there are two */
	OK(has_text(p.rig, "x {} wrong labels\nx {}\n"));
	push_end(&p);
}

int main(void)
{
	nlanes = 1;
	RUN(streams_are_bounded);
	RUN(waiting_keeps_its_stream);
	RUN(the_tenant_is_in_the_header);
	return test_end();
}
