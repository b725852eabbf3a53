/* SPDX-License-Identifier: Apache-2.0 */
/* Each file is moved aside, read, sent, and only then deleted: what is refused again is written to a new
 * one, and a replay that was ended half way begins with what it had moved aside. */
#include "outputs/loki/replay.h"

#include <errno.h>
#include <stdio.h>

#include "lib/lockfile.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "lib/own_file.h"
#include "outputs/loki/client.h"
#include "outputs/loki/letter.h"
#include "outputs/loki/loki.h"
#include "outputs/loki/shard.h"

#define BLOCK_LETTERS 1000
#define BLOCK_BYTES ((size_t)1 << 20)

struct replay {
	struct loop *loop;
	struct client *client;
	struct deadletter *dead;
	struct sender *sender;
	struct flow *flow;
	struct arena arena; /* of the letters at hand */
	struct letter letters[BLOCK_LETTERS];
	uint32_t lens[BLOCK_LETTERS];
	uint32_t n;
	struct buf bytes;
	uint64_t unreadable;
	uint64_t not_kept;        /* unreadable lines that could not be written */
	struct metric *rewritten; /* letters that were refused again */
	int64_t rewritten_before;
};

static void send_letters(struct replay *r)
{
	size_t text = 0, off = 0;
	struct block *b;

	if (!r->n)
		return;
	for (uint32_t i = 0; i < r->n; i++)
		text += r->letters[i].labels.n + r->letters[i].tenant.n;
	b = block_new(r->n, text, r->bytes.n);
	memcpy(b->bytes, r->bytes.p, r->bytes.n);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct letter *l = &r->letters[i];

		b->runs[i] = (struct run){ .labels = block_text(b, l->labels),
					   .tenant = block_text(b, l->tenant),
					   .hash = str_hash(l->labels, str_hash(l->tenant, 0)),
					   .off = (uint32_t)off,
					   .len = r->lens[i],
					   .nrecs = 1 };
		off += r->lens[i];
	}
	b->nrecs = r->n;
	b->flow = r->flow;
	b->is_urgent = true;
	metric_add(r->flow->held, r->n);
	sender_take(r->sender, b);
	while (metric_value(r->flow->held))
		loop_once(r->loop, 1000);
	r->n = 0;
	buf_clear(&r->bytes);
	arena_fini(&r->arena);
}

/* What cannot be read is kept beside, for a person to look at. */
static void keep_unreadable(struct replay *r, struct str line)
{
	struct buf name = BUF_INIT;
	struct err err = ERR_NONE;
	int fd;

	r->unreadable++;
	buf_printf(&name, "%s.unreadable", deadletter_path(r->dead));
	fd = own_file_open(buf_cstr(&name), O_WRONLY | O_CREAT | O_APPEND, &err);
	if (fd < 0 || os->write(fd, line.p, line.n) != (ssize_t)line.n ||
	    os->write(fd, "\n", 1) != 1 || os->fdatasync(fd) < 0) {
		r->not_kept++;
		fprintf(stderr, "tailrace: %s: cannot keep a line: %s\n", buf_cstr(&name),
			fd < 0 ? err.text : strerror(errno));
	}
	if (fd >= 0)
		os->close(fd);
	buf_fini(&name);
}

static void take_line(void *arg, struct str line)
{
	struct replay *r = arg;
	struct letter *l = &r->letters[r->n];
	size_t before = r->bytes.n;

	line = arena_dup(&r->arena, line);
	if (!letter_read(line, &r->arena, l)) {
		if (str_trim(line).n)
			keep_unreadable(r, line);
		return;
	}
	letter_encode(l, &r->arena, &r->bytes);
	r->lens[r->n++] = (uint32_t)(r->bytes.n - before);
	if (r->n == BLOCK_LETTERS || r->bytes.n >= BLOCK_BYTES)
		send_letters(r);
}

/* Those that were neither delivered nor written again. */
static uint64_t lost(const struct replay *r)
{
	return r->not_kept + (uint64_t)r->flow->dropped_total -
	       (uint64_t)(metric_value(r->rewritten) - r->rewritten_before);
}

static int send_file(struct replay *r, const char *aside, struct err *err)
{
	uint64_t before = lost(r), n;
	int rc = deadletter_read(aside, take_line, r, err);

	if (rc < 0)
		return rc;
	send_letters(r);
	n = lost(r) - before;
	if (n)
		return err_set(err, -EIO,
			       "%llu letters were not delivered and cannot be written again; %s "
			       "stays as it is, to be sent by the next replay",
			       (unsigned long long)n, aside);
	if (os->unlink(aside) < 0 && errno != ENOENT)
		return err_errno(err, errno, "cannot delete it after sending");
	return 0;
}

/* The oldest first. */
static int send_files(struct replay *r, struct err *err)
{
	struct buf aside = BUF_INIT, path = BUF_INIT;
	int rc;

	buf_printf(&aside, "%s.replaying", deadletter_path(r->dead));
	rc = send_file(r, buf_cstr(&aside), err);
	for (unsigned i = DEADLETTER_FILES_MAX; rc == 0 && i-- > 0;) {
		*err = ERR_NONE;
		deadletter_file(r->dead, i, &path);
		if (deadletter_move(buf_cstr(&path), buf_cstr(&aside)) == 0)
			rc = send_file(r, buf_cstr(&aside), err);
		else if (errno != ENOENT)
			rc = err_errno(err, errno, "cannot move %s aside", buf_cstr(&path));
	}
	buf_fini(&aside);
	buf_fini(&path);
	return rc;
}

/* Two at once would delete what the other one has moved aside. */
static int take_lock(const struct replay *r, struct err *err)
{
	struct str letters = str_c(deadletter_path(r->dead));
	struct buf path = BUF_INIT;
	int fd;

	/* loki.lock beside loki.jsonl: a name that nobody takes for a file of letters. */
	buf_str(&path, str_sub(letters, 0, letters.n - strlen(".jsonl")));
	buf_c(&path, ".lock");
	fd = lockfile_take(buf_cstr(&path), err);
	buf_fini(&path);
	return fd;
}

int loki_replay(const char *name, const void *conf, const char *state_dir, struct replay_sum *ret,
		struct err *err)
{
	const struct loki_conf *c = conf;
	struct replay *r = mem_zalloc(sizeof(*r));
	int rc = -EINVAL, lock = -1;

	r->loop = loop_new("replay");
	r->flow = flow_new("replay", name);
	r->arena = ARENA_INIT;
	r->dead = deadletter_new(state_dir, name, c->dead_letter.max_size, c->dead_letter.max_files,
				 err);
	lock = r->dead ? take_lock(r, err) : -1;
	r->client = lock >= 0 ? client_new(r->loop, c, err) : NULL;
	r->rewritten = metric_get(METRIC_DEAD_LETTERS, "output", name, NULL);
	r->rewritten_before = metric_value(r->rewritten);
	if (r->client) {
		r->sender = sender_new(&(struct sender_conf){ .output = name,
							      .loop = r->loop,
							      .client = r->client,
							      .dead = r->dead,
							      .tenant = c->tenant,
							      .nshards = c->shards,
							      .request_bytes = c->batch_size,
							      .linger_ns = 0,
							      .backoff_min_ns = c->backoff.min_ns,
							      .backoff_max_ns = c->backoff.max_ns,
							      .seed = 1 });
		rc = send_files(r, err);
		sender_stop(r->sender);
		sender_free(r->sender);
		r->client->free(r->client);
	}
	*ret = (struct replay_sum){ .delivered = (uint64_t)metric_value(r->flow->delivered),
				    .refused = (uint64_t)r->flow->dropped_total,
				    .unreadable = r->unreadable };
	lockfile_release(lock);
	deadletter_free(r->dead);
	flow_free(r->flow);
	loop_free(r->loop);
	arena_fini(&r->arena);
	buf_fini(&r->bytes);
	mem_free(r);
	return rc;
}
