/* SPDX-License-Identifier: Apache-2.0 */
/* The Beats input over real sockets: acknowledged when settled and not before, within its memory, with clients that
 * leave, stand still or send nonsense. */
#include "tests/unit/syslog_rig.h"

#include "inputs/beats/beats.h"
#include "tests/unit/lumber_told.h"

extern const struct input_ops input_beats;

/* The syslog rig's lanes and sink, with this input on top. */
struct beats_rig {
	struct rig *rig;
	struct beats_conf conf;
	struct conf_addr addr;
	struct conf_pair label;
};

static struct buf out = BUF_INIT;

static struct beats_rig *rig_begin(const char *name, int64_t budget_bytes)
{
	struct beats_rig *p = mem_zalloc(sizeof(*p));
	struct rig *g = p->rig = rig_new(name, budget_bytes);
	struct input *in = &g->input;

	rig_open(g);
	/* In place of the syslog input, which was not started. */
	in->ops->stop(in);
	in->ops->close(in);
	mem_free(in->state);
	p->addr = (struct conf_addr){ CONF_TCP, STR("127.0.0.1"), g->port, STR_NONE, STR("tcp") };
	p->label = (struct conf_pair){ STR("a"), STR("b"), true };
	p->conf = (struct beats_conf){ .stream = { .listen = { 1, &p->addr },
						   .max_connections = 100,
						   .peer_ipv6_bits = 64,
						   .handshake_timeout_ns = WAIT_NS },
				       .labels = { 1, &p->label },
				       .max_event = 1 << 20,
				       .max_window = 10000,
				       .keepalive_ns = 3600 * NS_PER_S,
				       .stall_timeout_ns = 3600 * NS_PER_S,
				       .window_timeout_ns = 3600 * NS_PER_S,
				       .idle_timeout_ns = 3600 * NS_PER_S };
	in->ops = &input_beats;
	in->conf = &p->conf;
	in->state = mem_zalloc(input_beats.state_size);
	return p;
}

static struct beats *state_of(struct beats_rig *p)
{
	return p->rig->input.state;
}

static struct beats_rig *rig_up(struct beats_rig *p)
{
	struct err err = ERR_NONE;

	if (input_beats.open(&p->rig->input, &err) < 0)
		FAIL("%s", err.text);
	input_beats.start(&p->rig->input);
	return p;
}

static void rig_down(struct beats_rig *p)
{
	struct rig *g = p->rig;

	input_beats.stop(&g->input);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	release(g);
	UNTIL(g, input_beats.is_idle(&g->input));
	input_beats.close(&g->input);
	budget_forget(&g->budget, &g->input.waiter);
	rig_free(g);
	mem_free(p);
}

static void put_numbered(struct buf *to, uint32_t seq, size_t pad)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "{\"@timestamp\":\"2026-11-21T15:45:44Z\",\"message\":\"n=%u%*s\"}", seq,
		   (int)pad, "");
	put_event(to, seq, buf_as_str(&text));
	buf_fini(&text);
}

static struct str window_of(uint32_t n, size_t pad, bool is_packed)
{
	struct buf inner = { .max = 1 << 28 };

	out.max = 1 << 28;
	buf_clear(&out);
	put_window(&out, n);
	for (uint32_t i = 1; i <= n; i++)
		put_numbered(is_packed ? &inner : &out, i, pad);
	if (is_packed)
		put_packed(&out, buf_as_str(&inner));
	buf_fini(&inner);
	return buf_as_str(&out);
}

/* The next acknowledgement, -1 without one, -2 at the end. */
static int64_t ack_of(int fd)
{
	unsigned char f[LUMBER_ACK_BYTES];
	ssize_t n = recv(fd, f, sizeof(f), MSG_DONTWAIT | MSG_PEEK);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		return -2;
	if (n < (ssize_t)sizeof(f))
		return -1;
	recv(fd, f, sizeof(f), 0);
	OK(f[0] == '2' && f[1] == 'A');
	return f[2] << 24 | f[3] << 16 | f[4] << 8 | f[5];
}

static void acked(struct beats_rig *p, int fd, int64_t want)
{
	int64_t got = -1;

	UNTIL(p->rig, got != -1 || (got = ack_of(fd)) != -1);
	EQ_INT(got, want);
}

static void acknowledged_when_settled(void)
{
	struct beats_rig *p = rig_up(rig_begin("settled", 16 << 20));
	int fd = sender(p->rig, SOCK_STREAM);

	hold(p->rig);
	put(p->rig, fd, window_of(3, 0, false));
	put(p->rig, fd, window_of(2, 0, true)); /* pipelined */
	UNTIL(p->rig, held(p->rig) == 2);
	for (int i = 0; i < 20; i++)
		loop_once(p->rig->loop, 1);
	EQ_INT(ack_of(fd), -1);
	release(p->rig);
	acked(p, fd, 3);
	acked(p, fd, 2);
	OK(is_text(p->rig, STR("n=1 {}\nn=2 {}\nn=3 {}\nn=1 {}\nn=2 {}\n")));
	put(p->rig, fd, window_of(0, 0, false));
	acked(p, fd, 0);
	/* Equal events of a window get times of their own, and the numbers go on where the client likes. */
	buf_clear(&out);
	put_window(&out, 2);
	put_numbered(&out, 8, 0);
	put_numbered(&out, 8, 0);
	out.p[out.n - 1] = '!'; /* the second is no JSON */
	put(p->rig, fd, buf_as_str(&out));
	acked(p, fd, 8);
	EQ_INT(counted(p->rig, METRIC_INPUT_FLAGGED, "unparsed"), 1);
	close(fd);
	rig_down(p);
}

/* Windows larger than the budget: nothing grows, everything arrives. */
static void giant_windows_pass(void)
{
	struct beats_rig *p = rig_up(rig_begin("giant", 2 << 20));
	int fds[4];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = sender(p->rig, SOCK_STREAM);
		put(p->rig, fds[i], window_of(2000, 2000, i % 2));
	}
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		acked(p, fds[i], 2000);
		close(fds[i]);
	}
	EQ_INT(metric_value(p->rig->flow->in), 8000);
	rig_down(p);
}

/* Without credit a client is told to wait, and is not read. */
static void waiting_for_credit(void)
{
	struct beats_rig *p = rig_begin("credit", 16 << 20);
	int64_t took, got;
	int fd;

	p->conf.keepalive_ns = 10 * NS_PER_MS;
	rig_up(p);
	fd = sender(p->rig, SOCK_STREAM);
	took = atomic_load(&p->rig->budget.free_bytes);
	OK(budget_take(&p->rig->budget, (size_t)took));
	put(p->rig, fd, window_of(100, 100, true));
	acked(p, fd, 0);
	acked(p, fd, 0);
	OK(state_of(p)->sessions->waits);
	EQ_INT(text_bytes(p->rig), 0);
	budget_give(&p->rig->budget, (size_t)took);
	do {
		got = -1;
		UNTIL(p->rig, got != -1 || (got = ack_of(fd)) != -1);
	} while (got == 0);
	EQ_INT(got, 100);
	close(fd);
	rig_down(p);
}

/* Those that begin and do not go on may have half of the credit. */
static void standing_clients_leave_room(void)
{
	struct beats_rig *p = rig_up(rig_begin("standing", 16 << 20));
	int fds[40], one;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = sender(p->rig, SOCK_STREAM);
		buf_clear(&out);
		put_window(&out, 1);
		put_event(&out, 1, STR("{"));
		out.p[out.n - 4] = 0x10; /* of a MiB there is a byte */
		put(p->rig, fds[i], buf_as_str(&out));
	}
	UNTIL(p->rig, state_of(p)->is_crowded);
	OK(state_of(p)->open_bytes <= 8 << 20);
	OK(atomic_load(&p->rig->budget.free_bytes) > 7 << 20);
	one = fds[0];
	UNTIL(p->rig, state_of(p)->nopen == ARRAY_LEN(fds));
	close(one); /* its room goes to others that wait */
	UNTIL(p->rig, state_of(p)->nopen == ARRAY_LEN(fds) - 1);
	for (size_t i = 1; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	UNTIL(p->rig, state_of(p)->nopen == 0);
	one = sender(p->rig, SOCK_STREAM);
	put(p->rig, one, window_of(10, 0, false));
	acked(p, one, 10);
	close(one);
	rig_down(p);
}

/* A client that leaves takes back what is not sent; one that has sent nonsense hears what was before. */
static void leaving(void)
{
	struct beats_rig *p = rig_up(rig_begin("leaving", 16 << 20));
	int fd = sender(p->rig, SOCK_STREAM);

	hold(p->rig);
	put(p->rig, fd, window_of(5, 0, false));
	UNTIL(p->rig, held(p->rig) == 1);
	OK(!atomic_load(&state_of(p)->sessions->flights->ack.is_withdrawn));
	close(fd);
	UNTIL(p->rig, state_of(p)->nopen == 0);
	OK(atomic_load(&state_of(p)->sessions->flights->ack.is_withdrawn));
	release(p->rig);
	UNTIL(p->rig, !state_of(p)->sessions);

	fd = sender(p->rig, SOCK_STREAM);
	hold(p->rig);
	window_of(5, 0, true);
	put_window(&out, 3);
	put_numbered(&out, 1, 0);
	buf_c(&out, "GET / HTTP/1.1");
	put(p->rig, fd, buf_as_str(&out));
	UNTIL(p->rig, counted(p->rig, METRIC_INPUT_ERRORS, "framing") == 1);
	EQ_INT(ack_of(fd), -1);
	release(p->rig);
	acked(p, fd, 5);
	acked(p, fd, -2);
	close(fd);
	EQ_INT(metric_value(p->rig->flow->in), 10);
	rig_down(p);
}

/* What is complete when the agent stops is acknowledged, what is not is left to the client. */
static void stopping(void)
{
	struct beats_rig *p = rig_up(rig_begin("stopping", 16 << 20));
	int fd = sender(p->rig, SOCK_STREAM), other = sender(p->rig, SOCK_STREAM);

	hold(p->rig);
	window_of(5, 0, true);
	put_window(&out, 3);
	put_numbered(&out, 1, 0);
	put(p->rig, fd, buf_as_str(&out));
	put(p->rig, other, STR("2W\0\0\0\5"));
	UNTIL(p->rig, held(p->rig) == 1 && state_of(p)->nopen == 2 && state_of(p)->open_bytes);
	input_beats.stop(&p->rig->input);
	OK(!input_beats.is_idle(&p->rig->input));
	EQ_INT(ack_of(fd), -1);
	acked(p, other, -2);
	release(p->rig);
	acked(p, fd, 5);
	acked(p, fd, -2);
	close(fd);
	close(other);
	EQ_INT(metric_value(p->rig->flow->in), 5);
	rig_down(p);
}

static void slow_clients(void)
{
	struct beats_rig *p = rig_begin("slow", 16 << 20);
	int stalled, idle, waiting;

	p->conf.stall_timeout_ns = 50 * NS_PER_MS;
	p->conf.idle_timeout_ns = 300 * NS_PER_MS;
	rig_up(p);
	stalled = sender(p->rig, SOCK_STREAM);
	idle = sender(p->rig, SOCK_STREAM);
	waiting = sender(p->rig, SOCK_STREAM);
	hold(p->rig);
	put(p->rig, waiting, window_of(1, 0, false));
	put(p->rig, stalled, STR("2W\0\0\0\5\62"));
	acked(p, stalled, -2);
	EQ_INT(counted(p->rig, METRIC_INPUT_ERRORS, "window_timeout"), 1);
	acked(p, idle, -2);
	EQ_INT(ack_of(waiting), -1); /* it is our turn */
	release(p->rig);
	acked(p, waiting, 1);
	acked(p, waiting, -2);
	EQ_INT(counted(p->rig, METRIC_INPUT_ERRORS, "window_timeout"), 1);
	close(stalled);
	close(idle);
	close(waiting);
	rig_down(p);
}

/* Longer than max_event: its beginning arrives, and says so. */
static void long_events_are_cut(void)
{
	struct beats_rig *p = rig_begin("long", 16 << 20);
	int fd;

	p->conf.max_event = 60;
	rig_up(p);
	fd = sender(p->rig, SOCK_STREAM);
	put(p->rig, fd, window_of(2, 1000, true));
	acked(p, fd, 2);
	EQ_INT(counted(p->rig, METRIC_INPUT_FLAGGED, "cut"), 2);
	OK(has_text(p->rig, "\"message\":\"n=2          {} cut unparsed guessed"));
	close(fd);
	rig_down(p);
}

/* Objects within objects repeat the names of those around them: a small event is a large record, of which there are
 * not as many in a batch as its client's bytes would allow, and all of it is charged. */
static void long_names_take_credit(void)
{
	struct beats_rig *p = rig_up(rig_begin("names", 16 << 20));
	int fd = sender(p->rig, SOCK_STREAM);
	struct buf event = BUF_INIT;
	const struct session *s;

	buf_printf(&event, "{\"%0500d\":{", 0);
	for (unsigned i = 0; i < 500; i++)
		buf_printf(&event, "%s\"%x\":1", i ? "," : "", i);
	buf_c(&event, "}}");
	hold(p->rig);
	buf_clear(&out);
	put_window(&out, 9999);
	for (uint32_t i = 1; i <= 40; i++)
		put_event(&out, i, buf_as_str(&event));
	put(p->rig, fd, buf_as_str(&out));
	UNTIL(p->rig, (s = state_of(p)->sessions) && (s->lumber.seq == 40 || s->waits));
	OK(!s->batch || s->batch->arena.bytes <= 3 * s->batch_room);
	/* But for the one that is on its way in. */
	OK(!s->batch || s->event || s->batch->charged_bytes >= s->batch->arena.bytes);
	release(p->rig);
	UNTIL(p->rig, state_of(p)->sessions->lumber.seq == 40);
	close(fd);
	buf_fini(&event);
	rig_down(p);
}

int main(void)
{
	for (nlanes = 1; nlanes <= 2; nlanes++) {
		RUN(acknowledged_when_settled);
		RUN(giant_windows_pass);
		RUN(waiting_for_credit);
		RUN(standing_clients_leave_room);
		RUN(leaving);
		RUN(stopping);
		RUN(slow_clients);
		RUN(long_events_are_cut);
		RUN(long_names_take_credit);
	}
	buf_fini(&out);
	return test_end();
}
