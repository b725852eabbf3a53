/* SPDX-License-Identifier: Apache-2.0 */
/* When to send what. */
#include "lib/snap.h"
#include "outputs/loki/shard_impl.h"

#define TRIM_NS (10 * NS_PER_S)
#define FEEDS_KEPT 16 /* empty ones a shard keeps for their next records */
#define ASIDE_MAX 64  /* streams of a shard with a feed of their own */

struct sender *sender_new(const struct sender_conf *conf)
{
	struct sender *s = mem_zalloc(sizeof(*s));
	const char *name = conf->output;

	CHECK(conf->nshards);
	s->conf = *conf;
	s->request_bytes = conf->request_bytes;
	s->random = conf->seed;
	s->shards = mem_array(conf->nshards, sizeof(*s->shards));
	for (unsigned i = 0; i < conf->nshards; i++)
		s->shards[i].sender = s;
	s->up = metric_get(METRIC_OUTPUT_UP, "output", name, NULL);
	s->retries = metric_get(METRIC_PUSH_RETRIES, "output", name, NULL);
	s->bytes = metric_get(METRIC_PUSH_BYTES, "output", name, NULL);
	s->raw_bytes = metric_get(METRIC_PUSH_RAW_BYTES, "output", name, NULL);
	s->wait_ms = metric_get(METRIC_PUSH_MS, "output", name, NULL);
	s->dead = metric_get(METRIC_DEAD_LETTERS, "output", name, NULL);
	s->dead_dropped = metric_get(METRIC_DEAD_LETTER_DROPPED, "output", name, NULL);
	return s;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->conf.nshards; i++) {
		CHECK(!s->shards[i].active && !s->shards[i].feeds);
		mem_free(s->shards[i].packed.p);
	}
	mem_free(s->raw.p);
	mem_free(s->packed.p);
	mem_free(s->shards);
	mem_free(s);
}

/* Tenants and feeds */

static struct tenant *tenant_of(struct sender *s, struct str name)
{
	uint64_t hash = str_hash(name, 0);
	struct tenant *t;

	for (t = s->tenants; t; t = t->next)
		if (t->hash == hash && str_eq(t->name, name))
			return t;
	t = mem_zalloc(sizeof(*t));
	t->hash = hash;
	t->name = str_make(mem_dup(name.p, name.n), name.n);
	t->next = s->tenants;
	s->tenants = t;
	return t;
}

static void forget_feed(struct shard *shard, struct feed *f)
{
	struct sender *s = shard->sender;
	struct tenant *t = f->tenant;

	shard->naside -= f->stream.n != 0;
	feed_free(f);
	if (t->nfeeds)
		return;
	for (struct tenant **at = &s->tenants; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	mem_free((char *)(uintptr_t)t->name.p);
	mem_free(t);
}

static struct feed *feed_of(struct shard *shard, const struct run *run)
{
	struct feed **at = &shard->feeds, *common = NULL;
	struct tenant *t;

	if (*at && !shard->naside && str_eq((*at)->tenant->name, run->tenant))
		return *at; /* the usual case: one tenant */
	t = tenant_of(shard->sender, run->tenant);
	for (; *at; at = &(*at)->next) {
		if ((*at)->tenant == t && str_eq((*at)->stream, run->labels))
			return *at;
		if ((*at)->tenant == t && !(*at)->stream.n)
			common = *at;
	}
	if (!common)
		common = *at = feed_new(t, STR_NONE);
	return common;
}

struct feed *shard_set_aside(struct shard *shard, struct feed *f, const struct piece *like)
{
	struct feed **at = &shard->feeds, *own;

	if (shard->naside == ASIDE_MAX || f->stream.n)
		return NULL;
	own = feed_new(f->tenant, piece_run(like)->labels);
	feed_divert(f, own, like);
	while (*at)
		at = &(*at)->next;
	*at = own;
	shard->naside++;
	shard->built = NULL;
	return own;
}

void shard_forget_feed(struct shard *shard, struct feed *f)
{
	struct feed **at = &shard->feeds;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	forget_feed(shard, f);
}

static void forget_empty_feeds(struct shard *shard)
{
	struct feed **at = &shard->feeds;
	unsigned kept = 0;

	while (*at) {
		struct feed *f = *at;

		if (!feed_is_empty(f) || (!f->stream.n && ++kept <= FEEDS_KEPT)) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		forget_feed(shard, f);
	}
}

/* Bodies */

static char *room_for(struct room *room, size_t n)
{
	if (room->size < n) {
		mem_free(room->p);
		room->p = mem_alloc(n);
		room->size = n;
	}
	return room->p;
}

static void build(struct shard *shard, const struct job *job)
{
	struct sender *s = shard->sender;
	size_t size = pieces_body_size(job->pieces, job->npieces);
	char *raw = room_for(&s->raw, size), *packed = room_for(&s->packed, snap_bound(size));

	pieces_body(job->pieces, job->npieces, raw);
	shard->raw_bytes = size;
	shard->packed_bytes = snap_pack(raw, size, packed);
	/* A copy of its true size, a third of the bound: there is one for each request under way. */
	memcpy(room_for(&shard->packed, shard->packed_bytes), packed, shard->packed_bytes);
	shard->built = job;
}

static void on_trim(struct timer *t)
{
	struct sender *s = container_of(t, struct sender, trim);

	mem_free(s->raw.p);
	mem_free(s->packed.p);
	s->raw = s->packed = (struct room){ NULL, 0 };
	for (unsigned i = 0; i < s->conf.nshards; i++) {
		struct shard *shard = &s->shards[i];

		forget_empty_feeds(shard);
		if (shard->active)
			continue;
		shard->built = NULL;
		mem_free(shard->packed.p);
		shard->packed = (struct room){ NULL, 0 };
	}
}

/* Sending */

static void send_job(struct shard *shard, struct feed *f)
{
	struct sender *s = shard->sender;
	struct job *job = f->jobs;

	/* A retry finds its body here, unless another tenant used the shard meanwhile; the pieces and
	 * the compressor give the same bytes again. */
	if (shard->built != job)
		build(shard, job);
	if (job->tries++)
		metric_add(s->retries, 1);
	metric_add(s->bytes, (int64_t)shard->packed_bytes);
	metric_add(s->raw_bytes, (int64_t)shard->raw_bytes);
	shard->active = f;
	f->tenant->in_flight++;
	s->in_flight++;
	shard->sent_ns = clock_mono_ns();
	shard->call = (struct client_call){
		.body = str_make(shard->packed.p, shard->packed_bytes),
		.tenant = f->tenant->name.n ? f->tenant->name : s->conf.tenant,
		.done = shard_on_answer,
	};
	s->conf.client->send(s->conf.client, &shard->call);
	loop_timer_in(s->conf.loop, &s->trim, TRIM_NS, on_trim);
}

/* Moves a feed to the end of the line. */
static void to_the_end(struct shard *shard, struct feed *f)
{
	struct feed **at = &shard->feeds;

	if (!f->next)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->next = NULL;
	while (*at)
		at = &(*at)->next;
	*at = f;
}

bool shard_next_job_first(struct shard *shard, struct feed *f)
{
	struct job *rest = f->jobs, *job;

	f->jobs = NULL;
	job = feed_take(f, shard->sender->request_bytes);
	f->jobs = job ? job : rest;
	if (job)
		job->next = rest;
	return job != NULL;
}

/* A circuit that was open is tried with one request, and only then with all. */
static bool is_being_tried(const struct sender *s, const struct feed *f)
{
	return (s->failures && s->in_flight) || (f->tenant->failures && f->tenant->in_flight);
}

static int64_t due_ns(const struct sender *s, const struct feed *f)
{
	int64_t due = feed_due_ns(f, s->request_bytes, s->conf.linger_ns);

	return due < s->not_before_ns ? s->not_before_ns : due;
}

/* Sends for the first feed that is due. Returns when to look again; FEED_NEVER when busy. */
static int64_t shard_turn(struct shard *shard, int64_t now_ns)
{
	struct sender *s = shard->sender;
	int64_t next = FEED_NEVER;

	if (shard->active)
		return FEED_NEVER;
	for (struct feed *f = shard->feeds; f; f = f->next) {
		int64_t due = due_ns(s, f);

		if (is_being_tried(s, f))
			continue; /* its answer comes back here */
		if (due <= now_ns && !f->jobs)
			f->jobs = feed_take(f, s->request_bytes);
		if (due <= now_ns && f->jobs) {
			to_the_end(shard, f);
			send_job(shard, f);
			return FEED_NEVER;
		}
		if (due > now_ns && due < next)
			next = due;
	}
	return next;
}

static void on_turn(struct timer *t)
{
	sender_turn(container_of(t, struct sender, turn));
}

void sender_turn(struct sender *s)
{
	int64_t now_ns = clock_mono_ns(), next = FEED_NEVER;

	if (s->is_stopped)
		return;
	for (unsigned i = 0; i < s->conf.nshards; i++) {
		int64_t due = shard_turn(&s->shards[i], now_ns);

		if (due < next)
			next = due;
	}
	if (next == FEED_NEVER)
		loop_timer_del(s->conf.loop, &s->turn);
	else
		loop_timer_set(s->conf.loop, &s->turn, next, on_turn);
}

/* Does not send at once, so that the blocks of one round go together. */
static void turn_at(struct sender *s, int64_t at_ns)
{
	int64_t now_ns = clock_mono_ns();

	if (at_ns < now_ns)
		at_ns = now_ns;
	if (!s->turn.at_ns || at_ns < s->turn.at_ns)
		loop_timer_set(s->conf.loop, &s->turn, at_ns, on_turn);
}

/* What its tenant's name makes impossible to send; Loki would refuse the whole request. */
static bool is_bad_tenant(const struct run *run)
{
	return run->tenant.n && !tenant_is_valid(run->tenant);
}

void sender_take(struct sender *s, struct block *b)
{
	int64_t due = FEED_NEVER;
	uint32_t nruns = b->nruns;

	CHECK_OBJ(b, BLOCK_MAGIC);
	CHECK(!s->is_stopped);
	for (uint32_t i = 0; i < nruns; i++) /* all pieces are open before one may end */
		b->runs[i].open_pieces = 1;
	for (uint32_t i = 0; i < nruns; i++) {
		struct run *run = &b->runs[i];
		struct shard *shard = &s->shards[run->hash % s->conf.nshards];
		struct feed *f;

		if (is_bad_tenant(run)) {
			struct piece p = { b, i, run->off, run->len, run->nrecs };

			sender_bury(s, &p, 1, 0, "loki_tenant",
				    STR("Loki cannot take this tenant"));
			continue;
		}
		f = feed_of(shard, run);
		feed_add(f, b, i);
		if (!shard->active && due_ns(s, f) < due)
			due = due_ns(s, f);
	}
	if (due != FEED_NEVER)
		turn_at(s, due);
}

void sender_flush(struct sender *s)
{
	s->not_before_ns = 0;
	for (unsigned i = 0; i < s->conf.nshards; i++) {
		for (struct feed *f = s->shards[i].feeds; f; f = f->next) {
			feed_hurry(f);
			f->not_before_ns = 0;
			f->tenant->not_before_ns = 0;
		}
	}
	turn_at(s, 0);
}

void sender_stop(struct sender *s)
{
	s->is_stopped = true;
	loop_timer_del(s->conf.loop, &s->turn);
	loop_timer_del(s->conf.loop, &s->trim);
	for (unsigned i = 0; i < s->conf.nshards; i++) {
		struct shard *shard = &s->shards[i];

		if (shard->active)
			s->conf.client->cancel(s->conf.client, &shard->call);
		shard->active = NULL;
		while (shard->feeds) {
			struct feed *f = shard->feeds;

			shard->feeds = f->next;
			feed_leave(f);
			forget_feed(shard, f);
		}
	}
}
