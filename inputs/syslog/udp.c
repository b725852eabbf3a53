/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram sockets. Each has a thread that does nothing but receive and parse, so that neither a
 * slow pattern nor missing credit ever stops the draining: without credit it goes on receiving and
 * counts what it throws away. Loss in the kernel is read from the socket's own drop counter. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "lib/peer.h"
#include "inputs/syslog/syslog.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"

#define RECEIVE_MAX 64       /* datagrams per call */
#define ROUNDS_MAX 64        /* calls before timers get a turn */
#define SLOT_SKEW 320        /* keeps slots off the same cache sets */
#define LARGE ((size_t)4096) /* slots beyond this are given back when it is quiet */
/* A socket that keeps waking us is looked at this often instead, so that a call finds many datagrams: a
 * third of the CPU. Only where the buffer holds much more than comes in that time. */
#define REST_NS NS_PER_MS
#define REST_BUFFER (2 << 20)
#define STOP_NS NS_PER_S /* longest draining of a socket at the end */

/* Datagrams in a row from one sender are looked at once. */
struct sender {
	bool is_known, is_allowed;
	struct sockaddr_storage addr;
	struct ucred cred;
	struct peer *peer;       /* with a rate only */
	struct syslog_peer from; /* in the batch at hand; empty before its first record */
};

struct udp {
	struct syslog *syslog;
	struct udp *next;
	struct conf_addr addr; /* for messages; borrows from the configuration */
	struct loop *loop;     /* the receiving thread */
	struct io io;
	struct timer linger, rest;
	struct source source;
	struct input_port *port;
	bool is_inet;
	bool has_credentials; /* come with each datagram */
	bool may_rest;
	/* Below: the receiving thread's, from start to join. */
	struct syslog_scribe scribe;
	struct batch *batch;
	size_t batch_text; /* bytes of messages in it */
	size_t want;       /* such bytes a batch is made for */
	/* Thrown away, not yet in the metrics. */
	uint64_t no_credit, not_allowed, over_rate;
	uint32_t kernel_drops; /* the socket's counter, as last read */
	size_t largest;        /* datagram since slots were last given back */
	struct sender sender;  /* of the last datagram */
	struct peers peers;
	int64_t turn_ns; /* of the last turn that found something, monotonic */
	int64_t now_ns;  /* of the last call, monotonic; kept only for the rate */
	char *slots;
	size_t slot_bytes, slots_bytes;
	struct mmsghdr msgs[RECEIVE_MAX];
	struct iovec iovs[RECEIVE_MAX];
	struct sockaddr_storage addrs[RECEIVE_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} controls[RECEIVE_MAX];
};

/* Setting up */

/* What SO_RCVBUF says then. */
static int set_buffer(int fd, const struct conf_addr *addr, size_t bytes)
{
	int want = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes, got = 0;
	socklen_t n = sizeof(got);
	char command[64];

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	snprintf(command, sizeof(command), "sysctl -w net.core.rmem_max=%d", want);
	/* The kernel answers with twice what it was asked for. */
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n) == 0 && got / 2 < want)
		log_warn("the kernel gives a smaller receive buffer than asked for; bursts may be "
			 "lost: type what is below, or give CAP_NET_ADMIN",
			 KV("listen", addr->text), KV_I("want_bytes", want),
			 KV_I("got_bytes", got / 2), KV_S("type", command));
	return got;
}

static void make_slots(struct udp *u)
{
	u->slot_bytes = u->syslog->max_message + SLOT_SKEW;
	u->slots_bytes = u->slot_bytes * RECEIVE_MAX;
	u->slots = mmap(NULL, u->slots_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	CHECK(u->slots != MAP_FAILED);
	for (size_t i = 0; i < RECEIVE_MAX; i++) {
		u->iovs[i] = (struct iovec){ u->slots + i * u->slot_bytes, u->syslog->max_message };
		u->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &u->addrs[i],
						      .msg_iov = &u->iovs[i],
						      .msg_iovlen = 1 };
	}
}

/* The socket's count of datagrams that found no room in its buffer. Read by SO_MEMINFO and not from
 * the SO_RXQ_OVFL message of each datagram: that one says nothing about drops behind the last
 * datagram received, and costs every datagram. */
static uint32_t socket_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 ||
	    n < (SK_MEMINFO_DROPS + 1) * sizeof(*info))
		return 0;
	return info[SK_MEMINFO_DROPS];
}

/* Batches */

static void move(struct udp *u, uint64_t *count, const char *reason, const char *why)
{
	if (!*count)
		return;
	input_count_dropped(u->syslog->input, reason, *count);
	log_warn("datagrams were dropped", KV_S("error", why), KV("listen", u->addr.text),
		 KV_I("datagrams", *count));
	*count = 0;
}

static void count_losses(struct udp *u)
{
	uint32_t drops = socket_drops(u->io.fd), n = drops - u->kernel_drops;

	if (n) {
		u->kernel_drops = drops;
		input_count_dropped(u->syslog->input, "kernel", n);
		log_warn("datagrams were lost in the kernel: receive_buffer is too small for this "
			 "burst",
			 KV("listen", u->addr.text), KV_I("datagrams", n));
	}
	move(u, &u->not_allowed, "not_allowed", "their address is not in `allow`");
	move(u, &u->over_rate, "rate_per_peer", "the sender is over rate_per_peer");
	move(u, &u->no_credit, "no_credit", "outputs do not keep up and memory is used up");
}

static void submit(struct udp *u)
{
	loop_timer_del(u->loop, &u->linger);
	syslog_scribe_count(&u->scribe);
	count_losses(u);
	if (u->batch) {
		if (u->batch_text < u->want / 4 && u->want > SYSLOG_READ_MIN)
			u->want /= 2;
		input_port_submit(u->port, TAKE(u->batch), u->batch_text);
	}
	u->batch_text = 0;
	u->sender.from = (struct syslog_peer){ 0 };
}

static void on_linger(struct timer *t)
{
	submit(container_of(t, struct udp, linger));
}

/* A batch with room for n more bytes, or NULL without credit. */
static struct batch *batch_for(struct udp *u, size_t n)
{
	if (u->batch && (u->batch_text + n > u->want || u->batch->nrecs >= BATCH_RECS_MAX)) {
		if (u->want < SYSLOG_READ_MAX)
			u->want *= 2;
		submit(u);
	}
	if (!u->batch)
		u->batch = input_port_batch(u->port, &u->source,
					    SYSLOG_ROOM_PER_BYTE * (n > u->want ? n : u->want));
	return u->batch;
}

/* Senders */

static bool is_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* Who sent datagram i: is it allowed, and which rate is it under? */
static struct sender *sender_of(struct udp *u, size_t i)
{
	const struct syslog *s = u->syslog;
	struct sender *sender = &u->sender;
	struct cidr_addr key;

	if (!u->is_inet || (sender->is_known && is_same_address(&sender->addr, &u->addrs[i])))
		return sender;
	key = cidr_addr_of(&u->addrs[i]);
	*sender = (struct sender){
		.is_known = true,
		.is_allowed = peer_is_allowed(s->allow, s->conf->allow.n, &key),
		.addr = u->addrs[i],
	};
	syslog_scribe_peer(&u->scribe, &key);
	if (u->peers.per_second > 0 && sender->is_allowed)
		sender->peer = peers_get(&u->peers, &key, u->now_ns);
	return sender;
}

static struct str number(struct arena *a, unsigned n)
{
	return arena_printf(a, "%u", n);
}

static void take_credentials(struct udp *u, struct msghdr *msg)
{
	struct syslog_peer *from = &u->sender.from;
	struct arena *a = &u->batch->arena;
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct ucred cred;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
		return;
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	if (from->pid.n && memcmp(&cred, &u->sender.cred, sizeof(cred)) == 0)
		return;
	u->sender.cred = cred;
	from->pid = number(a, (unsigned)cred.pid);
	from->uid = number(a, cred.uid);
	from->gid = number(a, cred.gid);
}

/* What is known of the sender, in the batch. */
static const struct syslog_peer *from(struct udp *u, size_t i)
{
	struct sender *sender = &u->sender;
	char text[NET_ADDR_TEXT];
	size_t n;

	if (u->has_credentials)
		take_credentials(u, &u->msgs[i].msg_hdr);
	if (sender->from.address.n || !(u->syslog->conf->metadata & SYSLOG_META_ADDRESS))
		return &sender->from;
	if (!u->is_inet) {
		sender->from.address = STR("unix");
	} else {
		n = net_addr_text(&sender->addr, false, text);
		sender->from.address = arena_dup(&u->batch->arena, str_make(text, n));
	}
	return &sender->from;
}

static void take_datagram(struct udp *u, size_t i)
{
	size_t full = u->msgs[i].msg_len, max = u->syslog->max_message;
	struct str bytes = str_make(u->iovs[i].iov_base, full < max ? full : max);
	struct frame frame = { .full_bytes = full, .is_cut = full > max };
	const struct sender *sender = sender_of(u, i);

	if (bytes.n > u->largest)
		u->largest = bytes.n;
	if (!sender->is_allowed) {
		u->not_allowed++;
		return;
	}
	if (sender->peer && !peer_try(&u->peers, sender->peer, u->now_ns)) {
		u->over_rate++;
		return;
	}
	if (!batch_for(u, bytes.n)) {
		u->no_credit++;
		return;
	}
	if (!frame.is_cut) {
		bytes = frame_datagram(bytes);
		frame.full_bytes = bytes.n;
	}
	frame.bytes = arena_dup(&u->batch->arena, bytes);
	u->batch_text += bytes.n;
	syslog_scribe_add(&u->scribe, u->batch, &frame, from(u, i));
}

/* One call. Returns how many datagrams came. */
static unsigned receive(struct udp *u)
{
	int n;

	for (size_t i = 0; i < RECEIVE_MAX && u->is_inet; i++)
		u->msgs[i].msg_hdr.msg_namelen = sizeof(u->addrs[i]);
	for (size_t i = 0; i < RECEIVE_MAX && u->has_credentials; i++)
		u->msgs[i].msg_hdr.msg_controllen = sizeof(u->controls[i]);
	/* MSG_TRUNC: lengths are those of the datagrams, also where the slot was too short. */
	n = os->recvmmsg(u->io.fd, u->msgs, RECEIVE_MAX, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			input_count_error(u->syslog->input, "receive");
		return 0;
	}
	syslog_scribe_now(&u->scribe);
	if (u->peers.per_second > 0)
		u->now_ns = clock_mono_ns();
	for (size_t i = 0; i < (size_t)n; i++)
		take_datagram(u, i);
	return (unsigned)n;
}

static void trim_slots(struct udp *u)
{
	if (u->largest > LARGE)
		madvise(u->slots, u->slots_bytes, MADV_DONTNEED);
	u->largest = 0;
}

static void on_rest(struct timer *t);

/* Sleeps a little when the last time was a moment ago, or waits to be woken. */
static void wait_for_more(struct udp *u, unsigned got)
{
	int64_t now_ns = loop_now_ns(u->loop);
	bool is_busy = got && now_ns - u->turn_ns < 2 * REST_NS;

	if (got)
		u->turn_ns = now_ns;
	if (u->may_rest && is_busy) {
		loop_io_set(u->loop, &u->io, 0);
		loop_timer_in(u->loop, &u->rest, REST_NS, on_rest);
	} else {
		loop_io_set(u->loop, &u->io, EPOLLIN);
	}
}

static void turn(struct udp *u)
{
	unsigned rounds = 0, got = 0, n;

	do {
		n = receive(u);
		got += n;
	} while (n == RECEIVE_MAX && rounds++ < ROUNDS_MAX);
	if (got && !u->linger.at_ns)
		loop_timer_in(u->loop, &u->linger, SYSLOG_LINGER_NS, on_linger);
	if (rounds > ROUNDS_MAX) { /* more is waiting; look after losses meanwhile */
		count_losses(u);
		loop_io_set(u->loop, &u->io, EPOLLIN);
	} else {
		trim_slots(u);
		wait_for_more(u, got);
	}
}

static void on_readable(struct io *io, uint32_t events)
{
	(void)events;
	turn(container_of(io, struct udp, io));
}

static void on_rest(struct timer *t)
{
	turn(container_of(t, struct udp, rest));
}

/* Life */

void udp_add(struct syslog *s, int fd, const struct conf_addr *addr, uint64_t index)
{
	struct udp *u = mem_zalloc(sizeof(*u));
	int on = 1;

	u->syslog = s;
	u->addr = *addr;
	u->is_inet = !net_is_unix(fd);
	u->sender.is_allowed = !u->is_inet;
	peers_init(&u->peers, u->is_inet ? s->conf->peer_rate : 0, s->conf->peer_ipv6_bits);
	u->has_credentials = !u->is_inet && s->conf->metadata & SYSLOG_META_CREDENTIALS &&
			     setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0;
	u->want = SYSLOG_READ_MIN;
	u->next = s->udp;
	s->udp = u;
	u->may_rest = set_buffer(fd, addr, s->conf->receive_buffer) >= REST_BUFFER && u->is_inet;
	u->loop = loop_new("syslog-udp");
	loop_io_add(u->loop, &u->io, fd, 0, on_readable);
	source_init(&u->source, s->input, index, &s->conf->labels, NULL, 0);
	make_slots(u);
	for (size_t i = 0; i < RECEIVE_MAX && u->is_inet; i++)
		u->msgs[i].msg_hdr.msg_namelen = sizeof(u->addrs[i]);
	if (!u->is_inet)
		for (size_t i = 0; i < RECEIVE_MAX; i++)
			u->msgs[i].msg_hdr.msg_name = NULL;
	for (size_t i = 0; i < RECEIVE_MAX && u->has_credentials; i++)
		u->msgs[i].msg_hdr.msg_control = u->controls[i].bytes;
	u->port = input_port_new(s->input, &u->source, u->loop);
	syslog_scribe_init(&u->scribe, s);
	/* So that what is watched is there before the first loss. */
	input_count_dropped(s->input, "kernel", 0);
	input_count_dropped(s->input, "no_credit", 0);
}

void udp_start(struct syslog *s)
{
	for (struct udp *u = s->udp; u; u = u->next) {
		loop_io_set(u->loop, &u->io, EPOLLIN);
		loop_start(u->loop);
	}
}

void udp_stop(struct syslog *s)
{
	for (struct udp *u = s->udp; u; u = u->next)
		loop_stop(u->loop);
	for (struct udp *u = s->udp; u; u = u->next) {
		int64_t until_ns = clock_mono_ns() + STOP_NS;

		loop_join(u->loop);
		/* From here on we are the receiving thread. What came before now is taken in; the
		 * socket is closed then, so that senders can see that nobody listens. */
		while (receive(u) > 0 && clock_mono_ns() < until_ns)
			;
		submit(u);
		loop_io_del(u->loop, &u->io);
		os->close(u->io.fd);
		u->io.fd = -1;
	}
}

void udp_close(struct syslog *s)
{
	while (s->udp) {
		struct udp *u = s->udp;

		s->udp = u->next;
		if (u->io.fd >= 0) {
			loop_io_del(u->loop, &u->io);
			os->close(u->io.fd);
		}
		loop_free(u->loop);
		input_port_free(u->port);
		source_fini(&u->source);
		peers_fini(&u->peers);
		munmap(u->slots, u->slots_bytes);
		mem_free(u);
	}
}
