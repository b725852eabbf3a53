/* SPDX-License-Identifier: Apache-2.0 */
/* Load generator: writes a corpus to a file, or sends it over UDP or TCP from pre-built buffers. */
#include "bench/corpus.h"
#include "bench/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_BATCH 64
#define WRITE_MAX (1u << 20)
#define CONNECTIONS_MAX 1000
#define TRACE_MAX 64      /* lines of a stack trace below each line */
#define TRACE_LINE_MAX 96 /* bytes of one */
#define CRI_HEAD_MAX 48

struct gen {
	struct corpus_options corpus_options;
	struct corpus corpus;
	const char *out;
	uint64_t lines;
	uint64_t bytes; /* stop after this many instead, when not 0 */
	uint64_t first;
	uint64_t rate; /* lines per second, 0 = as fast as it goes */
	unsigned source;
	unsigned connections;
	size_t write_bytes;
	bool number;
	bool octet_counted;
	bool append;
	bool is_cri;    /* each line as a container runtime writes it */
	unsigned trace; /* lines below each line */

	uint64_t sent_lines, sent_bytes, refused, start_ns;
};

/* Copies line `id` to `out` with its number in it; returns its length. */
static size_t copy_line(const struct gen *g, unsigned source, uint64_t id, char *out)
{
	const struct corpus_line *l = corpus_get(&g->corpus, source, id);

	memcpy(out, g->corpus.bytes + l->at, l->len);
	if (g->number)
		corpus_put_id(out + l->id_at, source, id);
	return l->len;
}

static size_t frame_line(const struct gen *g, unsigned source, uint64_t id, char *out)
{
	size_t head = 0;

	if (g->octet_counted) {
		unsigned len = corpus_get(&g->corpus, source, id)->len;
		char digits[8];
		unsigned n = 0;
		for (; len; len /= 10)
			digits[n++] = (char)('0' + len % 10);
		while (n)
			out[head++] = digits[--n];
		out[head++] = ' ';
	}
	if (g->is_cri)
		head += (size_t)sprintf(out, "2026-11-20T10:00:%02u.%09uZ stdout F ",
					(unsigned)(id / NS_PER_S), (unsigned)(id % NS_PER_S));
	size_t n = head + copy_line(g, source, id, out + head);
	if (!g->octet_counted)
		out[n++] = '\n';
	for (unsigned i = 0; i < g->trace; i++)
		n += (size_t)sprintf(out + n,
				     "\tat com.example.shop.Handler%u.call(Handler.java:%u)\n", i,
				     (unsigned)(id % 977 + i));
	return n;
}

/* With a rate: how many lines may have gone out by now, sleeping until at least one may. */
static uint64_t pace(const struct gen *g, uint64_t done, uint64_t most)
{
	if (!g->rate)
		return most;
	for (;;) {
		uint64_t elapsed = mono_ns() - g->start_ns;
		uint64_t due = (uint64_t)((__uint128_t)elapsed * g->rate / NS_PER_S);
		if (due > done)
			return due - done < most ? due - done : most;
		if (stop_requested)
			return 0;
		/* Whole milliseconds at most: fine enough, and a busy loop would steal the core. */
		uint64_t gap = NS_PER_S / g->rate;
		sleep_until(mono_ns() + (gap < 500000 ? 500000 : gap));
	}
}

static void to_stream(struct gen *g, const int *fds, unsigned n_fds)
{
	char *buf = xmalloc(g->write_bytes + CORPUS_LINE_MAX + 16 + CRI_HEAD_MAX +
			    g->trace * TRACE_LINE_MAX);
	uint64_t *ids = xmalloc(n_fds * sizeof(*ids));
	uint64_t paced = 0;

	for (unsigned i = 0; i < n_fds; i++)
		ids[i] = g->first;
	for (bool more = true; more && !stop_requested;) {
		more = false;
		for (unsigned i = 0; i < n_fds; i++) {
			size_t used = 0;
			uint64_t end = g->first + g->lines, allowed;
			if (ids[i] == end)
				continue;
			allowed = pace(g, paced, UINT32_MAX);
			while (used < g->write_bytes && ids[i] < end && allowed--) {
				used += frame_line(g, g->source + i, ids[i]++, buf + used);
				paced++;
				g->sent_lines++;
				if (g->bytes && g->sent_bytes + used >= g->bytes)
					end = ids[i];
			}
			write_all(fds[i], buf, used);
			g->sent_bytes += used;
			if (g->bytes && g->sent_bytes >= g->bytes)
				goto done;
			more |= ids[i] < end;
		}
	}
done:
	free(buf);
	free(ids);
}

/* Several: PATH.0, PATH.1 ... in turn, each a source of its own. */
static void to_files(struct gen *g, const char *path)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (g->append ? O_APPEND : O_TRUNC);
	int *fds = xmalloc(g->connections * sizeof(*fds));
	char name[4096];

	for (unsigned i = 0; i < g->connections; i++) {
		snprintf(name, sizeof(name), g->connections > 1 ? "%s.%u" : "%s", path, i);
		fds[i] = open(name, flags, 0644);
		if (fds[i] < 0)
			die_errno("%s", name);
	}
	to_stream(g, fds, g->connections);
	for (unsigned i = 0; i < g->connections; i++)
		if (close(fds[i]) < 0)
			die_errno("close %s", path);
	free(fds);
}

static void to_tcp(struct gen *g, const char *addr)
{
	struct sockaddr_in sa;
	int *fds = xmalloc(g->connections * sizeof(*fds));

	parse_addr(addr, &sa);
	for (unsigned i = 0; i < g->connections; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&sa, sizeof(sa)) < 0)
			die_errno("connect %s", addr);
		/* Small writes are a workload of their own: they must leave as small segments. */
		if (g->write_bytes < 4096)
			setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	}
	to_stream(g, fds, g->connections);
	for (unsigned i = 0; i < g->connections; i++) {
		char sink[64];
		shutdown(fds[i], SHUT_WR);
		while (read(fds[i], sink, sizeof(sink)) > 0)
			; /* wait for the peer to close, so that nothing is lost to a reset */
		close(fds[i]);
	}
	free(fds);
}

/* One sends 64 datagrams a call; several take turns, a few datagrams each, and are sources of their own. */
static void to_udp(struct gen *g, const char *addr)
{
	static char bytes[UDP_BATCH][CORPUS_LINE_MAX];
	struct iovec iov[UDP_BATCH];
	struct mmsghdr msgs[UDP_BATCH];
	unsigned turn = g->connections > 1 ? 4 : UDP_BATCH, at = 0;
	int *fds = xmalloc(g->connections * sizeof(*fds));
	uint64_t *ids = xmalloc(g->connections * sizeof(*ids));
	uint64_t end = g->first + g->lines;
	struct sockaddr_in sa;

	parse_addr(addr, &sa);
	for (unsigned i = 0; i < g->connections; i++) {
		ids[i] = g->first;
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		/* Connected: the route is looked up once, and a missing receiver shows as ECONNREFUSED. */
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&sa, sizeof(sa)) < 0)
			die_errno("connect %s", addr);
	}
	memset(msgs, 0, sizeof(msgs));
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		iov[i].iov_base = bytes[i];
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (; g->sent_lines < g->lines * g->connections && !stop_requested;
	     at = (at + 1) % g->connections) {
		uint64_t left = end - ids[at];
		if (!left)
			continue;
		unsigned n = (unsigned)pace(g, g->sent_lines, left < turn ? left : turn);
		for (unsigned i = 0; i < n; i++)
			iov[i].iov_len = copy_line(g, g->source + at, ids[at] + i, bytes[i]);
		for (unsigned done = 0; done < n && !stop_requested;) {
			int r = sendmmsg(fds[at], msgs + done, n - done, 0);
			if (r < 0 && errno == ECONNREFUSED)
				g->refused++; /* the report of an earlier datagram; nothing sent now
					       */
			else if (r < 0 && errno != EINTR && errno != ENOBUFS)
				die_errno("sendmmsg");
			for (int i = 0; i < r; i++)
				g->sent_bytes += iov[done + (unsigned)i].iov_len;
			done += r > 0 ? (unsigned)r : 0;
		}
		ids[at] += n;
		g->sent_lines += n;
	}
	for (unsigned i = 0; i < g->connections; i++)
		close(fds[i]);
	free(fds);
	free(ids);
}

static _Noreturn void usage(void)
{
	fputs("usage: gen --out file:PATH|udp:HOST:PORT|tcp:HOST:PORT [options]\n"
	      "  --corpus A|S5|S3|J|R  --seed N  --hits PERCENT (R)  --base-time UNIX_SECONDS\n"
	      "  --lines N             lines per connection (default 100000)\n"
	      "  --bytes SIZE          stop after this many bytes instead\n"
	      "  --number              put a running number into each line, for sink --verify\n"
	      "  --first ID            number of the first line   --source N  id of this sender\n"
	      "  --rate N              lines per second\n"
	      "  --framing lf|octet    TCP  --write-bytes SIZE (64k)\n"
	      "  --connections N       TCP; UDP: senders; files: PATH.0, PATH.1 ... of N\n"
	      "  --append              do not truncate the file\n"
	      "  --cri yes             lines as a container runtime writes them\n"
	      "  --trace N             N lines of a stack trace below each line\n",
	      stderr);
	exit(2);
}

static void parse_args(struct gen *g, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
		if (!strcmp(a, "--number") || !strcmp(a, "--append")) {
			*(a[2] == 'n' ? &g->number : &g->append) = true;
			continue;
		}
		if (!v)
			usage();
		i++;
		if (corpus_option(&g->corpus_options, a, v))
			continue;
		if (!strcmp(a, "--out"))
			g->out = v;
		else if (!strcmp(a, "--lines"))
			g->lines = parse_size(a, v);
		else if (!strcmp(a, "--bytes"))
			g->bytes = parse_size(a, v);
		else if (!strcmp(a, "--first"))
			g->first = parse_size(a, v);
		else if (!strcmp(a, "--rate"))
			g->rate = parse_size(a, v);
		else if (!strcmp(a, "--source"))
			g->source = (unsigned)parse_size(a, v);
		else if (!strcmp(a, "--connections"))
			g->connections = (unsigned)parse_size(a, v);
		else if (!strcmp(a, "--write-bytes"))
			g->write_bytes = parse_size(a, v);
		else if (!strcmp(a, "--cri"))
			g->is_cri = !strcmp(v, "yes");
		else if (!strcmp(a, "--trace"))
			g->trace = (unsigned)parse_size(a, v);
		else if (!strcmp(a, "--framing"))
			g->octet_counted = !strcmp(v, "octet");
		else
			usage();
	}
	if (!g->out || !g->connections || g->connections > CONNECTIONS_MAX || !g->write_bytes ||
	    g->write_bytes > WRITE_MAX || g->trace > TRACE_MAX || g->source + g->connections > 1000)
		usage();
	if (g->bytes)
		g->lines = UINT64_MAX / 2;
}

int main(int argc, char **argv)
{
	struct gen g = { .corpus_options = CORPUS_OPTIONS_DEFAULT,
			 .lines = 100000,
			 .connections = 1,
			 .write_bytes = 64 << 10 };

	parse_args(&g, argc, argv);
	stop_on_signal();
	corpus_init(&g.corpus, &g.corpus_options);
	g.start_ns = mono_ns();
	if (!strncmp(g.out, "file:", 5))
		to_files(&g, g.out + 5);
	else if (!strncmp(g.out, "tcp:", 4))
		to_tcp(&g, g.out + 4);
	else if (!strncmp(g.out, "udp:", 4))
		to_udp(&g, g.out + 4);
	else
		usage();
	printf("{\"program\":\"gen\",\"lines\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"mean_line\":%.1f,\"seconds\":%.3f,\"cpu_ns\":%" PRIu64
	       "}\n",
	       g.sent_lines, g.sent_bytes, g.refused, g.corpus.mean_len + 1,
	       (double)(mono_ns() - g.start_ns) / 1e9, cpu_ns());
	corpus_fini(&g.corpus);
	return 0;
}
