/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a request when its answer is there. */
#include "outputs/loki/shard_impl.h"

#define TEXT_MAX 300        /* of an answer, in our log */
#define RATE_TRIES 4        /* of a request over the rate before it is halved */
#define FAILURES_SUSPECT 20 /* 500s in a row, minutes of them */
#define FAILURES_PART 2     /* the same of a part of such a request */
#define PROOFS 4            /* that a 500 is no outage */

static uint64_t next_random(struct sender *s)
{
	/* splitmix64 */
	uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Full jitter: anything up to the step, which doubles; never nothing. */
static int64_t backoff_ns(struct sender *s, unsigned failures)
{
	int64_t step = s->conf.backoff_min_ns, max = s->conf.backoff_max_ns, least;

	while (--failures && step < max)
		step *= 2;
	if (step > max)
		step = max;
	least = s->conf.backoff_min_ns / 5;
	return least + (int64_t)(next_random(s) % (uint64_t)(step - least + 1));
}

static void set_up(struct sender *s, bool is_up)
{
	if (is_up && !s->is_up)
		log_info("pushes succeed", KV_S("output", s->conf.output));
	s->is_up = is_up;
	metric_set(s->up, is_up);
}

/* Removes the first job, which has ended. */
static void end_job(struct shard *shard, struct feed *f)
{
	struct job *job = f->jobs;

	f->jobs = job->next;
	job_free(job);
	shard->built = NULL;
	f->failures = 0;
}

/* While others of its stream are stored, what is answered 500 again and again is no outage. */
static void count_proofs(const struct job *done)
{
	for (struct job *job = done->next; job; job = job->next)
		job->nproofs +=
			job->nrecs == 1 && job->nfailed && job_has_stream(done, &job->pieces[0]);
}

/* Requests become smaller, or stay as they are. */
static void shrink(struct sender *s, size_t bytes)
{
	if (bytes < REQUEST_BYTES_MIN)
		bytes = REQUEST_BYTES_MIN;
	if (bytes < s->request_bytes)
		s->request_bytes = bytes;
}

/* A full one, well before the timeout, where the same work would be done again and again. */
static bool is_slow(const struct shard *shard)
{
	const struct sender *s = shard->sender;

	return s->conf.timeout_ns && shard->raw_bytes >= s->request_bytes / 2 &&
	       clock_mono_ns() - shard->sent_ns > s->conf.timeout_ns / 4;
}

static void on_done(struct shard *shard, struct feed *f)
{
	struct sender *s = shard->sender;
	struct job *job = f->jobs;

	set_up(s, true);
	s->failures = f->tenant->failures = 0;
	s->not_before_ns = 0;
	count_proofs(job);
	if (is_slow(shard)) {
		shrink(s, s->request_bytes - s->request_bytes / 4);
	} else if (s->request_bytes < s->conf.request_bytes &&
		   shard->raw_bytes >= s->request_bytes - s->request_bytes / 4) {
		/* They grow again, slowly, up to what is configured. */
		s->request_bytes += s->request_bytes / 64;
	}
	if (s->request_bytes > s->conf.request_bytes)
		s->request_bytes = s->conf.request_bytes;
	pieces_end(job->pieces, job->npieces, PIECE_DELIVERED, NULL);
	end_job(shard, f);
}

/* The parts take the place of the first job. */
static void put_parts(struct shard *shard, struct feed *f, struct job *parts, struct job *rest)
{
	struct job *last = parts;

	while (last->next)
		last = last->next;
	last->next = rest;
	f->jobs = parts;
	f->failures = 0;
	shard->built = NULL;
}

/* In halves, although Loki did not ask for that. */
static bool halve(struct shard *shard, struct feed *f, bool is_suspect)
{
	struct job *job = f->jobs, *rest = job->next, *parts;
	struct verdict v = { VERDICT_REFUSED, .refusal.scope = job->nstreams > 1
								       ? REFUSAL_STREAMS
								       : REFUSAL_ENTRIES };

	job->is_part = true;
	parts = job_split(job, &v);
	if (!parts)
		return false;
	for (struct job *part = parts; part; part = part->next)
		part->is_suspect = is_suspect;
	put_parts(shard, f, parts, rest);
	return true;
}

/* The same 500 for minutes is one entry that trips Loki, or an outage; which, the others of its stream
 * tell. So the job is halved until the entry is alone, and then lets what is behind it go first. Only
 * when that is stored each time, and it never is, it is given up: true then. */
static bool is_poison(struct shard *shard, struct feed *f, const struct answer *a)
{
	struct job *job = f->jobs, **last;
	unsigned failures = f->failures;

	if (a->status != 500 ||
	    ++job->nfailed < (job->is_suspect ? FAILURES_PART : FAILURES_SUSPECT))
		return false;
	if (job->nproofs >= PROOFS) {
		sender_bury(shard->sender, job->pieces, job->npieces, a->status,
			    "loki_server_error", str_trim(a->body));
		end_job(shard, f);
		return true;
	}
	if (halve(shard, f, true)) {
		f->failures = failures;
		return false;
	}
	if (!job->next && !shard_next_job_first(shard, f))
		return false;
	if (f->jobs == job) {
		f->jobs = job->next;
		job->next = NULL;
		for (last = &f->jobs; *last;)
			last = &(*last)->next;
		*last = job;
	}
	shard->built = NULL;
	return false;
}

/* Nobody answers: not a matter of this tenant, so all wait, and then one tries for all. */
static void on_no_answer(struct shard *shard, struct feed *f, const struct answer *a)
{
	struct sender *s = shard->sender;
	int64_t now_ns = clock_mono_ns();

	set_up(s, false);
	if (s->conf.timeout_ns && now_ns - shard->sent_ns > s->conf.timeout_ns / 10 * 9) {
		shrink(s, shard->raw_bytes / 2); /* too much for the time there is, perhaps */
		if (f->jobs->tries >= RATE_TRIES && shard->raw_bytes > REQUEST_BYTES_MIN)
			halve(shard, f, false);
	}
	if (now_ns < s->not_before_ns)
		return; /* another shard has said so already */
	s->not_before_ns = now_ns + backoff_ns(s, ++s->failures);
	log_warn("push failed, will be tried again", KV_S("output", s->conf.output),
		 KV("error", str_sub(a->error, 0, TEXT_MAX)),
		 KV_I("retry_in_ms", (s->not_before_ns - now_ns) / NS_PER_MS));
}

/* A limit of the tenant: none of its requests goes anywhere until then. */
static void on_rate(struct shard *shard, struct feed *f, const struct answer *a,
		    const struct verdict *v)
{
	struct sender *s = shard->sender;
	struct tenant *t = f->tenant;
	int64_t now_ns = clock_mono_ns(), until = now_ns + v->retry_after_ns;
	size_t raw_bytes = shard->raw_bytes;

	set_up(s, false);
	if (now_ns >= t->not_before_ns) /* else another shard has said so already */
		t->not_before_ns = now_ns + backoff_ns(s, ++t->failures);
	if (t->not_before_ns < until)
		t->not_before_ns = until;
	/* One larger than the burst is refused for ever, however long it waits. */
	if (f->jobs->tries >= RATE_TRIES && raw_bytes > REQUEST_BYTES_MIN &&
	    halve(shard, f, false)) {
		shrink(shard->sender, shard->raw_bytes / 2);
		t->failures = 1;
	}
	log_warn("Loki limits this tenant, will be tried again", KV_S("output", s->conf.output),
		 KV("tenant", shard->call.tenant), KV_I("status", a->status),
		 KV("answer", str_trim(str_sub(a->body, 0, TEXT_MAX))),
		 KV_I("retry_in_ms", (t->not_before_ns - now_ns) / NS_PER_MS));
}

static void on_retry(struct shard *shard, struct feed *f, const struct answer *a,
		     const struct verdict *v)
{
	struct sender *s = shard->sender;
	int64_t now_ns = clock_mono_ns(), until;

	set_up(s, false);
	if (is_poison(shard, f, a))
		return;
	f->not_before_ns = now_ns + backoff_ns(s, ++f->failures);
	until = now_ns + v->retry_after_ns;
	if (v->retry_after_ns && f->tenant->not_before_ns < until)
		f->tenant->not_before_ns = until;
	if (until < f->not_before_ns)
		until = f->not_before_ns;
	log_warn("push refused for now, will be tried again", KV_S("output", s->conf.output),
		 KV("tenant", shard->call.tenant), KV_I("status", a->status),
		 KV("answer", str_trim(str_sub(a->body, 0, TEXT_MAX))),
		 KV_I("retry_in_ms", (until - now_ns) / NS_PER_MS));
}

/* The stream waits, with what comes of it; the others, which were stored, do not. */
static void on_stream_limit(struct shard *shard, struct feed *f, const struct answer *a,
			    const struct verdict *v)
{
	const struct piece *hit = job_named(f->jobs, v->refusal.stream);
	struct feed *own = hit ? shard_set_aside(shard, f, hit) : NULL;

	if (own) {
		own->failures = f->failures;
		f->failures = 0;
		f = own;
	}
	/* Entries that Loki stored the first time count again towards the rate: what is much larger than the
	 * rate allows until the next try would never get through. */
	if (v->refusal.scope == REFUSAL_ENTRIES && f->jobs->tries >= RATE_TRIES)
		halve(shard, f, false);
	on_retry(shard, f, a, v);
}

/* Somebody must repair the set-up; until then it is asked again as seldom as ever. */
static void on_hold(struct shard *shard, struct feed *f, const struct answer *a,
		    const struct verdict *v)
{
	struct sender *s = shard->sender;
	bool is_changed = v->kind == VERDICT_HOLD && s->conf.client->reread(s->conf.client);

	set_up(s, false);
	f->failures++;
	f->not_before_ns =
		clock_mono_ns() + (is_changed ? s->conf.backoff_min_ns : s->conf.backoff_max_ns);
	log_error(v->kind == VERDICT_BLOCKED
			  ? "Loki has blocked ingestion: records are held, not delivered"
			  : "pushes are not accepted: records are held until this is "
			    "repaired",
		  KV_S("output", s->conf.output), KV("tenant", shard->call.tenant),
		  KV_I("status", a->status), KV("answer", str_trim(str_sub(a->body, 0, TEXT_MAX))));
}

void sender_bury(struct sender *s, const struct piece *pieces, size_t n, int status,
		 const char *reason, struct str text)
{
	struct err err = ERR_NONE;
	uint64_t nrecs = 0, written = 0, nlost;

	for (size_t i = 0; i < n; i++)
		nrecs += pieces[i].nrecs;
	if (s->conf.dead)
		written = deadletter_write(s->conf.dead, pieces, n, status, text, &err);
	metric_add(s->dead, (int64_t)written);
	nlost = nrecs - written + (s->conf.dead ? deadletter_take_deleted(s->conf.dead) : 0);
	metric_add(s->dead_dropped, (int64_t)nlost);
	log_warn("records refused for good", KV_S("output", s->conf.output), KV_S("reason", reason),
		 KV_I("status", status), KV("answer", str_sub(text, 0, TEXT_MAX)),
		 KV_I("records", nrecs), KV_I("in_dead_letter_file", written),
		 KV_S("file", s->conf.dead ? deadletter_path(s->conf.dead) : ""),
		 KV_S("error", err.text));
	pieces_end(pieces, n, PIECE_DROPPED, reason);
}

static void on_refused(struct shard *shard, struct feed *f, const struct answer *a,
		       const struct verdict *v)
{
	struct sender *s = shard->sender;
	struct job *job = f->jobs, *rest = job->next, *parts;

	s->failures = f->tenant->failures = 0;
	if (v->kind == VERDICT_TOO_LARGE)
		shrink(shard->sender, shard->raw_bytes / 2);
	parts = job_split(job, v);
	if (!parts) {
		sender_bury(s, job->pieces, job->npieces, a->status, v->refusal.reason,
			    v->refusal.text);
		end_job(shard, f);
		return;
	}
	put_parts(shard, f, parts, rest);
}

void shard_on_answer(struct client_call *call, const struct answer *a)
{
	struct shard *shard = container_of(call, struct shard, call);
	struct sender *s = shard->sender;
	struct feed *f = TAKE(shard->active);
	struct verdict v = answer_judge(a, clock_wall_ns());

	CHECK(f && f->jobs);
	f->tenant->in_flight--;
	s->in_flight--;
	metric_add(metric_get(METRIC_PUSH_REQUESTS, "output", s->conf.output, "result", v.result,
			      NULL),
		   1);
	metric_add(s->wait_ms, (clock_mono_ns() - shard->sent_ns) / NS_PER_MS);
	switch (v.kind) {
	case VERDICT_DONE:
		on_done(shard, f);
		break;
	case VERDICT_RETRY:
		if (a->status)
			on_retry(shard, f, a, &v);
		else
			on_no_answer(shard, f, a);
		break;
	case VERDICT_RATE:
		on_rate(shard, f, a, &v);
		break;
	case VERDICT_STREAM_LIMIT:
		on_stream_limit(shard, f, a, &v);
		break;
	case VERDICT_HOLD:
	case VERDICT_BLOCKED:
		on_hold(shard, f, a, &v);
		break;
	case VERDICT_REFUSED:
	case VERDICT_TOO_LARGE:
		on_refused(shard, f, a, &v);
		break;
	}
	if (f->stream.n && feed_is_empty(f))
		shard_forget_feed(shard, f);
	sender_turn(s);
}
