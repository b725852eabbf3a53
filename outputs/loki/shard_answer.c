/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a request when its answer is there. */
#include "outputs/loki/shard_impl.h"

#define TEXT_MAX 300 /* of an answer, in our log */

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

static void on_done(struct shard *shard, struct feed *f)
{
	struct sender *s = shard->sender;
	struct job *job = f->jobs;

	set_up(s, true);
	s->failures = 0;
	s->not_before_ns = 0;
	/* After a 413 requests grow again, slowly, up to what is configured. */
	if (s->request_bytes < s->conf.request_bytes &&
	    shard->raw_bytes >= s->request_bytes - s->request_bytes / 4)
		s->request_bytes += s->request_bytes / 64;
	if (s->request_bytes > s->conf.request_bytes)
		s->request_bytes = s->conf.request_bytes;
	pieces_end(job->pieces, job->npieces, PIECE_DELIVERED, NULL);
	end_job(shard, f);
}

/* Nobody answers: not a matter of this tenant, so all wait, and then each shard tries once. */
static void on_no_answer(struct shard *shard, const struct answer *a)
{
	struct sender *s = shard->sender;
	int64_t now_ns = clock_mono_ns();

	set_up(s, false);
	if (now_ns < s->not_before_ns)
		return; /* another shard has said so already */
	s->not_before_ns = now_ns + backoff_ns(s, ++s->failures);
	log_warn("push failed, will be tried again", KV_S("output", s->conf.output),
		 KV("error", str_sub(a->error, 0, TEXT_MAX)),
		 KV_I("retry_in_ms", (s->not_before_ns - now_ns) / NS_PER_MS));
}

static void on_retry(struct shard *shard, struct feed *f, const struct answer *a,
		     const struct verdict *v)
{
	struct sender *s = shard->sender;
	int64_t now_ns = clock_mono_ns(), until;

	set_up(s, false);
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
			  : "pushes are not accepted: records are held until this is repaired",
		  KV_S("output", s->conf.output), KV("tenant", shard->call.tenant),
		  KV_I("status", a->status), KV("answer", str_trim(str_sub(a->body, 0, TEXT_MAX))));
}

void sender_bury(struct sender *s, const struct piece *pieces, size_t n, int status,
		 const char *reason, struct str text)
{
	struct err err = ERR_NONE;
	uint64_t nrecs = 0, written = 0;

	for (size_t i = 0; i < n; i++)
		nrecs += pieces[i].nrecs;
	if (s->conf.dead)
		written = deadletter_write(s->conf.dead, pieces, n, status, text, &err);
	metric_add(s->dead, (int64_t)written);
	metric_add(s->dead_dropped, (int64_t)(nrecs - written));
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
	struct job *job = f->jobs, *rest = job->next, *parts, *last;

	s->failures = 0;
	if (v->kind == VERDICT_TOO_LARGE && shard->raw_bytes / 2 < s->request_bytes) {
		s->request_bytes = shard->raw_bytes / 2;
		if (s->request_bytes < REQUEST_BYTES_MIN)
			s->request_bytes = REQUEST_BYTES_MIN;
		if (s->request_bytes > s->conf.request_bytes)
			s->request_bytes = s->conf.request_bytes;
	}
	parts = job_split(job, v);
	if (!parts) {
		sender_bury(s, job->pieces, job->npieces, a->status, v->refusal.reason,
			    v->refusal.text);
		end_job(shard, f);
		return;
	}
	for (last = parts; last->next;)
		last = last->next;
	last->next = rest;
	f->jobs = parts;
	f->failures = 0;
	shard->built = NULL;
}

void shard_on_answer(struct client_call *call, const struct answer *a)
{
	struct shard *shard = container_of(call, struct shard, call);
	struct sender *s = shard->sender;
	struct feed *f = TAKE(shard->active);
	struct verdict v = answer_judge(a, clock_wall_ns());

	CHECK(f && f->jobs);
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
			on_no_answer(shard, a);
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
	sender_turn(s);
}
