/* SPDX-License-Identifier: Apache-2.0 */
/* A Loki in memory behind the client interface, and a clock that jumps instead of sleeping: retries of
 * hours take milliseconds, and every run is the same. */
#ifndef TESTS_UNIT_LOKI_WORLD_H
#define TESTS_UNIT_LOKI_WORLD_H

#include <errno.h>
#include <snappy-c.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "test.h"

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "outputs/loki/push.h"
#include "outputs/loki/shard.h"
#include "lib/wire.h"
#include "pipeline/ack.h"
#include "pipeline/labels.h"

#define T0 (INT64_C(1795275944) * NS_PER_S)
#define CALLS_MAX 64
#define STORED_MAX 200000

/* ---- time -------------------------------------------------------------------------------------- */

static int64_t world_ns = 1000 * NS_PER_S;
static bool world_is_stuck; /* a sleep without end */

static inline int world_clock(clockid_t id, struct timespec *t)
{
	int64_t ns = world_ns + (id == CLOCK_REALTIME ? T0 : 0);

	*t = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
	return 0;
}

static inline int world_epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
	int got = os_kernel.epoll_wait(fd, events, n, 0);

	if (got > 0)
		return got;
	if (timeout_ms < 0)
		world_is_stuck = true;
	else
		world_ns += timeout_ms * NS_PER_MS;
	return 0;
}

static struct os_ops world_os;

static inline void world_begin(void)
{
	world_os = os_kernel;
	world_os.clock_gettime = world_clock;
	world_os.epoll_wait = world_epoll_wait;
	os = &world_os;
}

/* ---- Loki -------------------------------------------------------------------------------------- */

/* One entry as it came in a request; everything is copied. */
struct seen {
	struct str labels, tenant, line;
	int64_t time_ns;
};

/* A request, read. */
struct push {
	struct str tenant, raw;
	struct seen *entries;
	size_t n, nstreams;
	uint64_t hash; /* of the compressed bytes */
	int64_t at_ns;
};

struct world;

/* Decides about a request: the status, and text in `text`. What it stores it marks itself. */
typedef int (*world_judge)(struct world *w, const struct push *p, struct buf *text);

struct world {
	struct client client;
	struct client_call *calls[CALLS_MAX];
	size_t ncalls, max_calls;
	world_judge judge;
	const char *retry_after;
	bool credentials_changed;
	unsigned requests, rereads, repeats; /* repeats: same bytes as the request before */
	struct seen *stored;
	size_t nstored, max_raw;
	uint64_t last_hash;
	int64_t last_at_ns;
	uint64_t random;
	int kind; /* for judges */

	struct loop *loop;
	struct sender *sender;
	struct deadletter *dead;
	struct flow *flow;
	struct label_table *table;
	char dir[64], names[2][40];
	struct world_ack *acks;
	unsigned settled, batches;
	uint64_t given;
};

static inline uint32_t world_below(struct world *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % n;
}

static inline struct str world_copy(struct str s)
{
	return str_make(mem_dup(s.n ? s.p : "", s.n), s.n);
}

static inline void push_read(struct push *p, struct str body)
{
	size_t n = 0;
	struct str rest, stream, labels;
	struct push_entry e;
	char *raw;

	CHECK(snappy_uncompressed_length(body.p, body.n, &n) == SNAPPY_OK);
	raw = mem_alloc(n);
	CHECK(snappy_uncompress(body.p, body.n, raw, &n) == SNAPPY_OK);
	p->raw = rest = str_make(raw, n);
	p->entries = mem_array(n / 4 + 1, sizeof(*p->entries));
	while (rest.n) {
		CHECK(wire_get_bytes(&rest, WIRE_TAG_BYTES(1), &stream));
		CHECK(wire_get_bytes(&stream, WIRE_TAG_BYTES(1), &labels));
		CHECK(stream.n); /* a stream without entries */
		p->nstreams++;
		while (push_next_entry(&stream, &e))
			p->entries[p->n++] = (struct seen){ labels, p->tenant, e.line, e.time_ns };
		CHECK(stream.n == 0);
	}
}

/* Keeps an entry, once: the same time and line in the same stream is the same entry. */
static inline void world_store(struct world *w, const struct seen *s)
{
	for (size_t i = w->nstored; i--;) {
		const struct seen *old = &w->stored[i];

		if (old->time_ns == s->time_ns && str_eq(old->line, s->line) &&
		    str_eq(old->labels, s->labels) && str_eq(old->tenant, s->tenant))
			return;
	}
	CHECK(w->nstored < STORED_MAX);
	w->stored[w->nstored++] = (struct seen){ world_copy(s->labels), world_copy(s->tenant),
						 world_copy(s->line), s->time_ns };
}

static inline bool is_bad_line(struct str line)
{
	return str_find(line, STR("BAD")) < line.n;
}

static inline bool is_bad_stream(struct str labels)
{
	return str_find(labels, STR("badlabels")) < labels.n;
}

/* As Loki: refuses what is bad, keeps the others, says so in its words. */
static inline int judge_honestly(struct world *w, const struct push *p, struct buf *text)
{
	uint64_t nbad = 0, nbad_streams = 0;
	struct str last = STR_NONE, first_bad = STR_NONE;

	for (size_t i = 0; i < p->n; i++) {
		const struct seen *s = &p->entries[i];
		bool is_new = !str_eq(s->labels, last);

		last = s->labels;
		if (is_bad_stream(s->labels)) {
			nbad_streams += is_new;
			if (!first_bad.n)
				first_bad = s->labels;
		} else if (is_bad_line(s->line)) {
			nbad++;
			if (!first_bad.n)
				first_bad = s->labels;
		} else {
			world_store(w, s);
		}
	}
	if (!nbad && !nbad_streams)
		return 204;
	if (nbad)
		buf_printf(text,
			   "%d errors like: entry for stream '" STR_FMT
			   "' has timestamp too old: A, oldest acceptable timestamp is: B",
			   (int)nbad, STR_ARG(first_bad));
	if (nbad_streams)
		buf_printf(text,
			   "%s%d errors like: entry for stream '" STR_FMT
			   "' has 17 label names; limit 15",
			   nbad ? "; " : "", (int)nbad_streams, STR_ARG(first_bad));
	buf_ch(text, '\n');
	return 400;
}

static inline void world_send(struct client *client, struct client_call *call)
{
	struct world *w = container_of(client, struct world, client);

	CHECK(w->ncalls < CALLS_MAX);
	w->calls[w->ncalls++] = call;
	if (w->ncalls > w->max_calls)
		w->max_calls = w->ncalls;
}

static inline void world_forget(struct world *w, size_t i)
{
	w->calls[i] = w->calls[--w->ncalls];
}

static inline void world_cancel(struct client *client, struct client_call *call)
{
	struct world *w = container_of(client, struct world, client);
	size_t i = 0;

	while (i < w->ncalls && w->calls[i] != call)
		i++;
	CHECK(i < w->ncalls); /* only a call that is under way is cancelled */
	world_forget(w, i);
}

static inline bool world_reread(struct client *client)
{
	struct world *w = container_of(client, struct world, client);

	w->rereads++;
	return w->credentials_changed;
}

/* Answers one of the requests under way, any of them. */
static inline bool world_answer(struct world *w)
{
	struct client_call *call;
	struct buf text = BUF_INIT;
	struct push p = { 0 };
	struct answer a = { 0 };
	size_t i;

	if (!w->ncalls)
		return false;
	i = world_below(w, (uint32_t)w->ncalls);
	call = w->calls[i];
	world_forget(w, i);
	p.tenant = call->tenant;
	p.at_ns = world_ns;
	p.hash = str_hash(call->body, 7);
	push_read(&p, call->body);
	w->repeats += p.hash == w->last_hash;
	w->requests++;
	a.status = w->judge(w, &p, &text);
	w->last_hash = p.hash;
	w->last_at_ns = world_ns;
	a.body = buf_as_str(&text);
	a.retry_after = str_c(w->retry_after);
	a.error = a.status ? STR_NONE : STR("connection refused");
	call->done(call, &a);
	mem_free((char *)(uintptr_t)p.raw.p);
	mem_free(p.entries);
	buf_fini(&text);
	return true;
}

/* ---- the sender -------------------------------------------------------------------------------- */

struct world_conf {
	unsigned nshards;
	size_t request_bytes, dead_bytes;
	unsigned dead_files;
	const char *tenant;
};

static inline void world_init(struct world *w, const char *name, struct world_conf conf)
{
	static unsigned count;
	struct err err = ERR_NONE;

	*w = (struct world){ .judge = judge_honestly, .random = 1 };
	w->client = (struct client){ world_send, world_cancel, world_reread, NULL };
	w->stored = mem_array(STORED_MAX, sizeof(*w->stored));
	snprintf(w->dir, sizeof(w->dir), "/tmp/tailrace-test-XXXXXX");
	CHECK(mkdtemp(w->dir));
	snprintf(w->names[0], sizeof(w->names[0]), "%s-%u", name, ++count);
	w->loop = loop_new("world");
	w->table = label_table_new(10000);
	w->flow = flow_new(w->names[0], w->names[0]);
	w->dead = deadletter_new(w->dir, "loki", conf.dead_bytes ? conf.dead_bytes : 1 << 20,
				 conf.dead_files, &err);
	CHECK(w->dead);
	w->sender = sender_new(&(struct sender_conf){
		.output = w->flow->output,
		.loop = w->loop,
		.client = &w->client,
		.dead = w->dead,
		.tenant = str_c(conf.tenant),
		.nshards = conf.nshards ? conf.nshards : 1,
		.request_bytes = conf.request_bytes ? conf.request_bytes : 1 << 20,
		.linger_ns = NS_PER_S,
		.timeout_ns = 10 * NS_PER_S,
		.backoff_min_ns = 500 * NS_PER_MS,
		.backoff_max_ns = 30 * NS_PER_S,
		.seed = 1 });
}

struct world_ack {
	struct ack ack;
	struct world *world;
	struct world_ack *next;
};

/* How the records ended, and that nothing is missing. */
static inline void world_fini(struct world *w)
{
	struct flow *f = w->flow;
	char path[128];

	sender_stop(w->sender);
	EQ_INT(w->ncalls, 0);
	sender_free(w->sender);
	EQ_INT(metric_value(f->delivered) + metric_value(f->withdrawn) + f->dropped_total +
		       metric_value(f->held),
	       w->given);
	EQ_INT(metric_value(f->held), f->left);
	if (!f->left)
		EQ_INT(w->settled, w->batches);
	for (size_t i = 0; i < w->nstored; i++) {
		mem_free((char *)(uintptr_t)w->stored[i].labels.p);
		mem_free((char *)(uintptr_t)w->stored[i].tenant.p);
		mem_free((char *)(uintptr_t)w->stored[i].line.p);
	}
	mem_free(w->stored);
	while (w->acks) {
		struct world_ack *mine = w->acks;

		w->acks = mine->next;
		mem_free(mine);
	}
	flow_free(f);
	unlink(deadletter_path(w->dead));
	snprintf(path, sizeof(path), "%s/dead-letters", w->dir);
	rmdir(path);
	rmdir(w->dir);
	deadletter_free(w->dead);
	label_table_free(w->table);
	loop_free(w->loop);
}

static inline void world_settled(struct ack *a)
{
	struct world_ack *mine = container_of(a, struct world_ack, ack);

	mine->world->settled++;
}

static struct source world_source = { .magic = SOURCE_MAGIC };

static inline struct batch *world_batch(struct world *w)
{
	struct batch *b = batch_new(NULL, &world_source, 4096, false);
	struct label job = { STR("job"), STR("world") };

	b->labels = labels_intern(w->table, &job, 1);
	return b;
}

static inline struct rec *world_add(struct world *w, struct batch *b, const char *job,
				    const char *tenant, const char *line)
{
	struct rec *r = batch_add(b);
	struct label items[] = { { STR("job"), str_c(job) }, { STR(LABEL_TENANT), str_c(tenant) } };

	r->time_ns = T0 + (int64_t)w->given++;
	r->line = arena_dup(&b->arena, str_c(line));
	if (job)
		r->labels = labels_intern(w->table, items, tenant ? 2 : 1);
	return r;
}

/* Encodes and hands over; returns the ack, valid until world_fini(). */
static inline struct ack *world_give(struct world *w, struct batch *b, bool is_urgent)
{
	struct world_ack *mine = mem_zalloc(sizeof(*mine));
	struct arena scratch = ARENA_INIT;
	struct push_cuts cuts = { 0 };
	struct block *block = push_encode(b, PUSH_LINE_MAX, &scratch, &cuts);

	mine->world = w;
	mine->next = w->acks;
	w->acks = mine;
	ack_init(&mine->ack, w->loop, world_settled);
	mine->ack.replays = true;
	metric_add(w->flow->held, block->nrecs);
	block->flow = w->flow;
	block->ack = &mine->ack;
	block->is_urgent = is_urgent;
	w->batches++;
	arena_fini(&scratch);
	batch_free(b);
	sender_take(w->sender, block);
	return &mine->ack;
}

/* Until nothing is to be done before `until_ns`. Requests are answered as they come. */
static inline void world_run(struct world *w, int64_t until_ns)
{
	world_is_stuck = false;
	while (world_ns < until_ns && !world_is_stuck) {
		int64_t left_ms = (until_ns - world_ns + NS_PER_MS - 1) / NS_PER_MS;

		loop_once(w->loop, w->ncalls ? 0 : (int)left_ms);
		world_answer(w);
	}
}

/* Until everything has settled; false when that takes longer than a day. */
static inline bool world_drain(struct world *w)
{
	int64_t end_ns = world_ns + 86400 * NS_PER_S;

	while (metric_value(w->flow->held) > 0 && world_ns < end_ns) {
		loop_once(w->loop, w->ncalls ? 0 : 1000);
		world_answer(w);
	}
	loop_once(w->loop, 0); /* the last acks */
	return metric_value(w->flow->held) == 0;
}

/* Whether what is stored of each stream stands in the order it was given in. */
static inline bool world_is_in_order(const struct world *w)
{
	for (size_t i = 0; i < w->nstored; i++)
		for (size_t j = i + 1; j < w->nstored; j++)
			if (w->stored[i].time_ns > w->stored[j].time_ns &&
			    str_eq(w->stored[i].labels, w->stored[j].labels) &&
			    str_eq(w->stored[i].tenant, w->stored[j].tenant))
				return false;
	return true;
}

static inline struct str world_dead_letters(struct world *w)
{
	static char text[1 << 20];
	FILE *f = fopen(deadletter_path(w->dead), "r");
	size_t n = 0;

	if (f) {
		n = fread(text, 1, sizeof(text), f);
		fclose(f);
	}
	return str_make(text, n);
}

static inline size_t count_lines(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

#endif
